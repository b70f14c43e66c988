package reconcile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// twoSources is a fixture with hr and a source whose name comes before it.
func twoSources(t *testing.T, precedence, agency string) *reality {
	t.Helper()
	c := strings.Replace(realConfiguration, "  precedence: {default: [hr, contractors], email: [contractors, hr]}\n", "  precedence: "+precedence+"\n", 1)
	c = strings.Replace(c, "    contractors: {joins: hr, contracts: {sponsors: hr}}\n", "    agency: "+agency+"\n", 1)
	r := &reality{fixture: newFixtureOf(t, map[string]string{"behov.yaml": c, "policy.csv": realRules, "units.csv": realUnits})}
	return r.on("2026-06-01")
}

const headOfFinance = "1 E1 given_name=Eva family_name=Ek email=eva@x phone=0701 national_id=19811218-9876"

// TestASecondSourceTakesNothingOver: the number and one name in common let no
// source change the mail, phone or name of a known person.
func TestASecondSourceTakesNothingOver(t *testing.T) {
	const impostor = "A1 X1 given_name=Eva family_name=Other email=other@x phone=0666 unit=library national_id=19811218-9876"
	everybody := "{default: [hr, agency], email: [agency, hr], phone: [agency, hr]}" // as careless as it can be
	for _, c := range []struct{ name, precedence, agency, row, has, asks string }{
		{"no setting joins", everybody, "{}", impostor, atLibrary, "the same national identity number"},
		{"no setting joins, nothing changes", "{default: [hr, agency]}", "{}", impostor, atLibrary, "the same national identity number"},
		{"joins, and would change", everybody, "{joins: hr}", impostor, "", "would change the email, phone of person"},
		{"joins, by another source's precedence", "{default: [hr, agency], email: [agency, hr], family_name: [agency, hr]}", "{joins: [hr]}", impostor, "", "would change the family_name, email of person"},
		// Whom the first source hires is not kept from work by what another source said before.
		{"joins, from the first source", "{default: [agency, hr]}", "{joins: [hr]}", impostor, atLibrary, "the same national identity number"},
		{"joins, and changes nothing", "{default: [hr, agency]}", "{joins: hr}", impostor, "joined", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := twoSources(t, c.precedence, c.agency)
			r.HR(boss, headOfFinance).expect("1", identity.Working, atSchool)
			before, known := r.account(r.one, "1"), r.id("1")
			report := r.says("agency", c.row)
			for _, p := range report.Problems {
				if !p.Warning {
					t.Errorf("problem %v", p)
				}
			}
			again := r.says("agency", c.row+" job_title=x")
			if report.Joined > 1 || again.Joined != 0 {
				t.Errorf("joined %d and %d", report.Joined, again.Joined)
			}
			found, err := r.e.DB.Duplicates(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.has == "joined" {
				if r.id("A1") != known || len(found) != 0 {
					t.Errorf("not joined: %+v", found)
				}
				r.expect("1", identity.Working, "one/account one/base:school one/base:staff two/account two/lib:library")
			} else {
				if r.id("A1") == known || len(found) != 1 || !strings.Contains(testenv.Words(found[0].Why), c.asks) || found[0].Held != (c.has == "") {
					t.Errorf("asked %+v", found)
				}
				r.expect("A1", identity.Working, c.has).expect("1", identity.Working, atSchool)
				if _, err := r.e.ReconcilePeople(t.Context(), r.ids("A1"), nil); err != nil {
					t.Fatal(err)
				}
				r.expect("A1", identity.Working, c.has)
			}
			after := r.account(r.one, "1")
			if !maps.EqualFunc(before.Attributes, after.Attributes, slices.Equal) || before.Name != after.Name || len(r.accounts(r.one, known)) != 1 {
				t.Errorf("the account was %+v and is %+v", before, after)
			}
		})
	}
}

// TestAHeldRecordIsDecided: merge and apart end it, and so does nothing else.
func TestAHeldRecordIsDecided(t *testing.T) {
	const record = "A1 X1 given_name=Eva family_name=Ek email=private@x unit=library national_id=19811218-9876"
	for verdict, want := range map[string]string{"apart": atLibrary, "merge": "one/account one/base:school one/base:staff two/account two/lib:library"} {
		r := twoSources(t, "{default: [hr, agency], email: [agency, hr]}", "{joins: hr}")
		r.HR(boss, headOfFinance).expect("1", identity.Working, atSchool)
		r.says("agency", record)
		r.expect("A1", identity.Working, "")
		if got := findingText(r.settledRun().Plan, plan.NotDecided, r.id("A1")); !strings.Contains(got, "behov people merge "+string(r.id("1"))) {
			t.Errorf("the plan says %q", got)
		}
		known, _ := r.e.DB.Person(t.Context(), r.id("1"))
		other, _ := r.e.DB.Person(t.Context(), r.id("A1"))
		if s := r.standing("A1"); s.Undecided.IsZero() {
			t.Error("their standing is clear")
		}
		maker := by(r.id("9"))
		var err error
		if verdict == "merge" {
			_, err = r.govern().Merge(t.Context(), known, other, maker, "asked her manager")
		} else {
			_, err = r.govern().MarkDistinct(t.Context(), known, other, maker, "two people")
		}
		if err != nil {
			t.Fatal(err)
		}
		r.expect("A1", identity.Working, want)
		if found, err := r.e.DB.Duplicates(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("%s: asked again: %+v, %v", verdict, found, err)
		}
		// The next export changes nothing of it.
		r.says("agency", record+" job_title=x")
		r.expect("A1", identity.Working, want)
	}
}

// TestAttributesComeFromSourcesNamedForThem: in any order of imports, with any
// two sources and any precedence, what is known of a person comes from a source
// that is named for it, and the login tells nothing else.
func TestAttributesComeFromSourcesNamedForThem(t *testing.T) {
	columns := identity.PersonColumns
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.SampledFrom([][]string{{"hr"}, {"agency"}, {"hr", "agency"}, {"agency", "hr"}})
		precedence := identity.Precedence{}
		for _, c := range columns {
			precedence[c] = order.Draw(rt, c)
		}
		r := twoSources(t, "{default: [hr, agency]}", "{joins: hr}")
		r.e.Config.Precedence = precedence
		agency := r.e.Config.Sources["agency"]
		agency.Joins = rapid.SampledFrom([][]string{nil, {"hr"}}).Draw(rt, "joins")
		r.e.Config.Sources["agency"] = agency
		// Each value says which source it is from.
		value := func(source, column string) string {
			return rapid.SampledFrom([]string{"", source + column + "1", source + column + "2"}).Draw(rt, source+column)
		}
		for range rapid.IntRange(1, 5).Draw(rt, "imports") {
			source := rapid.SampledFrom([]string{"hr", "agency"}).Draw(rt, "source")
			number := rapid.SampledFrom([]string{"", "19811218-9876"}).Draw(rt, "number")
			given := rapid.SampledFrom([]string{"Eva", source + "given"}).Draw(rt, "given")
			r.says(source, source+"9 "+source+"E9 given_name="+source+"boss family_name="+source+"boss phone="+source+" email="+source+"@x national_id=19640823-3234",
				source+"1 "+source+"E1 given_name="+given+" family_name="+source+"family email="+value(source, "email")+" phone="+value(source, "phone")+" national_id="+number)
		}
		for p, err := range r.e.DB.People(t.Context()) {
			if err != nil {
				rt.Fatal(err)
			}
			for column, v := range map[string]string{"given_name": p.GivenName, "family_name": p.FamilyName, "email": p.Email, "phone": p.Phone} {
				for _, source := range []string{"hr", "agency"} {
					if strings.HasPrefix(v, source) && !slices.Contains(precedence[column], source) {
						rt.Errorf("%s is %q, and only %v are named for it", column, v, precedence[column])
					}
				}
				if v == "Eva" && !slices.ContainsFunc(p.Keys, func(k identity.Record) bool { return slices.Contains(precedence[column], k.Source) }) {
					rt.Errorf("%s is %q of %v, and only %v are named for it", column, v, p.Keys, precedence[column])
				}
			}
			if login := p.Login; !strings.HasPrefix(login, "user") {
				first := strings.HasPrefix(login, "eva") || strings.HasPrefix(login, "hrg") || strings.HasPrefix(login, "age")
				if first && !slices.ContainsFunc(p.Keys, func(k identity.Record) bool {
					return slices.Contains(precedence["given_name"], k.Source) || slices.Contains(precedence["family_name"], k.Source)
				}) {
					rt.Errorf("the login is %q of %v", login, p.Keys)
				}
			}
		}
	})
}

// TestAnErasedPersonStaysErased: an export that still lists an erased person
// does not bring them back; one who is employed again is a question, and no one
// else is affected by it.
func TestAnErasedPersonStaysErased(t *testing.T) {
	const number = " national_id=19811218-9876"
	const left = "1 E1 end_date=2025-01-31" + number
	r := newReality(t, "delete_after_days: 100, erase_after_days: 200").HR(boss, left, "2 E2", "3 E3").expect("2", identity.Working, atSchool)
	first := r.id("1")
	r.on("2027-01-01")
	r.settledRun()
	if r.settledRun(); r.known("1") {
		t.Fatal("the person is not erased")
	}
	report := r.says("hr", boss, left, "2 E2", "3 E3")
	if r.known("1") || report.Erased != 1 || len(report.Problems) != 0 || report.Events != 0 {
		t.Errorf("the same export: %+v", report)
	}
	// Under another key, and ended; and under the same key, another person.
	report = r.says("hr", boss, left, "2 E2", "3 E3", "7 E7 end_date=2025-03-01"+number)
	if r.known("7") || report.Erased != 2 {
		t.Errorf("under another key: %+v", report)
	}
	// Employed again. Another leaves, and that is not held back.
	again := []string{boss, left, "1 E10 start_date=2027-01-01" + number, "2 E2"}
	report = r.says("hr", again...)
	if r.known("1") || len(report.Problems) != 1 || report.Problems[0].Line != 4 || !strings.Contains(testenv.ProblemText(report.Problems[0]), "behov people readmit hr/PERSON_ID") || report.EndingsWait || report.Erased != 1 {
		t.Errorf("employed again: %+v", report)
	}
	r.expect("3", identity.Ended, "").expect("2", identity.Working, atSchool)
	maker := by(r.id("9"))
	key := identity.SourceKey{Source: "hr", Key: "1"}
	if _, err := r.govern().Readmit(t.Context(), key, maker, ""); err == nil {
		t.Error("readmitted without a reason")
	}
	if _, err := r.govern().Readmit(t.Context(), identity.SourceKey{Source: "hr", Key: "2"}, maker, "no"); err == nil {
		t.Error("readmitted who is known")
	}
	d, err := r.govern().Readmit(t.Context(), key, maker, "employed again")
	if err != nil || strings.HasSuffix(string(d.Subject), "/1") {
		t.Fatalf("%+v, %v", d, err)
	}
	if report = r.says("hr", again...); len(report.Problems) != 0 {
		t.Errorf("readmitted: %+v", report)
	}
	r.expect("1", identity.Working, atSchool)
	if r.id("1") == first {
		t.Error("who was erased is who they were")
	}
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// known says whether anyone is known by a key.
func (r *reality) known(key string) bool {
	_, err := r.e.DB.FindPerson(r.t.Context(), key, "hr")
	return err == nil
}

// TestAKeyThatIsUsedAgainIsAnotherPerson: HR gives the number of an erased
// person to another one.
func TestAKeyThatIsUsedAgainIsAnotherPerson(t *testing.T) {
	r := newReality(t, "delete_after_days: 100, erase_after_days: 200").HR(boss, "1 E1 end_date=2025-01-31 national_id=19811218-9876").on("2027-01-01")
	r.settledRun()
	r.settledRun()
	if r.known("1") {
		t.Fatal("the person is not erased")
	}
	r.HR(boss, "1 E10 start_date=2027-01-01 national_id=19640823-3234").expect("1", identity.Working, atSchool)
}

// TestWhoseAccountWasDeletedByHandIsErased: an account that was deleted in the
// target itself is none any more once a run has seen it.
func TestWhoseAccountWasDeletedByHandIsErased(t *testing.T) {
	for _, byHand := range []bool{true, false} {
		r := newReality(t, "delete_after_days: 100, erase_after_days: 200").HR(boss, "1 E1 unit=library").expect("1", identity.Working, atLibrary)
		r.HR(boss, "1 E1 unit=library end_date=2026-05-01").expect("1", identity.Ended, "")
		erase := func() error {
			p, err := r.e.DB.Person(t.Context(), r.id("1"))
			if err != nil {
				t.Fatal(err)
			}
			proposal, err := r.govern().Erase(t.Context(), p, by(r.id("9")), "asked for it")
			if err != nil {
				return err
			}
			// It cannot be undone: it takes two people.
			if _, err := r.govern().DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, by(r.id("9")), "asked for it"); !rights.IsCause(err) || !r.known("1") {
				t.Errorf("the person who proposed it lets it through: %v", err)
			}
			_, err = r.govern().DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, r.decider(), "looked at it")
			return err
		}
		remove := func() {
			r.behind(r.one, connectors.DeleteAccount, r.account(r.one, "1").ID, "")
			r.behind(r.two, connectors.DeleteAccount, r.account(r.two, "1").ID, "")
		}
		if !byHand { // and by the time that is over
			r.on("2026-09-01")
			remove()
			r.settledRun()
			r.on("2027-06-01")
			r.settledRun()
			if r.settledRun(); r.known("1") {
				t.Error("the time is over, and the person is not erased")
			}
			continue
		}
		if err := erase(); err == nil || !strings.Contains(err.Error(), `{"code":"account-left","target":"one"`) {
			t.Errorf("before the accounts are deleted: %v", err)
		}
		remove()
		if err := erase(); err == nil {
			t.Error("erased before a run has seen that the accounts are gone")
		}
		r.settledRun()
		if err := erase(); err != nil || r.known("1") {
			t.Errorf("after a run: %v", err)
		}
	}
}

// TestWhatWasSetAtCreationIsWithheldLater: a value that is set on a new account and
// then left alone goes all the same when the identity is protected later.
func TestWhatWasSetAtCreationIsWithheldLater(t *testing.T) {
	r := &reality{fixture: newFixtureWith(t, strings.Replace(configuration, `mail: "{{.Email}}"`, `mail: {value: "{{.Email}}", set: create}`, 1))}
	r.hire("1 school T")
	r.settledRun()
	if got := r.accounts(r.one, r.person("1"))[0].Attributes["mail"]; len(got) != 1 {
		t.Fatalf("mail is %v", got)
	}
	p, err := r.e.DB.Person(t.Context(), r.person("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.governance().Protect(t.Context(), p, false, r.decider(), "decision of the Tax Agency"); err != nil {
		t.Fatal(err)
	}
	r.settledRun()
	if got := r.accounts(r.one, r.person("1"))[0].Attributes["mail"]; len(got) != 0 {
		t.Errorf("mail is still %v", got)
	}
}

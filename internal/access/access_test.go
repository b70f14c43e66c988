package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
	"github.com/behov/behov/internal/wording"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// installation is the office, with views of it.
type installation struct{ *office.Office }

func newInstallation(t *testing.T, ownRights string) *installation {
	t.Helper()
	return &installation{office.New(t, map[string]string{"rights.csv": ownRights})}
}

// view is that of a person, or of an operator in a shell when the key is empty.
func (in *installation) view(t *testing.T, key string) *access.View {
	t.Helper()
	viewer := access.Viewer{}
	if key != "" {
		viewer.Subject = rights.Subject{Person: in.Person(key).ID, How: rights.OperatingSystem}
	}
	v, err := in.Answers().For(t.Context(), viewer)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestWhoSeesWhom: whom each role sees, themselves, their staff, the people in their
// system, and others; and that no one sees a protected identity.
func TestWhoSeesWhom(t *testing.T) {
	in := newInstallation(t, "")
	in.Apply()
	if _, err := in.view(t, "").WhoHad("lib:nothing", nil); !strings.Contains(testenv.ErrorText(err), "was ever given") {
		t.Errorf("a misspelt entitlement: %v", err)
	}
	everyone := []string{"", "administrator", "operator", "personnel", "officer", "auditor"}
	for _, viewer := range append(everyone, "owner", "deputy", "manager", "reviewer", "stranger", "staff", "gone") {
		all := slices.Contains(everyone, viewer)
		for about, want := range map[string]bool{"stranger": all || viewer == "stranger", "staff": all || viewer == "manager" || viewer == "staff", "secret": all || viewer == "manager"} {
			v := in.view(t, viewer)
			p, err := v.Person(string(in.Person(about).ID), nil)
			var refused *rights.RefusedError
			if want != (err == nil) || !want && !errors.As(err, &refused) {
				t.Errorf("%q about %s: %v", viewer, about, err)
				continue
			}
			ref := v.Ref(in.Person(about).ID)
			if want != (ref.DisplayName != "") {
				t.Errorf("%q about %s: %+v", viewer, about, ref)
			}
			checkMasked(t, viewer, about, p, ref, v.Name(in.Person(about).ID))
		}
		// Who has what is in a system is seen by its owner, and by who sees them anyway.
		had, err := in.view(t, viewer).WhoHad("lib:library", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		switch {
		case all || viewer == "owner" || viewer == "deputy" || viewer == "manager":
			want = 2
		case viewer == "staff":
			want = 1
		}
		if len(had) != want {
			t.Errorf("%q sees %d of those who have library", viewer, len(had))
		}
		checkMasked(t, viewer, "secret", had)
		if of, err := in.view(t, viewer).WhoHad("lib", nil); err != nil || len(of) != want {
			t.Errorf("%q sees %d of those who have something in lib, %v", viewer, len(of), err)
		}
		people, counts, err := in.view(t, viewer).People("")
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, n := range counts {
			total += n
		}
		if all != (len(people) == 13) || total != len(people) {
			t.Errorf("%q lists %d people, and counts %d", viewer, len(people), total)
		}
	}
}

// checkMasked fails when an answer has anything in it that tells who the secret person is.
func checkMasked(t *testing.T, viewer, about string, answers ...any) {
	t.Helper()
	if about != "secret" {
		return
	}
	b, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	for _, tells := range []string{"Hemlig", "hemlig", "hideout", `"secret"`, "hr/secret", "(secret)"} {
		if strings.Contains(string(b), tells) {
			t.Errorf("%q is told %q of a protected person: %s", viewer, tells, b)
		}
	}
}

// TestALineShowsProtectedIdentities to those whom it names, and to no one else; a line
// about all actions shows them to no one.
func TestALineShowsProtectedIdentities(t *testing.T) {
	in := newInstallation(t, "p, hr, person.see-protected, allow, HR\np, self, person.see-protected, allow, the person themselves\np, auditor, *, allow, a test\n")
	for viewer, want := range map[string]string{"personnel": "Hemlig Hemligsson", "secret": "Hemlig Hemligsson", "auditor": "[protected identity]", "": "[protected identity]", "manager": "[protected identity]", "stranger": ""} {
		if ref := in.view(t, viewer).Ref(in.Person("secret").ID); ref.DisplayName != want || want != "" && !ref.Protected {
			t.Errorf("%q: %+v", viewer, ref)
		}
	}
	p, err := in.view(t, "personnel").Person("hr/secret", nil)
	if err != nil || p.Masked || p.Employments[0].Unit != "hideout" || p.Login == "" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestSuspendedPeopleSeeNoOne, and neither do those who do not work here: not even
// themselves.
func TestSuspendedPeopleSeeNoOne(t *testing.T) {
	in := newInstallation(t, "g, hr/gone, administrator\n")
	g := &governance.Governance{DB: in.DB, Config: in.Config, Now: in.Clock}
	if _, err := g.Suspend(t.Context(), in.Person("operator"), false, rights.Subject{Person: in.Person("administrator").ID}, "r"); err != nil {
		t.Fatal(err)
	}
	for _, viewer := range []string{"operator", "gone"} {
		for _, about := range []string{"stranger", viewer} {
			if _, err := in.view(t, viewer).Find("hr/" + about); !rights.IsRefused(err) {
				t.Errorf("%s about %s: %v", viewer, about, err)
			}
		}
	}
}

// TestTheWordsOfADecisionAreMasked where the decision is about a masked person.
func TestTheWordsOfADecisionAreMasked(t *testing.T) {
	in := newInstallation(t, "")
	g := &governance.Governance{DB: in.DB, Config: in.Config, Now: in.Clock}
	by := rights.Subject{Person: in.Person("administrator").ID}
	for about, told := range map[string]bool{"secret": false, "staff": true} {
		d, err := g.Suspend(t.Context(), in.Person(about), false, by, "lives at the harbour")
		if err != nil {
			t.Fatal(err)
		}
		v := in.view(t, "")
		p, err := v.Person(string(in.Person(about).ID), nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(p.Suspended.Text, "harbour") != told || (v.Decision(d).Reason != "") != told {
			t.Errorf("%s: %q, %+v", about, p.Suspended.Text, v.Decision(d))
		}
	}
}

// TestTheReviewerSeesWhomTheReviewAsksAbout, and an owner the questions of the system.
func TestTheReviewerSeesWhomTheReviewAsksAbout(t *testing.T) {
	in := newInstallation(t, "")
	in.Apply()
	if err := in.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.StartReview(t.Context(), store.Campaign{Scope: store.SystemScope, Of: "lib", System: "lib", Asks: store.AsksOwner, StartedBy: "behov", Reviewer: identity.PersonActor(in.Person("reviewer").ID)}, in.Time, []store.ReviewItem{
			{Kind: store.AccessItem, System: "lib", Reviewer: identity.PersonActor(in.Person("reviewer").ID), Person: in.Person("staff").ID, Entitlement: "lib:library", Why: reason.Of(reason.NoRule{})}, {Kind: store.AccessItem, System: "lib", Reviewer: identity.PersonActor(in.Person("reviewer").ID), Person: in.Person("secret").ID, Entitlement: "lib:library", Why: reason.Of(reason.NoRule{})}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for viewer, want := range map[string]int{"": 2, "auditor": 2, "reviewer": 2, "owner": 2, "manager": 2, "staff": 1, "stranger": 0} {
		items, err := in.view(t, viewer).ReviewItems(false)
		if err != nil || len(items) != want {
			t.Errorf("%q: %d items, %v", viewer, len(items), err)
		}
		checkMasked(t, viewer, "secret", items)
	}
}

// TestGrantStates: each state of a grant, with its words in both languages, and who sees
// the hold.
func TestGrantStates(t *testing.T) {
	in := newInstallation(t, "")
	by := rights.Subject{Person: in.Person("administrator").ID}
	g := &governance.Governance{DB: in.DB, Config: in.Config, Now: in.Clock}
	check := func(what string, entitlement string, state access.GrantState, english, swedish string) access.Grant {
		t.Helper()
		var got access.Grant
		for l, text := range map[wording.Language]string{wording.English: english, wording.Swedish: swedish} {
			v, err := (&access.Answers{DB: in.DB, Config: in.Config, Now: in.Clock}).For(t.Context(), access.Viewer{Language: l})
			if err != nil {
				t.Fatal(err)
			}
			p, err := v.Grants("hr/staff", in.Engine)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(p.Grants, func(g access.Grant) bool { return string(g.Entitlement) == entitlement })
			if i < 0 || p.Grants[i].State != state || !strings.Contains(p.Grants[i].Text, text) {
				t.Fatalf("%s: %+v\nwant %s, %q", what, p.Grants, state, text)
			}
			got = p.Grants[i]
		}
		return got
	}
	stuck := func(op connectors.Op, state store.StepState, tries int) {
		t.Helper()
		body, err := json.Marshal(plan.Step{Target: "one", Person: in.Person("staff").ID, Op: op, Entitlement: "lib:library", Destructive: op == connectors.RemoveMember, Reason: reason.Of(reason.Ready{})})
		if err != nil {
			t.Fatal(err)
		}
		if err := in.DB.Write(t.Context(), func(tx *store.Tx) error {
			return tx.PutFailingStep(t.Context(), store.FailingStep{Key: audit.StepKey("step-" + string(op)), Target: "one", Person: in.Person("staff").ID, Body: string(body), Tries: tries, Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "insufficient access"}), State: state}, time.Time{})
		}); err != nil {
			t.Fatal(err)
		}
	}
	check("before the first run", "lib:library", access.GetsNext, "gets at the next apply", "får vid nästa körning")
	raise := func(op connectors.Op) audit.HoldDigest {
		t.Helper()
		step := plan.Step{Target: "one", Person: in.Person("staff").ID, Op: op, Entitlement: "lib:library", Destructive: op == connectors.RemoveMember, Reason: reason.Of(reason.Ready{})}
		body, err := json.Marshal(step)
		if err != nil {
			t.Fatal(err)
		}
		h := store.Hold{Digest: audit.HoldDigest("c0ffee" + string(op)), Kind: store.PlanHold, Subject: "one", Why: reason.Of(reason.Ready{})}
		held := []store.HoldStep{{Key: step.Key(), Person: step.Person, Body: string(body)}}
		if err := in.DB.Write(t.Context(), func(tx *store.Tx) error {
			return tx.RaiseHold(t.Context(), h, held, identity.System, in.Time)
		}); err != nil {
			t.Fatal(err)
		}
		return h.Digest
	}
	decide := func(hold audit.HoldDigest, verdict store.Verdict) {
		t.Helper()
		if _, err := g.DecideHold(t.Context(), string(hold), verdict, nil, by, "r"); err != nil {
			t.Fatal(err)
		}
	}
	hold := raise(connectors.AddMember)
	if got := check("held", "lib:library", access.GrantHeld, "waits for a decision, in hold c0ffee", "väntar på beslut, i spärr c0ffee"); got.Hold != hold {
		t.Errorf("the hold: %+v", got)
	}
	for viewer, want := range map[string]int{"": 1, "operator": 1, "auditor": 1, "staff": 0, "manager": 0, "owner": 0} {
		if holds, rejected, err := in.view(t, viewer).Holds(true); err != nil || len(holds) != want || rejected != 0 {
			t.Errorf("%q sees %d holds, %d rejected, %v", viewer, len(holds), rejected, err)
		}
	}
	decide(hold, store.Reject)
	check("rejected", "lib:library", access.GrantHeld, "was rejected, in hold c0ffee", "avvisades, i spärr c0ffee")
	decide(hold, store.Release)
	check("released", "lib:library", access.GetsNext, "gets at the next apply", "får vid nästa körning")
	if err := in.DB.Write(t.Context(), func(tx *store.Tx) error { // as a later version may write it
		return tx.RaiseHold(t.Context(), store.Hold{Digest: "later", Kind: store.PlanHold, Subject: "one", Why: reason.Of(reason.Ready{})}, []store.HoldStep{{Key: "later", Person: in.Person("staff").ID, Body: `{"reason":7}`}}, identity.System, in.Time)
	}); err != nil {
		t.Fatal(err)
	}
	stuck(connectors.AddMember, store.Trying, 2)
	check("tried", "lib:library", access.GrantStuck, "insufficient access; it is tried again", "insufficient access; nytt försök görs")
	stuck(connectors.AddMember, store.GivenUp, 9)
	check("given up", "lib:library", access.GrantStuck, "was given up", "har getts upp")
	stuck(connectors.AddMember, store.Parked, 8)
	got := check("parked", "lib:library", access.GrantStuck, "does not get: insufficient access; it failed 8 times", "får inte: insufficient access; det misslyckades 8 gånger")
	if got.Step == nil || got.Step.Key != "step-add-member" || got.Step.Tries != 8 || got.Step.State != store.Parked || got.Step.Last.Code() != "answer" {
		t.Errorf("the stuck step: %+v", got.Step)
	}
	in.Apply()
	check("applied", "lib:library", access.Has, "has", "har")
	in.Import("person_id,employment_id,given_name,family_name,unit,job_code,job_title,manager_id,start_date,end_date,protected\nstaff,E1,Anna,Staff,office,,,manager,2020-01-01,,no\n")
	check("needed no more", "lib:library", access.Unexplained, "no rule, request or decision gives it", "ingen regel, begäran eller beslut ger den")
	hold = raise(connectors.RemoveMember)
	check("held in the target", "lib:library", access.Unexplained, "the step that revokes it waits for a decision", "steget som återkallar den väntar på beslut")
	decide(hold, store.Release)
	stuck(connectors.RemoveMember, store.Parked, 8)
	check("and not taken", "lib:library", access.Unexplained, "revoking it failed 8 times and is parked", "återkallandet misslyckades 8 gånger")
	if _, err := g.Suspend(t.Context(), in.Person("staff"), false, by, "r"); err != nil {
		t.Fatal(err)
	}
	check("suspended", "base:staff", access.Suspended, "may not use it", "får inte använda den")
}

// TestExplainNamesNearRules: why not, and of a masked person no value of the employment.
func TestExplainNamesNearRules(t *testing.T) {
	in := newInstallation(t, "")
	x, err := in.view(t, "").Explain("hr/stranger", "lib:library", nil)
	if err != nil || x.Grant.State != access.HasNot || len(x.NearRules) != 1 || x.NearRules[0].Parts[0].Satisfied || x.NearRules[0].Employment.Key != "E-stranger" {
		t.Errorf("%+v, %v", x, err)
	}
	x, err = in.view(t, "").Explain("hr/secret", "lib:library", nil)
	if err != nil || x.Grant.State != access.GetsNext || len(x.NearRules) != 1 || len(x.NearRules[0].Parts) != 0 || x.Login != "" || x.Employments[0].Unit != "" {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestManagers: whom HR names as managers, how many people they have, and which of
// them are not there.
func TestManagers(t *testing.T) {
	in := newInstallation(t, "")
	in.Import("person_id,employment_id,given_name,family_name,unit,job_code,job_title,manager_id,start_date,end_date,protected\n" +
		"a,EA,A,A,office,,,gone,2020-01-01,,no\nb,EB,B,B,office,,,777,2020-01-01,,no\nc,EC,C,C,office,,,777,2020-01-01,2020-12-31,no\n")
	key := func(k string) access.Key { return access.Key{Source: "hr", Key: k} }
	for all, want := range map[bool][]access.Manager{true: {{Key: key("777"), State: access.ManagerUnknown, People: 1}, {Key: key("gone"), State: access.ManagerLeft, People: 1}, {Key: key("manager"), State: access.ManagerWorks, People: 2}},
		false: {{Key: key("777"), State: access.ManagerUnknown, People: 1}, {Key: key("gone"), State: access.ManagerLeft, People: 1}}} {
		managers, err := in.view(t, "").Managers(all)
		if err != nil {
			t.Fatal(err)
		}
		for i := range managers {
			if (managers[i].Person == nil) != (managers[i].State == access.ManagerUnknown) {
				t.Errorf("%+v", managers[i])
			}
			managers[i].Person = nil
		}
		if !slices.Equal(managers, want) {
			t.Errorf("managers %+v, want %+v", managers, want)
		}
	}
}

// TestChanges: what began and ended in a period.
func TestChanges(t *testing.T) {
	in := newInstallation(t, "")
	in.Apply()
	began := in.Time
	in.Time = in.Time.AddDate(0, 0, 7)
	in.Import("person_id,employment_id,given_name,family_name,unit,job_code,job_title,manager_id,start_date,end_date,protected\nstaff,E1,Anna,Staff,office,,,manager,2020-01-01,,no\n")
	in.Apply()
	first, err := in.view(t, "").Changes(access.Period{From: began.Add(-time.Hour), To: began.Add(time.Hour)})
	if err != nil || len(first) < 20 || slices.ContainsFunc(first, func(c access.Change) bool { return !c.Began }) {
		t.Errorf("%d changes, %v", len(first), err)
	}
	later, err := in.view(t, "").Changes(access.Period{From: in.Time.Add(-time.Hour)})
	if err != nil || len(later) != 1 || later[0].Began || later[0].Access.Entitlement != "lib:library" || later[0].Access.Person.Keys[0].Key != "staff" || later[0].Access.Ended.Text == "" {
		t.Errorf("%+v, %v", later, err)
	}
	// Near the viewer: the last ones, of themselves and their staff.
	for viewer, want := range map[string]int{"manager": 1, "auditor": 1, "stranger": 0, "owner": 0} {
		near, over, err := in.view(t, viewer).NearChanges(in.Time.Add(-time.Hour), 10)
		if err != nil || over || len(near) != want || want > 0 && (near[0].Began || near[0].Access.Person.DisplayName != "Anna Staff") {
			t.Errorf("near the %s: %+v, %t, %v", viewer, near, over, err)
		}
	}
	all, over, err := in.view(t, "auditor").NearChanges(began.Add(-time.Hour), 3)
	if err != nil || !over || len(all) != 3 || all[2].Began || !all[2].At.Equal(in.Time) {
		t.Errorf("the last three: %+v, %t, %v", all, over, err)
	}
	staff, over, err := in.view(t, "manager").NearChanges(began.Add(-time.Hour), 100)
	if err != nil || over || len(staff) < 6 || slices.ContainsFunc(staff, func(c access.Change) bool { return c.Access.Person.DisplayName == "Given Familyowner" }) {
		t.Errorf("of the staff: %d, %v", len(staff), err)
	}
}

// counting counts the questions to the database.
type counting struct {
	access.Database
	asked int
}

func (c *counting) PersonNames(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error) {
	c.asked++
	return c.Database.PersonNames(ctx, ids)
}

func (c *counting) PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error) {
	c.asked++
	return c.Database.PeopleByID(ctx, ids)
}

// TestNoListReadsOneByOne: the people of a list are read at once.
func TestNoListReadsOneByOne(t *testing.T) {
	in := newInstallation(t, "")
	in.Apply()
	for _, viewer := range []string{"", "manager", "auditor"} {
		subject := rights.Subject{}
		if viewer != "" {
			subject.Person = in.Person(viewer).ID
		}
		db := &counting{Database: in.DB}
		v, err := (&access.Answers{DB: db, Config: in.Config, Now: in.Clock}).For(t.Context(), access.Viewer{Subject: subject})
		if err != nil {
			t.Fatal(err)
		}
		db.asked = 0
		if _, err := v.WhoHad("base:staff", nil); err != nil || db.asked > 1 {
			t.Errorf("%q: people were read %d times for one list, %v", viewer, db.asked, err)
		}
	}
}

// TestAReasonInJSON: the sentence stands beside the code and the parameters, whatever is in
// it, and is read back; no field is there twice.
func TestAReasonInJSON(t *testing.T) {
	odd := "Åsa: <a> & \"b\" \\ \n\x01"
	for _, said := range []access.Reason{{Reason: reason.Of(reason.NoRule{}), Text: odd}, {Reason: reason.Of(reason.NoRule{}), Text: "plain"}, {Reason: reason.Of(reason.HoldExpired{}), Text: "\xff"},
		{Reason: reason.Of(reason.Answer{Text: odd}), Text: odd}} {
		b, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		var read access.Reason
		if err := json.Unmarshal(b, &read); err != nil || read.Reason != said.Reason || read.Text != strings.ToValidUTF8(said.Text, "\uFFFD") || strings.Count(string(b), `"text":`) != 1 {
			t.Errorf("%+v: %s, %+v, %v", said, b, read, err)
		}
	}
	if b, err := json.Marshal(struct {
		Why access.Reason `json:"why,omitzero"`
	}{}); err != nil || string(b) != "{}" {
		t.Errorf("no reason: %s, %v", b, err)
	}
	for code, kind := range reason.All() {
		of := reflect.TypeOf(kind)
		for i := range of.NumField() {
			if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name == "text" && code != reason.CodeOf(reason.Answer{}) {
				t.Errorf("the parameter text of %s stands where its sentence does", code)
			}
		}
	}
}

// Equal fingerprints of values would tell that a protected person works where another does.
func TestFingerprintsOfTheMaskedAreLeftOut(t *testing.T) {
	in := &installation{office.New(t, map[string]string{"behov.yaml": "  two: {attributes: {department: \"{{.Unit}}\"}, memory: {groups: [all]}}\n",
		"catalogue.yaml": "systems:\n  base: {target: two, entitlements: {all: {}}}\n", "policy.csv": "p, everyone, true, base:all, allow, everybody\n"})}
	made, _, err := in.Engine.Preview(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := in.view(t, "auditor").Plan(made)
	if err != nil {
		t.Fatal(err)
	}
	secret, others := in.Person("secret").ID, 0
	for _, s := range shown.Steps {
		for name, fingerprint := range s.Attributes {
			switch {
			case s.Person.ID == secret && fingerprint != "":
				t.Errorf("%s of a protected person has a fingerprint", name)
			case s.Person.ID != secret && fingerprint != "":
				others++
			}
		}
	}
	if others == 0 {
		t.Error("nobody has a fingerprint")
	}
}

// TestServiceAccountsSee: a service account that is not known yet sees as its role does, and
// is not taken for an operator in a shell, who sees everyone.
func TestServiceAccountsSee(t *testing.T) {
	in := newInstallation(t, "")
	for name, want := range map[string]bool{"auditor": true, "payroll": true, "idle": false, "undeclared": false} {
		v, err := in.Answers().For(t.Context(), access.Viewer{Subject: rights.Subject{Service: name, How: rights.ByToken}})
		if err != nil {
			t.Fatal(err)
		}
		people, _, err := v.PeoplePage("", "", access.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if v.SeesEveryone() != want || want == (len(people) == 0) || !want && v.Ref(in.Person("staff").ID).DisplayName != "" {
			t.Errorf("%s sees everyone: %t, and %d people", name, v.SeesEveryone(), len(people))
		}
		roles, err := v.ViewerRoles()
		if err != nil || roles.Service != name || roles.Person != nil || roles.Active != (name != "undeclared") || want == (len(roles.Roles) == 0) {
			t.Errorf("%+v, %v", roles, err)
		}
		if v.Ref(in.Person("secret").ID).DisplayName == "Hemlig Hemligsson" {
			t.Errorf("%s sees who has a protected identity", name)
		}
	}
}

// A group of the identity provider gives the role that rights.csv says, and no other.
func TestGroupsGiveRoles(t *testing.T) {
	in := newInstallation(t, "g, group:behov-auditors, auditor\n")
	for groups, want := range map[string]bool{"": false, "behov-auditors": true, "readers\nbehov-auditors": true, "behov-auditor": false, "readers": false} {
		v, err := in.Answers().For(t.Context(), access.Viewer{Subject: rights.Subject{Person: in.Person("stranger").ID, How: rights.SignedIn, Groups: groups}})
		if err != nil {
			t.Fatal(err)
		}
		if v.SeesEveryone() != want {
			t.Errorf("the groups %q: %t", groups, v.SeesEveryone())
		}
	}
}

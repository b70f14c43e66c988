package hr_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestEmptiedUnitRevokesNothing checks that a unit, job code or type that is
// empty and had a value is kept, with a warning that shows the value, and is held
// until a person decides. The rest of the row applies.
func TestEmptiedUnitRevokesNothing(t *testing.T) {
	for column, c := range map[string][2]string{"unit": {"Dahl,library,2,50", "Dahl,,2,60"}, "job_code": {"Dahl,library,2,50", "Dahl,library,,60"}} {
		f := newFixture(t)
		f.take(twoPeople)
		text := strings.Replace(twoPeople, c[0], c[1], 1)
		r := f.take(text)
		was := map[string]string{"unit": `"library"`, "job_code": `"2"`}[column]
		_, e := f.employment("E3")
		if terms := e.On(today); terms.Unit != "library" || terms.JobCode != "2" || terms.Percent != 60 {
			t.Errorf("%s: %+v", column, terms)
		}
		if r.EndingsHeld == nil || r.Warnings != 1 || r.Problems[0].Line != 4 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "column "+column+": it is empty; it was "+was) || !strings.Contains(testenv.Words(r.EndingsHeld.Why), "1 cell is empty in the file and was not before") {
			t.Fatalf("%s: %+v", column, r)
		}
		if body, err := f.db.HoldBody(t.Context(), r.EndingsHeld.Digest); err != nil || !strings.HasPrefix(body, `{"employment-changed":[`) {
			t.Errorf("the hold would do %s, %v", body, err)
		}
		f.decide(r.EndingsHeld, store.Release)
		r = f.take(text)
		if _, e = f.employment("E3"); r.EndingsHeld != nil || r.Warnings != 0 || e.On(today).Unit != "" && e.On(today).JobCode != "" {
			t.Errorf("%s, released: %+v, %+v", column, r, e.On(today))
		}
	}
	// An ended employment raises no question, and a protected person's value is
	// not shown.
	f := newFixture(t)
	f.take(strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,,yes", 1))
	if r := f.take(strings.Replace(twoPeople, "library,2,50,2022-01-01,,no", ",2,50,2022-01-01,,yes", 1)); r.Warnings != 1 || strings.Contains(testenv.ProblemText(r.Problems[0]), "library") {
		t.Errorf("protected: %+v", r)
	}
	f = newFixture(t)
	f.take(twoPeople)
	if r := f.take(strings.Replace(twoPeople, "library,2,50,2022-01-01,", ",2,50,2022-01-01,2026-10-31", 1)); r.Warnings != 0 || r.EndingsHeld != nil {
		t.Errorf("ended: %+v", r)
	}
	// A delta is not read again: its values apply, with a warning.
	f = newFixture(t)
	f.take(twoPeople)
	if r := f.change(header+"2,E3,Bo,Dahl,,2,50,2022-01-01,,no\n", nil); r.Warnings != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "the access it gave ends") {
		t.Errorf("of changes: %+v", r)
	}
}

// reading gives the fixture a rule that reads the column cost_centre, and none that
// reads room.
func (f *fixture) reading() {
	f.t.Helper()
	text, problems := policy.Parse("policy.csv", "p, x, \"r.sub.cost_centre == '77'\", base:mail, allow, for a test\n")
	if len(problems) > 0 {
		f.t.Fatal(problems)
	}
	own := []string{"cost_centre", "room"}
	rules, problems := policy.Compile(text, policy.Catalogue{Systems: []policy.System{{ID: "base"}}, Entitlements: []policy.Entitlement{{ID: "base:mail", System: "base"}}}, units(f.t), own, identity.LeaveKeeps)
	if rules == nil || len(problems) > 0 {
		f.t.Fatal(problems)
	}
	f.im.Config.Rules, f.im.Config.Attributes = rules, own
}

const moreColumns = "person_id,employment_id,given_name,family_name,email,employment_percent,start_date,end_date,protected,cost_centre,room\n"

// TestAnEmptiedCellTakesNothing: a percent, an e-mail address and an own column that a
// rule reads stay, and so does the end of an employment that is over. What is personal
// is not told.
func TestAnEmptiedCellTakesNothing(t *testing.T) {
	const (
		cia   = "3,E3,Cia,Holm,cia@example.org,80,2020-01-01,2027-03-31,no,77,9\n"
		known = moreColumns + "1,E1,Åsa,Ek,asa@example.org,75,2020-01-01,,no,77,8\n2,E2,Bo,Dahl,bo@example.org,50,2020-01-01,2026-10-31,no,77,8\n" + cia
	)
	for name, c := range map[string]struct{ column, from, to, was, want string }{
		"percent": {"employment_percent", ",75,", ",,", `; it was "75"`, ""},
		"email":   {"email", "asa@example.org", "", ", and was not before: it stays", "asa@example.org"},
		"own":     {"cost_centre", "no,77,8\n2", "no,,8\n2", ", and was not before: it stays", "77"},
		"end":     {"end_date", "2026-10-31", "", `; it was "2026-10-31"`, ""},
	} {
		f := newFixture(t)
		f.reading()
		f.take(known)
		text := strings.Replace(known, c.from, c.to, 1)
		r := f.take(text)
		line := map[bool]int{false: 2, true: 3}[name == "end"]
		if r.EndingsHeld == nil || r.Held != nil || r.Warnings != 1 || r.Problems[0].Line != line || !strings.HasPrefix(testenv.ProblemText(r.Problems[0]), "column "+c.column+": it is empty"+c.was) || c.want != "" && strings.Contains(testenv.ProblemText(r.Problems[0]), c.want) {
			t.Fatalf("%s: %+v", name, r)
		}
		asa, e1 := f.employment("E1")
		_, e2 := f.employment("E2")
		if terms := e1.On(today); asa.Email != "asa@example.org" || terms.Percent != 75 || terms.Attributes["cost_centre"] != "77" || e2.End != "2026-10-31" {
			t.Errorf("%s: %+v, %+v, %+v", name, asa, e1, e2)
		}
		if r = f.take(text); r.EndingsHeld == nil || r.Warnings != 1 {
			t.Errorf("%s, again: %+v", name, r)
		}
		f.decide(r.EndingsHeld, store.Release)
		r = f.take(text)
		asa, e1 = f.employment("E1")
		_, e2 = f.employment("E2")
		terms := e1.On(today)
		if r.EndingsHeld != nil || r.Warnings != 0 || asa.Email != "" && terms.Percent != 0 && terms.Attributes["cost_centre"] != "" && e2.End != "" {
			t.Errorf("%s, released: %+v, %+v, %+v, %+v", name, r, asa, e1, e2)
		}
	}
	// A column that no rule reads is taken, and so is the end to come of one person.
	f := newFixture(t)
	f.reading()
	f.take(known)
	if r := f.take(strings.NewReplacer(",77,8\n2", ",77,\n2", "2027-03-31", "").Replace(known)); r.EndingsHeld != nil || r.Warnings != 0 {
		t.Errorf("not read: %+v", r)
	}
	if _, e := f.employment("E3"); e.End != "" {
		t.Errorf("a prolongation: %+v", e)
	}
	// A percent of a protected person is not told.
	f = newFixture(t)
	f.take(strings.Replace(known, "75,2020-01-01,,no", "75,2020-01-01,,yes", 1))
	if r := f.take(strings.Replace(known, "75,2020-01-01,,no", ",2020-01-01,,yes", 1)); r.Warnings != 1 || strings.Contains(testenv.ProblemText(r.Problems[0]), "75") {
		t.Errorf("protected: %+v", r)
	}
	// Of changes it is taken, and said.
	f = newFixture(t)
	f.reading()
	f.take(known)
	if r := f.change(moreColumns+"1,E1,Åsa,Ek,,,2020-01-01,,no,,8\n2,E2,Bo,Dahl,bo@example.org,50,2020-01-01,,no,77,8\n", nil); r.Warnings != 3 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "the access it gave ends") {
		t.Errorf("of changes: %+v", r)
	}
	// A column that is gone, or empty everywhere, holds the whole export.
	f = newFixture(t)
	f.reading()
	f.take(known)
	if r := f.take(strings.ReplaceAll(known, ",77,", ",,")); r.Held == nil || !strings.Contains(testenv.Words(r.Held.Why), "no row has a value in the column cost_centre, and 3 had one before") {
		t.Errorf("an empty column: %+v", r)
	}
}

// TestManyEndsThatAreEmptiedStay: an end to come that is emptied is a prolongation; of
// more employments than may vanish at a time the ends stay, and are held.
func TestManyEndsThatAreEmptiedStay(t *testing.T) {
	text := moreColumns
	for _, n := range []string{"1", "2", "3", "4"} {
		text += n + ",E" + n + ",A,B,,50,2020-01-01,2027-06-30,no,,\n"
	}
	f := newFixture(t)
	f.take(text)
	emptied := strings.Replace(text, "2027-06-30", "", 3)
	r := f.take(emptied)
	if _, e := f.employment("E2"); r.EndingsHeld == nil || r.Warnings != 3 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "column end_date: it is empty; it was \"2027-06-30\": it stays") || e.End != "2027-06-30" {
		t.Fatalf("%+v, %+v", r, e)
	}
	f.decide(r.EndingsHeld, store.Release)
	f.take(emptied)
	if _, e := f.employment("E2"); e.End != "" {
		t.Errorf("released: %+v", e)
	}
}

package hr_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/store"
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
		if r.EndingsHeld == nil || r.Warnings != 1 || r.Problems[0].Line != 4 || !strings.Contains(r.Problems[0].Text, "column "+column+": it is empty; it was "+was) || !strings.Contains(r.EndingsHeld.Why, "1 cells of employments that run are empty") {
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
	if r := f.take(strings.Replace(twoPeople, "library,2,50,2022-01-01,,no", ",2,50,2022-01-01,,yes", 1)); r.Warnings != 1 || strings.Contains(r.Problems[0].Text, "library") {
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
	if r := f.change(header+"2,E3,Bo,Dahl,,2,50,2022-01-01,,no\n", nil); r.Warnings != 1 || !strings.Contains(r.Problems[0].Text, "the access it gave ends") {
		t.Errorf("of changes: %+v", r)
	}
}

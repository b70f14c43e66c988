package hr_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestRowsLeftOutAndQuestionsAreCountedApart checks that a row with a question is
// accepted, that a repeated row does not count as left out, and that a row with
// two mistakes counts once.
func TestRowsLeftOutAndQuestionsAreCountedApart(t *testing.T) {
	f := newFixture(t)
	const withNumber = "person_id,employment_id,given_name,family_name,national_id,start_date\n"
	r := f.take(withNumber + "1,E1,Åsa,Ek,19811218-9876,2020-01-01\n2,E2,Eva,Ask,19811218-9876,2020-01-01\n2,E2,Eva,Ask,19811218-9876,2020-01-01\n3,E3,,,19811218-9877,soon\n")
	if r.Rows != 4 || r.LeftOut != 1 || r.Questions != 1 || r.Warnings != 1 || r.Counts[identity.PersonAdded] != 2 {
		t.Errorf("%+v", r)
	}
}

// TestRowsThatGoWithNamedOnesAreCounted: a problem names one row, and other rows are
// left out with it.
func TestRowsThatGoWithNamedOnesAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		text           string
		leftOut, named int
	}{
		"one employment twice": {twoPeople + "2,E3,Bo,Dahl,school,2,50,2022-01-01,,no\n", 2, 1},
		"a person's other row": {strings.Replace(twoPeople, "2020-01-01", "soon", 1), 2, 1},
		"all named":            {strings.Replace(twoPeople, "2022-01-01", "soon", 1), 1, 1},
	} {
		f := newFixture(t)
		if r := f.take(c.text); r.LeftOut != c.leftOut || r.LeftOutNamed != c.named {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestAQuestionSaysFromWhereThePersonIsKnown: from another source, or by another
// person_id of the same one.
func TestAQuestionSaysFromWhereThePersonIsKnown(t *testing.T) {
	const withNumber = "person_id,employment_id,given_name,family_name,national_id,start_date\n"
	for _, first := range []string{"hr", "other"} {
		f := newFixture(t)
		f.im.Config.First = first
		f.take(withNumber + "1,E1,Åsa,Ek,19811218-9876,2020-01-01\n")
		r := f.take(withNumber + "1,E1,Åsa,Ek,19811218-9876,2020-01-01\n2,E2,Åsa,Berg,19811218-9876,2020-01-01\n")
		if r.Questions != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "known under another person_id of this source, whose family_name") {
			t.Errorf("%s: %+v", first, r)
		}
	}
}

// TestRenewalIsReportedBeforeItEndsAccess checks that a start of an active
// employment that moves into the future awaits a release.
func TestRenewalIsReportedBeforeItEndsAccess(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	renewed := strings.Replace(twoPeople, "2020-01-01", "2026-12-01", 1)
	r := f.take(renewed)
	if r.EndingsHeld == nil || r.LeftOut != 1 || len(r.Problems) != 1 || r.Problems[0].Line != 2 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "of a renewal keep the start, or give it an employment_id of its own") || !strings.Contains(testenv.Words(r.EndingsHeld.Why), "1 active employment has a start in the future") {
		t.Fatalf("%+v", r)
	}
	start := func() identity.Date {
		for _, p := range f.everybody() {
			for _, e := range p.Employments {
				if e.Key.Key == "E1" {
					return e.Start
				}
			}
		}
		return ""
	}
	if start() != "2020-01-01" {
		t.Errorf("it starts %s", start())
	}
	f.decide(r.EndingsHeld, store.Release)
	if r = f.take(renewed); r.EndingsHeld != nil || len(r.Problems) > 0 || start() != "2026-12-01" {
		t.Errorf("released: %+v, it starts %s", r, start())
	}
	if r = f.take(strings.Replace(renewed, "2026-12-01", "2027-01-01", 1)); r.EndingsHeld != nil || start() != "2027-01-01" {
		t.Errorf("one that has not begun: %+v", r)
	}
	f = newFixture(t)
	f.take(twoPeople)
	if r = f.take(strings.Replace(twoPeople, "2020-01-01", "2019-12-01", 1)); r.EndingsHeld != nil {
		t.Errorf("one in the past: %+v", r)
	}
}

// TestRenewalUnderANewNumberEndsNothing checks that a person is unchanged until a
// release when the active employment is missing and a later one is listed, and
// when it is listed with a start in the future and its old end.
func TestRenewalUnderANewNumberEndsNothing(t *testing.T) {
	line := strings.SplitAfter(twoPeople, "\n")[3] // of a person without another employment
	for name, renewed := range map[string]string{
		"a new employment":           strings.Replace(twoPeople, line, strings.NewReplacer("E3", "E9", "2022-01-01", "2027-01-01").Replace(line), 1),
		"the old end, the new start": strings.Replace(twoPeople, line, strings.NewReplacer("2022-01-01,", "2027-01-01,2026-12-31").Replace(line), 1),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.take(twoPeople)
			r := f.take(renewed)
			if r.EndingsHeld == nil || len(r.Problems) != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "future") {
				t.Fatalf("%+v", r)
			}
			works := func() (n int) {
				for _, p := range f.everybody() {
					n += len(p.Active(today))
				}
				return n
			}
			if works() != 3 {
				t.Errorf("%d employments run, want 3", works())
			}
			f.decide(r.EndingsHeld, store.Release)
			if r = f.take(renewed); r.EndingsHeld != nil || works() != 2 {
				t.Errorf("released: %+v, %d employments run", r, works())
			}
		})
	}
}

// TestEmptyCellUnmasksNoOne checks that a protected person remains protected
// until HR says no.
func TestEmptyCellUnmasksNoOne(t *testing.T) {
	file := func(protected string) string {
		return strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,,"+protected, 1)
	}
	f := newFixture(t)
	f.take(file("yes"))
	protected := func() (n int) {
		for _, p := range f.everybody() {
			if p.Protected {
				n++
			}
		}
		return n
	}
	if r := f.take(file("")); protected() != 1 || r.Warnings != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "stays protected") {
		t.Errorf("an empty cell: %d are protected, %+v", protected(), r)
	}
	if f.take(file("no")); protected() != 0 {
		t.Errorf("no: %d are protected", protected())
	}
}

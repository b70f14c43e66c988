package hr_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// skipping is a source that skips its row of totals.
func skipping(values ...string) config.Source {
	s := detecting
	s.Skip = []config.Skip{{Column: "person_id", Values: values}}
	return s
}

const totals = "Totalt,,,,,,3,,,\n"

func (f *fixture) imported(text string, s config.Source) *hr.Report {
	f.t.Helper()
	r, err := f.im.Import(f.t.Context(), "hr.csv", []byte(text), s)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// TestFileWithoutItsRowOfTotalsEndsNothing checks that no employment ends by an
// export that lacks its usual row of totals, as it may be truncated, until a
// person decides, and not by the next such export either. One that lists all
// employments is imported, with a warning.
func TestFileWithoutItsRowOfTotalsEndsNothing(t *testing.T) {
	f := newFixture(t)
	s := skipping("Totalt")
	f.imported(twoPeople+totals, s)
	const all = "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 library"
	for _, text := range []string{withoutBo, strings.Replace(withoutBo, ",100,", ",50,", 1)} {
		r := f.imported(text, s)
		if r.EndingsHeld == nil || !r.EndingsWait || f.state() != all || len(r.Problems) != 1 || !r.Problems[0].Warning || !strings.Contains(testenv.ProblemText(r.Problems[0]), "the file may be cut off, and no employment ends by it") || !strings.Contains(testenv.Words(r.EndingsHeld.Why), "row of totals") {
			t.Fatalf("%+v, %s", r, f.state())
		}
	}
	if r := f.imported(withoutBo+totals, s); r.EndingsHeld != nil || len(r.Problems) > 0 || strings.Contains(f.state(), "Bo") {
		t.Errorf("whole: %+v, %s", r, f.state())
	}
	f = newFixture(t)
	f.imported(twoPeople+totals, s)
	f.decide(f.imported(withoutBo, s).EndingsHeld, store.Release)
	if r := f.imported(withoutBo, s); r.EndingsHeld != nil || strings.Contains(f.state(), "Bo") {
		t.Errorf("released: %+v, %s", r, f.state())
	}
	f = newFixture(t)
	f.imported(twoPeople+totals, s)
	if r := f.imported(strings.Replace(twoPeople, ",100,", ",50,", 1), s); r.EndingsHeld != nil || r.EndingsWait || r.Warnings != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "every active employment is in it") {
		t.Errorf("everybody is there: %+v", r)
	}
	if r := f.imported(withoutBo, s); r.EndingsHeld != nil || len(r.Problems) > 0 {
		t.Errorf("the export has no row of totals any more: %+v", r)
	}
	// A skipped person is no row of totals.
	f = newFixture(t)
	s = skipping("9")
	f.imported(twoPeople+"9,E9,Eva,Ask,school,1,100,2020-01-01,,no\n", s)
	if r := f.imported(withoutBo, s); r.EndingsHeld != nil || len(r.Problems) > 0 {
		t.Errorf("a skipped person: %+v", r)
	}
}

// TestRowOfTotalsNamesTheSettingThatSkipsIt checks that the problem contains the
// setting in the syntax of behov.yaml.
func TestRowOfTotalsNamesTheSettingThatSkipsIt(t *testing.T) {
	for row, want := range map[string]string{
		totals:                      "add under hr.sources.hr: skip: {column: person_id, values: [Totalt]}",
		",,Summa:,,,,,,,\n":         `skip: {column: given_name, values: ["Summa:"]}`,
		",,,, grand total ,,3,,,\n": "skip: {column: unit, values: [grand total]}",
	} {
		export, err := hr.Read("hr.csv", []byte(twoPeople+row), detecting, nil, units(t), today)
		if err != nil || len(export.Problems) != 1 || !strings.Contains(testenv.ProblemText(export.Problems[0]), want) {
			t.Errorf("%q: %+v, %v", row, export.Problems, err)
		}
	}
	export, err := hr.Read("hr.csv", []byte(twoPeople+"x,,Total,Eva,school,1,100,2020-01-01,,no\n"), detecting, nil, units(t), today)
	if err != nil || len(export.Problems) != 1 || strings.Contains(testenv.ProblemText(export.Problems[0]), "skip:") {
		t.Errorf("a person with that name: %+v, %v", export.Problems, err)
	}
}

package hr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// massExport returns an export of 40 people; of the first changed people each cell of a
// column has another value.
func massExport(column string, changed int, value string) string {
	columns := []string{"person_id", "employment_id", "given_name", "family_name", "national_id", "phone", "unit", "job_code", "job_title", "manager_id", "sponsor_id", "start_date", "room"}
	var b strings.Builder
	b.WriteString(strings.Join(columns, ",") + "\n")
	for n := 1; n <= 40; n++ {
		row := map[string]string{"person_id": fmt.Sprint(n), "employment_id": fmt.Sprintf("E%d", n), "given_name": "Åsa", "family_name": "Ek", "national_id": number(n),
			"phone": fmt.Sprintf("08-%d", n), "unit": "school", "job_code": "1", "job_title": "Teacher", "manager_id": fmt.Sprint(n%2 + 1), "sponsor_id": "3", "start_date": "2020-01-01", "room": fmt.Sprint(n)}
		if n <= changed {
			row[column] = value
		}
		fields := make([]string, len(columns))
		for i, c := range columns {
			fields[i] = row[c]
		}
		b.WriteString(strings.Join(fields, ",") + "\n")
	}
	return b.String()
}

// number returns a personal identity number, with its check digit.
func number(n int) string {
	digits, sum := fmt.Sprintf("7001%02d%03d", n%28+1, n), 0
	for i, d := range digits {
		v := int(d-'0') * (2 - i%2)
		sum += v/10 + v%10
	}
	return fmt.Sprintf("19%s-%s%d", digits[:6], digits[6:], (10-sum%10)%10)
}

// valueOf returns what is stored of the n-th person of massExport.
func (f *fixture) valueOf(column string, n int) string {
	f.t.Helper()
	p, e := f.employment(fmt.Sprintf("E%d", n))
	if err := f.db.Write(f.t.Context(), func(tx *store.Tx) (err error) {
		people, err := tx.PeopleWithRecords(f.t.Context(), []identity.PersonID{p.ID})
		p = people[p.ID]
		return err
	}); err != nil {
		f.t.Fatal(err)
	}
	terms := e.On(today)
	return map[string]string{"national_id": p.Keys[0].Facts.NationalID, "phone": p.Keys[0].Facts.Phone, "job_title": terms.JobTitle, "manager_id": terms.ManagerKey, "sponsor_id": e.SponsorKey, "room": terms.Attributes["room"]}[column]
}

func withoutLines(r *hr.Report) (all []string) {
	for _, p := range r.Problems {
		if p.Line == 0 {
			all = append(all, testenv.ProblemText(p))
		}
	}
	return all
}

// TestAMassEmptiedColumnIsHeld checks that the values of a column that many rows have
// emptied stay, with one warning, and are held, and that those of a few are taken.
func TestAMassEmptiedColumnIsHeld(t *testing.T) {
	for _, column := range []string{"national_id", "phone", "job_title", "manager_id", "sponsor_id", "room"} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.im.Config.Attributes = []string{"room"}
			f.take(massExport("", 0, ""))
			if f.valueOf(column, 1) == "" {
				t.Fatal("the column is not taken")
			}
			if r := f.take(massExport(column, 1, "")); r.EndingsHeld != nil || r.Warnings != 0 || f.valueOf(column, 1) != "" {
				t.Fatalf("of one: %+v, %q", r, f.valueOf(column, 1))
			}
			f.take(massExport("", 0, "") + "\n")
			text := massExport(column, 30, "")
			for range 2 { // the second time, nothing was decided
				r := f.take(text)
				if told := withoutLines(r); r.EndingsHeld == nil || r.Held != nil || len(told) != 1 || r.Warnings != 1 || !strings.HasPrefix(told[0], "column "+column+": it is empty in 30 rows, the first in line 2, and was not before") ||
					!strings.Contains(testenv.Words(r.EndingsHeld.Why), "30 cells") || f.valueOf(column, 7) == "" {
					t.Fatalf("of many: %+v, %q", r, f.valueOf(column, 7))
				}
			}
			r := f.take(text)
			f.decide(r.EndingsHeld, store.Release)
			if r := f.take(text); r.EndingsHeld != nil || r.Warnings != 0 || f.valueOf(column, 7) != "" || f.valueOf(column, 31) == "" {
				t.Errorf("released: %+v", r)
			}
		})
	}
	// Of changes, which are not read again, they are taken with a warning.
	f := newFixture(t)
	f.take(massExport("", 0, ""))
	if r := f.change(massExport("phone", 30, ""), nil); len(withoutLines(r)) != 1 || !strings.Contains(withoutLines(r)[0], "column phone: it is empty in 30 rows") || f.valueOf("phone", 7) != "" {
		t.Errorf("of changes: %+v", r)
	}
}

// TestAMassShiftOfUnitsIsReported checks that an import that gives many known people
// another unit or job code has a warning, and is taken.
func TestAMassShiftOfUnitsIsReported(t *testing.T) {
	for column, value := range map[string]string{"unit": "library", "job_code": "77"} {
		f := newFixture(t)
		if r := f.take(massExport("", 0, "")); len(withoutLines(r)) > 0 {
			t.Fatalf("the first import: %+v", r)
		}
		if r := f.take(massExport(column, 2, value)); len(withoutLines(r)) > 0 || r.EndingsHeld != nil {
			t.Errorf("of two: %+v", r)
		}
		r := f.take(massExport(column, 32, value))
		told := withoutLines(r)
		if len(told) != 1 || !strings.HasPrefix(told[0], "column "+column+": 30 of 40 known people (75 %) have another value than before") || !strings.Contains(told[0], "hold_above: {grants:") || r.EndingsHeld != nil || r.Held != nil {
			t.Errorf("of many: %+v", r)
		}
		if _, e := f.employment("E9"); e.On(today).Unit != value && e.On(today).JobCode != value {
			t.Errorf("it was not taken: %+v", e)
		}
	}
}

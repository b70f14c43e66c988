package hr_test

import (
	"testing"

	"github.com/behov/behov/internal/testenv"
)

// TestAnExportHealsWhatWasChanged: what others changed of an employment in the database is what
// HR says again after the next export, though the export is the same as the one before.
func TestAnExportHealsWhatWasChanged(t *testing.T) {
	for column, value := range map[string]string{
		"start_date": "'2019-01-01'", "end_date": "'2030-01-01'", "terms": `'[{"unit":"library","job_code":"T","percent":100}]'`,
		"leaves": `'[{"start":"2026-01-01"}]'`, "sponsor_key": "'x'", "withdrawn_from": "'2026-01-01'", "said": "NULL",
	} {
		t.Run(column, func(t *testing.T) {
			f := newFixture(t)
			const text = header + "1,E1,Anna,Berg,school,T,100,2020-01-01,2027-12-31,no\n2,E2,Bo,Ek,school,T,100,2020-01-01,,no\n"
			f.load(text)
			before := f.state()
			if r := f.load(text); r.Events != 0 {
				t.Errorf("the same export again makes %d events", r.Events)
			}
			if _, err := testenv.Raw(t, f.url).ExecContext(t.Context(), `UPDATE employment SET `+column+` = `+value+` WHERE key = 'E1'`); err != nil {
				t.Fatal(err)
			}
			f.load(text)
			if after := f.state(); after != before {
				t.Errorf("it is\n%s\nand was\n%s", after, before)
			}
			if _, err := f.db.VerifyAudit(t.Context()); err != nil {
				t.Error(err)
			}
			if r := f.load(text); r.Events != 0 {
				t.Errorf("once healed, the same export makes %d events", r.Events)
			}
		})
	}
}

package hr_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

func swedish(t testing.TB) config.Source {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	s := detecting
	s.Dates = s.Dates.In(zone)
	return s
}

// TestDatesOfAnExportAreThoseMeant checks that times at midnight are dates, and
// instants are days of the organisation, in every date column.
func TestDatesOfAnExportAreThoseMeant(t *testing.T) {
	text := strings.Replace(header, "protected", "leave_start", 1) +
		"1,E1,Åsa,Ek,school,1,100,2019-01-01 00:00:00,2026-11-30T23:00:00.000Z,2020-01-01T00:00:00+01:00\n"
	export, err := hr.Read("hr.csv", []byte(text), swedish(t), nil, units(t), today)
	if err != nil || len(export.Rows) != 1 || len(export.Problems) > 0 {
		t.Fatal(export, err)
	}
	if r := export.Rows[0]; r.Start != "2019-01-01" || r.End != "2026-12-01" || r.Leave.Start != "2020-01-01" {
		t.Errorf("%+v", r)
	}
}

// TestTimeOtherThanMidnightIsAWarning checks one warning for each column, and
// that the rows are accepted.
func TestTimeOtherThanMidnightIsAWarning(t *testing.T) {
	text := header + "1,E1,Åsa,Ek,school,1,100,2019-01-01,2026-11-30T21:00:00Z,\n2,E2,Bo,Dahl,school,1,100,2019-01-01,2026-11-30T21:00:00Z,\n"
	export, err := hr.Read("hr.csv", []byte(text), swedish(t), nil, units(t), today)
	if err != nil || len(export.Rows) != 2 || export.Rows[0].End != "2026-11-30" {
		t.Fatal(export, err)
	}
	if p := export.Problems; len(p) != 1 || !p[0].Warning || p[0].Line != 2 || !strings.Contains(testenv.ProblemText(p[0]), "end_date: the time of day is not midnight (in 2 rows") {
		t.Errorf("%v", p)
	}
}

// TestSerialDateIsReported checks the message, and that date_format can list
// EXCEL.
func TestSerialDateIsReported(t *testing.T) {
	text := header + "1,E1,Åsa,Ek,school,1,100,43466,,\n"
	export, err := hr.Read("hr.csv", []byte(text), detecting, nil, units(t), today)
	if err != nil || len(export.Problems) != 1 || !strings.Contains(testenv.ProblemText(export.Problems[0]), "an Excel serial date") || !strings.Contains(testenv.ProblemText(export.Problems[0]), "list EXCEL under hr.sources.hr.date_format") {
		t.Fatal(export, err)
	}
	s := detecting
	s.Dates = dates(t, "YYYY-MM-DD", "EXCEL")
	if export, err = hr.Read("hr.csv", []byte(text), s, nil, units(t), today); err != nil || len(export.Rows) != 1 || export.Rows[0].Start != "2019-01-01" {
		t.Error(export, err)
	}
}

// TestDatabaseTimestampIsALocalDay checks SQLite, which returns text that looks
// like a time as one, with its zone.
func TestDatabaseTimestampIsALocalDay(t *testing.T) {
	f := newFixture(t)
	file := filepath.Join(t.TempDir(), "hr.db")
	db := sqlx.MustOpen("sqlite", file)
	db.MustExec(`CREATE TABLE v (person_id TEXT, employment_id TEXT, given_name TEXT, family_name TEXT, start_date TIMESTAMP, end_date TIMESTAMP)`)
	db.MustExec(`INSERT INTO v VALUES ('1', 'E1', 'Åsa', 'Ek', '2020-01-01 00:00:00', '2026-11-30 23:00:00+00:00')`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := swedish(t)
	s.SQL = &config.View{Database: "sqlite:" + file, Query: "SELECT * FROM v"}
	reports, err := f.im.Pull(t.Context(), s)
	if err != nil || len(reports) != 1 || reports[0].Refused != nil || len(reports[0].Problems) > 0 {
		t.Fatal(reports, err)
	}
	if e := f.everybody()[0].Employments; len(e) != 1 || e[0].Start != "2020-01-01" || e[0].End != "2026-12-01" {
		t.Errorf("%+v", e)
	}
}

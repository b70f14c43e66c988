package hr_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/testenv"
)

// notNumbers are valid floats that are invalid percentages, and values out of
// range.
var notNumbers = []string{"NaN", "nan", "Inf", "+Inf", "-Infinity", "infinity", "1e1", "1E400", "0x1p-2", "0x32", "1_0", "-1", "+1", "-0", "100.01", "1000", ".", ",", "5.", ",5", "1.2.3", "1,2.3", "5 0", "٥٠", "50%%", strings.Repeat("9", 30)}

// TestInvalidPercentageIsABadRow checks that it is reported with line, column and
// field, and that the import continues.
func TestInvalidPercentageIsABadRow(t *testing.T) {
	for _, v := range notNumbers {
		f := newFixture(t)
		f.take(twoPeople)
		text := strings.Replace(twoPeople, "2,E3,Bo,Dahl,library,2,50,", fmt.Sprintf("2,E3,Bo,Dahl,school,2,%q,", v), 1)
		r := f.take(strings.Replace(text, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1))
		if len(r.Problems) != 1 || !strings.HasPrefix(testenv.ErrorText(r.Problems[0]), "hr.csv:4:23: column employment_percent: ") {
			t.Errorf("%s: %v", v, r.Problems)
		}
		if f.state() != "1 Åsa E1 library; 1 Åsa E2 library; 2 Bo E3 library" {
			t.Errorf("%s: %s", v, f.state())
		}
	}
}

func TestPercentages(t *testing.T) {
	for v, want := range map[string]float64{"0": 0, "100": 100, "75,5": 75.5, "75.50": 75.5, "50%": 50, "50 %": 50, "050": 50, "33.333333333": 33.333333333} {
		export, err := hr.Read("hr", []byte(header+"1,E1,Åsa,Ek,school,1,\""+v+"\",2020-01-01,,no\n"), detecting, nil, units(t), today)
		if err != nil || len(export.Rows) != 1 || export.Rows[0].Terms.Percent != want {
			t.Errorf("%s: %+v, %v", v, export, err)
		}
	}
	// JSON has other spellings of numbers.
	for v, want := range map[string]string{"1E+2": "100", "5.0e1": "50", "1e2": "100", "1e400": "", "-1e1": ""} {
		export, err := hr.Read("hr", []byte(strings.Replace(asJSON, `"employment_percent": 100`, `"employment_percent": `+v, 1)), detecting, nil, units(t), today)
		if err != nil {
			t.Fatal(err)
		}
		if bad := len(export.Rows) != 3; bad != (want == "") || !bad && fmt.Sprint(export.Rows[0].Terms.Percent) != want {
			t.Errorf("%s: %+v", v, export.Rows)
		}
	}
}

// TestAShareAmongPercentKeepsThePercent: a value between 0 and 1 in a column of percent
// is named by line and column, and the employment keeps its percent.
func TestAShareAmongPercentKeepsThePercent(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	text := strings.Replace(twoPeople, "library,2,50", "library,1,0.5", 1)
	for range 2 {
		r := f.take(text)
		if r.Warnings != 1 || r.LeftOut != 0 || !strings.HasPrefix(testenv.ErrorText(r.Problems[0]), "hr.csv:4:24: ") || !strings.Contains(testenv.ProblemText(r.Problems[0]), "column employment_percent: it is between 0 and 1, and other rows have percent") {
			t.Fatalf("%+v", r)
		}
		if _, e := f.employment("E3"); e.On(today).Percent != 50 || e.On(today).JobCode != "1" {
			t.Errorf("%+v", e)
		}
	}
	if r := f.take(strings.Replace(text, "0.5", "0.5 %", 1)); r.Warnings != 0 {
		t.Errorf("with a sign: %+v", r)
	}
	if _, e := f.employment("E3"); e.On(today).Percent != 0.5 {
		t.Errorf("with a sign: %+v", e)
	}
}

// TestHighWaterMarkIsNeverInfinite checks it, as nothing would be read after such
// a mark.
func TestHighWaterMarkIsNeverInfinite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hr.db")
	db := sqlx.MustOpen("sqlite", "file:"+file)
	defer db.Close()
	for _, statement := range strings.Split(viewSchema, ";\n") {
		db.MustExec(statement)
	}
	f := newFixture(t)
	s := detecting
	s.Changes = true
	s.SQL = &config.View{Database: "sqlite:" + file, Query: "SELECT person_id, employment_id, given_name, family_name, start_date, CASE person_id WHEN 2 THEN 9e999 ELSE changed_at END AS mark FROM staff WHERE changed_at >= :high_water", HighWater: "mark", Start: "0"}
	f.pulled(s, 1)
	if p, err := f.db.SourceCursor(t.Context(), "hr"); err != nil || p.Position != "2" {
		t.Errorf("position %+v, %v", p, err)
	}
}

// TestEndInTheYear9999IsNoEnd checks that the day after it is not computed.
func TestEndInTheYear9999IsNoEnd(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	r := f.take(strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,9999-12-31,no", 1))
	if r.Late != 0 || f.state() != twoPeopleState {
		t.Errorf("%+v, %s", r, f.state())
	}
	if d := identity.Date("9999-12-31").AddDays(1); d < "9999" {
		t.Errorf("the day after is %s", d)
	}
}

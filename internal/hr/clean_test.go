package hr_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/testenv"
)

// disguises write a text in other bytes that look the same.
var disguises = map[string]func(string) string{
	"NFD":              norm.NFD.String,
	"no-break space":   func(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") },
	"doubled space":    func(s string) string { return strings.ReplaceAll(s, " ", "  ") },
	"zero-width space": func(s string) string { return s + "\u200b" },
	"soft hyphen":      func(s string) string { return string([]rune(s)[:1]) + "\u00ad" + string([]rune(s)[1:]) },
	"space around":     func(s string) string { return " \u2003" + s + "\u00a0 " },
	"a mark before":    func(s string) string { return "\ufeff" + s },
}

// one is the employment in all disguises.
var one = map[string]string{"person_id": "P 1", "employment_id": "E 1", "given_name": "Åsa Märta", "family_name": "von Öst", "unit": "school", "job_code": "S 1", "job_title": "Leg sjuksköterska",
	"employment_type": "till svidare", "employment_percent": "75", "manager_id": "P 2", "start_date": "2020-01-01", "protected": "no", "cost_centre": "kst å 1"}

func disguised(as func(string) string) map[string]string {
	out := map[string]string{}
	for name, v := range one {
		out[name] = as(v)
	}
	return out
}

// readOne reads one employment and returns it without its line number.
func readOne(t *testing.T, content string, format string) hr.Row {
	t.Helper()
	s := detecting
	s.Format = format
	export, err := hr.Read("hr", []byte(content), s, []string{"cost_centre"}, units(t), today)
	if err != nil || len(export.Rows) != 1 || len(export.Problems) > 0 {
		t.Fatalf("%+v, %v", export, err)
	}
	export.Rows[0].Line = 0
	return export.Rows[0]
}

func inCSV(values map[string]string, name func(string) string) string {
	var names, fields []string
	for column, v := range values {
		names, fields = append(names, name(column)), append(fields, `"`+v+`"`)
	}
	return strings.Join(names, ",") + "\n" + strings.Join(fields, ",") + "\n"
}

func inJSON(t *testing.T, values any) string {
	t.Helper()
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTextThatLooksEqualIsEqual checks that keys, values, units and column names
// are cleaned where they are read, in every format.
func TestTextThatLooksEqualIsEqual(t *testing.T) {
	same := func(s string) string { return s }
	want := readOne(t, inCSV(one, same), "csv")
	if want.PersonKey != "P 1" || want.Terms.JobTitle != "Leg sjuksköterska" || want.Terms.Attributes["cost_centre"] != "kst å 1" {
		t.Fatalf("%+v", want)
	}
	for name, as := range disguises {
		values := disguised(as)
		for format, got := range map[string]hr.Row{
			"csv": readOne(t, inCSV(values, same), "csv"), "columns": readOne(t, inCSV(one, as), "csv"),
			"json": readOne(t, "["+inJSON(t, values)+"]", "json"), "jsonl": readOne(t, inJSON(t, values), "jsonl"),
		} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s as %s:\n got %+v\nwant %+v", name, format, got, want)
			}
		}
	}
}

// TestFeedsAndViewsAreCleaned checks the same for feeds and views.
func TestFeedsAndViewsAreCleaned(t *testing.T) {
	const want = "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 library"
	for name, as := range disguises {
		f := newFixture(t)
		f.take(twoPeople)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var rows []map[string]any
			if err := json.Unmarshal([]byte(asJSON), &rows); err != nil {
				t.Error(err)
			}
			for _, row := range rows {
				for column, v := range row {
					if text, is := v.(string); is {
						row[column] = as(text)
					}
				}
				row["person_id"] = as(fmt.Sprint(row["person_id"]) + " ")
			}
			fmt.Fprint(w, inJSON(t, rows))
		}))
		s := detecting
		s.HTTP = &config.Feed{URL: server.URL, Next: "next", Position: "cursor", Timeout: 5 * time.Second}
		if r := f.pulled(s, 1); r[0].Events != 0 || r[0].Held != nil || f.state() != want {
			t.Errorf("feed, %s: %+v, %s", name, r[0], f.state())
		}
		server.Close()
	}
	file := filepath.Join(t.TempDir(), "hr.db")
	db := sqlx.MustOpen("sqlite", "file:"+file)
	defer db.Close()
	for _, statement := range strings.Split(viewSchema, ";\n") {
		db.MustExec(statement)
	}
	db.MustExec("UPDATE staff SET given_name = $1 || char(8203), unit = unit || char(160), employment_id = char(65279) || employment_id WHERE person_id = 1", norm.NFD.String("Åsa"))
	f := newFixture(t)
	f.take(twoPeople)
	s := detecting
	s.SQL = &config.View{Database: "sqlite:" + file, Query: "SELECT person_id, employment_id, given_name, family_name, unit, job_code, employment_percent, start_date, end_date, protected FROM staff"}
	if r := f.pulled(s, 1); r[0].Events != 0 || f.state() != want {
		t.Errorf("view: %+v, %s", r[0], f.state())
	}
}

// unclean stores an employment as an older version did, without cleaning text.
func (f *fixture) unclean(as func(string) string) {
	f.t.Helper()
	terms := identity.Terms{Unit: as("school"), JobCode: as("S 1"), JobTitle: as("Leg sjuksköterska"), Type: as("till svidare"), Percent: 75, ManagerKey: as("P 2"), Attributes: map[string]string{"cost_centre": as("kst å 1")}}
	boss := identity.Terms{Unit: as("school")}
	rows := []hr.Row{
		{Line: 2, PersonKey: as("P 1"), EmploymentKey: as("E 1"), Person: identity.PersonFacts{GivenName: as("Åsa Märta"), FamilyName: as("von Öst")}, Start: "2020-01-01", Terms: terms},
		{Line: 3, PersonKey: as("P 2"), EmploymentKey: as("E 2"), Person: identity.PersonFacts{GivenName: as("Bo"), FamilyName: as("Ek")}, Start: "2020-01-01", Terms: boss},
	}
	export := &hr.Export{Rows: rows, Read: 2, BadPeople: map[string]bool{}, BadEmployments: map[string]bool{}, Protected: map[string]bool{}, Filled: map[string]int{}}
	if _, err := f.im.Deliver(context.Background(), hr.Delivery{Source: detecting, Name: "hr.csv", Hash: "0", Export: export}); err != nil {
		f.t.Fatal(err)
	}
}

// everyone returns the people in the database, with their stored keys.
func (f *fixture) everybody() (all []identity.Person) {
	f.t.Helper()
	for p, err := range f.db.People(context.Background()) {
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// TestImportIntoUncleanedDatabase checks that an import into a database with keys
// and values from before text was cleaned creates no second person, ends no
// employment, is not held, reports nothing as late, and stores the clean values;
// the next import changes nothing.
func TestImportIntoUncleanedDatabase(t *testing.T) {
	boss := map[string]string{"person_id": "P 2", "employment_id": "E 2", "given_name": "Bo", "family_name": "Ek", "unit": "school", "start_date": "2020-01-01", "protected": "no"}
	for name, as := range disguises {
		for _, changes := range []bool{false, true} {
			f := newFixture(t)
			f.unclean(as)
			s := detecting
			s.Changes = changes
			take := func(text string) *hr.Report {
				r, err := f.im.Import(context.Background(), "hr.json", []byte(text), s)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			before := f.everybody()
			r := take("[" + inJSON(t, one) + "," + inJSON(t, boss) + "]")
			if r.Held != nil || len(r.Problems) > 0 || r.Late != 0 || r.Counts[identity.PersonAdded] != 0 || r.Counts[identity.EmploymentAdded] != 0 || r.Counts[identity.EmploymentWithdrawn] != 0 {
				t.Errorf("%s, changes %t: %+v", name, changes, r)
			}
			after := f.everybody()
			if len(after) != 2 || len(before) != 2 || len(after[0].Employments) != 1 {
				t.Fatalf("%s, changes %t: %+v", name, changes, after)
			}
			for i, p := range after {
				running := p.Active(today)
				if p.ID != before[i].ID || p.Keys[0].Key != before[i].Keys[0].Key || len(running) != 1 || p.GivenName != identity.CleanText(p.GivenName) || running[0].On(today).Unit != "school" || running[0].On("2020-06-01").Unit != "school" {
					t.Errorf("%s, changes %t: %+v", name, changes, p)
				}
				if boss := running[0].On(today).ManagerKey; boss != "" && boss != after[1-i].Keys[0].Key {
					t.Errorf("%s: the manager is %q and the boss %q", name, boss, after[1-i].Keys[0].Key)
				}
			}
			if r := take("[" + inJSON(t, one) + ", " + inJSON(t, boss) + "]"); r.Events != 0 || r.Held != nil {
				t.Errorf("%s, changes %t, again: %+v", name, changes, r)
			}
		}
	}
}

// TestBadRowKeepsAPersonStoredUncleaned checks that the person of a bad row is
// not ended because the stored key has other bytes.
func TestBadRowKeepsAPersonStoredUncleaned(t *testing.T) {
	f := newFixture(t)
	f.unclean(disguises["zero-width space"])
	r := f.take("person_id,employment_id,given_name,family_name,unit,start_date,protected,job_code,job_title,employment_type,employment_percent,manager_id,cost_centre\n" +
		"P 1,E 1,Åsa Märta,von Öst,school,2020-02-30,no,S 1,Leg sjuksköterska,till svidare,75,P 2,kst å 1\nP 2,E 2,Bo,Ek,school,2020-01-01,no,,,,,,\n")
	if r.Held != nil || r.Counts[identity.EmploymentWithdrawn] != 0 || len(r.Problems) != 1 {
		t.Errorf("%+v", r)
	}
	for _, p := range f.everybody() {
		if len(p.Active(today)) != 1 {
			t.Errorf("ended: %+v", p)
		}
	}
}

// TestWhatIsReadIsClean checks all text that is read from any file.
func TestWhatIsReadIsClean(t *testing.T) {
	u := units(t)
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]string{}
		for name, v := range one {
			values[name] = v
		}
		for _, name := range []string{"person_id", "employment_id", "given_name", "job_title", "cost_centre", "manager_id"} {
			values[name] = rapid.StringOfN(rapid.SampledFrom([]rune("aåÅ\u030a \u00a0\u200b\u00adé1\u2009")), 1, 12, -1).Draw(t, name)
		}
		b, err := json.Marshal([]any{values})
		if err != nil {
			t.Fatal(err)
		}
		export, err := hr.Read("hr", b, detecting, []string{"cost_centre"}, u, today)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range export.Rows {
			for _, v := range []string{row.PersonKey, row.EmploymentKey, row.Person.GivenName, row.Terms.JobTitle, row.Terms.ManagerKey, row.Terms.Attributes["cost_centre"]} {
				if v != identity.CleanText(v) {
					t.Fatalf("%q is not clean", v)
				}
			}
		}
	})
}

// TestNamesWithHiddenCharactersAreProblems checks that such a row is left out,
// and reported with its column and without its value.
func TestNamesWithHiddenCharactersAreProblems(t *testing.T) {
	for column, name := range map[string]string{"given_name": "Hemlig\u202estam", "family_name": "Hemlig\u200bstam"} {
		values := map[string]string{}
		for c, v := range one {
			values[c] = v
		}
		values[column] = name
		export, err := hr.Read("hr", []byte(inCSV(values, func(s string) string { return s })), detecting, []string{"cost_centre"}, units(t), today)
		if err != nil {
			t.Fatal(err)
		}
		if len(export.Rows) != 0 || len(export.Problems) != 1 || !strings.Contains(testenv.ProblemText(export.Problems[0]), "column "+column) || strings.Contains(testenv.ProblemText(export.Problems[0]), "Hemlig") || !export.BadPeople["P 1"] {
			t.Errorf("%s: %+v, %+v", column, export.Rows, export.Problems)
		}
	}
}

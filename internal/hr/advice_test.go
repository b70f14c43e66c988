package hr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// TestEndThatIsNoDateGetsAdvice checks that common words for no end are reported
// with the setting that reads them so, and that this setting works; another
// mistake gets no such advice.
func TestEndThatIsNoDateGetsAdvice(t *testing.T) {
	file := func(end string) []byte {
		return []byte(strings.Replace(twoPeople, "2022-01-01,,", "2022-01-01,"+end+",", 1))
	}
	for value, want := range map[string]string{"tillsvidare": "empty: {end_date: [tillsvidare]}", "Tillsvidare": "empty: {end_date: [Tillsvidare]}", "-": `empty: {end_date: ["-"]}`, "–": `empty: {end_date: ["–"]}`, "N/A": `empty: {end_date: ["N/A"]}`, "0000-00-00": `empty: {end_date: ["0000-00-00"]}`} {
		export, err := hr.Read("hr.csv", file(value), detecting, nil, units(t), today)
		if err != nil || len(export.Problems) != 1 || !strings.Contains(testenv.ProblemText(export.Problems[0]), "if it says that there is none, add under hr.sources.hr: "+want) {
			t.Errorf("%q: %+v, %v", value, export.Problems, err)
		}
		s := detecting
		s.Empty.Columns = map[string][]string{"end_date": {strings.ToUpper(value)}}
		if export, err = hr.Read("hr.csv", file(value), s, nil, units(t), today); err != nil || len(export.Problems) != 0 || len(export.Rows) != 3 || export.Rows[2].End != "" {
			t.Errorf("%q with the setting: %+v, %v", value, export, err)
		}
	}
	s := detecting
	for want, empty := range map[string]config.EmptyValues{`empty: ["-", "n/a"]`: {Dates: []string{"-"}}, `empty: {end_date: ["-", "n/a"], unit: [x]}`: {Columns: map[string][]string{"unit": {"x"}, "end_date": {"-"}}}} {
		s.Empty = empty
		if export, err := hr.Read("hr.csv", file("n/a"), s, nil, units(t), today); err != nil || !strings.Contains(testenv.ProblemText(export.Problems[0]), want) {
			t.Errorf("beside another: %+v, %v", export.Problems, err)
		}
	}
	for _, other := range []string{"soon", "2026-02-30"} {
		if export, err := hr.Read("hr.csv", file(other), detecting, nil, units(t), today); err != nil || strings.Contains(testenv.ProblemText(export.Problems[0]), "empty:") {
			t.Errorf("%q: %+v, %v", other, export.Problems, err)
		}
	}
}

// TestEmptyValuesAreThoseOfTheirColumn: what says that there is no end is a value in
// another column, also where one is made of several.
func TestEmptyValuesAreThoseOfTheirColumn(t *testing.T) {
	text := "person_id,employment_id,given_name,family_name,unit,employment_type,start_date,end_date,nr\n1,E1,Åsa,Ek,school,Tillsvidare,2020-01-01,Tillsvidare,-\n"
	for name, empty := range map[string]config.EmptyValues{"list": {Dates: []string{"tillsvidare"}}, "column": {Columns: map[string][]string{"end_date": {"tillsvidare"}}}} {
		s := detecting
		s.Empty = empty
		export, err := hr.Read("hr.csv", []byte(text), s, nil, units(t), today)
		if err != nil || len(export.Rows) != 1 || export.Rows[0].End != "" || export.Rows[0].Terms.Type != "Tillsvidare" {
			t.Errorf("%s: %+v, %v", name, export, err)
		}
	}
	s := detecting
	s.Columns = map[string]string{"end_date": "employment_type", "manager_id": "person_id+nr", "job_title": "{{.nr}}"}
	s.Empty.Columns = map[string][]string{"end_date": {"tillsvidare"}, "manager_id": {"-"}, "job_title": {"-"}}
	export, err := hr.Read("hr.csv", []byte(text), s, nil, units(t), today)
	if err != nil || len(export.Rows) != 1 || export.Rows[0].End != "" || export.Rows[0].Terms.Type != "Tillsvidare" || export.Rows[0].Terms.ManagerKey != "" || export.Rows[0].Terms.JobTitle != "" {
		t.Errorf("of several: %+v, %v", export, err)
	}
}

// TestDroppedLeadingZerosAreReported checks the warning about numbers that are
// one digit shorter than the others, unless people are stored under them.
func TestDroppedLeadingZerosAreReported(t *testing.T) {
	file := func(short func(n int) string) string {
		text := strings.Replace(header, "person_id", "ANST NR", 1)
		for n := range 20 {
			text += fmt.Sprintf("%s,E%d,A,B,school,1,100,2020-01-01,,no\n", short(n), n)
		}
		return text
	}
	s := detecting
	s.Columns = map[string]string{"person_id": "ANST NR"}
	lost := file(func(n int) string {
		if n > 16 {
			return fmt.Sprint(7000 + n)
		}
		return fmt.Sprint(10000 + n)
	})
	f := newFixture(t)
	r := f.imported(lost, s)
	if r.Warnings != 1 || r.Problems[0].Line != 19 || !strings.Contains(testenv.ProblemText(r.Problems[0]), `3 numbers, this one is the first, have 4 digits and almost all others 5`) || !strings.Contains(testenv.ProblemText(r.Problems[0]), `hr.sources.hr: columns: {person_id: '{{col "ANST NR" | pad 5}}'}`) {
		t.Fatalf("%+v", r)
	}
	if r = f.imported(strings.Replace(lost, ",100,", ",50,", 1), s); r.Warnings != 0 {
		t.Errorf("people are known by them: %+v", r)
	}
	padded := s
	padded.Columns = map[string]string{"person_id": `{{col "ANST NR" | pad 5}}`}
	export, err := hr.Read("hr.csv", []byte(lost), padded, nil, units(t), today)
	if err != nil || export.Rows[19].PersonKey != "07019" || export.Rows[0].PersonKey != "10000" {
		t.Errorf("%+v, %v", export.Rows, err)
	}
	for name, short := range map[string]func(int) string{
		"letters":    func(n int) string { return fmt.Sprintf("A%d", n) },
		"counted":    func(n int) string { return fmt.Sprint(9990 + n) },
		"all as one": func(n int) string { return fmt.Sprint(10000 + n) },
	} {
		if r := newFixture(t).imported(file(short), s); r.Warnings != 0 {
			t.Errorf("%s: %+v", name, r.Problems)
		}
	}
}

// TestRowWithMoreFieldsThanColumnsIsLeftOut checks it also when nothing else is
// wrong with the row. Delimiters behind the last column are ignored.
func TestRowWithMoreFieldsThanColumnsIsLeftOut(t *testing.T) {
	for extra, want := range map[string]int{",": 0, ",,,": 0, ", ,\u00a0": 0, ",x": 1, ",,2026-12-31": 1} {
		text := strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,,no"+extra, 1)
		export, err := hr.Read("hr.csv", []byte(text), detecting, nil, units(t), today)
		if err != nil || len(export.Problems) != want || len(export.Rows) != 3-want {
			t.Fatalf("%q: %+v, %v", extra, export, err)
		}
		if want > 0 && (export.Problems[0].Line != 4 || export.Problems[0].Warning || !strings.Contains(testenv.ProblemText(export.Problems[0]), "fields, and there are 10 columns") || !export.BadPeople["2"]) {
			t.Errorf("%q: %+v", extra, export.Problems)
		}
	}
}

// TestProblemsNameColumnsAndNoTemplates checks that a problem of a value made of
// several columns, or of a part of one, names the columns.
func TestProblemsNameColumnsAndNoTemplates(t *testing.T) {
	s := detecting
	s.Columns = map[string]string{"start_date": `{{.Anst | before "/"}}`, "employment_id": "person_id+Nr", "end_date": `{{.Anst | after "/"}}`}
	s.Empty.Dates = []string{"-"}
	file := func(e1 string) string {
		return "person_id,Nr,given_name,family_name,Anst\n1,1,Åsa,Ek," + e1 + "\n2,1,Bo,Dahl,2022-01-01/\n"
	}
	f := newFixture(t)
	f.imported(file("2020-01-01/"), s)
	for row, want := range map[string]string{
		"soon/":                 "column start_date (of Anst): it is not a date",
		"2099-01-01/2099-12-31": "column start_date (of Anst): it moves the start",
		"2020-01-01/2019-01-01": "column end_date (of Anst): it is before the start",
	} {
		r := f.imported(file(row), s)
		if len(r.Problems) != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), want) || strings.Contains(testenv.ProblemText(r.Problems[0]), "{{") {
			t.Errorf("%s: %+v", row, r.Problems)
		}
	}
}

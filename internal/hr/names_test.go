package hr_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// sheets makes a workbook of sheets of comma-separated lines.
func sheets(t *testing.T, of ...[2]string) []byte {
	t.Helper()
	f := excelize.NewFile()
	for i, one := range of {
		if i == 0 {
			if err := f.SetSheetName("Sheet1", one[0]); err != nil {
				t.Fatal(err)
			}
		} else if _, err := f.NewSheet(one[0]); err != nil {
			t.Fatal(err)
		}
		for r, line := range strings.Split(strings.TrimSpace(one[1]), "\n") {
			for c, v := range strings.Split(line, ",") {
				cell, err := excelize.CoordinatesToCellName(c+1, r+1)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.SetCellStr(one[0], cell, v); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withChart adds a chart sheet to a workbook.
func withChart(t *testing.T, book []byte) []byte {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(book))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.AddChartSheet("Diagram", &excelize.Chart{Type: excelize.Col, Series: []excelize.ChartSeries{{Values: "'Månad'!$G$2:$G$4"}}}); err != nil {
		t.Fatal(err)
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestIgnoredSheetIsNamed checks the warning about another sheet with the same
// columns and rows, with its name and number of rows, whether the sheet is
// configured or detected.
func TestIgnoredSheetIsNamed(t *testing.T) {
	monthly, hourly := twoPeople, header+"3,E9,Eva,Ask,school,1,40,2024-01-01,,no\n4,E8,Ola,Ek,school,1,40,2024-01-01,,no\n"
	named := detecting
	named.Sheet = "Månad"
	row := named
	row.HeaderRow = 1
	for name, c := range map[string]struct {
		book   []byte
		source config.Source
		want   string
	}{
		"named":              {sheets(t, [2]string{"Månad", monthly}, [2]string{"Timavlönade", hourly}), named, `the sheet "Timavlönade" (2 rows) of the workbook has the same columns and is not read`},
		"with a header row":  {sheets(t, [2]string{"Månad", monthly}, [2]string{"Timavlönade", hourly}), row, `"Timavlönade" (2 rows)`},
		"found out":          {sheets(t, [2]string{"Månad", monthly}, [2]string{"Timavlönade", strings.ReplaceAll(hourly, "protected", "sekretess")}), detecting, `"Timavlönade" (2 rows)`},
		"a chart, found out": {withChart(t, sheets(t, [2]string{"Månad", monthly})), detecting, ""},
		"beside a chart":     {withChart(t, sheets(t, [2]string{"Månad", monthly})), named, ""},
		"without rows":       {sheets(t, [2]string{"Månad", monthly}, [2]string{"Mall", header}), named, ""},
		"something else":     {sheets(t, [2]string{"Månad", monthly}, [2]string{"Enheter", "unit,namn,chef\nschool,Skolan,1\n"}), named, ""},
	} {
		export, err := hr.Read("hr.xlsx", c.book, c.source, nil, units(t), today)
		if err != nil || len(export.Rows) != 3 {
			t.Fatalf("%s: %+v, %v", name, export, err)
		}
		if c.want == "" && len(export.Problems) > 0 || c.want != "" && (len(export.Problems) != 1 || !export.Problems[0].Warning || !strings.Contains(testenv.ProblemText(export.Problems[0]), c.want)) {
			t.Errorf("%s: %+v", name, export.Problems)
		}
	}
}

// TestAFileWithOtherNamesTellsThem: where no column that is looked for is there, in any
// sheet, the names that are there are told, and the setting that maps them.
func TestAFileWithOtherNamesTellsThem(t *testing.T) {
	const swedish = "Anställningsnr,Förnamn,Efternamn,Anställd från\n1,Åsa,Ek,2020-01-01\n"
	const title = "Personal 2026-11-30\nSekretess,,\n"
	for name, c := range map[string]struct {
		file    string
		content []byte
		sheet   string
		line    int
	}{
		"csv":            {"hr.csv", []byte(swedish), "", 1},
		"xlsx":           {"hr.xlsx", sheets(t, [2]string{"Data", swedish}), "Data", 1},
		"title":          {"hr.xlsx", sheets(t, [2]string{"Data", title + swedish}), "Data", 3},
		"several sheets": {"hr.xlsx", sheets(t, [2]string{"Info", "Rapport,Datum,Av\n1,2026-11-30,x\n"}, [2]string{"Data", title + swedish}, [2]string{"Tom", ""}), "Data", 3},
	} {
		_, err := hr.Read(c.file, c.content, detecting, nil, units(t), today)
		var p diagnostic.Problem
		if !errors.As(err, &p) || p.Sheet != c.sheet || p.Line != c.line || !strings.Contains(testenv.ProblemText(p), "none of the columns that are looked for, but Anställningsnr, Förnamn, Efternamn, Anställd från: say under hr.sources.hr.columns which of them is person_id") || strings.Contains(testenv.ProblemText(p), "header_row") {
			t.Errorf("%s: %+v", name, err)
		}
	}
	// What may be a row tells nothing.
	for _, text := range []string{"Åsa,Ek,school\nBo,Dahl,library\n", "Åsa,Ek,2020-01-01\nBo,Dahl,2020-01-01\n"} {
		if _, err := hr.Read("hr.csv", []byte(text), detecting, nil, units(t), today); err == nil || strings.Contains(testenv.ErrorText(err), "Åsa") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestNamesMatchInAnyCase: of sheets and columns, when none has the very name. Where
// several are the same but for case, the very name alone counts.
func TestNamesMatchInAnyCase(t *testing.T) {
	s := detecting
	s.Sheet = "personal "
	s.Columns = map[string]string{"unit": "Enhet", "employment_id": "PERSON_ID+Employment_ID", "job_code": "{{.Job_Code}}"}
	s.Skip = []config.Skip{{Column: "ENHET", Values: []string{"Totalt"}}}
	text := strings.Replace(twoPeople, "employment_id,given_name,family_name,unit,", "employment_id,given_name,family_name, ENHET ,", 1) + "Totalt,,,,Totalt,,,,,\n"
	for name, content := range map[string][]byte{"csv": []byte(text), "xlsx": sheets(t, [2]string{" Personal", text})} {
		export, err := hr.Read("hr."+name, content, s, nil, units(t), today)
		if err != nil || len(export.Rows) != 3 || export.Rows[0].Terms.Unit != "school" || export.Rows[0].Terms.JobCode != "1" || export.Rows[0].EmploymentKey != "1+E1" {
			t.Errorf("%s: %+v, %v", name, export, err)
		}
	}
	s = detecting
	s.Columns = map[string]string{"unit": "Enhet"}
	both := strings.Replace(twoPeople, ",unit,job_code,", ",ENHET,enhet,", 1)
	if _, err := hr.Read("hr.csv", []byte(both), s, nil, units(t), today); err == nil || !strings.Contains(testenv.ErrorText(err), `no column "Enhet"`) {
		t.Errorf("two that are the same but for case: %v", err)
	}
}

// TestFilesBesideAnOpenOneAreNotRead checks lock files of Excel and LibreOffice,
// backups of editors, and dot files.
func TestFilesBesideAnOpenOneAreNotRead(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	s := detecting
	s.Directory = &config.Directory{Path: dir, Pattern: "*", Archive: filepath.Join(dir, "archive")}
	all := []string{"~$hr.xlsx", ".~lock.hr.ods#", "hr.csv~", ".hr.csv"}
	for _, name := range append(all, "hr.csv") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(twoPeople), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := f.pulled(s, 1); r[0].Name != "hr.csv" {
		t.Errorf("%s was read", r[0].Name)
	}
	for _, name := range all {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

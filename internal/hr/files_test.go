package hr_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"html"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// table reads CSV into cells.
func table(t testing.TB, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// isDate reports whether a cell is to be a date.
func isDate(v string) (time.Time, bool) {
	d, err := time.Parse(time.DateOnly, v)
	return d, err == nil
}

// inExcel writes cells into a sheet, from a row on; dates are serial numbers with
// a date format.
func inExcel(t testing.TB, rows [][]string, tab string, from int, format string) []byte {
	t.Helper()
	f := excelize.NewFile()
	if err := f.SetSheetName("Sheet1", tab); err != nil {
		t.Fatal(err)
	}
	style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		for k, v := range row {
			cell, _ := excelize.CoordinatesToCellName(k+1, i+from)
			if d, ok := isDate(v); ok {
				if err := f.SetCellValue(tab, cell, d); err != nil {
					t.Fatal(err)
				}
				if err := f.SetCellStyle(tab, cell, cell, style); err != nil {
					t.Fatal(err)
				}
			} else if err := f.SetCellStr(tab, cell, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inODS writes cells as LibreOffice does, with the repeated empty cells at the
// end.
func inODS(t testing.TB, rows [][]string, tab string) []byte {
	t.Helper()
	var x strings.Builder
	x.WriteString(`<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>`)
	fmt.Fprintf(&x, `<table:table table:name="%s"><table:table-column table:number-columns-repeated="16384"/><table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>`, html.EscapeString(tab))
	for _, row := range rows {
		x.WriteString(`<table:table-row>`)
		for _, v := range row {
			switch d, ok := isDate(v); {
			case ok:
				fmt.Fprintf(&x, `<table:table-cell office:value-type="date" office:date-value="%sT00:00:00"><text:p>%s</text:p></table:table-cell>`, v, d.Format("02.01.06"))
			case v == "":
				x.WriteString(`<table:table-cell/>`)
			default:
				fmt.Fprintf(&x, `<table:table-cell office:value-type="string"><office:annotation><text:p>a note</text:p></office:annotation><text:p>%s</text:p></table:table-cell>`, html.EscapeString(v))
			}
		}
		x.WriteString(`<table:table-cell table:number-columns-repeated="16374"/></table:table-row>`)
	}
	x.WriteString(`<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>`)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": x.String()} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inXML writes a record for each row, with the first column as an attribute.
func inXML(rows [][]string) string {
	var x strings.Builder
	x.WriteString("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<export><made>today</made>\n<people>\n")
	for _, row := range rows[1:] {
		fmt.Fprintf(&x, "<employment person_id=\"%s\">\n", row[0])
		for k, v := range row[1:] {
			fmt.Fprintf(&x, "  <f><%s>%s</%s></f>\n", rows[0][k+1], strings.ReplaceAll(html.EscapeString(v), "Å", "\xc5"), rows[0][k+1])
		}
		x.WriteString("</employment>\n")
	}
	return x.String() + "</people></export>\n"
}

// TestEveryFormatReadsTheSame checks that workbooks, XML and fixed width give the
// same people, numbers and dates as CSV.
func TestEveryFormatReadsTheSame(t *testing.T) {
	read := func(name string, content []byte, s config.Source) []hr.Row {
		t.Helper()
		export, err := hr.Read("hr", content, s, nil, units(t), today)
		if err != nil || len(export.Problems) > 0 {
			t.Fatalf("%s: %v %v", name, err, export)
		}
		for i := range export.Rows {
			export.Rows[i].Line = 0
		}
		return export.Rows
	}
	cells := table(t, twoPeople)
	want := read("CSV", []byte(twoPeople), detecting)
	columns := map[string]string{"person_id": "@person_id"}
	for _, name := range cells[0][1:] {
		columns[name] = "f/" + name
	}
	x := detecting
	x.Format, x.Record, x.Columns = "xml", "/export/people/employment", columns
	fixed := detecting
	fixed.Format, fixed.Columns = "fixed", map[string]string{}
	var lines strings.Builder
	for k, name := range cells[0] {
		fixed.Columns[name] = fmt.Sprintf("%d-%d", 12*k+1, 12*k+12)
	}
	for _, row := range cells[1:] {
		line := ""
		for _, v := range row {
			line += v + strings.Repeat(" ", 12-len([]rune(v)))
		}
		lines.WriteString(strings.TrimRight(line, " ") + "\r\n")
	}
	for name, c := range map[string]struct {
		content []byte
		source  config.Source
	}{
		"Excel": {inExcel(t, cells, "Blad1", 1, "yyyy-mm-dd"), detecting}, "Excel, dates as shown in Germany": {inExcel(t, cells, "Blad1", 4, `dd\.mm\.yyyy;@`), detecting},
		"Excel, dates with a name": {inExcel(t, cells, "Blad1", 1, `[$-41D]d mmmm yyyy`), detecting},
		"LibreOffice":              {inODS(t, cells, "Blad & 1"), detecting}, "XML": {[]byte(inXML(cells)), x}, "fixed width": {[]byte(lines.String()), fixed},
	} {
		if got := read(name, c.content, c.source); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

// TestProblemNamesTheCell checks the place of a problem: sheet, row and column
// letter in a workbook, the line in XML, line and character in fixed width.
func TestProblemNamesTheCell(t *testing.T) {
	cells := table(t, header+"1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n2,E2,Bo,Ek,moon,1,100,2020-01-01,,no\n")
	fixed := detecting
	fixed.Format, fixed.Columns = "fixed", map[string]string{"person_id": "1-2", "employment_id": "3-5", "given_name": "6-8", "family_name": "9-12", "unit": "13-18", "start_date": "19-28"}
	x := detecting
	x.Format, x.Record, x.Columns = "xml", "//employment", map[string]string{"person_id": "@person_id", "employment_id": "f/employment_id", "given_name": "f/given_name", "family_name": "f/family_name", "unit": "f/unit", "start_date": "f/start_date"}
	for want, c := range map[string]struct {
		content []byte
		source  config.Source
	}{
		"hr.xlsx: sheet Personal, row 5, column E: column unit: the unit does not exist":   {inExcel(t, cells, "Personal", 3, "yyyy-mm-dd"), detecting},
		"hr.xlsx: sheet Personal, row 5, column E: column unit: the unit does not exist: ": {inODS(t, cells, "Personal"), detecting},
		"hr.xlsx:2:13: column 13-18: the unit does not exist":                              {[]byte("1 E1 ÅsaEk  school2020-01-01\n2 E2 Bo Ek  moon  2020-01-01\n"), fixed},
		"hr.xlsx:15: column f/unit: the unit does not exist":                               {[]byte(inXML(cells)), x},
	} {
		export, err := hr.Read("hr.xlsx", c.content, c.source, nil, units(t), today)
		if err != nil || len(export.Problems) != 1 || !strings.HasPrefix(testenv.ErrorText(export.Problems[0]), want) {
			t.Errorf("%s: %v %v", want, err, export)
		}
	}
}

// TestExcelValues checks leading zeros, percent, long numbers, booleans, and
// errors, which give no key.
func TestExcelValues(t *testing.T) {
	f := excelize.NewFile()
	zeros, err := f.NewStyle(&excelize.Style{CustomNumFmt: new("00000")})
	if err != nil {
		t.Fatal(err)
	}
	percent, _ := f.NewStyle(&excelize.Style{NumFmt: 9})
	for i, name := range strings.Split(strings.TrimSpace(header), ",") {
		cell, _ := excelize.CoordinatesToCellName(i+1, 1)
		_ = f.SetCellStr("Sheet1", cell, name)
	}
	_ = f.SetSheetRow("Sheet1", "A2", &[]any{1002, 199001012384, "Åsa", "Ek", "school", 7, 0.5, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), nil, true})
	_ = f.SetCellStyle("Sheet1", "A2", "A2", zeros)
	_ = f.SetCellStyle("Sheet1", "G2", "G2", percent)
	_ = f.SetSheetRow("Sheet1", "A3", &[]any{"#N/A", "E9", "Bo", "Ek", "school", 7, 50, 43831, nil, false})
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	export, err := hr.Read("hr.xlsx", b.Bytes(), detecting, nil, units(t), today)
	if err != nil || len(export.Rows) != 1 {
		t.Fatal(err, export)
	}
	if r := export.Rows[0]; r.PersonKey != "01002" || r.EmploymentKey != "199001012384" || r.Terms.JobCode != "7" || r.Terms.Percent != 50 || r.Start != "2020-01-01" || !r.Person.Protected {
		t.Errorf("%+v", r)
	}
	if p := export.Problems; len(p) != 1 || !strings.Contains(testenv.ProblemText(p[0]), "shows the error #N/A") || !strings.Contains(testenv.ProblemText(p[0]), "an Excel serial date") {
		t.Errorf("one problem for the row: %v", p)
	}
}

// TestHeaderIsFound checks that it is found behind titles, separator lines and
// empty rows, and that other lines are ignored.
func TestHeaderIsFound(t *testing.T) {
	s := detecting
	s.Columns = map[string]string{"person_id": "Anstnr", "employment_id": "Anstnr", "family_name": "Efternamn", "given_name": "Förnamn", "unit": "Enhet", "start_date": "From"}
	s.Skip = []config.Skip{{Column: "Anstnr", Values: []string{"Totalt"}}}
	const rows = "Anstnr;Efternamn;Förnamn;Enhet;From\n7;Ek;Åsa;school;2020-01-01\n;;;;\n8;Berg;Bo;moon;x\n"
	for name, text := range map[string]string{
		"plain": rows, "sep=": "sep=;\n" + rows, "sep= in capitals": "\ufeffSEP=;\r\n" + rows, "title": "Anställda, per \"2026-11-30\"\n\n" + rows, "empty columns": ";;;;\nEnhet;;;;\n;;;;\n" + rows,
		"totals": rows + "TOTALT;;2;;\n", "commas in a title": "a,b,c,d,e,f,g,h,i\n" + rows,
	} {
		export, err := hr.Read("hr.csv", []byte(text), s, nil, units(t), today)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		line := 1 + strings.Count(text[:strings.Index(text, "\n8;")+1], "\n")
		if export.Read != 2 || len(export.Rows) != 1 || export.Rows[0].PersonKey != "7" || export.Rows[0].EmploymentKey != "7" {
			t.Errorf("%s: %d rows, %+v", name, export.Read, export.Rows)
		}
		if p := export.Problems; len(p) != 1 || p[0].Line != line || !strings.Contains(testenv.ProblemText(p[0]), "column Enhet: the unit does not exist") || !strings.Contains(testenv.ProblemText(p[0]), "column From: it is not a date") {
			t.Errorf("%s: one problem a row, in line %d: %v", name, line, p)
		}
	}
	s.HeaderRow = 3
	export, err := hr.Read("hr.csv", []byte("Anstnr;Efternamn;Förnamn;Enhet;From\nold;;;;\n"+rows), s, nil, units(t), today)
	if err != nil || export.Read != 2 {
		t.Errorf("header_row: %v %+v", err, export)
	}
	s.HeaderRow, s.Skip[0].Column = 0, "Nr"
	if _, err := hr.Read("hr.csv", []byte(rows), s, nil, units(t), today); err == nil || !strings.Contains(testenv.ErrorText(err), `there is no column "Nr", of which hr.sources.hr.skip names values`) {
		t.Error(err)
	}
}

// TestSheetIsNotGuessed checks that hidden sheets are ignored, and that of two
// candidates one must be configured.
func TestSheetIsNotGuessed(t *testing.T) {
	f := excelize.NewFile()
	fill := func(tab string, cells [][]string) {
		if _, err := f.NewSheet(tab); err != nil {
			t.Fatal(err)
		}
		for i, row := range cells {
			_ = f.SetSheetRow(tab, fmt.Sprintf("A%d", i+1), &row)
		}
	}
	fill("Info", [][]string{{"Made by HR"}})
	fill("Nu", table(t, header+"1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n"))
	content := func() []byte {
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if export, err := hr.Read("hr.xlsx", content(), detecting, nil, units(t), today); err != nil || len(export.Rows) != 1 || export.Sheet != "Nu" {
		t.Errorf("%v %+v", err, export)
	}
	fill("Förra", table(t, header+"2,E2,Bo,Ek,school,1,100,2020-01-01,,no\n"))
	if _, err := hr.Read("hr.xlsx", content(), detecting, nil, units(t), today); err == nil || !strings.Contains(testenv.ErrorText(err), "name it under hr.sources.hr.sheet") {
		t.Error(err)
	}
	s := detecting
	s.Sheet = "förra"
	if export, err := hr.Read("hr.xlsx", content(), s, nil, units(t), today); err != nil || len(export.Rows) != 1 || export.Rows[0].PersonKey != "2" {
		t.Errorf("%v %+v", err, export)
	}
	s.Sheet = "Anna's"
	if _, err := hr.Read("hr.xlsx", content(), s, nil, units(t), today); err == nil || !strings.Contains(testenv.ErrorText(err), "no sheet with the name that hr.sources.hr.sheet says") || strings.Contains(testenv.ErrorText(err), "Förra") {
		t.Error(err)
	}
}

// TestColumnsAreMadeOfOthers checks one column that fills several, several that
// make one, a part of one, and constants from templates.
func TestColumnsAreMadeOfOthers(t *testing.T) {
	s := detecting
	s.Columns = map[string]string{"person_id": "Personnr", "national_id": "Personnr", "employment_id": "person_id+Löpnr", "family_name": `{{.Namn | before ","}}`, "given_name": `{{col "Namn" | after ","}}`,
		"job_title": "{{.Titel}} {{.Nivå}}", "start_date": "From", "cost_centre": "Kst nr"}
	s.Constants = map[string]string{"email": `{{lower (ascii (.Namn | after ","))}}@example.org`, "unit": "school"}
	const text = "Personnr,Löpnr,Namn,Titel,Nivå,From,Kst nr\n19811218-9876,1,\"Öberg, Sven\",Lärare,2,2020-01-01,0042\n19811218-9876,2,\"Öberg, Sven\",Vikarie,,2020-01-01,\n19640823-3234,1,,Lärare,,2020-01-01,\n"
	export, err := hr.Read("hr.csv", []byte(text), s, []string{"cost_centre"}, units(t), today)
	if err != nil || len(export.Rows) != 2 || len(export.Problems) != 1 || export.Problems[0].Line != 4 || export.Problems[0].Column != 17 {
		t.Fatal(err, export)
	}
	if r := export.Rows[0]; r.PersonKey != "19811218-9876" || r.EmploymentKey != "19811218-9876+1" || r.Person.NationalID != "198112189876" || r.Person.FamilyName != "Öberg" || r.Person.GivenName != "Sven" ||
		r.Terms.JobTitle != "Lärare 2" || r.Person.Email != "sven@example.org" || r.Terms.Unit != "school" || r.Terms.Attributes["cost_centre"] != "0042" {
		t.Errorf("%+v", r)
	}
	if r := export.Rows[1]; r.Terms.JobTitle != "Vikarie" || r.EmploymentKey != "19811218-9876+2" {
		t.Errorf("%+v", r)
	}
	s.Columns["job_title"] = "{{.Title}}"
	if _, err := hr.Read("hr.csv", []byte(text), s, nil, units(t), today); err == nil || !strings.Contains(testenv.ErrorText(err), `there is no column "Title", to which hr.sources.hr.columns maps job_title`) {
		t.Error(err)
	}
}

// TestNumbersOfEachPersonOnlyAreReported checks the advice on how to make them
// unique.
func TestNumbersOfEachPersonOnlyAreReported(t *testing.T) {
	text := header + "1,1,Åsa,Ek,school,1,100 %,2020-01-01,,no\n2,1,Bo,Dahl,school,1,50 %,2020-01-01,,no\n"
	export, err := hr.Read("hr.csv", []byte(text), detecting, nil, units(t), today)
	if err != nil || len(export.Rows) != 0 || len(export.Problems) != 1 || !strings.Contains(testenv.ProblemText(export.Problems[0]), "employment_id: person_id+employment_id under hr.sources.hr.columns") {
		t.Fatal(err, export)
	}
	s := detecting
	s.Columns = map[string]string{"employment_id": "person_id+employment_id"}
	if export, err = hr.Read("hr.csv", []byte(text), s, nil, units(t), today); err != nil || len(export.Rows) != 2 || export.Rows[1].EmploymentKey != "2+1" || export.Rows[0].Terms.Percent != 100 {
		t.Error(err, export)
	}
}

// TestPersonMayHaveOneName checks a single given name, and a single family name.
func TestPersonMayHaveOneName(t *testing.T) {
	export, err := hr.Read("hr.csv", []byte(header+"1,E1,Suharto,,school,1,100,2020-01-01,,no\n2,E2,,Sukarno,school,1,100,2020-01-01,,no\n"), detecting, nil, units(t), today)
	if err != nil || len(export.Rows) != 2 || len(export.Problems) != 0 {
		t.Error(err, export)
	}
	f := newFixture(t)
	f.load(header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n")
	if r := f.load(header + "1,E1,,Ek,school,1,100,2020-01-01,,no\n"); len(r.Problems) != 1 || !r.Problems[0].Warning || !strings.Contains(testenv.ProblemText(r.Problems[0]), "the given_name is empty, and had a value before") {
		t.Error(r.Problems)
	}
}

// TestBrokenFilesAreNotReadInPart checks truncated files, and files that would
// exhaust memory.
func TestBrokenFilesAreNotReadInPart(t *testing.T) {
	cells := table(t, twoPeople)
	excel, ods := inExcel(t, cells, "A", 1, "yyyy-mm-dd"), inODS(t, cells, "A")
	x := detecting
	x.Format, x.Record, x.Columns = "xml", "//employment", map[string]string{"person_id": "@person_id", "employment_id": "f/employment_id", "given_name": "f/given_name", "family_name": "f/family_name", "start_date": "f/start_date"}
	text := inXML(cells)
	for name, c := range map[string]struct {
		content []byte
		source  config.Source
		want    string
	}{
		"Excel cut short": {excel[:len(excel)-100], detecting, "not whole"}, "ODS cut short": {ods[:len(ods)-30], detecting, "not whole"},
		"Excel with broken XML":      {repack(t, excel, "xl/worksheets/sheet1.xml", func(b []byte) []byte { return b[:len(b)/2] }), detecting, "the workbook cannot be read, and nothing of it was"},
		"Excel, rows back and forth": {repack(t, excel, "xl/worksheets/sheet1.xml", func(b []byte) []byte { return bytes.Replace(b, []byte(`<row r="3"`), []byte(`<row r="2"`), 1) }), detecting, "not in order"},
		"ODS with broken XML":        {repack(t, ods, "content.xml", func(b []byte) []byte { return b[:len(b)-50] }), detecting, "the workbook cannot be read"},
		"a part that is too large":   {repack(t, excel, "xl/theme/theme1.xml", func([]byte) []byte { return make([]byte, 65<<20) }), detecting, "too much room"},
		"old Excel":                  {append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 600)...), detecting, "save it as .xlsx"},
		"XML cut short":              {[]byte(text[:len(text)-40]), x, "breaks off"},
		"XML with entities":          {[]byte(`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.TrimPrefix(text, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n")), x, "document type"},
		"XML, deep":                  {[]byte("<a>" + strings.Repeat("<b>", 100) + strings.Repeat("</b>", 100) + "</a>"), x, "nested"},
		"XML without records":        {[]byte("<a/>"), x, "no record"},
		"XML unasked":                {[]byte(text), detecting, "hr.sources.hr.format: xml"},
	} {
		_, err := hr.Read("hr", c.content, c.source, nil, units(t), today)
		var p diagnostic.Problem
		if !errors.As(err, &p) || !strings.Contains(testenv.ProblemText(p), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// repack changes one member of a ZIP file.
func repack(t testing.TB, content []byte, part string, change func([]byte) []byte) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(in); err != nil {
			t.Fatal(err)
		}
		all := text.Bytes()
		if f.Name == part {
			all = change(slices.Clone(all))
		}
		out, err := w.Create(f.Name)
		if err == nil {
			_, err = out.Write(all)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

package hr_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// cells writes an Excel sheet from the XML of its cells: one row for each, after
// the header. Styles are numbered from 1, by their number formats.
func cells(t testing.TB, rows [][]string, after string, formats ...string) []byte {
	t.Helper()
	f := excelize.NewFile()
	for _, format := range formats {
		if _, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return repack(t, b.Bytes(), "xl/worksheets/sheet1.xml", func([]byte) []byte {
		var x strings.Builder
		x.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row>`)
		for _, name := range strings.Split(strings.TrimSpace(header), ",") {
			x.WriteString(inline(name))
		}
		x.WriteString("</row>")
		for _, row := range rows {
			x.WriteString("<row>" + strings.Join(row, "") + "</row>")
		}
		return []byte(x.String() + "</sheetData>" + after + "</worksheet>")
	})
}

func inline(text string) string { return `<c t="inlineStr"><is><t>` + text + `</t></is></c>` }

// cellRow returns a row of header with some cells replaced.
func cellRow(n int, other map[int]string) []string {
	row := []string{inline(fmt.Sprint("p", n)), inline(fmt.Sprint("e", n)), inline("Åsa"), inline("Ek"), inline("school"), inline("j"), inline("100"), inline("2020-01-01"), "<c/>", "<c/>"}
	for i, cell := range other {
		row[i] = cell
	}
	return row
}

// TestCellWithoutAValueIsNotEmpty checks that errors, formulas without a cached
// value and merged cells leave the row out, with advice, and that an empty text
// from a formula is an empty value.
func TestCellWithoutAValueIsNotEmpty(t *testing.T) {
	ods := func(cell string) []byte {
		rows := [][]string{strings.Split(strings.TrimSpace(header), ","), {"p1", "e1", "Åsa", "Ek", "school", "j", "100", "2020-01-01", "CELL", ""}, {"p2", "e2", "Bo", "Ek", "school", "j", "100", "2020-01-01", "", ""}}
		return repack(t, inODS(t, rows, "T"), "content.xml", func(text []byte) []byte {
			return bytes.Replace(text, []byte(`<table:table-cell office:value-type="string"><office:annotation><text:p>a note</text:p></office:annotation><text:p>CELL</text:p></table:table-cell>`), []byte(cell), 1)
		})
	}
	xlsx := func(column int, cell string) []byte {
		return cells(t, [][]string{cellRow(1, map[int]string{column: cell}), cellRow(2, nil)}, "")
	}
	merged := cells(t, [][]string{cellRow(2, map[int]string{5: inline("x")}), cellRow(1, map[int]string{5: "<c/>"})}, `<mergeCells count="1"><mergeCell ref="F2:F3"/></mergeCells>`)
	csv := func(cell string) []byte {
		return []byte(header + "p1,e1,Åsa,Ek,school," + cell + ",100,2020-01-01,,\np2,e2,Bo,Ek,school,j,100,2020-01-01,,\n")
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"an error as the end":          {xlsx(8, `<c t="e"><f>1/0</f><v>#DIV/0!</v></c>`), "sheet Sheet1, row 2, column I: column end_date: the cell shows the error #DIV/0!: correct the formula"},
		"an error as a title":          {xlsx(5, `<c t="e"><v>#N/A</v></c>`), "sheet Sheet1, row 2, column F: column job_code: the cell shows the error #N/A"},
		"an error as protection":       {xlsx(9, `<c t="e"><v>#REF!</v></c>`), "sheet Sheet1, row 2, column J: column protected: the cell shows the error #REF!"},
		"a text that is an error":      {xlsx(5, inline("#NAME?")), "column job_code: the cell shows the error #NAME?"},
		"no value":                     {xlsx(8, `<c><f>H2+30</f></c>`), "sheet Sheet1, row 2, column I: column end_date: it is a formula whose value is not in the file"},
		"no value, as openpyxl writes": {xlsx(5, `<c><f>A1</f><v></v></c>`), "column job_code: it is a formula whose value"},
		"no value, in a shared one":    {xlsx(5, `<c><f t="shared" si="0"/></c>`), "column job_code: it is a formula whose value"},
		"merged":                       {merged, "sheet Sheet1, row 3, column F: column job_code: the cell is merged"},
		"an error in CSV":              {csv("#VALUE!"), "column job_code: the cell shows the error #VALUE!"},
		"in Swedish":                   {csv("#VÄRDEFEL!"), "column job_code: the cell shows the error #VÄRDEFEL!"},
		"an error in ODS":              {ods(`<table:table-cell table:formula="x" office:value-type="string" office:string-value="" calcext:value-type="error"><text:p>Err:504</text:p></table:table-cell>`), "sheet T, row 4, column I: column end_date: the cell shows the error Err:504"},
		"no value in ODS":              {ods(`<table:table-cell table:formula="x"/>`), "column end_date: it is a formula whose value"},
		"merged in ODS":                {ods(`<table:covered-table-cell/>`), "column end_date: the cell is merged"},
	} {
		export, err := hr.Read("hr", c.content, detecting, nil, units(t), today)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(export.Rows) != 1 || export.Rows[0].PersonKey != "p2" || !export.BadPeople["p1"] || export.Unattributed != 0 {
			t.Errorf("%s: %+v, %v", name, export.Rows, export.BadPeople)
		}
		if p := export.Problems; len(p) != 1 || !strings.Contains(testenv.ErrorText(p[0]), c.want) {
			t.Errorf("%s: %v", name, p)
		}
	}
	for name, c := range map[string]string{"an empty text": `<c t="str"><f>IF(A2="","","")</f><v></v></c>`, "a value": `<c t="str"><f>A2</f><v>2030-01-01</v></c>`, "nothing": `<c s="0"/>`} {
		if export, err := hr.Read("hr", xlsx(8, c), detecting, nil, units(t), today); err != nil || len(export.Rows) != 2 || len(export.Problems) != 0 {
			t.Errorf("%s: %v %v", name, err, export)
		}
	}
	if export, err := hr.Read("hr", cells(t, [][]string{{`<c><f>A1</f></c>`}, cellRow(2, nil)}, ""), detecting, nil, units(t), today); err != nil || export.Unattributed != 1 {
		t.Errorf("a row of formulas only is a row: %v %v", err, export)
	}
	s := detecting
	s.Columns = map[string]string{"job_title": "job_code"}
	if export, err := hr.Read("hr", xlsx(5, `<c t="e"><v>#N/A</v></c>`), s, nil, units(t), today); err != nil || len(export.Rows) != 1 || len(export.Problems) != 1 || strings.Count(testenv.ProblemText(export.Problems[0]), "#N/A") != 1 {
		t.Errorf("said once: %v %v", err, export)
	}
}

// TestNumbersAreReadInFull checks that a number format neither rounds, hides nor
// decorates a number.
func TestNumbersAreReadInFull(t *testing.T) {
	formats := []string{"#,##0", "0.00", ";;;", "0 %", "0000", "000000-0000", `0" kr"`, "0.00E+00", "yyyy-mm-dd", "[Red]0", "# ?/?"}
	for _, c := range []struct {
		style   int
		v, want string
	}{
		{1, "3300", "3300"}, {2, "3300", "3300"}, {3, "3300", "3300"}, {4, "0.496", "49.6%"}, {4, "0.49600000000000005", "49.6%"}, {4, "1", "100%"}, {4, "0.005", "0.5%"}, {4, "5.0000000000000001E-3", "0.5%"}, {5, "42", "0042"}, {5, "42.5", "0042.5"}, {5, "12345", "12345"},
		{6, "101011234", "0101011234"}, {7, "7", "7"}, {8, "100000000000", "100000000000"}, {0, "100000000000", "100000000000"}, {0, "1E+11", "100000000000"}, {0, "1234567890123456", "1234567890123456"}, {1, "199001012384", "199001012384"}, {10, "7", "7"}, {11, "7.5", "7.5"}, {0, "0.30000000000000004", "0.3"}, {2, "-5", "-5"}, {9, "43831", "2020-01-01"},
	} {
		content := cells(t, [][]string{cellRow(1, map[int]string{5: fmt.Sprintf(`<c s="%d"><v>%s</v></c>`, c.style, c.v)})}, "", formats...)
		export, err := hr.Read("hr", content, detecting, nil, units(t), today)
		if err != nil || len(export.Rows) != 1 || export.Rows[0].Terms.JobCode != c.want {
			t.Errorf("%d %s: %v %+v", c.style, c.v, err, export)
		}
	}
	for _, text := range []string{"0042", "1E5", "3 300"} {
		content := cells(t, [][]string{cellRow(1, map[int]string{5: strings.Replace(inline(text), "<c ", `<c s="3" `, 1)})}, "", formats...)
		if export, err := hr.Read("hr", content, detecting, nil, units(t), today); err != nil || len(export.Rows) != 1 || export.Rows[0].Terms.JobCode != text {
			t.Errorf("text %q: %v %+v", text, err, export)
		}
	}
	for _, c := range [][3]string{{"float", "3300", "3 300,00"}, {"float", "49.6", ""}, {"percentage", "0.496", "50 %"}, {"currency", "7", "7,00 kr"}, {"float", "42", "0042"}, {"float", "0", "0,00"}} {
		want := map[string]string{"3300": "3300", "0.496": "49.6%", "7": "7", "42": "0042", "49.6": "49.6", "0": "0"}[c[1]]
		rows := [][]string{strings.Split(strings.TrimSpace(header), ","), {"p1", "e1", "Åsa", "Ek", "school", "CELL", "100", "2020-01-01", "", ""}}
		content := repack(t, inODS(t, rows, "T"), "content.xml", func(text []byte) []byte {
			return bytes.Replace(text, []byte(`<table:table-cell office:value-type="string"><office:annotation><text:p>a note</text:p></office:annotation><text:p>CELL</text:p>`), []byte(fmt.Sprintf(`<table:table-cell office:value-type="%s" office:value="%s"><text:p>%s</text:p>`, c[0], c[1], c[2])), 1)
		})
		if export, err := hr.Read("hr", content, detecting, nil, units(t), today); err != nil || len(export.Rows) != 1 || export.Rows[0].Terms.JobCode != want {
			t.Errorf("ODS %v: %v %+v", c, err, export)
		}
	}
}

// TestWrongXPathIsNamed checks that an XPath that no record has is reported with
// its column, also when other XPaths look like data.
func TestWrongXPathIsNamed(t *testing.T) {
	s := detecting
	s.Format, s.Record = "xml", "/x/r"
	const text = `<x><r id="p1" e="e1"><G>Åsa</G><F>Ek</F><From>2020-01-01</From></r></x>`
	columns := map[string]string{"person_id": "@id", "employment_id": "@e", "given_name": "G", "family_name": "F", "start_date": "From"}
	for name, c := range map[string]struct{ column, path, text, want string }{
		"as it is":             {"start_date", "From", text, ""},
		"a wrong one":          {"start_date", "Fromm", text, "no record has Fromm, to which hr.sources.hr.columns maps start_date"},
		"an attribute":         {"end_date", "@till202612", text, "no record has @till202612, to which hr.sources.hr.columns maps end_date"},
		"an element that went": {"start_date", "From", strings.ReplaceAll(text, "From", "Start"), "no record has From, to which"},
		"none":                 {"start_date", "", text, "no record has start_date"},
	} {
		s.Columns = map[string]string{}
		for column, path := range columns {
			s.Columns[column] = path
		}
		if s.Columns[c.column] = c.path; c.path == "" {
			delete(s.Columns, c.column)
		}
		_, err := hr.Read("hr", []byte(c.text), s, nil, units(t), today)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(testenv.ErrorText(err), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFractionsAreNotPercent checks that in a column with values 0.25 … 1, a 1 is
// full time and not one percent.
func TestFractionsAreNotPercent(t *testing.T) {
	for values, want := range map[string]int{"0.5 1 1": 0, "0,25 1 0": 1, "1 1 1": 3, "0.5 100 75": 3, "0.5% 1 1": 3, "0 0 1": 3, "50 1 0.5": 3} {
		text := strings.ReplaceAll(header, ",", ";")
		for i, v := range strings.Fields(values) {
			text += fmt.Sprintf("p%d;e%d;Åsa;Ek;school;j;%s;2020-01-01;;\n", i, i, v)
		}
		export, err := hr.Read("hr", []byte(text), detecting, nil, units(t), today)
		if err != nil || len(export.Rows) != want || len(export.BadPeople) != 3-want {
			t.Errorf("%s: %v %+v", values, err, export)
			continue
		}
		mixed := values == "0.5 100 75" || values == "50 1 0.5" // one among percent is a warning
		if p := export.Problems; mixed && (len(p) != 1 || !p[0].Warning) || want == 3 && !mixed && len(p) != 0 || want < 3 && (len(p) != 1 || !strings.Contains(testenv.ErrorText(p[0]), "hr:2: column employment_percent: no value in it is above 1")) {
			t.Errorf("%s: %v", values, p)
		}
	}
	content := cells(t, [][]string{cellRow(1, map[int]string{6: `<c s="1"><v>0.5</v></c>`}), cellRow(2, map[int]string{6: `<c s="1"><v>1</v></c>`})}, "", "0%")
	if export, err := hr.Read("hr", content, detecting, nil, units(t), today); err != nil || len(export.Rows) != 2 || export.Rows[0].Terms.Percent != 50 || export.Rows[1].Terms.Percent != 100 {
		t.Errorf("in percent cells: %v %+v", err, export)
	}
	content = cells(t, [][]string{cellRow(1, map[int]string{6: `<c><v>0.5</v></c>`}), cellRow(2, map[int]string{6: `<c><v>1</v></c>`})}, "")
	if export, err := hr.Read("hr", content, detecting, nil, units(t), today); err != nil || len(export.Rows) != 0 || len(export.BadPeople) != 2 {
		t.Errorf("in plain cells: %v %+v", err, export)
	}
}

// TestProblemIsReportedOnce checks a row whose fields are shifted, and a column
// that fills several.
func TestProblemIsReportedOnce(t *testing.T) {
	s := detecting
	s.Columns = map[string]string{"leave_start": "start_date"}
	for name, c := range map[string]struct {
		s          config.Source
		text, want string
	}{
		"shifted":        {detecting, "1,E1,Ek, Åsa,Ek,school,1,100,2020-01-01,,\n1,E1,Ek,Åsa,x,school,1,100,2020-01-01,,no\n", "the row has 11 fields, and there are 10 columns: put a value"},
		"twice a column": {s, "1,E1,Åsa,Ek,school,1,100,soon,,no\n", "column start_date: it is not a date"},
	} {
		export, err := hr.Read("hr", []byte(header+c.text), c.s, nil, units(t), today)
		if err != nil || len(export.Problems) == 0 {
			t.Errorf("%s: %v %+v", name, err, export)
			continue
		}
		p := export.Problems[len(export.Problems)-1]
		if !strings.HasPrefix(testenv.ProblemText(p), c.want) || strings.Contains(testenv.ProblemText(p), "; column") {
			t.Errorf("%s: %v", name, p)
		}
	}
}

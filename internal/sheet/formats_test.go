package sheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/sheet"
	"github.com/behov/behov/internal/testenv"
)

func zipped(t testing.TB, parts map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range parts {
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

// excelWith returns a workbook whose one sheet and texts are what is given.
func excelWith(t testing.TB, tab, shared string) []byte {
	t.Helper()
	parts := maps.Clone(emptyExcel(t))
	parts["xl/worksheets/sheet1.xml"] = tab
	parts["xl/sharedStrings.xml"] = shared
	return zipped(t, parts)
}

// emptyExcel returns the parts of an empty workbook.
func emptyExcel(t testing.TB) map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := excelize.NewFile().Write(&b); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		parts[f.Name] = string(text)
	}
	return parts
}

const (
	tabXML    = `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>b</t></is></c></row><row r="3"><c r="B3"><v>7</v></c></row></sheetData></worksheet>`
	sharedXML = `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>a</t></si></sst>`
	odsXML    = `<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet><table:table table:name="T"><table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>a</text:p></table:table-cell></table:table-row><table:table-row table:number-rows-repeated="3"><table:table-cell/><table:table-cell><text:p>7</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>`
)

// drain reads a file to its end, and says how many rows it has.
func drain(t testing.TB, content []byte, l sheet.Layout) (rows int, err error) {
	s, _, err := sheet.Open("f", content, l)
	if err != nil {
		return 0, err
	}
	header, err := s.Header()
	for err == nil {
		var fields []string
		var bad *sheet.RecordError
		fields, _, err = s.Next()
		if errors.As(err, &bad) {
			err = nil
		}
		if err == nil {
			if rows++; len(header) > sheet.MostColumns || len(fields) > sheet.MostColumns {
				t.Fatalf("%d and %d columns", len(header), len(fields))
			}
			for i := range fields {
				_ = s.Column(i)
			}
		}
		if rows > 3_000_000 {
			t.Fatal("there is no end to it")
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return rows, err
}

// TestBombsAreRefused: what a workbook claims to have, or repeats, takes neither
// memory nor time.
func TestBombsAreRefused(t *testing.T) {
	repeat := func(rows, columns string) []byte {
		return zipped(t, map[string]string{"content.xml": strings.NewReplacer(`number-rows-repeated="3"`, `number-rows-repeated="`+rows+`"`, `number-columns-repeated="2"`, `number-columns-repeated="`+columns+`"`).Replace(odsXML)})
	}
	behind := func(rows string) []byte {
		return excelWith(t, strings.Replace(tabXML, "</sheetData>", rows+"</sheetData>", 1), sharedXML)
	}
	far := strings.Repeat(`<c/>`, 1100) + `<c><v>1</v></c>`
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"columns repeated":   {repeat("3", "1000000"), "there are 1000000 columns"},
		"rows repeated":      {zipped(t, map[string]string{"content.xml": strings.Replace(odsXML, `<table:table-row table:number-rows-repeated="3"><table:table-cell/>`, strings.Repeat(`<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="900"><text:p>x</text:p></table:table-cell></table:table-row>`, 2)+`<table:table-row><table:table-cell/>`, 1)}), "there more than 10000 times"},
		"a row without end":  {repeat("900000000", "2"), "there more than 10000 times"},
		"rows without end":   {behind(strings.Repeat("<row/>", 1<<20)), "more than 1048576 rows"},
		"cells without end":  {behind(strings.Repeat("<row>"+strings.Repeat("<c/>", 16000)+"</row>", 1251) + `<row><c><v>1</v></c></row>`), "more than 20 million cells"},
		"a row too wide":     {behind("<row>" + strings.Repeat("<c/>", 17000) + "<c><v>1</v></c></row>"), "more cells than there are columns"},
		"a long text":        {behind(`<row><c t="inlineStr"><is><t>` + strings.Repeat("x", 3<<20) + `</t></is></c></row>`), "more than 1 MB"},
		"a long text in ODS": {zipped(t, map[string]string{"content.xml": strings.Replace(odsXML, "7", strings.Repeat("x", 3<<20), 1)}), "more than 1 MB"},
		"a far column":       {excelWith(t, strings.Replace(tabXML, `<row r="3"><c r="B3"><v>7</v></c></row>`, `<row r="3">`+far+`</row>`, 1), sharedXML), "columns"},
		"nested elements":    {zipped(t, map[string]string{"content.xml": strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)}), "nested"},
		"nested in a sheet":  {excelWith(t, "<sheetData>"+strings.Repeat("<a>", 100)+strings.Repeat("</a>", 100)+"</sheetData>", sharedXML), "nested"},
		"texts without end":  {excelWith(t, tabXML, "<sst>"+strings.Repeat("<si/>", 10_000_001)+"</sst>"), "texts"},
		"a large part":       {excelWith(t, tabXML, strings.Repeat(" ", 257<<20)), "too much room"},
		"a sheet that stops": {excelWith(t, tabXML[:len(tabXML)-30], sharedXML), "breaks off"},
	} {
		start := time.Now()
		_, err := drain(t, c.content, sheet.Layout{})
		if took := time.Since(start); took > 10*time.Second { // 2 s where nothing else runs
			t.Errorf("%s: %v", name, took)
		}
		var p diagnostic.Problem
		if !errors.As(err, &p) || !strings.Contains(testenv.ProblemText(p), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, content := range map[string][]byte{"Excel": excelWith(t, tabXML, sharedXML), "empty rows behind": behind("<row>\n" + strings.Repeat(`<c s="1"/>`, 9) + "</row>" + strings.Repeat("<row>"+strings.Repeat("<c></c>", 400)+"</row>", 50_001)), "ODS": repeat("2", "2")} {
		if rows, err := drain(t, content, sheet.Layout{}); err != nil || rows != 2 {
			t.Errorf("%s: %d rows, %v", name, rows, err)
		}
	}
}

// TestARecordOfXMLHasALimit: one that never ends is refused.
func TestARecordOfXMLHasALimit(t *testing.T) {
	l := sheet.Layout{Format: "xml", Record: "//r", Columns: []string{"a", "@b"}}
	for name, text := range map[string]string{"tags": "<x><r>" + strings.Repeat("<a/>", 600_000) + strings.Repeat("<b/>", 600_000) + "</r></x>"} {
		if _, err := drain(t, []byte(text), l); err == nil || !strings.Contains(testenv.ErrorText(err), "has more than 1000000 tags") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows, err := drain(t, []byte("<x>"+strings.Repeat("<r b=\"1\"><a>2</a></r>\n", 200_000)+"</x>"), l); err != nil || rows != 200_000 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// FuzzExcel reads sheets and texts that no program wrote.
func FuzzExcel(f *testing.F) {
	f.Add(tabXML, sharedXML)
	f.Add(strings.ReplaceAll(tabXML, `r="3"`, ``), `<sst><si><r><t>a</t></r></si></sst>`)
	f.Add(`<worksheet><sheetData><row><c s="99999" t="d"><v>2026-01-01</v></c><c t="b"><v>9</v></c><c t="e"><f>1/0</f></c></row></sheetData></worksheet>`, "")
	empty := emptyExcel(f)
	f.Fuzz(func(t *testing.T, tab, shared string) {
		parts := maps.Clone(empty)
		parts["xl/worksheets/sheet1.xml"], parts["xl/sharedStrings.xml"] = tab, shared
		_, _ = drain(t, zipped(t, parts), sheet.Layout{Columns: []string{"a", "b"}})
	})
}

// FuzzODS reads content that no program wrote.
func FuzzODS(f *testing.F) {
	f.Add(odsXML)
	f.Add(strings.ReplaceAll(odsXML, "text:p", "text:s"))
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = drain(t, zipped(t, map[string]string{"content.xml": text}), sheet.Layout{Columns: []string{"a", "b"}})
	})
}

// FuzzPacked reads bytes that look packed.
func FuzzPacked(f *testing.F) {
	f.Add(excelWith(f, tabXML, sharedXML))
	f.Add(zipped(f, map[string]string{"content.xml": odsXML}))
	f.Fuzz(func(t *testing.T, content []byte) { _, _ = drain(t, content, sheet.Layout{}) })
}

// FuzzXML reads XML at XPaths of all kinds.
func FuzzXML(f *testing.F) {
	f.Add("<x>\n<r b='1'><a>2</a></r>\n<!-- r --><r/></x>", "//r", "a/text()")
	f.Add("<?xml version='1.0' encoding='utf-16'?><r xmlns:n='u'><n:a/></r>", "/r", "count(n:a)")
	f.Add("<r><a/><a><![CDATA[x]]></a></r>", "r[a]", "concat(a, '-', @b)")
	f.Fuzz(func(t *testing.T, text, record, path string) {
		l := sheet.Layout{Format: "xml", Record: record, Columns: []string{path}}
		if len(path)+len(record) > 100 || l.CheckColumn(path) != nil || l.CheckColumn(record) != nil {
			return // refused where they are configured
		}
		_, _ = drain(t, []byte(text), l)
	})
}

// FuzzFixed reads lines at positions.
func FuzzFixed(f *testing.F) {
	f.Add("abc\r\nå\n", "1-2", "3")
	f.Fuzz(func(t *testing.T, text, one, other string) {
		_, _ = drain(t, []byte(text), sheet.Layout{Format: "fixed", Columns: []string{one, other}})
	})
}

package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
)

// openExcel opens an Excel workbook. Texts are unchanged, dates are in the form
// of ISO 8601, and numbers are in full, whatever their format hides or rounds.
func openExcel(file string, content []byte, l Layout) (s Sheet, warning *diagnostic.Problem, err error) {
	defer func() {
		if p := recover(); p != nil { // the library panics on malformed files
			s, warning, err = nil, nil, broken(file, "", errors.New("it is none that a program wrote"))
		}
	}()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, nil, broken(file, "", errors.New("it is not whole"))
	}
	if err := checkSizes(file, z); err != nil {
		return nil, nil, err
	}
	// Nothing is unpacked to disk, as it is personal data.
	f, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{UnzipSizeLimit: mostUnpacked, UnzipXMLSizeLimit: mostUnpacked})
	if err != nil {
		return nil, nil, broken(file, "", errors.New("it is damaged, or protected with a password"))
	}
	cells, err := readParts(f, plainNumbers(f))
	if err != nil {
		return nil, nil, broken(file, "", err)
	}
	parts := partsOf(f, cells)
	var names []string
	charts := chartsOf(z) // charts have no rows, and are among the sheets
	for _, name := range f.GetSheetList() {
		if cells[parts[name]] == nil && charts > 0 && !sameName(name, l.TabName) {
			charts--
			continue
		}
		if visible, err := f.GetSheetVisible(name); err == nil && visible || sameName(name, l.TabName) {
			names = append(names, name)
		}
	}
	return pickTab(file, names, l, func(name string) (*table, error) {
		r, err := f.Rows(name)
		if err != nil {
			return nil, broken(file, name, errors.New("a sheet is missing"))
		}
		of := cells[parts[name]]
		if of == nil {
			return nil, broken(file, name, errors.New("a sheet is missing"))
		}
		one := *of
		return newTable(file, name, &excelRows{file: file, tab: name, r: r, cells: cellsAt{sheetCells: &one}}, l)
	})
}

// chartsOf returns the number of chart sheets.
func chartsOf(z *zip.Reader) (n int) {
	for _, part := range z.File {
		if name := strings.ToLower(part.Name); strings.HasPrefix(name, "xl/chartsheets/") && strings.HasSuffix(name, ".xml") {
			n++
		}
	}
	return n
}

// readParts checks what the library reads without limits, and returns the cells
// of each part that is a sheet.
func readParts(f *excelize.File, kinds []numberKind) (cells map[string]*sheetCells, err error) {
	cells = map[string]*sheetCells{}
	total := 0
	f.Pkg.Range(func(name, part any) bool {
		if content, ok := part.([]byte); ok && isTab(fmt.Sprint(name), content) {
			if err = checkTab(content); err != nil {
				return false
			}
			content = withoutEmptyEnd(content)
			f.Pkg.Store(name, content)
			total += countCells(content)
		}
		return total <= mostCells
	})
	switch {
	case err != nil:
		return nil, err
	case total > mostCells:
		return nil, errCells
	}
	f.Pkg.Range(func(name, part any) bool {
		content, ok := part.([]byte)
		switch {
		case !ok:
		case isTab(fmt.Sprint(name), content):
			cells[fmt.Sprint(name)], err = readTab(content, kinds)
		case strings.EqualFold(fmt.Sprint(name), "xl/sharedStrings.xml") && bytes.Count(content, []byte("si>"))+bytes.Count(content, []byte("si/>")) > 2*mostShared:
			err = fmt.Errorf("it has more than %d texts", mostShared)
		}
		return err == nil
	})
	return cells, err
}

// isTab reports whether a part of a workbook is a sheet.
func isTab(name string, content []byte) bool {
	return strings.HasPrefix(strings.ToLower(name), "xl/worksheets/") && !strings.HasSuffix(name, ".rels") || bytes.Contains(content, []byte("sheetData"))
}

// partsOf returns the part of each sheet. The library does not expose it, so
// partsOf gives the library sheets that contain their own part's name.
func partsOf(f *excelize.File, cells map[string]*sheetCells) map[string]string {
	names, contents := map[string]string{}, map[string]any{}
	for part := range cells {
		contents[part], _ = f.Pkg.Load(part)
		number := fmt.Sprint(len(names))
		names[number] = part
		f.Pkg.Store(part, []byte(`<worksheet><sheetData><row r="1"><c r="A1"><v>`+number+`</v></c></row></sheetData></worksheet>`))
	}
	parts := map[string]string{}
	for _, name := range f.GetSheetList() {
		if r, err := f.Rows(name); err == nil && r.Next() {
			if fields, err := r.Columns(excelize.Options{RawCellValue: true}); err == nil && len(fields) == 1 {
				parts[name] = names[fields[0]]
			}
		}
	}
	for part, content := range contents {
		f.Pkg.Store(part, content)
	}
	return parts
}

// excelRows are the rows of a sheet.
type excelRows struct {
	file, tab string
	r         *excelize.Rows
	row       int
	cells     cellsAt
}

func (e *excelRows) next() (fields []string, row int, faults map[int]reason.Reason, err error) {
	defer func() {
		if p := recover(); p != nil {
			fields, err = nil, broken(e.file, e.tab, errors.New("a cell is none that a program wrote"))
		}
	}()
	if !e.r.Next() {
		if e.r.Error() != nil {
			return nil, e.row, nil, broken(e.file, e.tab, errors.New("its rows cannot be read on"))
		}
		return nil, e.row, nil, io.EOF
	}
	e.row++
	fields, err = e.r.Columns()
	if err != nil {
		return nil, e.row, nil, diagnostic.Problem{File: e.file, Sheet: e.tab, Line: e.row, Reason: reason.Of(reason.SheetRowUnreadable{})}
	}
	for i, v := range fields {
		fields[i] = strings.TrimSuffix(v, midnight)
	}
	if fields, faults, err = e.cells.row(e.row, fields); err != nil {
		return nil, e.row, nil, broken(e.file, e.tab, err)
	}
	return fields, e.row, faults, nil
}

const (
	isoFormat = "yyyy-mm-dd hh:mm:ss"
	midnight  = " 00:00:00"
)

// plainNumbers gives date cells the form of ISO 8601, as their display depends on
// the reader's settings, and removes the format of other numbers. It returns what
// the format of each style adds to a number.
func plainNumbers(f *excelize.File) []numberKind {
	if f.Styles == nil || f.Styles.CellXfs == nil {
		return nil
	}
	id, err := f.NewStyle(&excelize.Style{CustomNumFmt: ptr(isoFormat)})
	if err != nil || id >= len(f.Styles.CellXfs.Xf) {
		return nil
	}
	iso := f.Styles.CellXfs.Xf[id].NumFmtID
	own, none := map[int]string{}, 1<<20 // an unused format ID
	if f.Styles.NumFmts != nil {
		for _, n := range f.Styles.NumFmts.NumFmt {
			if n != nil {
				own[n.NumFmtID], none = n.FormatCode, max(none, n.NumFmtID+1)
			}
		}
	}
	kinds := make([]numberKind, len(f.Styles.CellXfs.Xf))
	for i := range f.Styles.CellXfs.Xf {
		x := &f.Styles.CellXfs.Xf[i]
		if x.NumFmtID == nil {
			continue
		}
		code, ok := own[*x.NumFmtID]
		switch n := *x.NumFmtID; {
		case ok && showsDate(code) || !ok && datesBuiltIn(n):
			x.NumFmtID, kinds[i] = iso, numberKind{asShown: true}
		case ok && showsTime(code) || !ok && timesBuiltIn(n):
			kinds[i] = numberKind{asShown: true}
		default:
			if ok {
				kinds[i] = kindOf(code)
			}
			kinds[i].percent = kinds[i].percent || !ok && (n == 9 || n == 10)
			x.NumFmtID = &none
		}
	}
	return kinds
}

func ptr[T any](v T) *T { return &v }

// datesBuiltIn reports whether a number format without a code shows a date
// (ECMA-376 Part 1, 18.8.30, with those of East Asia).
func datesBuiltIn(id int) bool {
	return id >= 14 && id <= 17 || id == 22 || id >= 27 && id <= 31 || id == 36 || id >= 50 && id <= 54 || id == 57 || id == 58
}

// timesBuiltIn reports the same for times of day.
func timesBuiltIn(id int) bool {
	return id >= 18 && id <= 21 || id >= 32 && id <= 35 || id >= 45 && id <= 47 || id == 55 || id == 56
}

// notInFormat matches the literal parts of a number format: text in quotes,
// characters after a backslash or an underscore, and text in brackets.
var notInFormat = regexp.MustCompile(`"[^"]*"|\\.|_.|\*.|\[[^\]]*\]`)

// shown returns the part of a number format for positive numbers.
func shown(code string) string {
	first, _, _ := strings.Cut(notInFormat.ReplaceAllString(code, ""), ";")
	return first
}

// showsDate reports whether a number format contains a day or a year.
func showsDate(code string) bool {
	first := shown(code)
	return !strings.EqualFold(first, "general") && strings.ContainsAny(first, "yYdD")
}

// elapsed matches a duration longer than a day.
var elapsed = regexp.MustCompile(`(?i)\[(h+|m+|s+)\]`)

// showsTime reports whether a number format contains a time of day, and no date.
func showsTime(code string) bool {
	first := shown(code)
	return !strings.EqualFold(first, "general") && (strings.ContainsAny(first, "hHsS") || elapsed.MatchString(code))
}

// kindOf returns what a number format adds to a number.
func kindOf(code string) numberKind {
	first := shown(code)
	whole, _, _ := strings.Cut(first, ".")
	k := numberKind{percent: strings.Contains(first, "%")}
	if n := strings.Count(whole, "0"); n > 1 && !strings.ContainsAny(first, "eE/%") {
		k.zeros = n
	}
	return k
}

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

	"github.com/behov/behov/internal/policy"
)

// openExcel opens a workbook of Excel. Cells have the text that they show, and
// dates are in the form of ISO 8601, however they are shown.
func openExcel(file string, content []byte, l Layout) (s Sheet, err error) {
	defer func() {
		if p := recover(); p != nil { // of the library, at what no program wrote
			s, err = nil, broken(file, "", errors.New("it is none that a program wrote"))
		}
	}()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, broken(file, "", errors.New("it is not whole"))
	}
	if err := checkSizes(file, z); err != nil {
		return nil, err
	}
	// Nothing is unpacked to disk: what is in it is personal.
	f, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{UnzipSizeLimit: mostUnpacked, UnzipXMLSizeLimit: mostUnpacked})
	if err != nil {
		return nil, broken(file, "", errors.New("it is damaged, or protected with a password"))
	}
	if err := checkParts(f); err != nil {
		return nil, broken(file, "", err)
	}
	isoDates(f)
	var names []string
	for _, name := range f.GetSheetList() {
		if visible, err := f.GetSheetVisible(name); err == nil && visible || strings.EqualFold(name, l.TabName) {
			names = append(names, name)
		}
	}
	return pickTab(file, names, l, func(name string) (*table, error) {
		r, err := f.Rows(name)
		if err != nil {
			return nil, broken(file, name, errors.New("a sheet is missing"))
		}
		return newTable(file, name, &excelRows{file: file, tab: name, r: r}, l)
	})
}

// checkParts checks what the library reads without looking.
func checkParts(f *excelize.File) (err error) {
	f.Pkg.Range(func(name, part any) bool {
		content, ok := part.([]byte)
		switch {
		case !ok:
		case strings.HasPrefix(strings.ToLower(fmt.Sprint(name)), "xl/worksheets/") && !strings.HasSuffix(fmt.Sprint(name), ".rels") || bytes.Contains(content, []byte("sheetData")):
			err = checkTab(content)
		case strings.EqualFold(fmt.Sprint(name), "xl/sharedStrings.xml") && bytes.Count(content, []byte("si>"))+bytes.Count(content, []byte("si/>")) > 2*mostShared:
			err = fmt.Errorf("it has more than %d texts", mostShared)
		}
		return err == nil
	})
	return err
}

// excelRows are the rows of a sheet.
type excelRows struct {
	file, tab string
	r         *excelize.Rows
	row       int
}

func (e *excelRows) next() (fields []string, row int, err error) {
	defer func() {
		if p := recover(); p != nil {
			fields, err = nil, broken(e.file, e.tab, errors.New("a cell is none that a program wrote"))
		}
	}()
	if !e.r.Next() {
		if e.r.Error() != nil {
			return nil, e.row, broken(e.file, e.tab, errors.New("its rows cannot be read on"))
		}
		return nil, e.row, io.EOF
	}
	e.row++
	fields, err = e.r.Columns()
	if err != nil {
		return nil, e.row, policy.Problem{File: e.file, Sheet: e.tab, Line: e.row, Text: "the row cannot be read, and nothing of the workbook was"}
	}
	for i, v := range fields {
		fields[i] = strings.TrimSuffix(v, midnight)
	}
	return fields, e.row, nil
}

const (
	isoFormat = "yyyy-mm-dd hh:mm:ss"
	midnight  = " 00:00:00"
)

// isoDates gives the cells that show a date the form of ISO 8601: what they show
// depends on the reader's own settings.
func isoDates(f *excelize.File) {
	if f.Styles == nil || f.Styles.CellXfs == nil {
		return
	}
	id, err := f.NewStyle(&excelize.Style{CustomNumFmt: ptr(isoFormat)})
	if err != nil || id >= len(f.Styles.CellXfs.Xf) {
		return
	}
	iso := f.Styles.CellXfs.Xf[id].NumFmtID
	own := map[int]string{}
	if f.Styles.NumFmts != nil {
		for _, n := range f.Styles.NumFmts.NumFmt {
			if n != nil {
				own[n.NumFmtID] = n.FormatCode
			}
		}
	}
	for i := range f.Styles.CellXfs.Xf {
		x := &f.Styles.CellXfs.Xf[i]
		if x.NumFmtID == nil {
			continue
		}
		if code, ok := own[*x.NumFmtID]; ok && showsDate(code) || !ok && datesBuiltIn(*x.NumFmtID) {
			x.NumFmtID = iso
		}
	}
}

func ptr[T any](v T) *T { return &v }

// datesBuiltIn says whether a number format without a code shows a date (ECMA-376
// Part 1, 18.8.30, with those of East Asia).
func datesBuiltIn(id int) bool {
	return id >= 14 && id <= 17 || id == 22 || id >= 27 && id <= 31 || id == 36 || id >= 50 && id <= 54 || id == 57 || id == 58
}

// notInFormat is what a number format shows as it is: text in quotes, characters
// behind a backslash or an underscore, and what stands in brackets.
var notInFormat = regexp.MustCompile(`"[^"]*"|\\.|_.|\*.|\[[^\]]*\]`)

// showsDate says whether a number format has a day or a year in it.
func showsDate(code string) bool {
	first, _, _ := strings.Cut(notInFormat.ReplaceAllString(code, ""), ";")
	return !strings.EqualFold(first, "general") && strings.ContainsAny(first, "yYdD")
}

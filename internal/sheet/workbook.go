package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// The limits of an unpacked workbook, in bytes. The ZIP format states the size of
// each part, and unpacking stops there.
const (
	mostUnpacked = 1 << 30
	mostTab      = 768 << 20 // a sheet
	mostStrings  = 256 << 20 // the table of shared strings
	mostPart     = 64 << 20  // another part, including pictures
	mostParts    = 10_000
	mostShared   = 5_000_000 // shared strings
	mostNested   = 64        // nested elements
)

// packed returns the kind of a packed file: xlsx, ods, xls for Excel's old format
// and for files with a password, or zip; empty for a file that is not packed.
func packed(content []byte) string {
	switch {
	case bytes.HasPrefix(content, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return "xls"
	case !bytes.HasPrefix(content, []byte("PK\x03\x04")):
		return ""
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return "zip"
	}
	kind := "zip"
	for _, f := range z.File {
		switch strings.ReplaceAll(f.Name, "\\", "/") {
		case "xl/workbook.xml", "[Content_Types].xml":
			return "xlsx"
		case "content.xml":
			kind = "ods"
		}
	}
	return kind
}

// notPacked returns why a packed file is not read.
func (l Layout) notPacked(kind string) reason.Reason {
	switch kind {
	case "xls":
		return reason.Of(reason.OldExcel{})
	case "zip":
		return reason.Of(reason.PackedFile{})
	}
	return reason.Of(reason.IsWorkbook{Is: kind, Setting: l.setting("format"), Says: l.Format})
}

// checkSizes refuses a packed file that would use too much memory.
func checkSizes(file string, z *zip.Reader) error {
	total := uint64(0)
	for _, f := range z.File {
		name, most := strings.ToLower(f.Name), uint64(mostPart)
		switch {
		case strings.HasPrefix(name, "xl/worksheets/"), name == "content.xml":
			most = mostTab
		case name == "xl/sharedstrings.xml":
			most = mostStrings
		}
		total += f.UncompressedSize64
		if f.UncompressedSize64 > most || total > mostUnpacked || len(z.File) > mostParts {
			return diagnostic.Problem{File: file, Reason: reason.Of(reason.WorkbookTooLarge{MB: mostUnpacked >> 20})}
		}
	}
	return nil
}

// broken returns the error for a workbook that cannot be read.
func broken(file, tab string, why error) error {
	return diagnostic.Problem{File: file, Sheet: tab, Reason: reason.Of(reason.WorkbookBroken{Detail: why.Error()})}
}

var errNested = errors.New("elements are nested too deep in it")

// columnOf returns the column number of a cell such as C12, from 1, and its row;
// zero where there is none.
func columnOf(cell string) (column, row int) {
	i := 0
	for ; i < len(cell) && i < 4 && cell[i] >= 'A' && cell[i] <= 'Z'; i++ {
		column = column*26 + int(cell[i]-'A') + 1
	}
	for ; i < len(cell) && i < 12 && cell[i] >= '0' && cell[i] <= '9'; i++ {
		row = row*10 + int(cell[i]-'0')
	}
	if i < len(cell) {
		return 0, 0
	}
	return column, row
}

// nextOf returns the number of a row or a cell, which follows the last one.
func nextOf(e xml.StartElement, last int, number func(string) int) (int, error) {
	for _, a := range e.Attr {
		if a.Name.Local != "r" || a.Name.Space != "" {
			continue
		}
		n := number(a.Value)
		if n <= last || n > 1<<20 {
			return 0, errors.New("its rows or cells are not in order")
		}
		return n, nil
	}
	return last + 1, nil
}

// sameName reports whether two names of sheets are equal, ignoring case and white
// space.
func sameName(a, b string) bool {
	return strings.EqualFold(identity.CleanText(a), identity.CleanText(b))
}

// pickTab returns the sheet that Layout names, or the one with the header: the
// only one, or the one with most of the wanted names. The warning names other
// sheets that look like it and have rows.
func pickTab(file string, names []string, l Layout, open func(name string) (*table, error)) (Sheet, *diagnostic.Problem, error) {
	if len(names) == 0 {
		return nil, nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.WorkbookEmpty{})}
	}
	best, err := bestTab(file, names, l, open)
	if err != nil {
		return nil, nil, err
	}
	return best, passedOver(file, names, best, l, open), nil
}

func bestTab(file string, names []string, l Layout, open func(name string) (*table, error)) (*table, error) {
	if l.TabName != "" {
		i := slices.Index(names, l.TabName)
		if i < 0 {
			i = slices.IndexFunc(names, func(name string) bool { return sameName(name, l.TabName) })
		}
		if i >= 0 {
			return open(names[i])
		}
		return nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.SheetNotThere{Setting: l.setting("sheet"), Others: len(names)}), Value: strings.Join(names, ", ")}
	}
	var best *table
	var second bool
	for _, name := range names {
		t, err := open(name)
		if err != nil {
			return nil, err
		}
		switch {
		case best == nil || t.score > best.score || best.headerRow == 0:
			best, second = t, false
		case t.score == 0 && l.HeaderRow == 0: // none is the export: the widest tells most
			if len(t.header) > len(best.header) {
				best = t
			}
		case t.score == best.score && t.headerRow > 0:
			second = true
		}
	}
	if second {
		return nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.SheetUnclear{Sheets: len(names), Setting: l.setting("sheet")}), Value: strings.Join(names, ", ")}
	}
	return best, nil
}

// passedOver warns of the sheets that are not read, have at least three quarters
// of the wanted columns of the one that is read, and have rows. It ignores a
// sheet that cannot be read, such as a chart.
func passedOver(file string, names []string, read *table, l Layout, open func(name string) (*table, error)) *diagnostic.Problem {
	want := read.score
	if l.HeaderRow > 0 { // whose header was not searched
		want = l.matches(read.header)
	}
	var others []string
	for _, name := range names {
		if name == read.tab || want == 0 {
			continue
		}
		t, err := open(name)
		if err != nil {
			continue
		}
		score := t.score
		if l.HeaderRow > 0 {
			score = l.matches(t.header)
		}
		if t.headerRow == 0 || score < l.enough() || 4*score < 3*want {
			continue
		}
		if n, err := t.count(); err == nil && n > 0 {
			others = append(others, fmt.Sprintf("%q (%d rows)", name, n))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return &diagnostic.Problem{File: file, Sheet: read.tab, Warning: true, Reason: reason.Of(reason.SheetPassedOver{Sheets: others, Setting: l.setting("sheet")})}
}

// count returns how many rows of a sheet have content.
func (t *table) count() (n int, err error) {
	for {
		fields, _, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case slices.ContainsFunc(fields, func(v string) bool { return identity.CleanText(v) != "" }):
			n++
		}
	}
}

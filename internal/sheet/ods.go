package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
)

// openODS opens a LibreOffice workbook (OASIS OpenDocument 1.3, part 3, 9).
func openODS(file string, content []byte, l Layout) (Sheet, *diagnostic.Problem, error) {
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, nil, broken(file, "", errors.New("it is not whole"))
	}
	if err := checkSizes(file, z); err != nil {
		return nil, nil, err
	}
	if err := checkTags(z, "content.xml"); err != nil {
		return nil, nil, broken(file, "", err)
	}
	names, err := tabsOfODS(z)
	if err != nil {
		return nil, nil, broken(file, "", err)
	}
	return pickTab(file, names, l, func(name string) (*table, error) {
		r, err := newODSRows(file, name, z)
		if err != nil {
			return nil, broken(file, name, err)
		}
		return newTable(file, name, r, l)
	})
}

// mostAlike is how often a row with content may be repeated.
const (
	mostTabs  = 1000
	mostAlike = 10_000
)

// tabsOfODS returns the names of the sheets, in order. It parses the whole file,
// so that a malformed one is known before its rows are read.
func tabsOfODS(z *zip.Reader) (names []string, err error) {
	d, closer, err := decodeODS(z)
	if err != nil {
		return nil, err
	}
	defer closer.Close() //nolint:errcheck // reading
	deep := 0
	seen := map[string]bool{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, errors.New("its XML is broken, or it is protected with a password")
		}
		switch e := token.(type) {
		case xml.StartElement:
			if deep++; deep > mostNested {
				return nil, errNested
			}
			if e.Name.Local != "table" || deep != 4 { // document-content, body, spreadsheet
				continue
			}
			if name := attribute(e, "name"); !seen[name] && len(names) < mostTabs {
				seen[name] = true
				names = append(names, name)
			}
		case xml.EndElement:
			deep--
		}
	}
}

func decodeODS(z *zip.Reader) (*xml.Decoder, io.Closer, error) {
	f, err := z.Open("content.xml")
	if err != nil {
		return nil, nil, errors.New("it has no content")
	}
	return xml.NewDecoder(f), f, nil
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// repeated returns the repeat count of a row or a cell.
func repeated(e xml.StartElement, name string) int {
	n, err := strconv.Atoi(attribute(e, name))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, 1<<20)
}

// odsRows are the rows of a sheet.
type odsRows struct {
	file, tab string
	d         *xml.Decoder
	row       int
	again     int // remaining repetitions of the last row
	fields    []string
	faults    map[int]reason.Reason
	ended     bool
}

// newODSRows moves to the sheet with the name.
func newODSRows(file, tab string, z *zip.Reader) (*odsRows, error) {
	d, _, err := decodeODS(z) // it lives as long as the file's bytes
	if err != nil {
		return nil, err
	}
	for {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("a sheet is missing")
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "table" && attribute(e, "name") == tab {
			return &odsRows{file: file, tab: tab, d: d}, nil
		}
	}
}

func (o *odsRows) next() ([]string, int, map[int]reason.Reason, error) {
	if o.again > 0 {
		o.again--
		o.row++
		return append([]string(nil), o.fields...), o.row, o.faults, nil
	}
	for !o.ended {
		token, err := o.d.Token()
		if err != nil {
			return nil, o.row, nil, broken(o.file, o.tab, errors.New("its XML is broken"))
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local != "table-row" {
				continue // groups of rows contain rows
			}
			n := repeated(e, "number-rows-repeated")
			if o.fields, err = o.cells(); err != nil {
				return nil, o.row, nil, err
			}
			if len(o.fields) == 0 { // as the rest of the sheet is written
				o.row += n
				continue
			}
			if n > mostAlike {
				return nil, o.row + 1, nil, diagnostic.Problem{File: o.file, Sheet: o.tab, Line: o.row + 1, Reason: reason.Of(reason.RowRepeated{Most: mostAlike})}
			}
			o.again = n - 1
			o.row++
			return append([]string(nil), o.fields...), o.row, o.faults, nil
		case xml.EndElement:
			o.ended = e.Name.Local == "table"
		}
	}
	return nil, o.row, nil, io.EOF
}

// cells reads a row to its end, without empty cells at its end.
func (o *odsRows) cells() ([]string, error) {
	var fields []string
	empty := 0
	o.faults = nil
	fault := func(from, n int, why reason.Reason) {
		if o.faults == nil {
			o.faults = map[int]reason.Reason{}
		}
		for i := from; i < min(from+n, mostColumns); i++ {
			o.faults[i] = why
		}
	}
	for {
		token, err := o.d.Token()
		if err != nil {
			return nil, broken(o.file, o.tab, errors.New("its XML is broken"))
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local != "table-cell" && e.Name.Local != "covered-table-cell" {
				if err := o.d.Skip(); err != nil {
					return nil, broken(o.file, o.tab, errors.New("its XML is broken"))
				}
				continue
			}
			n := repeated(e, "number-columns-repeated")
			text, why, err := o.cell(e)
			if err != nil {
				return nil, err
			}
			if e.Name.Local == "covered-table-cell" {
				text, why = "", covered // its earlier content is not shown
			}
			if !why.IsZero() {
				fault(len(fields)+empty, n, why)
			}
			if text == "" {
				empty += n
				continue
			}
			if len(fields)+empty+n > mostColumns {
				return nil, diagnostic.Problem{File: o.file, Sheet: o.tab, Line: o.row + 1, Reason: tooManyColumns(len(fields) + empty + n)}
			}
			for ; empty > 0; empty-- {
				fields = append(fields, "")
			}
			for ; n > 0; n-- {
				fields = append(fields, text)
			}
		case xml.EndElement:
			return fields, nil // the row's: cells read to theirs
		}
	}
}

// cell returns the text of a cell; for a date, a number or a boolean its value,
// as the display depends on format and language. For a cell without a value it
// returns why.
func (o *odsRows) cell(start xml.StartElement) (text string, why reason.Reason, err error) {
	var b strings.Builder
	deep, paragraphs, note := 1, 0, 0
	for deep > 0 {
		token, err := o.d.Token()
		if err != nil {
			return "", reason.Reason{}, broken(o.file, o.tab, errors.New("its XML is broken"))
		}
		switch e := token.(type) {
		case xml.StartElement:
			deep++
			switch {
			case note > 0:
			case e.Name.Local == "annotation": // a comment
				note = deep
			case e.Name.Local == "p":
				if paragraphs++; paragraphs > 1 {
					b.WriteByte('\n')
				}
			case e.Name.Local == "s":
				b.WriteByte(' ')
			case e.Name.Local == "tab" || e.Name.Local == "line-break":
				b.WriteByte(' ')
			}
		case xml.EndElement:
			if note == deep {
				note = 0
			}
			deep--
		case xml.CharData:
			if note == 0 && paragraphs > 0 {
				b.Write(e)
			}
		}
	}
	text = b.String()
	kind, value := "", attribute(start, "value")
	for _, a := range start.Attr {
		switch {
		case a.Name.Local == "value-type" && a.Value == "error": // of LibreOffice, beside that of the standard
			if text == "" {
				text = "#N/A"
			}
			return text, isErrorText(text), nil
		case a.Name.Local == "value-type" && kind == "":
			kind = a.Value
		}
	}
	switch kind {
	case "":
		if attribute(start, "formula") != "" && text == "" {
			return uncalculated, noValue, nil
		}
	case "date":
		day := attribute(start, "date-value")
		return strings.TrimSuffix(strings.Replace(day, "T", " ", 1), midnight), reason.Reason{}, nil
	case "boolean":
		return attribute(start, "boolean-value"), reason.Reason{}, nil
	case "percentage":
		if full, ok := (numberKind{percent: true}).show(value); ok {
			return full, reason.Reason{}, nil
		}
	case "float", "currency":
		if full, ok := (numberKind{zeros: zerosOf(text)}).show(value); ok {
			return full, reason.Reason{}, nil
		}
	}
	return text, reason.Reason{}, nil
}

// zerosOf returns the number of digits of an integer that is shown with leading
// zeros; zero for any other.
func zerosOf(text string) int {
	digits := 0
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '.' || r == ',' || i == 0:
			return 0
		}
	}
	if !strings.HasPrefix(text, "0") || digits < 2 {
		return 0
	}
	return digits
}

package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// mostBefore is how many lines at the top are searched for the header.
const (
	mostBefore = 50
	mostHeader = 64 << 10 // bytes of such a line
)

// separatorLine tells Excel the delimiter, and is no header.
var separatorLine = regexp.MustCompile(`^"?(?i:sep)=(.)"?\r?$`)

// headerPlace is the position of the header: after a number of bytes and lines.
// comma is zero where it was not detected.
type headerPlace struct {
	offset, lines int
	comma         rune
}

// matches returns how many of the wanted names are among the fields of a row.
func (l Layout) matches(fields []string) int {
	n := 0
	clean := make([]string, 0, len(fields))
	for _, f := range fields {
		if f = identity.CleanText(f); f != "" {
			clean = append(clean, f)
		}
	}
	for _, name := range l.Columns {
		if slices.ContainsFunc(clean, func(f string) bool { return strings.EqualFold(f, name) }) {
			n++
		}
	}
	return n
}

// FindName returns the header's name that equals a name, ignoring case and
// surrounding space; false when none or several do.
func FindName(header []string, name string) (at int, found bool) {
	for i, other := range header {
		if sameName(other, name) {
			if found {
				return 0, false
			}
			at, found = i, true
		}
	}
	return at, found
}

// enough is how many names make a row the header: one may be a title, and two
// may be in a sentence.
func (l Layout) enough() int { return min(3, len(l.Columns)) }

// findHeader finds the header of a CSV file: the configured line, or the first of
// the lines with most of the wanted names, or the first one that is not empty. It
// also detects the delimiter.
func (l Layout) findHeader(text []byte) headerPlace {
	at := headerPlace{comma: l.Delimiter}
	if line, _, _ := bytes.Cut(text, []byte("\n")); separatorLine.Match(line) {
		comma := []rune(string(separatorLine.FindSubmatch(line)[1]))[0]
		if at.comma == 0 && comma != '"' {
			at.comma = comma
		}
		at.offset, at.lines = min(len(line)+1, len(text)), 1
	}
	commas := []rune(",;\t|")
	if at.comma != 0 {
		commas = []rune{at.comma}
	}
	best, most, first := at, 0, headerPlace{lines: -1}
	here := at
	for n := 0; here.offset < len(text) && (n < mostBefore || l.HeaderRow > here.lines); n++ {
		line, _, _ := bytes.Cut(text[here.offset:], []byte("\n"))
		comment := l.Comment != 0 && bytes.HasPrefix(bytes.TrimSpace(line), []byte(string(l.Comment)))
		if !comment && first.lines < 0 && len(bytes.Trim(line, " \r,;\t|\"")) > 0 {
			first = here
		}
		if l.HeaderRow == here.lines+1 {
			return here
		}
		for _, comma := range commas {
			if comment || l.HeaderRow > 0 || len(l.Columns) == 0 || len(line) > mostHeader {
				break
			}
			if found := l.matches(split(line, comma)); found > most {
				best, most = here, found
				best.comma = comma
			}
		}
		here.offset, here.lines = min(here.offset+len(line)+1, len(text)), here.lines+1
	}
	switch {
	case l.HeaderRow > 0:
		return here // beyond the end
	case most >= l.enough() && most > 0:
		return best
	case first.lines >= 0 && l.Comment == 0:
		return first
	}
	return at
}

// split splits a line into its fields as well as possible.
func split(line []byte, comma rune) []string {
	r := csv.NewReader(bytes.NewReader(line))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.TrimLeadingSpace = comma, true, -1, true
	fields, err := r.Read()
	if err != nil {
		return nil
	}
	return fields
}

// rows are the rows of a sheet in a workbook, from the first one.
type rows interface {
	// next returns the next row, its number from 1, and why fields have no value.
	// io.EOF is the end; any other error concerns the whole file.
	next() (fields []string, row int, faults map[int]reason.Reason, err error)
}

// tableRow is a row that was read to find the header.
type tableRow struct {
	fields []string
	row    int
	faults map[int]reason.Reason
}

// table is a sheet of a workbook.
type table struct {
	file, tab string
	header    []string
	headerRow int
	score     int // how many of the names the header has
	ahead     []tableRow
	rows      rows
	faults    map[int]reason.Reason // of the last row
	cells     int
	ended     bool
}

// newTable finds the header of a sheet.
func newTable(file, tab string, r rows, l Layout) (*table, error) {
	t := &table{file: file, tab: tab, rows: r}
	first, best, names, most := -1, -1, -1, 0
	for n := 0; n < mostBefore || l.HeaderRow > n; n++ {
		fields, row, err := t.read()
		if errors.Is(err, io.EOF) {
			t.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		t.ahead = append(t.ahead, tableRow{append([]string(nil), fields...), row, t.faults})
		if first < 0 && len(fields) > 0 {
			first = n
		}
		if names < 0 && looksLikeNames(fields) {
			names = n
		}
		found := l.matches(fields)
		most = max(most, found)
		if l.HeaderRow == 0 && found > t.score && found >= l.enough() {
			best, t.score = n, found
		}
		if l.HeaderRow > 0 && row >= l.HeaderRow {
			if row == l.HeaderRow {
				best = n
			}
			break
		}
	}
	if best < 0 && l.HeaderRow == 0 {
		if best = first; most == 0 && names >= 0 { // so that those can be told that are there
			best = names
		}
	}
	if best < 0 {
		return t, nil // there is none, which Header reports
	}
	t.header, t.headerRow = t.ahead[best].fields, t.ahead[best].row
	t.ahead = t.ahead[best+1:]
	return t, nil
}

// looksLikeNames reports whether a row is more likely one of column names than a title
// or one of values.
func looksLikeNames(fields []string) bool {
	n := 0
	for _, f := range fields {
		if identity.CleanText(f) == "" {
			continue
		}
		if LooksLikeData(f) {
			return false
		}
		n++
	}
	return n >= 3
}

// LooksLikeData reports whether a column's name is none, but a date, a number or an
// address.
func LooksLikeData(name string) bool {
	number, err := strconv.ParseFloat(strings.TrimSpace(name), 64)
	digits := 0
	for _, r := range name {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return err == nil && !math.IsNaN(number) && !math.IsInf(number, 0) || digits >= 6 || strings.Contains(name, "@")
}

// read reads a row on, without the empty cells at its end.
func (t *table) read() ([]string, int, error) {
	fields, row, faults, err := t.rows.next()
	t.faults = faults
	if err != nil {
		return nil, row, err
	}
	for len(fields) > 0 && identity.CleanText(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	if t.cells += len(fields); t.cells > mostCells {
		return nil, row, broken(t.file, t.tab, errCells)
	}
	if len(fields) > mostColumns {
		return nil, row, t.problem(row, tooManyColumns(len(fields)))
	}
	return fields, row, nil
}

func (t *table) problem(row int, why reason.Reason) diagnostic.Problem {
	return diagnostic.Problem{File: t.file, Sheet: t.tab, Line: row, Reason: why}
}

// Header implements Sheet.
func (t *table) Header() ([]string, error) {
	if t.headerRow == 0 {
		return nil, t.problem(0, reason.Of(reason.SheetEmpty{}))
	}
	return t.header, nil
}

// Next implements Sheet. Empty cells at the end of a row are restored, as a sheet
// has no truncated rows.
func (t *table) Next() ([]string, int, error) {
	var fields []string
	var row int
	if len(t.ahead) > 0 {
		fields, row, t.faults = t.ahead[0].fields, t.ahead[0].row, t.ahead[0].faults
		t.ahead = t.ahead[1:]
	} else {
		if t.ended {
			return nil, 0, io.EOF
		}
		var err error
		if fields, row, err = t.read(); err != nil {
			return nil, row, err
		}
	}
	for len(fields) < len(t.header) {
		fields = append(fields, "")
	}
	return fields, row, nil
}

// Column implements Sheet.
func (t *table) Column(field int) int { return field + 1 }

// HeaderLine implements Sheet.
func (t *table) HeaderLine() int { return t.headerRow }

// Tab implements Sheet.
func (t *table) Tab() string { return t.tab }

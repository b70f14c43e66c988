package sheet

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/reason"
)

// errorText is what a spreadsheet shows where a formula has no value: #REF!,
// #NAME? and #DIV/0!, also in other languages, as #VÄRDEFEL! and #NAMN?.
var errorText = regexp.MustCompile(`^(#N/A|#NV|#I/T|#N/D|#\p{Lu}[\p{Lu}0/_]{0,20}[!?]|Err:[0-9]{3})$`)

// WithoutValue returns why a field of the last record has no value although its
// cell is not empty; no reason where it has one.
func WithoutValue(s Sheet, field int, text string) reason.Reason {
	if t, ok := s.(*table); ok && !t.faults[field].IsZero() {
		return t.faults[field]
	}
	// Every field of a file is checked here, and few begin with it.
	if text = strings.TrimSpace(text); len(text) < 50 && (strings.HasPrefix(text, "#") || strings.HasPrefix(text, "Err:")) && errorText.MatchString(text) {
		return isErrorText(text)
	}
	return reason.Reason{}
}

// uncalculated is the text of a cell whose formula has no cached value: the cell
// is not empty.
const uncalculated = "="

var (
	noValue = reason.Of(reason.FormulaWithoutValue{})
	covered = reason.Of(reason.CellMerged{})
)

// isErrorText returns why a text that a spreadsheet shows in place of a value is
// none.
func isErrorText(text string) reason.Reason { return reason.Of(reason.CellError{Shows: text}) }

// oddCell is a cell whose content the library returns incompletely.
type oddCell struct {
	row, column int
	text        string
	why         reason.Reason
}

// merge is a range of merged cells, from 1.
type merge struct{ row, column, toRow, toColumn int }

// sheetCells are the odd cells and the merges of a sheet, in order.
type sheetCells struct {
	odd    []oddCell
	merges []merge
}

// Their maximum numbers in a sheet.
const (
	mostOdd    = 5_000_000
	mostWide   = 1 << 14 // columns, including empty ones
	mostMerges = 100_000
)

// numberKind is what a number format adds to a number: percent adds a sign and
// two digits, others leading zeros up to a length.
type numberKind struct {
	percent bool
	zeros   int
	asShown bool // a date or a time of day
}

// readTab parses a sheet of an Excel workbook itself, as the library that reads
// the cells stops silently at malformed XML, merges rows that are out of order,
// and reports neither error cells nor merged ones.
func readTab(content []byte, kinds []numberKind) (*sheetCells, error) {
	d := xml.NewDecoder(bytes.NewReader(content))
	deep, row, column := 0, 0, 0
	whole := false
	cells := &sheetCells{}
	var cell cellXML
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if deep != 0 || !whole {
				return nil, errors.New("it breaks off")
			}
			slices.SortFunc(cells.merges, func(a, b merge) int { return cmp.Compare(a.row, b.row) })
			return cells, nil
		}
		if err != nil {
			return nil, errors.New("its XML is broken")
		}
		switch e := token.(type) {
		case xml.StartElement:
			if deep++; deep > mostNested {
				return nil, errNested
			}
			switch e.Name.Local {
			case "row":
				if row, err = nextOf(e, row, func(v string) int { _, n := columnOf("A" + v); return n }); err != nil {
					return nil, err
				}
				column = 0
			case "c":
				if column, err = nextOf(e, column, func(v string) int { n, _ := columnOf(v); return n }); err != nil {
					return nil, err
				}
				if column > mostWide {
					return nil, errors.New("a row has more cells than there are columns")
				}
				style, err := strconv.Atoi(attribute(e, "s"))
				cell = cellXML{kind: attribute(e, "t"), v: cell.v[:0], inside: deep}
				if err == nil && style >= 0 && style < len(kinds) {
					cell.number = kinds[style]
				}
			case "f":
				cell.formula = cell.inside > 0
			case "v":
				cell.hasValue, cell.inValue = true, cell.inside > 0
			case "mergeCell":
				m, ok := mergeOf(attribute(e, "ref"))
				if len(cells.merges) == mostMerges {
					return nil, fmt.Errorf("it has more than %d merged cells", mostMerges)
				}
				if ok {
					cells.merges = append(cells.merges, m)
				}
			}
		case xml.CharData:
			if cell.inValue {
				cell.v = append(cell.v, e...)
			}
		case xml.EndElement:
			if e.Name.Local == "v" {
				cell.inValue = false
			}
			if cell.inside == deep && e.Name.Local == "c" {
				cell.inside = 0
				if text, why, is := cell.odd(); is && column <= mostColumns {
					if len(cells.odd) == mostOdd {
						return nil, fmt.Errorf("it has more than %d cells with errors or with formats that change what they show", mostOdd)
					}
					cells.odd = append(cells.odd, oddCell{row, column, text, why})
				}
			}
			deep--
			whole = whole || e.Name.Local == "sheetData"
		}
	}
}

// cellXML is the cell being parsed.
type cellXML struct {
	kind              string // of ECMA-376 Part 1, 18.18.11
	number            numberKind
	v                 []byte
	formula, hasValue bool
	inValue           bool
	inside            int // nesting depth; zero outside of a cell
}

// odd returns the content of a cell where the library returns another one.
func (c *cellXML) odd() (text string, why reason.Reason, is bool) {
	v := string(bytes.TrimSpace(c.v))
	switch {
	case c.kind == "e":
		if v == "" {
			v = "#N/A"
		}
		return v, isErrorText(v), true
	case c.formula && (!c.hasValue || v == "" && c.kind != "str"): // an empty text is a value
		return uncalculated, noValue, true
	case c.kind != "" && c.kind != "n" || v == "" || c.number.asShown:
		return "", reason.Reason{}, false
	case !c.number.percent && c.number.zeros == 0 && len(v) <= 15 && !strings.ContainsAny(v, "eE"):
		return "", reason.Reason{}, false // unchanged, as most are
	}
	text, ok := c.number.show(v)
	return text, reason.Reason{}, ok
}

// show writes a number in full, with what its format adds to it.
func (k numberKind) show(v string) (string, bool) {
	text, ok := inFull(v)
	if !ok {
		return "", false
	}
	digits, negative := strings.CutPrefix(text, "-")
	if k.percent {
		digits = hundredfold(digits)
	}
	if whole, _, _ := strings.Cut(digits, "."); len(whole) < k.zeros {
		digits = strings.Repeat("0", k.zeros-len(whole)) + digits
	}
	if negative {
		digits = "-" + digits
	}
	if k.percent {
		digits += "%"
	}
	return digits, true
}

// mostExponent is the largest exponent, of either sign, of a number that is
// written in full.
const mostExponent = 1e30

// inFull writes a number without an exponent. An integer is exact, and a fraction
// has 15 digits, the precision of a spreadsheet.
func inFull(v string) (string, bool) {
	if strings.Trim(v, "0123456789") == "" && v != "" {
		return v, true
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f != f || f > mostExponent || f < -mostExponent || f != 0 && f < 1/mostExponent && f > -1/mostExponent {
		return "", false
	}
	if !strings.ContainsAny(v, ".eE") {
		return strings.TrimPrefix(v, "+"), true
	}
	if f, err = strconv.ParseFloat(strconv.FormatFloat(f, 'G', 15, 64), 64); err != nil {
		return "", false
	}
	return strconv.FormatFloat(f, 'f', -1, 64), true
}

// hundredfold multiplies an unsigned number by 100.
func hundredfold(digits string) string {
	whole, fraction, _ := strings.Cut(digits, ".")
	for len(fraction) < 2 {
		fraction += "0"
	}
	whole, fraction = strings.TrimLeft(whole+fraction[:2], "0"), strings.TrimRight(fraction[2:], "0")
	if whole == "" {
		whole = "0"
	}
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// mergeOf parses a range such as A2:B4.
func mergeOf(ref string) (merge, bool) {
	from, to, ok := strings.Cut(strings.ReplaceAll(ref, "$", ""), ":")
	column, row := columnOf(from)
	toColumn, toRow := columnOf(to)
	return merge{row, column, toRow, toColumn}, ok && row > 0 && column > 0 && toRow >= row && toColumn >= column
}

// cellsAt iterates over the odd cells and the merges of a sheet together with its
// rows.
type cellsAt struct {
	*sheetCells
	active []merge // those that may contain the row
}

// row replaces the fields of a row that are odd cells, and returns why fields
// have no value. The caller passes rows in their order.
func (c *cellsAt) row(n int, fields []string) ([]string, map[int]reason.Reason, error) {
	for len(c.merges) > 0 && c.merges[0].row <= n {
		c.active, c.merges = append(c.active, c.merges[0]), c.merges[1:]
	}
	c.active = slices.DeleteFunc(c.active, func(m merge) bool { return m.toRow < n })
	if len(c.active) > mostColumns {
		return nil, nil, errors.New("merged cells overlap each other")
	}
	var faults map[int]reason.Reason
	fault := func(field int, why reason.Reason) {
		if faults == nil {
			faults = map[int]reason.Reason{}
		}
		faults[field] = why
	}
	for _, m := range c.active {
		for column := m.column; column <= min(m.toColumn, mostColumns); column++ {
			if n != m.row || column != m.column {
				fault(column-1, covered)
			}
		}
	}
	for ; len(c.odd) > 0 && c.odd[0].row <= n; c.odd = c.odd[1:] {
		o := c.odd[0]
		if o.row < n {
			continue
		}
		for len(fields) < o.column {
			fields = append(fields, "")
		}
		if fields[o.column-1] = o.text; !o.why.IsZero() {
			fault(o.column-1, o.why)
		}
	}
	return fields, faults, nil
}

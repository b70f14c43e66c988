// Package sheet reads tables as people and systems export them: CSV with any
// delimiter and encoding, JSON, JSON Lines, XML, fixed width, and the workbooks
// of Excel and LibreOffice. It detects what the configuration does not state.
//
// It must never guess where a wrong guess could go unnoticed, and never put the
// content of a field into an error.
package sheet

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
)

// Sheet is the common interface of all formats: column names, and records with a
// field for each.
type Sheet interface {
	// Header returns the column names; the error concerns the whole file.
	Header() ([]string, error)
	// Next returns the next record, whose fields are valid until the following
	// call, and its line. A *RecordError concerns this record; io.EOF is the end.
	Next() (fields []string, line int, err error)
	// Column returns the position in its line of a field of the last record, from
	// 1; zero where there is none.
	Column(field int) int
	// HeaderLine returns the line of the column names, from 1.
	HeaderLine() int
	// Tab returns the name of the sheet in a workbook, whose lines are rows and
	// whose columns have letters; empty for other files.
	Tab() string
}

// The limits of a sheet. A larger file is no export, and is refused early.
const (
	// mostColumns is the maximum number of columns.
	mostColumns = 1000
	// MostProblems is the maximum number of records that are unreadable or
	// otherwise bad.
	MostProblems = 10_000
	// mostDeep is how deep objects may lie in a record, mostName how long the
	// name may be that comes of it.
	mostDeep, mostName = 8, 1000
)

func tooManyColumns(n int) reason.Reason {
	return reason.Of(reason.TooManyColumns{Columns: n, Most: mostColumns})
}

// RecordError is a record that cannot be read at all.
type RecordError struct {
	Line, Column int
	Reason       reason.Reason
}

func (e *RecordError) Error() string { return e.Reason.JSON() }

// Layout describes the format of a file. Empty fields are detected.
type Layout struct {
	Setting   string // the path of the settings, such as hr.sources.hr; empty for none
	Format    string // one of Formats
	Encoding  string // one of Encodings
	Delimiter rune
	Comment   rune // the start of comment lines; zero for none
	// Columns are the names by which the header is recognised, in any case: those
	// that the reader looks for, including optional ones. In XML they are XPaths
	// from the record, in fixed width the characters from-to, from 1.
	Columns []string
	// HeaderRow is the line of the header, from 1; zero means detection by
	// Columns.
	HeaderRow int
	// TabName is the sheet of a workbook.
	TabName string
	// Record is the XPath of a record of XML.
	Record string
}

// Formats are the valid formats of a Layout.
func Formats() []string { return []string{"csv", "json", "jsonl", "xlsx", "ods", "xml", "fixed"} }

// Open opens a file as a sheet. The warning and the error concern the whole file;
// the error is a diagnostic.Problem.
func Open(file string, content []byte, l Layout) (s Sheet, warning *diagnostic.Problem, err error) {
	switch kind := packed(content); {
	case kind == "xlsx" && (l.Format == "" || l.Format == kind):
		return openExcel(file, content, l)
	case kind == "ods" && (l.Format == "" || l.Format == kind):
		return openODS(file, content, l)
	case kind != "":
		return nil, nil, diagnostic.Problem{File: file, Reason: l.notPacked(kind)}
	case l.Format == "xlsx" || l.Format == "ods":
		return nil, nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.NoWorkbook{Setting: l.setting("format")})}
	case l.Format == "xml":
		s, err = openXML(file, content, l)
		return s, nil, err
	}
	text, warning, err := l.decode(file, content)
	if err != nil {
		return nil, nil, err
	}
	format := l.Format
	if format == "" {
		format = LooksLike(text)
	}
	switch format {
	case "json":
		s := NewRecords()
		return s, warning, s.addJSON(file, text)
	case "jsonl":
		s, err := readJSONLines(file, text)
		return s, warning, err
	case "fixed":
		s, err := newFixed(file, text, l)
		return s, warning, err
	case "html":
		return nil, nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.WebPage{Setting: l.setting("format")})}
	}
	return newCSV(file, text, l), warning, nil
}

// setting returns the name of a setting of the file.
func (l Layout) setting(name string) string {
	if l.Setting == "" {
		return name
	}
	return l.Setting + "." + name
}

// LooksLike returns the detected format of a file: csv, json, jsonl, a workbook
// (xlsx, ods) or another packed file (zip, xls), or html, which is no export.
func LooksLike(text []byte) string {
	if kind := packed(text); kind != "" {
		return kind
	}
	start := bytes.TrimLeft(text, " \t\r\n\xef\xbb\xbf")
	if len(start) == 0 {
		return "csv"
	}
	switch start[0] {
	case '[':
		return "json"
	case '<':
		return "html"
	case '{':
		first, rest, _ := bytes.Cut(start, []byte("\n"))
		if json.Valid(first) && (len(bytes.TrimSpace(rest)) > 0 || !hasList(first)) {
			return "jsonl"
		}
		return "json"
	}
	return "csv"
}

// csvSheet reads CSV (RFC 4180).
type csvSheet struct {
	file string
	r    *csv.Reader
	// before is how many lines of the file the reader skips, header the line of
	// the column names.
	before, header int
}

func newCSV(file string, text []byte, l Layout) *csvSheet {
	start := l.findHeader(text)
	text = text[start.offset:]
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment = l.Comment
	r.TrimLeadingSpace = l.Comment != 0 // authors of such files write comments, and align fields
	if r.Comma = start.comma; r.Comma == 0 {
		r.Comma = delimiterOf(text, l.Comment)
	}
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	return &csvSheet{file: file, r: r, before: start.lines, header: start.lines + 1}
}

// delimiterOf detects the delimiter of the column names.
func delimiterOf(text []byte, comment rune) rune {
	line, text, _ := bytes.Cut(text, []byte("\n"))
	for comment != 0 && len(text) > 0 && (bytes.HasPrefix(line, []byte(string(comment))) || len(bytes.TrimSpace(line)) == 0) {
		line, text, _ = bytes.Cut(text, []byte("\n"))
	}
	best, most := ',', 0
	for _, d := range ",;\t|" {
		n, quoted := 0, false
		for _, r := range string(line) {
			switch {
			case r == '"':
				quoted = !quoted
			case r == d && !quoted:
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

func (s *csvSheet) Header() ([]string, error) {
	header, err := s.r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, diagnostic.Problem{File: s.file, Reason: reason.Of(reason.FileEmpty{Names: true})}
	case err != nil:
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, diagnostic.Problem{File: s.file, Line: s.header, Reason: reason.Of(reason.NamesUnreadable{Detail: err.Error()})}
	}
	line, _ := s.r.FieldPos(0)
	s.header = line + s.before
	if len(header) > mostColumns {
		return nil, diagnostic.Problem{File: s.file, Line: s.header, Reason: tooManyColumns(len(header))}
	}
	return append([]string(nil), header...), nil
}

func (s *csvSheet) Next() ([]string, int, error) {
	fields, err := s.r.Read()
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		return nil, 0, &RecordError{Line: pe.StartLine + s.before, Column: pe.Column, Reason: reason.Of(reason.FileBroken{Detail: pe.Err.Error()})}
	case err != nil:
		return nil, 0, err
	}
	line, _ := s.r.FieldPos(0)
	return fields, line + s.before, nil
}

func (s *csvSheet) Column(field int) int { _, at := s.r.FieldPos(field); return at }

func (s *csvSheet) HeaderLine() int { return s.header }

func (s *csvSheet) Tab() string { return "" }

// Records is a sheet of records with named fields, so that its columns are known
// when all have been read. Lines are record numbers, unless they come from a
// file.
type Records struct {
	names []string
	index map[string]int
	rows  []namedRow
	at    int
	bad   int // number of unreadable records
	// fields are those of the last record that Next returned.
	fields []string
}

// namedRow has the fields of a record, without those that only other records
// have.
type namedRow struct {
	line   int
	fields []namedField
	err    *RecordError
}

type namedField struct {
	column int
	value  string
}

// NewRecords returns a sheet without records.
func NewRecords() *Records { return &Records{index: map[string]int{}} }

// Name adds a column, which exists even when no record has it.
func (s *Records) Name(name string) {
	if _, ok := s.index[name]; !ok {
		s.index[name] = len(s.names)
		s.names = append(s.names, name)
	}
}

// Add adds a record, by the names of its fields.
func (s *Records) Add(names, fields []string) {
	row := namedRow{line: len(s.rows) + 1}
	for i, name := range names {
		s.set(&row, name, fields[i])
	}
	s.rows = append(s.rows, row)
}

// All iterates over the fields of the records, without moving Next. They are
// valid until the next iteration.
func (s *Records) All() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for _, row := range s.rows {
			if !yield(s.spread(row)) {
				return
			}
		}
	}
}

// spread puts the fields of a record into the positions of their columns.
func (s *Records) spread(row namedRow) []string {
	if len(s.fields) != len(s.names) {
		s.fields = make([]string, len(s.names))
	}
	clear(s.fields)
	for _, f := range row.fields {
		s.fields[f.column] = f.value
	}
	return s.fields
}

// AddJSON adds the records of a JSON file, as one page of several.
func (s *Records) AddJSON(file string, content []byte, l Layout) error {
	text, _, err := l.decode(file, content)
	if err != nil {
		return err
	}
	before := len(s.rows)
	if err := s.addJSON(file, text); err != nil {
		return err
	}
	for i := range s.rows[before:] {
		s.rows[before+i].line = before + i + 1
	}
	return nil
}

// set sets a field of the record being read.
func (s *Records) set(row *namedRow, name, value string) {
	s.Name(name)
	row.fields = append(row.fields, namedField{s.index[name], value})
}

// add adds a record. The error concerns the whole sheet: it exceeds the limits.
func (s *Records) add(file string, row namedRow) error {
	if row.err != nil {
		if s.bad++; s.bad > MostProblems {
			return diagnostic.Problem{File: file, Line: row.line, Reason: reason.Of(reason.TooManyUnreadable{Most: MostProblems})}
		}
	}
	if len(s.names) > mostColumns {
		return diagnostic.Problem{File: file, Line: row.line, Reason: tooManyColumns(len(s.names))}
	}
	s.rows = append(s.rows, row)
	return nil
}

// Header implements Sheet.
func (s *Records) Header() ([]string, error) { return s.names, nil }

// Next implements Sheet.
func (s *Records) Next() ([]string, int, error) {
	if s.at == len(s.rows) {
		return nil, 0, io.EOF
	}
	row := s.rows[s.at]
	s.at++
	if row.err != nil {
		return nil, 0, row.err
	}
	return s.spread(row), row.line, nil
}

// Most returns the number of records.
func (s *Records) Most() int { return len(s.rows) }

// Column implements Sheet: records with named fields have no positions.
func (s *Records) Column(int) int { return 0 }

// HeaderLine implements Sheet.
func (s *Records) HeaderLine() int { return 1 }

// Tab implements Sheet.
func (s *Records) Tab() string { return "" }

// addJSON parses an array of objects, or an object that contains one array. A
// truncated file adds no records.
func (s *Records) addJSON(file string, text []byte) error {
	problem := func(offset int64, k reason.Kind) error {
		return diagnostic.Problem{File: file, Line: 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n")), Reason: reason.Of(k)}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := intoList(d); err != nil {
		return problem(d.InputOffset(), reason.FileBroken{Detail: err.Error()})
	}
	lines := lineCounter{text: text}
	for d.More() {
		row := namedRow{line: lines.at(d.InputOffset())}
		var fields map[string]any
		var wrong *json.UnmarshalTypeError
		switch err := d.Decode(&fields); {
		case errors.As(err, &wrong):
			row.err = &RecordError{Line: row.line, Reason: reason.Of(reason.NoObject{Fields: true})}
		case err != nil:
			return problem(d.InputOffset(), reason.JSONBroken{})
		default:
			s.flatten(&row, "", fields, mostDeep)
		}
		if err := s.add(file, row); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return problem(d.InputOffset(), reason.JSONBroken{})
	}
	return nil
}

// hasList reports whether an object contains a list of records.
func hasList(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	return intoList(d) == nil
}

// lists are the common names of the list of records in feeds.
var lists = map[string]bool{"items": true, "employments": true, "Resources": true, "value": true, "data": true, "results": true}

// intoList moves to the first record.
func intoList(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return errors.New("the file is no JSON")
	}
	if t == json.Delim('[') {
		return nil
	}
	for t == json.Delim('{') && d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		key, _ := name.(string)
		if lists[key] {
			if open, err := d.Token(); err == nil && open == json.Delim('[') {
				return nil
			}
			return fmt.Errorf("%q is no list of records", key)
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			break
		}
	}
	return errors.New(`there is no list of records: an export is [{…}, {…}], or has it under "items", "employments", "value", "data", "results" or "Resources"`)
}

// lineCounter converts increasing offsets into lines without counting twice.
type lineCounter struct {
	text []byte
	seen int
	line int
}

// at returns the line of the first character at or after the offset that is no
// white space.
func (c *lineCounter) at(offset int64) int {
	to := int(offset)
	for to < len(c.text) && strings.IndexByte(" \t\r\n,", c.text[to]) >= 0 {
		to++
	}
	c.line += bytes.Count(c.text[c.seen:to], []byte("\n"))
	c.seen = to
	return c.line + 1
}

// readJSONLines parses a record on each line; an error in one concerns that
// record.
func readJSONLines(file string, text []byte) (Sheet, error) {
	s := NewRecords()
	for n := 1; len(text) > 0; n++ {
		var one []byte
		one, text, _ = bytes.Cut(text, []byte("\n"))
		if one = bytes.TrimSpace(one); len(one) == 0 {
			continue
		}
		row := namedRow{line: n}
		d := json.NewDecoder(bytes.NewReader(one))
		d.UseNumber()
		var fields map[string]any
		if err := d.Decode(&fields); err != nil || d.More() || fields == nil {
			row.err = &RecordError{Line: n, Reason: reason.Of(reason.NoObject{})}
		} else {
			s.flatten(&row, "", fields, mostDeep)
		}
		if err := s.add(file, row); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// plainNumber removes an exponent that is not needed: some programs write 100 as
// 1E+2.
func plainNumber(n json.Number) string {
	f, err := n.Float64()
	if !strings.ContainsAny(n.String(), "eE") || err != nil || math.Abs(f) > 1e15 || f != 0 && math.Abs(f) < 1e-6 {
		return n.String()
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// flatten puts the fields of nested objects under dotted names: name.given.
func (s *Records) flatten(row *namedRow, prefix string, fields map[string]any, deep int) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		switch v := fields[name].(type) {
		case nil:
			s.set(row, prefix+name, "")
		case map[string]any:
			if deep == 0 || len(prefix) > mostName {
				row.err = &RecordError{Line: row.line, Reason: reason.Of(reason.NestedTooDeep{})}
				return
			}
			s.flatten(row, prefix+name+".", v, deep-1)
		case []any:
			var parts []string
			for _, x := range v {
				parts = append(parts, fmt.Sprint(x))
			}
			s.set(row, prefix+name, strings.Join(parts, ","))
		case json.Number:
			s.set(row, prefix+name, plainNumber(v))
		default:
			s.set(row, prefix+name, fmt.Sprint(v))
		}
	}
}

package hr

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/behov/behov/internal/policy"
)

// sheet is what every kind of source comes down to: column names, and records
// with a field for each.
type sheet interface {
	// header returns the names of the columns; the error is about the whole
	// file.
	header() ([]string, error)
	// next returns the next record, whose fields are good until the one after
	// it, and its line. A *recordError is about this record, io.EOF the end.
	next() (fields []string, line int, err error)
	// most is at least how many records there are.
	most() int
	// column returns where in its line the last record's field begins, from 1;
	// zero where there is no such thing.
	column(field int) int
}

// recordError is a record that cannot be read at all.
type recordError struct {
	line, column int
	text         string
}

func (e *recordError) Error() string { return e.text }

// open makes a sheet of a file's text, which is CSV, JSON or JSON Lines, as the
// source says or as it looks.
func open(file string, text []byte, format string, delimiter rune) (sheet, error) {
	start := bytes.TrimLeft(text, " \t\r\n")
	if format == "" {
		format = looksLike(start)
	}
	switch format {
	case "json":
		s := newRecords()
		return s, s.addJSON(file, text)
	case "jsonl":
		return readJSONLines(file, text), nil
	case "html":
		return nil, policy.Problem{File: file, Text: "it is a web page or XML, and no export: was there something wrong when it was fetched?"}
	}
	return newCSV(file, text, delimiter), nil
}

func looksLike(start []byte) string {
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

// csvSheet reads CSV as it comes (RFC 4180).
type csvSheet struct {
	file  string
	r     *csv.Reader
	lines int
}

func newCSV(file string, text []byte, delimiter rune) *csvSheet {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = delimiter
	if delimiter == 0 {
		r.Comma = delimiterOf(text)
	}
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	return &csvSheet{file: file, r: r, lines: bytes.Count(text, []byte("\n"))}
}

// delimiterOf finds out what separates the names of the columns.
func delimiterOf(text []byte) rune {
	line, _, _ := bytes.Cut(text, []byte("\n"))
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

func (s *csvSheet) header() ([]string, error) {
	header, err := s.r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, policy.Problem{File: s.file, Text: "the file is empty: an export has a line of column names and a row for each employment"}
	case err != nil:
		return nil, policy.Problem{File: s.file, Line: 1, Text: "the line of column names cannot be read: " + err.Error()}
	}
	return append([]string(nil), header...), nil
}

func (s *csvSheet) next() ([]string, int, error) {
	fields, err := s.r.Read()
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		return nil, 0, &recordError{line: pe.StartLine, column: pe.Column, text: pe.Err.Error()}
	case err != nil:
		return nil, 0, err
	}
	line, _ := s.r.FieldPos(0)
	return fields, line, nil
}

func (s *csvSheet) most() int { return s.lines }

func (s *csvSheet) column(field int) int { _, at := s.r.FieldPos(field); return at }

// records is a sheet of records that name their fields themselves, so that
// what columns there are is known when all have been read.
type records struct {
	names []string
	index map[string]int
	rows  []namedRow
	at    int
}

type namedRow struct {
	line   int
	fields []string
	err    *recordError
}

func newRecords() *records { return &records{index: map[string]int{}} }

// set gives the record that is being read a field.
func (s *records) set(row *namedRow, name, value string) {
	i, ok := s.index[name]
	if !ok {
		i = len(s.names)
		s.index[name] = i
		s.names = append(s.names, name)
	}
	for len(row.fields) <= i {
		row.fields = append(row.fields, "")
	}
	row.fields[i] = value
}

func (s *records) header() ([]string, error) { return s.names, nil }

func (s *records) next() ([]string, int, error) {
	if s.at == len(s.rows) {
		return nil, 0, io.EOF
	}
	row := s.rows[s.at]
	s.at++
	if row.err != nil {
		return nil, 0, row.err
	}
	for len(row.fields) < len(s.names) {
		row.fields = append(row.fields, "")
	}
	return row.fields, row.line, nil
}

func (s *records) most() int { return len(s.rows) }

func (s *records) column(int) int { return 0 }

// addJSON reads an array of objects, or an object with one array in it. A file
// that breaks off says nothing at all.
func (s *records) addJSON(file string, text []byte) error {
	problem := func(offset int64, format string, args ...any) error {
		return policy.Problem{File: file, Line: 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n")), Text: fmt.Sprintf(format, args...)}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := intoList(d); err != nil {
		return problem(d.InputOffset(), "%v", err)
	}
	lines := lineCounter{text: text}
	for d.More() {
		row := namedRow{line: lines.at(d.InputOffset())}
		var fields map[string]any
		var wrong *json.UnmarshalTypeError
		switch err := d.Decode(&fields); {
		case errors.As(err, &wrong):
			row.err = &recordError{line: row.line, text: "it is no object with a field for each column"}
		case err != nil:
			return problem(d.InputOffset(), "the file breaks off or is no JSON after this: nothing of it was read")
		default:
			s.flatten(&row, "", fields)
		}
		s.rows = append(s.rows, row)
	}
	if _, err := d.Token(); err != nil {
		return problem(d.InputOffset(), "the file breaks off or is no JSON after this: nothing of it was read")
	}
	return nil
}

// hasList says whether an object has a list of records in it.
func hasList(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	return intoList(d) == nil
}

// lists are the names under which feeds give their records.
var lists = map[string]bool{"items": true, "employments": true, "Resources": true, "value": true, "data": true, "results": true}

// intoList reads on to the first record.
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

// lineCounter turns growing offsets into lines without counting twice.
type lineCounter struct {
	text []byte
	seen int
	line int
}

// at returns the line of the first thing at or behind the offset.
func (c *lineCounter) at(offset int64) int {
	to := int(offset)
	for to < len(c.text) && strings.IndexByte(" \t\r\n,", c.text[to]) >= 0 {
		to++
	}
	c.line += bytes.Count(c.text[c.seen:to], []byte("\n"))
	c.seen = to
	return c.line + 1
}

// readJSONLines reads a record on each line; what is wrong with one is about
// that one.
func readJSONLines(_ string, text []byte) sheet {
	s := newRecords()
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
			row.err = &recordError{line: n, text: "it is no JSON object"}
		} else {
			s.flatten(&row, "", fields)
		}
		s.rows = append(s.rows, row)
	}
	return s
}

// flatten puts what is in an object under dotted names: name.given.
func (s *records) flatten(row *namedRow, prefix string, fields map[string]any) {
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
			s.flatten(row, prefix+name+".", v)
		case []any:
			var parts []string
			for _, x := range v {
				parts = append(parts, fmt.Sprint(x))
			}
			s.set(row, prefix+name, strings.Join(parts, ","))
		default:
			s.set(row, prefix+name, fmt.Sprint(v))
		}
	}
}

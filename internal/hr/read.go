// Package hr reads HR sources and turns what they say into identity events:
// it compares a full export with what is known and tells the difference.
//
// It must never let a broken file take anyone's access: a row that cannot be
// read leaves the person as they were, a row that cannot be attributed stops
// every ending, and an export that shrank too much is held whole.
package hr

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// Row is one line of an export: one employment and the person who has it.
type Row struct {
	Line          int
	PersonKey     string
	EmploymentKey string
	Person        identity.PersonFacts
	Employment    identity.EmploymentFacts
}

// Export is what a file says.
type Export struct {
	Rows []Row // in the file's order, without the bad ones
	Read int   // rows in the file, the header not counted
	// Problems tell of bad rows, and warn of odd ones.
	Problems []policy.Problem
	// BadPeople and BadEmployments are concerned by a bad row: they stay as
	// they are.
	BadPeople      map[string]bool
	BadEmployments map[string]bool
	// Unattributed counts bad rows that could be anybody's.
	Unattributed int
	// Filled counts, for each canonical column, the rows that have a value.
	Filled map[string]int
}

// required are the columns without which a file is no HR export.
var required = []string{"person_id", "employment_id", "given_name", "family_name", "start_date"}

// Read reads a full export. Problems of rows are in the Export; the error is
// about the whole file, which then says nothing at all.
func Read(file string, content []byte, source config.Source, attributes []string, units *identity.Units) (*Export, error) {
	text, err := decode(file, content, source.Encoding)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = source.Delimiter
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, policy.Problem{File: file, Text: "the file is empty: an export has a line of column names and a row for each employment"}
	}
	if err != nil {
		return nil, policy.Problem{File: file, Line: 1, Text: "the line of column names cannot be read: " + err.Error()}
	}
	p := parser{file: file, source: source, units: units, export: &Export{BadPeople: map[string]bool{}, BadEmployments: map[string]bool{}, Filled: map[string]int{}}}
	if err := p.header(header, attributes); err != nil {
		return nil, err
	}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		p.export.Read++
		if err != nil {
			line, column, text := 0, 0, err.Error()
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				line, column, text = pe.StartLine, pe.Column, pe.Err.Error()
			}
			p.export.Unattributed++
			p.problem(line, column, "", "the row cannot be read (%s); whoever it is about stays as they are, and no employment ends by this import", text)
			continue
		}
		p.row(r, fields)
	}
	p.doubles()
	return p.export, nil
}

// decode brings a file to UTF-8 without a byte order mark.
func decode(file string, content []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "iso-8859-1":
		return charmap.ISO8859_1.NewDecoder().Bytes(content)
	case "windows-1252":
		return charmap.Windows1252.NewDecoder().Bytes(content)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) {
		line, rest := 1, content
		for len(rest) > 0 {
			r, size := utf8.DecodeRune(rest)
			if r == utf8.RuneError && size <= 1 {
				break
			}
			if r == '\n' {
				line++
			}
			rest = rest[size:]
		}
		return nil, policy.Problem{File: file, Line: line, Text: "the file is not UTF-8: set hr.sources.NAME.encoding to iso-8859-1 or windows-1252, or export it as UTF-8"}
	}
	return content, nil
}

type parser struct {
	file      string
	source    config.Source
	units     *identity.Units
	export    *Export
	columns   map[string]int // canonical name → field
	names     map[string]string
	free      map[string]int // own attributes → field
	byEmploym map[string]int // employment → index of its row
}

func (p *parser) header(header []string, attributes []string) error {
	p.columns, p.names, p.free, p.byEmploym = map[string]int{}, map[string]string{}, map[string]int{}, map[string]int{}
	at := map[string]int{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if lower := strings.ToLower(name); slices.Contains(config.Canonical, lower) {
			name = lower // End_Date is end_date
		}
		if _, ok := at[name]; ok && name != "" {
			return policy.Problem{File: p.file, Line: 1, Text: fmt.Sprintf("the column %q is there twice", name)}
		}
		at[name] = i
	}
	for _, canonical := range config.Canonical {
		name := canonical
		if mapped := p.source.Columns[canonical]; mapped != "" {
			name = mapped
		}
		if i, ok := at[name]; ok {
			p.columns[canonical] = i
			p.names[canonical] = name
		} else if name != canonical {
			return policy.Problem{File: p.file, Line: 1, Text: fmt.Sprintf("there is no column %q, to which hr.sources.%s.columns maps %s; there are %s", name, p.source.Name, canonical, strings.Join(header, ", "))}
		}
	}
	for _, canonical := range required {
		_, there := p.columns[canonical]
		if _, constant := p.source.Constants[canonical]; !there && !constant {
			text := fmt.Sprintf("there is no column %s; there are %s", canonical, strings.Join(header, ", "))
			if len(header) == 1 {
				text += fmt.Sprintf(" (is %q the right delimiter?)", p.source.Delimiter)
			}
			return policy.Problem{File: p.file, Line: 1, Text: text + ": map it under hr.sources." + p.source.Name + ".columns"}
		}
	}
	for _, name := range attributes {
		if i, ok := at[name]; ok {
			p.free[name] = i
		}
	}
	return nil
}

func (p *parser) problem(line, column int, person, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if person != "" {
		text = "person_id " + person + ": " + text
	}
	p.export.Problems = append(p.export.Problems, policy.Problem{File: p.file, Line: line, Column: column, Text: text})
}

// row reads one row. Every bad field of it is reported.
func (p *parser) row(r *csv.Reader, fields []string) {
	line, _ := r.FieldPos(0)
	row := Row{Line: line}
	bad := false
	get := func(column string) string {
		i, ok := p.columns[column]
		if !ok || i >= len(fields) {
			return p.source.Constants[column]
		}
		if v := strings.TrimSpace(fields[i]); v != "" {
			return v
		}
		return p.source.Constants[column]
	}
	fail := func(column, format string, args ...any) {
		bad = true
		at := 0
		if i, ok := p.columns[column]; ok && i < len(fields) {
			_, at = r.FieldPos(i)
		}
		name := or(p.names[column], column)
		p.problem(line, at, strings.Clone(row.PersonKey), "column %s: %s", name, fmt.Sprintf(format, args...))
	}
	date := func(column string) identity.Date {
		v := get(column)
		if v == "" {
			return ""
		}
		d, err := identity.ParseDate(p.source.DateLayout, v)
		if err != nil {
			fail(column, "%v", err)
		}
		return d
	}
	clone := func(column string) string { return strings.Clone(get(column)) }

	row.PersonKey, row.EmploymentKey = clone("person_id"), clone("employment_id")
	for column, i := range p.columns {
		if i < len(fields) && strings.ContainsFunc(fields[i], unicode.IsControl) {
			fail(column, "it has a line break or another control character in it")
		}
		if get(column) != "" {
			p.export.Filled[column]++
		}
	}
	if len(fields) < len(p.columns) && len(fields) <= slices.Max(columnsOf(p.columns)) {
		bad = true
		p.export.Unattributed++ // what a file lacks after a cut could be anybody's
		p.problem(line, 0, row.PersonKey, "the row has %d fields and its columns need %d: it is cut short or has a wrong delimiter; no employment ends by this import", len(fields), slices.Max(columnsOf(p.columns))+1)
	}
	for _, column := range required[:4] {
		if get(column) == "" {
			fail(column, "it is empty")
		}
	}
	row.Person = identity.PersonFacts{GivenName: clone("given_name"), FamilyName: clone("family_name"), NationalID: clone("national_id"), Email: clone("email"), Phone: clone("phone")}
	row.Employment = identity.EmploymentFacts{Unit: clone("unit"), JobCode: clone("job_code"), JobTitle: clone("job_title"), Type: clone("employment_type"), ManagerKey: clone("manager_id"),
		Start: date("start_date"), End: date("end_date"), LeaveStart: date("leave_start"), LeaveEnd: date("leave_end")}
	if get("start_date") == "" {
		fail("start_date", "it is empty")
	}
	if e := row.Employment; e.End != "" && e.End < e.Start {
		fail("end_date", "%s is before the start, %s", e.End, e.Start)
	}
	if e := row.Employment; e.LeaveEnd != "" && e.LeaveEnd < e.LeaveStart {
		fail("leave_end", "%s is before the leave's start, %s", e.LeaveEnd, e.LeaveStart)
	}
	if u := row.Employment.Unit; u != "" && len(p.units.IDs()) > 0 && !p.units.Has(u) {
		fail("unit", "there is no unit %q: add it to the units file, or correct it in HR; the person stays as they are until then", u)
	}
	if v := get("employment_percent"); v != "" {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(strings.ReplaceAll(v, ",", "."), "%"), 64)
		if err != nil || percent < 0 || percent > 100 {
			fail("employment_percent", "%q is no number from 0 to 100", v)
		}
		row.Employment.Percent = percent
	}
	switch v := strings.ToLower(get("protected")); v {
	case "", "0", "false", "no", "n", "nej":
	case "1", "true", "yes", "y", "ja", "j":
		row.Person.Protected = true
	default:
		fail("protected", "%q is neither yes nor no", v)
	}
	for name, i := range p.free {
		if i < len(fields) && strings.TrimSpace(fields[i]) != "" {
			if row.Employment.Attributes == nil {
				row.Employment.Attributes = map[string]string{}
			}
			row.Employment.Attributes[name] = strings.Clone(strings.TrimSpace(fields[i]))
		}
	}
	if bad {
		p.bad(row)
		return
	}
	p.export.Rows = append(p.export.Rows, row)
}

func columnsOf(m map[string]int) []int {
	var all []int
	for _, i := range m {
		all = append(all, i)
	}
	return all
}

// bad notes whom a bad row concerns.
func (p *parser) bad(row Row) {
	if row.PersonKey != "" {
		p.export.BadPeople[row.PersonKey] = true
	}
	if row.EmploymentKey != "" {
		p.export.BadEmployments[row.EmploymentKey] = true
	}
	if row.PersonKey == "" && row.EmploymentKey == "" {
		p.export.Unattributed++
	}
}

// doubles takes out employments that are there twice and say different
// things, and drops exact repetitions.
func (p *parser) doubles() {
	var kept []Row
	wrong := map[string]bool{}
	for _, row := range p.export.Rows {
		i, ok := p.byEmploym[row.EmploymentKey]
		if !ok {
			p.byEmploym[row.EmploymentKey] = len(kept)
			kept = append(kept, row)
			continue
		}
		first := kept[i]
		if first.PersonKey == row.PersonKey && first.Person == row.Person && first.Employment.Equal(row.Employment) {
			continue
		}
		p.problem(row.Line, 0, row.PersonKey, "employment_id %s is in line %d too and says otherwise: both rows are left out", row.EmploymentKey, first.Line)
		wrong[row.EmploymentKey] = true
		p.bad(first)
		p.bad(row)
	}
	kept = slices.DeleteFunc(kept, func(r Row) bool { return wrong[r.EmploymentKey] })
	people := map[string]Row{}
	for _, row := range kept {
		first, ok := people[row.PersonKey]
		if !ok {
			people[row.PersonKey] = row
		} else if first.Person != row.Person && !p.export.BadPeople[row.PersonKey] {
			p.problem(row.Line, 0, row.PersonKey, "the person's own columns differ from those in line %d: the person stays as they are until both say the same", first.Line)
			p.export.BadPeople[row.PersonKey] = true
		}
	}
	p.export.Rows = kept
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

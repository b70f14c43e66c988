// Package hr reads HR sources and converts them into identity events: it compares
// a full export with what is stored and returns the differences.
//
// It must never let a broken file revoke access: a row that cannot be read leaves
// the person unchanged, a row that cannot be attributed to a person prevents
// every ending, and an export that shrank too much is held as a whole.
package hr

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/sheet"
)

// Export is a parsed file.
type Export struct {
	Rows []Row // in the file's order, without the bad ones
	Read int   // number of rows in the file, without the header
	// Repeated is the number of rows that repeat another one.
	Repeated int
	// Problems are the problems of bad rows, and warnings.
	Problems []diagnostic.Problem
	// BadPeople and BadEmployments have a bad row: they are not changed.
	BadPeople      map[string]bool
	BadEmployments map[string]bool
	// Unattributed is the number of bad rows that could be of any person.
	Unattributed int
	// Ownerless holds the employments, by key, of bad rows without a person:
	// unattributed, unless the employment is known.
	Ownerless []string
	// Filled is, for each canonical column, the number of rows with a value.
	Filled map[string]int
	// Protected are the people with any row that says that their identity is
	// protected, including bad rows.
	Protected map[string]bool
	// Cancelled maps employments to people, by key, for bad rows that cancel the
	// employment.
	Cancelled map[string]string
	// Partial reports that the rows are a delta, and not a full export.
	Partial bool
	// Shorter describes the people's numbers that are one digit shorter than
	// almost all.
	Shorter Shorter
	// Totals is the number of rows of totals that the source's settings skip.
	Totals int
	// Sheet is the sheet of a workbook, whose lines are rows.
	Sheet string
}

// maxFieldLength is the maximum length of a field, in characters.
const maxFieldLength = 500

// requiredColumns are the columns that every HR export must have.
var requiredColumns = []string{"person_id", "employment_id", "given_name", "family_name", "start_date"}

// Read parses a file of a source, in any of sheet.Formats. Problems of rows are
// in the Export; the error concerns the whole file, which is then not imported.
func Read(file string, content []byte, source config.Source, attributes []string, units *identity.Units, today identity.Date) (*Export, error) {
	s, warning, err := sheet.Open(file, content, source.Layout(attributes))
	if err != nil {
		return nil, err
	}
	export, err := read(file, s, source, attributes, units, today)
	if err == nil && warning != nil {
		export.Problems = append([]diagnostic.Problem{*warning}, export.Problems...)
	}
	return export, err
}

// read converts a sheet's records into rows.
func read(file string, s sheet.Sheet, source config.Source, attributes []string, units *identity.Units, today identity.Date) (*Export, error) {
	p := parser{file: file, sheet: s, texts: map[string]string{}, unevens: map[string]*unevenDates{}, source: source, units: units, today: today, export: &Export{Sheet: s.Tab(), Partial: source.Changes, BadPeople: map[string]bool{}, BadEmployments: map[string]bool{},
		Protected: map[string]bool{}, Cancelled: map[string]string{}, Filled: map[string]int{}}}
	header, err := s.Header()
	if err != nil {
		return nil, err
	}
	fields, line, err := s.Next()
	if len(header) == 0 && errors.Is(err, io.EOF) {
		if source.Changes {
			return p.export, nil // nothing has changed
		}
		return nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.NoRecords{})}
	}
	if err := p.readHeader(header, fields, attributes); err != nil {
		return nil, err
	}
	p.width = len(header)
	for ; !errors.Is(err, io.EOF); fields, line, err = s.Next() {
		if err == nil && (isBlankRow(fields) || p.skipsRow(fields)) {
			if !isBlankRow(fields) && p.isClosingTotals(fields) {
				p.export.Totals++
			}
			continue // an empty line, such as Excel writes
		}
		p.export.Read++
		var bad *sheet.RecordError
		switch {
		case errors.As(err, &bad):
			p.export.Unattributed++
			p.problem(bad.Line, bad.Column, "", "", reason.Of(reason.RowUnreadable{Because: bad.Reason}))
		case err != nil:
			var whole diagnostic.Problem
			if errors.As(err, &whole) {
				return nil, whole
			}
			return nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.ReadBrokeOff{Detail: err.Error()})}
		default:
			p.row(line, fields)
		}
		if p.errors > sheet.MostProblems {
			break
		}
	}
	p.findShorter()
	p.leaveOutFractions()
	p.removeDuplicates()
	p.warnUneven()
	if p.errors > sheet.MostProblems {
		return nil, diagnostic.Problem{File: file, Sheet: s.Tab(), Line: p.first.Line, Column: p.first.Column, Reason: reason.Of(reason.TooManyProblems{Most: sheet.MostProblems, First: p.first.Reason})}
	}
	if more := p.warnings - sheet.MostProblems; more > 0 {
		p.export.Problems = append(p.export.Problems, diagnostic.Problem{File: file, Warning: true, Reason: reason.Of(reason.MoreWarnings{Count: more})})
	}
	return p.export, nil
}

// isBlankRow reports whether all fields of a row are empty.
func isBlankRow(fields []string) bool {
	return !slices.ContainsFunc(fields, func(v string) bool { return identity.CleanText(v) != "" })
}

type parser struct {
	file    string
	sheet   sheet.Sheet
	source  config.Source
	today   identity.Date
	units   *identity.Units
	export  *Export
	columns map[string]int // canonical name → field
	read    []string       // the canonical names of the sheet's columns
	names   map[string]string
	// constants are the values of columns that the sheet lacks.
	constants map[string]string
	// made are the values made of several fields or of a part of one, otherwise
	// those of templates under constants; now holds the values of the last row.
	made, otherwise map[string]columnValue
	now             map[string]string
	skipped         []skipRule
	free            map[string]int    // custom attributes → field
	own             []string          // those that the sheet has
	warned          map[string]bool   // people whose number is invalid
	texts           map[string]string // interned texts
	unevens         map[string]*unevenDates
	fractions       fractions
	header          []string // the names of the sheet's columns
	width           int      // the number of the sheet's columns
	// errors and warnings count the problems; first is the first one that is no
	// warning.
	errors, warnings int
	first            diagnostic.Problem
	wrong            []fault // of the current row
}

// fault is one fault of a row.
type fault struct {
	column int
	why    reason.Reason
	value  string
}

func (p *parser) warn(line int, person string, why reason.Reason) {
	p.warnAt(line, 0, person, "", why)
}

// warnAt is warn of a value at a column.
func (p *parser) warnAt(line, column int, person, value string, why reason.Reason) {
	if p.warnings++; p.warnings > sheet.MostProblems {
		return // counted only
	}
	warning := p.newProblem(line, column, person, strings.Clone(value), why)
	warning.Warning = true
	p.export.Problems = append(p.export.Problems, warning)
}

func (p *parser) problem(line, column int, person, value string, why reason.Reason) {
	if p.errors++; p.errors > sheet.MostProblems {
		return // nothing is imported
	}
	problem := p.newProblem(line, column, person, value, why)
	if p.errors == 1 {
		p.first = problem
	}
	p.export.Problems = append(p.export.Problems, problem)
}

// newProblem returns a problem. Its reason must not contain values of the file: a row that is shifted by a column has a name where a key or a date should
// be.
func (p *parser) newProblem(line, column int, person, value string, why reason.Reason) diagnostic.Problem {
	return diagnostic.Problem{File: p.file, Sheet: p.export.Sheet, Line: line, Column: column, Reason: why, Value: valueOf(person, value)}
}

// valueOf returns the personal part of a problem.
func valueOf(person, value string) string {
	var parts []string
	if person != "" {
		parts = append(parts, fmt.Sprintf("person_id %q", person))
	}
	if value != "" {
		parts = append(parts, fmt.Sprintf("the value is %q", value))
	}
	return strings.Join(parts, ", ")
}

// noDateWords are what exports write for a date that is unknown or never comes,
// in lower case.
var noDateWords = []string{"tillsvidare", "tills vidare", "tv", "t.v.", "tillsv", "tillsvidareanställning", "until further notice", "permanent", "open", "open-ended", "-", "--", "–", "—", "n/a", "na", "#n/a", "null", "(null)", "none", "nil", "ingen", "inget", "saknas", "ej satt", "0", "0000-00-00", "00000000"}

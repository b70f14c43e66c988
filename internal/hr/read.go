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
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/sheet"
)

// Row is what a source states about one employment and its person.
type Row struct {
	Line          int // or record, from 1
	PersonKey     string
	EmploymentKey string
	Person        identity.PersonFacts
	Start, End    identity.Date
	Leave         identity.Leave // the zero leave means none
	SponsorKey    string
	// ValidFrom is the first day of the terms; empty when the source does not
	// state it, which means the day of the import.
	ValidFrom identity.Date
	Terms     identity.Terms // without From
	// Stamp orders the source's statements; empty when it has none.
	Stamp string
	// Removed reports that the source withdraws the employment.
	Removed bool
	// unprotected reports an explicit statement that the identity is not
	// protected; an empty cell is none.
	unprotected bool
	// endColumn is the column of the end, when the end is more than a day before
	// the start.
	endColumn int
	// endEmpty and percentEmpty: it has no end and no percent, whatever stands for them.
	endEmpty, percentEmpty bool
	// percentShare: its percent, which stands at shareColumn in its line, is more likely
	// a share of one, as 0.5 for 50.
	percentShare bool
	shareColumn  int
	// startHeld: it moves the start of an employment that runs into the future, so
	// that it says what holds of its person only, until a person decides.
	startHeld bool
}

// cancelled reports whether the row cancels the employment: it ends before it
// starts, by convention on the day before.
func (r Row) cancelled() bool { return r.End != "" && r.End < r.Start }

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
		return nil, diagnostic.Problem{File: file, Text: "it contains no record: an export has one for each employment"}
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
			p.problem(bad.Line, bad.Column, "", "", "the row cannot be read (%s); the person concerned is not changed, and no employment ends by this import", bad.Text)
		case err != nil:
			var whole diagnostic.Problem
			if errors.As(err, &whole) {
				return nil, whole
			}
			return nil, diagnostic.Problem{File: file, Text: "it cannot be read to the end: " + err.Error()}
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
		return nil, diagnostic.Problem{File: file, Sheet: s.Tab(), Line: p.first.Line, Column: p.first.Column, Text: fmt.Sprintf("there are more than %d problems, and nothing of it was imported; the first one: %s", sheet.MostProblems, p.first.Text)}
	}
	if more := p.warnings - sheet.MostProblems; more > 0 {
		p.export.Problems = append(p.export.Problems, diagnostic.Problem{File: file, Warning: true, Text: fmt.Sprintf("there are %d more warnings of the same kinds", more)})
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
	column      int
	text, value string
}

// readHeader finds the columns; first is the row after the header.
func (p *parser) readHeader(header, first, attributes []string) error {
	refuse := func(text string, names []string) error {
		refused := diagnostic.Problem{File: p.file, Sheet: p.sheet.Tab(), Line: p.sheet.HeaderLine(), Text: text, Value: listColumns(names)}
		if p.source.Format != "fixed" && p.source.Format != "xml" && slices.ContainsFunc(header, sheet.LooksLikeData) { // which must not be told as a column's name
			refused.Text, refused.Value = "the first line looks like a row: it has to hold the names of the columns, and each row a line of its own (hr.sources."+p.source.Name+".header_row says which line has the names)", ""
		}
		return refused
	}
	p.columns, p.names, p.free, p.warned = map[string]int{}, map[string]string{}, map[string]int{}, map[string]bool{}
	p.made, p.otherwise, p.now = map[string]columnValue{}, map[string]columnValue{}, map[string]string{}
	at := map[string]int{}
	p.constants = map[string]string{}
	for column, v := range p.source.Constants {
		p.constants[column] = identity.CleanText(v)
	}
	for i, name := range header {
		name = identity.CleanText(name)
		if lower := strings.ToLower(name); slices.Contains(config.Canonical, lower) {
			name = lower // End_Date is end_date
		}
		p.header = append(p.header, name)
		if first, ok := at[name]; ok && name != "" {
			return refuse(fmt.Sprintf("the columns %d and %d have the same name: give each its own", first+1, i+1), []string{name})
		}
		at[name] = i
	}
	if text := p.unmapped(header, first, attributes); text != "" {
		return diagnostic.Problem{File: p.file, Sheet: p.sheet.Tab(), Line: p.sheet.HeaderLine(), Text: text}
	}
	for _, canonical := range config.Canonical {
		if err := p.readColumn(canonical, at, header, refuse); err != nil {
			return err
		}
	}
	for _, canonical := range requiredColumns {
		_, there := p.columns[canonical]
		if _, constant := p.source.Constants[canonical]; !there && !constant {
			text := fmt.Sprintf("there is no column %s among the %d of the first line (%s)", canonical, len(header), seeValues)
			if p.source.Format == "xml" {
				text = fmt.Sprintf("no record has %s", canonical)
			} else if len(header) == 1 {
				text += " (check hr.sources." + p.source.Name + ".delimiter)"
			}
			return refuse(text+": map it under hr.sources."+p.source.Name+".columns", header)
		}
	}
	for _, name := range attributes {
		if err := p.readColumn(name, at, header, refuse); err != nil {
			return err
		}
	}
	for _, skip := range p.source.Skip {
		i, ok := p.findColumn(skip.Column, at)
		if !ok {
			return refuse(fmt.Sprintf("%s, of which hr.sources.%s.skip names values; there are %d others (%s)", p.missingColumn(skip.Column), p.source.Name, len(header), seeValues), header)
		}
		values := make([]string, len(skip.Values))
		for k, v := range skip.Values {
			values[k] = identity.CleanText(v)
		}
		p.skipped = append(p.skipped, skipRule{i, values})
	}
	return nil
}

// unmapped says what to do about a header that has none of the columns that are looked
// for; empty when it has one. The header's names are told where it is one without doubt:
// the row after it has values, and it has none, which may be personal.
func (p *parser) unmapped(header, first, attributes []string) string {
	if p.source.Format == "xml" || p.source.Format == "fixed" || len(header) < 3 || slices.ContainsFunc(header, sheet.LooksLikeData) || !slices.ContainsFunc(first, sheet.LooksLikeData) {
		return ""
	}
	for _, name := range p.source.ColumnNames(attributes) {
		if _, found := sheet.FindName(header, name); found {
			return ""
		}
	}
	names := slices.DeleteFunc(slices.Clone(p.header), func(name string) bool { return name == "" })
	if len(names) == 0 {
		return ""
	}
	text := fmt.Sprintf("it has none of the columns that are looked for, but %s: say under hr.sources.%s.columns which of them is person_id, employment_id, given_name, family_name, start_date and so on, as columns: {person_id: %s}", listColumns(names), p.source.Name, quoteYAML(names[0]))
	if p.sheet.Tab() != "" {
		text += fmt.Sprintf(" (hr.sources.%s.sheet names another sheet)", p.source.Name)
	}
	return text
}

// seeValues says how what is not told can be seen.
const seeValues = "behov hr import --show-values lists them"

// listColumns lists columns, up to a readable length: a file that is no export
// may have a name of a megabyte.
func listColumns(header []string) string {
	const most = 1000
	text := identity.CleanText(strings.Join(header, ", "))
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + fmt.Sprintf("… (%d columns)", len(header))
}

func (p *parser) warn(line int, person, format string, args ...any) {
	p.warnAt(line, 0, person, "", format, args...)
}

// warnAt is warn of a value at a column.
func (p *parser) warnAt(line, column int, person, value, format string, args ...any) {
	if p.warnings++; p.warnings > sheet.MostProblems {
		return // counted only
	}
	warning := p.newProblem(line, column, person, strings.Clone(value), format, args...)
	warning.Warning = true
	p.export.Problems = append(p.export.Problems, warning)
}

func (p *parser) problem(line, column int, person, value, format string, args ...any) {
	if p.errors++; p.errors > sheet.MostProblems {
		return // nothing is imported
	}
	problem := p.newProblem(line, column, person, value, format, args...)
	if p.errors == 1 {
		p.first = problem
	}
	p.export.Problems = append(p.export.Problems, problem)
}

// newProblem returns a problem. Its arguments must not contain values of the
// file: a row that is shifted by a column has a name where a key or a date should
// be.
func (p *parser) newProblem(line, column int, person, value, format string, args ...any) diagnostic.Problem {
	return diagnostic.Problem{File: p.file, Sheet: p.export.Sheet, Line: line, Column: column, Text: fmt.Sprintf(format, args...), Value: valueOf(person, value)}
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

// row parses one row. It reports every bad field, without its value when that is
// personal.
func (p *parser) row(line int, fields []string) {
	row := Row{Line: line}
	bad := false
	unusable := p.cleanFields(fields)
	get := func(column string) string { return p.valueOf(column, fields) }
	p.renderValues(fields)
	if p.isHeader(fields) {
		p.export.Unattributed++
		p.problem(line, 0, "", "", "the line has the names of columns again, as if two exports were in one file: export it again, or delete the line; no employment ends by this import")
		return
	}
	lost := func(column string) bool { // it has an unusable value
		return slices.ContainsFunc(p.fieldsOf(column), func(i int) bool { return unusable[i] != "" })
	}
	fail := func(column, format string, args ...any) {
		bad = true
		at, value := 0, ""
		i, ok := p.columns[column]
		if !ok {
			i, ok = p.free[column]
		}
		if ok && i < len(fields) {
			at, value = p.sheet.Column(i), strings.Clone(fields[i])
		}
		p.wrong = append(p.wrong, fault{at, fmt.Sprintf("column %s: %s", defaultString(p.names[column], column), fmt.Sprintf(format, args...)), value})
	}
	date := func(column string) identity.Date {
		v := get(column)
		if v == "" {
			return ""
		}
		d, uneven, err := parseDate(p.source, v)
		if setting := p.noEnd(column, v); err != nil && setting != "" {
			fail(column, "it is not a date; if it says that there is none, add under hr.sources.%s: %s", p.source.Name, setting)
		} else if err != nil {
			fail(column, "%v", err)
		}
		if uneven {
			p.uneven(line, column)
		}
		return identity.Date(p.intern(string(d)))
	}
	clone := func(column string) string { return strings.Clone(get(column)) }
	common := func(column string) string { return p.intern(get(column)) } // repeated in many rows

	row.PersonKey, row.EmploymentKey = clone("person_id"), clone("employment_id")
	for i, key := range []*string{&row.PersonKey, &row.EmploymentKey} {
		if *key == tooLongMarker {
			*key = ""
		} else if isPlaceholder(*key) {
			*key = ""
			fail(requiredColumns[i], "it is a placeholder, such as NULL or -, and no value: correct it in HR, or in the export")
		}
	}
	told := map[int]bool{} // a field from which several columns are read is reported once
	for _, column := range slices.Concat(p.read, p.own) {
		for _, i := range p.fieldsOf(column) {
			if why := unusable[i]; why != "" && !told[i] {
				fail(column, "%s", why)
				p.wrong[len(p.wrong)-1].column = p.sheet.Column(i) // of several that it is made of
				told[i] = true
			}
		}
		if v := get(column); v == tooLongMarker {
			fail(column, "what its template makes is longer than %d characters", maxFieldLength)
		} else if _, canonical := p.export.Filled[column]; canonical && v != "" {
			p.export.Filled[column]++
		}
	}
	for _, s := range p.skipped { // the row may be none
		if why := unusable[s.field]; why != "" && !told[s.field] {
			told[s.field] = true
			p.wrong = append(p.wrong, fault{p.sheet.Column(s.field), fmt.Sprintf("column %s, by which rows are skipped: %s", p.header[s.field], why), ""})
		}
	}
	if len(fields) < len(p.columns) && len(fields) <= slices.Max(columnsOf(p.columns)) {
		bad = true
		p.export.Unattributed++ // what is missing after the truncation could be of any person
		p.wrong = append(p.wrong, fault{0, fmt.Sprintf("the row has %d fields and its columns need %d: it is cut short or has a wrong delimiter; no employment ends by this import", len(fields), slices.Max(columnsOf(p.columns))+1), ""})
	}
	needed := requiredColumns[:2]
	if p.source.SCIM { // a client clears a name only by mistake
		needed = requiredColumns[:4]
	}
	for _, column := range needed {
		if get(column) == "" && !lost(column) {
			fail(column, "it is empty")
		}
	}
	if !p.source.SCIM && get("given_name") == "" && get("family_name") == "" && !lost("given_name") && !lost("family_name") { // some people have a single name
		fail("given_name", "it is empty, and so is the family_name: a person has one of them at least")
	}
	row.Person = identity.PersonFacts{GivenName: common("given_name"), FamilyName: common("family_name"), NationalID: clone("national_id"), Email: clone("email"), Phone: clone("phone")}
	if n, ok := identity.NationalID(row.Person.NationalID, p.today); ok {
		row.Person.NationalID = n
	} else if row.Person.NationalID != "" && !p.warned[row.PersonKey] {
		p.warned[row.PersonKey] = true
		p.warn(line, row.PersonKey, "column %s: it is no personal identity or coordination number (its day or its check digit is wrong), and is not used to match people", defaultString(p.names["national_id"], "national_id"))
	}
	row.Terms = identity.Terms{Unit: common("unit"), JobCode: common("job_code"), JobTitle: common("job_title"), Type: common("employment_type"), ManagerKey: common("manager_id")}
	row.Start, row.End, row.ValidFrom, row.SponsorKey = date("start_date"), date("end_date"), date("valid_from"), clone("sponsor_id")
	row.Leave = identity.Leave{Start: date("leave_start"), End: date("leave_end")}
	if get("start_date") == "" && !lost("start_date") {
		fail("start_date", "it is empty")
	}
	if i, ok := p.columns["end_date"]; ok && i < len(fields) && row.cancelled() && row.End != row.Start.AddDays(-1) {
		row.endColumn = p.sheet.Column(i)
	}
	if row.Leave.End != "" && row.Leave.End < row.Leave.Start {
		fail("leave_end", "it is before the leave's start")
	}
	if row.Leave.Start == "" && row.Leave.End != "" {
		fail("leave_start", "the leave has an end and no start")
	}
	row.endEmpty, row.percentEmpty = row.End == "" && !lost("end_date"), get("employment_percent") == "" && !lost("employment_percent")
	p.checkContract(&row, fail)
	if v := get("changed_at"); v != "" {
		var err error
		if row.Stamp, err = sortableStamp(v); err != nil {
			fail("changed_at", "%v", err)
		}
		row.Terms.Stamp = row.Stamp
	}
	if u := row.Terms.Unit; u != "" && p.units.Len() > 0 && !p.units.Has(u) {
		fail("unit", "the unit does not exist: add it to the units file, or correct it in HR; the person is not changed until then")
	}
	if v := get("employment_percent"); v != "" {
		percent, ok := decimal(strings.TrimSpace(strings.TrimSuffix(v, "%")))
		if !ok || percent > 100 {
			fail("employment_percent", "it is not a number from 0 to 100")
		}
		sign := strings.HasSuffix(v, "%")
		p.fractions.add(line, percent, sign)
		row.Terms.Percent, row.percentShare = percent, !sign && percent > 0 && percent < 1
		if i, ok := p.columns["employment_percent"]; ok && row.percentShare {
			row.shareColumn = p.sheet.Column(i)
		}
	}
	yes := func(column string) bool {
		v := get(column)
		if !isYes(v) && !isNo(v) {
			fail(column, "it is neither yes nor no")
		}
		return isYes(v)
	}
	row.Terms.Main, row.Removed = yes("main"), yes("removed")
	row.Person.Protected, row.unprotected = p.protected(line, fields, row.PersonKey)
	for _, name := range p.own {
		if v := clone(name); v != "" {
			if row.Terms.Attributes == nil {
				row.Terms.Attributes = map[string]string{}
			}
			row.Terms.Attributes[name] = v
		}
	}
	if row.Person.Protected && row.PersonKey != "" {
		p.export.Protected[row.PersonKey] = true // also in a bad row
	}
	bad = bad || len(p.wrong) > 0
	if extra := fields[min(p.width, len(fields)):]; !isBlankRow(extra) && p.sheet.Tab() == "" { // the fields are shifted
		bad = true
		p.wrong = append(p.wrong[:0], fault{0, fmt.Sprintf("the row has %d fields, and there are %d columns: put a value that has the delimiter in it in quotes, or export the file again", len(fields), p.width), ""})
	}
	if setting := p.totalsRow(fields); bad && setting != "" {
		p.wrong = append(p.wrong[:0], fault{0, fmt.Sprintf("it looks like a row of totals: add under hr.sources.%s: %s", p.source.Name, setting), ""})
	}
	p.reportRowFaults(row)
	if bad {
		if row.cancelled() && row.PersonKey != "" && row.EmploymentKey != "" {
			p.export.Cancelled[row.EmploymentKey] = row.PersonKey
		}
		p.markBadRow(row)
		return
	}
	p.export.Rows = append(p.export.Rows, row)
}

// isHeader reports whether a row has column names where its keys are.
func (p *parser) isHeader(fields []string) bool {
	for _, column := range []string{"person_id", "employment_id"} {
		i, ok := p.columns[column]
		if !ok || i >= len(fields) || !slices.ContainsFunc(p.header, func(name string) bool { return name != "" && strings.EqualFold(name, fields[i]) }) {
			return false
		}
	}
	return true
}

// isPlaceholder reports whether a key is what databases and spreadsheets write
// for a missing value.
func isPlaceholder(key string) bool {
	return slices.Contains([]string{"-", "--", "null", "(null)", "<null>", "\\n", "nil", "none", "n/a", "#n/a", "#ref!", "#value!", "#name?", "nan", "undefined"}, strings.ToLower(key))
}

// cleanFields converts fields to canonical text, and returns why a field is
// unusable. It empties fields that are too long or have lost characters.
func (p *parser) cleanFields(fields []string) map[int]string {
	var all map[int]string
	why := func(i int, text string) {
		if all == nil {
			all = map[int]string{}
		}
		all[i] = text
	}
	for i, v := range fields[:min(len(fields), p.width)] {
		switch no := sheet.WithoutValue(p.sheet, i, v); {
		case no != "":
			why(i, no)
			fields[i] = ""
			continue
		case len(v) > maxFieldLength && utf8.RuneCountInString(v) > maxFieldLength:
			why(i, fmt.Sprintf("it is longer than %d characters", maxFieldLength))
			fields[i] = ""
			continue
		case !utf8.ValidString(v) || strings.ContainsRune(v, utf8.RuneError):
			why(i, "it has a character that was lost on the way (it is not UTF-8): correct it in HR, or export it as UTF-8")
			fields[i] = ""
			continue
		case strings.Contains(v, "\x00"):
			why(i, "it has a NUL byte in it, where a character was lost: correct it in HR, or export it again")
			fields[i] = ""
			continue
		case strings.ContainsFunc(v, unicode.IsControl):
			why(i, "it has a line break or another control character in it")
		case p.isName(i):
			if hidden, found := identity.HiddenInName(v); found {
				why(i, fmt.Sprintf("it has the invisible character %U in it, which can make a name look like another: delete the name in HR and type it again", hidden))
			}
		}
		fields[i] = identity.CleanText(v)
	}
	return all
}

// noDateWords are what exports write for a date that is unknown or never comes,
// in lower case.
var noDateWords = []string{"tillsvidare", "tills vidare", "tv", "t.v.", "tillsv", "tillsvidareanställning", "until further notice", "permanent", "open", "open-ended", "-", "--", "–", "—", "n/a", "na", "#n/a", "null", "(null)", "none", "nil", "ingen", "inget", "saknas", "ej satt", "0", "0000-00-00", "00000000"}

// noEnd returns the setting by which a value is read as no date; empty for a
// value that is more likely a mistake.
func (p *parser) noEnd(column, value string) string {
	if column == "start_date" || !slices.Contains(noDateWords, strings.ToLower(value)) {
		return ""
	}
	list := func(values []string) string {
		all := make([]string, len(values))
		for i, v := range values {
			all[i] = quoteYAML(v)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	if len(p.source.Empty.Dates) > 0 { // a list cannot stand beside a mapping
		return "empty: " + list(append(slices.Clone(p.source.Empty.Dates), value))
	}
	columns := maps.Clone(p.source.Empty.Columns)
	if columns == nil {
		columns = map[string][]string{}
	}
	columns[column] = append(slices.Clone(columns[column]), value)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		parts = append(parts, name+": "+list(columns[name]))
	}
	return "empty: {" + strings.Join(parts, ", ") + "}"
}

// isName reports whether the i-th field is a part of a person's name.
func (p *parser) isName(i int) bool {
	return slices.Contains(p.fieldsOf("given_name"), i) || slices.Contains(p.fieldsOf("family_name"), i)
}

// checkContract checks the columns of contracts that need a sponsor.
func (p *parser) checkContract(row *Row, fail func(column, format string, args ...any)) {
	c := p.source.Contracts
	if !c.Sponsored || row.Start == "" {
		return
	}
	if row.SponsorKey == "" {
		fail("sponsor_id", "it is empty: a contract needs a sponsor who is employed")
	}
	if row.End == "" {
		row.End = row.Start.AddDays(c.DefaultDays)
	}
	if most := max(row.Start, p.today).AddDays(c.MostDays); row.End > most {
		fail("end_date", "it is more than %d days after the start, or after today where that is later: end it earlier, and prolong it when it is still needed", c.MostDays)
	}
}

// sortableStamp converts an instant or a sequence number into a sortable form.
func sortableStamp(v string) (string, error) {
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		return fmt.Sprintf("n%020d", n), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC().Format("t20060102150405.000000000"), nil
		}
	}
	return "", errors.New("it is neither an instant, as 2026-11-23T14:00:00Z, nor a whole number that grows")
}

// decimal parses decimal digits, optionally with a comma or a point. The other
// forms of a float (NaN, 1e3, 0x10) are mistakes here.
func decimal(v string) (float64, bool) {
	whole, fraction, parted := strings.Cut(strings.Replace(v, ",", ".", 1), ".")
	if len(v) > 20 || whole == "" || parted && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(whole+"."+defaultString(fraction, "0"), 64)
	return n, err == nil
}

// intern returns the one copy of a text that many rows share.
func (p *parser) intern(v string) string {
	if v == "" {
		return ""
	}
	if same, ok := p.texts[v]; ok {
		return same
	}
	v = strings.Clone(v)
	p.texts[v] = v
	return v
}

func isYes(v string) bool {
	return slices.Contains([]string{"1", "true", "yes", "y", "ja", "j", "sant", "x"}, strings.ToLower(v))
}

func isNo(v string) bool {
	return slices.Contains([]string{"", "0", "false", "no", "n", "nej", "falskt"}, strings.ToLower(v))
}

// parseDate parses a date in the source's formats; for uneven see
// identity.DateReader.Parse.
func parseDate(source config.Source, v string) (d identity.Date, uneven bool, err error) {
	d, uneven, err = source.Dates.Parse(v)
	switch {
	case err == nil || source.SCIM: // a client has no other format to choose
		return d, uneven, err
	case errors.Is(err, identity.ErrSerialDate):
		return "", false, fmt.Errorf("%w: format the column as a date in the spreadsheet, or list EXCEL under hr.sources.%s.date_format", err, source.Name)
	}
	return "", false, fmt.Errorf("%w: hr.sources.%s.date_format says how yours are written", err, source.Name)
}

// unevenDates are the rows in which a column has a time of day other than
// midnight.
type unevenDates struct{ line, rows int }

func (p *parser) uneven(line int, column string) {
	u := p.unevens[column]
	if u == nil {
		u = &unevenDates{line: line}
		p.unevens[column] = u
	}
	u.rows++
}

// warnUneven warns of such times of day, once for each column.
func (p *parser) warnUneven() {
	for _, column := range config.Canonical {
		if u := p.unevens[column]; u != nil {
			p.warn(u.line, "", "column %s: the time of day is not midnight (in %d rows, this one is the first), and the day is that in the organisation's time zone: check that it is the intended day, or export dates, or instants at midnight", defaultString(p.names[column], column), u.rows)
		}
	}
}

// fractions are the percent values that can only be fractions of one: 0.25 for
// 25.
type fractions struct {
	line, rows int  // the first one, and their number
	percent    bool // the column has a value that can only be a percentage
}

func (f *fractions) add(line int, v float64, sign bool) {
	switch {
	case sign || v > 1:
		f.percent = true
	case v > 0 && v < 1:
		if f.rows++; f.rows == 1 {
			f.line = line
		}
	}
}

// leaveOutFractions leaves out the rows with a percent value when the column has
// fractions of one: a 1 in it means full time, and would be read as one percent.
func (p *parser) leaveOutFractions() {
	shown := defaultString(p.names["employment_percent"], "employment_percent")
	if p.fractions.percent {
		for _, r := range p.export.Rows {
			if !r.percentShare {
				continue
			}
			p.warnAt(r.Line, r.shareColumn, r.PersonKey, "", "column %s: it is between 0 and 1, and other rows have percent: it looks like a share of one (0.5 for 50); an employment that is known keeps the percent it has, a new one gets what stands there: correct it in HR, or write it with a percent sign if it is meant", shown)
		}
		return
	}
	if p.fractions.rows == 0 {
		return
	}
	n := 0
	p.export.Rows = slices.DeleteFunc(p.export.Rows, func(r Row) bool {
		is := r.Terms.Percent > 0
		if is {
			n++
			p.markBadRow(r)
		}
		return is
	})
	column := 0
	if i, ok := p.columns["employment_percent"]; ok && p.sheet.Tab() != "" {
		column = p.sheet.Column(i)
	}
	p.problem(p.fractions.line, column, "", "", "column %s: no value in it is above 1, and %d are between 0 and 1 (this line has the first): they look like shares of one, and 1 would be read as 1 percent; the %d rows that have a value there are left out, and whoever they are about stays as they are: export percent, as 25 for 0.25, or give the cells a percent format", shown, p.fractions.rows, n)
}

func columnsOf(m map[string]int) []int {
	var all []int
	for _, i := range m {
		all = append(all, i)
	}
	return all
}

// markBadRow records the people and employments that a bad row concerns.
func (p *parser) markBadRow(row Row) {
	if row.PersonKey != "" {
		p.export.BadPeople[row.PersonKey] = true
	}
	if row.EmploymentKey != "" {
		p.export.BadEmployments[row.EmploymentKey] = true
	}
	switch {
	case row.PersonKey == "" && row.EmploymentKey == "":
		p.export.Unattributed++
	case row.PersonKey == "":
		p.export.Ownerless = append(p.export.Ownerless, row.EmploymentKey)
	}
}

// removeDuplicates leaves out rows that contradict each other, and drops exact
// repetitions. An employment may have several rows with different valid_from.
func (p *parser) removeDuplicates() {
	type slot struct {
		employment string
		from       identity.Date
		stamp      string // of a delta, which may list one after the other
	}
	rows := p.export.Rows
	kept := rows[:0]
	at, first := make(map[slot]int, len(rows)), make(map[string]int, len(rows)) // indexes into kept
	wrong := map[string]bool{}
	clash := func(a, b Row, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if a.PersonKey != b.PersonKey && !p.source.SCIM {
			text = "it is another person's there, and all its rows are left out; " + p.perPersonAdvice()
		}
		p.problem(b.Line, 0, b.PersonKey, b.EmploymentKey, "the employment_id is in line %d too and says otherwise: %s", a.Line, text)
		wrong[b.EmploymentKey] = true
		p.markBadRow(a)
		p.markBadRow(b)
	}
	for _, row := range rows {
		s := slot{employment: row.EmploymentKey, from: row.ValidFrom}
		if p.export.Partial {
			s.stamp = row.Stamp
		}
		same, twice := at[s]
		before, again := first[row.EmploymentKey]
		again = again && (!p.export.Partial || kept[before].Stamp == row.Stamp)
		switch {
		case twice && kept[same].sameContent(row):
			p.export.Repeated++
			continue
		case twice:
			clash(kept[same], row, "all its rows are left out")
		case again && kept[before].differsLastingly(row):
			clash(kept[before], row, "rows of one employment that hold from different days have one person, one start and one end; all are left out")
		case again && (row.ValidFrom == "") != (kept[before].ValidFrom == "") && !p.export.Partial:
			clash(kept[before], row, "either all rows of an employment have a valid_from, or there is one; all are left out")
		}
		at[s] = len(kept)
		if _, ok := first[row.EmploymentKey]; !ok {
			first[row.EmploymentKey] = len(kept)
		}
		kept = append(kept, row)
	}
	if len(wrong) > 0 {
		kept = slices.DeleteFunc(kept, func(r Row) bool { return wrong[r.EmploymentKey] })
	}
	people := make(map[string]int, len(kept))
	for i, row := range kept {
		of, ok := people[row.PersonKey]
		if !ok {
			people[row.PersonKey] = i
		} else if first := kept[of]; first.Person != row.Person && first.Stamp == row.Stamp && !p.export.BadPeople[row.PersonKey] {
			p.problem(row.Line, 0, row.PersonKey, "", "the person's own columns differ from those in line %d: the person stays as they are until both say the same", first.Line)
			p.export.BadPeople[row.PersonKey] = true
		}
	}
	p.export.Rows = kept
}

// differsLastingly reports whether two rows of one employment differ in columns
// that do not depend on valid_from.
func (r Row) differsLastingly(s Row) bool {
	return r.PersonKey != s.PersonKey || r.Start != s.Start || r.End != s.End || r.SponsorKey != s.SponsorKey
}

// sameContent reports whether two rows state the same.
func (r Row) sameContent(s Row) bool {
	return r.PersonKey == s.PersonKey && r.Person == s.Person && r.Start == s.Start && r.End == s.End && r.Leave == s.Leave && r.SponsorKey == s.SponsorKey &&
		r.Removed == s.Removed && r.Stamp == s.Stamp && r.Terms.Same(s.Terms)
}

func defaultString(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

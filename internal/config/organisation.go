package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/sheet"
)

// misleading reports whether a character would make a name read as another, or as several lines.
func misleading(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

func (l *loader) catalogue(file string, c *Config, controls []control) policy.Catalogue {
	var y catalogueYAML
	doc := l.yaml(file, &y)
	var out policy.Catalogue
	if doc == nil {
		return out
	}
	natives := map[[2]string]policy.Entitlement{} // by target, and native name as targets compare it
	for _, id := range sortedKeys(y.Systems) {
		s := y.Systems[id]
		checkName(doc, "$.systems."+quoteKey(id), "a system", id)
		for _, text := range []*string{&s.Name, &s.Owner, &s.Classification.Note, &s.Target} {
			*text = identity.CleanText(*text)
		}
		system := policy.System{ID: id, Name: or(s.Name, id), Owner: l.person(doc, "$.systems."+quoteKey(id)+".owner", s.Owner, c),
			Deputies: l.people(doc, "$.systems."+quoteKey(id)+".deputies", s.Deputies, c), Note: s.Classification.Note,
			Class: class(doc, "$.systems."+quoteKey(id)+".classification", s.Classification), Suppliers: suppliers(doc, "$.systems."+quoteKey(id)+".suppliers", s.Suppliers), DataIn: s.DataIn}
		for i, country := range s.DataIn {
			if !countryCode.MatchString(country) {
				doc.report(fmt.Sprintf("$.systems.%s.data_in[%d]", quoteKey(id), i), "a country is two capital letters, as SE")
			}
		}
		system.Controls = controlsOf(controls, system)
		out.Systems = append(out.Systems, system)
		for _, name := range sortedKeys(s.Entitlements) {
			at := "$.systems." + quoteKey(id) + ".entitlements." + quoteKey(name)
			y := s.Entitlements[name]
			checkName(doc, at, "an entitlement", name)
			y.Name, y.Target = identity.CleanText(y.Name), identity.CleanText(y.Target)
			e := policy.Entitlement{ID: policy.EntitlementID(id + ":" + name), Name: or(y.Name, name), System: id, Target: or(y.Target, s.Target),
				Native: or(y.Native, name), MFA: y.MFA, Controls: system.Controls, Authoritative: y.Authoritative,
				Purpose: identity.CleanText(y.Purpose), Requesting: policy.Requesting{Allowed: y.Requestable, Emergency: y.Emergency}}
			e.Group = l.managedGroup(doc, at+".group", y.Group, e, c)
			if e.NeedsMFA() != "" && l.noMFATarget {
				doc.add(at, diagnostic.Problem{File: doc.file, Warning: true, Text: fmt.Sprintf("entitlement %s waits for MFA (mfa: true, or a control), and no target says who is enrolled, so that no one gets it: name one under mfa.target in %s", e.ID, File)})
			}
			if missing := missingApprover(system, e); missing != "" {
				doc.add(at, diagnostic.Problem{File: doc.file, Warning: true, Text: fmt.Sprintf("entitlement %s can be requested, and %s: until then only who may approve in an approver's place does", e.ID, missing)})
			}
			if _, ok := c.Target(e.Target); !ok {
				doc.report(at, "entitlement %s: there is no target %q in %s", e.ID, e.Target, File)
			}
			if strings.ContainsFunc(e.Native, misleading) {
				doc.report(at+".native", "entitlement %s: native is %q, with a control character or one that turns the direction of writing: no group is called that; remove it", e.ID, e.Native)
			}
			key := [2]string{e.Target, connectors.MatchIgnoreCase.Canonical([]string{identity.CleanText(e.Native)})[0]}
			if other, ok := natives[key]; ok && other.Native == e.Native {
				doc.report(at, "entitlements %s and %s are both %q in target %s: give each its own", other.ID, e.ID, e.Native, e.Target)
			} else if ok {
				doc.report(at, "entitlement %s is %q in target %s, and entitlement %s is %q there: names that differ only in case, white space or invisible characters are the same to a target; give each its own", e.ID, e.Native, e.Target, other.ID, other.Native)
			}
			natives[key] = e
			out.Entitlements = append(out.Entitlements, e)
		}
	}
	if len(out.Entitlements) == 0 {
		doc.report("$.systems", "there is no entitlement: add entitlements to a system, as behov grants nothing else")
	}
	out.Sort()
	return out
}

// managedGroup returns the group that behov creates for an entitlement; nil for none.
func (l *loader) managedGroup(doc *document, at string, y *groupYAML, e policy.Entitlement, c *Config) *policy.ManagedGroup {
	if y == nil {
		return nil
	}
	g := &policy.ManagedGroup{Owner: l.person(doc, at+".owner", identity.CleanText(y.Owner), c), Purpose: or(identity.CleanText(y.Purpose), or(e.Purpose, e.Name)), Retire: policy.Retirement(y.Retire)}
	switch g.Retire {
	case "", policy.RetireEmpty, policy.RetireDelete:
	default:
		doc.report(at+".retire", "%q is not a way to retire a group: empty keeps it without members, delete deletes it once no one is in it", y.Retire)
	}
	if g.Retire != "" && e.Requesting != (policy.Requesting{}) {
		doc.report(at+".retire", "entitlement %s is retired and can be requested: remove requestable and emergency", e.ID)
	}
	if t, ok := c.Target(e.Target); ok {
		if _, manual := t.Manual(); manual {
			doc.report(at, "target %s is changed by people: behov cannot create groups there; remove group", e.Target)
		}
	}
	return g
}

// missingApprover returns which approver of an entitlement that can be requested its system does
// not name, and what to do; empty when it names all.
func missingApprover(s policy.System, e policy.Entitlement) string {
	if e.Requesting == (policy.Requesting{}) {
		return ""
	}
	approvers := e.Controls.ApproversOf()
	switch {
	case s.Owner == "" && slices.ContainsFunc(approvers, func(a policy.Approver) bool { return a != policy.ManagerApprover }):
		return "its system has no owner who approves: name one under owner"
	case len(s.Deputies) == 0 && slices.Contains(approvers, policy.SecondOwnerApprover):
		return "its class asks for a second owner: name a deputy under deputies"
	}
	return ""
}

// unitsYAML is HR's own export of the units.
type unitsYAML struct {
	WrittenYAML `yaml:",inline"`

	// File is HR's export of the units. It may have more columns than those of units.
	File string `yaml:"file"`
}

// unitColumns are those of the units file; the first two are required.
var unitColumns = []string{"unit", "parent", "name", "from", "until", "successor"}

const ownUnits = "units.csv"

// units reads the organisation tree, from behov's own file or from HR's.
func (l *loader) units(doc *document, own string, y *unitsYAML) *identity.Units {
	if y == nil {
		file := l.or(l.instead.Units, or(own, ownUnits))
		l.checkPermissions(file)
		return l.unitsFrom(file, sheet.Layout{Format: "csv", Encoding: "utf-8", Comment: '#', Columns: unitColumns}, nil, WrittenYAML{}, identity.DateReader{})
	}
	const at = "$.hr.units"
	if own != "" {
		doc.report("$.files.units", "hr.units and files.units are both set: remove one of them")
	}
	if y.File == "" {
		doc.report(at, "file is missing: where HR's export of the units is")
		return &identity.Units{}
	}
	layout := layoutOf(doc, at, y.Format, y.Encoding, y.Delimiter)
	layout.HeaderRow, layout.TabName = y.HeaderRow, y.Sheet
	y.check(doc, at, unitColumns)
	for _, column := range sortedKeys(y.Columns) {
		if !slices.Contains(unitColumns, column) {
			doc.report(at+".columns", "there is no column %q to map: there are %s", column, strings.Join(unitColumns, ", "))
		}
	}
	columns := map[string]string{}
	for _, column := range unitColumns {
		columns[column] = or(identity.CleanText(y.Columns[column]), column)
		layout.Columns = append(layout.Columns, columns[column])
	}
	if layout.Format == "xml" || layout.Format == "fixed" {
		doc.report(at+".format", "units are read from CSV, JSON, JSON Lines and workbooks, not from %s", layout.Format)
		return &identity.Units{}
	}
	for _, skip := range y.Skip {
		layout.Columns = append(layout.Columns, skip.Column)
	}
	return l.unitsFrom(l.or(l.instead.Units, y.File), layout, columns, y.WrittenYAML, l.dates(doc, at, y.DateFormat))
}

// unitsFrom parses units. Without names for the columns the file is behov's own,
// and other columns are mistakes; HR's file may have more.
func (l *loader) unitsFrom(file string, layout sheet.Layout, names map[string]string, written WrittenYAML, dates identity.DateReader) *identity.Units {
	units := &identity.Units{}
	tab := "" // the sheet of a workbook
	problem := func(line, column int, format string, args ...any) {
		l.problems = append(l.problems, diagnostic.Problem{File: file, Sheet: tab, Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
	}
	because := func(line, column int, k reason.Kind) {
		l.problems = append(l.problems, diagnostic.Problem{File: file, Sheet: tab, Line: line, Column: column, Reason: reason.Of(k)})
	}
	content, ok := l.content(file)
	if !ok {
		return units
	}
	s, warning, err := sheet.Open(file, content, layout)
	if warning != nil {
		l.problems = append(l.problems, *warning)
	}
	var header []string
	if err == nil {
		tab = s.Tab()
		header, err = s.Header()
	}
	if err != nil {
		var p diagnostic.Problem
		if !errors.As(err, &p) {
			p = diagnostic.Problem{File: file, Text: err.Error()}
		}
		l.problems = append(l.problems, p)
		return units
	}
	columns := map[string]int{}
	header = withoutEmptyEnd(header, 0) // as Excel writes it
	for i, name := range header {
		name = identity.CleanText(name)
		_, twice := columns[name]
		if names == nil && (twice || !slices.Contains(unitColumns, name)) {
			problem(s.HeaderLine(), 0, "there is no column %q of a unit: the first line is unit,parent,name, and may go on with from, until and successor", name)
			return units
		}
		columns[name] = i
	}
	before := len(l.problems)
	all := identity.CleanText(strings.Join(header, ", "))
	if len(all) > 1000 { // a file that is no export may have one of a megabyte
		all = strings.ToValidUTF8(all[:1000], "") + "…"
	}
	at := func(column string) (int, bool) {
		name := or(names[column], column)
		if i, ok := columns[name]; ok || names == nil {
			return i, ok
		}
		return sheet.FindName(header, name)
	}
	for _, column := range unitColumns {
		_, there := at(column)
		if _, mapped := names[column]; !there && (column == "unit" || column == "parent" || mapped && names[column] != column) {
			problem(s.HeaderLine(), 0, "there is no column %s; there are %s", or(names[column], column), all)
			return units
		}
	}
	skipped := make([]int, len(written.Skip))
	for i, skip := range written.Skip {
		field, there := columns[identity.CleanText(skip.Column)]
		if !there {
			field, there = sheet.FindName(header, skip.Column)
		}
		if !there && slices.Contains(unitColumns, skip.Column) {
			field, there = at(skip.Column)
		}
		if !there {
			problem(s.HeaderLine(), 0, "there is no column %q, of which hr.units.skip names values; there are %s", skip.Column, all)
			return units
		}
		skipped[i] = field
	}
	empty := written.Empty.values() // a list is for all columns here: none of them has such a text as a value
	lines, days := map[string]int{}, map[identity.Date]bool{}
	for {
		fields, line, err := s.Next()
		if len(l.problems)-before > sheet.MostProblems {
			problem(line, 0, "there are more than %d problems, and the rest was not read: check that it is an export of units", sheet.MostProblems)
			return units
		}
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *sheet.RecordError
		switch {
		case errors.As(err, &bad):
			because(bad.Line, bad.Column, reason.UnitUnreadable{Because: bad.Reason})
			continue
		case err != nil:
			problem(0, 0, "%v", err)
			return units
		case !slices.ContainsFunc(fields, func(v string) bool { return identity.CleanText(v) != "" }):
			continue // an empty line, such as Excel writes
		case names == nil && strings.HasPrefix(strings.TrimSpace(fields[0]), "#"):
			continue // a comment that Excel has quoted
		}
		if skips(written.Skip, skipped, fields) {
			continue
		}
		fields = withoutEmptyEnd(fields, len(header))
		switch {
		case len(fields) != len(header):
			problem(line, 0, "a unit has %d fields (%s), this line has %d", len(header), all, len(fields))
			continue
		}
		get := func(column string) string {
			i, ok := at(column)
			if !ok {
				return ""
			}
			v := identity.CleanText(fields[i])
			if empty.Has(column, v) || slices.ContainsFunc(empty.Dates, func(none string) bool { return strings.EqualFold(none, v) }) {
				return ""
			}
			return v
		}
		date := func(column string) identity.Date {
			if get(column) == "" {
				return ""
			}
			d, _, err := dates.Parse(get(column))
			if err != nil {
				i, _ := at(column)
				problem(line, s.Column(i), "column %s: %v", or(names[column], column), err)
			}
			return d
		}
		if i := slices.IndexFunc(fields, func(v string) bool {
			return !utf8.ValidString(v) || strings.ContainsRune(v, utf8.RuneError) || strings.Contains(v, "\x00")
		}); i >= 0 {
			problem(line, s.Column(i), "column %s: it has a character that was lost on the way (it is not UTF-8, or a NUL byte): correct it, or export it as UTF-8", identity.CleanText(header[i]))
			continue
		}
		without := false
		for _, column := range unitColumns {
			if i, ok := at(column); ok {
				if why := sheet.WithoutValue(s, i, fields[i]); !why.IsZero() {
					because(line, s.Column(i), reason.InColumn{Column: or(names[column], column), Because: why})
					without = true
				}
			}
		}
		if without {
			continue
		}
		lines[get("unit")] = line
		from, until := date("from"), date("until")
		days[from], days[until] = true, true
		if len(lines) > maxUnits || len(lines)*len(days) > maxVersions {
			problem(line, 0, "the organisation has too many units, or too many days on which it changes: at most %d units, and at most %d of units times days", maxUnits, maxVersions)
			return &identity.Units{}
		}
		if err := units.Add(identity.Unit{ID: get("unit"), Parent: get("parent"), Name: get("name"), From: from, Until: until, Successor: get("successor")}); err != nil {
			problem(line, 0, "%v", err)
		}
	}
	if err := units.Check(); err != nil {
		p := diagnostic.Problem{File: file, Text: err.Error()}
		var ue *identity.UnitError
		if errors.As(err, &ue) {
			p.Line = lines[ue.Unit]
		}
		l.problems = append(l.problems, p)
	}
	return units
}

// skips reports whether a row is to be ignored.
func skips(all []Skip, at []int, fields []string) bool {
	for i, skip := range all {
		if at[i] < len(fields) && skip.is(fields[at[i]]) {
			return true
		}
	}
	return false
}

// withoutEmptyEnd returns fields without empty ones at the end, but at least the
// given number.
func withoutEmptyEnd(fields []string, least int) []string {
	for len(fields) > least && identity.CleanText(fields[len(fields)-1]) == "" {
		fields = fields[:len(fields)-1]
	}
	return fields
}

// The limits of the files beside behov.yaml.
const (
	maxFile  = 8 << 20 // bytes
	maxUnits = 50_000
	// maxVersions is the maximum of units, each counted once for every day on
	// which it changes: all are kept in memory.
	maxVersions = 2_000_000
)

func readAtMost(name string, most int64) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file") // reading a pipe may block without end
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("the file has more than %d MiB, which is too large for a configuration", most>>20)
	}
	return b, err
}

func (l *loader) content(file string) ([]byte, bool) {
	if b, given := l.given[file]; given {
		if len(b) > maxFile {
			l.problems = append(l.problems, diagnostic.Problem{File: file, Text: "it is larger than any such file"})
		}
		return b, len(b) <= maxFile
	}
	b, err := readAtMost(l.file(file), maxFile)
	if err != nil {
		text := err.Error()
		if errors.Is(err, os.ErrNotExist) {
			text = "there is no such file in " + l.dir + `: "behov init DIR" writes a configuration to start from, -c DIR names another directory`
		}
		l.problems = append(l.problems, diagnostic.Problem{File: file, Text: text})
		return nil, false
	}
	l.files = append(l.files, Read{Path: l.file(file), Content: b})
	return b, true
}

func (l *loader) read(file string) (string, bool) {
	b, ok := l.content(file)
	if !ok {
		return "", false
	}
	l.checkPermissions(file)
	text := strings.TrimPrefix(string(b), "\ufeff") // a byte order mark
	for n, line := range strings.Split(text, "\n") {
		if !utf8.ValidString(line) {
			l.problems = append(l.problems, diagnostic.Problem{File: file, Line: n + 1, Text: "the file is not UTF-8: save it as UTF-8"})
			return "", false
		}
	}
	return text, true
}

// checkPermissions reports each file that users other than root and our own can
// write, or replace by writing to a parent directory; each place once. It ignores
// files that HR or another system writes.
func (l *loader) checkPermissions(file string) {
	if _, given := l.given[file]; given {
		return
	}
	info, err := os.Stat(l.file(file))
	if err != nil {
		return // reported where it is read
	}
	if err := checkWritable(l.file(file), info); err != nil && !l.permitted[err.Error()] {
		if l.permitted == nil {
			l.permitted = map[string]bool{}
		}
		l.permitted[err.Error()] = true
		l.problems = append(l.problems, diagnostic.Problem{File: file, Text: err.Error()})
	}
}

func (l *loader) yaml(file string, into any) *document {
	text, ok := l.read(file)
	if !ok {
		return nil
	}
	doc, problem := parseYAML(file, text, into)
	if problem != nil {
		l.problems = append(l.problems, *problem)
		return nil
	}
	doc.problems = &l.problems
	return doc
}

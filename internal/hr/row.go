package hr

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
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
		p.problem(line, 0, "", "", reason.Of(reason.HeaderAgain{}))
		return
	}
	lost := func(column string) bool { // it has an unusable value
		return slices.ContainsFunc(p.fieldsOf(column), func(i int) bool { return !unusable[i].IsZero() })
	}
	fail := func(column string, why reason.Reason) {
		bad = true
		at, value := 0, ""
		i, ok := p.columns[column]
		if !ok {
			i, ok = p.free[column]
		}
		if ok && i < len(fields) {
			at, value = p.sheet.Column(i), strings.Clone(fields[i])
		}
		p.wrong = append(p.wrong, fault{at, reason.Of(reason.InColumn{Column: defaultString(p.names[column], column), Because: why}), value})
	}
	date := func(column string) identity.Date {
		v := get(column)
		if v == "" {
			return ""
		}
		d, uneven, why := parseDate(p.source, v)
		if setting := p.noEnd(column, v); !why.IsZero() && setting != "" {
			fail(column, reason.Of(reason.NoDateWord{Source: p.source.Name, Setting: setting}))
		} else if !why.IsZero() {
			fail(column, why)
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
			fail(requiredColumns[i], reason.Of(reason.Placeholder{}))
		}
	}
	told := map[int]bool{} // a field from which several columns are read is reported once
	for _, column := range slices.Concat(p.read, p.own) {
		for _, i := range p.fieldsOf(column) {
			if why := unusable[i]; !why.IsZero() && !told[i] {
				fail(column, why)
				p.wrong[len(p.wrong)-1].column = p.sheet.Column(i) // of several that it is made of
				told[i] = true
			}
		}
		if v := get(column); v == tooLongMarker {
			fail(column, reason.Of(reason.TemplateTooLong{Most: maxFieldLength}))
		} else if _, canonical := p.export.Filled[column]; canonical && v != "" {
			p.export.Filled[column]++
		}
	}
	for _, s := range p.skipped { // the row may be none
		if why := unusable[s.field]; !why.IsZero() && !told[s.field] {
			told[s.field] = true
			p.wrong = append(p.wrong, fault{p.sheet.Column(s.field), reason.Of(reason.SkippingColumn{Column: p.header[s.field], Because: why}), ""})
		}
	}
	if len(fields) < len(p.columns) && len(fields) <= slices.Max(columnsOf(p.columns)) {
		bad = true
		p.export.Unattributed++ // what is missing after the truncation could be of any person
		p.wrong = append(p.wrong, fault{0, reason.Of(reason.RowShort{Fields: len(fields), Needed: slices.Max(columnsOf(p.columns)) + 1}), ""})
	}
	needed := requiredColumns[:2]
	if p.source.SCIM { // a client clears a name only by mistake
		needed = requiredColumns[:4]
	}
	for _, column := range needed {
		if get(column) == "" && !lost(column) {
			fail(column, reason.Of(reason.CellEmpty{}))
		}
	}
	if !p.source.SCIM && get("given_name") == "" && get("family_name") == "" && !lost("given_name") && !lost("family_name") { // some people have a single name
		fail("given_name", reason.Of(reason.NamesEmpty{}))
	}
	row.Person = identity.PersonFacts{GivenName: common("given_name"), FamilyName: common("family_name"), NationalID: clone("national_id"), Email: clone("email"), Phone: clone("phone")}
	if n, ok := identity.NationalID(row.Person.NationalID, p.today); ok {
		row.Person.NationalID = n
	} else if row.Person.NationalID != "" && !p.warned[row.PersonKey] {
		p.warned[row.PersonKey] = true
		p.warn(line, row.PersonKey, inColumn(defaultString(p.names["national_id"], "national_id"), reason.BadNationalID{}))
	}
	row.Terms = identity.Terms{Unit: common("unit"), JobCode: common("job_code"), JobTitle: common("job_title"), Type: common("employment_type"), ManagerKey: common("manager_id")}
	row.Start, row.End, row.ValidFrom, row.SponsorKey = date("start_date"), date("end_date"), date("valid_from"), clone("sponsor_id")
	row.Leave = identity.Leave{Start: date("leave_start"), End: date("leave_end")}
	if get("start_date") == "" && !lost("start_date") {
		fail("start_date", reason.Of(reason.CellEmpty{}))
	}
	if i, ok := p.columns["end_date"]; ok && i < len(fields) && row.cancelled() && row.End != row.Start.AddDays(-1) {
		row.endColumn = p.sheet.Column(i)
	}
	if row.Leave.End != "" && row.Leave.End < row.Leave.Start {
		fail("leave_end", reason.Of(reason.LeaveEndsEarly{}))
	}
	if row.Leave.Start == "" && row.Leave.End != "" {
		fail("leave_start", reason.Of(reason.LeaveWithoutStart{}))
	}
	row.endEmpty, row.percentEmpty = row.End == "" && !lost("end_date"), get("employment_percent") == "" && !lost("employment_percent")
	p.checkContract(&row, fail)
	if v := get("changed_at"); v != "" {
		stamp, ok := sortableStamp(v)
		if row.Stamp = stamp; !ok {
			fail("changed_at", reason.Of(reason.BadStamp{}))
		}
		row.Terms.Stamp = row.Stamp
	}
	if u := row.Terms.Unit; u != "" && p.units.Len() > 0 && !p.units.Has(u) {
		fail("unit", reason.Of(reason.UnitNotThere{}))
	}
	if v := get("employment_percent"); v != "" {
		percent, ok := decimal(strings.TrimSpace(strings.TrimSuffix(v, "%")))
		if !ok || percent > 100 {
			fail("employment_percent", reason.Of(reason.BadPercent{}))
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
			fail(column, reason.Of(reason.NeitherYesNorNo{}))
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
		p.wrong = append(p.wrong[:0], fault{0, reason.Of(reason.RowLong{Fields: len(fields), Columns: p.width}), ""})
	}
	if setting := p.totalsRow(fields); bad && setting != "" {
		p.wrong = append(p.wrong[:0], fault{0, reason.Of(reason.TotalsRow{Source: p.source.Name, Setting: setting}), ""})
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
func (p *parser) cleanFields(fields []string) map[int]reason.Reason {
	var all map[int]reason.Reason
	why := func(i int, r reason.Reason) {
		if all == nil {
			all = map[int]reason.Reason{}
		}
		all[i] = r
	}
	for i, v := range fields[:min(len(fields), p.width)] {
		switch no := sheet.WithoutValue(p.sheet, i, v); {
		case !no.IsZero():
			why(i, no)
			fields[i] = ""
			continue
		case len(v) > maxFieldLength && utf8.RuneCountInString(v) > maxFieldLength:
			why(i, reason.Of(reason.CellTooLong{Most: maxFieldLength}))
			fields[i] = ""
			continue
		case !utf8.ValidString(v) || strings.ContainsRune(v, utf8.RuneError):
			why(i, reason.Of(reason.CharacterLost{}))
			fields[i] = ""
			continue
		case strings.Contains(v, "\x00"):
			why(i, reason.Of(reason.NULByte{}))
			fields[i] = ""
			continue
		case strings.ContainsFunc(v, unicode.IsControl):
			why(i, reason.Of(reason.ControlCharacter{}))
		case p.isName(i):
			if hidden, found := identity.HiddenInName(v); found {
				why(i, reason.Of(reason.HiddenCharacter{Character: fmt.Sprintf("%U", hidden)}))
			}
		}
		fields[i] = identity.CleanText(v)
	}
	return all
}

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
func (p *parser) checkContract(row *Row, fail func(column string, why reason.Reason)) {
	c := p.source.Contracts
	if !c.Sponsored || row.Start == "" {
		return
	}
	if row.SponsorKey == "" {
		fail("sponsor_id", reason.Of(reason.SponsorEmpty{}))
	}
	if row.End == "" {
		row.End = row.Start.AddDays(c.DefaultDays)
	}
	if most := max(row.Start, p.today).AddDays(c.MostDays); row.End > most {
		fail("end_date", reason.Of(reason.ContractTooLong{Days: c.MostDays}))
	}
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

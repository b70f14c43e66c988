package hr

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/sheet"
)

// columnValue is a value made of several fields: joined by +, or by a template.
type columnValue struct {
	config.Value
	names []string // the names of the columns, as the value has them
	at    []int    // their fields
}

// skipRule skips rows by the value of one field.
type skipRule struct {
	field  int
	values []string
}

// tooLongMarker stands for a value that is longer than the maximum.
const tooLongMarker = "\x00too long"

// findColumn returns the field of a column: by its mapped name, or by behov's.
func (p *parser) findColumn(name string, at map[string]int) (int, bool) {
	name = identity.CleanText(name)
	if i, ok := p.findByName(name, at); ok {
		return i, true
	}
	mapped, ok := p.source.Columns[name]
	if !ok {
		return 0, false
	}
	return p.findByName(identity.CleanText(mapped), at)
}

// findByName returns the field of a column by its name in the file: exact, or
// otherwise in another case.
func (p *parser) findByName(name string, at map[string]int) (int, bool) {
	if i, ok := at[name]; ok {
		return i, true
	}
	return sheet.FindName(p.header, name)
}

// readColumn determines where a column gets its value from.
func (p *parser) readColumn(column string, at map[string]int, header []string, refuse func(reason.Reason, []string) error) error {
	own := !slices.Contains(config.Canonical, column)
	there := func(name string, field int) {
		p.names[column] = name
		if own {
			p.free[column], p.own = field, append(p.own, column)
		} else {
			p.columns[column], p.read = field, append(p.read, column)
		}
		p.export.Filled[column] = 0
	}
	if text := p.source.Constants[column]; strings.Contains(text, "{{") {
		v, missing := p.readValue(column, text, at)
		if !missing.IsZero() {
			return refuse(reason.Of(reason.ConstantColumnMissing{Because: missing, Source: p.source.Name, Column: column, Others: len(header)}), header)
		}
		p.otherwise[column] = v
		p.constants[column] = ""
	}
	text := identity.CleanText(p.source.Columns[column])
	if text == "" {
		text = column
	}
	if i, ok := p.findByName(text, at); ok {
		there(text, i)
		return nil
	}
	if text == column {
		return nil
	}
	v, missing := p.readValue(column, p.source.Columns[column], at)
	switch {
	case !missing.IsZero():
		return refuse(reason.Of(reason.MappedColumnMissing{Because: missing, Source: p.source.Name, Column: column, Others: len(header)}), header)
	case len(v.at) == 0: // a template without a column
		v.at = []int{0}
	}
	there(p.source.Shown(column), v.at[0])
	p.made[column] = v
	return nil
}

// readValue finds the fields of a value. It returns a message when one is
// missing.
func (p *parser) readValue(column, text string, at map[string]int) (v columnValue, missing reason.Reason) {
	of, err := config.ReadValue(column, text)
	if err != nil {
		return v, reason.Of(reason.NotRead{Detail: err.Error()})
	}
	v.Value = of
	switch {
	case of.Template != nil:
		v.names = of.Template.Columns()
	case of.Parts != nil:
		v.names = of.Parts
	default:
		return v, p.missingColumn(of.Name)
	}
	for _, name := range v.names {
		i, ok := p.findColumn(name, at)
		if !ok {
			return v, p.missingColumn(name)
		}
		v.at = append(v.at, i)
	}
	return v, reason.Reason{}
}

// missingColumn returns the message that the file has no such column.
func (p *parser) missingColumn(name string) reason.Reason {
	return reason.Of(reason.ColumnMissing{Column: name, XML: p.source.Format == "xml"}) // whose columns are those of a record
}

// join returns the value of a row. It is empty when any part is, or holds a text that
// stands for no value.
func (v columnValue) join(fields []string, isEmpty func(text string) bool) string {
	field := func(name string) string {
		if i := v.at[slices.Index(v.names, name)]; i < len(fields) && !isEmpty(fields[i]) {
			return fields[i]
		}
		return ""
	}
	if v.Template == nil {
		parts := make([]string, len(v.names))
		for i, name := range v.names {
			if parts[i] = field(name); parts[i] == "" {
				return ""
			}
		}
		return strings.Join(parts, "+")
	}
	text, err := v.Template.Execute(field)
	if text = identity.CleanText(text); err != nil || utf8.RuneCountInString(text) > maxFieldLength {
		return tooLongMarker
	}
	return text
}

// renderValues renders the values of a row that are not a single field.
func (p *parser) renderValues(fields []string) {
	clear(p.now)
	fill := func(column string, v columnValue) {
		isEmpty := func(text string) bool { return p.source.Empty.Has(column, text) }
		if p.now[column] = v.join(fields, isEmpty); isEmpty(p.now[column]) {
			p.now[column] = ""
		}
	}
	for column, v := range p.made {
		fill(column, v)
	}
	for column, v := range p.otherwise {
		if p.valueOf(column, fields) == "" {
			fill(column, v)
		}
	}
}

// valueOf returns a row's value of a column.
func (p *parser) valueOf(column string, fields []string) string {
	if v := p.now[column]; v != "" {
		return v
	}
	if _, made := p.made[column]; !made {
		i, ok := p.columns[column]
		if !ok {
			i, ok = p.free[column]
		}
		if ok && i < len(fields) && fields[i] != "" && !p.source.Empty.Has(column, fields[i]) {
			return fields[i]
		}
	}
	return p.constants[column]
}

// fieldsOf returns the fields from which a column is read.
func (p *parser) fieldsOf(column string) []int {
	if v, ok := p.made[column]; ok {
		return v.at
	}
	if i, ok := p.columns[column]; ok {
		return []int{i}
	}
	if i, ok := p.free[column]; ok {
		return []int{i}
	}
	return nil
}

// skipsRow reports whether the source's settings skip a row.
func (p *parser) skipsRow(fields []string) bool {
	return slices.ContainsFunc(p.skipped, func(s skipRule) bool {
		return s.field < len(fields) && slices.ContainsFunc(s.values, func(v string) bool { return strings.EqualFold(v, identity.CleanText(fields[s.field])) })
	})
}

// reportRowFaults reports all faults of a row as one problem.
func (p *parser) reportRowFaults(row Row) {
	if len(p.wrong) == 0 {
		return
	}
	var why []reason.Reason
	var values []string
	for i, f := range p.wrong {
		if slices.ContainsFunc(p.wrong[:i], func(g fault) bool { return g.why == f.why }) {
			continue // of a column that several are made of
		}
		why = append(why, f.why)
		if f.value != "" {
			values = append(values, f.value)
		}
	}
	p.problem(row.Line, p.wrong[0].column, strings.Clone(row.PersonKey), strings.Join(values, "; "), reason.Join(why...))
	p.wrong = p.wrong[:0]
}

// perPersonAdvice returns what to do where each person's employments are numbered
// from 1.
func (p *parser) perPersonAdvice() reason.Reason { return perPersonAdvice(p.source) }

func perPersonAdvice(s config.Source) reason.Reason {
	return reason.Of(reason.NumberedPerPerson{Source: s.Name})
}

// inColumn returns the reason of a problem in a column.
func inColumn(column string, k reason.Kind) reason.Reason {
	return reason.Of(reason.InColumn{Column: column, Because: reason.Of(k)})
}

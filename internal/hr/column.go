package hr

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/sheet"
)

// value is one that is made of fields: joined by +, or by a template.
type value struct {
	config.Value
	names []string // of the columns, as the value has them
	at    []int    // their fields
}

// skipped are the rows that are none by one of their fields.
type skipped struct {
	field  int
	values []string
}

// tooLong stands for a value that has more characters than any may have.
const tooLong = "\x00too long"

// find returns the field of a column: by its name in the file, or by behov's.
func (p *parser) find(name string, at map[string]int) (int, bool) {
	name = identity.CleanText(name)
	if i, ok := p.named(name, at); ok {
		return i, true
	}
	mapped, ok := p.source.Columns[name]
	if !ok {
		return 0, false
	}
	return p.named(identity.CleanText(mapped), at)
}

// named returns the field of a column by its name in the file: the very name, or the
// one that is the same in other letters.
func (p *parser) named(name string, at map[string]int) (int, bool) {
	if i, ok := at[name]; ok {
		return i, true
	}
	return sheet.FindName(p.header, name)
}

// readColumn finds out where a column gets its value from.
func (p *parser) readColumn(column string, at map[string]int, header []string, refuse func(string, []string) error) error {
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
		v, err := p.readValue(column, text, at)
		if err != "" {
			return refuse(fmt.Sprintf("%s, which hr.sources.%s.constants needs for %s; there are %d others (%s)", err, p.source.Name, column, len(header), seeValues), header)
		}
		p.otherwise[column] = v
		p.constants[column] = ""
	}
	text := identity.CleanText(p.source.Columns[column])
	if text == "" {
		text = column
	}
	if i, ok := p.named(text, at); ok {
		there(text, i)
		return nil
	}
	if text == column {
		return nil
	}
	v, missing := p.readValue(column, p.source.Columns[column], at)
	switch {
	case missing != "":
		return refuse(fmt.Sprintf("%s, to which hr.sources.%s.columns maps %s; there are %d others (%s)", missing, p.source.Name, column, len(header), seeValues), header)
	case len(v.at) == 0: // a template without a column
		v.at = []int{0}
	}
	there(p.source.Shown(column), v.at[0])
	p.made[column] = v
	return nil
}

// readValue finds the fields that a value is made of. What is missing is said.
func (p *parser) readValue(column, text string, at map[string]int) (v value, missing string) {
	of, err := config.ReadValue(column, text)
	if err != nil {
		return v, err.Error()
	}
	v.Value = of
	switch {
	case of.Template != nil:
		v.names = of.Template.Columns()
	case of.Parts != nil:
		v.names = of.Parts
	default:
		return v, p.lacks(of.Name)
	}
	for _, name := range v.names {
		i, ok := p.find(name, at)
		if !ok {
			return v, p.lacks(name)
		}
		v.at = append(v.at, i)
	}
	return v, ""
}

// lacks says that the file has no such column.
func (p *parser) lacks(name string) string {
	if p.source.Format == "xml" { // whose columns are those that a record has
		return "no record has " + name
	}
	return fmt.Sprintf("there is no column %q", name)
}

// of makes the value of a row. One that has a part that is empty, or has what says so,
// is not joined.
func (v value) of(fields []string, isEmpty func(text string) bool) string {
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
	if text = identity.CleanText(text); err != nil || utf8.RuneCountInString(text) > mostField {
		return tooLong
	}
	return text
}

// make makes the values of a row that are not just a field.
func (p *parser) make(fields []string) {
	clear(p.now)
	fill := func(column string, v value) {
		isEmpty := func(text string) bool { return p.source.Empty.Has(column, text) }
		if p.now[column] = v.of(fields, isEmpty); isEmpty(p.now[column]) {
			p.now[column] = ""
		}
	}
	for column, v := range p.made {
		fill(column, v)
	}
	for column, v := range p.otherwise {
		if p.value(column, fields) == "" {
			fill(column, v)
		}
	}
}

// value returns what a row says of a column.
func (p *parser) value(column string, fields []string) string {
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

// fieldsOf returns the fields that a column is read from.
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

// skipsRow says whether the source's settings say that a row is none.
func (p *parser) skipsRow(fields []string) bool {
	return slices.ContainsFunc(p.skipped, func(s skipped) bool {
		return s.field < len(fields) && slices.ContainsFunc(s.values, func(v string) bool { return strings.EqualFold(v, identity.CleanText(fields[s.field])) })
	})
}

// reportRowFaults makes one problem of all that is wrong with a row.
func (p *parser) reportRowFaults(row Row) {
	if len(p.wrong) == 0 {
		return
	}
	var texts, values []string
	for i, f := range p.wrong {
		if slices.ContainsFunc(p.wrong[:i], func(g fault) bool { return g.text == f.text }) {
			continue // of a column that fills several
		}
		texts = append(texts, f.text)
		if f.value != "" {
			values = append(values, f.value)
		}
	}
	p.problem(row.Line, p.wrong[0].column, strings.Clone(row.PersonKey), strings.Join(values, "; "), "%s", strings.Join(texts, "; "))
	p.wrong = p.wrong[:0]
}

// perPerson says what to do where each person's employments are numbered from 1.
func (p *parser) perPerson() string { return perPerson(p.source) }

func perPerson(s config.Source) string {
	return fmt.Sprintf("where employments are numbered for each person only, make it of both: employment_id: person_id+employment_id under hr.sources.%s.columns", s.Name)
}

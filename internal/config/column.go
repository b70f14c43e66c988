package config

import (
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
)

// Value defines how a column of behov's gets its value from a record.
type Value struct {
	// Name is the column of the file, for a value that is just that.
	Name string
	// Parts are columns whose values are joined by +, unless the file has a column
	// with that name: person_id+employment_id.
	Parts []string
	// Template renders the value from columns.
	Template *identity.RecordTemplate
}

// keys are the columns that identify people and employments, and may be made of
// several.
var keys = []string{"person_id", "employment_id", "manager_id", "sponsor_id"}

// ReadValue parses a value under columns, or one under constants that contains
// {{.
func ReadValue(column, text string) (Value, error) {
	if isTemplate(text) {
		t, err := identity.ParseRecordTemplate(text)
		return Value{Template: t}, err
	}
	v := Value{Name: identity.CleanText(text)}
	if slices.Contains(keys, column) && strings.Contains(text, "+") {
		for part := range strings.SplitSeq(text, "+") {
			v.Parts = append(v.Parts, identity.CleanText(part))
		}
		if slices.Contains(v.Parts, "") {
			v.Parts = nil
		}
	}
	return v, nil
}

func isTemplate(text string) bool { return strings.Contains(text, "{{") }

// reads returns the names of the file's columns of a value.
func (v Value) reads() []string {
	switch {
	case v.Template != nil:
		return v.Template.Columns()
	case v.Parts != nil:
		return v.Parts
	}
	return []string{v.Name}
}

// Shown returns the name of a column of behov's in problems: its name in the
// file; for a value made of several columns, or of a part of one, the names of
// these, beside its own.
func (s Source) Shown(column string) string {
	text := s.Columns[column]
	if text == "" {
		return column
	}
	v, err := ReadValue(column, text)
	switch {
	case err != nil:
		return column
	case v.Template == nil && v.Parts == nil:
		return v.Name
	case len(v.reads()) == 0:
		return column
	}
	return column + " (of " + strings.Join(v.reads(), ", ") + ")"
}

// ColumnNames returns the names of a source's columns: those in columns,
// constants and skip, those of behov's own that are not mapped, and custom ones.
func (s Source) ColumnNames(attributes []string) []string {
	var names []string
	add := func(more ...string) {
		for _, name := range more {
			if name = identity.CleanText(name); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, column := range slices.Concat(Canonical, attributes) {
		text := s.Columns[column]
		if text == "" {
			add(column)
		} else if v, err := ReadValue(column, text); err == nil {
			add(v.reads()...)
		}
		if constant := s.Constants[column]; isTemplate(constant) {
			if v, err := ReadValue(column, constant); err == nil {
				add(v.reads()...)
			}
		}
	}
	for _, skip := range s.Skip {
		add(skip.Column)
	}
	return names
}

// Skip skips rows that have one of the values in the column.
type Skip struct {
	// Column is a column of the file.
	Column string `yaml:"column"`
	// Values are texts, in any case; a row that has one of them in the column is
	// skipped.
	Values []string `yaml:"values"`
}

// skipsYAML is a list of Skip; a single mapping is a list of one.
type skipsYAML []Skip

// is reports whether a field has one of the values.
func (s Skip) is(field string) bool {
	field = identity.CleanText(field)
	return slices.ContainsFunc(s.Values, func(v string) bool { return strings.EqualFold(identity.CleanText(v), field) })
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (s *skipsYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var kind any
	if err := unmarshal(&kind); err != nil {
		return err
	}
	if _, list := kind.([]any); list {
		return unmarshal((*[]Skip)(s))
	}
	var one Skip
	if err := unmarshal(&one); err != nil {
		return err
	}
	*s = skipsYAML{one}
	return nil
}

// checkLayout refuses invalid settings of a source's columns.
func (l *loader) checkLayout(doc *document, at string, s sourceYAML, out Source, attributes []string) {
	layout := out.Layout(attributes)
	for _, column := range sortedKeys(s.Columns) {
		v, err := ReadValue(column, s.Columns[column])
		if err != nil {
			doc.report(at+".columns."+quoteKey(column), "%v", err)
			continue
		}
		for _, name := range v.reads() {
			if slices.Contains(Canonical, name) && v.Name != name {
				continue // checked by its mapping
			}
			if err := layout.CheckColumn(name); err != nil {
				doc.report(at+".columns."+quoteKey(column), "%q: %v", name, err)
			}
		}
	}
	for _, column := range sortedKeys(s.Constants) {
		if _, err := ReadValue(column, s.Constants[column]); err != nil {
			doc.report(at+".constants."+quoteKey(column), "%v", err)
		}
	}
	s.check(doc, at, slices.Concat(Canonical, attributes))
	switch {
	case (s.Record != "") != (layout.Format == "xml"):
		doc.report(at, "an export in XML takes both format: xml and record, the XPath of a record")
	case s.Record != "" && layout.CheckColumn(s.Record) != nil:
		doc.report(at+".record", "%q is no XPath, as /export/employment", s.Record)
	case layout.Format == "fixed" && len(s.Columns) == 0:
		doc.report(at, "of fixed width the columns have positions: write them under columns, as person_id: 1-10")
	}
}

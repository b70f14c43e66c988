package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
)

// EmptyValues are the texts that an export writes, in any case, where a column has no
// value.
type EmptyValues struct {
	// Dates are those of the date columns, Columns those of one column each, by behov's
	// name.
	Dates   []string
	Columns map[string][]string
}

// dateColumns are the columns that a plain list of empty values is for. In another
// column the same text may be a value: the employment type "Tillsvidare" is one.
var dateColumns = []string{"start_date", "end_date", "leave_start", "leave_end", "valid_from"}

// Has reports whether a text stands for no value in a column.
func (e EmptyValues) Has(column, text string) bool {
	is := func(none string) bool { return strings.EqualFold(none, text) }
	return slices.ContainsFunc(e.Columns[column], is) || slices.Contains(dateColumns, column) && slices.ContainsFunc(e.Dates, is)
}

// emptyYAML is a list for the date columns, or a mapping with a list for each column.
type emptyYAML struct {
	list    namesYAML
	columns map[string]namesYAML
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (e *emptyYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var kind any
	if err := unmarshal(&kind); err != nil {
		return err
	}
	if _, ok := kind.(map[string]any); ok {
		return unmarshal(&e.columns)
	}
	return unmarshal(&e.list)
}

// check reports empty values of columns that are not there, and values that are nothing.
func (e emptyYAML) check(doc *document, at string, columns []string) {
	const what = "it names what stands in a column without a value, as {end_date: [tillsvidare, \"-\"]}, or as a list for the columns with dates; a field with nothing in it has none anyway"
	if slices.Contains(cleanTexts(e.list), "") {
		doc.report(at+".empty", what)
	}
	for _, column := range slices.Sorted(maps.Keys(e.columns)) {
		if !slices.Contains(columns, column) {
			doc.report(at+".empty", "there is no column %q; the columns are %s", column, strings.Join(columns, ", "))
		}
		if values := cleanTexts(e.columns[column]); len(values) == 0 || slices.Contains(values, "") {
			doc.report(at+".empty", what)
		}
	}
}

// values returns what is read, in the form in which text is compared.
func (e emptyYAML) values() EmptyValues {
	out := EmptyValues{Dates: cleanTexts(e.list)}
	for column, values := range e.columns {
		if out.Columns == nil {
			out.Columns = map[string][]string{}
		}
		out.Columns[identity.CleanText(column)] = cleanTexts(values)
	}
	return out
}

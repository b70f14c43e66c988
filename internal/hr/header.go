package hr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/sheet"
)

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
// for; empty when it has one. The header's names are shown where it is one without doubt:
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

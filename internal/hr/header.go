package hr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/sheet"
)

// readHeader finds the columns; first is the row after the header.
func (p *parser) readHeader(header, first, attributes []string) error {
	refuse := func(why reason.Reason, names []string) error {
		refused := diagnostic.Problem{File: p.file, Sheet: p.sheet.Tab(), Line: p.sheet.HeaderLine(), Reason: why, Value: listColumns(names)}
		if p.source.Format != "fixed" && p.source.Format != "xml" && slices.ContainsFunc(header, sheet.LooksLikeData) { // which must not be told as a column's name
			refused.Reason, refused.Value = reason.Of(reason.HeaderLooksLikeData{Source: p.source.Name}), ""
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
			return refuse(reason.Of(reason.SameColumnTwice{First: first + 1, Second: i + 1}), []string{name})
		}
		at[name] = i
	}
	if why := p.unmapped(header, first, attributes); !why.IsZero() {
		return diagnostic.Problem{File: p.file, Sheet: p.sheet.Tab(), Line: p.sheet.HeaderLine(), Reason: why}
	}
	for _, canonical := range config.Canonical {
		if err := p.readColumn(canonical, at, header, refuse); err != nil {
			return err
		}
	}
	var missing []string
	for _, canonical := range requiredColumns {
		_, there := p.columns[canonical]
		if _, constant := p.source.Constants[canonical]; !there && !constant {
			missing = append(missing, canonical)
		}
	}
	if len(missing) > 0 {
		return refuse(reason.Of(reason.RequiredColumnsMissing{Missing: missing, Columns: len(header), XML: p.source.Format == "xml", Source: p.source.Name}), header)
	}
	for _, name := range attributes {
		if err := p.readColumn(name, at, header, refuse); err != nil {
			return err
		}
	}
	for _, skip := range p.source.Skip {
		i, ok := p.findColumn(skip.Column, at)
		if !ok {
			return refuse(reason.Of(reason.SkipColumnMissing{Because: p.missingColumn(skip.Column), Source: p.source.Name, Others: len(header)}), header)
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
// for; no reason when it has one. The header's names are shown where it is one without doubt:
// the row after it has values, and it has none, which may be personal.
func (p *parser) unmapped(header, first, attributes []string) reason.Reason {
	if p.source.Format == "xml" || p.source.Format == "fixed" || len(header) < 3 || slices.ContainsFunc(header, sheet.LooksLikeData) || !slices.ContainsFunc(first, sheet.LooksLikeData) {
		return reason.Reason{}
	}
	for _, name := range p.source.ColumnNames(attributes) {
		if _, found := sheet.FindName(header, name); found {
			return reason.Reason{}
		}
	}
	names := slices.DeleteFunc(slices.Clone(p.header), func(name string) bool { return name == "" })
	if len(names) == 0 {
		return reason.Reason{}
	}
	return reason.Of(reason.ColumnsUnknown{Names: listColumns(names), Source: p.source.Name, First: quoteYAML(names[0]), Sheet: p.sheet.Tab() != ""})
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

package hr

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// totalWords are the labels of a row of totals, in lower case and without a
// colon.
var totalWords = []string{"total", "totals", "totalt", "totalt antal", "total antal", "totalsumma", "summa", "summa totalt", "slutsumma", "delsumma", "sum", "subtotal", "grand total", "antal", "antal rader", "antal poster"}

// isTotal reports whether a field labels its row as one of totals.
func isTotal(field string) bool {
	return slices.Contains(totalWords, strings.TrimSpace(strings.TrimSuffix(strings.ToLower(identity.CleanText(field)), ":")))
}

// mostlyEmpty reports whether fewer than half of the mapped fields have a value.
func (p *parser) mostlyEmpty(fields []string) bool {
	read, filled := map[int]bool{}, 0
	for _, column := range slices.Concat(p.read, p.own) {
		for _, i := range p.fieldsOf(column) {
			if !read[i] && i < len(fields) && identity.CleanText(fields[i]) != "" {
				filled++
			}
			read[i] = true
		}
	}
	return 2*filled < len(read)
}

// isClosingTotals reports whether a skipped row is one of totals, which ends a
// complete file.
func (p *parser) isClosingTotals(fields []string) bool {
	return p.mostlyEmpty(fields) || slices.ContainsFunc(fields, isTotal)
}

// totalsRow returns the setting that skips a row of totals; empty for another
// row.
func (p *parser) totalsRow(fields []string) string {
	i := slices.IndexFunc(fields, isTotal)
	if i < 0 || i >= len(p.header) || p.header[i] == "" || !p.mostlyEmpty(fields) {
		return ""
	}
	return fmt.Sprintf("skip: {column: %s, values: [%s]}", quoteYAML(p.header[i]), quoteYAML(fields[i]))
}

var plainYAML = regexp.MustCompile(`^\pL[\pL\pN_ .-]*$`)

// plainField matches a name that a template can use without col.
var plainField = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

// quoteYAML returns a text as a value of a YAML flow mapping.
func quoteYAML(text string) string {
	text = identity.CleanText(text)
	if plainYAML.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// totalsKey is the key under which an import stores how many rows of totals were
// skipped, beside how many rows had a value in each column. No column has such a
// name.
const totalsKey = "rows of totals"

// mayBeTruncated reports whether the last export had a row of totals and this one
// has none.
func (r *run) mayBeTruncated(last *store.Import) bool {
	if last == nil || r.Export.Partial || r.Export.Totals > 0 || len(r.Source.Skip) == 0 {
		return false
	}
	had := map[string]int{}
	return json.Unmarshal([]byte(last.Filled), &had) == nil && had[totalsKey] > 0
}

// reportTruncation reports an export that may be truncated. While employments are
// missing from it, the expectation of a row of totals is kept for the next one.
func (r *run) reportTruncation(ending int) {
	if r.Export.Totals > 0 {
		r.Export.Filled[totalsKey] = r.Export.Totals
	}
	if !r.cut {
		return
	}
	if r.endingsReleased {
		return
	}
	if ending > 0 {
		r.Export.Filled[totalsKey] = 1
	} else {
		r.cut = false
	}
	r.Export.Problems = append(r.Export.Problems, diagnostic.Problem{File: r.Name, Sheet: r.Export.Sheet, Warning: true, Reason: reason.Of(reason.MayBeTruncated{Source: r.Source.Name, Complete: ending == 0})})
}

package hr

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// totalWords are what a row of totals says, in small letters and without a colon.
var totalWords = []string{"total", "totals", "totalt", "totalt antal", "total antal", "totalsumma", "summa", "summa totalt", "slutsumma", "delsumma", "sum", "subtotal", "grand total", "antal", "antal rader", "antal poster"}

// isTotal says whether a field says that its row is one of totals.
func isTotal(field string) bool {
	return slices.Contains(totalWords, strings.TrimSpace(strings.TrimSuffix(strings.ToLower(identity.CleanText(field)), ":")))
}

// mostlyEmpty says whether less than half of the fields that are read have anything
// in them.
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

// closes says whether a row that is skipped is one of totals, as stands at the end of
// a file that is whole.
func (p *parser) closes(fields []string) bool {
	return p.mostlyEmpty(fields) || slices.ContainsFunc(fields, isTotal)
}

// totalsRow returns the setting that skips a row of totals; empty for another row.
func (p *parser) totalsRow(fields []string) string {
	i := slices.IndexFunc(fields, isTotal)
	if i < 0 || i >= len(p.header) || p.header[i] == "" || !p.mostlyEmpty(fields) {
		return ""
	}
	return fmt.Sprintf("skip: {column: %s, values: [%s]}", inYAML(p.header[i]), inYAML(fields[i]))
}

var plainYAML = regexp.MustCompile(`^\pL[\pL\pN_ .-]*$`)

// plainField is a name that a template can have without col.
var plainField = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

// inYAML writes a text as a value of a flow mapping.
func inYAML(text string) string {
	text = identity.CleanText(text)
	if plainYAML.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// totalsKey is under what an import remembers how many rows of totals were skipped,
// beside how many rows had a value in each column. No column has such a name.
const totalsKey = "rows of totals"

// mayBeCut says whether the last export had a row of totals and this one has none: it
// may have been cut off.
func (r *run) mayBeCut(last *store.Import) bool {
	if last == nil || r.Export.Partial || r.Export.Totals > 0 || len(r.Source.Skip) == 0 {
		return false
	}
	had := map[string]int{}
	return json.Unmarshal([]byte(last.Filled), &had) == nil && had[totalsKey] > 0
}

// tellCut says what becomes of an export that may be cut. As long as employments are
// not in it, a next one without the row may be cut as well.
func (r *run) tellCut(ending int) {
	if r.Export.Totals > 0 {
		r.Export.Filled[totalsKey] = r.Export.Totals
	}
	if !r.cut {
		return
	}
	text := fmt.Sprintf("the last export ended with a row of totals that hr.sources.%s.skip names, and this one has none: the file may be cut off", r.Source.Name)
	if r.endingsReleased {
		return
	}
	if ending > 0 {
		r.Export.Filled[totalsKey] = 1
		text += ", and no employment ends by it; export it again"
	} else {
		r.cut = false
		text += "; every employment that runs is in it"
	}
	r.Export.Problems = append(r.Export.Problems, policy.Problem{File: r.Name, Sheet: r.Export.Sheet, Warning: true, Text: text})
}

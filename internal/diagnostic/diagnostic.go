// Package diagnostic names problems in what people write and export: where they are, and
// what they are. It must never decide what a problem means, and its texts hold no personal
// data.
package diagnostic

import (
	"fmt"

	"github.com/behov/behov/internal/reason"
)

// Problem is a problem in a file, with its place.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 when it concerns the whole file
	Column int    `json:"column,omitempty"` // from 1
	// Sheet is the sheet of a workbook, in which Line is the row; empty for other
	// files.
	Sheet string `json:"sheet,omitempty"`
	// Text is the problem of a configuration, rules or rights, which operators write, in
	// English; Reason is that of what HR exports. One of
	// them is set; what commands print as JSON has the sentence of a Reason as text, too.
	Text    string        `json:"text,omitempty"`
	Reason  reason.Reason `json:"reason,omitzero"`
	Warning bool          `json:"warning,omitempty"`
	// Value is the value in HR's record or the person's key. It is personal data,
	// so it is in no JSON, no database, no log and no Error; only the terminal of
	// the person who asks shows it.
	Value string `json:"-"`
}

// Error returns the place and the problem; of a Reason its canonical form, as for a log.
// Package wording has the sentence for people.
func (p Problem) Error() string {
	text := p.Text
	if text == "" {
		text = p.Reason.JSON()
	}
	if p.Warning {
		text = "warning: " + text
	}
	return p.Place() + ": " + text
}

// Place returns where the problem is: file:line:column, or file: sheet S, row, column.
func (p Problem) Place() string {
	place := p.File
	if p.Sheet != "" {
		place += ": sheet " + p.Sheet
		if p.Line > 0 {
			place += fmt.Sprintf(", row %d", p.Line)
		}
		if p.Line > 0 && p.Column > 0 {
			place += ", column " + columnLetters(p.Column)
		}
	} else if p.Line > 0 {
		place += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			place += fmt.Sprintf(":%d", p.Column)
		}
	}
	return place
}

// columnLetters names a column as spreadsheets do: A, B, … Z, AA.
func columnLetters(column int) string {
	name := ""
	for ; column > 0; column = (column - 1) / 26 {
		name = string(rune('A'+(column-1)%26)) + name
	}
	return name
}

// Package policy works out which entitlements a person needs: desired grants,
// each with its reasons; why, why not.
//
// It must never read a database or a
// target: people, decisions and MFA state are given to it.
package policy

import (
	"fmt"
	"slices"
	"strings"
)

// EntitlementID is what rules and people call an entitlement, "system:name".
type EntitlementID string

// Entitlement is an entry of the catalogue.
type Entitlement struct {
	ID     EntitlementID
	Name   string // for people
	System string
	Target string
	// Native is what the target calls it (a group's cn, a displayName).
	Native string
	// MFA: nobody gets it who is not enrolled.
	MFA bool
	// Authoritative: whoever has it in the target without a reason loses it.
	// Otherwise what behov did not give is reported and left.
	Authoritative bool
}

// System is an application people have access to.
type System struct {
	ID             string
	Name           string
	Owner          string   // the owner's record, as SOURCE/KEY; empty for none
	Deputies       []string // who decide in the owner's place, as the owner
	Classification string
}

// Catalogue is everything behov may give. What is not in it is not touched.
type Catalogue struct {
	Systems      []System
	Entitlements []Entitlement // sorted by ID
}

// Entitlement returns the entry with the ID.
func (c *Catalogue) Entitlement(id EntitlementID) (Entitlement, bool) {
	i, ok := c.index(id)
	if !ok {
		return Entitlement{}, false
	}
	return c.Entitlements[i], true
}

func (c *Catalogue) index(id EntitlementID) (int, bool) {
	return slices.BinarySearchFunc(c.Entitlements, id, func(e Entitlement, id EntitlementID) int { return strings.Compare(string(e.ID), string(id)) })
}

// System returns the system with the ID.
func (c *Catalogue) System(id string) (System, bool) {
	i := slices.IndexFunc(c.Systems, func(s System) bool { return s.ID == id })
	if i < 0 {
		return System{}, false
	}
	return c.Systems[i], true
}

// Sort brings the catalogue into its canonical order.
func (c *Catalogue) Sort() {
	slices.SortFunc(c.Entitlements, func(a, b Entitlement) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(c.Systems, func(a, b System) int { return strings.Compare(a.ID, b.ID) })
}

// Problem is something wrong in a file, at a place.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 when it is about the whole file
	Column int    `json:"column,omitempty"` // from 1
	// Sheet is that of a workbook, of which Line is the row; empty in other files.
	Sheet   string `json:"sheet,omitempty"`
	Text    string `json:"text"`
	Warning bool   `json:"warning,omitempty"`
	// Value is what stands in HR's record, or whose it is: personal data, which
	// is in no JSON, no database and no log, and in no Error. It is for the
	// terminal of the person who asks for it.
	Value string `json:"-"`
}

func (p Problem) Error() string {
	place := p.File
	if p.Sheet != "" {
		place += ": sheet " + p.Sheet
		if p.Line > 0 {
			place += fmt.Sprintf(", row %d", p.Line)
		}
		if p.Line > 0 && p.Column > 0 {
			place += ", column " + letters(p.Column)
		}
	} else if p.Line > 0 {
		place += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			place += fmt.Sprintf(":%d", p.Column)
		}
	}
	if p.Warning {
		return place + ": warning: " + p.Text
	}
	return place + ": " + p.Text
}

// letters names a column as spreadsheets do: A, B, … Z, AA.
func letters(column int) string {
	name := ""
	for ; column > 0; column = (column - 1) / 26 {
		name = string(rune('A'+(column-1)%26)) + name
	}
	return name
}

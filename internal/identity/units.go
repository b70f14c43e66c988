package identity

import (
	"fmt"
	"slices"
	"sort"
)

// Unit is a unit of the organisation, for as long as it lies where it lies.
// A unit that moves in the tree has several, one after the other.
type Unit struct {
	ID     string
	Parent string // empty at the top
	Name   string
	// From and Until are its first and last day; empty is always.
	From, Until Date
	// Successor takes over what is left in the unit after its last day: it was
	// merged, or renamed. Empty for none.
	Successor string
}

// Units is the organisation tree through time. The zero value has no units.
type Units struct {
	units map[string][]Unit
	names map[string]string
	turns []Date // the first days of the trees but the first
	trees []*Tree
}

// Add adds a unit. Call Check when all are added.
func (u *Units) Add(unit Unit) error {
	if u.units == nil {
		u.units, u.names = map[string][]Unit{}, map[string]string{}
	}
	if unit.ID == "" {
		return fmt.Errorf("a unit has no id")
	}
	if unit.Until != "" && unit.Until < unit.From {
		return fmt.Errorf("unit %q ends on %s, before it begins", unit.ID, unit.Until)
	}
	if unit.Successor != "" && unit.Until == "" {
		return fmt.Errorf("unit %q has a successor and no last day", unit.ID)
	}
	for _, other := range u.units[unit.ID] {
		if (other.Until == "" || unit.From <= other.Until) && (unit.Until == "" || other.From <= unit.Until) {
			return fmt.Errorf("unit %q is there twice on the same days", unit.ID)
		}
	}
	u.units[unit.ID] = append(u.units[unit.ID], unit)
	u.names[unit.ID] = unit.Name
	u.trees = nil
	return nil
}

// UnitError is what Check returns: what is wrong, and with which unit.
type UnitError struct{ Unit, Text string }

func (e *UnitError) Error() string { return fmt.Sprintf("unit %q %s", e.Unit, e.Text) }

// maxUnitDepth is how many units may lie below each other.
const maxUnitDepth = 64

// Check builds the trees and says whether, in each, every parent exists and no
// unit lies below itself, and whether every successor is a unit.
func (u *Units) Check() error {
	u.build()
	for _, id := range u.IDs() {
		for _, unit := range u.units[id] {
			if unit.Successor != "" && !u.Has(unit.Successor) {
				return &UnitError{Unit: id, Text: fmt.Sprintf("has the successor %q, which is not a unit", unit.Successor)}
			}
		}
	}
	for n, t := range u.trees {
		when := ""
		if n > 0 {
			when = fmt.Sprintf(" from %s on", u.turns[n-1])
		}
		for _, id := range t.IDs() {
			seen := map[string]bool{}
			for at := id; at != ""; at = t.parent[at] {
				if _, ok := t.parent[at]; !ok {
					return &UnitError{Unit: id, Text: fmt.Sprintf("lies under %q, which is not a unit%s", at, when)}
				}
				if seen[at] {
					return &UnitError{Unit: id, Text: "lies below itself" + when}
				}
				if seen[at] = true; len(seen) > maxUnitDepth {
					return &UnitError{Unit: id, Text: fmt.Sprintf("lies more than %d units deep%s", maxUnitDepth, when)}
				}
			}
		}
	}
	return nil
}

func (u *Units) build() {
	var turns []Date
	for _, same := range u.units {
		for _, unit := range same {
			if unit.From != "" {
				turns = append(turns, unit.From)
			}
			if unit.Until != "" {
				turns = append(turns, unit.Until.AddDays(1))
			}
		}
	}
	slices.Sort(turns)
	u.turns = slices.Compact(turns)
	u.trees = nil
	for n := range len(u.turns) + 1 {
		day := Date("")
		if n > 0 {
			day = u.turns[n-1]
		}
		t := &Tree{Epoch: n, parent: map[string]string{}, successor: map[string]string{}}
		for id, same := range u.units {
			for _, unit := range same {
				if covers(unit.From, unit.Until, day) {
					t.parent[id] = unit.Parent
				} else if unit.Successor != "" && unit.Until < day {
					t.successor[id] = unit.Successor
				}
			}
		}
		u.trees = append(u.trees, t)
	}
}

// On returns the tree as it is on the day.
func (u *Units) On(day Date) *Tree {
	if u.trees == nil {
		u.build()
	}
	return u.trees[sort.Search(len(u.turns), func(i int) bool { return u.turns[i] > day })]
}

// Trees returns the trees, from the first to the last.
func (u *Units) Trees() []*Tree {
	if u.trees == nil {
		u.build()
	}
	return u.trees
}

// All returns all units, sorted by ID and then by their first day.
func (u *Units) All() []Unit {
	var all []Unit
	for _, id := range u.IDs() {
		same := slices.Clone(u.units[id])
		slices.SortFunc(same, func(a, b Unit) int { return compareDates(a.From, b.From) })
		all = append(all, same...)
	}
	return all
}

func compareDates(a, b Date) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Len returns the number of units, whenever they are.
func (u *Units) Len() int { return len(u.units) }

// Has says whether there is such a unit on any day.
func (u *Units) Has(id string) bool { _, ok := u.units[id]; return ok }

// Name returns the unit's name, or its ID when it has none.
func (u *Units) Name(id string) string {
	if n := u.names[id]; n != "" {
		return n
	}
	return id
}

// IDs returns all units, whenever they are, sorted.
func (u *Units) IDs() []string {
	ids := make([]string, 0, len(u.units))
	for id := range u.units {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Tree is the organisation on certain days.
type Tree struct {
	// Epoch is the tree's place among all, from 0.
	Epoch     int
	parent    map[string]string
	successor map[string]string
}

// Has says whether there is such a unit.
func (t *Tree) Has(id string) bool { _, ok := t.parent[id]; return ok }

// Len returns the number of units.
func (t *Tree) Len() int { return len(t.parent) }

// IDs returns the units, sorted.
func (t *Tree) IDs() []string {
	ids := make([]string, 0, len(t.parent))
	for id := range t.parent {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Current returns the unit itself, or, when it is no more, the one that took
// over what is left in it.
func (t *Tree) Current(id string) string {
	for range len(t.successor) {
		next, gone := t.successor[id]
		if !gone || t.Has(id) {
			break
		}
		id = next
	}
	return id
}

// Under says whether a unit is the other or lies anywhere below it. A unit
// that is not in the tree lies under nothing but itself.
func (t *Tree) Under(unit, other string) bool {
	for at := unit; at != ""; at = t.parent[at] {
		if at == other {
			return true
		}
	}
	return false
}

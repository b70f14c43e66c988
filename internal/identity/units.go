package identity

import (
	"fmt"
	"iter"
	"slices"
	"sort"
)

// Unit is a unit of the organisation at one place in the tree. A unit that moves
// has several, one after the other.
type Unit struct {
	ID     string
	Parent string // empty at the top
	Name   string
	// From and Until are its first and last day; both empty means always.
	From, Until Date
	// Successor is the unit that takes over after the last day, by merger or
	// renaming. Empty for none.
	Successor string
}

// Units is the organisation tree over time. The zero value has no units.
type Units struct {
	units map[string][]Unit
	names map[string]string
	turns []Date // the first day of each tree but the first
	trees []*Tree
}

// Add adds a unit. The caller calls Check when all are added.
func (u *Units) Add(unit Unit) error {
	if u.units == nil {
		u.units, u.names = map[string][]Unit{}, map[string]string{}
	}
	if unit.ID == "" {
		return fmt.Errorf("a unit has no ID")
	}
	if unit.Until != "" && unit.Until < unit.From {
		return fmt.Errorf("unit %q ends on %s, before it begins", unit.ID, unit.Until)
	}
	if unit.Successor != "" && unit.Until == "" {
		return fmt.Errorf("unit %q has a successor and no last day: add the last day", unit.ID)
	}
	for _, other := range u.units[unit.ID] {
		if (other.Until == "" || unit.From <= other.Until) && (unit.Until == "" || other.From <= unit.Until) {
			return fmt.Errorf("unit %q is defined twice for the same days", unit.ID)
		}
	}
	u.units[unit.ID] = append(u.units[unit.ID], unit)
	u.names[unit.ID] = unit.Name
	u.trees = nil
	return nil
}

// UnitError is returned by Check. It names the unit and the problem.
type UnitError struct{ Unit, Text string }

func (e *UnitError) Error() string { return fmt.Sprintf("unit %q %s", e.Unit, e.Text) }

// maxUnitDepth is the maximum depth of the tree.
const maxUnitDepth = 64

// Check builds the trees and returns an error unless, in each, every parent
// exists and no unit is below itself, and every successor is a unit.
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
		for _, id := range t.ids() {
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

// On returns the tree on the day.
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

// Len returns the number of units of all days.
func (u *Units) Len() int { return len(u.units) }

// Has reports whether the unit exists on any day.
func (u *Units) Has(id string) bool { _, ok := u.units[id]; return ok }

// Name returns the unit's name, or its ID when it has none.
func (u *Units) Name(id string) string {
	if n := u.names[id]; n != "" {
		return n
	}
	return id
}

// IDs returns the units of all days, sorted.
func (u *Units) IDs() []string {
	ids := make([]string, 0, len(u.units))
	for id := range u.units {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Tree is the organisation in a period.
type Tree struct {
	// Epoch is the tree's index among all, from 0.
	Epoch     int
	parent    map[string]string
	successor map[string]string
}

// Has reports whether the unit exists.
func (t *Tree) Has(id string) bool { _, ok := t.parent[id]; return ok }

// ids returns the units, sorted.
func (t *Tree) ids() []string {
	ids := make([]string, 0, len(t.parent))
	for id := range t.parent {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Current returns the unit itself, or, when it no longer exists, its successor.
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

// Below returns the units right below one, sorted; with "" those at the top.
func (t *Tree) Below(parent string) []string {
	var all []string
	for id, p := range t.parent {
		if p == parent {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// Within returns a unit and all units below it.
func (t *Tree) Within(unit string) []string {
	below := map[string][]string{}
	for id, p := range t.parent {
		below[p] = append(below[p], id)
	}
	all := []string{unit}
	for n := 0; n < len(all); n++ { // a tree has no cycles
		all = append(all, below[all[n]]...)
	}
	slices.Sort(all)
	return all
}

// Up returns a unit and those above it, the unit first. One that is not in the tree has none
// above it.
func (t *Tree) Up(unit string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := unit; yield(at); at = t.parent[at] {
			if t.parent[at] == "" {
				return
			}
		}
	}
}

// Under reports whether a unit is the other or is below it. A unit that is not in
// the tree is below nothing but itself.
func (t *Tree) Under(unit, other string) bool {
	for at := unit; at != ""; at = t.parent[at] {
		if at == other {
			return true
		}
	}
	return false
}

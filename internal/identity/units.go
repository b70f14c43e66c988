package identity

import (
	"fmt"
	"slices"
)

// Units is the organisation tree. The zero value has no units.
type Units struct {
	names  map[string]string
	parent map[string]string
}

// Add puts a unit under a parent; the empty parent is the top.
func (u *Units) Add(id, parent, name string) error {
	if u.names == nil {
		u.names, u.parent = map[string]string{}, map[string]string{}
	}
	if id == "" {
		return fmt.Errorf("a unit has no id")
	}
	if _, ok := u.names[id]; ok {
		return fmt.Errorf("unit %q is there twice", id)
	}
	u.names[id], u.parent[id] = name, parent
	return nil
}

// UnitError is what Check returns: what is wrong, and with which unit.
type UnitError struct{ Unit, Text string }

func (e *UnitError) Error() string { return fmt.Sprintf("unit %q %s", e.Unit, e.Text) }

// Check says whether every parent exists and no unit lies below itself.
func (u *Units) Check() error {
	for _, id := range u.IDs() {
		seen := map[string]bool{}
		for at := id; at != ""; at = u.parent[at] {
			if _, ok := u.names[at]; !ok {
				return &UnitError{Unit: id, Text: fmt.Sprintf("lies under %q, which is not a unit", at)}
			}
			if seen[at] {
				return &UnitError{Unit: id, Text: "lies below itself"}
			}
			seen[at] = true
		}
	}
	return nil
}

// Len returns the number of units.
func (u *Units) Len() int { return len(u.names) }

// Has says whether there is such a unit.
func (u *Units) Has(id string) bool { _, ok := u.names[id]; return ok }

// Name returns the unit's name, or its ID when it has none.
func (u *Units) Name(id string) string {
	if n := u.names[id]; n != "" {
		return n
	}
	return id
}

// Under says whether a unit is the other or lies anywhere below it. A unit
// that is not in the tree lies under nothing but itself.
func (u *Units) Under(unit, other string) bool {
	for at := unit; at != ""; at = u.parent[at] {
		if at == other {
			return true
		}
	}
	return false
}

// IDs returns all units, sorted.
func (u *Units) IDs() []string {
	ids := make([]string, 0, len(u.names))
	for id := range u.names {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Parent returns the unit above, or the empty string at the top.
func (u *Units) Parent(id string) string { return u.parent[id] }

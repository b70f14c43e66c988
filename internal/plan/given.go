package plan

import (
	"cmp"
	"iter"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// Given is access in a target that behov gave and has not taken back, each with
// the reason it was given for. The zero value is none.
type Given struct {
	rows []given // sorted by person, and then by entitlement
	// There are few entitlements and reasons, and many people.
	entitlements table[policy.EntitlementID]
	reasons      table[reason.Reason]
}

type given struct {
	person              identity.PersonID
	entitlement, reason int32 // in the tables
}

// Access is a person's entitlement.
type Access struct {
	Person      identity.PersonID
	Entitlement policy.EntitlementID
}

// Add notes access. It is fast when access comes in its order.
func (g *Given) Add(a Access, why reason.Reason) {
	i, found := g.find(a)
	if !found {
		g.rows = slices.Insert(g.rows, i, given{person: a.Person, entitlement: g.entitlements.of(a.Entitlement)})
	}
	g.rows[i].reason = g.reasons.of(why)
}

// reason returns why the access was given, and whether it was.
func (g *Given) reason(a Access) (reason.Reason, bool) {
	if i, found := g.find(a); found {
		return g.reasons.names[g.rows[i].reason], true
	}
	return reason.Reason{}, false
}

// All returns all access.
func (g *Given) All() iter.Seq[Access] {
	return func(yield func(Access) bool) {
		for _, row := range g.rows {
			if !yield(Access{Person: row.person, Entitlement: g.entitlements.names[row.entitlement]}) {
				return
			}
		}
	}
}

func (g *Given) find(a Access) (int, bool) {
	return find(g.rows, func(row given) int {
		if c := cmp.Compare(row.person, a.Person); c != 0 {
			return c
		}
		return cmp.Compare(g.entitlements.names[row.entitlement], a.Entitlement)
	})
}

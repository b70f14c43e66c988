package policy

import (
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Severity is how much it harms when one person has both sides of a conflict.
type Severity string

// The severities, the least first.
const (
	LowSeverity    Severity = "low"
	MediumSeverity Severity = "medium"
	HighSeverity   Severity = "high"
)

// Severities are the severities, the least first.
var Severities = []Severity{LowSeverity, MediumSeverity, HighSeverity}

// Conflict is a segregation of duties: no one should have an entitlement of each side.
type Conflict struct {
	Name     string   `json:"name"`
	Why      string   `json:"why"` // in words that people read
	Severity Severity `json:"severity"`
	// Sides are two or more, each of one or more entitlements, sorted.
	Sides [][]EntitlementID `json:"sides"`
	// Refused: who is given an entitlement of every other side does not get those of the
	// last one, unless a decision allows it. Otherwise a conflict is only reported.
	Refused bool `json:"refused"`
}

// held returns, of each side, the first entitlement that a person has; nil unless they have
// one of every side.
func (c *Conflict) held(has func(EntitlementID) bool) []EntitlementID {
	sides := make([]EntitlementID, 0, len(c.Sides))
	for _, side := range c.Sides {
		i := slices.IndexFunc(side, has)
		if i < 0 {
			return nil
		}
		sides = append(sides, side[i])
	}
	return sides
}

// Held returns the conflicts of which a person has an entitlement of every side, each with
// the first of each side.
func (c *Catalogue) Held(has func(EntitlementID) bool) map[string][]EntitlementID {
	var all map[string][]EntitlementID
	for i := range c.Conflicts {
		if sides := c.Conflicts[i].held(has); sides != nil {
			if all == nil {
				all = map[string][]EntitlementID{}
			}
			all[c.Conflicts[i].Name] = sides
		}
	}
	return all
}

// Opposed reports whether an entitlement is on a side of a conflict.
func (c *Catalogue) Opposed(id EntitlementID) bool {
	return slices.ContainsFunc(c.Conflicts, func(x Conflict) bool {
		return slices.ContainsFunc(x.Sides, func(side []EntitlementID) bool { return slices.Contains(side, id) })
	})
}

// Conflict returns a conflict by its name.
func (c *Catalogue) Conflict(name string) (Conflict, bool) {
	i := slices.IndexFunc(c.Conflicts, func(c Conflict) bool { return c.Name == name })
	if i < 0 {
		return Conflict{}, false
	}
	return c.Conflicts[i], true
}

// Allowance is a decision that lets a person have both sides of a conflict until a day.
type Allowance struct {
	Until identity.Date
	By    reason.Reason
}

// separate closes the gates of what a person may not have together with the rest. What waits
// for MFA counts as given: it would open.
func (r *Rules) separate(grants []Grant, day identity.Date, facts Facts) {
	if len(r.Catalogue.Conflicts) == 0 {
		return
	}
	at := make(map[EntitlementID]*Grant, len(grants))
	for i := range grants {
		at[grants[i].Entitlement] = &grants[i]
	}
	given := func(id EntitlementID) bool {
		g := at[id]
		return g != nil && (g.Gate == Open || g.Gate == Kept || g.Gate == AwaitingMFA || g.Gate == MFAUnknown)
	}
	for i := range r.Catalogue.Conflicts {
		c := &r.Catalogue.Conflicts[i]
		sides := c.held(given)
		if !c.Refused || sides == nil {
			continue
		}
		allowed, decided := facts.Allowances[c.Name]
		for _, id := range c.Sides[len(c.Sides)-1] {
			g := at[id]
			switch {
			case !given(id):
			case decided && allowed.Until >= day:
				g.Allowed = allowed.By
			default:
				g.Gate, g.Until, g.GateReason = Withheld, "", reason.Of(reason.InConflict{Conflict: c.Name, With: string(sides[0]), Why: c.Why})
			}
		}
	}
}

package reconcile

import (
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// coverage is what a run covers: the people who are read, and the targets.
type coverage struct {
	people store.PersonSet
	// person, when set, is the one person whose part of the plan for everyone is the
	// plan: everyone is read, and the plan shows this person alone.
	person     identity.PersonID
	targets    []config.Target
	allTargets bool
}

// readsEveryone reports whether everyone is read.
func (c coverage) readsEveryone() bool { return c.people.IsEveryone() }

// showsEveryone reports whether the plan shows everyone.
func (c coverage) showsEveryone() bool { return c.person == "" && c.people.IsEveryone() }

// showsAll reports whether the plan shows everyone in every target.
func (c coverage) showsAll() bool { return c.showsEveryone() && c.allTargets }

// shows reports whether the plan shows a person.
func (c coverage) shows(person identity.PersonID) bool {
	return (c.person == "" || c.person == person) && (c.people.IsEveryone() || c.people.Contains(person))
}

// targetNames returns the names of the targets.
func (c coverage) targetNames() []string {
	names := make([]string, len(c.targets))
	for i, t := range c.targets {
		names[i] = t.Name
	}
	return names
}

// showsEntitlement reports whether the plan shows a person's entitlement. Any plan shows
// an entitlement that is in no target any more.
func (w *inputs) showsEntitlement(catalogue *policy.Catalogue, person identity.PersonID, entitlement policy.EntitlementID) bool {
	if !w.covers.shows(person) {
		return false
	}
	of, ok := catalogue.Entitlement(entitlement)
	return !ok || slices.ContainsFunc(w.targets, func(t plan.Target) bool { return t.Name == of.Target })
}

// showsAccess reports whether the plan shows all access of a person in a target.
func (w *inputs) showsAccess(target string, person identity.PersonID) bool {
	i := slices.IndexFunc(w.targets, func(t plan.Target) bool { return t.Name == target })
	return i >= 0 && w.covers.shows(person) && w.targets[i].Observed != nil && w.targets[i].Observed.Completeness.Complete && w.people.Undecided[person].IsZero()
}

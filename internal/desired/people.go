// Package desired works out what each person should have in each target on a day: their
// entitlements, and what an account looks like. It is pure: it must never read a clock, a
// context, the store or a target.
package desired

import (
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// People are people on a day, with what is known and decided about them.
type People struct {
	Config *config.Config
	Day    identity.Date
	All    []identity.Person // sorted by ID
	Facts  map[identity.PersonID]policy.Facts
	// Undecided is why nothing of a person's access is changed.
	Undecided map[identity.PersonID]reason.Reason
	// Warnings say what of a person will end.
	Warnings map[identity.PersonID][]reason.Reason
	// ByKey says who is meant by what the sources call people; Managers are those
	// among them who are not in All.
	ByKey    map[identity.SourceKey]identity.PersonID
	Managers map[identity.PersonID]identity.Person
}

// NewPeople returns a value without people, on a day.
func NewPeople(c *config.Config, day identity.Date) *People {
	return &People{Config: c, Day: day, Facts: map[identity.PersonID]policy.Facts{}, Undecided: map[identity.PersonID]reason.Reason{},
		Warnings: map[identity.PersonID][]reason.Reason{}, ByKey: map[identity.SourceKey]identity.PersonID{}}
}

// Person returns one of the people by ID.
func (d *People) Person(id identity.PersonID) (identity.Person, bool) {
	i, found := d.Place(id)
	if !found {
		return identity.Person{}, false
	}
	return d.All[i], true
}

// Place returns the index of a person in All, and whether the person is there.
func (d *People) Place(id identity.PersonID) (int, bool) {
	return slices.BinarySearchFunc(d.All, id, func(p identity.Person, id identity.PersonID) int { return strings.Compare(string(p.ID), string(id)) })
}

// Grants works out the entitlements that a person should have; the result has no accounts.
func (d *People) Grants(p identity.Person) plan.Person {
	facts := d.Facts[p.ID]
	desired := plan.Person{ID: p.ID, SuspendedReason: facts.Suspended, Warnings: d.Warnings[p.ID]}
	day := d.applyStage(&desired, d.Stage(p), d.Day)
	var err error
	desired.Grants, err = d.Config.Rules.Decide(p, day, facts)
	if err != nil {
		desired.UndecidedReason = reason.Of(reason.EvaluationFailed{Detail: err.Error()})
		return desired
	}
	desired.UndecidedReason = d.checkUnits(p, day).Or(d.Undecided[p.ID])
	if overdue := d.mfaOverdue(p, facts, desired.Grants); d.Stage(p).State == identity.Working && !overdue.IsZero() {
		desired.DisabledReason = overdue
	}
	return desired
}

// mfaOverdue returns why the accounts of a person are disabled who has not enrolled for MFA in
// time, while access waits for it; none otherwise.
func (d *People) mfaOverdue(p identity.Person, facts policy.Facts, grants []policy.Grant) reason.Reason {
	if d.Config.MFASuspendAfter == 0 || facts.MFA != policy.NotEnrolled || !slices.ContainsFunc(grants, func(g policy.Grant) bool { return g.Gate == policy.AwaitingMFA }) {
		return reason.Reason{}
	}
	since, waits := MFAWaitsSince(p, facts, d.Day)
	if !waits || d.Day <= since.AddDays(d.Config.MFASuspendAfter) {
		return reason.Reason{}
	}
	return reason.Of(reason.MFAOverdue{Since: since, Count: d.Config.MFASuspendAfter})
}

// MFAWaitsSince returns the day since which a person who works on a day has had access that waits
// for MFA: the days before they began do not count, nor those before they were last issued a
// pass. It reports false for a person of whom nothing waits, or who does not work then.
func MFAWaitsSince(p identity.Person, facts policy.Facts, day identity.Date) (since identity.Date, waits bool) {
	active := p.Active(day)
	if facts.MFAWaitsSince == "" || len(active) == 0 {
		return "", false
	}
	began := active[0].Start
	for _, e := range active {
		began = min(began, e.Start)
	}
	return max(began, facts.MFAWaitsSince), true
}

// Stage returns the stage of a person's lifecycle.
func (d *People) Stage(p identity.Person) identity.Stage {
	return d.Config.Lifecycle.StageOf(p, d.Day, !d.Facts[p.ID].LegalHold.IsZero())
}

// applyStage says what a person's state means for their accounts, and returns the
// day whose needs count.
func (d *People) applyStage(p *plan.Person, s identity.Stage, day identity.Date) identity.Date {
	l := d.Config.Lifecycle
	switch s.State {
	case identity.Working:
		return day
	case identity.OnLeave:
		if l.Leave == identity.LeaveSuspends {
			p.DisabledReason = reason.OfStage(s)
		}
		return day
	}
	p.NoEntitlementReason = reason.OfStage(s)
	p.KeepMemberships = s.Since != "" && s.Since.AddDays(l.KeepMemberships) > day
	switch s.State {
	case identity.PreHire, identity.Between:
		if s.Next.AddDays(-l.Prepare) <= day {
			p.Prepare = true
			return s.Next
		}
	case identity.Retained, identity.ToErase:
		p.DeleteReason = reason.OfStage(s)
	}
	return day
}

// checkUnits returns a reason when a unit in which a person works is not in the tree: a
// unit that was closed or forgotten there must not take anyone's access.
func (d *People) checkUnits(p identity.Person, day identity.Date) reason.Reason {
	if d.Config.Rules.Units.Len() == 0 {
		return reason.Reason{}
	}
	tree := d.Config.Rules.Units.On(day)
	for _, employment := range p.Employments {
		if !employment.ActiveOn(day) {
			continue
		}
		unit := tree.Current(employment.On(day).Unit)
		switch {
		case unit == "" || tree.Has(unit):
		case d.Config.Rules.Units.Has(unit):
			return reason.Of(reason.UnitClosed{Unit: unit, Day: day})
		default:
			return reason.Of(reason.UnitUnknown{Unit: unit})
		}
	}
	return reason.Reason{}
}

// HasEntitlementIn reports whether the rules grant the person anything in the target, now
// or once a gate opens.
func (d *People) HasEntitlementIn(target string, p plan.Person) bool {
	return slices.ContainsFunc(p.Grants, func(g policy.Grant) bool {
		entitlement, ok := d.Config.Rules.Catalogue.Entitlement(g.Entitlement)
		return ok && entitlement.Target == target
	})
}

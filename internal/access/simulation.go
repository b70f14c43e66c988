package access

import (
	"maps"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
)

// Simulation is what a change of rules, catalogue, organisation or HR's facts would do.
type Simulation struct {
	AsOf identity.Date `json:"as_of"`
	// Plan is the digest of the plan once the change is made, and Rules that of its rules.
	Plan  audit.PlanDigest `json:"plan"`
	Rules string           `json:"rules"`
	// People is how many people the grants and steps are about, and Newcomers those among
	// them whom the change makes known.
	People    int   `json:"people"`
	Cut       bool  `json:"cut"` // the lists are of some of them only; the counts are of all
	Newcomers []Ref `json:"newcomers"`
	// Entitlements are those that anyone needs before or after the change, sorted.
	Entitlements []reconcile.EntitlementChange `json:"entitlements"`
	// Grants are those that begin, end, or come to another state.
	Grants []GrantChange `json:"grants"`
	// Groups are changes to groups themselves, Steps are planned because of the change, and
	// Dropped are not planned any more.
	Groups  []GroupStep `json:"groups"`
	Steps   []Step      `json:"steps"`
	Dropped []Step      `json:"dropped"`
	// Holds and Findings come with the change.
	Holds    []SimulatedHold `json:"holds"`
	Findings []Finding       `json:"findings"`
}

// SimulatedHold is what a run would hold for a person once a change is made.
type SimulatedHold struct {
	Target string `json:"target"`
	Why    Reason `json:"why"`
	Steps  int    `json:"steps"` // how many it would hold
}

// GrantChange is a grant of a person that a change concerns.
type GrantChange struct {
	Person      Ref                  `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	Before      reconcile.GrantState `json:"before,omitempty"`
	After       reconcile.GrantState `json:"after,omitempty"`
	// Reason is why it is granted or waits; of one that ends, why it was granted, or what
	// takes it.
	Reason Reason `json:"reason"`
}

// Simulation returns what a change would do, with people and sentences; of at most so many
// people in each list when most is not zero, as PlanListed.
func (v *View) Simulation(s *reconcile.Simulation, most int) (Simulation, error) {
	for _, p := range s.Newcomers {
		if err := v.Add(p); err != nil {
			return Simulation{}, err
		}
	}
	s, err := v.withoutMasked(s)
	if err != nil {
		return Simulation{}, err
	}
	concerned := map[identity.PersonID]bool{}
	var ids []identity.PersonID
	var reasons []reason.Reason
	listed, list := map[identity.PersonID]bool{}, 0
	add := func(id identity.PersonID, r reason.Reason) {
		if id != "" {
			concerned[id] = true
			if !listed[id] && (most == 0 || list < most) {
				listed[id] = true
				list++
			}
			if !listed[id] {
				return
			}
			ids = append(ids, id)
		}
		reasons = append(reasons, r)
	}
	for _, g := range s.Grants {
		add(g.Person, g.Reason)
	}
	list = 0
	for _, x := range s.Steps {
		add(x.Person, x.Reason)
	}
	list = 0
	for _, x := range s.Dropped {
		add(x.Person, x.Reason)
	}
	for _, h := range s.Holds {
		add("", h.Why)
	}
	people := len(concerned)
	if s.Cut {
		people = s.People
	}
	list = 0
	for _, f := range s.Findings {
		add(f.Person, f.Reason)
	}
	if err := v.Load(ids, reasons...); err != nil {
		return Simulation{}, err
	}
	v.listed = listed
	if most == 0 {
		v.listed = nil
	}
	defer func() { v.listed = nil }()
	out := Simulation{AsOf: s.AsOf, Plan: s.Plan, Rules: s.Rules, People: people, Cut: s.Cut, Newcomers: each(s.Newcomers, func(p identity.Person) Ref { return v.Ref(p.ID) }),
		Entitlements: append([]reconcile.EntitlementChange{}, s.Entitlements...), Groups: v.GroupSteps(s.Groups), Steps: v.stepsOf(s.Steps), Dropped: v.stepsOf(s.Dropped)}
	out.Grants = each(s.Grants, func(g reconcile.GrantChange) GrantChange {
		who, why := v.planned(g.Person, g.Reason)
		return GrantChange{who, g.Entitlement, g.Before, g.After, why}
	})
	out.Holds = each(s.Holds, func(h reconcile.NewHold) SimulatedHold { return SimulatedHold{h.Target, v.Because(h.Why), h.Steps} })
	out.Findings = each(s.Findings, v.finding)
	return out, nil
}

// withoutMasked returns a simulation without those who are masked for the viewer: whom a rule
// of one's own concerns would tell what is hidden of them.
func (v *View) withoutMasked(s *reconcile.Simulation) (*reconcile.Simulation, error) {
	ids := map[identity.PersonID]bool{}
	for _, g := range s.Grants {
		ids[g.Person] = true
	}
	for _, x := range slices.Concat(s.Steps, s.Dropped) {
		ids[x.Person] = true
	}
	for _, f := range s.Findings {
		ids[f.Person] = true
	}
	delete(ids, "")
	if err := v.Load(slices.Collect(maps.Keys(ids))); err != nil {
		return nil, err
	}
	masked := map[identity.PersonID]bool{}
	for id := range ids {
		if v.Masked(id) {
			masked[id] = true
		}
	}
	if len(masked) == 0 {
		return s, nil
	}
	out := *s
	out.Entitlements = slices.Clone(s.Entitlements)
	out.Grants = nil
	for _, g := range s.Grants {
		if !masked[g.Person] {
			out.Grants = append(out.Grants, g)
			continue
		}
		i := slices.IndexFunc(out.Entitlements, func(c reconcile.EntitlementChange) bool { return c.Entitlement == g.Entitlement })
		if i >= 0 {
			out.Entitlements[i].Without(g)
		}
	}
	left := func(steps []plan.Step) []plan.Step {
		return slices.DeleteFunc(slices.Clone(steps), func(x plan.Step) bool { return masked[x.Person] })
	}
	concerned := map[identity.PersonID]bool{}
	for _, g := range s.Grants {
		concerned[g.Person] = masked[g.Person]
	}
	for _, x := range slices.Concat(s.Steps, s.Dropped) {
		concerned[x.Person] = masked[x.Person]
	}
	for _, hidden := range concerned {
		if hidden {
			out.People--
		}
	}
	out.Steps, out.Dropped = left(s.Steps), left(s.Dropped)
	out.Findings = slices.DeleteFunc(slices.Clone(s.Findings), func(f plan.Finding) bool { return masked[f.Person] })
	out.Newcomers = slices.DeleteFunc(slices.Clone(s.Newcomers), func(p identity.Person) bool { return v.Masked(p.ID) })
	return &out, nil
}

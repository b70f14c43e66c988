package access

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Plan is what would be done, and what would not. Attributes of steps are fingerprints of
// values.
type Plan struct {
	// Digest names the plan. An approval names a digest and covers nothing else.
	Digest audit.PlanDigest `json:"digest"`
	Basis  plan.Basis       `json:"basis"` // what it was made from
	// Groups are changes to groups themselves: creations come before all steps, the others
	// after them.
	Groups []GroupStep `json:"groups"`
	Steps  []Step      `json:"steps"` // in the order in which they are carried out
	// Holds are steps that wait for a person's decision, and Released those that a person
	// released: they are among Steps.
	Holds    []HeldSteps     `json:"holds"`
	Released []plan.Released `json:"released"`
	// AwaitingCompleteRead are steps that wait for a complete reading of their target.
	AwaitingCompleteRead []WaitingSteps `json:"awaiting_complete_read"`
	// SkippedSteps failed before or were ordered, or depend on such a step: this run does not try them.
	SkippedSteps []SkippedStep `json:"skipped_steps"`
	// Deferred is what a plan for some people leaves to one for everyone.
	Deferred []DeferredPerson `json:"deferred"`
	// GatedGrants are grants whose gate is not open.
	GatedGrants []PlannedAccess `json:"gated_grants"`
	// Adopted is access that was there already and that a rule or a decision gives.
	Adopted []PlannedAccess `json:"adopted"`
	// Handovers are what moved people keep for a while, and until when.
	Handovers []PlannedAccess `json:"handovers"`
	// UnrepairedDrift is access that is needed, was taken away in the target, and is left so.
	UnrepairedDrift []PlannedAccess `json:"unrepaired_drift"`
	// Findings are what a person should look at; none of it is changed.
	Findings []Finding `json:"findings"`
}

// Status returns whether there is something to do, or something held, as plan.Plan.Status.
func (p Plan) Status() plan.Status {
	switch {
	case len(p.Holds) > 0 || len(p.AwaitingCompleteRead) > 0 || len(p.FailedSteps()) > 0:
		return plan.Held
	case len(p.Steps)+len(p.Groups) > 0:
		return plan.Changes
	}
	return plan.Nothing
}

// OrderedSteps returns the skipped steps that a person was asked to make.
func (p Plan) OrderedSteps() []SkippedStep {
	var ordered []SkippedStep
	for _, s := range p.SkippedSteps {
		if s.Ordered {
			ordered = append(ordered, s)
		}
	}
	return ordered
}

// FailedSteps returns the skipped steps that failed and were not given up.
func (p Plan) FailedSteps() []SkippedStep {
	var failed []SkippedStep
	for _, s := range p.SkippedSteps {
		if !s.GivenUp && !s.Ordered {
			failed = append(failed, s)
		}
	}
	return failed
}

// Step is one change to one account.
type Step struct {
	*plan.Step        // the plan's own: a first plan has hundreds of thousands
	Person     Ref    `json:"person"`
	Reason     Reason `json:"reason"`
}

// GroupStep is one change to a group that behov created, or that it is to create.
type GroupStep struct {
	ID     audit.StepID `json:"id"`
	Target string       `json:"target"`
	Op     string       `json:"op"` // create-group, rename-group or delete-group
	// GroupID is the target's own ID of the group; left out before it is there.
	GroupID     string               `json:"group_id,omitempty"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	Native      string               `json:"native"` // the name that it gets, or has, in the target
	Reason      Reason               `json:"reason"`
}

// GroupSteps returns steps on groups with their sentences.
func (v *View) GroupSteps(steps []plan.Step) []GroupStep {
	return each(steps, func(s plan.Step) GroupStep {
		return GroupStep{s.ID, s.Target, string(s.Op), s.AccountID, s.Entitlement, s.Native, v.Because(s.Reason)}
	})
}

// HeldSteps are steps that wait for a person's decision.
type HeldSteps struct {
	Digest audit.HoldDigest `json:"digest"`
	Target string           `json:"target"`
	Why    Reason           `json:"why"`
	Steps  []Step           `json:"steps"`
	// Accompanying: they are held because of others that are released, or that wait for a
	// decision.
	Accompanying bool `json:"accompanying"`
}

// WaitingSteps are steps that wait for a complete reading of their target.
type WaitingSteps struct {
	Target string `json:"target"`
	Why    Reason `json:"why"`
	Steps  []Step `json:"steps"`
}

// SkippedStep is a step that a run does not try.
type SkippedStep struct {
	Why     Reason `json:"why"`
	Step    Step   `json:"step"`
	GivenUp bool   `json:"given_up"` // by a decision
	Ordered bool   `json:"ordered"`  // a person was asked to make the change
}

// DeferredPerson is a person whom a plan for some people leaves to one for everyone.
type DeferredPerson struct {
	Target string `json:"target"`
	Person *Ref   `json:"person,omitempty"`
	Why    Reason `json:"why"`
}

// PlannedAccess is access of a person that a plan does not change.
type PlannedAccess struct {
	Target      string               `json:"target,omitempty"`
	Person      Ref                  `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"` // or "account"
	Gate        policy.Gate          `json:"gate,omitempty"`
	Until       identity.Date        `json:"until,omitempty"` // the last day of a handover
	Reason      Reason               `json:"reason,omitzero"`
}

// Finding is what a person should look at.
type Finding struct {
	Kind        plan.FindingKind     `json:"kind"`
	Target      string               `json:"target,omitempty"`
	Person      *Ref                 `json:"person,omitempty"`
	AccountID   string               `json:"account_id,omitempty"` // the target's own ID
	Entitlement policy.EntitlementID `json:"entitlement,omitempty"`
	Reason      Reason               `json:"reason"`
}

// each returns what f makes of the values, and never nil.
func each[A, B any](values []A, f func(A) B) []B {
	all := make([]B, len(values))
	for i, v := range values {
		all[i] = f(v)
	}
	return all
}

// Plan returns a plan with its people and sentences.
func (v *View) Plan(p *plan.Plan) (Plan, error) {
	if err := v.loadPlan(p); err != nil {
		return Plan{}, err
	}
	return Plan{
		Digest: p.Digest, Basis: p.Basis, Groups: v.GroupSteps(p.Groups), Steps: v.stepsOf(p.Steps), Released: append([]plan.Released{}, p.Released...),
		Holds: each(p.Holds, func(h plan.Hold) HeldSteps {
			return HeldSteps{h.Digest, h.Target, v.Because(h.Why), v.stepsOf(h.Steps), h.Accompanying}
		}),
		AwaitingCompleteRead: each(p.AwaitingCompleteRead, func(w plan.AwaitingRead) WaitingSteps {
			return WaitingSteps{w.Target, v.Because(w.Why), v.stepsOf(w.Steps)}
		}),
		SkippedSteps: each(p.SkippedSteps, func(s plan.SkippedStep) SkippedStep {
			return SkippedStep{v.Because(s.Why), v.Step(&s.Step), s.GivenUp, s.Ordered}
		}),
		Deferred: each(p.Deferred, func(d plan.DeferredPerson) DeferredPerson {
			who, why := v.plannedOptional(d.Person, d.Why)
			return DeferredPerson{d.Target, who, why}
		}),
		GatedGrants: each(p.GatedGrants, func(g plan.GatedGrant) PlannedAccess {
			who, why := v.planned(g.Person, g.Reason)
			return PlannedAccess{Person: who, Entitlement: g.Entitlement, Gate: g.Gate, Reason: why}
		}),
		Adopted: each(p.Adopted, func(x plan.Adoption) PlannedAccess {
			who, why := v.planned(x.Person, x.Reason)
			return PlannedAccess{Target: x.Target, Person: who, Entitlement: x.Entitlement, Reason: why}
		}),
		Handovers: each(p.Handovers, func(h plan.Handover) PlannedAccess {
			who, why := v.planned(h.Person, h.Reason)
			return PlannedAccess{Target: h.Target, Person: who, Entitlement: h.Entitlement, Until: h.Until, Reason: why}
		}),
		UnrepairedDrift: each(p.UnrepairedDrift, func(d plan.UnrepairedDrift) PlannedAccess {
			who, _ := v.planned(d.Person, reason.Reason{})
			return PlannedAccess{Target: d.Target, Person: who, Entitlement: d.Entitlement}
		}),
		Findings: each(p.Findings, v.finding),
	}, nil
}

func (v *View) finding(f plan.Finding) Finding {
	who, why := v.plannedOptional(f.Person, f.Reason)
	return Finding{f.Kind, f.Target, who, f.AccountID, f.Entitlement, why}
}

// PlanListed is Plan for a reader who is shown at most so many people of each list: of the
// others there are IDs and reasons, without names and sentences, which for a first plan are
// most of the work.
func (v *View) PlanListed(p *plan.Plan, most int) (Plan, error) {
	v.listed = map[identity.PersonID]bool{}
	defer func() { v.listed = nil }()
	list := func(ids []identity.PersonID) {
		for _, id := range ids[:min(len(ids), most)] {
			v.listed[id] = true
		}
	}
	steps := func(all []plan.Step) {
		ids := make([]identity.PersonID, len(all))
		for i, s := range all {
			ids[i] = s.Person
		}
		slices.Sort(ids)
		list(slices.Compact(ids))
	}
	steps(p.Steps)
	for _, h := range p.Holds {
		steps(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		steps(w.Steps)
	}
	list(each(p.SkippedSteps, func(s plan.SkippedStep) identity.PersonID { return s.Step.Person }))
	list(each(p.Deferred, func(d plan.DeferredPerson) identity.PersonID { return d.Person }))
	list(each(p.GatedGrants, func(g plan.GatedGrant) identity.PersonID { return g.Person }))
	list(each(p.Adopted, func(a plan.Adoption) identity.PersonID { return a.Person }))
	list(each(p.Handovers, func(h plan.Handover) identity.PersonID { return h.Person }))
	list(each(p.UnrepairedDrift, func(d plan.UnrepairedDrift) identity.PersonID { return d.Person }))
	list(each(p.Findings, func(f plan.Finding) identity.PersonID { return f.Person }))
	return v.Plan(p)
}

// leavesOut reports whether a person is one of those whom a plan does not list.
func (v *View) leavesOut(id identity.PersonID) bool {
	return v.listed != nil && id != "" && !v.listed[id]
}

// planned returns a person whom a plan names, and a sentence about them.
func (v *View) planned(id identity.PersonID, r reason.Reason) (Ref, Reason) {
	if v.leavesOut(id) {
		return Ref{ID: id}, Reason{Reason: r}
	}
	return v.Ref(id), v.Because(r)
}

// plannedOptional is planned for what may be about nobody.
func (v *View) plannedOptional(id identity.PersonID, r reason.Reason) (*Ref, Reason) {
	if v.leavesOut(id) {
		return &Ref{ID: id}, Reason{Reason: r}
	}
	return v.optional(id), v.Because(r)
}

// Step returns a step with its person and its sentence.
//
// Of a person who is masked the fingerprints of values are left out: two that are equal tell
// that the person works where another does.
func (v *View) Step(s *plan.Step) Step {
	if v.leavesOut(s.Person) {
		return Step{s, Ref{ID: s.Person}, Reason{Reason: s.Reason}}
	}
	if v.Masked(s.Person) {
		without := *s
		without.Attributes, without.Before = withoutValues(s.Attributes), withoutValues(s.Before)
		s = &without
	}
	return Step{s, v.Ref(s.Person), v.Because(s.Reason)}
}

// stepsOf returns steps, which it keeps, as the viewer sees them.
func (v *View) stepsOf(steps []plan.Step) []Step {
	all := make([]Step, len(steps))
	for i := range steps {
		all[i] = v.Step(&steps[i])
	}
	return all
}

// withoutValues returns the names of attributes, without anything of their values.
func withoutValues(fingerprints map[string]string) map[string]string {
	if len(fingerprints) == 0 {
		return fingerprints
	}
	names := map[string]string{}
	for name := range fingerprints {
		names[name] = ""
	}
	return names
}

// loadPlan reads at once everyone whom a plan names.
func (v *View) loadPlan(p *plan.Plan) error {
	var ids []identity.PersonID
	var reasons []reason.Reason
	add := func(id identity.PersonID, r reason.Reason) {
		if !v.leavesOut(id) {
			ids, reasons = append(ids, id), append(reasons, r)
		}
	}
	steps := func(all []plan.Step) {
		for _, s := range all {
			add(s.Person, s.Reason)
		}
	}
	steps(p.Steps)
	for _, h := range p.Holds {
		add("", h.Why)
		steps(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		add("", w.Why)
		steps(w.Steps)
	}
	for _, s := range p.SkippedSteps {
		add(s.Step.Person, s.Step.Reason)
		add("", s.Why)
	}
	for _, d := range p.Deferred {
		add(d.Person, d.Why)
	}
	for _, g := range p.GatedGrants {
		add(g.Person, g.Reason)
	}
	for _, x := range p.Adopted {
		add(x.Person, x.Reason)
	}
	for _, h := range p.Handovers {
		add(h.Person, h.Reason)
	}
	for _, d := range p.UnrepairedDrift {
		add(d.Person, reason.Reason{})
	}
	for _, f := range p.Findings {
		add(f.Person, f.Reason)
	}
	return v.Load(ids, reasons...)
}

// HoldContent is what a hold would do if it was released.
type HoldContent struct {
	Steps []Step `json:"steps,omitempty"` // of a hold of a plan
	// Events are the people whom a held import would change, by kind of event.
	Events map[identity.Kind][]Ref `json:"events,omitempty"`
	// Person, Target and Account are what a proposal is about.
	Person  *Ref   `json:"person,omitempty"`
	Target  string `json:"target,omitempty"`
	Account string `json:"account_id,omitempty"`
}

// HoldContent returns what a hold that was read with its body would do; steps are those of a
// hold of a plan.
func (v *View) HoldContent(h store.HoldState, steps []plan.Step) (c HoldContent, err error) {
	switch h.Kind {
	case store.PlanHold:
		err = v.loadPlan(&plan.Plan{Steps: steps})
		c.Steps = v.stepsOf(steps)
	case store.AccountBindHold, store.ErasureHold:
		var proposed struct {
			Person          identity.PersonID
			Target, Account string
		}
		err = json.Unmarshal([]byte(h.Body), &proposed)
		c = HoldContent{Person: v.optional(proposed.Person), Target: proposed.Target, Account: proposed.Account}
	default:
		var events map[identity.Kind][]identity.PersonID
		err = json.Unmarshal([]byte(h.Body), &events)
		c.Events = map[identity.Kind][]Ref{}
		for kind, ids := range events {
			v.Prepare(ids)
			c.Events[kind] = each(ids, v.Ref)
		}
	}
	if err != nil {
		return c, fmt.Errorf("hold %s: %w", h.Digest, err)
	}
	return c, nil
}

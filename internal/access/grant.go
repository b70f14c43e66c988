package access

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// GrantState is how a person's grant stands.
type GrantState string

// The states of a grant.
const (
	Has       GrantState = "has"
	GetsNext  GrantState = "gets-at-next-run"
	Suspended GrantState = "suspended" // the person may not use it
	Waits     GrantState = "waits"     // for MFA
	Keeps     GrantState = "keeps"     // though no rule gives it, or MFA is unknown
	LosesNext GrantState = "loses-at-next-run"
	HasNot    GrantState = "has-not"
	// GrantHeld: the step that gives it is held, or was rejected. RevokeHeld: the step that
	// takes it away is.
	GrantHeld  GrantState = "grant-held"
	RevokeHeld GrantState = "revoke-held"
	// GrantStuck: a target did not do a step that stands between the person and the
	// entitlement. RevokeStuck: it did not do the step that takes it away.
	GrantStuck  GrantState = "grant-stuck"
	RevokeStuck GrantState = "revoke-stuck"
	// Unexplained: the person has it, and no rule, request or decision gives it.
	Unexplained GrantState = "unexplained"
)

// StuckStep is a step that a target did not do.
type StuckStep struct {
	Key   audit.StepKey   `json:"key"` // for behov steps
	State store.StepState `json:"state"`
	Tries int             `json:"tries"`
	Last  Reason          `json:"last"` // what the target said last
}

// Grant is an entitlement of a person: how it stands, and why.
type Grant struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	State       GrantState           `json:"state"`
	Text        string               `json:"text"`           // the state in words
	Step        *StuckStep           `json:"step,omitempty"` // of what is stuck
	Hold        audit.HoldDigest     `json:"hold,omitempty"` // of what is held
	// Gate says whether the grant may be applied now; left out when no rule, request or
	// decision is about it.
	Gate       policy.Gate `json:"gate,omitempty"`
	GateReason Reason      `json:"gate_reason,omitzero"`
	// Exemption is the decision by which the person has it without the MFA that it needs.
	Exemption Reason `json:"exemption,omitzero"`
	// Allowed is the decision by which the person has it in spite of a conflict.
	Allowed Reason        `json:"allowed,omitzero"`
	Until   identity.Date `json:"until,omitempty"` // the last day of a handover
	Reasons []GrantReason `json:"reasons"`
}

// GrantReason is a rule that gives an entitlement, for an employment.
type GrantReason struct {
	By         Reason        `json:"by"`
	Employment EmploymentRef `json:"employment"`
}

// PersonGrants is where a person stands, with every grant.
type PersonGrants struct {
	Person
	Grants []Grant `json:"grants"`
}

// Explanation is why a person has an entitlement, or why not.
type Explanation struct {
	Person
	Grant Grant `json:"grant"`
	// NearRules are all rules that give or deny the entitlement, evaluated on every
	// active employment, nearest first.
	NearRules []NearRule `json:"near_rules"`
}

// NearRule is a rule that could give or deny an entitlement, evaluated on an employment.
type NearRule struct {
	Rule       string        `json:"rule"`
	Version    string        `json:"version"`
	Place      string        `json:"place"` // file:line
	Why        string        `json:"why,omitempty"`
	Deny       bool          `json:"deny"`
	Employment EmploymentRef `json:"employment"`
	Parts      []policy.Part `json:"parts"` // of its condition; none of a masked person
	Satisfied  bool          `json:"satisfied"`
}

// holdings is what the database knows of a person's access.
type holdings struct {
	subject
	has     map[policy.EntitlementID]bool
	pending []pendingStep
}

// pendingStep is a planned step that is not done: it is held, was rejected or ordered, or the target
// did not do it.
type pendingStep struct {
	plan.Step
	hold     audit.HoldDigest // empty when it is not held
	rejected bool
	failing  store.FailingStep // zero when it was not tried
	order    store.WorkOrder   // that a person was given; zero for none
}

func (v *View) holdings(s subject) (holdings, error) {
	h := holdings{subject: s, has: map[policy.EntitlementID]bool{}}
	open, err := v.DB.Intervals(v.ctx, store.IntervalQuery{Person: s.ID, Open: true})
	if err != nil {
		return h, err
	}
	for _, i := range open {
		h.has[policy.EntitlementID(i.Entitlement)] = true
	}
	if h.pending, err = v.heldSteps(s.ID); err != nil {
		return h, err
	}
	failing, err := v.DB.FailingSteps(v.ctx, "", store.Only(s.ID))
	if err != nil {
		return h, err
	}
	for _, f := range failing {
		p := pendingStep{failing: f}
		if json.Unmarshal([]byte(f.Body), &p.Step) == nil { // otherwise a later version wrote it
			h.pending = append(h.pending, p)
		}
	}
	orders, err := v.DB.OrdersAbout(v.ctx, s.ID, ordersConsidered)
	if err != nil {
		return h, err
	}
	for _, o := range orders {
		p := pendingStep{order: o}
		if o.State == store.OrderWaiting && json.Unmarshal([]byte(o.Body), &p.Step) == nil {
			h.pending = append(h.pending, p)
		}
	}
	return h, nil
}

// ordersConsidered is among how many of a person's newest work orders those are that wait.
const ordersConsidered = 200

// heldSteps returns the steps of a person that wait for a decision, or were rejected.
func (v *View) heldSteps(id identity.PersonID) ([]pendingStep, error) {
	held, err := v.DB.HeldStepsOf(v.ctx, id)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	decisions, err := v.DB.StepDecisions(v.ctx, "", store.Only(id), v.Now().Add(-v.Config.HoldsExpire))
	if err != nil {
		return nil, err
	}
	verdicts := map[audit.StepDigest]store.Verdict{}
	for _, d := range decisions {
		verdicts[d.Step] = d.Verdict
	}
	var pending []pendingStep
	for _, h := range held {
		p := pendingStep{hold: h.Hold}
		if json.Unmarshal([]byte(h.Body), &p.Step) != nil { // a later version wrote it
			continue
		}
		if verdict := verdicts[p.Digest()]; verdict != store.Release {
			p.rejected = verdict == store.Reject
			pending = append(pending, p)
		}
	}
	return pending, nil
}

// granting returns the step that stands between the person and an entitlement: its own, or
// one on the account.
func (v *View) granting(h holdings, id policy.EntitlementID) (pendingStep, bool) {
	return v.pending(h, id, func(s plan.Step) bool { return !s.RevokesAccess() && plan.PhaseOf(s.Op) != plan.PhaseUpdate })
}

// revoking returns the step that is to take an entitlement away and is not done.
func (v *View) revoking(h holdings, id policy.EntitlementID) (pendingStep, bool) {
	return v.pending(h, id, plan.Step.RevokesAccess)
}

func (v *View) pending(h holdings, id policy.EntitlementID, is func(plan.Step) bool) (pendingStep, bool) {
	of, _ := v.Config.Rules.Catalogue.Entitlement(id)
	i := slices.IndexFunc(h.pending, func(s pendingStep) bool {
		return s.Target == of.Target && is(s.Step) && (s.Entitlement == "" || s.Entitlement == id)
	})
	if i < 0 {
		return pendingStep{}, false
	}
	return h.pending[i], true
}

// state returns how a grant stands, and the step that is not done.
func (v *View) state(h holdings, g policy.Grant) (GrantState, pendingStep) {
	has := h.has[g.Entitlement]
	switch {
	case !h.status.Facts.Suspended.IsZero():
		return Suspended, pendingStep{}
	case g.Gate == policy.Open && has:
		return Has, pendingStep{}
	case g.Gate == policy.Open:
		s, is := v.granting(h, g.Entitlement)
		return pendingState(s, is, GetsNext, GrantHeld, GrantStuck), s
	case has && (g.Gate == policy.Kept || g.Gate == policy.MFAUnknown):
		return Keeps, pendingStep{}
	case has:
		s, is := v.revoking(h, g.Entitlement)
		return pendingState(s, is, LosesNext, RevokeHeld, RevokeStuck), s
	case g.Gate == policy.AwaitingMFA || g.Gate == policy.MFAUnknown:
		return Waits, pendingStep{}
	}
	return HasNot, pendingStep{}
}

// pendingState returns which of three states a step leads to: nothing hinders it, it is
// held, or a target did not do it.
func pendingState(s pendingStep, is bool, next, held, stuck GrantState) GrantState {
	switch {
	case !is:
		return next
	case s.hold != "":
		return held
	case s.order.ID != 0:
		return next
	}
	return stuck
}

// grant returns a grant as the viewer sees it.
func (v *View) grant(h holdings, g policy.Grant) Grant {
	state, step := v.state(h, g)
	x := v.standing(g.Entitlement, state, step)
	x.Gate, x.GateReason, x.Exemption, x.Until = g.Gate, v.Because(g.GateReason), v.Because(g.Exemption), g.Until
	x.Allowed = v.Because(g.Allowed)
	for _, r := range g.Reasons {
		x.Reasons = append(x.Reasons, GrantReason{v.Because(r.By), h.employmentOf(r.Employment)})
	}
	return x
}

// ungranted returns what the person has, or has not, without any rule, request or decision.
func (v *View) ungranted(h holdings, id policy.EntitlementID) Grant {
	if !h.has[id] {
		return v.standing(id, HasNot, pendingStep{})
	}
	step, _ := v.revoking(h, id)
	return v.standing(id, Unexplained, step)
}

func (v *View) standing(id policy.EntitlementID, state GrantState, s pendingStep) Grant {
	g := Grant{Entitlement: id, State: state, Hold: s.hold, Reasons: []GrantReason{}}
	if f := s.failing; f.Key != "" {
		g.Step = &StuckStep{f.Key, f.State, f.Tries, v.Because(f.Detail)}
	}
	g.Text = v.Text(standingReason(state, s))
	return g
}

// standingReason returns the reason that words a state.
func standingReason(state GrantState, s pendingStep) reason.Reason {
	f := s.failing
	if o := s.order; o.ID != 0 && (state == GetsNext || state == LosesNext) {
		return reason.Of(reason.OrderWaiting{Order: o.ID, Due: o.Due})
	}
	stuck := reason.StuckStep{Step: string(f.Key), Count: f.Tries, Last: f.Detail, Parked: f.State == store.Parked, GivenUp: f.State == store.GivenUp}
	held := reason.HeldGrant{Hold: string(s.hold), Rejected: s.rejected}
	switch state {
	case Has:
		return reason.Of(reason.GrantHeld{})
	case GetsNext:
		return reason.Of(reason.GrantNext{})
	case Suspended:
		return reason.Of(reason.GrantSuspended{})
	case Waits:
		return reason.Of(reason.GrantWaits{})
	case Keeps:
		return reason.Of(reason.GrantKept{})
	case LosesNext:
		return reason.Of(reason.GrantEnds{})
	case GrantHeld:
		return reason.Of(reason.GrantOnHold{HeldGrant: held})
	case RevokeHeld:
		return reason.Of(reason.RevokeOnHold{HeldGrant: held})
	case GrantStuck:
		return reason.Of(reason.GrantStuck{StuckStep: stuck})
	case RevokeStuck:
		return reason.Of(reason.RevokeStuck{StuckStep: stuck})
	case Unexplained:
		switch {
		case s.hold != "":
			return reason.Join(reason.Of(reason.GrantUnexplained{}), reason.Of(reason.RevokeOnHold{HeldGrant: held}))
		case f.Key != "":
			return reason.Join(reason.Of(reason.GrantUnexplained{}), reason.Of(reason.RevokeStuck{StuckStep: stuck}))
		}
		return reason.Of(reason.GrantUnexplained{})
	}
	return reason.Of(reason.GrantMissing{})
}

// Grants returns where a person stands today, with every grant: what rules and decisions
// give or deny, and what the person has without either.
func (v *View) Grants(ref string, statuses Statuses) (PersonGrants, error) {
	s, err := v.about(ref, statuses)
	if err != nil {
		return PersonGrants{}, err
	}
	h, err := v.holdings(s)
	if err != nil {
		return PersonGrants{}, err
	}
	given, err := v.Config.Rules.Decide(s.Person, s.day, s.status.Facts)
	if err != nil {
		return PersonGrants{}, err
	}
	v.prepareGrants(h, given)
	answer := PersonGrants{Grants: []Grant{}}
	if answer.Person, err = v.describe(s); err != nil {
		return answer, err
	}
	listed := map[policy.EntitlementID]bool{audit.Account: true}
	for _, g := range given {
		listed[g.Entitlement] = true
		answer.Grants = append(answer.Grants, v.grant(h, g))
	}
	for _, id := range slices.Sorted(maps.Keys(h.has)) {
		if !listed[id] {
			answer.Grants = append(answer.Grants, v.ungranted(h, id))
		}
	}
	return answer, nil
}

// prepareGrants reads at once what the reasons of grants name.
func (v *View) prepareGrants(h holdings, grants []policy.Grant) {
	var reasons []reason.Reason
	for _, g := range grants {
		reasons = append(reasons, g.GateReason, g.Exemption, g.Allowed)
		for _, r := range g.Reasons {
			reasons = append(reasons, r.By)
		}
	}
	for _, s := range h.pending {
		reasons = append(reasons, s.failing.Detail)
	}
	v.Prepare(nil, reasons...)
}

// Explain returns why a person has an entitlement today, or why not.
func (v *View) Explain(ref string, id policy.EntitlementID, statuses Statuses) (Explanation, error) {
	s, err := v.about(ref, statuses)
	if err != nil {
		return Explanation{}, err
	}
	h, err := v.holdings(s)
	if err != nil {
		return Explanation{}, err
	}
	x, err := v.Config.Rules.Explain(s.Person, s.day, s.status.Facts, id)
	if err != nil {
		return Explanation{}, err
	}
	answer := Explanation{NearRules: []NearRule{}}
	if answer.Person, err = v.describe(s); err != nil {
		return answer, err
	}
	if x.Grant != nil {
		v.prepareGrants(h, []policy.Grant{*x.Grant})
		answer.Grant = v.grant(h, *x.Grant)
	} else {
		answer.Grant = v.ungranted(h, id)
	}
	for _, near := range x.NearRules {
		n := NearRule{near.Rule, near.Version, near.Place, near.Why, near.Deny, h.employmentOf(near.Employment), near.Parts, near.Satisfied}
		if s.sees != full { // that a part about a unit is satisfied tells where the person is
			n.Parts = []policy.Part{}
		}
		answer.NearRules = append(answer.NearRules, n)
	}
	return answer, nil
}

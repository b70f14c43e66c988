package reconcile

import (
	"context"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// readFacts reads decisions, and who is enrolled for MFA.
func (e *Engine) readFacts(ctx context.Context, w *inputs) (err error) {
	if w.people.Facts, err = FactsOf(ctx, e.DB, store.Everyone(), w.people.Day, e.Config.Zone); err != nil {
		return err
	}
	return e.readMFA(ctx, w)
}

// decisionReader reads the decisions in force about people.
type decisionReader interface {
	ReviewDecisions(ctx context.Context, of store.PersonSet) ([]store.Decision, error)
	NewestDecisionPerPerson(ctx context.Context, kind store.DecisionKind, of store.PersonSet) ([]store.Decision, error)
	ConflictDecisions(ctx context.Context, of store.PersonSet) ([]store.Decision, error)
	GivenRequests(ctx context.Context, of store.PersonSet, day identity.Date) ([]store.GivenRequest, error)
	GatedGrants(ctx context.Context, of store.PersonSet) ([]store.GatedGrant, error)
}

// FactsOf reads what is decided about people, as it holds on a day and later. Days are in the
// zone.
func FactsOf(ctx context.Context, db decisionReader, of store.PersonSet, day identity.Date, zone *time.Location) (map[identity.PersonID]policy.Facts, error) {
	facts := map[identity.PersonID]policy.Facts{}
	decisions, err := db.ReviewDecisions(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, d := range decisions {
		id := d.Person
		f := facts[id]
		if f.Verdicts == nil {
			f.Verdicts = map[policy.EntitlementID]policy.Verdict{}
		}
		f.Verdicts[policy.EntitlementID(d.Entitlement)] = verdictOf(d)
		facts[id] = f
	}
	for _, kind := range []store.DecisionKind{store.SuspensionDecision, store.LegalHoldDecision, store.ScreeningDecision, store.MFAExemptionDecision} {
		decisions, err := db.NewestDecisionPerPerson(ctx, kind, of)
		if err != nil {
			return nil, err
		}
		for _, d := range decisions {
			f := facts[d.Person]
			applyDecision(&f, d)
			facts[d.Person] = f
		}
	}
	if decisions, err = db.ConflictDecisions(ctx, of); err != nil {
		return nil, err
	}
	for _, d := range decisions {
		if d.Verdict == store.Lift {
			continue
		}
		f := facts[d.Person]
		if f.Allowances == nil {
			f.Allowances = map[string]policy.Allowance{}
		}
		f.Allowances[string(d.Subject)] = policy.Allowance{Until: d.Until, By: reason.Of(reason.ConflictAllowed{Conflict: string(d.Subject), Decision: d.Seq, Maker: d.Maker, Until: d.Until})}
		facts[d.Person] = f
	}
	requests, err := db.GivenRequests(ctx, of, day)
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		f := facts[r.Person]
		f.Requests = append(f.Requests, RequestOf(r.AccessRequest, r.Maker))
		facts[r.Person] = f
	}
	return facts, mfaWaits(ctx, db, of, zone, facts)
}

// mfaWaits adds to the facts since when access has waited for people to enrol for MFA.
func mfaWaits(ctx context.Context, db decisionReader, of store.PersonSet, zone *time.Location, facts map[identity.PersonID]policy.Facts) error {
	gated, err := db.GatedGrants(ctx, of)
	if err != nil || len(gated) == 0 {
		return err
	}
	for _, g := range gated {
		f := facts[g.Person]
		if on := identity.DateOf(g.SinceUS.Time(), zone); g.Gate == string(policy.AwaitingMFA) && (f.MFAWaitsSince == "" || on < f.MFAWaitsSince) {
			f.MFAWaitsSince = on
			facts[g.Person] = f
		}
	}
	passes, err := db.NewestDecisionPerPerson(ctx, store.PassDecision, of)
	for _, d := range passes {
		if f := facts[d.Person]; d.Verdict == store.Issue && f.MFAWaitsSince != "" {
			f.MFAWaitsSince = max(f.MFAWaitsSince, identity.DateOf(d.At(), zone))
			facts[d.Person] = f
		}
	}
	return err
}

// RequestOf says what a request means to policy, once it is given by the maker of a decision.
func RequestOf(r store.AccessRequest, maker identity.Actor) policy.Request {
	by := reason.Of(reason.Requested{Request: r.ID, Decision: r.Given, Maker: maker, Until: r.Until})
	if r.Emergency {
		by = reason.Of(reason.EmergencyAccess{Request: r.ID, Decision: r.Given, Maker: maker, Until: r.Until})
	}
	return policy.Request{ID: r.ID, Entitlement: policy.EntitlementID(r.Entitlement), Employment: r.Employment, Since: r.Since, Unit: r.Unit, Manager: r.Manager, Until: r.Until, Decision: r.Given, By: by}
}

// Suspended returns the decisions that suspend people now, of those who are suspended.
func Suspended(ctx context.Context, db decisionReader, people []identity.PersonID) (map[identity.PersonID]reason.Reason, error) {
	decisions, err := db.NewestDecisionPerPerson(ctx, store.SuspensionDecision, store.Only(people...))
	if err != nil {
		return nil, err
	}
	suspended := map[identity.PersonID]reason.Reason{}
	for _, d := range decisions {
		var f policy.Facts
		if applyDecision(&f, d); !f.Suspended.IsZero() {
			suspended[d.Person] = f.Suspended
		}
	}
	return suspended, nil
}

// applyDecision adds to the facts what a decision about a person as a whole says.
func applyDecision(f *policy.Facts, d store.Decision) {
	if d.Verdict == store.Lift {
		return
	}
	switch d.Kind {
	case store.SuspensionDecision:
		f.Suspended = reason.Of(reason.Suspended{Decision: d.Seq, Maker: d.Maker})
	case store.LegalHoldDecision:
		f.LegalHold = reason.Of(reason.LegalHold{Decision: d.Seq, Maker: d.Maker})
	case store.ScreeningDecision:
		f.ScreenedUntil = d.Until
	case store.MFAExemptionDecision:
		f.MFAExemptUntil, f.MFAExempt = d.Until, reason.Of(reason.MFAExempt{Decision: d.Seq, Maker: d.Maker, Until: d.Until})
	}
}

// verdictOf says what a review decision means to policy. What its maker wrote stays with
// the decision, sealed: steps, plans and records would keep it in clear.
func verdictOf(d store.Decision) policy.Verdict {
	if d.Verdict == store.Revoke {
		return policy.Verdict{Revoke: true, Reason: reason.Of(reason.Revoked{Decision: d.Seq, Maker: d.Maker}), Decision: d.Seq}
	}
	if d.Until != "" {
		return policy.Verdict{Until: d.Until, Reason: reason.Of(reason.KeptUntil{Decision: d.Seq, Maker: d.Maker, Until: d.Until}), Decision: d.Seq}
	}
	return policy.Verdict{Reason: reason.Of(reason.Kept{Decision: d.Seq, Maker: d.Maker}), Decision: d.Seq}
}

package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// recordObservations records what a run learnt before it does anything: the rules in
// use, access that came or went behind our back, grants that began or ceased
// to wait, holds.
func (e *Engine) recordObservations(ctx context.Context, w *inputs, p *plan.Plan) error {
	now := e.Now()
	waiting, err := e.DB.GatedGrants(ctx, w.covers.people)
	if err != nil {
		return err
	}
	past, err := e.pastHolds(ctx, w, p)
	if err != nil {
		return err
	}
	var drift []audit.Record
	groups := make([]map[string][]string, len(w.targets))
	for i, t := range w.targets {
		if groups[i], err = e.DB.EntitlementGroups(ctx, t.Name); err != nil {
			return err
		}
		found, err := e.drift(ctx, w, t)
		if err != nil {
			return err
		}
		drift = append(drift, found...)
	}
	movers, err := e.movers(ctx, w, p)
	if err != nil {
		return err
	}
	enrolments, err := e.changedEnrolments(ctx, w)
	if err != nil {
		return err
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		fresh, err := tx.RecordVersionInUse(ctx, store.Version{Kind: store.RulesVersion, Digest: e.Config.Rules.Digest, Content: e.Config.Rules.Text}, now)
		if err != nil {
			return err
		}
		if fresh {
			source, err := json.Marshal(e.Config.RulesSource)
			if err != nil {
				return fmt.Errorf("rules %s: %w", e.Config.Rules.Digest, err)
			}
			if err := tx.KeepRulesSource(ctx, e.Config.Rules.Digest, source, now); err != nil {
				return err
			}
			tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.RulesInUse, Reason: reason.Of(reason.RulesUsed{Digest: e.Config.Rules.Digest})})
		}
		// What others did since we looked is not drift, and what they bound is
		// bound.
		touched, err := e.affectedSincePlan(ctx, tx, w)
		if err != nil {
			return err
		}
		for _, r := range drift {
			if !touched[r.Target][r.Person] {
				tx.Audit(r)
			}
		}
		for _, a := range p.Adopted {
			if touched[a.Target][a.Person] {
				continue
			}
			tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.AccessAdopted, Person: a.Person, Target: a.Target, Entitlement: string(a.Entitlement), Reason: a.Reason, Plan: p.Digest})
		}
		if err := errors.Join(e.bindObserved(ctx, tx, w, p, touched), e.recordEnrolments(ctx, tx, enrolments, now)); err != nil {
			return err
		}
		if err := errors.Join(e.recordUnrepairedDrift(ctx, tx, w, p, touched), e.recordAccountStates(ctx, tx, w, touched, now), e.forgetDecided(ctx, tx, w, p)); err != nil {
			return err
		}
		if err := errors.Join(e.forgetFailing(ctx, tx, w, p), e.withdrawOrders(ctx, tx, w, p, touched)); err != nil {
			return err
		}
		for i := range w.targets {
			if err := errors.Join(e.recordGroups(ctx, tx, w, &w.targets[i], groups[i]), e.bindGroups(ctx, tx, &w.targets[i])); err != nil {
				return err
			}
		}
		if err := errors.Join(e.recordWaiting(ctx, tx, w, p, waiting), e.raiseHolds(ctx, tx, w)); err != nil {
			return err
		}
		for _, digest := range past { // whose steps may be in another by now
			if err := errors.Join(tx.SupersedeHold(ctx, digest, now), tx.EndHoldIfDone(ctx, digest)); err != nil {
				return err
			}
		}
		return e.recordMovers(ctx, tx, movers) // last: it locks the sequences, so that no other process records anything
	})
}

// recordUnrepairedDrift records drift that is reported and not repaired, and clears drift
// that is no longer needed, is gone, or is to be repaired.
func (e *Engine) recordUnrepairedDrift(ctx context.Context, tx *store.Tx, w *inputs, p *plan.Plan, touched map[string]map[identity.PersonID]bool) error {
	now := map[plan.UnrepairedDrift]bool{}
	for _, l := range p.UnrepairedDrift {
		now[l] = true
		if touched[l.Target][l.Person] {
			continue
		}
		if err := tx.RecordUnrepairedDrift(ctx, audit.Key{Person: l.Person, Target: l.Target, Entitlement: string(l.Entitlement)}, e.Now()); err != nil {
			return err
		}
	}
	unclear := map[identity.PersonID]bool{}
	for _, f := range p.Findings {
		unclear[f.Person] = unclear[f.Person] || f.Kind == plan.NotDecided
	}
	for _, l := range p.Deferred {
		unclear[l.Person] = true
	}
	for _, t := range w.targets {
		for access := range t.UnrepairedDrift {
			l := plan.UnrepairedDrift{Target: t.Name, Person: access.Person, Entitlement: access.Entitlement}
			if now[l] || unclear[l.Person] || touched[t.Name][l.Person] || !w.showsAccess(t.Name, l.Person) {
				continue
			}
			if err := tx.ClearUnrepairedDrift(ctx, audit.Key{Person: l.Person, Target: l.Target, Entitlement: string(l.Entitlement)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordTargetStates records what a run over everyone saw of the targets.
func (e *Engine) recordTargetStates(ctx context.Context, w *inputs, r *execute.Result) error {
	if w.covers.person != "" {
		return nil
	}
	whole := len(r.Unavailable) == 0 // every target did what it was asked for
	for _, t := range w.targets {
		whole = whole && t.Observed != nil && t.Observed.Completeness.Complete
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		for _, t := range w.targets {
			if t.Observed == nil {
				continue
			}
			// A job that asks whether the work was done must learn that it was not.
			var missed reason.Reason
			if text := cmp.Or(t.Observed.Completeness.Why, r.Unavailable[t.Name]); text != "" {
				missed = reason.Of(reason.Answer{Text: text})
			} else if n := r.OutcomesByTarget[t.Name][execute.LeftToOtherRun]; n > 0 {
				missed = reason.Of(reason.OtherRun{Count: n})
			}
			if err := tx.SetTargetState(ctx, t.Name, missed, w.began, w.sequences); err != nil {
				return err
			}
			if missed.IsZero() && !r.HeldCreations(t.Name) {
				if err := tx.MarkTargetLoaded(ctx, t.Name, w.began); err != nil {
					return err
				}
			}
			if err := tx.PruneLimitUsage(ctx, t.Name, e.Now().Add(-execute.LimitWindow)); err != nil {
				return err
			}
		}
		if !w.covers.showsAll() {
			return nil
		}
		if err := tx.SetTargetState(ctx, store.EveryTarget, reason.Reason{}, w.began, w.sequences); err != nil || !whole {
			return err
		}
		return tx.ForgetJobs(ctx, w.waitingJobs)
	})
}

// affectedSincePlan returns, by target, the people about whom something was recorded
// after the inputs were read.
func (e *Engine) affectedSincePlan(ctx context.Context, tx *store.Tx, w *inputs) (map[string]map[identity.PersonID]bool, error) {
	since := w.sequences
	if w.lock != nil {
		since.Audit = w.resolvedUpTo
	}
	touched := map[string]map[identity.PersonID]bool{}
	for _, t := range w.targets {
		of, err := tx.PeopleAffectedSince(ctx, t.Name, w.covers.people, since)
		if err != nil {
			return nil, err
		}
		touched[t.Name] = of
	}
	return touched, nil
}

// bindObserved records the target's own ID of accounts that are known by their anchor
// only: others can change an anchor. From an incomplete read, which may lack a second
// account with the same anchor, it binds none. It also registers the names of people's
// accounts.
func (e *Engine) bindObserved(ctx context.Context, tx *store.Tx, w *inputs, p *plan.Plan, touched map[string]map[identity.PersonID]bool) error {
	held := map[identity.PersonID]bool{}
	for _, h := range p.Holds {
		for _, s := range h.Steps {
			held[s.Person] = true
		}
	}
	for _, t := range w.targets {
		for person, name := range w.freshNames[t.Name] {
			if err := tx.RegisterNameIfFree(ctx, t.Name, name, person); err != nil {
				return err
			}
		}
		if t.Observed == nil || !t.Observed.Completeness.Complete {
			continue
		}
		for _, p := range w.people.All {
			own, _ := t.Owned(p.ID)
			bound := t.Bound.AccountOf(p.ID)
			switch {
			case own == nil, bound == own.ID, touched[t.Name][p.ID]:
				continue
			case own.MasteredExternally && !held[p.ID]: // which cannot be marked
			case own.Anchor != string(p.ID) || bound != "":
				continue
			}
			if err := tx.BindAccount(ctx, store.AccountRef{Target: t.Name, Person: p.ID, Native: own.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// pastHolds returns the holds that no longer come up: what they named has
// changed, and so has its digest. A target that could not be read says nothing
// about its holds, and neither does a plan for one person.
func (e *Engine) pastHolds(ctx context.Context, w *inputs, p *plan.Plan) ([]audit.HoldDigest, error) {
	if !w.covers.showsEveryone() {
		return nil, nil
	}
	holds, err := e.DB.Holds(ctx)
	if err != nil {
		return nil, err
	}
	current := map[audit.HoldDigest]bool{}
	unread := map[string]bool{} // targets that do not show what no longer comes up
	for _, t := range w.targets {
		for _, d := range t.Decided {
			current[d.Hold] = current[d.Hold] || d.Verdict != plan.StaysHeld
		}
	}
	for _, h := range p.Holds {
		current[h.Digest] = true
	}
	for _, r := range p.Released {
		current[r.Digest] = true
	}
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			unread[f.Target] = true
		}
	}
	for _, t := range w.targets {
		if t.Observed != nil && !t.Observed.Completeness.Complete {
			unread[t.Name] = true
		}
	}
	var past []audit.HoldDigest
	for _, h := range holds {
		here := slices.ContainsFunc(w.targets, func(t plan.Target) bool { return t.Name == h.Subject })
		if _, configured := e.Config.Target(h.Subject); configured && !here {
			continue // which this run says nothing about
		}
		if h.Kind == store.PlanHold && !current[h.Digest] && !unread[h.Subject] {
			past = append(past, h.Digest)
		}
	}
	return past, nil
}

// raiseHolds notes the holds of a plan, of a plan for one person those of the
// whole: a hold is decided on as it is.
func (e *Engine) raiseHolds(ctx context.Context, tx *store.Tx, w *inputs) error {
	for _, h := range w.holds {
		steps := make([]store.HoldStep, len(h.Steps))
		for i, s := range h.Steps {
			body, err := json.Marshal(s)
			if err != nil {
				return fmt.Errorf("hold %s: %w", h.Digest, err)
			}
			steps[i] = store.HoldStep{Key: s.Key(), Person: s.Person, Body: string(body)}
		}
		if err := tx.RaiseHold(ctx, store.Hold{Digest: h.Digest, Kind: store.PlanHold, Subject: h.Target, Why: h.Why}, steps, e.Actor, e.Now()); err != nil {
			return err
		}
		if err := e.keepHeld(ctx, tx, h); err != nil {
			return err
		}
	}
	return nil
}

// keepHeld has the steps of a hold wait for a decision that would be within a
// limit without what is released, or refused, beside them: they came later, and
// are not let through by that being done.
func (e *Engine) keepHeld(ctx context.Context, tx *store.Tx, h plan.Hold) error {
	if !h.Accompanying {
		return nil
	}
	steps := make([]store.StepVerdict, len(h.Steps))
	for i, s := range h.Steps {
		steps[i] = store.StepVerdict{Step: s.Digest(), Hold: h.Digest, Target: s.Target, Person: s.Person}
	}
	return tx.DeferSteps(ctx, steps, e.Now())
}

func (e *Engine) recordWaiting(ctx context.Context, tx *store.Tx, w *inputs, p *plan.Plan, before []store.GatedGrant) error {
	type key struct {
		person      identity.PersonID
		entitlement string
	}
	now := e.Now()
	known := map[key]string{}
	for _, g := range before {
		known[key{g.Person, g.Entitlement}] = g.Gate
	}
	waits := map[key]bool{}
	for _, g := range p.GatedGrants {
		if !w.showsEntitlement(&e.Config.Rules.Catalogue, g.Person, g.Entitlement) {
			continue
		}
		k := key{g.Person, string(g.Entitlement)}
		waits[k] = true
		gate, wasKnown := known[k]
		if gate == string(g.Gate) || gate == string(policy.AwaitingMFA) {
			continue // a read that does not say is no other beginning
		}
		if err := tx.AddGatedGrant(ctx, store.GatedGrant{Person: k.person, Entitlement: k.entitlement, Gate: string(g.Gate), SinceUS: store.Micros(now.UnixMicro())}); err != nil {
			return err
		}
		if wasKnown {
			continue
		}
		tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.GrantWaiting, Person: k.person, Entitlement: k.entitlement, Reason: g.Reason})
	}
	for _, g := range before {
		k := key{g.Person, g.Entitlement}
		if waits[k] || !w.showsEntitlement(&e.Config.Rules.Catalogue, g.Person, policy.EntitlementID(g.Entitlement)) {
			continue
		}
		if err := tx.RemoveGatedGrant(ctx, k.person, k.entitlement); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.GrantReady, Person: k.person, Entitlement: k.entitlement, Reason: reason.Of(reason.Ready{})})
	}
	return nil
}

// drift compares what the trail says people have in a target with what was
// observed, one person after another.
func (e *Engine) drift(ctx context.Context, w *inputs, t plan.Target) ([]audit.Record, error) {
	if t.Observed == nil {
		return nil, nil
	}
	var records []audit.Record
	nonHuman := map[identity.PersonID]bool{}
	for _, n := range t.NonHuman {
		nonHuman[n.ID] = true
	}
	compare := func(person identity.PersonID, recorded []store.ActiveAccess) {
		seen := e.observedAccess(t, person)
		if nonHuman[person] { // whose memberships are not behov's
			seen = slices.DeleteFunc(seen, func(what string) bool { return what != audit.Account })
		}
		record := func(action audit.Action, entitlement string, why reason.Reason) {
			records = append(records, audit.Record{At: e.Now(), Actor: e.Actor, Action: action, Person: person, Target: t.Name, Entitlement: entitlement, Reason: why})
		}
		for _, entitlement := range seen {
			i := slices.IndexFunc(recorded, func(k store.ActiveAccess) bool { return k.Entitlement == entitlement })
			switch {
			case i < 0:
				record(audit.AccessFound, entitlement, foundReason(entitlement))
			case recorded[i].Unseen:
				record(audit.AccessSeen, entitlement, reason.Of(reason.SeenAgain{}))
			}
		}
		for _, k := range recorded {
			switch {
			case !t.Observed.Completeness.Complete || slices.Contains(seen, k.Entitlement):
			case !e.accountUnseen(t, person) && e.observable(t, k.Entitlement):
				record(audit.AccessGone, k.Entitlement, goneReason(t, person, k.Entitlement))
			case k.Unseen:
			case e.accountUnseen(t, person):
				record(audit.AccessUnseen, k.Entitlement, reason.Of(reason.AccountUnseen{}))
			default:
				record(audit.AccessUnseen, k.Entitlement, reason.Of(reason.EntitlementUnseen{}))
			}
		}
	}
	done := make(map[identity.PersonID]bool, len(w.people.All)/8) // people with access in the audit trail
	person, recorded := identity.PersonID(""), []store.ActiveAccess{}
	next := func(id identity.PersonID) {
		if person != "" {
			compare(person, recorded)
			done[person] = true
		}
		person, recorded = id, recorded[:0]
	}
	id := w.sharedIDs()
	for access, err := range e.DB.ActiveAccess(ctx, t.Name, w.covers.people) {
		if err != nil {
			return nil, err
		}
		if access.Person != person {
			next(id(access.Person))
		}
		recorded = append(recorded, access)
	}
	next("")
	for _, p := range w.people.All {
		if !done[p.ID] {
			compare(p.ID, nil)
		}
	}
	for _, n := range t.NonHuman {
		if !done[n.ID] {
			compare(n.ID, nil)
		}
	}
	return records, nil
}

// foundReason and goneReason say of access that came or went in a target, not by
// behov, what was seen.
func foundReason(entitlement string) reason.Reason {
	if entitlement == audit.Account {
		return reason.Of(reason.EnabledInTarget{})
	}
	return reason.Of(reason.AccessFound{})
}

func goneReason(t plan.Target, person identity.PersonID, entitlement string) reason.Reason {
	switch {
	case entitlement == audit.Account && t.Bound.Record(person).DisabledByBehov:
		return reason.Of(reason.DisabledEarlier{})
	case entitlement == audit.Account:
		return reason.Of(reason.DisabledByOthers{})
	}
	for _, native := range t.FormerGroups[policy.EntitlementID(entitlement)] {
		if slices.ContainsFunc(t.Accounts(person), func(a connectors.Account) bool { return t.Observed.Member(a.ID, native) }) {
			return reason.Of(reason.OnlyInFormerGroup{Group: native})
		}
	}
	return reason.Of(reason.AccessGone{})
}

// observedAccess returns what a person was seen to have in a target: the account first,
// and then in the catalogue's order.
func (e *Engine) observedAccess(t plan.Target, person identity.PersonID) []string {
	accounts := t.Accounts(person)
	if len(accounts) == 0 {
		return nil
	}
	var seen []string
	if t.SignInPossible != "" || slices.ContainsFunc(accounts, func(a connectors.Account) bool { return a.Enabled }) {
		seen = append(seen, audit.Account)
	}
	for _, entitlement := range e.Config.Rules.Catalogue.Entitlements {
		if entitlement.Target == t.Name && slices.ContainsFunc(accounts, func(a connectors.Account) bool {
			return t.Has(person, a.ID, entitlement)
		}) {
			seen = append(seen, string(entitlement.ID))
		}
	}
	return seen
}

// observable reports whether a snapshot can show the access at all. It cannot when the
// entitlement left the catalogue, is not in the target under the catalogue's name, or
// shares its name with another.
func (e *Engine) observable(t plan.Target, name string) bool {
	entitlement, ok := e.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(name))
	return name == audit.Account || ok && entitlement.Target == t.Name && t.Observed.Exists(t.Native(entitlement)) && !t.Observed.Ambiguous(t.Native(entitlement)) && t.Observed.Unreadable(entitlement.Native) == ""
}

// accountUnseen reports whether the account that behov knows as the person's is not
// among those that were read: what it has is then unknown.
func (e *Engine) accountUnseen(t plan.Target, person identity.PersonID) bool {
	own, others := t.Owned(person)
	return own == nil && len(others) == 0 && t.Bound.AccountOf(person) != ""
}

package reconcile

import (
	"context"
	"errors"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// recordSeen records what a run learnt before it does anything: the rules in
// use, access that came or went behind our back, grants that began or ceased
// to wait, holds.
func (e *Engine) recordSeen(ctx context.Context, w *world, p *plan.Plan) error {
	now := e.Now()
	waiting, err := e.DB.WaitingGrants(ctx)
	if err != nil {
		return err
	}
	past, err := e.pastHolds(ctx, w, p)
	if err != nil {
		return err
	}
	var drift []audit.Record
	for _, t := range w.targets {
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
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		fresh, err := tx.RecordRules(ctx, e.Config.Rules.Digest, e.Config.Rules.Text, now)
		if err != nil {
			return err
		}
		if fresh {
			tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.RulesInUse, Reason: "rules " + e.Config.Rules.Digest})
		}
		tx.Audit(drift...)
		for _, a := range p.Adopted {
			tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.AccessAdopted, Person: string(a.Person), Target: a.Target, Entitlement: string(a.Entitlement), Reason: a.Reason, Plan: p.Digest})
		}
		if err := e.bindSeen(ctx, tx, w, p); err != nil {
			return err
		}
		for _, digest := range past {
			if err := tx.EndHold(ctx, digest); err != nil {
				return err
			}
		}
		if err := e.recordMovers(ctx, tx, movers); err != nil {
			return err
		}
		return errors.Join(e.recordWaiting(ctx, tx, w, p, waiting), e.raiseHolds(ctx, tx, p))
	})
}

// bindSeen notes by the target's own ID the accounts that are known by their
// anchor only: others can change that. An incomplete reading may lack a second
// account with the same anchor, and binds nobody. It also notes the names that
// people's accounts have.
func (e *Engine) bindSeen(ctx context.Context, tx *store.Tx, w *world, p *plan.Plan) error {
	held := map[identity.PersonID]bool{}
	for _, h := range p.Holds {
		for _, s := range h.Steps {
			held[s.Person] = true
		}
	}
	for _, t := range w.targets {
		for person, name := range w.freshNames[t.Name] {
			if err := tx.NoteName(ctx, t.Name, name, string(person)); err != nil {
				return err
			}
		}
		if t.Observed == nil || !t.Observed.Completeness.Complete {
			continue
		}
		for _, p := range w.people {
			own, _ := t.Owned(p.ID)
			bound := t.Bound.Of(p.ID)
			switch {
			case own == nil, bound == own.ID:
				continue
			case own.Elsewhere && !held[p.ID]: // which cannot be marked
			case own.Anchor != string(p.ID) || bound != "":
				continue
			}
			if err := tx.BindAccount(ctx, t.Name, string(p.ID), own.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// pastHolds returns the holds that no longer come up: what they named has
// changed, and so has its digest. A target that could not be read says nothing
// about its holds, and neither does a plan for one person.
func (e *Engine) pastHolds(ctx context.Context, w *world, p *plan.Plan) ([]string, error) {
	if w.only != "" {
		return nil, nil
	}
	holds, err := e.DB.Holds(ctx)
	if err != nil {
		return nil, err
	}
	current := map[string]bool{}
	for _, h := range p.Holds {
		current[h.Digest] = true
	}
	for _, r := range p.Released {
		current[r.Digest] = true
	}
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			current[f.Target] = true
		}
	}
	for _, t := range w.targets {
		if t.Observed != nil && !t.Observed.Completeness.Complete {
			current[t.Name] = true
		}
	}
	var past []string
	for _, h := range holds {
		if h.Kind == planHold && !current[h.Digest] && !current[h.Subject] {
			past = append(past, h.Digest)
		}
	}
	return past, nil
}

// planHold is the kind of hold that a plan raises.
const planHold = "plan"

func (e *Engine) raiseHolds(ctx context.Context, tx *store.Tx, p *plan.Plan) error {
	for _, h := range p.Holds {
		if err := tx.RaiseHold(ctx, store.Hold{Digest: h.Digest, Kind: planHold, Subject: h.Target, Why: h.Why}, e.Actor, e.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) recordWaiting(ctx context.Context, tx *store.Tx, w *world, p *plan.Plan, before []store.WaitingGrant) error {
	type key struct{ person, entitlement string }
	now := e.Now()
	known := map[key]bool{}
	for _, g := range before {
		known[key{g.Person, g.Entitlement}] = true
	}
	waits := map[key]bool{}
	for _, g := range p.Waiting {
		k := key{string(g.Person), string(g.Entitlement)}
		waits[k] = true
		if known[k] {
			continue
		}
		if err := tx.SetWaiting(ctx, store.WaitingGrant{Person: k.person, Entitlement: k.entitlement, Gate: string(g.Gate)}); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.GrantWaiting, Person: k.person, Entitlement: k.entitlement, Reason: g.Reason})
	}
	for _, g := range before {
		k := key{g.Person, g.Entitlement}
		if waits[k] || w.only != "" && string(w.only) != g.Person {
			continue
		}
		if err := tx.ClearWaiting(ctx, k.person, k.entitlement); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: now, Actor: e.Actor, Action: audit.GrantReady, Person: k.person, Entitlement: k.entitlement, Reason: "it no longer waits"})
	}
	return nil
}

// drift compares what the trail says people have in a target with what was
// observed.
func (e *Engine) drift(ctx context.Context, w *world, t plan.Target) ([]audit.Record, error) {
	if t.Observed == nil {
		return nil, nil
	}
	intervals, err := e.DB.Intervals(ctx, store.IntervalQuery{Target: t.Name, Open: true})
	if err != nil {
		return nil, err
	}
	recorded := make(map[audit.Key]bool, len(intervals))
	for _, i := range intervals {
		recorded[i.Key] = true
	}
	var records []audit.Record
	record := func(action audit.Action, key audit.Key, reason string) {
		records = append(records, audit.Record{At: e.Now(), Actor: e.Actor, Action: action, Person: key.Person, Target: key.Target, Entitlement: key.Entitlement, Reason: reason})
	}
	seen := map[audit.Key]bool{}
	for _, p := range w.people {
		own, others := t.Owned(p.ID)
		if own != nil {
			others = append(others, *own)
		}
		for _, a := range others {
			key := audit.Key{Person: string(p.ID), Target: t.Name, Entitlement: audit.Account}
			if a.Enabled {
				seen[key] = true
			}
			for _, entitlement := range e.Config.Rules.Catalogue.Entitlements {
				if entitlement.Target == t.Name && t.Observed.Member(a.ID, entitlement.Native) {
					key.Entitlement = string(entitlement.ID)
					seen[key] = true
				}
			}
		}
		for _, key := range keysOf(seen, string(p.ID), t.Name, e.Config.Rules.Catalogue) {
			if !recorded[key] {
				record(audit.AccessFound, key, "it was seen in the target and behov did not give it")
			}
		}
	}
	if t.Observed.Completeness.Complete {
		for _, i := range intervals {
			if !seen[i.Key] && e.visible(t, i.Key) {
				record(audit.AccessGone, i.Key, "it is no longer in the target and behov did not take it away")
			}
		}
	}
	return records, nil
}

// visible says whether a snapshot can show the access at all: of what is not
// in the catalogue any more, or has a name that several have, nobody knows
// whether it is still there.
func (e *Engine) visible(t plan.Target, key audit.Key) bool {
	entitlement, ok := e.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(key.Entitlement))
	return key.Entitlement == audit.Account || ok && entitlement.Target == key.Target && !t.Observed.Ambiguous(entitlement.Native)
}

// keysOf returns a person's keys among those seen, the account first and then
// in the catalogue's order.
func keysOf(seen map[audit.Key]bool, person, target string, c policy.Catalogue) []audit.Key {
	var keys []audit.Key
	if k := (audit.Key{Person: person, Target: target, Entitlement: audit.Account}); seen[k] {
		keys = append(keys, k)
	}
	for _, entitlement := range c.Entitlements {
		if k := (audit.Key{Person: person, Target: target, Entitlement: string(entitlement.ID)}); seen[k] {
			keys = append(keys, k)
		}
	}
	return keys
}

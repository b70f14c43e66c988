package reconcile

import (
	"context"
	"maps"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// setFormerGroups notes on a target the recorded groups of an entitlement that the
// catalogue does not name for it any more.
func (e *Engine) setFormerGroups(t *plan.Target, recorded map[string][]string) {
	if t.Observed == nil {
		return
	}
	for entitlement, natives := range recorded {
		id := policy.EntitlementID(entitlement)
		of, ok := e.Config.Rules.Catalogue.Entitlement(id)
		if !ok || of.Target != t.Name {
			continue // what behov gave there is reported, and needs its group to be taken away
		}
		for _, native := range natives {
			native = t.Observed.Spelling(native)
			if native == t.Native(of) || native == t.Observed.Spelling(of.Native) || slices.Contains(t.FormerGroups[id], native) {
				continue
			}
			if t.FormerGroups == nil {
				t.FormerGroups = map[policy.EntitlementID][]string{}
			}
			t.FormerGroups[id] = append(t.FormerGroups[id], native)
		}
	}
}

// recordGroups records under which names in the target behov gives the entitlements of the
// catalogue, and forgets former ones in which behov has no members left.
func (e *Engine) recordGroups(ctx context.Context, tx *store.Tx, w *inputs, t *plan.Target, recorded map[string][]string) error {
	if t.Observed == nil {
		return nil
	}
	for _, of := range e.Config.Rules.Catalogue.Entitlements {
		if of.Target != t.Name || slices.Contains(recorded[string(of.ID)], of.Native) {
			continue
		}
		if err := tx.RecordEntitlementGroup(ctx, store.EntitlementGroup{Target: t.Name, Entitlement: string(of.ID), Native: of.Native}); err != nil {
			return err
		}
	}
	if !w.covers.showsEveryone() || !t.Observed.Completeness.Complete {
		return nil // which does not show every member
	}
	moving := e.movingEntitlements(t)
	for entitlement, natives := range recorded {
		current, catalogued := e.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(entitlement))
		if !catalogued || current.Target != t.Name || moving[current.ID] {
			continue
		}
		for _, native := range natives {
			if native == current.Native || native == t.Native(current) || t.Observed.Ambiguous(native) || t.Observed.Unreadable(native) != "" {
				continue
			}
			if err := tx.ForgetEntitlementGroup(ctx, store.EntitlementGroup{Target: t.Name, Entitlement: entitlement, Native: native}); err != nil {
				return err
			}
		}
	}
	return nil
}

// bindGroups binds groups whose creation was not answered and that are there, by the mark in
// them.
func (e *Engine) bindGroups(ctx context.Context, tx *store.Tx, t *plan.Target) error {
	for _, id := range slices.Sorted(maps.Keys(t.GroupNames)) {
		g := t.Groups[id]
		if !g.Found {
			continue
		}
		if err := tx.BindGroup(ctx, t.Name, string(id), g.ID); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.StepEnded, Target: t.Name, Entitlement: string(id), Op: string(connectors.CreateGroup), Outcome: audit.AlreadyApplied,
			Reason: reason.Of(reason.GroupNeeded{Group: t.GroupNames[id]})})
	}
	return nil
}

// movingEntitlements returns the entitlements with former groups from which some of their
// people were not seen to have been moved.
func (e *Engine) movingEntitlements(t *plan.Target) map[policy.EntitlementID]bool {
	moving := map[policy.EntitlementID]bool{}
	if len(t.FormerGroups) == 0 {
		return moving
	}
	catalogue := e.Config.Rules.Catalogue
	for access := range t.Given.All() {
		if len(t.FormerGroups[access.Entitlement]) == 0 || moving[access.Entitlement] {
			continue
		}
		of, _ := catalogue.Entitlement(access.Entitlement)
		moving[access.Entitlement] = !t.Moved(access.Person, of, catalogue.Entitlements)
	}
	return moving
}

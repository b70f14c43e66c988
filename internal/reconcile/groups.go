package reconcile

import (
	"context"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// setFormerGroups notes on a target the recorded groups of an entitlement that the
// catalogue does not name for it any more.
func (e *Engine) setFormerGroups(t *plan.Target, recorded map[string][]string) {
	if t.Observed == nil || len(recorded) == 0 {
		return
	}
	named := map[string]policy.EntitlementID{}
	for _, of := range e.Config.Rules.Catalogue.Entitlements {
		if of.Target == t.Name {
			named[t.Observed.Spelling(of.Native)] = of.ID
		}
	}
	t.FormerGroups, t.Reassigned = map[policy.EntitlementID][]string{}, map[string][]policy.EntitlementID{}
	for entitlement, natives := range recorded {
		id := policy.EntitlementID(entitlement)
		for _, native := range natives {
			native = t.Observed.Spelling(native)
			switch now, is := named[native]; {
			case !is && !slices.Contains(t.FormerGroups[id], native):
				t.FormerGroups[id] = append(t.FormerGroups[id], native)
			case is && now != id:
				t.Reassigned[native] = append(t.Reassigned[native], id)
			}
		}
	}
	for _, entitlements := range t.Reassigned {
		slices.Sort(entitlements)
	}
}

// recordGroups records under which names in the target behov gives the entitlements of the
// catalogue, and forgets former ones that no person whom behov put there has any more.
func (e *Engine) recordGroups(ctx context.Context, tx *store.Tx, w *inputs, t *plan.Target, recorded map[string][]string) error {
	if t.Observed == nil {
		return nil
	}
	for _, of := range e.Config.Rules.Catalogue.Entitlements {
		if of.Target != t.Name || slices.Contains(recorded[string(of.ID)], of.Native) {
			continue
		}
		if err := tx.RecordEntitlementGroup(ctx, t.Name, string(of.ID), of.Native); err != nil {
			return err
		}
	}
	if !w.covers.showsEveryone() || !t.Observed.Completeness.Complete {
		return nil // which does not show every member
	}
	occupied := occupiedGroups(t, &e.Config.Rules.Catalogue)
	for entitlement, natives := range recorded {
		current, catalogued := e.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(entitlement))
		if !catalogued || current.Target != t.Name {
			continue // what behov gave there is reported, and needs its group to be taken away
		}
		for _, native := range natives {
			if native == current.Native || occupied[t.Observed.Spelling(native)] || t.Observed.Ambiguous(native) || t.Observed.Unreadable(native) != "" {
				continue
			}
			if err := tx.ForgetEntitlementGroup(ctx, t.Name, entitlement, native); err != nil {
				return err
			}
		}
	}
	return nil
}

// occupiedGroups returns the groups in which people are for an entitlement that behov gave
// them and for which the catalogue names another group now.
func occupiedGroups(t *plan.Target, catalogue *policy.Catalogue) map[string]bool {
	occupied := map[string]bool{}
	if len(t.FormerGroups)+len(t.Reassigned) == 0 {
		return occupied
	}
	for access := range t.Given.All() {
		for _, a := range t.Accounts(access.Person) {
			for _, native := range t.FormerGroupsOf(access.Person, a.ID, access.Entitlement) {
				occupied[native] = true
			}
		}
	}
	for _, of := range catalogue.Entitlements {
		native := t.Observed.Spelling(of.Native)
		if of.Target != t.Name || len(t.Reassigned[native]) == 0 {
			continue
		}
		for access := range t.Given.All() {
			_, ours := t.Given.Reason(plan.Access{Person: access.Person, Entitlement: of.ID})
			occupied[native] = occupied[native] || !ours && slices.Contains(t.Reassigned[native], access.Entitlement) &&
				slices.ContainsFunc(t.Accounts(access.Person), func(a connectors.Account) bool { return t.Observed.Member(a.ID, native) })
		}
	}
	return occupied
}

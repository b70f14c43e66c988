package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// locate looks for the accounts that behov knows and that a complete reading of
// the target does not show, in all of the target: one that was moved is neither
// gone nor to be made again. A target that cannot be searched, or does not
// answer, leaves it unknown; then no account is made in place of one that was
// not seen.
func (e *Engine) locate(ctx context.Context, w *inputs, t *plan.Target) error {
	if t.Observed == nil || !t.Observed.Completeness.Complete {
		return nil
	}
	var missing []connectors.AccountRef
	sought := map[string]bool{}
	for _, p := range w.people.All {
		bound := t.Bound.AccountOf(p.ID)
		if _, _, seen := t.Observed.State(bound); seen || bound == "" {
			continue
		}
		if own, others := t.Owned(p.ID); own == nil && len(others) == 0 {
			missing = append(missing, connectors.AccountRef{ID: bound, Anchor: string(p.ID)})
			sought[bound] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	locator, able := e.Targets[t.Name].(connectors.AccountLocator)
	if reader, reads := e.Targets[t.Name].(connectors.AccountReader); !able && reads && len(missing) <= maxLookups {
		locator, able = byID{reader}, true
	}
	if !able {
		return nil
	}
	t.Located = map[string]connectors.Location{}
	var completeness connectors.Completeness
	err := execute.Recover(execute.InConnector, func() (err error) {
		completeness, err = locator.LocateAccounts(ctx, missing, func(l connectors.Location) error {
			if sought[l.Account.ID] {
				t.Located[l.Account.ID] = l
			}
			return nil
		})
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.Searched = err == nil && completeness.Complete
	return nil
}

// maxLookups is how many accounts are asked for one by one. When more are not
// seen it is the reading that is wrong, and none is made again anyway.
const maxLookups = 200

// byID looks for accounts by asking for each by its ID, in targets whose accounts
// are all in one place: one that is there is one that a list does not show.
type byID struct{ connectors.AccountReader }

// LocateAccounts implements connectors.AccountLocator.
func (r byID) LocateAccounts(ctx context.Context, refs []connectors.AccountRef, found func(connectors.Location) error) (connectors.Completeness, error) {
	ids := make([]connectors.AccountRef, len(refs))
	for i, ref := range refs {
		ids[i].ID = ref.ID
	}
	return r.ReadAccounts(ctx, ids, nil, accountsOnly(func(a connectors.Account) error {
		return found(connectors.Location{Account: a, Place: "where the target's own list of accounts does not show it"})
	}))
}

// accountsOnly is a sink for accounts.
type accountsOnly func(connectors.Account) error

// Account implements connectors.Sink.
func (f accountsOnly) Account(a connectors.Account) error { return f(a) }

// Entitlement implements connectors.Sink.
func (accountsOnly) Entitlement(connectors.Entitlement) error { return nil }

// Membership implements connectors.Sink.
func (accountsOnly) Membership(connectors.Membership) error { return nil }

// knownAccount is what a plan has to know of an account, in a database that was restored
// then.
func (e *Engine) knownAccount(a store.Account, restored time.Time) plan.AccountRecord {
	k := plan.AccountRecord{Created: !a.Created.IsZero(), DisabledByBehov: !a.DisabledByBehov.IsZero() && a.DisabledByBehov.After(restored)}
	k.Missing = !a.Missing.IsZero()
	k.Restored = !a.DisabledByBehov.IsZero() && !k.DisabledByBehov
	if !a.FoundDisabled.IsZero() {
		k.DisabledSince = a.FoundDisabled.In(e.Config.Zone).Format("2006-01-02 15:04")
	}
	return k
}

// recordAccountStates notes which accounts were found disabled though behov had not
// disabled them, and which were found enabled.
func (e *Engine) recordAccountStates(ctx context.Context, tx *store.Tx, w *inputs, touched map[string]map[identity.PersonID]bool, at time.Time) error {
	for _, t := range w.targets {
		if t.Observed == nil {
			continue
		}
		for _, p := range w.people.All {
			bound := t.Bound.AccountOf(p.ID)
			enabled, elsewhere, seen := t.Observed.State(bound)
			if err := e.recordMissing(ctx, tx, t, p.ID, seen, touched[t.Name][p.ID], at); err != nil {
				return err
			}
			if !seen || elsewhere || touched[t.Name][p.ID] || t.Uncertain[plan.Access{Person: p.ID, Entitlement: plan.AccountAccess}] {
				continue
			}
			known, account := t.Bound.Record(p.ID), store.AccountRef{Target: t.Name, Person: p.ID, Native: bound}
			var err error
			switch {
			case enabled && (known.DisabledByBehov || known.Restored || known.DisabledSince != ""):
				err = tx.RecordAccountEnabled(ctx, account)
			case !enabled && !known.DisabledByBehov && !known.Restored && known.DisabledSince == "":
				err = tx.RecordAccountFoundDisabled(ctx, account, at)
			}
			if err != nil {
				return err
			}
		}
		if err := recordNonHumanEnabled(ctx, tx, t, touched[t.Name]); err != nil {
			return err
		}
	}
	return nil
}

// gone reports whether the account that behov knows of a person is nowhere in the target,
// all of which was searched.
func gone(t plan.Target, person identity.PersonID) bool {
	bound := t.Bound.AccountOf(person)
	if t.Observed == nil || !t.Observed.Completeness.Complete || !t.Searched || bound == "" {
		return false
	}
	own, others := t.Owned(person)
	_, located := t.Located[bound]
	return own == nil && len(others) == 0 && !located
}

// recordMissing notes that an account is gone, or that it is there again.
func (e *Engine) recordMissing(ctx context.Context, tx *store.Tx, t plan.Target, person identity.PersonID, seen, touched bool, at time.Time) error {
	account, known := store.AccountRef{Target: t.Name, Person: person, Native: t.Bound.AccountOf(person)}, t.Bound.Record(person).Missing
	switch {
	case touched || t.Uncertain[plan.Access{Person: person, Entitlement: plan.AccountAccess}]:
	case seen && known:
		return tx.RecordAccountFound(ctx, account)
	case !seen && !known && gone(t, person):
		return tx.RecordAccountMissing(ctx, account, at)
	}
	return nil
}

// forgetDecided forgets the decisions on steps that are not planned any more, of
// the targets and people that the plan shows as a whole: should the same come up
// again, a person decides again.
func (e *Engine) forgetDecided(ctx context.Context, tx *store.Tx, w *inputs, p *plan.Plan) error {
	planned := map[audit.StepDigest]bool{}
	note := func(steps []plan.Step) {
		for _, s := range steps {
			planned[s.Digest()] = true
		}
	}
	note(p.Steps)
	for _, h := range p.Holds {
		note(h.Steps)
	}
	for _, x := range p.AwaitingCompleteRead {
		note(x.Steps)
	}
	for _, x := range p.SkippedSteps {
		note([]plan.Step{x.Step})
	}
	later := map[identity.PersonID]bool{}
	for _, l := range p.Deferred {
		later[l.Person] = true
	}
	var forgotten []audit.StepDigest
	for _, t := range w.targets {
		for _, step := range slices.Sorted(maps.Keys(t.Decided)) {
			person := t.Decided[step].Person
			if planned[step] || later[""] || later[person] || !w.showsAccess(t.Name, person) {
				continue
			}
			forgotten = append(forgotten, step)
		}
	}
	return tx.ForgetStepDecisions(ctx, forgotten)
}

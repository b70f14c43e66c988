package reconcile

import (
	"context"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// CheckBind reads a target and reports whether an account there can be bound to a person,
// and whether it is enabled. It refuses an account that is ignored on purpose, is another
// person's, or carries another person's anchor.
func (e *Engine) CheckBind(ctx context.Context, p identity.Person, target, accountID string) (enabled bool, err error) {
	t, ok := e.Config.Target(target)
	connector := e.Targets[target]
	if !ok || connector == nil {
		return false, &reason.Refusal{Reason: reason.Of(reason.TargetNotHere{Target: target})}
	}
	retired, err := e.retiredEntry(ctx, target, accountID)
	if err != nil {
		return false, err
	}
	observed := plan.NewObserved()
	completeness, err := connector.Snapshot(ctx, observed)
	if err != nil {
		return false, fmt.Errorf("target %s: %w", target, err)
	}
	observed.Done(completeness)
	account, ok := observed.ByID(accountID)
	switch {
	case !ok:
		return false, &reason.Refusal{Reason: reason.Of(reason.NoSuchAccount{Target: target, Account: accountID})}
	case plan.Ignored(t.Ignore, account.Name):
		return false, &reason.Refusal{Reason: reason.Of(reason.AccountIgnored{Target: target})}
	case account.Anchor != "" && account.Anchor != string(p.ID):
		return false, &reason.Refusal{Reason: reason.Of(reason.AccountAnchored{Anchor: account.Anchor})}
	}
	bound, err := e.DB.Accounts(ctx, target, store.Everyone())
	if err != nil {
		return false, err
	}
	delete(bound, retired)
	return account.Enabled, otherThan(bound, p.ID, accountID)
}

// otherThan returns an error when an account is another person's.
func otherThan(bound map[identity.PersonID]string, person identity.PersonID, accountID string) error {
	for owner, id := range bound {
		if id == accountID && owner != person {
			return &reason.Refusal{Reason: reason.Of(reason.AccountOfAnother{Owner: owner})}
		}
	}
	return nil
}

// Bind records that an account in a target is a person's, with the decision that
// says so. The caller has asked CheckBind.
func (e *Engine) Bind(ctx context.Context, p identity.Person, target, accountID string, d store.Decision) (store.Decision, error) {
	lock, err := e.lockTargets(ctx, []string{target})
	if err != nil {
		return d, err
	}
	defer lock.Unlock()
	// A run that changes the person's account now does not know of this yet.
	person, err := e.DB.Locks().Wait(ctx, max(e.LockWait, execute.PersonLockWait), execute.PersonLock(target, p.ID))
	if err != nil {
		return d, err
	}
	defer person.Unlock()
	retired, err := e.retiredEntry(ctx, target, accountID)
	if err != nil {
		return d, err
	}
	bound, err := e.DB.Accounts(ctx, target, store.Everyone())
	if err != nil {
		return d, err
	}
	delete(bound, retired)
	if err := otherThan(bound, p.ID, accountID); err != nil {
		return d, err
	}
	err = e.DB.Write(ctx, func(tx *store.Tx) error {
		if d, err = tx.Decide(ctx, d, e.Now()); err != nil {
			return err
		}
		if retired != "" { // a person's after all
			if err := tx.ForgetNonHumanAccount(ctx, target, retired); err != nil {
				return err
			}
		}
		tx.Enqueue(queue.People{People: []identity.PersonID{p.ID}})
		tx.Audit(audit.Record{At: e.Now(), Actor: d.Maker, Authority: d.Authority, Action: audit.AccountBound, Person: p.ID, Target: target,
			Reason: reason.Of(reason.AccountBound{Decision: d.Seq, Account: accountID})})
		return tx.BindAccount(ctx, store.AccountRef{Target: target, Person: p.ID, Native: accountID})
	})
	return d, err
}

// retiredEntry returns the ID of the register's entry for an account that was retired, empty
// without one. It refuses an account that is in use by the register: it is no person's.
func (e *Engine) retiredEntry(ctx context.Context, target, accountID string) (identity.PersonID, error) {
	entry, known, err := e.DB.NonHumanAccount(ctx, target, accountID)
	if known && entry.State != store.Retired {
		err = &reason.Refusal{Reason: reason.Of(reason.AccountRegistered{Target: target, Account: entry.Name})}
	}
	return entry.ID, err
}

// FindAccount reads the account with a native ID or a login name from a target, to enter it in
// the register, and returns both. It refuses one that is ignored on purpose, and one that is a person's or says so.
func (e *Engine) FindAccount(ctx context.Context, target, ref string) (id, name string, err error) {
	t, ok := e.Config.Target(target)
	connector := e.Targets[target]
	if !ok || connector == nil {
		return "", "", &reason.Refusal{Reason: reason.Of(reason.TargetNotHere{Target: target})}
	}
	observed := plan.NewObserved()
	if m, ok := connector.(connectors.Matcher); ok {
		observed.Names = m.Matching()[connectors.EntitlementName]
	}
	completeness, err := readAccount(ctx, connector, ref, observed)
	if err != nil {
		return "", "", fmt.Errorf("target %s: %w", target, err)
	}
	observed.Done(completeness)
	account, found := observed.ByID(ref)
	if !found {
		account, found = observed.ByName(ref)
	}
	switch {
	case !found:
		return "", "", &reason.Refusal{Reason: reason.Of(reason.NoSuchAccount{Target: target, Account: ref})}
	case plan.Ignored(t.Ignore, account.Name):
		return "", "", &reason.Refusal{Reason: reason.Of(reason.AccountIgnored{Target: target})}
	case account.Anchor != "":
		return "", "", &reason.Refusal{Reason: reason.Of(reason.AccountAnchored{Anchor: account.Anchor})}
	}
	entry, _, err := e.DB.NonHumanAccount(ctx, target, account.ID)
	if err != nil {
		return "", "", err
	}
	owners, err := e.DB.AccountsByNativeID(ctx, target, []string{account.ID})
	if err != nil {
		return "", "", err
	}
	if err := otherThan(owners, entry.ID, account.ID); err != nil {
		return "", "", err
	}
	return account.ID, account.Name, nil
}

// readAccount reads one account, by its login name or its native ID, where the connector can,
// and else all of them.
func readAccount(ctx context.Context, connector connectors.Connector, ref string, observed *plan.Observed) (connectors.Completeness, error) {
	reader, reads := connector.(connectors.AccountReader)
	if !reads {
		return connector.Snapshot(ctx, observed)
	}
	once := distinct{observed, map[string]bool{}}
	completeness, err := reader.ReadAccounts(ctx, []connectors.AccountRef{{Name: ref}}, nil, once)
	if err != nil || len(once.seen) > 0 {
		return completeness, err
	}
	return reader.ReadAccounts(ctx, []connectors.AccountRef{{ID: ref}}, nil, once)
}

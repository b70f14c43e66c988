package reconcile

import (
	"context"
	"fmt"

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
	bound, err := e.DB.Accounts(ctx, target, store.Everyone())
	if err != nil {
		return d, err
	}
	if err := otherThan(bound, p.ID, accountID); err != nil {
		return d, err
	}
	err = e.DB.Write(ctx, func(tx *store.Tx) error {
		if d, err = tx.Decide(ctx, d, e.Now()); err != nil {
			return err
		}
		tx.Enqueue(queue.People{People: []identity.PersonID{p.ID}})
		tx.Audit(audit.Record{At: e.Now(), Actor: d.Maker, Authority: d.Authority, Action: audit.AccountBound, Person: p.ID, Target: target,
			Reason: reason.Of(reason.AccountBound{Decision: d.Seq, Account: accountID})})
		return tx.BindAccount(ctx, store.AccountRef{Target: target, Person: p.ID, Native: accountID})
	})
	return d, err
}

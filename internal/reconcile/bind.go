package reconcile

import (
	"context"
	"fmt"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// Bind records that an account in a target is a person's, because somebody
// says so. The account must be there, and nobody else's.
func (e *Engine) Bind(ctx context.Context, p identity.Person, target, accountID, reason string) error {
	lock, err := e.lockTargets(ctx, []string{target})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	// Whoever is at the person's account now knows nothing of this yet.
	person, err := e.DB.LockWithin(ctx, max(e.Patience, fewPatience), personLock(target, p.ID))
	if err != nil {
		return err
	}
	defer person.Unlock()
	connector := e.Targets[target]
	if connector == nil {
		return fmt.Errorf("target %s is not connected", target)
	}
	observed := plan.NewObserved()
	completeness, err := connector.Snapshot(ctx, observed)
	if err != nil {
		return fmt.Errorf("target %s: %w", target, err)
	}
	observed.Done(completeness)
	account, ok := observed.ByID(accountID)
	if !ok {
		return fmt.Errorf("there is no account with the ID %q in target %s", accountID, target)
	}
	bound, err := e.DB.Accounts(ctx, target, nil)
	if err != nil {
		return err
	}
	for person, id := range bound {
		if id == accountID && person != string(p.ID) {
			return fmt.Errorf("the account is person %s's", person)
		}
	}
	if account.Anchor != "" && account.Anchor != string(p.ID) {
		return fmt.Errorf("the account says that it belongs to %q: empty its anchor attribute first", account.Anchor)
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		tx.Enqueue(store.PeopleJob{People: []string{string(p.ID)}})
		tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.AccountBound, Person: string(p.ID), Target: target, Reason: reason + " (account " + accountID + ")"})
		return tx.BindAccount(ctx, target, string(p.ID), accountID)
	})
}

package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// DisableAccounts disables a suspended person's accounts at once and revokes their
// sessions. It covers the accounts that behov knows, by the targets' own IDs, reads no
// target and waits for no run that is under way. A Run for the person afterwards covers
// the rest, and accounts that a target masters externally.
func (e *Engine) DisableAccounts(ctx context.Context, person identity.Person, why reason.Reason) (*execute.Result, error) {
	p := &plan.Plan{}
	var targets []plan.Target
	for _, c := range e.Config.Targets {
		id, err := e.DB.AccountOf(ctx, c.Name, person.ID)
		if err != nil {
			return nil, err
		}
		if id == "" || e.confirmedMissing(ctx, c.Name, person.ID, id) {
			continue
		}
		if _, able := e.Targets[c.Name].(connectors.SessionRevoker); able {
			p.Steps = append(p.Steps, plan.Step{ID: audit.StepID(c.Name + " sessions"), Target: c.Name, Person: person.ID, Op: plan.RevokeSessions, AccountID: id, Reason: why})
		}
		p.Steps = append(p.Steps, plan.Step{ID: audit.StepID(c.Name + " disable"), Target: c.Name, Person: person.ID, Op: connectors.DisableAccount, AccountID: id, Reason: why, Destructive: true})
		target := plan.Target{Name: c.Name, Observed: plan.NewObserved()}
		if err := e.readProof(ctx, nil, &target); err != nil {
			return nil, err
		}
		targets = append(targets, target)
	}
	result, err := e.executor().Apply(ctx, p, targets, &execute.Basis{People: store.Everyone(), Urgent: true})
	if err != nil {
		return result, fmt.Errorf("suspend person %s: %w", person.ID, err)
	}
	return result, nil
}

// CloseAccess carries out the suspension of a person: it disables the accounts that behov
// knows, reports what came of it to known, and then plans and applies for the person, for
// accounts that only a reading of the targets shows. The second result is nil when another
// run is under way: then a later run has to do it. Its maker is the actor of the first.
func (e *Engine) CloseAccess(ctx context.Context, person identity.Person, d store.Decision, known func(*execute.Result)) (first, second *execute.Result, err error) {
	status, err := e.PersonStatus(ctx, person)
	if err != nil {
		return nil, nil, err
	}
	maker := *e
	maker.Actor = d.Maker
	if first, err = maker.DisableAccounts(ctx, person, status.Facts.Suspended); err != nil {
		return first, nil, err
	}
	known(first)
	second, err = e.Run(ctx, Scope{Person: person.ID})
	if errors.Is(err, lock.ErrLocked) {
		return first, nil, nil
	}
	return first, second, err
}

// confirmedMissing reports whether a target that can be searched has no such account
// anywhere, so that there is nothing to disable. The search also tells the connector
// where a moved account is now.
func (e *Engine) confirmedMissing(ctx context.Context, target string, person identity.PersonID, account string) bool {
	locator, able := e.Targets[target].(connectors.AccountLocator)
	if !able {
		return false
	}
	found := false
	var completeness connectors.Completeness
	err := execute.Recover(execute.InConnector, func() (err error) {
		completeness, err = locator.LocateAccounts(ctx, []connectors.AccountRef{{ID: account, Anchor: string(person)}}, func(l connectors.Location) error {
			found = found || l.Account.ID == account
			return nil
		})
		return err
	})
	return err == nil && completeness.Complete && !found
}

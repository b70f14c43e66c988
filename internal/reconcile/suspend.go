package reconcile

import (
	"context"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
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

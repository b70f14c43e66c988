package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// DisableAccounts disables a suspended person's accounts at once and revokes their
// sessions. It covers the accounts that behov knows, by the targets' own IDs, reads no
// target and waits for no run that is under way. A Run for the person afterwards covers
// the rest, and accounts that a target masters externally.
func (e *Engine) DisableAccounts(ctx context.Context, p identity.Person, why string) (*Result, error) {
	result := &Result{Plan: &plan.Plan{}, Outcomes: map[string]int{}, Unavailable: map[string]string{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make([]error, len(e.Config.Targets))
	for i, c := range e.Config.Targets {
		id, err := e.DB.AccountOf(ctx, c.Name, p.ID)
		if err != nil {
			return nil, err
		}
		if id == "" {
			continue
		}
		if e.confirmedMissing(ctx, c.Name, p.ID, id) {
			continue
		}
		steps := []plan.Step{{ID: c.Name + " sessions", Target: c.Name, Person: p.ID, Op: plan.RevokeSessions, AccountID: id, Reason: why},
			{ID: c.Name + " disable", Target: c.Name, Person: p.ID, Op: connectors.DisableAccount, AccountID: id, Reason: why, Destructive: true}}
		if _, able := e.Targets[c.Name].(connectors.SessionRevoker); !able {
			steps = steps[1:]
		}
		result.Plan.Steps = append(result.Plan.Steps, steps...)
		target := plan.Target{Name: c.Name, Observed: plan.NewObserved()}
		if err := e.readProof(ctx, nil, &target); err != nil {
			return nil, err
		}
		run := newTargetRun(e, &inputs{subset: store.Everyone()}, target)
		run.steps, run.urgent = steps, true
		run.report = func(s plan.Step, outcome, detail string) {
			mu.Lock()
			defer mu.Unlock()
			result.addOutcome(s, outcome, detail)
		}
		wg.Go(func() {
			var down string
			err := recoverPanic(inEngine, func() (err error) { down, err = run.execute(ctx); return err })
			mu.Lock()
			defer mu.Unlock()
			errs[i] = err
			if down != "" {
				result.Unavailable[c.Name] = down
			}
		})
	}
	wg.Wait()
	slices.SortFunc(result.NotDone, func(a, b StepResult) int { return strings.Compare(a.Step.ID, b.Step.ID) })
	for _, err := range errs {
		if err != nil {
			return result, fmt.Errorf("suspend person %s: %w", p.ID, err)
		}
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
	err := recoverPanic(inConnector, func() (err error) {
		completeness, err = locator.LocateAccounts(ctx, []connectors.AccountRef{{ID: account, Anchor: string(person)}}, func(l connectors.Location) error {
			found = found || l.Account.ID == account
			return nil
		})
		return err
	})
	return err == nil && completeness.Complete && !found
}

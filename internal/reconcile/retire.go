package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// inventoryReader reads what is stored about targets.
type inventoryReader interface {
	TargetInventories(ctx context.Context, but []string) ([]store.TargetInventory, error)
}

// UnconfiguredTargets returns what is known of targets that are not in the configuration,
// sorted by name.
func UnconfiguredTargets(ctx context.Context, db inventoryReader, c *config.Config) ([]store.TargetInventory, error) {
	var configured []string
	for _, t := range c.Targets {
		configured = append(configured, t.Name)
	}
	return db.TargetInventories(ctx, configured)
}

// Retire ends, by a decision, what is recorded of a target that is not configured any
// more: open steps end as not known, and so does all access there. It changes nothing in
// the target itself, and fails with lock.ErrLocked while a run works on the target.
func (e *Engine) Retire(ctx context.Context, target string, d store.Decision) (store.Decision, error) {
	if _, ok := e.Config.Target(target); ok {
		return d, &reason.Refusal{Reason: reason.Of(reason.TargetConfiguredStill{Target: target})}
	}
	running, err := e.lockTargets(ctx, []string{target})
	if err != nil {
		return d, retiring(target, err)
	}
	defer running.Unlock()
	open, err := e.DB.OpenSteps(ctx, target, store.Everyone())
	if err != nil {
		return d, err
	}
	people := make([]identity.PersonID, len(open))
	for i, s := range open {
		people[i] = s.Person
	}
	touching, err := e.DB.Locks().Wait(ctx, e.LockWait, execute.PersonLocks(target, slices.Compact(slices.Sorted(slices.Values(people))))...)
	if err != nil {
		return d, retiring(target, err)
	}
	defer touching.Unlock()
	err = e.DB.Write(ctx, func(tx *store.Tx) error {
		if d, err = tx.Decide(ctx, d, e.Now()); err != nil {
			return err
		}
		for _, o := range open {
			var s plan.Step
			if err := json.Unmarshal([]byte(o.Body), &s); err != nil {
				return fmt.Errorf("open step %s: %w", o.AttemptID, err)
			}
			ours, err := tx.EndStep(ctx, o.AttemptID)
			if err != nil {
				return err
			}
			if !ours {
				continue
			}
			tx.Audit(audit.Record{At: e.Now(), Began: o.Intended(), Actor: e.Actor, Action: audit.StepEnded, Person: o.Person, Target: target,
				Entitlement: string(s.Entitlement), Op: string(s.Op), Plan: o.Plan, Attempt: o.AttemptID, Outcome: audit.NotKnown,
				Reason: reason.Of(reason.With{Because: s.Reason, Note: reason.Of(reason.Retired{})})})
		}
		tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.TargetRetired, Target: target,
			Reason: reason.Of(reason.TargetRetired{Decision: d.Seq, Why: d.Reason})})
		return tx.ForgetTarget(ctx, target)
	})
	return d, err
}

func retiring(target string, err error) error {
	if errors.Is(err, lock.ErrLocked) {
		return fmt.Errorf("a run still works on target %s: take it out of the configuration of every process first: %w", target, err)
	}
	return err
}

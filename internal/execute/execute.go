// Package execute carries out the steps of a plan: it commits the intent of each step,
// asks the target, retries what the target would rather do later, and commits the outcome.
// What a stopped run left open it resolves from what the targets show.
//
// It must never change a target before the step and its reason are committed, and never
// decide what a person should have: it knows no rules and no configuration.
package execute

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// stepStore is where steps are recorded and their people locked; *store.DB is one.
type stepStore interface {
	Locks() *lock.Locks
	OpenSteps(ctx context.Context, target string, of store.PersonSet) ([]store.OpenStep, error)
	Sequences(ctx context.Context) (store.Sequences, error)
	Write(ctx context.Context, f func(*store.Tx) error) error
}

// Executor carries out steps.
type Executor struct {
	DB      stepStore
	Targets map[string]connectors.Connector
	Now     func() time.Time
	Actor   identity.Actor
	// HandsOverPasswords are the targets whose connector hands over first passwords.
	HandsOverPasswords map[string]bool
	// Progress, when set, is called with how many steps have ended, one call at a time.
	Progress func(done, total int)
}

// Accounts works out what a person's account in a target should look like; the zero value
// for a person it does not know.
type Accounts interface {
	Account(person identity.PersonID, target string) plan.Account
}

// Basis is what a plan was made from: what is recorded after it may make steps out of date.
type Basis struct {
	// People are those whom the plan covers. Lock is held on all of them by the caller;
	// nil when the executor locks them batch by batch.
	People store.PersonSet
	Lock   *lock.Lock
	// Sequences are those before anything was read; ResolvedUpTo is the audit trail's end
	// when open steps had been resolved, Open are those steps.
	Sequences    store.Sequences
	ResolvedUpTo int64
	Open         *OpenSteps
	// Owners are, by the ID in the register, the owners of the accounts that are no person's:
	// what is recorded about the owner may make steps of the account out of date.
	Owners map[identity.PersonID]identity.PersonID
	// Suspended people lose access whatever the limits. Failing are the keys of steps
	// that failed before.
	Suspended map[identity.PersonID]bool
	Failing   map[audit.StepKey]bool
	// Accounts gives the values that steps write, of which the plan has fingerprints.
	Accounts       Accounts
	FingerprintKey []byte
	// Due is, by target, the last day for the work orders of this run.
	Due map[string]identity.Date
	// Purposes are, by entitlement, what the groups are for that are created.
	Purposes map[policy.EntitlementID]string
	// Urgent steps are made now, whatever was recorded since and whatever the limits.
	Urgent bool
}

// Apply carries out a plan, every target by itself, so that one that fails does not delay
// the others.
func (x *Executor) Apply(ctx context.Context, p *plan.Plan, targets []plan.Target, b *Basis) (*Result, error) {
	result := &Result{Plan: p, Outcomes: map[string]int{}, Unavailable: map[string]string{}, RetryAfter: map[string]time.Duration{}, done: map[audit.StepID]bool{}}
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	errs := make([]error, len(targets))
	for i, t := range targets {
		run := newTargetRun(x, b, t)
		run.plan = p.Digest
		for _, r := range p.Released {
			for _, id := range r.Steps {
				run.released[id] = r.Digest
			}
		}
		for _, s := range p.Groups {
			if s.Target == t.Name {
				run.groups = append(run.groups, s)
			}
		}
		for _, s := range p.Steps {
			if s.Target == t.Name {
				run.steps = append(run.steps, s)
			}
		}
		run.report = func(s plan.Step, outcome string, detail reason.Reason) {
			mu.Lock()
			defer mu.Unlock()
			done++
			result.done[s.ID] = result.addOutcome(s, outcome, detail)
			if x.Progress != nil {
				x.Progress(done, len(p.Groups)+len(p.Steps))
			}
		}
		wg.Go(func() {
			var down string
			err := Recover(InEngine, func() (err error) { down, err = run.executeAll(ctx); return err })
			mu.Lock()
			defer mu.Unlock()
			errs[i] = err
			if down != "" {
				result.Unavailable[t.Name], result.RetryAfter[t.Name] = down, run.retryAfter
			}
		})
	}
	wg.Wait()
	errs = append(errs, x.endHolds(context.WithoutCancel(ctx), p, result.done))
	slices.SortFunc(result.NotDone, func(a, b StepResult) int { return cmp.Compare(a.Step.ID, b.Step.ID) })
	return result, errors.Join(errs...)
}

// endHolds ends the holds of which every released step was done. What is left of
// a release stays released.
func (x *Executor) endHolds(ctx context.Context, p *plan.Plan, ended map[audit.StepID]bool) error {
	if len(p.Released) == 0 {
		return nil
	}
	return x.DB.Write(ctx, func(tx *store.Tx) error {
		for _, r := range p.Released {
			if !slices.ContainsFunc(r.Steps, func(id audit.StepID) bool { return ended[id] }) {
				continue
			}
			if err := tx.EndHoldIfDone(ctx, r.Digest); err != nil {
				return err
			}
		}
		return nil
	})
}

var tracer = otel.Tracer("github.com/behov/behov/internal/execute")

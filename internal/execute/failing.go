package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// A step that its target refuses or fails to do, while it does others, is tried again,
// later each time, and in the end parked until a person has looked at it. A step that
// revokes access is tried once a day even then: a leaver must not keep access because a
// target once refused.
const (
	mostTries    = 8
	firstRetry   = 10 * time.Second
	longestRetry = 4 * time.Hour
	parkedRetry  = 24 * time.Hour
)

// retryAfter returns how long a step waits after so many failures, at least as long as
// the target asked.
func retryAfter(tries int, asked time.Duration) time.Duration {
	return max(queue.Backoff(tries, firstRetry, longestRetry), asked)
}

// noteFailures records the steps of a batch that failed by themselves and schedules their
// next try. When none was answered, and the target says when it will answer, the failure
// is the target's and not theirs.
func (r *targetRun) noteFailures(ctx context.Context, tx *store.Tx, attempts []attempt, results []connectors.Result, at time.Time) error {
	failed := map[audit.AttemptID]bool{}
	answered := false
	for i, a := range attempts {
		answered = answered || results[i].Err == nil || connectors.RetryAfter(results[i].Err) == 0 && !errors.Is(results[i].Err, context.Canceled)
		failed[a.id] = results[i].Status == connectors.Refused || connectors.ClassOf(results[i].Err) == connectors.Permanent
	}
	again := map[time.Time][]identity.PersonID{} // people to reconcile again, by when
	for i, a := range attempts {
		if answered && connectors.ClassOf(results[i].Err) == connectors.RetryLater {
			failed[a.id] = true
		}
		if !failed[a.id] {
			if results[i].Err == nil && r.basis.Failing[a.step.Key()] {
				if err := tx.ForgetFailingStep(ctx, a.step.Key()); err != nil {
					return err
				}
			}
			continue
		}
		next, err := r.noteFailure(ctx, tx, a, results[i], at)
		if err != nil {
			return err
		}
		if !next.IsZero() {
			due := next.Truncate(together).Add(together)
			again[due] = append(again[due], a.step.Person)
		}
	}
	for due, people := range again {
		tx.Enqueue(queue.People{People: people, Target: r.target.Name, After: due.Sub(at)})
	}
	return nil
}

// together is how far apart steps may be due that are tried again in one go.
const together = 5 * time.Second

// parkedTogether is for how long parked steps are collected before an alert is sent.
const parkedTogether = 10 * time.Second

// noteFailure notes that a step failed once more, and returns when it is tried
// again.
func (r *targetRun) noteFailure(ctx context.Context, tx *store.Tx, a attempt, res connectors.Result, at time.Time) (time.Time, error) {
	body, err := json.Marshal(a.step)
	if err != nil {
		return at, fmt.Errorf("step %s: %w", a.step.ID, err)
	}
	outcome, detail := r.outcomeOf(a, res)
	f, err := tx.NextStepFailure(ctx, store.FailingStep{Key: a.step.Key(), Target: a.step.Target, Person: a.step.Person, Body: string(body), Outcome: outcome, Detail: detail}, at)
	if err != nil {
		return at, err
	}
	if f.State == store.GivenUp { // while it was tried
		return time.Time{}, tx.PutFailingStep(ctx, f, time.Time{})
	}
	next := at.Add(retryAfter(f.Tries, connectors.RetryAfter(res.Err)))
	if f.Tries < mostTries {
		return next, tx.PutFailingStep(ctx, f, next)
	}
	next = time.Time{}
	if a.step.Destructive || a.step.Op == plan.RevokeSessions {
		next = at.Add(parkedRetry)
	}
	if f.State == store.Trying {
		f.State = store.Parked
		job := alert.StepsParked.Job(a.step.Target)
		job.After = parkedTogether
		tx.Enqueue(job)
		tx.Audit(audit.Record{At: at, Actor: r.Actor, Action: audit.StepParked, Person: a.step.Person, Target: a.step.Target, Entitlement: string(a.step.Entitlement),
			Op: string(a.step.Op), Plan: r.plan, Reason: reason.Of(reason.StepParked{Step: string(f.Key), Count: f.Tries, Last: detail})})
	}
	return next, tx.PutFailingStep(ctx, f, next)
}

package execute

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// placeOrder records that a person is to make the change of an attempt.
func (r *targetRun) placeOrder(ctx context.Context, tx *store.Tx, a attempt, at time.Time) (reason.Reason, error) {
	body, err := json.Marshal(a.step)
	if err != nil {
		return reason.Reason{}, fmt.Errorf("step %s: %w", a.step.ID, err)
	}
	o := store.WorkOrder{Target: a.step.Target, Person: a.step.Person, Key: a.step.Key(), Body: string(body), Op: string(a.step.Op), Entitlement: string(a.step.Entitlement), Native: a.step.Native,
		AccountID: a.change.Account.ID, Attempt: a.id, Plan: r.plan, Name: a.change.Account.Name, Due: r.basis.Due[a.step.Target]}
	if account, seen := r.target.Observed.ByID(o.AccountID); seen {
		o.Name = account.Name
	}
	number, err := tx.PlaceOrder(ctx, o, at)
	return reason.Of(reason.OrderWaiting{Order: number, Due: o.Due}), err
}

// OrderEnd is how a work order ends.
type OrderEnd struct {
	State  store.OrderState
	Actor  identity.Actor
	At     time.Time
	Why    reason.Reason // what is said of it beside the reason of the step
	DoneOn identity.Date
	// Since is the earliest instant at which the change may have been made; zero for At.
	Since    time.Time
	Decision int64
}

// EndOrder ends a work order that waits, with the audit record of the step, and notes what is
// known of the account from then on. It reports whether the order waited. A change that
// cannot be made becomes a parked step.
func EndOrder(ctx context.Context, tx *store.Tx, o store.WorkOrder, end OrderEnd) (bool, error) {
	var s plan.Step
	if err := json.Unmarshal([]byte(o.Body), &s); err != nil {
		return false, fmt.Errorf("work order %d: %w", o.ID, err)
	}
	s.AccountID = o.AccountID
	o.State, o.DoneOn, o.Decision = end.State, end.DoneOn, end.Decision
	waited, err := tx.EndOrder(ctx, o, end.At)
	if err != nil || !waited {
		return false, err
	}
	outcome := audit.NotDone
	switch end.State {
	case store.OrderDone:
		outcome = audit.Applied
		accountID, err := tx.MakeOrdered(ctx, o)
		if err != nil {
			return false, err
		}
		if s.AccountID == "" {
			s.AccountID = accountID
		}
		if err := noteDone(ctx, tx, s, accountID, outcome, end.At); err != nil {
			return false, err
		}
		if err := tx.ForgetStepDecisions(ctx, []audit.StepDigest{s.Digest()}); err != nil {
			return false, err
		}
		if err := tx.ForgetFailingStep(ctx, o.Key); err != nil {
			return false, err
		}
	case store.OrderImpossible:
		outcome = audit.Refused
		f, err := tx.NextStepFailure(ctx, store.FailingStep{Key: o.Key, Target: o.Target, Person: o.Person, Body: o.Body, Outcome: outcome, Detail: end.Why}, end.At)
		if err != nil {
			return false, err
		}
		f.State = store.Parked
		if err := tx.PutFailingStep(ctx, f, time.Time{}); err != nil {
			return false, err
		}
		job := alert.StepsParked.Job(o.Target)
		job.After = parkedTogether
		tx.Enqueue(job)
	}
	tx.Audit(audit.Record{At: end.At, Began: end.Since, Actor: end.Actor, Action: audit.StepEnded, Person: o.Person, Target: o.Target, Entitlement: o.Entitlement, Op: o.Op,
		Plan: o.Plan, Attempt: o.Attempt, Outcome: audit.Outcome(outcome), Reason: with(s.Reason, end.Why)})
	return true, nil
}

// ResolveOrders ends the work orders whose change the target shows: the list of its accounts
// has what was ordered.
func (x *Executor) ResolveOrders(ctx context.Context, orders []store.WorkOrder, t plan.Target, fingerprintKey []byte) (ended map[int64]bool, err error) {
	ended = map[int64]bool{}
	if len(orders) == 0 || t.Observed == nil {
		return ended, nil
	}
	err = x.DB.Write(ctx, func(tx *store.Tx) error {
		for _, o := range orders {
			var s plan.Step
			if err := json.Unmarshal([]byte(o.Body), &s); err != nil {
				return fmt.Errorf("work order %d: %w", o.ID, err)
			}
			if s.AccountID == "" && !CreatesAccount(s.Op) {
				own, _ := t.Owned(o.Person)
				if own == nil {
					continue
				}
				s.AccountID, o.AccountID = own.ID, own.ID
			}
			if outcome, _ := inferOutcome(s, t, fingerprintKey); outcome != audit.Applied {
				continue
			}
			end := OrderEnd{State: store.OrderDone, Actor: x.Actor, At: x.Now(), Why: reason.Of(reason.OrderShown{Order: o.ID}), Since: o.Ordered()}
			if o.Takes() {
				end.Since = time.Time{}
			}
			waited, err := EndOrder(ctx, tx, o, end)
			if err != nil {
				return err
			}
			if ended[o.ID] = waited; waited { // what was read of the person is out of date
				tx.Enqueue(queue.People{People: []identity.PersonID{o.Person}, Target: t.Name})
			}
		}
		return nil
	})
	return ended, err
}

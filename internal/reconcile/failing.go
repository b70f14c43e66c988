package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// readFailing reads which steps failed before, and which of them are not tried
// in this run.
func (e *Engine) readFailing(ctx context.Context, w *inputs, t *plan.Target) error {
	failing, err := e.DB.FailingSteps(ctx, t.Name, w.covers.people)
	if err != nil {
		return err
	}
	for _, f := range failing {
		w.failing = append(w.failing, f)
		var s plan.Step
		if err := json.Unmarshal([]byte(f.Body), &s); err != nil {
			return fmt.Errorf("failing step %s: %w", f.Key, err)
		}
		if s.Op == plan.RevokeSessions {
			if t.Unrevoked == nil {
				t.Unrevoked = map[identity.PersonID]bool{}
			}
			t.Unrevoked[s.Person] = true
		}
		due := f.State != store.GivenUp && f.NextUS > 0 && !f.Next().After(e.Now())
		var why reason.Reason
		switch {
		case due, f.State == store.Trying && e.RetryAllSteps:
			continue
		case f.State == store.GivenUp:
			why = reason.Of(reason.StepGivenUp{})
		case f.State == store.Parked:
			why = reason.Of(reason.StepParked{Step: string(f.Key), Count: f.Tries, Last: f.Detail})
		default:
			why = reason.Of(reason.StepRetried{Count: f.Tries, Last: f.Detail, Again: f.Next()})
		}
		if t.SkippedSteps == nil {
			t.SkippedSteps = map[audit.StepKey]reason.Reason{}
		}
		t.SkippedSteps[f.Key] = why
		if f.State == store.GivenUp {
			if t.GivenUp == nil {
				t.GivenUp = map[audit.StepKey]bool{}
			}
			t.GivenUp[f.Key] = true
		}
	}
	return nil
}

// readOrders reads which steps wait for a person who makes the change: they are not ordered
// again.
func (e *Engine) readOrders(ctx context.Context, w *inputs, t *plan.Target) error {
	if c, _ := e.Config.Target(t.Name); c.Settings == nil || c.Kind() != config.ManualKind {
		return nil
	}
	orders, err := e.DB.WaitingOrders(ctx, t.Name, w.covers.people)
	if err != nil {
		return err
	}
	if t.SkippedSteps == nil {
		t.SkippedSteps = map[audit.StepKey]reason.Reason{}
	}
	t.Ordered = map[audit.StepKey]bool{}
	for _, o := range orders {
		t.Ordered[o.Key] = true
		t.SkippedSteps[o.Key] = reason.Of(reason.OrderWaiting{Order: o.ID, Due: o.Due})
	}
	w.orders = append(w.orders, orders...)
	return nil
}

// resolveOrders ends the work orders that the targets show to be done.
func (e *Engine) resolveOrders(ctx context.Context, w *inputs) error {
	for _, t := range w.targets {
		var of []store.WorkOrder
		for _, o := range w.orders {
			if o.Target == t.Name {
				of = append(of, o)
			}
		}
		ended, err := e.executor().ResolveOrders(ctx, of, t, w.fingerprintKey)
		if err != nil {
			return err
		}
		w.orders = slices.DeleteFunc(w.orders, func(o store.WorkOrder) bool { return ended[o.ID] })
	}
	return nil
}

// withdrawOrders withdraws the work orders that are not wanted any more.
func (e *Engine) withdrawOrders(ctx context.Context, tx *store.Tx, w *inputs, p *plan.Plan, touched map[string]map[identity.PersonID]bool) error {
	if len(w.orders) == 0 {
		return nil
	}
	needed, deferred := neededSteps(p)
	for _, o := range w.orders {
		if needed[o.Key] || deferred[o.Person] || deferred[""] || touched[o.Target][o.Person] || !w.showsAccess(o.Target, o.Person) {
			continue
		}
		end := execute.OrderEnd{State: store.OrderWithdrawn, Actor: e.Actor, At: e.Now(), Why: reason.Of(reason.OrderWithdrawn{Order: o.ID})}
		if _, err := execute.EndOrder(ctx, tx, o, end); err != nil {
			return err
		}
	}
	return nil
}

// readPause reads whether changes to the target are paused.
func (e *Engine) readPause(ctx context.Context, t *plan.Target) error {
	pauses, err := e.DB.Pauses(ctx)
	if err != nil {
		return err
	}
	all, everything := pauses[store.EveryTarget]
	one, this := pauses[t.Name]
	t.LeaversGo = true
	for _, d := range []store.Decision{all, one} {
		if d.Seq == 0 {
			continue
		}
		t.Paused = reason.Of(reason.Paused{Decision: d.Seq, Maker: d.Maker})
		t.LeaversGo = t.LeaversGo && d.Verdict == store.PauseExceptLeavers
	}
	t.LeaversGo = t.LeaversGo && (everything || this)
	return nil
}

// forgetFailing forgets the failing steps that are not needed any more, of the
// targets and people that the plan shows as a whole.
func (e *Engine) forgetFailing(ctx context.Context, tx *store.Tx, w *inputs, p *plan.Plan) error {
	if len(w.failing) == 0 {
		return nil
	}
	needed, later := neededSteps(p)
	for _, f := range w.failing {
		if needed[f.Key] || later[f.Person] || later[""] || !w.showsAccess(f.Target, f.Person) {
			continue
		}
		if err := tx.ForgetFailingStep(ctx, f.Key); err != nil {
			return err
		}
	}
	return nil
}

// neededSteps returns the keys of the steps that a plan has, carried out or not, and the
// people who are left to another plan.
func neededSteps(p *plan.Plan) (needed map[audit.StepKey]bool, later map[identity.PersonID]bool) {
	needed = map[audit.StepKey]bool{}
	keep := func(steps []plan.Step) {
		for _, s := range steps {
			needed[s.Key()] = true
		}
	}
	keep(p.Steps)
	for _, s := range p.SkippedSteps {
		needed[s.Step.Key()] = true
	}
	for _, h := range p.Holds {
		keep(h.Steps)
	}
	for _, x := range p.AwaitingCompleteRead {
		keep(x.Steps)
	}
	later = map[identity.PersonID]bool{}
	for _, l := range p.Deferred {
		later[l.Person] = true
	}
	return needed, later
}

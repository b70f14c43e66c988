package execute

import (
	"context"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// changeGroups carries out those of the plan's steps on groups that are a creation, or those
// that are none, one by one: there are few. As with every step the intent is committed
// before the target is asked. A creation whose answer is lost is known by the mark in the
// group when the target is read next. It returns why the target stopped answering, if it
// did.
func (r *targetRun) changeGroups(ctx context.Context, creations bool) (down string, err error) {
	manager, can := r.Targets[r.target.Name].(connectors.GroupManager)
	for _, s := range r.groups {
		if (s.Op == connectors.CreateGroup) != creations {
			continue
		}
		if down != "" || !can || ctx.Err() != nil {
			r.groupNotDone(s, notTried, reason.Of(reason.DependsOnUndone{}))
			continue
		}
		if down, err = r.changeGroup(ctx, manager, s); err != nil {
			return down, err
		}
	}
	return down, nil
}

// groupNotDone reports a step on a group that was not done. Steps on who is in a group that
// is not there are not tried.
func (r *targetRun) groupNotDone(s plan.Step, outcome string, why reason.Reason) {
	if s.Op == connectors.CreateGroup {
		r.missingGroups[s.Entitlement] = true
	}
	r.report(s, outcome, why)
}

func (r *targetRun) changeGroup(ctx context.Context, manager connectors.GroupManager, s plan.Step) (down string, err error) {
	a := attempt{id: audit.AttemptID(uuid.Must(uuid.NewV7()).String()), step: s}
	change := connectors.GroupChange{Op: s.Op, ID: s.AccountID, Name: s.Native, Purpose: r.basis.Purposes[s.Entitlement]}
	began := r.Now()
	var stopped reason.Reason
	err = r.DB.Write(ctx, func(tx *store.Tx) error {
		if stopped, err = r.pausedSince(ctx, tx); err != nil || !stopped.IsZero() {
			return err
		}
		if s.Op == connectors.CreateGroup {
			if change.Mark, err = tx.ReserveGroup(ctx, s.Target, string(s.Entitlement), uuid.NewString()); err != nil {
				return err
			}
		}
		tx.Audit(r.record(a, audit.StepIntended, began))
		return nil
	})
	if err != nil {
		return "", err
	}
	if !stopped.IsZero() {
		r.groupNotDone(s, notTried, stopped)
		return "", nil
	}
	var result connectors.Result
	result.Err = Recover(InConnector, func() (err error) { result.Outcome, err = manager.ChangeGroup(ctx, change); return err })
	outcome, detail := r.outcomeOf(a, result)
	if outcome == "" { // the next reading shows whether it was made
		r.groupNotDone(s, unknown, detail)
		if connectors.ClassOf(result.Err) == connectors.TargetDown {
			down = result.Err.Error()
		}
		return down, nil
	}
	err = r.DB.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		switch {
		case !done(outcome):
		case s.Op == connectors.CreateGroup:
			err = tx.BindGroup(ctx, s.Target, string(s.Entitlement), result.GroupID)
		case s.Op == connectors.DeleteGroup:
			err = tx.ForgetGroup(ctx, s.Target, string(s.Entitlement))
		}
		record := r.record(a, audit.StepEnded, r.Now())
		record.Outcome, record.Began = audit.Outcome(outcome), began
		record.Reason = with(record.Reason, detail)
		tx.Audit(record)
		return err
	})
	if err != nil {
		return "", err
	}
	if !done(outcome) {
		r.groupNotDone(s, outcome, detail)
		return "", nil
	}
	r.report(s, outcome, detail)
	return "", nil
}

// missingGroup reports whether a step is about the members of a group that the run could not
// create.
func (r *targetRun) missingGroup(s plan.Step) bool {
	return s.Entitlement != "" && r.missingGroups[s.Entitlement]
}

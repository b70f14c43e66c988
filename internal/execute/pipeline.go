package execute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// batch is steps whose intents are committed, and what came of them.
type batch struct {
	attempts []attempt
	locks    locks // of the people whose steps they are, until the outcomes are committed
	began    time.Time
	results  []connectors.Result
	took     time.Duration // for how long the target worked on it
}

// slowBatch is the longest time, for the last batch of this run, with which a target
// counts as quick: the next batch is intended while it works on this one. With a slower
// target the commits are a small part of the time, and what was decided about a person
// should not be older than need be when the target is asked.
const slowBatch = 500 * time.Millisecond

// executeAll creates groups, carries out every step, and then renames and deletes groups.
func (r *targetRun) executeAll(ctx context.Context) (down string, err error) {
	for _, part := range []func(context.Context) (string, error){
		func(ctx context.Context) (string, error) { return r.changeGroups(ctx, true) },
		r.execute,
		func(ctx context.Context) (string, error) { return r.changeGroups(ctx, false) },
	} {
		if down, err = part(ctx); down != "" || err != nil {
			return down, err
		}
	}
	return "", nil
}

// execute carries out every step in its order, a batch at a time: intents are committed,
// then the target is asked, then the outcomes are committed. While the target works
// on one batch the outcomes of the one before it and the intents of the next are
// committed, so that neither the target nor the database waits for the other. It
// returns why the target stopped answering, if it did; an error is ours and not the
// target's.
func (r *targetRun) execute(ctx context.Context) (down string, err error) {
	var before *batch // the target is done with it, and its outcomes are not committed
	now, rest, err := r.intendNext(ctx, r.steps, false)
	for err == nil && now != nil {
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			r.applyBatch(ctx, now)
		}()
		failed := r.commitOutcomes(ctx, before)
		before = nil
		var next *batch
		if failed == nil && ctx.Err() == nil && r.mayOverlap(now, rest) {
			next, rest, failed = r.intendNext(ctx, rest, true)
		}
		<-asked
		r.took = now.took
		down = r.unavailableReason(now.results)
		if next != nil && failed == nil && down == "" && ctx.Err() == nil {
			before, now = now, next
			continue
		}
		err = errors.Join(failed, r.commitOutcomes(ctx, now), r.recordNotTried(ctx, next))
		if next != nil && ctx.Err() != nil {
			err = errors.Join(err, r.stoppedError(ctx, len(rest)+len(next.attempts)))
		}
		if down != "" || err != nil {
			return down, err
		}
		now, rest, err = r.intendNext(ctx, rest, false)
	}
	if err != nil {
		return "", err
	}
	return "", r.requeueDeferred(ctx)
}

// intendNext commits the intents of the next batch, and returns what is left after it;
// nil when nothing is. A batch is of one phase, and ends with a person's last step
// in it, so that no person is in two batches of a phase. With overlapping, the batch
// before it is under way and holds its locks.
func (r *targetRun) intendNext(ctx context.Context, rest []plan.Step, overlapping bool) (*batch, []plan.Step, error) {
	for len(rest) > 0 {
		if ctx.Err() != nil {
			return nil, rest, r.stoppedError(ctx, len(rest))
		}
		steps := nextBatch(rest)
		b, err := r.lockAndIntend(ctx, steps, overlapping)
		if overlapping && lock.IsLimit(err) {
			return nil, rest, nil // not before the other batch's locks are given back
		}
		if err != nil {
			return nil, rest, err
		}
		rest = rest[len(steps):]
		if b != nil {
			return b, rest, nil
		}
	}
	return nil, nil, nil
}

// stoppedError says that the run was stopped before the last so many steps.
func (r *targetRun) stoppedError(ctx context.Context, left int) error {
	return fmt.Errorf("stopped before %d of %d steps in %s: %w", left, len(r.steps), r.target.Name, ctx.Err())
}

// nextBatch returns the steps of the next batch.
func nextBatch(rest []plan.Step) []plan.Step {
	n := 1
	for n < len(rest) && plan.PhaseOf(rest[n].Op) == plan.PhaseOf(rest[0].Op) && (n < batchSize || rest[n].Person == rest[n-1].Person) {
		n++
	}
	return rest[:n]
}

// mayOverlap reports whether the next steps can be intended while a batch is under
// way: they are of its phase, so that they are about other people, and depend on
// none of its steps.
func (r *targetRun) mayOverlap(now *batch, rest []plan.Step) bool {
	if len(rest) == 0 || r.basis.Urgent || r.took == 0 || r.took > slowBatch || plan.PhaseOf(rest[0].Op) != plan.PhaseOf(now.attempts[0].step.Op) {
		return false
	}
	under := make(map[audit.StepID]bool, len(now.attempts))
	for _, a := range now.attempts {
		under[a.step.ID] = true
	}
	for _, s := range nextBatch(rest) {
		for _, id := range s.DependsOn {
			if under[id] {
				return false
			}
		}
	}
	return true
}

// lockAndIntend locks the people of a batch and commits its intents; nil when none of
// the steps is to be made.
func (r *targetRun) lockAndIntend(ctx context.Context, steps []plan.Step, overlapping bool) (*batch, error) {
	b := &batch{}
	var err error
	if b.locks, err = r.lock(ctx, steps, overlapping); err != nil {
		b.locks.unlock()
		return nil, err
	}
	for _, s := range steps {
		if !r.deferredWhy[s.Person].IsZero() {
			r.report(s, LeftToOtherRun, r.deferredWhy[s.Person])
			continue
		}
		a, why := r.prepare(s)
		if !why.IsZero() {
			r.report(s, notTried, why)
			continue
		}
		b.attempts = append(b.attempts, a)
	}
	b.began = r.Now()
	if b.attempts, err = r.intend(ctx, b.attempts, b.began); err != nil || len(b.attempts) == 0 {
		b.locks.unlock()
		return nil, err
	}
	return b, nil
}

// applyBatch has the target do what a batch intends.
func (r *targetRun) applyBatch(ctx context.Context, b *batch) {
	began := time.Now()
	if err := Recover(InEngine, func() error { b.results = r.applyWithRetry(ctx, b.attempts); return nil }); err != nil {
		b.results = make([]connectors.Result, len(b.attempts))
		for i := range b.results {
			b.results[i].Err = connectors.Errorf(connectors.Permanent, "target %s: %w", r.target.Name, err)
		}
	}
	b.took = time.Since(began)
}

// commitOutcomes commits the outcomes of a batch, also when its caller is impatient: what
// was done was done.
func (r *targetRun) commitOutcomes(ctx context.Context, b *batch) error {
	if b == nil {
		return nil
	}
	defer b.locks.unlock()
	return r.recordOutcomes(context.WithoutCancel(ctx), b.attempts, b.results, b.began)
}

// recordNotTried commits that the steps of a batch were not made: the target was never
// asked.
func (r *targetRun) recordNotTried(ctx context.Context, b *batch) error {
	if b == nil {
		return nil
	}
	defer b.locks.unlock()
	why := reason.Of(reason.NotAsked{})
	ctx, at := context.WithoutCancel(ctx), r.Now()
	if err := r.DB.Write(ctx, func(tx *store.Tx) error {
		for _, a := range b.attempts {
			open, err := endStep(ctx, tx, a.id, a.step, "", audit.NotDone, at)
			if err != nil {
				return err
			}
			if open {
				record := r.record(a, audit.StepEnded, at)
				record.Outcome, record.Began = audit.NotDone, b.began
				record.Reason = with(record.Reason, why)
				tx.Audit(record)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, a := range b.attempts {
		r.report(a.step, notTried, why)
	}
	return nil
}

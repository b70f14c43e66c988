package store

import (
	"context"
	"fmt"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// StepVerdict is a person's decision on a step that is held. It names the step
// by a digest of its own, so that it outlives what else changes in a plan.
type StepVerdict struct {
	Step    audit.StepDigest  `db:"step"`
	Hold    audit.HoldDigest  `db:"hold"` // in which it was
	Target  string            `db:"target"`
	Person  identity.PersonID `db:"person_id"`
	Verdict Verdict           `db:"verdict"` // Release, Reject or Deferred
	// Decision is the sequence number of the decision.
	Decision int64 `db:"decision"`
}

// expired returns a decision on a step as it is once its hold, if it is among the
// given, has expired: a release is none any more, and what was rejected waits for
// another decision.
func (v StepVerdict) expired(holds map[audit.HoldDigest]bool) (left StepVerdict, any bool) {
	if !holds[v.Hold] {
		return v, true
	}
	released := v.Verdict == Release
	v.Verdict, v.Hold = StaysHeld, ""
	return v, !released
}

// StepDecisions returns the decisions on steps of people in a target, or any when it is empty, as they are when
// the holds that were raised before an instant, and the releases that are older, have
// expired (see ExpireHolds).
func (db *DB) StepDecisions(ctx context.Context, target string, of PersonSet, expired time.Time) ([]StepVerdict, error) {
	var old []audit.HoldDigest
	if err := db.read.SelectContext(ctx, &old, `SELECT digest FROM hold WHERE raised_us < $1`, micros(expired)); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	holds := make(map[audit.HoldDigest]bool, len(old))
	for _, digest := range old {
		holds[digest] = true
	}
	var all []StepVerdict
	where, args := of.condition(db.read, "person_id", []any{Release, micros(expired)})
	if target != "" {
		args = append(args, target)
		where += fmt.Sprintf(" AND target = $%d", len(args))
	}
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[StepVerdict]("")+` FROM step_decision WHERE NOT (verdict = $1 AND decided_us < $2) AND `+where+` ORDER BY step`, args...); err != nil {
		return nil, fmt.Errorf("read decisions on steps: %w", err)
	}
	inForce := all[:0]
	for _, v := range all {
		if left, any := v.expired(holds); any {
			inForce = append(inForce, left)
		}
	}
	return inForce, nil
}

// DecideSteps notes a decision on steps of a hold; a later decision on a step
// replaces an earlier one.
func (tx *Tx) DecideSteps(ctx context.Context, steps []StepVerdict, at time.Time) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	for _, s := range steps {
		if err := tx.exec(ctx, `INSERT INTO step_decision (step, hold, target, person_id, verdict, decision, decided_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (step) DO UPDATE SET hold = excluded.hold, verdict = excluded.verdict, decision = excluded.decision, decided_us = excluded.decided_us`,
			s.Step, s.Hold, s.Target, string(s.Person), s.Verdict, s.Decision, micros(at)); err != nil {
			return fmt.Errorf("decide on step %s: %w", s.Step, err)
		}
	}
	return nil
}

// DeferSteps notes of the steps of which nothing is decided that they wait for a
// decision, in a hold, whatever else is released.
func (tx *Tx) DeferSteps(ctx context.Context, steps []StepVerdict, at time.Time) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	for _, s := range steps {
		if err := tx.exec(ctx, `INSERT INTO step_decision (step, hold, target, person_id, verdict, decision, decided_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (step) DO UPDATE SET hold = excluded.hold WHERE step_decision.verdict = excluded.verdict`, s.Step, s.Hold, s.Target, string(s.Person), StaysHeld, s.Decision, micros(at)); err != nil {
			return fmt.Errorf("decide on step %s: %w", s.Step, err)
		}
	}
	return nil
}

// keepRejectedSteps has the steps of a hold that were rejected, or not released with
// others, wait for another decision when the hold itself ends.
func (tx *Tx) keepRejectedSteps(ctx context.Context, digest audit.HoldDigest) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	if err := tx.exec(ctx, `UPDATE step_decision SET verdict = $2, hold = '' WHERE hold = $1 AND verdict <> $3`, digest, StaysHeld, Release); err != nil {
		return fmt.Errorf("hold %s: %w", digest, err)
	}
	return nil
}

// Released returns those of the steps, by their digests, that are released.
func (tx *Tx) Released(ctx context.Context, steps []audit.StepDigest) (map[audit.StepDigest]bool, error) {
	released := map[audit.StepDigest]bool{}
	where, args := in(tx.tx, "step", steps, []any{Release})
	var found []audit.StepDigest
	if err := tx.tx.SelectContext(ctx, &found, `SELECT step FROM step_decision WHERE verdict = $1 AND `+where, args...); err != nil {
		return nil, fmt.Errorf("read released steps: %w", err)
	}
	for _, s := range found {
		released[s] = true
	}
	return released, nil
}

// HasStepDecisions reports whether anything is decided on any step of a target.
func (tx *Tx) HasStepDecisions(ctx context.Context, target string) (any bool, err error) {
	if err := tx.tx.GetContext(ctx, &any, `SELECT EXISTS (SELECT 1 FROM step_decision WHERE target = $1)`, target); err != nil {
		return false, fmt.Errorf("read decisions on steps in target %s: %w", target, err)
	}
	return any, nil
}

// ForgetStepDecisions forgets the decisions on steps: they were done, or are not
// planned any more.
func (tx *Tx) ForgetStepDecisions(ctx context.Context, steps []audit.StepDigest) error {
	if len(steps) == 0 {
		return nil
	}
	var decided []audit.StepDigest
	where, args := in(tx.tx, "step", steps, nil)
	if err := tx.tx.SelectContext(ctx, &decided, `SELECT step FROM step_decision WHERE `+where+` ORDER BY step`, args...); err != nil || len(decided) == 0 {
		return err
	}
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	where, args = in(tx.tx, "step", decided, nil)
	if err := tx.exec(ctx, `DELETE FROM step_decision WHERE `+where, args...); err != nil {
		return fmt.Errorf("decisions on steps: %w", err)
	}
	return nil
}

// EndHoldIfDone ends a hold when no step of it is decided and not done.
func (tx *Tx) EndHoldIfDone(ctx context.Context, digest audit.HoldDigest) error {
	var left int
	if err := tx.tx.GetContext(ctx, &left, `SELECT COUNT(*) FROM step_decision WHERE hold = $1`, digest); err != nil {
		return fmt.Errorf("hold %s: %w", digest, err)
	}
	if left > 0 {
		return nil
	}
	return tx.EndHold(ctx, digest)
}

// SupersedeHold records that a plan for everyone no longer has exactly this hold.
func (tx *Tx) SupersedeHold(ctx context.Context, digest audit.HoldDigest, at time.Time) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	if err := tx.exec(ctx, `UPDATE hold SET superseded_us = $2 WHERE digest = $1 AND superseded_us = 0`, digest, micros(at)); err != nil {
		return fmt.Errorf("hold %s: %w", digest, err)
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// StepState is the state of a FailingStep, where its lifecycle is.
type StepState string

// The states of a failing step.
const (
	// Trying: a run tries it again when it is due.
	Trying StepState = "trying"
	// Parked: it failed too often and waits for an operator's decision.
	Parked StepState = "parked"
	// GivenUp: a decision gave the step up.
	GivenUp StepState = "given-up"
)

// FailingStep is a step that a target refused or failed to do. It lives from its first
// failure until the step is done or no plan has it any more:
//
//   - The first failure makes it Trying (Tx.NextStepFailure, Tx.PutFailingStep). Until it
//     is due, at Next, plans have it as a plan.SkippedStep, with the steps that depend on
//     it; then it is a step of the plan again.
//   - Each further failure postpones it. After too many it is Parked, with an alert, and
//     waits for an operator; one that revokes access is tried once a day even so.
//   - behov steps retry makes it Trying again and due at once, with its failures
//     forgotten; behov steps give-up makes it GivenUp: no run tries it.
//   - When it is done, or no plan needs it any more, Tx.ForgetFailingStep deletes it.
//     The same change fails later as a new one.
type FailingStep struct {
	Key     audit.StepKey     `db:"key" json:"key"`
	Target  string            `db:"target" json:"target"`
	Person  identity.PersonID `db:"person_id" json:"person"`
	Body    string            `db:"body" json:"-"` // the plan's step, as JSON
	Tries   int               `db:"tries" json:"tries"`
	FirstUS int64             `db:"first_us" json:"-"`
	LastUS  int64             `db:"last_us" json:"-"`
	NextUS  int64             `db:"next_us" json:"-"`
	Outcome string            `db:"outcome" json:"outcome"`
	Detail  reason.Reason     `db:"detail" json:"detail"`
	State   StepState         `db:"state" json:"state"`
}

// First is when it first failed, UTC.
func (f FailingStep) First() time.Time { return instant(f.FirstUS) }

// Last is when it failed last, UTC.
func (f FailingStep) Last() time.Time { return instant(f.LastUS) }

// Next returns when the step is tried again, UTC; the zero time means not before a
// decision.
func (f FailingStep) Next() time.Time { return instant(f.NextUS) }

// FailingSteps returns the failing steps of people in a target, or in all when it is
// empty, the oldest first.
func (db *DB) FailingSteps(ctx context.Context, target string, of PersonSet) ([]FailingStep, error) {
	steps := []FailingStep{}
	where, args := of.condition(db.read, "person_id", nil)
	if target != "" {
		args = append(args, target)
		where += fmt.Sprintf(" AND target = $%d", len(args))
	}
	if err := db.read.SelectContext(ctx, &steps, `SELECT `+columns[FailingStep]("")+` FROM failing_step WHERE `+where+` ORDER BY first_us, key`, args...); err != nil {
		return nil, fmt.Errorf("read failing steps: %w", err)
	}
	return steps, nil
}

// FailingStep returns the failing step whose key begins so; it must be one.
func (tx *Tx) FailingStep(ctx context.Context, key string) (FailingStep, error) {
	return failingStep(ctx, tx.tx, key)
}

// FailingStep is Tx.FailingStep outside a transaction.
func (db *DB) FailingStep(ctx context.Context, key string) (FailingStep, error) {
	return failingStep(ctx, db.read, key)
}

func failingStep(ctx context.Context, q sqlx.QueryerContext, key string) (FailingStep, error) {
	var steps []FailingStep
	err := sqlx.SelectContext(ctx, q, &steps, `SELECT `+columns[FailingStep]("")+` FROM failing_step WHERE key = $1`, key)
	if err == nil && len(steps) == 0 {
		err = sqlx.SelectContext(ctx, q, &steps, `SELECT `+columns[FailingStep]("")+` FROM failing_step WHERE substr(key, 1, $2) = $1 LIMIT 2`, key, len(key))
	}
	switch {
	case err != nil:
		return FailingStep{}, fmt.Errorf("read failing steps: %w", err)
	case key == "" || len(steps) == 0:
		return FailingStep{}, &reason.Refusal{Reason: reason.Of(reason.NoFailingStep{Step: key})}
	case len(steps) > 1:
		return FailingStep{}, &reason.Refusal{Reason: reason.Of(reason.StepAmbiguous{Prefix: key})}
	}
	return steps[0], nil
}

// PutFailingStep notes how a step failed, or what becomes of it.
func (tx *Tx) PutFailingStep(ctx context.Context, f FailingStep, next time.Time) error {
	f.NextUS = micros(next)
	if _, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO failing_step (key, target, person_id, body, tries, first_us, last_us, next_us, outcome, detail, state)
		VALUES (:key, :target, :person_id, :body, :tries, :first_us, :last_us, :next_us, :outcome, :detail, :state)
		ON CONFLICT (key) DO UPDATE SET body = excluded.body, tries = excluded.tries, last_us = excluded.last_us, next_us = excluded.next_us,
			outcome = excluded.outcome, detail = excluded.detail, state = excluded.state`, f); err != nil {
		return fmt.Errorf("failing step %s: %w", f.Key, err)
	}
	return nil
}

// NextStepFailure returns the failing step with one more failure at an instant, a new one in
// state Trying, and locks it. Nothing is stored until PutFailingStep. A decision on it at the same time comes before or after,
// never between.
func (tx *Tx) NextStepFailure(ctx context.Context, f FailingStep, at time.Time) (FailingStep, error) {
	var before FailingStep
	err := tx.tx.GetContext(ctx, &before, `UPDATE failing_step SET tries = tries WHERE key = $1 RETURNING `+columns[FailingStep](""), f.Key)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, fmt.Errorf("read failing steps: %w", err)
	}
	f.FirstUS, f.LastUS, f.Tries, f.State = micros(at), micros(at), 1, Trying
	if err == nil {
		f.FirstUS, f.Tries, f.State = before.FirstUS, before.Tries+1, before.State
	}
	return f, nil
}

// ForgetFailingStep forgets a step that was done, or is not needed any more.
func (tx *Tx) ForgetFailingStep(ctx context.Context, key audit.StepKey) error {
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM failing_step WHERE key = $1`, key); err != nil {
		return fmt.Errorf("failing step %s: %w", key, err)
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// HoldKind says what is held.
type HoldKind string

// The kinds of hold.
const (
	PlanHold     HoldKind = "plan"
	HRImportHold HoldKind = "hr-import"
	// HREndingsHold holds a part of an import, such as the endings; the rest went in.
	HREndingsHold HoldKind = "hr-endings"
	// HRStartHold holds a change that moves the start of a running employment into the
	// future.
	HRStartHold HoldKind = "hr-start"
	// AccountBindHold and ErasureHold are of what one person proposed and another has to
	// let through. The subject is the target, and the person.
	AccountBindHold HoldKind = "account-bind"
	ErasureHold     HoldKind = "erasure"
)

// Hold is something that waits for a person's decision. Its lifecycle:
//
//   - raised: Tx.RaiseHold records it, with its steps, and enqueues an alert. The same
//     hold, raised while it is known, changes nothing.
//   - released or rejected: Tx.Decide records the decision, on the whole hold or on the
//     steps of some people, and Tx.DecideSteps what it means for the steps of a plan's
//     hold. A released step is done by the next run; a rejected one is not done. The
//     first decision on a hold of another kind is about all of it.
//   - deferred: when some steps are released, Tx.DeferSteps has the others wait for a
//     decision of their own (StaysHeld), even when they are within the limits by then.
//   - superseded: Tx.SupersedeHold, when a plan for everyone no longer has exactly this
//     hold, or a later import took its place. It cannot be decided on any more. The
//     plan that has it again raises it again: it is current, with the old decisions.
//   - expired: DB.ExpireHolds ends it at a certain age, decided or not. Releases end
//     with it; rejected steps become deferred.
//   - done: the hold is deleted, with the decisions on its steps. Tx.EndHoldIfDone does
//     so when no decided step is left to do, after a run or when it is superseded;
//     Tx.EndHold when the import went in, or what was proposed happened;
//     Tx.EndHoldsExcept when a later import replaces it.
type Hold struct {
	Digest  audit.HoldDigest `db:"digest" json:"digest"`
	Kind    HoldKind         `db:"kind" json:"kind"`
	Subject string           `db:"subject" json:"subject"` // the target, or the HR source
	Why     reason.Reason    `db:"why" json:"why"`
	// Body says what it would do, as JSON without personal values; of a hold of a plan
	// its steps do. It may be large: Holds leaves it out.
	Body     string `db:"body" json:"-"`
	RaisedUS Micros `db:"raised_us" json:"raised_at"`
	// RaisedBy is the actor who caused what is held: the person whose import or
	// proposal it is. It is not the actor of the run that planned it.
	RaisedBy identity.Actor `db:"raised_by" json:"raised_by,omitempty"`
	// SupersededUS is when a plan for everyone no longer had exactly this hold; 0 while
	// it is current.
	SupersededUS Micros `db:"superseded_us" json:"superseded_at,omitempty"`
	// After is the last decision made before the hold was raised: only a
	// later one can be about it.
	After int64 `db:"after_decision" json:"-"`
}

// Current reports whether the newest plan for everyone has the hold.
func (h Hold) Current() bool { return h.SupersededUS == 0 }

// At is when it was first raised, UTC.
func (h Hold) At() time.Time { return instant(int64(h.RaisedUS)) }

// HoldStep is a step that is held.
type HoldStep struct {
	Hold   audit.HoldDigest  `db:"digest"`
	Key    audit.StepKey     `db:"key"`
	Person identity.PersonID `db:"person_id"`
	Body   string            `db:"step"` // the step as JSON, without personal values
}

var holdStepRows = inserts{table: "hold_step", columns: []string{"digest", "n", "key", "person_id", "step"}}

// record begins an audit record about the hold.
func (h Hold) record(action audit.Action, actor identity.Actor, at time.Time) audit.Record {
	r := audit.Record{At: at, Actor: actor, Action: action, Target: h.Subject}
	if h.Kind == ErasureHold {
		r.Person, r.Target = identity.PersonID(h.Subject), ""
	}
	return r
}

// RaiseHold records a hold, with its steps and its audit record. One that is known is
// current again, and gets no record. Of the plan's holds no one is recorded as the cause.
func (tx *Tx) RaiseHold(ctx context.Context, h Hold, steps []HoldStep, actor identity.Actor, at time.Time) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	h.RaisedUS = Micros(micros(at))
	if h.Kind != PlanHold {
		h.RaisedBy = actor
	}
	res, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO hold (digest, kind, subject, why, body, raised_us, raised_by, after_decision)
		SELECT :digest, :kind, :subject, :why, :body, :raised_us, :raised_by, decision_seq FROM head WHERE id = 1 ON CONFLICT (digest) DO UPDATE SET superseded_us = 0 WHERE hold.superseded_us <> 0`, h)
	if err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	var rows []any
	for n, s := range steps {
		rows = append(rows, h.Digest, n, s.Key, string(s.Person), s.Body)
	}
	if err := tx.insert(ctx, holdStepRows, rows); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	tx.Enqueue(alert.HoldRaised.Job(string(h.Digest)))
	r := h.record(audit.HoldRaised, actor, at)
	r.Reason = reason.Of(reason.HoldRaised{Hold: string(h.Digest), Of: string(h.Kind), Because: h.Why})
	tx.Audit(r)
	return nil
}

// EndHold forgets a hold that went through. The release is used up with it:
// should the same be held again, it waits for a decision of its own.
func (tx *Tx) EndHold(ctx context.Context, digest audit.HoldDigest) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	for _, where := range []string{"hold_step WHERE digest", "step_decision WHERE hold", "hold WHERE digest"} {
		if err := tx.exec(ctx, `DELETE FROM `+where+` = $1`, digest); err != nil {
			return fmt.Errorf("hold %s: %w", digest, err)
		}
	}
	return nil
}

// EndHoldsExcept ends the holds of a kind and a subject, but for one: what came
// after them took their place.
func (tx *Tx) EndHoldsExcept(ctx context.Context, kind HoldKind, subject string, digest audit.HoldDigest) error {
	var old []audit.HoldDigest
	if err := tx.tx.SelectContext(ctx, &old, `SELECT digest FROM hold WHERE kind = $1 AND subject = $2 AND digest <> $3 ORDER BY digest`, kind, subject, digest); err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	for _, d := range old {
		if err := tx.EndHold(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// ExpireHolds ends the holds that were raised before an instant, decided or not:
// should the same come up again it is held again, and waits for a decision of
// its own. So does a step that was rejected, or not released with others, also
// when it alone would be within a limit: that a decision expires lets nothing
// through.
func (db *DB) ExpireHolds(ctx context.Context, before time.Time, actor identity.Actor, now time.Time) error {
	var old []Hold
	if err := db.read.SelectContext(ctx, &old, `SELECT `+holdColumns+` FROM hold WHERE raised_us < $1`, micros(before)); err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	var decided int
	if err := db.read.GetContext(ctx, &decided, `SELECT COUNT(*) FROM step_decision WHERE decided_us < $1 AND verdict = $2`, micros(before), Release); err != nil || len(old)+decided == 0 {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.lockHead(ctx); err != nil {
			return err
		}
		for _, h := range old {
			var gone []string
			if err := tx.tx.SelectContext(ctx, &gone, `DELETE FROM hold WHERE digest = $1 AND raised_us = $2 RETURNING digest`, h.Digest, h.RaisedUS); err != nil {
				return fmt.Errorf("hold %s: %w", h.Digest, err)
			}
			if len(gone) > 0 {
				if err := errors.Join(tx.keepRejectedSteps(ctx, h.Digest), tx.EndHold(ctx, h.Digest)); err != nil {
					return err
				}
				r := h.record(audit.HoldExpired, actor, now)
				r.Reason = reason.Of(reason.HoldExpired{Hold: string(h.Digest), Of: string(h.Kind), Raised: h.At()})
				tx.Audit(r)
			}
		}
		return tx.exec(ctx, `DELETE FROM step_decision WHERE decided_us < $1 AND verdict = $2`, micros(before), Release)
	})
}

// HoldState is a hold and the decision on it, if there is one.
type HoldState struct {
	Hold
	Decision *Decision `json:"decision,omitempty"`
}

// Holds returns what is held, newest first, with the newest decision on each.
func (db *DB) Holds(ctx context.Context) ([]HoldState, error) {
	var holds []Hold
	if err := db.read.SelectContext(ctx, &holds, `SELECT `+holdColumns+` FROM hold ORDER BY raised_us DESC, digest`); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	var decisions []Decision
	if err := db.read.SelectContext(ctx, &decisions, `SELECT `+columns[Decision]("d")+` FROM hold h JOIN decision d ON d.kind = $1 AND d.subject = h.digest AND d.person_id = '' AND d.seq > h.after_decision ORDER BY d.seq`, string(HoldDecision)); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	newest := map[audit.HoldDigest]*Decision{}
	for i, d := range decisions {
		newest[d.HoldDigest()] = &decisions[i]
	}
	states := make([]HoldState, len(holds))
	for i, h := range holds {
		states[i] = HoldState{Hold: h, Decision: newest[h.Digest]}
	}
	return states, nil
}

// HoldBody returns what a hold would do, as JSON without personal values; of a hold of a
// plan it is empty, and HoldSteps says it.
func (db *DB) HoldBody(ctx context.Context, digest audit.HoldDigest) (string, error) {
	var body string
	if err := db.read.GetContext(ctx, &body, `SELECT body FROM hold WHERE digest = $1`, digest); err != nil {
		return "", fmt.Errorf("hold %s: %w", digest, err)
	}
	return body, nil
}

// HoldSteps returns the steps of a hold of a plan, in the plan's order.
func (db *DB) HoldSteps(ctx context.Context, digest audit.HoldDigest) ([]HoldStep, error) {
	var steps []HoldStep
	if err := db.read.SelectContext(ctx, &steps, `SELECT `+columns[HoldStep]("")+` FROM hold_step WHERE digest = $1 ORDER BY n`, digest); err != nil {
		return nil, fmt.Errorf("hold %s: %w", digest, err)
	}
	return steps, nil
}

// HeldStepsOf returns the steps of a person in the current holds of plans, at the cost of
// these steps however many others the holds have.
func (db *DB) HeldStepsOf(ctx context.Context, person identity.PersonID) ([]HoldStep, error) {
	var steps []HoldStep
	if err := db.read.SelectContext(ctx, &steps, `SELECT `+columns[HoldStep]("s")+` FROM hold_step s JOIN hold h ON h.digest = s.digest
		WHERE s.person_id = $1 AND h.kind = $2 AND h.superseded_us = 0 ORDER BY s.digest, s.n`, person, PlanHold); err != nil {
		return nil, fmt.Errorf("read the held steps of person %s: %w", person, err)
	}
	return steps, nil
}

// HoldDecision returns the newest decision on a hold as a whole, or nil when
// there is no such hold or no decision on it.
func (db *DB) HoldDecision(ctx context.Context, digest audit.HoldDigest) (*Decision, error) {
	var d Decision
	err := db.read.GetContext(ctx, &d, `SELECT `+columns[Decision]("d")+` FROM decision d JOIN hold h ON h.digest = d.subject
		WHERE d.kind = $1 AND d.subject = $2 AND d.person_id = '' AND d.seq > h.after_decision ORDER BY d.seq DESC LIMIT 1`, string(HoldDecision), digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return &d, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
)

// OpenStep is a step that was intended and not yet seen to end.
type OpenStep struct {
	ID         string `db:"id"`
	Target     string `db:"target"`
	Person     string `db:"person_id"`
	Body       string `db:"body"` // the plan's step, as JSON
	Plan       string `db:"plan"` // the plan's digest
	IntendedUS int64  `db:"intended_us"`
	// Detail is what the target said when it gave no usable answer.
	Detail string `db:"detail"`
}

// Intended is when the step was intended, UTC.
func (s OpenStep) Intended() time.Time { return instant(s.IntendedUS) }

// OpenSteps returns the open steps of a target, oldest first.
func (db *DB) OpenSteps(ctx context.Context, target string) ([]OpenStep, error) {
	var steps []OpenStep
	if err := db.read.SelectContext(ctx, &steps, `SELECT * FROM open_step WHERE target = $1 ORDER BY id`, target); err != nil {
		return nil, fmt.Errorf("read open steps: %w", err)
	}
	return steps, nil
}

// IntendSteps records steps as intended.
func (tx *Tx) IntendSteps(ctx context.Context, steps []OpenStep, at time.Time) error {
	insert, err := tx.tx.PrepareContext(ctx, `INSERT INTO open_step (id, target, person_id, body, plan, intended_us) VALUES ($1, $2, $3, $4, $5, $6)`)
	if err != nil {
		return fmt.Errorf("intend steps: %w", err)
	}
	defer insert.Close() //nolint:errcheck // closed with the transaction at the latest
	for _, s := range steps {
		if _, err := insert.ExecContext(ctx, s.ID, s.Target, s.Person, s.Body, s.Plan, micros(at)); err != nil {
			return fmt.Errorf("intend step %s: %w", s.ID, err)
		}
	}
	return nil
}

// NoteDetail keeps what a target said of a step whose end is not known.
func (tx *Tx) NoteDetail(ctx context.Context, id, detail string) error {
	if _, err := tx.tx.ExecContext(ctx, `UPDATE open_step SET detail = $2 WHERE id = $1`, id, detail); err != nil {
		return fmt.Errorf("step %s: %w", id, err)
	}
	return nil
}

// EndStep forgets an open step; its end stands in the audit trail. It fails
// when the step is not open, so that no step can end twice.
func (tx *Tx) EndStep(ctx context.Context, id string) error {
	res, err := tx.tx.ExecContext(ctx, `DELETE FROM open_step WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("end step %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(fmt.Errorf("step %s is not open: somebody else ended it", id), err)
	}
	return nil
}

// Accounts returns the native ID of each person's account in a target.
func (db *DB) Accounts(ctx context.Context, target string) (map[string]string, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT person_id, native_id FROM account WHERE target = $1`, target)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	accounts := map[string]string{}
	for rows.Next() {
		var person, native string
		if err := rows.Scan(&person, &native); err != nil {
			return nil, fmt.Errorf("read accounts: %w", err)
		}
		accounts[person] = native
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return accounts, nil
}

// BindAccount notes which account in a target is the person's.
func (tx *Tx) BindAccount(ctx context.Context, target, person, native string) error {
	_, err := tx.tx.ExecContext(ctx, `INSERT INTO account (target, person_id, native_id) VALUES ($1, $2, $3)
		ON CONFLICT (target, person_id) DO UPDATE SET native_id = excluded.native_id`, target, person, native)
	if err != nil {
		return fmt.Errorf("account of person %s in %s: %w", person, target, err)
	}
	return nil
}

// ForgetAccount removes the note that BindAccount made.
func (tx *Tx) ForgetAccount(ctx context.Context, target, person string) error {
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM account WHERE target = $1 AND person_id = $2`, target, person); err != nil {
		return fmt.Errorf("account of person %s in %s: %w", person, target, err)
	}
	return nil
}

// WaitingGrant is a grant that waits at a gate.
type WaitingGrant struct {
	Person      string `db:"person_id"`
	Entitlement string `db:"entitlement"`
	Gate        string `db:"gate"`
}

// WaitingGrants returns the grants known to wait.
func (db *DB) WaitingGrants(ctx context.Context) ([]WaitingGrant, error) {
	var all []WaitingGrant
	if err := db.read.SelectContext(ctx, &all, `SELECT * FROM waiting_grant ORDER BY person_id, entitlement`); err != nil {
		return nil, fmt.Errorf("read waiting grants: %w", err)
	}
	return all, nil
}

// SetWaiting notes that a grant waits.
func (tx *Tx) SetWaiting(ctx context.Context, w WaitingGrant) error {
	if _, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO waiting_grant (person_id, entitlement, gate) VALUES (:person_id, :entitlement, :gate)
		ON CONFLICT (person_id, entitlement) DO UPDATE SET gate = excluded.gate`, w); err != nil {
		return fmt.Errorf("waiting grant: %w", err)
	}
	return nil
}

// ClearWaiting notes that a grant waits no more.
func (tx *Tx) ClearWaiting(ctx context.Context, person, entitlement string) error {
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM waiting_grant WHERE person_id = $1 AND entitlement = $2`, person, entitlement); err != nil {
		return fmt.Errorf("waiting grant: %w", err)
	}
	return nil
}

// RecordRules keeps the text of a version of the rules, once. It says whether
// the version is new.
func (tx *Tx) RecordRules(ctx context.Context, digest, content string, at time.Time) (bool, error) {
	res, err := tx.tx.ExecContext(ctx, `INSERT INTO rules_version (digest, content, recorded_us) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING`, digest, content, micros(at))
	if err != nil {
		return false, fmt.Errorf("rules version: %w", err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// GivenAccess returns the access in a target that behov gave or adopted and
// that has not ended, with the reason; what was only found there is not among
// it.
func (db *DB) GivenAccess(ctx context.Context, target string) (map[audit.Key]string, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT i.person_id, i.target, i.entitlement, r.reason FROM access_interval i JOIN audit_record r ON r.idx = i.since_record
		WHERE i.target = $1 AND i.until_us IS NULL AND r.action IN ($2, $3)`, target, string(audit.StepEnded), string(audit.AccessAdopted))
	if err != nil {
		return nil, fmt.Errorf("read access: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	given := map[audit.Key]string{}
	for rows.Next() {
		var k audit.Key
		var reason string
		if err := rows.Scan(&k.Person, &k.Target, &k.Entitlement, &reason); err != nil {
			return nil, fmt.Errorf("read access: %w", err)
		}
		given[k] = reason
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read access: %w", err)
	}
	return given, nil
}

// FingerprintKey returns the key of the fingerprints that plans carry in place
// of personal values.
func (db *DB) FingerprintKey() ([]byte, error) {
	return db.master.Hash("plan.fingerprint", "")
}

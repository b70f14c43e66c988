package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Enrolment is a stretch of time in which a person was seen to be enrolled for MFA, with a
// strongest method. Between stretches they were not, or no one looked.
type Enrolment struct {
	Person  identity.PersonID `db:"person_id"`
	Method  string            `db:"method"`   // a policy.Method
	SinceUS Micros            `db:"since_us"` // when it was first seen
	UntilUS *Micros           `db:"until_us"` // when it was seen to have ended; nil while it lasts
}

// Enrolments returns with which method people are enrolled now, as it was last seen.
func (db *DB) Enrolments(ctx context.Context, of PersonSet) (map[identity.PersonID]string, error) {
	var rows []Enrolment
	where, args := of.condition(db.read, "person_id", nil)
	if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, method, since_us, until_us FROM mfa_enrolment WHERE until_us IS NULL AND `+where, args...); err != nil {
		return nil, fmt.Errorf("read enrolments: %w", err)
	}
	all := make(map[identity.PersonID]string, len(rows))
	for _, r := range rows {
		all[r.Person] = r.Method
	}
	return all, nil
}

// EnrolmentHistory returns when a person was enrolled, the oldest first.
func (db *DB) EnrolmentHistory(ctx context.Context, person identity.PersonID) ([]Enrolment, error) {
	var rows []Enrolment
	if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, method, since_us, until_us FROM mfa_enrolment WHERE person_id = $1 ORDER BY since_us`, person); err != nil {
		return nil, fmt.Errorf("read enrolments: %w", err)
	}
	return rows, nil
}

// RecordEnrolment records that a person was seen to be enrolled with another method than
// before, or, with none, not to be enrolled any more. What is recorded already it does not
// record again: several runs may see the same.
func (tx *Tx) RecordEnrolment(ctx context.Context, person identity.PersonID, method string, by identity.Actor, target string, at time.Time) error {
	var last []string
	if err := tx.tx.SelectContext(ctx, &last, `SELECT method FROM mfa_enrolment WHERE person_id = $1 AND until_us IS NULL`, person); err != nil {
		return fmt.Errorf("read enrolments: %w", err)
	}
	if strings.Join(last, "") == method {
		return nil
	}
	if err := tx.exec(ctx, `UPDATE mfa_enrolment SET until_us = $2 WHERE person_id = $1 AND until_us IS NULL`, person, micros(at)); err != nil {
		return fmt.Errorf("record an enrolment: %w", err)
	}
	r := audit.Record{At: at, Actor: by, Action: audit.MFAEnded, Person: person, Target: target, Reason: reason.Of(reason.MFAEnded{})}
	if method != "" {
		r.Action, r.Reason = audit.MFAEnrolled, reason.Of(reason.MFAEnrolled{Method: method})
		if err := tx.exec(ctx, `INSERT INTO mfa_enrolment (person_id, method, since_us) VALUES ($1, $2, $3)
			ON CONFLICT (person_id, since_us) DO UPDATE SET method = excluded.method, until_us = NULL`, person, method, micros(at)); err != nil {
			return fmt.Errorf("record an enrolment: %w", err)
		}
	}
	tx.Audit(r)
	return nil
}

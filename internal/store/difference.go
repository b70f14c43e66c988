package store

import (
	"context"
	"fmt"
	"time"

	"github.com/behov/behov/internal/identity"
)

// EvaluatorDifference is an entitlement of a person on which the fast evaluator
// and Casbin did not agree.
type EvaluatorDifference struct {
	RulesDigest string            `db:"rules_digest" json:"rules_digest"`
	Person      identity.PersonID `db:"person_id" json:"person"`
	Entitlement string            `db:"entitlement" json:"entitlement"`
	Detail      string            `db:"detail" json:"detail"` // names the rule
	FoundUS     Micros            `db:"found_us" json:"found_at"`
}

// EvaluatorDifferences returns the differences that were found with rules about
// people, sorted by person and entitlement.
func (db *DB) EvaluatorDifferences(ctx context.Context, rulesDigest string, of PersonSet) ([]EvaluatorDifference, error) {
	where, args := of.condition(db.read, "person_id", []any{rulesDigest})
	var all []EvaluatorDifference
	if err := db.read.SelectContext(ctx, &all, `SELECT rules_digest, person_id, entitlement, detail, found_us FROM evaluator_difference
		WHERE rules_digest = $1 AND `+where+` ORDER BY person_id, entitlement`, args...); err != nil {
		return nil, fmt.Errorf("read differences between the evaluators: %w", err)
	}
	return all, nil
}

// SetEvaluatorDifferences replaces what was found about a person with rules.
func (tx *Tx) SetEvaluatorDifferences(ctx context.Context, rulesDigest string, person identity.PersonID, found []EvaluatorDifference, at time.Time) error {
	err := tx.exec(ctx, `DELETE FROM evaluator_difference WHERE rules_digest = $1 AND person_id = $2`, rulesDigest, string(person))
	for _, d := range found {
		if err == nil {
			err = tx.exec(ctx, `INSERT INTO evaluator_difference (rules_digest, person_id, entitlement, detail, found_us) VALUES ($1, $2, $3, $4, $5)`,
				rulesDigest, string(person), d.Entitlement, d.Detail, micros(at))
		}
	}
	if err != nil {
		return fmt.Errorf("note differences between the evaluators about person %s: %w", person, err)
	}
	return nil
}

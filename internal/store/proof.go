package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// DisableProof is the last proof of whether a target refuses sign-in to a disabled
// account.
type DisableProof struct {
	Target   string `db:"target" json:"target"`
	How      string `db:"how" json:"how"`         // the way of disabling that was tried
	Verdict  string `db:"verdict" json:"verdict"` // as connectors.ProofVerdict
	Why      string `db:"why" json:"why"`
	ProvedUS Micros `db:"proved_us" json:"proved_at"`
}

// DisableProof returns what was last found out about a target's way of
// disabling; the zero value when nothing was.
func (db *DB) DisableProof(ctx context.Context, target string) (DisableProof, error) {
	var p DisableProof
	err := db.read.GetContext(ctx, &p, `SELECT `+columns[DisableProof]("")+` FROM disable_proof WHERE target = $1`, target)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("read how target %s disables accounts: %w", target, err)
	}
	return p, nil
}

// UnseenAccess returns, by target, how much access lasts by the audit trail and
// is not seen in the target any more.
func (db *DB) UnseenAccess(ctx context.Context) (map[string]int, error) {
	return db.countByTarget(ctx, `SELECT target, COUNT(*) AS n FROM access_interval WHERE unseen_us IS NOT NULL AND until_us IS NULL GROUP BY target`)
}

// DisabledAccounts returns, by target, how many accounts a run found disabled
// that behov had not disabled.
func (db *DB) DisabledAccounts(ctx context.Context) (map[string]int, error) {
	return db.countByTarget(ctx, `SELECT target, COUNT(*) AS n FROM account WHERE disabled_us <> 0 GROUP BY target`)
}

func (db *DB) countByTarget(ctx context.Context, query string) (map[string]int, error) {
	var rows []struct {
		Target string `db:"target"`
		N      int    `db:"n"`
	}
	if err := db.read.SelectContext(ctx, &rows, query); err != nil {
		return nil, fmt.Errorf("count by target: %w", err)
	}
	counts := map[string]int{}
	for _, r := range rows {
		counts[r.Target] = r.N
	}
	return counts, nil
}

// SetDisableProof notes what was found out about a target's way of disabling.
func (tx *Tx) SetDisableProof(ctx context.Context, p DisableProof, at time.Time) error {
	if err := tx.exec(ctx, `INSERT INTO disable_proof (target, how, verdict, why, proved_us) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (target) DO UPDATE SET how = excluded.how, verdict = excluded.verdict, why = excluded.why, proved_us = excluded.proved_us`,
		p.Target, p.How, p.Verdict, p.Why, micros(at)); err != nil {
		return fmt.Errorf("note how target %s disables accounts: %w", p.Target, err)
	}
	return nil
}

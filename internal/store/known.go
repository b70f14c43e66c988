package store

import (
	"context"
	"fmt"
)

// Known is what the database knows of a target, whether it is in the
// configuration or not.
type Known struct {
	Target string `db:"target" json:"target"`
	// Accounts are people whose account there is known, Access is how many
	// memberships and usable accounts people have by the audit trail.
	Accounts int `db:"accounts" json:"accounts"`
	Access   int `db:"access" json:"access"`
	// Open are steps of which nobody knows what became of them, Failing those
	// that were refused or failed, also for good.
	Open    int `db:"open_steps" json:"open_steps"`
	Failing int `db:"failing_steps" json:"failing_steps"`
}

// KnownTargets returns what is known of every target of which something is,
// sorted by name.
func (db *DB) KnownTargets(ctx context.Context) ([]Known, error) {
	var all []Known
	if err := db.read.SelectContext(ctx, &all, `SELECT target, SUM(accounts) AS accounts, SUM(access) AS access, SUM(open_steps) AS open_steps, SUM(failing_steps) AS failing_steps FROM (
			SELECT target, COUNT(*) AS accounts, 0 AS access, 0 AS open_steps, 0 AS failing_steps FROM account GROUP BY target
			UNION ALL SELECT target, 0, COUNT(*), 0, 0 FROM access_interval WHERE until_us IS NULL GROUP BY target
			UNION ALL SELECT target, 0, 0, COUNT(*), 0 FROM open_step GROUP BY target
			UNION ALL SELECT target, 0, 0, 0, COUNT(*) FROM failing_step GROUP BY target
			UNION ALL SELECT target, 0, 0, 0, 0 FROM target_state WHERE target <> $1
		) AS known GROUP BY target ORDER BY target`, EveryTarget); err != nil {
		return nil, fmt.Errorf("read what is known of the targets: %w", err)
	}
	return all, nil
}

// ForgetTarget forgets all that is kept of a target but the audit trail, and the
// names that accounts there ever had: those are never given to somebody else,
// should it come back. Its open steps must have ended.
func (tx *Tx) ForgetTarget(ctx context.Context, target string) error {
	if err := tx.exec(ctx, `DELETE FROM hold_step WHERE digest IN (SELECT digest FROM hold WHERE subject = $1 AND kind = $2)`, target, PlanHold); err != nil {
		return fmt.Errorf("forget target %s: %w", target, err)
	}
	if err := tx.exec(ctx, `DELETE FROM hold WHERE subject = $1 AND kind = $2`, target, PlanHold); err != nil {
		return fmt.Errorf("forget target %s: %w", target, err)
	}
	for _, table := range []string{"account", "left_access", "step_decision", "disable_proof", "failing_step", "counted_step", "connector_memory", "target_state"} {
		if err := tx.exec(ctx, `DELETE FROM `+table+` WHERE target = $1`, target); err != nil {
			return fmt.Errorf("forget target %s: %s: %w", target, table, err)
		}
	}
	return nil
}

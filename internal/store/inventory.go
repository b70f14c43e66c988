package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// TargetInventory is what the database knows of a target, whether it is in the
// configuration or not.
type TargetInventory struct {
	Target string `db:"target" json:"target"`
	// Accounts are people whose account there is known, Access is how many
	// memberships and usable accounts people have by the audit trail.
	Accounts int `db:"accounts" json:"accounts"`
	Access   int `db:"access" json:"access"`
	// OpenSteps are steps whose outcome is not known, Failing those that were refused or
	// failed, parked ones included.
	OpenSteps    int `db:"open_steps" json:"open_steps"`
	FailingSteps int `db:"failing_steps" json:"failing_steps"`
}

// TargetInventories returns what is known of every target of which something is, but
// for some, sorted by name. What is kept of those is not counted.
func (db *DB) TargetInventories(ctx context.Context, but []string) ([]TargetInventory, error) {
	names := map[string]bool{}
	for _, query := range []string{
		distinct("account", "target", "1 = 1"), distinct("access_interval", "target", "until_us IS NULL"), distinct("open_step", "target", "1 = 1"),
		distinct("failing_step", "target", "1 = 1"), `SELECT target FROM target_state`,
	} {
		var some []string
		if err := db.read.SelectContext(ctx, &some, query); err != nil {
			return nil, fmt.Errorf("read what is known of the targets: %w", err)
		}
		for _, name := range some {
			names[name] = name != EveryTarget && !slices.Contains(but, name)
		}
	}
	var all []TargetInventory
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !names[name] {
			continue
		}
		var k TargetInventory
		if err := db.read.GetContext(ctx, &k, `SELECT CAST($1 AS TEXT) AS target, (SELECT COUNT(*) FROM account WHERE target = $1) AS accounts, (SELECT COUNT(*) FROM access_interval WHERE target = $1 AND until_us IS NULL) AS access,
			(SELECT COUNT(*) FROM open_step WHERE target = $1) AS open_steps, (SELECT COUNT(*) FROM failing_step WHERE target = $1) AS failing_steps`, name); err != nil {
			return nil, fmt.Errorf("read what is known of target %s: %w", name, err)
		}
		all = append(all, k)
	}
	return all, nil
}

// distinct is a query for the different values that a column has in rows, one
// look-up in an index that begins with the column for each, however many rows there
// are.
func distinct(table, column, where string) string {
	return `WITH RECURSIVE one (value) AS (SELECT MIN(` + column + `) FROM ` + table + ` WHERE ` + where + `
		UNION ALL SELECT (SELECT MIN(` + column + `) FROM ` + table + ` WHERE ` + column + ` > one.value AND ` + where + `) FROM one WHERE one.value IS NOT NULL)
		SELECT value FROM one WHERE value IS NOT NULL`
}

// ForgetTarget deletes all that is recorded of a target but the audit trail and the
// register of names, so that no name is given to a second person should the target come
// back. Its open steps must have ended.
func (tx *Tx) ForgetTarget(ctx context.Context, target string) error {
	if err := tx.exec(ctx, `DELETE FROM hold_step WHERE digest IN (SELECT digest FROM hold WHERE subject = $1 AND kind = $2)`, target, PlanHold); err != nil {
		return fmt.Errorf("forget target %s: %w", target, err)
	}
	if err := tx.exec(ctx, `DELETE FROM hold WHERE subject = $1 AND kind = $2`, target, PlanHold); err != nil {
		return fmt.Errorf("forget target %s: %w", target, err)
	}
	for _, table := range []string{"account", "non_human_account", "unrepaired_drift", "entitlement_group", "managed_group", "step_decision", "disable_proof", "failing_step", "limit_usage", "connector_memory", "target_state", "work_order", "account_list", "listed_account", "listed_membership"} {
		if err := tx.exec(ctx, `DELETE FROM `+table+` WHERE target = $1`, target); err != nil {
			return fmt.Errorf("forget target %s: %s: %w", target, table, err)
		}
	}
	return nil
}

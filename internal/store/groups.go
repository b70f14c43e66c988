package store

import (
	"context"
	"fmt"
)

// EntitlementGroups returns, by entitlement, the target's own names for it under which
// behov gave it and may have members still, sorted: the one that the catalogue named at
// the last run, and former ones.
func (db *DB) EntitlementGroups(ctx context.Context, target string) (map[string][]string, error) {
	var rows []struct {
		Entitlement string `db:"entitlement"`
		Native      string `db:"native"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT entitlement, native FROM entitlement_group WHERE target = $1 ORDER BY entitlement, native`, target); err != nil {
		return nil, fmt.Errorf("read the groups of entitlements in target %s: %w", target, err)
	}
	groups := make(map[string][]string, len(rows))
	for _, r := range rows {
		groups[r.Entitlement] = append(groups[r.Entitlement], r.Native)
	}
	return groups, nil
}

// EntitlementGroup is a group of a target, by the target's own name, by which people have
// an entitlement.
type EntitlementGroup struct{ Target, Entitlement, Native string }

// RecordEntitlementGroup records under which of the target's names behov gives an
// entitlement from now on.
func (tx *Tx) RecordEntitlementGroup(ctx context.Context, g EntitlementGroup) error {
	if err := tx.exec(ctx, `INSERT INTO entitlement_group (target, entitlement, native) VALUES ($1, $2, $3) ON CONFLICT (target, entitlement, native) DO NOTHING`, g.Target, g.Entitlement, g.Native); err != nil {
		return fmt.Errorf("record the group of entitlement %s in target %s: %w", g.Entitlement, g.Target, err)
	}
	return nil
}

// ForgetEntitlementGroup forgets a former group of an entitlement: no person that behov
// put there is in it any more.
func (tx *Tx) ForgetEntitlementGroup(ctx context.Context, g EntitlementGroup) error {
	if err := tx.exec(ctx, `DELETE FROM entitlement_group WHERE target = $1 AND entitlement = $2 AND native = $3`, g.Target, g.Entitlement, g.Native); err != nil {
		return fmt.Errorf("forget a former group of entitlement %s in target %s: %w", g.Entitlement, g.Target, err)
	}
	return nil
}

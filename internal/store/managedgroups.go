package store

import (
	"context"
	"fmt"
)

// ManagedGroup is a group that behov created, or began to create, for an entitlement.
type ManagedGroup struct {
	Entitlement string `db:"entitlement"`
	Mark        string `db:"mark"`   // which is in the group from its creation on
	Native      string `db:"native"` // the target's own stable ID; empty until it is known
}

// ManagedGroups returns the groups in a target that behov created, sorted by entitlement.
func (db *DB) ManagedGroups(ctx context.Context, target string) (all []ManagedGroup, err error) {
	if err := db.read.SelectContext(ctx, &all, `SELECT entitlement, mark, native FROM managed_group WHERE target = $1 ORDER BY entitlement`, target); err != nil {
		return nil, fmt.Errorf("read the groups that behov created in target %s: %w", target, err)
	}
	return all, nil
}

// ReserveGroup records that a group is about to be created for an entitlement, and returns
// the mark that it gets: the one of an earlier attempt, when there was one.
func (tx *Tx) ReserveGroup(ctx context.Context, target, entitlement, mark string) (string, error) {
	if err := tx.exec(ctx, `INSERT INTO managed_group (target, entitlement, mark, native) VALUES ($1, $2, $3, '') ON CONFLICT (target, entitlement) DO UPDATE SET native = ''`, target, entitlement, mark); err != nil {
		return "", fmt.Errorf("record the group of entitlement %s in target %s: %w", entitlement, target, err)
	}
	var reserved string
	if err := tx.tx.GetContext(ctx, &reserved, `SELECT mark FROM managed_group WHERE target = $1 AND entitlement = $2`, target, entitlement); err != nil {
		return "", fmt.Errorf("read the group of entitlement %s in target %s: %w", entitlement, target, err)
	}
	return reserved, nil
}

// BindGroup records the target's own ID of a group that was created.
func (tx *Tx) BindGroup(ctx context.Context, target, entitlement, native string) error {
	if err := tx.exec(ctx, `UPDATE managed_group SET native = $3 WHERE target = $1 AND entitlement = $2`, target, entitlement, native); err != nil {
		return fmt.Errorf("bind the group of entitlement %s in target %s: %w", entitlement, target, err)
	}
	return nil
}

// ForgetGroup forgets a group that was deleted.
func (tx *Tx) ForgetGroup(ctx context.Context, target, entitlement string) error {
	if err := tx.exec(ctx, `DELETE FROM managed_group WHERE target = $1 AND entitlement = $2`, target, entitlement); err != nil {
		return fmt.Errorf("forget the group of entitlement %s in target %s: %w", entitlement, target, err)
	}
	return nil
}

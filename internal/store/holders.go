package store

import (
	"context"
	"fmt"

	"github.com/behov/behov/internal/identity"
)

// Entitlements are entitlements of targets.
type Entitlements struct{ Targets, Entitlements []string }

// Holders returns the people who have one of the entitlements now, and true; or false when
// more than so many have one, or had: then who they are is not read.
func (db *DB) Holders(ctx context.Context, of Entitlements, most int) ([]identity.PersonID, bool, error) {
	where, args := in(db.read, "entitlement", of.Entitlements, []any{most + 1})
	var rows []struct {
		Person identity.PersonID `db:"person_id"`
		Open   bool              `db:"open"`
	}
	// Without an order: PostgreSQL would sort all of them.
	if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, until_us IS NULL AS open FROM access_interval WHERE `+where+` LIMIT $1`, args...); err != nil {
		return nil, false, fmt.Errorf("read who has access: %w", err)
	}
	if len(rows) > most {
		return nil, false, nil
	}
	var ids []identity.PersonID
	for _, r := range rows {
		if r.Open {
			ids = append(ids, r.Person)
		}
	}
	return Only(ids...).IDs(), true, nil
}

// HoldersAmong returns, sorted, those of the people who have one of the entitlements now.
func (db *DB) HoldersAmong(ctx context.Context, of Entitlements, people []identity.PersonID) ([]identity.PersonID, error) {
	if len(people) == 0 {
		return nil, nil
	}
	person, args := in(db.read, "p.id", people, nil)
	target, args := in(db.read, "i.target", of.Targets, args)
	entitlement, args := in(db.read, "i.entitlement", of.Entitlements, args)
	var ids []identity.PersonID
	// A subquery with LIMIT is carried out for each person. PostgreSQL joins another one, and
	// reads who else has access to the target.
	if err := db.read.SelectContext(ctx, &ids, `SELECT p.id FROM person p WHERE `+person+` AND (SELECT 1 FROM access_interval i
		WHERE i.person_id = p.id AND i.until_us IS NULL AND `+target+` AND `+entitlement+` LIMIT 1) IS NOT NULL ORDER BY p.id`, args...); err != nil {
		return nil, fmt.Errorf("read who of them has access: %w", err)
	}
	return ids, nil
}

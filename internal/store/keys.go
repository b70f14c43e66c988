package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/seal"
)

// key returns the person's key, as loadKeys has it.
func (tx *Tx) key(ctx context.Context, person identity.PersonID) (*seal.PersonKey, error) {
	if k := tx.keys[person]; k != nil {
		return k, nil
	}
	if err := tx.loadKeys(ctx, []identity.PersonID{person}); err != nil {
		return nil, err
	}
	return tx.keys[person], nil
}

// loadKeys brings the keys of people into the transaction's cache: from the table, or
// newly made.
func (tx *Tx) loadKeys(ctx context.Context, people []identity.PersonID) error {
	var missing []identity.PersonID
	for _, person := range people {
		if tx.keys[person] == nil {
			missing = append(missing, person)
		}
	}
	slices.Sort(missing)
	var made []any
	for page := range slices.Chunk(slices.Compact(missing), peoplePage) {
		where, args := in(tx.tx, "person_id", page, nil)
		if err := scanEach(ctx, tx.tx, `SELECT person_id, wrapped FROM person_key WHERE `+where, args, func(row *sql.Rows) error {
			var person identity.PersonID
			var wrapped []byte
			if err := row.Scan(&person, &wrapped); err != nil {
				return err
			}
			var err error
			tx.keys[person], err = tx.db.master.OpenPersonKey(string(person), wrapped)
			return err
		}); err != nil {
			return fmt.Errorf("read keys of people: %w", err)
		}
		for _, person := range page {
			if tx.keys[person] != nil {
				continue
			}
			key, wrapped, err := tx.db.master.NewPersonKey(string(person))
			if err != nil {
				return err
			}
			tx.keys[person] = key
			made = append(made, person, wrapped)
		}
	}
	if err := tx.insert(ctx, inserts{table: "person_key", columns: []string{"person_id", "wrapped"}}, made); err != nil {
		return fmt.Errorf("keys of people: %w", err)
	}
	return nil
}

func loadKey(ctx context.Context, q sqlx.QueryerContext, master *seal.Master, person identity.PersonID) (*seal.PersonKey, error) {
	var wrapped []byte
	if err := sqlx.GetContext(ctx, q, &wrapped, `SELECT wrapped FROM person_key WHERE person_id = $1`, person); err != nil {
		return nil, err
	}
	return master.OpenPersonKey(string(person), wrapped)
}

// keys opens the keys of people; of those who are erased there is none.
func (db *DB) keys(ctx context.Context, of []identity.PersonID) (map[identity.PersonID]*seal.PersonKey, error) {
	keys := make(map[identity.PersonID]*seal.PersonKey, len(of))
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(of))), peoplePage) {
		where, args := in(db.read, "person_id", page, nil)
		var rows []struct {
			Person  identity.PersonID `db:"person_id"`
			Wrapped []byte            `db:"wrapped"`
		}
		if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, wrapped FROM person_key WHERE `+where, args...); err != nil {
			return nil, fmt.Errorf("read keys of people: %w", err)
		}
		for _, r := range rows {
			key, err := db.master.OpenPersonKey(string(r.Person), r.Wrapped)
			if err != nil {
				return nil, fmt.Errorf("key of person %s: %w", r.Person, err)
			}
			keys[r.Person] = key
		}
	}
	return keys, nil
}

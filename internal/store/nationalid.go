package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/identity"
)

// NationalIDs opens people's national identity numbers, of those who have one. Only a
// mapping that writes them to a target may call it.
func (db *DB) NationalIDs(ctx context.Context, of PersonSet) (map[identity.PersonID]string, error) {
	var rows []struct {
		ID      identity.PersonID `db:"id"`
		Sealed  []byte            `db:"national_id_sealed"`
		Wrapped []byte            `db:"wrapped"`
	}
	where, args := of.condition(db.read, "p.id", nil)
	if err := db.read.SelectContext(ctx, &rows, `SELECT p.id, p.national_id_sealed, k.wrapped FROM person p JOIN person_key k ON k.person_id = p.id WHERE p.national_id_sealed IS NOT NULL AND `+where, args...); err != nil {
		return nil, fmt.Errorf("read national IDs: %w", err)
	}
	numbers := make(map[identity.PersonID]string, len(rows))
	for _, r := range rows {
		key, err := db.master.OpenPersonKey(string(r.ID), r.Wrapped)
		if err != nil {
			return nil, err
		}
		number, err := key.Open(nationalIDContext, r.Sealed)
		if err != nil {
			return nil, fmt.Errorf("national ID of person %s: %w", r.ID, err)
		}
		numbers[r.ID] = string(number)
	}
	return numbers, nil
}

// NationalIDsDiffer reports whether two people both have a national identity number, and not
// the same.
func (db *DB) NationalIDsDiffer(ctx context.Context, a, b identity.PersonID) (bool, error) {
	var n int
	err := db.read.GetContext(ctx, &n, `SELECT COUNT(*) FROM person p JOIN person o ON o.national_id_hash <> p.national_id_hash WHERE p.id = $1 AND o.id = $2`, a, b)
	if err != nil {
		return false, fmt.Errorf("compare national IDs: %w", err)
	}
	return n > 0, nil
}

func (tx *Tx) sealNationalID(ctx context.Context, person identity.PersonID, number string) ([]byte, error) {
	if number == "" {
		return nil, nil
	}
	key, err := tx.key(ctx, person)
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal(nationalIDContext, []byte(number))
	if err != nil {
		return nil, fmt.Errorf("seal a national ID: %w", err)
	}
	return sealed, nil
}

// hashNationalID returns the keyed hash by which the same person is recognised; nil for a
// text that is no number in its canonical form.
func (tx *Tx) hashNationalID(number string) ([]byte, error) {
	if identity.BirthDate(number) == "" {
		return nil, nil
	}
	return tx.db.master.Hash(nationalIDContext, number)
}

// KnownNationalIDs returns the people who have each of the numbers, which are in their one
// form, sorted by ID. Numbers that no person has are left out.
func (tx *Tx) KnownNationalIDs(ctx context.Context, numbers []string) (map[string][]identity.PersonID, error) {
	known := map[string][]identity.PersonID{}
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(numbers))), peoplePage) {
		byHash := map[string]string{}
		var hashes [][]byte
		for _, number := range page {
			hash, err := tx.hashNationalID(number)
			if err != nil {
				return nil, err
			}
			if hash != nil {
				hashes, byHash[string(hash)] = append(hashes, hash), number
			}
		}
		if len(hashes) == 0 {
			continue
		}
		where, args := inHashes(tx.tx, "national_id_hash", hashes, nil)
		if err := scanEach(ctx, tx.tx, `SELECT national_id_hash, id FROM person WHERE merged_into = '' AND `+where+` ORDER BY id`, args, func(row *sql.Rows) error {
			var hash []byte
			var id identity.PersonID
			err := row.Scan(&hash, &id)
			known[byHash[string(hash)]] = append(known[byHash[string(hash)]], id)
			return err
		}); err != nil {
			return nil, fmt.Errorf("people by national ID: %w", err)
		}
	}
	return known, nil
}

package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
)

// NeverSignedIn is SignedIn of an account that was never signed in to, by a target that tells
// sign-ins.
const NeverSignedIn = "never"

// LastSignIn is when a person last signed in to a target.
type LastSignIn struct {
	Person identity.PersonID `db:"person_id"`
	Target string            `db:"target"`
	Native string            `db:"native_id"`
	// SignedIn is the day in the zone of the configuration, as YYYY-MM-DD, or NeverSignedIn.
	SignedIn string `db:"signed_in"`
}

// SignInsRead returns when the last sign-ins of a target were last read, UTC; the zero time for
// never.
func (db *DB) SignInsRead(ctx context.Context, target string) (time.Time, error) {
	var us []int64
	if err := db.read.SelectContext(ctx, &us, `SELECT sign_ins_us FROM target_state WHERE target = $1`, target); err != nil || len(us) == 0 {
		return time.Time{}, wrapped(err, "last sign-ins")
	}
	return instant(us[0]), nil
}

// LastSignIns returns when the people last signed in to targets that tell it.
func (db *DB) LastSignIns(ctx context.Context, people []identity.PersonID) ([]LastSignIn, error) {
	var all []LastSignIn
	for page := range slices.Chunk(people, peoplePage) {
		where, args := in(db.read, "person_id", page, nil)
		var some []LastSignIn
		if err := db.read.SelectContext(ctx, &some, `SELECT person_id, target, native_id, signed_in FROM account WHERE signed_in <> '' AND `+where+` ORDER BY person_id, target`, args...); err != nil {
			return nil, fmt.Errorf("read last sign-ins: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// RecordSignIns records when accounts of a target were last signed in to, by native ID, as it
// told at a time. What is as it was is not written.
func (tx *Tx) RecordSignIns(ctx context.Context, target string, days map[string]string, at time.Time) error {
	var before []LastSignIn
	if err := tx.tx.SelectContext(ctx, &before, `SELECT person_id, target, native_id, signed_in FROM account WHERE target = $1`, target); err != nil {
		return fmt.Errorf("last sign-ins of target %s: %w", target, err)
	}
	was := map[string]string{}
	for _, b := range before {
		was[b.Native] = b.SignedIn
	}
	for _, native := range slices.Sorted(maps.Keys(was)) {
		if day := days[native]; day != was[native] {
			if err := tx.exec(ctx, `UPDATE account SET signed_in = $3 WHERE target = $1 AND native_id = $2`, target, native, day); err != nil {
				return fmt.Errorf("last sign-ins of target %s: %w", target, err)
			}
		}
	}
	return wrapped(tx.exec(ctx, `UPDATE target_state SET sign_ins_us = $2 WHERE target = $1`, target, micros(at)), "last sign-ins")
}

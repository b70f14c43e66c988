package store

import (
	"context"
	"errors"

	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/reason"
)

// Locks returns the process's locks on the database, which every process that works on it
// sees.
func (db *DB) Locks() *lock.Locks { return db.locks }

// ErrServed is returned when another service has the database to itself.
var ErrServed error = &reason.Refusal{Reason: reason.Of(reason.DatabaseServed{})}

// LockService takes the lock of the one service that may run on a SQLite database, or
// returns ErrServed. On PostgreSQL, where any number may serve, it takes no name.
func (db *DB) LockService(ctx context.Context) (*lock.Lock, error) {
	if db.postgres {
		return db.locks.Try(ctx)
	}
	l, err := db.locks.Try(ctx, "serve")
	if errors.Is(err, lock.ErrLocked) {
		return nil, ErrServed
	}
	return l, err
}

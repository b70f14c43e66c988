package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrLocked is returned when another process, or another part of this one, holds a lock.
var ErrLocked = errors.New("another behov process works on this database; wait until it has finished")

// errTooMany is an ErrLocked: this process holds as many locks as it may.
var errTooMany = fmt.Errorf("too many accounts are being worked on at once: %w", ErrLocked)

// IsLockLimit reports whether a lock was not given because this process holds too many:
// no other process has it, and it is soon to be had.
func IsLockLimit(err error) bool { return errors.Is(err, errTooMany) }

// mostLocks is how many locks a process may hold in PostgreSQL, which keeps the locks of
// all processes in shared memory: max_locks_per_transaction × max_connections, 6,400 by
// default.
const mostLocks = 1500

// ErrLockLost is returned for a lock that was held and is not any more: the connection
// that held it broke, and another process may hold it now.
var ErrLockLost = errors.New("the connection to the database broke, and with it a lock")

// Lock is a set of names that one part of one process holds at a time. The operating
// system, or PostgreSQL, releases them when the process dies: no process waits for a
// timeout.
type Lock struct {
	of    *locks
	keys  []int64
	since int  // the session in which it was taken
	given bool // back
}

// locks is what a process holds on one database: with SQLite, bytes of a file
// beside it; with PostgreSQL, advisory locks of one connection.
type locks struct {
	mu      sync.Mutex
	held    map[int64]bool // also those of lost connections, until they are unlocked: this process still works on them
	session int            // counts the connections that were lost
	file    *os.File
	conn    *sql.Conn
}

// Lock takes all the names, or returns ErrLocked at once.
func (db *DB) Lock(ctx context.Context, names ...string) (*Lock, error) {
	l := &Lock{of: &db.locks}
	seen := map[int64]bool{}
	for _, name := range names {
		h := fnv.New64a()
		_, _ = io.WriteString(h, "behov."+name) // which never fails
		key := int64(h.Sum64() &^ (1 << 63) &^ (1 << 62))
		if !seen[key] {
			seen[key] = true
			l.keys = append(l.keys, key)
		}
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	for _, key := range l.keys {
		if l.of.held[key] {
			return nil, ErrLocked
		}
	}
	if db.postgres && len(l.of.held) > 0 && len(l.of.held)+len(l.keys) > mostLocks {
		return nil, errTooMany
	}
	if err := db.takeAdvisoryLocks(ctx, l.keys); err != nil {
		return nil, err
	}
	if l.of.held == nil {
		l.of.held = map[int64]bool{}
	}
	for _, key := range l.keys {
		l.of.held[key] = true
	}
	l.since = l.of.session
	return l, nil
}

// ErrServed is returned when a behov serve has the database to itself.
var ErrServed = errors.New("a behov serve already works on this SQLite database; stop it first")

// LockService takes what one service at a time has on a SQLite database, or returns
// ErrServed. On PostgreSQL any number may serve, and it takes nothing that
// another could want.
func (db *DB) LockService(ctx context.Context) (*Lock, error) {
	if db.postgres {
		return db.Lock(ctx)
	}
	l, err := db.Lock(ctx, "serve")
	if errors.Is(err, ErrLocked) {
		return nil, ErrServed
	}
	return l, err
}

// LockWithin is Lock, and waits up to a duration for names that others hold.
func (db *DB) LockWithin(ctx context.Context, wait time.Duration, names ...string) (*Lock, error) {
	const often = 10 * time.Millisecond
	for deadline := time.Now().Add(wait); ; {
		l, err := db.Lock(ctx, names...)
		if !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(often):
		}
	}
}

// Held returns nil for as long as no other process can have the lock, and ErrLockLost
// afterwards. Call it before each action that must not be done twice.
func (l *Lock) Held(ctx context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.since == l.of.session && l.of.conn != nil {
		asking, done := withoutCancel(ctx)
		defer done()
		l.of.broken(l.of.conn.PingContext(asking))
	}
	if l.since != l.of.session {
		return ErrLockLost
	}
	return nil
}

// Unlock gives the names back.
func (l *Lock) Unlock() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.given {
		return
	}
	l.given = true
	if l.since == l.of.session {
		l.of.release(context.Background(), l.keys)
	}
	for _, key := range l.keys {
		delete(l.of.held, key)
	}
}

// withoutCancel keeps a cancelled caller from breaking the connection that holds all
// locks of the process, and limits how long a server that does not answer keeps the
// others waiting.
func withoutCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), silence)
}

// takeAdvisoryLocks takes the keys where other processes see it: all or none.
func (db *DB) takeAdvisoryLocks(ctx context.Context, keys []int64) error {
	l := &db.locks
	var err error
	if !db.postgres {
		if l.file == nil {
			if l.file, err = os.OpenFile(db.file+".lock", os.O_CREATE|os.O_RDWR, 0o600); err != nil {
				l.file = nil
				return fmt.Errorf("lock: %w", err)
			}
		}
		for n, key := range keys {
			if err := lockByte(l.file, key); err != nil {
				l.release(ctx, keys[:n])
				return err
			}
		}
		return nil
	}
	asking, done := withoutCancel(ctx)
	defer done()
	if l.conn == nil {
		if l.conn, err = db.write.Conn(asking); err != nil {
			l.conn = nil
			return fmt.Errorf("lock: %w", err)
		}
	}
	got, err := tryLock(asking, l.conn, keys)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == outOfMemory:
		l.release(ctx, keys) // those that it gave before it ran out
		return errTooMany
	case err != nil:
		l.broken(err)
		return fmt.Errorf("lock: %w", err)
	}
	if len(got) < len(keys) {
		l.release(ctx, got)
		return ErrLocked
	}
	return nil
}

// tryLock returns those of the keys that it locked.
func tryLock(ctx context.Context, conn *sql.Conn, keys []int64) (got []int64, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT k FROM unnest($1::bigint[]) k WHERE pg_try_advisory_lock(k)`, keys)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // reading
	for rows.Next() {
		var key int64
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		got = append(got, key)
	}
	return got, rows.Err()
}

// outOfMemory is what PostgreSQL says when it has no room for more locks
// (errcodes, 53200).
const outOfMemory = "53200"

// release gives keys back. What cannot be given back goes with the connection.
func (l *locks) release(ctx context.Context, keys []int64) {
	if l.conn == nil {
		for _, key := range keys {
			_ = unlockByte(l.file, key) // which cannot fail on an open file
		}
		return
	}
	asking, done := withoutCancel(ctx)
	defer done()
	_, err := l.conn.ExecContext(asking, `SELECT pg_advisory_unlock(k) FROM unnest($1::bigint[]) k`, keys)
	l.broken(err)
}

// broken closes a connection that failed, and with it gives up every lock: the server
// must not keep locks that no process knows of.
func (l *locks) broken(err error) {
	if err == nil || l.conn == nil {
		return
	}
	_ = l.conn.Raw(func(any) error { return driver.ErrBadConn }) // by which the pool closes it
	_ = l.conn.Close()
	l.conn = nil
	l.session++
}

func (l *locks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close() // which unlocks
		l.file = nil
	}
	if l.conn != nil {
		// Back in the pool it would keep its locks for as long as the pool lives.
		l.broken(sql.ErrConnDone)
	}
}

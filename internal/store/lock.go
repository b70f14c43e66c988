package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"syscall"
)

// ErrLocked is returned when another process holds the lock.
var ErrLocked = errors.New("another behov is at it on this database; wait until it is done")

// Lock takes a lock by name, which one process can hold at a time, or returns
// ErrLocked at once. The operating system, or PostgreSQL, releases it when the
// process dies.
func (db *DB) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if db.postgres {
		return db.lockPostgres(ctx, name)
	}
	f, err := os.OpenFile(db.file+"."+name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil //nolint:errcheck // closing unlocks
}

func (db *DB) lockPostgres(ctx context.Context, name string) (func(), error) {
	h := fnv.New64a()
	h.Write([]byte("behov." + name))
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	key := int64(h.Sum64()) // any 64 bits do
	var got bool
	if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, key).Scan(&got); err != nil || !got {
		if err == nil {
			err = ErrLocked
		}
		return nil, errors.Join(err, conn.Close())
	}
	return func() {
		unlockAndClose(conn, key)
	}, nil
}

// unlockAndClose gives the lock back before the connection returns to the
// pool; should that fail the connection is closed for good, and the lock with
// it.
func unlockAndClose(conn *sql.Conn, key int64) {
	if _, err := conn.ExecContext(context.Background(), `SELECT pg_advisory_unlock($1)`, key); err != nil {
		_ = conn.Raw(func(any) error { return sql.ErrConnDone }) // it is being thrown away
	}
	_ = conn.Close() // it goes back to the pool
}

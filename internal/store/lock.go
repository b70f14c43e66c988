package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned when somebody else holds a lock.
var ErrLocked = errors.New("another behov is at it on this database; wait until it is done")

// ErrLockLost is returned for a lock that was held, and is not any more: the
// connection that held it broke, and somebody else may have it now.
var ErrLockLost = errors.New("the connection to the database broke, and with it a lock")

// Lock is names that one process, and one place in it, holds at a time. The
// operating system, or PostgreSQL, releases it when the process dies: nobody
// waits for a clock to find out.
type Lock struct {
	of    *locks
	keys  []int64
	since int // the session in which it was taken
}

// locks is what a process holds on one database: with SQLite, bytes of a file
// beside it; with PostgreSQL, advisory locks of one connection.
type locks struct {
	mu      sync.Mutex
	held    map[int64]bool
	session int // counts the connections that were lost
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
	if err := db.take(ctx, l.keys); err != nil {
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

// LockWithin is Lock, and waits for so long for what somebody else holds.
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

// Held is nil for as long as nobody else can have the lock, and ErrLockLost
// afterwards. Ask before each thing that must not be done twice.
func (l *Lock) Held(ctx context.Context) error {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.since == l.of.session && l.of.conn != nil {
		asking, done := patient(ctx)
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
	if l.since != l.of.session {
		return
	}
	l.of.release(context.Background(), l.keys)
	for _, key := range l.keys {
		delete(l.of.held, key)
	}
}

// patient keeps an impatient caller from breaking the connection on which
// everybody's locks are, and a server that does not answer from keeping
// everybody waiting.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), silence)
}

// take takes the keys where other processes see it: all or none.
func (db *DB) take(ctx context.Context, keys []int64) error {
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
			if err := setLock(l.file, unix.F_WRLCK, key); err != nil {
				l.release(ctx, keys[:n])
				return err
			}
		}
		return nil
	}
	if l.conn == nil {
		if l.conn, err = db.write.Conn(ctx); err != nil {
			l.conn = nil
			return fmt.Errorf("lock: %w", err)
		}
	}
	var got int
	asking, done := patient(ctx)
	defer done()
	if err := l.conn.QueryRowContext(asking, `SELECT COUNT(*) FROM unnest($1::bigint[]) k WHERE pg_try_advisory_lock(k)`, keys).Scan(&got); err != nil {
		l.broken(err)
		return fmt.Errorf("lock: %w", err)
	}
	if got < len(keys) {
		// Which ones we got it does not say; what was held before is not among
		// them, and giving back what we did not get does nothing.
		l.release(ctx, keys)
		return ErrLocked
	}
	return nil
}

// setLock locks or unlocks one byte of the file, without waiting.
func setLock(f *os.File, kind int16, key int64) error {
	err := unix.FcntlFlock(f.Fd(), setLockCommand, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: key, Len: 1})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// release gives keys back. What cannot be given back goes with the connection.
func (l *locks) release(ctx context.Context, keys []int64) {
	if l.conn == nil {
		for _, key := range keys {
			_ = setLock(l.file, unix.F_UNLCK, key) // which cannot fail on an open file
		}
		return
	}
	asking, done := patient(ctx)
	defer done()
	_, err := l.conn.ExecContext(asking, `SELECT pg_advisory_unlock(k) FROM unnest($1::bigint[]) k`, keys)
	l.broken(err)
}

// broken throws away a connection that failed, and with it every lock.
func (l *locks) broken(err error) {
	if err == nil || l.conn == nil {
		return
	}
	_ = l.conn.Raw(func(any) error { return sql.ErrConnDone }) // it is being thrown away
	_ = l.conn.Close()
	l.conn, l.held = nil, nil
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

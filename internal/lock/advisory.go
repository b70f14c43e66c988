package lock

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// mostAdvisory is how many names a process may hold in PostgreSQL, which keeps the locks
// of all processes in shared memory: max_locks_per_transaction × max_connections, 6,400 by
// default.
const mostAdvisory = 1500

// OnPostgres returns the locks of the processes that work with a PostgreSQL database:
// advisory locks of one connection, which it takes from the pool at the first lock and
// keeps. Waiting for names of other processes takes a few more for as long as it lasts.
func OnPostgres(pool *sql.DB) *Locks {
	return newLocks(&advisory{pool: pool, turn: make(chan struct{}, 1), awaits: make(chan struct{}, mostAwaits)}, mostAdvisory)
}

// advisory is a backend in which a key is that of an advisory lock. A session is one
// connection: with it all locks taken in it are lost.
type advisory struct {
	pool   *sql.DB
	turn   chan struct{} // has an element while a goroutine uses conn
	awaits chan struct{} // has an element for each wait in the server

	mu       sync.Mutex // guards what follows; never held while the server is asked
	conn     *sql.Conn
	session  int       // of conn; counts the connections that were lost
	answered time.Time // when the last question was asked that conn answered
	closed   bool
}

// assumeHeld is how long after the server's last answer a lock counts as held although the
// server cannot be asked. The server gives locks of a silent connection up after the store's
// tcp_keepalives_* and tcp_user_timeout, 15 s, of which this leaves a third.
const assumeHeld = answerLimit / 3

// withoutCancel keeps a cancelled caller from breaking the connection that holds all
// locks of the process, and limits how long a server that does not answer keeps it.
func withoutCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
}

func (a *advisory) take(ctx context.Context, keys []int64) (session int, err error) {
	select {
	case a.turn <- struct{}{}:
		defer a.endTurn()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	asking, done := withoutCancel(ctx)
	defer done()
	conn, session, err := a.connect(asking)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	got, err := tryLock(asking, conn, keys)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == outOfMemory:
		return 0, errors.Join(errTooMany, a.giveBack(asking, session, keys)) // those that it gave before it ran out
	case err != nil:
		a.broken()
		return 0, fmt.Errorf("lock: %w", err)
	case got < len(keys):
		if err := a.giveBack(asking, session, keys[:got]); err != nil {
			return 0, err
		}
		return 0, &takenError{keys[got]}
	}
	a.confirm(began)
	return session, nil
}

func (a *advisory) endTurn() { <-a.turn }

// connect returns the connection that holds the locks, and its session. The caller has
// the turn.
func (a *advisory) connect(ctx context.Context) (*sql.Conn, int, error) {
	a.mu.Lock()
	conn, session, closed := a.conn, a.session, a.closed
	a.mu.Unlock()
	if closed {
		return nil, 0, fmt.Errorf("lock: %w", os.ErrClosed)
	}
	if conn != nil {
		return conn, session, nil
	}
	conn, err := a.pool.Conn(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("lock: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn = conn
	return conn, a.session, nil
}

// tryLock locks the keys up to the first that another session has, and returns how many.
func tryLock(ctx context.Context, conn *sql.Conn, keys []int64) (got int, err error) {
	err = conn.QueryRowContext(ctx, `WITH RECURSIVE tried (n, got) AS (
		SELECT 0, true
		UNION ALL
		SELECT n + 1, pg_try_advisory_lock(($1::bigint[])[n + 1]) FROM tried WHERE got AND n < cardinality($1::bigint[])
	) SELECT count(*) FILTER (WHERE got) - 1 FROM tried`, keys).Scan(&got)
	return got, err
}

const (
	// outOfMemory is what PostgreSQL says when it has no room for more locks
	// (errcodes, 53200).
	outOfMemory = "53200"
	// lockNotAvailable is what it says when lock_timeout is over (errcodes, 55P03).
	lockNotAvailable = "55P03"
)

// confirm notes that the connection answered a question that was asked at an instant. The
// caller has the turn.
func (a *advisory) confirm(asked time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered = asked
}

// giveBack gives keys of a session back to the server. What cannot be given back goes with
// the connection, and what was lost with its connection need not be given back. The caller
// has the turn.
func (a *advisory) giveBack(ctx context.Context, session int, keys []int64) error {
	a.mu.Lock()
	conn, lost := a.conn, session != a.session
	a.mu.Unlock()
	if lost || conn == nil || len(keys) == 0 {
		return nil
	}
	began := time.Now()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock(k) FROM unnest($1::bigint[]) k`, keys); err != nil {
		a.broken()
		return fmt.Errorf("unlock: %w", err)
	}
	a.confirm(began)
	return nil
}

func (a *advisory) release(session int, keys []int64) {
	if lost, _ := a.state(session); lost || len(keys) == 0 {
		return
	}
	given := make(chan struct{})
	go func() {
		defer close(given)
		a.turn <- struct{}{}
		defer a.endTurn()
		asking, done := withoutCancel(context.Background())
		defer done()
		_ = a.giveBack(asking, session, keys) // a broken connection gave them back
	}()
	prompt, done := context.WithTimeout(context.Background(), promptly)
	defer done()
	until(given)(prompt)
}

// broken closes the connection, and with it gives up every lock: the server must not keep
// locks that no process knows of. The caller has the turn.
func (a *advisory) broken() {
	a.mu.Lock()
	conn := a.conn
	a.conn = nil
	a.session++
	a.mu.Unlock()
	if conn == nil {
		return
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // by which the pool closes it
	_ = conn.Close()
}

// state reports whether a session is lost, and whether its connection answered so lately
// that the server still keeps its locks.
func (a *advisory) state(session int) (lost, fresh bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return session != a.session, time.Since(a.answered) < assumeHeld
}

func (a *advisory) check(ctx context.Context, session int) error {
	if lost, _ := a.state(session); lost {
		return ErrLost
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	prompt := time.NewTimer(promptly)
	defer prompt.Stop()
	select {
	case a.turn <- struct{}{}:
		return a.ask(ctx, session)
	case <-ctx.Done():
		return ctx.Err()
	case <-prompt.C:
	}
	// Another question is under way, and the server is slow. Had it ended the connection,
	// that question would have failed by now.
	lost, fresh := a.state(session)
	if lost {
		return ErrLost
	}
	if fresh {
		return nil
	}
	select {
	case a.turn <- struct{}{}:
		return a.ask(ctx, session)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask asks the server whether the session is alive. The caller has the turn, which ends
// with the answer.
func (a *advisory) ask(ctx context.Context, session int) error {
	answer := make(chan error, 1)
	go func() {
		defer a.endTurn()
		answer <- a.ping(ctx, session)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *advisory) ping(ctx context.Context, session int) error {
	a.mu.Lock()
	conn, lost := a.conn, session != a.session
	a.mu.Unlock()
	if lost || conn == nil {
		return ErrLost
	}
	asking, done := withoutCancel(ctx)
	defer done()
	began := time.Now()
	if err := conn.PingContext(asking); err != nil {
		a.broken()
		return ErrLost
	}
	a.confirm(began)
	return nil
}

// await waits in the server, on another connection of the pool. Beyond mostAwaits, and
// when the server refuses to wait, it pauses: the next try says whether that is a fault.
func (a *advisory) await(ctx context.Context, key int64) {
	select {
	case a.awaits <- struct{}{}:
		defer func() { <-a.awaits }()
	default:
		pause(ctx, pollInterval)
		return
	}
	if err := a.awaitInServer(ctx, key); err != nil {
		pause(ctx, pollInterval)
	}
}

// awaitInServer returns when no other session has the key, or shortly before ctx's
// deadline. The connection holds no other lock while it waits, so that it is never part of
// a deadlock that the server would end. The lock that it gets is shared, so that it keeps
// none of those who wait for the same from going on, and it belongs to the transaction of
// this one statement: the server itself gives it back at its end, whatever becomes of this
// process.
func (a *advisory) awaitInServer(ctx context.Context, key int64) error {
	conn, err := a.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // which gives it back to the pool
	timeout := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok {
		// The server ends the wait before ctx does: a query that ctx ends costs the
		// connection.
		if timeout = time.Until(deadline) - 2*pollInterval; timeout < time.Millisecond {
			return context.DeadlineExceeded
		}
	}
	// CASE makes the server set the timeout before it waits (PostgreSQL, 4.2.14).
	_, err = conn.ExecContext(ctx, `SELECT CASE WHEN set_config('lock_timeout', $1, true) IS NOT NULL THEN pg_advisory_xact_lock_shared($2) END`,
		strconv.FormatInt(timeout.Milliseconds(), 10), key)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == lockNotAvailable {
		return nil
	}
	return err
}

func (a *advisory) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.turn <- struct{}{} // within answerLimit
	defer a.endTurn()
	a.broken() // back in the pool it would keep its locks for as long as the pool lives
}

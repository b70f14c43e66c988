package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func lock(t *testing.T, db *store.DB, names ...string) *store.Lock {
	t.Helper()
	l, err := db.Lock(t.Context(), names...)
	if err != nil {
		t.Fatalf("lock %v: %v", names, err)
	}
	return l
}

func locked(t *testing.T, db *store.DB, names ...string) {
	t.Helper()
	if l, err := db.Lock(t.Context(), names...); !errors.Is(err, store.ErrLocked) {
		t.Errorf("lock %v gives %v, %v; somebody else has it", names, l, err)
	}
}

// TestOneAtATime: a name is held in one place at a time, in this process and
// among processes, all of what is asked for or none.
func TestOneAtATime(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		master := newMaster(t)
		here, there := openWith(t, url, master), openWith(t, url, master)
		l := lock(t, here, "a", "b", "a")
		locked(t, here, "a")
		locked(t, there, "b")
		locked(t, there, "c", "b")
		locked(t, here, "c", "b")
		c := lock(t, there, "c") // which nobody kept
		if err := l.Held(t.Context()); err != nil {
			t.Error(err)
		}
		l.Unlock()
		l.Unlock()
		lock(t, there, "a", "b").Unlock()
		locked(t, here, "c")
		c.Unlock()
		lock(t, here, "a", "b", "c")
		if err := here.Close(); err != nil {
			t.Error(err)
		}
		// A server needs a moment to notice.
		if _, err := there.LockWithin(t.Context(), 10*time.Second, "a", "b", "c"); err != nil {
			t.Error(err)
		}
	})
}

func TestLockWithin(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		master := newMaster(t)
		here, there := openWith(t, url, master), openWith(t, url, master)
		l := lock(t, here, "a")
		if _, err := there.LockWithin(t.Context(), 20*time.Millisecond, "a"); !errors.Is(err, store.ErrLocked) {
			t.Errorf("after waiting in vain: %v", err)
		}
		time.AfterFunc(50*time.Millisecond, l.Unlock)
		if _, err := there.LockWithin(t.Context(), time.Minute, "a"); err != nil {
			t.Errorf("after it was given back: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := here.LockWithin(ctx, time.Minute, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an impatient caller got %v", err)
		}
	})
}

// TestLockLost: whose connection broke is told so, and others get the lock.
func TestLockLost(t *testing.T) {
	url := testenv.StartPostgres(t).Database()
	master := newMaster(t)
	here, there := openWith(t, url, master), openWith(t, url, master)
	l := lock(t, here, "a")
	admin, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	if _, err := admin.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`); err != nil {
		t.Fatal(err)
	}
	l2, err := there.LockWithin(t.Context(), 10*time.Second, "a")
	if err != nil {
		t.Fatalf("nobody holds it any more: %v", err)
	}
	if err := l.Held(t.Context()); !errors.Is(err, store.ErrLockLost) {
		t.Errorf("the lock that was lost says %v", err)
	}
	l.Unlock() // which is no longer ours to give
	locked(t, here, "a")
	l2.Unlock()
	lock(t, here, "a")
}

// TestManyLockers: never two at the same time.
func TestManyLockers(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		master := newMaster(t)
		dbs := []*store.DB{openWith(t, url, master), openWith(t, url, master)}
		var inside atomic.Int32
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				for range 10 {
					l, err := dbs[n%2].LockWithin(context.Background(), time.Minute, "a", "b")
					if err != nil {
						t.Error(err)
						return
					}
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d are inside at a time", n)
					}
					inside.Add(-1)
					l.Unlock()
				}
			})
		}
		wg.Wait()
	})
}

// TestMoreLocksThanThereIsRoomFor: whoever wants more than PostgreSQL, or we,
// have room for is told that somebody else has them, nothing breaks, and all are
// to be had again when they were given back.
func TestMoreLocksThanThereIsRoomFor(t *testing.T) {
	url := testenv.StartPostgres(t).Database()
	master := newMaster(t)
	var held []*store.Lock
	full := 0
	for p := range 12 { // processes
		db := openWith(t, url, master)
		alive, err := db.Lock(t.Context(), fmt.Sprint("alive ", p))
		if err != nil && !store.IsLockLimit(err) {
			t.Fatal(err)
		}
		if err == nil {
			held = append(held, alive)
		}
		for i := range 4 {
			var names []string
			for j := range 499 {
				names = append(names, fmt.Sprint(p, i, j))
			}
			l, err := db.Lock(t.Context(), names...)
			if store.IsLockLimit(err) {
				full++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, l)
		}
	}
	if full < 12 {
		t.Errorf("only %d of 12 × 4 were refused", full)
	}
	for _, l := range held {
		if err := l.Held(t.Context()); err != nil {
			t.Errorf("a lock that was held: %v", err)
		}
		l.Unlock()
	}
	db := openWith(t, url, master)
	for i := range 3 {
		var names []string
		for j := range 499 {
			names = append(names, fmt.Sprint(0, i, j))
		}
		if _, err := db.Lock(t.Context(), names...); err != nil {
			t.Errorf("everything was given back, and: %v", err)
		}
	}
}

// TestAServerThatSaysNothing lets nobody wait for long.
func TestAServerThatSaysNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			if _, err := l.Accept(); err != nil { // and not a word
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := store.Open(ctx, "postgres://x@"+l.Addr().String()+"/x?sslmode=disable", newMaster(t)); err == nil || ctx.Err() != nil {
		t.Errorf("it ended with %v, %v", err, ctx.Err())
	}
}

// mostTries is the largest number of tries of a job that River allows.
const mostTries = 1 << 14

// TestNoJobIsGivenUp: it has as many tries as there can be.
func TestNoJobIsGivenUp(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		db := open(t, url)
		write(t, db, func(tx *store.Tx) error {
			tx.Enqueue(queue.People{People: []identity.PersonID{"x"}}, queue.Run{Because: "y"}, queue.Pull{Source: "z"})
			return nil
		})
		fewest := 0
		if err := testenv.Raw(t, url).QueryRowContext(t.Context(), `SELECT MIN(max_attempts) FROM river_job`).Scan(&fewest); err != nil || fewest < mostTries {
			t.Errorf("%d tries, %v", fewest, err)
		}
	})
}

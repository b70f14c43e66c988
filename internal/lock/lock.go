// Package lock keeps two parts of behov from doing the same work at the same time. A lock
// is a set of names that one part of one process holds at a time; every process that works
// on one database sees it. The operating system (SQLite) or PostgreSQL releases the names
// when the process dies: no process waits for a timeout.
//
// It must never keep a name that no process knows of, never say of a lock that it is held
// when another process may hold it, and never decide what a name stands for.
package lock

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

var (
	// ErrLocked is returned when another process, or another part of this one, holds a
	// name.
	ErrLocked = errors.New("another behov process works on this database; wait until it has finished")

	// ErrLost is returned for a lock that is not held any more: the connection that held
	// it broke, or it was unlocked. Another process may hold it now.
	ErrLost = errors.New("the connection to the database broke, and with it a lock")

	// errTooMany is an ErrLocked: there is no room for more locks.
	errTooMany = fmt.Errorf("too many accounts are being worked on at once: %w", ErrLocked)
)

// IsLimit reports whether a lock was not given because there is no room for more locks:
// no other process need have its names, and there is room as soon as locks are given back.
func IsLimit(err error) bool { return errors.Is(err, errTooMany) }

// Locks are the locks of one process on one database.
type Locks struct {
	backend backend
	most    int // how many names the process may hold at a time; 0 is any number

	mu     sync.Mutex // guards what follows; never held while the file or the server is asked
	taken  map[int64]*Lock
	room   chan struct{} // closed, and replaced, when names become free
	closed bool
}

// backend is where other processes see which keys are held.
type backend interface {
	// take takes all keys, in their order, or none. It returns the session that holds
	// them, a *takenError, errTooMany, or what failed. When ctx ends before the backend
	// is asked, it returns at once; afterwards it returns with the answer, within
	// answerLimit.
	take(ctx context.Context, keys []int64) (session int, err error)
	// release gives keys of a session back, and returns when they are free; when the
	// backend does not answer promptly, it returns before.
	release(session int, keys []int64)
	// check returns nil when the session still holds what was taken in it, else ErrLost.
	check(ctx context.Context, session int) error
	// await returns when no other process has the key, when ctx ends, and whenever it is
	// worth to try again. It leaves nothing taken.
	await(ctx context.Context, key int64)
	// close gives up all keys.
	close()
}

const (
	// answerLimit is how long a server may take to answer before its connection counts
	// as broken.
	answerLimit = 15 * time.Second
	// promptly is how long Unlock waits for the answer of a server that is slow, and Held
	// for another use of its connection.
	promptly = 250 * time.Millisecond
	// pollInterval is the pause between tries where nothing says that a name is free.
	pollInterval = 20 * time.Millisecond
	// mostAwaits is how many names of other processes a process waits for at a time by
	// something better than a poll. With PostgreSQL each takes a connection.
	mostAwaits = 4
)

// takenError is an ErrLocked: another process has the key.
type takenError struct{ key int64 }

func (e *takenError) Error() string { return ErrLocked.Error() }
func (e *takenError) Unwrap() error { return ErrLocked }

func newLocks(b backend, most int) *Locks {
	return &Locks{backend: b, most: most, taken: map[int64]*Lock{}, room: make(chan struct{})}
}

// Lock is a set of names that its holder alone holds until Unlock.
type Lock struct {
	of      *Locks
	keys    []int64
	decided chan struct{} // closed when the backend has answered
	free    chan struct{} // closed when the names are free in this process

	// What follows is written before decided is closed.
	session int
	err     error

	// What follows is guarded by of.mu.
	abandoned bool // before it was decided: nothing but its names knows of it
	unlocked  bool
}

// Try takes all the names, or returns ErrLocked without waiting for who holds one. It waits
// for the database's answer; when ctx ends before, it returns ctx's error, and what the
// database then gives is given back.
func (l *Locks) Try(ctx context.Context, names ...string) (*Lock, error) {
	return l.Wait(ctx, 0, names...)
}

// Wait is Try, and waits up to a duration for names that others hold. It holds none of the
// names while it waits for one of them. It returns ErrLocked when they were not free
// within that time, and ctx's error when ctx ends.
func (l *Locks) Wait(ctx context.Context, patience time.Duration, names ...string) (*Lock, error) {
	waiting, done := context.WithTimeout(ctx, patience)
	defer done()
	for keys := keysOf(names); ; {
		lock, blocked, err := l.attempt(ctx, keys)
		switch {
		case blocked == nil:
			return lock, err
		case blocked.undecided:
			blocked.wait(ctx)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case waiting.Err() != nil:
			return nil, err
		default:
			blocked.wait(waiting)
		}
	}
}

// Close gives up all locks. What is locked afterwards fails.
func (l *Locks) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.backend.close()
}

// keysOf returns the keys of names in ascending order: of two who take overlapping names
// at the same time, one gets the first of them and with it the others.
func keysOf(names []string) []int64 {
	keys := make([]int64, len(names))
	for i, name := range names {
		h := fnv.New64a()
		_, _ = io.WriteString(h, "behov."+name) // which never fails
		keys[i] = int64(h.Sum64() &^ (1 << 63) &^ (1 << 62))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// obstacle is why an attempt failed with ErrLocked.
type obstacle struct {
	undecided bool                  // whether the name can be had is being found out
	wait      func(context.Context) // returns when it is worth to try again, or ctx ends
}

// attempt takes the keys. With ErrLocked it returns what was in the way.
func (l *Locks) attempt(ctx context.Context, keys []int64) (*Lock, *obstacle, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	lock, blocked, err := l.reserve(keys)
	if err != nil {
		return nil, blocked, err
	}
	go func() {
		session, err := l.backend.take(ctx, keys)
		l.decide(lock, session, err)
	}()
	select {
	case <-lock.decided:
	case <-ctx.Done():
		if l.abandon(lock) {
			return nil, nil, ctx.Err()
		}
	}
	var taken *takenError
	switch {
	case errors.As(lock.err, &taken):
		return nil, &obstacle{wait: func(ctx context.Context) { l.backend.await(ctx, taken.key) }}, ErrLocked
	case IsLimit(lock.err):
		// Locks of other processes fill the server: it does not say when they are given
		// back.
		return nil, &obstacle{wait: func(ctx context.Context) { pause(ctx, pollInterval) }}, lock.err
	case lock.err != nil:
		return nil, nil, lock.err
	}
	return lock, nil, nil
}

// reserve takes the keys in this process.
func (l *Locks) reserve(keys []int64) (*Lock, *obstacle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, fmt.Errorf("lock: %w", os.ErrClosed)
	}
	for _, key := range keys {
		by := l.taken[key]
		if by == nil {
			continue
		}
		select {
		case <-by.decided:
			return nil, &obstacle{wait: until(by.free)}, ErrLocked
		default:
			return nil, &obstacle{undecided: true, wait: until(by.decided)}, ErrLocked
		}
	}
	if l.most > 0 && len(l.taken) > 0 && len(l.taken)+len(keys) > l.most {
		return nil, &obstacle{wait: until(l.room)}, errTooMany
	}
	lock := &Lock{of: l, keys: keys, decided: make(chan struct{}), free: make(chan struct{})}
	for _, key := range keys {
		l.taken[key] = lock
	}
	return lock, nil, nil
}

// decide takes the backend's answer to a reserved lock.
func (l *Locks) decide(lock *Lock, session int, err error) {
	l.mu.Lock()
	lock.session, lock.err = session, err
	if err != nil {
		l.forget(lock)
	}
	close(lock.decided)
	abandoned := lock.abandoned
	l.mu.Unlock()
	if abandoned && err == nil {
		lock.Unlock()
	}
}

// abandon has a lock given back as soon as the backend gives it; false when it has
// answered already.
func (l *Locks) abandon(lock *Lock) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-lock.decided:
		return false
	default:
		lock.abandoned = true
		return true
	}
}

// forget makes the names of a lock free in this process. l.mu is held.
func (l *Locks) forget(lock *Lock) {
	for _, key := range lock.keys {
		delete(l.taken, key)
	}
	close(lock.free)
	close(l.room)
	l.room = make(chan struct{})
}

// Held returns nil for as long as no other process can have the lock, and ErrLost
// afterwards. It asks the server; when another use of the connection gets no answer, a
// lock counts as held for as long as the server cannot have given it up. It returns ctx's
// error when ctx ends before. Call it before each action that must not be done twice.
func (k *Lock) Held(ctx context.Context) error {
	k.of.mu.Lock()
	unlocked := k.unlocked
	k.of.mu.Unlock()
	if unlocked {
		return ErrLost
	}
	return k.of.backend.check(ctx, k.session)
}

// Unlock gives the names back. It does not wait for a server that is slow: the names then
// become free for other processes when it answers, or with the connection.
func (k *Lock) Unlock() {
	k.of.mu.Lock()
	again := k.unlocked
	k.unlocked = true
	k.of.mu.Unlock()
	if again {
		return
	}
	k.of.backend.release(k.session, k.keys)
	k.of.mu.Lock()
	defer k.of.mu.Unlock()
	k.of.forget(k)
}

// until returns a function that waits for a channel to be closed.
func until(closed <-chan struct{}) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-closed:
		case <-ctx.Done():
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// OnFile returns the locks of the processes that work with an SQLite database: locked
// bytes of a file beside it, path + ".lock", which is created at the first lock.
func OnFile(path string) *Locks {
	return newLocks(&file{path: path + ".lock", awaited: map[int64]chan struct{}{}}, 0)
}

// file is a backend in which a key is the number of a byte of a file, which may be beyond
// the file's end.
type file struct {
	path string

	// mu is write-locked to open and to close f, so that no descriptor is used that has
	// become another file's.
	mu     sync.RWMutex
	f      *os.File
	closed bool

	awaiting sync.Mutex
	awaited  map[int64]chan struct{} // each closed when the key was free
}

func (b *file) open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.f != nil {
		return nil
	}
	if b.closed {
		return fmt.Errorf("lock: %w", os.ErrClosed)
	}
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	b.f = f
	return nil
}

func (b *file) take(_ context.Context, keys []int64) (int, error) {
	if err := b.open(); err != nil {
		return 0, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.f == nil {
		return 0, fmt.Errorf("lock: %w", os.ErrClosed)
	}
	for n, key := range keys {
		if err := lockByte(b.f, key); err != nil {
			b.unlock(keys[:n])
			if errors.Is(err, ErrLocked) {
				err = &takenError{key}
			}
			return 0, err
		}
	}
	return 0, nil
}

func (b *file) release(_ int, keys []int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.f != nil {
		b.unlock(keys)
	}
}

// unlock unlocks bytes. b.mu is held.
func (b *file) unlock(keys []int64) {
	for _, key := range keys {
		_ = unlockByte(b.f, key) // which cannot fail on an open file
	}
}

func (b *file) check(context.Context, int) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return ErrLost
	}
	return nil
}

// await waits in the operating system. A wait there cannot be given up: when ctx ends, its
// goroutine goes on until the byte is free, and ends then. All who wait for one key in
// this process share one wait.
func (b *file) await(ctx context.Context, key int64) {
	if done := b.awaitByte(key); done != nil {
		until(done)(ctx)
		return
	}
	pause(ctx, pollInterval)
}

// awaitByte returns a channel that is closed when the byte was free; nil when this process
// waits for too many already.
func (b *file) awaitByte(key int64) <-chan struct{} {
	b.awaiting.Lock()
	defer b.awaiting.Unlock()
	if done := b.awaited[key]; done != nil {
		return done
	}
	if len(b.awaited) == mostAwaits {
		return nil
	}
	done := make(chan struct{})
	b.awaited[key] = done
	go func() {
		if err := waitForByte(b.path, key); err != nil {
			time.Sleep(pollInterval)
		}
		b.awaiting.Lock()
		defer b.awaiting.Unlock()
		delete(b.awaited, key)
		close(done)
	}()
	return done
}

func (b *file) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.f != nil {
		_ = b.f.Close() // which unlocks
		b.f = nil
	}
}

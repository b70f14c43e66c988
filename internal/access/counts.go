package access

import (
	"context"
	"sync"
	"time"
)

// Counts keeps the last count of the organisation. Counting reads everyone, so that no one
// waits for it: it is done again when a person asks and the last is old.
type Counts struct{ kept[Organisation] }

// Get returns the last count; nil while the first is made.
func (c *Counts) Get(ctx context.Context, a *Answers) (*Organisation, error) {
	return c.get(ctx, a.Now, a.Organisation)
}

// kept keeps what was counted last over everyone.
type kept[T any] struct {
	mu      sync.Mutex
	last    *T
	at      time.Time // when the last was begun
	err     error
	running chan struct{} // closed when a count ends; nil when none runs
}

const (
	// countedFor is for how long a count is answered without another being made.
	countedFor = 10 * time.Minute
	// countWait is for how long who asks waits for the first count.
	countWait = 2 * time.Second
)

// get returns the last count; nil while the first is made.
func (c *kept[T]) get(ctx context.Context, now func() time.Time, count func(context.Context) (*T, error)) (*T, error) {
	c.mu.Lock()
	running := c.running
	if old := c.last == nil || now().Sub(c.at) > countedFor; old && running == nil {
		running = make(chan struct{})
		c.running = running
		go func() {
			began := now()
			o, err := count(context.WithoutCancel(ctx))
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.err = err; err == nil {
				c.last, c.at = o, began
			}
			c.running = nil
			close(running)
		}()
	}
	last := c.last
	c.mu.Unlock()
	if last != nil {
		return last, nil
	}
	select {
	case <-running:
	case <-time.After(countWait):
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.err
}

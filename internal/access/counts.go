package access

import (
	"context"
	"sync"
	"time"
)

// Counts keeps the last count of the organisation. Counting reads everyone, so that no one
// waits for it: it is done again when a person asks and the last is old.
type Counts struct {
	mu      sync.Mutex
	last    *Organisation
	err     error
	running chan struct{} // closed when a count ends; nil when none runs
}

const (
	// countedFor is for how long a count is answered without another being made.
	countedFor = 10 * time.Minute
	// countWait is for how long who asks waits for the first count.
	countWait = 2 * time.Second
)

// Get returns the last count; nil while the first is made.
func (c *Counts) Get(ctx context.Context, a *Answers) (*Organisation, error) {
	c.mu.Lock()
	running := c.running
	if old := c.last == nil || a.Now().Sub(c.last.At) > countedFor; old && running == nil {
		running = make(chan struct{})
		c.running = running
		go func() {
			o, err := a.Organisation(context.WithoutCancel(ctx))
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.err = err; err == nil {
				c.last = o
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

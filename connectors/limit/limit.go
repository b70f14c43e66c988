// Package limit keeps a connector from asking more of its target than the
// target's owner allows: so many requests a second, so many at a time.
//
// A connector holds one [Limiter] and asks it before each request. The
// package must never drop a request or reorder those of one caller.
package limit

import (
	"context"
	"fmt"
	"math"
	"sync"

	"golang.org/x/time/rate"
)

// Limits are what the target's owner allows. The zero value allows anything.
type Limits struct {
	// PerSecond is how many requests may begin in a second, on average; zero
	// is any number.
	PerSecond float64 `yaml:"requests_per_second"`
	// Burst is how many may begin at once after a pause; by default as many as
	// in one second, at least one.
	Burst int `yaml:"burst"`
	// Concurrent is how many may wait for an answer at the same time; zero is
	// what the connector finds reasonable.
	Concurrent int `yaml:"concurrent_requests"`
}

// Validate says what is wrong with the numbers.
func (l Limits) Validate() error {
	if l.PerSecond < 0 || math.IsNaN(l.PerSecond) || math.IsInf(l.PerSecond, 0) || l.Burst < 0 || l.Concurrent < 0 {
		return fmt.Errorf("limits: numbers must not be negative; leave one out for no limit")
	}
	return nil
}

// Limiter holds requests back. It may be used by several goroutines.
type Limiter struct {
	rate  *rate.Limiter // nil without a limit
	slots chan struct{}
}

// New returns a limiter. concurrent is how many requests may wait for an
// answer when the limits do not say.
func New(l Limits, concurrent int) *Limiter {
	if l.Concurrent > 0 {
		concurrent = l.Concurrent
	}
	out := &Limiter{slots: make(chan struct{}, max(concurrent, 1))}
	if l.PerSecond > 0 {
		burst := l.Burst
		if burst == 0 {
			burst = max(int(l.PerSecond), 1)
		}
		out.rate = rate.NewLimiter(rate.Limit(l.PerSecond), burst)
	}
	return out
}

// Wait returns when one more request may begin. Call done when its answer has
// come. The error is the context's, when it ended first.
func (l *Limiter) Wait(ctx context.Context) (done func(), err error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.rate == nil {
		return func() { <-l.slots }, nil
	}
	if err := l.rate.Wait(ctx); err != nil {
		<-l.slots
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, context.DeadlineExceeded // it could not begin before that
	}
	return func() { <-l.slots }, nil
}

// Concurrent is how many requests may wait for an answer at the same time.
func (l *Limiter) Concurrent() int { return cap(l.slots) }

// SideBySide calls do for every item, so many at a time.
func SideBySide[T any](atOnce int, items []T, do func(T)) {
	var wg sync.WaitGroup
	next := make(chan T)
	for range min(len(items), max(atOnce, 1)) {
		wg.Go(func() {
			for item := range next {
				do(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
}

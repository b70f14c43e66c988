// Package limit bounds the requests of a connector: their number per second and
// at the same time.
//
// A connector has one [Limiter] and calls it before each request. The package
// must never drop a request or reorder those of one caller.
package limit

import (
	"context"
	"fmt"
	"math"
	"sync"

	"golang.org/x/time/rate"
)

// Limits are how many requests a target takes. The zero value means no limits but
// those of the connector itself.
type Limits struct {
	// PerSecond is how many requests may start per second, on average; zero means
	// no limit.
	PerSecond float64 `yaml:"requests_per_second"`
	// Burst is how many requests may start at once after a pause; by default as
	// many as in one second, at least one.
	Burst int `yaml:"burst"`
	// Concurrent is how many requests may wait for an answer at the same time;
	// zero means the connector's default.
	Concurrent int `yaml:"concurrent_requests"`
}

// Validate returns an error when a limit is negative.
func (l Limits) Validate() error {
	if l.PerSecond < 0 || math.IsNaN(l.PerSecond) || math.IsInf(l.PerSecond, 0) || l.Burst < 0 || l.Concurrent < 0 {
		return fmt.Errorf("limits: numbers must not be negative; omit one for no limit")
	}
	return nil
}

// Limiter delays requests. It is safe for concurrent use.
type Limiter struct {
	rate  *rate.Limiter // nil without a limit
	slots chan struct{}
}

// New returns a limiter. concurrent is how many requests may wait for an answer
// when the limits do not say.
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

// Wait returns when one more request may start. The caller calls done when its
// answer has come. The error is the context's, when it ended first.
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
		return nil, context.DeadlineExceeded // the request could not start before the deadline
	}
	return func() { <-l.slots }, nil
}

// Concurrent returns how many requests may wait for an answer at the same time.
func (l *Limiter) Concurrent() int { return cap(l.slots) }

// SideBySide calls do for every item, with at most atOnce calls at the same time.
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

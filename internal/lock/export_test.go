package lock

import (
	"context"
	"time"
)

// Observed is what locks ask of their backend.
type Observed struct {
	backend
	Attempts chan []int64 // each attempt, before the backend is asked
	Awaits   chan int64   // each wait, before the backend is asked
}

// Observe reports what locks ask of their backend from then on.
func Observe(l *Locks) *Observed {
	o := &Observed{backend: l.backend, Attempts: make(chan []int64, 1000), Awaits: make(chan int64, 1000)}
	l.backend = o
	return o
}

func (o *Observed) take(ctx context.Context, keys []int64) (int, error) {
	o.Attempts <- keys
	return o.backend.take(ctx, keys)
}

func (o *Observed) await(ctx context.Context, key int64) {
	o.Awaits <- key
	o.backend.await(ctx, key)
}

// Age makes a server's last answer as old as d.
func Age(l *Locks, d time.Duration) {
	a := l.backend.(*advisory)
	a.confirm(time.Now().Add(-d))
}

const (
	AssumeHeld = assumeHeld
	MostAwaits = mostAwaits
)

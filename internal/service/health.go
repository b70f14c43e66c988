package service

import (
	"sync"
	"time"

	"github.com/behov/behov/internal/queue"
)

// health keeps book of which targets answer: one that does not is left alone
// for a while, longer each time, and then asked again by one job. It is this
// process's own: what another finds out it finds out for itself.
type health struct {
	mu      sync.Mutex
	targets map[string]*outage
	inside  map[string]int // how many people's jobs are in a target now
}

// acquire reports whether another job may work on people in the target now; call leave
// when it is done.
func (h *health) acquire(target string) (leave func(), in bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inside == nil {
		h.inside = map[string]int{}
	}
	if h.inside[target] >= inTarget {
		return nil, false
	}
	h.inside[target]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.inside[target]--
	}, true
}

type outage struct {
	failures     int
	since, until time.Time
}

const (
	firstOutage = 2 * time.Second
	mostOutage  = 5 * time.Minute
)

// unavailableUntil returns until when the target is left alone; the zero time when it may
// be asked.
func (h *health) unavailableUntil(target string, now time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.targets[target]
	// A clock that was set back must not keep a target unavailable for longer than that.
	if o == nil || !now.Before(o.until) || o.until.Sub(now) > 2*mostOutage {
		return time.Time{}
	}
	return o.until
}

// recordFailure notes that the target did not answer, or asked us to come back after
// some time, and returns since when it has not, and until when it is left alone.
func (h *health) recordFailure(target string, now time.Time, after time.Duration) (since, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.targets == nil {
		h.targets = map[string]*outage{}
	}
	o := h.targets[target]
	if o == nil {
		o = &outage{since: now}
		h.targets[target] = o
	}
	if now.Before(o.until) {
		return o.since, o.until // others found out at the same time
	}
	o.failures++
	o.until = now.Add(min(max(queue.Backoff(o.failures, firstOutage, mostOutage), after), 2*mostOutage))
	return o.since, o.until
}

// recordAnswer records that the target answered, and reports whether it was unavailable
// before.
func (h *health) recordAnswer(target string) (again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, again = h.targets[target]
	delete(h.targets, target)
	return again
}

package server

import (
	"container/list"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how often something may happen: Burst times at once, and PerSecond times a
// second on average. The zero value is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// PerSecond returns the rate of n a second, of which two seconds' worth may come at
// once.
func PerSecond(n int) Rate { return Rate{PerSecond: float64(n), Burst: 2 * n} }

// PerMinute returns the rate of n a minute, all of which may come at once.
func PerMinute(n int) Rate { return Rate{PerSecond: float64(n) / 60, Burst: n} }

// maxKeys bounds the memory of a Limiter: a few megabytes.
const maxKeys = 1 << 14

// Limiter limits how often something happens for each key, such as a client address
// or a subject. It remembers the most recent keys; one that it has forgotten begins
// anew. Its methods may be called concurrently; those of a nil Limiter limit nothing.
type Limiter struct {
	name string
	rate Rate

	mu     sync.Mutex
	keys   map[string]*list.Element
	recent list.List // of *bucket, the most recent first
}

// bucket is what a key has left.
type bucket struct {
	key string
	*rate.Limiter
}

// NewLimiter returns a limiter. Its name is that of the policy, in answers.
func NewLimiter(name string, r Rate) *Limiter {
	if r.PerSecond <= 0 || r.Burst <= 0 {
		return nil
	}
	return &Limiter{name: name, rate: r, keys: map[string]*list.Element{}}
}

// bucket returns what a key has left; nil for one that is not known, unless create.
func (l *Limiter) bucket(key string, create bool) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.keys[key]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket).Limiter
	}
	if !create {
		return nil
	}
	if len(l.keys) >= maxKeys {
		oldest := l.recent.Back()
		delete(l.keys, l.recent.Remove(oldest).(*bucket).key)
	}
	b := &bucket{key: key, Limiter: rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)}
	l.keys[key] = l.recent.PushFront(b)
	return b.Limiter
}

// Allow counts an event of the key, and reports whether it is within the limit. If
// not, it returns how long it takes until one is.
//
// Count failed sign-ins by client address after they have failed, and answer a
// failure beyond the limit by Refuse: then failures never delay a sign-in that
// succeeds. What is expensive to check can ask RetryAfter first.
func (l *Limiter) Allow(key string) (ok bool, retryAfter time.Duration) {
	ok, _, retryAfter = l.take(key, time.Now())
	return ok, retryAfter
}

// RetryAfter returns how long it takes until an event of the key is within the limit;
// zero when it is now. It counts nothing.
func (l *Limiter) RetryAfter(key string) time.Duration {
	if l == nil {
		return 0
	}
	b := l.bucket(key, false)
	if b == nil {
		return 0
	}
	return l.wait(b.Tokens())
}

func (l *Limiter) take(key string, now time.Time) (ok bool, left float64, retryAfter time.Duration) {
	if l == nil {
		return true, math.Inf(1), 0
	}
	b := l.bucket(key, true)
	ok = b.AllowN(now, 1)
	left = b.TokensAt(now)
	if !ok {
		retryAfter = l.wait(left)
	}
	return ok, left, retryAfter
}

// wait returns how long it takes until there is a whole token.
func (l *Limiter) wait(tokens float64) time.Duration {
	if tokens >= 1 {
		return 0
	}
	return time.Duration((1 - tokens) / l.rate.PerSecond * float64(time.Second))
}

// allowed counts a request of the key, and answers it when it is beyond the limit.
// When little is left, the headers of the answer say so.
func (l *Limiter) allowed(w http.ResponseWriter, key string) bool {
	ok, left, retryAfter := l.take(key, time.Now())
	if !ok {
		l.Refuse(w, retryAfter)
		return false
	}
	if l != nil && left < float64(l.rate.Burst)/4 {
		l.setHeaders(w.Header(), int(left), 1)
	}
	return true
}

// Refuse answers 429 with Retry-After, and with a problem and headers that name the
// limit (draft-ietf-httpapi-ratelimit-headers-11). It is for an Allow that did not.
func (l *Limiter) Refuse(w http.ResponseWriter, retryAfter time.Duration) {
	seconds := max(1, int(math.Ceil(retryAfter.Seconds())))
	p := Problem{Type: "https://iana.org/assignments/http-problem-types#quota-exceeded", Title: "Too many requests", Status: http.StatusTooManyRequests,
		Detail: fmt.Sprintf("Try again in %d s.", seconds)}
	if l != nil {
		p.ViolatedPolicies = []string{l.name}
		l.setHeaders(w.Header(), 0, seconds)
	}
	w.Header().Set("Retry-After", strconv.Itoa(seconds)) // RFC 9110 §10.2.3
	WriteProblem(w, p)
}

// setHeaders adds the limit, and what is left of it within a number of seconds.
func (l *Limiter) setHeaders(h http.Header, left, within int) {
	window := max(1, int(math.Ceil(float64(l.rate.Burst)/l.rate.PerSecond)))
	h.Add("Ratelimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", l.name, l.rate.Burst, window))
	h.Add("Ratelimit", fmt.Sprintf("%q;r=%d;t=%d", l.name, max(0, left), within))
}

package server

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Sampler passes on one event of each kind in an interval, and counts the others:
// events that a client can cause without limit must not fill the log. The kinds
// are few and constant.
type Sampler struct {
	mu   sync.Mutex
	seen map[string]sample
}

type sample struct {
	passed time.Time
	held   int // number of events since then
}

// sampleEvery is the interval of logged events of a kind.
const sampleEvery = time.Minute

// Allow reports whether an event of the kind is logged now, and how many earlier
// ones were not.
func (s *Sampler) Allow(kind string, now time.Time) (others int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]sample{}
	}
	last := s.seen[kind]
	if since := now.Sub(last.passed); since >= 0 && since < sampleEvery {
		last.held++
		s.seen[kind] = last
		return 0, false
	}
	s.seen[kind] = sample{passed: now}
	return last.held, true
}

// serverErrors writes the connection errors of net/http to a log.
type serverErrors struct {
	log     *slog.Logger
	address string
	sampler Sampler
}

// errorLog returns a logger for http.Server.ErrorLog. It logs the first message
// of a kind in a minute as a warning, and the others at debug level.
func errorLog(to *slog.Logger, address string) *log.Logger {
	return log.New(&serverErrors{log: to, address: address}, "", 0)
}

// Write implements io.Writer, for one message.
func (e *serverErrors) Write(message []byte) (int, error) {
	kind, text := "other", strings.TrimSpace(string(message))
	switch {
	case strings.HasPrefix(text, "http: TLS handshake error"):
		kind = "handshake"
	case strings.Contains(text, "panic serving"):
		kind, text = "panic", "a handler panicked" // the value may be personal; Recover logs the stack
	case strings.HasPrefix(text, "http: Accept error"):
		kind = "accept"
	}
	others, first := e.sampler.Allow(kind, time.Now())
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	e.log.Log(context.Background(), level, "HTTP connection failed", "listen", e.address, "error", text, "not_logged_before", others)
	return len(message), nil
}

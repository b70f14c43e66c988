package server

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// sampler passes on one event of each kind in an interval, and counts the
// others: what a client can cause as often as it likes must not fill the log.
// The kinds are few and fixed.
type sampler struct {
	mu   sync.Mutex
	seen map[string]sample
}

type sample struct {
	passed time.Time
	held   int // since then
}

// sampleEvery is how often an event of the same kind is logged.
const sampleEvery = time.Minute

// allow says whether an event of the kind is logged at now, and how many before
// it were not.
func (s *sampler) allow(kind string, now time.Time) (others int, ok bool) {
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

// serverErrors writes what net/http reports of connections into a log.
type serverErrors struct {
	log     *slog.Logger
	address string
	sampler sampler
}

// errorLog returns a logger for http.Server.ErrorLog. Of messages of one kind
// the first in a minute is a warning, and the others are at debug level.
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
		kind, text = "panic", "a handler panicked" // the value may be personal; recovered logs where
	case strings.HasPrefix(text, "http: Accept error"):
		kind = "accept"
	}
	others, first := e.sampler.allow(kind, time.Now())
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	e.log.Log(context.Background(), level, "HTTP connection failed", "listen", e.address, "error", text, "not_logged_before", others)
	return len(message), nil
}

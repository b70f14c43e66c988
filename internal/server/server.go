// Package server listens: it owns addresses, certificates, limits and probes, and mounts
// what answers. It must never decide who may do what, never answer an unauthenticated
// client with more than whether the process works, and never put personal data into a log.
package server

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// DefaultBody is the maximum size of a request's body, in bytes, for a Mount that
// states none. It is more than any form or decision needs.
const DefaultBody = 64 << 10

// Mount is a handler, with what it needs of the server.
type Mount struct {
	Handler http.Handler
	// Body is the maximum size of a request's body, in bytes: DefaultBody when it is
	// zero. When it is negative, the handler sets a limit of its own, and answers in
	// a form of its own when it is exceeded.
	Body int64
	// ContentPolicy is the Content-Security-Policy of answers that state none.
	// When it is empty, nothing may be loaded, framed or submitted, which suits an
	// API. A policy of pages should keep frame-ancestors 'none' and base-uri 'none'.
	ContentPolicy string
}

// New returns the handler of a process: /health for liveness probes, /ready for readiness
// probes, which ready answers with an error unless the process can work, and the mounted
// handlers, by the path below which each answers; the empty path is the root. Requests
// pass through the chain. Probes are not rate limited, as the client that uses up the
// rate of an address may not be the one that probes.
func New(ready func(context.Context) error, mounts map[string]Mount, chain Chain) http.Handler {
	h := newHandler(chain)
	for path, m := range mounts {
		h.mux.Handle(path+"/", h.mounted(m))
	}
	if _, root := mounts[""]; !root {
		h.mux.Handle("/", h.mounted(Mount{Handler: http.HandlerFunc(notFound)}))
	}
	ready = cachedOneSecond(ready)
	h.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	h.mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		// The log has the reason: the answer is public.
		if err := ready(r.Context()); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return h
}

// cachedOneSecond caches the result of f for one second, as the endpoint is
// public and f queries the database.
func cachedOneSecond(f func(context.Context) error) func(context.Context) error {
	var mu sync.Mutex
	var asked time.Time
	var answer error
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(asked) >= time.Second {
			// Concurrent callers wait for this result, so it must outlive the
			// request.
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			answer = f(within)
			cancel()
			asked = time.Now()
		}
		return answer
	}
}

// Package server listens: it owns addresses, certificates, limits and probes, and mounts
// what answers. It must never answer an unauthenticated client with more than whether the
// process works, and never put personal data into a log.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// New returns the handler of a process: /health for liveness probes, /ready for readiness
// probes, which ready answers with an error unless the process can work, and the mounted
// handlers, by the path below which each answers.
func New(ready func(context.Context) error, mounts map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, h := range mounts {
		mux.Handle(path+"/", h)
	}
	ready = cachedOneSecond(ready)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		// The log has the reason: the answer is public.
		if err := ready(r.Context()); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return mux
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

// boundDuration cancels a request's context when its answer can no longer be
// written.
func boundDuration(next http.Handler, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Recover calls answer when a handler panics, and logs the stack.
func Recover(next http.Handler, log *slog.Logger, answer func(http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil { // the value may be personal
				log.Error("a request panicked", "method", r.Method, "stack", string(debug.Stack()))
				answer(w)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// answerPanic answers 500.
func answerPanic(w http.ResponseWriter) {
	http.Error(w, "Internal server error.", http.StatusInternalServerError)
}

// Listener is a listening address that does not serve yet.
type Listener struct {
	// Limits are those of the connections; DefaultLimits unless set before Serve.
	Limits   Limits
	listener net.Listener
	pair     *certificate
	log      *slog.Logger
}

// Limits bound what clients use of the process.
type Limits struct {
	// Connections is the maximum of open connections. Further ones wait in the
	// operating system's queue.
	Connections int
	// HeaderBytes is the size of a request's headers.
	HeaderBytes int
	// Header and Read bound how long a request's headers, and all of it, may take
	// to arrive; Header also bounds the TLS handshake. Write bounds the time from
	// the end of the headers until the client has read the answer, and Idle how
	// long a connection may wait for a request.
	Header, Read, Write, Idle time.Duration
}

// DefaultLimits are far above what the identity platforms of one organisation
// need, and bound memory and file descriptors.
var DefaultLimits = Limits{Connections: 256, HeaderBytes: 32 << 10, Header: 10 * time.Second, Read: time.Minute, Write: 2 * time.Minute, Idle: time.Minute}

// Listen listens on an address. Without a certificate it must be a loopback
// address. Changed certificate files are loaded; files that do not match are not.
func Listen(ctx context.Context, address, certFile, keyFile string, log *slog.Logger) (*Listener, error) {
	pair := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if certFile != "" {
		if err := pair.load(); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: it must be HOST:PORT", address)
	}
	if ip := net.ParseIP(host); certFile == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %s: without a certificate it must be a loopback address, behind a TLS proxy; otherwise configure a certificate and its key", address)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return &Listener{Limits: DefaultLimits, listener: l, pair: pair, log: log}, nil
}

// Address returns the listening address, HOST:PORT.
func (l *Listener) Address() string { return l.listener.Addr().String() }

// Close closes a Listener that does not serve.
func (l *Listener) Close() error { return l.listener.Close() }

// Serve serves until ctx ends, and then finishes the current requests.
func (l *Listener) Serve(ctx context.Context, h http.Handler) error {
	limits, address := l.Limits, l.Address()
	listener := netutil.LimitListener(l.listener, limits.Connections)
	s := &http.Server{Handler: boundDuration(Recover(h, l.log, answerPanic), limits.Write), ReadHeaderTimeout: limits.Header, ReadTimeout: limits.Read, WriteTimeout: limits.Write, IdleTimeout: limits.Idle,
		MaxHeaderBytes: limits.HeaderBytes, ErrorLog: errorLog(l.log, address)}
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: l.pair.get}
	done := make(chan error, 1)
	go func() {
		if l.pair.certFile != "" {
			done <- s.ServeTLS(listener, "", "")
			return
		}
		done <- s.Serve(listener)
	}()
	select {
	case err := <-done:
		return fmt.Errorf("listen on %s: %w", address, err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err := s.Shutdown(wait)
	if serving := <-done; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}

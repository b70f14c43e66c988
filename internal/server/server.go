// Package server is behov's HTTP server. Today it serves inbound SCIM 2.0, with
// which an HR system or another identity platform pushes people.
//
// It must never answer an unauthenticated client, never decide anything about
// access, and never put personal data into a log, an error or a URL.
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

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
)

const (
	scimPath = "/scim/v2"
	maxBody  = 1 << 20
)

// Host is the process that runs the handler.
type Host struct {
	// Ready returns an error unless the process can work.
	Ready func(context.Context) error
	Log   *slog.Logger
	// TokenRefused, when set, is called for each request whose token is refused,
	// with the reason (a constant).
	TokenRefused func(reason string)
}

// New returns the handler of all endpoints: SCIM at /scim/v2 for the sources with
// SCIM, /health for liveness probes, and /ready for readiness probes.
func New(im *hr.Importer, sources map[string]config.Source, host Host) (http.Handler, error) {
	services := map[string]http.Handler{}
	for name, s := range sources {
		if !s.SCIM {
			continue
		}
		h, err := newUsers(im, s, host.Log)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", name, err)
		}
		services[name] = h
	}
	mux := http.NewServeMux()
	mux.Handle(scimPath+"/", &guard{im: im, services: services, host: host})
	ready := cachedOneSecond(host.Ready)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alive\n") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		// The log has the reason: the answer is public.
		if err := ready(r.Context()); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return mux, nil
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

// recoverPanics answers 500 when a handler panics, and logs the stack.
func recoverPanics(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil { // the value may be personal
				log.Error("a request panicked", "method", r.Method, "stack", string(debug.Stack()))
				fail(w, http.StatusInternalServerError, "", "Internal server error.")
			}
		}()
		next.ServeHTTP(w, r)
	})
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
	s := &http.Server{Handler: boundDuration(recoverPanics(h, l.log), limits.Write), ReadHeaderTimeout: limits.Header, ReadTimeout: limits.Read, WriteTimeout: limits.Write, IdleTimeout: limits.Idle,
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

// Package server is what behov answers over HTTP. Today that is inbound SCIM
// 2.0, by which an HR system or another identity platform pushes people.
//
// It must never answer whoever has not shown who they are, never decide
// anything about access, and never put a personal value into a log, an error
// or a URL.
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

// Host is the process that the handler runs in.
type Host struct {
	// Ready says whether the process works.
	Ready func(context.Context) error
	Log   *slog.Logger
	// TokenRefused, when set, is called for each request whose token is refused,
	// with the reason (a constant).
	TokenRefused func(reason string)
}

// New returns the handler of everything: SCIM at /scim/v2 for the sources that
// are pushed to, /health for callers that ask whether the process lives, and
// /ready for callers that ask whether it works.
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
		// Why it is not stands in the log: the answer is for anybody.
		if err := ready(r.Context()); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return mux, nil
}

// cachedOneSecond answers with what f said within the last second: the question is
// anybody's to ask, and asks the database.
func cachedOneSecond(f func(context.Context) error) func(context.Context) error {
	var mu sync.Mutex
	var asked time.Time
	var answer error
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(asked) >= time.Second {
			// Another asker waits for this answer, so that it outlives the request.
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			answer = f(within)
			cancel()
			asked = time.Now()
		}
		return answer
	}
}

// boundDuration ends what a request asked for when its answer cannot be written any
// more.
func boundDuration(next http.Handler, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// recoverPanics answers 500 where a handler panics, and logs where.
func recoverPanics(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil { // what it says may be a value of somebody's
				log.Error("a request panicked", "method", r.Method, "stack", string(debug.Stack()))
				fail(w, http.StatusInternalServerError, "", "Something went wrong here.")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Listener is an address that is listened on, and nobody is answered on yet.
type Listener struct {
	// Limits are those of the connections; DefaultLimits unless set before Serve.
	Limits   Limits
	listener net.Listener
	pair     *certificate
	log      *slog.Logger
}

// Limits say what a client may take of the process.
type Limits struct {
	// Connections is how many may be open at once. One more waits in the
	// operating system's queue until another is closed.
	Connections int
	// HeaderBytes is the size of a request's headers.
	HeaderBytes int
	// Header and Read are for how long a request's headers, and all of it, may
	// take to arrive; the TLS handshake has as long as the headers. Write is for
	// how long an answer may take from the end of the headers until the client
	// has read it, and Idle for how long a connection may wait for a request.
	Header, Read, Write, Idle time.Duration
}

// DefaultLimits are far above what the identity platforms of one organisation
// need, and keep memory and file descriptors bounded.
var DefaultLimits = Limits{Connections: 256, HeaderBytes: 32 << 10, Header: 10 * time.Second, Read: time.Minute, Write: 2 * time.Minute, Idle: time.Minute}

// Listen listens on an address. Without a certificate it must be a loopback
// address. A new certificate in the same files is taken up; one that does not
// fit is not.
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
		return nil, fmt.Errorf("listen on %s: without a certificate only on a loopback address, behind a proxy that encrypts; or give a certificate and its key", address)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return &Listener{Limits: DefaultLimits, listener: l, pair: pair, log: log}, nil
}

// Address is what is listened on, HOST:PORT.
func (l *Listener) Address() string { return l.listener.Addr().String() }

// Close listens no more, where nobody was answered.
func (l *Listener) Close() error { return l.listener.Close() }

// Serve answers until ctx ends, and then lets what is under way come to its end.
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

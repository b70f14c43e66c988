package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"
)

// Options are how an address is listened on.
type Options struct {
	// CertFile and KeyFile are read again when they have changed. While the new ones
	// do not match, the previous certificate is used.
	CertFile, KeyFile string
	// ACME gets certificates from a certificate authority instead; nil for none.
	ACME *ACME
	// SignIn reports that whatever answers here signs its clients in, or tells them
	// nothing that needs it.
	SignIn bool
	// Proxies are trusted proxies: they may have all connections.
	Proxies []netip.Prefix
	// Insecure permits to listen beyond loopback without TLS, and without SignIn.
	Insecure bool
}

// Limits bound what clients use of the process.
type Limits struct {
	// Connections is the maximum of open connections. Further ones wait in the
	// operating system's queue.
	Connections int
	// PerAddress is the maximum of open connections from one client address. Further
	// ones are closed.
	PerAddress int
	// Streams is the maximum of concurrent requests of an HTTP/2 connection.
	Streams int
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
var DefaultLimits = Limits{Connections: 256, PerAddress: 128, Streams: 64, HeaderBytes: 32 << 10, Header: 10 * time.Second, Read: time.Minute, Write: 2 * time.Minute, Idle: time.Minute}

// Listener is a listening address that does not serve yet.
type Listener struct {
	// Limits are those of the connections; DefaultLimits unless set before Serve.
	Limits   Limits
	listener net.Listener
	tls      *tls.Config           // nil without TLS
	obtain   func(context.Context) // gets certificates, while serving; nil for nothing to get
	proxies  []netip.Prefix
	log      *slog.Logger
}

// Listen listens on an address. Beyond loopback it refuses to without TLS or without
// a way to sign in, unless Options.Insecure says so.
func Listen(ctx context.Context, address string, o Options, log *slog.Logger) (*Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: it must be HOST:PORT", address)
	}
	listener := &Listener{Limits: DefaultLimits, proxies: o.Proxies, log: log}
	switch {
	case o.CertFile != "" && o.ACME != nil:
		return nil, errors.New("a certificate is given, and ACME is configured (serve.acme): choose one")
	case o.CertFile != "":
		pair := &certificate{certFile: o.CertFile, keyFile: o.KeyFile, log: log}
		if err := pair.load(); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		listener.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get, NextProtos: []string{"h2", "http/1.1"}}
	case o.ACME != nil:
		if listener.tls, listener.obtain, err = o.ACME.config(log); err != nil {
			return nil, fmt.Errorf("ACME: %w", err)
		}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		if err := exposed(address, listener.tls != nil, o, log); err != nil {
			return nil, err
		}
	}
	if listener.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

// exposed returns an error, or logs a warning when that is permitted, unless an
// address that others can reach is protected.
func exposed(address string, encrypted bool, o Options, log *slog.Logger) error {
	switch {
	case !encrypted && !o.Insecure:
		return fmt.Errorf("listen on %s: without a certificate it must be a loopback address, behind a TLS proxy; otherwise configure a certificate and its key, or ACME (serve.acme)", address)
	case !o.SignIn && !o.Insecure:
		return fmt.Errorf("listen on %s: without a way to sign in it must be a loopback address; configure sign_in", address)
	case !encrypted:
		log.Warn("listening beyond loopback WITHOUT TLS: tokens and personal data can be read and changed on the network", "listen", address)
	}
	if !o.SignIn {
		log.Warn("listening beyond loopback WITHOUT a way to sign in", "listen", address)
	}
	return nil
}

// Address returns the listening address, HOST:PORT.
func (l *Listener) Address() string { return l.listener.Addr().String() }

// Close closes a Listener that does not serve.
func (l *Listener) Close() error { return l.listener.Close() }

// Serve serves until ctx ends, and then finishes the current requests. Over TLS it
// speaks HTTP/2 and HTTP/1.1.
func (l *Listener) Serve(ctx context.Context, h http.Handler) error {
	limits, address := l.Limits, l.Address()
	s := &http.Server{Handler: boundDuration(Recover(h, l.log, answerPanic), limits.Write), ReadHeaderTimeout: limits.Header, ReadTimeout: limits.Read, WriteTimeout: limits.Write, IdleTimeout: limits.Idle,
		MaxHeaderBytes: limits.HeaderBytes, ErrorLog: errorLog(l.log, address), DisableGeneralOptionsHandler: true,
		TLSConfig: l.tls.Clone(), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: limits.Streams}}
	listener := netutil.LimitListener(&peerListener{Listener: l.listener, share: limits.PerAddress, proxies: l.proxies, log: l.log, open: map[string]int{}}, limits.Connections)
	if l.tls != nil {
		listener = newTLSListener(listener, l.tls, limits.Header, s.ErrorLog)
	} else {
		listener = strictListener{listener}
	}
	obtaining, stop := context.WithCancel(ctx)
	defer stop()
	if l.obtain != nil {
		go l.obtain(obtaining)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
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

// boundDuration cancels a request's context when its answer can no longer be
// written.
func boundDuration(next http.Handler, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// answerPanic answers 500.
func answerPanic(w http.ResponseWriter) {
	http.Error(w, "Internal server error.", http.StatusInternalServerError)
}

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
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
)

const (
	scimPath = "/scim/v2"
	maxBody  = 1 << 20
)

// New returns the handler of everything: SCIM at /scim/v2 for the sources that
// are pushed to.
func New(im *hr.Importer, sources map[string]config.Source) (http.Handler, error) {
	services := map[string]http.Handler{}
	for name, s := range sources {
		if !s.SCIM {
			continue
		}
		h, err := newUsers(im, s)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", name, err)
		}
		services[name] = h
	}
	mux := http.NewServeMux()
	mux.Handle(scimPath+"/", recovered(authorized(im, services)))
	return mux, nil
}

// authorized lets the bearers of tokens through, each to the source that their
// token is for (RFC 6750). A token has 256 bits by chance: nobody finds one by
// trying, and to slow down who tries would slow down all behind one proxy.
func authorized(im *hr.Importer, services map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		source, ok, err := "", false, error(nil)
		if bearer {
			source, ok, err = im.DB.TokenSource(r.Context(), token, im.Now())
		}
		service := services[source]
		switch {
		case err != nil:
			fail(w, http.StatusInternalServerError, "", "The token could not be checked.")
		case !ok || service == nil:
			w.Header().Set("WWW-Authenticate", `Bearer realm="behov"`)
			fail(w, http.StatusUnauthorized, "", "The bearer token is missing or not valid.")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			service.ServeHTTP(w, r)
		}
	})
}

// recovered answers 500 where a handler panics, and logs where.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil { // what it says may be a value of somebody's
				slog.Error("a request panicked", "method", r.Method, "stack", string(debug.Stack()))
				fail(w, http.StatusInternalServerError, "", "Something went wrong here.")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Serve listens on an address until ctx ends, and then lets what is under way
// come to its end. Without a certificate it listens on loopback addresses only.
func Serve(ctx context.Context, address, certFile, keyFile string, h http.Handler) error {
	if certFile != "" {
		if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen on %s: it must be HOST:PORT", address)
	}
	if ip := net.ParseIP(host); certFile == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen on %s: without a certificate only on a loopback address, behind a proxy that encrypts; or give a certificate and its key", address)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	done := make(chan error, 1)
	go func() {
		if certFile != "" {
			done <- s.ServeTLS(l, certFile, keyFile)
			return
		}
		done <- s.Serve(l)
	}()
	select {
	case err := <-done:
		return fmt.Errorf("listen on %s: %w", address, err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = s.Shutdown(wait)
	if serving := <-done; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}

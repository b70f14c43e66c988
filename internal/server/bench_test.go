package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/behov/behov/internal/server"
)

// nothing is an answer that is thrown away, as a recorder would be most of the work.
type nothing struct{ header http.Header }

func (w nothing) Header() http.Header         { return w.header }
func (w nothing) Write(p []byte) (int, error) { return len(p), nil }
func (w nothing) WriteHeader(int)             {}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// everything is a chain with all that it can have, and a log that is formatted.
func everything() server.Chain {
	return server.Chain{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")},
		PerAddress: server.PerSecond(1 << 30), PerSubject: server.PerSecond(1 << 30)}
}

// BenchmarkChain measures what the chain costs a request, beside http.ServeMux alone.
func BenchmarkChain(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", hello)
	limited := server.LimitSubject(http.HandlerFunc(hello))
	signedIn := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.SetSubject(r.Context(), "0199a1b2-0000-0000-0000-000000000000")
		limited.ServeHTTP(w, r)
	})
	for name, h := range map[string]http.Handler{"without": mux, "with": server.New(ready, map[string]server.Mount{"/api": {Handler: signedIn}}, everything())} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/api/people", nil)
				r.Header.Set("X-Forwarded-For", "203.0.113.7")
				h.ServeHTTP(nothing{http.Header{}}, r)
			}
		})
	}
}

// BenchmarkServe measures requests over loopback: as package net/http serves a handler, and
// through Listener and the chain.
func BenchmarkServe(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	plain, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", hello)
	s := &http.Server{Handler: mux}
	go func() { _ = s.Serve(plain) }()
	defer func() { _ = s.Close() }()
	l, err := server.Listen(ctx, "127.0.0.1:0", server.Options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- l.Serve(ctx, server.New(ready, map[string]server.Mount{"/api": {Handler: http.HandlerFunc(hello)}}, everything()))
	}()
	for name, address := range map[string]string{"without": plain.Addr().String(), "with": l.Address()} {
		b.Run(name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for b.Loop() {
				res, err := client.Get("http://" + address + "/api/people")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

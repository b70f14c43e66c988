package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/testenv"
)

// TestACME checks that a certificate is got from an authority by TLS-ALPN-01, is served,
// is there again after a restart without the authority, and is got for no other host.
func TestACME(t *testing.T) {
	t.Parallel()
	port := testenv.FreePort(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	authority := testenv.Pebble(t, port)
	const host = "behov.example.org"
	acme := &server.ACME{Hosts: []string{host}, Directory: authority.Directory, CAFile: authority.CAFile, Cache: filepath.Join(t.TempDir(), "acme"), Contact: "iam@example.org"}
	var log logBuffer
	serve := func() (stop func()) {
		l, err := server.Listen(t.Context(), address, server.Options{ACME: acme, SignIn: true}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- l.Serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
		}()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	root, err := authority.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatalf("the authority's root is %q", root)
	}
	shown := func() *x509.Certificate {
		t.Helper()
		c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: host, NextProtos: []string{"h2"}}}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		defer func() { _ = c.Close() }()
		state := c.(*tls.Conn).ConnectionState()
		if state.NegotiatedProtocol != "h2" {
			t.Errorf("the protocol is %q", state.NegotiatedProtocol)
		}
		return state.PeerCertificates[0]
	}
	stop := serve()
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(log.String(), `msg="certificate by ACME"`); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || strings.Contains(log.String(), "level=ERROR") {
			t.Fatalf("no certificate:\n%s", log.String())
		}
	}
	first := shown()
	for _, name := range []string{"other.example.org", ""} {
		if c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: name}); err == nil {
			_ = c.Close()
			t.Errorf("%q gets a certificate", name)
		}
	}
	stop()
	files, err := os.ReadDir(acme.Cache)
	if err != nil || len(files) == 0 {
		t.Fatalf("the cache has %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
	authority.Stop()
	stop = serve()
	defer stop()
	if again := shown(); again.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("after a restart there is another certificate")
	}
}

// TestACMEFailureIsInTheLog checks that an authority which cannot be reached is an error in
// the log at once, and that the process goes on.
func TestACMEFailureIsInTheLog(t *testing.T) {
	t.Parallel()
	var log logBuffer
	acme := &server.ACME{Hosts: []string{"behov.example.org"}, Directory: fmt.Sprintf("https://127.0.0.1:%d/dir", testenv.FreePort(t)), Cache: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := server.Listen(ctx, "127.0.0.1:0", server.Options{ACME: acme}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, http.NotFoundHandler()) }()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "no certificate by ACME") && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "host=behov.example.org") {
		t.Errorf("the log says:\n%s", text)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, wrong := range []*server.ACME{{Cache: t.TempDir()}, {Hosts: []string{"x.example.org"}}, {Hosts: []string{"x.example.org"}, Cache: t.TempDir(), CAFile: "/no/such"}} {
		if l, err := server.Listen(t.Context(), "127.0.0.1:0", server.Options{ACME: wrong}, slog.Default()); err == nil {
			_ = l.Close()
			t.Errorf("%+v is taken", wrong)
		}
	}
}

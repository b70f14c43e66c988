package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
)

// TestServeOnlyOnLoopback checks that without a certificate the server listens on
// loopback only.
func TestServeOnlyOnLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0", "127.0.0.1"} {
		if err := serve(context.Background(), address, "", "", slog.Default()); err == nil {
			t.Errorf("%s is listened on", address)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, "127.0.0.1:0", "", "", slog.Default()) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestHealth checks the public endpoints for liveness and readiness, which reveal
// nothing else.
func TestHealth(t *testing.T) {
	works, asked := errors.New("the password of the database is wrong"), 0
	mounted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	h := server.New(func(context.Context) error { asked++; return works }, map[string]server.Mount{"/scim/v2": {Handler: mounted}}, server.Chain{})
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := ask("/health"); code != http.StatusOK || body != "alive\n" {
		t.Errorf("health: %d %s", code, body)
	}
	if code, body := ask("/ready"); code != http.StatusServiceUnavailable || body != "not ready\n" {
		t.Errorf("ready, when it is not: %d %s", code, body)
	}
	for range 100 {
		ask("/ready")
	}
	if asked != 1 {
		t.Errorf("101 questions within a second asked the database %d times", asked)
	}
	if code, body := ask("/scim/v2/Users"); code != http.StatusOK || body != "/scim/v2/Users" {
		t.Errorf("what is mounted: %d %s", code, body)
	}
	works = nil
	time.Sleep(1100 * time.Millisecond)
	if code, body := ask("/ready"); code != http.StatusOK || body != "ready\n" {
		t.Errorf("ready: %d %s", code, body)
	}
}

// serve listens, and answers every request with 404.
func serve(ctx context.Context, address, cert, key string, log *slog.Logger) error {
	l, err := server.Listen(ctx, address, server.Options{CertFile: cert, KeyFile: key, SignIn: true}, log)
	if err != nil {
		return err
	}
	return l.Serve(ctx, http.NotFoundHandler())
}

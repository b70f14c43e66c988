package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// served is behov serve --listen on a free loopback port.
type served struct {
	address string
	errs    safeBuffer
}

// listen runs behov serve with a listening address until the test ends.
func (h *household) listen(args ...string) *served {
	h.t.Helper()
	free, err := (&net.ListenConfig{}).Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	s := &served{address: free.Addr().String()}
	if err := free.Close(); err != nil {
		h.t.Fatal(err)
	}
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &s.errs, now: time.Now}
	root := a.root()
	root.SetArgs(append([]string{"-c", h.dir, "serve", "--listen", s.address}, args...))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			h.t.Errorf("serve: %v\n%s", err, s.errs.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := s.get("/ready"); status == http.StatusOK {
			return s
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("behov is not ready:\n%s", s.errs.String())
		}
	}
}

// get asks for a path; headers are NAME: VALUE. The status is 0 when there is no answer.
func (s *served) get(path string, headers ...string) (int, http.Header) {
	r, err := http.NewRequest(http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return 0, nil
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

// TestListen checks what behov serve makes of the section serve: who the client is behind a
// trusted proxy, what is in the log, and that too many requests are refused.
func TestListen(t *testing.T) {
	h := newHousehold(t)
	h.edit("behov.yaml", "      shrink_limit: {number: 5, percent: 50}", "      scim: true")
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nserve:\n  trusted_proxies: [127.0.0.1]\n  limits: {requests_per_address: 5}\n")
	token := strings.TrimSpace(h.ok("token", "make", "hr", "--name", "Entra ID"))
	id := strings.Fields(strings.Split(h.ok("token", "list"), "\n")[1])[0]
	s := h.listen()
	status, header := s.get("/scim/v2/Users?filter="+url.QueryEscape(`userName eq "Hemligstam"`), "Authorization: Bearer "+token, "X-Forwarded-For: 198.51.100.1, 203.0.113.7", "X-Forwarded-Proto: https")
	if status != http.StatusOK || header.Get("Strict-Transport-Security") == "" || header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %v", status, header)
	}
	want := fmt.Sprintf("msg=request request_id=%s method=GET route=/scim/v2/ status=200", header.Get("X-Request-Id"))
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(s.errs.String(), want) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	text := s.errs.String()
	if !strings.Contains(text, want) || !strings.Contains(text, "client=203.0.113.7 subject="+id) || strings.Contains(text, "Hemligstam") || strings.Contains(text, token) {
		t.Errorf("the log says:\n%s", text)
	}
	refused := 0
	for range 15 {
		if status, header := s.get("/scim/v2/Users", "X-Forwarded-For: 203.0.113.8"); status == http.StatusTooManyRequests && header.Get("Retry-After") == "1" {
			refused++
		}
	}
	if refused < 3 || refused > 5 {
		t.Errorf("of 15 requests, with 10 at once, %d are refused", refused)
	}
	if status, _ := s.get("/scim/v2/Users", "X-Forwarded-For: 203.0.113.9"); status != http.StatusUnauthorized {
		t.Errorf("another client is answered %d", status)
	}
}

// TestInsecureListen checks that what is said out loud is done, and is in the log.
func TestInsecureListen(t *testing.T) {
	h := newHousehold(t)
	h.ok("token", "list") // makes the database
	h.fails("without a certificate it must be a loopback address", "serve", "--metrics", "0.0.0.0:0")
	s := h.listen("--metrics", "0.0.0.0:0", "--insecure-listen")
	if text := s.errs.String(); strings.Count(text, "listening beyond loopback WITHOUT TLS") != 1 {
		t.Errorf("the log says:\n%s", text)
	}
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nserve:\n  acme:\n    hosts: [behov.example.org]\n")
	h.fails("choose one", "serve", "--listen", "127.0.0.1:0", "--cert", h.file("hr.csv"), "--cert-key", h.file("hr.csv"))
}

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/signin"
)

// clientOf returns a client of a server that answers by a function.
func clientOf(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	c, err := New(s.URL, Options{Token: "behov_secret", Language: "sv"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func TestParseServer(t *testing.T) {
	for address, want := range map[string]string{
		"https://Behov.example.org": "https://behov.example.org", "https://behov.example.org/": "https://behov.example.org", " https://b:8443 ": "https://b:8443", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"http://[::1]:8080": "http://[::1]:8080", "http://localhost": "http://localhost",
		"http://behov.example.org": "", "http://localhost.example.org": "", "http://127.0.0.1.example.org": "", "behov.example.org": "", "https://": "", "https://u@b": "", "https://b/x": "", "https://b?x": "", "https://b#x": "", "file:///x": "", "": "",
	} {
		u, err := ParseServer(address)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%q: %v, %v", address, u, err)
		}
	}
}

// TestRequests: what a request shows of itself, and that a list is followed to its end.
func TestRequests(t *testing.T) {
	keys := map[string]bool{}
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer behov_secret" || r.Header.Get("Accept-Language") != "sv" || r.Header.Get("Prefer") != api.PreferHints {
			t.Errorf("%v", r.Header)
		}
		switch {
		case r.Method == http.MethodPost:
			if key := r.Header.Get("Idempotency-Key"); len(key) != 36 || keys[key] {
				t.Errorf("the key %q", key)
			} else {
				keys[key] = true
			}
			if r.URL.EscapedPath() != "/api/v1/people/hr%2F1%202/legal-hold" {
				t.Errorf("path %s", r.URL.EscapedPath())
			}
			writeJSON(w, 200, `{"seq":7}`)
		case r.Header.Get("Idempotency-Key") != "":
			t.Error("a reading request has a key")
		case r.URL.Query().Get("cursor") == "":
			writeJSON(w, 200, `{"items":[{"person":{"id":"a"}}],"next":"n1"}`)
		case r.URL.Query().Get("cursor") == "n1":
			writeJSON(w, 200, `{"items":[],"next":"n2"}`)
		default:
			writeJSON(w, 200, `{"items":[{"person":{"id":"b"}}]}`)
		}
	})
	people, err := c.People(t.Context(), "active")
	if err != nil || len(people) != 2 || people[1].Person.ID != "b" {
		t.Errorf("%+v %v", people, err)
	}
	for range 2 {
		if d, err := c.LegalHold(t.Context(), "hr/1 2", false, "r"); err != nil || d.Seq != 7 {
			t.Errorf("%+v %v", d, err)
		}
	}
}

// TestSentAgain: a writing request on a connection that broke, and one that came too soon, is
// sent again with the same key.
func TestSentAgain(t *testing.T) {
	var keys []string
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		switch len(keys) {
		case 1:
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		case 2:
			w.Header().Set("Retry-After", "1")
			writeJSON(w, 429, `{"detail":"Try again in 1 s."}`)
		default:
			writeJSON(w, 200, `{"seq":1}`)
		}
	})
	if d, err := c.LegalHold(t.Context(), "1", true, "r"); err != nil || d.Seq != 1 || len(keys) != 3 || keys[0] != keys[1] || keys[1] != keys[2] {
		t.Errorf("%+v %v %q", d, err, keys)
	}
}

// TestErrors: what a server that refuses, is down, answers something else or is of another
// version is called; no error has the token in it, or whom it was asked about.
func TestErrors(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down, err := New("http://"+l.Addr().String(), Options{Token: "behov_secret"})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host is sent %s %v", r.URL, r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	answer := func(status int, kind, body string) *Client {
		return clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	for what, c := range map[string]struct {
		of   *Client
		want string
	}{
		"refused":         {answer(403, "application/problem+json", `{"type":"urn:behov:problem:not-allowed","status":403,"detail":"not allowed (x)","errors":[{"message":"too long","location":"body.reason"}]}`), "not allowed (x); too long (body.reason)"},
		"no detail":       {answer(500, "application/problem+json", `{"title":"Internal Server Error"}`), "answers 500 Internal Server Error"},
		"down":            {down, "does not answer"},
		"HTML":            {answer(200, "text/html; charset=utf-8", "<html>Sign in</html>"), "is no answer of behov's API"},
		"HTML of a proxy": {answer(502, "text/html", "<html>Bad gateway</html>"), "502"},
		"no JSON":         {answer(200, "application/json", "<html>"), "of another version of behov"},
		"another shape":   {answer(200, "application/json", `{"person":7}`), "of another version of behov"},
		"another host":    {clientOf(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }), "sends to another host"},
		"without an end":  {clientOf(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }), "without an end"},
	} {
		_, err := c.of.Person(t.Context(), "19700101-0011")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "behov_secret") || strings.Contains(err.Error(), "19700101") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A server of before has no /installation.
	old := answer(404, "application/problem+json", `{"type":"urn:behov:problem:not-found","detail":"there is no such address"}`)
	if _, err := old.Installation(t.Context()); err == nil || !strings.Contains(err.Error(), "of another version of behov") {
		t.Errorf("an older server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := down.Me(ctx); err == nil {
		t.Error("a request that was given up answers")
	}
}

// TestAwaitToken: a machine waits, more slowly when it is told to, until it has its token or
// is refused.
func TestAwaitToken(t *testing.T) {
	for what, c := range map[string]struct {
		answers []signin.DeviceAnswer
		want    error
	}{
		"confirmed": {[]signin.DeviceAnswer{{Error: signin.DevicePending}, {Token: "behov_x", Lasts: 60}}, nil},
		"denied":    {[]signin.DeviceAnswer{{Error: signin.DeviceDenied}}, ErrSignInDenied},
		"expired":   {[]signin.DeviceAnswer{{Error: signin.DeviceExpired}}, ErrSignInExpired},
		"unknown":   {[]signin.DeviceAnswer{{Error: "invalid_grant"}}, ErrSignInExpired},
	} {
		n := 0
		of := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != signin.DeviceTokenPath || r.PostFormValue("device_code") != "code" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s %v", r.URL, r.Form)
			}
			a := c.answers[min(n, len(c.answers)-1)]
			n++
			w.Header().Set("Content-Type", "application/json")
			if a.Error != "" {
				w.WriteHeader(http.StatusBadRequest)
			}
			_ = json.NewEncoder(w).Encode(a)
		})
		got, err := of.AwaitToken(t.Context(), signin.DeviceBegun{DeviceCode: "code", Lasts: 600, Interval: 1})
		if !errors.Is(err, c.want) || c.want == nil && (got.Token != "behov_x" || time.Until(got.Expires) > time.Minute) {
			t.Errorf("%s: %+v %v", what, got, err)
		}
	}
	html := clientOf(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	if _, err := html.BeginSignIn(t.Context(), "m"); err == nil || !strings.Contains(err.Error(), "where machines sign in") {
		t.Errorf("HTML: %v", err)
	}
}

// TestCredentials: tokens of several servers are kept for their owner alone, and a file that
// others can read is refused and left as it is.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "behov", "credentials.json")
	c, err := loadCredentials(file)
	if err != nil || len(c.Servers) != 0 {
		t.Fatal(c, err)
	}
	for n := range 3 {
		c.Servers[fmt.Sprintf("https://s%d", n)] = Credential{Token: fmt.Sprint("t", n), Expires: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	}
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	again, err := loadCredentials(file)
	if err != nil || len(again.Servers) != 3 || again.Servers["https://s1"].Token != "t1" {
		t.Errorf("%+v %v", again, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".credentials-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644, 0o666} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := loadCredentials(file); err == nil || !strings.Contains(err.Error(), "others can read it") || strings.Contains(err.Error(), "t1") {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadCredentials(file); err == nil {
		t.Error("half a file is read")
	}
}

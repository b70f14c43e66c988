package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/behov/behov/internal/server"
)

func ready(context.Context) error { return nil }

// inChain returns the chain in front of one handler, mounted at /api, and its log.
func inChain(h http.HandlerFunc, change func(*server.Chain, *server.Mount)) (http.Handler, *logBuffer) {
	log := &logBuffer{}
	chain, mount := server.Chain{Log: slog.New(slog.NewJSONHandler(log, nil))}, server.Mount{Handler: h}
	if change != nil {
		change(&chain, &mount)
	}
	return server.New(ready, map[string]server.Mount{"/api": mount}, chain), log
}

// ask sends a request; headers are NAME: VALUE.
func ask(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://behov.example.org/", strings.NewReader(body))
	u, err := r.URL.Parse(target)
	if err != nil {
		panic(err)
	}
	u.Scheme, u.Host = "", ""
	r.URL, r.RequestURI = u, target
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestAccessLog checks that a request is logged with its route, subject and outcome, and
// without anything that its path or query says.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	inner := http.NewServeMux()
	inner.HandleFunc("GET /api/people/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id := server.RequestID(r.Context()); id == "" || id != w.Header().Get("X-Request-Id") {
			t.Errorf("the request's ID is %q", id)
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "12345")
	})
	signedIn := func(w http.ResponseWriter, r *http.Request) {
		server.SetSubject(r.Context(), "0199-subject")
		type key struct{}
		server.Routes(inner).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	}
	h, log := inChain(signedIn, nil)
	w := ask(h, "GET", "/api/people/Hemligstam?q=Tilltalsnamn", "")
	var line map[string]any
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatalf("%v in %s", err, log.String())
	}
	for name, want := range map[string]any{"msg": "request", "method": "GET", "route": "GET /api/people/{id}", "status": 418.0, "bytes": 5.0, "subject": "0199-subject", "client": "192.0.2.1", "request_id": w.Header().Get("X-Request-Id")} {
		if line[name] != want {
			t.Errorf("%s is %v, not %v", name, line[name], want)
		}
	}
	if took, ok := line["duration"].(float64); !ok || took <= 0 {
		t.Errorf("the duration is %v", line["duration"])
	}
	ask(h, "BREW", "/api/other/Hemligstam?Tilltalsnamn", "", "User-Agent: Tilltalsnamn")
	ask(h, "GET", "/health", "")
	text := log.String()
	if strings.Contains(text, "Hemligstam") || strings.Contains(text, "Tilltalsnamn") || strings.Contains(text, "BREW") || strings.Contains(text, "/health") {
		t.Errorf("the log says:\n%s", text)
	}
	if !strings.Contains(text, `"route":"/api/","status":404`) {
		t.Errorf("of a path that the mounted mux does not know the log says:\n%s", text)
	}
}

// TestSecurityHeaders checks that every answer has them, and that a handler can state
// others.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	h, _ := inChain(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/error":
			http.Error(w, "no", http.StatusBadRequest)
		case "/api/own":
			w.Header().Set("Cache-Control", "private, max-age=60")
			w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
			_, _ = io.WriteString(w, "own")
		case "/api/stream":
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		case "/api/panic":
			panic("Hemligstam")
		}
	}, nil)
	for _, path := range []string{"/api/", "/api/error", "/api/stream", "/api/panic", "/health", "/ready", "/nowhere", "/api/../x"} {
		header := ask(h, "GET", path, "").Result().Header
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "",
			"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if !strings.Contains(header.Get("Permissions-Policy"), "camera=()") || len(header.Get("X-Request-Id")) < 20 {
			t.Errorf("%s: %v", path, header)
		}
	}
	header := ask(h, "GET", "/api/own", "").Result().Header
	if header.Get("Cache-Control") != "private, max-age=60" || !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'self'") || len(header["Content-Security-Policy"]) != 1 {
		t.Errorf("what the handler states is not sent: %v", header)
	}
	pages, _ := inChain(func(http.ResponseWriter, *http.Request) {}, func(_ *server.Chain, m *server.Mount) { m.ContentPolicy = "default-src 'self'" })
	if got := ask(pages, "GET", "/api/", "").Result().Header.Get("Content-Security-Policy"); got != "default-src 'self'" {
		t.Errorf("the policy of a mount is %q", got)
	}
}

// TestPanic checks that a panic is a 500 with the request's ID and without its value,
// and that an answer that has begun is aborted.
func TestPanic(t *testing.T) {
	t.Parallel()
	h, log := inChain(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/begun" {
			_, _ = io.WriteString(w, "half")
		}
		panic("Hemligstam")
	}, nil)
	w := ask(h, "GET", "/api/", "")
	if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	func() {
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
				t.Error("an answer that has begun is not aborted")
			}
		}()
		ask(h, "GET", "/api/begun", "")
	}()
	if text := log.String(); strings.Contains(text, "Hemligstam") || !strings.Contains(text, "chain_test.go") || !strings.Contains(text, `"status":500`) || !strings.Contains(text, `"aborted":true`) {
		t.Errorf("the log says:\n%s", text)
	}
}

// TestCrossOrigin checks that what another site makes a browser send is refused, and what
// programs and behov's own pages send is not.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	reached := 0
	h, _ := inChain(func(http.ResponseWriter, *http.Request) { reached++ }, nil)
	for _, c := range []struct {
		method  string
		headers []string
		want    int
	}{
		{"POST", nil, 200},
		{"POST", []string{"Sec-Fetch-Site: same-origin"}, 200},
		{"POST", []string{"Origin: http://behov.example.org"}, 200},
		{"GET", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"POST", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"DELETE", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"POST", []string{"Origin: https://elsewhere.example.org"}, 403},
		{"POST", []string{"Origin: null"}, 403},
	} {
		before := reached
		w := ask(h, c.method, "/api/", "", c.headers...)
		if w.Code != c.want || (reached > before) != (c.want == 200) {
			t.Errorf("%s %v: %d", c.method, c.headers, w.Code)
		}
	}
}

// TestBodyLimit checks that a body beyond the mount's limit is refused, and one of unknown
// length is cut.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	read := func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		_, _ = fmt.Fprint(w, n)
	}
	for _, c := range []struct {
		limit int64
		size  int
		want  int
	}{{10, 10, 200}, {10, 11, 413}, {0, server.DefaultBody, 200}, {0, server.DefaultBody + 1, 413}, {-1, 4 * server.DefaultBody, 200}} {
		h, _ := inChain(read, func(_ *server.Chain, m *server.Mount) { m.Body = c.limit })
		w := ask(h, "POST", "/api/", strings.Repeat("x", c.size))
		if w.Code != c.want || w.Code == 413 && !strings.Contains(w.Body.String(), "too large") {
			t.Errorf("limit %d, size %d: %d %s", c.limit, c.size, w.Code, w.Body)
		}
		r := httptest.NewRequest("POST", "/api/", io.MultiReader(strings.NewReader(strings.Repeat("x", c.size)))) // of unknown length
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("limit %d, size %d of unknown length: %d", c.limit, c.size, w.Code)
		}
	}
}

// TestForwarded checks which client is believed to have sent a request.
func TestForwarded(t *testing.T) {
	t.Parallel()
	var client netip.Addr
	var secure bool
	var left http.Header
	var remote string
	look := func(_ http.ResponseWriter, r *http.Request) {
		client, secure, left, remote = server.ClientAddress(r.Context()), server.IsSecure(r.Context()), r.Header, r.RemoteAddr
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct {
		name    string
		proxies []netip.Prefix
		headers []string
		client  string
		secure  bool
	}{
		{"no proxy is trusted", nil, []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7;proto=https", "X-Real-Ip: 203.0.113.7"}, "192.0.2.1", false},
		{"another proxy is trusted", proxies[1:], []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"}, "192.0.2.1", false},
		{"nothing is forwarded", proxies, nil, "192.0.2.1", false},
		{"one hop", proxies, []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"}, "203.0.113.7", true},
		{"what the client wrote is not believed", proxies, []string{"X-Forwarded-For: 198.51.100.1, 203.0.113.7"}, "203.0.113.7", false},
		{"nor in a line of its own", proxies, []string{"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7"}, "203.0.113.7", false},
		{"through two proxies", proxies, []string{"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3"}, "203.0.113.7", false},
		{"all are proxies", proxies, []string{"X-Forwarded-For: 10.9.9.9, 10.1.2.3"}, "10.9.9.9", false},
		{"not an address", proxies, []string{"X-Forwarded-For: 203.0.113.7, unknown"}, "192.0.2.1", false},
		{"not an address before a proxy", proxies, []string{"X-Forwarded-For: evil, 10.1.2.3"}, "10.1.2.3", false},
		{"with ports", proxies, []string{"X-Forwarded-For: 203.0.113.7:4711"}, "203.0.113.7", false},
		{"mapped", proxies, []string{"X-Forwarded-For: ::ffff:203.0.113.7"}, "203.0.113.7", false},
		{"the scheme of the nearest proxy", proxies, []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https, http"}, "203.0.113.7", false},
		{"a scheme that is none", proxies, []string{"X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: javascript"}, "203.0.113.7", false},
		{"RFC 7239", proxies, []string{`Forwarded: for=198.51.100.1, For="[2001:db8::17]:4711";proto=https;by=10.0.0.1`}, "2001:db8::17", true},
		{"RFC 7239 through two proxies", proxies, []string{`Forwarded: for=203.0.113.7;proto=https, for="[2001:db8:1::5]";proto=http`}, "203.0.113.7", true},
		{"RFC 7239 hidden", proxies, []string{`Forwarded: for=203.0.113.7, for=_hidden`}, "192.0.2.1", false},
		{"RFC 7239 with a quoted comma", proxies, []string{`Forwarded: for="x,for=198.51.100.1"`}, "192.0.2.1", false},
		{"both agree", proxies, []string{"Forwarded: for=203.0.113.7;proto=https", "X-Forwarded-For: 203.0.113.7"}, "203.0.113.7", true},
		{"both disagree", proxies, []string{"Forwarded: for=198.51.100.1;proto=https", "X-Forwarded-For: 203.0.113.7"}, "192.0.2.1", false},
	} {
		h, log := inChain(look, func(chain *server.Chain, _ *server.Mount) { chain.Proxies = c.proxies })
		w := ask(h, "GET", "/api/", "", c.headers...)
		if client.String() != c.client || secure != c.secure || !strings.Contains(log.String(), `"client":"`+c.client+`"`) {
			t.Errorf("%s: the client is %s, secure %v\n%s", c.name, client, secure, log)
		}
		if !strings.Contains(remote, c.client) {
			t.Errorf("%s: RemoteAddr is %s", c.name, remote)
		}
		if (w.Header().Get("Strict-Transport-Security") != "") != c.secure {
			t.Errorf("%s: HSTS is %q", c.name, w.Header().Get("Strict-Transport-Security"))
		}
		want := http.Header{}
		if c.secure {
			want.Set("X-Forwarded-Proto", "https")
		}
		if fmt.Sprint(left) != fmt.Sprint(want) {
			t.Errorf("%s: the handler sees %v", c.name, left)
		}
	}
}

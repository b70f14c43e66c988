package scim_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/testenv"
)

// answering is a service that answers every request the same way.
func answering(t *testing.T, status int, header http.Header, body string) (connectors.Connector, *atomic.Int32) {
	t.Helper()
	n := &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return open(t, (&front{url: s.URL}).config()), n
}

func TestErrorsAreClassed(t *testing.T) {
	t.Parallel()
	html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   string
		class  connectors.Class
		says   string
	}{
		{"a web page with 200", 200, html, "<html>Log in, anna</html>", connectors.TargetDown, "not SCIM"},
		{"a web page with 404", 404, html, "<html>anna is not here</html>", connectors.TargetDown, "not SCIM"},
		{"unauthorized", 401, nil, `{"detail": "anna"}`, connectors.Permanent, "renew it"},
		{"forbidden", 403, nil, "", connectors.Permanent, "grant it read and write access"},
		{"bad gateway", 502, html, "<html>", connectors.TargetDown, "cannot be reached"},
		{"gateway timeout", 504, nil, "", connectors.TargetDown, "cannot be reached"},
		{"proxy's own", 522, nil, "", connectors.TargetDown, "cannot be reached"},
		{"internal", 500, nil, `{"detail": "anna"}`, connectors.RetryLater, "failed (500)"},
		{"unavailable", 503, nil, "", connectors.RetryLater, "busy (503)"},
		{"redirect", 302, http.Header{"Location": {"https://elsewhere.example/login"}}, "", connectors.Permanent, "set url to the address it redirects to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := answering(t, tt.status, tt.header, tt.body)
			complete, err := c.Snapshot(t.Context(), &sink{})
			if complete.Complete {
				t.Error("the snapshot says it is complete")
			}
			errs := []error{err}
			id := "5b8c2d5e-0000-4000-8000-000000000001"
			add := of(connectors.RemoveMember, id)
			add.Entitlement = "staff"
			for _, r := range c.Apply(t.Context(), []connectors.Change{creation("anna"), of(connectors.DeleteAccount, id), add, of(connectors.DisableAccount, id)}) {
				errs = append(errs, r.Err)
			}
			for i, err := range errs {
				if connectors.ClassOf(err) != tt.class {
					t.Errorf("%d: class %q of %v, want %q", i, connectors.ClassOf(err), err, tt.class)
					continue
				}
				if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%d: %q does not say %q in one line", i, err, tt.says)
				}
				wantPrivate(t, err.Error())
			}
			if err := c.Check(t.Context()); err == nil {
				t.Error("Check finds nothing wrong")
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		header   string
		min, max time.Duration
	}{
		{"17", 17 * time.Second, 17 * time.Second},
		{"0", 0, 0},
		{"-5", 0, 0},
		{"soon", 0, 0},
		{"", 0, 0},
		{"99999999", 24 * time.Hour, 24 * time.Hour},
		{time.Now().Add(40 * time.Second).UTC().Format(http.TimeFormat), 30 * time.Second, 40 * time.Second},
		{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 0, 0},
	} {
		c, n := answering(t, http.StatusTooManyRequests, http.Header{"Retry-After": {tt.header}}, "")
		var changes []connectors.Change
		for i := range 50 {
			changes = append(changes, of(connectors.DisableAccount, strconv.Itoa(i)))
		}
		for _, r := range c.Apply(t.Context(), changes) {
			var e *connectors.Error
			if !errors.As(r.Err, &e) || e.Class != connectors.RetryLater || e.RetryAfter < tt.min || e.RetryAfter > tt.max {
				t.Fatalf("Retry-After %q: %+v", tt.header, r)
			}
		}
		if n.Load() > 8 {
			t.Errorf("%d requests to a service that is busy", n.Load())
		}
	}
}

func TestUnreachableService(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	c := open(t, (&front{url: url}).config())
	for _, r := range c.Apply(t.Context(), []connectors.Change{creation("anna"), creation("anna2")}) {
		if connectors.ClassOf(r.Err) != connectors.TargetDown {
			t.Errorf("%+v", r)
		}
		wantPrivate(t, r.Err.Error())
	}
	if err := c.Check(t.Context()); connectors.ClassOf(err) != connectors.TargetDown {
		t.Error(err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	cfg := (&front{url: s.URL}).config()
	cfg.Timeout = 50 * time.Millisecond
	r := open(t, cfg).Apply(t.Context(), []connectors.Change{creation("anna")})[0]
	if connectors.ClassOf(r.Err) != connectors.TargetDown || !strings.Contains(r.Err.Error(), "50ms") {
		t.Errorf("%+v", r)
	}
	wantPrivate(t, r.Err.Error())
}

// TestRedirectElsewhereIsNotFollowed checks that the token is sent to no other
// host.
func TestRedirectElsewhereIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s came to another host, token %t", r.Method, r.URL.Path, r.Header.Get("Authorization") != "")
	}))
	t.Cleanup(elsewhere.Close)
	c, _ := answering(t, http.StatusTemporaryRedirect, http.Header{"Location": {elsewhere.URL}}, "")
	if err := c.Check(t.Context()); connectors.ClassOf(err) != connectors.Permanent {
		t.Error(err)
	}
	if r := c.Apply(t.Context(), []connectors.Change{creation("anna")})[0]; connectors.ClassOf(r.Err) != connectors.Permanent {
		t.Errorf("%+v", r)
	}
}

// TestLostAnswer repeats a creation whose answer was lost.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	lose := atomic.Bool{}
	f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Method != http.MethodPost || !lose.Swap(false) {
			real.ServeHTTP(w, r)
			return
		}
		real.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	c := open(t, f.config())
	for _, first := range []string{"anna", "berit"} { // before and after filters are trusted
		lose.Store(true)
		r := c.Apply(t.Context(), []connectors.Change{creation(first)})[0]
		if connectors.ClassOf(r.Err) != connectors.TargetDown {
			t.Fatalf("%+v, want the loss reported", r)
		}
		again := creation(first)
		again.Account.Name += "2" // the name may have changed meanwhile
		apply(t, c, connectors.AlreadyApplied, again)
	}
	if s, _ := snapshot(t, c); len(s.accounts) != 2 {
		t.Errorf("%d accounts, want 2", len(s.accounts))
	}
}

func TestAnswersThatCannotBe(t *testing.T) {
	t.Parallel()
	f := newFront(t, rewriting(func(r *http.Request, body map[string]any) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/Users/") {
			body["id"] = "somebody-else"
		}
	}))
	c := open(t, f.config())
	id := create(t, c, "anna")[0]
	for _, op := range []connectors.Op{connectors.DisableAccount, connectors.DeleteAccount} {
		r := c.Apply(t.Context(), []connectors.Change{of(op, id)})[0]
		if connectors.ClassOf(r.Err) != connectors.Permanent {
			t.Errorf("%s: %+v, want an error", op, r)
		}
	}
	if s, _ := snapshot(t, c); !s.accounts["anna"].Enabled {
		t.Error("an account that was not meant was changed")
	}
}

func TestAnchorThatIsNotKept(t *testing.T) {
	t.Parallel()
	c := open(t, newFront(t, rewriting(func(_ *http.Request, body map[string]any) {
		for _, r := range resources(body) {
			delete(r, "externalId")
		}
	})).config())
	r := c.Apply(t.Context(), []connectors.Change{creation("anna")})[0]
	if connectors.ClassOf(r.Err) != connectors.Permanent || !strings.Contains(r.Err.Error(), "externalId") {
		t.Errorf("%+v", r)
	}
}

// TestCreatedWithoutAnAnswer checks creation where the service answers with the
// Location only, or without it.
func TestCreatedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, location := range []bool{true, false} {
		f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if r.Method != http.MethodPost {
				real.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			real.ServeHTTP(rec, r)
			if location {
				w.Header().Set("Location", rec.Header().Get("Location"))
			}
			w.WriteHeader(rec.Code)
		})
		c := open(t, f.config())
		ids := create(t, c, "anna", "berit", "name with blanks")
		s, _ := snapshot(t, c)
		for i, name := range []string{"anna", "berit", "name with blanks"} {
			if s.accounts[name].ID != ids[i] {
				t.Errorf("location %t: %s has ID %s, was said to have %s", location, name, s.accounts[name].ID, ids[i])
			}
		}
	}
}

// faults returns connectors to the service at url that misbehaves.
func faults(t *testing.T, url string) []conformance.Fault {
	t.Helper()
	secrets := []string{testToken, "wrong-token", "behov-"}
	with := func(change func(*scim.Config)) func(*testing.T) connectors.Connector {
		return func(t *testing.T) connectors.Connector {
			cfg := scim.Config{URL: url, Token: testToken, PageSize: 2, Attributes: managed}
			change(&cfg)
			return open(t, cfg)
		}
	}
	// behind puts a handler in front of the service.
	behind := func(handler func(w http.ResponseWriter, r *http.Request, real http.Handler)) func(*testing.T) connectors.Connector {
		return func(t *testing.T) connectors.Connector {
			f := newFront(t, handler)
			call(t, testToken, http.MethodPost, f.real+"/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "one"})
			call(t, testToken, http.MethodPost, f.real+"/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "two"})
			call(t, testToken, http.MethodPost, f.real+"/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "three"})
			return open(t, scim.Config{URL: f.url, Token: testToken, PageSize: 2, Attributes: managed})
		}
	}
	return []conformance.Fault{
		{Name: "wrong token", Secrets: secrets, Open: with(func(c *scim.Config) { c.Token = "wrong-token" })},
		{Name: "nobody there", Secrets: secrets, Open: with(func(c *scim.Config) { c.URL = "http://127.0.0.1:1/scim/v2" })},
		{Name: "a certificate that has expired", Secrets: secrets, Open: func(t *testing.T) connectors.Connector {
			files, err := testenv.NewExpiredCertificates(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
			if err != nil {
				t.Fatal(err)
			}
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
			s.StartTLS()
			t.Cleanup(s.Close)
			return open(t, scim.Config{URL: s.URL, Token: testToken, CAFile: files.CA})
		}},
		{Name: "a connection that drops in the middle of a page", Secrets: secrets, Open: behind(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if r.URL.Query().Get("startIndex") == "3" || r.Method != http.MethodGet {
				w.Header().Set("Content-Length", "5000")
				_, _ = w.Write([]byte(`{"totalResults": 3, "Resources": [{"id": "3", "userN`))
				panic(http.ErrAbortHandler)
			}
			real.ServeHTTP(w, r)
		})},
		{Name: "a copy that cannot be written to", Secrets: secrets, Readable: true, Open: behind(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "403", "detail": "read only, behov-x"}`))
				return
			}
			real.ServeHTTP(w, r)
		})},
	}
}

// TestLimits checks that the connector stays within the configured requests a
// second and requests at a time.
func TestLimits(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	cfg := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		real.ServeHTTP(w, r)
	}).config()
	cfg.Limits = limit.Limits{PerSecond: 50, Burst: 1, Concurrent: 2}
	c := open(t, cfg)
	began := time.Now()
	create(t, c, crowd(10)...)
	if took := time.Since(began); took < 200*time.Millisecond || most.Load() > 2 {
		t.Errorf("%s, %d at the same time", took, most.Load())
	}
}

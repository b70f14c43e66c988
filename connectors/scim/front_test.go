package scim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/demo/scimapp"
)

// front is a service with a quirk in front of a real one. It records the
// requests.
type front struct {
	url  string
	real string // without the quirk

	mu   sync.Mutex
	seen []asked
}

type asked struct {
	method, path, query string
	body                []byte
}

// quirk answers a request itself or with the help of the real service.
type quirk func(w http.ResponseWriter, r *http.Request, real http.Handler)

func newFront(t *testing.T, q quirk, tolerated ...string) *front {
	t.Helper()
	s, err := scimapp.Start(t.Context(), testToken, []string{"staff", `finance "big", a\b`})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return newFrontOf(t, s.URL(), q, tolerated...)
}

// newFrontOf is newFront for an existing service. A request that violates the
// standard fails the test, unless it is tolerated, as a quirk may require it.
func newFrontOf(t *testing.T, service string, q quirk, tolerated ...string) *front {
	t.Helper()
	target, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	real := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	f := &front{real: service}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		f.seen = append(f.seen, asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, body})
		for _, problem := range againstTheRFC(r, body) {
			if slices.ContainsFunc(tolerated, func(s string) bool { return strings.Contains(problem, s) }) {
				continue
			}
			t.Errorf("%s %s: %s\n%s", r.Method, r.URL, problem, body)
		}
		f.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		if q == nil {
			real.ServeHTTP(w, r)
			return
		}
		q(w, r, real)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL + target.Path
	return f
}

func (f *front) config() scim.Config {
	return scim.Config{URL: f.url, Token: testToken, PageSize: 3, Attributes: managed}
}

// requests returns the requests so far, and clears them.
func (f *front) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

// rewriting changes the service's JSON answers.
func rewriting(change func(r *http.Request, body map[string]any)) quirk {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		rec := httptest.NewRecorder()
		real.ServeHTTP(rec, r)
		raw := rec.Body.Bytes()
		var body map[string]any
		if json.Unmarshal(raw, &body) == nil {
			change(r, body)
			if b, err := json.Marshal(body); err == nil {
				raw = b
			}
		}
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(raw)
	}
}

// resources returns the resources of a list, or the single one.
func resources(body map[string]any) []map[string]any {
	list, ok := body["Resources"].([]any)
	if !ok {
		return []map[string]any{body}
	}
	var out []map[string]any
	for _, e := range list {
		out = append(out, e.(map[string]any))
	}
	return out
}

// sink keeps a snapshot.
type sink struct {
	accounts     map[string]connectors.Account // by name
	entitlements []string
	ambiguous    map[string]bool
	members      []connectors.Membership
}

func (s *sink) Account(a connectors.Account) error {
	if s.accounts == nil {
		s.accounts = map[string]connectors.Account{}
	}
	s.accounts[a.Name] = a
	return nil
}

func (s *sink) Entitlement(e connectors.Entitlement) error {
	s.entitlements = append(s.entitlements, e.Name)
	if s.ambiguous == nil {
		s.ambiguous = map[string]bool{}
	}
	s.ambiguous[e.Name] = e.Ambiguous
	return nil
}

func (s *sink) Membership(m connectors.Membership) error {
	s.members = append(s.members, m)
	return nil
}

func snapshot(t *testing.T, c connectors.Connector) (*sink, connectors.Completeness) {
	t.Helper()
	s := &sink{}
	complete, err := c.Snapshot(t.Context(), s)
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	return s, complete
}

func creation(name string) connectors.Change {
	return connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: name, Anchor: "behov-" + name}, Enabled: true}
}

func create(t *testing.T, c connectors.Connector, names ...string) []string {
	t.Helper()
	var changes []connectors.Change
	for _, n := range names {
		changes = append(changes, creation(n))
	}
	var ids []string
	for i, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil || r.Status != connectors.Applied {
			t.Fatalf("create %s: %+v", names[i], r)
		}
		ids = append(ids, r.AccountID)
	}
	return ids
}

func apply(t *testing.T, c connectors.Connector, want connectors.Status, change connectors.Change) connectors.Result {
	t.Helper()
	r := c.Apply(t.Context(), []connectors.Change{change})[0]
	if r.Err != nil || r.Status != want {
		t.Errorf("%s: %+v, want %s", change.Op, r, want)
	}
	return r
}

func of(op connectors.Op, id string) connectors.Change {
	return connectors.Change{Op: op, Account: connectors.AccountRef{ID: id}}
}

// wantPrivate fails when a text holds personal data or the token.
func wantPrivate(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{testToken, "anna", "behov-"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q has %q in it", text, secret)
		}
	}
}

package scim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
)

// TestConformanceOfQuirks runs the whole suite on services with quirks that
// cost nothing but effort.
func TestConformanceOfQuirks(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the suite on every quirk takes a while")
	}
	isPatch := func(r *http.Request) bool { return r.Method == http.MethodPatch }
	filter := func(r *http.Request) string { return r.URL.Query().Get("filter") }
	for _, tt := range []struct {
		name  string
		quirk quirk
	}{
		{"no PATCH, and says so", func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if isPatch(r) {
				t.Error("a PATCH was sent")
			}
			rewriting(func(r *http.Request, body map[string]any) {
				if strings.HasSuffix(r.URL.Path, "/ServiceProviderConfig") {
					body["patch"] = map[string]any{"supported": false}
				}
			})(w, r, real)
		}},
		{"no discovery, no PATCH", func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			switch {
			case isPatch(r):
				w.WriteHeader(http.StatusNotImplemented)
			case strings.HasSuffix(r.URL.Path, "/ServiceProviderConfig"), strings.HasSuffix(r.URL.Path, "/ResourceTypes"):
				w.WriteHeader(http.StatusForbidden)
			default:
				real.ServeHTTP(w, r)
			}
		}},
		{"filters on userName only and finds nobody else, lists groups without members", func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if f := filter(r); f != "" && !strings.HasPrefix(f, "userName") {
				_, _ = w.Write([]byte(`{"totalResults": 0}`))
				return
			}
			rewriting(func(_ *http.Request, body map[string]any) {
				if list, ok := body["Resources"].([]any); ok {
					for _, r := range list {
						delete(r.(map[string]any), "members")
					}
				}
			})(w, r, real)
		}},
		{"filters on userName only, refuses others", func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if f := filter(r); f != "" && !strings.HasPrefix(f, "userName") {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			real.ServeHTTP(w, r)
		}},
		{"ignores filters, counts too few", func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			q := r.URL.Query()
			q.Del("filter")
			r.URL.RawQuery = q.Encode()
			rewriting(func(_ *http.Request, body map[string]any) {
				if _, ok := body["totalResults"]; ok {
					body["totalResults"] = 0
				}
			})(w, r, real)
		}},
		{"active as text, names in another case, no answer to writes", func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			rec := httptest.NewRecorder()
			rewriting(odd)(rec, r, real)
			w.Header().Set("Content-Type", "application/json;charset=utf-8")
			w.WriteHeader(rec.Code)
			if r.Method == http.MethodGet || rec.Code >= 300 {
				_, _ = w.Write(rec.Body.Bytes())
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, func(t *testing.T) conformance.Fixture {
				f := newFront(t, tt.quirk)
				return fixture(t, f.url, f.real, testToken)
			})
		})
	}
}

func odd(_ *http.Request, body map[string]any) {
	for _, r := range resources(body) {
		if yes, ok := r["active"].(bool); ok {
			r["active"] = map[bool]string{true: "True", false: "False"}[yes]
		}
		for from, to := range map[string]string{"userName": "username", "externalId": "ExternalID", "displayName": "DisplayName", "members": "Members"} {
			if v, ok := r[from]; ok {
				r[to] = v
				delete(r, from)
			}
		}
	}
}

func TestTotalThatIsTooHigh(t *testing.T) {
	t.Parallel()
	c := open(t, newFront(t, rewriting(func(r *http.Request, body map[string]any) {
		if _, ok := body["totalResults"]; ok && strings.HasSuffix(r.URL.Path, "/Users") {
			body["totalResults"] = 7
		}
	})).config())
	create(t, c, "anna", "berit", "cecilia", "disa")
	s, complete := snapshot(t, c)
	if len(s.accounts) != 4 || len(s.entitlements) != 2 {
		t.Errorf("%d accounts, %d entitlements: what came must be passed on", len(s.accounts), len(s.entitlements))
	}
	if complete.Complete || !strings.Contains(complete.Why, "announced 7 Users and sent 4") {
		t.Errorf("%+v", complete)
	}
}

func TestShortPage(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Users", "Groups"} {
		short := false
		c := open(t, newFront(t, rewriting(func(r *http.Request, body map[string]any) {
			if list, ok := body["Resources"].([]any); ok && short && strings.HasSuffix(r.URL.Path, kind) && r.URL.Query().Get("startIndex") == "1" {
				body["Resources"] = list[:1]
			}
			// And beyond that it has nothing.
			if short && strings.HasSuffix(r.URL.Path, kind) && r.URL.Query().Get("startIndex") == "2" {
				body["Resources"] = []any{}
			}
		})).config())
		create(t, c, "anna", "berit", "cecilia", "disa")
		short = true
		_, complete := snapshot(t, c)
		if complete.Complete || !strings.Contains(complete.Why, kind) {
			t.Errorf("%s: %+v, want incomplete with a reason", kind, complete)
		}
	}
}

func TestBrokenPageIsAnError(t *testing.T) {
	t.Parallel()
	const user = `{"id": "1", "userName": "anna"}`
	for name, body := range map[string]string{
		"no list":        `{}`,
		"list elsewhere": `{"totalResults": 1, "Resources": {"id": "1"}}`,
		"no total":       `{"Resources": [` + user + `]}`,
		"negative total": `{"totalResults": -1}`,
		"no id":          `{"totalResults": 1, "Resources": [{"userName": "anna"}]}`,
		"odd active":     `{"totalResults": 1, "Resources": [{"id": "1", "active": "perhaps"}]}`,
		"cut off":        `{"totalResults": 1, "Resources": [` + user,
		"an array":       `[` + user + `]`,
		"null":           `null`,
		"two answers":    `{"totalResults": 0}{"totalResults": 0}`,
		"not an answer":  ``,
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
			t.Cleanup(s.Close)
			c := open(t, (&front{url: s.URL}).config())
			complete, err := c.Snapshot(t.Context(), &sink{})
			if err == nil || complete.Complete {
				t.Fatalf("%v, %+v; want an error", err, complete)
			}
			wantPrivate(t, err.Error())
		})
	}
}

func TestPagesThatOverlapOrNeverEnd(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"1": `{"totalResults": 5, "Resources": [{"id":"1","userName":"a"},{"id":"2","userName":"b"},{"id":"3","userName":"c"}]}`,
		"4": `{"totalResults": 5, "Resources": [{"id":"3","userName":"c"},{"id":"4","userName":"d"},{"id":"5","userName":"e"}]}`,
		"7": `{"totalResults": 5, "Resources": [{"id":"5","userName":"e"}]}`, // and so on for ever
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.Query().Get("startIndex")]
		switch {
		case strings.HasSuffix(r.URL.Path, "/Groups"):
			body = `{"totalResults": "0", "Resources": null}`
		case !ok:
			body = pages["7"]
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	got, complete := snapshot(t, open(t, (&front{url: s.URL}).config()))
	if len(got.accounts) != 5 || !complete.Complete {
		t.Errorf("%d accounts, %+v", len(got.accounts), complete)
	}
}

func TestDeleteThatDeactivates(t *testing.T) {
	t.Parallel()
	c := open(t, newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Method != http.MethodDelete {
			real.ServeHTTP(w, r)
			return
		}
		r.Method = http.MethodPatch
		body := strings.NewReader(`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "active", "value": false}]}`)
		inner := httptest.NewRequestWithContext(r.Context(), http.MethodPatch, r.URL.String(), body)
		inner.Header = r.Header.Clone()
		inner.Header.Set("Content-Type", "application/scim+json")
		real.ServeHTTP(httptest.NewRecorder(), inner)
		w.WriteHeader(http.StatusNoContent)
	}).config())
	id := create(t, c, "anna")[0]
	for range 2 { // and never says that it is gone
		r := apply(t, c, connectors.Refused, of(connectors.DeleteAccount, id))
		if !strings.Contains(r.Detail, "deactivated") {
			t.Errorf("the reason is %q", r.Detail)
		}
	}
	if s, _ := snapshot(t, c); s.accounts["anna"].Enabled || s.accounts["anna"].ID != id {
		t.Errorf("the account is %+v", s.accounts["anna"])
	}
}

func TestYesWithoutDoing(t *testing.T) {
	t.Parallel()
	c := open(t, newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Method == http.MethodPatch || r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		real.ServeHTTP(w, r)
	}).config())
	id := create(t, c, "anna")[0]
	apply(t, c, connectors.Refused, of(connectors.DisableAccount, id))
	update := of(connectors.UpdateAccount, id)
	update.Attributes = map[string][]string{"title": {"Lärare"}}
	apply(t, c, connectors.Refused, update)
	add := of(connectors.AddMember, id)
	add.Entitlement = "staff"
	apply(t, c, connectors.Refused, add)
	r := c.Apply(t.Context(), []connectors.Change{of(connectors.DeleteAccount, id)})[0]
	if connectors.ClassOf(r.Err) != connectors.RetryLater {
		t.Errorf("delete: %+v", r)
	}
}

// A service that keeps its members' integrity to itself: any ID will do.
func TestMembersNobodyChecks(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil)
	c := open(t, f.config())
	f.requests()
	add := of(connectors.AddMember, "00000000-0000-4000-8000-00000000dead")
	add.Entitlement = "staff"
	apply(t, c, connectors.Refused, add)
	for _, r := range f.requests() {
		if r.method != http.MethodGet {
			t.Errorf("%s %s for an account that is not there", r.method, r.path)
		}
	}
}

func TestGroupsWithOneName(t *testing.T) {
	t.Parallel()
	f := newFront(t, rewriting(func(_ *http.Request, body map[string]any) {
		for _, r := range resources(body) {
			if name, ok := r["displayName"].(string); ok && strings.HasPrefix(name, "finance") {
				r["displayName"] = "staff"
			}
		}
	}))
	c := open(t, f.config())
	s, complete := snapshot(t, c)
	if len(s.entitlements) != 1 || complete.Complete || !strings.Contains(complete.Why, "staff") {
		t.Errorf("%v, %+v", s.entitlements, complete)
	}
}

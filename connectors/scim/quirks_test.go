package scim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/testenv"
)

// TestConformanceOfQuirks runs the conformance suite on services with quirks that
// need no configuration.
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

// quirky are services with each of the named quirks.
var quirky = map[scim.Quirk]quirk{
	scim.NoPatch: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		real.ServeHTTP(w, r)
	},
	scim.NoGroupPatch: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/Groups/") {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		real.ServeHTTP(w, r)
	},
	scim.NoFilter: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.URL.Query().Has("filter") {
			refuse(w, "invalidFilter")
			return
		}
		real.ServeHTTP(w, r)
	},
	scim.NoBulk: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/Bulk") {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		(&bulkService{most: 50}).serve(w, r, real)
	},
	scim.StringBooleans: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		refused := false
		asks(r, func(body map[string]any) {
			for _, o := range append(list(body["Operations"]), body) {
				o := o.(map[string]any)
				for _, name := range []string{"active", "value"} {
					if name == "value" && o["path"] != "active" {
						continue
					}
					switch v := o[name].(type) {
					case bool:
						refused = true
					case string:
						o[name] = v == "True"
					}
				}
			}
		})
		if refused {
			refuse(w, "invalidValue")
			return
		}
		rewriting(func(_ *http.Request, body map[string]any) {
			for _, u := range resources(body) {
				if yes, ok := u["active"].(bool); ok {
					u["active"] = map[bool]string{true: "True", false: "False"}[yes]
				}
			}
		})(w, r, real)
	},
	scim.URNPaths: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		refused := false
		asks(r, func(body map[string]any) {
			for _, o := range list(body["Operations"]) {
				o := o.(map[string]any)
				path, _ := o["path"].(string)
				refused = refused || path != "" && !strings.HasPrefix(path, "urn:")
				for _, urn := range []string{"User", "Group"} {
					path = strings.TrimPrefix(path, "urn:ietf:params:scim:schemas:core:2.0:"+urn+":")
				}
				o["path"] = path
			}
		})
		if refused {
			refuse(w, "invalidPath")
			return
		}
		real.ServeHTTP(w, r)
	},
	scim.PathlessPatch: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		refused := false
		asks(r, func(body map[string]any) {
			for _, o := range list(body["Operations"]) {
				o := o.(map[string]any)
				if path, _ := o["path"].(string); path != "" && o["op"] != "remove" {
					refused = true
				}
				// The real service reads an extension's attributes by path only.
				value, _ := o["value"].(map[string]any)
				for urn, attributes := range value {
					if attributes, ok := attributes.(map[string]any); ok && strings.HasPrefix(urn, "urn:") && len(attributes) == 1 {
						for name, v := range attributes {
							o["path"], o["value"] = urn+":"+name, v
						}
					}
				}
			}
		})
		if refused {
			refuse(w, "invalidPath")
			return
		}
		real.ServeHTTP(w, r)
	},
	scim.ValueArrays: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		refused := false
		asks(r, func(body map[string]any) {
			var operations []any
			for _, o := range list(body["Operations"]) {
				o := o.(map[string]any)
				path, _ := o["path"].(string)
				refused = refused || strings.HasPrefix(path, "members[")
				if o["op"] != "remove" || path != "members" {
					operations = append(operations, o)
					continue
				}
				for _, m := range list(o["value"]) {
					operations = append(operations, map[string]any{"op": "remove", "path": `members[value eq "` + m.(map[string]any)["value"].(string) + `"]`})
				}
			}
			if body["Operations"] != nil {
				body["Operations"] = operations
			}
		})
		if refused {
			refuse(w, "invalidPath")
			return
		}
		real.ServeHTTP(w, r)
	},
	scim.MemberlessPut: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		switch raw := bodyOf(r); {
		case r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/Users/") && bytes.Contains(raw, []byte(`"active"`)):
			w.WriteHeader(http.StatusNotImplemented)
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/Groups/"):
			r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
			real.ServeHTTP(w, r)
		default:
			real.ServeHTTP(w, r)
		}
	},
	scim.SoftDelete: func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Method != http.MethodDelete {
			real.ServeHTTP(w, r)
			return
		}
		body := strings.NewReader(`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "active", "value": false}]}`)
		inner := httptest.NewRequestWithContext(r.Context(), http.MethodPatch, r.URL.String(), body)
		inner.Header = r.Header.Clone()
		inner.Header.Set("Content-Type", "application/scim+json")
		real.ServeHTTP(httptest.NewRecorder(), inner)
		w.WriteHeader(http.StatusNoContent)
	},
}

// bodyOf returns a request's body and keeps it readable.
func bodyOf(r *http.Request) []byte {
	raw, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return raw
}

// asks changes the JSON of a request.
func asks(r *http.Request, change func(body map[string]any)) {
	var body map[string]any
	raw, _ := io.ReadAll(r.Body)
	if json.Unmarshal(raw, &body) == nil && body != nil {
		change(body)
		raw, _ = json.Marshal(body)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
}

func refuse(w http.ResponseWriter, scimType string) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400", "scimType": "` + scimType + `"}`))
}

// TestQuirks runs the conformance suite on a service with each named quirk: once
// with the quirk configured, and, where it is detected, once without.
func TestQuirks(t *testing.T) {
	t.Parallel()
	for _, info := range scim.Quirks() {
		serve, ok := quirky[info.Quirk]
		if !ok || info.Text == "" {
			t.Errorf("there is no service with the quirk %s", info.Quirk)
			continue
		}
		tolerated := map[scim.Quirk][]string{
			scim.StringBooleans: {"A required value was missing"}, scim.ValueArrays: {"removal of everything", "remove with the value"},
		}[info.Quirk]
		for _, configured := range [][]scim.Quirk{{info.Quirk}, nil} {
			name := string(info.Quirk) + " configured"
			if configured == nil {
				name = string(info.Quirk) + " detected"
			}
			if info.Quirk == scim.SoftDelete || configured == nil && !info.Detected || testing.Short() {
				continue
			}
			if testenv.Race && configured != nil && info.Detected {
				continue // make test runs it without the race detector; the detected variant runs with it
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				conformance.Run(t, func(t *testing.T) conformance.Fixture {
					f := newFront(t, serve, tolerated...)
					return fixture(t, f.url, f.real, testToken, configured...)
				})
			})
		}
	}
}

// TestRemovalThatIsNotUnderstood checks that a service that removes members in
// its own way only gets whole groups unless the quirk is configured, and that no
// other member is removed.
func TestRemovalThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	f := newFront(t, quirky[scim.ValueArrays])
	c := open(t, f.config())
	ids := create(t, c, "anna", "berit", "cecilia")
	for _, id := range ids {
		add := of(connectors.AddMember, id)
		add.Entitlement = "staff"
		apply(t, c, connectors.Applied, add)
	}
	remove := of(connectors.RemoveMember, ids[0])
	remove.Entitlement = "staff"
	apply(t, c, connectors.Applied, remove)
	if s, _ := snapshot(t, c); len(s.members) != 2 {
		t.Errorf("members are %v", s.members)
	}
}

// TestSoftDelete checks that deactivation counts as deletion only when the quirk
// is configured.
func TestSoftDelete(t *testing.T) {
	t.Parallel()
	for _, said := range []bool{false, true} {
		cfg := newFront(t, quirky[scim.SoftDelete]).config()
		if said {
			cfg.Quirks = []scim.Quirk{scim.SoftDelete}
		}
		c := open(t, cfg)
		id := create(t, c, "anna")[0]
		want := []connectors.Status{connectors.Refused, connectors.Refused}
		if said {
			want = []connectors.Status{connectors.Applied, connectors.AlreadyApplied}
		}
		for _, status := range want {
			r := apply(t, c, status, of(connectors.DeleteAccount, id))
			if !said && !strings.Contains(r.Detail, "quirks: [soft-delete]") {
				t.Errorf("the reason is %q", r.Detail)
			}
		}
		if s, _ := snapshot(t, c); s.accounts["anna"].Enabled || s.accounts["anna"].ID != id {
			t.Errorf("the account is %+v", s.accounts["anna"])
		}
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
			// Beyond that the service has nothing.
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
		"7": `{"totalResults": 5, "Resources": [{"id":"5","userName":"e"}]}`, // and so on without end
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

func TestSuccessWithoutEffect(t *testing.T) {
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

// TestUncheckedMembers uses a service that accepts any ID as a member.
func TestUncheckedMembers(t *testing.T) {
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
	f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		q := r.URL.Query()
		q.Del("filter")
		r.URL.RawQuery = q.Encode()
		rewriting(func(_ *http.Request, body map[string]any) {
			for _, r := range resources(body) {
				if name, ok := r["displayName"].(string); ok && strings.HasPrefix(name, "finance") {
					r["displayName"] = "staff"
				}
			}
		})(w, r, real)
	})
	c := open(t, f.config())
	s, complete := snapshot(t, c)
	if len(s.entitlements) != 1 || !s.ambiguous["staff"] || !complete.Complete || len(s.members) != 0 {
		t.Errorf("%v, %v, %+v", s.entitlements, s.ambiguous, complete)
	}
	id := create(t, c, "anna")[0]
	add := of(connectors.AddMember, id)
	add.Entitlement = "staff"
	apply(t, c, connectors.Refused, add)
}

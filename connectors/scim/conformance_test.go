package scim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/testenv"
)

const (
	department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
	manager    = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
	testToken  = "a-token-for-tests"
)

// managed are attributes of every form.
var managed = []string{
	"name.givenName", "name.familyName", "displayName", "title", "emails", `emails[type eq "home"]`, "phoneNumbers",
	`phoneNumbers[type eq "mobile"]`, "roles", "x509Certificates", "profileUrl", "addresses.locality", department, manager,
}

// TestConformanceScimapp also checks that no request of the suite is one that
// must never be sent.
func TestConformanceScimapp(t *testing.T) {
	t.Parallel()
	removals := 0
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		front := newFront(t, nil)
		t.Cleanup(func() { removals += wantNamedRemovals(t, front.requests()) })
		f := fixture(t, front.url, front.real, testToken)
		f.RefusedAttribute, f.RefusedValue = "x509Certificates", "this is not base64!"
		f.Faults, f.Large = faults(t, front.real), testenv.Many(10_000)
		return f
	})
	if removals == 0 {
		t.Error("no removal of a member was seen: the record is empty")
	}
}

// wantNamedRemovals fails when a removal of members names no member, or when all
// members were replaced. It returns the number of removals.
func wantNamedRemovals(t *testing.T, seen []asked) int {
	t.Helper()
	n := 0
	for _, r := range seen {
		group := strings.Contains(r.path, "/Groups/")
		changesGroups := strings.Contains(t.Name(), "/groups/") // where groups themselves are renamed and deleted
		if group && r.method != http.MethodGet && r.method != http.MethodPatch && (r.method != http.MethodDelete || !changesGroups) {
			t.Errorf("%s %s", r.method, r.path)
		}
		if r.method != http.MethodPatch {
			continue
		}
		var patch struct {
			Operations []struct {
				Op, Path string
				Value    any
			}
		}
		if err := json.Unmarshal(r.body, &patch); err != nil {
			t.Fatal(err)
		}
		if len(patch.Operations) == 0 || len(patch.Operations) > 101 {
			t.Errorf("a PATCH with %d operations", len(patch.Operations))
		}
		for _, o := range patch.Operations {
			switch named := strings.HasPrefix(o.Path, `members[value eq "`) && strings.HasSuffix(o.Path, `"]`); {
			case !group:
				if strings.HasPrefix(o.Path, "members") {
					t.Errorf("%s %s of a user", o.Op, o.Path)
				}
			case o.Op == "add" && o.Path == "members" && o.Value != nil:
			case changesGroups && o.Op == "replace" && o.Path == "displayName":
			case o.Op == "remove" && named && o.Value == nil:
				n++
			default:
				t.Errorf("%s %q with value %v", o.Op, o.Path, o.Value)
			}
		}
	}
	return n
}

func TestConformanceSCIMMY(t *testing.T) {
	t.Parallel()
	s := testenv.SCIMMY(t)
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		url := s.Service()
		for _, name := range []string{"staff", `finance "big", a\b`} {
			call(t, s.Token, http.MethodPost, url+"/Groups", map[string]any{
				"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": name,
			})
		}
		f := fixture(t, newFrontOf(t, url, nil, "is not base64", "this is not a URL").url, url, s.Token)
		f.RefusedAttribute, f.RefusedValue = "profileUrl", "this is not a URL"
		f.Faults = faults(t, url)
		return f
	})
}

func open(t *testing.T, cfg scim.Config) connectors.Connector {
	t.Helper()
	cfg.Plaintext = true
	c, err := scim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fixture is a service at url, which the test itself calls at real.
func fixture(t *testing.T, url, real, token string, quirks ...scim.Quirk) conformance.Fixture {
	t.Helper()
	// Small pages, so that longer lists have several.
	cfg := scim.Config{URL: url, Token: token, PageSize: 16, Attributes: managed, References: []string{manager}, MFAAttribute: "userType", Quirks: quirks}
	return conformance.Fixture{
		Connector:    open(t, cfg),
		Entitlements: []string{"staff", `finance "big", a\b`},
		Attributes: func(name string) map[string][]string {
			return map[string][]string{
				"name.givenName": {"Given " + name}, "name.familyName": {"Family"}, "displayName": {"Given Family"},
				"emails": {"a@kommun.test"}, `phoneNumbers[type eq "mobile"]`: {"+46700000000"}, department: {"Skolan"},
			}
		},
		Text:      "title",
		Multi:     "roles",
		Reference: manager,
		Reopen:    func(t *testing.T) connectors.Connector { return open(t, cfg) },
		Foreign: func(t *testing.T, name string) string {
			return call(t, token, http.MethodPost, real+"/Users", map[string]any{
				"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": name,
			})["id"].(string)
		},
		Remove: func(t *testing.T, id string) { call(t, token, http.MethodDelete, real+"/Users/"+id, nil) },
		SetMFA: func(t *testing.T, id string, enrolled bool) {
			op := map[string]any{"op": "remove", "path": "userType"}
			if enrolled {
				op = map[string]any{"op": "replace", "path": "userType", "value": "enrolled"}
			}
			call(t, token, http.MethodPatch, real+"/Users/"+id, map[string]any{
				"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []any{op},
			})
		},
	}
}

// call sends a request without the connector, and fails the test unless it
// succeeds.
func call(t *testing.T, token, method, url string, body any) map[string]any {
	t.Helper()
	var b io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, b)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode >= 300 {
		t.Fatalf("%s %s: %s\n%s", method, url, res.Status, raw)
	}
	var out map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%s %s: %v\n%s", method, url, err, raw)
		}
	}
	return out
}

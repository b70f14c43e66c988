package scim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/demo/scimapp"
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

func TestConformanceScimapp(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		s, err := scimapp.Start(t.Context(), testToken, []string{"staff", `finance "big", a\b`})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		f := fixture(t, s.URL(), testToken)
		f.RefusedAttribute, f.RefusedValue = "x509Certificates", "this is not base64!"
		return f
	})
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
		f := fixture(t, url, s.Token)
		f.RefusedAttribute, f.RefusedValue = "profileUrl", "this is not a URL"
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

func fixture(t *testing.T, url, token string) conformance.Fixture {
	t.Helper()
	// Pages of seven, so that most lists have several.
	cfg := scim.Config{URL: url, Token: token, PageSize: 7, Attributes: managed, MFAAttribute: "userType"}
	return conformance.Fixture{
		Connector:    open(t, cfg),
		Entitlements: []string{"staff", `finance "big", a\b`},
		Attributes: func(name string) map[string][]string {
			return map[string][]string{
				"name.givenName": {"Given " + name}, "name.familyName": {"Family"}, "displayName": {"Given Family"},
				"emails": {"a@kommun.test"}, `phoneNumbers[type eq "mobile"]`: {"+46700000000"}, department: {"Skolan"}, manager: {"boss"},
			}
		},
		Text:   "title",
		Multi:  "roles",
		Reopen: func(t *testing.T) connectors.Connector { return open(t, cfg) },
		Foreign: func(t *testing.T, name string) string {
			return call(t, token, http.MethodPost, url+"/Users", map[string]any{
				"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": name,
			})["id"].(string)
		},
		Remove: func(t *testing.T, id string) { call(t, token, http.MethodDelete, url+"/Users/"+id, nil) },
		SetMFA: func(t *testing.T, id string, enrolled bool) {
			op := map[string]any{"op": "remove", "path": "userType"}
			if enrolled {
				op = map[string]any{"op": "replace", "path": "userType", "value": "enrolled"}
			}
			call(t, token, http.MethodPatch, url+"/Users/"+id, map[string]any{
				"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []any{op},
			})
		},
	}
}

// call sends a request past the connector, which must succeed.
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

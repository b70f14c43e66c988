package graph_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
	"github.com/behov/behov/connectors/limit"
)

var background = context.Background()

// static is a credential with a constant token.
type static string

func (s static) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

const (
	anchorAttribute = "onPremisesExtensionAttributes.extensionAttribute15"
	domain          = "kommun.test"
)

// managed are attributes of every form.
var managed = []string{
	"displayName", "givenName", "surname", "jobTitle", "department", "streetAddress", "officeLocation", "businessPhones", "mobilePhone", "mail",
	"usageLocation", "employeeHireDate", "employeeOrgData.costCenter", "onPremisesExtensionAttributes.extensionAttribute1",
	"extension_0123456789abcdef0123456789abcdef_unit", "showInAddressList", "otherMails", "manager",
}

// start starts a stand-in and returns a configuration for it.
func start(t testing.TB, opts standin.Options) (*standin.Server, graph.Config) {
	t.Helper()
	s := standin.New(opts)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	token := opts.Token
	if token == "" {
		token = "token"
	}
	return s, graph.Config{
		URL: server.URL + "/v1.0", Plaintext: true, Credential: static(token), Domain: domain, MFA: true,
		Limits: limit.Limits{PerSecond: 1e6, Burst: 1e6}, Attributes: managed, References: []string{"manager"},
	}
}

func open(t testing.TB, cfg graph.Config) connectors.Connector {
	t.Helper()
	c, err := graph.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*graph.Config){
		"extension attribute": func(*graph.Config) {},
		"employeeId":          func(c *graph.Config) { c.AnchorAttribute = "employeeId" },
		"with a memory":       func(c *graph.Config) { c.StateStore = &memory{} },
		"users by delta": func(c *graph.Config) {
			c.StateStore, c.References = &memory{}, nil
			c.Attributes = managed[:len(managed)-1]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, func(t *testing.T) conformance.Fixture { return fixture(t, prepare) })
		})
	}
}

func fixture(t *testing.T, prepare func(*graph.Config)) conformance.Fixture {
	// Small pages, so that longer lists have several.
	s, cfg := start(t, standin.Options{MaxPage: 16})
	prepare(&cfg)
	for _, name := range []string{"staff", `finance "big", a\b'c`} {
		s.AddGroup(name, nil)
	}
	t.Cleanup(func() { wantKnownRequests(t, s.Requests()) })
	return conformance.Fixture{
		Connector:    open(t, cfg),
		Entitlements: []string{"staff", `finance "big", a\b'c`},
		Attributes: func(name string) map[string][]string {
			return map[string][]string{
				"displayName": {"Given Family"}, "givenName": {"Given " + name[:min(len(name), 20)]}, "surname": {"Family"}, "businessPhones": {"+46 8 1"},
				"usageLocation": {"SE"}, "employeeHireDate": {"2026-11-01T00:00:00Z"}, "employeeOrgData.costCenter": {"4711"},
				"onPremisesExtensionAttributes.extensionAttribute1": {"x"}, "extension_0123456789abcdef0123456789abcdef_unit": {"Skolan"},
				"showInAddressList": {"true"},
			}
		},
		Text: "streetAddress", Reference: "manager", RefusedAttribute: "usageLocation", RefusedValue: "UK", StrictNames: true, Large: 2000,
		Reopen: func(t *testing.T) connectors.Connector {
			c, err := graph.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Foreign: func(_ *testing.T, name string) string { return s.AddUser(name, nil) },
		Remove:  func(_ *testing.T, id string) { s.RemoveUser(id) },
		SetMFA:  func(_ *testing.T, id string, enrolled bool) { s.SetMFA(id, enrolled) },
		Faults:  faults(prepare),
	}
}

// memory is a StateStore in memory.
type memory struct{ state []byte }

func (m *memory) Load(context.Context) ([]byte, error) { return m.state, nil }
func (m *memory) Save(_ context.Context, state []byte) error {
	m.state = state
	return nil
}

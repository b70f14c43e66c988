package graph_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
	"github.com/behov/behov/connectors/limit"
)

// complete returns a valid configuration.
func complete() graph.Config {
	return graph.Config{TenantID: "t", ClientID: "c", ClientSecret: "s", Domain: domain}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	if c, err := graph.New(complete()); err != nil {
		t.Fatal(err)
	} else if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*graph.Config)
		want   []string
	}{
		"nothing":              {func(c *graph.Config) { *c = graph.Config{} }, []string{"client_secret", "tenant_id", "client_id"}},
		"two ways":             {func(c *graph.Config) { c.ManagedIdentity = true }, []string{"one of client_secret"}},
		"cloud":                {func(c *graph.Config) { c.Cloud = "mars" }, []string{"us-government-dod"}},
		"plain":                {func(c *graph.Config) { c.URL = "http://graph.test/v1.0" }, []string{"plaintext: true"}},
		"plain authority":      {func(c *graph.Config) { c.Authority, c.Plaintext = "http://login.test", true }, []string{"authority must begin with https://"}},
		"url":                  {func(c *graph.Config) { c.URL = "graph.test" }, []string{"url must be https://host/path"}},
		"user in url":          {func(c *graph.Config) { c.URL = "https://a:b@graph.test" }, []string{"without user"}},
		"timeout":              {func(c *graph.Config) { c.Timeout = -1 }, []string{"timeout"}},
		"limits":               {func(c *graph.Config) { c.Limits = limit.Limits{PerSecond: -1} }, []string{"limits"}},
		"domain":               {func(c *graph.Config) { c.Domain = "kommun" }, []string{"domain must be"}},
		"group names":          {func(c *graph.Config) { c.GroupNames = "mail" }, []string{"group_names must be name or id"}},
		"location":             {func(c *graph.Config) { c.UsageLocation = "SWE" }, []string{"two letters"}},
		"anchor":               {func(c *graph.Config) { c.AnchorAttribute = "jobTitle" }, []string{"anchor_attribute must be employeeId"}},
		"anchor that is none":  {func(c *graph.Config) { c.AnchorAttribute = "employeeID" }, []string{"did you mean employeeId?"}},
		"attribute":            {func(c *graph.Config) { c.Attributes = []string{"jobTitel", "nothingAtAll"} }, []string{"did you mean jobTitle?", `"nothingAtAll"`}},
		"nested":               {func(c *graph.Config) { c.Attributes = []string{"onPremisesExtensionAttributes.extensionAttribute16"} }, []string{"extensionAttribute1"}},
		"anchor as attribute":  {func(c *graph.Config) { c.AnchorAttribute, c.Attributes = "employeeId", []string{"employeeId"} }, []string{"is the anchor_attribute"}},
		"name as attribute":    {func(c *graph.Config) { c.Attributes = []string{"userPrincipalName"} }, []string{"the account's name or state"}},
		"manager":              {func(c *graph.Config) { c.Attributes = []string{"manager"} }, []string{"add it to references"}},
		"another reference":    {func(c *graph.Config) { c.References = []string{"sponsor"} }, []string{"only manager"}},
		"ca":                   {func(c *graph.Config) { c.CAFile = "/nowhere.pem" }, []string{"ca_file"}},
		"certificate":          {func(c *graph.Config) { c.ClientSecret, c.CertificateFile = "", "/nowhere.pem" }, []string{"certificate_file"}},
		"password for nothing": {func(c *graph.Config) { c.CertificatePassword = "x" }, []string{"certificate_password"}},
	} {
		cfg := complete()
		tt.change(&cfg)
		_, err := graph.New(cfg)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) < len(tt.want) {
			t.Errorf("%s: %q is not an error a line", name, err)
		}
	}
}

func TestConfigFromYAML(t *testing.T) {
	t.Parallel()
	var cfg graph.Config
	err := yaml.UnmarshalWithOptions([]byte(`
tenant_id: 11111111-2222-4333-8444-555555555555
client_id: 11111111-2222-4333-8444-666666666666
client_secret: secret
cloud: china
domain: kommun.test
anchor_attribute: extension_0123456789abcdef0123456789abcdef_person
group_names: id
licences: true
guests: true
usage_location: SE
mfa: true
timeout: 10s
`), &cfg, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Limits = limit.Limits{PerSecond: 5, Burst: 10, Concurrent: 2}
	cfg.Attributes, cfg.References = []string{"jobTitle", "manager"}, []string{"manager"}
	c, err := graph.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []connectors.Ability{connectors.Create, connectors.Adopt, connectors.Update, connectors.References, connectors.Rename, connectors.Disable, connectors.Delete, connectors.Restore, connectors.Members, connectors.MFA, connectors.Passes, connectors.Sessions} {
		if s := c.Capabilities()[a]; !s.Can || s.Note == "" {
			t.Errorf("%s: %+v", a, s)
		}
	}
	if m := c.(connectors.Matcher).Matching(); m["manager"] != connectors.MatchIgnoreCase || m["jobTitle"] != connectors.MatchExact || m["userPrincipalName"] != connectors.MatchIgnoreCase {
		t.Errorf("matching %v", m)
	}
}

// TestClouds checks the URL, authority and scope of each cloud.
func TestClouds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ cloud, url, wantURL, wantAuthority, wantScope string }{
		{"", "", "https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		{"us-government", "", "https://graph.microsoft.us/v1.0", "https://login.microsoftonline.us", "https://graph.microsoft.us/.default"},
		{"us-government-dod", "", "https://dod-graph.microsoft.us/v1.0", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us/.default"},
		{"china", "", "https://microsoftgraph.chinacloudapi.cn/v1.0", "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn/.default"},
		{"", "https://microsoftgraph.chinacloudapi.cn/v1.0/", "https://microsoftgraph.chinacloudapi.cn/v1.0", "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn/.default"},
		{"", "https://graph.test/v1.0", "https://graph.test/v1.0", "https://login.microsoftonline.com", "https://graph.test/.default"},
	} {
		cfg := complete()
		cfg.Cloud, cfg.URL = tt.cloud, tt.url
		c, err := graph.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if url, authority, scope := graph.Where(c); url != tt.wantURL || authority != tt.wantAuthority || scope != tt.wantScope {
			t.Errorf("%+v: %s %s %s", tt, url, authority, scope)
		}
	}
}

// TestCeilingOfWrites checks that the default limits allow at most 3,000 writes
// in 150 seconds.
func TestCeilingOfWrites(t *testing.T) {
	t.Parallel()
	c, err := graph.New(complete())
	if err != nil {
		t.Fatal(err)
	}
	l := graph.LimitsOf(c)
	if most := l.PerSecond*150 + float64(l.Burst); most > 3000 || most < 2900 {
		t.Errorf("%+v permits %.0f writes in 150 seconds", l, most)
	}
	// Each request of a batch counts as a write; reads do not count.
	s, cfg := start(t, standin.Options{})
	cfg.Limits = limit.Limits{PerSecond: 50, Burst: 1}
	ids := make([]connectors.Change, 20)
	for i := range ids {
		ids[i] = on(connectors.DeleteAccount, s.AddUser("u"+strings.Repeat("x", i), nil))
	}
	limited := open(t, cfg)
	began := time.Now()
	apply(t, limited, connectors.Applied, ids...)
	if took := time.Since(began); took < 370*time.Millisecond {
		t.Errorf("20 writes at 50 a second took %s", took)
	}
	// Two of them look up which users are guests.
	if n := len(s.Requests()); n != 21+3 {
		t.Errorf("%d requests, want one batch of 20 and one of 2", n)
	}
	began = time.Now()
	for range 30 {
		snapshot(t, limited)
	}
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("30 readings took %s", took)
	}
}

// secure starts a stand-in with TLS, which is also its own authority.
func secure(t *testing.T, opts standin.Options) (*standin.Server, graph.Config) {
	t.Helper()
	const tenant = "11111111-2222-4333-8444-555555555555"
	opts.TenantID = tenant
	s := standin.New(opts)
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return s, graph.Config{TenantID: tenant, ClientID: "11111111-2222-4333-8444-666666666666",
		URL: server.URL + "/v1.0", Authority: server.URL, CAFile: ca, Domain: domain}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClientSecret obtains a token from the authority, over TLS.
func TestClientSecret(t *testing.T) {
	t.Parallel()
	s, cfg := secure(t, standin.Options{ClientID: "11111111-2222-4333-8444-666666666666", ClientSecret: "right"})
	s.AddUser("anna", nil)
	cfg.ClientSecret = "right"
	c := open(t, cfg)
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, c); len(got.Accounts) != 1 {
		t.Errorf("%d accounts", len(got.Accounts))
	}
	cfg.ClientSecret = "wrong-and-secret"
	err := open(t, cfg).Check(t.Context())
	if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), "AADSTS7000215") || strings.Contains(err.Error(), "wrong-and-secret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a wrong secret: %v", err)
	}
	// An untrusted certificate gets no secret and no token.
	cfg.CAFile, cfg.ClientSecret = "", "right"
	if err := open(t, cfg).Check(t.Context()); err == nil {
		t.Error("an unknown certificate is trusted")
	}
}

// TestCertificate obtains a token with a signed request.
func TestCertificate(t *testing.T) {
	t.Parallel()
	_, cfg := secure(t, standin.Options{ClientID: "11111111-2222-4333-8444-666666666666"})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "behov"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cfg.CertificateFile = filepath.Join(t.TempDir(), "behov.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, cfg.CertificateFile, append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...))
	if err := open(t, cfg).Check(t.Context()); err != nil {
		t.Error(err)
	}
	write(t, cfg.CertificateFile, certificate)
	if _, err := graph.New(cfg); err == nil || !strings.Contains(err.Error(), "private key") {
		t.Errorf("without a key: %v", err)
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if pkcs8, err = x509.MarshalPKCS8PrivateKey(elliptic); err != nil {
		t.Fatal(err)
	}
	write(t, cfg.CertificateFile, append(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...))
	if _, err := graph.New(cfg); err == nil {
		t.Error("another key passes")
	}
}

// TestCredentialKinds checks the type of credential for each way of signing in:
// secret, certificate, and both kinds of managed identity.
func TestCredentialKinds(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*graph.Config){
		"*azidentity.ClientSecretCredential":    func(*graph.Config) {},
		"*azidentity.ManagedIdentityCredential": func(c *graph.Config) { *c = graph.Config{ManagedIdentity: true} },
		"*azidentity.ManagedIdentityCredential ": func(c *graph.Config) {
			*c = graph.Config{ManagedIdentity: true, ClientID: "11111111-2222-4333-8444-666666666666"}
		},
	} {
		cfg := complete()
		change(&cfg)
		c, err := graph.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := graph.CredentialOf(c); got != strings.TrimSpace(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

package scim_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/scim"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*scim.Config){
		"url is missing":           func(c *scim.Config) { c.URL = "" },
		"url must be https":        func(c *scim.Config) { c.URL = "ldap://host" },
		"without user":             func(c *scim.Config) { c.URL = "https://a:b@host" },
		"not be encrypted":         func(c *scim.Config) { c.URL = "http://host/scim" },
		"credentials are missing":  func(c *scim.Config) { c.Token = "" },
		"line break":               func(c *scim.Config) { c.Token = testToken + "\n" },
		"page_size":                func(c *scim.Config) { c.PageSize = -1 },
		"timeout":                  func(c *scim.Config) { c.Timeout = -1 },
		"as in name.formatted":     func(c *scim.Config) { c.Attributes = []string{"title", "name"} },
		"the login name":           func(c *scim.Config) { c.Attributes = []string{"userName"} },
		"mfa_attribute":            func(c *scim.Config) { c.MFAAttribute = "no such" },
		"ca_file":                  func(c *scim.Config) { c.CAFile = filepath.Join(t.TempDir(), "no-such.pem") },
		"or api_key":               func(c *scim.Config) { c.Token = "" },
		"api_key.value is":         func(c *scim.Config) { c.APIKey = &scim.APIKey{} },
		"api_key.value has":        func(c *scim.Config) { c.APIKey = &scim.APIKey{Value: "a\nb"} },
		"api_key.header":           func(c *scim.Config) { c.APIKey = &scim.APIKey{Header: "authorization", Value: "x"} },
		"is invalid":               func(c *scim.Config) { c.APIKey = &scim.APIKey{Header: "X Key", Value: "x"} },
		"certificate_file":         func(c *scim.Config) { c.CertificateFile = notPEM },
		"requires https://":        func(c *scim.Config) { c.URL, c.Plaintext, c.CertificateFile = "http://host", true, notPEM },
		"without certificate_file": func(c *scim.Config) { c.CertificateKeyFile = notPEM },
		"no certificate":           func(c *scim.Config) { c.CAFile = notPEM },
	} {
		cfg := scim.Config{URL: "https://host/scim/v2", Token: testToken}
		change(&cfg)
		c, err := scim.New(cfg)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
		if c != nil {
			t.Errorf("%q: a connector beside the error", says)
		}
		if err != nil {
			wantPrivate(t, err.Error())
		}
	}
}

func TestConfigFromYAML(t *testing.T) {
	t.Parallel()
	var cfg scim.Config
	if err := yaml.UnmarshalWithOptions([]byte(`
url: https://host/scim/v2/
token: secret
plaintext: false
page_size: 50
timeout: 5s
mfa_attribute: urn:acme:User:mfa
`), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	c, err := scim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.(connectors.MFAReader); !ok || !c.Capabilities()[connectors.MFA].Can {
		t.Error("with mfa_attribute it cannot tell who is enrolled")
	}
	cfg.MFAAttribute = ""
	if c, err = scim.New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.(connectors.MFAReader); ok || c.Capabilities()[connectors.MFA].Can {
		t.Error("without mfa_attribute it says it can tell who is enrolled")
	}
	for _, a := range connectors.Abilities() {
		if s := c.Capabilities()[a]; !s.Can && s.Note == "" {
			t.Errorf("%s: neither can nor why not", a)
		}
	}
}

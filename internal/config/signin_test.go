package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
)

// TestSignIn: what cannot let people in safely is refused, with its place.
func TestSignIn(t *testing.T) {
	good := "sign_in:\n  issuer: https://login.example.org\n  client: behov\n  secret: env:BEHOV_SIGN_IN\n  url: https://behov.example.org\n  person: {claim: oid, target: directory}\n"
	load := func(text string) (*config.Config, string) {
		t.Helper()
		dir := example(t)
		f, err := os.OpenFile(filepath.Join(dir, "behov.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("\n" + text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(dir)
		var said strings.Builder
		for _, p := range problems {
			if !p.Warning {
				said.WriteString(p.Error() + "\n")
			}
		}
		return c, said.String()
	}
	c, said := load(good)
	if c == nil || said != "" || !c.SignIn.Configured() || c.SignIn.Person.Claim != "oid" || c.SignIn.Person.Target != "directory" || c.SignIn.Idle == 0 || len(c.SignIn.AMR) != 1 {
		t.Fatalf("%s", said)
	}
	if err := c.SignIn.Secrets(c.Dir); err == nil || !strings.Contains(err.Error(), "BEHOV_SIGN_IN") {
		t.Errorf("a secret that is not there: %v", err)
	}
	if c, _ := load(""); c.SignIn.Configured() || c.SignIn.Fresh == 0 {
		t.Errorf("without the section: %+v", c.SignIn)
	}
	for what, change := range map[string][3]string{
		"an address as the person":   {"claim: oid", "claim: email", "an address or a name is given to another person"},
		"a name as the person":       {"claim: oid", "claim: preferred_username", "an address or a name is given to another person"},
		"no claim":                   {"claim: oid, ", "", "the claim that tells who a person is is missing"},
		"an unknown target":          {"target: directory", "target: nothing", "there is no target"},
		"an unknown source":          {"target: directory", "source: nothing", "there is no HR source"},
		"a source and a target":      {"target: directory", "target: directory, source: hr", "leave out source or target"},
		"a secret in the file":       {"env:BEHOV_SIGN_IN", "hunter2", "must not stand in the configuration"},
		"an issuer without TLS":      {"https://login", "http://login", "it must be https"},
		"an address without TLS":     {"https://behov.", "http://behov.", "it must be https"},
		"an address with a path":     {"https://behov.example.org", "https://behov.example.org/behov", "behov answers at the root"},
		"no client":                  {"  client: behov\n", "", "the client ID is missing"},
		"no address":                 {"  url: https://behov.example.org\n", "", "it must be an address"},
		"a session of a second":      {"  client: behov\n", "  client: behov\n  idle: 1s\n", "from 1m to 720h"},
		"a password in the address":  {"https://login", "https://me:pw@login", "it must be an address"},
		"a key that is none of ours": {"  client: behov\n", "  client: behov\n  clinet: x\n", "clinet"},
	} {
		_, said := load(strings.Replace(good, change[0], change[1], 1))
		if !strings.Contains(said, change[2]) || !strings.Contains(said, "behov.yaml:") {
			t.Errorf("%s: %q", what, said)
		}
	}
}

package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
)

// events writes an example with streams of events.
func events(t *testing.T, text string) (dir string, firstLine int) {
	t.Helper()
	dir = example(t)
	name := filepath.Join(dir, "behov.yaml")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(string(b)+"events:\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, strings.Count(string(b), "\n") + 2
}

const everyStream = `  archive: {file: events.jsonl, from_start: true}
  hook: {webhook: {url: "https://siem.example.org/hook", secret: env:BEHOV_TEST_EVENTS_KEY, token: env:BEHOV_TEST_EVENTS_TOKEN, ca_file: ca.pem}}
  log: {syslog: {address: "siem.example.org:6514", ca_file: ca.pem, certificate_file: c.pem, certificate_key_file: k.pem}}
  signals:
    ssf:
      issuer: https://behov.example.org/
      key: file:ssf.key
      receivers:
        portal:
          audience: [https://portal.example.org]
          push: {url: "https://portal.example.org/events", token: env:BEHOV_TEST_EVENTS_TOKEN}
          events: [session-revoked, account-disabled]
          subject: {format: iss_sub, issuer: "https://login.example.org", account: directory}
        intranet: {audience: [a, b], token: env:BEHOV_TEST_EVENTS_TOKEN, subject: {format: email, protected: true}}
`

// TestEvents: streams are read as they are written, with their defaults.
func TestEvents(t *testing.T) {
	dir, _ := events(t, everyStream)
	c, problems := config.Load(dir)
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, s := range c.Events {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"archive", "hook", "log", "signals"}) || c.Events[0].File != filepath.Join(dir, "events.jsonl") || !c.Events[0].FromStart || c.Events[1].Webhook.CAFile != filepath.Join(dir, "ca.pem") ||
		c.Events[2].Syslog.CertificateFile != filepath.Join(dir, "c.pem") {
		t.Errorf("%+v", c.Events)
	}
	ssf := c.Events[3].SSF
	if ssf.Issuer != "https://behov.example.org" || len(ssf.Receivers) != 2 {
		t.Fatalf("%+v", ssf)
	}
	intranet, portal := ssf.Receivers[0], ssf.Receivers[1]
	if intranet.Push != nil || !slices.Equal(intranet.Signals, config.Signals) || intranet.Subject.Format != "email" || !intranet.Subject.Protected || portal.Subject.Account != "directory" || portal.Subject.Attribute != "" ||
		!slices.Equal(portal.Signals, []string{"account-disabled", "session-revoked"}) {
		t.Errorf("%+v", ssf.Receivers)
	}
}

// TestEventsThatCannotBeMeant: what is wrong with a stream is said with its place.
func TestEventsThatCannotBeMeant(t *testing.T) {
	receiver := func(text string) string {
		return "  s:\n    ssf: {issuer: \"https://b.example.org\", key: file:k, receivers: {portal: {" + text + "}}}\n"
	}
	for _, c := range []struct {
		text string
		at   string // at which the problem begins
		want string
	}{
		{"  a b: {file: x}\n", "file", `"a b" is no name for a stream`},
		{"  a: {}\n", "{}", "exactly one of webhook, file, syslog and ssf; this one has 0"},
		{"  a: {file: x, syslog: {address: \"h:1\"}}\n", "file", "this one has 2"},
		{"  a: {file: x}\n  b: {file: y/../x}\n", "y/../x", "another stream has this file already"},
		{"  a: {webhook: {url: \"https://h/x\"}}\n", "url", "secret is missing"},
		{"  a: {webhook: {url: \"http://h/x\", secret: env:S}}\n", `"http`, "it must be https://"},
		{"  a: {webhook: {url: \"https://h/x\", secret: hunter2}}\n", "hunter2", "a secret must not stand"},
		{"  a: {webhook: {url: \"https://h/x\", secret: env:S, token: hunter2}}\n", "hunter2", "a secret must not stand"},
		{"  a: {syslog: {address: siem}}\n", "siem", "it must be HOST:PORT"},
		{"  a: {syslog: {address: \"h:1\", certificate_file: c}}\n", "address", "belong together"},
		{"  a: {file: x, unknown: y}\n", "unknown", `unknown field "unknown"`},
		{"  s: {ssf: {issuer: \"http://b\", key: file:k, receivers: {p: {audience: [x], token: env:T}}}}\n", `"http`, "it must be https://HOST, without a path"},
		{"  s: {ssf: {issuer: \"https://b/path\", key: file:k, receivers: {p: {audience: [x], token: env:T}}}}\n", `"http`, "without a path"},
		{"  s: {ssf: {issuer: \"https://b\", receivers: {p: {audience: [x], token: env:T}}}}\n", "issuer", "key is missing"},
		{"  s: {ssf: {issuer: \"https://b\", key: hunter2, receivers: {p: {audience: [x], token: env:T}}}}\n", "hunter2", "a secret must not stand"},
		{"  s: {ssf: {issuer: \"https://b\", key: file:k}}\n", "issuer", "receivers are missing"},
		{"  s: {from_start: true, ssf: {issuer: \"https://b\", key: file:k, receivers: {p: {audience: [x], token: env:T}}}}\n", "true", "what happens from now on"},
		{receiver("token: env:T"), "token", "audience is missing"},
		{receiver("audience: [x]"), "audience", "has neither"},
		{receiver("audience: [x], token: env:T, events: [logout]"), "[logout", `"logout" is none of`},
		{receiver("audience: [x], token: env:T, push: {url: \"ftp://h\"}"), `"ftp`, "it must be https://HOST/PATH"},
		{receiver("audience: [x], token: env:T, subject: {format: phone}"), "phone", `"phone" is none of opaque, email and iss_sub`},
		{receiver("audience: [x], token: env:T, subject: {format: iss_sub}"), "format", "issuer is missing"},
		{receiver("audience: [x], token: env:T, subject: {issuer: x}"), "issuer: x", "are for the format iss_sub"},
		{receiver("audience: [x], token: env:T, subject: {format: iss_sub, issuer: x, attribute: name}"), "name", `"name" is none of login, email and person_id`},
		{receiver("audience: [x], token: env:T, subject: {format: iss_sub, issuer: x, account: nowhere}"), "nowhere", `there is no target "nowhere"`},
		{receiver("audience: [x], token: env:T") + "  t: {ssf: {issuer: \"https://c\", key: file:k, receivers: {p: {audience: [x], token: env:T}}}}\n", "issuer: \"https://c", "another stream is a transmitter already"},
	} {
		dir, first := events(t, c.text)
		_, problems := config.Load(dir)
		before := c.text[:strings.Index(c.text, c.at)]
		line := strings.Count(before, "\n")
		place := fmt.Sprintf("behov.yaml:%d:%d: ", first+line, len(before)-strings.LastIndex(before, "\n"))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), place) || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s\ngot %v\nwant %s%s", c.text, problems, place, c.want)
		}
	}
}

// TestEventSecrets: secrets are read when they are checked, a key that signs too weakly is
// refused, and no error has a secret.
func TestEventSecrets(t *testing.T) {
	dir, _ := events(t, everyStream)
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	err := c.EventSecrets()
	for _, want := range []string{"events.hook.webhook.secret: ", "events.signals.ssf.key: ", "events.signals.ssf.receivers.portal.push.token: ", "events.signals.ssf.receivers.intranet.token: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	t.Setenv("BEHOV_TEST_EVENTS_KEY", "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
	t.Setenv("BEHOV_TEST_EVENTS_TOKEN", "t0ken")
	write := func(kind string, der []byte, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ssf.key"), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return c.EventSecrets()
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	strong, _ := rsa.GenerateKey(rand.Reader, 2048)
	weak, _ := rsa.GenerateKey(rand.Reader, 1024)
	pkcs8 := func(key any) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }
	sec1, sec1Err := x509.MarshalECPrivateKey(p256)
	for name, c := range map[string]struct {
		kind string
		der  []byte
		err  error
		good bool
	}{
		"EC": {"EC PRIVATE KEY", sec1, sec1Err, true}, "RSA": {"RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(strong), nil, true}, "weak": {"RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weak), nil, false},
		"nonsense": {"PRIVATE KEY", []byte("hunter2"), nil, false},
	} {
		if err := write(c.kind, c.der, c.err); (err == nil) != c.good || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for key, good := range map[any]bool{p256: true, strong: true, p384: false} {
		der, err := pkcs8(key)
		if err := write("PRIVATE KEY", der, err); (err == nil) != good {
			t.Errorf("%T: %v", key, err)
		}
	}
}

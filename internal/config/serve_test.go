package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
)

// withServe writes the example configuration with a section serve.
func withServe(t *testing.T, section string) (dir string) {
	t.Helper()
	dir = example(t)
	edit(t, dir, "behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\n"+section)
	return dir
}

// TestServe checks what of the section is made of what is written, and of nothing.
func TestServe(t *testing.T) {
	dir := withServe(t, "")
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	if s := c.Serve; len(s.Proxies) > 0 || s.PerAddress != 300 || s.PerSubject != 50 || s.FailedSignIns != 30 || s.ACME != nil {
		t.Errorf("the defaults are %+v", s)
	}
	dir = withServe(t, `serve:
  trusted_proxies: [127.0.0.1, 10.20.0.0/16, "::ffff:192.0.2.1", "2001:db8::/64", "::1"]
  limits: {requests_per_address: 1000, requests_per_subject: 5, failed_sign_ins: 1}
  acme:
    hosts: [Behov.example.org, åsele.example.org]
    directory: https://ca.example.org/dir
    contact: iam@example.org
    ca_file: ca.pem
`)
	if c, problems = config.Load(dir); c == nil {
		t.Fatal(problems)
	}
	if got := fmt.Sprint(c.Serve.Proxies, c.Serve.PerAddress, c.Serve.PerSubject, c.Serve.FailedSignIns); got != "[127.0.0.1/32 10.20.0.0/16 192.0.2.1/32 2001:db8::/64 ::1/128] 1000 5 1" {
		t.Errorf("got %s", got)
	}
	if a := c.Serve.ACME; fmt.Sprint(a.Hosts) != "[behov.example.org xn--sele-poa.example.org]" || a.Directory != "https://ca.example.org/dir" || a.Contact != "iam@example.org" ||
		a.Cache != filepath.Join(dir, "acme") || a.CAFile != filepath.Join(dir, "ca.pem") {
		t.Errorf("got %+v", a)
	}
}

// TestServeProblemsNameTheirPlace checks that a wrong setting is reported where it stands.
func TestServeProblemsNameTheirPlace(t *testing.T) {
	for _, c := range []struct{ section, want string }{
		{"serve:\n  colour: red\n", `behov.yaml:15:3: unknown field "colour"`},
		{"serve:\n  trusted_proxies: [proxy.example.org]\n", `behov.yaml:15:20: "proxy.example.org" is no address`},
		{"serve:\n  trusted_proxies: [10.1.2.3/16]\n", `behov.yaml:15:20: "10.1.2.3/16" has bits beyond its length: the network is 10.1.0.0/16`},
		{"serve:\n  trusted_proxies: [0.0.0.0/0]\n", `behov.yaml:15:20: "0.0.0.0/0" is every address`},
		{"serve:\n  trusted_proxies: [\"fe80::1%eth0\"]\n", `behov.yaml:15:20: "fe80::1%eth0" is no address`},
		{"serve:\n  limits:\n    requests_per_address: 0\n", `behov.yaml:16:27: it is a number from 1`},
		{"serve:\n  limits:\n    requests_per_subject: many\n", `behov.yaml:16:27: "many" must be a number`},
		{"serve:\n  limits: {failed_sign_ins: -1}\n", `behov.yaml:15:29: it is a number from 1`},
		{"serve:\n  acme: {contact: iam@example.org}\n", `behov.yaml:15:10: name the hosts`},
		{"serve:\n  acme:\n    hosts: [localhost]\n", `behov.yaml:16:12: "localhost" is no name of a host in full`},
		{"serve:\n  acme:\n    hosts: [192.0.2.1]\n", `behov.yaml:16:12: "192.0.2.1" is no name of a host in full`},
		{"serve:\n  acme:\n    hosts: [\"*.example.org\"]\n", `behov.yaml:16:12: "*.example.org" is no name of a host in full`},
		{"serve:\n  acme:\n    hosts: [a.example.org]\n    directory: http://ca.example.org\n", `behov.yaml:17:16: it must be https://HOST/PATH`},
		{"serve:\n  acme:\n    hosts: [a.example.org]\n    contact: iam\n", `behov.yaml:17:14: "iam" is no e-mail address`},
	} {
		_, problems := config.Load(withServe(t, c.section))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), c.want) {
			t.Errorf("%s is %v, not %s", c.section, problems, c.want)
		}
	}
}

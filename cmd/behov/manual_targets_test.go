package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/goccy/go-yaml"

	"github.com/behov/behov/internal/manual"
	"github.com/behov/behov/internal/testenv"
)

// targetPage is a page about a kind of target, and what of its example is another in a test:
// where the server is.
type targetPage struct {
	topic, target string
	settings      map[string]any // of the target
}

// targetPages starts a server of each kind, and returns the pages about them.
func targetPages(t *testing.T) (*municipality, []targetPage) {
	m := newMunicipality(t)
	const left = "OU=Left,DC=kommun,DC=test"
	add := ldap.NewAddRequest(left, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	if err := m.samba.Dial().Add(add); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(m.front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	front := "https://127.0.0.1:" + port
	passwords := map[string]any{"directory": "first-passwords", "command": []string{}}
	return m, []targetPage{
		{"active-directory", "ad", map[string]any{"first_password": passwords, "ldap": map[string]any{"url": m.samba.SecureURL, "ca_file": m.samba.CAFile, "bind_dn": m.samba.UPN,
			"password": "env:BEHOV_TEST_AD", "people_dn": adPeople, "groups_dn": adGroups, "disable": map[string]any{"move_to": left}}}},
		{"targets", "openldap", map[string]any{"first_password": passwords, "ldap": map[string]any{"url": m.slapd.SecureURL, "ca_file": m.slapd.CAFile, "bind_dn": m.slapd.BindDN,
			"password": "env:BEHOV_TEST_LDAP", "people_dn": m.slapd.PeopleDN, "groups_dn": m.slapd.GroupsDN}}},
		{"scim", "app", map[string]any{"scim": map[string]any{"url": m.app, "plaintext": true, "token": "env:BEHOV_TEST_SCIM"}}},
		{"entra", "entra", map[string]any{"graph": map[string]any{"url": front + "/v1.0", "authority": front, "ca_file": filepath.Join(m.dir, "ca.pem"),
			"tenant_id": "00000000-0000-4000-8000-000000000001", "client_id": "behov", "client_secret": "env:BEHOV_TEST_ENTRA", "domain": "kommun.test"}}},
	}
}

// TestManualTargetsRun connects the example of each page about a kind of target to a real
// server, or to the stand-in for Microsoft Graph, and runs what the page says to try.
func TestManualTargetsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers")
	}
	m, targets := targetPages(t)
	for _, page := range targets {
		t.Run(page.topic, func(t *testing.T) {
			topic, _ := manual.Find(page.topic)
			blocks := manual.Blocks(topic.Markdown)
			i := slices.IndexFunc(blocks, func(b manual.Block) bool { return b.Info == "yaml" })
			var settings map[string]any
			if err := yaml.Unmarshal([]byte(blocks[i].Text), &settings); err != nil {
				t.Fatal(err)
			}
			shell := newShell(t)
			for _, name := range []string{"AD", "LDAP", "SCIM", "ENTRA"} {
				shell.env = append(shell.env, "BEHOV_TEST_"+name+"="+os.Getenv("BEHOV_TEST_"+name))
			}
			shell.run(t, "behov init .\n")
			mergeConfig(t, shell.dir, merge(settings, map[string]any{"targets": map[string]any{page.target: page.settings}}))
			appendTo(t, shell.dir, "catalogue.yaml", "  connected: {target: "+page.target+", entitlements: {staff: {}}}\n")
			appendTo(t, shell.dir, "policy.csv", "p, connected, true, connected:staff, allow, everyone\n")
			shell.run(t, "behov hr import hr.csv\n")
			out := ""
			for _, block := range blocks {
				if block.Info == "sh" && strings.HasPrefix(block.Text, "behov check\n") || block.Info == "sh run" && strings.Contains(block.Text, "behov plan --values") {
					out += shell.run(t, block.Text)
				}
			}
			out += shell.run(t, "behov apply --yes --person 1001\nbehov account list 1001\n")
			for _, want := range []string{"2 targets (all of which answer)", "connected:staff", page.target + ": "} {
				if !strings.Contains(out, want) {
					t.Errorf("it does not print %q:\n%s", want, out)
				}
			}
			for _, secret := range m.secrets {
				if strings.Contains(out, secret) {
					t.Error("it prints a secret")
				}
			}
		})
	}
}

// TestManualPostgresRuns moves an installation to PostgreSQL as the page says, and goes on
// there.
func TestManualPostgresRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	topic, _ := manual.Find("postgresql")
	const move = "behov db copy --to env:BEHOV_DATABASE\n"
	if !strings.Contains(topic.Markdown, move) {
		t.Fatal("the page no longer says how to move")
	}
	shell := newShell(t)
	shell.env = []string{"BEHOV_DATABASE=" + testenv.StartPostgres(t).Database()}
	shell.run(t, "behov init .\nbehov hr import hr.csv\nbehov apply --yes\n"+move)
	mergeConfig(t, shell.dir, map[string]any{"database": "env:BEHOV_DATABASE"})
	out := shell.run(t, "behov status\nbehov db migrate\nbehov plan\nbehov audit verify\n")
	for _, want := range []string{"Database  PostgreSQL", "nothing to do", "Audit trail verified"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
}

// appendTo adds text to a file.
func appendTo(t *testing.T, dir, name, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

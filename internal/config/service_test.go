package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
)

// TestServiceAccounts: a service account has a name, a purpose and people who answer for it,
// and rights.csv gives a role to one that is declared.
func TestServiceAccounts(t *testing.T) {
	load := func(yaml, rights string) (*config.Config, string) {
		t.Helper()
		dir := example(t)
		for name, text := range map[string]string{"behov.yaml": yaml, "rights.csv": rights} {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("\n" + text); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
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
	const good = "service_accounts:\n  payroll: {purpose: says who is hired, responsible: [1001, hr/1002]}\n  archive-2: {purpose: keeps, responsible: [hr/1001]}\n"
	c, said := load(good, "g, service:payroll, hr\n")
	if c == nil {
		t.Fatal(said)
	}
	payroll, known := c.ServiceAccount("payroll")
	if !known || payroll.Purpose != "says who is hired" || len(payroll.Responsible) != 2 || payroll.Responsible[0] != (identity.SourceKey{Source: "hr", Key: "1001"}) || len(c.ServiceAccounts) != 2 || c.ServiceAccounts[0].Name != "archive-2" {
		t.Errorf("%+v", c.ServiceAccounts)
	}
	if _, known := c.ServiceAccount("nothing"); known {
		t.Error("a service account is there that is not declared")
	}
	for what, change := range map[string][3]string{
		"no purpose":             {"purpose: keeps, ", "", "behov.yaml:{the purpose is missing"},
		"an upper-case name":     {"archive-2:", "Archive:", "behov.yaml:{\"Archive\" is no name of a service account"},
		"a name with a colon":    {"archive-2:", "'a:b':", "behov.yaml:{is no name of a service account"},
		"no one is responsible":  {"responsible: [hr/1001]", "responsible: []", "behov.yaml:{name the people who answer for it"},
		"no list of them":        {", responsible: [hr/1001]", "", "behov.yaml:{name the people who answer for it"},
		"an unknown source":      {"[hr/1001]", "[idp/1001]", "behov.yaml:{names no record of an HR source"},
		"too many":               {"[hr/1001]", "[" + strings.Repeat("hr/1001, ", 20) + "hr/1001]", "behov.yaml:{at most 20"},
		"a field that is unread": {"purpose: keeps", "purpos: keeps", "behov.yaml:{purpos"},
		"a role of none":         {"  payroll:", "  payrol:", "rights.csv:{there is no service account payroll"},
	} {
		file, text, _ := strings.Cut(change[2], "{")
		if _, said := load(strings.Replace(good, change[0], change[1], 1), "g, service:payroll, hr\n"); !strings.Contains(said, text) || !strings.Contains(said, file) {
			t.Errorf("%s: %q", what, said)
		}
	}
}

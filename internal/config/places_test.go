package config_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/rules"
)

// example writes the example configuration.
func example(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := fs.ReadDir(rules.Example, "example")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := fs.ReadFile(rules.Example, "example/"+e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func edit(t testing.TB, dir, file, old, text string) {
	t.Helper()
	name := filepath.Join(dir, file)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(b), old, text, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExampleIsClean(t *testing.T) {
	c, problems := config.Load(example(t))
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(c.Targets) != 1 || c.Rules.Len() != 8 || !c.Targets[0].MFA || c.Sources["hr"].Shrink.People != 5 {
		t.Errorf("got %+v", c)
	}
}

// TestTheExamplesOtherTargetsAreRight takes the comment signs from the targets
// that stand beside the example's own, and from what stands beside in those.
func TestTheExamplesOtherTargetsAreRight(t *testing.T) {
	dir := example(t)
	name := filepath.Join(dir, "behov.yaml")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, tail, ok := strings.Cut(string(b), "  # ad:\n")
	if !ok {
		t.Fatal("the example no longer has an Active Directory target")
	}
	for _, all := range []bool{false, true} {
		lines := strings.Split("  # ad:\n"+tail, "\n")
		for i, line := range lines {
			if text, ok := strings.CutPrefix(line, "  # "); ok {
				lines[i] = "  " + text
			}
			if before, after, ok := strings.Cut(lines[i], "# "); all && ok && strings.TrimSpace(before) == "" && strings.Contains(after, ": ") && !strings.HasPrefix(after, "or: ") {
				lines[i] = before + after
			}
		}
		if err := os.WriteFile(name, []byte(head+strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(dir)
		if c == nil {
			t.Fatal(problems)
		}
		var kinds []string
		for _, target := range c.Targets {
			kinds = append(kinds, target.Name+" "+target.Kind())
		}
		if got := strings.Join(kinds, ", "); got != "ad ldap, directory memory, entra graph, ldap ldap, scim scim" {
			t.Errorf("targets are %s", got)
		}
	}
}

func TestProblemsNameTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, file, old, text, want string }{
		{"unknown field", "behov.yaml", "  directory:\n", "  directory:\n    colour: red\n", `behov.yaml:96:5: unknown field "colour"`},
		{"same key twice", "behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\ntimezone: UTC\n", `behov.yaml:14:1: mapping key "timezone" already defined`},
		{"tab", "behov.yaml", "  target: directory", "\ttarget: directory", `behov.yaml:92:`},
		{"wrong type", "behov.yaml", "{number: 10,", "{number: many,", `behov.yaml:99:36: "many" must be a number`},
		{"time zone", "behov.yaml", "Europe/Stockholm", "Europe/Nowhere", `behov.yaml:13:11: "Europe/Nowhere" is no time zone`},
		{"login template", "behov.yaml", "(ascii .GivenName)", "(ascii .GivenNam)", `behov.yaml:25:8: template`},
		{"attribute template", "behov.yaml", `sn: "{{.FamilyName}}"`, `sn: "{{.Familyname}}"`, `behov.yaml:110:11: attribute sn: template`},
		{"encoding", "behov.yaml", "      shrink_limit:", "      encoding: ebcdic\n      shrink_limit:", `behov.yaml:74:17: "ebcdic" is not known`},
		{"delimiter", "behov.yaml", "      shrink_limit:", "      delimiter: \";;\"\n      shrink_limit:", `behov.yaml:74:18: ";;" must be one character`},
		{"date format", "behov.yaml", "      shrink_limit:", "      date_format: DD.MM\n      shrink_limit:", `behov.yaml:74:20: "DD.MM" must have YYYY, MM and DD`},
		{"column mapping", "behov.yaml", "      shrink_limit:", "      columns: {personid: X}\n      shrink_limit:", `behov.yaml:74:`},
		{"two kinds", "behov.yaml", "    memory:\n", "    scim: {url: \"https://x\"}\n    memory:\n", `behov.yaml:99:5: a target has exactly one of ldap, scim, graph, manual and memory; this one has 2`},
		{"secret in the clear", "behov.yaml", "    memory:\n      file: directory.json\n      groups: [all-staff, teachers, school-register, nurses, care-record, library-desk, library-loans, finance-ledger, temps]\n",
			"    scim: {url: \"https://x\", token: hunter2}\n", `behov.yaml:114:37: a secret must not stand in the configuration`},
		{"password in a URL", "behov.yaml", "sqlite:behov.db", "postgres://u:hunter2@h/d", `behov.yaml:17:11: a password must not stand`},
		{"database", "behov.yaml", "sqlite:behov.db", "mysql://h/d", `behov.yaml:17:11: it must be "sqlite:FILE"`},
		{"MFA target", "behov.yaml", "  target: directory", "  target: nowhere", `behov.yaml:92:11: there is no target "nowhere"`},
		{"ignore pattern", "behov.yaml", `["svc-*"]`, `["svc-["]`, `behov.yaml:101:13: the pattern "svc-[" is not well formed`},
		{"unknown target", "catalogue.yaml", "    owner: \"1001\"\n    target: directory", "    owner: \"1001\"\n    target: nowhere", `catalogue.yaml:18:15: entitlement base:staff: there is no target "nowhere"`},
		{"same native twice", "catalogue.yaml", "native: temps", "native: all-staff", `catalogue.yaml:19:15: entitlements base:staff and base:temps are both "all-staff"`},
		{"unit below itself", "units.csv", "kommun,,", "kommun,finance,", `units.csv:8: unit "care" lies below itself`},
		{"unit twice", "units.csv", "library,culture", "finance,culture", `units.csv:12: unit "finance" is defined twice`},
		{"unit fields", "units.csv", "finance,office,Finance", "finance,office", `units.csv:4: a unit has 3 fields`},
		{"rule", "policy.csv", "r.sub.job_code == '2120'", "r.sub.jobcode == '2120'", `policy.csv:17:15: rule teachers: unknown attribute r.sub.jobcode`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := example(t)
			edit(t, dir, c.file, c.old, c.text)
			config, problems := config.Load(dir)
			if config != nil || len(problems) == 0 {
				t.Fatalf("no problem is seen: %v", problems)
			}
			if got := problems[0].Error(); !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") || strings.Contains(got, "hunter2") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMissingFilesAreNamed(t *testing.T) {
	for _, name := range []string{"behov.yaml", "catalogue.yaml", "units.csv", "policy.csv"} {
		dir := example(t)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if c, problems := config.Load(dir); c != nil || len(problems) == 0 || !strings.HasPrefix(problems[0].Error(), name+": there is no such file") {
			t.Errorf("without %s: %v", name, problems)
		}
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("BEHOV_TEST_SECRET", "s1")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("s2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"env:BEHOV_TEST_SECRET": "s1", "file:f": "s2", "file:" + filepath.Join(dir, "f"): "s2", "": ""} {
		if got, err := config.Resolve(dir, ref); err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"env:BEHOV_TEST_NOT_SET", "file:none", "hunter2"} {
		if _, err := config.Resolve(dir, ref); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Resolve(%q): %v", ref, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"behov.yaml", "catalogue.yaml"} {
		b, err := fs.ReadFile(rules.Example, "example/"+name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, string(b))
	}
	f.Add("units.csv", "unit,parent,name\na,b,c\n")
	dir := example(f)
	f.Fuzz(func(t *testing.T, name, text string) {
		switch name {
		case "behov.yaml", "catalogue.yaml", "units.csv":
		default:
			return
		}
		file := filepath.Join(dir, name)
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.WriteFile(file, before, 0o600) }()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(dir)
		for _, p := range problems {
			if strings.Contains(p.Error(), "\n") {
				t.Fatalf("more than a line: %q", p.Error())
			}
		}
		if c == nil && len(problems) == 0 {
			t.Fatal("it does not load and nobody says why")
		}
	})
}

package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
)

// TestFileThatWouldTakeForeverIsRefused: such a file ended the service, which
// could not begin again with it.
func TestFileThatWouldTakeForeverIsRefused(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 20 {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c]\n", 'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	units := "unit,parent,name\nu0,,\n"
	for i := range 500 {
		units += fmt.Sprintf("u%d,u%d,\n", i+1, i)
	}
	reorganised := "unit,parent,name,from,until\n"
	for i := range 4000 {
		reorganised += fmt.Sprintf("u%d,,,%s,\n", i, time.Date(2000, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	for _, c := range []struct{ name, file, text, want string }{
		{"aliases", "behov.yaml", bomb, `behov.yaml:1:4: anchors, aliases and merge keys`},
		{"aliases in a catalogue", "catalogue.yaml", "systems: *a\n", `catalogue.yaml:1:10: anchors, aliases and merge keys`},
		{"merge key", "catalogue.yaml", "systems:\n  <<: {a: b}\n", `catalogue.yaml:2:3: anchors, aliases and merge keys`},
		{"tag", "catalogue.yaml", "systems: !!str x\n", `catalogue.yaml:1:10: tags and directives`},
		{"brackets", "behov.yaml", "targets: " + strings.Repeat("[", 100_000), `behov.yaml:1:42: more than 32 lists and mappings`},
		{"braces", "catalogue.yaml", "systems: " + strings.Repeat("{a: ", 100_000), `catalogue.yaml:1:`},
		{"dashes", "behov.yaml", strings.Repeat("- ", 100_000), `behov.yaml:1:65: more than 32 lists and mappings`},
		{"indented", "behov.yaml", nested(1000), `behov.yaml:34:34: more than 32 lists and mappings`},
		{"questions", "behov.yaml", strings.Repeat("? ", 100_000), `behov.yaml:1:1: a key that begins with ?`},
		{"many keys", "catalogue.yaml", "systems:\n" + strings.Repeat("  a: {name: x}\n", 100_000), `catalogue.yaml:28573: the file has more than 200000 words`},
		{"large", "behov.yaml", "# " + strings.Repeat("x", 9<<20), `behov.yaml: the file has more than 8 MiB`},
		{"large policy", "policy.csv", "# " + strings.Repeat("x", 9<<20), `policy.csv: the file has more than 8 MiB`},
		{"many rules", "policy.csv", manyRules(20_002), `policy.csv:20002:1: the policy has more than 20000 rules`},
		{"deep units", "units.csv", units, `units.csv:102: unit "u100" lies more than 64 units deep`},
		{"units that always change", "units.csv", reorganised, `units.csv:1415: the organisation has too many units`},
		{"condition of 4 MB", "policy.csv", `p, a, "` + strings.Repeat("(", 2<<20) + "true" + strings.Repeat(")", 2<<20) + `", base:staff, allow, w`, `policy.csv:1:8: rule a: the condition has 4194308 bytes, the maximum is 16384: split the rule`},
		{"deep condition", "policy.csv", `p, a, "` + strings.Repeat("(", 40) + "true" + strings.Repeat(")", 40) + `", base:staff, allow, w`, `policy.csv:1:40: rule a: parentheses are nested more than 32`},
		{"long condition", "policy.csv", `p, a, "true` + strings.Repeat(" || true", 3000) + `", base:staff, allow, w`, `policy.csv:1:8: rule a: the condition has 24004 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := example(t)
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			loaded, problems := config.Load(dir)
			if loaded != nil || len(problems) == 0 || !has(problems, c.want) {
				t.Errorf("got  %.300v\nwant %s", problems, c.want)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func has(problems []diagnostic.Problem, prefix string) bool {
	for _, p := range problems {
		if strings.HasPrefix(p.Error(), prefix) {
			return true
		}
	}
	return false
}

func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

func manyRules(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p, r%d, true, base:staff, allow, w\n", i)
	}
	return b.String()
}

// TestLongestConditionIsRead: what is within the limits is read by both
// evaluators.
func TestLongestConditionIsRead(t *testing.T) {
	dir := example(t)
	for _, condition := range []string{
		"r.sub.protected" + strings.Repeat(" || true", 2000), strings.Repeat("(", 32) + "true" + strings.Repeat(")", 32),
		"r.sub.job_code in ('1'" + strings.Repeat(",'2'", 4000) + ")", "r.sub.percent > 1" + strings.Repeat("+1", 8000),
	} {
		if err := os.WriteFile(filepath.Join(dir, "policy.csv"), []byte(`p, a, "`+condition+`", base:staff, allow, w`), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, problems := config.Load(dir); c == nil {
			t.Errorf("%.40s: %v", condition, problems)
		}
	}
}

// fuzzFile loads the example with one of its files replaced. A result is either
// a configuration or a problem, within bounds.
func fuzzFile(f *testing.F, file string, more ...string) {
	dir := example(f)
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	for _, text := range more {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if c, problems := config.Load(dir); c == nil && len(problems) == 0 {
			t.Error("neither a configuration nor a problem")
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func FuzzConfiguration(f *testing.F) {
	fuzzFile(f, "behov.yaml", "targets: {a: {memory: {file: x}, removal_limit: {number: 0x10}}}\n", "a: &a [*a]\n", "- - -\n", "login: 0123\ntimezone: ~\nholds: {expire_days: 1e9}\nlifecycle: {prepare_days: ~, warn_days: 5.5}\n", "hr: {attributes: [a, 01]}\n", "? a\n: b\n", "a: |\n  x\n", "a: \"\\u200b\"\n")
}

func FuzzCatalogue(f *testing.F) {
	fuzzFile(f, "catalogue.yaml", "systems: {a: {owner: 01002, target: directory, entitlements: {b: {native: 0123, mfa: true}}}}\n", "systems: {0123: {entitlements: {null: {native: null}}}}\n", "systems: {\"a\u200b\": {}, a: {}}\n", "systems: {a: {target: directory, entitlements: {b: {native: \" \"}, c: {native: \"\"}, C: {}}}}\n")
}

func FuzzUnits(f *testing.F) {
	fuzzFile(f, "units.csv", "unit,parent,name,from,until,successor\na,,A,2026-01-01,,\nb,a,B,,2026-05-01,a\n", "unit,parent\na,b\nb,a\n", "unit\tparent\n", "unit,parent,name\n\"a\u200b\",,\n")
}

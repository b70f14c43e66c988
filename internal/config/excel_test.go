package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/testenv"
)

// TestFilesAreReadAsExcelSavesThem: policy.csv, rights.csv and units.csv.
func TestFilesAreReadAsExcelSavesThem(t *testing.T) {
	dir := example(t)
	want, problems := config.Load(dir)
	if want == nil {
		t.Fatal(problems)
	}
	for _, file := range []string{"policy.csv", "rights.csv", "units.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		var excel []string
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "#"):
				line = `"` + strings.ReplaceAll(line, `"`, `""`) + `"`
			case strings.Count(line, `"`) == 0:
				line = strings.ReplaceAll(line, ", ", ";")
				line = strings.ReplaceAll(line, ",", ";")
			default: // a condition in quotes, which may have commas
				parts := strings.Split(line, `"`)
				for i := 0; i < len(parts); i += 2 {
					parts[i] = strings.ReplaceAll(strings.ReplaceAll(parts[i], ", ", ";"), ",", ";")
				}
				line = strings.Join(parts, `"`)
			}
			excel = append(excel, line+";;;;")
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte("\ufeff"+strings.Join(excel, "\r\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, problems := config.Load(dir)
	if got == nil {
		t.Fatal(problems)
	}
	if got.Rules.Units.Len() != want.Rules.Units.Len() {
		t.Errorf("%d units, not %d", got.Rules.Units.Len(), want.Rules.Units.Len())
	}
}

// TestColumnsMayHaveAnyLetters: in rules and templates, also where an editor writes
// a letter and its dots apart.
func TestColumnsMayHaveAnyLetters(t *testing.T) {
	dir := example(t)
	edit(t, dir, "behov.yaml", "attributes: [cost_centre]", "attributes: [cost_centre, kostnadsställe, Förvaltning_2]")
	edit(t, dir, "behov.yaml", `title: "{{.JobTitle}}"`, `title: "{{.Attributes.kostnadsställe}}"`)
	b, err := os.ReadFile(filepath.Join(dir, "policy.csv"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b) + "p, ks, \"r.sub.kostnadssta\u0308lle == '10' || r.sub.Förvaltning_2 in ('Skola', 'Vård')\", library:desk, allow, why\n"
	if err := os.WriteFile(filepath.Join(dir, "policy.csv"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	p := identity.Person{ID: "p", Employments: []identity.Employment{{ID: "e", EmploymentFacts: identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{{Attributes: map[string]string{"kostnadsställe": "10"}}}}}}}
	if d, err := c.Rules.Compare(p, "2026-01-01"); err != nil || len(d) > 0 {
		t.Error(d, err)
	}
	given := func(centre string) bool {
		p.Employments[0].Terms[0].Attributes["kostnadsställe"] = centre
		grants, err := c.Rules.Decide(p, "2026-01-01", policy.Facts{})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(grants, func(g policy.Grant) bool { return g.Entitlement == "library:desk" })
	}
	if !given("10") || given("11") {
		t.Error("the rule does not hold")
	}
}

// TestOneNameIsEnoughForATarget: what a target needs is made of it.
func TestOneNameIsEnoughForATarget(t *testing.T) {
	dir := example(t)
	t.Setenv("X", "secret")
	edit(t, dir, "behov.yaml", "mfa:\n  target: directory\n", "")
	edit(t, dir, "behov.yaml", "    memory:\n      file: directory.json\n", "    ldap:\n      {url: \"ldaps://x.example.org\", bind_dn: cn=x, password: env:X, people_dn: \"ou=p\", groups_dn: \"ou=g\"}\n")
	edit(t, dir, "behov.yaml", "      groups: [all", "      # groups: [all")
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	a := c.Targets[0].Attributes["sn"]
	if v, err := a.Default.Execute(identity.View{PersonFacts: identity.PersonFacts{GivenName: "Suharto"}}); err != nil || v != "Suharto" {
		t.Error(v, err)
	}
}

// TestColumnSettingsAreChecked: positions, XPaths, templates and rows to skip.
func TestColumnSettingsAreChecked(t *testing.T) {
	for setting, want := range map[string]string{
		"columns: {person_id: \"{{.Nr\"}": "template", "columns: {unit: \"{{col .x}}\"}": "the name of one column", "format: fixed": "have positions",
		"format: fixed\n      columns: {person_id: NR}": "no position", "format: xml": "takes both format: xml and record", "record: //x": "takes both format: xml and record",
		"format: xml\n      record: \"//[\"": "no XPath", "format: xml\n      record: //x\n      columns: {unit: \"a[\"}": "no XPath",
		"skip: {column: Nr, values: [\"\"]}": "names rows that are none", "skip: [{column: Nr, values: [Total]}, {values: [x]}]": "names rows that are none", "protected_values: [\"\"]": "an empty cell says nothing", "protected_values: {protected: [SKYDD], not_protected: [\"\"]}": "an empty cell says nothing", "protected_values: {protected: [Öppen], not_protected: [öppen]}": "a word has one meaning", "protected_values: {not_protected: [Öppen]}\n      empty: {protected: [öppen]}": "a word has one meaning", "protected_values: {no: [Öppen]}": "unknown field", "header_row: -1": "the line of the column names", "empty: [\"-\", \"\"]": "has none anyway", "empty: {end_date: [\"\"]}": "has none anyway", "empty: {end_date: []}": "has none anyway", "empty: {slut: [x]}": `there is no column "slut"`,
		"columns: {start_date: D, end_date: D}": "both read from", "constants: {person_id: \"1\"}": "cannot be constant",
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "      shrink_limit:", "      "+setting+"\n      shrink_limit:")
		if _, problems := config.Load(dir); len(problems) == 0 || !strings.Contains(testenv.ProblemText(problems[0]), want) && !strings.Contains(testenv.ProblemText(problems[len(problems)-1]), want) {
			t.Errorf("%s: %v", setting, problems)
		}
	}
	for _, setting := range []string{"format: fixed\n      columns: {person_id: 1-6, employment_id: person_id+7-8, given_name: '{{col \"9-40\" | after \",\"}}', cost_centre: \"50\"}", "format: xml\n      record: /a/b\n      columns: {person_id: \"@id\", unit: org/unit}",
		"columns: {person_id: NR, employment_id: NR, national_id: NR}", "skip: {column: Anstnr, values: [Totalt, 0099]}", "header_row: 3\n      sheet: Blad1", "empty: [tillsvidare, \"-\"]", "empty: tillsvidare", "protected_values: [SKYDD, R]", "protected_values: SKYDD", "protected_values: {protected: SKYDD, not_protected: [Öppen, \"-\"]}", "protected_values: {not_protected: Nej}", "empty: {end_date: [tillsvidare, \"-\"], cost_centre: \"-\"}", "constants: {person_id: \"{{.Nr}}\"}"} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "      shrink_limit:", "      "+setting+"\n      shrink_limit:")
		c, problems := config.Load(dir)
		if c == nil {
			t.Errorf("%s: %v", setting, problems)
			continue
		}
		if s := c.Sources["hr"].Skip; len(s) > 0 && s[0].Values[1] != "0099" {
			t.Errorf("%+v", s)
		}
	}
}

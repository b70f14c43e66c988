package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
)

func load(t testing.TB) *config.Config {
	c, problems := config.Load(example(t))
	if c == nil {
		t.Fatal(problems)
	}
	return c
}

// TestCasesOfTheExample: all cases that behov init writes pass.
func TestCasesOfTheExample(t *testing.T) {
	c := load(t)
	cases, problems := c.Cases()
	if len(problems) > 0 || len(cases) < 8 {
		t.Fatal(len(cases), problems)
	}
	for i := range cases {
		if found, err := c.Rules.Test(&cases[i], cases[i].Person, cases[i].Facts); err != nil || len(found) > 0 {
			t.Errorf("%s: %+v, %v", cases[i].Name, found, err)
		}
	}
}

// TestCaseFilesBesideTheRules: tests.yaml and *_test.yaml are read, and no other file.
func TestCaseFilesBesideTheRules(t *testing.T) {
	c := load(t)
	const one = "cases:\n  - {case: one, date: 2026-11-30, has: []}\n"
	for _, name := range []string{"school_test.yaml", "other.yaml"} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(one), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := len(must(c.ParseCases("tests.yaml", read(t, filepath.Join(c.Dir, "tests.yaml")))))
	cases, problems := c.Cases()
	if len(problems) > 0 || len(cases) != before+1 || cases[0].File != "school_test.yaml" || cases[0].Line != 2 {
		t.Errorf("%d cases, %d before, %v", len(cases), before, problems)
	}
}

func must[A, B any](a A, _ B) A { return a }

func read(t testing.TB, name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWrongCases: each mistake is one problem at its place, and the case beside it counts.
func TestWrongCases(t *testing.T) {
	c := load(t)
	for text, want := range map[string]string{
		"{case: a, date: 2026-11-30, has: ['base:stuff']}":                                           `t.yaml:2:39: there is no entitlement "base:stuff" in catalogue.yaml`,
		"{case: a, date: 2026-11-30, has: [staff]}":                                                  `did you mean "base:staff"?`,
		"{case: a, date: 2026-11-30, has: [], waits: ['base:staff', 'care:none']}":                   `t.yaml:2:64: there is no entitlement "care:none"`,
		"{case: a, date: 2026-11-30, has: ['base:staff'], denied: ['base:staff']}":                   "base:staff is under has already",
		"{case: a, date: 2026-02-30, has: []}":                                                       "t.yaml:2:21: it is not a date",
		"{case: a, has: []}":                                                                         "say on which day the case is",
		"{date: 2026-11-30, has: []}":                                                                "the case has no name",
		"{case: b, date: 2026-11-30, has: []}":                                                       `t.yaml:2:12: the case "b" is in line 3 already`,
		"{case: a, date: 2026-11-30}":                                                                "the case expects nothing",
		"{case: a, date: 2026-11-30, haz: []}":                                                       `unknown field "haz"`,
		"{case: a, date: 2026-11-30, has: [], employments: [{unit: nowhere}]}":                       `t.yaml:2:63: there is no unit "nowhere" in units.csv`,
		"{case: a, date: 2026-11-30, has: [], employments: [{percent: half}]}":                       `"half" must be a number`,
		"{case: a, date: 2026-11-30, has: [], employments: [{attributes: {room: x}}]}":               `there is no column "room" under hr.attributes`,
		"{case: a, date: 2026-11-30, has: [], employments: [{source: nav}]}":                         `there is no HR source "nav"`,
		"{case: a, date: 2026-11-30, has: [], employments: [{from: 2026-02-01, until: 2026-01-01}]}": "the last day is before the first, 2026-02-01",
		"{case: a, date: 2026-11-30, has: [], employments: [{then: [{unit: library}]}]}":             "say from which day",
		"{case: a, date: 2026-11-30, has: [], mfa: sms}":                                             `"sms" is none of none, any, strong, phishing-resistant`,
		"{case: a, date: 2026-11-30, has: [], person: '1004', mfa: any}":                             "about a known person or one that is made up",
		"{case: a, date: 2026-11-30, has: [], person: nav/1}":                                        `"nav/1" is no record of a person`,
		"teacher": "",
		"{case: a, date: 2026-11-30, has: [], employments: [{then: [{from: 2026-01-02}, {from: 2026-01-01}]}]}": "put changes in the order of their days",
	} {
		file := "cases:\n  - " + text + "\n  - {case: b, date: 2026-11-30, employments: [{}], has: ['base:staff']}\n"
		if strings.Contains(want, "line 3 already") {
			file = "cases:\n  - {case: b, date: 2026-11-30, employments: [{}], has: ['base:staff']}\n  - " + text + "\n"
			want = `t.yaml:3:12: the case "b" is in line 2 already`
		}
		cases, problems := c.ParseCases("t.yaml", file)
		if len(cases) != 1 || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) || problems[0].Line == 0 || problems[0].Column == 0 {
			t.Errorf("%s:\n%d cases, %v", text, len(cases), problems)
		}
	}
	for text, want := range map[string]string{
		"cases: [":              "t.yaml:",
		"tests: []":             "t.yaml:1:1: the file has cases:",
		"- case: a":             "t.yaml:1:1: the file has cases:",
		"cases: {a: b}":         "t.yaml:1:1: the file has cases:",
		"cases: []\n---\na: b":  "a second document begins here",
		"cases: &a [{case: b}]": "anchors",
	} {
		if cases, problems := c.ParseCases("t.yaml", text); len(cases) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%s: %v", text, problems)
		}
	}
	for _, text := range []string{"", "# nothing yet\n", "cases:\n"} {
		if cases, problems := c.ParseCases("t.yaml", text); len(cases) != 0 || len(problems) != 0 {
			t.Errorf("%q: %v", text, problems)
		}
	}
}

// TestCaseOutcomes: what is missing, too much, or behind another gate is a difference at its
// place, with its reasons.
func TestCaseOutcomes(t *testing.T) {
	c := load(t)
	nurse := "mfa: none, employments: [{unit: home-care, job_code: '3300'}]"
	for text, want := range map[string]string{
		nurse + ", has: [base:staff, care:nurses], waits: [care:record]":       "",
		nurse + ", has: ['base:staff', 'care:nurses'], waits: ['care:record']": "",
		nurse + ", includes: ['care:nurses']":                                  "",
		nurse + ", has: ['care:nurses']":                                       "2:101 base:staff not-given open",
		nurse + ", has: ['base:staff', 'care:nurses', 'care:record']":          "2:131 care:record open awaiting-mfa",
		nurse + ", has_not: ['care:record']":                                   "2:106 care:record not-given awaiting-mfa",
		nurse + ", withheld: ['care:record']":                                  "2:107 care:record withheld awaiting-mfa",
		nurse + ", includes: ['library:desk']":                                 "2:107 library:desk open not-given near librarians",
		"employments: [{unit: library, then: [{from: 2026-11-25, unit: office}]}], has: ['base:staff'], keeps: ['library:desk']":                "",
		"employments: [{unit: library, then: [{from: 2026-11-25, unit: office}]}], has: ['base:staff'], has_not: ['library:desk']":              "2:138 library:desk not-given kept",
		"mfa: any, employments: [{unit: home-care, job_code: '3300', leave: {}}], has: ['base:staff', 'care:nurses'], has_not: ['care:record']": "",
		"employments: [], has: ['base:staff']": "2:56 base:staff open not-given",
	} {
		cases, problems := c.ParseCases("t.yaml", "cases:\n  - {case: a, date: 2026-11-30, "+text+"}\n")
		if len(cases) != 1 {
			t.Errorf("%s: %v", text, problems)
			continue
		}
		found, err := c.Rules.Test(&cases[0], cases[0].Person, cases[0].Facts)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got := ""
		for _, d := range found {
			got += fmt.Sprintf("%d:%d %s %s %s", d.Line, d.Column, d.Entitlement, d.Want, d.Got)
			if d.Nearest != nil {
				got += " near " + d.Nearest.Rule
			}
			if d.Got != policy.NotGiven && len(d.Reasons) == 0 {
				t.Errorf("%s: %s without a reason", text, d.Entitlement)
			}
		}
		if got != want {
			t.Errorf("%s:\n%s, and not\n%s", text, got, want)
		}
	}
}

// TestThousandsOfCases: three thousand cases in one file are read and run in a second.
func TestThousandsOfCases(t *testing.T) {
	c := load(t)
	var b strings.Builder
	b.WriteString("cases:\n")
	const many = 3000
	for n := range many {
		fmt.Fprintf(&b, "  - case: a teacher %d\n    date: 2026-11-30\n    employments: [{unit: north-school, job_code: \"2120\", percent: %d}]\n    has: [base:staff, school:teachers, school:register]\n", n, 1+n%100)
	}
	began := time.Now()
	cases, problems := c.ParseCases("t.yaml", b.String())
	if len(cases) != many {
		t.Fatal(len(cases), problems)
	}
	for i := range cases {
		if found, err := c.Rules.Test(&cases[i], cases[i].Person, cases[i].Facts); err != nil || len(found) > 0 {
			t.Fatal(found, err)
		}
	}
	t.Logf("%d cases in %s", many, time.Since(began))
	if took := time.Since(began); took > 5*time.Second { // a second on a machine that does nothing else
		t.Errorf("%s", took)
	}
}

// FuzzCases: whatever stands in a file of cases is read or a problem with a place in it.
func FuzzCases(f *testing.F) {
	c := load(f)
	f.Add(read(f, filepath.Join(c.Dir, "tests.yaml")))
	for _, text := range []string{"cases:\n  - {case: a, date: 2026-11-30, person: hr/1, has: []}\n", "cases: [[]]", "cases: [null, 1]", "cases:\n- case: |\n    a\n  has: {a: b}\n", "cases: [{employments: [{leave: 1, then: [1]}]}]", "cases: [{case: {a: b}}]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cases, problems := c.ParseCases("t.yaml", text)
		for _, p := range problems {
			if p.File == "" || p.Text == "" || strings.Contains(p.Text, "\n") || strings.Contains(p.Text, "YAML) ") {
				t.Errorf("%+v", p)
			}
		}
		for i := range cases {
			if cases[i].Name == "" || cases[i].Day == "" || cases[i].Line == 0 {
				t.Errorf("%+v", cases[i])
			}
			_, _ = c.Rules.Test(&cases[i], cases[i].Person, cases[i].Facts)
		}
	})
}

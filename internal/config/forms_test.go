package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/testenv"
)

const formsLine = "    manual:\n      forms: true\n"

// TestTheSourceOfReports: what people report counts after every other source, and joins it;
// there is one such source, and it is read from nowhere.
func TestTheSourceOfReports(t *testing.T) {
	c, problems := config.Load(example(t))
	if c == nil {
		t.Fatal(problems)
	}
	s := c.Sources["manual"]
	if c.Forms != "manual" || c.First != "hr" || !s.Forms || !s.Changes || s.ConfirmDays != 14 || !slices.Equal(s.Joins, []string{"hr"}) || !slices.Equal(c.Precedence[""], []string{"hr", "manual"}) {
		t.Errorf("forms %q, first %q, source %+v, precedence %v", c.Forms, c.First, s, c.Precedence)
	}
	dir := example(t)
	edit(t, dir, "behov.yaml", formsLine, formsLine+"    wages: {}\n    people: {}\n")
	edit(t, dir, "behov.yaml", "  sources:\n", "  precedence: {default: [people, wages, hr], email: [wages]}\n  sources:\n")
	if c, problems = config.Load(dir); c == nil {
		t.Fatal(problems)
	}
	if !slices.Equal(c.Precedence[""], []string{"people", "wages", "hr", "manual"}) || !slices.Equal(c.Precedence["email"], []string{"wages", "manual"}) || c.First != "people" {
		t.Errorf("first %q, precedence %v", c.First, c.Precedence)
	}
	for text, want := range map[string]string{
		formsLine + "      file: x.csv\n":                           "has what people report, and nothing else",
		formsLine + "      joins: hr\n":                             "has what people report, and nothing else",
		formsLine + "      confirm_days: 0\n":                       "it is a number of days, from 1 to 365",
		formsLine + "    other: {forms: true}\n":                    "source manual has forms: true already",
		"    manual:\n      confirm_days: 3\n      changes: true\n": "it is for a source with forms: true",
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", formsLine, text)
		c, problems := config.Load(dir)
		if c != nil || !slices.ContainsFunc(problems, func(p diagnostic.Problem) bool { return strings.Contains(testenv.ErrorText(p), want) }) {
			t.Errorf("%q: %v", text, problems)
		}
	}
}

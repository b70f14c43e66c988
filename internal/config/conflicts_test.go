package config_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
)

// TestConflicts: pairs and sides are read; each mistake is one problem at its place.
func TestConflicts(t *testing.T) {
	load := func(text string) (*config.Config, string) {
		c, problems := config.LoadInstead(example(t), config.Instead{Conflicts: &config.NewFile{Name: "conflicts.yaml", Content: []byte(text)}})
		if c == nil && len(problems) != 1 {
			t.Errorf("%s: %v", text, problems)
		}
		if c == nil {
			return nil, problems[0].Error()
		}
		return c, ""
	}
	c, problem := load("conflicts:\n  three:\n    why: nobody has two of them\n    severity: high\n    refused: true\n    between:\n      - finance:ledger\n      - library:desk\n      - school:register\n  sides: {why: one of each, sides: [['care:nurses', 'care:record'], ['finance:ledger']]}\n")
	if c == nil {
		t.Fatal(problem)
	}
	if all := c.Rules.Catalogue.Conflicts; len(all) != 4 || all[0].Name != "sides" || all[0].Refused || all[0].Severity != policy.MediumSeverity || len(all[0].Sides[0]) != 2 || all[3].Sides[1][0] != "school:register" || !all[3].Refused {
		t.Errorf("%+v", all)
	}
	for text, want := range map[string]string{
		"conflicts:\n  a: {between: ['finance:ledger', 'library:desk']}\n":                                     "say why no one should have both",
		"conflicts:\n  a: {why: x, between: ['finance:ledger']}\n":                                             "two entitlements at least",
		"conflicts:\n  a: {why: x, between: ['finance:ledger', 'finance:nothing']}\n":                          `conflicts.yaml:2:43: there is no entitlement "finance:nothing"`,
		"conflicts:\n  a: {why: x, between: ['finance:ledger', 'finance:ledger']}\n":                           "is there twice",
		"conflicts:\n  a: {why: x, severity: awful, between: ['finance:ledger', 'library:desk']}\n":            `"awful" is none of low, medium, high`,
		"conflicts:\n  a: {why: x, sides: [['finance:ledger'], ['finance:ledger', 'library:desk']]}\n":         "is on two sides",
		"conflicts:\n  a: {why: x, sides: [['finance:ledger'], []]}\n":                                         "the side has no entitlement",
		"conflicts:\n  a: {why: x, sides: [['finance:ledger'], ['library:desk']], between: ['care:record']}\n": "write between or sides",
	} {
		if c, problem := load(text); c != nil || !strings.Contains(problem, want) {
			t.Errorf("%s: %s", text, problem)
		}
	}
}

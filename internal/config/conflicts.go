package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// conflictsYAML is the structure of conflicts.yaml.
type conflictsYAML struct {
	// Conflicts are segregations of duties, each with a name of its own.
	Conflicts map[string]conflictYAML `yaml:"conflicts"`
}

type conflictYAML struct {
	// Why is why no one should have both, in words that people read.
	Why string `yaml:"why"`
	// Severity is low, medium or high. Default: medium.
	Severity string `yaml:"severity"`
	// Between are entitlements of which no one should have two. Write it or sides.
	Between []string `yaml:"between"`
	// Sides are lists of entitlements: no one should have one of each.
	Sides [][]string `yaml:"sides"`
	// Refused: who is given the others does not get those of the last side, or what stands
	// later under between. Default: false, which reports who has both.
	Refused bool `yaml:"refused"`
}

// conflicts reads the segregations of duties; none without the file.
func (l *loader) conflicts(name string, catalogue *policy.Catalogue) []policy.Conflict {
	file := l.or(l.instead.Conflicts, or(name, conflictsFile))
	if name == "" && l.instead.Conflicts == nil && !l.exists(file) {
		return nil
	}
	var y conflictsYAML
	doc := l.yaml(file, &y)
	if doc == nil {
		return nil
	}
	var all []policy.Conflict
	for _, name := range sortedKeys(y.Conflicts) {
		x, at := y.Conflicts[name], "$.conflicts."+quoteKey(name)
		checkName(doc, at, "a conflict", name)
		c := policy.Conflict{Name: name, Why: identity.CleanText(x.Why), Severity: policy.Severity(or(x.Severity, string(policy.MediumSeverity))), Refused: x.Refused}
		if !slices.Contains(policy.Severities, c.Severity) {
			doc.report(at+".severity", "%q is none of %s", x.Severity, strings.Join(texts(policy.Severities), ", "))
		}
		if c.Why == "" {
			doc.report(at, "say why no one should have both, under why: people read it")
		}
		known := func(at string, id string) policy.EntitlementID {
			if _, ok := catalogue.Entitlement(policy.EntitlementID(id)); !ok {
				doc.report(at, "there is no entitlement %q in the catalogue", id)
			}
			return policy.EntitlementID(id)
		}
		switch {
		case len(x.Between) > 0 && len(x.Sides) > 0:
			doc.report(at, "write between or sides, not both")
		case len(x.Between) == 1 || len(x.Between) == 0 && len(x.Sides) < 2:
			doc.report(at, "a conflict has two entitlements at least, under between, or two sides")
		}
		for i, side := range x.Sides {
			var ids []policy.EntitlementID
			for j, id := range side {
				ids = append(ids, known(fmt.Sprintf("%s.sides[%d][%d]", at, i, j), id))
			}
			if len(ids) == 0 {
				doc.report(fmt.Sprintf("%s.sides[%d]", at, i), "the side has no entitlement")
			}
			slices.Sort(ids)
			for _, id := range ids {
				if slices.ContainsFunc(c.Sides, func(other []policy.EntitlementID) bool { return slices.Contains(other, id) }) {
					doc.report(fmt.Sprintf("%s.sides[%d]", at, i), "%s is on two sides: who has it would always be in conflict", id)
				}
			}
			c.Sides = append(c.Sides, ids)
		}
		if len(c.Sides) > 0 {
			all = append(all, c)
		}
		for j, id := range x.Between {
			later := known(fmt.Sprintf("%s.between[%d]", at, j), id)
			for _, earlier := range x.Between[:j] {
				if earlier == id {
					doc.report(fmt.Sprintf("%s.between[%d]", at, j), "%s is there twice", id)
					continue
				}
				pair := c
				pair.Sides = [][]policy.EntitlementID{{policy.EntitlementID(earlier)}, {later}}
				all = append(all, pair)
			}
		}
	}
	return all
}

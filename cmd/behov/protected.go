package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
)

// givenAway warns of mappings that give away who a person with protected
// identity is, and of those that write a source's keys where these are national
// identity numbers; offline, that is not known.
func (a *app) givenAway(ctx context.Context, c *config.Config, offline bool) ([]policy.Problem, error) {
	var warnings []policy.Problem
	warn := func(format string, args ...any) {
		warnings = append(warnings, policy.Problem{File: config.File, Warning: true, Text: fmt.Sprintf(format, args...)})
	}
	for _, m := range c.GivenAway() {
		place := m.Attribute
		if m.Target != "" {
			place = "target " + m.Target + ", " + m.Attribute
		}
		warn("%s: %s", place, m.Text)
	}
	if offline {
		return warnings, nil
	}
	db, err := currentDatabase(ctx, c)
	if err != nil || db == nil {
		return warnings, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	sources, err := db.SourcesWithNationalKeys(ctx)
	if err != nil || len(sources) == 0 {
		return warnings, err
	}
	for _, t := range c.Targets {
		if t.Reads("Key") || t.Reads("Keys") {
			warn("target %s: a template reads .Key, and the person_id of HR source %s is a national identity number of some people: use another column of HR, or the number is in the target", t.Name, strings.Join(sources, ", "))
		}
	}
	return warnings, nil
}

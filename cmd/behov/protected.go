package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/store"
)

// warnProtectedLeaks warns of mappings that give away who a person with protected
// identity is, and of those that write a source's keys where these are national
// identity numbers; offline, that is not known.
func (a *app) warnProtectedLeaks(ctx context.Context, c *config.Config, offline bool) ([]diagnostic.Problem, error) {
	var warnings []diagnostic.Problem
	warn := func(format string, args ...any) {
		warnings = append(warnings, diagnostic.Problem{File: config.File, Warning: true, Text: fmt.Sprintf(format, args...)})
	}
	for _, m := range c.GivenAway() {
		place := m.Attribute
		if m.Target != "" {
			place = "target " + m.Target + ", " + m.Attribute
		}
		warn("%s: %s", place, m.Text)
	}
	var db *store.DB
	var err error
	if !offline {
		if db, err = currentDatabase(ctx, c); err != nil {
			return warnings, err
		}
	}
	if db != nil {
		defer db.Close() //nolint:errcheck // it was only read
	}
	for _, name := range sortedKeys(c.Sources) {
		unmapped, err := lacksProtected(ctx, c.Sources[name], db)
		if err != nil {
			return warnings, err
		}
		if unmapped {
			warn("hr.sources.%s: no column says who has a protected identity: map one under columns, as protected: SEKRETESS, or say constants: {protected: \"no\"}; behov people protect marks a person by hand", name)
		}
	}
	if db == nil {
		return warnings, nil
	}
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

// lacksProtected reports whether no column of a source says who has a protected identity.
// A file may have one under behov's own name, which the last import shows; before the
// first import a source that maps other columns has none.
func lacksProtected(ctx context.Context, s config.Source, db *store.DB) (bool, error) {
	if _, constant := s.Constants["protected"]; constant || s.Columns["protected"] != "" || s.SCIM {
		return false, nil
	}
	if db != nil {
		last, err := db.LastImport(ctx, s.Name)
		if err != nil {
			return false, err
		}
		var filled map[string]int
		if last != nil && json.Unmarshal([]byte(last.Filled), &filled) == nil && len(filled) > 0 {
			_, there := filled["protected"]
			return !there, nil
		}
	}
	return len(s.Columns) > 0, nil
}

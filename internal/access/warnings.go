package access

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors/manual"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// warningReader reads what a configuration is compared with.
type warningReader interface {
	CountPeople(ctx context.Context) (int, error)
	PersonByKey(ctx context.Context, key identity.SourceKey) (identity.Person, bool, error)
	LastImport(ctx context.Context, source string) (*store.Import, error)
	SourcesWithNationalKeys(ctx context.Context) ([]string, error)
	serviceReader
}

// Warnings returns what a valid configuration should not be like: mappings that give away
// who a person with protected identity is, and rights that let the wrong person decide, or
// no one. Without a database, nil, it says what the configuration alone shows.
func Warnings(ctx context.Context, db warningReader, c *config.Config, now time.Time) ([]diagnostic.Problem, error) {
	leaks, err := protectedLeaks(ctx, db, c)
	if err != nil {
		return nil, err
	}
	weak, err := weaknesses(ctx, db, c, now)
	if err != nil || db == nil {
		return slices.Concat(leaks, weak), err
	}
	if n, err := db.CountPeople(ctx); err != nil || n == 0 {
		return slices.Concat(leaks, weak), err
	}
	services, err := serviceStatuses(ctx, db, c, now)
	for _, s := range services {
		if !s.Problem.IsZero() {
			weak = append(weak, diagnostic.Problem{File: config.File, Warning: true, Reason: s.Problem.Reason})
		}
	}
	return slices.Concat(leaks, weak), err
}

// weaknesses warns of what lets decisions be made by the wrong person, or by no one
// (names that are claims, records that no one has or whose person has left, roles that no one is given), and of
// alerts that anyone could forge.
func weaknesses(ctx context.Context, db warningReader, c *config.Config, now time.Time) ([]diagnostic.Problem, error) {
	var warnings []diagnostic.Problem
	warn := func(file string, line int, text string) {
		warnings = append(warnings, diagnostic.Problem{File: file, Line: line, Text: text, Warning: true})
	}
	if c.Operators == nil {
		warn(config.File, 0, "there are no operators: every user who can read this directory can decide as any person (--by is taken as it is given). "+
			"Map the users of the operating system to people, as operators: {anna: "+c.First+"/1001}")
	}
	if text := c.Alerts.Unsigned(); text != "" {
		warn(config.File, 0, text)
	}
	given := c.Rights.Given()
	decides := false
	for _, line := range given {
		decides = decides || line.Role != rights.Auditor && !strings.HasPrefix(line.Member, rights.ServicePrefix)
	}
	if !decides {
		warn("rights.csv", 0, "no one is given a role, so no one can release a hold, suspend a person or pause a target: add a line such as \"g, "+c.First+"/1001, administrator\"")
	}
	if db == nil {
		return warnings, nil
	}
	if n, err := db.CountPeople(ctx); err != nil || n == 0 {
		return warnings, err
	}
	type place struct {
		file string
		line int
		what string
	}
	refs := map[string]place{}
	for _, s := range c.Rules.Catalogue.Systems {
		for _, ref := range append([]string{s.Owner}, s.Deputies...) {
			refs[ref] = place{file: "catalogue.yaml", what: "system " + s.ID + ": "}
		}
		if s.Owner == "" {
			warn("catalogue.yaml", 0, "system "+s.ID+" has no owner: only an administrator can answer its reviews")
		}
	}
	for _, line := range given {
		if _, record := line.Record(); record {
			refs[line.Member] = place{file: line.File, line: line.LineNumber}
		}
	}
	for _, s := range c.ServiceAccounts {
		for _, key := range s.Responsible {
			refs[key.Source+"/"+key.Key] = place{file: config.File, what: "service account " + s.Name + ": "}
		}
	}
	for _, t := range c.Targets {
		settings, _ := t.Manual()
		for what, ref := range map[string]string{"to": settings.To, "escalate": settings.Escalate} {
			if strings.Contains(ref, "/") && !manual.IsMailbox(ref) {
				refs[ref] = place{file: config.File, what: "target " + t.Name + ", " + what + ": "}
			}
		}
	}
	for _, s := range c.Reviews {
		if ref := s.Fallback; ref != "" {
			if !strings.Contains(ref, "/") {
				ref = c.First + "/" + ref
			}
			refs[ref] = place{file: config.File, what: "review " + s.Name + ", fallback: "}
		}
	}
	for user, key := range c.Operators {
		refs[key.Source+"/"+key.Key] = place{file: config.File, what: "operators: " + user + ": "}
	}
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		source, key, ok := strings.Cut(ref, "/")
		if !ok {
			continue
		}
		p, known, err := db.PersonByKey(ctx, identity.SourceKey{Source: source, Key: key})
		if err != nil {
			return warnings, err
		}
		switch {
		case !known:
			warn(refs[ref].file, refs[ref].line, refs[ref].what+"no person has the record "+ref)
		case slices.Contains([]identity.State{identity.Ended, identity.Retained, identity.ToErase}, c.Lifecycle.StageOf(p, identity.DateOf(now, c.Zone), false).State):
			warn(refs[ref].file, refs[ref].line, refs[ref].what+"the person with the record "+ref+" has left: name another")
		}
	}
	return warnings, nil
}

// protectedLeaks warns of mappings that give away who a person with protected
// identity is, and of those that write a source's keys where these are national
// identity numbers, which is not known without a database.
func protectedLeaks(ctx context.Context, db warningReader, c *config.Config) ([]diagnostic.Problem, error) {
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
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		unmapped, err := lacksProtected(ctx, c.Sources[name], db)
		if err != nil {
			return warnings, err
		}
		if unmapped {
			warnings = append(warnings, diagnostic.Problem{File: config.File, Warning: true, Reason: reason.Of(reason.NoProtectedColumn{Source: name})})
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
func lacksProtected(ctx context.Context, s config.Source, db warningReader) (bool, error) {
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

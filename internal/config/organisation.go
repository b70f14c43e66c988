package config

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

func (l *loader) catalogue(file string, c *Config) policy.Catalogue {
	var y catalogueYAML
	doc := l.yaml(file, &y)
	var out policy.Catalogue
	if doc == nil {
		return out
	}
	natives := map[[2]string]policy.EntitlementID{}
	for _, id := range sortedKeys(y.Systems) {
		s := y.Systems[id]
		checkName(doc, "$.systems."+quoteKey(id), "a system", id)
		out.Systems = append(out.Systems, policy.System{ID: id, Name: or(s.Name, id), Owner: s.Owner, Classification: s.Classification})
		for _, name := range sortedKeys(s.Entitlements) {
			at := "$.systems." + quoteKey(id) + ".entitlements." + quoteKey(name)
			y := s.Entitlements[name]
			checkName(doc, at, "an entitlement", name)
			e := policy.Entitlement{ID: policy.EntitlementID(id + ":" + name), Name: or(y.Name, name), System: id, Target: or(y.Target, s.Target),
				Native: or(y.Native, name), MFA: y.MFA, Authoritative: y.Authoritative}
			if _, ok := c.Target(e.Target); !ok {
				doc.report(at, "entitlement %s: there is no target %q in %s", e.ID, e.Target, File)
			}
			key := [2]string{e.Target, e.Native}
			if other, ok := natives[key]; ok {
				doc.report(at, "entitlements %s and %s are both %q in target %s: give each its own", other, e.ID, e.Native, e.Target)
			}
			natives[key] = e.ID
			out.Entitlements = append(out.Entitlements, e)
		}
	}
	if len(out.Entitlements) == 0 {
		doc.report("$.systems", "there is no entitlement: a system has entitlements, and behov gives nothing else")
	}
	out.Sort()
	return out
}

// unitColumns are those of the units file; the first three are needed.
var unitColumns = []string{"unit", "parent", "name", "from", "until", "successor"}

// units reads the organisation tree.
func (l *loader) units(file string) *identity.Units {
	units := &identity.Units{}
	text, ok := l.read(file)
	if !ok {
		return units
	}
	problem := func(line, column int, format string, args ...any) {
		l.problems = append(l.problems, policy.Problem{File: file, Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	lines := map[string]int{}
	columns := map[string]int{}
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				problem(pe.Line, pe.Column, "%v", pe.Err)
			} else {
				problem(0, 0, "%v", err)
			}
			return units
		}
		line, _ := r.FieldPos(0)
		if first {
			for i, name := range fields {
				columns[strings.TrimSpace(name)] = i
			}
			if !slices.Equal(fields[:min(3, len(fields))], unitColumns[:3]) || slices.ContainsFunc(fields, func(name string) bool { return !slices.Contains(unitColumns, strings.TrimSpace(name)) }) {
				problem(line, 0, "the first line must be unit,parent,name, and may go on with from, until and successor")
				return units
			}
			continue
		}
		if len(fields) != len(columns) {
			problem(line, 0, "a unit has %d fields (%s), this line has %d", len(columns), strings.Join(unitColumns[:len(columns)], ", "), len(fields))
			continue
		}
		get := func(column string) string {
			i, ok := columns[column]
			if !ok {
				return ""
			}
			return strings.TrimSpace(fields[i])
		}
		date := func(column string) identity.Date {
			if get(column) == "" {
				return ""
			}
			d, err := identity.ParseDate(time.DateOnly, get(column))
			if err != nil {
				_, at := r.FieldPos(columns[column])
				problem(line, at, "column %s: %v", column, err)
			}
			return d
		}
		lines[get("unit")] = line
		if err := units.Add(identity.Unit{ID: get("unit"), Parent: get("parent"), Name: get("name"), From: date("from"), Until: date("until"), Successor: get("successor")}); err != nil {
			problem(line, 0, "%v", err)
		}
	}
	if err := units.Check(); err != nil {
		p := policy.Problem{File: file, Text: err.Error()}
		var ue *identity.UnitError
		if errors.As(err, &ue) {
			p.Line = lines[ue.Unit]
		}
		l.problems = append(l.problems, p)
	}
	return units
}

func (l *loader) read(file string) (string, bool) {
	b, err := os.ReadFile(l.file(file))
	if err != nil {
		text := err.Error()
		if errors.Is(err, os.ErrNotExist) {
			text = "there is no such file in " + l.dir + `: "behov init DIR" writes a configuration to start from, -c DIR names another directory`
		}
		l.problems = append(l.problems, policy.Problem{File: file, Text: text})
		return "", false
	}
	text := strings.TrimPrefix(string(b), "\ufeff") // some editors put it there
	for n, line := range strings.Split(text, "\n") {
		if !utf8.ValidString(line) {
			l.problems = append(l.problems, policy.Problem{File: file, Line: n + 1, Text: "the file is not UTF-8: save it as UTF-8"})
			return "", false
		}
	}
	return text, true
}

func (l *loader) yaml(file string, into any) *document {
	text, ok := l.read(file)
	if !ok {
		return nil
	}
	doc, problem := parseYAML(file, text, into)
	if problem != nil {
		l.problems = append(l.problems, *problem)
		return nil
	}
	doc.problems = &l.problems
	return doc
}

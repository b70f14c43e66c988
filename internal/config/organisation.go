package config

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
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

// units reads the organisation tree: columns unit, parent, name.
func (l *loader) units(file string) *identity.Units {
	units := &identity.Units{}
	text, ok := l.read(file)
	if !ok {
		return units
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	lines := map[string]int{}
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p := policy.Problem{File: file, Text: err.Error()}
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				p.Line, p.Column, p.Text = pe.Line, pe.Column, pe.Err.Error()
			}
			l.problems = append(l.problems, p)
			return units
		}
		line, _ := r.FieldPos(0)
		if first {
			if !slices.Equal(fields, []string{"unit", "parent", "name"}) {
				l.problems = append(l.problems, policy.Problem{File: file, Line: line, Text: "the first line must be unit,parent,name"})
				return units
			}
			continue
		}
		if len(fields) != 3 {
			l.problems = append(l.problems, policy.Problem{File: file, Line: line, Text: fmt.Sprintf("a unit has 3 fields (unit, parent, name), this line has %d", len(fields))})
			continue
		}
		lines[strings.TrimSpace(fields[0])] = line
		if err := units.Add(strings.TrimSpace(fields[0]), strings.TrimSpace(fields[1]), strings.TrimSpace(fields[2])); err != nil {
			l.problems = append(l.problems, policy.Problem{File: file, Line: line, Text: err.Error()})
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

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// testsYAML is the structure of tests.yaml and *_test.yaml beside the rules.
type testsYAML struct {
	// Cases are tests of the rules: each is a person, known or made up, and what the rules
	// are expected to give on a day.
	Cases []caseYAML `yaml:"cases"`
}

type caseYAML struct {
	// Case is its name, which behov rules test prints.
	Case string `yaml:"case"`
	// Date is the day, as 2026-11-30.
	Date string `yaml:"date"`
	// Person is a known person, as SOURCE/KEY or a person_id of the first source. Without it
	// the person is made up of employments.
	Person string `yaml:"person"`
	// Employments are those of a person who is made up.
	Employments []caseEmploymentYAML `yaml:"employments"`
	// Protected reports a protected identity. Default: false.
	Protected bool `yaml:"protected"`
	// MFA is with what the person is enrolled: none, any, strong or phishing-resistant.
	// Default: none.
	MFA string `yaml:"mfa"`
	// ScreenedUntil is the last day of a screening; none without it.
	ScreenedUntil string `yaml:"screened_until"`
	// Has is everything that the person is given, and nothing else is.
	Has *[]string `yaml:"has"`
	// Includes are given, and others may be.
	Includes []string `yaml:"includes"`
	// HasNot are not given, and the person does not wait for them.
	HasNot []string `yaml:"has_not"`
	// Waits are those that wait for MFA.
	Waits []string `yaml:"waits"`
	// Withheld are those that a control or a conflict withholds.
	Withheld []string `yaml:"withheld"`
	// Denied are those that a deny rule takes.
	Denied []string `yaml:"denied"`
	// Keeps are those that no rule gives any more, and that the person keeps during a
	// handover.
	Keeps []string `yaml:"keeps"`
}

type caseEmploymentYAML struct {
	Terms caseTermsYAML `yaml:",inline"`
	// Source is the HR source. Default: the first one.
	Source string `yaml:"source"`
	// From is the first day. Default: a year before the date.
	From string `yaml:"from"`
	// Until is the last day; it has none without it.
	Until string `yaml:"until"`
	// Leave is a leave of absence.
	Leave *struct {
		// From is the first day. Default: that of the employment.
		From string `yaml:"from"`
		// Until is the last day; it has none without it.
		Until string `yaml:"until"`
	} `yaml:"leave"`
	// Then are changes, each from a day on; what one does not name stays.
	Then []struct {
		Terms caseTermsYAML `yaml:",inline"`
		// From is the first day.
		From string `yaml:"from"`
	} `yaml:"then"`
}

type caseTermsYAML struct {
	// Unit is the unit.
	Unit *string `yaml:"unit"`
	// JobCode is the code of the job.
	JobCode *string `yaml:"job_code"`
	// JobTitle is the title.
	JobTitle *string `yaml:"job_title"`
	// Type is the type of employment.
	Type *string `yaml:"type"`
	// Percent is the part of full time. Default: 100.
	Percent *float64 `yaml:"percent"`
	// Attributes are the organisation's own columns, as {cost_centre: "10"}.
	Attributes map[string]string `yaml:"attributes"`
}

// caseFiles are the names of files with cases, beside the rules.
const (
	caseFile  = "tests.yaml"
	caseFiles = "*_test.yaml"
)

// Cases reads the cases beside the rules: tests.yaml and *_test.yaml. A case that is wrong is
// a problem at its place and is left out; the others are returned.
func (c *Config) Cases() ([]policy.Case, []diagnostic.Problem) {
	l := &loader{dir: c.Dir}
	below := filepath.Dir(c.RuleFiles.Policy)
	names, err := filepath.Glob(filepath.Join(l.file(below), caseFiles))
	if err != nil {
		return nil, []diagnostic.Problem{{File: caseFiles, Text: err.Error()}}
	}
	names = append(names, filepath.Join(l.file(below), caseFile))
	slices.Sort(names)
	var all []policy.Case
	for _, name := range names {
		file := filepath.Join(below, filepath.Base(name))
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if text, ok := l.read(file); ok {
			all = append(all, l.cases(c, file, text)...)
		}
	}
	return all, l.problems
}

// ParseCases reads the cases of one text.
func (c *Config) ParseCases(file, text string) ([]policy.Case, []diagnostic.Problem) {
	l := &loader{dir: c.Dir}
	return l.cases(c, file, text), l.problems
}

func (l *loader) cases(c *Config, file, text string) []policy.Case {
	list, problem := caseNodes(file, text)
	if problem != nil {
		l.problems = append(l.problems, *problem)
		return nil
	}
	var all []policy.Case
	seen := map[string]int{}
	for _, node := range list {
		r := &caseReader{config: c, file: file, node: node}
		made := r.read()
		if line, twice := seen[made.Name]; twice && len(r.problems) == 0 {
			r.report("case", -1, "the case %q is in line %d already: give each its own name", made.Name, line)
		}
		seen[made.Name] = made.Line
		if len(r.problems) == 0 {
			all = append(all, made)
		}
		l.problems = append(l.problems, r.problems...)
	}
	return all
}

// caseNodes returns the cases of a file, each still to be read.
func caseNodes(file, text string) (list []ast.Node, problem *diagnostic.Problem) {
	defer func() {
		if r := recover(); r != nil { // the parser panics
			list, problem = nil, &diagnostic.Problem{File: file, Text: fmt.Sprintf("the file is no YAML that can be read: %v", r)}
		}
	}()
	if problem := checkTokens(file, text); problem != nil {
		return nil, problem
	}
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return nil, yamlProblem(file, err)
	}
	at := func(n ast.Node) *diagnostic.Problem {
		place := positionOf(n)
		return &diagnostic.Problem{File: file, Line: place.Line, Column: place.Column, Text: "the file has cases: and below it a list, each beginning with - case: NAME"}
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return nil, nil
	}
	if len(tree.Docs) > 1 && tree.Docs[1].Body != nil {
		p := at(tree.Docs[1].Body)
		p.Text = "a second document begins here, which is not read: remove the line ---"
		return nil, p
	}
	for _, v := range valuesOf(tree.Docs[0].Body) {
		if fieldOf(reflect.TypeFor[testsYAML](), v.Key.GetToken().Value) == nothing {
			return nil, at(v)
		}
		switch n := v.Value.(type) {
		case *ast.SequenceNode:
			list = append(list, n.Values...)
		case *ast.NullNode:
		default:
			return nil, at(v)
		}
	}
	if list == nil && len(valuesOf(tree.Docs[0].Body)) == 0 {
		return nil, at(tree.Docs[0].Body)
	}
	return list, nil
}

// valuesOf returns the keys and values of a mapping; none of another node.
func valuesOf(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// caseReader reads one case.
type caseReader struct {
	config   *Config
	file     string
	node     ast.Node
	problems []diagnostic.Problem
}

// at returns the node at a path of keys and, from 0, of places in lists; the nearest one
// above it when it is not there.
func (r *caseReader) at(path ...any) ast.Node {
	n := r.node
	for _, step := range path {
		var below ast.Node
		switch step := step.(type) {
		case string:
			for _, v := range valuesOf(n) {
				if v.Key.GetToken().Value == step {
					below = v.Value
				}
			}
		case int:
			if list, ok := n.(*ast.SequenceNode); ok && step >= 0 && step < len(list.Values) {
				below = list.Values[step]
			}
		}
		if below == nil || below.GetToken() == nil || below.GetToken().Position == nil {
			return n
		}
		n = below
	}
	return n
}

func (r *caseReader) report(field string, at int, format string, args ...any) {
	r.reportAt([]any{field, at}, format, args...)
}

func (r *caseReader) reportAt(path []any, format string, args ...any) {
	place := positionOf(r.at(path...))
	r.problems = append(r.problems, diagnostic.Problem{File: r.file, Line: place.Line, Column: place.Column, Text: fmt.Sprintf(format, args...)})
}

// read reads the case; it counts when there is no problem.
func (r *caseReader) read() (c policy.Case) {
	place := positionOf(r.node)
	c.File, c.Line, c.Column = r.file, place.Line, place.Column
	var y caseYAML
	joinNames(r.node)
	s := scalars{file: r.file}
	s.read(&r.node, reflect.TypeFor[caseYAML](), 0)
	if s.problem != nil {
		r.problems = append(r.problems, *s.problem)
		return c
	}
	if err := decodeCase(r.node, &y); err != nil {
		p := yamlProblem(r.file, err)
		if p.Line == 0 {
			p.Line, p.Column = place.Line, place.Column
		}
		r.problems = append(r.problems, *p)
		return c
	}
	c.Name = identity.CleanText(y.Case)
	if c.Name == "" {
		r.report("case", -1, "the case has no name: begin it with case: NAME")
	}
	c.Day = r.date(y.Date, "date")
	if y.Date == "" {
		r.report("case", -1, "say on which day the case is, as date: 2026-11-30")
	}
	switch {
	case y.Person != "" && (len(y.Employments) > 0 || y.Protected || y.MFA != "" || y.ScreenedUntil != ""):
		r.report("person", -1, "a case is about a known person or one that is made up: remove person, or employments, protected, mfa and screened_until")
	case y.Person != "":
		c.Record = r.record(y.Person)
	default:
		r.person(y, &c)
	}
	r.expected(y, &c)
	return c
}

// joinNames has entitlements that stand without quotes in a list inside braces, as in {has:
// [base:staff]}, be text as YAML says: the parser takes them for a key and a value.
func joinNames(node ast.Node) {
	for _, v := range valuesOf(node) {
		list, ok := v.Value.(*ast.SequenceNode)
		if !ok || v.Key.GetToken().Value == "employments" {
			continue
		}
		for i, n := range list.Values {
			pair := valuesOf(n)
			if len(pair) != 1 {
				continue
			}
			key, value := pair[0].Key.GetToken(), pair[0].Value.GetToken()
			if _, scalar := pair[0].Value.(ast.ScalarNode); scalar && value != nil && key.Position.Line == value.Position.Line && value.Position.Column == key.Position.Column+len(key.Value)+1 {
				joined := asText(key)
				joined.Value = key.Value + ":" + value.Value
				joined.Token.Value = joined.Value
				list.Values[i] = joined
			}
		}
	}
}

func decodeCase(node ast.Node, into *caseYAML) (err error) {
	defer func() {
		if r := recover(); r != nil { // the decoder panics
			err = fmt.Errorf("the case is no YAML that can be read: %v", r)
		}
	}()
	return yaml.NodeToValue(node, into, yaml.Strict())
}

// date reads a date; empty when it is empty or wrong.
func (r *caseReader) date(text string, path ...any) identity.Date {
	if text == "" {
		return ""
	}
	d, err := identity.ParseDate(time.DateOnly, text)
	if err != nil {
		r.reportAt(path, "%v", err)
		return ""
	}
	return d
}

func (r *caseReader) record(ref string) identity.SourceKey {
	source, key, named := strings.Cut(ref, "/")
	if !named {
		source, key = r.config.First, ref
	}
	if _, known := r.config.Sources[source]; !known || key == "" {
		r.report("person", -1, "%q is no record of a person: write SOURCE/KEY with one of the sources %s", ref, strings.Join(sortedKeys(r.config.Sources), ", "))
	}
	return identity.SourceKey{Source: source, Key: key}
}

// person makes up the person of a case.
func (r *caseReader) person(y caseYAML, c *policy.Case) {
	c.Person.Protected = y.Protected
	c.Facts = policy.Facts{MFA: policy.NotEnrolled, ScreenedUntil: r.date(y.ScreenedUntil, "screened_until")}
	switch method := policy.Method(y.MFA); {
	case y.MFA == "" || y.MFA == "none":
	case slices.Contains(policy.Methods, method):
		c.Facts.MFA, c.Facts.Method = policy.Enrolled, method
	default:
		r.report("mfa", -1, "%q is none of none, %s", y.MFA, strings.Join(texts(policy.Methods), ", "))
	}
	for i, e := range y.Employments {
		at := []any{"employments", i}
		made := identity.Employment{ID: identity.EmploymentID(fmt.Sprintf("employment %d", i+1)), Key: identity.SourceKey{Source: or(e.Source, r.config.First)}}
		if _, known := r.config.Sources[made.Key.Source]; !known {
			r.reportAt(append(at, "source"), "there is no HR source %q: there are %s", e.Source, strings.Join(sortedKeys(r.config.Sources), ", "))
		}
		made.Start, made.End = r.date(e.From, append(at, "from")...), r.date(e.Until, append(at, "until")...)
		if e.From == "" && c.Day != "" {
			made.Start = c.Day.AddDays(-365)
		}
		if made.End != "" && made.End < made.Start {
			r.reportAt(append(at, "until"), "the last day is before the first, %s", made.Start)
		}
		if e.Leave != nil {
			l := identity.Leave{Start: r.date(e.Leave.From, append(at, "leave", "from")...), End: r.date(e.Leave.Until, append(at, "leave", "until")...)}
			if l.Start == "" {
				l.Start = made.Start
			}
			made.Leaves = []identity.Leave{l}
		}
		made.Terms = []identity.Terms{r.terms(e.Terms, identity.Terms{Percent: 100}, at)}
		for j, then := range e.Then {
			below := append(slices.Clone(at), "then", j)
			terms := r.terms(then.Terms, made.Terms[len(made.Terms)-1], below)
			if terms.From = r.date(then.From, append(below, "from")...); then.From == "" {
				r.reportAt(below, "say from which day, as from: 2026-11-30")
			}
			if terms.From != "" && terms.From <= made.Terms[len(made.Terms)-1].From {
				r.reportAt(below, "it is not after the change before it: put changes in the order of their days")
			}
			made.Terms = append(made.Terms, terms)
		}
		c.Person.Employments = append(c.Person.Employments, made)
	}
}

// terms reads terms of an employment; what they do not name stays as it was.
func (r *caseReader) terms(y caseTermsYAML, was identity.Terms, at []any) identity.Terms {
	for _, f := range []struct {
		from *string
		to   *string
	}{{y.Unit, &was.Unit}, {y.JobCode, &was.JobCode}, {y.JobTitle, &was.JobTitle}, {y.Type, &was.Type}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if y.Percent != nil {
		was.Percent = *y.Percent
	}
	if y.Unit != nil && r.config.Rules.Units.Len() > 0 && !r.config.Rules.Units.Has(*y.Unit) {
		r.reportAt(append(slices.Clone(at), "unit"), "there is no unit %q in %s", *y.Unit, r.config.RuleFiles.Units)
	}
	if len(y.Attributes) > 0 {
		attributes := map[string]string{}
		for name, value := range was.Attributes {
			attributes[name] = value
		}
		for _, name := range sortedKeys(y.Attributes) {
			if !slices.Contains(r.config.Attributes, name) {
				r.reportAt(append(slices.Clone(at), "attributes", name), "there is no column %q under hr.attributes in %s", name, File)
			}
			attributes[name] = y.Attributes[name]
		}
		was.Attributes = attributes
	}
	return was
}

// expected reads what a case expects.
func (r *caseReader) expected(y caseYAML, c *policy.Case) {
	seen := map[policy.EntitlementID]string{}
	add := func(field string, ids []string, want policy.Outcome) {
		for i, id := range ids {
			e := policy.EntitlementID(id)
			if _, known := r.config.Rules.Catalogue.Entitlement(e); !known {
				r.report(field, i, "there is no entitlement %q in %s%s", id, r.config.RuleFiles.Catalogue, policy.DidYouMean(id, r.config.Rules.Catalogue))
				continue
			}
			if before, twice := seen[e]; twice {
				r.report(field, i, "%s is under %s already", id, before)
				continue
			}
			seen[e] = field
			place := positionOf(r.at(field, i))
			c.Expected = append(c.Expected, policy.Expectation{Entitlement: e, Want: want, Line: place.Line, Column: place.Column})
		}
	}
	if c.Exact = y.Has != nil; c.Exact {
		place := positionOf(r.at("has"))
		c.HasLine, c.HasColumn = place.Line, place.Column
		add("has", *y.Has, policy.Outcome(policy.Open))
	}
	add("includes", y.Includes, policy.Outcome(policy.Open))
	add("has_not", y.HasNot, policy.NotGiven)
	add("waits", y.Waits, policy.Outcome(policy.AwaitingMFA))
	add("withheld", y.Withheld, policy.Outcome(policy.Withheld))
	add("denied", y.Denied, policy.Outcome(policy.Denied))
	add("keeps", y.Keeps, policy.Outcome(policy.Kept))
	if !c.Exact && len(c.Expected) == 0 && len(r.problems) == 0 {
		r.report("case", -1, "the case expects nothing: say what the person has, as has: [base:staff], or has: [] for nothing")
	}
}

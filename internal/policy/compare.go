package policy

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2/util"
	"github.com/casbin/govaluate"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
)

// Difference is an entitlement on which the fast evaluator and Casbin disagree: a
// defect in behov.
type Difference struct {
	Person      identity.PersonID `json:"person"` // or syntheticPerson
	Entitlement EntitlementID     `json:"entitlement"`
	Rules       []string          `json:"rules"` // whose conditions differ; otherwise all that could grant or deny it
	Given       bool              `json:"given"` // by the fast evaluator, and not by Casbin; otherwise the reverse
	// Employment describes a synthetic employment in the words of the rules. It
	// is empty for a person.
	Employment string `json:"employment,omitempty"`
}

// syntheticPerson stands for the person in a difference that was found with a
// synthetic employment.
const syntheticPerson identity.PersonID = "synthetic"

// String names rules, entitlement and person, and contains no other personal
// data.
func (d Difference) String() string {
	who := "person " + string(d.Person)
	if d.Person == syntheticPerson {
		who = "an employment with " + d.Employment
	}
	says := "Casbin gives it and the fast evaluator does not"
	if d.Given {
		says = "the fast evaluator gives it and Casbin does not"
	}
	return fmt.Sprintf("rule %s: entitlement %s of %s: %s; this is a defect in behov: rewrite the rule, and report the defect with the rules", strings.Join(d.Rules, ", "), d.Entitlement, who, says)
}

// Problem returns the difference as a problem at the first of its rules.
func (r *Rules) Problem(d Difference) diagnostic.Problem {
	p := diagnostic.Problem{File: r.source.File, Text: d.String()}
	for _, rule := range r.source.Rules {
		if slices.Contains(d.Rules, rule.ID) {
			p.Line = rule.Line
			break
		}
	}
	return p
}

// Comparison counts what was compared.
type Comparison struct {
	People, Conditions int
	AllConditions      int // total number; time may not suffice for all
	Differences        []Difference
}

// maxDifferences is the number of differences after which the comparison stops.
const maxDifferences = 20

// comparer asks Casbin about employments, for one organisation tree. It caches
// the answers by the values of the attributes that the rules mention, which it
// determines itself.
type comparer struct {
	enforcer  *Enforcer
	tree      *identity.Tree
	mentioned []int
	answers   map[string][]bool            // by entitlement, as in the catalogue
	lines     [][]string                   // all policy lines, as Casbin has them
	about     map[EntitlementID][][]string // those that concern the entitlement
}

// maxAnswers is the maximum of cached employments.
const maxAnswers = 10_000

// comparerOn returns the comparer for the day; the caller holds comparing.
func (r *Rules) comparerOn(day identity.Date) (*comparer, error) {
	tree := r.Units.On(day)
	if r.comparer != nil && r.comparer.tree == tree {
		return r.comparer, nil
	}
	enforcer, err := r.enforcer(day)
	if err != nil {
		return nil, err
	}
	c := &comparer{enforcer: enforcer, tree: tree, answers: map[string][]bool{}, lines: enforcer.policy().Policy, about: map[EntitlementID][][]string{}}
	for _, rule := range r.source.Rules {
		tokens, err := tokenize(rule.Condition)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		for _, t := range tokens {
			if name, ok := strings.CutPrefix(t.text, "r.sub."); ok && t.kind == nameToken {
				c.mentioned = append(c.mentioned, r.schema.index[name])
			}
		}
		if leave := rule.leaveAttribute(r.leave); leave != "" {
			c.mentioned = append(c.mentioned, r.schema.index[leave])
		}
	}
	slices.Sort(c.mentioned)
	c.mentioned = slices.Compact(c.mentioned)
	r.comparer = c
	return c, nil
}

// ask returns, for each entitlement of the catalogue, whether Casbin grants it.
func (c *comparer) ask(values []any) ([]bool, error) {
	key := keyOf(values, c.mentioned)
	if known, ok := c.answers[key]; ok {
		return known, nil
	}
	gives := make([]bool, len(c.enforcer.rules.Catalogue.Entitlements))
	for i, e := range c.enforcer.rules.Catalogue.Entitlements {
		var err error
		if gives[i], err = c.askEntitlement(values, i); err != nil {
			return nil, fmt.Errorf("entitlement %s: %w", e.ID, err)
		}
	}
	if len(c.answers) >= maxAnswers {
		clear(c.answers)
	}
	c.answers[key] = gives
	return gives, nil
}

// askEntitlement asks Casbin about one entitlement. It passes only the lines
// whose grants the role manager links to the entitlement, as the others can never
// match: with hundreds of lines and entitlements this is ten times as fast.
func (c *comparer) askEntitlement(values []any, entitlement int) (bool, error) {
	id := c.enforcer.rules.Catalogue.Entitlements[entitlement].ID
	lines, ok := c.about[id]
	if !ok {
		for _, line := range c.lines {
			if c.linked(line[grantsField], id) {
				lines = append(lines, line)
			}
		}
		c.about[id] = lines
	}
	if len(lines) == 0 {
		return false, nil
	}
	c.enforcer.policy().Policy = lines
	defer func() { c.enforcer.policy().Policy = c.lines }()
	return c.enforcer.give(values, id)
}

// Compare asks Casbin, which is the authority, about every employment of a person
// and every entitlement, and returns where the fast evaluator disagrees. It skips
// an employment that cannot be evaluated, on which Decide fails. For an
// employment with new values it takes some ten milliseconds with hundreds of
// rules and entitlements.
func (r *Rules) Compare(p identity.Person, day identity.Date) ([]Difference, error) {
	if len(r.source.Rules) == 0 {
		return nil, nil
	}
	r.comparing.Lock()
	defer r.comparing.Unlock()
	c, err := r.comparerOn(day)
	if err != nil {
		return nil, err
	}
	var differences []Difference
	for _, e := range p.Employments {
		if !e.ActiveOn(day) {
			continue
		}
		fast := r.answer(p, e, day)
		if fast.err != nil {
			continue
		}
		values := r.schema.values(p, e, day, c.tree)
		gives, err := c.ask(values)
		if err != nil {
			return nil, fmt.Errorf("casbin about person %s: %w", p.ID, err)
		}
		for i, e := range r.Catalogue.Entitlements {
			if given := fast.gives(i); given != gives[i] {
				differences = append(differences, Difference{Person: p.ID, Entitlement: e.ID, Given: given, Rules: c.suspects(values, e.ID)})
			}
		}
	}
	return differences, nil
}

// gives reports whether an employment's answer grants an entitlement.
func (a *answer) gives(entitlement int) bool {
	i := slices.IndexFunc(a.given, func(g given) bool { return g.entitlement == entitlement })
	return i >= 0 && len(a.given[i].deny) == 0
}

// CompareAll compares synthetic employments, for each condition some on which
// each of its comparisons holds and some on which it does not, and then people.
// It stops when ctx ends, which is no error, and after twenty differences.
func (r *Rules) CompareAll(ctx context.Context, people iter.Seq2[identity.Person, error], day identity.Date) (Comparison, error) {
	var done Comparison
	if err := r.compareConditions(ctx, day, &done); err != nil {
		return done, err
	}
	for p, err := range people {
		switch {
		case ctx.Err() != nil || len(done.Differences) >= maxDifferences:
			return done, nil
		case err != nil:
			return done, err
		}
		found, err := r.Compare(p, day)
		if err != nil {
			return done, err
		}
		done.People++
		done.Differences = append(done.Differences, found...)
	}
	return done, nil
}

func (r *Rules) compareConditions(ctx context.Context, day identity.Date, done *Comparison) error {
	if len(r.source.Rules) == 0 {
		return nil
	}
	r.comparing.Lock()
	defer r.comparing.Unlock()
	c, err := r.comparerOn(day)
	if err != nil {
		return err
	}
	done.AllConditions = len(r.conditions)
	seen := make([]bool, len(r.conditions))
	for _, rule := range r.rules {
		if seen[rule.condition] {
			continue
		}
		seen[rule.condition] = true
		asked := c.entitlementsOf(rule.Grants)
		// Read again, so that what was compiled is compared with the source.
		root, err := readCondition(rule.Condition, r.schema, r.Units)
		if err != nil {
			return fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		for _, values := range r.makeExamples(newCondition(rule.Condition, root, rule.leaveAttribute(r.leave), r.schema), c.tree) {
			if ctx.Err() != nil || len(done.Differences) >= maxDifferences {
				return nil
			}
			fast := r.evaluateAll(values, c.tree.Epoch)
			if fast.err != nil {
				return fmt.Errorf("rule %s: %w", rule.ID, fast.err)
			}
			for _, i := range asked {
				id := r.Catalogue.Entitlements[i].ID
				slow, err := c.askEntitlement(values, i)
				if err != nil {
					return fmt.Errorf("casbin about rule %s: %w", rule.ID, err)
				}
				if given := fast.gives(i); given != slow {
					done.Differences = append(done.Differences, Difference{Person: syntheticPerson, Entitlement: id, Given: given, Rules: c.suspects(values, id), Employment: r.describe(values, c.mentioned)})
				}
			}
		}
		done.Conditions++
	}
	return nil
}

// entitlementsOf returns entitlements that Casbin reaches from a rule's grant:
// two suffice to compare its condition.
func (c *comparer) entitlementsOf(grants string) []int {
	var found []int
	for i, e := range c.enforcer.rules.Catalogue.Entitlements {
		if c.linked(grants, e.ID) {
			if found = append(found, i); len(found) == 2 {
				break
			}
		}
	}
	return found
}

func (c *comparer) linked(grants string, id EntitlementID) bool {
	linked, err := c.enforcer.casbin.GetRoleManager().HasLink(grants, string(id))
	return err == nil && linked
}

// suspects returns the rules about an entitlement whose conditions
// evaluate differently, or all rules about it.
func (c *comparer) suspects(values []any, id EntitlementID) []string {
	rules := c.enforcer.rules
	fast := map[string]bool{}
	for _, rule := range rules.rules {
		fast[rule.ID] = rules.conditions[rule.condition].root.holds(input{values: values, tree: rules.trees[c.tree.Epoch]})
	}
	var differ, all []string
	for _, rule := range rules.source.Rules {
		if !c.linked(rule.Grants, id) {
			continue
		}
		all = append(all, rule.ID)
		text, err := rule.casbin(rules.leave)
		if err != nil {
			continue
		}
		expression, err := govaluate.NewEvaluableExpressionWithFunctions(util.EscapeAssertion(text), functions(c.tree))
		if err != nil {
			continue
		}
		if slow, err := expression.Evaluate(map[string]any{subject: rules.schema.sub(values)}); err != nil || slow != fast[rule.ID] {
			differ = append(differ, rule.ID)
		}
	}
	if len(differ) > 0 {
		return differ
	}
	return all
}

// maxExamples is how many employments are generated for a condition.
const maxExamples = 24

// makeExamples generates employments for a condition: starting from one on which
// it holds, if one is found, each attribute takes every value on which its
// comparisons have another result.
func (r *Rules) makeExamples(c *condition, tree *identity.Tree) [][]any {
	choices := map[int][]any{}
	byAttribute := map[int][]*node{}
	for _, leaf := range leaves(c.root) {
		for _, attribute := range mentions(leaf) {
			byAttribute[attribute] = append(byAttribute[attribute], leaf)
		}
	}
	for attribute, leaves := range byAttribute {
		choices[attribute] = valuesFor(r.schema.names[attribute], leaves, tree)
	}
	base := make([]any, len(r.schema.names))
	for i, name := range r.schema.names {
		base[i] = zero(name)
	}
	base = satisfy(c, base, choices, tree)
	found := [][]any{base}
	for _, attribute := range c.mentions {
		for _, value := range choices[attribute] {
			if value == base[attribute] {
				continue
			}
			if len(found) >= maxExamples {
				return found
			}
			example := slices.Clone(base)
			example[attribute] = value
			found = append(found, example)
		}
	}
	return found
}

// satisfy changes one attribute after another while more parts of the condition
// become true.
func satisfy(c *condition, values []any, choices map[int][]any, tree *identity.Tree) []any {
	holding := func(values []any) int {
		n := 0
		for _, part := range c.conjuncts {
			if part.root.holds(input{values: values, tree: tree}) {
				n++
			}
		}
		return n
	}
	for _, attribute := range c.mentions {
		best := holding(values)
		for _, value := range choices[attribute] {
			with := slices.Clone(values)
			with[attribute] = value
			if n := holding(with); n > best {
				values, best = with, n
			}
		}
	}
	return values
}

// valuesFor returns values of an attribute: one for each distinct result of the
// leaves where that can be determined, and otherwise every literal too.
func valuesFor(name string, leaves []*node, tree *identity.Tree) []any {
	all := candidates(name, leaves, []*identity.Tree{tree})
	if len(all)*len(leaves) > maxTried {
		all = all[:maxTried/len(leaves)]
	}
	var values []any
	seen := map[string]bool{}
	for _, c := range all {
		var key []byte
		for _, leaf := range leaves {
			outcome := perhaps
			if len(mentions(leaf)) == 1 && comparesDirectly(leaf) {
				outcome = c.evaluate(leaf, name)
			} else {
				key = fmt.Append(key, c.value)
			}
			key = append(key, byte(outcome))
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			values = append(values, c.value)
		}
	}
	return values
}

// describe describes a synthetic employment.
func (r *Rules) describe(values []any, mentioned []int) string {
	var parts []string
	for _, i := range mentioned {
		if text, ok := values[i].(string); ok {
			parts = append(parts, fmt.Sprintf("%s %q", r.schema.names[i], text))
		} else {
			parts = append(parts, fmt.Sprintf("%s %v", r.schema.names[i], values[i]))
		}
	}
	if len(parts) == 0 {
		return "any values"
	}
	return strings.Join(parts, ", ")
}

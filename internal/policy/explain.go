package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// NearRule is a rule that could grant or deny an entitlement, evaluated on one
// employment.
type NearRule struct {
	Rule       string                `json:"rule"`
	Version    string                `json:"version"`
	Place      string                `json:"place"`
	Why        string                `json:"why,omitempty"`
	Deny       bool                  `json:"deny,omitempty"`
	Employment identity.EmploymentID `json:"employment"`
	Parts      []Part                `json:"parts"`
	Satisfied  bool                  `json:"satisfied"`
}

// failed returns the number of parts that do not hold.
func (n NearRule) failed() int {
	failed := 0
	for _, p := range n.Parts {
		if !p.Satisfied {
			failed++
		}
	}
	return failed
}

// leading returns the number of parts that hold before the first that does not.
// Authors write the most important part first, so of two rules with as many
// failed parts the one that fails later is nearer.
func (n NearRule) leading() int {
	if i := slices.IndexFunc(n.Parts, func(p Part) bool { return !p.Satisfied }); i >= 0 {
		return i
	}
	return len(n.Parts)
}

// Part is one of the parts that a condition joins with &&.
type Part struct {
	Text      string `json:"text"`
	Satisfied bool   `json:"satisfied"`
	// Actual holds what the employment has in each field that the part mentions.
	Actual []FieldValue `json:"actual,omitempty"`
}

// FieldValue is the value of a field of an employment, as a condition writes it: 'library'
// or 25.
type FieldValue struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Explanation explains why a person has an entitlement, or why not.
type Explanation struct {
	Entitlement EntitlementID `json:"entitlement"`
	Grant       *Grant        `json:"grant,omitempty"` // nil when no rule grants or denies it
	// NearRules holds every rule that concerns the entitlement, evaluated on
	// every active employment, nearest first.
	NearRules []NearRule `json:"near_rules"`
	// NoEmployment reports that no employment is active on the day.
	NoEmployment bool `json:"no_employment,omitempty"`
}

// Explain returns why the person has the entitlement on the day, or why not. It
// asks Casbin too, and fails when the two disagree.
func (r *Rules) Explain(p identity.Person, day identity.Date, facts Facts, id EntitlementID) (Explanation, error) {
	x := Explanation{Entitlement: id, NoEmployment: true}
	entitlement := slices.IndexFunc(r.Catalogue.Entitlements, func(e Entitlement) bool { return e.ID == id })
	if entitlement < 0 {
		return x, &reason.Refusal{Reason: reason.Of(reason.NoSuchEntitlement{Entitlement: string(id), Near: string(near(string(id), r.Catalogue))})}
	}
	grants, err := r.Decide(p, day, facts)
	if err != nil {
		return x, err
	}
	if i := slices.IndexFunc(grants, func(g Grant) bool { return g.Entitlement == id }); i >= 0 {
		x.Grant = &grants[i]
	}
	// What rules give need not be among the reasons: a control leaves out employments, and of a
	// request after a decision that revoked it the rules' reasons are left out.
	ruled, err := r.ruled(p, day, entitlement)
	if err != nil {
		return x, err
	}
	byRule := func(given Reason) bool { return given.Request == 0 }
	ruled = ruled || x.Grant != nil && slices.ContainsFunc(x.Grant.Reasons, byRule)
	if err := r.askCasbin(p, day, id, ruled); err != nil {
		return x, err
	}
	x.NearRules, x.NoEmployment = r.nearRules(p, day, entitlement), len(p.Active(day)) == 0
	slices.SortStableFunc(x.NearRules, func(a, b NearRule) int { return cmp.Or(a.failed()-b.failed(), b.leading()-a.leading()) })
	return x, nil
}

// ruled reports whether rules give the person the entitlement, by its place in the catalogue,
// on an active employment, whatever controls and decisions say.
func (r *Rules) ruled(p identity.Person, day identity.Date, entitlement int) (bool, error) {
	for _, e := range p.Active(day) {
		a := r.answer(p, e, day)
		if a.err != nil {
			return false, fmt.Errorf("employment %s: %w", e.ID, a.err)
		}
		if slices.ContainsFunc(a.given, func(g given) bool { return g.entitlement == entitlement && len(g.allow) > 0 && len(g.deny) == 0 }) {
			return true, nil
		}
	}
	return false, nil
}

// nearRules returns every rule that concerns an entitlement, by its place in the catalogue,
// evaluated on every active employment.
func (r *Rules) nearRules(p identity.Person, day identity.Date, entitlement int) []NearRule {
	var all []NearRule
	tree := r.Units.On(day)
	for _, e := range p.Active(day) {
		values := r.schema.values(p, e, day, tree)
		for _, rule := range r.rules {
			if slices.ContainsFunc(rule.reach, func(y reachedEntitlement) bool { return y.entitlement == entitlement }) {
				all = append(all, r.near(rule, e.ID, input{values: values, tree: tree}))
			}
		}
	}
	return all
}

func (r *Rules) near(rule compiledRule, employment identity.EmploymentID, in input) NearRule {
	n := NearRule{Rule: rule.ID, Version: rule.Version, Place: rule.place, Why: rule.Why, Deny: rule.Deny, Employment: employment, Satisfied: true}
	for _, c := range r.conditions[rule.condition].conjuncts {
		part := Part{Text: c.text, Satisfied: c.root.holds(in)}
		n.Satisfied = n.Satisfied && part.Satisfied
		for _, m := range c.mentions {
			value := fmt.Sprint(in.values[m])
			if text, ok := in.values[m].(string); ok {
				value = "'" + text + "'"
			}
			part.Actual = append(part.Actual, FieldValue{r.schema.names[m], value})
		}
		n.Parts = append(n.Parts, part)
	}
	return n
}

func (r *Rules) askCasbin(p identity.Person, day identity.Date, id EntitlementID, expected bool) error {
	enforcer, err := r.enforcer(day)
	if err != nil {
		return err
	}
	given := false
	for _, e := range p.Employments {
		ok, err := enforcer.gives(p, e, day, id)
		if err != nil {
			return fmt.Errorf("casbin: %w", err)
		}
		given = given || ok
	}
	if given != expected {
		return fmt.Errorf("behov says %t and Casbin says %t about %s: this is a defect in behov: report it with the rules", expected, given, id)
	}
	return nil
}

// RuleEffect is a rule and what it gives or denies, in the catalogue's order.
type RuleEffect struct {
	Rule
	Entitlements []EntitlementID
}

// Effects returns every rule with what it gives or denies, in the order of the policy.
func (r *Rules) Effects() []RuleEffect {
	all := make([]RuleEffect, len(r.rules))
	for i, rule := range r.rules {
		all[i].Rule = rule.Rule
		for _, reached := range rule.reach {
			all[i].Entitlements = append(all[i].Entitlements, r.Catalogue.Entitlements[reached.entitlement].ID)
		}
	}
	return all
}

// Giving returns the rules that give or deny an entitlement, in the order of the policy,
// with the role through which each does; empty when the rule names it.
func (r *Rules) Giving(id EntitlementID) (rules []Rule, via []string) {
	e, known := r.Catalogue.index(id)
	if !known {
		return nil, nil
	}
	for _, rule := range r.rules {
		for _, reached := range rule.reach {
			if reached.entitlement == e {
				rules, via = append(rules, rule.Rule), append(via, reached.via)
			}
		}
	}
	return rules, via
}

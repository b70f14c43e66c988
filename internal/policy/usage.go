package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/behov/behov/internal/identity"
)

// Usage counts, person by person, whom rules give what, to find rules and roles that are not
// needed. Its memory does not grow with the number of people. It is for one goroutine.
type Usage struct {
	rules   *Rules
	matched []int // by rule, how many people it applies to
	// needed are the rules that alone give a person something, or deny it; cover are, of
	// those that do not, the rules that gave every person everything that the rule gave.
	needed []bool
	cover  []map[int]bool
	roles  map[string]int // people, by role
	// rolesOf are the roles behind what each rule gives.
	rolesOf [][]string
}

// NewUsage begins to count.
func (r *Rules) NewUsage() *Usage {
	u := &Usage{rules: r, matched: make([]int, len(r.rules)), needed: make([]bool, len(r.rules)), cover: make([]map[int]bool, len(r.rules)), roles: map[string]int{}}
	for _, rule := range r.rules {
		u.rolesOf = append(u.rolesOf, r.rolesBehind(rule.Grants))
	}
	return u
}

// rolesBehind returns the roles that a name is or contains, sorted.
func (r *Rules) rolesBehind(name string) []string {
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if !strings.HasPrefix(name, rolePrefix) || seen[name] {
			return
		}
		seen[name] = true
		for _, held := range r.bundles[name] {
			visit(held)
		}
	}
	visit(name)
	roles := make([]string, 0, len(seen))
	for role := range seen {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	return roles
}

// Count counts what rules give a person on a day, and returns the entitlements among it,
// sorted: whether gates are open does not matter. It fails as Decide does.
func (u *Usage) Count(p identity.Person, day identity.Date) ([]EntitlementID, error) {
	allow, applied := map[int][]int{}, map[int]bool{}
	for _, e := range p.Employments {
		if !e.ActiveOn(day) {
			continue
		}
		a := u.rules.answer(p, e, day)
		if a.err != nil {
			return nil, fmt.Errorf("employment %s: %w", e.ID, a.err)
		}
		for _, g := range a.given {
			for _, n := range g.deny {
				applied[n], u.needed[n] = true, true
			}
			for _, n := range g.allow {
				applied[n] = true
			}
			if len(g.deny) > 0 {
				continue
			}
			for _, n := range g.allow {
				if !slices.Contains(allow[g.entitlement], n) {
					allow[g.entitlement] = append(allow[g.entitlement], n)
				}
			}
		}
	}
	roles := map[string]bool{}
	for n := range applied {
		u.matched[n]++
		if !u.rules.rules[n].Deny {
			for _, role := range u.rolesOf[n] {
				roles[role] = true
			}
		}
	}
	for role := range roles {
		u.roles[role]++
	}
	given := make([]EntitlementID, 0, len(allow))
	for e, rules := range allow {
		given = append(given, u.rules.Catalogue.Entitlements[e].ID)
		for _, n := range rules {
			u.covered(n, rules)
		}
	}
	slices.Sort(given)
	return given, nil
}

// covered notes which rules give a person what a rule gives them. One that lets them keep it
// for a shorter time when they move on does not count.
func (u *Usage) covered(rule int, all []int) {
	if u.needed[rule] {
		return
	}
	others := map[int]bool{}
	for _, n := range all {
		if n != rule && u.rules.rules[n].Handover >= u.rules.rules[rule].Handover {
			others[n] = true
		}
	}
	switch was := u.cover[rule]; {
	case len(others) == 0:
		u.needed[rule], u.cover[rule] = true, nil
	case was == nil:
		u.cover[rule] = others
	default:
		for n := range was {
			if !others[n] {
				delete(was, n)
			}
		}
	}
}

// Unmatched returns the rules that apply to no person, in the order of the policy.
func (u *Usage) Unmatched() []Rule {
	var all []Rule
	for n, rule := range u.rules.rules {
		if u.matched[n] == 0 {
			all = append(all, rule.Rule)
		}
	}
	return all
}

// CoveredRule is a rule of which every person gets the same by other rules.
type CoveredRule struct {
	Rule
	People int // to whom it applies
	// By are rules each of which alone gives everything that the rule gives; none when it
	// takes several.
	By []string
}

// Covered returns the rules that others cover, in the order of the policy. Two rules that
// cover each other are both among them.
func (u *Usage) Covered() []CoveredRule {
	var all []CoveredRule
	for n, rule := range u.rules.rules {
		if rule.Deny || u.needed[n] || u.cover[n] == nil {
			continue
		}
		c := CoveredRule{Rule: rule.Rule, People: u.matched[n]}
		for other := range u.cover[n] {
			c.By = append(c.By, u.rules.rules[other].ID)
		}
		slices.Sort(c.By)
		all = append(all, c)
	}
	return all
}

// RoleUse is a role, and how many people rules give it.
type RoleUse struct {
	Role   string   `json:"role"`
	Holds  []string `json:"holds"`  // entitlements and roles
	People int      `json:"people"` // how many
}

// SmallRoles returns the roles that hold one thing, or that rules give to one person or none,
// sorted by name.
func (u *Usage) SmallRoles() []RoleUse {
	var all []RoleUse
	for role, holds := range u.rules.bundles {
		if len(holds) <= 1 || u.roles[role] <= 1 {
			all = append(all, RoleUse{Role: role, Holds: slices.Clone(holds), People: u.roles[role]})
		}
	}
	slices.SortFunc(all, func(a, b RoleUse) int { return cmp.Compare(a.Role, b.Role) })
	return all
}

// Match is an attribute of an employment that equals a text.
type Match struct{ Attribute, Value string }

// NewLine returns a line of a policy that gives an entitlement to the employments with all of
// the values. Its ID is none of the rules'. The line compiles; ok is false when no condition
// can say it, as of a value that is empty once invisible characters are gone.
func (r *Rules) NewLine(id EntitlementID, why string, values ...Match) (line string, ok bool) {
	if _, known := r.Catalogue.Entitlement(id); !known {
		return "", false
	}
	condition, name := make([]string, 0, len(values)), string(id)
	for _, m := range values {
		value := identity.CleanText(m.Value)
		if _, known := r.schema.index[m.Attribute]; !known || value == "" || value != m.Value {
			return "", false
		}
		condition = append(condition, "r.sub."+m.Attribute+" == '"+literalEscapes.Replace(value)+"'")
		name += " " + value
	}
	ruleID := strings.Join(strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }), "-")
	taken := func(id string) bool {
		return slices.ContainsFunc(r.source.Rules, func(rule Rule) bool { return rule.ID == id })
	}
	for base, n := ruleID, 2; taken(ruleID); n++ {
		ruleID = fmt.Sprintf("%s-%d", base, n)
	}
	_, comma := DetectDelimiter(r.source.Text)
	fields := []string{"p", ruleID, strings.Join(condition, " && "), string(id), "allow", identity.CleanText(why)}
	for i, f := range fields {
		if i == 2 || strings.ContainsAny(f, string(comma)+`"`) {
			fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
	}
	line = strings.Join(fields, string(comma)+" ")
	parsed, problems := Parse(r.source.File, line)
	if len(problems) > 0 || len(parsed.Rules) != 1 {
		return "", false
	}
	_, err := readCondition(parsed.Rules[0].Condition, r.schema, r.Units)
	return line, err == nil
}

var literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

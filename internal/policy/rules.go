package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/rules"
)

// maxRoleDepth is how deep roles may hold each other: Casbin's own limit.
const maxRoleDepth = 10

// Rules is a policy, compiled for a catalogue, an organisation tree and a set
// of attributes. It may be used by several goroutines.
//
// Evaluation does not ask Casbin once for each person and entitlement. Every
// condition is evaluated once for each distinct set of the values that it
// mentions, and every employment whose mentioned values are the same shares
// one answer. That this gives what Casbin's Enforce gives is a property test.
type Rules struct {
	Digest    string // of the model, the policy, the catalogue and the tree
	Text      string // the policy's text
	Catalogue Catalogue
	Units     *identity.Units

	source     *Source
	schema     schema
	leave      identity.LeaveRule
	handover   int // the longest of any rule, in days
	rules      []compiledRule
	conditions [][]*condition // for each of the organisation's trees
	mentioned  []int          // what any condition mentions: the key of the answers
	bundles    map[string][]string

	mu      sync.RWMutex
	answers map[string]*answer
	held    [][]map[string]bool // for each tree and condition, what it gave by its own key
}

type compiledRule struct {
	Rule
	condition int
	reach     []reached // sorted by entitlement
}

// reached is an entitlement that a rule gives, and through which role.
type reached struct {
	entitlement int // index into the catalogue
	via         string
}

// answer is what one employment gives.
type answer struct {
	given []given // sorted by entitlement
	err   error
}

type given struct {
	entitlement int
	allow       []int // rules, in their order
	deny        []int
}

// Compile checks a policy against everything it refers to and compiles it. It
// needs to know what a leave of absence does where a rule does not say.
// Problems are returned with the rules; with a problem that is more than a
// warning the rules must not be used.
func Compile(s *Source, catalogue Catalogue, units *identity.Units, freeAttributes []string, leave identity.LeaveRule) (*Rules, []Problem) {
	catalogue.Sort()
	r := &Rules{Text: s.Text, source: s, Catalogue: catalogue, Units: units, schema: newSchema(freeAttributes), leave: leave, bundles: map[string][]string{}, answers: map[string]*answer{}}
	var problems []Problem
	report := func(line, column int, warning bool, format string, args ...any) {
		problems = append(problems, Problem{File: s.File, Line: line, Column: column, Warning: warning, Text: fmt.Sprintf(format, args...)})
	}
	for _, m := range s.bundle {
		r.bundles[m.role] = append(r.bundles[m.role], m.holds)
	}
	known := func(name string) error {
		if strings.HasPrefix(name, rolePrefix) {
			if len(r.bundles[name]) == 0 {
				return fmt.Errorf("role %q holds nothing: add a line g, %s, ENTITLEMENT", name, name)
			}
			return nil
		}
		if _, ok := catalogue.Entitlement(EntitlementID(name)); !ok {
			return fmt.Errorf("there is no entitlement %q in the catalogue%s", name, suggest(name, catalogue))
		}
		return nil
	}
	for _, m := range s.bundle {
		if err := known(m.holds); err != nil {
			report(m.line, 0, false, "%v", err)
		}
	}
	trees := units.Trees()
	r.conditions = make([][]*condition, len(trees))
	compiled := map[string]int{}
	for _, rule := range s.Rules {
		if err := known(rule.Grants); err != nil {
			report(rule.Line, 0, false, "rule %s: %v", rule.ID, err)
			continue
		}
		text := rule.effective(leave)
		at, ok := compiled[text]
		if !ok {
			all, err := compileFor(trees, text, r.schema, units)
			if err != nil {
				report(rule.Line, rule.column, false, "rule %s: %v", rule.ID, err)
				continue
			}
			at = len(r.conditions[0])
			compiled[text] = at
			for epoch, c := range all {
				r.conditions[epoch] = append(r.conditions[epoch], c)
			}
			r.mentioned = append(r.mentioned, all[0].mentions...)
		}
		r.handover = max(r.handover, rule.Handover)
		r.rules = append(r.rules, compiledRule{Rule: rule, condition: at, reach: r.reach(rule.Grants)})
	}
	slices.Sort(r.mentioned)
	r.mentioned = slices.Compact(r.mentioned)
	r.held = make([][]map[string]bool, len(trees))
	for epoch := range trees {
		for range r.conditions[epoch] {
			r.held[epoch] = append(r.held[epoch], map[string]bool{})
		}
	}
	problems = append(problems, r.unreachable(s)...)
	r.Digest = r.digest()
	return r, problems
}

// compileFor compiles a condition for each tree.
func compileFor(trees []*identity.Tree, text string, s schema, units *identity.Units) ([]*condition, error) {
	all := make([]*condition, len(trees))
	for i, tree := range trees {
		c, err := compileCondition(text, s, units, tree)
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

// reach returns the entitlements behind a name, as Casbin's role manager
// would link them: the name itself, and whatever lies at most maxRoleDepth
// steps below it.
func (r *Rules) reach(name string) []reached {
	via := map[string]string{name: ""}
	level := []string{name}
	for depth := 0; depth < maxRoleDepth && len(level) > 0; depth++ {
		var next []string
		for _, at := range level {
			for _, held := range r.bundles[at] {
				if _, ok := via[held]; ok {
					continue
				}
				via[held] = at
				next = append(next, held)
			}
		}
		level = next
	}
	var found []reached
	for i, e := range r.Catalogue.Entitlements {
		if role, ok := via[string(e.ID)]; ok {
			found = append(found, reached{entitlement: i, via: role})
		}
	}
	return found
}

// unreachable warns of roles that no rule gives and of entitlements too deep
// to be reached.
func (r *Rules) unreachable(s *Source) []Problem {
	used := map[string]bool{}
	level := []string{}
	for _, rule := range s.Rules {
		level = append(level, rule.Grants)
	}
	for len(level) > 0 {
		at := level[0]
		level = level[1:]
		if used[at] {
			continue
		}
		used[at] = true
		level = append(level, r.bundles[at]...)
	}
	var problems []Problem
	reported := map[string]bool{}
	for _, m := range s.bundle {
		if !used[m.role] && !reported[m.role] {
			reported[m.role] = true
			problems = append(problems, Problem{File: s.File, Line: m.line, Warning: true, Text: fmt.Sprintf("role %q is unreachable: no rule gives it", m.role)})
		}
	}
	return problems
}

func (r *Rules) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", rules.Model, r.Text)
	for _, e := range r.Catalogue.Entitlements {
		fmt.Fprintf(h, "%q %q %q %q %t %t\n", e.ID, e.System, e.Target, e.Native, e.MFA, e.Authoritative)
	}
	fmt.Fprintf(h, "%q\n", r.leave)
	for _, u := range r.Units.All() {
		fmt.Fprintf(h, "%q %q %q %q %q\n", u.ID, u.Parent, u.From, u.Until, u.Successor)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// suggest names the entitlement that was probably meant.
func suggest(name string, c Catalogue) string {
	for _, e := range c.Entitlements {
		if strings.EqualFold(string(e.ID), name) || strings.HasSuffix(string(e.ID), ":"+name) {
			return fmt.Sprintf("; did you mean %q?", e.ID)
		}
	}
	return ""
}

// answer returns what the employment gives on the day.
func (r *Rules) answer(p identity.Person, e identity.Employment, day identity.Date) *answer {
	tree := r.Units.On(day)
	values := r.schema.values(p, e, day, tree)
	key := strconv.Itoa(tree.Epoch) + "/" + keyOf(values, r.mentioned)
	r.mu.RLock()
	a := r.answers[key]
	r.mu.RUnlock()
	if a != nil {
		return a
	}
	a = r.work(values, tree.Epoch)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[key] = a
	return a
}

// keyOf is a text that is the same exactly for the same values of the
// mentioned attributes.
func keyOf(values []any, mentioned []int) string {
	b := make([]byte, 0, 64)
	for _, i := range mentioned {
		switch v := values[i].(type) {
		case string:
			b = fmt.Appendf(b, "%d:", len(v))
			b = append(b, v...)
		default:
			b = fmt.Append(b, v)
		}
		b = append(b, '|')
	}
	return string(b)
}

// work evaluates every condition on the values and gathers what the rules
// that hold give and forbid.
func (r *Rules) work(values []any, epoch int) *answer {
	holds := make([]bool, len(r.conditions[epoch]))
	var sub map[string]any
	for i, c := range r.conditions[epoch] {
		key := keyOf(values, c.mentions)
		r.mu.RLock()
		held, ok := r.held[epoch][i][key]
		r.mu.RUnlock()
		if !ok {
			if sub == nil {
				sub = r.schema.sub(values)
			}
			var err error
			if held, err = evaluate(c.expression, sub); err != nil {
				return &answer{err: fmt.Errorf("condition %q: %w", c.text, err)}
			}
			r.mu.Lock()
			r.held[epoch][i][key] = held
			r.mu.Unlock()
		}
		holds[i] = held
	}
	byEntitlement := map[int]*given{}
	for i, rule := range r.rules {
		if !holds[rule.condition] {
			continue
		}
		for _, reached := range rule.reach {
			g := byEntitlement[reached.entitlement]
			if g == nil {
				g = &given{entitlement: reached.entitlement}
				byEntitlement[reached.entitlement] = g
			}
			if rule.Deny {
				g.deny = append(g.deny, i)
			} else {
				g.allow = append(g.allow, i)
			}
		}
	}
	a := &answer{given: make([]given, 0, len(byEntitlement))}
	for _, g := range byEntitlement {
		a.given = append(a.given, *g)
	}
	slices.SortFunc(a.given, func(x, y given) int { return x.entitlement - y.entitlement })
	return a
}

// via returns the role through which a rule reaches an entitlement; empty when
// it names it itself.
func (r *Rules) via(rule, entitlement int) string {
	i := slices.IndexFunc(r.rules[rule].reach, func(x reached) bool { return x.entitlement == entitlement })
	return r.rules[rule].reach[i].via
}

// Len returns the number of rules.
func (r *Rules) Len() int { return len(r.rules) }

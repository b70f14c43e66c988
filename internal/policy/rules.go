package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/rules"
)

// maxRoleDepth is the maximum depth of nested roles: Casbin's own limit.
const maxRoleDepth = 10

// maxReach is the maximum number of roles and entitlements that all granted roles
// contain, counted for each role.
const maxReach = 1_000_000

// Rules is a policy, compiled for a catalogue, an organisation tree and a set of
// attributes. It is safe for concurrent use.
//
// Evaluation does not ask Casbin once for each person and entitlement. It
// evaluates every condition once for each distinct set of the values that it
// mentions, and employments with the same mentioned values share one answer. A
// property test checks that the result is that of Casbin's Enforce, and Compare
// checks it again in production.
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
	trees      []*identity.Tree // the organisation's trees, by epoch
	conditions []*condition
	mentioned  []int // the attributes that any condition mentions: the key of the answers
	bundles    map[string][]string

	mu      sync.RWMutex
	answers map[string]*answer
	held    [][]map[string]bool // for each tree and condition, its result by its own key

	comparing sync.Mutex
	comparer  *comparer
}

type compiledRule struct {
	Rule
	place     string // file:line
	condition int
	reach     []reachedEntitlement // sorted by entitlement
	// reasons are those for which the rule gives each of reach; nil until one is asked for.
	reasons []atomic.Pointer[reason.Reason]
}

// reachedEntitlement is an entitlement that a rule gives, and the role through
// which it does.
type reachedEntitlement struct {
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

// Compile checks a policy against everything it refers to and compiles it. leave
// is the effect of a leave of absence where a rule has no option of its own. It
// returns problems with the rules; the caller must not use the rules when a
// problem is more than a warning.
func Compile(s *Source, catalogue Catalogue, units *identity.Units, freeAttributes []string, leave identity.LeaveRule) (*Rules, []diagnostic.Problem) {
	catalogue.Sort()
	r := &Rules{Text: s.Text, source: s, Catalogue: catalogue, Units: units, schema: newSchema(freeAttributes), leave: leave, bundles: map[string][]string{}, answers: map[string]*answer{}}
	var problems []diagnostic.Problem
	report := func(line, column int, warning bool, format string, args ...any) {
		if len(problems) >= maxProblems {
			return
		}
		problems = append(problems, diagnostic.Problem{File: s.File, Line: line, Column: column, Warning: warning, Text: fmt.Sprintf(format, args...)})
	}
	for _, m := range s.bundle {
		r.bundles[m.role] = append(r.bundles[m.role], m.holds)
	}
	known := func(name string) error {
		if strings.HasPrefix(name, rolePrefix) {
			if len(r.bundles[name]) == 0 {
				return fmt.Errorf("role %q contains nothing: add a line g, %s, ENTITLEMENT", name, name)
			}
			return nil
		}
		if _, ok := catalogue.Entitlement(EntitlementID(name)); !ok {
			return fmt.Errorf("there is no entitlement %q in the catalogue%s", name, DidYouMean(name, catalogue))
		}
		return nil
	}
	for _, m := range s.bundle {
		if err := known(m.holds); err != nil {
			report(m.line, 0, false, "%v", err)
		}
	}
	r.trees = slices.Clone(units.Trees())
	reader := newReader(r.schema, units, r.trees)
	compiled := map[[2]string]int{}
	reach, size := map[string][]reachedEntitlement{}, 0
	for _, rule := range s.Rules {
		if err := known(rule.Grants); err != nil {
			report(rule.Line, 0, false, "rule %s: %v", rule.ID, err)
			continue
		}
		leave := rule.leaveAttribute(leave)
		read := reader.read(rule.Condition, leave)
		if read.err != nil {
			line, column := s.place(rule, read.err.at)
			report(line, column, false, "rule %s: %v", rule.ID, read.err)
			continue
		}
		if read.constant != "" {
			report(rule.Line, rule.column, true, "rule %s: %s", rule.ID, read.constant)
		}
		key := [2]string{rule.Condition, leave}
		at, ok := compiled[key]
		if !ok {
			at = len(r.conditions)
			compiled[key] = at
			c := newCondition(rule.Condition, read.root, leave, r.schema)
			r.conditions = append(r.conditions, c)
			r.mentioned = append(r.mentioned, c.mentions...)
		}
		if _, ok := reach[rule.Grants]; !ok {
			found, visited, tooDeep := r.entitlementsBehind(rule.Grants)
			if tooDeep != "" {
				report(rule.Line, 0, true, "rule %s: %s lies %d roles deep, and what it contains is neither granted nor denied: add it to %s directly", rule.ID, tooDeep, maxRoleDepth, rule.Grants)
			}
			reach[rule.Grants] = found
			if size += visited; size > maxReach {
				report(rule.Line, 0, false, "the roles up to that of rule %s contain more than %d roles and entitlements, each counted for every granted role that contains it: split or flatten the roles", rule.ID, maxReach)
				break
			}
		}
		r.handover = max(r.handover, rule.Handover)
		r.rules = append(r.rules, compiledRule{Rule: rule, place: rule.Place(), condition: at, reach: reach[rule.Grants],
			reasons: make([]atomic.Pointer[reason.Reason], len(reach[rule.Grants]))})
	}
	slices.Sort(r.mentioned)
	r.mentioned = slices.Compact(r.mentioned)
	r.held = make([][]map[string]bool, len(r.trees))
	problems = append(problems, r.findCycles(s)...)
	problems = append(problems, r.warnUnreachable(s)...)
	r.Digest = r.digest()
	return r, problems
}

// maxCyclesReported is the maximum of reported cycles, and of roles listed in
// one.
const maxCyclesReported = 20

// findCycles finds roles that contain each other in a cycle.
func (r *Rules) findCycles(s *Source) []diagnostic.Problem {
	const inProgress, done = 1, 2
	var problems []diagnostic.Problem
	var path []string
	state := map[string]int{}
	lines := map[[2]string]int{}
	for _, m := range s.bundle {
		lines[[2]string{m.role, m.holds}] = m.line
	}
	var visit func(role string)
	visit = func(role string) {
		state[role] = inProgress
		path = append(path, role)
		for _, held := range r.bundles[role] {
			switch state[held] {
			case inProgress:
				if len(problems) >= maxCyclesReported {
					continue
				}
				circle := append(slices.Clone(path[slices.Index(path, held):]), held)
				if len(circle) > maxCyclesReported {
					circle = slices.Concat(circle[:maxCyclesReported-2], []string{"…"}, circle[len(circle)-1:])
				}
				problems = append(problems, diagnostic.Problem{File: s.File, Line: lines[[2]string{role, held}],
					Text: fmt.Sprintf("roles contain each other in a cycle: %s; remove one of these lines", strings.Join(circle, " holds "))})
			case done:
			default:
				visit(held)
			}
		}
		path = path[:len(path)-1]
		state[role] = done
	}
	for _, m := range s.bundle {
		if state[m.role] == 0 {
			visit(m.role)
		}
	}
	return problems
}

// entitlementsBehind returns the entitlements behind a name as Casbin's role
// manager links them: the name itself, and everything at most maxRoleDepth steps
// below it. It also returns how many names it visited, and a role whose content
// is too deep.
func (r *Rules) entitlementsBehind(name string) (found []reachedEntitlement, visited int, tooDeep string) {
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
	for _, at := range level {
		if slices.ContainsFunc(r.bundles[at], func(held string) bool { _, ok := via[held]; return !ok }) {
			tooDeep = at
		}
	}
	for held, role := range via {
		if i, ok := r.Catalogue.index(EntitlementID(held)); ok {
			found = append(found, reachedEntitlement{entitlement: i, via: role})
		}
	}
	slices.SortFunc(found, func(a, b reachedEntitlement) int { return a.entitlement - b.entitlement })
	return found, len(via), tooDeep
}

// warnUnreachable returns warnings about roles that no rule gives and
// entitlements that are too deep to be reached.
func (r *Rules) warnUnreachable(s *Source) []diagnostic.Problem {
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
	var problems []diagnostic.Problem
	reported := map[string]bool{}
	for _, m := range s.bundle {
		if !used[m.role] && !reported[m.role] {
			reported[m.role] = true
			problems = append(problems, diagnostic.Problem{File: s.File, Line: m.line, Warning: true, Text: fmt.Sprintf("role %q is unreachable: no rule gives it", m.role)})
		}
	}
	return problems
}

func (r *Rules) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", rules.Model, r.Text)
	for _, e := range r.Catalogue.Entitlements {
		fmt.Fprintf(h, "%q %q %q %q %t %t\n", e.ID, e.System, e.Target, e.Native, e.MFA, e.Authoritative)
		if e.Group != nil {
			fmt.Fprintf(h, "%q %q\n", e.Group.Purpose, e.Group.Retire)
		}
		if c := e.Controls; !c.isZero() {
			fmt.Fprintf(h, "%q %q %q %t %t %q\n", c.MFA, c.NotTypes, c.NotSources, c.WithholdProtected.Value, c.Screening.Value, c.OutsideEU)
		}
	}
	for _, c := range r.Catalogue.Conflicts {
		fmt.Fprintf(h, "%q %q %q %t\n", c.Name, c.Why, c.Sides, c.Refused)
	}
	fmt.Fprintf(h, "%q\n", r.leave)
	for _, u := range r.Units.All() {
		fmt.Fprintf(h, "%q %q %q %q %q\n", u.ID, u.Parent, u.From, u.Until, u.Successor)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// DidYouMean returns a hint with the catalogue entry that was probably meant, to be put
// behind a message; empty when no name is near.
func DidYouMean(name string, c Catalogue) string {
	if id := near(name, c); id != "" {
		return fmt.Sprintf("; did you mean %q?", id)
	}
	return ""
}

// near returns the entitlement that is named most like the name; none when none is.
func near(name string, c Catalogue) EntitlementID {
	for _, e := range c.Entitlements {
		if strings.EqualFold(string(e.ID), name) || strings.HasSuffix(string(e.ID), ":"+name) {
			return e.ID
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
	a = r.evaluateAll(values, tree.Epoch)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[key] = a
	return a
}

// keyOf returns a text that is equal exactly for equal values of the mentioned
// attributes.
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

// evaluateAll evaluates every condition on the values and collects what the rules
// that hold grant and deny.
func (r *Rules) evaluateAll(values []any, epoch int) *answer {
	if err := r.schema.check(values, r.mentioned); err != nil {
		return &answer{err: err}
	}
	holds := make([]bool, len(r.conditions))
	for i, c := range r.conditions {
		key := keyOf(values, c.mentions)
		r.mu.RLock()
		held, ok := r.recall(epoch, i, key)
		r.mu.RUnlock()
		if !ok {
			held = c.root.holds(input{values: values, tree: r.trees[epoch]})
			r.remember(epoch, i, key, held)
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

func (r *Rules) recall(epoch, condition int, key string) (held, ok bool) {
	if r.held[epoch] == nil {
		return false, false
	}
	held, ok = r.held[epoch][condition][key]
	return held, ok
}

func (r *Rules) remember(epoch, condition int, key string, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[epoch] == nil {
		r.held[epoch] = make([]map[string]bool, len(r.conditions))
	}
	if r.held[epoch][condition] == nil {
		r.held[epoch][condition] = map[string]bool{}
	}
	r.held[epoch][condition][key] = held
}

// reason returns why a rule gives or denies an entitlement. Many people have one reason,
// so that it is made once.
func (r *Rules) reason(rule, entitlement int) reason.Reason {
	of := &r.rules[rule]
	i := slices.IndexFunc(of.reach, func(x reachedEntitlement) bool { return x.entitlement == entitlement })
	made := of.reasons[i].Load()
	if made == nil {
		one := reason.Of(reason.Rule{Rule: of.ID, Version: of.Version, Place: of.place, Via: of.reach[i].via, Why: of.Why})
		made = &one
		of.reasons[i].Store(made)
	}
	return *made
}

// Reads reports whether the condition of any rule reads an attribute.
func (r *Rules) Reads(attribute string) bool {
	i, known := r.schema.index[attribute]
	return known && slices.Contains(r.mentioned, i)
}

// Len returns the number of rules.
func (r *Rules) Len() int { return len(r.rules) }

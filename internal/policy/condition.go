package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2/util"
	"github.com/casbin/govaluate"

	"github.com/behov/behov/internal/identity"
)

// subject is the name of r.sub in Casbin.
const subject = "r_sub"

// The attributes of every employment, by their names in conditions.
var coreAttributes = []string{"unit", "job_code", "job_title", "type", "percent", "source", "on_leave", "works_meanwhile", "protected"}

// schema lists the attributes that conditions may mention, in a fixed order.
type schema struct {
	names []string
	index map[string]int
}

func newSchema(free []string) schema {
	s := schema{names: slices.Concat(coreAttributes, free), index: map[string]int{}}
	for i, n := range s.names {
		s.index[n] = i
	}
	return s
}

// zero returns the zero value of the attribute's type: "" for text, 0 and false.
func zero(name string) any {
	switch name {
	case "percent":
		return 0.0
	case "on_leave", "works_meanwhile", "protected":
		return false
	}
	return ""
}

// values returns the employment's attributes on the day, in the schema's order. A
// closed unit is replaced by its successor.
func (s schema) values(p identity.Person, e identity.Employment, day identity.Date, tree *identity.Tree) []any {
	v := make([]any, len(s.names))
	terms := e.On(day)
	v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8] = tree.Current(terms.Unit), terms.JobCode, terms.JobTitle, terms.Type, terms.Percent, e.Key.Source,
		e.OnLeave(day), worksElsewhere(p, e, day), p.Protected
	for i := len(coreAttributes); i < len(s.names); i++ {
		v[i] = terms.Attributes[s.names[i]]
	}
	return v
}

// worksElsewhere reports whether the person is on leave from the employment and
// works in another.
func worksElsewhere(p identity.Person, e identity.Employment, day identity.Date) bool {
	return e.OnLeave(day) && slices.ContainsFunc(p.Employments, func(other identity.Employment) bool {
		return other.ID != e.ID && other.ActiveOn(day) && !other.OnLeave(day)
	})
}

// sub returns values in the form of a Casbin request.
func (s schema) sub(values []any) map[string]any {
	m := make(map[string]any, len(values))
	for i, v := range values {
		m[s.names[i]] = v
	}
	return m
}

// check refuses values on which a condition that mentions them cannot be
// evaluated.
func (s schema) check(values []any, mentioned []int) error {
	for _, i := range mentioned {
		number, ok := values[i].(float64)
		if kindOf(values[i]) != kindOf(zero(s.names[i])) || ok && (math.IsNaN(number) || math.IsInf(number, 0)) {
			return fmt.Errorf("the employment's %s is %v, on which no rule can be evaluated: correct it in HR", s.names[i], values[i])
		}
	}
	return nil
}

// condition is a compiled condition.
type condition struct {
	text      string // for display
	root      *node
	mentions  []int // indexes into the schema, sorted
	conjuncts []conjunct
}

// conjunct is one of the parts that a condition joins with && at the top level.
type conjunct struct {
	text     string
	root     *node
	mentions []int
}

// functions returns the functions that conditions may call, in addition to
// Casbin's own.
func functions(tree *identity.Tree) map[string]govaluate.ExpressionFunction {
	return map[string]govaluate.ExpressionFunction{
		"under": func(args ...any) (any, error) {
			if len(args) != 2 {
				return nil, errors.New(`under takes two units: under(r.sub.unit, "school")`)
			}
			unit, ok1 := args[0].(string)
			other, ok2 := args[1].(string)
			if !ok1 || !ok2 {
				return nil, errors.New("under takes two units as text")
			}
			return tree.Under(unit, other), nil
		},
	}
}

// readCondition parses and checks a condition.
func readCondition(text string, s schema, units *identity.Units) (*node, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	root, err := parseCondition(text, tokens, s)
	if err != nil {
		return nil, err
	}
	if err := (checker{text: text, schema: s, units: units}).condition(root); err != nil {
		return nil, err
	}
	return root, checkCasbinTokens(tokens)
}

// checkCasbinTokens checks that Casbin's evaluator reads exactly the tokens of
// the condition, after all substitutions that Casbin makes in its text.
func checkCasbinTokens(tokens []token) error {
	expression, err := govaluate.NewEvaluableExpressionWithFunctions(util.EscapeAssertion(casbinText(tokens)), functions(&identity.Tree{}))
	if err != nil {
		return wrong(0, "the condition does not compile: Casbin says %v", err)
	}
	theirs := expression.Tokens()
	for i, ours := range tokens[:len(tokens)-1] {
		if i >= len(theirs) || !sameToken(ours, theirs[i]) {
			if i < len(theirs) && theirs[i].Kind == govaluate.TIME {
				return wrong(ours.at, "%q looks like a date or a time and would be compared as one: write a pattern, as in =~ '^%v$'", fmt.Sprint(ours.value), ours.value)
			}
			return wrong(ours.at, "Casbin would parse something else here: rewrite the condition")
		}
	}
	if len(theirs) != len(tokens)-1 {
		return wrong(0, "Casbin would parse something else here: rewrite the condition")
	}
	return nil
}

func sameToken(ours token, theirs govaluate.ExpressionToken) bool {
	switch ours.kind {
	case textToken:
		return theirs.Kind == govaluate.STRING && theirs.Value == ours.value
	case patternToken:
		a, ok1 := ours.value.(*regexp.Regexp)
		b, ok2 := theirs.Value.(*regexp.Regexp)
		return ok1 && ok2 && a.String() == b.String()
	case numberToken:
		return theirs.Kind == govaluate.NUMERIC && theirs.Value == ours.value
	case boolToken:
		return theirs.Kind == govaluate.BOOLEAN && theirs.Value == ours.value
	case nameToken:
		path, ok := theirs.Value.([]string)
		return ok && theirs.Kind == govaluate.ACCESSOR && "r.sub."+strings.Join(path[1:], ".") == ours.text && path[0] == subject
	case functionToken:
		return theirs.Kind == govaluate.FUNCTION
	}
	switch theirs.Kind {
	case govaluate.CLAUSE:
		return ours.text == "("
	case govaluate.CLAUSE_CLOSE:
		return ours.text == ")"
	case govaluate.STRING, govaluate.PATTERN, govaluate.NUMERIC, govaluate.VARIABLE:
		return false
	}
	return theirs.Value == ours.text
}

// newCondition compiles a parsed condition together with the leave attribute.
func newCondition(text string, root *node, leave string, s schema) *condition {
	parts := []*node{root}
	if root.op == "&&" {
		parts = root.args
	}
	c := &condition{text: text, root: root}
	for _, part := range parts {
		c.conjuncts = append(c.conjuncts, conjunct{text: text[part.at:part.end], root: part, mentions: mentions(part)})
	}
	if leave != "" {
		not := &node{op: "!", args: []*node{{op: "attribute", attribute: s.index[leave]}}}
		c.root = &node{op: "&&", args: []*node{root, not}}
		c.conjuncts = append(c.conjuncts, conjunct{text: "!r.sub." + leave, root: not, mentions: mentions(not)})
	}
	c.mentions = mentions(c.root)
	return c
}

func mentions(n *node) []int {
	var found []int
	n.walk(func(n *node) {
		if n.op == "attribute" {
			found = append(found, n.attribute)
		}
	})
	slices.Sort(found)
	return slices.Compact(found)
}

func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, a := range n.args {
		a.walk(visit)
	}
}

// input is the data of an evaluation: values in the schema's order, and the
// organisation.
type input struct {
	values []any
	tree   *identity.Tree
}

// holds evaluates a condition, or a boolean part of one. Its types have been
// checked.
func (n *node) holds(in input) bool {
	switch n.op {
	case "&&":
		return !slices.ContainsFunc(n.args, func(a *node) bool { return !a.holds(in) })
	case "||":
		return slices.ContainsFunc(n.args, func(a *node) bool { return a.holds(in) })
	case "!":
		return !n.args[0].holds(in)
	case "under":
		return in.tree.Under(n.args[0].text(in), n.args[1].text(in))
	case "=~", "!~":
		return n.args[1].value.(*regexp.Regexp).MatchString(n.args[0].text(in)) == (n.op == "=~")
	case "in":
		left := n.args[0].eval(in)
		return slices.ContainsFunc(n.args[1:], func(a *node) bool { return a.value == left })
	case "==", "!=":
		return (n.args[0].eval(in) == n.args[1].eval(in)) == (n.op == "==")
	case "<", "<=", ">", ">=":
		if left, ok := n.args[0].eval(in).(float64); ok {
			return ordered(n.op, left, n.args[1].number(in))
		}
		return ordered(n.op, n.args[0].text(in), n.args[1].text(in))
	}
	truth, _ := n.eval(in).(bool)
	return truth
}

func ordered[T cmp.Ordered](op string, a, b T) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

func (n *node) eval(in input) any {
	switch n.op {
	case "literal":
		return n.value
	case "attribute":
		return in.values[n.attribute]
	case "()":
		return n.args[0].eval(in)
	case "?:":
		if n.args[0].holds(in) {
			return n.args[1].eval(in)
		}
		return n.args[2].eval(in)
	case "+":
		return n.args[0].number(in) + n.args[1].number(in)
	case "-":
		return n.args[0].number(in) - n.args[1].number(in)
	case "*":
		return n.args[0].number(in) * n.args[1].number(in)
	case "/":
		return n.args[0].number(in) / n.args[1].number(in)
	case "negative":
		return -n.args[0].number(in)
	}
	return n.holds(in)
}

func (n *node) text(in input) string {
	text, _ := n.eval(in).(string)
	return text
}

func (n *node) number(in input) float64 {
	number, _ := n.eval(in).(float64)
	return number
}

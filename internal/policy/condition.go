package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2/util"
	"github.com/casbin/govaluate"

	"github.com/behov/behov/internal/identity"
)

// subject is the name under which Casbin knows r.sub.
const subject = "r_sub"

// The attributes every employment has, by the names conditions use.
var coreAttributes = []string{"unit", "job_code", "job_title", "type", "percent", "source", "on_leave", "works_meanwhile", "protected"}

// schema is the attributes that conditions may mention, in a fixed order.
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

// zero is a value of the attribute's type: "" for text, 0 and false.
func zero(name string) any {
	switch name {
	case "percent":
		return 0.0
	case "on_leave", "works_meanwhile", "protected":
		return false
	}
	return ""
}

// values returns what the employment's attributes are on the day, in the
// schema's order. A unit that was closed is the one that took over.
func (s schema) values(p identity.Person, e identity.Employment, day identity.Date, tree *identity.Tree) []any {
	v := make([]any, len(s.names))
	terms := e.On(day)
	v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8] = tree.Current(terms.Unit), terms.JobCode, terms.JobTitle, terms.Type, terms.Percent, e.Key.Source,
		e.OnLeave(day), worksMeanwhile(p, e, day), p.Protected
	for i := len(coreAttributes); i < len(s.names); i++ {
		v[i] = terms.Attributes[s.names[i]]
	}
	return v
}

// worksMeanwhile says whether the person is on leave from the employment and
// works in another.
func worksMeanwhile(p identity.Person, e identity.Employment, day identity.Date) bool {
	return e.OnLeave(day) && slices.ContainsFunc(p.Employments, func(other identity.Employment) bool {
		return other.ID != e.ID && other.ActiveOn(day) && !other.OnLeave(day)
	})
}

// sub makes of values what Casbin is asked with.
func (s schema) sub(values []any) map[string]any {
	m := make(map[string]any, len(values))
	for i, v := range values {
		m[s.names[i]] = v
	}
	return m
}

// condition is a compiled condition.
type condition struct {
	text       string
	expression *govaluate.EvaluableExpression
	mentions   []int // indexes into the schema, sorted
	conjuncts  []conjunct
}

// conjunct is one of the parts that a condition joins with && at the top.
type conjunct struct {
	text       string
	expression *govaluate.EvaluableExpression
	mentions   []int
}

// parameters gives an expression the subject, and nothing else.
type parameters map[string]any

func (p parameters) Get(name string) (any, error) {
	if name == subject {
		return map[string]any(p), nil
	}
	return nil, fmt.Errorf("%q is not known: an attribute is written r.sub.%s", name, name)
}

// functions are those that conditions may call, beyond Casbin's own.
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

func compileCondition(text string, s schema, units *identity.Units, tree *identity.Tree) (*condition, error) {
	expression, err := govaluate.NewEvaluableExpressionWithFunctions(util.EscapeAssertion(text), functions(tree))
	if err != nil {
		return nil, fmt.Errorf("the condition does not compile: %w", err)
	}
	tokens := expression.Tokens()
	if err := checkTokens(tokens, s, units); err != nil {
		return nil, err
	}
	c := &condition{text: text, expression: expression, mentions: mentions(tokens, s)}
	for _, part := range splitConjunction(tokens) {
		e, err := govaluate.NewEvaluableExpressionFromTokens(part)
		if err != nil {
			return nil, fmt.Errorf("the condition does not compile: %w", err)
		}
		c.conjuncts = append(c.conjuncts, conjunct{text: tokensText(part), expression: e, mentions: mentions(part, s)})
	}
	// Each part is tried on its own, so that none hides behind one before it.
	blank := make([]any, len(s.names))
	for i, n := range s.names {
		blank[i] = zero(n)
	}
	for _, j := range c.conjuncts {
		if _, err := evaluate(j.expression, s.sub(blank)); err != nil {
			return nil, fmt.Errorf("the condition %q cannot be evaluated: %w", j.text, err)
		}
	}
	return c, nil
}

func evaluate(e *govaluate.EvaluableExpression, sub map[string]any) (bool, error) {
	result, err := e.Eval(parameters(sub))
	if err != nil {
		return false, err
	}
	switch r := result.(type) {
	case bool:
		return r, nil
	}
	return false, fmt.Errorf("it gives %v, not true or false", result)
}

// accessor returns the attribute that a token mentions.
func accessor(t govaluate.ExpressionToken) (string, bool) {
	path, ok := t.Value.([]string)
	if t.Kind != govaluate.ACCESSOR || !ok || len(path) < 2 {
		return "", false
	}
	return path[1], true
}

func mentions(tokens []govaluate.ExpressionToken, s schema) []int {
	var found []int
	for _, t := range tokens {
		if name, ok := accessor(t); ok {
			found = append(found, s.index[name])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checkTokens finds what would only show when somebody's access is worked
// out: unknown attributes, numbers compared with text, unknown units.
func checkTokens(tokens []govaluate.ExpressionToken, s schema, units *identity.Units) error {
	for i, t := range tokens {
		switch t.Kind {
		case govaluate.VARIABLE:
			name := fmt.Sprint(t.Value)
			return fmt.Errorf("%q is not known: an attribute is written r.sub.%s, text in quotes", name, name)
		case govaluate.ACCESSOR:
			path, _ := t.Value.([]string)
			if len(path) != 2 || path[0] != subject {
				return fmt.Errorf("%q is not known: an attribute is written r.sub.NAME", strings.Join(path, "."))
			}
			if _, ok := s.index[path[1]]; !ok {
				return fmt.Errorf("there is no attribute r.sub.%s: there are %s; the organisation's own columns are listed under hr.attributes", path[1], strings.Join(s.names, ", "))
			}
			for _, literal := range compared(tokens, i) {
				if err := comparable(path[1], literal, units); err != nil {
					return err
				}
			}
		case govaluate.FUNCTION:
			// under ( r.sub.unit , 'unit' )
			if i+4 >= len(tokens) {
				continue // it does not evaluate, which is found out below
			}
			if name, ok := accessor(tokens[i+2]); !ok || name != "unit" {
				return errors.New(`under asks whether the employment's unit lies under another: under(r.sub.unit, 'school')`)
			}
			if unit, ok := tokens[i+4].Value.(string); !ok || tokens[i+4].Kind != govaluate.STRING || !units.Has(unit) {
				return fmt.Errorf("there is no unit %q", fmt.Sprint(tokens[i+4].Value))
			}
		}
	}
	return nil
}

// compared returns the literals that the attribute at i is compared with, on
// either side and in a list after in.
func compared(tokens []govaluate.ExpressionToken, i int) []govaluate.ExpressionToken {
	var literals []govaluate.ExpressionToken
	literal := func(t govaluate.ExpressionToken) {
		switch t.Kind {
		case govaluate.NUMERIC, govaluate.STRING, govaluate.BOOLEAN, govaluate.TIME:
			literals = append(literals, t)
		}
	}
	if i >= 2 && tokens[i-1].Kind == govaluate.COMPARATOR {
		literal(tokens[i-2])
	}
	if i+2 < len(tokens) && tokens[i+1].Kind == govaluate.COMPARATOR && tokens[i+1].Value != "=~" && tokens[i+1].Value != "!~" {
		literal(tokens[i+2])
		if tokens[i+2].Kind == govaluate.CLAUSE {
			for _, t := range tokens[i+3:] {
				if t.Kind == govaluate.CLAUSE_CLOSE {
					break
				}
				literal(t)
			}
		}
	}
	return literals
}

// comparable says whether the attribute can ever be equal to the literal: a
// comparison that never holds is a rule that never gives, or never denies.
func comparable(name string, literal govaluate.ExpressionToken, units *identity.Units) error {
	number := literal.Kind == govaluate.NUMERIC
	text := literal.Kind == govaluate.STRING
	truth := literal.Kind == govaluate.BOOLEAN
	if literal.Kind == govaluate.TIME {
		return fmt.Errorf("r.sub.%s is compared with %v: that text looks like a date or a time and would be compared as one; conditions have none", name, literal.Value)
	}
	switch zero(name).(type) {
	case float64:
		if text || truth {
			return fmt.Errorf("r.sub.%s is a number: compare it with one, without quotes", name)
		}
	case bool:
		if text || number {
			return fmt.Errorf("r.sub.%s is true or false", name)
		}
	default:
		if number || truth {
			return fmt.Errorf("r.sub.%s is text: put what it is compared with in quotes", name)
		}
		if name == "unit" && text && units.Len() > 0 && literal.Value != "" && !units.Has(fmt.Sprint(literal.Value)) {
			return fmt.Errorf("there is no unit %q", fmt.Sprint(literal.Value))
		}
	}
	return nil
}

// splitConjunction splits at the && that stand outside every parenthesis. A
// condition with || or ?: at the top is one part.
func splitConjunction(tokens []govaluate.ExpressionToken) [][]govaluate.ExpressionToken {
	depth, start := 0, 0
	var parts [][]govaluate.ExpressionToken
	for i, t := range tokens {
		switch t.Kind {
		case govaluate.CLAUSE:
			depth++
		case govaluate.CLAUSE_CLOSE:
			depth--
		case govaluate.TERNARY:
			return [][]govaluate.ExpressionToken{tokens}
		case govaluate.LOGICALOP:
			if depth > 0 {
				continue
			}
			if t.Value != "&&" {
				return [][]govaluate.ExpressionToken{tokens}
			}
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	return append(parts, tokens[start:])
}

// tokensText writes tokens as a person would.
func tokensText(tokens []govaluate.ExpressionToken) string {
	var b strings.Builder
	for i, t := range tokens {
		text := fmt.Sprint(t.Value)
		switch t.Kind {
		case govaluate.STRING:
			text = "'" + text + "'"
		case govaluate.ACCESSOR:
			name, _ := accessor(t)
			text = "r.sub." + name
		case govaluate.FUNCTION:
			text = "under" // the only one there is
		case govaluate.CLAUSE:
			text = "("
		case govaluate.CLAUSE_CLOSE:
			text = ")"
		case govaluate.SEPARATOR:
			text = ","
		}
		tight := i == 0 || t.Kind == govaluate.CLAUSE_CLOSE || t.Kind == govaluate.SEPARATOR ||
			tokens[i-1].Kind == govaluate.CLAUSE || tokens[i-1].Kind == govaluate.PREFIX ||
			(t.Kind == govaluate.CLAUSE && tokens[i-1].Kind == govaluate.FUNCTION)
		if !tight {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

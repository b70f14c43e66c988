package policy

import (
	"fmt"

	"github.com/behov/behov/internal/identity"
)

// valueKind is the type of a part of a condition.
type valueKind string

const (
	textKind   valueKind = "text"
	numberKind valueKind = "a number"
	truthKind  valueKind = "true or false"
)

func kindOf(value any) valueKind {
	switch value.(type) {
	case float64:
		return numberKind
	case bool:
		return truthKind
	}
	return textKind
}

// checker finds errors that would otherwise appear only when a person's access is
// decided: parts of the wrong type, and units that do not exist.
type checker struct {
	text   string
	schema schema
	units  *identity.Units
}

// condition checks that the whole condition is boolean, and so is every operand
// of && || ! and ?.
func (c checker) condition(n *node) error {
	kind, err := c.kind(n)
	if err == nil && kind != truthKind {
		err = wrong(n.at, "the condition is %s, not true or false: compare it with something, as in r.sub.percent >= 50", kind)
	}
	return err
}

func (c checker) kind(n *node) (valueKind, error) {
	switch n.op {
	case "literal":
		return kindOf(n.value), nil
	case "attribute":
		return kindOf(zero(c.schema.names[n.attribute])), nil
	case "()":
		return c.kind(n.args[0])
	case "under":
		if unit, _ := n.args[1].value.(string); !c.units.Has(unit) {
			return "", wrong(n.args[1].at, "there is no unit %q", unit)
		}
		return truthKind, nil
	case "&&", "||", "!":
		return truthKind, c.all(n.args, truthKind, n.op)
	case "+", "-", "*", "negative":
		return numberKind, c.all(n.args, numberKind, n.op)
	case "/":
		if by, ok := n.args[1].value.(float64); !ok || by == 0 {
			return "", wrong(n.args[1].at, "/ divides by a number that is not 0")
		}
		return numberKind, c.all(n.args, numberKind, n.op)
	case "=~", "!~":
		return truthKind, c.all(n.args[:1], textKind, n.op)
	case "?:":
		return c.choice(n)
	}
	return truthKind, c.comparison(n)
}

func (c checker) all(parts []*node, want valueKind, op string) error {
	for _, part := range parts {
		kind, err := c.kind(part)
		switch {
		case err != nil:
			return err
		case kind == want:
		case want == truthKind:
			return wrong(part.at, "%s requires true or false, and %s is %s: compare it with something", op, c.quote(part), kind)
		default:
			return wrong(part.at, "%s needs %s, and %s is %s", op, want, c.quote(part), kind)
		}
	}
	return nil
}

func (c checker) choice(n *node) (valueKind, error) {
	if err := c.all(n.args[:1], truthKind, "?"); err != nil {
		return "", err
	}
	yes, err := c.kind(n.args[1])
	if err != nil {
		return "", err
	}
	no, err := c.kind(n.args[2])
	if err == nil && yes != no {
		err = wrong(n.args[2].at, "both sides of : must have the same type, and %s is %s while %s is %s", c.quote(n.args[1]), yes, c.quote(n.args[2]), no)
	}
	return yes, err
}

// comparison checks == != < <= > >= and in.
func (c checker) comparison(n *node) error {
	left, err := c.kind(n.args[0])
	if err != nil {
		return err
	}
	for _, other := range n.args[1:] {
		right, err := c.kind(other)
		switch {
		case err != nil:
			return err
		case left != right:
			return c.mismatch(n.args[0], left, other, right)
		case left == truthKind && n.op != "==" && n.op != "!=":
			return wrong(n.at, "%s compares text or numbers, and %s is %s: use == or !=", n.op, c.quote(n.args[0]), left)
		}
		if n.op == "==" || n.op == "!=" || n.op == "in" {
			if err := c.unit(n.args[0], other); err != nil {
				return err
			}
			if err := c.unit(other, n.args[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// mismatch returns an error when two sides can never be equal: a comparison that
// never holds is a rule that never grants, or never denies.
func (c checker) mismatch(a *node, left valueKind, b *node, right valueKind) error {
	at := b
	if a.op != "attribute" && b.op == "attribute" {
		a, left, at, right = b, right, a, left
	}
	if a.op != "attribute" {
		return wrong(at.at, "%s is %s and %s is %s: they cannot be compared", c.quote(a), left, c.quote(at), right)
	}
	name := c.schema.names[a.attribute]
	switch left {
	case numberKind:
		return wrong(at.at, "r.sub.%s is a number: compare it with one, without quotes", name)
	case truthKind:
		return wrong(at.at, "r.sub.%s is true or false: compare it with true or false, or write it alone", name)
	}
	return wrong(at.at, "r.sub.%s is text: put the other side in quotes", name)
}

// unit checks that a named unit exists.
func (c checker) unit(attribute, literal *node) error {
	name, ok := literal.value.(string)
	if attribute.op != "attribute" || attribute.attribute != c.schema.index["unit"] || literal.op != "literal" || !ok || name == "" || c.units.Len() == 0 || c.units.Has(name) {
		return nil
	}
	return wrong(literal.at, "there is no unit %q", name)
}

func (c checker) quote(n *node) string { return fmt.Sprintf("%q", shorten(c.text[n.at:n.end])) }

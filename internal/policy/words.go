package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/reason"
)

// Words returns when a rule applies, as people read it: the condition of the rule, part by part. A
// part that has no words is as it is written.
func (r *Rules) Words(condition string) reason.Reason {
	root, err := readCondition(condition, r.schema, r.Units)
	if err != nil {
		return reason.Of(reason.CondText{Written: condition})
	}
	return r.words(root, condition)
}

func (r *Rules) words(n *node, text string) reason.Reason {
	written := reason.Of(reason.CondText{Written: strings.TrimSpace(text[n.at:n.end])})
	switch n.op {
	case "()":
		return r.words(n.args[0], text)
	case "&&", "||":
		out := r.words(n.args[len(n.args)-1], text)
		for i := len(n.args) - 2; i >= 0; i-- {
			if first := r.words(n.args[i], text); n.op == "&&" {
				out = reason.Of(reason.CondAnd{First: first, Rest: out})
			} else {
				out = reason.Of(reason.CondOr{First: first, Rest: out})
			}
		}
		return out
	case "!":
		return reason.Of(reason.CondNot{Part: r.words(n.args[0], text)})
	case "literal":
		if n.value == true {
			return reason.Of(reason.CondAlways{})
		}
	case "attribute":
		return reason.Of(reason.CondYes{Of: r.field(n)})
	case "under":
		if n.args[0].op == "attribute" && r.field(n.args[0]) == "unit" && n.args[1].op == "literal" {
			return reason.Of(reason.CondUnder{Unit: r.shown("unit", n.args[1])})
		}
	case "==", "!=", "in":
		if words, ok := r.oneOf(n); ok {
			return words
		}
	case "<", "<=", ">", ">=":
		if n.args[0].op == "attribute" && n.args[1].op == "literal" {
			return reason.Of(reason.CondCompared{Of: r.field(n.args[0]), By: n.op, Value: r.shown("", n.args[1])})
		}
	case "=~", "!~":
		pattern, ok := n.args[1].value.(*regexp.Regexp)
		if !ok || n.args[0].op != "attribute" {
			break
		}
		like := reason.Of(reason.CondLike{Of: r.field(n.args[0]), Pattern: pattern.String()})
		if n.op == "!~" {
			like = reason.Of(reason.CondNot{Part: like})
		}
		return like
	}
	return written
}

// oneOf returns the words of a field that is compared with values.
func (r *Rules) oneOf(n *node) (reason.Reason, bool) {
	left := n.args[0]
	if left.op != "attribute" {
		return reason.Reason{}, false
	}
	field := r.field(left)
	var values reason.AnyOf
	for _, v := range n.args[1:] {
		truth, is := v.value.(bool)
		switch {
		case v.op != "literal":
			return reason.Reason{}, false
		case is: // on_leave == true
			yes := reason.Of(reason.CondYes{Of: field})
			if truth == (n.op == "!=") {
				yes = reason.Of(reason.CondNot{Part: yes})
			}
			return yes, n.op != "in"
		}
		values = append(values, r.shown(field, v))
	}
	if n.op == "!=" {
		return reason.Of(reason.CondIsNot{Of: field, Values: values}), true
	}
	return reason.Of(reason.CondIs{Of: field, Values: values}), true
}

func (r *Rules) field(n *node) reason.Field { return reason.Field(r.schema.names[n.attribute]) }

// shown returns a value as people read it: a unit by its name.
func (r *Rules) shown(of reason.Field, n *node) string {
	switch v := n.value.(type) {
	case string:
		if name := r.Units.Name(v); of == "unit" && name != "" {
			return name
		}
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(n.value)
}

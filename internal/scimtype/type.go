package scimtype

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"

	"github.com/behov/behov/internal/identity"
)

// Type describes a kind of resources.
type Type struct {
	Schema     schema.Schema
	Extensions []schema.Schema
	// Makes reports that a change to a missing element of a list creates it.
	Makes bool
}

// Attribute finds an attribute by the schema it is named with, the core one when
// that is empty. The extension is empty for one of the core.
func (t Type) Attribute(urn, name string) (a schema.CoreAttribute, extension string, err error) {
	if urn == "" || strings.EqualFold(urn, t.Schema.ID) {
		if a, ok := t.Schema.Attributes.ContainsAttribute(name); ok {
			return a, "", nil
		}
	}
	for _, e := range t.Extensions {
		if strings.EqualFold(urn, e.ID) {
			if a, ok := e.Attributes.ContainsAttribute(name); ok {
				return a, e.ID, nil
			}
		}
	}
	return schema.CoreAttribute{}, "", fmt.Errorf("no attribute %s: %w", name, scimerrors.ScimErrorInvalidPath)
}

// Plain returns the SCIM error within an error, as the library reads neither
// status nor type of a wrapped one. The text before it, which names an attribute,
// becomes part of the detail.
func Plain(err error) error {
	var value scimerrors.ScimError
	var pointer *scimerrors.ScimError
	switch {
	case errors.As(err, &value):
	case errors.As(err, &pointer):
		value = *pointer
	default:
		return err
	}
	if before, found := strings.CutSuffix(err.Error(), value.Error()); found {
		value.Detail = before + value.Detail
	}
	return value
}

// Empty reports whether a value counts as no value (RFC 7643 §2.5).
func Empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// ListOf returns a list, or a single value as a list.
func ListOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// Matches evaluates a filter on attributes. An unsupported filter is an error,
// and never true or false.
func Matches(e filter.Expression, in map[string]any) (bool, error) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		left, err := Matches(e.Left, in)
		if err != nil {
			return false, err
		}
		right, err := Matches(e.Right, in)
		if e.Operator == filter.AND {
			return left && right, err
		}
		return left || right, err
	case *filter.NotExpression:
		is, err := Matches(e.Expression, in)
		return !is, err
	case *filter.AttributeExpression:
		return compare(values(in, e.AttributePath, e.Operator), e)
	case *filter.ValuePath:
		for _, v := range ListOf(field(in, e.AttributePath.URI(), e.AttributePath.AttributeName)) {
			element, _ := v.(map[string]any)
			if is, err := Matches(e.ValueFilter, element); is || err != nil {
				return is, err
			}
		}
		return false, nil
	}
	return false, scimerrors.ScimErrorInvalidFilter
}

// field returns the attribute, in any case.
func field(in map[string]any, urn, name string) any {
	for key, v := range in {
		if urn != "" && strings.EqualFold(key, urn) {
			extension, _ := v.(map[string]any)
			return field(extension, "", name)
		}
	}
	for key, v := range in {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

// values returns all values at a path. A complex value without a sub-attribute
// stands for its value, and for itself where only presence is tested.
func values(in map[string]any, path filter.AttributePath, op filter.CompareOperator) []any {
	var found []any
	for _, v := range ListOf(field(in, path.URI(), path.AttributeName)) {
		element, complex := v.(map[string]any)
		switch sub := path.SubAttributeName(); {
		case v == nil:
		case !complex:
			found = append(found, v)
		case sub == "" && op == filter.PR:
			found = append(found, v)
		case sub == "":
			found = append(found, element["value"])
		default:
			found = append(found, field(element, "", sub))
		}
	}
	return found
}

func compare(have []any, e *filter.AttributeExpression) (bool, error) {
	want, err := CompareValue(e)
	if err != nil {
		return false, err
	}
	for _, v := range have {
		is, err := one(v, want, e)
		if is || err != nil {
			return is, err
		}
	}
	return e.Operator == filter.NE && len(have) == 0, nil
}

func one(v, want any, e *filter.AttributeExpression) (bool, error) {
	if e.Operator == filter.PR {
		return !Empty(v) && v != "", nil
	}
	if truth, is := v.(bool); is { // Entra ID writes primary eq "True"
		if text, written := want.(string); written && strings.EqualFold(text, strconv.FormatBool(truth)) {
			want = truth
		}
	}
	text, ok1 := v.(string)
	wanted, ok2 := want.(string)
	if !ok1 || !ok2 {
		switch e.Operator {
		case filter.EQ:
			return fmt.Sprint(v) == fmt.Sprint(want) && v != nil, nil
		case filter.NE:
			return fmt.Sprint(v) != fmt.Sprint(want), nil
		}
		return false, scimerrors.ScimErrorInvalidFilter
	}
	if IsInstant(e.AttributePath) {
		return chronological(text, wanted, e.Operator)
	}
	if name := e.AttributePath.AttributeName; !strings.EqualFold(name, "externalId") && !strings.EqualFold(name, "id") {
		text, wanted = strings.ToLower(text), strings.ToLower(wanted)
	}
	text, wanted = identity.CleanText(text), identity.CleanText(wanted)
	switch e.Operator {
	case filter.CO:
		return strings.Contains(text, wanted), nil
	case filter.SW:
		return strings.HasPrefix(text, wanted), nil
	case filter.EW:
		return strings.HasSuffix(text, wanted), nil
	}
	return ordered(strings.Compare(text, wanted), e.Operator)
}

// IsInstant reports whether a path refers to an instant: those of meta are the
// only ones of a resource (RFC 7643 §3.1).
func IsInstant(path filter.AttributePath) bool {
	sub := path.SubAttributeName()
	return path.URI() == "" && strings.EqualFold(path.AttributeName, "meta") && (strings.EqualFold(sub, "created") || strings.EqualFold(sub, "lastModified"))
}

func chronological(text, wanted string, op filter.CompareOperator) (bool, error) {
	a, err1 := time.Parse(time.RFC3339, text)
	b, err2 := time.Parse(time.RFC3339, wanted)
	if err1 != nil || err2 != nil {
		return false, scimerrors.ScimErrorInvalidFilter
	}
	return ordered(a.Compare(b), op)
}

// ordered reports whether an order, as returned by cmp.Compare, satisfies an
// operator.
func ordered(order int, op filter.CompareOperator) (bool, error) {
	switch op {
	case filter.EQ:
		return order == 0, nil
	case filter.NE:
		return order != 0, nil
	case filter.GT:
		return order > 0, nil
	case filter.GE:
		return order >= 0, nil
	case filter.LT:
		return order < 0, nil
	case filter.LE:
		return order <= 0, nil
	}
	return false, scimerrors.ScimErrorInvalidFilter
}

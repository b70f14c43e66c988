// Package scimtype is shared by behov's two SCIM services: how a PATCH changes a
// resource's attributes, and how a filter is evaluated on them (RFC 7644 §3.5.2
// and §3.4.2.2).
//
// It must never store anything, and never accept an attribute that the type does
// not have.
package scimtype

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"
)

// Patch applies the operation to a resource's attributes. They may be changed in
// part when it fails.
func (t Type) Patch(attributes map[string]any, o scim.PatchOperation) error {
	if o.Path != nil {
		return t.patchPath(attributes, o.Op, *o.Path, o.Value)
	}
	values, ok := o.Value.(map[string]any)
	if !ok || o.Op == scim.PatchOperationRemove {
		return scimerrors.ScimErrorNoTarget
	}
	for name, value := range values {
		path, err := filter.ParsePath([]byte(name))
		if err != nil {
			return scimerrors.ScimErrorInvalidPath
		}
		if err := t.patchPath(attributes, o.Op, path, value); err != nil {
			return err
		}
	}
	return nil
}

func (t Type) patchPath(attributes map[string]any, op string, path filter.Path, value any) error {
	a, extension, err := t.Attribute(path.AttributePath.URI(), path.AttributePath.AttributeName)
	if err != nil {
		return err
	}
	if a.Mutability() == "readOnly" {
		return fmt.Errorf("%s: %w", a.Name(), scimerrors.ScimErrorMutability)
	}
	in := attributes
	if extension != "" {
		in = object(attributes, extension)
		defer prune(attributes, extension)
	}
	if a.MultiValued() {
		before := Primaries(in[a.Name()])
		defer func() { unsetEarlierPrimary(in[a.Name()], before) }()
	}
	sub := path.SubAttributeName()
	if sub == "" {
		sub = path.AttributePath.SubAttributeName()
	}
	switch {
	case path.ValueExpression != nil:
		return t.patchMatching(in, op, a, path.ValueExpression, sub, value)
	case sub == "":
		return patchWhole(in, op, a, value)
	case a.MultiValued():
		return fmt.Errorf("%s: add a filter that selects one of its values: %w", a.Name(), scimerrors.ScimErrorNoTarget)
	}
	s, ok := a.SubAttributes().ContainsAttribute(sub)
	if !ok {
		return scimerrors.ScimErrorInvalidPath
	}
	defer prune(in, a.Name())
	return patchWhole(object(in, a.Name()), op, s, value)
}

// patchWhole changes an attribute that is named without a filter.
func patchWhole(in map[string]any, op string, a schema.CoreAttribute, value any) error {
	name := a.Name()
	switch {
	case op == scim.PatchOperationRemove && value != nil:
		// RFC 7644 §3.5.2.2 has no value here. Ignoring it would remove all
		// values where the client named a few.
		return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorInvalidValue)
	case op == scim.PatchOperationRemove && a.Required():
		return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorMutability)
	case op == scim.PatchOperationRemove:
		delete(in, name)
	case a.MultiValued() && op == scim.PatchOperationAdd:
		have, _ := in[name].([]any)
		for _, v := range ListOf(value) {
			same := slices.IndexFunc(have, func(h any) bool { return sameValue(h, v) })
			if same < 0 {
				have = append(have, v)
			} else if element, is := have[same].(map[string]any); is {
				maps.Copy(element, v.(map[string]any))
			}
		}
		in[name] = have
	case a.HasSubAttributes() && !a.MultiValued():
		target := object(in, name)
		values, ok := value.(map[string]any)
		if !ok {
			return scimerrors.ScimErrorInvalidValue
		}
		for k, v := range values {
			target[k] = v
		}
	default:
		in[name] = value
	}
	prune(in, name)
	return nil
}

// sameValue reports whether two elements are duplicates: of the same type with
// the same value (RFC 7643 §2.4), or equal.
func sameValue(a, b any) bool {
	x, isX := a.(map[string]any)
	y, isY := b.(map[string]any)
	if isX && isY && x["value"] != nil {
		return reflect.DeepEqual(x["value"], y["value"]) && reflect.DeepEqual(x["type"], y["type"])
	}
	return reflect.DeepEqual(a, b)
}

// Primaries returns the elements of a list that are marked as primary.
func Primaries(list any) []map[string]any {
	var found []map[string]any
	elements, _ := list.([]any)
	for _, v := range elements {
		if element, _ := v.(map[string]any); element["primary"] == true {
			found = append(found, element)
		}
	}
	return found
}

// unsetEarlierPrimary unsets the earlier primary value when another is primary
// (RFC 7644 §3.5.2: the server sets primary to false for the earlier one).
func unsetEarlierPrimary(list any, before []map[string]any) {
	now := Primaries(list)
	was := func(element map[string]any) bool {
		return slices.ContainsFunc(before, func(b map[string]any) bool { return reflect.ValueOf(b).Pointer() == reflect.ValueOf(element).Pointer() })
	}
	if !slices.ContainsFunc(now, func(element map[string]any) bool { return !was(element) }) {
		return
	}
	for _, element := range now {
		if was(element) {
			element["primary"] = false
		}
	}
}

// patchMatching changes those of an attribute's values that match a filter.
func (t Type) patchMatching(in map[string]any, op string, a schema.CoreAttribute, expression filter.Expression, sub string, value any) error {
	name := a.Name()
	have, _ := in[name].([]any)
	var kept []any
	found := false
	for _, v := range have {
		element, _ := v.(map[string]any)
		ok, err := Matches(expression, element)
		if err != nil {
			return err
		}
		switch {
		case !ok:
		case op == scim.PatchOperationRemove && sub == "":
			continue // it is removed
		default:
			found = true
			if err := patchElement(element, op, a, sub, value); err != nil {
				return err
			}
		}
		kept = append(kept, v)
	}
	if !found && op != scim.PatchOperationRemove {
		element := t.newElement(a, expression)
		if element == nil {
			return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorNoTarget)
		}
		if err := patchElement(element, op, a, sub, value); err != nil {
			return err
		}
		kept = append(kept, element)
	}
	in[name] = kept
	prune(in, name)
	return nil
}

func patchElement(element map[string]any, op string, a schema.CoreAttribute, sub string, value any) error {
	if sub != "" {
		s, ok := a.SubAttributes().ContainsAttribute(sub)
		if !ok {
			return scimerrors.ScimErrorInvalidPath
		}
		return patchWhole(element, op, s, value)
	}
	// The library wraps the single value in a list, as if it were for the whole
	// attribute.
	values := ListOf(value)
	v, ok := values[0].(map[string]any)
	if !ok || len(values) != 1 {
		return scimerrors.ScimErrorInvalidValue
	}
	if op == scim.PatchOperationReplace {
		clear(element)
	}
	for k, x := range v {
		element[k] = x
	}
	return nil
}

// object returns the object of that name, an empty new one when there is none.
func object(in map[string]any, name string) map[string]any {
	o, ok := in[name].(map[string]any)
	if !ok {
		o = map[string]any{}
		in[name] = o
	}
	return o
}

// prune removes an attribute that has become empty.
func prune(in map[string]any, name string) {
	if Empty(in[name]) {
		delete(in, name)
	}
}

// newElement returns the element that an expression describes, for types that
// create it when it is missing, as Entra ID expects of emails[type eq
// "work"].value.
func (t Type) newElement(a schema.CoreAttribute, expression filter.Expression) map[string]any {
	switch e := expression.(type) {
	case *filter.LogicalExpression:
		left, right := t.newElement(a, e.Left), t.newElement(a, e.Right)
		if e.Operator != filter.AND || left == nil || right == nil {
			return nil
		}
		maps.Copy(left, right)
		return left
	case *filter.AttributeExpression:
		sub, known := a.SubAttributes().ContainsAttribute(e.AttributePath.AttributeName)
		value, err := CompareValue(e)
		if !t.Makes || e.Operator != filter.EQ || e.AttributePath.SubAttribute != nil || !known || err != nil {
			return nil
		}
		if text, is := value.(string); is && sub.AttributeType() == "boolean" {
			value = strings.EqualFold(text, "true")
		}
		return map[string]any{sub.Name(): value}
	}
	return nil
}

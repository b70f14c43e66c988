package scimapp

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"
)

// patch carries out one operation of a PATCH (RFC 7644 §3.5.2).
func (c *collection) patch(attributes map[string]any, o scim.PatchOperation) error {
	if o.Path != nil {
		return c.patchPath(attributes, o.Op, *o.Path, o.Value)
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
		if err := c.patchPath(attributes, o.Op, path, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) patchPath(attributes map[string]any, op string, path filter.Path, value any) error {
	a, extension, err := c.attribute(path.AttributePath.URI(), path.AttributePath.AttributeName)
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
	sub := path.SubAttributeName()
	if sub == "" {
		sub = path.AttributePath.SubAttributeName()
	}
	switch {
	case path.ValueExpression != nil:
		return patchMatching(in, op, a, path.ValueExpression, sub, value)
	case sub == "":
		return patchWhole(in, op, a, value)
	case a.MultiValued():
		return fmt.Errorf("%s: which of its values? %w", a.Name(), scimerrors.ScimErrorNoTarget)
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
		// RFC 7644 §3.5.2.2 knows no value here. To ignore it would be to
		// remove everything where the client named a few.
		return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorInvalidValue)
	case op == scim.PatchOperationRemove && a.Required():
		return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorMutability)
	case op == scim.PatchOperationRemove:
		delete(in, name)
	case a.MultiValued() && op == scim.PatchOperationAdd:
		have, _ := in[name].([]any)
		for _, v := range listOf(value) {
			if !slices.ContainsFunc(have, func(h any) bool { return reflect.DeepEqual(h, v) }) {
				have = append(have, v)
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

// patchMatching changes those of an attribute's values that pass a filter.
func patchMatching(in map[string]any, op string, a schema.CoreAttribute, expression filter.Expression, sub string, value any) error {
	name := a.Name()
	have, _ := in[name].([]any)
	var kept []any
	found := false
	for _, v := range have {
		element, _ := v.(map[string]any)
		ok, err := matches(expression, element)
		if err != nil {
			return err
		}
		switch {
		case !ok:
		case op == scim.PatchOperationRemove && sub == "":
			continue // it is not kept
		default:
			found = true
			if err := patchElement(element, op, a, sub, value); err != nil {
				return err
			}
		}
		kept = append(kept, v)
	}
	if !found && op != scim.PatchOperationRemove {
		return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorNoTarget)
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
	// The library wraps the one value in a list, as if it were for the whole
	// attribute.
	values := listOf(value)
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

// prune removes what is left without a value.
func prune(in map[string]any, name string) {
	if empty(in[name]) {
		delete(in, name)
	}
}

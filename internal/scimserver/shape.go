package scimserver

import (
	"strings"

	"github.com/elimity-com/scim/schema"

	"github.com/behov/behov/internal/scimtype"
)

// coerce converts a value that was sent for an attribute into the form of its
// schema: a list of one into a single value, a single value into a list, names of
// sub-attributes into the schema's spelling (RFC 7643 §2.1: they are
// case-insensitive), text into a boolean, a text into the object that it stands
// for (Entra ID's manager), and null into no value (§2.5). Any other value is
// unchanged, and is refused where the schema is checked.
func coerce(a schema.CoreAttribute, v any) any {
	if !a.MultiValued() {
		return coerceOne(a, v)
	}
	if v == nil {
		return nil
	}
	list := []any{}
	for _, element := range scimtype.ListOf(v) {
		if element = coerceOne(a, element); element != nil {
			list = append(list, element)
		}
	}
	return list
}

// coerceOne is coerce for one of the values of an attribute.
func coerceOne(a schema.CoreAttribute, v any) any {
	for {
		list, is := v.([]any)
		if !is || len(list) > 1 {
			break
		}
		if len(list) == 0 {
			return nil
		}
		v = list[0]
	}
	subs := a.SubAttributes()
	switch v := v.(type) {
	case string:
		if _, has := subs.ContainsAttribute("value"); has && a.AttributeType() == "complex" {
			return map[string]any{"value": v}
		}
		if a.AttributeType() == "boolean" {
			return parseBoolText(v)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			if sub, has := subs.ContainsAttribute(name); has {
				name, value = sub.Name(), coerce(sub, value)
			}
			if value != nil {
				out[name] = value
			}
		}
		return out
	}
	return v
}

// parseBoolText parses a text as true or false.
func parseBoolText(text string) any {
	switch strings.ToLower(text) {
	case "true":
		return true
	case "false":
		return false
	}
	return text
}

// coerceResource converts the attributes of a resource into the form of the
// schemas.
func coerceResource(kind scimtype.Type, body map[string]any) {
	for key, v := range body {
		if a, known := kind.Schema.Attributes.ContainsAttribute(key); known {
			body[key] = coerce(a, v)
		}
	}
	for _, e := range kind.Extensions {
		values, _ := body[e.ID].(map[string]any)
		for name, v := range values {
			if a, known := e.Attributes.ContainsAttribute(name); known {
				values[name] = coerce(a, v)
			}
		}
	}
}

// nullsIn returns the names of a single value's sub-attributes that are null.
func nullsIn(a schema.CoreAttribute, v any) []string {
	var nulls []string
	values, _ := v.(map[string]any)
	for name, value := range values {
		if sub, has := a.SubAttributes().ContainsAttribute(name); has && value == nil && !a.MultiValued() {
			nulls = append(nulls, sub.Name())
		}
	}
	return nulls
}

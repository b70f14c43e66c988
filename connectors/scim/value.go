package scim

import (
	"encoding/json"
	"slices"
	"strings"
)

// get returns an attribute's values as text; none when it has no value.
func (p path) get(r resource) []string {
	if p.urn != "" {
		r = r.object(p.urn)
	}
	v := r.field(p.attr)
	if p.kind != "" {
		list, _ := v.([]any)
		if i := p.choose(list); i >= 0 {
			return texts(asObject(list[i]).field(p.sub), "")
		}
		return nil
	}
	return texts(v, p.sub)
}

// texts returns the text of a value: of each element of a list, of an object's
// sub-attribute, or of the simple value that some services send instead of an
// object.
func texts(v any, sub string) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, texts(e, sub)...)
		}
	case map[string]any:
		if sub == "" {
			sub = "value"
		}
		if t := text(resource(v).field(sub)); t != "" {
			out = []string{t}
		}
	default:
		if t := text(v); t != "" && (sub == "" || sub == "value") {
			out = []string{t}
		}
	}
	return out
}

// choose returns the index of the value that a path selects, -1 when there is
// none.
func (p path) choose(list []any) int {
	best, rank := -1, 0
	for i, e := range list {
		o := asObject(e)
		mark := p.rank(o)
		if mark > 0 && isPrimary(e) {
			mark++
		}
		if mark > rank {
			best, rank = i, mark
		}
	}
	return best
}

// rank returns how well a value's type matches the path's; zero means not at all.
func (p path) rank(o resource) int {
	kind := text(o.field("type"))
	switch {
	case o == nil:
	case strings.EqualFold(kind, p.kind):
		return 3
	case kind == "" && p.anyType:
		return 1
	}
	return 0
}

// same reports whether an attribute already has the values, in any order.
func (p path) same(r resource, want []string) bool {
	have := slices.Sorted(slices.Values(p.get(r)))
	return slices.Equal(have, slices.Sorted(slices.Values(want)))
}

// set sets an attribute's values in r; without values it removes the attribute.
func (p path) set(r resource, values []string) {
	in := r
	if p.urn != "" {
		in = r.object(p.urn)
		if in == nil {
			in = resource{}
		}
		r[r.key(p.urn)] = map[string]any(in)
	}
	name := in.key(p.attr)
	switch {
	case p.kind != "":
		list, _ := in[name].([]any)
		store(in, name, p.setKind(list, values))
	case p.multiValued:
		list, _ := in[name].([]any)
		store(in, name, p.setMany(list, values))
	case p.sub != "":
		o := in.object(p.attr)
		if o == nil {
			o = resource{}
		}
		store(o, o.key(p.sub), simple(o.field(p.sub), values))
		if p.sub == "value" && len(values) > 0 {
			o = resource{"value": values[0]} // other fields describe the old value
		}
		if p.sub == "value" && len(values) == 0 {
			o = nil
		}
		store(in, name, map[string]any(o))
	default:
		store(in, name, simple(in[name], values))
	}
	if p.urn != "" && len(in) == 0 {
		delete(r, r.key(p.urn))
	}
}

// store sets a field, and removes it when the value is nil.
func store(in resource, name string, v any) {
	switch x := v.(type) {
	case nil:
		delete(in, name)
		return
	case []any:
		if len(x) == 0 {
			delete(in, name)
			return
		}
	case map[string]any:
		if len(x) == 0 {
			delete(in, name)
			return
		}
	}
	in[name] = v
}

// setKind changes the value that the path selects, and keeps the others. Without
// a value it removes all values of the path's type, as the next of them would
// take its place.
func (p path) setKind(list []any, values []string) []any {
	out := slices.Clone(list)
	if len(values) == 0 {
		return slices.DeleteFunc(out, func(e any) bool {
			o := asObject(e)
			if p.rank(o) == 0 {
				return false
			}
			delete(o, o.key(p.sub))
			return p.sub == "value"
		})
	}
	switch i := p.choose(out); {
	case i >= 0:
		o := asObject(out[i])
		o[o.key(p.sub)] = values[0]
		delete(o, o.key("display")) // it describes the old value
	default:
		o := map[string]any{p.sub: values[0], "type": p.kind}
		if p.anyType && !slices.ContainsFunc(out, isPrimary) {
			o["primary"] = true
		}
		out = append(out, o)
	}
	return out
}

func isPrimary(v any) bool {
	yes, _ := asBool(text(asObject(v).field("primary")))
	return yes
}

// setMany sets the values to those of the list, and keeps the other fields of the
// values that remain.
func (p path) setMany(list []any, values []string) []any {
	var out []any
	missing := slices.Clone(values)
	for _, e := range list {
		have := texts(e, p.sub)
		if len(have) != 1 {
			continue
		}
		if i := slices.Index(missing, have[0]); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
			out = append(out, e)
		}
	}
	for _, v := range missing {
		if p.sub == "" {
			out = append(out, v)
		} else {
			out = append(out, map[string]any{p.sub: v})
		}
	}
	return out
}

// simple returns values as JSON of the kind that exists already.
func simple(now any, values []string) any {
	if len(values) == 0 {
		return nil
	}
	if _, list := now.([]any); list || len(values) > 1 {
		var out []any
		for _, v := range values {
			out = append(out, v)
		}
		return out
	}
	v := values[0]
	switch now.(type) {
	case bool:
		if yes, ok := asBool(v); ok {
			return yes
		}
	case json.Number:
		if json.Valid([]byte(v)) && strings.Trim(v, "0123456789.-+eE") == "" {
			return json.Number(v)
		}
	}
	return v
}

// at returns the value at a path's target, for a PATCH; nil when there is none.
func (p path) at(r resource) any {
	if p.urn != "" {
		r = r.object(p.urn)
	}
	v := r.field(p.attr)
	if p.isSubAttribute() {
		return asObject(v).field(p.sub)
	}
	return v
}

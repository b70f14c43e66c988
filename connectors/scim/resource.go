package scim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// resource is a JSON object as received. Its names are compared without case (RFC
// 7643 §2.1).
type resource map[string]any

// parse parses one JSON object and nothing after it.
func parse(content []byte) (resource, error) {
	var r resource
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if r == nil {
		return nil, errors.New("not a JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON object")
	}
	return r, nil
}

// key returns the name under which the field exists, or the name itself.
func (r resource) key(name string) string {
	if _, ok := r[name]; ok {
		return name
	}
	best := name
	for k := range r {
		// The first in order, so that the result is deterministic.
		if strings.EqualFold(k, name) && (best == name || k < best) {
			best = k
		}
	}
	return best
}

func (r resource) field(name string) any { return r[r.key(name)] }

// object returns the field as an object, nil when it is none.
func (r resource) object(name string) resource { return asObject(r.field(name)) }

func asObject(v any) resource {
	switch v := v.(type) {
	case map[string]any:
		return v
	case resource:
		return v
	}
	return nil
}

func (r resource) id() string     { return text(r.field("id")) }
func (r resource) name() string   { return text(r.field("userName")) }
func (r resource) anchor() string { return text(r.field("externalId")) }

// enabled reads active, which some services send as text. An account without the
// field counts as enabled.
func (r resource) enabled() (bool, error) {
	v := r.field("active")
	if v == nil {
		return true, nil
	}
	yes, ok := asBool(text(v))
	if !ok {
		return false, errors.New("active is neither true nor false")
	}
	return yes, nil
}

// asBool parses a boolean; ok is false when it is none.
func asBool(s string) (yes, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// text returns a simple value as text, the empty string when it is none.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// page is a ListResponse (RFC 7644 §3.4.2).
type page struct {
	total     int
	next      string // cursor of the next page (RFC 9865 §2), empty for none
	resources []resource
}

// parsePage parses a ListResponse. An answer without the number of results is no
// list, rather than an empty one.
func parsePage(body resource) (page, error) {
	total, err := strconv.Atoi(text(body.field("totalResults")))
	if body.field("totalResults") == nil && text(body.field("nextCursor")) != "" {
		total, err = 0, nil // a service that pages by cursor may omit it
	}
	if err != nil || total < 0 {
		return page{}, errors.New("totalResults is missing or not a number")
	}
	p := page{total: total, next: text(body.field("nextCursor"))}
	v := body.field("Resources")
	list, ok := v.([]any)
	if v != nil && !ok {
		return page{}, errors.New("the field Resources is not a list")
	}
	for _, e := range list {
		r := asObject(e)
		if r == nil || r.id() == "" {
			return page{}, errors.New("a resource has no id")
		}
		p.resources = append(p.resources, r)
	}
	return p, nil
}

// member is one of a group's members.
type member struct {
	id    string
	group bool // the member is a group
}

// refersTo returns the ID of the resource that a value refers to (RFC 7643 §2.4),
// or the empty string.
func (r resource) refersTo() string {
	ref := text(r.field("$ref"))
	return cmp.Or(text(r.field("value")), ref[strings.LastIndex(ref, "/")+1:])
}

// members returns a group's members, each once. listed is false when the service
// did not send them.
func (r resource) members() (out []member, listed bool, err error) {
	v := r.field("members")
	if v == nil {
		return nil, false, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, false, errors.New("the members of a group are not a list")
	}
	seen := map[string]bool{}
	for _, e := range list {
		o := asObject(e)
		ref := text(o.field("$ref"))
		m := member{id: o.refersTo()}
		if m.id == "" {
			return nil, false, errors.New("a member of a group has no value")
		}
		m.group = strings.EqualFold(text(o.field("type")), "Group") || strings.Contains(ref, "/"+groups+"/")
		if !seen[m.id] {
			seen[m.id] = true
			out = append(out, m)
		}
	}
	return out, true, nil
}

// clone copies a JSON value.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := maps.Clone(v)
		for k := range m {
			m[k] = clone(m[k])
		}
		return m
	case []any:
		l := slices.Clone(v)
		for i := range l {
			l[i] = clone(l[i])
		}
		return l
	}
	return v
}

func (r resource) clone() resource {
	return clone(map[string]any(r)).(map[string]any)
}

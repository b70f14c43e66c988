package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/scimtype"
	"github.com/behov/behov/internal/store"
)

// normalizeRequests brings requests as real clients send them into the form of the
// RFC, before the library looks at them.
func (u *users) normalizeRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodDelete:
			u.recordRefusedDeactivation(next, w, r, hr.HashOf([]byte(r.URL.Path)))
			return
		case http.MethodPost, http.MethodPut, http.MethodPatch:
		default:
			next.ServeHTTP(w, r)
			return
		}
		raw, ok := readBody(w, r)
		if !ok {
			return
		}
		body, decoded := decode(raw)
		if !decoded {
			fail(w, http.StatusBadRequest, "invalidSyntax", notAnObject)
			return
		}
		then := next
		refuse := func(kind, detail string) {
			then = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusBadRequest, kind, detail) })
		}
		kind, detail := malformedBody(raw, body)
		cleanText(body)
		var ignored []string
		if r.Method == http.MethodPatch {
			var readOnly []string
			ignored, readOnly = normalizePatch(u.kind, body)
			if len(readOnly) > 0 && !deactivates(body) {
				kind, detail = first(kind, "mutability"), first(detail, listed(readOnly)+": it is behov's to say, and cannot be changed.")
			}
			ignored = append(ignored, readOnly...)
		} else {
			ignored = dropUnknownAttributes(u.kind, body)
			coerceResource(u.kind, body)
		}
		if detail != "" {
			refuse(kind, detail)
		}
		if len(ignored) > 0 {
			u.log.Warn("attributes of a pushed user were ignored, as no schema has them", "source", u.source.Name, "attributes", listed(ignored))
		}
		raw, err := json.Marshal(body)
		if err != nil {
			fail(w, http.StatusBadRequest, "invalidSyntax", notAnObject)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
		if r.Method == http.MethodPost || !deactivates(body) {
			then.ServeHTTP(w, r)
			return
		}
		u.recordRefusedDeactivation(then, w, r.WithContext(context.WithValue(r.Context(), deactivation{}, true)), hr.HashOf(raw))
	})
}

// cleanText brings every text in a body into the one form in which text is
// compared, and numbers into text, as no attribute of a user is a number to
// SCIM. A text with control characters in it stays as it is: it is refused where
// that matters.
func cleanText(v any) any {
	switch v := v.(type) {
	case string:
		if !strings.ContainsFunc(v, unicode.IsControl) {
			return identity.CleanText(v)
		}
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = cleanText(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = cleanText(v[key])
		}
	}
	return v
}

// recordRefusedDeactivation answers a request that deactivates a user or deletes one. When it is
// refused that is recorded: no person's ending is lost without a word.
func (u *users) recordRefusedDeactivation(next http.Handler, w http.ResponseWriter, r *http.Request, hash string) {
	answer := &buffered{header: w.Header(), status: http.StatusOK}
	next.ServeHTTP(answer, r)
	u.recordLostDeactivation(r, answer, hash)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes()) // the client may be gone
}

// recordLostDeactivation records a request that deactivates a user and was refused, with an
// alert: the user keeps their access until the request is corrected.
func (u *users) recordLostDeactivation(r *http.Request, answer *buffered, hash string) {
	if answer.status < http.StatusBadRequest || answer.status >= http.StatusInternalServerError || answer.status == http.StatusNotFound || answer.status == http.StatusPreconditionFailed {
		return // it was done, or there is no such user, or the client tries again
	}
	id := strings.TrimPrefix(r.URL.Path, "/Users/")
	if _, err := u.im.DB.Resource(r.Context(), u.source.Name, id); errors.Is(err, store.ErrNoResource) {
		return
	}
	var said struct{ ScimType, Detail string }
	_ = json.Unmarshal(answer.body.Bytes(), &said) // what is not there is not told
	why := policy.Problem{File: "SCIM", Text: fmt.Sprintf("user %s: the request to deactivate them was refused (%s), and they stay active: correct the request and send it again, or end the employment in HR",
		id, first(said.Detail, said.ScimType, http.StatusText(answer.status)))}
	if err := u.im.Refuse(r.Context(), u.source, "SCIM", hash, why); err != nil {
		u.log.Error("a request to deactivate a user was refused, and that could not be recorded", "source", u.source.Name)
	}
}

// deactivates says whether a body, as brought into the form of the RFC, sets
// active to false.
func deactivates(body map[string]any) bool {
	if isFalse(body) {
		return true
	}
	for _, op := range operations(body) {
		path, _ := op["path"].(string)
		values, _ := op["value"].(map[string]any)
		if is, set := op["value"].(bool); set && !is && namesActive(path) || path == "" && isFalse(values) {
			return true
		}
	}
	return false
}

func isFalse(values map[string]any) bool {
	for name, v := range values {
		if is, set := v.(bool); set && !is && namesActive(name) {
			return true
		}
	}
	return false
}

func namesActive(path string) bool {
	return strings.EqualFold(path[strings.LastIndex(path, ":")+1:], "active")
}

// operations are those of a PATCH.
func operations(body map[string]any) []map[string]any {
	var all []map[string]any
	for key, v := range body {
		list, _ := v.([]any)
		if !strings.EqualFold(key, "Operations") {
			continue
		}
		for _, o := range list {
			if op, is := o.(map[string]any); is {
				for key, v := range op { // the library knows them in any case
					if folded := strings.ToLower(key); folded != key {
						delete(op, key)
						op[folded] = v
					}
				}
				all = append(all, op)
			}
		}
	}
	return all
}

// normalizePatch understands what Entra ID and others make of a PATCH: operations in
// capitals, values in the form of another schema (shaped), names with dots as
// keys, null for nothing, and attributes that no schema has, which it takes out
// and returns, as it does those that are behov's own to say. An operation of which
// nothing is left changes nothing.
func normalizePatch(kind scimtype.Type, body map[string]any) (ignored, readOnly []string) {
	all := operations(body)
	for _, op := range all {
		normalizeOperation(kind, op)
	}
	kept := 0
	var strangers []map[string]any // operations on what the core schema does not have
	for _, op := range all {
		path, _ := op["path"].(string)
		extension := slices.IndexFunc(kind.Extensions, isSchema(path))
		switch t := find(kind, path); {
		case extension >= 0 && op["op"] == "remove": // all of it
			makeNoOp(op)
			for _, a := range kind.Extensions[extension].Attributes {
				remove(body, []string{kind.Extensions[extension].ID + ":" + a.Name()})
			}
			kept++
		case path == "":
			names, own, nulls := onlyKnown(kind, op)
			ignored, readOnly = append(ignored, names...), append(readOnly, own...)
			remove(body, nulls)
			kept++
		case t.place == fixed:
			readOnly = append(readOnly, t.name)
			makeNoOp(op)
			kept++
		case t.place == nowhere:
			strangers = append(strangers, op)
		case t.place == elsewhere:
			ignored = append(ignored, t.name)
			makeNoOp(op)
		default:
			op["path"] = t.name
			remove(body, t.value(op))
			kept++
		}
	}
	if kept == 0 {
		return ignored, readOnly // the library says what is wrong with it
	}
	for _, op := range strangers {
		path, _ := op["path"].(string)
		ignored = append(ignored, label(path))
		makeNoOp(op)
	}
	return ignored, readOnly
}

// normalizeOperation brings one operation into the form of the RFC, but for its values.
func normalizeOperation(kind scimtype.Type, op map[string]any) {
	if name, ok := op["op"].(string); ok {
		op["op"] = strings.ToLower(name)
	}
	path, _ := op["path"].(string)
	if strings.Contains(path, `"`) {
		if readable, err := scimtype.PlainStrings(path); err == nil {
			path, op["path"] = readable, readable
		}
	}
	if list, is := op["value"].([]any); is && len(list) == 1 && (path == "" || slices.ContainsFunc(kind.Extensions, isSchema(path))) {
		op["value"] = list[0]
	}
	values, is := op["value"].(map[string]any)
	if is && op["op"] != "remove" && slices.ContainsFunc(kind.Extensions, isSchema(path)) {
		delete(op, "path") // all of an extension, named by its URN
		values, path = map[string]any{path: values}, ""
		op["value"] = values
	}
	if is && path == "" {
		flatten(kind, values)
	}
	if op["op"] == "remove" && path != "" && !strings.Contains(path, "[") {
		delete(op, "value") // of one attribute it says only what was there
	}
}

// value brings an operation's value into the form of the schema, and returns the
// paths of what in it is null: those are to be removed (RFC 7643 §2.5).
func (t target) value(op map[string]any) (nulls []string) {
	if t.attribute == nil || op["op"] == "remove" {
		return nil
	}
	for _, sub := range nullsIn(*t.attribute, op["value"]) {
		if op["op"] == "replace" {
			nulls = append(nulls, t.name+"."+sub)
		}
	}
	value := coerce(*t.attribute, op["value"])
	if t.element {
		value = coerceOne(*t.attribute, op["value"])
	}
	switch {
	case value != nil && (len(nulls) == 0 || !scimtype.Empty(value)):
		op["value"] = value
	case op["op"] == "replace" && len(nulls) == 0:
		op["op"] = "remove"
		delete(op, "value")
	default:
		makeNoOp(op)
	}
	return nulls
}

// makeNoOp makes an operation one that changes nothing.
func makeNoOp(op map[string]any) {
	clear(op)
	op["op"], op["value"] = "add", map[string]any{}
}

// remove adds operations that remove attributes.
func remove(body map[string]any, paths []string) {
	slices.Sort(paths)
	for key, v := range body {
		if list, is := v.([]any); is && strings.EqualFold(key, "Operations") {
			for _, path := range paths {
				list = append(list, map[string]any{"op": "remove", "path": path})
			}
			body[key] = list
		}
	}
}

// onlyKnown leaves of an operation without a path what the type has, in the form
// of its schema. It returns the names of the rest, of what is behov's own to say,
// and the paths of what is to be null (RFC 7643 §2.5).
func onlyKnown(kind scimtype.Type, op map[string]any) (ignored, readOnly, nulls []string) {
	values, _ := op["value"].(map[string]any)
	replaces := op["op"] == "replace"
	for _, key := range keysOf(values) {
		t, v := find(kind, key), values[key]
		if t.place == here && t.name == key && t.attribute == nil {
			continue // malformed: it is refused
		}
		delete(values, key)
		switch {
		case t.place == fixed && !isCommonAttribute(key):
			readOnly = append(readOnly, t.name)
		case t.place != here:
			if !isCommonAttribute(key) {
				ignored = append(ignored, label(key))
			}
		case v == nil:
			if replaces {
				nulls = append(nulls, t.name)
			}
		default:
			for _, sub := range nullsIn(*t.attribute, v) {
				if replaces {
					nulls = append(nulls, t.name+"."+sub)
				}
			}
			if value := coerce(*t.attribute, v); value != nil {
				values[t.name] = value
			}
		}
	}
	return ignored, readOnly, nulls
}

// isCommonAttribute says whether a name is one that every resource has, and that behov
// says itself.
func isCommonAttribute(name string) bool {
	return strings.EqualFold(name, "id") || strings.EqualFold(name, "schemas") || strings.EqualFold(name, "meta")
}

// place is where a path leads.
type place int

const (
	here      place = iota // to an attribute that the type has, or it is no path at all
	nowhere                // to none of the core schema's
	elsewhere              // to none of an extension's, or to an extension that behov does not know
	fixed                  // to one that is behov's own to say (mutability readOnly)
)

// target is what a path leads to.
type target struct {
	place     place
	name      string                // the path, with the schema in it named as the type names it
	attribute *schema.CoreAttribute // nil where there is none
	element   bool                  // one of the attribute's values
}

// find returns where a path leads.
func find(kind scimtype.Type, text string) target {
	path, err := filter.ParsePath([]byte(text))
	if err != nil {
		return target{name: text} // malformed: it is refused
	}
	urn := path.AttributePath.URI()
	missing := nowhere
	if urn != "" && !strings.EqualFold(urn, kind.Schema.ID) {
		missing = elsewhere
	}
	if missing == nowhere && isCommonAttribute(path.AttributePath.AttributeName) {
		return target{place: fixed, name: path.AttributePath.AttributeName}
	}
	a, extension, err := kind.Attribute(urn, path.AttributePath.AttributeName)
	if err != nil {
		return target{place: missing, name: label(text)}
	}
	t := target{name: text, attribute: &a, element: path.ValueExpression != nil}
	if urn != "" {
		t.name = first(extension, kind.Schema.ID) + text[len(urn):]
	}
	if sub := first(path.SubAttributeName(), path.AttributePath.SubAttributeName()); sub != "" {
		s, has := a.SubAttributes().ContainsAttribute(sub)
		if !has {
			return target{place: missing, name: label(text)}
		}
		t.attribute, t.element = &s, false
	}
	if a.Mutability() == "readOnly" || t.attribute.Mutability() == "readOnly" {
		t.place = fixed
	}
	return t
}

// flatten names the attributes of an extension that is given as an object, as
// RFC 7643 §3.3 has them in a resource, by their paths.
func flatten(kind scimtype.Type, values map[string]any) {
	for urn, v := range values {
		extension, is := v.(map[string]any)
		if !is || !slices.ContainsFunc(kind.Extensions, isSchema(urn)) {
			continue
		}
		delete(values, urn)
		for name, v := range extension {
			values[urn+":"+name] = v
		}
	}
}

// dropUnknownAttributes returns the names in a resource that no schema has, which the library
// leaves out, and names extensions as the type names them.
func dropUnknownAttributes(kind scimtype.Type, body map[string]any) (ignored []string) {
	for key, v := range body {
		extension := slices.IndexFunc(kind.Extensions, isSchema(key))
		if extension < 0 {
			if _, known := kind.Schema.Attributes.ContainsAttribute(key); !known && !isCommonAttribute(key) {
				ignored = append(ignored, label(key))
			}
			continue
		}
		if urn := kind.Extensions[extension].ID; urn != key {
			delete(body, key)
			body[urn] = v
		}
		values, _ := v.(map[string]any)
		for name := range values {
			if _, known := kind.Extensions[extension].Attributes.ContainsAttribute(name); !known {
				ignored = append(ignored, label(key+":"+name))
			}
		}
	}
	return ignored
}

// label is what a path is called in the log: its attribute, and no value of the
// filter in it.
func label(text string) string {
	path, err := filter.ParsePath([]byte(text))
	if err != nil || len(text) > 200 {
		return "(a name that is none)"
	}
	name := path.AttributePath.AttributeName
	if urn := path.AttributePath.URI(); urn != "" {
		name = urn + ":" + name
	}
	return name
}

// listed names what was ignored, as far as anybody reads on.
func listed(names []string) string {
	const most = 20
	slices.Sort(names)
	names = slices.Compact(names)
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

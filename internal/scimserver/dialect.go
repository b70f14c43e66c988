package scimserver

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

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/scimtype"
	"github.com/behov/behov/internal/store"
)

// normalizeRequests converts requests of common clients into the form of the RFC,
// before the library handles them.
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
			var misplaced string
			if ignored, readOnly, misplaced = normalizePatch(u.kind, body); misplaced != "" {
				kind, detail = first(kind, "invalidPath"), first(detail, misplaced)
			}
			if len(readOnly) > 0 && !deactivates(body) {
				kind, detail = first(kind, "mutability"), first(detail, joinNames(readOnly)+": the attribute is read-only and cannot be changed.")
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
			u.log.Warn("attributes of a pushed user were ignored, as no schema has them", "source", u.source.Name, "attributes", joinNames(ignored))
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

// cleanText cleans every text in a body (identity.CleanText), and converts
// numbers into text, as no attribute of a user is a number. A text with control
// characters is unchanged: it is refused where it matters.
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

// recordRefusedDeactivation answers a request that deactivates or deletes a user.
// It records a refusal, so that no ending of access is lost silently.
func (u *users) recordRefusedDeactivation(next http.Handler, w http.ResponseWriter, r *http.Request, hash string) {
	answer := &buffered{header: w.Header(), status: http.StatusOK}
	next.ServeHTTP(answer, r)
	u.recordLostDeactivation(r, answer, hash)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes()) // the client may be gone
}

// recordLostDeactivation records a refused request to deactivate a user, with an
// alert: the user keeps their access until the request is corrected.
func (u *users) recordLostDeactivation(r *http.Request, answer *buffered, hash string) {
	if answer.status < http.StatusBadRequest || answer.status >= http.StatusInternalServerError || answer.status == http.StatusNotFound || answer.status == http.StatusPreconditionFailed {
		return // it succeeded, or there is no such user, or the client retries
	}
	id := strings.TrimPrefix(r.URL.Path, "/Users/")
	if _, err := u.im.DB.Resource(r.Context(), u.source.Name, id); errors.Is(err, store.ErrNoResource) {
		return
	}
	var said struct{ ScimType, Detail string }
	_ = json.Unmarshal(answer.body.Bytes(), &said) // missing fields are left out
	why := diagnostic.Problem{File: "SCIM", Reason: reason.Of(reason.DeactivationRefused{User: id, Detail: first(said.Detail, said.ScimType, http.StatusText(answer.status))})}
	if err := u.im.Refuse(r.Context(), u.source, "SCIM", hash, why); err != nil {
		u.log.Error("a request to deactivate a user was refused, and that could not be recorded", "source", u.source.Name)
	}
}

// deactivates reports whether a normalised body sets active to false.
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

// operations returns the operations of a PATCH.
func operations(body map[string]any) []map[string]any {
	var all []map[string]any
	for key, v := range body {
		list, _ := v.([]any)
		if !strings.EqualFold(key, "Operations") {
			continue
		}
		for _, o := range list {
			if op, is := o.(map[string]any); is {
				for key, v := range op { // the library ignores their case
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

// normalizePatch accepts the dialects of Entra ID and others: operations in
// capitals, values in the form of another schema (see coerce), names with dots as
// keys, and null for no value. It removes and returns attributes that no schema
// has, and read-only ones. An operation of which nothing is left changes nothing.
// When no operation has an attribute of the type, misplaced says why the request
// is refused.
func normalizePatch(kind scimtype.Type, body map[string]any) (ignored, readOnly []string, misplaced string) {
	all := operations(body)
	for _, op := range all {
		normalizeOperation(kind, op)
	}
	kept := 0
	var strangers []map[string]any // operations on attributes that the core schema does not have
	for _, op := range all {
		path, _ := op["path"].(string)
		extension := slices.IndexFunc(kind.Extensions, isSchema(path))
		switch t := findTarget(kind, path); {
		case extension >= 0 && op["op"] == "remove": // all of the extension
			makeNoOp(op)
			for _, a := range kind.Extensions[extension].Attributes {
				addRemovals(body, []string{kind.Extensions[extension].ID + ":" + a.Name()})
			}
			kept++
		case path == "":
			names, own, nulls := onlyKnown(kind, op)
			ignored, readOnly = append(ignored, names...), append(readOnly, own...)
			addRemovals(body, nulls)
			kept++
		case t.place == pathReadOnly:
			readOnly = append(readOnly, t.name)
			makeNoOp(op)
			kept++
		case t.place == pathUnknownCore:
			strangers = append(strangers, op)
		case t.place == pathUnknownExtension:
			ignored = append(ignored, t.name)
			makeNoOp(op)
		default:
			op["path"] = t.name
			addRemovals(body, t.shapeValue(op))
			kept++
		}
	}
	for _, op := range strangers {
		path, _ := op["path"].(string)
		label := misplacedLabel(kind, path)
		if kept == 0 { // nothing of the request can take effect
			misplaced = first(misplaced, "path: there is no attribute "+label+"; /Schemas lists the attributes.")
			continue
		}
		ignored = append(ignored, label)
		makeNoOp(op)
	}
	return ignored, readOnly, misplaced
}

// misplacedLabel returns the label of a path that the core schema does not have,
// with the right path when an extension has the attribute.
func misplacedLabel(kind scimtype.Type, text string) string {
	label := pathLabel(text)
	path, err := filter.ParsePath([]byte(text))
	if err != nil {
		return label
	}
	for _, e := range kind.Extensions {
		if a, has := e.Attributes.ContainsAttribute(path.AttributePath.AttributeName); has {
			return label + " (use " + e.ID + ":" + a.Name() + ")"
		}
	}
	if sub := first(path.SubAttributeName(), path.AttributePath.SubAttributeName()); sub != "" {
		return label + "." + sub
	}
	return label
}

// normalizeOperation converts one operation into the form of the RFC, except for
// its values.
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
		delete(op, "value") // for a single attribute, the value is only the one to remove
	}
}

// shapeValue converts an operation's value into the form of the schema, and
// returns the paths of its null values, which are to be removed (RFC 7643 §2.5).
func (t target) shapeValue(op map[string]any) (nulls []string) {
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

// makeNoOp makes an operation change nothing.
func makeNoOp(op map[string]any) {
	clear(op)
	op["op"], op["value"] = "add", map[string]any{}
}

// addRemovals adds operations that remove attributes.
func addRemovals(body map[string]any, paths []string) {
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

// onlyKnown keeps of an operation without a path the attributes that the type
// has, in the form of its schema. It returns the names of unknown and of
// read-only attributes, and the paths of null values (RFC 7643 §2.5).
func onlyKnown(kind scimtype.Type, op map[string]any) (ignored, readOnly, nulls []string) {
	values, _ := op["value"].(map[string]any)
	replaces := op["op"] == "replace"
	for _, key := range keysOf(values) {
		t, v := findTarget(kind, key), values[key]
		if t.place == pathKnown && t.name == key && t.attribute == nil {
			continue // malformed: it is refused later
		}
		delete(values, key)
		switch {
		case t.place == pathReadOnly && !isCommonAttribute(key):
			readOnly = append(readOnly, t.name)
		case t.place != pathKnown:
			if !isCommonAttribute(key) {
				ignored = append(ignored, misplacedLabel(kind, key))
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

// isCommonAttribute reports whether a name is that of a common attribute, which
// behov sets itself.
func isCommonAttribute(name string) bool {
	return strings.EqualFold(name, "id") || strings.EqualFold(name, "schemas") || strings.EqualFold(name, "meta")
}

// pathTarget classifies what a path refers to.
type pathTarget int

const (
	pathKnown            pathTarget = iota // an attribute of the type, or the path is malformed
	pathUnknownCore                        // no attribute of the core schema
	pathUnknownExtension                   // no attribute of an extension, or an unknown extension
	pathReadOnly                           // a read-only attribute (mutability readOnly)
)

// target is what a path refers to.
type target struct {
	place     pathTarget
	name      string                // the path, with the type's own spelling of the schema
	attribute *schema.CoreAttribute // nil where there is none
	element   bool                  // one of the attribute's values
}

// findTarget returns what a path refers to.
func findTarget(kind scimtype.Type, text string) target {
	path, err := filter.ParsePath([]byte(text))
	if err != nil {
		return target{name: text} // malformed: it is refused later
	}
	urn := path.AttributePath.URI()
	missing := pathUnknownCore
	if urn != "" && !strings.EqualFold(urn, kind.Schema.ID) {
		missing = pathUnknownExtension
	}
	if missing == pathUnknownCore && isCommonAttribute(path.AttributePath.AttributeName) {
		return target{place: pathReadOnly, name: path.AttributePath.AttributeName}
	}
	a, extension, err := kind.Attribute(urn, path.AttributePath.AttributeName)
	if err != nil {
		return target{place: missing, name: pathLabel(text)}
	}
	t := target{name: text, attribute: &a, element: path.ValueExpression != nil}
	if urn != "" {
		t.name = first(extension, kind.Schema.ID) + text[len(urn):]
	}
	if sub := first(path.SubAttributeName(), path.AttributePath.SubAttributeName()); sub != "" {
		s, has := a.SubAttributes().ContainsAttribute(sub)
		if !has {
			return target{place: missing, name: pathLabel(text)}
		}
		t.attribute, t.element = &s, false
	}
	if a.Mutability() == "readOnly" || t.attribute.Mutability() == "readOnly" {
		t.place = pathReadOnly
	}
	return t
}

// flatten replaces an extension's object, the form of a resource in RFC 7643
// §3.3, by attributes with their paths.
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

// dropUnknownAttributes removes and returns the names in a resource that no
// schema has, which the library ignores, and gives extensions the type's own
// spelling.
func dropUnknownAttributes(kind scimtype.Type, body map[string]any) (ignored []string) {
	for key, v := range body {
		extension := slices.IndexFunc(kind.Extensions, isSchema(key))
		if extension < 0 {
			if _, known := kind.Schema.Attributes.ContainsAttribute(key); !known && !isCommonAttribute(key) {
				ignored = append(ignored, misplacedLabel(kind, key))
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
				ignored = append(ignored, pathLabel(key+":"+name))
			}
		}
	}
	return ignored
}

// pathLabel returns a path for the log: its attribute, without the value of a
// filter.
func pathLabel(text string) string {
	path, err := filter.ParsePath([]byte(text))
	if err != nil || len(text) > 200 {
		return "(a malformed name)"
	}
	name := path.AttributePath.AttributeName
	if urn := path.AttributePath.URI(); urn != "" {
		name = urn + ":" + name
	}
	return name
}

// joinNames joins the names of ignored attributes, up to a maximum.
func joinNames(names []string) string {
	const most = 20
	slices.Sort(names)
	names = slices.Compact(names)
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

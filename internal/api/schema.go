package api

import (
	"path"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// wordedReason is the schema of a reason: a code, the sentence, and the parameters of the
// code beside them.
type wordedReason struct{}

// Schema implements huma.SchemaProvider.
func (wordedReason) Schema(all huma.Registry) *huma.Schema {
	if all.Map()["Reason"] == nil {
		all.Map()["Reason"] = reasonSchema()
	}
	return &huma.Schema{Ref: "#/components/schemas/Reason"}
}

func reasonSchema() *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Nullable: true, Description: "A code with its parameters, which stand beside it, and the sentence in the caller's language. What a target said is its own text.",
		Properties: map[string]*huma.Schema{"code": {Type: huma.TypeString}, "text": {Type: huma.TypeString}}, Required: []string{"code"}, AdditionalProperties: true}
	for _, p := range s.Properties {
		p.PrecomputeMessages()
	}
	s.PrecomputeMessages()
	return s
}

// dateText is the schema of a civil date, which may be empty.
type dateText struct{}

// Schema implements huma.SchemaProvider.
func (dateText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "A civil date, YYYY-MM-DD, in the organisation's time zone; empty where there is none.", Pattern: `^([0-9]{4}-[0-9]{2}-[0-9]{2})?$`}
}

// describe adds to the document what the types do not say: that what a request may leave
// out may be null as well, and what is known only when every route is there.
func (a *api) describe() {
	doc := a.huma.OpenAPI()
	all := doc.Components.Schemas
	all.Map()["HrEvent"] = eventSchema()
	seen := map[*huma.Schema]bool{}
	var scopes []any
	for _, s := range append(Scopes(doc), everyScope...) {
		scopes = append(scopes, s)
	}
	for _, item := range doc.Paths {
		if item.Post == nil || item.Post.RequestBody == nil {
			continue
		}
		body := item.Post.RequestBody.Content["application/json"].Schema
		switch item.Post.OperationID {
		case "make-token":
			list := all.SchemaFromRef(body.Ref).Properties["scopes"]
			list.Items.Enum = scopes
			list.Items.PrecomputeMessages()
		case "send-hr-events":
			all.SchemaFromRef(body.Ref).Properties["events"].Items = &huma.Schema{Ref: "#/components/schemas/HrEvent"}
		}
		nullable(all, body, seen)
	}
}

// eventSchema is the schema of an event. It does not name the columns that an installation
// adds: everyone can read the document.
func eventSchema() *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	text.PrecomputeMessages()
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: text, Properties: map[string]*huma.Schema{}, Description: "A change of one employment, by HR's own column names, and those of hr.attributes. Dates are civil dates."}
	for _, column := range config.Canonical {
		s.Properties[column] = &huma.Schema{Type: huma.TypeString}
		s.Properties[column].PrecomputeMessages()
	}
	s.PrecomputeMessages()
	return s
}

// nullable lets what a schema does not require be null.
func nullable(all huma.Registry, s *huma.Schema, seen map[*huma.Schema]bool) {
	for s.Ref != "" {
		s = all.SchemaFromRef(s.Ref)
	}
	if seen[s] {
		return
	}
	seen[s] = true
	if s.Items != nil {
		nullable(all, s.Items, seen)
	}
	for name, p := range s.Properties {
		nullable(all, p, seen)
		if slices.Contains(s.Required, name) {
			continue
		}
		p.Nullable = p.Ref == "" // beside a reference null cannot stand
	}
}

// newRegistry returns a registry that knows how our types are written.
func newRegistry() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	r.RegisterTypeAlias(reflect.TypeFor[access.Reason](), reflect.TypeFor[wordedReason]())
	r.RegisterTypeAlias(reflect.TypeFor[reason.Reason](), reflect.TypeFor[wordedReason]())
	r.RegisterTypeAlias(reflect.TypeFor[identity.Date](), reflect.TypeFor[dateText]())
	r.RegisterTypeAlias(reflect.TypeFor[store.Micros](), reflect.TypeFor[time.Time]())
	return r
}

// schemaName returns what a type is called in the document: by its own name, with that of
// its package before it unless the package is access or this one.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	if from := path.Base(t.PkgPath()); t.Name() != "" && from != "access" && from != "api" && from != "." {
		name = strings.ToUpper(from[:1]) + from[1:] + name
	}
	parts := strings.Split(name, "-") // of an operation, as release-hold
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToUpper(part[:min(1, len(part))]) + part[min(1, len(part)):]
	}
	name = strings.Join(parts, "")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, name)
}

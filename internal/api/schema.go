package api

import (
	"path"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// wordedReason is the schema of a reason: a code, the sentence, and the parameters of the
// code beside them.
type wordedReason struct{}

// Schema implements huma.SchemaProvider.
func (wordedReason) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true, Description: "A code with its parameters, which stand beside it, and the sentence in the caller's language. What a target said is its own text.",
		Properties: map[string]*huma.Schema{"code": {Type: huma.TypeString}, "text": {Type: huma.TypeString}}, Required: []string{"code"}, AdditionalProperties: true}
}

// storedRecord is the schema of a record of the audit trail as it is verified.
type storedRecord struct{}

// Schema implements huma.SchemaProvider.
func (storedRecord) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Description: "The record as its hash covers it: prev and hash are base64.",
		Properties: map[string]*huma.Schema{"index": {Type: huma.TypeInteger}, "hash": {Type: huma.TypeString}, "prev": {Type: huma.TypeString, Nullable: true}}, Required: []string{"index", "hash"}, AdditionalProperties: true}
}

// dateText is the schema of a civil date, which may be empty.
type dateText struct{}

// Schema implements huma.SchemaProvider.
func (dateText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "A civil date, YYYY-MM-DD, in the organisation's time zone; empty where there is none.", Pattern: `^([0-9]{4}-[0-9]{2}-[0-9]{2})?$`}
}

// newRegistry returns a registry that knows how our types are written.
func newRegistry() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	r.RegisterTypeAlias(reflect.TypeFor[access.Reason](), reflect.TypeFor[wordedReason]())
	r.RegisterTypeAlias(reflect.TypeFor[reason.Reason](), reflect.TypeFor[wordedReason]())
	r.RegisterTypeAlias(reflect.TypeFor[audit.Record](), reflect.TypeFor[storedRecord]())
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
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, name)
}

package api

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsFiles embed.FS

var docsPage = template.Must(template.ParseFS(docsFiles, "docs.html"))

// documented is a route as the page shows it.
type documented struct {
	Method, Path, Summary, Description, Rule, Scope, ID string
	Parameters                                          []parameter
	Body, Answer                                        string // names of schemas
}

type parameter struct {
	Name, In, Doc string
	Required      bool
}

// group is the routes of a tag.
type group struct {
	Tag    string
	Routes []documented
}

// docs is the API for people: all of it on one page, which loads nothing from elsewhere.
func (a *api) docs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	doc := a.huma.OpenAPI()
	if err := docsPage.Execute(w, map[string]any{"Description": strings.Split(doc.Info.Description, "\n\n"), "Version": doc.Info.Version, "OpenAPI": Path + "/openapi.json", "Groups": groups(doc), "Schemas": schemas(doc)}); err != nil {
		a.Log.Warn("the page of the API could not be written", "error", err)
	}
}

func groups(doc *huma.OpenAPI) []group {
	byTag := map[string][]documented{}
	for path, item := range doc.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if o == nil {
				continue
			}
			d := documented{Method: o.Method, Path: path, Summary: o.Summary, Description: o.Description, ID: o.OperationID}
			d.Rule, _ = o.Extensions["x-behov-rule"].(string)
			d.Scope, _ = o.Extensions["x-behov-scope"].(string)
			for _, p := range o.Parameters {
				d.Parameters = append(d.Parameters, parameter{p.Name, p.In, p.Description, p.Required})
			}
			if o.RequestBody != nil {
				d.Body = schemaOf(o.RequestBody.Content)
			}
			for status, r := range o.Responses {
				if strings.HasPrefix(status, "2") {
					d.Answer = status + " " + schemaOf(r.Content)
				}
			}
			byTag[o.Tags[0]] = append(byTag[o.Tags[0]], d)
		}
	}
	var all []group
	for tag, routes := range byTag {
		slices.SortFunc(routes, func(a, b documented) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
		all = append(all, group{tag, routes})
	}
	slices.SortFunc(all, func(a, b group) int { return strings.Compare(a.Tag, b.Tag) })
	return all
}

func schemaOf(content map[string]*huma.MediaType) string {
	for _, m := range content {
		if m.Schema != nil {
			return m.Schema.Ref[strings.LastIndexByte(m.Schema.Ref, '/')+1:]
		}
	}
	return ""
}

// shownSchema is a schema as the page shows it.
type shownSchema struct {
	Name   string
	Fields []parameter
}

func schemas(doc *huma.OpenAPI) []shownSchema {
	var all []shownSchema
	for name, s := range doc.Components.Schemas.Map() {
		x := shownSchema{Name: name}
		for field, p := range s.Properties {
			kind := p.Type
			switch {
			case p.Ref != "":
				kind = p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]
			case p.Items != nil && p.Items.Ref != "":
				kind = "list of " + p.Items.Ref[strings.LastIndexByte(p.Items.Ref, '/')+1:]
			}
			x.Fields = append(x.Fields, parameter{field, kind, p.Description, slices.Contains(s.Required, field)})
		}
		slices.SortFunc(x.Fields, func(a, b parameter) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b shownSchema) int { return strings.Compare(a.Name, b.Name) })
	return all
}

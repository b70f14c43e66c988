package testenv

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Injection is a request in which one text is such as would be part of a statement of SQL,
// of an LDAP filter or of a DN where it is not kept apart from it.
type Injection struct {
	Method, Path string // with the query
	Header       map[string]string
	Body         string // JSON; empty for none
	Where        string // the parameter, as POST /x body.reason
	Text         string
}

// injected are the texts.
var injected = []string{"' OR '1'='1", "'; DROP TABLE person; --", "\" UNION SELECT 1 --", "$1); DELETE FROM person; --", "*", "*)(uid=*))(|(uid=*", `\2a\28`, "x,ou=people,dc=x+cn=y", "%", "_"}

// Injections returns requests for every text parameter of an OpenAPI document's operations:
// of paths, queries, headers and bodies. What else an operation requires is as given, by
// the parameter's name, or made up. With the race detector each parameter has only every
// third text, in turn.
func Injections(t testing.TB, document []byte, given map[string]string) []Injection {
	t.Helper()
	var doc openAPI
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	var all []Injection
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			all = append(all, doc.injections(path, strings.ToUpper(method), doc.Paths[path][method], given)...)
		}
	}
	return all
}

type openAPI struct {
	Paths      map[string]map[string]openAPIOperation `json:"paths"`
	Components struct {
		Schemas map[string]openAPISchema `json:"schemas"`
	} `json:"components"`
}

type openAPIOperation struct {
	Parameters []struct {
		Name, In string
		Required bool
		Schema   openAPISchema
	}
	RequestBody *struct {
		Content map[string]struct{ Schema openAPISchema }
	}
}

type openAPISchema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Enum       []any
	Properties map[string]openAPISchema
	Required   []string
	Items      *openAPISchema
}

func (s openAPISchema) is(kind string) bool {
	switch typ := s.Type.(type) {
	case string:
		return typ == kind
	case []any:
		return slices.Contains(typ, any(kind))
	}
	return false
}

// text reports whether any text is one of the schema's.
func (s openAPISchema) text() bool { return s.is("string") && s.Format == "" && s.Enum == nil }

func (d openAPI) injections(path, method string, o openAPIOperation, given map[string]string) []Injection {
	texts := map[string]string{} // by IN NAME
	for _, p := range o.Parameters {
		if p.In == "path" {
			texts["path "+p.Name] = cmp.Or(given[p.Name], "x")
		}
	}
	var body any
	var fields []func(string) func() // each sets a text of the body, and returns what takes it back
	var names []string
	if o.RequestBody != nil {
		body = d.example(o.RequestBody.Content["application/json"].Schema, "body", given, &fields, &names, 0)
	}
	var all []Injection
	request := func(where, text string) {
		in := Injection{Method: method, Path: path, Header: map[string]string{}, Where: method + " " + path + " " + where, Text: text}
		query := url.Values{}
		for key, value := range texts {
			switch kind, name, _ := strings.Cut(key, " "); kind {
			case "path":
				in.Path = strings.ReplaceAll(in.Path, "{"+name+"}", url.PathEscape(value))
			case "query":
				query.Set(name, value)
			case "header":
				in.Header[name] = value
			}
		}
		if len(query) > 0 {
			in.Path += "?" + query.Encode()
		}
		if body != nil {
			b, err := json.Marshal(body)
			if err != nil {
				panic(err) // it is made of maps, lists and texts
			}
			in.Body = string(b)
		}
		all = append(all, in)
	}
	left := func(text, parameter int) bool { return Race && (text+parameter)%3 != 0 }
	for n, text := range injected {
		for i, p := range o.Parameters {
			if !p.Schema.text() || left(n, i) {
				continue
			}
			key := p.In + " " + p.Name
			before, was := texts[key]
			texts[key] = text
			request(key, text)
			if texts[key] = before; !was {
				delete(texts, key)
			}
		}
		for i, set := range fields {
			if left(n, i) {
				continue
			}
			back := set(text)
			request(names[i], text)
			back()
		}
	}
	return all
}

// example returns a value of a schema, and what sets each of its texts.
func (d openAPI) example(s openAPISchema, at string, given map[string]string, fields *[]func(string) func(), names *[]string, depth int) any {
	if s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
	}
	switch {
	case s.is("object"):
		object := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			p, where := s.Properties[name], at+"."+name
			if depth > 2 {
				break
			}
			required := slices.Contains(s.Required, name)
			if p.text() {
				if required {
					object[name] = cmp.Or(given[name], "x")
				}
				*names = append(*names, where)
				*fields = append(*fields, func(text string) func() {
					before, was := object[name]
					object[name] = text
					return func() {
						if object[name] = before; !was {
							delete(object, name)
						}
					}
				})
			} else if required || p.Ref != "" {
				object[name] = d.example(p, where, given, fields, names, depth+1)
			}
		}
		return object
	case s.is("array"):
		list := []any{nil}
		if s.Items.text() {
			list[0] = "x"
			*names = append(*names, at+"[0]")
			*fields = append(*fields, func(text string) func() {
				before := list[0]
				list[0] = text
				return func() { list[0] = before }
			})
		} else {
			list[0] = d.example(*s.Items, at+"[0]", given, fields, names, depth+1)
		}
		return list
	case s.Enum != nil:
		return s.Enum[0]
	case s.Format == "date-time":
		return "2027-01-01T00:00:00Z"
	case s.is("integer"):
		return 1
	}
	return "x"
}

// String says where the text is.
func (i Injection) String() string { return fmt.Sprintf("%s = %q", i.Where, i.Text) }

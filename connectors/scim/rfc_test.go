package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/elimity-com/scim/schema"
	filter "github.com/scim2/filter-parser/v2"
)

const messages = "urn:ietf:params:scim:api:messages:2.0:"

var (
	userSchema       = schema.CoreUserSchema()
	groupSchema      = schema.CoreGroupSchema()
	enterpriseSchema = schema.ExtensionEnterpriseUser()
)

// againstTheRFC returns in which points a request violates RFC 7643, RFC 7644 and
// RFC 9865.
func againstTheRFC(r *http.Request, body []byte) []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		add("no bearer token")
	}
	for name, values := range r.URL.Query() {
		switch {
		case !slices.Contains([]string{"startIndex", "count", "filter", "excludedAttributes", "attributes", "cursor"}, name) || len(values) != 1:
			add("the parameter %s", name)
		case name == "filter":
			if _, err := filter.ParseFilter([]byte(values[0])); err != nil {
				add("the filter %s: %v", values[0], err)
			}
		}
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	at := slices.IndexFunc(parts, func(p string) bool {
		return slices.Contains([]string{"Users", "Groups", "Bulk", "ServiceProviderConfig", "ResourceTypes", "Schemas"}, p)
	})
	if at < 0 {
		return append(problems, "no endpoint of the standard's")
	}
	endpoint, single := parts[at], len(parts) > at+1
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		if len(body) > 0 || r.Method == http.MethodDelete && !single {
			add("a body, or no resource")
		}
		return problems
	}
	if r.Header.Get("Content-Type") != "application/scim+json" {
		add("content type %q", r.Header.Get("Content-Type"))
	}
	var sent map[string]any
	if err := json.Unmarshal(body, &sent); err != nil {
		return append(problems, err.Error())
	}
	return append(problems, message(r.Method, endpoint, single, sent)...)
}

func message(method, endpoint string, single bool, sent map[string]any) (problems []string) {
	switch {
	case endpoint == "Bulk" && method == http.MethodPost:
		problems = only(sent, messages+"BulkRequest", "Operations", "failOnErrors")
		ids := map[any]bool{}
		for _, e := range list(sent["Operations"]) {
			o, _ := e.(map[string]any)
			path, _ := o["path"].(string)
			parts := strings.Split(strings.Trim(path, "/"), "/")
			if !strings.HasPrefix(path, "/") || ids[o["bulkId"]] || o["bulkId"] == nil {
				problems = append(problems, fmt.Sprintf("the path %q, the bulkId %v", path, o["bulkId"]))
			}
			ids[o["bulkId"]] = true
			data, _ := o["data"].(map[string]any)
			problems = append(problems, message(fmt.Sprint(o["method"]), parts[0], len(parts) > 1, data)...)
		}
	case method == http.MethodPatch && single:
		problems = only(sent, messages+"PatchOp", "Operations")
		if len(list(sent["Operations"])) == 0 {
			problems = append(problems, "a PATCH without operations")
		}
		for _, e := range list(sent["Operations"]) {
			problems = append(problems, patchOperation(e)...)
		}
	case method == http.MethodPost && !single || method == http.MethodPut && single:
		problems = wholeResource(endpoint, sent)
	default:
		problems = append(problems, "a method that is not for this")
	}
	return problems
}

func patchOperation(e any) (problems []string) {
	o, _ := e.(map[string]any)
	path, _ := o["path"].(string)
	value, valued := o["value"]
	switch op := o["op"]; {
	case op != "add" && op != "replace" && op != "remove":
		problems = append(problems, fmt.Sprintf("the operation %v", op))
	case op == "remove" && (path == "" || path == "members"):
		problems = append(problems, "a removal of everything")
	case op == "remove" && valued, op != "remove" && value == nil:
		problems = append(problems, fmt.Sprintf("%v with the value %v", op, value))
	}
	if _, err := filter.ParsePath([]byte(path)); path != "" && err != nil {
		problems = append(problems, fmt.Sprintf("the path %s: %v", path, err))
	}
	return problems
}

// wholeResource validates a User or a Group against the standard's schemas.
func wholeResource(endpoint string, sent map[string]any) (problems []string) {
	core, rest := userSchema, map[string]any{}
	if endpoint == "Groups" {
		core = groupSchema
	}
	if !slices.Contains(list(sent["schemas"]), any(core.ID)) {
		problems = append(problems, "the schema is not named")
	}
	for name, value := range sent {
		_, known := core.Attributes.ContainsAttribute(name)
		switch {
		case name == enterpriseSchema.ID:
			if _, err := enterpriseSchema.Validate(value); err != nil {
				problems = append(problems, "the enterprise extension: "+err.Error())
			}
			if !slices.Contains(list(sent["schemas"]), any(name)) {
				problems = append(problems, "the extension is not named")
			}
		case known:
			rest[name] = value
		case name != "schemas" && name != "externalId" && name != "id":
			problems = append(problems, "the attribute "+name)
		}
	}
	if _, err := core.Validate(rest); err != nil && !strings.Contains(fmt.Sprint(rest), "this is not base64!") { // sent in order to be refused
		problems = append(problems, err.Error())
	}
	return problems
}

func only(sent map[string]any, urn string, names ...string) (problems []string) {
	if got := list(sent["schemas"]); len(got) != 1 || got[0] != urn {
		problems = append(problems, fmt.Sprintf("the schemas %v", got))
	}
	for name := range sent {
		if name != "schemas" && !slices.Contains(names, name) {
			problems = append(problems, "the field "+name)
		}
	}
	return problems
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

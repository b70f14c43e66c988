package scimserver

import (
	"strings"

	"github.com/behov/behov/internal/scimtype"
)

// requiredAttributes are the attributes without which a user is refused, by their
// paths in lower case. behov checks them by its own rules (a displayName can
// replace the names), and the library's schemas do not mark them.
var requiredAttributes = map[string]bool{"username": true, "name": true, "name.givenname": true, "name.familyname": true}

// discovery corrects the answers of the discovery endpoints (RFC 7644 §4): it
// marks required attributes, and states that there are versions (§3.14). It
// removes empty values, as an empty URL is invalid.
func (u *users) discovery(base, path string, answer map[string]any) {
	switch endpoint(path) {
	case "/ServiceProviderConfig":
		answer["etag"] = map[string]any{"supported": true}
		answer["meta"] = map[string]any{"resourceType": "ServiceProviderConfig", "location": base + path}
		withoutEmpty(answer)
	case "/ResourceTypes", "/Schemas":
		kind := strings.TrimSuffix(strings.TrimPrefix(endpoint(path), "/"), "s")
		for _, r := range resourcesOf(answer) {
			id, _ := r["id"].(string)
			r["meta"] = map[string]any{"resourceType": kind, "location": base + endpoint(path) + "/" + id}
			if kind == "Schema" && isSchema(id)(u.kind.Schema) {
				require(r["attributes"], "")
			}
			withoutEmpty(r)
		}
	}
}

// resourcesOf returns the resources of a list, or the single one.
func resourcesOf(answer map[string]any) []map[string]any {
	list, is := answer["Resources"].([]any)
	if !is {
		return []map[string]any{answer}
	}
	var all []map[string]any
	for _, r := range list {
		if resource, is := r.(map[string]any); is {
			all = append(all, resource)
		}
	}
	return all
}

func require(attributes any, before string) {
	list, _ := attributes.([]any)
	for _, a := range list {
		attribute, _ := a.(map[string]any)
		name, _ := attribute["name"].(string)
		path := before + strings.ToLower(name)
		if requiredAttributes[path] {
			attribute["required"] = true
		}
		require(attribute["subAttributes"], path+".")
	}
}

// withoutEmpty removes empty texts at any depth.
func withoutEmpty(v any) {
	for _, element := range scimtype.ListOf(v) {
		object, _ := element.(map[string]any)
		for key, v := range object {
			if v == "" {
				delete(object, key)
				continue
			}
			withoutEmpty(v)
		}
	}
}

package scimserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/behov/behov/internal/identity"
)

// decode parses a body as leniently as encoding/json does: a body that is refused
// afterwards may still deactivate a person, which is recorded.
func decode(raw []byte) (body map[string]any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return body, d.Decode(&body) == nil && body != nil
}

// malformedBody returns why a body is refused: it is not a single JSON object in
// the sense of RFC 7493 (I-JSON), which every reader understands in the same way,
// or a name in it contains an invisible character. The detail contains no value.
func malformedBody(raw []byte, body map[string]any) (kind, detail string) {
	if !jsontext.Value(raw).IsValid() || hasDuplicateName(body) {
		return "invalidSyntax", "The body is not one JSON object in UTF-8 in which each name occurs once, whatever its case, and after which nothing follows."
	}
	if name, hidden, found := hiddenName("", body); found {
		return "invalidValue", fmt.Sprintf("%s: it has the invisible character %U in it, which can make a name look like another.", name, hidden)
	}
	return "", ""
}

// hasDuplicateName reports whether an object within v has a name twice, in any
// case (RFC 7643 §2.1: names are case-insensitive).
func hasDuplicateName(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			if hasDuplicateName(element) {
				return true
			}
		}
	case map[string]any:
		seen := make(map[string]bool, len(v))
		for name, value := range v {
			folded := strings.ToLower(name)
			if seen[folded] || hasDuplicateName(value) {
				return true
			}
			seen[folded] = true
		}
	}
	return false
}

// nameAttributes are those that name a user for people, in lower case.
var nameAttributes = map[string]bool{"username": true, "displayname": true, "nickname": true, "formatted": true, "givenname": true, "familyname": true, "middlename": true,
	"honorificprefix": true, "honorificsuffix": true}

// hiddenName returns the attribute of a resource or a PATCH that is a name with a
// hidden character. name is the attribute of v.
func hiddenName(name string, v any) (attribute string, hidden rune, found bool) {
	switch v := v.(type) {
	case string:
		if nameAttributes[strings.ToLower(name)] {
			hidden, found = identity.HiddenInName(v)
		}
		return name, hidden, found
	case []any:
		for _, element := range v {
			if attribute, hidden, found = hiddenName(name, element); found {
				return attribute, hidden, true
			}
		}
	case map[string]any:
		path := ""
		for key, value := range v {
			if strings.EqualFold(key, "path") {
				path, _ = value.(string)
			}
		}
		for key, value := range v {
			if path != "" && strings.EqualFold(key, "value") { // of an operation
				key = path
			}
			if attribute, hidden, found = hiddenName(key[strings.LastIndexAny(key, ":.")+1:], value); found {
				return attribute, hidden, true
			}
		}
	}
	return "", 0, false
}

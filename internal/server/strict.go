package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/behov/behov/internal/identity"
)

// decode reads a body as leniently as encoding/json does: what is refused
// afterwards may still be about a person's ending, which is recorded.
func decode(raw []byte) (body map[string]any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return body, d.Decode(&body) == nil && body != nil
}

// malformedBody says why a body is refused: it is not one JSON object in the sense of
// RFC 7493 (I-JSON), which two readers cannot understand in two ways, or a name
// in it has a character that cannot be seen. The detail names no value.
func malformedBody(raw []byte, body map[string]any) (kind, detail string) {
	if !jsontext.Value(raw).IsValid() || repeats(body) {
		return "invalidSyntax", "The body is not one JSON object in UTF-8 in which each name occurs once, whatever its case, and after which nothing follows."
	}
	if name, hidden, found := hiddenName("", body); found {
		return "invalidValue", fmt.Sprintf("%s: it has the invisible character %U in it, which can make a name look like another.", name, hidden)
	}
	return "", ""
}

// repeats says whether an object somewhere in v has a name twice, in other case
// (RFC 7643 §2.1: names are case insensitive).
func repeats(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			if repeats(element) {
				return true
			}
		}
	case map[string]any:
		seen := make(map[string]bool, len(v))
		for name, value := range v {
			folded := strings.ToLower(name)
			if seen[folded] || repeats(value) {
				return true
			}
			seen[folded] = true
		}
	}
	return false
}

// nameAttributes are those by which people know a user, in lower case.
var nameAttributes = map[string]bool{"username": true, "displayname": true, "nickname": true, "formatted": true, "givenname": true, "familyname": true, "middlename": true,
	"honorificprefix": true, "honorificsuffix": true}

// hiddenName returns the attribute of a resource or a PATCH that is a name with
// a hidden character in it. The attribute of v is called name.
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

package scimtype

import (
	"encoding/json"
	"fmt"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// ParseFilter parses a filter. A value in it is a JSON string (RFC 7644
// §3.4.2.2), with every escape that JSON has.
func ParseFilter(text string) (filter.Expression, error) {
	plain, err := PlainStrings(text)
	if err != nil {
		return nil, err
	}
	e, err := filter.ParseFilter([]byte(plain))
	if err != nil {
		return nil, scimerrors.ScimErrorInvalidFilter
	}
	return e, nil
}

// PlainStrings rewrites the JSON strings in a filter or a path with as few
// escapes as possible: the parser refuses some, such as \u00f6 in lower case.
func PlainStrings(text string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, `"`)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		end := 0
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return "", scimerrors.ScimErrorInvalidFilter
		}
		var value string
		if err := json.Unmarshal([]byte(`"`+rest[:end]+`"`), &value); err != nil {
			return "", scimerrors.ScimErrorInvalidFilter
		}
		out.WriteByte('"')
		for _, r := range value {
			switch {
			case r == '"' || r == '\\':
				out.WriteRune('\\')
				out.WriteRune(r)
			case r < ' ':
				fmt.Fprintf(&out, `\u%04X`, r)
			default:
				out.WriteRune(r)
			}
		}
		out.WriteByte('"')
		text = rest[end+1:]
	}
}

// CompareValue returns an expression's value: the parser keeps the escapes of a
// string.
func CompareValue(e *filter.AttributeExpression) (any, error) {
	text, is := e.CompareValue.(string)
	if !is {
		return e.CompareValue, nil
	}
	var s string
	if err := json.Unmarshal([]byte(`"`+text+`"`), &s); err != nil {
		return nil, scimerrors.ScimErrorInvalidFilter
	}
	return s, nil
}

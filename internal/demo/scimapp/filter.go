package scimapp

import (
	"encoding/json"
	"slices"
	"strings"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"
)

// filterable are the attributes that can be filtered on; value and type are
// those of members, emails and the like.
var filterable = []string{"username", "externalid", "displayname", "value", "type"}

// matches says whether a resource, or one value of an attribute, passes a
// filter. The library's own evaluation panics on some types and takes escapes
// in strings for text.
func matches(e filter.Expression, in map[string]any) (bool, error) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		left, err := matches(e.Left, in)
		if err != nil {
			return false, err
		}
		right, err := matches(e.Right, in)
		if e.Operator == filter.AND {
			return left && right, err
		}
		return left || right, err
	case *filter.AttributeExpression:
		name := e.AttributePath.AttributeName
		text, ok := e.CompareValue.(string)
		if !ok || e.Operator != filter.EQ || e.AttributePath.SubAttribute != nil || !slices.Contains(filterable, strings.ToLower(name)) {
			return false, scimerrors.ScimErrorInvalidFilter
		}
		var want string
		if err := json.Unmarshal([]byte(`"`+text+`"`), &want); err != nil {
			return false, scimerrors.ScimErrorInvalidFilter
		}
		for key, v := range in {
			if have, ok := v.(string); ok && strings.EqualFold(key, name) {
				return have == want || !exact(name) && strings.EqualFold(have, want), nil
			}
		}
		return false, nil
	}
	return false, scimerrors.ScimErrorInvalidFilter
}

// exact says whether case matters: in identifiers only.
func exact(name string) bool {
	return strings.EqualFold(name, "externalId") || strings.EqualFold(name, "value")
}

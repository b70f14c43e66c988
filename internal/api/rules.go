package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
)

// CountedSuggestions are suggestions, once they are counted.
type CountedSuggestions struct {
	Suggestions *access.Suggestions `json:"suggestions,omitempty" doc:"Left out while they are counted for the first time: ask again."`
}

func (a *api) ruleRoutes() {
	route(a, SeesAll, op{id: "suggest-rules", method: http.MethodGet, path: "/rules/suggestions", tag: "access", summary: "Which rules are missing or not needed", description: "Access that many in the same job or unit have without a rule, with the rule that would give it; rules that apply to no one or that others cover; small roles. It is counted in the background, and is in the answer once it is counted."},
		func(c *call, _ *struct{}) (*answer[CountedSuggestions], error) {
			s, err := c.Suggestions(a.Suggestions)
			return &answer[CountedSuggestions]{Body: CountedSuggestions{s}}, err
		})
}

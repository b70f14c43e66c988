package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
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
	route(a, SeesAll, op{id: "test-rules", method: http.MethodGet, path: "/rules/test", tag: "access", summary: "Try the rules in force against the cases beside them"},
		func(c *call, _ *struct{}) (*answer[access.RulesTest], error) { return one(c.RulesTest()) })
	route(a, SeesAll, op{id: "get-rules-approval", method: http.MethodGet, path: "/rules/approval", tag: "access", summary: "Which version of the rules is in force, and which wait for approval"},
		func(c *call, _ *struct{}) (*answer[access.RulesApproval], error) {
			s, err := c.RulesApproval()
			return &answer[access.RulesApproval]{Body: s}, err
		})
	route(a, Decides(rights.ProposeRules), op{id: "propose-rules", method: http.MethodPost, path: "/rules/proposals", tag: "decisions", summary: "Propose that the rules in the server's directory come into use", description: "They are simulated, and what they would do is recorded with the proposal, which takes a while. Another person approves it."},
		func(c *call, in *struct{ Body DecisionReason }) (*answer[access.Decision], error) {
			return c.decided(c.governance().ProposeRules(c, a.Engine, c.caller.Subject, in.Body.Reason))
		})
	for _, v := range []struct {
		id, path, summary string
		verdict           store.Verdict
	}{{"approve-rules", "approve", "Approve a version of the rules that another person proposed: it is in use from then on", store.Approve}, {"reject-rules", "reject", "Reject a version of the rules that another person proposed", store.Reject}} {
		route(a, Decides(rights.ApproveRules), op{id: v.id, method: http.MethodPost, path: "/rules/proposals/{rules}/" + v.path, tag: "decisions", summary: v.summary},
			func(c *call, in *struct {
				Rules string `path:"rules" minLength:"8" maxLength:"64" doc:"The digest, or the beginning of it."`
				Body  DecisionReason
			}) (*answer[access.Decision], error) {
				return c.decided(c.governance().DecideRules(c, in.Rules, v.verdict, c.caller.Subject, in.Body.Reason))
			})
	}
}

package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// AccessAsked is what is asked for a person.
type AccessAsked struct {
	Entitlement string `json:"entitlement" doc:"As the catalogue calls it, SYSTEM:NAME." maxLength:"200"`
	Until       string `json:"until,omitempty" doc:"The last day; of emergency access the last one that is allowed, when it is left out." format:"date"`
	Employment  string `json:"employment,omitempty" doc:"HR's employment_id; left out, the one in which the caller is the manager, or the main one." maxLength:"200"`
	Renews      int64  `json:"renews,omitempty" doc:"The number of the request that this one goes on with." minimum:"1"`
}

// Asked returns what is asked for, with the employment found among the person's.
func (a AccessAsked) Asked(v *access.View, p identity.Person, emergency bool) (governance.Request, error) {
	ask := governance.Request{Entitlement: policy.EntitlementID(a.Entitlement), Until: identity.Date(a.Until), Emergency: emergency, Renews: a.Renews}
	if a.Employment == "" {
		return ask, nil
	}
	var err error
	ask.Employment, err = v.FindEmployment(p, a.Employment)
	return ask, err
}

// OneRequest names a request.
type OneRequest struct {
	Request int64 `path:"request" doc:"The number of the request." minimum:"1"`
}

func (a *api) requests() {
	route(a, Signed, op{id: "list-requestable", method: http.MethodGet, path: "/requestable", tag: "requests", summary: "What can be requested, for how long and who approves it"},
		func(c *call, in *struct {
			Search string `query:"search" doc:"Words that the system, the name or the purpose has." maxLength:"200"`
		}) (*answer[List[access.Requestable]], error) {
			return items(c.Requestable(in.Search), "", nil)
		})
	route(a, Signed, op{id: "list-requests", method: http.MethodGet, path: "/requests", tag: "requests", summary: "Requests that I may see, the newest first", description: "A caller who may not see everyone gets their own, and those that they asked for others."},
		func(c *call, in *struct{ Paged }) (*answer[List[access.Request]], error) {
			page, err := in.page()
			if err != nil {
				return nil, err
			}
			return items(c.RequestsPage(page))
		})
	route(a, Signed, op{id: "list-requests-waiting", method: http.MethodGet, path: "/requests/waiting", tag: "requests", summary: "Requests that wait for approvals and that I may see, the oldest first", description: "Emergency access waits here until its approvers have said what they say of it."},
		func(c *call, in *struct {
			Mine bool `query:"mine" doc:"Those that wait for me."`
		}) (*answer[List[access.Request]], error) {
			all, err := c.RequestsWaiting(in.Mine)
			return items(all, "", err)
		})
	route(a, Personal, op{id: "list-my-requests", method: http.MethodGet, path: "/requests/mine", tag: "requests", summary: "The newest requests for me, and those that I asked for others"},
		func(c *call, in *struct {
			Limit int `query:"limit" doc:"How many items at most." default:"100" minimum:"1" maximum:"1000"`
		}) (*answer[List[access.Request]], error) {
			all, err := c.MyRequests(in.Limit)
			return items(all, "", err)
		})
	route(a, Signed, op{id: "get-request", method: http.MethodGet, path: "/requests/{request}", tag: "requests", summary: "A request, with what its approvers need to know"},
		func(c *call, in *OneRequest) (*answer[access.RequestDetail], error) {
			return one(c.Request(in.Request, c.api.Engine))
		})
	for _, d := range []struct {
		id, path, summary, description string
		action                         rights.Action
		emergency                      bool
	}{
		{"request-access", "/requests", "Ask for access until a day, for oneself or one's staff", "The number of the request is the subject of the decision.", rights.RequestAccess, false},
		{"take-emergency-access", "/emergency-access", "Take access at once, for a short time", "It raises an alert, and the approvers look at it afterwards. The number of the request is the subject of the decision.", rights.EmergencyAccess, true},
	} {
		route(a, Decides(d.action), op{id: d.id, method: http.MethodPost, path: "/people/{person}" + d.path, tag: "requests", summary: d.summary, description: d.description},
			func(c *call, in *struct {
				AboutOne
				Body struct {
					DecisionReason
					AccessAsked
				}
			}) (*answer[access.Decision], error) {
				p, err := c.person(in.AboutOne)
				if err != nil {
					return nil, err
				}
				ask, err := in.Body.Asked(c.View, p, d.emergency)
				if err != nil {
					return nil, err
				}
				_, made, err := c.governance().RequestAccess(c, p, ask, c.caller.Subject, in.Body.Reason)
				return c.decided(made, err)
			})
	}
	for _, d := range []struct {
		verb, summary string
		verdict       store.Verdict
	}{
		{"approve", "Approve a request, for the part that waits for me", store.Approve},
		{"refuse", "Refuse a request; emergency access ends by it", store.Refuse},
	} {
		route(a, Decides(rights.ApproveRequest), op{id: d.verb + "-request", method: http.MethodPost, path: "/requests/{request}/" + d.verb, tag: "requests", summary: d.summary},
			func(c *call, in *struct {
				OneRequest
				Body DecisionReason
			}) (*answer[access.Decision], error) {
				return c.decided(c.governance().DecideRequest(c, in.Request, d.verdict, c.caller.Subject, in.Body.Reason))
			})
	}
	route(a, Decides(rights.WithdrawRequest), op{id: "withdraw-request", method: http.MethodPost, path: "/requests/{request}/withdraw", tag: "requests", summary: "Withdraw a request, and end the access that it gives"},
		func(c *call, in *struct {
			OneRequest
			Body DecisionReason
		}) (*answer[access.Decision], error) {
			return c.decided(c.governance().WithdrawRequest(c, in.Request, c.caller.Subject, in.Body.Reason))
		})
}

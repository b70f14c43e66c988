package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// AccountRegistered is an account that is no person's, to be entered in the register.
type AccountRegistered struct {
	Target  string `json:"target" doc:"The target that it is in." maxLength:"200"`
	Account string `json:"account" doc:"Its login name, or the target's own ID." minLength:"1" maxLength:"400"`
	Kind    string `json:"kind" doc:"What uses it: service, robot or agent." maxLength:"200"`
	System  string `json:"system" doc:"The system of the catalogue that it serves." maxLength:"200"`
	Owner   string `json:"owner" doc:"Who owns it: a person, who works here." maxLength:"200"`
	Purpose string `json:"purpose" doc:"What it is for." maxLength:"400"`
	Until   string `json:"until" doc:"The last day." format:"date"`
}

// Registration returns it as governance takes it.
func (a AccountRegistered) Registration() governance.Registration {
	return governance.Registration{Target: a.Target, Account: a.Account, Kind: store.NonHumanKind(a.Kind), System: a.System, Owner: a.Owner, Purpose: a.Purpose, Until: identity.Date(a.Until)}
}

// OneAccount names an account of the register.
type OneAccount struct {
	Account string `path:"account" doc:"Its ID in the register, or its login name." minLength:"1" maxLength:"400"`
}

func (a *api) nonHumanAccounts() {
	route(a, Signed, op{id: "list-non-human-accounts", method: http.MethodGet, path: "/non-human-accounts", tag: "non-human accounts", summary: "Accounts that are no person's, what has to be done first", description: "A caller who may not see everyone gets those that they answer for, and those of their systems."},
		func(c *call, _ *struct{}) (*answer[List[access.NonHumanAccount]], error) {
			all, err := c.NonHumanAccounts()
			return items(all, "", err)
		})
	route(a, Signed, op{id: "get-non-human-account", method: http.MethodGet, path: "/non-human-accounts/{account}", tag: "non-human accounts", summary: "An account that is no person's"},
		func(c *call, in *OneAccount) (*answer[access.NonHumanAccount], error) {
			return one(c.NonHumanAccount(in.Account))
		})
	route(a, Decides(rights.RegisterAccount), op{id: "register-account", method: http.MethodPost, path: "/non-human-accounts", tag: "non-human accounts", summary: "Enter an account that is no person's in the register", description: "The ID in the register is the subject of the decision."},
		func(c *call, in *struct {
			Body struct {
				DecisionReason
				AccountRegistered
			}
		}) (*answer[access.Decision], error) {
			_, made, err := c.governance().RegisterAccount(c, in.Body.Registration(), c.caller.Subject, in.Body.Reason)
			return c.decided(made, err)
		})
	route(a, Decides(rights.HandOverAccount), op{id: "hand-over-account", method: http.MethodPost, path: "/non-human-accounts/{account}/hand-over", tag: "non-human accounts", summary: "Make another person the owner of an account that is no person's"},
		func(c *call, in *struct {
			OneAccount
			Body struct {
				DecisionReason
				Owner string `json:"owner" doc:"Who owns it from now on: a person, who works here." maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			account, err := c.FindNonHumanAccount(in.Account)
			if err != nil {
				return nil, err
			}
			return c.decided(c.governance().HandOverAccount(c, account, in.Body.Owner, c.caller.Subject, in.Body.Reason))
		})
	route(a, Decides(rights.RenewAccount), op{id: "renew-account", method: http.MethodPost, path: "/non-human-accounts/{account}/renew", tag: "non-human accounts", summary: "Let an account that is no person's be used until a later day"},
		func(c *call, in *struct {
			OneAccount
			Body struct {
				DecisionReason
				Until string `json:"until" doc:"The last day." format:"date"`
			}
		}) (*answer[access.Decision], error) {
			account, err := c.FindNonHumanAccount(in.Account)
			if err != nil {
				return nil, err
			}
			return c.decided(c.governance().RenewAccount(c, account, identity.Date(in.Body.Until), c.caller.Subject, in.Body.Reason))
		})
	route(a, Decides(rights.RetireAccount), op{id: "retire-account", method: http.MethodPost, path: "/non-human-accounts/{account}/retire", tag: "non-human accounts", summary: "End the use of an account that is no person's", description: "The next run disables it. It is not deleted."},
		func(c *call, in *struct {
			OneAccount
			Body DecisionReason
		}) (*answer[access.Decision], error) {
			account, err := c.FindNonHumanAccount(in.Account)
			if err != nil {
				return nil, err
			}
			return c.decided(c.governance().RetireAccount(c, account, c.caller.Subject, in.Body.Reason))
		})
}

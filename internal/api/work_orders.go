package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// OneOrder names a work order.
type OneOrder struct {
	Order int64 `path:"order" doc:"The number of the work order." minimum:"1"`
}

// OrderConfirmed says that the change of a work order was made.
type OrderConfirmed struct {
	Reason string `json:"reason,omitempty" doc:"A note for the audit trail." maxLength:"2000"`
	DoneOn string `json:"done_on,omitempty" doc:"The day on which it was made; today, when it is left out." format:"date"`
}

// AccountList is a list of the accounts of a target without an interface.
type AccountList struct {
	Name    string `json:"name" doc:"The name of the file, for what is said of it." minLength:"1" maxLength:"200"`
	Content string `json:"content" doc:"CSV with a header: account, entitlement, enabled, and the columns by which accounts are recognised." minLength:"1"`
	Day     string `json:"day,omitempty" doc:"The day of which the list is; today, when it is left out." format:"date"`
	Shrunk  bool   `json:"shrunk,omitempty" doc:"Take a list that lacks more than the target's limits allow."`
	Reason  string `json:"reason,omitempty" doc:"A note for the audit trail." maxLength:"2000"`
}

// File returns the list as governance takes it.
func (l AccountList) File() governance.AccountFile {
	return governance.AccountFile{Name: l.Name, Content: []byte(l.Content), Day: identity.Date(l.Day), Shrunk: l.Shrunk}
}

func (a *api) workOrders() {
	route(a, Signed, op{id: "list-manual-targets", method: http.MethodGet, path: "/manual-targets", tag: "work-orders", summary: "Targets without an interface, with who makes the changes there and which list of accounts is in use"},
		func(c *call, _ *struct{}) (*answer[List[access.ManualTarget]], error) {
			all, err := c.ManualTargets()
			return items(all, "", err)
		})
	route(a, Signed, op{id: "list-work-orders", method: http.MethodGet, path: "/work-orders", tag: "work-orders", summary: "Work orders that I may see", description: "Those that wait are sorted by their last day, others with the newest first. Of each target there are at most 1,000."},
		func(c *call, in *struct {
			State  string `query:"state" doc:"Where they are." default:"waiting" enum:"waiting,done,impossible,withdrawn"`
			Target string `query:"target" doc:"Of one target." maxLength:"200"`
		}) (*answer[List[access.WorkOrder]], error) {
			all, err := c.WorkOrders(store.OrderState(in.State), in.Target)
			return items(all, "", err)
		})
	route(a, Signed, op{id: "get-work-order", method: http.MethodGet, path: "/work-orders/{order}", tag: "work-orders", summary: "A work order"},
		func(c *call, in *OneOrder) (*answer[access.WorkOrder], error) { return one(c.WorkOrder(in.Order)) })
	route(a, Decides(rights.DecideOrder), op{id: "confirm-work-order", method: http.MethodPost, path: "/work-orders/{order}/confirm", tag: "work-orders", summary: "Say that the change of a work order was made"},
		func(c *call, in *struct {
			OneOrder
			Body OrderConfirmed
		}) (*answer[access.Decision], error) {
			_, made, err := c.governance().ConfirmOrder(c, in.Order, identity.Date(in.Body.DoneOn), c.caller.Subject, in.Body.Reason)
			return c.decided(made, err)
		})
	route(a, Decides(rights.DecideOrder), op{id: "cannot-work-order", method: http.MethodPost, path: "/work-orders/{order}/cannot", tag: "work-orders", summary: "Say that the change of a work order cannot be made", description: "The step waits for an operator then, as one that a target refuses."},
		func(c *call, in *struct {
			OneOrder
			Body DecisionReason
		}) (*answer[access.Decision], error) {
			_, made, err := c.governance().CannotOrder(c, in.Order, c.caller.Subject, in.Body.Reason)
			return c.decided(made, err)
		})
	route(a, Decides(rights.UploadList), op{id: "upload-account-list", method: http.MethodPost, path: "/targets/{target}/account-list", tag: "work-orders", summary: "Upload a list of accounts as what a target without an interface holds"},
		func(c *call, in *struct {
			Target string `path:"target" maxLength:"200"`
			Body   AccountList
		}) (*answer[access.Decision], error) {
			_, made, err := c.governance().UploadList(c, in.Target, in.Body.File(), c.caller.Subject, in.Body.Reason)
			return c.decided(made, err)
		})
}

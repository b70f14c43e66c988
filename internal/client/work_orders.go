package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// ManualTargets returns the targets without an interface whose orders the caller may see.
func (c *Client) ManualTargets(ctx context.Context) ([]access.ManualTarget, error) {
	return whole[access.ManualTarget](ctx, c, "/manual-targets", nil)
}

// WorkOrders returns the work orders in a state that the caller may see, of one target or,
// for the empty name, of all.
func (c *Client) WorkOrders(ctx context.Context, state store.OrderState, target string) ([]access.WorkOrder, error) {
	query := url.Values{"state": {string(state)}}
	if target != "" {
		query.Set("target", target)
	}
	return whole[access.WorkOrder](ctx, c, "/work-orders", query)
}

// ConfirmOrder says that the change of a work order was made on a day; empty is today.
func (c *Client) ConfirmOrder(ctx context.Context, number int64, day, reason string) (access.Decision, error) {
	what := said{}
	for name, value := range map[string]string{"reason": reason, "done_on": day} {
		if value != "" {
			what = what.with(name, value)
		}
	}
	return c.decide(ctx, "/work-orders/"+strconv.FormatInt(number, 10)+"/confirm", what)
}

// CannotOrder says that the change of a work order cannot be made.
func (c *Client) CannotOrder(ctx context.Context, number int64, reason string) (access.Decision, error) {
	return c.decide(ctx, "/work-orders/"+strconv.FormatInt(number, 10)+"/cannot", because(reason))
}

// UploadList takes a list of accounts for what a target without an interface holds.
func (c *Client) UploadList(ctx context.Context, target string, list api.AccountList) (d access.Decision, err error) {
	err = c.post(ctx, at("/targets", target, "/account-list"), list, &d)
	return d, err
}

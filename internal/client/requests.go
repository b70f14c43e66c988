package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// Requestable returns what can be requested that has every word of the search.
func (c *Client) Requestable(ctx context.Context, search string) ([]access.Requestable, error) {
	query := url.Values{}
	if search != "" {
		query.Set("search", search)
	}
	return whole[access.Requestable](ctx, c, "/requestable", query)
}

// Requests returns the requests that the caller may see, the newest first.
func (c *Client) Requests(ctx context.Context) ([]access.Request, error) {
	return all[access.Request](ctx, c, "/requests", nil)
}

// RequestsWaiting returns the requests that wait for approvals; with mine those that wait for
// the caller.
func (c *Client) RequestsWaiting(ctx context.Context, mine bool) ([]access.Request, error) {
	query := url.Values{}
	if mine {
		query.Set("mine", "true")
	}
	return whole[access.Request](ctx, c, "/requests/waiting", query)
}

// MyRequests returns the caller's requests, and those that the caller asked for others.
func (c *Client) MyRequests(ctx context.Context) ([]access.Request, error) {
	return whole[access.Request](ctx, c, "/requests/mine", nil)
}

// Request returns a request, with what its approvers need to know.
func (c *Client) Request(ctx context.Context, number int64) (access.RequestDetail, error) {
	return one[access.RequestDetail](ctx, c, "/requests/"+strconv.FormatInt(number, 10), nil)
}

// RequestAccess asks for access of a person that ends, or takes it in an emergency.
func (c *Client) RequestAccess(ctx context.Context, ref string, ask api.AccessAsked, emergency bool, reason string) (access.Decision, error) {
	what := because(reason).with("entitlement", ask.Entitlement)
	for name, value := range map[string]string{"until": ask.Until, "employment": ask.Employment} {
		if value != "" {
			what = what.with(name, value)
		}
	}
	if ask.Renews != 0 {
		what = what.with("renews", ask.Renews)
	}
	path := "/requests"
	if emergency {
		path = "/emergency-access"
	}
	return c.decide(ctx, at("/people", ref, path), what)
}

// DecideRequest approves a request, refuses it, or withdraws it.
func (c *Client) DecideRequest(ctx context.Context, number int64, verdict store.Verdict, reason string) (access.Decision, error) {
	return c.decide(ctx, "/requests/"+strconv.FormatInt(number, 10)+"/"+url.PathEscape(string(verdict)), because(reason))
}

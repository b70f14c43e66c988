package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// Installation returns what is needed to show answers as the installation does.
func (c *Client) Installation(ctx context.Context) (api.Installation, error) {
	var i api.Installation
	err := c.get(ctx, "/installation", nil, &i)
	if Is(err, "not-found") {
		err = c.otherVersion(err)
	}
	c.version = i.Version
	return i, err
}

// Me returns who calls.
func (c *Client) Me(ctx context.Context) (api.Me, error) { return one[api.Me](ctx, c, "/me", nil) }

func one[T any](ctx context.Context, c *Client, path string, query url.Values) (out T, err error) {
	err = c.get(ctx, path, query, &out)
	return out, err
}

// People returns the people in a state today, or in any when it is empty, sorted by ID.
func (c *Client) People(ctx context.Context, state identity.State) ([]access.PersonState, error) {
	query := url.Values{}
	if state != "" {
		query.Set("state", string(state))
	}
	return all[access.PersonState](ctx, c, "/people", query)
}

// Person returns where a person stands.
func (c *Client) Person(ctx context.Context, ref string) (access.Person, error) {
	return one[access.Person](ctx, c, at("/people", ref), nil)
}

// Extract returns everything that is stored about a person.
func (c *Client) Extract(ctx context.Context, ref string) (access.Extract, error) {
	return one[access.Extract](ctx, c, at("/people", ref, "/extract"), nil)
}

// Grants returns everything that a person has or gets.
func (c *Client) Grants(ctx context.Context, ref string) (access.PersonGrants, error) {
	return one[access.PersonGrants](ctx, c, at("/people", ref, "/grants"), nil)
}

// Explain returns why a person has an entitlement, or why not.
func (c *Client) Explain(ctx context.Context, ref string, id policy.EntitlementID) (access.Explanation, error) {
	return one[access.Explanation](ctx, c, at("/people", ref, "/grants", string(id)), nil)
}

// Roles returns as what a person may be asked to decide.
func (c *Client) Roles(ctx context.Context, ref string) (access.Roles, error) {
	return one[access.Roles](ctx, c, at("/people", ref, "/roles"), nil)
}

// Rights returns who may do what.
func (c *Client) Rights(ctx context.Context) (api.RightsTable, error) {
	return one[api.RightsTable](ctx, c, "/rights", nil)
}

// Duplicates returns people who may be one.
func (c *Client) Duplicates(ctx context.Context) ([]access.Duplicate, error) {
	return whole[access.Duplicate](ctx, c, "/duplicates", nil)
}

// Managers returns managers whom HR names.
func (c *Client) Managers(ctx context.Context, everyone bool) ([]access.Manager, error) {
	return whole[access.Manager](ctx, c, "/managers", flag("all", everyone))
}

func flag(name string, set bool) url.Values {
	query := url.Values{}
	if set {
		query.Set(name, "true")
	}
	return query
}

// during is a period as a query; nil is now.
func during(p *access.Period) url.Values {
	query := url.Values{}
	if p == nil {
		return query
	}
	set := func(name string, t time.Time) {
		if !t.IsZero() {
			query.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	set("from", p.From)
	set("to", p.To)
	return query
}

// WhoHad returns who had an entitlement, or any of a system.
func (c *Client) WhoHad(ctx context.Context, of string, p *access.Period) ([]access.Access, error) {
	return all[access.Access](ctx, c, at("/entitlements", of, "/access"), during(p))
}

// AccessOf returns what a person had.
func (c *Client) AccessOf(ctx context.Context, ref string, p *access.Period) ([]access.Access, error) {
	return all[access.Access](ctx, c, at("/people", ref, "/access"), during(p))
}

// Changes returns what access began and ended, by person.
func (c *Client) Changes(ctx context.Context, p access.Period) ([]access.Change, error) {
	return all[access.Change](ctx, c, "/access-changes", during(&p))
}

// Records hands each record of the audit trail to a function, of a person or of everything
// when ref is empty, in order.
func (c *Client) Records(ctx context.Context, ref string, p access.Period, stored bool, each func(access.Record) error) error {
	query := during(&p)
	query.Set("limit", strconv.Itoa(part))
	if ref != "" {
		query.Set("person", ref)
	}
	if stored {
		query.Set("stored", "true")
	}
	for {
		page, err := one[api.List[access.Record]](ctx, c, "/records", query)
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			if err := each(r); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("cursor", page.Next)
	}
}

// Holds returns what is held, and how many holds were rejected.
func (c *Client) Holds(ctx context.Context, everything bool) ([]access.Hold, int, error) {
	l, err := one[api.HoldList](ctx, c, "/holds", flag("all", everything))
	return append([]access.Hold{}, l.Items...), l.Rejected, err
}

// HeldHold returns a hold, and what it would do.
func (c *Client) HeldHold(ctx context.Context, digest string) (api.HeldHold, error) {
	return one[api.HeldHold](ctx, c, at("/holds", digest), nil)
}

// FailingSteps returns the steps that a target, or any when it is empty, did not do.
func (c *Client) FailingSteps(ctx context.Context, target string, everything bool) ([]access.FailingStep, error) {
	query := flag("all", everything)
	if target != "" {
		query.Set("target", target)
	}
	return all[access.FailingStep](ctx, c, "/steps", query)
}

// ReviewItems returns the questions of reviews.
func (c *Client) ReviewItems(ctx context.Context, everything bool) ([]access.ReviewItem, error) {
	return all[access.ReviewItem](ctx, c, "/review-items", flag("all", everything))
}

// Imports returns the newest imports.
func (c *Client) Imports(ctx context.Context, source string, most int) ([]access.ImportEntry, error) {
	query := url.Values{"limit": {strconv.Itoa(most)}}
	if source != "" {
		query.Set("source", source)
	}
	return whole[access.ImportEntry](ctx, c, "/hr/imports", query)
}

// Status returns where the installation stands.
func (c *Client) Status(ctx context.Context) (access.Status, error) {
	return one[access.Status](ctx, c, "/status", nil)
}

// Tokens returns the caller's tokens, or everyone's.
func (c *Client) Tokens(ctx context.Context, everyones bool) ([]api.Token, error) {
	return whole[api.Token](ctx, c, "/tokens", flag("all", everyones))
}

// Sessions returns where a person is signed in.
func (c *Client) Sessions(ctx context.Context, ref string) ([]api.Session, error) {
	return whole[api.Session](ctx, c, at("/people", ref, "/sessions"), nil)
}

// RevokeToken ends a token for good.
func (c *Client) RevokeToken(ctx context.Context, id, reason string) error {
	return c.send(ctx, http.MethodDelete, at("/tokens", id), url.Values{"reason": {reason}}, nil, nil)
}

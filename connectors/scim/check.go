package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// Check implements connectors.Connector. It does not test write permissions: SCIM
// has no way to do so without writing.
func (c *Connector) Check(ctx context.Context) error {
	if _, err := c.discover(ctx); err != nil {
		return err
	}
	if err := c.checkTypes(ctx); err != nil {
		return err
	}
	if err := c.checkAttributes(ctx); err != nil {
		return err
	}
	for _, kind := range []string{users, groups} {
		p, err := c.first(ctx, kind, 1)
		if err != nil {
			return err
		}
		if kind == users && len(p.resources) > 0 {
			if _, err := c.account(p.resources[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTypes checks that the service has users and groups. A service that
// publishes no resource types is asked for users and groups all the same.
func (c *Connector) checkTypes(ctx context.Context) error {
	a, err := c.send(ctx, request{doing: "ask for the types of resources", path: "ResourceTypes"})
	if errors.Is(err, errForbidden) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return nil
	}
	endpoints := endpoints(a.body)
	if len(endpoints) == 0 {
		return nil
	}
	for _, kind := range []string{users, groups} {
		if !slices.Contains(endpoints, kind) {
			return connectors.Errorf(connectors.Permanent, "scim: %s has no %s: check url", c.cfg.URL, kind)
		}
	}
	return nil
}

// endpoints returns the endpoint of each resource type: the last part of its
// path, as some services return full URLs.
func endpoints(body resource) []string {
	var out []string
	list, _ := body.field("Resources").([]any)
	for _, e := range list {
		if path := strings.TrimRight(text(asObject(e).field("endpoint")), "/"); path != "" {
			out = append(out, path[strings.LastIndex(path, "/")+1:])
		}
	}
	return out
}

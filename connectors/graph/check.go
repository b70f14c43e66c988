package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// Check implements connectors.Connector: it gets a token, reads one user, one
// group, the verified domains and what else is configured. Whether it may
// write it cannot know without writing.
func (c *Connector) Check(ctx context.Context) error {
	users := c.build.findUsers(properties["userPrincipalName"], "behov", c.userSelection())
	requests := []request{users, c.build.listGroups(1), c.build.organization()}
	if c.cfg.Licences {
		requests = append(requests, c.build.listSKUs())
	}
	if c.cfg.MFA {
		requests = append(requests, c.build.registrations(1))
	}
	for _, q := range requests {
		a, err := c.send(ctx, q)
		if err != nil {
			return err
		}
		if !a.ok() {
			return c.unexpected(q.doing, a)
		}
		if strings.Contains(q.url, "/organization") {
			if err := c.checkDomain(ctx, q, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDomain says when the configured domain is not a verified one.
func (c *Connector) checkDomain(ctx context.Context, q request, a *answer) error {
	var domains []string
	err := continued[models.OrganizationCollectionResponseable](ctx, c, q, a, models.CreateOrganizationCollectionResponseFromDiscriminatorValue, func(o models.Organizationable) error {
		for _, d := range o.GetVerifiedDomains() {
			if d.GetName() != nil {
				domains = append(domains, *d.GetName())
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.cfg.Domain == "" || slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, c.cfg.Domain) }) {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "graph: domain %s is not a verified domain of the tenant: it has %s", c.cfg.Domain, strings.Join(domains, ", "))
}

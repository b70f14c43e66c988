package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// Check implements connectors.Connector: it gets a token, and reads one user, one
// group, the verified domains and what else is configured. It does not test write
// permissions, as that requires a write.
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
			if err := c.checkTenant(ctx, q, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTenant returns an error when the application signs in to another tenant
// than tenant_id, such as that of a managed identity, or when the configured
// domain is not a verified one
// (https://learn.microsoft.com/graph/api/organization-get).
func (c *Connector) checkTenant(ctx context.Context, q request, a *answer) error {
	var ids, domains []string
	err := continued[models.OrganizationCollectionResponseable](ctx, c, q, a, models.CreateOrganizationCollectionResponseFromDiscriminatorValue, func(o models.Organizationable) error {
		if o.GetId() != nil {
			ids = append(ids, *o.GetId())
		}
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
	containsFold := func(list []string, s string) bool {
		return slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, s) })
	}
	const another = "graph: the application signs in to another tenant (%s) than tenant_id says"
	switch {
	case c.cfg.TenantID == "":
	case isID(c.cfg.TenantID):
		if !containsFold(ids, c.cfg.TenantID) {
			return connectors.Errorf(connectors.Permanent, another, strings.Join(ids, ", "))
		}
	case !containsFold(domains, c.cfg.TenantID):
		return connectors.Errorf(connectors.Permanent, another+": its domains are %s", strings.Join(ids, ", "), strings.Join(domains, ", "))
	}
	if c.cfg.Domain == "" || containsFold(domains, c.cfg.Domain) {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "graph: domain %s is not a verified domain of the tenant: it has %s", c.cfg.Domain, strings.Join(domains, ", "))
}

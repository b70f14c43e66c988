// Package scim is the connector for services that speak SCIM 2.0 (RFC 7643, RFC
// 7644): accounts are Users, entitlements are Groups by their displayName, and
// the anchor is externalId.
//
// Services differ, so the connector verifies every answer. It must never take a
// truncated list for a complete one, never conclude that an account is absent
// from a filter that has not found an existing one yet, never take a page that is
// not SCIM for an answer, never request the removal of members without naming
// them, and never put a value into a filter or a URL unescaped, nor personal data
// into an error.
package scim

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/connectors/transport"
)

// Connector is a connected service.
type Connector struct {
	cfg        Config
	http       *http.Client
	tokens     *tokenSource
	limiter    *limit.Limiter
	attributes []path // those of the configuration, in its order

	traits *traits
	// booleans is set once the service has sent active as a boolean: it then does
	// not require text.
	booleans atomic.Bool
	service  service
	filters  filterKnowledge
	bundles  groupKnowledge
}

// withMFA is a Connector that can list enrolled accounts. It is a type of its
// own, so that only a connector with mfa_attribute has the ability.
type withMFA struct {
	*Connector
	attribute path
}

var (
	_ connectors.Connector     = (*Connector)(nil)
	_ connectors.Matcher       = (*Connector)(nil)
	_ connectors.AccountReader = (*Connector)(nil)
	_ connectors.GroupManager  = (*Connector)(nil)
	_ connectors.MFAReader     = (*withMFA)(nil)
)

// New returns a connector, which is a connectors.MFAReader when mfa_attribute is
// configured. It reads the certificate files and opens no connection.
func New(cfg Config) (connectors.Connector, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("scim: %w", err)
	}
	t, err := transport.TLS(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("scim: %w", err)
	}
	if err := transport.ClientCertificate(t, cfg.CertificateFile, cfg.CertificateKeyFile); err != nil {
		return nil, fmt.Errorf("scim: %w", err)
	}
	client := newClient(cfg, t)
	c := &Connector{cfg: cfg, http: client, tokens: newTokens(cfg, client), limiter: limit.New(cfg.Limits, defaultConcurrency), traits: newTraits(cfg.Quirks)}
	c.filters.broken = c.traits.is(NoFilter)
	for _, text := range cfg.Attributes {
		p, err := parsePath(text)
		if err != nil {
			return nil, fmt.Errorf("scim: %w", err)
		}
		c.attributes = append(c.attributes, p)
	}
	if cfg.MFAAttribute == "" {
		return c, nil
	}
	p, err := parsePath(cfg.MFAAttribute)
	if err != nil {
		return nil, fmt.Errorf("scim: mfa_attribute: %w", err)
	}
	return &withMFA{Connector: c, attribute: p}, nil
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{
		connectors.Create:     connectors.Can("the service must store externalId"),
		connectors.Adopt:      connectors.Can("by externalId"),
		connectors.Update:     connectors.Can(),
		connectors.References: connectors.Can("the enterprise extension's manager"),
		connectors.Rename:     connectors.Can("userName"),
		connectors.Disable:    connectors.Can("the service must store active"),
		connectors.Delete:     connectors.Can("an account that the service only deactivates counts as deleted with quirks: [soft-delete]"),
		connectors.Restore:    connectors.Cannot("SCIM has no such operation"),
		connectors.Members:    connectors.Can(),
		connectors.Groups:     connectors.Can("the service must store externalId of groups"),
		connectors.Password:   connectors.Cannot("people sign in through the identity provider"),
		connectors.MFA:        connectors.Cannot("mfa_attribute is not configured"),
		connectors.Passes:     connectors.Cannot("SCIM has no such operation"),
		connectors.SignIns:    connectors.Cannot("SCIM has no attribute for it"),
		connectors.Sessions:   connectors.Cannot("SCIM has no such operation"),
	}
}

// Capabilities implements connectors.Connector.
func (c *withMFA) Capabilities() connectors.Capabilities {
	all := c.Connector.Capabilities()
	all[connectors.MFA] = connectors.Can("from the attribute " + c.cfg.MFAAttribute)
	return all
}

// MFAEnrolled implements connectors.MFAReader.
func (c *withMFA) MFAEnrolled(ctx context.Context, emit func(accountID string, method connectors.MFAMethod) error) (connectors.Completeness, error) {
	return c.list(ctx, users, nil, func(r resource) error {
		for _, v := range c.attribute.get(r) {
			if yes, known := asBool(v); yes || !known {
				return emit(r.id(), connectors.UnknownMethod)
			}
		}
		return nil
	})
}

// Close implements connectors.Connector.
func (c *Connector) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

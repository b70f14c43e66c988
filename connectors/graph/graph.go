// Package graph is the connector for Microsoft Entra ID through Microsoft Graph
// v1.0: accounts are users, entitlements are groups and, when configured,
// licences, and the anchor is a configured attribute.
//
// The SDK's request builders and models build requests and parse answers, but the
// connector sends them itself, alone or twenty in a batch, and verifies every
// answer. The package must never take a truncated list for a complete one, never
// assign an answer to another change, never remove a member without naming it and
// $ref (which would delete the user), never address a user by anything but an
// object ID, and never put personal data or secrets into an error.
package graph

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/connectors/transport"
)

// Connector is a connected tenant.
type Connector struct {
	cfg        Config
	http       *http.Client
	credential azcore.TokenCredential
	build      *builder
	attributes []property // those of the configuration, in its order, without references
	anchor     property
	manager    bool // is managed

	writes *limit.Limiter // bounds writes
	slots  *limit.Limiter // bounds concurrent requests

	sleep func(context.Context, time.Duration) error

	mu      sync.Mutex
	created newGroups
	made    map[string]time.Time    // recently created accounts, by ID
	ids     map[string]string       // IDs of recently created accounts, by anchor
	names   map[string]assignedName // recently assigned names, by user principal name in lower case

	prunedAt time.Time // when old entries were last removed from names

	delta sync.Mutex // held by the one reading that uses the StateStore
}

// withMFA is a Connector that can read enrolment and issue passes. It is a type
// of its own, so that only a connector with mfa: true has the abilities.
type withMFA struct{ *Connector }

var (
	_ connectors.Connector       = (*Connector)(nil)
	_ connectors.Matcher         = (*Connector)(nil)
	_ connectors.SessionRevoker  = (*Connector)(nil)
	_ connectors.NameChecker     = (*Connector)(nil)
	_ connectors.AccountReader   = (*Connector)(nil)
	_ connectors.GroupManager    = (*Connector)(nil)
	_ connectors.MFAReader       = (*withMFA)(nil)
	_ connectors.SingleMFAReader = (*withMFA)(nil)
	_ connectors.PassIssuer      = (*withMFA)(nil)
)

// defaultConcurrency is how many requests run at the same time when the limits do
// not say.
const defaultConcurrency = 4

// New returns a connector, which is also an MFAReader, SingleMFAReader and
// PassIssuer when mfa is configured. It reads the certificate files and opens no
// connection.
func New(cfg Config) (connectors.Connector, error) {
	c, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	if c.cfg.MFA {
		return &withMFA{c}, nil
	}
	return c, nil
}

func open(cfg Config) (*Connector, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	t, err := transport.TLS(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Connector{
		cfg: cfg, http: transport.Client(t, cfg.Timeout, defaultConcurrency), sleep: sleep,
		writes: limit.New(cfg.Limits, defaultConcurrency),
		slots:  limit.New(limit.Limits{Concurrent: cfg.Limits.Concurrent}, defaultConcurrency),
		made:   map[string]time.Time{}, ids: map[string]string{}, names: map[string]assignedName{},
	}
	if c.credential, err = credential(cfg, c.http); err != nil {
		return nil, err
	}
	if c.anchor, err = findProperty(cfg.AnchorAttribute); err != nil {
		return nil, err
	}
	for _, name := range cfg.Attributes {
		if name == managerAttribute {
			c.manager = true
			continue
		}
		p, err := findProperty(name)
		if err != nil {
			return nil, err
		}
		c.attributes = append(c.attributes, p)
	}
	c.build, err = newBuilder(cfg.URL)
	return c, err
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	all := connectors.Capabilities{
		connectors.Create:     connectors.Can("needs User.ReadWrite.All"),
		connectors.Adopt:      connectors.Can("not for users that are synchronised from an on-premises directory"),
		connectors.Update:     connectors.Can("not for synchronised attributes; for users with an administrative role only with such a role"),
		connectors.References: connectors.Cannot("manager is not among the references"),
		connectors.Rename:     connectors.Can("within the tenant's verified domains"),
		connectors.Disable:    connectors.Can("needs User.EnableDisableAccount.All or User.ReadWrite.All"),
		connectors.Delete:     connectors.Can("restorable for 30 days"),
		connectors.Restore:    connectors.Can("within 30 days; with the earlier password and licences, and without the earlier groups"),
		connectors.Members:    connectors.Can("needs GroupMember.ReadWrite.All; not for dynamic, synchronised and mail-enabled security groups"),
		connectors.Groups:     connectors.Can("needs Group.ReadWrite.All; security groups, which cannot be restored once deleted"),
		connectors.Password:   connectors.Cannot("no password file receives it"),
		connectors.MFA:        connectors.Cannot("mfa is not configured"),
		connectors.Passes:     connectors.Cannot("mfa is not configured"),
		connectors.SignIns:    connectors.Cannot("mfa is not configured for it"),
		connectors.Sessions:   connectors.Can("needs User.RevokeSessions.All or User.ReadWrite.All"),
	}
	if c.manager {
		all[connectors.References] = connectors.Can("manager")
	}
	if c.cfg.GroupNames == byID {
		all[connectors.Groups] = connectors.Cannot("group_names: id names groups by what Graph assigns, which a new one does not have")
	}
	if c.cfg.PasswordSink != nil {
		all[connectors.Password] = connectors.Can("random, to be changed at the first sign-in")
	}
	if c.cfg.Licences {
		all[connectors.Members] = connectors.Can(all[connectors.Members].Note + "; licences need LicenseAssignment.ReadWrite.All, units and a usage location")
	}
	return all
}

// Capabilities implements connectors.Connector.
func (c *withMFA) Capabilities() connectors.Capabilities {
	all := c.Connector.Capabilities()
	all[connectors.MFA] = connectors.Can("needs AuditLog.Read.All and UserAuthenticationMethod.Read.All")
	all[connectors.SignIns] = connectors.Can("needs AuditLog.Read.All and Entra ID P1")
	all[connectors.Passes] = connectors.Can("needs UserAuthenticationMethod.ReadWrite.All, and a policy of the tenant that permits them")
	return all
}

// Matching implements connectors.Matcher. Graph compares texts without case but
// stores the case, so that another case in a title is a change; in names and
// addresses it is not.
func (c *Connector) Matching() map[string]connectors.Matching {
	all := map[string]connectors.Matching{"userPrincipalName": connectors.MatchIgnoreCase}
	for _, p := range c.attributes {
		all[p.name] = p.matching
	}
	if c.manager {
		all[managerAttribute] = connectors.MatchIgnoreCase
	}
	return all
}

// Close implements connectors.Connector.
func (c *Connector) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Package graph is the connector for Microsoft Entra ID through Microsoft
// Graph v1.0: accounts are users, entitlements are groups and, when asked for,
// licences, and the anchor is an attribute that configuration names.
//
// Requests are made by the SDK's request builders and models, and so are its
// answers read, but they are sent from here, alone or twenty in a batch, and
// an answer is believed only when it is seen. The package must never take a
// list that ended early for a whole one, never answer a change with the answer
// to another, never remove a member without naming it and $ref (which would
// delete the user), never address a user by anything but an object ID, and
// never put what is personal or secret into an error.
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

	writes *limit.Limiter // how often something may be written
	slots  *limit.Limiter // how many requests at a time

	sleep func(context.Context, time.Duration) error

	mu    sync.Mutex
	made  map[string]time.Time // accounts that were created here a short while ago, by ID
	ids   map[string]string    // and their IDs by anchor
	names map[string]naming    // whom names were given to here a short while ago, by user principal name in lower case

	tidied time.Time // when names last lost those that are old

	delta sync.Mutex // one reading at a time uses the memory
}

// withMFA is a Connector that can tell who is enrolled and issue passes. A
// type of its own, so that only a connector with mfa: true claims it.
type withMFA struct{ *Connector }

var (
	_ connectors.Connector       = (*Connector)(nil)
	_ connectors.Matcher         = (*Connector)(nil)
	_ connectors.SessionRevoker  = (*Connector)(nil)
	_ connectors.NameChecker     = (*Connector)(nil)
	_ connectors.AccountReader   = (*Connector)(nil)
	_ connectors.MFAReader       = (*withMFA)(nil)
	_ connectors.SingleMFAReader = (*withMFA)(nil)
	_ connectors.PassIssuer      = (*withMFA)(nil)
)

// parallel is how many requests are under way at the same time when the limits
// do not say.
const parallel = 4

// New returns a connector, which is also an MFAReader, SingleMFAReader and
// PassIssuer when mfa is configured. It reads the certificate files, and
// contacts nobody.
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
		cfg: cfg, http: transport.Client(t, cfg.Timeout, parallel), sleep: sleep,
		writes: limit.New(cfg.Limits, parallel),
		slots:  limit.New(limit.Limits{Concurrent: cfg.Limits.Concurrent}, parallel),
		made:   map[string]time.Time{}, ids: map[string]string{}, names: map[string]naming{},
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
		connectors.Adopt:      connectors.Can("not of users that are synced from the premises"),
		connectors.Update:     connectors.Can("not what is synced from the premises; of users with an administrative role only with such a role"),
		connectors.References: connectors.Cannot("manager is not among the references"),
		connectors.Rename:     connectors.Can("within the tenant's verified domains"),
		connectors.Disable:    connectors.Can("needs User.EnableDisableAccount.All or User.ReadWrite.All"),
		connectors.Delete:     connectors.Can("for 30 days it can be restored"),
		connectors.Restore:    connectors.Can("within 30 days; with the password and the licences it had, and without its groups"),
		connectors.Members:    connectors.Can("needs GroupMember.ReadWrite.All; not of dynamic, synced and mail-enabled security groups"),
		connectors.Password:   connectors.Cannot("it is told to nobody: no handover is configured"),
		connectors.MFA:        connectors.Cannot("mfa is not configured"),
		connectors.Passes:     connectors.Cannot("mfa is not configured"),
		connectors.Sessions:   connectors.Can("needs User.RevokeSessions.All or User.ReadWrite.All"),
	}
	if c.manager {
		all[connectors.References] = connectors.Can("manager")
	}
	if c.cfg.Handover != nil {
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
	all[connectors.Passes] = connectors.Can("needs UserAuthenticationMethod.ReadWrite.All, and the tenant's policy to permit them")
	return all
}

// Matching implements connectors.Matcher. Graph finds texts without regard to
// case but keeps it, so that a new case in a title is a change; in names and
// addresses it is none.
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

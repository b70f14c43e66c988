// Package ldap is the connector for LDAP directories: accounts are entries
// below one base, entitlements are groups below another.
//
// It must never take an answer that broke off, was cut short or was refused
// for an empty one, never send a name or a value into a filter or a DN
// unescaped, and never act on an entry by its DN without having seen that the
// entry there still is the account meant: DNs get reused.
package ldap

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"github.com/behov/behov/connectors"
)

// Connector is a connected directory.
type Connector struct {
	cfg Config
	tls *tls.Config // nil without encryption

	// applying is held during Apply, which has one connection of its own;
	// every read makes another.
	applying sync.Mutex
	session  *session
	used     time.Time // when session last answered

	cache cache

	schemaMu sync.Mutex
	schema   *schema // nil until it has been read
}

var (
	_ connectors.Connector = (*Connector)(nil)
	_ connectors.MFAReader = (*Connector)(nil)
)

// New returns a connector. It reads the certificate file, and contacts nobody.
func New(cfg Config) (*Connector, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	t, err := cfg.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	c := &Connector{cfg: cfg, tls: t}
	c.cache.reset()
	return c, nil
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	disable := connectors.Can("through the attribute " + c.cfg.Disable.Attribute)
	if c.cfg.Disable.Attribute == lockedAttribute {
		disable = connectors.Can("needs the ppolicy overlay and a password policy with pwdLockout TRUE")
	}
	mfa := connectors.Cannot("mfa_attribute is not configured")
	if c.cfg.MFAAttribute != "" {
		mfa = connectors.Can("from the attribute " + c.cfg.MFAAttribute)
	}
	return connectors.Capabilities{
		connectors.Create:   connectors.Can(),
		connectors.Update:   connectors.Can(),
		connectors.Disable:  disable,
		connectors.Delete:   connectors.Can(),
		connectors.Members:  connectors.Can(),
		connectors.MFA:      mfa,
		connectors.Sessions: connectors.Cannot("LDAP has no sessions but its own connections"),
	}
}

// Close implements connectors.Connector.
func (c *Connector) Close() error {
	c.applying.Lock()
	defer c.applying.Unlock()
	c.session.close()
	c.session = nil
	return nil
}

// applySession returns Apply's connection, a new one when there is none or
// the old one broke. The caller holds applying.
func (c *Connector) applySession(ctx context.Context) (*session, error) {
	if c.session != nil && !c.session.broken() {
		// A firewall may have forgotten an idle connection without telling.
		if time.Since(c.used) < idle || c.session.ping() == nil {
			return c.session, nil
		}
	}
	c.session.close()
	c.session = nil
	s, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.session = s
	return s, nil
}

const idle = 20 * time.Second

// cache remembers which DN an account or a group had when last seen. It is
// only ever a hint.
type cache struct {
	mu       sync.Mutex
	accounts map[string]string // native ID → DN
	groups   map[string]string // entitlement → DN
}

func (c *cache) reset() {
	c.replace(map[string]string{}, map[string]string{})
}

func (c *cache) replace(accounts, groups map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accounts, c.groups = accounts, groups
}

func (c *cache) account(id string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dn, ok := c.accounts[id]
	return dn, ok
}

func (c *cache) group(name string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dn, ok := c.groups[name]
	return dn, ok
}

// setAccount remembers an account's DN; an empty one forgets it.
func (c *cache) setAccount(id, dn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set(c.accounts, id, dn)
}

func (c *cache) setGroup(name, dn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set(c.groups, name, dn)
}

func set(m map[string]string, key, value string) {
	if value == "" {
		delete(m, key)
		return
	}
	m[key] = value
}

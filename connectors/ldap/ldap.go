// Package ldap is the connector for LDAP directories: accounts are entries below
// one base, entitlements are groups below another. All differences between kinds
// of servers are in one place, flavour.
//
// It must never take an interrupted, truncated or refused answer for an empty
// one, never put a name or a value into a filter or a DN unescaped, never
// overwrite a value of which it wants to change a part, and never act on an entry
// by its DN without having verified that the entry is still the account in
// question: DNs get reused. A first password must never be where any other reader
// than its receiver can read it.
package ldap

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

// Connector is a connected directory.
type Connector struct {
	given   Config      // the configuration as given; server holds it with the defaults of the flavour
	tls     *tls.Config // nil without encryption
	limiter *limit.Limiter

	// applying is held during Apply, which has a connection of its own; every
	// read opens another.
	applying sync.Mutex
	session  *session
	used     time.Time // when session last answered

	cache      cache
	unfinished unfinished
	places     dnHistory

	settling sync.Mutex
	server   *server // nil before the first connection
}

// defaultConcurrency is how many requests wait for their answers at the same
// time, unless the limits say otherwise: a server may close a connection that has
// too many.
const defaultConcurrency = 32

var (
	_ connectors.Connector    = (*Connector)(nil)
	_ connectors.MFAReader    = (*Connector)(nil)
	_ connectors.SignInReader = (*Connector)(nil)
	_ connectors.Matcher      = (*Connector)(nil)
	_ connectors.NameChecker  = (*Connector)(nil)
	_ connectors.GroupManager = (*Connector)(nil)

	_ connectors.AccountReader = (*Connector)(nil)
)

// New returns a connector. It reads the certificate file and opens no connection.
func New(cfg Config) (*Connector, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	t, err := cfg.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	c := &Connector{given: cfg, tls: t, limiter: limit.New(cfg.Limits, defaultConcurrency)}
	c.cache.reset()
	if f := flavours[cfg.Flavour]; f != nil {
		if err := f.complete(cfg).validate(); err != nil {
			return nil, fmt.Errorf("ldap: %w", err)
		}
	}
	return c, nil
}

// Close implements connectors.Connector.
func (c *Connector) Close() error {
	c.applying.Lock()
	defer c.applying.Unlock()
	c.session.close()
	c.session = nil
	return nil
}

// applySession returns Apply's connection, a new one when there is none or the
// old one broke. The caller holds applying.
func (c *Connector) applySession(ctx context.Context) (*session, error) {
	if c.session != nil && !c.session.broken() {
		// A firewall may have dropped an idle connection without a reset.
		if time.Since(c.used) < idle || c.session.ping(ctx) == nil {
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

// cache remembers the DN of accounts and groups as last seen. It is only a hint.
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

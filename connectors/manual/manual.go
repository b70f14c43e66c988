// Package manual is a target without an interface: an application in which a person makes
// each change. The connector says which changes have to be ordered, and shows what the
// application is known to hold: what was confirmed, and the newest list that its owner
// uploaded.
//
// It must never report a change as applied that a person has to make.
package manual

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// Config says who makes the changes, and in what time.
type Config struct {
	// To is the person who makes the changes, as SOURCE/KEY, or a mail address.
	To string `yaml:"to"`
	// Days is in how many days an order is to be done; 0 is DefaultDays.
	Days int `yaml:"days"`
	// Escalate is the person who is told of an order that is overdue, as To.
	Escalate string `yaml:"escalate"`
	// Entitlements are those that the catalogue has in the target.
	Entitlements []string `yaml:"-"`
	// Records holds what the application is known to hold; nil where only the configuration is
	// checked.
	Records Records `yaml:"-"`
}

// DefaultDays is in how many days an order is to be done where the configuration does not
// say.
const DefaultDays = 3

// maxDays is the longest time that an order may take.
const maxDays = 365

// Records holds what an application is known to hold. No two accounts have the same ID,
// anchor or login name, in any capitalisation.
type Records interface {
	// Each calls account with every account, and member with every membership.
	Each(ctx context.Context, account func(connectors.Account) error, member func(accountID, entitlement string) error) error
	// Some does so with the accounts that match a reference by ID, anchor or login name.
	Some(ctx context.Context, accounts []connectors.AccountRef, account func(connectors.Account) error, member func(accountID, entitlement string) error) error
	// Adopt notes whose an account is.
	Adopt(ctx context.Context, accountID, anchor string) error
}

// Connector is an application without an interface.
type Connector struct{ cfg Config }

var (
	_ connectors.Connector      = (*Connector)(nil)
	_ connectors.AccountReader  = (*Connector)(nil)
	_ connectors.AccountFinder  = (*Connector)(nil)
	_ connectors.AccountLocator = (*Connector)(nil)
)

// New returns a connector, or what is wrong with its configuration.
func New(cfg Config) (*Connector, error) {
	switch {
	case cfg.To == "":
		return nil, errors.New("manual: to is missing: the person who makes the changes (an employee number, or SOURCE/KEY), or a mail address")
	case cfg.Days < 0 || cfg.Days > maxDays:
		return nil, fmt.Errorf("manual: days is %d; give 1 to %d, or leave it out for %d", cfg.Days, maxDays, DefaultDays)
	case cfg.Escalate == cfg.To:
		return nil, errors.New("manual: escalate is the same as to: name another person, or leave it out")
	}
	if cfg.Records == nil {
		cfg.Records = noRecords{}
	}
	return &Connector{cfg: cfg}, nil
}

// noRecords is an application of which nothing is known: a configuration is checked without
// a database.
type noRecords struct{}

// Each implements Records.
func (noRecords) Each(context.Context, func(connectors.Account) error, func(string, string) error) error {
	return nil
}

// Some implements Records.
func (noRecords) Some(context.Context, []connectors.AccountRef, func(connectors.Account) error, func(string, string) error) error {
	return nil
}

// Adopt implements Records.
func (noRecords) Adopt(context.Context, string, string) error {
	return errors.New("there is no database")
}

// IsMailbox reports whether To or Escalate is a mail address, and not a person.
func IsMailbox(address string) bool { return strings.Contains(address, "@") }

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	ordered := connectors.Can("a person makes the change and confirms it")
	no := connectors.Cannot("a work order names an account and an entitlement, no values")
	return connectors.Capabilities{
		connectors.Create:     ordered,
		connectors.Adopt:      connectors.Can("behov notes whose an account of the list is"),
		connectors.Update:     no,
		connectors.References: no,
		connectors.Rename:     no,
		connectors.Disable:    ordered,
		connectors.Delete:     ordered,
		connectors.Restore:    connectors.Cannot("deleted accounts are created again"),
		connectors.Members:    ordered,
		connectors.Groups:     connectors.Cannot("the system's owner creates roles"),
		connectors.Password:   connectors.Cannot("the person who creates the account hands the password over"),
		connectors.MFA:        connectors.Cannot("a list does not say who is enrolled"),
		connectors.Passes:     connectors.Cannot("the application has no interface"),
		connectors.SignIns:    connectors.Cannot("the application has no interface"),
		connectors.Sessions:   connectors.Cannot("the application has no interface"),
	}
}

// Check implements connectors.Connector.
func (c *Connector) Check(ctx context.Context) error {
	s := newState()
	return c.cfg.Records.Some(ctx, []connectors.AccountRef{{ID: "-"}}, s.account, s.addMember)
}

// Snapshot implements connectors.Connector.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	s := newState()
	if err := c.cfg.Records.Each(ctx, s.account, s.addMember); err != nil {
		return connectors.Completeness{}, err
	}
	return s.emit(ctx, c.cfg.Entitlements, nil, sink)
}

// ReadAccounts implements connectors.AccountReader.
func (c *Connector) ReadAccounts(ctx context.Context, accounts []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	s := newState()
	if err := c.cfg.Records.Some(ctx, accounts, s.account, s.addMember); err != nil {
		return connectors.Completeness{}, err
	}
	exist := slices.DeleteFunc(slices.Clone(entitlements), func(name string) bool { return !slices.Contains(c.cfg.Entitlements, name) && s.members[name] == nil })
	return s.emit(ctx, exist, entitlements, sink)
}

// FindAccounts implements connectors.AccountFinder. Values of attributes are not indexed:
// with any, it emits all accounts.
func (c *Connector) FindAccounts(ctx context.Context, names []string, values map[string][]string, sink connectors.Sink) (connectors.Completeness, error) {
	s := newState()
	var err error
	if len(values) > 0 {
		err = c.cfg.Records.Each(ctx, s.account, s.addMember)
	} else {
		refs := make([]connectors.AccountRef, len(names))
		for i, name := range names {
			refs[i].Name = name
		}
		err = c.cfg.Records.Some(ctx, refs, s.account, s.addMember)
	}
	if err != nil {
		return connectors.Completeness{}, err
	}
	s.members = map[string]map[string]bool{}
	return s.emit(ctx, nil, nil, sink)
}

// LocateAccounts implements connectors.AccountLocator: the application has no other part
// than what is known of it.
func (c *Connector) LocateAccounts(ctx context.Context, accounts []connectors.AccountRef, found func(connectors.Location) error) (connectors.Completeness, error) {
	s := newState()
	refs := slices.Clone(accounts)
	for i := range refs {
		refs[i].Name = "" // which identifies no one
	}
	if err := c.cfg.Records.Some(ctx, refs, s.account, s.addMember); err != nil {
		return connectors.Completeness{}, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		if err := found(connectors.Location{Account: s.accounts[id], Place: "the list", InScope: true}); err != nil {
			return connectors.Completeness{}, err
		}
	}
	return connectors.Completeness{Complete: true}, nil
}

// Close implements connectors.Connector.
func (c *Connector) Close() error { return nil }

// state is what is known of some accounts.
type state struct {
	accounts map[string]connectors.Account // by ID
	byAnchor map[string]string
	byName   map[string]string          // in lower case
	members  map[string]map[string]bool // by entitlement, then account ID
}

func newState() *state {
	return &state{accounts: map[string]connectors.Account{}, byAnchor: map[string]string{}, byName: map[string]string{}, members: map[string]map[string]bool{}}
}

func (s *state) account(a connectors.Account) error {
	s.accounts[a.ID] = a
	s.byName[strings.ToLower(a.Name)] = a.ID
	if a.Anchor != "" {
		s.byAnchor[a.Anchor] = a.ID
	}
	return nil
}

func (s *state) addMember(accountID, entitlement string) error {
	s.member(accountID, entitlement, true)
	return nil
}

func (s *state) member(accountID, entitlement string, is bool) {
	if s.members[entitlement] == nil {
		s.members[entitlement] = map[string]bool{}
	}
	if is {
		s.members[entitlement][accountID] = true
	} else {
		delete(s.members[entitlement], accountID)
	}
}

// emit emits everything, sorted: entitlements that exist also without members. With only,
// it leaves out the memberships of the others.
func (s *state) emit(ctx context.Context, exist, only []string, sink connectors.Sink) (connectors.Completeness, error) {
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		if err := ctx.Err(); err != nil {
			return connectors.Completeness{}, err
		}
		if err := sink.Account(s.accounts[id]); err != nil {
			return connectors.Completeness{}, err
		}
	}
	names := slices.Clone(exist)
	if only == nil {
		names = slices.AppendSeq(names, maps.Keys(s.members))
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := sink.Entitlement(connectors.Entitlement{Name: name}); err != nil {
			return connectors.Completeness{}, err
		}
		for _, id := range slices.Sorted(maps.Keys(s.members[name])) {
			if err := sink.Membership(connectors.Membership{Entitlement: name, AccountID: id}); err != nil {
				return connectors.Completeness{}, err
			}
		}
	}
	return connectors.Completeness{Complete: true}, ctx.Err()
}

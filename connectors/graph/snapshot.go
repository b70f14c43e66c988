package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/microsoft/kiota-abstractions-go/serialization"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// page is the common interface of the SDK's collections.
type page[T any] interface {
	serialization.Parsable
	GetValue() []T
	GetOdataNextLink() *string
}

// pages reads a list to its end. An answer without a list is an error: it must
// not be taken for an empty one.
func pages[P page[T], T any](ctx context.Context, c *Connector, first request, factory serialization.ParsableFactory, each func(T) error) error {
	a, err := c.send(ctx, first)
	if err != nil {
		return err
	}
	return continued[P](ctx, c, first, a, factory, each)
}

// continued reads a list from its first page on.
func continued[P page[T], T any](ctx context.Context, c *Connector, first request, a *answer, factory serialization.ParsableFactory, each func(T) error) error {
	seen := map[string]bool{}
	for {
		if !a.ok() {
			return c.unexpected(first.doing, a)
		}
		p, err := decode[P](a, factory)
		if err != nil {
			return connectors.Errorf(connectors.RetryLater, "graph: %s: %w", first.doing, err)
		}
		if p.GetValue() == nil {
			return connectors.Errorf(connectors.RetryLater, "graph: %s: the answer contains no list", first.doing)
		}
		for _, item := range p.GetValue() {
			if any(item) == nil {
				return connectors.Errorf(connectors.RetryLater, "graph: %s: the answer's list contains an empty element", first.doing)
			}
			if err := each(item); err != nil {
				return err
			}
		}
		link := p.GetOdataNextLink()
		if link == nil || *link == "" {
			return nil
		}
		if seen[*link] {
			return connectors.Errorf(connectors.Permanent, "graph: %s: the list repeats a page", first.doing)
		}
		seen[*link] = true
		next := c.build.next(first.doing, *link)
		if first.header.Get("ConsistencyLevel") != "" {
			next = next.withEventual()
		}
		if a, err = c.send(ctx, next); err != nil {
			return err
		}
	}
}

// userSelection returns the properties to read of a user.
func (c *Connector) userSelection() []string {
	sel := []string{"id", "userPrincipalName", "accountEnabled", "userType", "onPremisesSyncEnabled"}
	if !slices.Contains(sel, c.anchor.outer()) {
		sel = append(sel, c.anchor.outer())
	}
	for _, p := range c.attributes {
		if !slices.Contains(sel, p.outer()) {
			sel = append(sel, p.outer())
		}
	}
	if c.cfg.Licences {
		sel = append(sel, "assignedLicenses")
	}
	return sel
}

func (c *Connector) userExpansion() []string {
	if c.manager {
		return []string{"manager($select=id)"}
	}
	return nil
}

// account converts a user into an account. A synchronised user is mastered
// on-premises, except for memberships, licences and sessions
// (https://learn.microsoft.com/graph/api/resources/user, onPremisesSyncEnabled).
func (c *Connector) account(u models.Userable) (connectors.Account, error) {
	if u.GetId() == nil || *u.GetId() == "" || u.GetUserPrincipalName() == nil || u.GetAccountEnabled() == nil {
		return connectors.Account{}, connectors.Errorf(connectors.Permanent,
			"graph: read users: a user in the answer has no id, userPrincipalName or accountEnabled: grant the application permission User.Read.All")
	}
	a := connectors.Account{ID: *u.GetId(), Name: c.shortName(*u.GetUserPrincipalName()), Enabled: *u.GetAccountEnabled(),
		MasteredExternally: yes(u.GetOnPremisesSyncEnabled()), Attributes: map[string][]string{}}
	if v := c.anchor.get(u); len(v) > 0 {
		a.Anchor = v[0]
	}
	for _, p := range c.attributes {
		if values := p.get(u); len(values) > 0 {
			a.Attributes[p.name] = values
		}
	}
	if id := managerOf(u); c.manager && id != "" {
		a.Attributes[managerAttribute] = []string{id}
	}
	return a, nil
}

func managerOf(u models.Userable) string {
	if m := u.GetManager(); m != nil && m.GetId() != nil {
		return *m.GetId()
	}
	return ""
}

// Snapshot implements connectors.Connector. It reads users before groups, so that
// a member that is no user by then belongs to no account.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	if c.cfg.StateStore != nil {
		return c.incrementalSnapshot(ctx, sink)
	}
	s := c.reading(sink)
	if err := s.users(ctx); err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.licences(ctx); err != nil {
		return connectors.Completeness{}, err
	}
	list, err := c.groups(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.emitGroups(list); err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.members(ctx, list); err != nil {
		return connectors.Completeness{}, err
	}
	return s.completeness(), nil
}

// reading is one snapshot in progress. It keeps the users' IDs and licences.
type reading struct {
	c        *Connector
	sink     connectors.Sink
	accounts map[string]bool
	guests   map[string]bool // users outside the managed scope
	assigned []assignment
	missed   []string // what could not be read, by object ID
}

func (c *Connector) reading(sink connectors.Sink) *reading {
	return &reading{c: c, sink: sink, accounts: map[string]bool{}, guests: map[string]bool{}}
}

// assignment is a licence of a user; user is empty for one outside the managed
// scope.
type assignment struct{ user, sku string }

// user records a user, and emits it when it is an account in the managed scope.
func (s *reading) user(k knownUser) error {
	if s.c.isOutOfScope(k) {
		s.guests[k.ID] = true
		return nil
	}
	s.accounts[k.ID] = true
	return s.sink.Account(k.Account)
}

func (s *reading) users(ctx context.Context) error {
	return pages[models.UserCollectionResponseable](ctx, s.c, s.c.build.listUsers(s.c.userSelection(), s.c.userExpansion()),
		models.CreateUserCollectionResponseFromDiscriminatorValue, func(u models.Userable) error {
			a, err := s.c.account(u)
			if err != nil {
				return err
			}
			return s.person(userState{a, u})
		})
}

// person records a user that was read, and its licences.
func (s *reading) person(p userState) error {
	if s.accounts[p.ID] || s.guests[p.ID] {
		return nil // a list that changes during the reading may contain one twice
	}
	k := knownUser{p.Account, typeOf(p.user)}
	holder := p.ID
	if s.c.isOutOfScope(k) {
		holder = ""
	}
	for _, sku := range skusOf(p.user) {
		s.assigned = append(s.assigned, assignment{holder, sku})
	}
	return s.user(k)
}

func (s *reading) completeness() connectors.Completeness {
	if len(s.missed) == 0 {
		return connectors.Completeness{Complete: true}
	}
	const most = 5
	names := s.missed
	if len(names) > most {
		names = names[:most]
	}
	return connectors.Completeness{Why: fmt.Sprintf("the members of %d groups could not be read, such as %s: check that GroupMember.Read.All is granted",
		len(s.missed), strings.Join(names, ", "))}
}

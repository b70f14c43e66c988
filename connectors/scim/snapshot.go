package scim

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

// Snapshot implements connectors.Connector. It reads Users before Groups, so that
// a member that is no user by then belongs to no account. It keeps only the IDs
// of users.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	if err := c.readSchemas(ctx); err != nil {
		return connectors.Completeness{Why: "the service's schemas could not be read"}, err
	}
	accounts := map[string]bool{}
	own := newTally()
	people, err := c.list(ctx, users, nil, func(r resource) error {
		a, err := c.account(r)
		if err != nil {
			return err
		}
		accounts[a.ID] = true
		own.user(r)
		return sink.Account(a)
	})
	if err != nil {
		return people, err
	}
	count, isGroup := map[string]int{}, map[string]bool{}
	_, err = c.list(ctx, groups, url.Values{"excludedAttributes": {"members"}}, func(g resource) error {
		count[text(g.field("displayName"))]++
		isGroup[g.id()] = true
		return nil
	})
	if err != nil {
		return connectors.Completeness{Why: "Groups could not be read"}, err
	}
	c.bundles.noteNames(count)
	told, nested := map[string]bool{}, false
	bundles, err := c.list(ctx, groups, nil, func(g resource) error {
		name := text(g.field("displayName"))
		ambiguous := count[name] > 1
		if name == "" || ambiguous && told[name] {
			return nil // the configuration cannot name it
		}
		told[name] = true
		e := connectors.Entitlement{Name: name, Ambiguous: ambiguous}
		if !ambiguous {
			e.ID, e.Mark = g.id(), groupMark(g)
		}
		if err := sink.Entitlement(e); err != nil || ambiguous {
			return err
		}
		members, err := c.membersOf(ctx, g)
		if err != nil {
			return err
		}
		own.group(g.id(), members, accounts)
		nested = nested || slices.ContainsFunc(members, func(m member) bool { return m.group || !accounts[m.id] && isGroup[m.id] })
		c.bundles.noteMembers(g.id(), members)
		return emit(sink, name, members, accounts)
	})
	if err != nil {
		return bundles, err
	}
	whole := joinCompleteness(people, bundles)
	c.bundles.noteFullRead(whole.Complete && own.agree(), nested)
	return whole, nil
}

// groupMark returns the mark in a group; empty in one that behov did not create.
func groupMark(g resource) string {
	if mark := g.anchor(); uuid.Validate(mark) == nil {
		return mark
	}
	return ""
}

// account converts a User into an account.
func (c *Connector) account(r resource) (connectors.Account, error) {
	c.noteActive(r)
	enabled, err := r.enabled()
	if err != nil {
		return connectors.Account{}, connectors.Errorf(connectors.Permanent, "scim: user %s: %w", r.id(), err)
	}
	a := connectors.Account{ID: r.id(), Anchor: r.anchor(), Name: r.name(), Enabled: enabled, Attributes: map[string][]string{}}
	for _, p := range c.attributes {
		if values := p.get(r); len(values) > 0 {
			a.Attributes[p.text] = values
		}
	}
	return a, nil
}

// noteActive records how the service sends active.
func (c *Connector) noteActive(r resource) {
	if _, is := r.field("active").(bool); is {
		c.booleans.Store(true)
	}
}

// membersOf returns a group's members. A list may omit members that the single
// group has, so that a group without members in a list is read alone.
func (c *Connector) membersOf(ctx context.Context, g resource) ([]member, error) {
	members, listed, err := g.members()
	if err == nil && !listed {
		var whole resource
		if whole, err = c.byID(ctx, groups, g.id()); err != nil {
			return nil, err
		}
		members, _, err = whole.members()
	}
	if err != nil {
		return nil, connectors.Errorf(connectors.Permanent, "scim: group %s: %w", g.id(), err)
	}
	return members, nil
}

func emit(sink connectors.Sink, name string, members []member, accounts map[string]bool) error {
	for _, m := range members {
		id := m.id
		if m.group || !accounts[id] {
			id = ""
		}
		if err := sink.Membership(connectors.Membership{Entitlement: name, AccountID: id}); err != nil {
			return err
		}
	}
	return nil
}

// joinCompleteness joins the results of the two halves of a snapshot.
func joinCompleteness(people, bundles connectors.Completeness) connectors.Completeness {
	var why []string
	for _, half := range []connectors.Completeness{people, bundles} {
		if !half.Complete {
			why = append(why, half.Why)
		}
	}
	return connectors.Completeness{Complete: len(why) == 0, Why: strings.Join(why, "; ")}
}

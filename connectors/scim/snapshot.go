package scim

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// Snapshot implements connectors.Connector. It reads Users before Groups, so
// that a member who is no user by then is nobody's account. Of the users it
// keeps only the IDs.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	if err := c.readSchemas(ctx); err != nil {
		return connectors.Completeness{Why: "the service did not say how it compares values"}, err
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
	c.bundles.sawNames(count)
	told, nested := map[string]bool{}, false
	bundles, err := c.list(ctx, groups, nil, func(g resource) error {
		name := text(g.field("displayName"))
		ambiguous := count[name] > 1
		if name == "" || ambiguous && told[name] {
			return nil // configuration cannot name it
		}
		told[name] = true
		if err := sink.Entitlement(connectors.Entitlement{Name: name, Ambiguous: ambiguous}); err != nil || ambiguous {
			return err
		}
		members, err := c.membersOf(ctx, g)
		if err != nil {
			return err
		}
		own.group(g.id(), members, accounts)
		nested = nested || slices.ContainsFunc(members, func(m member) bool { return m.group || !accounts[m.id] && isGroup[m.id] })
		c.bundles.sawMembers(g.id(), members)
		return emit(sink, name, members, accounts)
	})
	if err != nil {
		return bundles, err
	}
	whole := both(people, bundles)
	c.bundles.sawAll(whole.Complete && own.agree(), nested)
	return whole, nil
}

// account is what a User is to behov.
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

// noteActive takes note of how the service writes active.
func (c *Connector) noteActive(r resource) {
	if _, is := r.field("active").(bool); is {
		c.booleans.Store(true)
	}
}

// membersOf returns a group's members. A list may leave out what the single
// group has, and then a group without members looks like one whose members
// were left out.
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

// both joins what was said about the two halves of a snapshot.
func both(people, bundles connectors.Completeness) connectors.Completeness {
	var why []string
	for _, half := range []connectors.Completeness{people, bundles} {
		if !half.Complete {
			why = append(why, half.Why)
		}
	}
	return connectors.Completeness{Complete: len(why) == 0, Why: strings.Join(why, "; ")}
}

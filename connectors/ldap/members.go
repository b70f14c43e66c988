package ldap

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// valuesPerModify is how many members one request adds and removes.
const valuesPerModify = 200

// membership is one member that is to come or go.
type membership struct {
	dn     string
	add    bool
	result *connectors.Result
}

// changeMembers carries out memberships, each group's together.
func (c *Connector) changeMembers(ctx context.Context, s *session, todo []work) {
	entries, err := c.resolve(ctx, s, todo, nil)
	if err != nil {
		fail(todo, err)
		return
	}
	groups := map[string][]work{}
	var names []string
	for _, w := range todo {
		if groups[w.Entitlement] == nil {
			names = append(names, w.Entitlement)
		}
		groups[w.Entitlement] = append(groups[w.Entitlement], w)
	}
	sideBySide(len(names), func(i int) { c.changeGroup(ctx, s, names[i], groups[names[i]], entries) })
}

// changeGroup carries out the memberships of one group. When the group is not
// where it was it looks for it once more.
func (c *Connector) changeGroup(ctx context.Context, s *session, name string, todo []work, entries map[string]*ldap.Entry) {
	for again := range 2 {
		dn, why, err := c.findGroup(ctx, s, name)
		if err != nil {
			fail(todo, err)
			return
		}
		var members []membership
		for _, w := range todo {
			e := entries[w.Account.ID]
			switch {
			case why != "":
				*w.result = refused(why)
			case e == nil && w.Op == connectors.RemoveMember:
				*w.result = alreadySo()
			case e == nil:
				*w.result = refused(noAccount)
			default:
				members = append(members, membership{e.DN, w.Op == connectors.AddMember, w.result})
			}
		}
		g := &group{Connector: c, session: s, dn: dn}
		if g.apply(ctx, members); !g.gone {
			return
		}
		c.cache.setGroup(name, "")
		if again == 1 {
			for _, m := range members {
				*m.result = refused("no such group")
			}
		}
	}
}

// leaveGroups removes accounts from every group they are in. It returns, for
// each, what stopped it, or nil.
func (c *Connector) leaveGroups(ctx context.Context, s *session, todo []work, entries map[string]*ldap.Entry) []*connectors.Result {
	stopped := make([]*connectors.Result, len(todo))
	var mu sync.Mutex
	leaving := map[string][]membership{} // by group DN
	owner := map[*connectors.Result]int{}
	sideBySide(len(todo), func(i int) {
		dn := entries[todo[i].Account.ID].DN
		q := search{"find an account's groups", c.cfg.GroupsDN, allOf(equals("objectClass", c.cfg.GroupClass), equals(c.cfg.MemberAttribute, dn)), []string{"1.1"}, accountPage}
		done, err := c.readAll(ctx, s, q, func(e *ldap.Entry) error {
			mu.Lock()
			defer mu.Unlock()
			m := membership{dn: dn, result: &connectors.Result{}}
			leaving[e.DN] = append(leaving[e.DN], m)
			owner[m.result] = i
			return nil
		})
		if err == nil && !done.Complete {
			err = connectors.Errorf(connectors.RetryLater, "ldap: %s", done.Why)
		}
		if err != nil {
			stopped[i] = &connectors.Result{Err: err}
		}
	})
	for groupDN, members := range leaving {
		g := &group{Connector: c, session: s, dn: groupDN}
		g.apply(ctx, members) // a group that is gone has no members
		for _, m := range members {
			if m.result.Err != nil || m.result.Status == connectors.Refused {
				stopped[owner[m.result]] = m.result
			}
		}
	}
	return stopped
}

// group is a group whose members change.
type group struct {
	*Connector
	session *session
	dn      string
	// empty is true when the placeholder stands in it.
	empty bool
	// gone is set when there is no such entry.
	gone bool
}

// apply carries out memberships of different accounts.
func (g *group) apply(ctx context.Context, members []membership) {
	if len(members) == 0 {
		return
	}
	// Those who come first: fewer groups are empty in between.
	slices.SortStableFunc(members, func(a, b membership) int { return cmp.Compare(order(a), order(b)) })
	if members[0].add {
		var err error
		if g.empty, err = g.has(ctx, g.placeholder(g.dn)); err != nil {
			g.all(members, connectors.Result{Err: err})
			return
		}
	}
	for chunk := range slices.Chunk(members, valuesPerModify) {
		if g.gone {
			return
		}
		g.chunk(ctx, chunk)
	}
}

func order(m membership) int {
	if m.add {
		return 0
	}
	return 1
}

// chunk carries out memberships in one request. Such a request happens as a
// whole or not at all; when one of them stands in its way, those that are so
// already are left out, and if that was not it each goes alone.
func (g *group) chunk(ctx context.Context, members []membership) {
	err := g.modify(members)
	if conflict(err) {
		if members = g.open(ctx, members); len(members) == 0 {
			return
		}
		err = g.modify(members)
	}
	switch {
	case is(err, ldap.LDAPResultNoSuchObject):
		g.gone = true
	case is(err, refusals...) && !is(err, ldap.LDAPResultInsufficientAccessRights) && len(members) > 1:
		for i := range members {
			if !g.gone {
				g.chunk(ctx, members[i:i+1])
			}
		}
	case conflict(err): // one alone, and it changed while we looked
		g.all(members, alreadySo())
	default:
		g.all(members, g.answer(ctx, "change a group", err))
	}
}

func conflict(err error) bool {
	return is(err, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultNoSuchAttribute)
}

// modify sends one request. Where it would leave the group without a member,
// which groupOfNames forbids (RFC 4519 §3.5), the placeholder comes in; with
// the first member it goes.
func (g *group) modify(members []membership) error {
	var come, leave []string
	for _, m := range members {
		if m.add {
			come = append(come, m.dn)
		} else {
			leave = append(leave, m.dn)
		}
	}
	request := func(come, leave []string) error {
		r := ldap.NewModifyRequest(g.dn, nil)
		if len(come) > 0 {
			r.Add(g.cfg.MemberAttribute, come)
		}
		if len(leave) > 0 { // without values it would empty the group
			r.Delete(g.cfg.MemberAttribute, leave)
		}
		return g.session.modify(r)
	}
	nobody := g.placeholder(g.dn)
	if len(come) > 0 && g.empty {
		err := request(come, append(slices.Clone(leave), nobody))
		if err == nil {
			g.empty = false
		}
		return err
	}
	err := request(come, leave)
	if len(leave) > 0 && is(err, ldap.LDAPResultObjectClassViolation) {
		if err = request(append(slices.Clone(come), nobody), leave); err == nil {
			g.empty = true
		}
	}
	return err
}

// open returns the memberships that are still to be carried out, and answers
// the others.
func (g *group) open(ctx context.Context, members []membership) []membership {
	there := make([]bool, len(members))
	errs := make([]error, len(members)+1)
	sideBySide(len(members), func(i int) { there[i], errs[i] = g.has(ctx, members[i].dn) })
	g.empty, errs[len(members)] = g.has(ctx, g.placeholder(g.dn))
	if err := first(errs); err != nil {
		g.all(members, connectors.Result{Err: err})
		return nil
	}
	var open []membership
	for i, m := range members {
		if there[i] == m.add {
			*m.result = alreadySo()
			continue
		}
		open = append(open, m)
	}
	return open
}

// has says whether a DN is among the members.
func (g *group) has(ctx context.Context, dn string) (bool, error) {
	result, err := g.session.search(&ldap.SearchRequest{
		BaseDN: g.dn, Scope: ldap.ScopeBaseObject, Filter: equals(g.cfg.MemberAttribute, dn), Attributes: []string{"1.1"},
	})
	if is(err, ldap.LDAPResultNoSuchObject) {
		return false, nil // the modify will find out
	}
	if err != nil {
		return false, g.failure(ctx, "read a group", err)
	}
	return len(result.Entries) > 0, nil
}

func (g *group) all(members []membership, r connectors.Result) {
	for _, m := range members {
		*m.result = r
	}
}

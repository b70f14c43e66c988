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

// membership is one member to add or remove.
type membership struct {
	value  string // the value that stands for the account in the group
	rid    string // the RID of the account's primary group, "" without one
	add    bool
	result *connectors.Result
}

// changeMembers carries out changes of memberships, grouped by group.
func (c *Connector) changeMembers(ctx context.Context, s *session, todo []work) {
	entries, err := c.resolve(ctx, s, ids(todo), memberAttributes(s))
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
	c.inParallel(len(names), func(i int) { c.changeGroup(ctx, s, names[i], groups[names[i]], entries) })
}

func memberAttributes(s *session) []string {
	attributes := []string{s.cfg.NameAttribute}
	if s.flavour.primaryGroups {
		attributes = append(attributes, primaryAttribute)
	}
	return attributes
}

// changeGroup carries out the membership changes of one group. When the group is
// not at its cached DN, it looks the group up once more.
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
				members = append(members, membership{s.memberValue(e), e.GetEqualFoldAttributeValue(primaryAttribute), w.Op == connectors.AddMember, w.result})
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

// leaveGroups removes accounts from every group they are in. It returns the error
// for each account, or nil.
func (c *Connector) leaveGroups(ctx context.Context, s *session, todo []work, entries map[string]*ldap.Entry) []*connectors.Result {
	stopped := make([]*connectors.Result, len(todo))
	var mu sync.Mutex
	leaving := map[string][]membership{} // by group DN
	owner := map[*connectors.Result]int{}
	c.inParallel(len(todo), func(i int) {
		value := s.memberValue(entries[todo[i].Account.ID])
		q := search{"find an account's groups", s.cfg.GroupsDN, allOf(s.isGroup(), equals(s.cfg.MemberAttribute, value)), []string{"1.1"}, accountPage}
		err := c.find(ctx, s, q, func(e *ldap.Entry) error {
			mu.Lock()
			defer mu.Unlock()
			m := membership{value: value, result: &connectors.Result{}}
			leaving[e.DN] = append(leaving[e.DN], m)
			owner[m.result] = i
			return nil
		})
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
	// empty reports whether the placeholder is in the group.
	empty bool
	// gone reports whether the entry does not exist.
	gone bool
}

// apply carries out membership changes of different accounts.
func (g *group) apply(ctx context.Context, members []membership) {
	if len(members) == 0 {
		return
	}
	// Additions come first, so that fewer groups are empty in between.
	slices.SortStableFunc(members, func(a, b membership) int { return cmp.Compare(order(a), order(b)) })
	if members[0].add && g.session.placeholder(g.dn) != "" {
		var err error
		if g.empty, err = g.hasMember(ctx, g.session.placeholder(g.dn)); err != nil {
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

// chunk carries out membership changes in one request. The server applies such a
// request completely or not at all. When one change conflicts, chunk leaves out
// those that are already applied; when that does not help, it sends each change
// alone.
func (g *group) chunk(ctx context.Context, members []membership) {
	err := g.modify(ctx, members)
	if conflict(g.session, err) {
		if members = g.pending(ctx, members); len(members) == 0 {
			return
		}
		err = g.modify(ctx, members)
	}
	switch {
	case is(err, ldap.LDAPResultNoSuchObject):
		g.diagnoseMissing(ctx, members)
	case is(err, refusals...) && !is(err, ldap.LDAPResultInsufficientAccessRights) && len(members) > 1:
		g.applyEach(ctx, members)
	case conflict(g.session, err): // a single change whose state changed after it was read
		g.resolveConflict(ctx, members, err)
	default:
		g.all(members, g.session.answer(ctx, "change a group", err))
	}
}

// applyEach carries out membership changes one by one.
func (g *group) applyEach(ctx context.Context, members []membership) {
	for i := range members {
		if !g.gone {
			g.chunk(ctx, members[i:i+1])
		}
	}
}

// diagnoseMissing finds out what does not exist: the group, or, on a server that
// checks members, one of those.
func (g *group) diagnoseMissing(ctx context.Context, members []membership) {
	there := false
	if g.session.flavour.maintainsReferences {
		result, err := g.session.search(ctx, &ldap.SearchRequest{BaseDN: g.dn, Scope: ldap.ScopeBaseObject, Filter: g.session.isGroup(), Attributes: []string{"1.1"}})
		if err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
			g.all(members, connectors.Result{Err: g.session.failure(ctx, "read a group", err)})
			return
		}
		there = len(result.Entries) > 0
	}
	switch {
	case !there:
		g.gone = true
	case len(members) > 1:
		g.applyEach(ctx, members)
	default:
		g.all(members, connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: change a group: another client moved or deleted the account meanwhile")})
	}
}

// resolveConflict returns the result of one membership change which the server
// calls already applied although the group did not show it: another client made
// it, or the code has another meaning.
func (g *group) resolveConflict(ctx context.Context, members []membership, err error) {
	there, readErr := g.hasMember(ctx, members[0].value)
	switch {
	case readErr != nil:
		g.all(members, connectors.Result{Err: readErr})
	case there == members[0].add:
		g.all(members, alreadySo())
	default:
		g.all(members, g.session.answer(ctx, "change a group", err))
	}
}

// conflict reports whether a value to add existed, or one to delete did not.
func conflict(s *session, err error) bool {
	return is(err, s.flavour.memberThere...) || is(err, s.flavour.memberGone...)
}

// modify sends one request. When it would leave the group without a member, which
// groupOfNames forbids (RFC 4519 §3.5), it adds the placeholder; with the first
// member it removes it.
func (g *group) modify(ctx context.Context, members []membership) error {
	var come, leave []string
	for _, m := range members {
		if m.add {
			come = append(come, m.value)
		} else {
			leave = append(leave, m.value)
		}
	}
	request := func(come, leave []string) error {
		r := ldap.NewModifyRequest(g.dn, nil)
		if len(come) > 0 {
			r.Add(g.session.cfg.MemberAttribute, come)
		}
		if len(leave) > 0 { // a delete without values would empty the group
			r.Delete(g.session.cfg.MemberAttribute, leave)
		}
		return g.session.modify(ctx, r)
	}
	nobody := g.session.placeholder(g.dn)
	if len(come) > 0 && g.empty {
		err := request(come, append(slices.Clone(leave), nobody))
		if err == nil {
			g.empty = false
		}
		return err
	}
	err := request(come, leave)
	if len(leave) > 0 && nobody != "" && is(err, ldap.LDAPResultObjectClassViolation) {
		if err = request(append(slices.Clone(come), nobody), leave); err == nil {
			g.empty = true
		}
	}
	return err
}

// pending returns the membership changes that are still to be carried out, and
// sets the result of the others.
func (g *group) pending(ctx context.Context, members []membership) []membership {
	there := make([]bool, len(members))
	errs := make([]error, len(members)+1)
	g.inParallel(len(members), func(i int) { there[i], errs[i] = g.hasMember(ctx, members[i].value) })
	if nobody := g.session.placeholder(g.dn); nobody != "" {
		g.empty, errs[len(members)] = g.hasMember(ctx, nobody)
	}
	number, err := g.groupRID(ctx, members)
	if err := first(append(errs, err)); err != nil {
		g.all(members, connectors.Result{Err: err})
		return nil
	}
	var open []membership
	for i, m := range members {
		switch byNumber := number != "" && m.rid == number; {
		case byNumber && !m.add:
			*m.result = refused("it is the account's primary group: set another primary group first (primaryGroupID)")
		case there[i] == m.add || byNumber:
			*m.result = alreadySo()
		default:
			open = append(open, m)
		}
	}
	return open
}

// groupRID returns the primaryGroupID of accounts whose primary group this is.
func (g *group) groupRID(ctx context.Context, members []membership) (string, error) {
	if !slices.ContainsFunc(members, func(m membership) bool { return m.rid != "" }) {
		return "", nil
	}
	result, err := g.session.search(ctx, &ldap.SearchRequest{BaseDN: g.dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{sidAttribute}})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
		return "", g.session.failure(ctx, "read a group", err)
	}
	if len(result.Entries) == 0 {
		return "", nil
	}
	return rid(result.Entries[0].GetEqualFoldAttributeValue(sidAttribute)), nil
}

// hasMember reports whether a value is among the members.
func (g *group) hasMember(ctx context.Context, value string) (bool, error) {
	result, err := g.session.search(ctx, &ldap.SearchRequest{
		BaseDN: g.dn, Scope: ldap.ScopeBaseObject, Filter: equals(g.session.cfg.MemberAttribute, value), Attributes: []string{"1.1"},
	})
	if is(err, ldap.LDAPResultNoSuchObject) {
		return false, nil // the modify finds out
	}
	if err != nil {
		return false, g.session.failure(ctx, "read a group", err)
	}
	return len(result.Entries) > 0, nil
}

func (g *group) all(members []membership, r connectors.Result) {
	for _, m := range members {
		*m.result = r
	}
}

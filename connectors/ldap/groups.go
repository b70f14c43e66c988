package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

const (
	primaryAttribute = "primaryGroupID" // an account's; the last part of the group's sidAttribute
	sidAttribute     = "objectSid"
)

// groupAttribute is what groups are named by when not by their DNs.
func (v *server) groupAttribute() string {
	if v.cfg.GroupNames == "dn" {
		return "cn"
	}
	return v.cfg.GroupNames
}

// readGroups emits groups and memberships. It first reads the names alone, to
// see which of them are ambiguous.
func (r *reading) readGroups(ctx context.Context) (connectors.Completeness, error) {
	s := r.session
	q := search{"read groups", s.cfg.GroupsDN, s.isGroup(), []string{s.groupAttribute()}, accountPage}
	first, err := r.readAll(ctx, s, q, func(e *ldap.Entry) error {
		r.named[fold(naming(e, s.groupAttribute()))]++
		return nil
	})
	if err != nil {
		return connectors.Completeness{}, err
	}
	q.attributes, q.page = append(q.attributes, s.cfg.MemberAttribute), groupPage
	if s.flavour.primaryGroups {
		q.attributes = append(q.attributes, sidAttribute)
	}
	done, err := r.readAll(ctx, s, q, func(e *ldap.Entry) error { return r.group(ctx, e) })
	if err != nil {
		return connectors.Completeness{}, err
	}
	for _, g := range r.numbered {
		seen, err := g.byNumber(ctx)
		if err != nil {
			return connectors.Completeness{}, err
		}
		if !seen.Complete {
			done = seen
		}
	}
	if !first.Complete {
		return first, nil
	}
	return done, nil
}

// membersUnreadable is why the members of a group that must have one, and shows
// none, are not known.
const membersUnreadable = "no member of it can be read: let the account in bind_dn read its %s attribute"

// fullClasses are the group classes whose groups may not be empty where the
// server shows no schema (RFC 4519 §3.5, §3.6), folded.
var fullClasses = []string{"groupofnames", "groupofuniquenames"}

// needsMember reports whether a group without any member value cannot be: what
// shows none then hides them. Some servers let a groupOfNames be empty, and
// their schema says so.
func (r *reading) needsMember() bool {
	s := r.session
	if s.flavour.mayBeEmpty || s.membersAreNames() {
		return false
	}
	requires, known := r.schema.requires(s.cfg.GroupClass, s.cfg.MemberAttribute)
	if !known {
		return slices.Contains(fullClasses, strings.ToLower(s.cfg.GroupClass))
	}
	return requires
}

// emitGroup emits a group, that its name is ambiguous when it is, and that its
// members cannot be read when it shows none where it must have one.
func (r *reading) emitGroup(e *ldap.Entry, showsMember bool) (name string, err error) {
	s := r.session
	name = r.groupName(e)
	r.groups[name] = e.DN
	emitted := connectors.Entitlement{Name: name}
	if !showsMember && r.needsMember() {
		emitted.Unreadable = fmt.Sprintf(membersUnreadable, s.cfg.MemberAttribute)
	}
	if err := r.sink.Entitlement(emitted); err != nil {
		return name, err
	}
	if plain := naming(e, s.groupAttribute()); s.cfg.GroupNames != "dn" && plain != "" && plain != name && !r.shared[plain] {
		r.shared[plain] = true
		return name, r.sink.Entitlement(connectors.Entitlement{Name: plain, Ambiguous: true})
	}
	return name, nil
}

// group emits one group and its members.
func (r *reading) group(ctx context.Context, e *ldap.Entry) error {
	s := r.session
	values, next := ranged(e, s.cfg.MemberAttribute)
	name, err := r.emitGroup(e, len(values) > 0 || next != "")
	if err != nil {
		return err
	}
	members := &membersOf{reading: r, name: name, dn: e.DN}
	if err := members.read(ctx, e); err != nil {
		return err
	}
	if err := members.dangle(ctx); err != nil {
		return err
	}
	members.number = rid(e.GetEqualFoldAttributeValue(sidAttribute))
	if s.flavour.primaryGroups && members.number != "" && r.primary[members.number] {
		r.numbered = append(r.numbered, members)
	}
	if members.outside {
		return r.sink.Membership(connectors.Membership{Entitlement: name})
	}
	return nil
}

// membersOf emits the members of one group.
type membersOf struct {
	*reading
	name, dn string
	number   string   // what accounts have in primaryGroupID whose primary group this is
	outside  bool     // some are no accounts in our scope
	unknown  []string // of those, their DNs
}

// read emits the members in the entry, and those that the server holds back
// because they are many ([MS-ADTS] 3.1.1.3.1.3.3).
func (m *membersOf) read(ctx context.Context, e *ldap.Entry) error {
	for {
		values, next := ranged(e, m.session.cfg.MemberAttribute)
		if err := m.emit(values); err != nil || next == "" {
			return err
		}
		result, err := m.session.search(ctx, &ldap.SearchRequest{
			BaseDN: m.dn, Scope: ldap.ScopeBaseObject, Filter: m.session.isGroup(), Attributes: []string{next},
		})
		switch {
		case err != nil:
			return m.session.failure(ctx, "read the members of a group", err)
		case len(result.Entries) != 1:
			return connectors.Errorf(connectors.RetryLater, "ldap: read the members of a group: it went away while it was being read")
		}
		e = result.Entries[0]
		if values, again := ranged(e, m.session.cfg.MemberAttribute); len(values) == 0 && again != "" {
			return connectors.Errorf(connectors.RetryLater, "ldap: read the members of a group: the server announces more and sends none")
		}
	}
}

// ranged returns an attribute's values, and under which name the next ones
// are to be had when the server sent a part: member;range=0-1499 is followed
// by member;range=1500-*.
func ranged(e *ldap.Entry, attribute string) (values []string, next string) {
	want := strings.ToLower(attribute)
	for _, a := range e.Attributes {
		lower := strings.ToLower(a.Name)
		if lower == want {
			values = append(values, a.Values...)
			continue
		}
		limits, ok := strings.CutPrefix(lower, want+";range=")
		if !ok {
			continue
		}
		values = append(values, a.Values...)
		if _, last, ok := strings.Cut(limits, "-"); ok && last != "*" {
			next = attribute + ";range=" + successor(last) + "-*"
		}
	}
	return values, next
}

func (m *membersOf) emit(values []string) error {
	s := m.session
	for _, value := range values {
		key := s.memberKey(value)
		if !s.membersAreNames() && s.isPlaceholder(key, m.dn) {
			continue
		}
		id, ours := m.ids[key]
		if s.membersAreNames() {
			id, ours = m.byName[key]
		}
		if !ours {
			m.outside = true
			if m.seeksNames() {
				m.unknown = append(m.unknown, value)
			}
			continue
		}
		if err := m.sink.Membership(connectors.Membership{Entitlement: m.name, AccountID: id}); err != nil {
			return err
		}
	}
	return nil
}

// byNumber emits those who are members by their own primaryGroupID. They are
// not among the group's members.
func (m *membersOf) byNumber(ctx context.Context) (connectors.Completeness, error) {
	s := m.session
	all := connectors.Completeness{Complete: true}
	for _, base := range s.bases() {
		q := search{"read the members of a primary group", base, allOf(s.isAccount(), equals(primaryAttribute, m.number)), []string{s.cfg.IDAttribute}, accountPage}
		seen, err := m.readAll(ctx, s, q, func(e *ldap.Entry) error {
			// Only who was emitted as an account; others came since.
			id, ours := m.ids[foldDN(e.DN)]
			if !ours {
				return nil
			}
			return m.sink.Membership(connectors.Membership{Entitlement: m.name, AccountID: id})
		})
		if err != nil {
			return connectors.Completeness{}, err
		}
		if !seen.Complete {
			all = seen
		}
	}
	return all, nil
}

// groupName returns what configuration calls a group: its name, unless
// configuration names groups by DN or another group has the same.
func (r *reading) groupName(e *ldap.Entry) string {
	s := r.session
	name := naming(e, s.groupAttribute())
	_, taken := r.groups[name]
	if s.cfg.GroupNames == "dn" || name == "" || taken || r.named[fold(name)] > 1 {
		return e.DN
	}
	return name
}

// placeholder returns the DN that stands in an empty group, "" where a group
// may be empty.
func (v *server) placeholder(groupDN string) string {
	switch {
	case v.flavour.mayBeEmpty || v.membersAreNames():
		return ""
	case v.cfg.Placeholder != "":
		return v.cfg.Placeholder
	}
	return groupDN
}

// isPlaceholder says whether a member, folded, is nobody. The empty DN is
// what some tools put there.
func (v *server) isPlaceholder(folded, groupDN string) bool {
	return folded == "" || folded == foldDN(v.placeholder(groupDN)) || folded == foldDN(groupDN)
}

// findGroup returns the DN of an entitlement, or "" and why there is none.
func (c *Connector) findGroup(ctx context.Context, s *session, name string) (dn, why string, err error) {
	if dn, ok := c.cache.group(name); ok {
		return dn, "", nil
	}
	if name == "" {
		return "", "no such group", nil
	}
	var found []string
	q := search{"find a group", s.cfg.GroupsDN, allOf(s.isGroup(), equals(s.groupAttribute(), name)), []string{s.groupAttribute()}, accountPage}
	err = c.find(ctx, s, q, func(e *ldap.Entry) error {
		found = append(found, e.DN) // the server says which names are the same
		return nil
	})
	if err != nil {
		return "", "", err
	}
	if len(found) > 1 {
		return "", "more than one group has this name: name it by its DN", nil
	}
	if len(found) == 0 && below(name, s.cfg.GroupsDN) {
		result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: name, Scope: ldap.ScopeBaseObject, Filter: s.isGroup(), Attributes: []string{"1.1"}})
		if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax) {
			return "", "", s.failure(ctx, "find a group", err)
		}
		for _, e := range result.Entries {
			found = append(found, e.DN)
		}
	}
	if len(found) == 0 {
		return "", "no such group", nil
	}
	c.cache.setGroup(name, found[0])
	return found[0], "", nil
}

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
	primaryAttribute = "primaryGroupID" // of an account; the last part of its group's sidAttribute
	sidAttribute     = "objectSid"
)

// groupAttribute returns the attribute that names groups, unless DNs do.
func (v *server) groupAttribute() string {
	if v.cfg.GroupNames == "dn" {
		return "cn"
	}
	return v.cfg.GroupNames
}

// readGroups emits groups and memberships. It first reads the names alone, to
// find which of them are ambiguous.
func (r *reading) readGroups(ctx context.Context) (connectors.Completeness, error) {
	s := r.session
	q := search{"read groups", s.cfg.GroupsDN, s.isGroup(), []string{s.groupAttribute()}, accountPage}
	first, err := r.readAll(ctx, s, q, func(e *ldap.Entry) error {
		r.named[fold(namingValue(e, s.groupAttribute()))]++
		return nil
	})
	if err != nil {
		return connectors.Completeness{}, err
	}
	q.attributes, q.page = append(q.attributes, s.cfg.MemberAttribute, s.cfg.IDAttribute, descriptionAttribute), groupPage
	if s.flavour.primaryGroups {
		q.attributes = append(q.attributes, sidAttribute)
	}
	done, err := r.readAll(ctx, s, q, func(e *ldap.Entry) error { return r.group(ctx, e) })
	if err != nil {
		return connectors.Completeness{}, err
	}
	for _, g := range r.numbered {
		seen, err := g.readPrimaryMembers(ctx)
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

// membersUnreadable is the reason when a group that must have a member shows
// none.
const membersUnreadable = "no member of it can be read: let the account in bind_dn read its %s attribute"

// nonEmptyClasses are the group classes that require a member where the server
// shows no schema (RFC 4519 §3.5, §3.6), folded.
var nonEmptyClasses = []string{"groupofnames", "groupofuniquenames"}

// needsMember reports whether a group must have a member: a group that shows none
// then hides them. Some servers allow an empty groupOfNames, and their schema
// says so.
func (r *reading) needsMember() bool {
	s := r.session
	if s.flavour.allowsEmptyGroups || s.membersAreNames() {
		return false
	}
	requires, known := r.schema.requires(s.cfg.GroupClass, s.cfg.MemberAttribute)
	if !known {
		return slices.Contains(nonEmptyClasses, strings.ToLower(s.cfg.GroupClass))
	}
	return requires
}

// emitGroup emits a group. It marks the group as ambiguous when its name is, and
// as unreadable when it shows no member and must have one.
func (r *reading) emitGroup(e *ldap.Entry, showsMember bool) (name string, err error) {
	s := r.session
	name = r.groupName(e)
	r.groups[name] = e.DN
	emitted := connectors.Entitlement{Name: name, Mark: groupMark(e)}
	if id, err := s.idOf(e); err == nil { // else it is one of another kind of server
		emitted.ID = id
	}
	if !showsMember && r.needsMember() {
		emitted.Unreadable = fmt.Sprintf(membersUnreadable, s.cfg.MemberAttribute)
	}
	if err := r.sink.Entitlement(emitted); err != nil {
		return name, err
	}
	if plain := namingValue(e, s.groupAttribute()); s.cfg.GroupNames != "dn" && plain != "" && plain != name && !r.shared[plain] {
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
	members := &groupMembers{reading: r, name: name, dn: e.DN}
	if err := members.read(ctx, e); err != nil {
		return err
	}
	if err := members.emitDangling(ctx); err != nil {
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

// groupMembers reads the members of one group.
type groupMembers struct {
	*reading
	name, dn string
	number   string   // the primaryGroupID of accounts whose primary group this is
	outside  bool     // some members are no accounts in the managed scope
	unknown  []string // the DNs of those
}

// read emits the members in the entry, and those that the server sends in further
// ranges ([MS-ADTS] 3.1.1.3.1.3.3).
func (m *groupMembers) read(ctx context.Context, e *ldap.Entry) error {
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
			return connectors.Errorf(connectors.RetryLater, "ldap: read the members of a group: it was deleted while it was being read")
		}
		e = result.Entries[0]
		if values, again := ranged(e, m.session.cfg.MemberAttribute); len(values) == 0 && again != "" {
			return connectors.Errorf(connectors.RetryLater, "ldap: read the members of a group: the server announces more members and sends none")
		}
	}
}

// ranged returns an attribute's values. When the server sent a part, next is the
// name under which the following values are requested: member;range=0-1499 is
// followed by member;range=1500-*.
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
			next = attribute + ";range=" + increment(last) + "-*"
		}
	}
	return values, next
}

func (m *groupMembers) emit(values []string) error {
	s := m.session
	placeholders := s.placeholders(m.dn)
	for _, value := range values {
		key := s.memberKey(value)
		if !s.membersAreNames() && slices.Contains(placeholders, key) {
			continue
		}
		id, ours := m.ids[key]
		if s.membersAreNames() {
			id, ours = m.byName[key]
		}
		if !ours {
			m.outside = true
			if m.looksUpDangling() {
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

// readPrimaryMembers emits the accounts that are members by their own
// primaryGroupID. The group's member attribute does not list them.
func (m *groupMembers) readPrimaryMembers(ctx context.Context) (connectors.Completeness, error) {
	s := m.session
	all := connectors.Completeness{Complete: true}
	for _, base := range s.accountBases() {
		q := search{"read the members of a primary group", base, allOf(s.isAccount(), equals(primaryAttribute, m.number)), []string{s.cfg.IDAttribute}, accountPage}
		seen, err := m.readAll(ctx, s, q, func(e *ldap.Entry) error {
			// Only accounts that were emitted; others were created since.
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

// groupName returns the name of a group in the configuration: its DN when
// configuration names groups by DN or several groups have the same name.
func (r *reading) groupName(e *ldap.Entry) string {
	s := r.session
	name := namingValue(e, s.groupAttribute())
	_, taken := r.groups[name]
	if s.cfg.GroupNames == "dn" || name == "" || taken || r.named[fold(name)] > 1 {
		return e.DN
	}
	return name
}

// placeholder returns the DN that an empty group holds as its member, or "" where
// a group may be empty.
func (v *server) placeholder(groupDN string) string {
	switch {
	case v.flavour.allowsEmptyGroups || v.membersAreNames():
		return ""
	case v.cfg.Placeholder != "":
		return v.cfg.Placeholder
	}
	return groupDN
}

// placeholders returns the members of a group, folded, that are placeholders. Some
// tools write the empty DN.
func (v *server) placeholders(groupDN string) []string {
	return []string{"", foldDN(v.placeholder(groupDN)), foldDN(groupDN)}
}

const noGroup = "no such group"

// findGroup returns the DN of an entitlement, or "" and why there is none.
func (c *Connector) findGroup(ctx context.Context, s *session, name string) (dn, why string, err error) {
	if dn, ok := c.cache.group(name); ok {
		return dn, "", nil
	}
	if name == "" {
		return "", noGroup, nil
	}
	var found []string
	q := search{"find a group", s.cfg.GroupsDN, allOf(s.isGroup(), equals(s.groupAttribute(), name)), []string{s.groupAttribute()}, accountPage}
	err = c.find(ctx, s, q, func(e *ldap.Entry) error {
		found = append(found, e.DN) // the server decides which names are equal
		return nil
	})
	if err != nil {
		return "", "", err
	}
	if len(found) > 1 {
		return "", "more than one group has this name: use the group's DN", nil
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
		return "", noGroup, nil
	}
	c.cache.setGroup(name, found[0])
	return found[0], "", nil
}

package ldap

import (
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// readGroups emits groups and memberships. It first reads the names alone, to
// see which of them are ambiguous.
func (r *reading) readGroups(ctx context.Context) (connectors.Completeness, error) {
	q := search{"read groups", r.cfg.GroupsDN, equals("objectClass", r.cfg.GroupClass), []string{"cn"}, accountPage}
	first, err := r.readAll(ctx, r.session, q, func(e *ldap.Entry) error {
		r.named[fold(naming(e, "cn"))]++
		return nil
	})
	if err != nil {
		return connectors.Completeness{}, err
	}
	q.attributes, q.page = append(q.attributes, r.cfg.MemberAttribute), groupPage
	done, err := r.readAll(ctx, r.session, q, r.group)
	switch {
	case err != nil:
		return connectors.Completeness{}, err
	case !first.Complete:
		return first, nil
	case r.cut:
		return connectors.Completeness{Why: "read groups: a group has more members than the server sends at once"}, nil
	}
	return done, nil
}

// group emits one group and its members.
func (r *reading) group(e *ldap.Entry) error {
	name := r.groupName(e)
	r.groups[name] = e.DN
	if err := r.sink.Entitlement(connectors.Entitlement{Name: name}); err != nil {
		return err
	}
	if cn := naming(e, "cn"); r.cfg.GroupNames != "dn" && cn != "" && cn != name && !r.shared[cn] {
		r.shared[cn] = true
		if err := r.sink.Entitlement(connectors.Entitlement{Name: cn, Ambiguous: true}); err != nil {
			return err
		}
	}
	outside := false
	for _, attribute := range e.Attributes {
		lower, want := strings.ToLower(attribute.Name), strings.ToLower(r.cfg.MemberAttribute)
		if strings.HasPrefix(lower, want+";range=") {
			r.cut = true // [MS-ADTS] 3.1.1.3.1.3.3
		} else if lower != want {
			continue
		}
		for _, dn := range attribute.Values {
			folded := foldDN(dn)
			if r.isPlaceholder(folded, e.DN) {
				continue
			}
			id, ours := r.ids[folded]
			if !ours {
				outside = true
				continue
			}
			if err := r.sink.Membership(connectors.Membership{Entitlement: name, AccountID: id}); err != nil {
				return err
			}
		}
	}
	if outside {
		return r.sink.Membership(connectors.Membership{Entitlement: name})
	}
	return nil
}

// groupName returns what configuration calls a group: its cn, unless
// configuration names groups by DN or another group has the same.
func (r *reading) groupName(e *ldap.Entry) string {
	name := naming(e, "cn")
	_, taken := r.groups[name]
	if r.cfg.GroupNames == "dn" || name == "" || taken || r.named[fold(name)] > 1 {
		return e.DN
	}
	return name
}

// placeholder returns the DN that stands in an empty group.
func (c *Connector) placeholder(groupDN string) string {
	if c.cfg.Placeholder != "" {
		return c.cfg.Placeholder
	}
	return groupDN
}

// isPlaceholder says whether a member, folded, is nobody. The empty DN is
// what some tools put there.
func (c *Connector) isPlaceholder(folded, groupDN string) bool {
	return folded == "" || folded == foldDN(c.placeholder(groupDN)) || folded == foldDN(groupDN)
}

// findGroup returns the DN of an entitlement, or "" and why there is none.
func (c *Connector) findGroup(ctx context.Context, s *session, name string) (dn, why string, err error) {
	if dn, ok := c.cache.group(name); ok {
		return dn, "", nil
	}
	class := equals("objectClass", c.cfg.GroupClass)
	var found []string
	q := search{"find a group", c.cfg.GroupsDN, allOf(class, equals("cn", name)), []string{"cn"}, accountPage}
	if name == "" {
		return "", "no such group", nil
	}
	done, err := c.readAll(ctx, s, q, func(e *ldap.Entry) error {
		// The server compares without case; configuration does not.
		if naming(e, "cn") == name {
			found = append(found, e.DN)
		}
		return nil
	})
	if err != nil {
		return "", "", err
	}
	if !done.Complete {
		return "", "", connectors.Errorf(connectors.RetryLater, "ldap: %s", done.Why)
	}
	if len(found) > 1 {
		return "", "more than one group has this name: name it by its DN", nil
	}
	if len(found) == 0 && below(name, c.cfg.GroupsDN) {
		result, err := s.search(&ldap.SearchRequest{BaseDN: name, Scope: ldap.ScopeBaseObject, Filter: class, Attributes: []string{"1.1"}})
		if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax) {
			return "", "", c.failure(ctx, "find a group", err)
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

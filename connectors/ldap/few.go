package ldap

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// ReadAccounts implements connectors.AccountReader. It searches groups by member
// and never reads a group with all its members.
func (c *Connector) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	r, end, err := c.beginReading(ctx, c.dial, sink)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer end()
	accounts, err := r.readReferenced(ctx, refs)
	if err != nil {
		return connectors.Completeness{}, err
	}
	groups, err := r.readNamedGroups(ctx, entitlements)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := r.memberships(ctx, accounts, groups); err != nil {
		return connectors.Completeness{}, err
	}
	return connectors.Completeness{Complete: true}, ctx.Err()
}

// beginReading connects and starts a reading; the caller calls end afterwards.
func (c *Connector) beginReading(ctx context.Context, dial func(context.Context) (*session, error), sink connectors.Sink) (r *reading, end func(), err error) {
	s, err := dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := s.closeWith(ctx)
	end = sync.OnceFunc(func() { stop(); s.close() })
	r = &reading{
		Connector: c, session: s, sink: sink, lockouts: lockoutPolicy{session: s},
		ids: map[string]string{}, outside: map[string]bool{}, accounts: map[string]string{}, groups: map[string]string{},
		named: map[string]int{}, shared: map[string]bool{}, primary: map[string]bool{}, byName: map[string]string{}, names: map[string]bool{},
	}
	if r.schema, err = s.loadSchema(ctx); err == nil {
		err = r.schema.requireNames(s.requiredNames()...)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return r, end, nil
}

// readReferenced emits the accounts that match a reference, and returns their
// entries.
func (r *reading) readReferenced(ctx context.Context, refs []connectors.AccountRef) ([]*ldap.Entry, error) {
	s := r.session
	var filters []string
	for _, ref := range refs {
		if filter, ok := s.idFilter(ref.ID); ok && ref.ID != "" {
			filters = append(filters, filter)
		}
		if ref.Anchor != "" {
			filters = append(filters, equals(s.cfg.AnchorAttribute, ref.Anchor))
		}
		if ref.Name != "" {
			filters = append(filters, equals(s.cfg.NameAttribute, ref.Name))
		}
	}
	return r.readMatching(ctx, filters)
}

// readMatching emits the accounts that match any of the filters, and returns
// their entries.
func (r *reading) readMatching(ctx context.Context, filters []string) ([]*ldap.Entry, error) {
	s := r.session
	var found []*ldap.Entry
	seen := map[string]bool{}
	for chunk := range slices.Chunk(filters, lookupTerms) {
		err := r.lookup(ctx, s, chunk, s.accountAttributes(), func(e *ldap.Entry) error {
			id, err := s.idOf(e)
			if err == nil && !seen[id] {
				seen[id] = true
				found = append(found, e)
				r.cache.setAccount(id, e.DN)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, r.accountPage(ctx, found, s.attributeNames(r.schema))
}

// readNamedGroups emits the groups that have one of the names. It returns their
// names by folded DN, and by number where accounts have primary groups. Several
// groups of the same name make the name ambiguous, as in a snapshot.
func (r *reading) readNamedGroups(ctx context.Context, names []string) (groups map[string]string, err error) {
	s := r.session
	attributes := []string{s.groupAttribute(), s.cfg.IDAttribute, descriptionAttribute}
	if s.flavour.primaryGroups {
		attributes = append(attributes, sidAttribute)
	}
	plain := map[string]bool{}
	for _, name := range names {
		if name == "" {
			continue
		}
		plain[name] = true
		if !below(name, s.cfg.GroupsDN) {
			continue
		}
		result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: name, Scope: ldap.ScopeBaseObject, Filter: s.isGroup(), Attributes: attributes})
		if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax) {
			return nil, s.failure(ctx, "find a group", err)
		}
		for _, e := range result.Entries {
			if name := namingValue(e, s.groupAttribute()); name != "" {
				plain[name] = true
			}
		}
	}
	var found []*ldap.Entry
	seen := map[string]bool{}
	if err := r.groupsNamed(ctx, plain, s.isGroup(), attributes, func(e *ldap.Entry) error {
		if !seen[e.DN] {
			seen[e.DN] = true
			r.named[fold(namingValue(e, s.groupAttribute()))]++
			found = append(found, e)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	full, err := r.groupsWithMembers(ctx, plain)
	if err != nil {
		return nil, err
	}
	groups = map[string]string{}
	for _, e := range found {
		name, err := r.emitGroup(e, full[foldDN(e.DN)])
		if err != nil {
			return nil, err
		}
		groups[foldDN(e.DN)] = name
		if number := rid(e.GetEqualFoldAttributeValue(sidAttribute)); s.flavour.primaryGroups && number != "" {
			groups[primaryAttribute+"="+number] = name
		}
	}
	return groups, nil
}

// groupsNamed emits the groups that match a filter and have one of the names.
func (r *reading) groupsNamed(ctx context.Context, names map[string]bool, filter string, attributes []string, emit func(*ldap.Entry) error) error {
	s := r.session
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(names)), lookupTerms) {
		var filters []string
		for _, name := range chunk {
			filters = append(filters, equals(s.groupAttribute(), name))
		}
		q := search{"find groups", s.cfg.GroupsDN, allOf(filter, anyOf(filters)), attributes, accountPage}
		if err := r.find(ctx, s, q, emit); err != nil {
			return err
		}
	}
	return nil
}

// groupsWithMembers returns the folded DNs of the groups with one of the names in
// which the server shows a member; nil where groups may be empty.
func (r *reading) groupsWithMembers(ctx context.Context, names map[string]bool) (map[string]bool, error) {
	s := r.session
	if !r.needsMember() {
		return nil, nil
	}
	showing := map[string]bool{}
	err := r.groupsNamed(ctx, names, allOf(s.isGroup(), "("+s.cfg.MemberAttribute+"=*)"), []string{"1.1"}, func(e *ldap.Entry) error {
		showing[foldDN(e.DN)] = true
		return nil
	})
	return showing, err
}

// memberships emits which of the groups the accounts are in.
func (r *reading) memberships(ctx context.Context, accounts []*ldap.Entry, groups map[string]string) error {
	s := r.session
	if len(groups) == 0 {
		return nil
	}
	has := make([][]string, len(accounts))
	errs := make([]error, len(accounts))
	r.inParallel(len(accounts), func(i int) {
		e := accounts[i]
		if name, ok := groups[primaryAttribute+"="+e.GetEqualFoldAttributeValue(primaryAttribute)]; ok {
			has[i] = append(has[i], name)
		}
		q := search{"find an account's groups", s.cfg.GroupsDN, allOf(s.isGroup(), equals(s.cfg.MemberAttribute, s.memberValue(e))), []string{"1.1"}, accountPage}
		errs[i] = r.find(ctx, s, q, func(group *ldap.Entry) error {
			if name, ok := groups[foldDN(group.DN)]; ok && !slices.Contains(has[i], name) {
				has[i] = append(has[i], name)
			}
			return nil
		})
	})
	if err := first(errs); err != nil {
		return err
	}
	for i, e := range accounts {
		id, err := s.idOf(e)
		if err != nil {
			return err
		}
		for _, name := range has[i] {
			if err := r.sink.Membership(connectors.Membership{Entitlement: name, AccountID: id}); err != nil {
				return err
			}
		}
	}
	return nil
}

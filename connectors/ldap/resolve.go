package ldap

import (
	"context"
	"slices"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// lookupTerms is how many values go into one search.
const lookupTerms = 50

// entryMap holds entries by some key. It is safe for concurrent use.
type entryMap struct {
	mu sync.Mutex
	m  map[string]*ldap.Entry
}

func (f *entryMap) set(key string, e *ldap.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.m[key]; old == nil || e.DN < old.DN { // deterministic when several entries have the key
		f.m[key] = e
	}
}

// ids returns the native IDs of the accounts of the changes.
func ids(todo []work) []string {
	var out []string
	for _, w := range todo {
		out = append(out, w.Account.ID)
	}
	return out
}

// resolve returns the entries with the native IDs; an ID that does not exist is
// not in the map. It first reads the entry at a cached DN and verifies its ID.
func (c *Connector) resolve(ctx context.Context, s *session, ids, attributes []string) (map[string]*ldap.Entry, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, ok := s.idFilter(id)
		return !ok
	})
	slices.Sort(ids)
	ids = slices.Compact(ids)
	attributes = append([]string{s.cfg.IDAttribute}, attributes...)
	entries := &entryMap{m: map[string]*ldap.Entry{}}

	errs := make([]error, len(ids))
	c.inParallel(len(ids), func(i int) {
		dn, ok := c.cache.account(ids[i])
		if !ok {
			return
		}
		var e *ldap.Entry
		filter, _ := s.idFilter(ids[i])
		if e, errs[i] = c.readOne(ctx, s, dn, filter, attributes); e != nil {
			entries.set(ids[i], e)
		}
	})
	if err := first(errs); err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return entries.m[id] != nil })

	chunks := slices.Collect(slices.Chunk(ids, lookupTerms))
	errs = make([]error, len(chunks))
	c.inParallel(len(chunks), func(i int) {
		var filters []string
		for _, id := range chunks[i] {
			c.cache.setAccount(id, "")
			filter, _ := s.idFilter(id)
			filters = append(filters, filter)
		}
		errs[i] = c.lookup(ctx, s, filters, attributes, func(e *ldap.Entry) error {
			id, err := s.idOf(e)
			if err != nil || !slices.Contains(chunks[i], id) {
				return err
			}
			c.cache.setAccount(id, e.DN)
			entries.set(id, e)
			return nil
		})
	})
	return entries.m, first(errs)
}

// idFilter returns a filter for a native ID, or false when no entry can have it.
func (v *server) idFilter(id string) (filter string, ok bool) {
	if v.flavour.guid {
		return guidFilter(v.cfg.IDAttribute, id)
	}
	return equals(v.cfg.IDAttribute, id), id != ""
}

// idOf returns an entry's native ID.
func (v *server) idOf(e *ldap.Entry) (string, error) {
	id := ""
	if v.flavour.guid {
		id = guidString(e.GetEqualFoldAttributeValue(v.cfg.IDAttribute))
	} else {
		id = e.GetEqualFoldAttributeValue(v.cfg.IDAttribute)
	}
	if id == "" {
		return "", connectors.Errorf(connectors.Permanent, "ldap: an account has no %s: let the account in bind_dn read it, or set id_attribute to what the server has", v.cfg.IDAttribute)
	}
	return id, nil
}

// lookup emits the accounts that match any of the filters.
func (c *Connector) lookup(ctx context.Context, s *session, filters, attributes []string, emit func(*ldap.Entry) error) error {
	for _, base := range s.accountBases() {
		q := search{"find accounts", base, allOf(s.isAccount(), anyOf(filters)), attributes, accountPage}
		if err := c.find(ctx, s, q, emit); err != nil {
			return err
		}
	}
	return nil
}

// find emits every entry below a base; it returns an error when it could not see
// all of them. It is meant for few entries and asks for them without paging
// first: a server need not let two paged searches of one connection run in
// parallel (RFC 2696 §3), and OpenLDAP does not.
func (c *Connector) find(ctx context.Context, s *session, q search, emit func(*ldap.Entry) error) error {
	result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: q.base, Scope: ldap.ScopeWholeSubtree, Filter: q.filter, Attributes: q.attributes})
	switch {
	case is(err, ldap.LDAPResultSizeLimitExceeded):
	case err != nil:
		return s.failure(ctx, q.doing, err)
	case slices.ContainsFunc(result.Referrals, func(r string) bool { return !s.outsideDirectory(r) }):
		return connectors.Errorf(connectors.RetryLater, "ldap: %s: part of the directory is on another server", q.doing)
	default:
		for _, e := range result.Entries {
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	}
	s.paging.Lock()
	defer s.paging.Unlock()
	seen, err := c.readAll(ctx, s, q, emit)
	if err == nil && !seen.Complete {
		err = connectors.Errorf(connectors.RetryLater, "ldap: %s", seen.Why)
	}
	return err
}

// readOne returns the account at a DN when it also matches the filter, if any;
// otherwise nil.
func (c *Connector) readOne(ctx context.Context, s *session, dn, filter string, attributes []string) (*ldap.Entry, error) {
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: allOf(s.isAccount(), filter), Attributes: attributes,
	})
	if is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure(ctx, "read an account", err)
	}
	if len(result.Entries) != 1 {
		return nil, nil
	}
	return result.Entries[0], nil
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

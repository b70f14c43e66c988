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

// found is entries by some key; safe for use side by side.
type found struct {
	mu sync.Mutex
	m  map[string]*ldap.Entry
}

func (f *found) set(key string, e *ldap.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.m[key]; old == nil || e.DN < old.DN { // the same one every time
		f.m[key] = e
	}
}

// resolve returns the entries with the native IDs; one that is not there is
// not in the map. Where a DN was known it asks that entry first whether it
// still is the one, and what it has.
func (c *Connector) resolve(ctx context.Context, s *session, todo []work, attributes []string) (map[string]*ldap.Entry, error) {
	var ids []string
	for _, w := range todo {
		if w.Account.ID != "" {
			ids = append(ids, w.Account.ID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	attributes = append([]string{c.cfg.IDAttribute}, attributes...)
	entries := &found{m: map[string]*ldap.Entry{}}

	errs := make([]error, len(ids))
	sideBySide(len(ids), func(i int) {
		dn, ok := c.cache.account(ids[i])
		if !ok {
			return
		}
		var e *ldap.Entry
		if e, errs[i] = c.readOne(ctx, s, dn, c.idFilter(ids[i]), attributes); e != nil {
			entries.set(ids[i], e)
		}
	})
	if err := first(errs); err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return entries.m[id] != nil })

	chunks := slices.Collect(slices.Chunk(ids, lookupTerms))
	errs = make([]error, len(chunks))
	sideBySide(len(chunks), func(i int) {
		var filters []string
		for _, id := range chunks[i] {
			c.cache.setAccount(id, "")
			filters = append(filters, c.idFilter(id))
		}
		errs[i] = c.lookup(ctx, s, filters, attributes, func(e *ldap.Entry) error {
			id, err := c.idOf(e)
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

func (c *Connector) idFilter(id string) string { return equals(c.cfg.IDAttribute, id) }

// lookup emits the accounts that match any of the filters.
func (c *Connector) lookup(ctx context.Context, s *session, filters, attributes []string, emit func(*ldap.Entry) error) error {
	q := search{"find accounts", c.cfg.PeopleDN, allOf(c.accountFilter(), anyOf(filters)), attributes, accountPage}
	done, err := c.readAll(ctx, s, q, emit)
	if err == nil && !done.Complete {
		err = connectors.Errorf(connectors.RetryLater, "ldap: %s", done.Why)
	}
	return err
}

// readOne returns the account at a DN when it also matches the filter, and
// nil when not.
func (c *Connector) readOne(ctx context.Context, s *session, dn, filter string, attributes []string) (*ldap.Entry, error) {
	result, err := s.search(&ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: allOf(c.accountFilter(), filter), Attributes: attributes,
	})
	if is(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil {
		return nil, c.failure(ctx, "read an account", err)
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

package scim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

const (
	// fewLookups is how many accounts are looked up one by one, whatever a list
	// of all users would cost.
	fewLookups = 50
	// sampleSize is how many users are read to learn about the service's data.
	sampleSize = 10
)

// ReadAccounts implements connectors.AccountReader. Like a snapshot it reads
// Users before Groups. Where the service's filters cannot be trusted, it searches
// a list of all users or groups (RFC 7644 §3.4.2). It reads memberships from the
// groups, unless another way is known to return the same: an account that is not
// found must be one that does not exist.
func (c *Connector) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	if err := c.readSchemas(ctx); err != nil {
		return connectors.Completeness{Why: "the service's schemas could not be read"}, err
	}
	f := &accountReading{c: c, wanted: wantedOf(refs), seen: map[string]bool{}}
	people, err := f.readUsers(ctx)
	if err != nil {
		return connectors.Completeness{Why: "Users could not be read"}, err
	}
	for _, u := range f.users {
		a, err := c.account(u.resource)
		if err == nil {
			err = sink.Account(a)
		}
		if err != nil {
			return connectors.Completeness{Why: "Users could not be read"}, err
		}
	}
	bundles, err := f.entitlements(ctx, entitlements, sink)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return connectors.Completeness{Why: "Groups could not be read"}, err
	}
	return joinCompleteness(people, bundles), nil
}

// accountReading is a ReadAccounts in progress.
type accountReading struct {
	c      *Connector
	wanted wantedUsers
	users  []foundUser     // found
	seen   map[string]bool // the IDs of users
}

// foundUser is a user that was found.
type foundUser struct {
	resource
	single bool // read by ID, and not in a list
}

// wantedUsers are the requested accounts, each value once.
type wantedUsers struct {
	ids, anchors, names []string // sorted
	folded              []string // the names in lower case
}

func wantedOf(refs []connectors.AccountRef) (w wantedUsers) {
	add := func(list []string, v string) []string {
		if v == "" {
			return list
		}
		return append(list, v)
	}
	for _, ref := range refs {
		w.ids, w.anchors, w.names = add(w.ids, ref.ID), add(w.anchors, ref.Anchor), add(w.names, ref.Name)
		w.folded = add(w.folded, strings.ToLower(ref.Name))
	}
	for _, list := range []*[]string{&w.ids, &w.anchors, &w.names, &w.folded} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return w
}

func (w wantedUsers) has(r resource) bool {
	is := func(list []string, v string) bool { _, ok := slices.BinarySearch(list, v); return ok }
	return is(w.ids, r.id()) || is(w.anchors, r.anchor()) || is(w.folded, strings.ToLower(r.name()))
}

func (f *accountReading) found(r resource, single bool) {
	if !f.seen[r.id()] {
		f.seen[r.id()] = true
		f.users = append(f.users, foundUser{r, single})
	}
}

// readUsers finds the accounts.
func (f *accountReading) readUsers(ctx context.Context) (connectors.Completeness, error) {
	w := f.wanted
	if n := len(w.ids) + len(w.anchors) + len(w.names); n > fewLookups {
		p, err := f.readSample(ctx)
		if err != nil {
			return connectors.Completeness{}, err
		}
		if n > p.total/f.c.pageSize() {
			return f.search(ctx)
		}
	}
	if err := f.byID(ctx); err != nil {
		return connectors.Completeness{}, err
	}
	switch ok, err := f.byFilter(ctx); {
	case err != nil && !aboutFilter(err):
		return connectors.Completeness{}, err
	case err != nil || !ok:
		return f.search(ctx)
	}
	return connectors.Completeness{Complete: true}, nil
}

// readSample reads the first users.
func (f *accountReading) readSample(ctx context.Context) (page, error) {
	p, err := f.c.first(ctx, users, sampleSize)
	if err == nil {
		f.c.noteFirstPage(users, p)
	}
	return p, err
}

// search looks for the accounts in a list of all users.
func (f *accountReading) search(ctx context.Context) (connectors.Completeness, error) {
	return f.c.list(ctx, users, nil, func(r resource) error {
		if f.wanted.has(r) {
			f.found(r, false)
		}
		return nil
	})
}

// byID reads the accounts whose IDs are known. A missing account counts as
// deleted only when the service returns other users: when url is wrong and
// nothing exists, no account is deleted.
func (f *accountReading) byID(ctx context.Context) error {
	ids := f.wanted.ids
	list, err := forEach(f.c, ids, func(id string) (resource, error) { return f.c.byID(ctx, users, id) })
	if err != nil {
		return err
	}
	missing := false
	for _, r := range list {
		if r == nil {
			missing = true
			continue
		}
		f.found(r, true)
		if in, _ := r.ownGroups(); len(in) > 0 {
			f.c.bundles.noteUserGroups()
		}
	}
	if missing {
		_, err = f.readSample(ctx)
	}
	return err
}

// byFilter finds the accounts whose anchors or names are known. ok is false when
// the service's filters cannot be trusted.
func (f *accountReading) byFilter(ctx context.Context) (ok bool, err error) {
	terms := slices.Concat(f.wanted.anchors, f.wanted.names)
	if len(terms) == 0 {
		return true, nil
	}
	if slices.ContainsFunc(terms, func(v string) bool { return !filterable(v) }) {
		return false, nil
	}
	if ok, err = f.filtersWork(ctx); err != nil || !ok {
		return false, err
	}
	owned, err := f.filterEach(ctx, users, "externalId", f.wanted.anchors)
	if err != nil {
		return false, err
	}
	named, err := f.filterEach(ctx, users, "userName", f.wanted.names)
	if err != nil {
		return false, err
	}
	byFilter := map[string]bool{}
	for _, h := range slices.Concat(owned, named) {
		if !h.ok {
			return false, nil
		}
		for _, r := range h.list {
			if f.wanted.has(r) { // externalId is compared exactly
				byFilter[r.id()] = true
				f.found(r, false)
			}
		}
	}
	// A filter must also find an account that was read by ID.
	byOther := f.wanted
	byOther.ids = nil
	for _, u := range f.users {
		if byOther.has(u.resource) && !byFilter[u.id()] {
			f.c.filters.distrust()
			return false, nil
		}
	}
	return true, nil
}

// filterResult is what a filter found; ok is false when the service did not
// filter.
type filterResult struct {
	list []resource
	ok   bool
}

// filterEach looks up, for each value, the resources whose attribute has it.
func (f *accountReading) filterEach(ctx context.Context, kind, attribute string, values []string) ([]filterResult, error) {
	return forEach(f.c, values, func(v string) (filterResult, error) {
		found, ok, err := f.c.filtered(ctx, kind, attribute, v)
		return filterResult{found, ok}, err
	})
}

// aboutFilter reports whether an error may concern the filter that was sent: some
// services fail where they should refuse it (RFC 7644 §3.12, invalidFilter).
// Other errors would concern every request.
func aboutFilter(err error) bool {
	for _, other := range []error{errBusy, errToken, errCredentials, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			return false
		}
	}
	return err != nil
}

// filtersWork reports whether filters on users can be trusted. It probes them
// with an account that exists: one that was just read, or any.
func (f *accountReading) filtersWork(ctx context.Context) (bool, error) {
	works, broken, sample := f.c.filters.state()
	if works || broken {
		return works, nil
	}
	for _, u := range f.users {
		if filterable(u.anchor()) {
			return f.c.probeFilter(ctx, u.anchor())
		}
	}
	if sample == "" {
		if _, err := f.readSample(ctx); err != nil {
			return false, err
		}
		_, _, sample = f.c.filters.state()
	}
	if sample == "" {
		return false, nil
	}
	return f.c.probeFilter(ctx, sample)
}

// forEach calls do for every item, several at a time, and returns the results in
// the same order, or the first error. After an error it starts no further call.
func forEach[I, O any](c *Connector, items []I, do func(I) (O, error)) ([]O, error) {
	out, errs := make([]O, len(items)), make([]error, len(items))
	indexes := make([]int, len(items))
	for i := range indexes {
		indexes[i] = i
	}
	var stop atomic.Bool
	limit.SideBySide(c.limiter.Concurrent(), indexes, func(i int) {
		if stop.Load() {
			return
		}
		if out[i], errs[i] = do(items[i]); errs[i] != nil {
			stop.Store(true)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

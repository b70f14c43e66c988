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
	// fewLookups is how many accounts are asked for one by one whatever a list
	// of them all would cost.
	fewLookups = 50
	// sampleSize is how many users are read to see what the service has.
	sampleSize = 10
)

// ReadAccounts implements connectors.AccountReader. As a snapshot does, it
// reads Users before Groups. What a service's filters cannot be believed to
// find it looks for in a list of all users or groups (RFC 7644 §3.4.2), and
// who is in a group it asks the group, unless there is another way that is
// known to tell the same: not to be found must mean not to be there.
func (c *Connector) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	if err := c.readSchemas(ctx); err != nil {
		return connectors.Completeness{Why: "the service did not say how it compares values"}, err
	}
	f := &few{c: c, wanted: wantedOf(refs), seen: map[string]bool{}}
	people, err := f.people(ctx)
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
	return both(people, bundles), nil
}

// few is a ReadAccounts on its way.
type few struct {
	c      *Connector
	wanted wantedUsers
	users  []person        // found
	seen   map[string]bool // their IDs
}

// person is a user who was found.
type person struct {
	resource
	single bool // he was read by ID, and not in a list
}

// wantedUsers are the accounts that are asked for, each value once.
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

func (f *few) found(r resource, single bool) {
	if !f.seen[r.id()] {
		f.seen[r.id()] = true
		f.users = append(f.users, person{r, single})
	}
}

// people finds the accounts.
func (f *few) people(ctx context.Context) (connectors.Completeness, error) {
	w := f.wanted
	if n := len(w.ids) + len(w.anchors) + len(w.names); n > fewLookups {
		p, err := f.sample(ctx)
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

// sample reads some users, whoever they are.
func (f *few) sample(ctx context.Context) (page, error) {
	p, err := f.c.first(ctx, users, sampleSize)
	if err == nil {
		f.c.saw(users, p)
	}
	return p, err
}

// search looks for the accounts in a list of them all.
func (f *few) search(ctx context.Context) (connectors.Completeness, error) {
	return f.c.list(ctx, users, nil, func(r resource) error {
		if f.wanted.has(r) {
			f.found(r, false)
		}
		return nil
	})
}

// byID reads the accounts whose IDs are known. That one is not there is
// believed only of a service that has Users: where there is nothing at all,
// because url is wrong, nobody is deleted.
func (f *few) byID(ctx context.Context) error {
	ids := f.wanted.ids
	list, err := each(f.c, ids, func(id string) (resource, error) { return f.c.byID(ctx, users, id) })
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
			f.c.bundles.sawGroups()
		}
	}
	if missing {
		_, err = f.sample(ctx)
	}
	return err
}

// byFilter finds the accounts whose anchors or names are known. ok is false
// when the service's filters cannot be believed.
func (f *few) byFilter(ctx context.Context) (ok bool, err error) {
	terms := slices.Concat(f.wanted.anchors, f.wanted.names)
	if len(terms) == 0 {
		return true, nil
	}
	if slices.ContainsFunc(terms, func(v string) bool { return !filterable(v) }) {
		return false, nil
	}
	if ok, err = f.believes(ctx); err != nil || !ok {
		return false, err
	}
	owned, err := f.ask(ctx, users, "externalId", f.wanted.anchors)
	if err != nil {
		return false, err
	}
	named, err := f.ask(ctx, users, "userName", f.wanted.names)
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
	// What was read by ID a filter must have found as well.
	byOther := f.wanted
	byOther.ids = nil
	for _, u := range f.users {
		if byOther.has(u.resource) && !byFilter[u.id()] {
			f.c.filters.doubt()
			return false, nil
		}
	}
	return true, nil
}

// hits are what a filter found; ok is false when the service did not filter.
type hits struct {
	list []resource
	ok   bool
}

// ask has the service find, for each value, what has it in an attribute.
func (f *few) ask(ctx context.Context, kind, attribute string, values []string) ([]hits, error) {
	return each(f.c, values, func(v string) (hits, error) {
		found, ok, err := f.c.filtered(ctx, kind, attribute, v)
		return hits{found, ok}, err
	})
}

// aboutFilter says whether an error may be about the filter that was sent: some
// services fail where they should refuse (RFC 7644 §3.12, invalidFilter). The
// others every request would get.
func aboutFilter(err error) bool {
	for _, other := range []error{errBusy, errToken, errCredentials, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			return false
		}
	}
	return err != nil
}

// believes says whether filters on users can be believed, and finds it out
// with an account that is there: one that was just read, or any.
func (f *few) believes(ctx context.Context) (bool, error) {
	works, broken, sample := f.c.filters.known()
	if works || broken {
		return works, nil
	}
	for _, u := range f.users {
		if filterable(u.anchor()) {
			return f.c.tryFilter(ctx, u.anchor())
		}
	}
	if sample == "" {
		if _, err := f.sample(ctx); err != nil {
			return false, err
		}
		_, _, sample = f.c.filters.known()
	}
	if sample == "" {
		return false, nil
	}
	return f.c.tryFilter(ctx, sample)
}

// each does something for every item, several at a time, and returns what came
// of it in the same order, or the first error. After an error the others are
// not begun.
func each[I, O any](c *Connector, items []I, do func(I) (O, error)) ([]O, error) {
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

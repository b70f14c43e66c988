package scim

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// filterKnowledge holds what is known about the service's filters. Some services
// filter on userName only, and answer other filters with no users or with all
// users. A filter on externalId is therefore trusted only after it has found an
// account that exists.
type filterKnowledge struct {
	mu     sync.Mutex
	works  bool
	broken bool
	sample string // an externalId that exists
	total  int    // number of users
}

// notePage records what the first page of users shows.
func (f *filterKnowledge) notePage(p page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total = p.total
	for _, r := range p.resources {
		if a := r.anchor(); filterable(a) {
			f.sample = a
			return
		}
	}
}

func (f *filterKnowledge) learn(works bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.works, f.broken = works, !works
}

// state returns what is known, and an externalId to probe filters with.
func (f *filterKnowledge) state() (works, broken bool, sample string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.works, f.broken, f.sample
}

// distrust records that filters did not find an account that exists.
func (f *filterKnowledge) distrust() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.works = false
}

// filterable reports whether every service understands the value in a filter:
// some do not support escapes.
func filterable(v string) bool {
	return v != "" && !strings.ContainsFunc(v, func(r rune) bool {
		return r < 0x80 && !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@+", r)
	})
}

// equals returns a filter (RFC 7644 §3.4.2.2) with the value as a JSON string.
func equals(attribute, value string) string {
	var b strings.Builder
	b.WriteString(attribute + ` eq "`)
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// filtered returns the resources whose attribute has the value, in any case. ok
// is false when the service did not apply the filter.
func (c *Connector) filtered(ctx context.Context, kind, attribute, value string) (found []resource, ok bool, err error) {
	q := url.Values{"filter": {equals(attribute, value)}}
	if kind == groups {
		q.Set("excludedAttributes", "members")
	}
	a, err := c.send(ctx, request{doing: "look for one of " + kind, path: kind, query: q})
	if err != nil || a.status != http.StatusOK {
		return nil, false, err
	}
	p, err := parsePage(a.body)
	if err != nil {
		return nil, false, nil //nolint:nilerr // an answer that is no list cannot be used
	}
	for _, r := range p.resources {
		if !strings.EqualFold(text(r.field(attribute)), value) {
			return nil, false, nil
		}
	}
	return p.resources, p.total == len(p.resources), nil
}

// userIndex holds every user by anchor and by name. It is read when filters would
// cost more or cannot be trusted.
type userIndex struct {
	ids            map[string]resource
	anchors, names map[string][]resource
}

func (c *Connector) readIndex(ctx context.Context) (*userIndex, error) {
	x := &userIndex{ids: map[string]resource{}, anchors: map[string][]resource{}, names: map[string][]resource{}}
	// An incomplete list is still useful: the service itself refuses a duplicate
	// of a name that it lacks.
	_, err := c.list(ctx, users, nil, func(r resource) error {
		x.add(resource{"id": r.id(), "externalId": r.anchor(), "userName": r.name()})
		return nil
	})
	return x, err
}

func (x *userIndex) add(r resource) {
	x.forget(r.id()) // it may have been read since it was created
	x.ids[r.id()] = r
	if a := r.anchor(); a != "" {
		x.anchors[a] = append(x.anchors[a], r)
	}
	name := strings.ToLower(r.name())
	x.names[name] = append(x.names[name], r)
}

// forget removes the account with the ID.
func (x *userIndex) forget(id string) {
	old, ok := x.ids[id]
	if !ok {
		return
	}
	delete(x.ids, id)
	is := func(r resource) bool { return r.id() == id }
	name := strings.ToLower(old.name())
	x.anchors[old.anchor()] = slices.DeleteFunc(x.anchors[old.anchor()], is)
	x.names[name] = slices.DeleteFunc(x.names[name], is)
}

// lookup finds, for creations, the accounts that have an anchor or a name.
type lookup struct {
	c   *Connector
	mu  sync.Mutex
	x   *userIndex // nil while filters are used
	all bool       // filters cannot be used
}

// prepare chooses how to look up so many accounts.
func (l *lookup) prepare(ctx context.Context, creations int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.x != nil {
		return nil
	}
	f := &l.c.filters
	f.mu.Lock()
	works, broken, sample, total := f.works, f.broken, f.sample, f.total
	f.mu.Unlock()
	if !works && !broken && sample != "" {
		var err error
		if works, err = l.c.probeFilter(ctx, sample); err != nil {
			return err
		}
	}
	// An account takes two look-ups; a page returns many accounts.
	if works && 2*creations < total/l.c.pageSize()+3 {
		return nil
	}
	var err error
	l.x, err = l.c.readIndex(ctx)
	return err
}

// probeFilter tests whether a filter on externalId finds an account that has the
// anchor. The account may have been deleted meanwhile, so finding none proves
// nothing.
func (c *Connector) probeFilter(ctx context.Context, anchor string) (works bool, err error) {
	found, ok, err := c.filtered(ctx, users, "externalId", anchor)
	if err != nil {
		return false, err
	}
	if works = ok && len(found) > 0; works || !ok {
		c.filters.learn(works)
	}
	return works, nil
}

// find returns the accounts with the anchor, and those with the name, either of
// which may be empty.
func (l *lookup) find(ctx context.Context, anchor, name string) (owned, named []resource, err error) {
	if l.byFilter() && (anchor == "" || filterable(anchor)) && (name == "" || filterable(name)) {
		ok, okToo := anchor == "", name == ""
		if !ok {
			if owned, ok, err = l.c.filtered(ctx, users, "externalId", anchor); err != nil {
				return nil, nil, err
			}
		}
		if !okToo {
			if named, okToo, err = l.c.filtered(ctx, users, "userName", name); err != nil {
				return nil, nil, err
			}
		}
		if ok && okToo {
			return exactly(owned, anchor), named, nil
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.x == nil {
		if l.x, err = l.c.readIndex(ctx); err != nil {
			l.x = nil
			return nil, nil, err
		}
	}
	if name != "" {
		named = l.x.names[strings.ToLower(name)]
	}
	return l.x.anchors[anchor], named, nil
}

// refresh drops the index, as the service has an account that was not found in
// it.
func (l *lookup) refresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.x, l.all = nil, true
}

func (l *lookup) byFilter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.c.filters.mu.Lock()
	defer l.c.filters.mu.Unlock()
	return l.x == nil && !l.all && l.c.filters.works
}

// created and deleted update the index with what Apply does.
func (l *lookup) created(id, anchor, name string) {
	l.mu.Lock()
	if l.x != nil {
		l.x.add(resource{"id": id, "externalId": anchor, "userName": name})
	}
	l.mu.Unlock()
	f := &l.c.filters
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	if filterable(anchor) {
		f.sample = cmp.Or(f.sample, anchor)
	}
}

func (l *lookup) deleted(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.x != nil {
		l.x.forget(id)
	}
}

func exactly(list []resource, anchor string) []resource {
	var out []resource
	for _, r := range list {
		if r.anchor() == anchor {
			out = append(out, r)
		}
	}
	return out
}

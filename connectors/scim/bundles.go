package scim

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/behov/behov/connectors"
)

// bundles is what is known of the service's groups, and of the ways to learn
// who is in them without reading all their members. Each way is believed only
// after it has told what was known to be true: of one that is not there, every
// account would be in no group.
type bundles struct {
	mu    sync.Mutex
	total int // how many groups there were
	// fat: lists of groups have their members although nobody asked for them.
	fat bool
	// named: a filter on displayName has found a group.
	named bool
	// shared are the names that several groups had when they were all read. A
	// filter that finds one of those groups has not found all.
	shared map[string]bool
	// group and member are one that was seen to be in the other; members says
	// what came of asking the service for it.
	group, member   string
	members, broken bool
	// nested: a group was seen to be a member of a group, so that a filter may
	// find, by a member's, the groups around his.
	nested bool
	// own: when everything was read, users said of their groups what the groups
	// said of their members. single: they say so when they are read by ID, too.
	own, single bool
}

// belief is a copy of what is believed.
type belief struct{ named, members, own, single bool }

func (b *bundles) believed() belief {
	b.mu.Lock()
	defer b.mu.Unlock()
	return belief{named: b.named, members: b.members && !b.nested, own: b.own, single: b.single}
}

// saw takes what the first page of groups has to tell.
func (b *bundles) saw(p page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total = p.total
}

// sawNames takes how many groups have each name.
func (b *bundles) sawNames(count map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shared = map[string]bool{}
	for name, n := range count {
		if n > 1 {
			b.shared[name] = true
		}
	}
}

// sawMembers takes a group's members, as the group itself has them.
func (b *bundles) sawMembers(group string, members []member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sampled := !filterable(group)
	for _, m := range members {
		b.nested = b.nested || m.group
		if !sampled && !m.group && filterable(m.id) {
			b.group, b.member, sampled = group, m.id, true
		}
	}
}

// sawAll takes what came of reading everything: whether users and groups say
// the same, and whether there are groups in groups. Filters on members are
// tried anew.
func (b *bundles) sawAll(agree, nested bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own, b.nested = agree, nested
	b.members, b.broken = false, false
}

// sawGroups takes note that a user who was read by ID says what groups he is
// in.
func (b *bundles) sawGroups() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.single = true
}

func (b *bundles) sentMembers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fat = true
}

// found takes note that a filter has found a group by its name.
func (b *bundles) found() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.named = true
}

// byName says whether so many groups are better looked for by name than in a
// list of them all. That has to have been read once: a filter may find one
// group where several have the name.
func (b *bundles) byName(names []string, pageSize int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shared != nil && (len(names) < b.total/pageSize+3 || b.fat && len(names) <= fewLookups)
}

func (b *bundles) isShared(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shared[name]
}

// tryMembers looks whether the service filters on members: whether it finds a
// group by one of its members and not by what cannot be a member of it, itself.
func (c *Connector) tryMembers(ctx context.Context) error {
	b := &c.bundles
	b.mu.Lock()
	group, member, settled := b.group, b.member, b.members || b.broken || b.nested
	b.mu.Unlock()
	if settled || group == "" || c.traits.is(NoFilter) {
		return nil
	}
	in, ok, err := c.groupsOf(ctx, member)
	if ok && !in[group] {
		return nil // he may have left
	}
	var around map[string]bool
	if ok {
		around, ok, err = c.groupsOf(ctx, group)
	}
	if err != nil && !aboutFilter(err) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members = ok && !around[group]
	b.broken = !b.members
	return nil
}

// groupsOf returns the IDs of the groups that have the member, by a filter on
// members.value (RFC 7644 §3.4.2.2). ok is false when the service did not
// answer that, or not with all of them.
func (c *Connector) groupsOf(ctx context.Context, id string) (in map[string]bool, ok bool, err error) {
	if !filterable(id) {
		return nil, false, nil
	}
	a, err := c.send(ctx, request{doing: "look for a user's groups", path: groups, query: url.Values{
		"filter": {equals("members.value", id)}, "excludedAttributes": {"members"}, "count": {strconv.Itoa(c.pageSize())},
	}})
	if err != nil || a.status != http.StatusOK {
		return nil, false, err
	}
	p, err := parsePage(a.body)
	if err != nil {
		return nil, false, nil //nolint:nilerr // an answer that is no list is one that cannot be used
	}
	in = map[string]bool{}
	for _, g := range p.resources {
		in[g.id()] = true
	}
	return in, p.total == len(in) && p.next == "", nil
}

// membersIn returns those of a group's members that are accounts.
func (c *Connector) membersIn(g resource) (map[string]bool, error) {
	members, _, err := g.members()
	if err != nil {
		return nil, connectors.Errorf(connectors.Permanent, "scim: group %s: %w", g.id(), err)
	}
	c.bundles.sawMembers(g.id(), members)
	in := make(map[string]bool, len(members))
	for _, m := range members {
		if !m.group {
			in[m.id] = true
		}
	}
	return in, nil
}

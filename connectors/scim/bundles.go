package scim

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/behov/behov/connectors"
)

// groupKnowledge holds what is known about the service's groups, and about the
// ways to find an account's groups without reading all members. A way is trusted
// only after it has returned a membership that was known to exist: from one that
// does not work, every account would appear to be in no group.
type groupKnowledge struct {
	mu    sync.Mutex
	total int // number of groups
	// listsHaveMembers reports whether lists of groups include members although
	// the request excluded them.
	listsHaveMembers bool
	// filtersByName reports whether a filter on displayName has found a group.
	filtersByName bool
	// duplicateNames are the names that several groups had at the last full read.
	// A filter that finds one of those groups only is incomplete.
	duplicateNames map[string]bool
	// group and member are a membership that was seen; members reports the result
	// of the probe for it.
	group, member   string
	members, broken bool
	// nested reports whether a group was seen to be a member of a group, so that
	// a filter on a member may also return the groups that contain his group.
	nested bool
	// usersListGroups reports whether, at a full read, the groups attribute of
	// users agreed with the members of groups. userListsGroups reports whether
	// users have it when read by ID, too.
	usersListGroups, userListsGroups bool
}

// groupFilters is a copy of what is known to work.
type groupFilters struct{ named, members, own, single bool }

func (b *groupKnowledge) believed() groupFilters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return groupFilters{named: b.filtersByName, members: b.members && !b.nested, own: b.usersListGroups, single: b.userListsGroups}
}

// notePage records what the first page of groups shows.
func (b *groupKnowledge) notePage(p page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total = p.total
}

// noteNames records how many groups have each name.
func (b *groupKnowledge) noteNames(count map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.duplicateNames = map[string]bool{}
	for name, n := range count {
		if n > 1 {
			b.duplicateNames[name] = true
		}
	}
}

// noteMembers records a group's members, as the group itself has them.
func (b *groupKnowledge) noteMembers(group string, members []member) {
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

// noteFullRead records the result of reading everything: whether users and groups
// agree, and whether there are nested groups. Filters on members are probed
// again.
func (b *groupKnowledge) noteFullRead(agree, nested bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usersListGroups, b.nested = agree, nested
	b.members, b.broken = false, false
}

// noteUserGroups records that a user read by ID lists his groups.
func (b *groupKnowledge) noteUserGroups() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.userListsGroups = true
}

func (b *groupKnowledge) sentMembers() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listsHaveMembers = true
}

// noteFilterHit records that a filter has found a group by its name.
func (b *groupKnowledge) noteFilterHit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.filtersByName = true
}

// prefersFilter reports whether so many groups should be looked up by name
// instead of in a list of all groups. It requires that the list was read once: a
// filter may find one group where several have the name.
func (b *groupKnowledge) prefersFilter(names []string, pageSize int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.duplicateNames != nil && (len(names) < b.total/pageSize+3 || b.listsHaveMembers && len(names) <= fewLookups)
}

func (b *groupKnowledge) isShared(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.duplicateNames[name]
}

// probeMemberFilter tests whether the service filters on members: whether it
// finds a group by one of its members and does not find it by its own ID, which
// cannot be a member.
func (c *Connector) probeMemberFilter(ctx context.Context) error {
	b := &c.bundles
	b.mu.Lock()
	group, member, settled := b.group, b.member, b.members || b.broken || b.nested
	b.mu.Unlock()
	if settled || group == "" || c.traits.is(NoFilter) {
		return nil
	}
	in, ok, err := c.groupsOf(ctx, member)
	if ok && !in[group] {
		return nil // the member may have left the group
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
// members.value (RFC 7644 §3.4.2.2). ok is false when the service did not answer
// it, or not completely.
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
		return nil, false, nil //nolint:nilerr // an answer that is no list cannot be used
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
	c.bundles.noteMembers(g.id(), members)
	in := make(map[string]bool, len(members))
	for _, m := range members {
		if !m.group {
			in[m.id] = true
		}
	}
	return in, nil
}

package scim

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

// maxOperations is how many members one request adds or removes.
const maxOperations = 100

const changeMembers = "change a group's members"

// group is a group as last read.
type group struct {
	id      string
	members map[string]bool // nil when they must be read again
	byPut   []work          // changes that were sent with PUT
}

// members carries out changes of one group, each of a different account.
func (r *run) members(ctx context.Context, todo []work) {
	end := func(todo []work, result connectors.Result) {
		for _, w := range todo {
			*w.result = result
		}
		r.failed(result.Err)
	}
	if err := r.stopped(ctx); err != nil {
		end(todo, failed(err))
		return
	}
	g, why, err := r.group(ctx, todo[0].Entitlement)
	switch {
	case err != nil:
		end(todo, failed(err))
		return
	case g == nil:
		end(todo, refused("%s", why))
		return
	}
	todo = r.skipApplied(ctx, g, todo)
	if len(todo) == 0 {
		return
	}
	for chunk := range slices.Chunk(todo, maxOperations) {
		r.send(ctx, g, chunk)
	}
	r.verify(ctx, g, todo)
}

// skipApplied sets the result of the changes that need no request, and returns
// the others.
func (r *run) skipApplied(ctx context.Context, g *group, todo []work) []work {
	var open, unknown []work
	for _, w := range todo {
		switch id := w.Account.ID; {
		case g.members[id] == (w.Op == connectors.AddMember):
			*w.result = alreadySo()
		case w.Op == connectors.AddMember && !r.isKnown(id):
			unknown = append(unknown, w)
		default:
			open = append(open, w)
		}
	}
	// Not every service checks that a member is one of its accounts.
	limit.SideBySide(r.c.limiter.Concurrent(), unknown, func(w work) {
		err := r.stopped(ctx)
		if err == nil {
			var user resource
			user, err = r.c.byID(ctx, users, w.Account.ID)
			r.setExists(w.Account.ID, user != nil)
		}
		if err != nil {
			*w.result = failed(err)
			r.failed(err)
		}
	})
	for _, w := range unknown {
		switch {
		case w.result.Err != nil:
		case r.isKnown(w.Account.ID):
			open = append(open, w)
		default:
			*w.result = refused("no such account")
		}
	}
	return open
}

func (r *run) isKnown(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exists[id]
}

// send requests changes of one group's members. When the service refuses all of
// them, send halves the request until the refusal concerns one change.
func (r *run) send(ctx context.Context, g *group, todo []work) {
	a, err := r.change(ctx, g, todo)
	switch {
	case err != nil:
		r.failed(err)
		for _, w := range todo {
			*w.result = failed(err)
		}
	case a.ok():
	case a.isNotFound():
		for _, w := range todo {
			*w.result = refused("the group was deleted meanwhile")
		}
	case len(todo) > 1:
		// Additions and removals are sent apart, as some services support only
		// one of them.
		adds := slices.IndexFunc(todo, func(w work) bool { return w.Op == connectors.AddMember })
		half := len(todo) / 2
		if removes := slices.IndexFunc(todo, func(w work) bool { return w.Op != connectors.AddMember }); adds >= 0 && removes >= 0 {
			todo = slices.Clone(todo)
			slices.SortStableFunc(todo, func(a, b work) int { return strings.Compare(string(a.Op), string(b.Op)) })
			half = 1 + slices.IndexFunc(todo[1:], func(w work) bool { return w.Op != todo[0].Op })
		}
		r.send(ctx, g, todo[:half])
		r.send(ctx, g, todo[half:])
	default:
		*todo[0].result = a.refusal()
		if a.status == http.StatusNotImplemented && todo[0].Op == connectors.RemoveMember {
			todo[0].result.Detail += removalHint
		}
	}
}

// removalHint is for services such as django-scim2, which remove members in
// another way than the standard; other services would take that for the removal
// of all members.
const removalHint = "; if it removes members by a list of values, as django-scim2 does, set quirks: [member-removal-by-value-array]"

// change sends one request for changes of a group's members. Each removal names
// its member: without that it removes all members (RFC 7644 §3.5.2.2).
func (r *run) change(ctx context.Context, g *group, todo []work) (*answer, error) {
	if err := r.stopped(ctx); err != nil {
		return nil, err
	}
	var operations []operation
	var added []any
	var removed []string
	for _, w := range todo {
		if w.Op == connectors.AddMember {
			added = append(added, map[string]any{"value": w.Account.ID})
		} else {
			removed = append(removed, w.Account.ID)
		}
	}
	operations = append(operations, r.removals(removed)...)
	if len(added) > 0 {
		operations = append(operations, operation{Op: "add", Path: "members", Value: added})
	}
	a, err := r.c.patch(ctx, changeMembers, groups, g.id, "", operations)
	// A service that does not understand such a path gets the whole group with
	// PUT; a removal without a member is never sent.
	switch {
	case err != nil, a != nil && (!a.isPathError() || len(removed) == 0):
		return a, err
	case a == nil && !r.c.patchUnavailable(groups) && len(added) > 0 && len(removed) > 0:
		return &answer{status: http.StatusNotImplemented}, nil // each separately: one of the two may be supported
	case r.c.traits.is(MemberlessPut) && !r.c.patchUnavailable(groups):
		if a == nil {
			r.c.traits.putInstead(groups, operations, false)
			a = &answer{status: http.StatusNotImplemented}
		}
		return a, nil
	}
	g.byPut = append(g.byPut, todo...)
	if a, err = r.put(ctx, g, todo); err == nil && !a.ok() {
		r.c.traits.putInstead(groups, operations, false)
	}
	return a, err
}

// removals returns the operations that remove members, each by its ID.
func (r *run) removals(ids []string) []operation {
	if r.c.traits.is(ValueArrays) && len(ids) > 0 {
		var named []any
		for _, id := range ids {
			named = append(named, map[string]any{"value": id})
		}
		return []operation{{Op: "remove", Path: "members", Value: named}}
	}
	var operations []operation
	for _, id := range ids {
		operations = append(operations, operation{Op: "remove", Path: "members[" + equals("value", id) + "]"})
	}
	return operations
}

// put replaces a whole group, for services without PATCH. It starts from the
// group's current members, as a PUT removes the members that it omits.
func (r *run) put(ctx context.Context, g *group, todo []work) (*answer, error) {
	now, err := r.c.byID(ctx, groups, g.id)
	if err != nil {
		return nil, err
	}
	if now == nil {
		return &answer{status: http.StatusNotFound}, nil
	}
	if _, _, err := now.members(); err != nil {
		return nil, connectors.Errorf(connectors.Permanent, "scim: group %s: %w", g.id, err)
	}
	next := now.clone()
	key := next.key("members")
	list, _ := next[key].([]any)
	for _, w := range todo {
		id := w.Account.ID
		list = slices.DeleteFunc(list, func(m any) bool { return text(asObject(m).field("value")) == id })
		if w.Op == connectors.AddMember {
			list = append(list, map[string]any{"value": id})
		}
	}
	next[key] = list
	return r.c.put(ctx, changeMembers, groups, now, next)
}

// verify reads the group and sets the result of each change by whether it took
// effect.
func (r *run) verify(ctx context.Context, g *group, todo []work) {
	g.members = nil
	err := r.stopped(ctx)
	if err == nil {
		err = r.read(ctx, g)
		r.failed(err)
	}
	nothing := err == nil && r.putHasNoEffect(g)
	for _, w := range todo {
		switch is := g.members[w.Account.ID]; {
		case err != nil && w.result.Err == nil:
			*w.result = failed(err)
		case err != nil:
		case is == (w.Op == connectors.AddMember):
			*w.result = applied()
		case w.result.Err == nil && w.result.Status == "":
			*w.result = refused("the service accepted the change but the group is unchanged")
			if nothing && w.Op == connectors.RemoveMember {
				w.result.Detail += removalHint
			}
		}
	}
}

// putHasNoEffect reports whether no change of a group that was sent with PUT took
// effect, and then makes the connector use PATCH again.
func (r *run) putHasNoEffect(g *group) bool {
	put := g.byPut
	g.byPut = nil
	if len(put) == 0 || slices.ContainsFunc(put, func(w work) bool { return g.members[w.Account.ID] == (w.Op == connectors.AddMember) }) {
		return false
	}
	r.c.traits.patchAgain(groups)
	return true
}

// read reads a group's members; none when it is gone.
func (r *run) read(ctx context.Context, g *group) error {
	found, err := r.c.byID(ctx, groups, g.id)
	if err != nil {
		return err
	}
	list, _, err := found.members()
	if err != nil {
		return connectors.Errorf(connectors.Permanent, "scim: group %s: %w", g.id, err)
	}
	r.c.bundles.noteMembers(g.id, list)
	g.members = make(map[string]bool, len(list))
	for _, m := range list {
		if !m.group {
			g.members[m.id] = true
		}
	}
	return nil
}

// group finds the group of that name, with its members. It reads them once in an
// Apply, as groups may be large. Without a group it returns why.
func (r *run) group(ctx context.Context, name string) (g *group, why string, err error) {
	if name == "" {
		return nil, "the group has no name", nil
	}
	r.mu.Lock()
	g, known := r.groups[name]
	r.mu.Unlock()
	if !known {
		if g, why, err = r.find(ctx, name); err != nil || g == nil && why != noGroup {
			return nil, why, err
		}
		r.mu.Lock()
		r.groups[name] = g
		r.mu.Unlock()
	}
	if g == nil {
		return nil, noGroup, nil
	}
	if g.members == nil {
		if err := r.read(ctx, g); err != nil {
			return nil, "", err
		}
	}
	return g, "", nil
}

const noGroup = "no such group"

func (r *run) find(ctx context.Context, name string) (*group, string, error) {
	var found []resource
	if filterable(name) {
		hits, _, err := r.c.filtered(ctx, groups, "displayName", name)
		if err != nil {
			return nil, "", err
		}
		found = named(hits, name)
	}
	if len(found) == 0 {
		// A service that cannot filter by displayName may answer that there is
		// none.
		_, err := r.c.list(ctx, groups, map[string][]string{"excludedAttributes": {"members"}}, func(g resource) error {
			found = append(found, named([]resource{g}, name)...)
			return nil
		})
		if err != nil {
			return nil, "", err
		}
	}
	switch len(found) {
	case 0:
		return nil, noGroup, nil
	case 1:
		return &group{id: found[0].id()}, "", nil
	}
	return nil, "more than one group has that name: rename all but one", nil
}

// nameKey returns the same key for all names of groups that are equal:
// displayName is not caseExact (RFC 7643 §8.7.1).
func nameKey(name string) string { return connectors.MatchIgnoreCase.Canonical([]string{name})[0] }

func named(list []resource, name string) []resource {
	return slices.DeleteFunc(slices.Clone(list), func(g resource) bool { return nameKey(text(g.field("displayName"))) != nameKey(name) })
}

package scim

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/behov/behov/connectors"
)

// entitlements emits those of the entitlements that exist, and which of the found
// accounts have them.
func (f *accountReading) entitlements(ctx context.Context, names []string, sink connectors.Sink) (connectors.Completeness, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	found, complete, err := f.readGroups(ctx, names)
	if err != nil {
		return connectors.Completeness{}, err
	}
	var single []resource
	for _, name := range names {
		if len(found[name]) == 1 {
			single = append(single, found[name][0])
		}
	}
	has, err := f.memberships(ctx, single)
	if err != nil {
		return connectors.Completeness{}, err
	}
	for _, name := range names {
		if len(found[name]) == 0 {
			continue
		}
		ambiguous := len(found[name]) > 1
		e := connectors.Entitlement{Name: name, Ambiguous: ambiguous}
		if !ambiguous {
			e.ID, e.Mark = found[name][0].id(), groupMark(found[name][0])
		}
		if err := sink.Entitlement(e); err != nil {
			return connectors.Completeness{}, err
		}
		if ambiguous {
			continue
		}
		for _, u := range f.users {
			if !has[membership{found[name][0].id(), u.id()}] {
				continue
			}
			if err := sink.Membership(connectors.Membership{Entitlement: name, AccountID: u.id()}); err != nil {
				return connectors.Completeness{}, err
			}
		}
	}
	return complete, nil
}

// readGroups finds the groups by their names. Whether there is one group of a
// name, several or none, it takes from filters where they can be trusted, and
// otherwise from a list of all groups.
func (f *accountReading) readGroups(ctx context.Context, names []string) (map[string][]resource, connectors.Completeness, error) {
	complete := connectors.Completeness{Complete: true}
	if len(names) == 0 {
		return nil, complete, nil
	}
	found, ok, err := f.groupsByFilter(ctx, names)
	if ok || err != nil && !aboutFilter(err) {
		return found, complete, err
	}
	found = map[string][]resource{}
	count := map[string]int{}
	byKey := map[string][]string{}
	for _, name := range names {
		byKey[nameKey(name)] = append(byKey[nameKey(name)], name)
	}
	complete, err = f.c.list(ctx, groups, map[string][]string{"excludedAttributes": {"members"}}, func(g resource) error {
		name := text(g.field("displayName"))
		count[name]++
		for _, wanted := range byKey[nameKey(name)] {
			found[wanted] = append(found[wanted], g)
		}
		return nil
	})
	if err == nil && complete.Complete {
		f.c.bundles.noteNames(count)
	}
	return found, complete, err
}

// groupsByFilter finds the groups by filters. ok is false when filters cannot be
// trusted.
func (f *accountReading) groupsByFilter(ctx context.Context, names []string) (found map[string][]resource, ok bool, err error) {
	if f.c.traits.is(NoFilter) || !f.c.bundles.prefersFilter(names, f.c.pageSize()) || slices.ContainsFunc(names, needsEscape) {
		return nil, false, nil
	}
	all, err := f.filterEach(ctx, groups, "displayName", names)
	if err != nil {
		return nil, false, err
	}
	found = map[string][]resource{}
	missing := false
	for i, h := range all {
		name, list := names[i], named(h.list, names[i])
		switch {
		case !h.ok,
			len(list) == 1 && f.c.bundles.isShared(name),
			len(list) > 1 && list[0].id() == list[1].id():
			return nil, false, nil
		case len(list) == 0:
			missing = true
		default:
			f.c.bundles.noteFilterHit()
		}
		found[name] = list
	}
	return found, !missing || f.c.bundles.believed().named, nil
}

// needsEscape reports whether a filter must escape characters of the value, which
// not every service supports.
func needsEscape(v string) bool {
	return strings.ContainsAny(v, `"\`) || strings.ContainsFunc(v, unicode.IsControl)
}

// membership is an account in a group, by their IDs.
type membership struct{ group, user string }

// memberships returns which of the groups the accounts are in.
func (f *accountReading) memberships(ctx context.Context, bundles []resource) (map[membership]bool, error) {
	has := map[membership]bool{}
	note := func(group string, open []foundUser, in map[string]bool) {
		for _, u := range open {
			if in[u.id()] {
				has[membership{group, u.id()}] = true
			}
		}
	}
	var large []resource // groups whose members were not in the list
	for _, g := range bundles {
		in, err := f.c.membersIn(g)
		if err != nil {
			return nil, err
		}
		if len(in) == 0 { // no members, or not shown
			large = append(large, g)
			continue
		}
		f.c.bundles.sentMembers()
		note(g.id(), f.users, in)
	}
	if len(large) == 0 || len(f.users) == 0 {
		return has, nil
	}
	open, err := f.membershipsFromUsers(ctx, large, has)
	if err != nil || len(open) == 0 {
		return has, err
	}
	whole, err := forEach(f.c, large, func(g resource) (map[string]bool, error) {
		read, err := f.c.byID(ctx, groups, g.id())
		if err != nil {
			return nil, err
		}
		return f.c.membersIn(read)
	})
	if err != nil {
		return nil, err
	}
	for i, in := range whole {
		note(large[i].id(), open, in)
	}
	return has, nil
}

// membershipsFromUsers records which of the groups the users are in as far as the
// users' own groups attribute shows it, and returns the users for whom it does
// not.
func (f *accountReading) membershipsFromUsers(ctx context.Context, bundles []resource, has map[membership]bool) (open []foundUser, err error) {
	note := func(u foundUser, in map[string]bool) {
		for _, g := range bundles {
			if in[g.id()] {
				has[membership{g.id(), u.id()}] = true
			}
		}
	}
	believed := f.c.bundles.believed()
	for _, u := range f.users {
		in, said := u.ownGroups()
		// A user in no group need not have the attribute (RFC 7643 §2.5); but a
		// user read by ID may always lack it.
		malformed := !said && u.field("groups") != nil
		if !believed.own || malformed || len(in) == 0 && u.single && !believed.single {
			open = append(open, u)
		} else {
			note(u, in)
		}
	}
	if len(open) == 0 || len(open) > fewLookups {
		return open, nil
	}
	if err := f.c.probeMemberFilter(ctx); err != nil || !f.c.bundles.believed().members {
		return open, err
	}
	answers, err := forEach(f.c, open, func(u foundUser) (map[string]bool, error) {
		in, ok, err := f.c.groupsOf(ctx, u.id())
		if !ok {
			in = nil
		}
		if aboutFilter(err) {
			err = nil
		}
		return in, err
	})
	if err != nil {
		return nil, err
	}
	var rest []foundUser
	for i, u := range open {
		if answers[i] == nil {
			rest = append(rest, u)
			continue
		}
		note(u, answers[i])
	}
	return rest, nil
}

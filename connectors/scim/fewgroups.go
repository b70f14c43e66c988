package scim

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/behov/behov/connectors"
)

// entitlements passes on which of the entitlements there are, and which of
// them the accounts that were found have.
func (f *few) entitlements(ctx context.Context, names []string, sink connectors.Sink) (connectors.Completeness, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	found, complete, err := f.bundles(ctx, names)
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
		if err := sink.Entitlement(connectors.Entitlement{Name: name, Ambiguous: ambiguous}); err != nil {
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

// bundles finds the groups that have the names, by their names. That there is
// but one, or none, it takes from filters where they can be believed, and
// otherwise from a list of all groups.
func (f *few) bundles(ctx context.Context, names []string) (map[string][]resource, connectors.Completeness, error) {
	complete := connectors.Completeness{Complete: true}
	if len(names) == 0 {
		return nil, complete, nil
	}
	found, ok, err := f.bundlesByFilter(ctx, names)
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
		f.c.bundles.sawNames(count)
	}
	return found, complete, err
}

// bundlesByFilter does so by filters. ok is false when they cannot be believed.
func (f *few) bundlesByFilter(ctx context.Context, names []string) (found map[string][]resource, ok bool, err error) {
	if f.c.traits.is(NoFilter) || !f.c.bundles.byName(names, f.c.pageSize()) || slices.ContainsFunc(names, escaped) {
		return nil, false, nil
	}
	all, err := f.ask(ctx, groups, "displayName", names)
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
			f.c.bundles.found()
		}
		found[name] = list
	}
	return found, !missing || f.c.bundles.believed().named, nil
}

// escaped says whether a filter must escape something in the value: not every
// service reads that.
func escaped(v string) bool {
	return strings.ContainsAny(v, `"\`) || strings.ContainsFunc(v, unicode.IsControl)
}

// membership is an account in a group, by their IDs.
type membership struct{ group, user string }

// memberships finds out which of the groups the accounts are in.
func (f *few) memberships(ctx context.Context, bundles []resource) (map[membership]bool, error) {
	has := map[membership]bool{}
	note := func(group string, open []person, in map[string]bool) {
		for _, u := range open {
			if in[u.id()] {
				has[membership{group, u.id()}] = true
			}
		}
	}
	var large []resource // those whose members did not come along
	for _, g := range bundles {
		in, err := f.c.membersIn(g)
		if err != nil {
			return nil, err
		}
		if len(in) == 0 { // none, or not shown
			large = append(large, g)
			continue
		}
		f.c.bundles.sentMembers()
		note(g.id(), f.users, in)
	}
	if len(large) == 0 || len(f.users) == 0 {
		return has, nil
	}
	open, err := f.askUsers(ctx, large, has)
	if err != nil || len(open) == 0 {
		return has, err
	}
	whole, err := each(f.c, large, func(g resource) (map[string]bool, error) {
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

// askUsers notes which of the groups the users are in as far as that can be
// had from the users' side, and returns the users of whom it cannot.
func (f *few) askUsers(ctx context.Context, bundles []resource, has map[membership]bool) (open []person, err error) {
	note := func(u person, in map[string]bool) {
		for _, g := range bundles {
			if in[g.id()] {
				has[membership{g.id(), u.id()}] = true
			}
		}
	}
	believed := f.c.bundles.believed()
	for _, u := range f.users {
		in, said := u.ownGroups()
		// Who is in no group need not have the attribute (RFC 7643 §2.5); but
		// when a user is read by ID it may always be left out.
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
	if err := f.c.tryMembers(ctx); err != nil || !f.c.bundles.believed().members {
		return open, err
	}
	answers, err := each(f.c, open, func(u person) (map[string]bool, error) {
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
	var rest []person
	for i, u := range open {
		if answers[i] == nil {
			rest = append(rest, u)
			continue
		}
		note(u, answers[i])
	}
	return rest, nil
}

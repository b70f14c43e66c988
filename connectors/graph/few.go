package graph

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// ReadAccounts implements connectors.AccountReader. What it costs grows with
// what is asked for, and not with the tenant: a request or two for each account
// and one for its memberships, and one for fifteen groups, twenty of them to a
// batch. Nothing is kept for the next time: a group that was renamed since
// would give another's members.
//
// An account is read by its ID, which Graph answers from the directory itself;
// filters, which lag behind, only say which IDs to read. What was created,
// adopted, restored or named here a short while ago is read whether or not a
// filter finds it, and when Graph does not know it yet the reading fails and is
// to be tried later, rather than to be complete without.
func (c *Connector) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	s := c.reading(sink)
	if err := s.few(ctx, refs); err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.namedLicences(ctx, entitlements); err != nil {
		return connectors.Completeness{}, err
	}
	list, err := c.groupsNamed(ctx, entitlements)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.announce(list); err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.memberships(ctx, list); err != nil {
		return connectors.Completeness{}, err
	}
	if err := ctx.Err(); err != nil {
		return connectors.Completeness{}, err
	}
	return s.completeness(), nil
}

// few reads the users that are referred to. One that is not there is not, and
// one that was created here a moment ago is, for which see settled.
func (s *reading) few(ctx context.Context, refs []connectors.AccountRef) error {
	ids, err := s.c.referred(ctx, refs)
	if err != nil {
		return err
	}
	requests := make([]request, len(ids))
	for i, id := range ids {
		requests[i] = s.c.build.getUser(id, s.c.userSelection(), s.c.userExpansion())
	}
	for i, r := range s.c.settled(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
		p, err := s.c.person(ids[i], r)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		if err := s.person(*p); err != nil {
			return err
		}
	}
	return nil
}

// referred are the IDs of all users that references may mean. Graph's filters
// disregard case: there may be more than are meant.
func (c *Connector) referred(ctx context.Context, refs []connectors.AccountRef) ([]string, error) {
	ids := map[string]bool{}
	filters := map[string]bool{}
	var requests []request
	seek := func(p property, value string) {
		// $expand is not to be had with a filter that is an advanced query
		// (https://learn.microsoft.com/graph/aad-advanced-queries).
		if q := c.build.findUsers(p, value, []string{"id"}); !filters[q.url] {
			filters[q.url] = true
			requests = append(requests, q)
		}
	}
	for _, ref := range refs {
		if isID(ref.ID) {
			ids[strings.ToLower(ref.ID)] = true
		}
		if c.badAnchor(ref.Anchor) == "" {
			ids[strings.ToLower(c.idOf(ref.Anchor))] = true
			seek(c.anchor, ref.Anchor)
		}
		if canBeFound(ref.Name) {
			upn := c.longName(ref.Name)
			ids[strings.ToLower(c.idNamed(upn))] = true
			seek(properties["userPrincipalName"], upn)
		}
	}
	delete(ids, "") // of nobody who is fresh
	for i, r := range c.all(ctx, requests) {
		err := r.err
		if err == nil {
			err = continued[models.UserCollectionResponseable](ctx, c, requests[i], r.answer, models.CreateUserCollectionResponseFromDiscriminatorValue, func(u models.Userable) error {
				if u.GetId() == nil || !isID(*u.GetId()) {
					return connectors.Errorf(connectors.Permanent, "graph: %s: one comes without an object ID", requests[i].doing)
				}
				ids[strings.ToLower(*u.GetId())] = true
				return nil
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// canBeFound says whether somebody may have such a user principal name. Old and
// synced ones keep to fewer rules than those that are given from here.
func canBeFound(name string) bool {
	const longest = 1024
	return name != "" && len(name) <= longest && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// namedLicences emits those of the licences that are named, and who of the
// accounts that were read has them.
func (s *reading) namedLicences(ctx context.Context, names []string) error {
	isLicence := func(name string) bool { return strings.HasPrefix(name, licencePrefix) }
	if !s.c.cfg.Licences || !slices.ContainsFunc(names, isLicence) {
		return nil
	}
	skus, err := s.c.skus(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(skus, func(part string, _ uuid.UUID) bool { return !slices.Contains(names, licencePrefix+part) })
	return s.emitLicences(skus)
}

// groupsNamed reads the groups that names may mean, with all others that have
// the name of one of them: then name makes of these what it makes of all.
func (c *Connector) groupsNamed(ctx context.Context, names []string) ([]group, error) {
	var ids, plain []string
	asked := map[string]bool{}
	for _, name := range names {
		switch {
		case asked[name]:
		case isID(name):
			ids = append(ids, name)
		case canBeName(name):
			plain = append(plain, name)
		}
		asked[name] = true
	}
	byIDs, err := c.groupsBy(ctx, c.build.groupsWhere("id", ids))
	if err != nil || c.cfg.GroupNames == byID {
		return byIDs, err
	}
	for _, g := range byIDs {
		if g.Name != "" && !asked[g.Name] {
			asked[g.Name] = true
			plain = append(plain, g.Name)
		}
	}
	list, err := c.groupsBy(ctx, c.build.groupsWhere("displayName", plain))
	if err != nil {
		return nil, err
	}
	for _, g := range byIDs {
		if !slices.ContainsFunc(list, func(other group) bool { return other.ID == g.ID }) {
			list = append(list, g)
		}
	}
	return list, nil
}

// groupsBy reads the groups that requests find.
func (c *Connector) groupsBy(ctx context.Context, requests []request) ([]group, error) {
	var list []group
	seen := map[string]bool{}
	for i, r := range c.all(ctx, requests) {
		err := r.err
		if err == nil {
			err = continued[models.GroupCollectionResponseable](ctx, c, requests[i], r.answer, models.CreateGroupCollectionResponseFromDiscriminatorValue, func(g models.Groupable) error {
				one := groupOf(g)
				if !isID(one.ID) {
					return connectors.Errorf(connectors.Permanent, "graph: %s: a group comes without an object ID", requests[i].doing)
				}
				if !seen[one.ID] {
					seen[one.ID] = true
					list = append(list, one)
				}
				return nil
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// memberships emits which of the groups the accounts that were read are in
// themselves: checkMemberGroups would tell of those they are in through others
// as well. Of groups whose membership is hidden an account's memberships say
// nothing unless the application has Member.Read.Hidden, and do not say that
// they do not (https://learn.microsoft.com/graph/api/user-list-memberof): those
// are read with their members, as a snapshot does, and so are all when the
// application may read groups but not a user's.
func (s *reading) memberships(ctx context.Context, list []group) error {
	ids := slices.Sorted(maps.Keys(s.accounts))
	var open, hidden []group
	for _, g := range list {
		if g.hidden {
			hidden = append(hidden, g)
		} else {
			open = append(open, g)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if len(open) > 0 {
		members, err := s.c.membersAmong(ctx, ids)
		switch {
		case errors.Is(err, errForbidden):
			hidden, open = list, nil
		case err != nil:
			return err
		}
		for _, g := range open {
			if err := s.emit(g, members[g.ID]); err != nil {
				return err
			}
		}
	}
	return s.members(ctx, hidden)
}

// membersAmong returns who of some users is in which group, by the group's ID.
func (c *Connector) membersAmong(ctx context.Context, ids []string) (map[string][]member, error) {
	requests := make([]request, len(ids))
	for i, id := range ids {
		requests[i] = c.build.memberOf(id)
	}
	all := map[string][]member{}
	for i, r := range c.settled(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
		if r.err != nil {
			return nil, r.err
		}
		if r.gone() {
			continue // deleted while we read
		}
		in, err := c.allMembers(ctx, requests[i], r.answer)
		if err != nil {
			return nil, err
		}
		for _, g := range in {
			all[g.id] = append(all[g.id], member{ids[i], true})
		}
	}
	return all, nil
}

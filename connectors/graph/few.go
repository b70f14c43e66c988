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

// ReadAccounts implements connectors.AccountReader. Its cost grows with the
// number of references, and not with the tenant: one or two requests for each
// account, one for its memberships, and one for fifteen groups, in batches of
// twenty requests. It caches nothing: a group that was renamed since would return
// another group's members.
//
// It reads an account by its ID, which Graph answers from the directory itself;
// filters, which lag behind, only return the IDs to read. Accounts that this
// connector created, adopted, restored or renamed recently are read even when no
// filter finds them. When Graph does not know such an account yet, the reading
// fails with RetryLater instead of being complete without it.
func (c *Connector) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	s := c.reading(sink)
	if err := s.readReferenced(ctx, refs); err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.namedLicences(ctx, entitlements); err != nil {
		return connectors.Completeness{}, err
	}
	list, err := c.groupsNamed(ctx, entitlements)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := s.emitGroups(list); err != nil {
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

// readReferenced reads the referenced users. A user that does not exist is left
// out; for recently created ones see sendWithPropagation.
func (s *reading) readReferenced(ctx context.Context, refs []connectors.AccountRef) error {
	ids, err := s.c.resolveRefs(ctx, refs)
	if err != nil {
		return err
	}
	requests := make([]request, len(ids))
	for i, id := range ids {
		requests[i] = s.c.build.getUser(id, s.c.userSelection(), s.c.userExpansion())
	}
	for i, r := range s.c.sendWithPropagation(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
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

// resolveRefs returns the IDs of all users that the references may mean. Graph's
// filters ignore case, so there may be more than are meant.
func (c *Connector) resolveRefs(ctx context.Context, refs []connectors.AccountRef) ([]string, error) {
	ids := map[string]bool{}
	filters := map[string]bool{}
	var requests []request
	seek := func(p property, value string) {
		// $expand cannot be combined with a filter that is an advanced query
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
		if c.invalidAnchor(ref.Anchor) == "" {
			ids[strings.ToLower(c.idOf(ref.Anchor))] = true
			seek(c.anchor, ref.Anchor)
		}
		if canBeFound(ref.Name) {
			upn := c.longName(ref.Name)
			ids[strings.ToLower(c.idNamed(upn))] = true
			seek(properties["userPrincipalName"], upn)
		}
	}
	delete(ids, "") // of recently created users without an ID
	for i, r := range c.all(ctx, requests) {
		err := r.err
		if err == nil {
			err = continued[models.UserCollectionResponseable](ctx, c, requests[i], r.answer, models.CreateUserCollectionResponseFromDiscriminatorValue, func(u models.Userable) error {
				if u.GetId() == nil || !isID(*u.GetId()) {
					return connectors.Errorf(connectors.Permanent, "graph: %s: an object in the answer has no ID", requests[i].doing)
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

// canBeFound reports whether a user may have such a user principal name. Old and
// synchronised ones follow fewer rules than new ones.
func canBeFound(name string) bool {
	const longest = 1024
	return name != "" && len(name) <= longest && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// namedLicences emits those of the named licences that exist, and which of the
// read accounts have them.
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

// groupsNamed reads the groups that the names may mean, with all other groups of
// the same names, so that name returns the same as for a list of all groups.
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
					return connectors.Errorf(connectors.Permanent, "graph: %s: a group in the answer has no ID", requests[i].doing)
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

// memberships emits which of the groups the read accounts are direct members of;
// checkMemberGroups would include indirect ones. An account's memberships do not
// show groups with hidden membership unless the application has
// Member.Read.Hidden (https://learn.microsoft.com/graph/api/user-list-memberof).
// These groups are read with their members, as in a snapshot, and so are all
// groups when the application may read groups but not a user's memberships.
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

// membersAmong returns which of the users are members of which group, by the
// group's ID.
func (c *Connector) membersAmong(ctx context.Context, ids []string) (map[string][]member, error) {
	requests := make([]request, len(ids))
	for i, id := range ids {
		requests[i] = c.build.memberOf(id)
	}
	all := map[string][]member{}
	for i, r := range c.sendWithPropagation(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
		if r.err != nil {
			return nil, r.err
		}
		if r.gone() {
			continue // deleted during the reading
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

package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// maxIn is the maximum of values in one $filter with in
// (https://learn.microsoft.com/graph/filter-query-parameter).
const maxIn = 15

func typeOf(u models.Userable) string {
	if t := u.GetUserType(); t != nil {
		return *t
	}
	return ""
}

// guestMarker is in the user principal name of an invited user
// (https://learn.microsoft.com/entra/external-id/user-properties).
const guestMarker = "#EXT#"

func isExternal(name string) bool { return strings.Contains(strings.ToUpper(name), guestMarker) }

// isOutOfScope reports whether a user is a guest and guests are not managed.
func (c *Connector) isOutOfScope(k knownUser) bool {
	return !c.cfg.Guests && (strings.EqualFold(k.Type, "Guest") || isExternal(k.Name))
}

func (c *Connector) outsideUser(u models.Userable) bool {
	k := knownUser{Type: typeOf(u)}
	if upn := u.GetUserPrincipalName(); upn != nil {
		k.Name = *upn
	}
	return c.isOutOfScope(k)
}

// inScope refuses changes of guests' accounts, and returns the others. It reads
// many users at a time, as some changes would otherwise be made without reading
// the user. Accounts that this connector created are no guests.
func (r *run) inScope(ctx context.Context, todo []work) []work {
	if r.c.cfg.Guests {
		return todo
	}
	var ids []string
	asked := map[string]bool{}
	for _, w := range todo {
		if id := w.Account.ID; isID(id) && !asked[id] && !r.c.isFresh(id) {
			asked[id] = true
			ids = append(ids, id)
		}
	}
	chunks := slices.Collect(slices.Chunk(ids, maxIn))
	guests, errs := map[string]bool{}, map[string]error{}
	for i, err := range r.c.usersIn(ctx, "id", chunks, func(u models.Userable) {
		if id := u.GetId(); id != nil && r.c.outsideUser(u) {
			guests[strings.ToLower(*id)] = true
		}
	}) {
		r.note(err)
		for _, id := range chunks[i] {
			errs[id] = err
		}
	}
	return slices.DeleteFunc(slices.Clone(todo), func(w work) bool {
		err := errs[w.Account.ID]
		switch {
		case err != nil:
			w.end(failed(err))
		case guests[strings.ToLower(w.Account.ID)]:
			w.end(refused(isGuest))
		default:
			return false
		}
		return true
	})
}

// usersIn calls each with the users that have one of the values, and returns the
// error of every chunk.
func (c *Connector) usersIn(ctx context.Context, name string, chunks [][]string, each func(models.Userable)) []error {
	requests := make([]request, len(chunks))
	for i, values := range chunks {
		requests[i] = c.build.usersIn(name, values)
	}
	errs := make([]error, len(chunks))
	for i, r := range c.all(ctx, requests) {
		if errs[i] = r.err; r.err != nil {
			continue
		}
		errs[i] = continued[models.UserCollectionResponseable](ctx, c, requests[i], r.answer, models.CreateUserCollectionResponseFromDiscriminatorValue,
			func(u models.Userable) error { each(u); return nil })
	}
	return errs
}

// TakenNames implements connectors.NameChecker. A user principal name is unique
// in the whole tenant, guests included. The name of a deleted user is free: Graph
// releases it at once, and requires another name when the user is restored and
// the name is taken by then
// (https://learn.microsoft.com/graph/api/directory-deleteditems-restore).
func (c *Connector) TakenNames(ctx context.Context, names []string) (map[string]bool, error) {
	given := map[string][]string{} // as given, by user principal name
	var upns []string
	for _, name := range names {
		upn, why := c.upn(name)
		if why != "" {
			continue // no user can have it
		}
		key := strings.ToLower(upn)
		if given[key] == nil {
			upns = append(upns, key)
		}
		given[key] = append(given[key], name)
	}
	taken := map[string]bool{}
	for _, err := range c.usersIn(ctx, "userPrincipalName", slices.Collect(slices.Chunk(upns, maxIn)), func(u models.Userable) {
		if upn := u.GetUserPrincipalName(); upn != nil {
			for _, name := range given[strings.ToLower(*upn)] {
				taken[name] = true
			}
		}
	}) {
		if err != nil {
			return nil, err
		}
	}
	return taken, nil
}

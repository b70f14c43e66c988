package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// userState is a user as just read.
type userState struct {
	connectors.Account
	user models.Userable
}

// applySelection returns the properties to read of a user before a change.
func (c *Connector) applySelection() []string {
	sel := c.userSelection()
	for _, name := range []string{"mailNickname", "usageLocation"} {
		if !slices.Contains(sel, name) {
			sel = append(sel, name)
		}
	}
	return sel
}

// readUsers reads the accounts of the changes. Changes of an account that does
// not exist or cannot be read get their result here; missing returns the result
// for one that does not exist.
func (r *run) readUsers(ctx context.Context, todo []work, missing func(work) connectors.Result) (found []work, people map[string]userState) {
	people = map[string]userState{}
	var ids []string
	var requests []request
	asked := map[string]bool{}
	for _, w := range todo {
		if id := w.Account.ID; isID(id) && !asked[id] {
			asked[id] = true
			ids, requests = append(ids, id), append(requests, r.c.build.getUser(id, r.c.applySelection(), r.c.userExpansion()))
		}
	}
	errs := map[string]error{}
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
		p, err := r.c.person(ids[i], reply)
		r.note(err)
		errs[ids[i]] = err
		if p != nil {
			people[ids[i]] = *p
		}
	}
	for _, w := range todo {
		p, there := people[w.Account.ID]
		switch err := errs[w.Account.ID]; {
		case err != nil:
			w.end(failed(err))
		case !there:
			w.end(missing(w))
		case r.c.isOutOfScope(knownUser{p.Account, typeOf(p.user)}):
			w.end(refused(isGuest))
		default:
			found = append(found, w)
		}
	}
	return found, people
}

// person returns the user in a reply, or nil when there is none.
func (c *Connector) person(id string, r reply) (*userState, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case r.gone():
		return nil, nil
	case !r.ok():
		return nil, c.unexpected("read a user", r.answer)
	}
	u, err := decode[models.Userable](r.answer, models.CreateUserFromDiscriminatorValue)
	if err != nil {
		return nil, connectors.Errorf(connectors.RetryLater, "graph: read a user: %w", err)
	}
	a, err := c.account(u)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(a.ID, id) {
		return nil, connectors.Errorf(connectors.Permanent, "graph: read a user: Graph returned another object than the requested one")
	}
	return &userState{a, u}, nil
}

func noSuch(work) connectors.Result { return refused(noAccount) }

// operation holds the requests of one change.
type operation struct {
	work        work
	requests    []request
	sent        []string // the properties in them, to explain a refusal
	manager     string   // the manager in them
	notNullable []string // properties that cannot be cleared, as Graph accepts no null for them
}

// change carries out changes of existing accounts.
func (r *run) change(ctx context.Context, todo []work) {
	found, people := r.readUsers(ctx, todo, noSuch)
	found = r.checkAdoptions(ctx, found, people)
	var steps []operation
	for _, w := range found {
		s, end := r.c.plan(people[w.Account.ID], w.Change)
		if end != nil {
			w.end(*end)
			continue
		}
		s.work = w
		steps = append(steps, s)
	}
	r.perform(ctx, steps, func(s operation, replies []reply) {
		result := outcome(s, replies)
		switch { // a filter may not find it yet
		case result.Status != connectors.Applied:
		case s.work.Op == connectors.AdoptAccount:
			r.c.remember(s.work.Account.ID, s.work.Account.Anchor)
		case s.work.Op == connectors.RenameAccount:
			r.c.rememberName(s.work.Account.ID, r.c.longName(s.work.Account.Name))
		}
		s.work.end(result)
	})
}

// perform sends the requests of operations.
func (r *run) perform(ctx context.Context, steps []operation, finish func(operation, []reply)) {
	var requests []request
	var owner []int
	for i, s := range steps {
		for _, q := range s.requests {
			requests, owner = append(requests, q), append(owner, i)
		}
	}
	replies := r.c.sendWithPropagation(ctx, requests, func(i int) []string {
		s := steps[owner[i]]
		return []string{s.work.Account.ID, s.manager}
	})
	at := 0
	for _, s := range steps {
		mine := replies[at : at+len(s.requests)]
		at += len(s.requests)
		for _, reply := range mine {
			r.note(reply.err)
		}
		finish(s, mine)
	}
}

// outcome returns the result of an operation: that of the first request that
// failed.
func outcome(s operation, replies []reply) connectors.Result {
	for i, r := range replies {
		managers := strings.HasSuffix(s.requests[i].url, "/manager/$ref")
		switch {
		case r.err != nil:
			return failed(r.err)
		case r.ok():
		case r.gone() && managers && s.manager == "":
			// There was no manager to remove.
		case r.gone() && managers:
			return refused("manager: %s", noAccount)
		case r.gone():
			return refused(noAccount)
		default:
			return r.refusal(s.sent...)
		}
	}
	result := applied()
	if len(s.notNullable) > 0 {
		result.Detail = notNullableText(s.notNullable)
	}
	return result
}

// checkAdoptions ends the adoptions whose person ID another account has.
func (r *run) checkAdoptions(ctx context.Context, todo []work, people map[string]userState) []work {
	var rest, asked []work
	var requests []request
	for _, w := range todo {
		if w.Op != connectors.AdoptAccount || people[w.Account.ID].Anchor != "" {
			if why := r.c.invalidAnchor(w.Account.Anchor); why != "" && w.Op == connectors.AdoptAccount {
				w.end(refused("%s", why))
				continue
			}
			rest = append(rest, w)
			continue
		}
		if why := r.c.invalidAnchor(w.Account.Anchor); why != "" {
			w.end(refused("%s", why))
			continue
		}
		asked, requests = append(asked, w), append(requests, r.c.build.findUsers(r.c.anchor, w.Account.Anchor, r.c.applySelection()))
	}
	// Of two adoptions for one person in one call, only the first is carried out.
	claimed := map[string]bool{}
	for i, reply := range r.c.all(ctx, requests) {
		w := asked[i]
		others, err := r.c.exactMatches(reply, r.c.anchor, w.Account.Anchor)
		r.note(err)
		known := r.c.idOf(w.Account.Anchor)
		switch {
		case err != nil:
			w.end(failed(err))
		case len(others) > 0 || claimed[w.Account.Anchor] || known != "" && known != w.Account.ID:
			w.end(refused("another account has this person's ID"))
		default:
			claimed[w.Account.Anchor] = true
			rest = append(rest, w)
		}
	}
	return rest
}

// exactMatches returns the users in a reply whose property has exactly the value:
// Graph compares without case.
func (c *Connector) exactMatches(r reply, p property, value string) ([]models.Userable, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case !r.ok():
		return nil, c.unexpected("look up a user", r.answer)
	}
	page, err := decode[models.UserCollectionResponseable](r.answer, models.CreateUserCollectionResponseFromDiscriminatorValue)
	if err != nil || page.GetValue() == nil {
		return nil, connectors.Errorf(connectors.RetryLater, "graph: look up a user: the answer contains no list")
	}
	var found []models.Userable
	for _, u := range page.GetValue() {
		if u.GetId() != nil && p.matching.Same(p.get(u), []string{value}) {
			found = append(found, u)
		}
	}
	return found, nil
}

// remove deletes accounts.
func (r *run) remove(ctx context.Context, todo []work) {
	var open []work
	var requests []request
	for _, w := range r.inScope(ctx, todo) {
		if !isID(w.Account.ID) {
			w.end(alreadySo()) // no user has such an ID
			continue
		}
		open, requests = append(open, w), append(requests, r.c.build.deleteUser(w.Account.ID))
	}
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return []string{open[i].Account.ID} }) {
		r.note(reply.err)
		switch w := open[i]; {
		case reply.err != nil:
			w.end(failed(reply.err))
		case reply.ok():
			r.c.forget(w.Account.ID)
			w.end(applied())
		case reply.gone():
			w.end(alreadySo())
		default:
			w.end(reply.refusal())
		}
	}
}

package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// person is a user as it was read just now.
type person struct {
	connectors.Account
	user models.Userable
}

// applySelection is what is read of a user before it is changed.
func (c *Connector) applySelection() []string {
	sel := c.userSelection()
	for _, name := range []string{"mailNickname", "usageLocation"} {
		if !slices.Contains(sel, name) {
			sel = append(sel, name)
		}
	}
	return sel
}

// people reads the accounts that changes are about. Changes of an account that
// is not there, or cannot be read, end here; missing says with what.
func (r *run) people(ctx context.Context, todo []work, missing func(work) connectors.Result) (found []work, people map[string]person) {
	people = map[string]person{}
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
	for i, reply := range r.c.settled(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
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
		case r.c.outside(knownUser{p.Account, typeOf(p.user)}):
			w.end(refused(isGuest))
		default:
			found = append(found, w)
		}
	}
	return found, people
}

// person reads one, nil when there is none.
func (c *Connector) person(id string, r reply) (*person, error) {
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
		return nil, connectors.Errorf(connectors.Permanent, "graph: read a user: Graph answered with another than was asked for")
	}
	return &person{a, u}, nil
}

func noSuch(work) connectors.Result { return refused(noAccount) }

// step is what one change asks of Graph.
type step struct {
	work     work
	requests []request
	sent     []string // the properties in them, for why it is refused
	manager  string   // in them
	left     []string // the properties that are not, since Graph takes no null for them
}

// change carries out changes of accounts that are there.
func (r *run) change(ctx context.Context, todo []work) {
	found, people := r.people(ctx, todo, noSuch)
	found = r.adoptable(ctx, found, people)
	var steps []step
	for _, w := range found {
		s, end := r.c.plan(people[w.Account.ID], w.Change)
		if end != nil {
			w.end(*end)
			continue
		}
		s.work = w
		steps = append(steps, s)
	}
	r.perform(ctx, steps, func(s step, replies []reply) {
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

// perform sends what steps ask for.
func (r *run) perform(ctx context.Context, steps []step, finish func(step, []reply)) {
	var requests []request
	var owner []int
	for i, s := range steps {
		for _, q := range s.requests {
			requests, owner = append(requests, q), append(owner, i)
		}
	}
	replies := r.c.settled(ctx, requests, func(i int) []string {
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

// outcome is what became of a step: the first that went wrong of its parts.
func outcome(s step, replies []reply) connectors.Result {
	for i, r := range replies {
		managers := strings.HasSuffix(s.requests[i].url, "/manager/$ref")
		switch {
		case r.err != nil:
			return failed(r.err)
		case r.ok():
		case r.gone() && managers && s.manager == "":
			// There was no manager to be removed.
		case r.gone() && managers:
			return refused("manager: %s", noAccount)
		case r.gone():
			return refused(noAccount)
		default:
			return r.no(s.sent...)
		}
	}
	result := applied()
	if len(s.left) > 0 {
		result.Detail = leftAsIs(s.left)
	}
	return result
}

// adoptable ends the adoptions for which somebody else has the person ID.
func (r *run) adoptable(ctx context.Context, todo []work, people map[string]person) []work {
	var rest, asked []work
	var requests []request
	for _, w := range todo {
		if w.Op != connectors.AdoptAccount || people[w.Account.ID].Anchor != "" {
			if why := r.c.badAnchor(w.Account.Anchor); why != "" && w.Op == connectors.AdoptAccount {
				w.end(refused("%s", why))
				continue
			}
			rest = append(rest, w)
			continue
		}
		if why := r.c.badAnchor(w.Account.Anchor); why != "" {
			w.end(refused("%s", why))
			continue
		}
		asked, requests = append(asked, w), append(requests, r.c.build.findUsers(r.c.anchor, w.Account.Anchor, r.c.applySelection()))
	}
	// Two adoptions for one person in one call: only the first can be.
	claimed := map[string]bool{}
	for i, reply := range r.c.all(ctx, requests) {
		w := asked[i]
		others, err := r.c.having(reply, r.c.anchor, w.Account.Anchor)
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

// having reads the users that were found by a property and have exactly that
// value: Graph compares without regard to case.
func (c *Connector) having(r reply, p property, value string) ([]models.Userable, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case !r.ok():
		return nil, c.unexpected("look up a user", r.answer)
	}
	page, err := decode[models.UserCollectionResponseable](r.answer, models.CreateUserCollectionResponseFromDiscriminatorValue)
	if err != nil || page.GetValue() == nil {
		return nil, connectors.Errorf(connectors.RetryLater, "graph: look up a user: the answer has no list in it")
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
	for i, reply := range r.c.settled(ctx, requests, func(i int) []string { return []string{open[i].Account.ID} }) {
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
			w.end(reply.no())
		}
	}
}

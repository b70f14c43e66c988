package graph

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/password"
)

// creation is one account being created.
type creation struct {
	work
	upn      string
	password string
	manager  string
	deleted  string // ID of the deleted account that will be restored
	id       string
	details  []string // what could not be set on the account
}

// end sets the result unless it is set.
func (n *creation) end(r connectors.Result) {
	if n.result.Status == "" && n.result.Err == nil {
		*n.result = r
	}
}

func (n *creation) open() bool { return n.result.Status == "" && n.result.Err == nil }

// create creates accounts. It first looks up each anchor among the users and
// among the deleted users, so that a creation whose answer was lost is not
// repeated, and a person who comes back within 30 days gets the earlier account.
func (r *run) create(ctx context.Context, todo []work) {
	var all []*creation
	for _, w := range todo {
		n := &creation{work: w}
		all = append(all, n)
		upn, why := r.c.upn(w.Account.Name)
		if why == "" {
			why = r.c.invalidAnchor(w.Account.Anchor)
		}
		if why != "" {
			n.end(refused("%s", why))
		}
		n.upn = upn
	}
	for _, phase := range []func(context.Context, []*creation){r.lookUpRecent, r.lookUp, r.checkManagers, r.lookUpDeleted, r.restore, r.post} {
		all = slices.DeleteFunc(all, func(n *creation) bool { return !n.open() })
		var open []work
		for _, n := range all {
			open = append(open, n.work)
		}
		if len(all) == 0 || !r.canContinue(ctx, open) {
			return
		}
		phase(ctx, all)
	}
	// The remaining accounts exist, whatever fails afterwards.
	all = slices.DeleteFunc(all, func(n *creation) bool { return !n.open() })
	for _, n := range all {
		r.c.rememberName(n.id, n.upn)
	}
	r.deliverPasswords(ctx, all)
	r.setManagers(ctx, all)
	for _, n := range all {
		n.end(connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied, AccountID: n.id, Detail: strings.Join(n.details, "; ")}})
	}
}

// lookUpRecent ends the creations of accounts that this connector created
// recently, which a filter may not find yet.
func (r *run) lookUpRecent(ctx context.Context, all []*creation) {
	var known []*creation
	var ids []string
	var requests []request
	for _, n := range all {
		if id := r.c.idOf(n.Account.Anchor); id != "" {
			known, ids, requests = append(known, n), append(ids, id), append(requests, r.c.build.getUser(id, r.c.applySelection(), nil))
		}
	}
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return ids[i : i+1] }) {
		n := known[i]
		p, err := r.c.person(ids[i], reply)
		r.note(err)
		switch {
		case err != nil:
			n.end(failed(err))
		case p != nil && p.Anchor == n.Account.Anchor:
			n.end(there(p.ID))
		}
	}
}

// lookUp ends the creations of accounts that exist.
func (r *run) lookUp(ctx context.Context, all []*creation) {
	requests := make([]request, len(all))
	for i, n := range all {
		requests[i] = r.c.build.findUsers(r.c.anchor, n.Account.Anchor, r.c.applySelection())
	}
	for i, reply := range r.c.all(ctx, requests) {
		r.matchAnchor(all[i], reply)
	}
}

func there(id string) connectors.Result {
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.AlreadyApplied, AccountID: id}}
}

// matchAnchor ends a creation when an account has its anchor.
func (r *run) matchAnchor(n *creation, reply reply) {
	users, err := r.c.exactMatches(reply, r.c.anchor, n.Account.Anchor)
	r.note(err)
	switch {
	case err != nil:
		n.end(failed(err))
	case len(users) > 1:
		n.end(refused("several accounts have this person's ID: remove it from all but one"))
	case len(users) == 1 && r.c.outsideUser(users[0]):
		n.end(refused(isGuest))
	case len(users) == 1:
		n.end(there(*users[0].GetId()))
	}
}

// checkManagers ends the creations whose manager does not exist.
func (r *run) checkManagers(ctx context.Context, all []*creation) {
	var with []*creation
	var requests []request
	for _, n := range all {
		values, given := n.Attributes[managerAttribute]
		switch {
		case !given || !r.c.manager || len(values) == 0:
		case len(values) > 1:
			n.end(refused("manager takes one value"))
		case !isID(values[0]):
			n.end(refused("manager: %s", noAccount))
		default:
			n.manager = values[0]
			with, requests = append(with, n), append(requests, r.c.build.getUser(n.manager, []string{"id"}, nil))
		}
	}
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return []string{with[i].manager} }) {
		r.note(reply.err)
		switch {
		case reply.err != nil:
			with[i].end(failed(reply.err))
		case reply.gone():
			with[i].end(refused("manager: %s", noAccount))
		case !reply.ok():
			with[i].end(failed(r.c.unexpected("read a user", reply.answer)))
		}
	}
}

// lookUpDeleted finds the accounts to restore; of several the one that was
// deleted last.
func (r *run) lookUpDeleted(ctx context.Context, all []*creation) {
	requests := make([]request, len(all))
	for i, n := range all {
		requests[i] = r.c.build.findDeleted(r.c.anchor, n.Account.Anchor, []string{"id", r.c.anchor.outer(), "deletedDateTime", "userType", "userPrincipalName"})
	}
	for i, reply := range r.c.all(ctx, requests) {
		n := all[i]
		users, err := r.c.exactMatches(reply, r.c.anchor, n.Account.Anchor)
		r.note(err)
		if err != nil {
			n.end(failed(err))
			continue
		}
		var last time.Time
		for _, u := range users {
			if at := u.GetDeletedDateTime(); at != nil && isID(*u.GetId()) && !at.Before(last) && !r.c.outsideUser(u) {
				last, n.deleted = *at, *u.GetId()
			}
		}
	}
}

// user returns the properties to set on a new or restored account.
func (r *run) user(n *creation) (u models.Userable, sent []string, why string) {
	u = models.NewUser()
	u.SetUserPrincipalName(&n.upn)
	u.SetMailNickname(ptr(nickname(n.upn)))
	if n.deleted == "" {
		u.SetDisplayName(ptr(nickname(n.upn))) // required; a restored account has its own
	}
	u.SetAccountEnabled(&n.Enabled)
	if r.c.cfg.UsageLocation != "" {
		u.SetUsageLocation(&r.c.cfg.UsageLocation)
	}
	sent = []string{"userPrincipalName", "mailNickname"}
	if err := r.c.anchor.write(u, []string{n.Account.Anchor}); err != nil {
		return nil, nil, err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		if name == managerAttribute && r.c.manager || len(n.Attributes[name]) == 0 {
			continue
		}
		p, why := r.c.writable(name)
		if why != "" {
			return nil, nil, why
		}
		if err := p.write(u, n.Attributes[name]); err != nil {
			return nil, nil, err.Error()
		}
		sent = append(sent, name)
	}
	return u, append(sent, r.c.anchor.name), ""
}

// post creates the accounts that do not exist yet.
func (r *run) post(ctx context.Context, all []*creation) {
	var open []*creation
	var steps []operation
	for _, n := range all {
		if n.id != "" {
			continue // restored
		}
		u, sent, why := r.user(n)
		if why != "" {
			n.end(refused("%s", why))
			continue
		}
		var err error
		if n.password, err = password.New(passwordLength); err != nil {
			n.end(failed(connectors.Errorf(connectors.Permanent, "graph: make a password: %w", err)))
			continue
		}
		profile := models.NewPasswordProfile()
		profile.SetPassword(&n.password)
		profile.SetForceChangePasswordNextSignIn(ptr(true))
		u.SetPasswordProfile(profile)
		open, steps = append(open, n), append(steps, operation{work: n.work, requests: []request{r.c.build.createUser(u)}, sent: sent})
	}
	at := 0
	var conflicts []*creation
	r.perform(ctx, steps, func(s operation, replies []reply) {
		n := open[at]
		at++
		switch reply := replies[0]; {
		case reply.err != nil:
			n.end(failed(reply.err))
		case reply.ok():
			r.posted(n, reply)
		case reply.refusal(s.sent...).Detail == taken:
			conflicts = append(conflicts, n)
		default:
			n.end(reply.refusal(s.sent...))
		}
	})
	r.resolveConflicts(ctx, conflicts)
}

func (r *run) posted(n *creation, reply reply) {
	u, err := decode[models.Userable](reply.answer, models.CreateUserFromDiscriminatorValue)
	if err != nil || u.GetId() == nil || !isID(*u.GetId()) {
		n.end(failed(connectors.Errorf(connectors.RetryLater, "graph: create a user: Graph's answer contains no ID")))
		return
	}
	n.id = *u.GetId()
	r.c.remember(n.id, n.Account.Anchor)
}

// resolveConflicts finds out which accounts have the names that are taken. A
// repeated creation whose first answer was lost, and which no filter finds yet,
// is already applied.
func (r *run) resolveConflicts(ctx context.Context, all []*creation) {
	if len(all) == 0 {
		return
	}
	name := properties["userPrincipalName"]
	requests := make([]request, len(all))
	for i, n := range all {
		requests[i] = r.c.build.findUsers(name, n.upn, r.c.applySelection())
	}
	for i, reply := range r.c.all(ctx, requests) {
		n := all[i]
		users, err := r.c.exactMatches(reply, name, n.upn)
		switch {
		case err != nil:
			r.note(err)
			n.end(failed(err))
		case len(users) == 0:
			n.end(failed(connectors.Errorf(connectors.RetryLater, "graph: create a user: the name is taken, and Graph does not show yet by which account")))
		case slices.Equal(r.c.anchor.get(users[0]), []string{n.Account.Anchor}):
			n.end(there(*users[0].GetId()))
		default:
			n.end(refused(taken))
		}
	}
}

// setManagers sets the managers of new accounts, which takes a separate request.
// The creation succeeds without; the next reading shows what is missing.
func (r *run) setManagers(ctx context.Context, all []*creation) {
	var with []*creation
	var requests []request
	for _, n := range all {
		if n.manager != "" {
			with, requests = append(with, n), append(requests, r.c.build.setManager(n.id, n.manager))
		}
	}
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return []string{with[i].id, with[i].manager} }) {
		if reply.err == nil && reply.ok() {
			continue
		}
		r.note(reply.err)
		with[i].details = append(with[i].details, "the account was created, but its manager could not be set yet")
	}
}

// deliverPasswords delivers the first passwords, once, after the accounts are
// created. It does so even when ctx has ended, as the passwords are stored
// nowhere else.
func (r *run) deliverPasswords(ctx context.Context, all []*creation) {
	const longest = 30 * time.Second
	for _, n := range all {
		if n.password != "" && r.c.cfg.PasswordSink != nil {
			account := connectors.AccountRef{ID: n.id, Anchor: n.Account.Anchor, Name: n.Account.Name}
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
			err := r.c.cfg.PasswordSink.FirstPassword(limited, account, n.password)
			cancel()
			if err != nil {
				n.details = append(n.details, "the account was created, but its first password was not delivered: set another")
			}
		}
		n.password = ""
	}
}

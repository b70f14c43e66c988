package scim

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// create makes an account. It looks for the anchor before: a repeated request
// whose first answer was lost must not make a second account, under whatever
// name. And for the name: some services take a POST with a name that is there
// for an update of that account.
func (r *run) create(ctx context.Context, change connectors.Change) connectors.Result {
	name, anchor := change.Account.Name, change.Account.Anchor
	if name == "" || anchor == "" {
		return refused("an account needs a login name and an anchor")
	}
	user, err := newUser(change)
	if err != nil {
		return refused("%v", err)
	}
	if result := r.taken(ctx, anchor, name); result != nil {
		return *result
	}
	a, err := r.c.send(ctx, request{doing: "create an account", method: http.MethodPost, path: users, body: user})
	if err != nil {
		return failed(err)
	}
	if a.status == http.StatusConflict {
		r.lookup.refresh()
		if result := r.taken(ctx, anchor, name); result != nil {
			return *result
		}
	}
	if !a.ok() {
		return a.no(slices.Sorted(maps.Keys(change.Attributes))...)
	}
	return r.created(ctx, change, a)
}

// taken says how the creation ends when the anchor or the name is there
// already; nil when neither is.
func (r *run) taken(ctx context.Context, anchor, name string) *connectors.Result {
	owned, named, err := r.lookup.find(ctx, anchor, name)
	var result connectors.Result
	switch {
	case err != nil:
		result = failed(err)
	case len(owned) > 1:
		result = refused("%d accounts have this anchor: remove it from all but one", len(owned))
	case len(owned) == 1:
		result = alreadySo()
		result.AccountID = owned[0].id()
	case len(named) > 0:
		result = refused("the login name is taken by an account that is not this person's")
	default:
		return nil
	}
	return &result
}

// created looks whether the new account is what was asked for.
func (r *run) created(ctx context.Context, change connectors.Change, a *answer) connectors.Result {
	user := a.body
	if user.id() == "" {
		var err error
		if user, err = r.unnamed(ctx, change, a.location); err != nil {
			return failed(err)
		}
	}
	id := user.id()
	if user.anchor() != change.Account.Anchor || user.field("active") == nil {
		read, err := r.c.byID(ctx, users, id)
		if err != nil {
			return failed(err)
		}
		if read == nil {
			return failed(connectors.Errorf(connectors.RetryLater, "scim: create an account: the service says it did but does not show it"))
		}
		user = read
	}
	if user.anchor() != change.Account.Anchor {
		return failed(connectors.Errorf(connectors.Permanent,
			"scim: create an account: the service made account %s but does not keep externalId, by which behov knows its accounts: it cannot be managed", id))
	}
	r.lookup.created(id, change.Account.Anchor, change.Account.Name)
	r.setExists(id, true)
	result := applied()
	result.AccountID = id
	if on, err := user.enabled(); err != nil || on != change.Enabled {
		// A joiner's account must not be usable before the day, whatever the
		// service's default is.
		set := r.c.setEnabled(ctx, id, change.Enabled)
		if set.Err != nil || set.Status == connectors.Refused {
			set.AccountID = id
			return set
		}
	}
	return result
}

// unnamed finds the new account when the answer did not have it: where the
// answer says it is, or by its name.
func (r *run) unnamed(ctx context.Context, change connectors.Change, location string) (resource, error) {
	if id, err := url.PathUnescape(location[strings.LastIndex(location, "/")+1:]); err == nil && id != "" {
		if user, err := r.c.byID(ctx, users, id); err != nil || user.anchor() == change.Account.Anchor {
			return user, err
		}
	}
	if filterable(change.Account.Name) {
		found, _, err := r.c.filtered(ctx, users, "userName", change.Account.Name)
		if err != nil {
			return nil, err
		}
		if owned := exactly(found, change.Account.Anchor); len(owned) == 1 {
			return owned[0], nil
		}
	}
	r.lookup.refresh()
	owned, _, err := r.lookup.find(ctx, change.Account.Anchor, change.Account.Name)
	if err == nil && len(owned) == 0 {
		err = connectors.Errorf(connectors.RetryLater, "scim: create an account: the service says it did but does not show it")
	}
	if err != nil {
		return nil, err
	}
	return resource{"id": owned[0].id()}, nil
}

// newUser is the User that a creation asks for.
func newUser(change connectors.Change) (resource, error) {
	user := resource{"userName": change.Account.Name, "externalId": change.Account.Anchor, "active": change.Enabled}
	wanted, err := values(change.Attributes)
	if err != nil {
		return nil, err
	}
	user["schemas"] = []any{userURN}
	for _, w := range wanted {
		w.set(user, w.values)
		user.mention(w.urn)
	}
	return user, nil
}

// mention lists an extension among a user's schemas.
func (r resource) mention(urn string) {
	key := r.key("schemas")
	list, _ := r[key].([]any)
	if urn != "" && !slices.Contains(list, any(urn)) {
		r[key] = append(slices.Clone(list), urn)
	}
}

// wanted is an attribute with the values it shall have.
type wanted struct {
	path
	values []string
}

// values reads a change's attributes, in the order of their names.
func values(attributes map[string][]string) ([]wanted, error) {
	var out []wanted
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		p, err := parsePath(name)
		if err != nil {
			return nil, err
		}
		// RFC 7643 §2.5: an attribute that is empty is one that is not there.
		w := wanted{path: p, values: slices.DeleteFunc(slices.Clone(attributes[name]), func(v string) bool { return v == "" })}
		if len(w.values) > 1 && !p.many && (p.urn == "" || p.urn == enterpriseURN || p.kind != "") {
			return nil, errors.New("attribute " + name + " takes one value")
		}
		out = append(out, w)
	}
	return out, nil
}

// update changes the attributes that differ.
func (c *Connector) update(ctx context.Context, change connectors.Change) connectors.Result {
	wants, err := values(change.Attributes)
	if err != nil {
		return refused("%v", err)
	}
	now, err := c.byID(ctx, users, change.Account.ID)
	if err != nil {
		return failed(err)
	}
	if now == nil {
		return refused("there is no such account")
	}
	next := now.clone()
	var operations []operation
	var names []string
	done := map[string]bool{}
	for _, w := range wants {
		if w.same(now, w.values) {
			continue
		}
		w.set(next, w.values)
		next.mention(w.urn)
		names = append(names, w.text)
	}
	for _, w := range wants {
		if target := w.target(); slices.Contains(names, w.text) && !done[target] {
			done[target] = true
			operations = append(operations, difference(target, w.at(now), w.at(next)))
		}
	}
	if len(operations) == 0 {
		return alreadySo()
	}
	a, err := c.change(ctx, "update an account", users, now, next, operations)
	switch {
	case err != nil:
		return failed(err)
	case a.gone():
		return refused("there is no such account")
	case !a.ok():
		return a.no(names...)
	}
	return c.updated(ctx, a, change.Account.ID, wants)
}

func difference(target string, now, next any) operation {
	switch {
	case next == nil:
		return operation{Op: "remove", Path: target}
	case now == nil:
		return operation{Op: "add", Path: target, Value: next}
	}
	return operation{Op: "replace", Path: target, Value: next}
}

// updated looks whether the service kept what it said yes to. One that keeps
// something else would be asked again at every run.
func (c *Connector) updated(ctx context.Context, a *answer, id string, wants []wanted) connectors.Result {
	user, err := c.after(ctx, a, users, id)
	if err != nil {
		return failed(err)
	}
	if user == nil {
		return refused("there is no such account")
	}
	for _, w := range wants {
		if !w.same(user, w.values) {
			return refused("the service took the change but does not keep %s as it was sent", w.text)
		}
	}
	return applied()
}

// setEnabled enables or disables an account.
func (c *Connector) setEnabled(ctx context.Context, id string, want bool) connectors.Result {
	now, err := c.byID(ctx, users, id)
	if err != nil {
		return failed(err)
	}
	if now == nil {
		return refused("there is no such account")
	}
	if on, err := now.enabled(); err == nil && on == want {
		return alreadySo()
	}
	next := now.clone()
	next[next.key("active")] = want
	a, err := c.change(ctx, "enable or disable an account", users, now, next, []operation{{Op: "replace", Path: "active", Value: want}})
	switch {
	case err != nil:
		return failed(err)
	case a.gone():
		return refused("there is no such account")
	case !a.ok():
		return a.no("active")
	}
	user, err := c.after(ctx, a, users, id)
	if err != nil {
		return failed(err)
	}
	if on, err := user.enabled(); user == nil || err != nil || on != want {
		return refused("the service took the change but does not keep active as it was sent")
	}
	return applied()
}

// delete removes an account. What is there afterwards decides: some services
// deactivate where they should delete (RFC 7644 §3.6).
func (r *run) delete(ctx context.Context, change connectors.Change) connectors.Result {
	id := change.Account.ID
	now, err := r.c.byID(ctx, users, id)
	if err != nil {
		return failed(err)
	}
	if now == nil {
		return alreadySo()
	}
	a, err := r.c.send(ctx, request{doing: "delete an account", method: http.MethodDelete, path: users + "/" + url.PathEscape(id)})
	switch {
	case err != nil:
		return failed(err)
	case !a.ok() && !a.gone():
		return a.no()
	}
	left, err := r.c.byID(ctx, users, id)
	if err != nil {
		return failed(err)
	}
	if left == nil {
		r.forget(id)
		return applied()
	}
	if on, err := left.enabled(); err == nil && !on {
		return refused("the service does not delete accounts: it has deactivated this one and keeps it")
	}
	return failed(connectors.Errorf(connectors.RetryLater, "scim: delete an account: the service says it did and still has it"))
}

// forget drops what was known of an account that is gone.
func (r *run) forget(id string) {
	r.lookup.deleted(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.exists, id)
	for _, g := range r.groups {
		if g != nil {
			delete(g.members, id)
		}
	}
}

func (r *run) setExists(id string, there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exists[id] = there
}

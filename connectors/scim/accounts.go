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

// create creates an account. It looks up the anchor first: a repeated request
// whose first answer was lost must not create a second account under another
// name. It also looks up the name, as some services treat a POST with an existing
// name as an update of that account.
func (r *run) create(ctx context.Context, change connectors.Change) connectors.Result {
	name, anchor := change.Account.Name, change.Account.Anchor
	if name == "" || anchor == "" {
		return refused("the account has no login name or no anchor; both are required")
	}
	user, err := r.c.newUser(change)
	if err != nil {
		return refused("%v", err)
	}
	if result := r.findExisting(ctx, anchor, name); result != nil {
		return *result
	}
	a, err := r.c.post(ctx, user)
	if err != nil {
		return failed(err)
	}
	if a.status == http.StatusConflict {
		r.lookup.refresh()
		if result := r.findExisting(ctx, anchor, name); result != nil {
			return *result
		}
	}
	if !a.ok() {
		return a.refusal(slices.Sorted(maps.Keys(change.Attributes))...)
	}
	return r.checkCreated(ctx, change, a)
}

// post creates a user. When the service refuses it, post tries once more with
// active as text.
func (c *Connector) post(ctx context.Context, user resource) (*answer, error) {
	q := request{doing: "create an account", method: http.MethodPost, path: users, body: user}
	a, err := c.send(ctx, q)
	yes, isBool := user["active"].(bool)
	if err != nil || a.status != http.StatusBadRequest || !isBool || c.booleans.Load() || a.scimType != "" && a.scimType != "invalidValue" && a.scimType != "invalidSyntax" {
		return a, err
	}
	user["active"] = asText(yes)
	again, err := c.send(ctx, q)
	if err != nil || !again.ok() {
		return a, err
	}
	c.traits.set(StringBooleans, true)
	return again, nil
}

// findExisting returns the result of the creation when the anchor or the name
// exists already; nil when neither does.
func (r *run) findExisting(ctx context.Context, anchor, name string) *connectors.Result {
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
		result = refused("the login name is taken by another account")
	default:
		return nil
	}
	return &result
}

// checkCreated verifies that the new account is as requested.
func (r *run) checkCreated(ctx context.Context, change connectors.Change, a *answer) connectors.Result {
	user := a.body
	if user.id() == "" {
		var err error
		if user, err = r.findCreated(ctx, change, a.location); err != nil {
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
			return failed(connectors.Errorf(connectors.RetryLater, "scim: create an account: the service confirmed it but does not return the account"))
		}
		user = read
	}
	return r.confirmCreated(ctx, change, user)
}

// confirmCreated verifies that a created account is as requested.
func (r *run) confirmCreated(ctx context.Context, change connectors.Change, user resource) connectors.Result {
	r.c.noteActive(user)
	id := user.id()
	if user.anchor() != change.Account.Anchor {
		return failed(connectors.Errorf(connectors.Permanent,
			"scim: create an account: the service made account %s but does not store externalId, by which behov identifies its accounts: it cannot be managed", id))
	}
	r.lookup.created(id, change.Account.Anchor, change.Account.Name)
	r.setExists(id, true)
	result := applied()
	result.AccountID = id
	if on, err := user.enabled(); err != nil || on != change.Enabled {
		// A joiner's account must not be usable before the first day, whatever
		// the service's default is.
		set := r.applyEdit(ctx, id, func(now resource) (*edit, connectors.Result) { return r.enable(now, change.Enabled) })
		if set.Err != nil || set.Status == connectors.Refused {
			set.AccountID = id
			return set
		}
	}
	return result
}

// findCreated finds the new account when the answer did not contain it: by the
// Location header, or by its name.
func (r *run) findCreated(ctx context.Context, change connectors.Change, location string) (resource, error) {
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
		err = connectors.Errorf(connectors.RetryLater, "scim: create an account: the service confirmed it but does not return the account")
	}
	if err != nil {
		return nil, err
	}
	return resource{"id": owned[0].id()}, nil
}

// newUser returns the User of a creation.
func (c *Connector) newUser(change connectors.Change) (resource, error) {
	user := resource{"userName": change.Account.Name, "externalId": change.Account.Anchor, "active": c.traits.boolean(change.Enabled)}
	wanted, err := values(change.Attributes)
	if err != nil {
		return nil, err
	}
	user["schemas"] = []any{userURN}
	for _, w := range wanted {
		w.set(user, w.values)
		user.addSchema(w.urn)
	}
	return user, nil
}

// addSchema lists an extension among a user's schemas.
func (r resource) addSchema(urn string) {
	key := r.key("schemas")
	list, _ := r[key].([]any)
	if urn != "" && !slices.Contains(list, any(urn)) {
		r[key] = append(slices.Clone(list), urn)
	}
}

// attributeValues is an attribute with the values to set.
type attributeValues struct {
	path
	values []string
}

// values parses a change's attributes, in the order of their names.
func values(attributes map[string][]string) ([]attributeValues, error) {
	var out []attributeValues
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		p, err := parsePath(name)
		if err != nil {
			return nil, err
		}
		// RFC 7643 §2.5: an empty attribute is the same as a missing one.
		w := attributeValues{path: p, values: slices.DeleteFunc(slices.Clone(attributes[name]), func(v string) bool { return v == "" })}
		if len(w.values) > 1 && !p.multiValued && (p.urn == "" || p.urn == enterpriseURN || p.kind != "") {
			return nil, errors.New("attribute " + name + " takes one value")
		}
		out = append(out, w)
	}
	return out, nil
}

// planEdit returns the edit that changes an existing account; without an edit the
// result is final.
func (r *run) planEdit(ctx context.Context, change connectors.Change, now resource) (*edit, connectors.Result) {
	switch change.Op {
	case connectors.UpdateAccount:
		return r.update(ctx, change, now)
	case connectors.AdoptAccount:
		return r.adopt(ctx, change, now)
	case connectors.RenameAccount:
		return r.rename(ctx, change, now)
	}
	return r.enable(now, change.Op == connectors.EnableAccount)
}

// update changes the attributes that differ.
func (r *run) update(ctx context.Context, change connectors.Change, now resource) (*edit, connectors.Result) {
	wants, err := values(change.Attributes)
	if err != nil {
		return nil, refused("%v", err)
	}
	e := &edit{doing: "update an account", now: now, next: now.clone()}
	done := map[string]bool{}
	for _, w := range wants {
		if r.c.same(w, now) {
			continue
		}
		if slices.Contains(r.c.cfg.References, w.text) {
			if result := r.checkReference(ctx, w); result != nil {
				return nil, *result
			}
		}
		w.set(e.next, w.values)
		e.next.addSchema(w.urn)
		e.names = append(e.names, w.text)
	}
	for _, w := range wants {
		if target := w.target(); slices.Contains(e.names, w.text) && !done[target] {
			done[target] = true
			e.operations = append(e.operations, difference(target, w.at(now), w.at(e.next)))
		}
	}
	if len(e.operations) == 0 {
		return nil, alreadySo()
	}
	e.lostFields = func(user resource) string {
		for _, w := range wants {
			if !r.c.same(w, user) {
				return w.text
			}
		}
		return ""
	}
	return e, connectors.Result{}
}

// same reports whether a user has the values, as the service compares them.
func (c *Connector) same(w attributeValues, user resource) bool {
	return c.rule(w.path).matching.Same(w.get(user), w.values)
}

// checkReference refuses a reference to an account that does not exist; nil when
// it exists.
func (r *run) checkReference(ctx context.Context, w attributeValues) *connectors.Result {
	for _, id := range w.values {
		if r.isKnown(id) {
			continue
		}
		user, err := r.c.byID(ctx, users, id)
		if err != nil {
			result := failed(err)
			return &result
		}
		if user == nil {
			result := refused("%s refers to an account that does not exist", w.text)
			return &result
		}
		r.setExists(id, true)
	}
	return nil
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

// enable enables or disables an account.
func (r *run) enable(now resource, want bool) (*edit, connectors.Result) {
	if on, err := now.enabled(); err == nil && on == want {
		return nil, alreadySo()
	}
	value := r.c.traits.boolean(want)
	e := &edit{doing: "enable or disable an account", now: now, next: now.clone(), names: []string{"active"},
		operations: []operation{{Op: "replace", Path: "active", Value: value}}}
	e.write("active", value)
	e.lostFields = func(user resource) string {
		if on, err := user.enabled(); err != nil || on != want {
			return "active"
		}
		return ""
	}
	return e, connectors.Result{}
}

// adopt writes the anchor into an account that has none.
func (r *run) adopt(ctx context.Context, change connectors.Change, now resource) (*edit, connectors.Result) {
	anchor := change.Account.Anchor
	switch {
	case anchor == "":
		return nil, refused("the change to adopt an account has no anchor")
	case now.anchor() == anchor:
		return nil, alreadySo()
	case now.anchor() != "":
		return nil, refused("the account has another externalId than this person's")
	}
	owned, _, err := r.lookup.find(ctx, anchor, "")
	switch {
	case err != nil:
		return nil, failed(err)
	case len(owned) > 0:
		return nil, refused("another account has this person's externalId")
	}
	e := &edit{doing: "adopt an account", now: now, next: now.clone(), names: []string{"externalId"},
		operations: []operation{{Op: "add", Path: "externalId", Value: anchor}}}
	e.write("externalId", anchor)
	e.lostFields = func(user resource) string {
		if user.anchor() != anchor {
			return "externalId"
		}
		r.lookup.created(now.id(), anchor, now.name())
		return ""
	}
	return e, connectors.Result{}
}

// rename gives an account another login name. It checks whether the name is
// taken, as not every service does.
func (r *run) rename(ctx context.Context, change connectors.Change, now resource) (*edit, connectors.Result) {
	name := change.Account.Name
	switch {
	case name == "":
		return nil, refused("the change to rename an account has no login name")
	case now.name() == name:
		return nil, alreadySo()
	}
	_, named, err := r.lookup.find(ctx, "", name)
	if err != nil {
		return nil, failed(err)
	}
	if slices.ContainsFunc(named, func(u resource) bool { return u.id() != now.id() }) {
		return nil, refused("the login name is taken")
	}
	e := &edit{doing: "rename an account", now: now, next: now.clone(), names: []string{"userName"},
		operations: []operation{{Op: "replace", Path: "userName", Value: name}}}
	e.write("userName", name)
	e.lostFields = func(user resource) string {
		if user.name() != name {
			return "userName"
		}
		r.lookup.created(now.id(), user.anchor(), name)
		return ""
	}
	return e, connectors.Result{}
}

// delete deletes an account and verifies that it is gone: some services only
// deactivate it (RFC 7644 §3.6).
func (r *run) delete(ctx context.Context, change connectors.Change) connectors.Result {
	id := change.Account.ID
	now, err := r.c.byID(ctx, users, id)
	if err != nil {
		return failed(err)
	}
	if on, err := now.enabled(); now == nil || r.c.traits.is(SoftDelete) && err == nil && !on {
		return alreadySo()
	}
	a, err := r.c.send(ctx, request{doing: "delete an account", method: http.MethodDelete, path: users + "/" + url.PathEscape(id)})
	switch {
	case err != nil:
		return failed(err)
	case !a.ok() && !a.isNotFound():
		return a.refusal()
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
		if r.c.traits.is(SoftDelete) {
			return applied()
		}
		return refused("the service does not delete accounts: it has deactivated this one and keeps it; set quirks: [soft-delete] to accept that")
	}
	return failed(connectors.Errorf(connectors.RetryLater, "scim: delete an account: the service confirmed it and still returns the account"))
}

// forget drops the cached data of a deleted account.
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

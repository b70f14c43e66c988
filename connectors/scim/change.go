package scim

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/behov/behov/connectors"
)

// patchURN and its like are the message schemas of RFC 7644.
const patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// operation is one of a PATCH (RFC 7644 §3.5.2). A remove has a path and no
// value.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

func patchBody(operations []operation) map[string]any {
	return map[string]any{"schemas": []string{patchURN}, "Operations": operations}
}

// change makes e.now into e.next: by PATCH with the operations, or, where the
// service does not offer that for them, by PUT of all of it.
func (c *Connector) change(ctx context.Context, e *edit) (*answer, error) {
	version, err := c.version(ctx, e.now)
	if err != nil {
		return nil, err
	}
	a, err := c.patch(ctx, e.doing, users, e.now.id(), version, e.operations)
	if a != nil || err != nil {
		return a, err
	}
	e.byPut = true
	return c.put(ctx, e.doing, users, e.now, e.next)
}

// version is what goes into If-Match, so that nobody's change at the same time
// is overwritten; empty where the service has no versions.
func (c *Connector) version(ctx context.Context, now resource) (string, error) {
	known, err := c.ask(ctx)
	if err != nil || !known.etag {
		return "", err
	}
	return text(now.object("meta").field("version")), nil
}

// urns are the schemas that PATCH paths belong to.
var urns = map[string]string{users: userURN, groups: groupURN}

// patch sends a PATCH. Without error and answer the service does not offer it, to
// any of that kind of resource (405) or for these operations (501: django-scim2
// has some only), and PUT is the other way. A service that does not understand a
// path is asked again with the path written in its other forms.
func (c *Connector) patch(ctx context.Context, doing, kind, id, version string, operations []operation) (*answer, error) {
	if _, err := c.ask(ctx); err != nil || c.noPatch(kind) || c.traits.putsInstead(kind, operations) {
		return nil, err
	}
	var first *answer
	for _, how := range c.traits.paths() {
		a, err := c.send(ctx, request{doing: doing, method: http.MethodPatch, path: kind + "/" + url.PathEscape(id), match: version, body: patchBody(style(operations, how, urns[kind]))})
		switch {
		case err != nil:
			return nil, err
		case a.status == http.StatusMethodNotAllowed:
			c.traits.putInstead(kind, nil, true)
			return nil, nil
		case a.status == http.StatusNotImplemented:
			c.traits.putInstead(kind, operations, true)
			return nil, nil
		case a.ok() && how != "":
			c.traits.set(how, true)
		}
		if first == nil {
			first = a
		}
		if a.ok() {
			return a, nil
		}
		if !a.badPath() {
			break
		}
	}
	return first, nil
}

// noPatch says whether PATCH is not offered for a kind of resource, as the service
// or the configuration says, or as one of them was answered.
func (c *Connector) noPatch(kind string) bool {
	return c.traits.is(NoPatch) || kind == groups && c.traits.is(NoGroupPatch) || c.traits.putsInstead(kind, nil)
}

// badPath says whether the service did not understand a path.
func (a *answer) badPath() bool {
	return a.status == http.StatusBadRequest && a.scimType == "invalidPath"
}

// put sends a PUT of next in the place of now.
func (c *Connector) put(ctx context.Context, doing, kind string, now, next resource) (*answer, error) {
	version, err := c.version(ctx, now)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, request{doing: doing, method: http.MethodPut, path: kind + "/" + url.PathEscape(now.id()), body: whole(next), match: version})
}

// whole is a resource without what is the service's own to say.
func whole(r resource) resource {
	body := r.clone()
	for _, own := range []string{"meta", "groups"} {
		delete(body, body.key(own))
	}
	return body
}

// after returns what a changed resource is now: from the answer when it has
// that, else by reading it; nil when it is gone.
func (c *Connector) after(ctx context.Context, a *answer, kind, id string) (resource, error) {
	if a.body.id() == id {
		return a.body, nil
	}
	return c.byID(ctx, kind, id)
}

// edit is a change of one account, worked out from what the account was.
type edit struct {
	doing      string
	now, next  resource
	operations []operation
	names      []string // of the attributes that are sent
	// kept says what of the change the service did not keep; empty for none.
	kept func(now resource) string
	// byPut is set when the change went by PUT, as PATCH was not offered.
	byPut bool
}

// edited carries out a change of one account: it reads it, works out what to
// send, sends that, and looks whether it came true. What somebody else changed
// in between is read again.
func (r *run) edited(ctx context.Context, id string, work func(now resource) (*edit, connectors.Result)) connectors.Result {
	var err error
	for range conflicts {
		now, readErr := r.c.byID(ctx, users, id)
		if readErr != nil {
			return failed(readErr)
		}
		if now == nil {
			return refused(noAccount)
		}
		e, result := work(now)
		if e == nil {
			return result
		}
		var a *answer
		a, err = r.c.sendEdit(ctx, e)
		if errors.Is(err, errConflict) {
			continue
		}
		return r.c.ended(ctx, e, a, err)
	}
	return failed(err)
}

// conflicts is how often a change is tried when somebody else changes the same
// account at the same time.
const conflicts = 3

const noAccount = "there is no such account"

// sendEdit sends a change of one account. A service that sends active as text
// may want it as text.
func (c *Connector) sendEdit(ctx context.Context, e *edit) (*answer, error) {
	a, err := c.change(ctx, e)
	if err != nil || a.status != http.StatusBadRequest || !e.booleans() {
		return a, err
	}
	e.write("active", asText(e.next.field("active") == true))
	again, err := c.change(ctx, e)
	if err == nil && again.ok() {
		c.traits.set(StringBooleans, true)
	}
	return again, err
}

// booleans says whether the change is one of active, which came as text.
func (e *edit) booleans() bool {
	_, wasText := e.now.field("active").(string)
	_, isBool := e.next.field("active").(bool)
	return wasText && isBool
}

// write sets one of the values that are sent.
func (e *edit) write(name string, value any) {
	e.next[e.next.key(name)] = value
	for i, o := range e.operations {
		if o.Path == name {
			e.operations[i].Value = value
		}
	}
}

// ended says how a change of one account ended.
func (c *Connector) ended(ctx context.Context, e *edit, a *answer, err error) connectors.Result {
	switch {
	case err != nil:
		return failed(err)
	case a.gone():
		return refused(noAccount)
	case !a.ok():
		return a.no(e.names...)
	}
	user, err := c.after(ctx, a, users, e.now.id())
	if err != nil {
		return failed(err)
	}
	result := e.came(user)
	if e.byPut && result.Status == connectors.Refused {
		c.traits.putInstead(users, e.operations, false) // PUT is no other way: PATCH may be, next time
	}
	return result
}

// came says whether the change came true. A service that keeps something else
// than it said yes to would be asked again at every run.
func (e *edit) came(user resource) connectors.Result {
	if user == nil {
		return refused(noAccount)
	}
	if lost := e.kept(user); lost != "" {
		return refused("the service took the change but does not keep %s as it was sent", lost)
	}
	return applied()
}

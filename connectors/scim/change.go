package scim

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/behov/behov/connectors"
)

// patchURN is a message schema of RFC 7644.
const patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// operation is one PATCH operation (RFC 7644 §3.5.2). A remove has a path and no
// value.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

func patchBody(operations []operation) map[string]any {
	return map[string]any{"schemas": []string{patchURN}, "Operations": operations}
}

// change turns e.now into e.next: by PATCH with the operations, or, where the
// service does not support that for them, by PUT of the whole resource.
func (c *Connector) change(ctx context.Context, e *edit) (*answer, error) {
	version, err := c.version(ctx, e.now)
	if err != nil {
		return nil, err
	}
	a, err := c.patch(ctx, e.doing, users, e.now.id(), version, e.operations)
	if a != nil || err != nil {
		return a, err
	}
	e.usedPut = true
	return c.put(ctx, e.doing, users, e.now, e.next)
}

// version returns the value of If-Match, so that a concurrent change is not
// overwritten; empty where the service has no versions.
func (c *Connector) version(ctx context.Context, now resource) (string, error) {
	known, err := c.discover(ctx)
	if err != nil || !known.etag {
		return "", err
	}
	return text(now.object("meta").field("version")), nil
}

// urns are the schemas of PATCH paths.
var urns = map[string]string{users: userURN, groups: groupURN}

// patch sends a PATCH. It returns neither error nor answer when the service does
// not support it, either for the kind of resource (405) or for these operations
// (501: django-scim2 supports some only), so that the caller uses PUT. When the
// service does not understand a path, patch repeats the request with the other
// spellings of the path.
func (c *Connector) patch(ctx context.Context, doing, kind, id, version string, operations []operation) (*answer, error) {
	if _, err := c.discover(ctx); err != nil || c.patchUnavailable(kind) || c.traits.putsInstead(kind, operations) {
		return nil, err
	}
	var first *answer
	for _, how := range c.traits.paths() {
		a, err := c.send(ctx, request{doing: doing, method: http.MethodPatch, path: kind + "/" + url.PathEscape(id), match: version, body: patchBody(rewritePaths(operations, how, urns[kind]))})
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
		if !a.isPathError() {
			break
		}
	}
	return first, nil
}

// patchUnavailable reports whether the service, the configuration or an earlier
// answer says that PATCH is not supported for a kind of resource.
func (c *Connector) patchUnavailable(kind string) bool {
	return c.traits.is(NoPatch) || kind == groups && c.traits.is(NoGroupPatch) || c.traits.putsInstead(kind, nil)
}

// isPathError reports whether the service did not understand a path.
func (a *answer) isPathError() bool {
	return a.status == http.StatusBadRequest && a.scimType == "invalidPath"
}

// put sends a PUT of next in place of now.
func (c *Connector) put(ctx context.Context, doing, kind string, now, next resource) (*answer, error) {
	version, err := c.version(ctx, now)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, request{doing: doing, method: http.MethodPut, path: kind + "/" + url.PathEscape(now.id()), body: withoutServerFields(next), match: version})
}

// withoutServerFields returns a resource without the fields that the service
// sets.
func withoutServerFields(r resource) resource {
	body := r.clone()
	for _, own := range []string{"meta", "groups"} {
		delete(body, body.key(own))
	}
	return body
}

// after returns the changed resource: from the answer when it contains it,
// otherwise by reading it; nil when it is gone.
func (c *Connector) after(ctx context.Context, a *answer, kind, id string) (resource, error) {
	if a.body.id() == id {
		return a.body, nil
	}
	return c.byID(ctx, kind, id)
}

// edit is a change of one account, derived from its current state.
type edit struct {
	doing      string
	now, next  resource
	operations []operation
	names      []string // the attributes that are sent
	// lostFields returns which part of the change the service did not keep; empty
	// for none.
	lostFields func(now resource) string
	// usedPut reports whether the change was sent with PUT because PATCH is not
	// supported.
	usedPut bool
}

// applyEdit carries out a change of one account: it reads the account, derives
// the edit, sends it, and verifies the result. After a concurrent change it reads
// the account again.
func (r *run) applyEdit(ctx context.Context, id string, work func(now resource) (*edit, connectors.Result)) connectors.Result {
	var err error
	for range maxConflictRetries {
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
		return r.c.editResult(ctx, e, a, err)
	}
	return failed(err)
}

// maxConflictRetries is how often a change is tried when other clients change the
// account at the same time.
const maxConflictRetries = 3

const noAccount = "no such account"

// sendEdit sends a change of one account. A service that sends active as text may
// require text.
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

// booleans reports whether the change sets active, which the service sent as
// text.
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

// editResult returns the result of a change of one account.
func (c *Connector) editResult(ctx context.Context, e *edit, a *answer, err error) connectors.Result {
	switch {
	case err != nil:
		return failed(err)
	case a.isNotFound():
		return refused(noAccount)
	case !a.ok():
		return a.refusal(e.names...)
	}
	user, err := c.after(ctx, a, users, e.now.id())
	if err != nil {
		return failed(err)
	}
	result := e.verifyApplied(user)
	if e.usedPut && result.Status == connectors.Refused {
		c.traits.putInstead(users, e.operations, false) // PUT does not help: the next change tries PATCH again
	}
	return result
}

// verifyApplied checks that the change took effect. A service that keeps another
// value than it accepted would get the same change in every run.
func (e *edit) verifyApplied(user resource) connectors.Result {
	if user == nil {
		return refused(noAccount)
	}
	if lost := e.lostFields(user); lost != "" {
		return refused("the service accepted the change but does not store %s as it was sent", lost)
	}
	return applied()
}

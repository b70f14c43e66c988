package scim

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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

// ask reads once what the service says it can do. One that does not say is
// taken to do what the standard has.
func (c *Connector) ask(ctx context.Context) (noPatch, etag bool, err error) {
	s := &c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return s.noPatch, s.etag, nil
	}
	a, err := c.send(ctx, request{doing: "ask what the service can do", path: "ServiceProviderConfig"})
	if err != nil && !errors.Is(err, errForbidden) {
		return false, false, err
	}
	if err == nil && a.status == http.StatusOK {
		if yes, ok := asBool(text(a.body.object("patch").field("supported"))); ok {
			s.noPatch = !yes
		}
		s.etag, _ = asBool(text(a.body.object("etag").field("supported")))
	}
	s.known = true
	return s.noPatch, s.etag, nil
}

// change makes now, which was read from the service, into next: by PATCH with
// the operations, or, where there is no PATCH, by PUT of all of next.
func (c *Connector) change(ctx context.Context, doing, kind string, now, next resource, operations []operation) (*answer, error) {
	a, err := c.patch(ctx, doing, kind, now.id(), operations)
	if a != nil || err != nil {
		return a, err
	}
	return c.put(ctx, doing, kind, now, next)
}

// patch sends a PATCH. Without error and answer the service has no PATCH.
func (c *Connector) patch(ctx context.Context, doing, kind, id string, operations []operation) (*answer, error) {
	noPatch, _, err := c.ask(ctx)
	if err != nil || noPatch {
		return nil, err
	}
	a, err := c.send(ctx, request{doing: doing, method: http.MethodPatch, path: kind + "/" + url.PathEscape(id), body: map[string]any{
		"schemas": []string{patchURN}, "Operations": operations,
	}})
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented {
		c.service.mu.Lock()
		defer c.service.mu.Unlock()
		c.service.noPatch = true
		return nil, nil
	}
	return a, nil
}

// put sends a PUT of next in the place of now.
func (c *Connector) put(ctx context.Context, doing, kind string, now, next resource) (*answer, error) {
	_, etag, err := c.ask(ctx)
	if err != nil {
		return nil, err
	}
	body := next.clone()
	for _, own := range []string{"meta", "groups"} {
		delete(body, body.key(own))
	}
	version := ""
	if etag {
		version = text(now.object("meta").field("version"))
	}
	return c.send(ctx, request{doing: doing, method: http.MethodPut, path: kind + "/" + url.PathEscape(now.id()), body: body, match: version})
}

// after returns what a changed resource is now: from the answer when it has
// that, else by reading it; nil when it is gone.
func (c *Connector) after(ctx context.Context, a *answer, kind, id string) (resource, error) {
	if a.body.id() == id {
		return a.body, nil
	}
	return c.byID(ctx, kind, id)
}

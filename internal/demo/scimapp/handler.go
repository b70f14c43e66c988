package scimapp

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/behov/behov/internal/scimtype"
)

// handler implements scim.ResourceHandler for one type of resource.
type handler struct {
	data *data
	of   *collection
}

func (h *handler) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	if err := h.strict(r); err != nil {
		return scim.Resource{}, scimtype.Plain(err)
	}
	created, err := h.data.create(h.of, normal(attributes))
	return h.answer(r, created, err)
}

func (h *handler) Get(r *http.Request, id string) (scim.Resource, error) {
	found, err := h.data.get(h.of, id)
	return h.answer(r, found, err)
}

func (h *handler) GetAll(r *http.Request, params scim.ListRequestParams) (scim.Page, error) {
	match := func(*resource) (bool, error) { return true, nil }
	if params.FilterValidator != nil {
		expression := params.FilterValidator.GetFilter()
		match = func(r *resource) (bool, error) { return matches(expression, r.attributes) }
	}
	total, found, err := h.data.list(h.of, params.StartIndex, params.Count, match)
	if err != nil {
		return scim.Page{}, scimtype.Plain(err)
	}
	page := scim.Page{TotalResults: total, Resources: []scim.Resource{}}
	for _, f := range found {
		answer, err := h.answer(r, f, nil)
		if err != nil {
			return scim.Page{}, err
		}
		page.Resources = append(page.Resources, answer)
	}
	return page, nil
}

func (h *handler) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	if err := h.strict(r); err != nil {
		return scim.Resource{}, scimtype.Plain(err)
	}
	changed, err := h.data.change(h.of, id, func(map[string]any) (map[string]any, error) { return normal(attributes), nil })
	return h.answer(r, changed, err)
}

func (h *handler) Delete(_ *http.Request, id string) error {
	return scimtype.Plain(h.data.remove(h.of, id))
}

func (h *handler) Patch(r *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	if err := h.strictPatch(r, operations); err != nil {
		return scim.Resource{}, scimtype.Plain(err)
	}
	changed, err := h.data.change(h.of, id, func(attributes map[string]any) (map[string]any, error) {
		for _, o := range operations {
			if err := h.of.kind().Patch(attributes, o); err != nil {
				return nil, err
			}
		}
		return attributes, nil
	})
	return h.answer(r, changed, err)
}

// answer is what the library sends: without the attributes that the client
// does not want (RFC 7644 §3.9).
func (h *handler) answer(r *http.Request, found *resource, err error) (scim.Resource, error) {
	if err != nil {
		return scim.Resource{}, scimtype.Plain(err)
	}
	query := r.URL.Query()
	only, without := names(query.Get("attributes")), names(query.Get("excludedAttributes"))
	for name := range found.attributes {
		if key := strings.ToLower(name); without[key] || len(only) > 0 && !only[key] {
			delete(found.attributes, name)
		}
	}
	return scim.Resource{ID: found.id, Attributes: found.attributes, Meta: scim.Meta{Created: &found.created, LastModified: &found.modified}}, nil
}

// names reads a comma-separated list of attributes; sub-attributes count as
// the attribute they are in.
func names(list string) map[string]bool {
	out := map[string]bool{}
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		if name = strings.TrimSpace(name); !strings.HasPrefix(name, "urn:") {
			name, _, _ = strings.Cut(name, ".")
		}
		if name != "" {
			out[name] = true
		}
	}
	return out
}

// normal returns validated attributes without those that have no value.
func normal(attributes map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range attributes {
		if !scimtype.Empty(v) {
			out[name] = clone(v)
		}
	}
	return out
}

// body reads the request's body again; the library leaves it there.
func body(r *http.Request, into any) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return scimerrors.ScimErrorInvalidSyntax
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	if err := json.Unmarshal(raw, into); err != nil {
		return scimerrors.ScimErrorInvalidSyntax
	}
	return nil
}

package scimapp

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"

	"github.com/behov/behov/internal/scimtype"
)

// The library ignores attributes that it does not know. A client that sends
// one believes that it is kept, so that this service refuses it.

// strict refuses a resource with attributes that the schema does not have.
func (h *handler) strict(r *http.Request) error {
	var sent map[string]any
	if err := body(r, &sent); err != nil {
		return err
	}
	listed, _ := sent["schemas"].([]any)
	if !slices.Contains(listed, any(h.of.schema.ID)) {
		return fmt.Errorf("schemas: %w", scimerrors.ScimErrorInvalidValue)
	}
	for name, value := range sent {
		switch {
		case strings.EqualFold(name, "schemas"), strings.EqualFold(name, "id"), strings.EqualFold(name, "meta"):
		case h.of.extension.ID != "" && strings.EqualFold(name, h.of.extension.ID):
			if !slices.Contains(listed, any(h.of.extension.ID)) {
				return fmt.Errorf("schemas lacks %s: %w", name, scimerrors.ScimErrorInvalidValue)
			}
			if err := known(h.of.extension.Attributes, value); err != nil {
				return err
			}
		default:
			if err := known(h.of.schema.Attributes, map[string]any{name: value}); err != nil {
				return err
			}
		}
	}
	return nil
}

// strictPatch does the same for the values of a PATCH. Names in paths the
// library checks itself.
func (h *handler) strictPatch(r *http.Request, operations []scim.PatchOperation) error {
	var sent struct {
		Operations []struct {
			Value any `json:"value"`
		}
	}
	if err := body(r, &sent); err != nil {
		return err
	}
	if len(sent.Operations) != len(operations) {
		return scimerrors.ScimErrorInvalidSyntax
	}
	for i, o := range operations {
		if o.Path == nil || sent.Operations[i].Value == nil {
			continue
		}
		attribute, _, err := h.of.kind().Attribute(o.Path.AttributePath.URI(), o.Path.AttributePath.AttributeName)
		if err != nil {
			return err
		}
		if o.Path.SubAttributeName() != "" || o.Path.AttributePath.SubAttributeName() != "" || !attribute.HasSubAttributes() {
			continue
		}
		for _, v := range scimtype.ListOf(sent.Operations[i].Value) {
			if err := known(attribute.SubAttributes(), v); err != nil {
				return err
			}
		}
	}
	return nil
}

// known refuses an object with names that are not among the attributes.
func known(attributes schema.Attributes, object any) error {
	o, ok := object.(map[string]any)
	if !ok {
		return scimerrors.ScimErrorInvalidValue
	}
	for name, value := range o {
		a, ok := attributes.ContainsAttribute(name)
		if !ok {
			return fmt.Errorf("no attribute %s: %w", name, scimerrors.ScimErrorInvalidValue)
		}
		if value == nil {
			continue
		}
		if _, list := value.([]any); a.MultiValued() != list {
			return fmt.Errorf("%s: %w", name, scimerrors.ScimErrorInvalidValue)
		}
		if !a.HasSubAttributes() {
			continue
		}
		for _, v := range scimtype.ListOf(value) {
			if err := known(a.SubAttributes(), v); err != nil {
				return err
			}
		}
	}
	return nil
}

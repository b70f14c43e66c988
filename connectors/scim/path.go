package scim

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/elimity-com/scim/schema"
)

// path locates a managed attribute in a User.
type path struct {
	text string // as configured
	urn  string // of the extension; empty in the core schema
	attr string
	sub  string // the sub-attribute of a complex attribute
	// kind selects one value, by its type, of an attribute with many values.
	kind string
	// multiValued reports whether all values of the attribute are managed.
	multiValued bool
	// anyType reports whether the path has no [type eq …], so that a value
	// without a type counts too.
	anyType bool
}

const (
	userURN       = schema.UserSchema
	groupURN      = schema.GroupSchema
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	workKind      = "work"
)

var (
	pathForm = regexp.MustCompile(`^(?:(urn:.+):)?([A-Za-z$][A-Za-z0-9_$-]*)(?:\[type eq "([A-Za-z0-9 _-]+)"\])?(?:\.([A-Za-z$][A-Za-z0-9_$-]*))?$`)

	coreSchema       = schema.CoreUserSchema()
	enterpriseSchema = schema.ExtensionEnterpriseUser()

	// typedAttributes are the attributes with values of several types, of which
	// one is managed.
	typedAttributes = map[string]bool{"emails": true, "phoneNumbers": true, "ims": true, "addresses": true}
	// reservedAttributes are those that the contract manages in another way.
	reservedAttributes = map[string]string{
		"username": "the login name", "externalid": "the anchor", "active": "set by enabling and disabling",
		"id": "the service's", "meta": "the service's", "schemas": "the service's",
		"password": "a secret that behov does not manage", "groups": "set through memberships",
	}
)

// parsePath parses a SCIM path (RFC 7644 §3.10) of one of the forms that locate
// one attribute of a person.
func parsePath(s string) (path, error) {
	m := pathForm.FindStringSubmatch(s)
	if m == nil {
		return path{}, fmt.Errorf("attribute %q is not a SCIM path such as title, name.givenName or emails", s)
	}
	p := path{text: s, urn: m[1], attr: m[2], kind: m[3], sub: m[4]}
	if strings.EqualFold(p.urn, userURN) {
		p.urn = ""
	}
	var known schema.Attributes
	switch {
	case p.urn == "":
		known = coreSchema.Attributes
		if why, ok := reservedAttributes[strings.ToLower(p.attr)]; ok {
			return path{}, fmt.Errorf("attribute %q cannot be managed: it is %s", s, why)
		}
	case strings.EqualFold(p.urn, enterpriseURN):
		p.urn, known = enterpriseURN, enterpriseSchema.Attributes
	default:
		// An extension whose schema is unknown: its attributes are handled by the
		// values that are found.
		if p.kind != "" && p.sub == "" {
			p.sub = "value"
		}
		return p, nil
	}
	a, ok := known.ContainsAttribute(p.attr)
	if !ok {
		return path{}, fmt.Errorf("attribute %q is not in the schema; prefix an attribute of an extension with its URN", s)
	}
	return p.inSchema(a)
}

// inSchema completes a path whose attribute is known.
func (p path) inSchema(a schema.CoreAttribute) (path, error) {
	p.attr = a.Name()
	if a.MultiValued() {
		if p.kind == "" && typedAttributes[p.attr] {
			p.kind, p.anyType = workKind, true
		}
		p.multiValued = p.kind == ""
	} else if p.kind != "" {
		return path{}, fmt.Errorf("attribute %q has one value only: remove [type eq …]", p.text)
	}
	if !a.HasSubAttributes() {
		if p.sub != "" {
			return path{}, fmt.Errorf("attribute %q has no sub-attributes: remove .%s", p.text, p.sub)
		}
		return p, nil
	}
	if p.sub == "" {
		p.sub = "value"
	}
	sub, ok := a.SubAttributes().ContainsAttribute(p.sub)
	if !ok {
		return path{}, fmt.Errorf("attribute %q: name a sub-attribute of %s, as in %s.%s", p.text, p.attr, p.attr, a.SubAttributes()[0].Name())
	}
	p.sub = sub.Name()
	return p, nil
}

// target returns the path for a PATCH: the whole attribute when it has many
// values, so that the result does not depend on how a service reads filters.
func (p path) target() string {
	t := p.attr
	if p.urn != "" {
		t = p.urn + ":" + t
	}
	if p.isSubAttribute() {
		t += "." + p.sub
	}
	return t
}

// isSubAttribute reports whether the path names a part of a complex attribute
// that is changed separately. The sub-attribute value belongs to its attribute.
func (p path) isSubAttribute() bool {
	return p.sub != "" && p.sub != "value" && p.kind == "" && !p.multiValued
}

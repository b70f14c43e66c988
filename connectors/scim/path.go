package scim

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/elimity-com/scim/schema"
)

// path is where in a User a managed attribute is.
type path struct {
	text string // as configured
	urn  string // the extension's; empty in the core schema
	attr string
	sub  string // the part of a complex attribute
	// kind chooses, of an attribute with many values of several types, the
	// one value meant.
	kind string
	// many: the attribute's values are all meant.
	many bool
	// plain: no [type eq …] was written, so that a value without a type will
	// do as well.
	plain bool
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

	// kinds are the attributes with values of several types, of which one is
	// managed.
	kinds = map[string]bool{"emails": true, "phoneNumbers": true, "ims": true, "addresses": true}
	// reserved are those that the contract has words of its own for.
	reserved = map[string]string{ //nolint:gosec // names of attributes, no secrets
		"username": "the login name", "externalid": "the anchor", "active": "set by enabling and disabling",
		"id": "the service's", "meta": "the service's", "schemas": "the service's",
		"password": "not behov's to know", "groups": "set through memberships",
	}
)

// parsePath reads a SCIM path (RFC 7644 §3.10), in the few forms that name
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
		if why, ok := reserved[strings.ToLower(p.attr)]; ok {
			return path{}, fmt.Errorf("attribute %q cannot be managed: it is %s", s, why)
		}
	case strings.EqualFold(p.urn, enterpriseURN):
		p.urn, known = enterpriseURN, enterpriseSchema.Attributes
	default:
		// An extension whose schema is not known: its attributes are taken
		// for what they are found to be.
		if p.kind != "" && p.sub == "" {
			p.sub = "value"
		}
		return p, nil
	}
	a, ok := known.ContainsAttribute(p.attr)
	if !ok {
		return path{}, fmt.Errorf("attribute %q is not in the schema; write an extension's with its URN before it", s)
	}
	return p.inSchema(a)
}

// inSchema completes a path whose attribute is known.
func (p path) inSchema(a schema.CoreAttribute) (path, error) {
	p.attr = a.Name()
	if a.MultiValued() {
		if p.kind == "" && kinds[p.attr] {
			p.kind, p.plain = workKind, true
		}
		p.many = p.kind == ""
	} else if p.kind != "" {
		return path{}, fmt.Errorf("attribute %q has one value only: leave [type eq …] out", p.text)
	}
	if !a.HasSubAttributes() {
		if p.sub != "" {
			return path{}, fmt.Errorf("attribute %q has no parts: leave .%s out", p.text, p.sub)
		}
		return p, nil
	}
	if p.sub == "" {
		p.sub = "value"
	}
	sub, ok := a.SubAttributes().ContainsAttribute(p.sub)
	if !ok {
		return path{}, fmt.Errorf("attribute %q: say which part of %s, as in %s.%s", p.text, p.attr, p.attr, a.SubAttributes()[0].Name())
	}
	p.sub = sub.Name()
	return p, nil
}

// target is the path a PATCH names: the whole attribute when it has many
// values, so that nothing depends on how a service reads filters.
func (p path) target() string {
	t := p.attr
	if p.urn != "" {
		t = p.urn + ":" + t
	}
	if p.part() {
		t += "." + p.sub
	}
	return t
}

// part says whether the path names a part of a complex attribute that is
// changed by itself. A value belongs to its attribute.
func (p path) part() bool {
	return p.sub != "" && p.sub != "value" && p.kind == "" && !p.many
}

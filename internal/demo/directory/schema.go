package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
)

// attribute is an attribute type: what values it takes, and how they compare.
type attribute struct {
	name    string // canonical
	aliases string
	kind    kind
	single  bool
	// operational attributes are returned only when asked for; readOnly ones
	// are the server's to set.
	operational, readOnly bool
}

type kind int

const (
	text  kind = iota // any text, compared without case
	ascii             // IA5
	exact             // octets
	name              // a DN
	oid               // the name of an object class
	moment
	number
)

var locked = attribute{name: "pwdAccountLockedTime", kind: moment, single: true, operational: true}

// attributes are those of the core, cosine, inetOrgPerson and nis schemas
// that people and groups have.
var attributes = func() map[string]attribute {
	all := map[string]attribute{}
	add := func(a attribute) {
		for _, n := range append(strings.Fields(a.aliases), a.name) {
			all[strings.ToLower(n)] = a
		}
	}
	for _, n := range strings.Fields(`o ou title description street postalAddress postalCode telephoneNumber
		facsimileTelephoneNumber businessCategory carLicense departmentNumber employeeType givenName initials
		mobile pager roomNumber manager secretary homePhone homePostalAddress physicalDeliveryOfficeName l st
		seeAlso owner member`) {
		k := text
		if slices.Contains([]string{"manager", "secretary", "seeAlso", "owner", "member"}, n) {
			k = name
		}
		add(attribute{name: n, kind: k})
	}
	add(attribute{name: "objectClass", kind: oid})
	add(attribute{name: "cn", aliases: "commonName"})
	add(attribute{name: "sn", aliases: "surname"})
	add(attribute{name: "uid", aliases: "userid"})
	add(attribute{name: "mail", aliases: "rfc822Mailbox", kind: ascii})
	add(attribute{name: "labeledURI", kind: exact})
	add(attribute{name: "userPassword", kind: exact})
	add(attribute{name: "displayName", single: true})
	add(attribute{name: "employeeNumber", single: true})
	add(attribute{name: "preferredLanguage", single: true})
	add(attribute{name: "c", single: true})
	add(attribute{name: "dc", kind: ascii, single: true})
	add(attribute{name: "uidNumber", kind: number, single: true})
	add(attribute{name: "gidNumber", kind: number, single: true})
	add(attribute{name: "homeDirectory", kind: ascii, single: true})
	add(attribute{name: "loginShell", kind: ascii, single: true})
	add(locked)
	for _, n := range []string{"entryUUID", "createTimestamp", "modifyTimestamp"} {
		add(attribute{name: n, single: true, operational: true, readOnly: true})
	}
	return all
}()

// classes are the object classes and what an entry of each must have.
var classes = map[string][]string{
	"top":                  nil,
	"person":               {"cn", "sn"},
	"organizationalPerson": {"cn", "sn"},
	"inetOrgPerson":        {"cn", "sn"},
	"posixAccount":         {"cn", "uid", "uidNumber", "gidNumber", "homeDirectory"},
	"organizationalUnit":   {"ou"},
	"organization":         {"o"},
	"dcObject":             {"dc"},
	"groupOfNames":         {"cn", "member"},
}

func attributeType(name string) (attribute, bool) {
	a, ok := attributes[strings.ToLower(name)]
	return a, ok
}

var (
	generalizedTime = regexp.MustCompile(`^[0-9]{10}([0-9]{2}){0,2}([.,][0-9]+)?(Z|[+-][0-9]{2}([0-9]{2})?)$`)
	integer         = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
)

// takes says whether a value has the attribute's syntax (RFC 4517 §3.3).
func (a attribute) takes(v string) bool {
	switch a.kind {
	case exact:
		return v != ""
	case ascii:
		return v != "" && !strings.ContainsFunc(v, func(r rune) bool { return r >= 0x80 })
	case name:
		_, err := foldDN(v)
		return err == nil
	case moment:
		return generalizedTime.MatchString(v)
	case number:
		return integer.MatchString(v)
	case oid:
		return slices.ContainsFunc(classNames(), func(c string) bool { return strings.EqualFold(c, v) })
	}
	return v != "" && utf8.ValidString(v)
}

// key returns the form in which values compare.
func (a attribute) key(v string) string {
	switch a.kind {
	case exact, number, moment:
		return v
	case name:
		if folded, err := foldDN(v); err == nil {
			return folded
		}
	}
	return fold(v)
}

func (a attribute) index(values []string, v string) int {
	k := a.key(v)
	return slices.IndexFunc(values, func(w string) bool { return w == v || a.key(w) == k })
}

func (a attribute) contains(values []string, v string) bool { return a.index(values, v) >= 0 }

// writable finds an attribute that a client may set.
func writable(name string) (attribute, error) {
	a, ok := attributeType(name)
	if !ok {
		return a, no(ldap.LDAPResultUndefinedAttributeType, "'%s': attribute type undefined", name)
	}
	if a.readOnly {
		return a, no(ldap.LDAPResultConstraintViolation, "'%s': no user modification allowed", a.name)
	}
	return a, nil
}

func (e *entry) addValues(name string, values []string) error {
	a, err := writable(name)
	if err != nil {
		return err
	}
	has := e.attributes[a.name]
	keys := make(map[string]bool, len(has)+len(values))
	for _, v := range has {
		keys[a.key(v)] = true
	}
	for i, v := range values {
		if !a.takes(v) {
			return no(ldap.LDAPResultInvalidAttributeSyntax, "%s: value #%d invalid per syntax", a.name, i)
		}
		k := a.key(v)
		if keys[k] {
			return no(ldap.LDAPResultAttributeOrValueExists, "%s: value #%d already exists", a.name, i)
		}
		keys[k] = true
		has = append(has, v)
	}
	e.attributes[a.name] = has
	return nil
}

func (e *entry) modify(m modification) error {
	a, err := writable(m.name)
	if err != nil {
		return err
	}
	switch m.op {
	case ldap.AddAttribute:
		if len(m.values) == 0 {
			return no(ldap.LDAPResultProtocolError, "%s: modify/add without values", a.name)
		}
		return e.addValues(a.name, m.values)
	case ldap.ReplaceAttribute:
		delete(e.attributes, a.name)
		if len(m.values) == 0 {
			return nil
		}
		return e.addValues(a.name, m.values)
	case ldap.DeleteAttribute:
		return e.deleteValues(a, m.values)
	}
	return no(ldap.LDAPResultUnwillingToPerform, "%s: modify operation not supported", a.name)
}

func (e *entry) deleteValues(a attribute, values []string) error {
	has := e.attributes[a.name]
	if len(has) == 0 {
		return no(ldap.LDAPResultNoSuchAttribute, "modify/delete: %s: no such attribute", a.name)
	}
	if len(values) == 0 {
		has = nil
	}
	for _, v := range values {
		i := a.index(has, v)
		if i < 0 {
			return no(ldap.LDAPResultNoSuchAttribute, "modify/delete: %s: no such value", a.name)
		}
		has = slices.Delete(has, i, i+1)
	}
	if e.attributes[a.name] = has; len(has) == 0 {
		delete(e.attributes, a.name)
	}
	return nil
}

// valid checks an entry against its object classes.
func (e *entry) valid() error {
	if len(e.attributes["objectClass"]) == 0 {
		return no(ldap.LDAPResultObjectClassViolation, "no objectClass attribute")
	}
	for _, class := range e.attributes["objectClass"] {
		for known, must := range classes {
			if !strings.EqualFold(known, class) {
				continue
			}
			for _, n := range must {
				if len(e.attributes[n]) == 0 {
					return no(ldap.LDAPResultObjectClassViolation, "object class '%s' requires attribute '%s'", known, n)
				}
			}
		}
	}
	for n, values := range e.attributes {
		if a, ok := attributeType(n); ok && a.single && len(values) > 1 {
			return no(ldap.LDAPResultConstraintViolation, "attribute '%s' cannot have multiple values", n)
		}
	}
	return nil
}

func classNames() []string {
	names := make([]string, 0, len(classes))
	for n := range classes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// subschema is the entry that tells clients what the server knows.
func subschema() *entry {
	var types, objects []string
	for i, key := range sortedAttributeKeys() {
		a := attributes[key]
		if strings.ToLower(a.name) != key {
			continue
		}
		types = append(types, fmt.Sprintf("( 1.3.6.1.4.1.99999.8.%d NAME ( '%s' ) )", i, strings.Join(append([]string{a.name}, strings.Fields(a.aliases)...), "' '")))
	}
	for i, n := range classNames() {
		objects = append(objects, fmt.Sprintf("( 1.3.6.1.4.1.99999.9.%d NAME '%s' )", i, n))
	}
	return &entry{"cn=Subschema", map[string][]string{
		"objectClass": {"top", "subschema"}, "cn": {"Subschema"}, "attributeTypes": types, "objectClasses": objects,
	}}
}

func sortedAttributeKeys() []string {
	keys := make([]string, 0, len(attributes))
	for k := range attributes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

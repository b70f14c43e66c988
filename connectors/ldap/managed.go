package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

// personIDLength is how many characters a behov person ID has (RFC 9562 §4).
const personIDLength = 36

// unmanageable maps the attributes that no mapping may write in any directory,
// folded, to what they hold.
var unmanageable = map[string]string{
	"objectclass":  "the object classes, which object_classes sets",
	"userpassword": "the password, which behov sets only once and never reads",
}

// windowsUnmanageable are those of Active Directory. They identify an account to
// Windows or grant it rights ([MS-ADA1], [MS-ADA2], [MS-ADA3]), and the server
// writes some of them itself.
var windowsUnmanageable = map[string]string{
	strings.ToLower(flagsAttribute):   "a set of flags, of which behov changes only the one that disables the account",
	strings.ToLower(primaryAttribute): "a membership, which roles manage",
	"member":                          "a membership, which roles manage",
	"memberof":                        "memberships, which the server writes and roles manage",
	"pwdlastset":                      "when the password was set, which the server writes",
	"unicodepwd":                      "the password, which behov sets only once and never reads",
	"objectguid":                      "the server's own identifier of the entry",
	"objectsid":                       "the server's own identifier of the account",
	"sidhistory":                      "other identities of the account, with their rights",
	"admincount":                      "the server's own marker of a protected account",
	"lockouttime":                     "the server's own lock after too many wrong passwords",
	"serviceprincipalname":            "a name for which clients can request Kerberos tickets",
	"ntsecuritydescriptor":            "the access control list of the account",
	"msds-keycredentiallink":          "a key with which one can sign in as the account",
	"altsecurityidentities":           "a certificate with which one can sign in as the account",
}

// windowsMaxLengths holds attributes of Active Directory's own schema that are
// too short for a person ID, with their rangeUpper ([MS-ADA1]). The server's own
// schema has precedence.
var windowsMaxLengths = map[string]int{"employeeid": 16}

// faults returns what in a complete configuration is invalid with this flavour,
// each on a line of its own. canonical returns the same name for all names of an
// attribute.
func (c Config) faults(f *flavour, canonical func(string) string) error {
	var errs []error
	for _, a := range c.Attributes {
		if what := c.unmanageable(f, canonical, a); what != "" {
			errs = append(errs, fmt.Errorf("attribute %s cannot be managed: it is %s", a, what))
		}
	}
	if limit := f.maxLengths[canonical(c.AnchorAttribute)]; limit > 0 {
		errs = append(errs, f.tooNarrow(c.AnchorAttribute, limit))
	}
	return errors.Join(errs...)
}

// unmanageable returns what an attribute holds that no mapping may write; empty
// when a mapping may.
func (c Config) unmanageable(f *flavour, canonical func(string) string, attribute string) string {
	name := canonical(attribute)
	same := func(other string) bool { return other != "" && canonical(other) == name }
	switch {
	case same(c.AnchorAttribute): // also when it is only read: an anchor that behov wrote matches no HR record
		return "the anchor attribute, which holds behov's own ID of the person: choose another anchor_attribute"
	case slices.ContainsFunc(c.ReadOnly, same):
		return ""
	case same(c.NameAttribute):
		return "name_attribute: the login name is set by name:, not among attributes"
	case same(c.IDAttribute):
		return "the server's own identifier of the entry"
	case f.unmanageable[name] != "":
		return f.unmanageable[name]
	case unmanageable[name] != "":
		return unmanageable[name]
	case same(c.Disable.Attribute):
		return "the attribute by which accounts are disabled"
	case same(c.SignInAttribute):
		return "sign_in_attribute, which the server writes"
	case same(c.MFAAttribute):
		return "mfa_attribute, which shows MFA enrolment and which behov does not write"
	}
	return ""
}

// baseName returns an attribute's name without options such as ;lang-sv, folded.
func baseName(name string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), ";")
	return name
}

// flavourFaults returns the faults with the flavour that the configuration names;
// without a flavour, those that exist with every flavour.
func (c Config) flavourFaults() error {
	if f := flavours[c.Flavour]; f != nil {
		return f.complete(c).faults(f, baseName)
	}
	if c.Flavour != "" {
		return nil // reported above
	}
	var everywhere []error
	for _, a := range c.Attributes {
		alone := c
		alone.Attributes = []string{a}
		var fault error
		for _, name := range []string{OpenLDAP, ActiveDirectory} {
			f := flavours[name]
			what := f.complete(alone).unmanageable(f, baseName, a)
			if what == "" {
				fault = nil
				break
			}
			if fault == nil {
				fault = fmt.Errorf("attribute %s cannot be managed: it is %s", a, what)
			}
		}
		if fault != nil {
			everywhere = append(everywhere, fault)
		}
	}
	return errors.Join(everywhere...)
}

func (f *flavour) tooNarrow(anchor string, limit int) error {
	return fmt.Errorf("anchor_attribute %s holds at most %d characters and the person's ID has %d: choose %s, or another attribute that is indexed and unused",
		anchor, limit, personIDLength, f.defaults.AnchorAttribute)
}

// permanent joins faults into one permanent error of one line.
func permanent(faults error) error {
	if faults == nil {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "ldap: %s", strings.ReplaceAll(faults.Error(), "\n", "; "))
}

// isReadOnly reports whether an attribute is only read.
func (c Config) isReadOnly(attribute string) bool {
	return slices.ContainsFunc(c.ReadOnly, func(r string) bool { return strings.EqualFold(r, attribute) })
}

// manages reports whether a mapping decides the values of an attribute.
func (c Config) manages(attribute string) bool {
	return !c.isReadOnly(attribute) && slices.ContainsFunc(c.Attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
}

// writtenAttributes returns the managed attributes without those that are only
// read.
func (c Config) writtenAttributes() []string {
	return slices.DeleteFunc(slices.Clone(c.Attributes), c.isReadOnly)
}

// schemaFaults returns the contradictions between the server's schema and the
// configuration: two names of one attribute, or an anchor attribute that is too
// short for a person ID. err means that the schema could not be read.
func (s *session) schemaFaults(ctx context.Context, known *schema) (faults, err error) {
	canonical := func(name string) string {
		name = baseName(name)
		return strings.ToLower(cmp.Or(known.known[name], known.oids[name], name))
	}
	if err := s.cfg.faults(s.flavour, canonical); err != nil {
		return permanent(err), nil
	}
	contexts := s.rootValues("schemaNamingContext")
	if len(s.flavour.maxLengths) == 0 || len(contexts) == 0 {
		return nil, nil
	}
	// rangeUpper is the maximum number of characters of a string ([MS-ADTS]
	// 3.1.1.2.3).
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: contexts[0], Scope: ldap.ScopeSingleLevel, Attributes: []string{"rangeUpper"},
		Filter: allOf("(objectClass=attributeSchema)", equals("lDAPDisplayName", canonical(s.cfg.AnchorAttribute))),
	})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return nil, s.failure(ctx, "read the schema", err)
	}
	for _, e := range result.Entries {
		if limit, err := strconv.Atoi(e.GetEqualFoldAttributeValue("rangeUpper")); err == nil && limit < personIDLength {
			return permanent(s.flavour.tooNarrow(s.cfg.AnchorAttribute, limit)), nil
		}
	}
	return nil, nil
}

// anchorsAreOurs returns an error when the anchor attribute holds values that
// behov cannot have written. It looks at the first accounts only: an attribute
// that is in use has a value on most.
func (c *Connector) anchorsAreOurs(ctx context.Context, s *session) error {
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: s.cfg.PeopleDN, Scope: ldap.ScopeWholeSubtree, SizeLimit: accountPage, Filter: s.isAccount(), Attributes: []string{s.cfg.AnchorAttribute},
	})
	if err != nil && !is(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded) {
		return s.failure(ctx, "read anchors", err)
	}
	foreign := 0
	for _, e := range result.Entries {
		if slices.ContainsFunc(e.GetEqualFoldAttributeValues(s.cfg.AnchorAttribute), func(v string) bool { return !isAnchor(v) }) {
			foreign++
		}
	}
	if foreign == 0 {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "ldap: anchor_attribute %s is in use: %d of %d accounts hold values in it that are no behov IDs: choose an unused attribute",
		s.cfg.AnchorAttribute, foreign, len(result.Entries))
}

// isAnchor reports whether a value can be behov's: a person ID, or an ID of the
// conformance suite.
func isAnchor(value string) bool {
	return len(value) == personIDLength && uuid.Validate(value) == nil || strings.HasPrefix(value, "behov-")
}

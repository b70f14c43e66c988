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

// personID is how many characters a behov person ID has (RFC 9562 §4).
const personID = 36

// unmanageable are attributes that no mapping may write in any directory,
// folded, with what they are.
var unmanageable = map[string]string{
	"objectclass":  "what tells accounts from other entries, and set by object_classes",
	"userpassword": "the password, which behov neither reads nor sets but once",
}

// windowsUnmanageable are those of Active Directory. They say who somebody is
// to Windows, or what somebody may do ([MS-ADA1], [MS-ADA2], [MS-ADA3]), and
// the server writes some of them itself.
var windowsUnmanageable = map[string]string{
	strings.ToLower(flagsAttribute):   "a set of flags, of which behov changes the one that disables the account",
	strings.ToLower(primaryAttribute): "a membership, which roles give and take",
	"member":                          "a membership, which roles give and take",
	"memberof":                        "memberships, which the server writes and roles give and take",
	"pwdlastset":                      "when the password was set, which the server writes",
	"unicodepwd":                      "the password, which behov neither reads nor sets but once",
	"objectguid":                      "the server's own identifier of the entry",
	"objectsid":                       "the server's own identifier of the account",
	"sidhistory":                      "other identities of the account, with all that they may do",
	"admincount":                      "the server's own mark of a protected account",
	"lockouttime":                     "the server's own lock after too many wrong passwords",
	"serviceprincipalname":            "a name under which others can ask for tickets to the account",
	"ntsecuritydescriptor":            "who may do what with the account",
	"msds-keycredentiallink":          "a key that signs in as the account",
	"altsecurityidentities":           "a certificate that signs in as the account",
}

// narrow are attributes of Active Directory's own schema in which a person ID
// finds no room, with their rangeUpper ([MS-ADA1]). What the server's
// schema says has precedence.
var narrow = map[string]int{"employeeid": 16}

// faults says what in a complete configuration cannot be with this flavour,
// each on a line of its own. canonical brings the names of one attribute to
// the same one.
func (c Config) faults(f *flavour, canonical func(string) string) error {
	var errs []error
	for _, a := range c.Attributes {
		if what := c.unmanageable(f, canonical, a); what != "" {
			errs = append(errs, fmt.Errorf("attribute %s cannot be managed: it is %s", a, what))
		}
	}
	if limit := f.narrow[canonical(c.AnchorAttribute)]; limit > 0 {
		errs = append(errs, f.tooNarrow(c.AnchorAttribute, limit))
	}
	return errors.Join(errs...)
}

// unmanageable says what an attribute is that no mapping may write; empty when
// one may.
func (c Config) unmanageable(f *flavour, canonical func(string) string, attribute string) string {
	name := canonical(attribute)
	same := func(other string) bool { return other != "" && canonical(other) == name }
	switch {
	case same(c.AnchorAttribute): // also when it is only read: what behov wrote tells nobody's owner
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
		return "what tells whether the account is disabled"
	case same(c.MFAAttribute):
		return "mfa_attribute, which tells who is enrolled and is not behov's to write"
	}
	return ""
}

// bare is an attribute's name without options such as ;lang-sv, folded.
func bare(name string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), ";")
	return name
}

// flavourFaults are the faults with the flavour that the configuration names;
// without one, those that there are with every flavour.
func (c Config) flavourFaults() error {
	if f := flavours[c.Flavour]; f != nil {
		return f.complete(c).faults(f, bare)
	}
	if c.Flavour != "" {
		return nil // which has been said
	}
	var everywhere []error
	for _, a := range c.Attributes {
		alone := c
		alone.Attributes = []string{a}
		var fault error
		for _, name := range []string{OpenLDAP, ActiveDirectory} {
			f := flavours[name]
			what := f.complete(alone).unmanageable(f, bare, a)
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
	return fmt.Errorf("anchor_attribute %s holds at most %d characters and the person's ID has %d: choose %s, or another that is indexed and that nobody uses",
		anchor, limit, personID, f.defaults.AnchorAttribute)
}

// permanent makes faults into one line that is an answer of the connector.
func permanent(faults error) error {
	if faults == nil {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "ldap: %s", strings.ReplaceAll(faults.Error(), "\n", "; "))
}

// isReadOnly says whether an attribute is only read.
func (c Config) isReadOnly(attribute string) bool {
	return slices.ContainsFunc(c.ReadOnly, func(r string) bool { return strings.EqualFold(r, attribute) })
}

// manages says whether a mapping decides what an attribute has.
func (c Config) manages(attribute string) bool {
	return !c.isReadOnly(attribute) && slices.ContainsFunc(c.Attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
}

// writtenAttributes are the managed attributes without those that are only read.
func (c Config) writtenAttributes() []string {
	return slices.DeleteFunc(slices.Clone(c.Attributes), c.isReadOnly)
}

// schemaFaults are what the server's schema says against the configuration:
// that two names are one attribute's, and that a person ID finds no room in
// the anchor attribute. That it could not be asked is another error.
func (s *session) schemaFaults(ctx context.Context, known *schema) (faults, err error) {
	canonical := func(name string) string {
		name = bare(name)
		return strings.ToLower(cmp.Or(known.known[name], known.oids[name], name))
	}
	if err := s.cfg.faults(s.flavour, canonical); err != nil {
		return permanent(err), nil
	}
	contexts := s.said("schemaNamingContext")
	if len(s.flavour.narrow) == 0 || len(contexts) == 0 {
		return nil, nil
	}
	// rangeUpper is how many characters a string has at most ([MS-ADTS]
	// 3.1.1.2.3).
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: contexts[0], Scope: ldap.ScopeSingleLevel, Attributes: []string{"rangeUpper"},
		Filter: allOf("(objectClass=attributeSchema)", equals("lDAPDisplayName", canonical(s.cfg.AnchorAttribute))),
	})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return nil, s.failure(ctx, "read the schema", err)
	}
	for _, e := range result.Entries {
		if limit, err := strconv.Atoi(e.GetEqualFoldAttributeValue("rangeUpper")); err == nil && limit < personID {
			return permanent(s.flavour.tooNarrow(s.cfg.AnchorAttribute, limit)), nil
		}
	}
	return nil, nil
}

// anchorsAreOurs says whether the anchor attribute holds what behov cannot
// have written there. Among the first accounts it would show: an attribute
// that is in use elsewhere is so for most.
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
	return connectors.Errorf(connectors.Permanent, "ldap: anchor_attribute %s is in use: %d of %d accounts hold something else than behov's IDs in it: choose an attribute that nobody uses",
		s.cfg.AnchorAttribute, foreign, len(result.Entries))
}

// isAnchor says whether a value can be behov's: a person ID, or what the
// conformance suite has for one.
func isAnchor(value string) bool {
	return len(value) == personID && uuid.Validate(value) == nil || strings.HasPrefix(value, "behov-")
}

package ldap

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// The flavours of directory that the connector distinguishes.
const (
	OpenLDAP        = "openldap"         // and any other server that follows the RFCs
	ActiveDirectory = "active-directory" // Microsoft Active Directory, and Samba
)

// flavour holds every difference between kinds of directory servers. No other
// part of the package asks which kind of server it is connected to.
type flavour struct {
	name string
	// defaults are the configuration defaults of the flavour.
	defaults Config
	// accountFilter tells accounts from other entries with the same object class;
	// empty where the class is sufficient.
	accountFilter string
	// guid reports whether native IDs are octets to be shown as a GUID.
	guid bool
	// attributes are read with every account.
	attributes []string
	// memberThere and memberGone are the result codes of a modification that adds
	// an existing value, or deletes a missing one.
	memberThere, memberGone []uint16
	// maintainsReferences reports whether the server itself updates references to
	// an entry that is moved or deleted, and accepts only the DNs of existing
	// entries.
	maintainsReferences bool
	// allowsEmptyGroups reports whether a group may have no member.
	allowsEmptyGroups bool
	// primaryGroups reports whether an account is a member of one group by its
	// own primaryGroupID ([MS-ADTS] 2.2.20 has the attributes).
	primaryGroups bool
	// effectiveRights reports whether the server publishes which attributes of an
	// entry may be written ([MS-ADTS] 3.1.1.4.5.7).
	effectiveRights bool
	// times are attributes that hold a time in the server's own form.
	times []string
	// unmanageable maps the attributes that no mapping may write, folded, to what
	// they hold.
	unmanageable map[string]string
	// maxLengths maps the attributes that are too short for an anchor, folded, to
	// how many characters they hold; nil when the schema does not tell.
	maxLengths map[string]int
	// uniqueInDomain reports whether a login name must be unique outside of
	// people_dn too.
	uniqueInDomain bool
	// loginNames returns why a login name is invalid; nil when any name is valid.
	loginNames func(string) (why string)
	// passwords sets the first password.
	passwords passwords
	// syntaxes tells how values are compared where the schema names no equality
	// rule, by the syntax's OID.
	syntaxes map[string]string
}

var flavours = map[string]*flavour{
	OpenLDAP: {
		name: OpenLDAP,
		defaults: Config{
			ObjectClasses: []string{"inetOrgPerson"}, NameAttribute: "uid", AnchorAttribute: "employeeNumber", IDAttribute: "entryUUID",
			GroupClass: "groupOfNames", MemberAttribute: "member", GroupNames: "cn",
			Disable: Disable{Attribute: lockedAttribute, Value: lockedForGood},
		},
		memberThere: []uint16{ldap.LDAPResultAttributeOrValueExists},
		memberGone:  []uint16{ldap.LDAPResultNoSuchAttribute},
		passwords:   extendedPassword{},
	},
	ActiveDirectory: {
		name: ActiveDirectory,
		defaults: Config{
			ObjectClasses: []string{"user"}, NameAttribute: "sAMAccountName", RDNAttribute: "cn", AnchorAttribute: "msDS-cloudExtensionAttribute1", IDAttribute: "objectGUID",
			GroupClass: "group", MemberAttribute: "member", GroupNames: "cn",
			Disable: Disable{Attribute: flagsAttribute}, SignInAttribute: signInAttribute,
		},
		// Computers and managed service accounts have the class user too.
		accountFilter:       "(objectCategory=person)",
		guid:                true,
		attributes:          []string{flagsAttribute, expiresAttribute},
		memberThere:         []uint16{ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultEntryAlreadyExists},
		memberGone:          []uint16{ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultUnwillingToPerform},
		maintainsReferences: true,
		allowsEmptyGroups:   true,
		primaryGroups:       true,
		effectiveRights:     true,
		times:               []string{expiresAttribute},
		unmanageable:        windowsUnmanageable,
		maxLengths:          windowsMaxLengths,
		uniqueInDomain:      true,
		loginNames:          invalidWindowsName,
		passwords:           unicodePassword{},
		syntaxes:            windowsSyntaxes,
	},
}

// DefaultAnchor returns the default anchor attribute of a flavour; for an empty
// name, that of every flavour but Active Directory.
func DefaultAnchor(name string) string {
	if f := flavours[name]; f != nil {
		return f.defaults.AnchorAttribute
	}
	return flavours[OpenLDAP].defaults.AnchorAttribute
}

// activeDirectory is an OID that a domain controller lists in
// supportedCapabilities ([MS-ADTS] 3.1.1.3.4.3.1).
const activeDirectory = "1.2.840.113556.1.4.800"

// detect returns the flavour of the server with the given root DSE.
func detect(root *ldap.Entry) *flavour {
	if root != nil {
		for _, capability := range root.GetEqualFoldAttributeValues("supportedCapabilities") {
			if capability == activeDirectory {
				return flavours[ActiveDirectory]
			}
		}
	}
	return flavours[OpenLDAP]
}

// complete sets the configuration defaults of the flavour.
func (f *flavour) complete(c Config) Config {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	if len(c.ObjectClasses) == 0 {
		c.ObjectClasses = f.defaults.ObjectClasses
	}
	def(&c.NameAttribute, f.defaults.NameAttribute)
	def(&c.RDNAttribute, f.defaults.RDNAttribute)
	def(&c.RDNAttribute, c.NameAttribute)
	def(&c.AnchorAttribute, f.defaults.AnchorAttribute)
	def(&c.IDAttribute, f.defaults.IDAttribute)
	def(&c.GroupClass, f.defaults.GroupClass)
	if strings.EqualFold(c.GroupClass, "posixGroup") {
		def(&c.MemberAttribute, memberUID) // RFC 2307 §4
	}
	def(&c.MemberAttribute, f.defaults.MemberAttribute)
	def(&c.GroupNames, f.defaults.GroupNames)
	def(&c.SignInAttribute, f.defaults.SignInAttribute)
	if c.Disable.Attribute == "" {
		moveTo := c.Disable.MoveTo
		c.Disable = f.defaults.Disable
		c.Disable.MoveTo = moveTo
	}
	return c
}

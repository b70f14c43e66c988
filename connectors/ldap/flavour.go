package ldap

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// The flavours of directory that the connector knows apart.
const (
	OpenLDAP        = "openldap"         // and what else follows the RFCs
	ActiveDirectory = "active-directory" // Microsoft's, and Samba's
)

// flavour is everything in which one kind of directory server differs from
// another. Nothing else in the package asks which server it talks to.
type flavour struct {
	name string
	// defaults are what configuration leaves out.
	defaults Config
	// accountFilter tells accounts from entries that have their object class
	// too; empty where the class is enough.
	accountFilter string
	// guid is set when native IDs are octets to be shown as a GUID.
	guid bool
	// attributes are read with every account.
	attributes []string
	// memberThere and memberGone are the codes with which a modification says
	// that a value to add is there already, or one to delete is not.
	memberThere, memberGone []uint16
	// keepsNames is set when the server itself corrects what refers to an entry
	// that is moved or deleted, and knows only DNs of entries that are there.
	keepsNames bool
	// mayBeEmpty is set when groups need no member.
	mayBeEmpty bool
	// primaryGroups is set when an account is a member of one group by a
	// number of its own ([MS-ADTS] 2.2.20 has the attributes).
	primaryGroups bool
	// effectiveRights is set when an entry tells what may be written to it
	// ([MS-ADTS] 3.1.1.4.5.7).
	effectiveRights bool
	// times are attributes that hold a time in the server's own form.
	times []string
	// unmanageable are attributes that no mapping may write here, folded, with
	// what they are.
	unmanageable map[string]string
	// narrow are attributes that are too short for an anchor, folded, with how
	// many characters they hold; nil when the schema does not tell either.
	narrow map[string]int
	// uniqueInDomain is set when a login name is unique in more than what is
	// below people_dn.
	uniqueInDomain bool
	// loginNames says why a login name cannot be; nil when any can.
	loginNames func(string) (why string)
	// passwords sets the first password.
	passwords passwords
	// syntaxes tells how values are compared where the schema names no
	// equality rule, by the syntax's OID.
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
			Disable: Disable{Attribute: flagsAttribute},
		},
		// Computers and managed service accounts are of the class user, too.
		accountFilter:   "(objectCategory=person)",
		guid:            true,
		attributes:      []string{flagsAttribute, expiresAttribute},
		memberThere:     []uint16{ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultEntryAlreadyExists},
		memberGone:      []uint16{ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultUnwillingToPerform},
		keepsNames:      true,
		mayBeEmpty:      true,
		primaryGroups:   true,
		effectiveRights: true,
		times:           []string{expiresAttribute},
		unmanageable:    windowsUnmanageable,
		narrow:          narrow,
		uniqueInDomain:  true,
		loginNames:      windowsName,
		passwords:       unicodePassword{},
		syntaxes:        windowsSyntaxes,
	},
}

// DefaultAnchor is where the anchor is in a flavour unless the configuration
// says otherwise; without a flavour, in whatever is not Active Directory.
func DefaultAnchor(name string) string {
	if f := flavours[name]; f != nil {
		return f.defaults.AnchorAttribute
	}
	return flavours[OpenLDAP].defaults.AnchorAttribute
}

// activeDirectory is what a domain controller lists among its
// supportedCapabilities ([MS-ADTS] 3.1.1.3.4.3.1).
const activeDirectory = "1.2.840.113556.1.4.800"

// detect tells the flavour from the root DSE.
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

// complete fills in what configuration left out, as this flavour has it.
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
	if c.Disable.Attribute == "" {
		moveTo := c.Disable.MoveTo
		c.Disable = f.defaults.Disable
		c.Disable.MoveTo = moveTo
	}
	return c
}

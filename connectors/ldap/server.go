package ldap

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// server is what the first connection showed about the directory: what it
// publishes about itself, and the configuration with the defaults of its flavour.
type server struct {
	cfg     Config
	flavour *flavour
	root    *ldap.Entry // the root DSE (RFC 4512 §5.1); nil when it shows none

	mu          sync.Mutex
	schema      *schema // nil until it has been read
	schemaFault error   // the contradictions between the schema and cfg
}

// rootAttributes are the attributes to read from the root DSE.
var rootAttributes = []string{
	"subschemaSubentry", "supportedCapabilities", "supportedExtension",
	"namingContexts", "defaultNamingContext", "configurationNamingContext", "schemaNamingContext",
}

// detectServer reads the root DSE, once.
func (c *Connector) detectServer(ctx context.Context, s *session) (*server, error) {
	c.settling.Lock()
	defer c.settling.Unlock()
	if c.server != nil {
		return c.server, nil
	}
	result, err := s.search(ctx, &ldap.SearchRequest{Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: rootAttributes})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return nil, c.failure(ctx, "read the root DSE", err)
	}
	v := &server{flavour: flavours[c.given.Flavour]}
	if len(result.Entries) > 0 {
		v.root = result.Entries[0]
	}
	if v.flavour == nil {
		v.flavour = detect(v.root)
	}
	v.cfg = v.flavour.complete(c.given)
	c.server = v
	return v, nil
}

// knownServer returns the server, or nil before the first connection.
func (c *Connector) knownServer() *server {
	c.settling.Lock()
	defer c.settling.Unlock()
	return c.server
}

// rootValues returns the root DSE's values of an attribute.
func (v *server) rootValues(attribute string) []string {
	if v.root == nil {
		return nil
	}
	return v.root.GetEqualFoldAttributeValues(attribute)
}

// accountBases returns the bases of accounts.
func (v *server) accountBases() []string {
	bases := []string{v.cfg.PeopleDN}
	if to := v.cfg.Disable.MoveTo; to != "" && !atOrBelow(to, v.cfg.PeopleDN) {
		if atOrBelow(v.cfg.PeopleDN, to) {
			return []string{to}
		}
		bases = append(bases, to)
	}
	return bases
}

// outsideDirectory reports whether a continuation reference points to a part that
// holds neither accounts nor groups: a forest's configuration, its schema, and
// its DNS zones ([MS-ADTS] 3.1.1.1.5). Any other part on another server is
// missing from the answer.
func (v *server) outsideDirectory(referral string) bool {
	dn := referralDN(referral)
	if dn == "" {
		return false
	}
	contexts := slices.Concat(v.rootValues("configurationNamingContext"), v.rootValues("schemaNamingContext"))
	if slices.ContainsFunc(contexts, func(context string) bool { return foldDN(context) == foldDN(dn) }) {
		return true
	}
	first, _, _ := strings.Cut(strings.ToLower(dn), ",")
	return len(contexts) > 0 && (first == "dc=domaindnszones" || first == "dc=forestdnszones")
}

// isAccount returns the filter that tells accounts from other entries.
func (v *server) isAccount() string {
	class := equals("objectClass", v.cfg.ObjectClasses[0])
	if v.flavour.accountFilter == "" {
		return class
	}
	return allOf(v.flavour.accountFilter, class)
}

func (v *server) isGroup() string { return equals("objectClass", v.cfg.GroupClass) }

// membersAreNames reports whether groups hold login names instead of DNs.
func (v *server) membersAreNames() bool { return strings.EqualFold(v.cfg.MemberAttribute, memberUID) }

// memberValue returns the value that stands for an account in a group.
func (v *server) memberValue(e *ldap.Entry) string {
	if v.membersAreNames() {
		return namingValue(e, v.cfg.NameAttribute)
	}
	return e.DN
}

// memberKey returns a member value in a form in which equal members are equal
// strings.
func (v *server) memberKey(value string) string {
	if v.membersAreNames() {
		return value // memberUid is compared exactly (RFC 2307 §3)
	}
	return foldDN(value)
}

// invalidName returns why a login name is invalid; empty when it is valid.
func (v *server) invalidName(name string) string {
	if v.flavour.loginNames != nil {
		if why := v.flavour.loginNames(name); why != "" {
			return why
		}
	}
	if v.membersAreNames() && !isASCII(name) {
		return "the login name has characters that memberUid does not allow; use a to z, digits and - . _ (RFC 2307 §4)"
	}
	return ""
}

// Capabilities implements connectors.Connector. Answers that depend on the
// flavour are known after the first connection, unless the configuration names
// the flavour.
func (c *Connector) Capabilities() connectors.Capabilities {
	v := c.knownServer()
	f, later := flavours[c.given.Flavour], ""
	switch {
	case v != nil:
		f = v.flavour
	case f == nil:
		f, later = flavours[OpenLDAP], "; Active Directory is detected at the first connection and uses other attributes"
	}
	cfg := f.complete(c.given)
	disable := "through the attribute " + cfg.Disable.Attribute
	switch {
	case cfg.Disable.Attribute == lockedAttribute:
		disable = "needs the ppolicy overlay and a password policy with pwdLockout TRUE"
	case strings.EqualFold(cfg.Disable.Attribute, flagsAttribute):
		disable = "through the flag ACCOUNTDISABLE"
		if !cfg.manages(expiresAttribute) {
			disable += "; enabling an account whose accountExpires has passed makes it one that does not expire"
		}
	}
	if cfg.Disable.MoveTo != "" {
		disable += ", and moves to disable.move_to and back"
	}
	password := connectors.Can(f.passwords.note() + later)
	if !cfg.setsPassword(f) {
		password = connectors.Cannot("first_password is not configured, and no password file receives it" + later)
	}
	references := connectors.Cannot("references is not configured")
	if len(cfg.References) > 0 {
		references = connectors.Can("in " + strings.Join(cfg.References, ", "))
	}
	mfa := connectors.Cannot("mfa_attribute is not configured")
	if cfg.MFAAttribute != "" {
		mfa = connectors.Can("from the attribute " + cfg.MFAAttribute)
	}
	signIns := connectors.Cannot("sign_in_attribute is not configured")
	if cfg.SignInAttribute != "" {
		signIns = connectors.Can("from the attribute " + cfg.SignInAttribute)
	}
	groups := connectors.Can("needs the right to create, rename and delete entries below groups_dn; with the purpose in description")
	if strings.EqualFold(cfg.GroupClass, "posixGroup") {
		groups = connectors.Cannot("a posixGroup needs a gidNumber, which behov does not assign")
	}
	return connectors.Capabilities{
		connectors.SignIns:    signIns,
		connectors.Groups:     groups,
		connectors.Create:     connectors.Can(),
		connectors.Adopt:      connectors.Can("writes " + cfg.AnchorAttribute + later),
		connectors.Update:     connectors.Can(),
		connectors.References: references,
		connectors.Rename:     connectors.Can("changes " + cfg.NameAttribute + ", and the entry's DN where that names it" + later),
		connectors.Disable:    connectors.Can(disable + later),
		connectors.Delete:     connectors.Can(),
		connectors.Restore:    connectors.Cannot("LDAP cannot restore deleted entries"),
		connectors.Members:    connectors.Can("direct ones; a group in a group is a member outside the accounts"),
		connectors.Password:   password,
		connectors.MFA:        mfa,
		connectors.Passes:     connectors.Cannot("LDAP has none"),
		connectors.Sessions:   connectors.Cannot("LDAP has no sessions other than connections"),
	}
}

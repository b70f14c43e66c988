package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/connectors/transport"
)

// Config says where the directory is and how it is laid out. Only URL,
// BindDN, Password, PeopleDN and GroupsDN have no default. Other defaults
// depend on the flavour of the directory: those of Active Directory are given
// after a slash.
type Config struct {
	// URL is ldap://host:port or ldaps://host:port.
	URL string `yaml:"url"`
	// Flavour is openldap or active-directory. Left out, the server is asked at
	// the first connection; anything that is not Active Directory is taken for
	// openldap.
	Flavour string `yaml:"flavour"`
	// BindDN is the account behov signs in as: a DN, or in Active Directory
	// also name@domain.
	BindDN string `yaml:"bind_dn"`
	// Password is its password itself; configuration files hold a reference.
	Password string `yaml:"password"`
	// StartTLS turns an ldap:// connection into an encrypted one.
	StartTLS bool `yaml:"start_tls"`
	// CAFile holds the PEM certificates to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Plaintext must be true for an ldap:// URL without StartTLS: everything
	// then, the password included, is there for the network to read.
	Plaintext bool `yaml:"plaintext"`
	// Timeout is how long one request may take; 30 s by default.
	Timeout time.Duration `yaml:"timeout"`
	// Limits are how many requests the server's owner allows; by default 32
	// at a time.
	Limits limit.Limits `yaml:"-"`

	// PeopleDN is where accounts are; new ones are put directly below it.
	PeopleDN string `yaml:"people_dn"`
	// ObjectClasses are those of a new account. The first tells accounts from
	// other entries; in Active Directory computers and managed service
	// accounts are never among them. Default: inetOrgPerson / user.
	ObjectClasses []string `yaml:"object_classes"`
	// NameAttribute holds the login name. Default: uid / sAMAccountName.
	NameAttribute string `yaml:"name_attribute"`
	// RDNAttribute names the entry of a new account, with the value that
	// Attributes have for it, or the login name. Two people with the same
	// value get entries of different names: the second is called "value
	// (login name)", which a snapshot shows without the addition. With the
	// anchor attribute here DNs never change. Default: the name attribute / cn.
	RDNAttribute string `yaml:"rdn_attribute"`
	// AnchorAttribute holds the behov person ID, which has 36 characters. It
	// must be indexed for equality: employeeNumber is not in Active Directory,
	// where employeeID is too short, too. Default: employeeNumber /
	// msDS-cloudExtensionAttribute1, which there is since Windows Server 2012.
	AnchorAttribute string `yaml:"anchor_attribute"`
	// IDAttribute is the server's own identifier of an entry. Default:
	// entryUUID / objectGUID.
	IDAttribute string `yaml:"id_attribute"`
	// Attributes are the managed attributes, which a snapshot reads. Active
	// Directory's accountExpires is read and written as an RFC 3339 time. What
	// the connector itself or the server writes cannot be among them: the
	// login name, the anchor, passwords, memberships, flags.
	Attributes []string `yaml:"-"`
	// ReadOnly are those of Attributes that are only read, to tell whose an
	// account is: they may be ones that no mapping may write.
	ReadOnly []string `yaml:"-"`
	// References are those of them that hold the DNs of other accounts, such as
	// manager.
	References []string `yaml:"-"`
	// UPNSuffix, when set, gives accounts in Active Directory the
	// userPrincipalName login@suffix, unless Attributes have it.
	UPNSuffix string `yaml:"upn_suffix"`

	// GroupsDN is where groups are.
	GroupsDN string `yaml:"groups_dn"`
	// GroupClass and MemberAttribute default to groupOfNames / group, and to
	// member; for posixGroup to memberUid, which holds login names instead of
	// DNs. What is in a posixAccount's own gidNumber is no membership.
	GroupClass      string `yaml:"group_class"`
	MemberAttribute string `yaml:"member_attribute"`
	// GroupNames is how the catalogue names groups: by cn (default),
	// sAMAccountName or dn. Two groups with the same name are always named by
	// their DNs.
	GroupNames string `yaml:"group_names"`
	// Placeholder is the DN that stands in a group without members, which
	// groupOfNames forbids. Default: the group's own DN.
	Placeholder string `yaml:"placeholder"`

	// Disable says how an account is disabled.
	Disable Disable `yaml:"disable"`

	// FirstPassword says whether a new account gets a password, and which.
	FirstPassword FirstPassword `yaml:"first_password"`
	// Handover receives first passwords. Without one nobody learns them.
	Handover connectors.PasswordSink `yaml:"-"`

	// Memory keeps which DNs accounts had: groups that hold an earlier one are told.
	// Without it, they are known as long as the connector is.
	Memory connectors.StateStore `yaml:"-"`

	// MFAAttribute, when set, is the attribute that tells who is enrolled for
	// multi-factor authentication: by having MFAValue, or any value.
	MFAAttribute string `yaml:"mfa_attribute"`
	MFAValue     string `yaml:"mfa_value"`
}

// Disable says how an account is disabled: by an attribute and its value. The
// default is pwdAccountLockedTime with 000001010000Z
// (draft-behera-ldap-password-policy §5.3.3); the server then needs the
// ppolicy overlay and a policy with pwdLockout TRUE. An account that has a
// timestamp there is shown as disabled, too, unless every password policy that
// can be read has a pwdLockoutDuration, after which the server ends such a lock
// by itself. In Active Directory it is
// the flag ACCOUNTDISABLE of userAccountControl ([MS-ADTS] 2.2.16), whose other
// flags stay; an account whose accountExpires has passed is shown as disabled,
// too, and one that is locked after too many wrong passwords is not. Enabling
// an expired account makes it one that does not expire, unless accountExpires
// is managed: then what is mapped decides, and enabling is refused.
type Disable struct {
	Attribute string `yaml:"attribute"`
	Value     string `yaml:"value"`
	// Enabled is the value of an enabled account; without it the attribute is
	// removed.
	Enabled string `yaml:"enabled"`
	// EnforcedBy says for people what keeps disabled accounts out where the server
	// itself does not: an application that reads the attribute.
	EnforcedBy string `yaml:"enforced_by"`
	// MoveTo, when set, is where disabled accounts are; an account that is
	// enabled comes back to directly below people_dn.
	MoveTo string `yaml:"move_to"`
}

// FirstPassword says which password a new account gets. Unless Handover
// receives it nobody learns it, and somebody has to set another one.
type FirstPassword struct {
	// Set says whether there is one. Default: with a Handover / always, as
	// Active Directory lets nobody be enabled without.
	Set *bool `yaml:"set"`
	// Length is in characters; 20 by default. A longer minimum that the server
	// tells has precedence.
	Length int `yaml:"length"`
	// Keep is set when it need not be changed at the first sign-in.
	Keep bool `yaml:"keep"`
}

const (
	lockedAttribute = "pwdAccountLockedTime"
	lockedForGood   = "000001010000Z"
	memberUID       = "memberUid"
)

// withDefaults fills in what was left out and does not depend on the flavour.
func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.FirstPassword.Length == 0 {
		c.FirstPassword.Length = 20
	}
	c.Attributes, c.ReadOnly, c.References = slices.Clone(c.Attributes), slices.Clone(c.ReadOnly), slices.Clone(c.References)
	for _, r := range c.References {
		if !slices.ContainsFunc(c.Attributes, func(a string) bool { return strings.EqualFold(a, r) }) {
			c.Attributes = append(c.Attributes, r)
		}
	}
	return c
}

// validate says what is missing or wrong, each on a line of its own.
func (c Config) validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		add("url is missing: ldaps://host or ldap://host")
	case err != nil || u.Host == "" || u.User != nil || (u.Scheme != "ldap" && u.Scheme != "ldaps"):
		add("url must be ldaps://host[:port] or ldap://host[:port]")
	case u.Scheme == "ldaps" && c.StartTLS:
		add("start_tls is for ldap:// URLs: an ldaps:// connection is encrypted already")
	case u.Scheme == "ldap" && !c.StartTLS && !c.Plaintext:
		add("the connection would not be encrypted: use ldaps://, or start_tls: true, or say plaintext: true")
	}
	// A bind without a password succeeds as nobody (RFC 4513 §5.1.2).
	for _, f := range []struct{ name, value string }{{"bind_dn", c.BindDN}, {"password", c.Password}} {
		if f.value == "" {
			add("%s is missing", f.name)
		}
	}
	for _, f := range []struct {
		name, value string
		optional    bool
	}{
		{"people_dn", c.PeopleDN, false}, {"groups_dn", c.GroupsDN, false},
		{"bind_dn", c.BindDN, true}, {"placeholder", c.Placeholder, true}, {"disable: move_to", c.Disable.MoveTo, true},
	} {
		if f.value == "" && !f.optional {
			add("%s is missing", f.name)
		}
		if f.name == "bind_dn" && strings.Contains(f.value, "@") && !strings.Contains(f.value, "=") {
			continue // a userPrincipalName
		}
		if _, err := ldap.ParseDN(f.value); err != nil {
			add("%s is not a distinguished name", f.name)
		}
	}
	names := []string{c.NameAttribute, c.RDNAttribute, c.AnchorAttribute, c.IDAttribute, c.GroupClass, c.MemberAttribute, c.Disable.Attribute, c.MFAAttribute}
	for _, n := range names {
		if n != "" && !isDescriptor(n) {
			add("%q is not the name of an attribute or object class", n)
		}
	}
	for _, n := range slices.Concat(c.ObjectClasses, c.Attributes, c.ReadOnly) {
		if !isDescriptor(n) {
			add("%q is not the name of an attribute or object class", n)
		}
	}
	if c.Flavour != "" && flavours[c.Flavour] == nil {
		add("flavour is %s or %s; left out, the server is asked", OpenLDAP, ActiveDirectory)
	}
	switch d := c.Disable; {
	case d.Attribute == "" && d.Value == "" && d.Enabled == "":
	case d.Attribute == "":
		add("disable: attribute is missing")
	case d.Value == "" && !strings.EqualFold(d.Attribute, flagsAttribute):
		add("disable: value is missing")
	case strings.EqualFold(d.Attribute, flagsAttribute) && d.Value+d.Enabled != "":
		add("disable: %s is a set of flags and takes no value", flagsAttribute)
	}
	if err := c.flavourFaults(); err != nil {
		errs = append(errs, err)
	}
	if c.MFAValue != "" && c.MFAAttribute == "" {
		add("mfa_value without mfa_attribute")
	}
	if !slices.Contains([]string{"", "cn", "sAMAccountName", "dn"}, c.GroupNames) {
		add("group_names is cn, sAMAccountName or dn")
	}
	if strings.ContainsAny(c.UPNSuffix, "@ ,") {
		add("upn_suffix is what follows the @, such as example.org")
	}
	if c.FirstPassword.Length < 8 || c.FirstPassword.Length > 127 {
		add("first_password: length is from 8 to 127")
	}
	if err := c.Limits.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Timeout < 0 {
		add("timeout must not be negative")
	}
	return errors.Join(errs...)
}

// tlsConfig returns how to verify the server, nil without encryption.
func (c Config) tlsConfig() (*tls.Config, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if u.Scheme != "ldaps" && !c.StartTLS {
		return nil, nil
	}
	t, err := transport.TLS(c.CAFile)
	if err != nil {
		return nil, err
	}
	t.ServerName = u.Hostname()
	return t, nil
}

// isDescriptor says whether s is an attribute description (RFC 4512 §2.5), so
// that it can go into a filter as it is.
func isDescriptor(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;") == ""
}

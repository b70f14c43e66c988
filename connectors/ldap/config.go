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

// Config describes the directory and its layout. The settings url, bind_dn,
// password, people_dn and groups_dn have no default. Other defaults depend on the flavour of the
// directory: a default for Active Directory follows a slash.
type Config struct {
	// URL is ldap://host:port or ldaps://host:port.
	URL string `yaml:"url"`
	// Flavour is openldap or active-directory. When it is empty, the connector
	// detects the flavour at the first connection; any server but Active
	// Directory counts as openldap.
	Flavour string `yaml:"flavour"`
	// BindDN is the account with which behov signs in: a DN, or in Active
	// Directory also name@domain.
	BindDN string `yaml:"bind_dn"`
	// Password is the password of BindDN; behov.yaml holds a reference to it, as
	// env:BEHOV_AD_PASSWORD.
	Password string `yaml:"password"`
	// StartTLS upgrades an ldap:// connection to TLS.
	StartTLS bool `yaml:"start_tls"`
	// CAFile holds the PEM certificates to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Plaintext must be true for an ldap:// URL without StartTLS: everything,
	// including the password, is then readable on the network.
	Plaintext bool `yaml:"plaintext"`
	// Timeout is how long one request may take; 30 s by default.
	Timeout time.Duration `yaml:"timeout"`
	// Limits bounds how many requests the connector sends; by default 32 at a
	// time.
	Limits limit.Limits `yaml:"-"`

	// PeopleDN is the base of accounts; new accounts are created directly below
	// it.
	PeopleDN string `yaml:"people_dn"`
	// ObjectClasses are those of a new account. An entry is an account when it
	// has the first one; in Active Directory computers and managed service
	// accounts never count. Default: inetOrgPerson / user.
	ObjectClasses []string `yaml:"object_classes"`
	// NameAttribute holds the login name. Default: uid / sAMAccountName.
	NameAttribute string `yaml:"name_attribute"`
	// RDNAttribute names the entry of a new account, with the value that
	// the mapped attributes have for it, or the login name. When two people have the same
	// value, the second entry is named "value (login name)", which a snapshot
	// shows without the suffix. With the anchor attribute here DNs never change.
	// Default: the name attribute / cn.
	RDNAttribute string `yaml:"rdn_attribute"`
	// AnchorAttribute holds the behov person ID, which has 36 characters. It must
	// be indexed for equality. Active Directory has no employeeNumber by default,
	// and its employeeID is too short. Default: employeeNumber /
	// msDS-cloudExtensionAttribute1, which exists since Windows Server 2012.
	AnchorAttribute string `yaml:"anchor_attribute"`
	// IDAttribute is the server's own identifier of an entry. Default: entryUUID
	// / objectGUID.
	IDAttribute string `yaml:"id_attribute"`
	// Attributes are the managed attributes, which a snapshot reads. Active
	// Directory's accountExpires is read and written as an RFC 3339 time.
	// Attributes that the connector itself or the server writes cannot be
	// managed: the login name, the anchor, passwords, memberships, flags.
	Attributes []string `yaml:"-"`
	// ReadOnly are those of Attributes that are only read, to match accounts with
	// people. They may be attributes that no mapping may write.
	ReadOnly []string `yaml:"-"`
	// References are those of Attributes that hold the DNs of other accounts,
	// such as manager.
	References []string `yaml:"-"`
	// UPNSuffix, when set, gives accounts in Active Directory the
	// userPrincipalName login@suffix, unless userPrincipalName is mapped.
	UPNSuffix string `yaml:"upn_suffix"`

	// GroupsDN is the base of groups.
	GroupsDN string `yaml:"groups_dn"`
	// GroupClass and MemberAttribute default to groupOfNames / group, and to
	// member; for posixGroup to memberUid, which holds login names instead of
	// DNs. The gidNumber of a posixAccount is no membership.
	GroupClass string `yaml:"group_class"`
	// MemberAttribute is the attribute of a group with its members. Default: member;
	// memberUid for posixGroup.
	MemberAttribute string `yaml:"member_attribute"`
	// GroupNames selects by which attribute the catalogue names groups: cn
	// (default), sAMAccountName or dn. Two groups with the same name are always
	// named by their DNs.
	GroupNames string `yaml:"group_names"`
	// Placeholder is the DN that a group without members holds as its only
	// member, as groupOfNames requires one. Default: the group's own DN.
	Placeholder string `yaml:"placeholder"`

	// Disable configures how an account is disabled.
	Disable Disable `yaml:"disable"`

	// FirstPassword configures whether a new account gets a password, and which.
	FirstPassword FirstPassword `yaml:"first_password"`
	// PasswordSink receives first passwords. Without it first passwords are
	// disclosed to no one.
	PasswordSink connectors.PasswordSink `yaml:"-"`

	// StateStore keeps the DNs that accounts had, so that a later process still
	// finds groups that hold an earlier DN. Without it the connector remembers
	// them until it is closed.
	StateStore connectors.StateStore `yaml:"-"`

	// MFAAttribute, when set, is the attribute that shows MFA enrolment: an
	// account is enrolled when it has MFAValue, or any value when MFAValue is
	// empty.
	MFAAttribute string `yaml:"mfa_attribute"`
	// MFAValue is the value of mfa_attribute that means enrolled. Default: any value.
	MFAValue string `yaml:"mfa_value"`

	// SignInAttribute is the attribute that holds when an account was last signed in to: a
	// generalised time, as pwdLastSuccess where OpenLDAP has lastbind on, or authTimestamp of its
	// lastbind overlay. Default: lastLogonTimestamp in Active Directory, and none elsewhere. An
	// account without a value counts as one that was never signed in to.
	SignInAttribute string `yaml:"sign_in_attribute"`
}

// Disable configures how an account is disabled: by an attribute and its value.
// The default is pwdAccountLockedTime with 000001010000Z
// (draft-behera-ldap-password-policy §5.3.3), for which the server needs the
// ppolicy overlay and a policy with pwdLockout TRUE. An account that has a
// timestamp there is also shown as disabled, unless every password policy that
// can be read has a pwdLockoutDuration, after which the server ends such a lock
// itself. In Active Directory the default is the flag ACCOUNTDISABLE of
// userAccountControl ([MS-ADTS] 2.2.16), whose other flags are preserved. An
// account whose accountExpires has passed is also shown as disabled; one that is
// locked after too many wrong passwords is not. Enabling an expired account
// removes its expiry, unless accountExpires is managed: then the mapping decides,
// and enabling is refused.
type Disable struct {
	// Attribute is the attribute that disables an account. Default:
	// pwdAccountLockedTime / userAccountControl.
	Attribute string `yaml:"attribute"`
	// Value is its value in a disabled account, as "true" for nsAccountLock on 389-DS.
	Value string `yaml:"value"`
	// Enabled is the value of an enabled account; when it is empty the attribute
	// is removed.
	Enabled string `yaml:"enabled"`
	// EnforcedBy tells the operator what keeps disabled accounts from signing in
	// where the server itself does not: an application that reads the attribute.
	EnforcedBy string `yaml:"enforced_by"`
	// MoveTo, when set, is the DN below which disabled accounts are; an account
	// that is enabled moves back directly below people_dn.
	MoveTo string `yaml:"move_to"`
}

// FirstPassword configures the password of a new account. Without a PasswordSink
// (first_password of the target) it is disclosed to no one, and an administrator
// has to set another one.
type FirstPassword struct {
	// Set reports whether a new account gets a password. Default: with a
	// PasswordSink / always, as Active Directory enables no account without a
	// password.
	Set *bool `yaml:"set"`
	// Length is in characters; 20 by default. A longer minimum of the server's
	// password policy has precedence.
	Length int `yaml:"length"`
	// Keep allows the account to keep the password after the first sign-in.
	Keep bool `yaml:"keep"`
}

const (
	lockedAttribute = "pwdAccountLockedTime"
	lockedForGood   = "000001010000Z"
	memberUID       = "memberUid"
)

// withDefaults sets the defaults that do not depend on the flavour.
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

// validate returns what is missing or wrong, each on a line of its own.
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
		add("start_tls is for ldap:// URLs; an ldaps:// connection is already encrypted: remove start_tls")
	case u.Scheme == "ldap" && !c.StartTLS && !c.Plaintext:
		add("the connection would not be encrypted: use ldaps://, or set start_tls: true, or allow it with plaintext: true")
	}
	// A bind without a password succeeds as anonymous (RFC 4513 §5.1.2).
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
	names := []string{c.NameAttribute, c.RDNAttribute, c.AnchorAttribute, c.IDAttribute, c.GroupClass, c.MemberAttribute, c.Disable.Attribute, c.MFAAttribute, c.SignInAttribute}
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
		add("flavour must be %s or %s; without it the server is detected", OpenLDAP, ActiveDirectory)
	}
	switch d := c.Disable; {
	case d.Attribute == "" && d.Value == "" && d.Enabled == "":
	case d.Attribute == "":
		add("disable: attribute is missing")
	case d.Value == "" && !strings.EqualFold(d.Attribute, flagsAttribute):
		add("disable: value is missing")
	case strings.EqualFold(d.Attribute, flagsAttribute) && d.Value+d.Enabled != "":
		add("disable: %s is a set of flags: remove value", flagsAttribute)
	}
	if err := c.flavourFaults(); err != nil {
		errs = append(errs, err)
	}
	if c.MFAValue != "" && c.MFAAttribute == "" {
		add("mfa_value is set without mfa_attribute")
	}
	if !slices.Contains([]string{"", "cn", "sAMAccountName", "dn"}, c.GroupNames) {
		add("group_names must be cn, sAMAccountName or dn")
	}
	if strings.ContainsAny(c.UPNSuffix, "@ ,") {
		add("upn_suffix must be the part after the @, such as example.org")
	}
	if c.FirstPassword.Length < 8 || c.FirstPassword.Length > 127 {
		add("first_password: length must be from 8 to 127")
	}
	if err := c.Limits.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Timeout < 0 {
		add("timeout must not be negative")
	}
	return errors.Join(errs...)
}

// tlsConfig returns how to verify the server, or nil without encryption.
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

// isDescriptor reports whether s is an attribute description (RFC 4512 §2.5),
// which needs no escaping in a filter.
func isDescriptor(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;") == ""
}

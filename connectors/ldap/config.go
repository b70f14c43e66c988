package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Config says where the directory is and how it is laid out. Only URL,
// BindDN, Password, PeopleDN and GroupsDN have no default.
type Config struct {
	// URL is ldap://host:port or ldaps://host:port.
	URL string `yaml:"url"`
	// BindDN is the account behov signs in as.
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

	// PeopleDN is where accounts are; new ones are put directly below it.
	PeopleDN string `yaml:"people_dn"`
	// ObjectClasses are those of a new account. The first tells accounts from
	// other entries. Default: inetOrgPerson.
	ObjectClasses []string `yaml:"object_classes"`
	// NameAttribute holds the login name and names the entry. Default: uid.
	NameAttribute string `yaml:"name_attribute"`
	// AnchorAttribute holds the behov person ID; index it for equality.
	// Default: employeeNumber.
	AnchorAttribute string `yaml:"anchor_attribute"`
	// IDAttribute is the server's own identifier of an entry. Default:
	// entryUUID.
	IDAttribute string `yaml:"id_attribute"`
	// Attributes are the managed attributes, which a snapshot reads.
	Attributes []string `yaml:"attributes"`

	// GroupsDN is where groups are.
	GroupsDN string `yaml:"groups_dn"`
	// GroupClass and MemberAttribute default to groupOfNames and member.
	GroupClass      string `yaml:"group_class"`
	MemberAttribute string `yaml:"member_attribute"`
	// GroupNames is how the catalogue names groups: cn (default) or dn. Two
	// groups with the same cn are always named by their DNs.
	GroupNames string `yaml:"group_names"`
	// Placeholder is the DN that stands in a group without members, which
	// groupOfNames forbids. Default: the group's own DN.
	Placeholder string `yaml:"placeholder"`

	// Disable says how an account is disabled.
	Disable Disable `yaml:"disable"`

	// MFAAttribute, when set, is the attribute that tells who is enrolled for
	// multi-factor authentication: by having MFAValue, or any value.
	MFAAttribute string `yaml:"mfa_attribute"`
	MFAValue     string `yaml:"mfa_value"`
}

// Disable is the attribute and value that make an account unusable. The
// default is pwdAccountLockedTime with 000001010000Z
// (draft-behera-ldap-password-policy §5.3.3); the server then needs the
// ppolicy overlay and a policy with pwdLockout TRUE.
type Disable struct {
	Attribute string `yaml:"attribute"`
	Value     string `yaml:"value"`
	// Enabled is the value of an enabled account; without it the attribute is
	// removed.
	Enabled string `yaml:"enabled"`
}

const (
	lockedAttribute = "pwdAccountLockedTime"
	lockedForGood   = "000001010000Z"
)

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	if len(c.ObjectClasses) == 0 {
		c.ObjectClasses = []string{"inetOrgPerson"}
	}
	def(&c.NameAttribute, "uid")
	def(&c.AnchorAttribute, "employeeNumber")
	def(&c.IDAttribute, "entryUUID")
	def(&c.GroupClass, "groupOfNames")
	def(&c.MemberAttribute, "member")
	def(&c.GroupNames, "cn")
	if c.Disable.Attribute == "" && c.Disable.Value == "" {
		c.Disable.Attribute, c.Disable.Value = lockedAttribute, lockedForGood
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	c.Attributes = slices.Clone(c.Attributes)
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
		{"bind_dn", c.BindDN, true}, {"placeholder", c.Placeholder, true},
	} {
		if f.value == "" && !f.optional {
			add("%s is missing", f.name)
		}
		if _, err := ldap.ParseDN(f.value); err != nil {
			add("%s is not a distinguished name", f.name)
		}
	}
	names := []string{c.NameAttribute, c.AnchorAttribute, c.IDAttribute, c.GroupClass, c.MemberAttribute, c.Disable.Attribute}
	names = append(append(names, c.ObjectClasses...), c.Attributes...)
	if c.MFAAttribute != "" {
		names = append(names, c.MFAAttribute)
	}
	for _, n := range names {
		if !isDescriptor(n) {
			add("%q is not the name of an attribute or object class", n)
		}
	}
	if c.Disable.Value == "" {
		add("disable: value is missing")
	}
	if c.MFAValue != "" && c.MFAAttribute == "" {
		add("mfa_value without mfa_attribute")
	}
	if c.GroupNames != "cn" && c.GroupNames != "dn" {
		add("group_names is cn or dn")
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
	t := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", c.CAFile)
	}
	return t, nil
}

// isDescriptor says whether s is an attribute description (RFC 4512 §2.5), so
// that it can go into a filter as it is.
func isDescriptor(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;") == ""
}

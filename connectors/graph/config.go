package graph

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

// Config describes the tenant and how to connect to it.
type Config struct {
	// TenantID is the tenant's ID or one of its domains.
	TenantID string `yaml:"tenant_id"`
	// ClientID is the application's (client) ID; with managed_identity, that of a
	// user-assigned identity, or empty for the system-assigned one.
	ClientID string `yaml:"client_id"`
	// ClientSecret is the application's secret; behov.yaml holds a reference to it,
	// as env:BEHOV_ENTRA_SECRET. The connector gets the secret itself.
	ClientSecret string `yaml:"client_secret"`
	// CertificateFile holds the application's certificate and its private
	// key, in PEM or PKCS #12, instead of a secret.
	CertificateFile string `yaml:"certificate_file"`
	// CertificatePassword is the password of the certificate file itself.
	CertificatePassword string `yaml:"certificate_password"`
	// ManagedIdentity uses the identity of the Azure host on which behov runs,
	// instead of a secret or a certificate.
	ManagedIdentity bool `yaml:"managed_identity"`

	// Cloud is global (default), us-government, us-government-dod or china. It
	// sets the defaults of url and authority.
	Cloud string `yaml:"cloud"`
	// URL is Graph's address with its version. Default: the cloud's, for
	// global https://graph.microsoft.com/v1.0.
	URL string `yaml:"url"`
	// Authority is the token issuer. Default: the cloud's, for global
	// https://login.microsoftonline.com.
	Authority string `yaml:"authority"`
	// Plaintext must be true when the URL begins with http://: token and personal
	// data are then sent unencrypted. For test servers only.
	Plaintext bool `yaml:"plaintext"`
	// CAFile holds certificates, in PEM, to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Timeout is how long one request may take. Default: 60 seconds.
	Timeout time.Duration `yaml:"timeout"`
	// Limits bounds writes, where each request of a batch counts. Default: 19 a
	// second, 150 at once, which is Graph's ceiling of 3,000 in 150 seconds for
	// one application in one tenant. Reads are bounded by concurrent_requests
	// only (default 4); Graph throttles them itself.
	Limits limit.Limits `yaml:"-"`

	// Domain is appended after an @ to a login name without one to form the user
	// principal name. The login name of accounts in this domain is the part
	// before the @.
	Domain string `yaml:"domain"`
	// AnchorAttribute holds the behov person ID:
	// onPremisesExtensionAttributes.extensionAttribute1 to 15 (default: 15), an
	// extension_… property of an application, or employeeId, which takes at most
	// 16 characters and so no UUID.
	AnchorAttribute string `yaml:"anchor_attribute"`
	// UsageLocation is the country (ISO 3166-1 alpha-2) of accounts whose
	// attributes have none; without one Graph assigns no licences.
	UsageLocation string `yaml:"usage_location"`
	// GroupNames selects how groups are named: by name (displayName, the default)
	// or by id. The object ID of a group is always valid as its name, and is
	// required when another group has the same name.
	GroupNames string `yaml:"group_names"`
	// Guests includes the tenant's guests (userType Guest, or #EXT# in the user
	// principal name) as accounts. Without it they are outside the managed scope:
	// they are no accounts, and their memberships are those of unknown members.
	Guests bool `yaml:"guests"`
	// Licences makes every SKU of the tenant an entitlement, named licence: and
	// its part number, as in licence:SPE_E3.
	Licences bool `yaml:"licences"`
	// MFA enables reading MFA enrolment and issuing temporary access passes, for
	// which the application needs more permissions.
	MFA bool `yaml:"mfa"`
	// Attributes are the managed attributes, which a snapshot reads, by Graph's
	// names such as jobTitle, businessPhones, employeeOrgData.costCenter or
	// onPremisesExtensionAttributes.extensionAttribute1.
	Attributes []string `yaml:"-"`
	// References are those of the managed attributes whose values are
	// account IDs: manager.
	References []string `yaml:"-"`

	// Credential, when set, is the source of tokens, and replaces the configured
	// one.
	Credential azcore.TokenCredential `yaml:"-"`
	// StateStore, when set, keeps the state for delta queries, so that a snapshot
	// continues from the last one.
	StateStore connectors.StateStore `yaml:"-"`
	// PasswordSink, when set, receives the first password of each new account.
	PasswordSink connectors.PasswordSink `yaml:"-"`
}

// The ceiling of writes: 150 seconds at this rate, and the burst before, are
// 3,000 (https://learn.microsoft.com/graph/throttling-limits).
const (
	writesPerSecond = 19
	writeBurst      = 150

	defaultTimeout = 60 * time.Second

	// DefaultAnchor is the default anchor attribute.
	DefaultAnchor = "onPremisesExtensionAttributes.extensionAttribute15"

	byName = "name"
	byID   = "id"
)

// withDefaults sets the defaults.
func (c Config) withDefaults() Config {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&c.Cloud, "global")
	where := clouds[c.Cloud]
	def(&c.URL, where.url)
	def(&c.Authority, authorityOf(c.URL, where))
	def(&c.AnchorAttribute, DefaultAnchor)
	def(&c.GroupNames, byName)
	c.URL, c.Authority = strings.TrimRight(c.URL, "/"), strings.TrimRight(c.Authority, "/")
	c.Domain = strings.TrimPrefix(c.Domain, "@")
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Limits.PerSecond == 0 {
		c.Limits.PerSecond = writesPerSecond
		if c.Limits.Burst == 0 {
			c.Limits.Burst = writeBurst
		}
	}
	c.Attributes, c.References = slices.Clone(c.Attributes), slices.Clone(c.References)
	return c
}

// validate returns what is missing or wrong, each on a line of its own.
func (c Config) validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, known := clouds[c.Cloud]; !known {
		add("cloud must be global, us-government, us-government-dod or china")
	}
	c.validateURL("url", c.URL, c.Plaintext, add)
	c.validateURL("authority", c.Authority, false, add)
	if c.Credential == nil {
		c.validateCredential(add)
	}
	if c.Timeout < 0 {
		add("timeout must not be negative")
	}
	if err := c.Limits.Validate(); err != nil {
		add("%w", err)
	}
	if c.Domain != "" && (!strings.Contains(c.Domain, ".") || strings.ContainsAny(c.Domain, "@/ ")) {
		add("domain must be a domain of the tenant, as in kommun.se")
	}
	if !slices.Contains([]string{byName, byID}, c.GroupNames) {
		add("group_names must be name or id")
	}
	if c.UsageLocation != "" && !isCountry(c.UsageLocation) {
		add("usage_location must be a country's two letters, as in SE")
	}
	c.validateAttributes(add)
	return errors.Join(errs...)
}

func isCountry(s string) bool {
	return len(s) == 2 && strings.Trim(strings.ToUpper(s), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func (c Config) validateURL(name, text string, plaintext bool, add func(string, ...any)) {
	u, err := url.Parse(text)
	switch {
	case text == "":
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "http" && u.Scheme != "https"):
		add("%s must be https://host/path, without user, query or fragment", name)
	case u.Scheme == "http" && name == "authority":
		add("authority must begin with https://")
	case u.Scheme == "http" && !plaintext:
		add("the connection would not be encrypted: use https://, or allow it with plaintext: true")
	}
}

func (c Config) validateCredential(add func(string, ...any)) {
	ways := 0
	for _, used := range []bool{c.ClientSecret != "", c.CertificateFile != "", c.ManagedIdentity} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		add("set exactly one of client_secret, certificate_file and managed_identity: true")
	}
	if c.CertificatePassword != "" && c.CertificateFile == "" {
		add("certificate_password is set without certificate_file")
	}
	if c.ManagedIdentity {
		return
	}
	if c.TenantID == "" {
		add("tenant_id is missing: the ID of the tenant, or one of its domains")
	}
	if c.ClientID == "" {
		add("client_id is missing: the application (client) ID of behov's registration in the tenant")
	}
}

func (c Config) validateAttributes(add func(string, ...any)) {
	if p, err := findProperty(c.AnchorAttribute); err != nil {
		add("anchor_attribute: %w", err)
	} else if p.anchorMax == 0 {
		add("anchor_attribute must be employeeId, onPremisesExtensionAttributes.extensionAttribute1 to 15 or an extension_… property")
	}
	for _, name := range c.Attributes {
		switch p, err := findProperty(name); {
		case name == managerAttribute:
			if !slices.Contains(c.References, name) {
				add("attribute manager refers to an account: add it to references")
			}
		case name == "userPrincipalName", name == "accountEnabled":
			add("attribute %s cannot be managed: it is the account's name or state", name)
		case err != nil:
			add("%w", err)
		case p.name == c.AnchorAttribute:
			add("attribute %s cannot be managed: it is the anchor_attribute, which holds behov's person ID", name)
		}
	}
	for _, name := range c.References {
		if name != managerAttribute {
			add("attribute %q cannot refer to an account: in Graph only manager does", name)
		}
	}
}

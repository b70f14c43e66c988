package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/connectors/manual"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/identity"
)

// Settings are the settings of a target's connector. Each kind of target is one
// implementation in this file, and one line in connectorsYAML and Kinds.
type Settings interface {
	// Kind is the kind's name, as in the configuration.
	Kind() string
	// open returns the connector; secrets are resolved.
	open(with Services) (connectors.Connector, error)
	// secrets are the fields that hold secrets, by their path below the target; files
	// are those that name files, which may be relative to the installation's directory.
	secrets() map[string]*string
	files() []*string
	// clone copies the settings, so that secrets can be put into the copy.
	clone() Settings
	// connect passes on what the target's mapping says.
	connect(m mapped)
	// anchors are the attributes to which behov may write the person's ID: one, or, where
	// that depends on the detected server, several.
	anchors() []string
	// requires reports whether no account is created without a value of the attribute.
	requires(attribute string) bool
	// withoutCertificate puts a secret in the place of a certificate, which need not
	// exist on the machine that checks the configuration.
	withoutCertificate(secret string)
}

// mapped is what a mapping says that a connector needs: the attributes that it reads,
// those of them that behov does not write, those whose values are accounts, and limits.
type mapped struct {
	read, readOnly, references []string
	limits                     limit.Limits
}

// connectorsYAML are the settings of the connector, under the name of its kind.
type connectorsYAML struct {
	Memory *memory.Config `yaml:"memory"`
	LDAP   *ldap.Config   `yaml:"ldap"`
	SCIM   *scim.Config   `yaml:"scim"`
	Graph  *graph.Config  `yaml:"graph"`
	Manual *manual.Config `yaml:"manual"`
}

// settings returns those that are there; a target has exactly one.
func (y connectorsYAML) settings() (all []Settings) {
	if y.Memory != nil {
		all = append(all, MemorySettings{y.Memory})
	}
	if y.LDAP != nil {
		all = append(all, LDAPSettings{y.LDAP})
	}
	if y.SCIM != nil {
		all = append(all, SCIMSettings{y.SCIM})
	}
	if y.Graph != nil {
		all = append(all, GraphSettings{y.Graph})
	}
	if y.Manual != nil {
		all = append(all, ManualSettings{y.Manual})
	}
	return all
}

// MemorySettings are those of a target in memory, or in a file.
type MemorySettings struct{ *memory.Config }

// Kind implements Settings.
func (s MemorySettings) Kind() string { return "memory" }

func (s MemorySettings) open(Services) (connectors.Connector, error) { return memory.New(*s.Config) }
func (s MemorySettings) secrets() map[string]*string                 { return nil }
func (s MemorySettings) files() []*string                            { return []*string{&s.File} }
func (s MemorySettings) connect(m mapped)                            { s.References = m.references }
func (s MemorySettings) anchors() []string                           { return nil }
func (s MemorySettings) requires(string) bool                        { return false }
func (s MemorySettings) withoutCertificate(string)                   {}

func (s MemorySettings) clone() Settings {
	c := *s.Config
	return MemorySettings{&c}
}

// LDAPSettings are those of a directory.
type LDAPSettings struct{ *ldap.Config }

// Kind implements Settings.
func (s LDAPSettings) Kind() string { return "ldap" }

func (s LDAPSettings) open(with Services) (connectors.Connector, error) {
	c := *s.Config
	c.PasswordSink, c.StateStore = with.PasswordSink, with.StateStore
	return ldap.New(c)
}

func (s LDAPSettings) secrets() map[string]*string {
	return map[string]*string{"ldap.password": &s.Password}
}
func (s LDAPSettings) files() []*string          { return []*string{&s.CAFile} }
func (s LDAPSettings) withoutCertificate(string) {}

func (s LDAPSettings) clone() Settings {
	c := *s.Config
	return LDAPSettings{&c}
}

func (s LDAPSettings) connect(m mapped) {
	s.Attributes, s.ReadOnly, s.References, s.Limits = m.read, m.readOnly, m.references, m.limits
}

func (s LDAPSettings) anchors() []string {
	switch {
	case s.AnchorAttribute != "":
		return []string{s.AnchorAttribute}
	case s.Flavour != "":
		return []string{ldap.DefaultAnchor(s.Flavour)}
	}
	return []string{ldap.DefaultAnchor(ldap.OpenLDAP), ldap.DefaultAnchor(ldap.ActiveDirectory)}
}

func (s LDAPSettings) requires(attribute string) bool {
	return slices.ContainsFunc([]string{"cn", "sn", "commonName", "surname", s.RDNAttribute}, func(name string) bool { return strings.EqualFold(name, attribute) })
}

// SCIMSettings are those of a SCIM service.
type SCIMSettings struct{ *scim.Config }

// Kind implements Settings.
func (s SCIMSettings) Kind() string { return "scim" }

func (s SCIMSettings) open(Services) (connectors.Connector, error) { return scim.New(*s.Config) }
func (s SCIMSettings) anchors() []string                           { return []string{"externalId"} }

func (s SCIMSettings) secrets() map[string]*string {
	fields := map[string]*string{"scim.token": &s.Token}
	if s.OAuth != nil {
		fields["scim.oauth.client_secret"] = &s.OAuth.ClientSecret
	}
	if s.APIKey != nil {
		fields["scim.api_key.value"] = &s.APIKey.Value
	}
	return fields
}

func (s SCIMSettings) files() []*string {
	return []*string{&s.CAFile, &s.CertificateFile, &s.CertificateKeyFile}
}

func (s SCIMSettings) clone() Settings {
	c := *s.Config
	if c.OAuth != nil {
		o := *c.OAuth
		c.OAuth = &o
	}
	if c.APIKey != nil {
		k := *c.APIKey
		c.APIKey = &k
	}
	return SCIMSettings{&c}
}

func (s SCIMSettings) connect(m mapped) {
	s.Attributes, s.References, s.Limits = m.read, m.references, m.limits
}

func (s SCIMSettings) requires(attribute string) bool {
	return slices.Contains([]string{"userName", "displayName"}, attribute)
}

func (s SCIMSettings) withoutCertificate(secret string) {
	if s.CertificateFile != "" && s.Token == "" && s.OAuth == nil {
		s.Token = secret
	}
}

// GraphSettings are those of Entra ID by Microsoft Graph.
type GraphSettings struct{ *graph.Config }

// Kind implements Settings.
func (s GraphSettings) Kind() string { return "graph" }

func (s GraphSettings) open(with Services) (connectors.Connector, error) {
	c := *s.Config
	c.PasswordSink, c.StateStore = with.PasswordSink, with.StateStore
	return graph.New(c)
}

func (s GraphSettings) secrets() map[string]*string {
	return map[string]*string{"graph.client_secret": &s.ClientSecret, "graph.certificate_password": &s.CertificatePassword}
}

func (s GraphSettings) files() []*string { return []*string{&s.CAFile, &s.CertificateFile} }

func (s GraphSettings) clone() Settings {
	c := *s.Config
	return GraphSettings{&c}
}

func (s GraphSettings) connect(m mapped) {
	s.Attributes, s.References, s.Limits = m.read, m.references, m.limits
}

func (s GraphSettings) anchors() []string {
	return []string{or(s.AnchorAttribute, graph.DefaultAnchor)}
}

func (s GraphSettings) requires(attribute string) bool {
	return slices.Contains([]string{"displayName", "mailNickname"}, attribute)
}

func (s GraphSettings) withoutCertificate(secret string) {
	if s.CertificateFile != "" && s.ClientSecret == "" {
		s.ClientSecret, s.CertificatePassword = secret, ""
	}
}

// ManualKind is the kind of a target without an interface.
const ManualKind = "manual"

// ManualSettings are those of an application without an interface.
type ManualSettings struct{ *manual.Config }

// Kind implements Settings.
func (s ManualSettings) Kind() string { return ManualKind }

func (s ManualSettings) open(with Services) (connectors.Connector, error) {
	c := *s.Config
	c.Records, c.Entitlements = with.Records, with.Entitlements
	return manual.New(c)
}

func (s ManualSettings) secrets() map[string]*string { return nil }
func (s ManualSettings) files() []*string            { return nil }
func (s ManualSettings) connect(mapped)              {}
func (s ManualSettings) anchors() []string           { return nil }
func (s ManualSettings) requires(string) bool        { return false }
func (s ManualSettings) withoutCertificate(string)   {}

func (s ManualSettings) clone() Settings {
	c := *s.Config
	return ManualSettings{&c}
}

// Manual returns the settings of a target of kind manual, and whether it is one.
func (t Target) Manual() (manual.Config, bool) {
	s, is := t.Settings.(ManualSettings)
	if !is {
		return manual.Config{}, false
	}
	c := *s.Config
	c.Days = cmp.Or(c.Days, manual.DefaultDays)
	return c, true
}

// OrderReceivers returns the records of the people who get the work orders of a target of
// kind manual, at once or when they are overdue.
func (t Target) OrderReceivers() []identity.SourceKey {
	settings, _ := t.Manual()
	var keys []identity.SourceKey
	for _, ref := range []string{settings.To, settings.Escalate} {
		if source, key, ok := strings.Cut(ref, "/"); ok && !manual.IsMailbox(ref) {
			keys = append(keys, identity.SourceKey{Source: source, Key: key})
		}
	}
	return keys
}

// ListColumns returns the columns of a list of the target's accounts that hold attributes, by
// which accounts are recognised as people's.
func (t Target) ListColumns() []string { return t.read() }

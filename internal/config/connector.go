package config

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/connectors/scim"
)

// Services are passed to a connector besides its configuration.
type Services struct {
	StateStore   connectors.StateStore   // nil for none
	PasswordSink connectors.PasswordSink // nil for none
}

// Kind returns the target's kind.
func (t Target) Kind() string {
	switch {
	case t.LDAP != nil:
		return "ldap"
	case t.SCIM != nil:
		return "scim"
	case t.Graph != nil:
		return "graph"
	}
	return "memory"
}

// Connect returns the target's connector. It resolves secrets, relative to the
// installation's directory, and opens no connection.
func (t Target) Connect(dir string, with Services) (connectors.Connector, error) {
	t = t.clone()
	for name, field := range t.secrets() {
		secret, err := Resolve(dir, t.references[name])
		if err != nil {
			return nil, err
		}
		*field = secret
	}
	return t.open(with)
}

// open returns the connector of a target whose secrets are resolved.
func (t Target) open(with Services) (connectors.Connector, error) {
	switch {
	case t.LDAP != nil:
		t.LDAP.PasswordSink, t.LDAP.StateStore = with.PasswordSink, with.StateStore
		return ldap.New(*t.LDAP)
	case t.SCIM != nil:
		return scim.New(*t.SCIM)
	case t.Graph != nil:
		t.Graph.PasswordSink, t.Graph.StateStore = with.PasswordSink, with.StateStore
		return graph.New(*t.Graph)
	}
	return memory.New(*t.Memory)
}

// secrets are the fields that hold secrets, by their path below the target.
func (t Target) secrets() map[string]*string {
	fields := map[string]*string{}
	if t.LDAP != nil {
		fields["ldap.password"] = &t.LDAP.Password
	}
	if t.SCIM != nil {
		fields["scim.token"] = &t.SCIM.Token
		if t.SCIM.OAuth != nil {
			fields["scim.oauth.client_secret"] = &t.SCIM.OAuth.ClientSecret
		}
		if t.SCIM.APIKey != nil {
			fields["scim.api_key.value"] = &t.SCIM.APIKey.Value
		}
	}
	if t.Graph != nil {
		fields["graph.client_secret"] = &t.Graph.ClientSecret
		fields["graph.certificate_password"] = &t.Graph.CertificatePassword
	}
	return fields
}

// files are the fields that name files, which may be relative to the
// installation's directory.
func (t Target) files() []*string {
	switch {
	case t.LDAP != nil:
		return []*string{&t.LDAP.CAFile}
	case t.SCIM != nil:
		return []*string{&t.SCIM.CAFile, &t.SCIM.CertificateFile, &t.SCIM.CertificateKeyFile}
	case t.Graph != nil:
		return []*string{&t.Graph.CAFile, &t.Graph.CertificateFile}
	}
	return []*string{&t.Memory.File}
}

// clone copies a target, so that secrets can be put into the copy.
func (t Target) clone() Target {
	if t.LDAP != nil {
		c := *t.LDAP
		t.LDAP = &c
	}
	if t.SCIM != nil {
		c := *t.SCIM
		t.SCIM = &c
		if c.OAuth != nil {
			o := *c.OAuth
			t.SCIM.OAuth = &o
		}
		if c.APIKey != nil {
			k := *c.APIKey
			t.SCIM.APIKey = &k
		}
	}
	if t.Graph != nil {
		c := *t.Graph
		t.Graph = &c
	}
	if t.Memory != nil {
		c := *t.Memory
		t.Memory = &c
	}
	return t
}

// anchors returns the attributes to which behov may write the person's ID: one,
// or, where that depends on the detected server, several.
func (t Target) anchors() []string {
	switch {
	case t.LDAP != nil && t.LDAP.AnchorAttribute != "":
		return []string{t.LDAP.AnchorAttribute}
	case t.LDAP != nil && t.LDAP.Flavour != "":
		return []string{ldap.DefaultAnchor(t.LDAP.Flavour)}
	case t.LDAP != nil:
		return []string{ldap.DefaultAnchor(ldap.OpenLDAP), ldap.DefaultAnchor(ldap.ActiveDirectory)}
	case t.SCIM != nil:
		return []string{"externalId"}
	case t.Graph != nil:
		return []string{or(t.Graph.AnchorAttribute, graph.DefaultAnchor)}
	}
	return nil
}

// connector parses the settings of the target's connector.
func (l *loader) connector(doc *document, at string, y targetYAML, t *Target) {
	if err := y.Limits.Validate(); err != nil {
		doc.report(at+".limits", "%s", strings.TrimPrefix(err.Error(), "limits: "))
	}
	kinds := 0
	for _, there := range []bool{t.Memory != nil, t.LDAP != nil, t.SCIM != nil, t.Graph != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		doc.report(at, "a target has exactly one of ldap, scim, graph and memory; this one has %d", kinds)
		return
	}
	for _, file := range t.files() {
		*file = l.file(*file)
	}
	t.references = map[string]string{}
	for name, field := range t.secrets() {
		t.references[name], *field = *field, ""
		if ref := t.references[name]; ref != "" && !isReference(ref) {
			doc.report(at+"."+name, "a secret must not stand in the configuration: write env:NAME or file:PATH")
		}
	}
	switch {
	case t.Memory != nil:
		t.Memory.References = t.References()
	case t.LDAP != nil:
		t.LDAP.Attributes, t.LDAP.References, t.LDAP.Limits = t.read(), t.References(), y.Limits
		t.LDAP.ReadOnly = slices.DeleteFunc(t.read(), func(name string) bool { _, managed := t.Attributes[name]; return managed })
	case t.Graph != nil:
		t.Graph.Attributes, t.Graph.References, t.Graph.Limits = t.read(), t.References(), y.Limits
	case t.SCIM != nil:
		t.SCIM.Attributes, t.SCIM.References, t.SCIM.Limits = t.read(), t.References(), y.Limits
	}
	l.password(doc, at, y, t)
	checkConnector(doc, at, *t)
}

func (l *loader) password(doc *document, at string, y targetYAML, t *Target) {
	p := y.Password
	if p.Directory != "" && len(p.Command) > 0 {
		doc.report(at+".first_password", "either a directory or a command, not both")
	}
	t.FirstPassword = FirstPassword{Directory: l.file(p.Directory), Command: p.Command}
	if len(p.Command) > 0 && !filepath.IsAbs(p.Command[0]) {
		doc.report(at+".first_password.command", "%q must be an absolute path, so that it is clear which program gets the passwords", p.Command[0])
	}
}

// checkConnector has the connector validate its settings. It opens no connection.
// The secrets and the certificates need not exist on the machine that checks, and
// are left out.
func checkConnector(doc *document, at string, t Target) {
	const anything = "x"
	t = t.clone()
	for name, field := range t.secrets() {
		if t.references[name] != "" {
			*field = anything
		}
	}
	if g := t.Graph; g != nil && g.CertificateFile != "" && g.ClientSecret == "" {
		g.ClientSecret, g.CertificatePassword = anything, ""
	}
	if s := t.SCIM; s != nil && s.CertificateFile != "" && s.Token == "" && s.OAuth == nil {
		s.Token = anything
	}
	for _, file := range t.files() {
		*file = ""
	}
	var with Services
	if t.FirstPassword.Directory != "" || len(t.FirstPassword.Command) > 0 {
		with.PasswordSink = discardPasswords{}
	}
	c, err := t.open(with)
	at += "." + t.Kind()
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			doc.report(at, "%s", strings.TrimPrefix(line, t.Kind()+": "))
		}
		return
	}
	for _, claim := range t.Adopt {
		if slices.ContainsFunc(t.anchors(), func(a string) bool { return strings.EqualFold(claim.Attribute, a) }) {
			doc.report(strings.TrimSuffix(at, "."+t.Kind())+".adopt", "%s is where behov writes its own ID for the person: set another anchor_attribute that is unused (or the flavour, when that is another directory's default)", claim.Attribute)
		}
	}
	can := c.Capabilities()
	if mfa := can[connectors.MFA]; t.MFA && !mfa.Can {
		doc.report("$.mfa.target", "target %s does not know who is enrolled: %s", t.Name, mfa.Note)
	}
	for _, wants := range []struct {
		yes     bool
		ability connectors.Ability
		what    string
	}{
		{len(t.Adopt) > 0, connectors.Adopt, "adopt"},
		{t.Account.Rename, connectors.Rename, "name.rename"},
		{len(t.References()) > 0, connectors.References, "attributes"},
		{t.FirstPassword.Directory != "" || len(t.FirstPassword.Command) > 0, connectors.Password, "first_password"},
	} {
		if s := can[wants.ability]; wants.yes && !s.Can {
			doc.report(strings.TrimSuffix(at, "."+t.Kind())+"."+wants.what, "a target of this kind cannot: %s (%s)", wants.ability, s.Note)
		}
	}
}

// discardPasswords is a PasswordSink for checks, which only need to know whether
// there is one.
type discardPasswords struct{}

// FirstPassword implements connectors.PasswordSink.
func (discardPasswords) FirstPassword(context.Context, connectors.AccountRef, string) error {
	return nil
}

// KindCapabilities is what a kind of target supports.
type KindCapabilities struct {
	Kind    string // as in the configuration
	Flavour string // for kinds with several
	Can     connectors.Capabilities
}

// Name returns the kind with its flavour.
func (k KindCapabilities) Name() string {
	if k.Flavour == "" {
		return k.Kind
	}
	return k.Kind + " " + k.Flavour
}

// Kinds returns what each kind of target supports, as declared by its connector.
func Kinds() ([]KindCapabilities, error) {
	const anything = "x"
	manager := []string{"manager"}
	directory := func(flavour string) *ldap.Config {
		return &ldap.Config{Flavour: flavour, URL: "ldaps://localhost", BindDN: "cn=x", Password: anything, PeopleDN: "ou=x", GroupsDN: "ou=x",
			MFAAttribute: "attribute", Attributes: manager, References: manager}
	}
	var kinds []KindCapabilities
	for _, example := range []Target{
		{LDAP: directory(ldap.ActiveDirectory)},
		{LDAP: directory(ldap.OpenLDAP)},
		{SCIM: &scim.Config{URL: "https://localhost", Token: anything, MFAAttribute: "userType"}},
		{Graph: &graph.Config{TenantID: anything, ClientID: anything, ClientSecret: anything, MFA: true, Licences: true, Attributes: manager, References: manager}},
		{Memory: &memory.Config{}},
	} {
		k := KindCapabilities{Kind: example.Kind()}
		if example.LDAP != nil {
			k.Flavour = example.LDAP.Flavour
		}
		c, err := example.open(Services{PasswordSink: discardPasswords{}})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name(), err)
		}
		k.Can = c.Capabilities()
		if err := c.Close(); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name(), err)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

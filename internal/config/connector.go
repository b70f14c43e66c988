package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/connectors/scim"
)

// Services are what a connector is given besides its configuration.
type Services struct {
	Memory   connectors.Memory   // nil for none
	Handover connectors.Handover // nil for none
}

// Kind returns the target's kind.
func (t Target) Kind() string {
	switch {
	case t.LDAP != nil:
		return "ldap"
	case t.SCIM != nil:
		return "scim"
	}
	return "memory"
}

// Connect makes the target's connector. Secrets are resolved, relative to the
// installation's directory; nobody is contacted yet.
func (t Target) Connect(dir string, with Services) (connectors.Connector, error) {
	t = t.clone()
	for name, field := range t.secrets() {
		secret, err := Resolve(dir, t.references[name])
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		*field = secret
	}
	return t.open(with)
}

// open makes the connector of a target whose secrets are in place.
func (t Target) open(_ Services) (connectors.Connector, error) {
	switch {
	case t.LDAP != nil:
		return ldap.New(*t.LDAP)
	case t.SCIM != nil:
		return scim.New(*t.SCIM)
	}
	return memory.New(*t.Memory)
}

// secrets are the fields that hold secrets, by their place below the target.
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
		return []*string{&t.SCIM.CAFile}
	}
	return []*string{&t.Memory.File}
}

// clone copies what secrets are put into.
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
	}
	if t.Memory != nil {
		c := *t.Memory
		t.Memory = &c
	}
	return t
}

// connector reads how the target is connected.
func (l *loader) connector(doc *document, at string, y targetYAML, t *Target) {
	if err := y.Limits.Validate(); err != nil {
		doc.report(at+".limits", "%s", strings.TrimPrefix(err.Error(), "limits: "))
	}
	kinds := 0
	for _, there := range []bool{t.Memory != nil, t.LDAP != nil, t.SCIM != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		doc.report(at, "a target has exactly one of memory, ldap and scim; this one has %d", kinds)
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
		t.LDAP.Attributes = t.read()
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

// checkConnector asks the connector itself whether its settings can work. It
// contacts nobody. The secrets and the certificates need not be on the machine
// that checks, and are left out of it.
func checkConnector(doc *document, at string, t Target) {
	const anything = "x"
	t = t.clone()
	for name, field := range t.secrets() {
		if t.references[name] != "" {
			*field = anything
		}
	}
	for _, file := range t.files() {
		*file = ""
	}
	c, err := t.open(Services{})
	at += "." + t.Kind()
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			doc.report(at, "%s", strings.TrimPrefix(line, t.Kind()+": "))
		}
		return
	}
	can := c.Capabilities()
	if mfa := can[connectors.MFA]; t.MFA && !mfa.Can {
		doc.report("$.mfa.target", "target %s cannot say who is enrolled: %s", t.Name, mfa.Note)
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

// KindCapabilities is what a kind of target can do.
type KindCapabilities struct {
	Kind string
	// Note says, when there is more than one of a kind, which this is.
	Note string
	Can  connectors.Capabilities
}

// Kinds lists what each kind of target can do, as its connector declares it.
func Kinds() ([]KindCapabilities, error) {
	const anything = "x"
	examples := map[string]Target{
		"ldap":   {LDAP: &ldap.Config{URL: "ldaps://localhost", BindDN: "cn=x", Password: anything, PeopleDN: "ou=x", GroupsDN: "ou=x", MFAAttribute: "x"}},
		"scim":   {SCIM: &scim.Config{URL: "https://localhost", Token: anything, MFAAttribute: "userType"}},
		"memory": {Memory: &memory.Config{}},
	}
	var kinds []KindCapabilities
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		c, err := examples[name].open(Services{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		kinds = append(kinds, KindCapabilities{Kind: name, Can: c.Capabilities()})
		if err := errors.Join(err, c.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return kinds, nil
}

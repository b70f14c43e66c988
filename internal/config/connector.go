package config

import (
	"context"
	"fmt"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/manual"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/connectors/scim"
)

// Services are passed to a connector besides its configuration.
type Services struct {
	StateStore   connectors.StateStore   // nil for none
	PasswordSink connectors.PasswordSink // nil for none
	Records      manual.Records          // of a target of kind manual; nil where it is not read
	// Entitlements are those that the catalogue has in the target, for kind manual.
	Entitlements []string
}

// Kind returns the target's kind.
func (t Target) Kind() string { return t.Settings.Kind() }

// Connect returns the target's connector. It resolves secrets, relative to the
// installation's directory, and opens no connection.
func (t Target) Connect(dir string, with Services) (connectors.Connector, error) {
	settings := t.Settings.clone()
	for name, field := range settings.secrets() {
		secret, err := Resolve(dir, t.references[name])
		if err != nil {
			return nil, err
		}
		*field = secret
	}
	return settings.open(with)
}

// connector parses the settings of the target's connector.
func (l *loader) connector(doc *document, at string, y targetYAML, t *Target, c *Config) {
	if err := y.Limits.Validate(); err != nil {
		doc.report(at+".limits", "%s", strings.TrimPrefix(err.Error(), "limits: "))
	}
	there := y.Connectors.settings()
	if len(there) != 1 {
		doc.report(at, "a target has exactly one of ldap, scim, graph, manual and memory; this one has %d", len(there))
		t.Settings = MemorySettings{&memory.Config{}} // none, and an error
		return
	}
	t.Settings = there[0]
	if m := y.Connectors.Manual; m != nil {
		l.orderReceivers(doc, at+".manual", m, c)
	}
	for _, file := range t.Settings.files() {
		*file = l.file(*file)
	}
	t.references = map[string]string{}
	for name, field := range t.Settings.secrets() {
		t.references[name], *field = *field, ""
		if ref := t.references[name]; ref != "" && !isReference(ref) {
			doc.report(at+"."+name, "a secret must not stand in the configuration: write env:NAME or file:PATH")
		}
	}
	readOnly := slices.DeleteFunc(t.read(), func(name string) bool { _, managed := t.Attributes[name]; return managed })
	t.Settings.connect(mapped{read: t.read(), readOnly: readOnly, references: t.References(), limits: y.Limits})
	l.password(doc, at, y, t)
	checkConnector(doc, at, *t)
}

// orderReceivers checks who gets the work orders of a target of kind manual.
func (l *loader) orderReceivers(doc *document, at string, m *manual.Config, c *Config) {
	for name, field := range map[string]*string{".to": &m.To, ".escalate": &m.Escalate} {
		if !manual.IsMailbox(*field) {
			*field = l.person(doc, at+name, *field, c)
			continue
		}
		if a, err := mail.ParseAddress(*field); err != nil || a.Address != *field {
			doc.report(at+name, "%q is no mail address: write name@example.org, or the key of a person", *field)
		}
	}
}

func (l *loader) password(doc *document, at string, y targetYAML, t *Target) {
	t.FirstPassword = l.handover(doc, at+".first_password", "passwords", y.Password.Directory, y.Password.Command)
}

// handover returns where secrets are handed over.
func (l *loader) handover(doc *document, at, what, directory string, command []string) FirstPassword {
	if directory != "" && len(command) > 0 {
		doc.report(at, "either a directory or a command, not both")
	}
	if len(command) > 0 && !filepath.IsAbs(command[0]) {
		doc.report(at+".command", "%q must be an absolute path, so that it is clear which program gets the %s", command[0], what)
	}
	return FirstPassword{Directory: l.file(directory), Command: command}
}

// The hours for which a pass is valid: Graph's policy allows 10 minutes to 30 days
// (https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass).
const (
	defaultPassHours = 8
	mostPassHours    = 30 * 24
)

// firstPass returns how passes of people who begin are issued.
func (l *loader) firstPass(doc *document, directory string, command []string, hours int) FirstPass {
	const at = "$.mfa.first_pass"
	p := FirstPass{To: l.handover(doc, at, "passes", directory, command), Valid: defaultPassHours * time.Hour}
	nowhere := p.To.Directory == "" && len(p.To.Command) == 0
	switch {
	case nowhere && hours != 0:
		doc.report(at, "it says for how long a pass is valid and not where it is handed over: add directory or command")
	case nowhere:
		return FirstPass{}
	case l.noMFATarget:
		doc.report(at, "no target issues passes: say under mfa.target which one does")
	}
	if hours < 0 || hours > mostPassHours {
		doc.report(at+".hours", "%d hours: it must be 1 to %d", hours, mostPassHours)
	} else if hours > 0 {
		p.Valid = time.Duration(hours) * time.Hour
	}
	return p
}

// checkConnector has the connector validate its settings. It opens no connection.
// The secrets and the certificates need not exist on the machine that checks, and
// are left out.
func checkConnector(doc *document, at string, t Target) {
	const anything = "x"
	settings := t.Settings.clone()
	for name, field := range settings.secrets() {
		if t.references[name] != "" {
			*field = anything
		}
	}
	settings.withoutCertificate(anything)
	for _, file := range settings.files() {
		*file = ""
	}
	var with Services
	if t.FirstPassword.Directory != "" || len(t.FirstPassword.Command) > 0 {
		with.PasswordSink = discardPasswords{}
	}
	c, err := settings.open(with)
	at += "." + t.Kind()
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			doc.report(at, "%s", strings.TrimPrefix(line, t.Kind()+": "))
		}
		return
	}
	for _, claim := range t.Adopt {
		if slices.ContainsFunc(t.Settings.anchors(), func(a string) bool { return strings.EqualFold(claim.Attribute, a) }) {
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
		{len(t.Attributes) > len(t.References()), connectors.Update, "attributes"},
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
	directory := func(flavour string) LDAPSettings {
		return LDAPSettings{&ldap.Config{Flavour: flavour, URL: "ldaps://localhost", BindDN: "cn=x", Password: anything, PeopleDN: "ou=x", GroupsDN: "ou=x",
			MFAAttribute: "attribute", Attributes: manager, References: manager}}
	}
	var kinds []KindCapabilities
	for _, example := range []struct {
		Settings
		flavour string
	}{
		{directory(ldap.ActiveDirectory), ldap.ActiveDirectory},
		{directory(ldap.OpenLDAP), ldap.OpenLDAP},
		{SCIMSettings{&scim.Config{URL: "https://localhost", Token: anything, MFAAttribute: "userType"}}, ""},
		{GraphSettings{&graph.Config{TenantID: anything, ClientID: anything, ClientSecret: anything, MFA: true, Licences: true, Attributes: manager, References: manager}}, ""},
		{ManualSettings{&manual.Config{To: anything}}, ""},
		{MemorySettings{&memory.Config{}}, ""},
	} {
		k := KindCapabilities{Kind: example.Kind(), Flavour: example.flavour}
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

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
)

// nameYAML configures account names: a template, or a mapping with more settings.
type nameYAML struct {
	// Value is the template of a name. Default: {{.Login}}.
	Value string `yaml:"value"`
	// Protected is the template for people with protected identity. Default:
	// login_protected, where the template of a name has personal data.
	Protected string `yaml:"protected"`
	// Most is the maximum length in characters. Default: no maximum.
	Most int `yaml:"max_length"`
	// Collision is what happens when a name is taken: report (an operator decides; the
	// default) or number (anna, anna2, anna3).
	Collision string `yaml:"collision"`
	// Rename reports that accounts are renamed when the name changes. Default: false,
	// a name is assigned once.
	Rename bool `yaml:"rename"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (n *nameYAML) UnmarshalYAML(unmarshal func(any) error) error {
	type full nameYAML
	return textOr(unmarshal, &n.Value, (*full)(n))
}

// attributeYAML configures an attribute: a template, or a mapping with more
// settings.
type attributeYAML struct {
	// Value is the template of the value.
	Value string `yaml:"value"`
	// Default is the template that is used when the value comes out empty.
	Default string `yaml:"default"`
	// Set is always (the default) or create: the value is written to new accounts
	// only.
	Set string `yaml:"set"`
	// Reference is manager: the value is the account of the person's manager.
	Reference string `yaml:"reference"`
	// Missing is what happens to a reference while HR names no manager who works here:
	// keep (the default) or clear.
	Missing string `yaml:"missing"`
	// Protected is the template for people with protected identity, as "Employee";
	// empty withholds the value. Without it a value with personal data is withheld,
	// and any other is kept.
	Protected *string `yaml:"protected"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (a *attributeYAML) UnmarshalYAML(unmarshal func(any) error) error {
	type full attributeYAML
	return textOr(unmarshal, &a.Value, (*full)(a))
}

// textOr parses a text, or a mapping that contains the text.
func textOr(unmarshal func(any) error, text *string, full any) error {
	var kind any
	if err := unmarshal(&kind); err != nil {
		return err
	}
	if _, ok := kind.(map[string]any); ok {
		return unmarshal(full)
	}
	return unmarshal(text)
}

const defaultName = "{{.Login}}"

// mapping parses how accounts look, and how existing ones are matched. People
// with protected identity get the name of protected, unless the mapping has one
// for them.
func (l *loader) mapping(doc *document, at string, y targetYAML, t *Target, protected *identity.Template) {
	parse := func(at, what, text string) *identity.Template {
		template, err := identity.ParseTemplate(text)
		if err != nil {
			doc.report(at, "%s%v", what, err)
		}
		l.checkTemplateColumns(doc, at, template)
		return template
	}
	t.Account = AccountName{Value: parse(at+".name", "", or(y.Name.Value, defaultName)), Most: y.Name.Most, Rename: y.Name.Rename, Number: y.Name.Collision == "number"}
	if y.Name.Protected != "" {
		t.Account.Protected, t.Account.Stated = parse(at+".name.protected", "", y.Name.Protected), true
	} else if t.Account.Value.Personal() {
		t.Account.Protected = protected
	}
	if !slices.Contains([]string{"", "number", "report"}, y.Name.Collision) {
		doc.report(at+".name.collision", "%q is not valid: use report (an operator decides; the default) or number (anna, anna2, anna3)", y.Name.Collision)
	}
	if y.Name.Rename && t.Account.Value != nil && !t.Account.Value.Changes() && (y.Name.Protected == "" || y.Name.Protected == or(y.Name.Value, defaultName)) {
		doc.report(at+".name.rename", "it never renames an account: the name is made of what a person keeps for good; write under value what changes, as {{ascii .GivenName}}.{{ascii .FamilyName}}, or a protected name of its own, or take rename away")
	}
	if y.Name.Most < 0 {
		doc.report(at+".name.max_length", "it must not be negative")
	}
	for _, name := range sortedKeys(y.Attributes) {
		a, at := y.Attributes[name], at+".attributes."+quoteKey(name)
		out := Attribute{OnCreate: a.Set == "create", Manager: a.Reference == "manager", Cleared: a.Missing == "clear"}
		switch {
		case !slices.Contains([]string{"", "always", "create"}, a.Set):
			doc.report(at, "attribute %s: set is always (the default) or create, not %q", name, a.Set)
		case a.Reference != "" && a.Reference != "manager":
			doc.report(at, "attribute %s: reference is manager, not %q", name, a.Reference)
		case a.Missing != "" && a.Reference == "":
			doc.report(at, "attribute %s: missing is for a reference", name)
		case !slices.Contains([]string{"", "keep", "clear"}, a.Missing):
			doc.report(at, "attribute %s: missing is keep (the default: what stands there stays while HR names no manager who works here) or clear, not %q", name, a.Missing)
		case a.Reference != "" && (a.Value != "" || a.Default != "" || a.Set == "create"):
			doc.report(at, "attribute %s: a reference has no value, no default, and is always kept", name)
		}
		if !out.Manager {
			out.Value = parse(at, fmt.Sprintf("attribute %s: ", name), a.Value)
		}
		if a.Protected != nil {
			out.Replaced, out.Stated = true, true
			if strings.TrimSpace(*a.Protected) != "" {
				out.Protected = parse(at, fmt.Sprintf("attribute %s: protected: ", name), *a.Protected)
			}
		}
		switch {
		case a.Default != "":
			out.Default = parse(at, fmt.Sprintf("attribute %s: default: ", name), a.Default)
		case y.requiresAttribute(name) && (out.Value.Reads("FamilyName") || out.Value.Reads("GivenName")):
			out.Default = singleName
		}
		withholdProtected(&out, y.requiresAttribute(name))
		t.Attributes[name] = out
	}
	for i, claim := range y.Adopt {
		at := fmt.Sprintf("%s.adopt[%d]", at, i)
		if len(claim) != 1 {
			doc.report(at, "each rule is one attribute and the value that tells whose it is, as - employeeNumber: \"{{.Key}}\"")
			continue
		}
		for attribute, text := range claim {
			if strings.TrimSpace(text) == "" {
				doc.report(at, "%s: the value is missing", attribute)
				continue
			}
			value := parse(at, attribute+": ", text)
			l.claim(doc, at, attribute, text, value)
			if attribute == "name" {
				attribute = connectors.LoginName
			}
			t.Adopt = append(t.Adopt, Claim{Attribute: attribute, Value: value})
		}
	}
}

// requiresAttribute reports whether the target's kind creates no account without
// a value of the attribute.
func (y targetYAML) requiresAttribute(attribute string) bool {
	return slices.ContainsFunc(y.Connectors.settings(), func(s Settings) bool { return s.requires(attribute) })
}

// accountName replaces a value that is withheld and that the target requires.
var accountName = func() *identity.Template {
	t, err := identity.ParseTemplate("{{.Account}}")
	if err != nil {
		panic(err) // a constant template
	}
	return t
}()

// singleName replaces a required name for people who have only the other one.
var singleName = func() *identity.Template {
	t, err := identity.ParseTemplate("{{.GivenName}}{{.FamilyName}}")
	if err != nil {
		panic(err) // a constant template
	}
	return t
}()

// withholdProtected withholds personal data of people with protected identity,
// unless the mapping defines their value. It uses the default when that contains
// no personal data, and the account name when the target requires a value.
func withholdProtected(a *Attribute, needed bool) {
	if a.Stated || !a.Value.Personal() && !a.Default.Personal() {
		return
	}
	a.Replaced = true
	switch {
	case a.Default != nil && !a.Default.Personal():
		a.Protected = a.Default
	case needed:
		a.Protected = accountName
	}
}

// ProtectedMapping is a mapping that discloses data of people with protected
// identity.
type ProtectedMapping struct {
	Target    string `json:"target"`
	Attribute string `json:"attribute"` // "name" is the account name
	Text      string `json:"text"`
}

// GivenAway returns the mappings that disclose data of people with protected
// identity, sorted by target and attribute.
func (c *Config) GivenAway() []ProtectedMapping {
	var all []ProtectedMapping
	if c.LoginProtected.Personal() {
		all = append(all, ProtectedMapping{Attribute: "login_protected", Text: "it tells who a person with protected identity is"})
	}
	for _, t := range c.Targets {
		add := func(attribute, text string) {
			all = append(all, ProtectedMapping{Target: t.Name, Attribute: attribute, Text: text})
		}
		if t.Account.Protected.Personal() {
			add("name", "its protected value tells who a person with protected identity is")
		}
		for _, name := range t.AttributeNames() {
			if t.Attributes[name].Protected.Personal() {
				add(name, "its protected value tells who a person with protected identity is")
			}
		}
	}
	return all
}

// generated are the fields of a template that behov makes, personal those that are one
// person's.
var (
	generated = []string{"Login", "PersonID", "Account"}
	personal  = []string{"Key", "Keys", "Email", "Phone", "NationalID", "Attributes"}
)

// claim refuses a claim that could match another person's account.
func (l *loader) claim(doc *document, at, attribute, text string, value *identity.Template) {
	switch {
	case value == nil: // and reported
	case slices.ContainsFunc(generated, value.Reads):
		doc.report(at, "%s: a value that behov generates cannot identify a person's account, as another account may have it by chance: use a value from HR, such as {{.Key}} or {{.Email}}", attribute)
	case !slices.ContainsFunc(personal, value.Reads) && attribute != "name":
		doc.report(at, "%s: %q is not one person's alone: use {{.Key}}, {{.Email}}, {{.Phone}}, {{.NationalID}} or a column of your own, {{.Attributes.NAME}}", attribute, text)
	case value.Reads("Key") && len(l.sources) > 1:
		doc.report(at, "%s: with several HR sources name the source of the number, as 1001 of one source would match the account of another's: {{.Keys.%s}}", attribute, l.sources[0])
	}
}

// checkTemplateColumns refuses a custom column that HR does not have: its values
// would all be empty.
func (l *loader) checkTemplateColumns(doc *document, at string, t *identity.Template) {
	for _, name := range t.Columns() {
		if !slices.Contains(l.attributes, name) {
			doc.report(at, "there is no column %s: list it under hr.attributes", name)
		}
	}
}

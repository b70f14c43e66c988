package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
)

// nameYAML is how accounts are named: a template, or that and more.
type nameYAML struct {
	Value     string `yaml:"value"`
	Protected string `yaml:"protected"`
	Most      int    `yaml:"max_length"`
	Collision string `yaml:"collision"`
	Rename    bool   `yaml:"rename"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (n *nameYAML) UnmarshalYAML(unmarshal func(any) error) error {
	type full nameYAML
	return textOr(unmarshal, &n.Value, (*full)(n))
}

// attributeYAML is an attribute's value: a template, or that and more.
type attributeYAML struct {
	Value     string `yaml:"value"`
	Default   string `yaml:"default"`
	Set       string `yaml:"set"`
	Reference string `yaml:"reference"`
	Missing   string `yaml:"missing"`
	// Protected is the value for people with protected identity; empty withholds
	// it. Nil withholds what tells who they are, and leaves everything else as it
	// is.
	Protected *string `yaml:"protected"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (a *attributeYAML) UnmarshalYAML(unmarshal func(any) error) error {
	type full attributeYAML
	return textOr(unmarshal, &a.Value, (*full)(a))
}

// textOr reads a text, or a mapping with the text in it.
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

// mapping reads how accounts look, and how those that were there are told.
// People with protected identity get the name that protected makes, unless the
// mapping has one for them.
func (l *loader) mapping(doc *document, at string, y targetYAML, t *Target, protected *identity.Template) {
	parse := func(at, what, text string) *identity.Template {
		l.columns(doc, at, text)
		template, err := identity.ParseTemplate(text)
		if err != nil {
			doc.report(at, "%s%v", what, err)
		}
		return template
	}
	t.Account = AccountName{Value: parse(at+".name", "", or(y.Name.Value, defaultName)), Most: y.Name.Most, Rename: y.Name.Rename, Number: y.Name.Collision == "number"}
	if y.Name.Protected != "" {
		t.Account.Protected, t.Account.Stated = parse(at+".name.protected", "", y.Name.Protected), true
	} else if t.Account.Value.Personal() {
		t.Account.Protected = protected
	}
	if !slices.Contains([]string{"", "number", "report"}, y.Name.Collision) {
		doc.report(at+".name.collision", "%q is not known: report (somebody has to look; the default) and number (anna, anna2, anna3) are", y.Name.Collision)
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
		case y.needs(name) && (out.Value.Reads("FamilyName") || out.Value.Reads("GivenName")):
			out.Default = oneName
		}
		withhold(&out, y.needs(name))
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
			l.claim(doc, at, attribute, text)
			if attribute == "name" {
				attribute = plan.NameAttribute
			}
			t.Adopt = append(t.Adopt, Claim{Attribute: attribute, Value: parse(at, attribute+": ", text)})
		}
	}
}

// needs says whether the target's kind makes no account without a value of the
// attribute.
func (y targetYAML) needs(attribute string) bool {
	switch {
	case y.LDAP != nil:
		return slices.ContainsFunc([]string{"cn", "sn", "commonName", "surname", y.LDAP.RDNAttribute}, func(name string) bool { return strings.EqualFold(name, attribute) })
	case y.Graph != nil:
		return slices.Contains([]string{"displayName", "mailNickname"}, attribute)
	case y.SCIM != nil:
		return slices.Contains([]string{"userName", "displayName"}, attribute)
	}
	return false
}

// accountName stands in for a value that is withheld and that the target needs.
var accountName = func() *identity.Template {
	t, err := identity.ParseTemplate("{{.Account}}")
	if err != nil {
		panic(err) // a constant
	}
	return t
}()

// oneName stands in for a name that is needed, of people who have the other alone.
var oneName = func() *identity.Template {
	t, err := identity.ParseTemplate("{{.GivenName}}{{.FamilyName}}")
	if err != nil {
		panic(err) // a constant
	}
	return t
}()

// withhold keeps from people with protected identity what tells who they are,
// unless the mapping says what they get. Its default is used where it tells
// nothing, and the account name where the target needs a value.
func withhold(a *Attribute, needed bool) {
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

// ProtectedMapping is what a mapping gives away of people with protected
// identity.
type ProtectedMapping struct {
	Target    string `json:"target"`
	Attribute string `json:"attribute"` // name is the account name
	Text      string `json:"text"`
}

// GivenAway returns what the mappings give away of people with protected
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

var (
	madeUp    = regexp.MustCompile(`\.(Login|PersonID|Account)\b`)
	ofPerson  = regexp.MustCompile(`\.(Key|Keys|Email|Phone|NationalID|Attributes)\b`)
	anyKey    = regexp.MustCompile(`\.Key\b`)
	ownColumn = regexp.MustCompile(`\.Attributes\.([\p{L}\p{Nd}_]+)`)
)

// claim refuses what would tell somebody else's account as a person's.
func (l *loader) claim(doc *document, at, attribute, text string) {
	switch {
	case madeUp.MatchString(text):
		doc.report(at, "%s: what behov made up tells nobody's account from another's, which may have it by chance: use what HR knows, such as {{.Key}} or {{.Email}}", attribute)
	case !ofPerson.MatchString(text) && attribute != "name":
		doc.report(at, "%s: %q is not one person's alone: use {{.Key}}, {{.Email}}, {{.Phone}}, {{.NationalID}} or a column of your own, {{.Attributes.NAME}}", attribute, text)
	case anyKey.MatchString(text) && len(l.sources) > 1:
		doc.report(at, "%s: with several HR sources say whose number it is, or one source's 1001 gets the account of another's: {{.Keys.%s}}", attribute, l.sources[0])
	}
}

// columns refuses a column of the organisation's own that HR does not have:
// its values would all come out empty.
func (l *loader) columns(doc *document, at, text string) {
	for _, m := range ownColumn.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(l.attributes, m[1]) {
			doc.report(at, "there is no column %s: list it under hr.attributes", m[1])
		}
	}
}

package ldap_test

import (
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
	"github.com/jimlambrt/gldap"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// refusedEverywhere checks that every method that contacts the server refuses a
// configuration, whose flavour only the server shows, with the same message.
func refusedEverywhere(t *testing.T, cfg ldap.Config, says string) {
	t.Helper()
	cfg.Flavour = ""
	for _, first := range []string{"Check", "Snapshot", "Apply", "TakenNames"} {
		c := open(t, cfg) // without the state of an earlier call
		var err error
		switch first {
		case "Check":
			err = c.Check(t.Context())
		case "Snapshot":
			_, err = c.Snapshot(t.Context(), newSeen())
		case "TakenNames":
			_, err = c.TakenNames(t.Context(), []string{"x"})
		default:
			err = c.Apply(t.Context(), []connectors.Change{creations("never", 1)[0]})[0].Err
		}
		if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want a permanent error of one line that says %q", first, err, says)
		}
	}
}

// TestAttributesThatCannotBeManaged checks the errors that New returns without a
// server, when the flavour is configured or when they apply to every flavour.
func TestAttributesThatCannotBeManaged(t *testing.T) {
	good := ldap.Config{URL: "ldaps://ldap.example", BindDN: "cn=a", Password: "p", PeopleDN: "ou=p", GroupsDN: "ou=g"}
	const open, ad, either = ldap.OpenLDAP, ldap.ActiveDirectory, ""
	for _, tt := range []struct {
		flavour   string
		attribute string
		change    func(*ldap.Config)
		says      string // empty: it can be managed
	}{
		{open, "uid", nil, "is set by name:, not among attributes"},
		{open, "UID", nil, "is set by name:, not among attributes"},
		{open, "employeeNumber", nil, "the anchor attribute"},
		{open, "employeeNumber;x-old", nil, "the anchor attribute"},
		{open, "entryUUID", nil, "own identifier"},
		{open, "pwdAccountLockedTime", nil, "disabled"},
		{open, "objectClass", nil, "object_classes"},
		{open, "userPassword", nil, "password"},
		{open, "carLicense", func(c *ldap.Config) { c.MFAAttribute = "carlicense" }, "mfa_attribute"},
		{open, "status", func(c *ldap.Config) { c.Disable = ldap.Disable{Attribute: "status", Value: "x"} }, "disabled"},
		{open, "mail", func(c *ldap.Config) { c.AnchorAttribute = "mail" }, "the anchor attribute"},
		{open, "uid", func(c *ldap.Config) { c.NameAttribute = "mail" }, ""},
		{open, "employeeNumber", func(c *ldap.Config) { c.AnchorAttribute = "carLicense" }, ""},
		{open, "sAMAccountName", nil, ""},
		{open, "member", nil, ""},
		{open, "uid", func(c *ldap.Config) { c.ReadOnly = []string{"UID"} }, ""},
		{open, "employeeNumber", func(c *ldap.Config) { c.ReadOnly = []string{"employeeNumber"} }, "the anchor attribute"},
		{ad, "sAMAccountName", nil, "is set by name:, not among attributes"},
		{ad, "sAMAccountName", func(c *ldap.Config) { c.NameAttribute = "userPrincipalName" }, ""},
		{ad, "msDS-cloudExtensionAttribute1", nil, "the anchor attribute"},
		{ad, "employeeNumber", nil, ""},
		{ad, "userAccountControl", nil, "flags"},
		{ad, "unicodePwd", nil, "password"},
		{ad, "userPassword", nil, "password"},
		{ad, "altSecurityIdentities", nil, "one can sign in"},
		{ad, "memberOf", func(c *ldap.Config) { c.References = []string{"memberOf"} }, "memberships"},
		{ad, "accountExpires", nil, ""},
		{either, "objectClass", nil, "object_classes"},
		{either, "userPassword", nil, "password"},
		{either, "employeeNumber", nil, ""}, // the server decides
		{either, "employeeNumber", func(c *ldap.Config) { c.AnchorAttribute = "employeeNumber" }, "the anchor attribute"},
		{either, "memberOf", nil, ""},
		{either, "userPassword", func(c *ldap.Config) { c.ReadOnly = []string{"userPassword"} }, ""},
	} {
		cfg := good
		cfg.Flavour, cfg.Attributes = tt.flavour, []string{"cn", tt.attribute}
		if tt.change != nil {
			tt.change(&cfg)
		}
		_, err := ldap.New(cfg)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s %s: %v", tt.flavour, tt.attribute, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), "attribute "+tt.attribute+" cannot be managed: it is ") || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s %s: %v, want %q", tt.flavour, tt.attribute, err, tt.says)
		case err != nil && strings.Count(err.Error(), "\n") > 0:
			t.Errorf("%s %s: said more than once: %v", tt.flavour, tt.attribute, err)
		}
	}
	cfg := good
	cfg.Flavour, cfg.AnchorAttribute = ad, "employeeId"
	if _, err := ldap.New(cfg); err == nil || !strings.Contains(err.Error(), "anchor_attribute employeeId holds at most 16 characters and the person's ID has 36: choose") {
		t.Errorf("employeeID: %v", err)
	}
	cfg.Flavour = open
	if _, err := ldap.New(cfg); err != nil {
		t.Errorf("employeeID elsewhere: %v", err)
	}
}

// TestAttributesThatCannotBeManagedHere checks the errors that depend on the
// detected flavour and on the attribute's other names in the schema.
func TestAttributesThatCannotBeManagedHere(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	for _, attribute := range []string{"uid", "userid", "0.9.2342.19200300.100.1.1", "employeeNumber", "entryUUID", "pwdAccountLockedTime"} {
		cfg := tree.config()
		cfg.Attributes = []string{"cn", attribute}
		refusedEverywhere(t, cfg, "attribute "+attribute+" cannot be managed: it is ")
	}
	cfg := tree.config()
	cfg.ReadOnly = []string{"uid"}
	cfg.Attributes = append(cfg.Attributes, "uid")
	if err := open(t, cfg).Check(t.Context()); err != nil {
		t.Errorf("only read: %v", err)
	}
}

func TestAnchorInUse(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	anchorInUse(t, open(t, tree.config()), func(name, anchor string) {
		tree.add(t, "uid="+name+","+tree.people, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {name}, "sn": {name}, "employeeNumber": {anchor}})
	})
}

func anchorInUse(t *testing.T, c *ldap.Connector, add func(name, anchor string)) {
	t.Helper()
	applyAll(t, c, creations("ours", 1))
	add("id", uuid.NewString())
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("with behov's own IDs: %v", err)
	}
	add("number", "1001")
	add("hex", strings.ReplaceAll(uuid.NewString(), "-", ""))
	err := c.Check(t.Context())
	const says = "anchor_attribute employeeNumber is in use: 2 of 4 accounts hold values in it that are no behov IDs: choose an unused attribute"
	if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "1001") {
		t.Errorf("Check: %v, want %q", err, says)
	}
	if a := snapshot(t, c).accounts["number"]; a.Anchor != "1001" {
		t.Errorf("account %+v, want its anchor as it is", a)
	}
}

// TestAnchorsOfMany checks that more accounts than Check looks at, and than the
// server shows at once, are no error.
func TestAnchorsOfMany(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	c := open(t, tree.config())
	applyAll(t, c, creations("m", 520))
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTakenNamesAmongPeople(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	c := open(t, tree.config())
	applyAll(t, c, creations("tn", 1))
	tree.add(t, "uid=printer,"+tree.people, map[string][]string{"objectClass": {"device", "extensibleObject"}, "cn": {"x"}})
	tree.add(t, "uid=elsewhere,"+tree.groups, map[string][]string{"objectClass": {"device", "extensibleObject"}, "cn": {"x"}})
	got, err := c.TakenNames(t.Context(), []string{"TN00000", "printer", "elsewhere", "*", "a)(uid=*", "a\x00", "", `\2a`})
	if one, err := c.TakenNames(t.Context(), []string{"*"}); err != nil || len(one) != 0 {
		t.Errorf("a name that would match any: %v, %v", one, err)
	}
	if err != nil || len(got) != 2 || !got["TN00000"] || !got["printer"] {
		t.Errorf("taken: %v, %v", got, err)
	}
	r := goldap.NewAddRequest("ou=school,"+tree.people, []goldap.Control{goldap.NewControlManageDsaIT(true)})
	r.Attribute("objectClass", []string{"referral", "extensibleObject"})
	r.Attribute("ou", []string{"school"})
	r.Attribute("ref", []string{"ldap://elsewhere.test/ou=school," + tree.people})
	if err := tree.Dial().Add(r); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TakenNames(t.Context(), []string{"a"}); connectors.ClassOf(err) != connectors.RetryLater {
		t.Errorf("with a part on another server: %v", err)
	}
}

// TestTakenNamesAsADomainComparesThem uses a server that holds letters with
// different diacritics equal, as Active Directory does and Samba does not, and
// that has a child domain.
func TestTakenNamesAsADomainComparesThem(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w *gldap.ResponseWriter, r *gldap.Request) {
		answer := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
		defer func() { _ = w.Write(answer) }()
		m, err := r.GetSearchMessage()
		if err != nil {
			return
		}
		send := func(dn string, attributes map[string][]string) {
			_ = w.Write(r.NewSearchResponseEntry(dn, gldap.WithAttributes(attributes)))
		}
		for _, name := range []string{"asa", "\\c3\\a5sa"} {
			if m.BaseDN == "DC=kommun,DC=test" && strings.Contains(m.Filter, "(sAMAccountName="+name+")") {
				send("CN=x,CN=Users,DC=kommun,DC=test", map[string][]string{"sAMAccountName": {"Åsa"}})
				break
			}
		}
		if m.BaseDN == "" {
			send("", map[string][]string{"supportedCapabilities": {"1.2.840.113556.1.4.800"}, "defaultNamingContext": {"DC=kommun,DC=test"}})
		}
	})
	c := open(t, ldap.Config{
		URL: url, BindDN: "x@kommun.test", Password: "p", Plaintext: true, PeopleDN: "OU=p,DC=kommun,DC=test", GroupsDN: "OU=g,DC=kommun,DC=test",
	})
	for _, names := range [][]string{{"asa"}, {"bo", "asa"}, {"åsa", "bo", "asa"}} {
		got, err := c.TakenNames(t.Context(), names)
		if err != nil || !got["asa"] || got["bo"] || len(got) != len(names)-min(1, len(names)-1) {
			t.Errorf("of %q are taken: %v, %v", names, got, err)
		}
	}
}

package ldap_test

import (
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

func directoryConfig(d *testenv.Directory) ldap.Config {
	return ldap.Config{
		URL: d.URL, BindDN: d.BindDN, Password: d.Password, Plaintext: d.CAFile == "", CAFile: d.CAFile,
		PeopleDN: d.PeopleDN, GroupsDN: d.GroupsDN, Attributes: []string{"cn", "sn", "title"},
	}
}

// checked returns the text of the error of Check, and fails the test when Check
// leaves an account behind.
func checked(t *testing.T, d *testenv.Directory, adapt func(*ldap.Config)) string {
	t.Helper()
	cfg := directoryConfig(d)
	adapt(&cfg)
	err := open(t, cfg).Check(t.Context())
	found, searchErr := d.Dial().Search(&goldap.SearchRequest{BaseDN: d.PeopleDN, Scope: goldap.ScopeWholeSubtree, Filter: "(uid=behovcheck*)"})
	if searchErr != nil || len(found.Entries) > 0 {
		t.Errorf("left behind: %v, %v", found.Entries, searchErr)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func addPerson(t *testing.T, d *testenv.Directory, uid string) string {
	t.Helper()
	dn := "uid=" + uid + "," + d.PeopleDN
	add := goldap.NewAddRequest(dn, nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": uid} {
		add.Attribute(name, []string{value})
	}
	if err := d.Dial().Add(add); err != nil {
		t.Fatal(err)
	}
	return dn
}

// TestCheckNamesHowOpenDJDisables checks, with and without an existing account,
// that Check reports that the configured way of disabling does not work on
// OpenDJ, and names the one that does.
func TestCheckNamesHowOpenDJDisables(t *testing.T) {
	t.Parallel()
	d := testenv.StartOpenDJ(t)
	const setting = `disable: {attribute: ds-pwp-account-disabled, value: "true"}`
	for _, there := range []string{"nobody there", "an account there"} {
		if there != "nobody there" {
			addPerson(t, d, "bo")
		}
		if said := checked(t, d, func(*ldap.Config) {}); !strings.Contains(said, setting) {
			t.Errorf("%s: check says %q", there, said)
		}
		if said := checked(t, d, func(c *ldap.Config) {
			c.Disable = ldap.Disable{Attribute: "ds-pwp-account-disabled", Value: "true"}
		}); said != "" {
			t.Errorf("%s, as advised: check says %q", there, said)
		}
		proof, err := open(t, directoryConfig(d)).ProveDisable(t.Context())
		if err != nil || proof.Verdict != connectors.SignInPossible || !strings.Contains(proof.Why, setting) {
			t.Errorf("%s: %+v, %v", there, proof, err)
		}
	}
}

// TestPasswordIsKeptWherePwdResetCannotBeWritten checks that the password is
// delivered although 389-DS refuses writes of pwdReset, and that the result says
// so.
func TestPasswordIsKeptWherePwdResetCannotBeWritten(t *testing.T) {
	t.Parallel()
	d := testenv.Start389DS(t)
	if said := checked(t, d, func(*ldap.Config) {}); !strings.Contains(said, `disable: {attribute: nsAccountLock, value: "true"}`) {
		t.Errorf("check says %q", said)
	}
	lock := func(c *ldap.Config) { c.Disable = ldap.Disable{Attribute: "nsAccountLock", Value: "true"} }
	if said := checked(t, d, lock); !strings.Contains(said, "id_attribute: nsUniqueId") {
		t.Errorf("check says %q", said)
	}
	h := &hands{}
	adapt := func(c *ldap.Config) { lock(c); c.IDAttribute, c.PasswordSink = "nsUniqueId", h }
	if said := checked(t, d, adapt); said != "" {
		t.Errorf("check says %q", said)
	}
	cfg := directoryConfig(d)
	adapt(&cfg)
	c := open(t, cfg)
	for i, creation := range creations("anna", 2) {
		creation.Enabled = i == 0
		r := want(t, c, connectors.Applied, creation)
		if got := h.got[creation.Account.Anchor]; len(got) != 1 || !strings.Contains(r.Detail, "pwdReset") {
			t.Errorf("%d passwords were handed over; %q", len(got), r.Detail)
			continue
		}
		conn, err := d.Connect()
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Bind("uid="+creation.Account.Name+","+d.PeopleDN, h.got[creation.Account.Anchor][0])
		if (err == nil) != creation.Enabled {
			t.Errorf("enabled is %t, and signing in ends with %v", creation.Enabled, err)
		}
		_ = conn.Close()
	}
}

// TestCheckNamesEveryAttributeThatCannotBeWritten checks that Check names all
// mapped attributes that cannot be written at once, also when no account exists
// yet.
func TestCheckNamesEveryAttributeThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t, "dbnosync",
		`access to dn.subtree="ou=people,dc=kommun,dc=test" attrs=title,sn by dn.exact="cn=limited,dc=kommun,dc=test" read by * break`,
		`access to dn.subtree="ou=groups,dc=kommun,dc=test" attrs=member by dn.exact="cn=limited,dc=kommun,dc=test" read by * break`,
		`access to attrs=userPassword by dn.exact="cn=limited,dc=kommun,dc=test" write by anonymous auth`,
		`access to * by dn.exact="cn=limited,dc=kommun,dc=test" write by * break`)
	d := s.Directory()
	group := goldap.NewAddRequest("cn=staff,"+d.GroupsDN, nil)
	group.Attribute("objectClass", []string{"groupOfNames"})
	group.Attribute("member", []string{"cn=staff," + d.GroupsDN})
	if err := d.Dial().Add(group); err != nil {
		t.Fatal(err)
	}
	says := func(t *testing.T, adapt func(*ldap.Config), wants ...string) {
		t.Helper()
		said := checked(t, d, adapt)
		for _, want := range wants {
			if !strings.Contains(said, want) {
				t.Errorf("check says %q, and not %q", said, want)
			}
		}
	}
	mapped := func(names ...string) func(*ldap.Config) {
		return func(c *ldap.Config) { c.Attributes = append(c.Attributes, names...) }
	}
	says(t, mapped("createTimestamp", "gidNumber", "behovMfa", "mail"), "the attribute createTimestamp of accounts: the attribute is read-only on this server", "the attribute behovMfa of accounts: no object class of the account allows it", "the attribute gidNumber of accounts: no object class")
	addPerson(t, d, "bo")
	says(t, func(c *ldap.Config) { c.BindDN = "cn=limited," + d.BaseDN }, "the attribute title of accounts", "the attribute sn of accounts", "the attribute member of groups")
	says(t, func(c *ldap.Config) { c.BindDN = s.ReaderDN; c.PasswordSink = &hands{} }, "the attribute cn of accounts", "create an account below people_dn", "the attribute member of groups")
}

// TestCheckFindsThatAPasswordCannotBeSet checks that Check reports a first
// password that cannot be set, before an account is created.
func TestCheckFindsThatAPasswordCannotBeSet(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t, "dbnosync",
		`access to attrs=userPassword by dn.exact="cn=limited,dc=kommun,dc=test" read by anonymous auth`,
		`access to * by dn.exact="cn=limited,dc=kommun,dc=test" write by * break`)
	d := s.Directory()
	limited := func(c *ldap.Config) { c.BindDN = "cn=limited," + d.BaseDN }
	if said := checked(t, d, limited); said != "" {
		t.Errorf("without first passwords check says %q", said)
	}
	if said := checked(t, d, func(c *ldap.Config) { limited(c); c.PasswordSink = &hands{} }); !strings.Contains(said, "set the first password") {
		t.Errorf("check says %q", said)
	}
}

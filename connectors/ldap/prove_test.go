package ldap_test

import (
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// TestDisablingIsProved checks that ProveDisable tests the way of disabling on
// the server, finds one that lets a disabled account sign in, and leaves no test
// account behind.
func TestDisablingIsProved(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	lockout := func(value string) {
		t.Helper()
		m := goldap.NewModifyRequest("cn=policy,"+s.BaseDN, nil)
		m.Replace("pwdLockout", []string{value})
		if err := s.Dial().Modify(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, lockout string
		adapt         func(*ldap.Config)
		want          connectors.ProofVerdict
		why           string
	}{
		{"locked for good", "TRUE", func(*ldap.Config) {}, connectors.SignInRefused, "was refused"},
		{"a policy without lockout", "FALSE", func(*ldap.Config) {}, connectors.SignInPossible, "set pwdLockout TRUE"},
		{"an attribute that nothing enforces", "TRUE", func(c *ldap.Config) {
			c.ObjectClasses = []string{"inetOrgPerson", "behovPerson"}
			c.Disable = ldap.Disable{Attribute: "behovStatus", Value: "disabled"}
		}, connectors.SignInPossible, "does not enforce disable.attribute behovStatus"},
		{"an attribute that an application enforces", "TRUE", func(c *ldap.Config) {
			c.ObjectClasses = []string{"inetOrgPerson", "behovPerson"}
			c.Disable = ldap.Disable{Attribute: "behovStatus", Value: "disabled", EnforcedBy: "the portal"}
		}, connectors.SignInRefused, "the portal"},
		{"moved when disabled, named by cn", "TRUE", func(c *ldap.Config) {
			c.RDNAttribute = "cn"
			c.Disable.MoveTo = "ou=away," + c.PeopleDN
		}, connectors.SignInRefused, "was refused"},
		{"posix accounts", "TRUE", func(c *ldap.Config) { c.ObjectClasses = []string{"inetOrgPerson", "posixAccount"} }, connectors.SignInRefused, "was refused"},
		{"by who may only read, with a policy that shuts out", "TRUE", func(c *ldap.Config) { c.BindDN = "cn=reader," + s.BaseDN }, connectors.SignInRefused, "every password policy"},
		{"by who may only read, with a policy that does not", "FALSE", func(c *ldap.Config) { c.BindDN = "cn=reader," + s.BaseDN }, connectors.SignInPossible, "cn=policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lockout(c.lockout)
			tree := newSubtree(t, s)
			cfg := tree.config()
			c.adapt(&cfg)
			if to := cfg.Disable.MoveTo; to != "" {
				tree.add(t, to, map[string][]string{"objectClass": {"organizationalUnit"}})
			}
			proof, err := open(t, cfg).ProveDisable(t.Context())
			if err != nil || proof.Verdict != c.want || !strings.Contains(proof.Why, c.why) {
				t.Errorf("%+v, %v; want %s, %s", proof, err, c.want, c.why)
			}
			r, err := s.Dial().Search(&goldap.SearchRequest{BaseDN: s.BaseDN, Scope: goldap.ScopeWholeSubtree, Filter: "(|(uid=behovcheck*)(cn=behovcheck*))"})
			if err != nil || len(r.Entries) > 0 {
				t.Errorf("left behind: %v, %v", r.Entries, err)
			}
		})
	}
}

// TestDisablingIsNotProvedWhenItCannotBeReadBack checks that a proof fails when
// the written state cannot be read back: a snapshot would show every disabled
// account as enabled.
func TestDisablingIsNotProvedWhenItCannotBeReadBack(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t, "dbnosync",
		`access to attrs=pwdAccountLockedTime by dn.exact="cn=reader,dc=kommun,dc=test" =w by * break`,
		`access to attrs=userPassword by dn.exact="cn=reader,dc=kommun,dc=test" write by anonymous auth`,
		`access to * by dn.exact="cn=reader,dc=kommun,dc=test" write by dn.exact="cn=limited,dc=kommun,dc=test" write by * break`)
	tree := newSubtree(t, s)
	tree.addGroup(t, "g")
	applyAll(t, open(t, tree.config()), creations("p", 1))
	cfg := tree.readerConfig()
	c := open(t, cfg)
	proof, err := c.ProveDisable(t.Context())
	if err != nil || proof.Verdict != connectors.SignInPossible || !strings.Contains(proof.Why, "pwdAccountLockedTime cannot be read back: let the account in bind_dn read it") {
		t.Errorf("%+v, %v", proof, err)
	}
	if err := c.Check(t.Context()); connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), "read the attribute pwdAccountLockedTime of accounts: let the account in bind_dn read it") {
		t.Errorf("Check: %v", err)
	}
	cfg.BindDN = "cn=limited," + s.BaseDN
	if err := open(t, cfg).Check(t.Context()); err != nil {
		t.Errorf("Check with the right to read it: %v", err)
	}
	cfg.BindDN = s.BindDN
	if proof, err = open(t, cfg).ProveDisable(t.Context()); err != nil || proof.Verdict != connectors.SignInRefused {
		t.Errorf("with the right to read it: %+v, %v", proof, err)
	}
	r, err := s.Dial().Search(&goldap.SearchRequest{BaseDN: s.BaseDN, Scope: goldap.ScopeWholeSubtree, Filter: "(uid=behovcheck*)"})
	if err != nil || len(r.Entries) > 0 {
		t.Errorf("left behind: %v, %v", r.Entries, err)
	}
}

// TestDisablingIsProvedUnderEveryPolicyThatApplies checks that a proof, whose
// test account has the default password policy, finds another policy that applies
// to an account and lets disabled accounts sign in. A policy that applies to no
// account does not matter; with one that cannot be read the result is unknown.
func TestDisablingIsProvedUnderEveryPolicyThatApplies(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	for name, lockout := range map[string]string{"strict": "TRUE", "lax": "FALSE"} {
		tree.add(t, "cn="+name+","+s.BaseDN, map[string][]string{"objectClass": {"device", "pwdPolicy"}, "pwdAttribute": {"userPassword"}, "pwdLockout": {lockout}})
	}
	c := open(t, tree.config())
	id := applyAll(t, c, creations("p", 2))[0]
	for _, tt := range []struct {
		policy string // of one account
		want   connectors.ProofVerdict
		why    string
	}{
		{"", connectors.SignInRefused, "was refused"},
		{"cn=strict," + s.BaseDN, connectors.SignInRefused, "was refused"},
		{"cn=lax," + s.BaseDN, connectors.SignInPossible, "cn=lax," + s.BaseDN + " applies to an account"},
		{"cn=absent," + s.BaseDN, connectors.NotTried, "cn=absent," + s.BaseDN + " applies to an account"},
	} {
		m := goldap.NewModifyRequest(tree.entry(t, id).DN, nil)
		m.Replace("pwdPolicySubentry", slices.DeleteFunc([]string{tt.policy}, func(dn string) bool { return dn == "" }))
		if err := s.Dial().Modify(m); err != nil {
			t.Fatal(err)
		}
		proof, err := c.ProveDisable(t.Context())
		if err != nil || proof.Verdict != tt.want || !strings.Contains(proof.Why, tt.why) {
			t.Errorf("policy %q: %+v, %v; want %s, %s", tt.policy, proof, err, tt.want, tt.why)
		}
	}
}

// TestLeftTestAccountsAreDeleted checks that a proof deletes the test accounts of
// a killed process, and no account that only has a similar name.
func TestLeftTestAccountsAreDeleted(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	for _, name := range []string{"behovcheck0123abcd", "behovcheckup", "behovcheck0123abcd1"} {
		tree.add(t, "uid="+name+","+tree.people, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {name}, "sn": {name}})
	}
	if proof, err := open(t, tree.config()).ProveDisable(t.Context()); err != nil || proof.Verdict != connectors.SignInRefused {
		t.Fatalf("%+v, %v", proof, err)
	}
	r, err := tree.Dial().Search(&goldap.SearchRequest{BaseDN: tree.people, Scope: goldap.ScopeSingleLevel, Filter: "(uid=*)", Attributes: []string{"uid"}})
	if err != nil || len(r.Entries) != 2 {
		t.Errorf("%d accounts, %v", len(r.Entries), err)
	}
}

// TestDisablingIsProvedInActiveDirectory checks the proof in Active Directory,
// where the verdict on a connection without encryption, on which no password can
// be set, follows from the flag's definition.
func TestDisablingIsProvedInActiveDirectory(t *testing.T) {
	t.Parallel()
	s := testenv.StartSamba(t)
	d := newDomainOfOne(t, s)
	proof, err := open(t, d.config()).ProveDisable(t.Context())
	if err != nil || proof.Verdict != connectors.SignInRefused || !strings.Contains(proof.Why, "was refused") {
		t.Errorf("%+v, %v", proof, err)
	}
	r, err := d.Dial().Search(&goldap.SearchRequest{BaseDN: d.BaseDN, Scope: goldap.ScopeWholeSubtree, Filter: "(sAMAccountName=behovcheck*)"})
	if err != nil || len(r.Entries) > 0 {
		t.Errorf("left behind: %v, %v", r.Entries, err)
	}
}

// TestAccountsAreLocated checks that an account that was moved out of people_dn
// is found, and can be disabled there; a deleted one is not found.
func TestAccountsAreLocated(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		cfg := p.config()
		c := open(t, cfg)
		ids := applyAll(t, c, creations("anna", 3))
		elsewhere := strings.Replace(cfg.PeopleDN, "ou=p", "ou=elsewhere", 1)
		elsewhere = strings.Replace(elsewhere, "OU=p", "OU=elsewhere", 1)
		p.add(t, elsewhere, map[string][]string{"objectClass": {"organizationalUnit"}})
		dn := p.entry(t, ids[0]).DN
		rdn, _, _ := strings.Cut(dn, ",")
		if err := p.Dial().ModifyDN(goldap.NewModifyDNRequest(dn, rdn, true, elsewhere)); err != nil {
			t.Fatal(err)
		}
		if err := p.Dial().Del(goldap.NewDelRequest(p.entry(t, ids[1]).DN, nil)); err != nil {
			t.Fatal(err)
		}
		c = open(t, cfg) // with an empty cache
		found := map[string]connectors.Location{}
		complete, err := c.LocateAccounts(t.Context(), []connectors.AccountRef{{ID: ids[0]}, {ID: ids[1]}, {ID: ids[2]}}, func(l connectors.Location) error {
			found[l.Account.ID] = l
			return nil
		})
		if err != nil || !complete.Complete || len(found) != 2 {
			t.Fatalf("%+v, %+v, %v", found, complete, err)
		}
		if l := found[ids[0]]; l.InScope || !strings.Contains(strings.ToLower(l.Place), "ou=elsewhere") || !l.Account.Enabled || l.Account.Anchor == "" {
			t.Errorf("the one that was moved: %+v", l)
		}
		if l := found[ids[2]]; !l.InScope {
			t.Errorf("the one that is where it was: %+v", l)
		}
		want(t, c, connectors.Applied, ref(connectors.DisableAccount, ids[0]))
		if _, err := c.LocateAccounts(t.Context(), []connectors.AccountRef{{ID: ids[0]}}, func(l connectors.Location) error {
			if l.Account.Enabled {
				t.Error("it was disabled, and is enabled")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

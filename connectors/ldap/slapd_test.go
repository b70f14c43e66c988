package ldap_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	for name, adapt := range map[string]func(*ldap.Config){
		"ppolicy": func(*ldap.Config) {},
		"attribute": func(c *ldap.Config) {
			c.ObjectClasses = []string{"inetOrgPerson", "behovPerson"}
			c.Disable = ldap.Disable{Attribute: "behovStatus", Value: "disabled", Enabled: "active"}
			c.MFAAttribute, c.MFAValue = "behovMfa", "enrolled"
		},
		"moved when disabled, named by cn": func(c *ldap.Config) {
			c.RDNAttribute = "cn"
			c.Disable.MoveTo = "ou=away," + c.PeopleDN
		},
		"posixGroup": func(c *ldap.Config) { c.GroupClass = "posixGroup" },
	} {
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, func(t *testing.T) conformance.Fixture { return fixture(t, newSubtree(t, s), adapt) })
		})
	}
}

// subtree is a part of a server for one test.
type subtree struct {
	*testenv.Slapd
	people, groups string
}

var subtrees atomic.Int64

func newSubtree(t *testing.T, s *testenv.Slapd) *subtree {
	t.Helper()
	n := subtrees.Add(1)
	tree := &subtree{s, fmt.Sprintf("ou=p%d,%s", n, s.PeopleDN), fmt.Sprintf("ou=g%d,%s", n, s.GroupsDN)}
	for _, dn := range []string{tree.people, tree.groups} {
		tree.add(t, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	return tree
}

func (s *subtree) add(t *testing.T, dn string, attributes map[string][]string) {
	t.Helper()
	r := goldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		r.Attribute(name, values)
	}
	if err := s.Dial().Add(r); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

// addGroup creates a group whose only member is the placeholder, its own DN.
func (s *subtree) addGroup(t *testing.T, cn string) (dn string) {
	t.Helper()
	dn = "cn=" + goldap.EscapeDN(cn) + "," + s.groups
	s.add(t, dn, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": {dn}})
	return dn
}

func (s *subtree) addPosixGroup(t *testing.T, cn string) (dn string) {
	t.Helper()
	dn = "cn=" + goldap.EscapeDN(cn) + "," + s.groups
	s.add(t, dn, map[string][]string{"objectClass": {"posixGroup"}, "cn": {cn}, "gidNumber": {"1000"}})
	return dn
}

// entry reads an account's entry without the connector.
func (s *subtree) entry(t *testing.T, id string) *goldap.Entry {
	t.Helper()
	r, err := s.Dial().Search(&goldap.SearchRequest{
		BaseDN: s.people, Scope: goldap.ScopeWholeSubtree, Filter: "(entryUUID=" + id + ")", Attributes: []string{"*", "+"},
	})
	if err != nil || len(r.Entries) != 1 {
		t.Fatalf("account %s: %v, %d entries", id, err, len(r.Entries))
	}
	return r.Entries[0]
}

func (s *subtree) config() ldap.Config {
	return ldap.Config{
		URL: s.URL, BindDN: s.BindDN, Password: s.Password, Plaintext: true,
		PeopleDN: s.people, GroupsDN: s.groups, Timeout: 10 * time.Second,
		Attributes: []string{"cn", "sn", "title", "telephoneNumber", "mail"}, References: []string{"manager"},
	}
}

func open(t *testing.T, cfg ldap.Config) *ldap.Connector {
	t.Helper()
	c, err := ldap.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func attributes(name string) map[string][]string {
	return map[string][]string{"cn": {"Förnamn " + name}, "sn": {name + "sson"}}
}

// namesakes gives every account the same name, which names its entry. The longest
// login name leaves no room for a suffix: slapd accepts an RDN of 250 octets at
// most.
func namesakes(name string) map[string][]string {
	cn := "Eva Ek"
	if len(name) > 200 {
		cn = "Eva Lång"
	}
	return map[string][]string{"cn": {cn}, "sn": {name + "sson"}}
}

func fixture(t *testing.T, tree *subtree, adapt func(*ldap.Config)) conformance.Fixture {
	names := []string{"staff", `Ekonomi, "stor" + R&D = 1`}
	cfg := tree.config()
	adapt(&cfg)
	for _, n := range names {
		if cfg.GroupClass == "posixGroup" {
			tree.addPosixGroup(t, n)
		} else {
			tree.addGroup(t, n)
		}
	}
	if cfg.Disable.MoveTo != "" {
		tree.add(t, cfg.Disable.MoveTo, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	look := attributes
	if cfg.RDNAttribute == "cn" {
		look = namesakes
	}
	f := conformance.Fixture{
		Connector:        open(t, cfg),
		Entitlements:     names,
		Attributes:       look,
		Text:             "title",
		Multi:            "mail",
		Reference:        "manager",
		Faults:           faults(cfg),
		Large:            2000,                           // TestTenThousandMembers has more
		StrictNames:      cfg.GroupClass == "posixGroup", // memberUid holds ASCII
		RefusedAttribute: "mail",
		RefusedValue:     "åäö is not IA5",
		Reopen:           func(t *testing.T) connectors.Connector { return open(t, cfg) },
		Foreign: func(t *testing.T, name string) string {
			dn := "cn=somebody," + tree.people
			tree.add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {"somebody"}, "sn": {"else"}, "uid": {name}})
			r, err := tree.Dial().Search(&goldap.SearchRequest{BaseDN: dn, Filter: "(objectClass=*)", Attributes: []string{"entryUUID"}})
			if err != nil {
				t.Fatal(err)
			}
			return r.Entries[0].GetAttributeValue("entryUUID")
		},
		Remove: func(t *testing.T, id string) {
			if err := tree.Dial().Del(goldap.NewDelRequest(tree.entry(t, id).DN, nil)); err != nil {
				t.Fatal(err)
			}
		},
	}
	if cfg.MFAAttribute != "" {
		f.SetMFA = func(t *testing.T, id string, enrolled bool) {
			m := goldap.NewModifyRequest(tree.entry(t, id).DN, nil)
			if enrolled {
				m.Add(cfg.MFAAttribute, []string{"other", cfg.MFAValue})
			} else {
				m.Delete(cfg.MFAAttribute, []string{cfg.MFAValue})
			}
			if err := tree.Dial().Modify(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	return f
}

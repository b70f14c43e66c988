package ldap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// domain is a part of a domain controller for one test.
type domain struct {
	*testenv.Samba
	people, groups string
}

func newDomain(t *testing.T, s *testenv.Samba) *domain {
	t.Helper()
	d := newDomainOfOne(t, s)
	// Login names are unique in the domain, and tests use the same ones.
	t.Cleanup(func() {
		for _, dn := range []string{d.people, d.groups} {
			r := goldap.NewDelRequest(dn, []goldap.Control{goldap.NewControlSubtreeDelete()})
			if err := s.Dial().Del(r); err != nil {
				t.Errorf("delete %s: %v", dn, err)
			}
		}
	})
	return d
}

// newDomainOfOne is newDomain for a test that does not share the server.
func newDomainOfOne(t *testing.T, s *testenv.Samba) *domain {
	t.Helper()
	n := subtrees.Add(1)
	d := &domain{s, fmt.Sprintf("OU=p%d,%s", n, s.BaseDN), fmt.Sprintf("OU=g%d,%s", n, s.BaseDN)}
	for _, dn := range []string{d.people, d.groups} {
		d.add(t, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	return d
}

func (d *domain) add(t *testing.T, dn string, attributes map[string][]string) {
	t.Helper()
	r := goldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		r.Attribute(name, values)
	}
	if err := d.Dial().Add(r); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

func (d *domain) addGroup(t *testing.T, cn string) (dn string) {
	t.Helper()
	dn = "CN=" + strings.ReplaceAll(goldap.EscapeDN(cn), "=", `\=`) + "," + d.groups
	d.add(t, dn, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {fmt.Sprintf("g%d", subtrees.Add(1))}})
	return dn
}

func (d *domain) config() ldap.Config {
	return ldap.Config{
		URL: d.SecureURL, CAFile: d.CAFile, BindDN: d.UPN, Password: d.Password,
		PeopleDN: d.people, GroupsDN: d.groups, Timeout: 20 * time.Second,
		Attributes: []string{"cn", "sn", "info", "telephoneNumber", "url", "initials"}, References: []string{"manager"},
	}
}

// entry reads an account's entry without the connector.
func (d *domain) entry(t *testing.T, id string) *goldap.Entry {
	t.Helper()
	u := uuid.MustParse(id)
	var octets strings.Builder
	for _, i := range []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		fmt.Fprintf(&octets, `\%02x`, u[i])
	}
	r, err := d.Dial().Search(&goldap.SearchRequest{
		BaseDN: d.BaseDN, Scope: goldap.ScopeWholeSubtree, Filter: "(objectGUID=" + octets.String() + ")", Attributes: []string{"*"},
	})
	if err != nil || len(r.Entries) != 1 {
		t.Fatalf("account %s: %v, %d entries", id, err, len(r.Entries))
	}
	return r.Entries[0]
}

func TestActiveDirectoryConformance(t *testing.T) {
	t.Parallel()
	s := testenv.StartSamba(t)
	conformance.Run(t, func(t *testing.T) conformance.Fixture { return domainFixture(t, newDomain(t, s)) })
}

func domainFixture(t *testing.T, d *domain) conformance.Fixture {
	names := []string{"staff", `Ekonomi, "stor" + R&D = 1`}
	for _, n := range names {
		d.addGroup(t, n)
	}
	cfg := d.config()
	cfg.MFAAttribute, cfg.MFAValue = "otherMailbox", "enrolled"
	return conformance.Fixture{
		Connector:        open(t, cfg),
		Entitlements:     names,
		Attributes:       namesakes,
		Text:             "info",
		Multi:            "url",
		Reference:        "manager",
		Faults:           faults(cfg),
		Large:            600, // more than one batch; TestTenThousandMembers has more
		RefusedAttribute: "initials",
		RefusedValue:     "longer than the six characters it takes",
		StrictNames:      true,
		Reopen:           func(t *testing.T) connectors.Connector { return open(t, cfg) },
		Foreign: func(t *testing.T, name string) string {
			dn := "CN=somebody," + d.people
			d.add(t, dn, map[string][]string{"objectClass": {"user"}, "sn": {"else"}, "sAMAccountName": {name}})
			return d.guid(t, dn)
		},
		Remove: func(t *testing.T, id string) {
			if err := d.Dial().Del(goldap.NewDelRequest(d.entry(t, id).DN, nil)); err != nil {
				t.Fatal(err)
			}
		},
		SetMFA: func(t *testing.T, id string, enrolled bool) {
			m := goldap.NewModifyRequest(d.entry(t, id).DN, nil)
			if enrolled {
				m.Add(cfg.MFAAttribute, []string{"other", cfg.MFAValue})
			} else {
				m.Delete(cfg.MFAAttribute, []string{cfg.MFAValue})
			}
			if err := d.Dial().Modify(m); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (d *domain) guid(t *testing.T, dn string) string {
	t.Helper()
	r, err := d.Dial().Search(&goldap.SearchRequest{BaseDN: dn, Filter: "(objectClass=*)", Attributes: []string{"objectGUID"}})
	if err != nil {
		t.Fatal(err)
	}
	o := r.Entries[0].GetRawAttributeValue("objectGUID")
	id, err := uuid.FromBytes([]byte{o[3], o[2], o[1], o[0], o[5], o[4], o[7], o[6], o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15]})
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

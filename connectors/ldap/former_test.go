package ldap_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/testenv"
)

// kept is a StateStore that outlives a connector.
type kept struct {
	state []byte
	saved int
}

func (k *kept) Load(context.Context) ([]byte, error) { return k.state, nil }

func (k *kept) Save(_ context.Context, state []byte) error {
	k.state = state
	k.saved++
	return nil
}

// remains holds what a snapshot reports about members that are no accounts.
type remains struct {
	former   []string
	dangling int
}

func (*remains) Account(connectors.Account) error         { return nil }
func (*remains) Entitlement(connectors.Entitlement) error { return nil }
func (r *remains) Membership(m connectors.Membership) error {
	r.dangling += m.DanglingMembers
	if m.FormerName != "" {
		r.former = append(r.former, m.FormerName)
	}
	return nil
}

func remaining(t *testing.T, c connectors.Connector) *remains {
	t.Helper()
	r := &remains{}
	if done, err := c.Snapshot(t.Context(), r); err != nil || !done.Complete {
		t.Fatalf("%+v, %v", done, err)
	}
	return r
}

// TestEarlierNamesOfAccounts checks that a connector in another process knows an
// account's earlier DN, removes it from groups as long as no other entry has it,
// and counts and keeps other members that refer to no entry.
func TestEarlierNamesOfAccounts(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	group := tree.addGroup(t, "staff")
	memory := &kept{}
	cfg := tree.config()
	cfg.StateStore = memory
	first := open(t, cfg)
	ids := applyAll(t, first, creations("anna", 2))
	applyAll(t, first, memberships(connectors.AddMember, "staff", ids))
	if r := remaining(t, first); len(r.former)+r.dangling != 0 || memory.saved != 1 {
		t.Errorf("at first: %+v, saved %d times", r, memory.saved)
	}
	if remaining(t, first); memory.saved != 1 {
		t.Errorf("nothing changed, and it was saved %d times", memory.saved)
	}

	tree.add(t, "ou=away,"+tree.people, map[string][]string{"objectClass": {"organizationalUnit"}})
	var earlier []string
	for _, id := range ids {
		dn := tree.entry(t, id).DN
		earlier = append(earlier, dn)
		rdn, _, _ := strings.Cut(dn, ",")
		if err := tree.Dial().ModifyDN(goldap.NewModifyDNRequest(dn, rdn, true, "ou=away,"+tree.people)); err != nil {
			t.Fatal(err)
		}
	}
	m := goldap.NewModifyRequest(group, nil)
	m.Add("member", []string{"uid=ghost," + tree.people, tree.people}) // the second refers to an entry that exists
	if err := tree.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	second := open(t, cfg)
	if r := remaining(t, second); !slices.Equal(slices.Sorted(slices.Values(r.former)), slices.Sorted(slices.Values(ids))) || r.dangling != 1 {
		t.Errorf("after a move by hand: %+v", r)
	}

	// An entry that is no account gets the second's earlier DN and is a member by
	// it; nothing shows that it should not be.
	tree.add(t, earlier[1], map[string][]string{"objectClass": {"account"}})
	former := func(id string) connectors.Change {
		return connectors.Change{Op: connectors.RemoveFormerMember, Account: connectors.AccountRef{ID: id}, Entitlement: "staff"}
	}
	third := open(t, cfg)
	want(t, third, connectors.Applied, former(ids[0]))
	want(t, third, connectors.AlreadyApplied, former(ids[0]))
	want(t, third, connectors.AlreadyApplied, former(ids[1]))
	found, err := tree.Dial().Search(&goldap.SearchRequest{BaseDN: group, Filter: "(objectClass=*)", Attributes: []string{"member"}})
	if err != nil {
		t.Fatal(err)
	}
	if members := found.Entries[0].GetAttributeValues("member"); slices.Contains(members, earlier[0]) || !slices.Contains(members, earlier[1]) || !slices.Contains(members, "uid=ghost,"+tree.people) {
		t.Errorf("the group has %q", members)
	}
	if r := remaining(t, third); len(r.former) != 0 || r.dangling != 1 {
		t.Errorf("at the end: %+v", r)
	}
}

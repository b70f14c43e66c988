package ldap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// entitlements is a sink that keeps the entitlements.
type entitlements map[string]connectors.Entitlement

func (entitlements) Account(connectors.Account) error       { return nil }
func (entitlements) Membership(connectors.Membership) error { return nil }
func (s entitlements) Entitlement(e connectors.Entitlement) error {
	s[e.Name] = e
	return nil
}

// readerConfig signs in as the account with limited permissions, to which access
// rules apply.
func (s *subtree) readerConfig() ldap.Config {
	cfg := s.config()
	cfg.BindDN = s.ReaderDN
	return cfg
}

// TestGroupWithoutReadableMembersIsUnreadable checks that a group that must have
// a member and shows none is unreadable, in a snapshot and when read alone. A
// group with readable members and one that may be empty are readable.
func TestGroupWithoutReadableMembersIsUnreadable(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	hidden := tree.addGroup(t, "hidden")
	tree.addGroup(t, "open")
	tree.addGroup(t, "empty")
	owner := open(t, tree.config())
	ids := applyAll(t, owner, creations("p", 2))
	applyAll(t, owner, slices.Concat(memberships(connectors.AddMember, "hidden", ids), memberships(connectors.AddMember, "open", ids)))
	names := []string{"hidden", "open", "empty"}
	alike(t, open(t, tree.readerConfig()), ids, names...)

	s.Reconfigure(fmt.Sprintf("access to dn.exact=%q attrs=member by dn.exact=%q none by * break", hidden, s.ReaderDN))
	c := open(t, tree.readerConfig())
	alike(t, c, ids, names...)
	whole := entitlements{}
	if done, err := c.Snapshot(t.Context(), whole); err != nil || !done.Complete {
		t.Fatalf("Snapshot: %+v, %v", done, err)
	}
	few := entitlements{}
	if done, err := c.ReadAccounts(t.Context(), []connectors.AccountRef{{ID: ids[0]}}, append(names, hidden), few); err != nil || !done.Complete {
		t.Fatalf("ReadAccounts: %+v, %v", done, err)
	}
	for what, got := range map[string]entitlements{"a snapshot": whole, "ReadAccounts": few} {
		if why := got["hidden"].Unreadable; !strings.Contains(why, "let the account in bind_dn read its member attribute") {
			t.Errorf("%s: the members of hidden are unreadable because %q", what, why)
		}
		for _, name := range names[1:] {
			if e, there := got[name]; !there || e.Unreadable != "" {
				t.Errorf("%s: %s is there %t: %+v", what, name, there, e)
			}
		}
	}
	if got := snapshot(t, c).members; len(got["hidden"]) != 0 || len(got["open"]) != 2 {
		t.Errorf("members %v", got)
	}
}

// TestGroupThatMayBeEmptyIsReadable checks that an empty group of a class that
// allows it is readable, as it looks the same as one that hides its members.
func TestGroupThatMayBeEmptyIsReadable(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	tree.addPosixGroup(t, "posix")
	tree.add(t, "cn=device,"+tree.groups, map[string][]string{"objectClass": {"device"}, "cn": {"device"}})
	for class, name := range map[string]string{"posixGroup": "posix", "device": "device"} {
		cfg := tree.config()
		cfg.GroupClass = class
		c := open(t, cfg)
		got := entitlements{}
		if _, err := c.Snapshot(t.Context(), got); err != nil || got[name].Name != name || got[name].Unreadable != "" {
			t.Errorf("a snapshot: %+v, %v", got, err)
		}
		got = entitlements{}
		if _, err := c.ReadAccounts(t.Context(), nil, []string{name}, got); err != nil || got[name].Name != name || got[name].Unreadable != "" {
			t.Errorf("ReadAccounts: %+v, %v", got, err)
		}
	}
}

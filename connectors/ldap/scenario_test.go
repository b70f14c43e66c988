package ldap_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// place is a part of a directory of either flavour.
type place interface {
	config() ldap.Config
	add(t *testing.T, dn string, attributes map[string][]string)
	addGroup(t *testing.T, cn string) (dn string)
	entry(t *testing.T, id string) *goldap.Entry
	Dial() *goldap.Conn
}

// onBoth runs a test against OpenLDAP and Active Directory.
func onBoth(t *testing.T, test func(t *testing.T, p place)) {
	t.Parallel()
	t.Run("OpenLDAP", func(t *testing.T) { test(t, newSubtree(t, testenv.StartSlapd(t))) })
	t.Run("Active Directory", func(t *testing.T) { test(t, newDomainOfOne(t, testenv.StartSamba(t))) })
}

// hands is a PasswordSink that keeps first passwords.
type hands struct {
	mu   sync.Mutex
	got  map[string][]string // anchor → passwords
	full bool
}

func (h *hands) FirstPassword(_ context.Context, account connectors.AccountRef, password string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.full {
		return errors.New("nobody is there to receive it")
	}
	if h.got == nil {
		h.got = map[string][]string{}
	}
	h.got[account.Anchor] = append(h.got[account.Anchor], password)
	return nil
}

func ref(op connectors.Op, id string) connectors.Change {
	return connectors.Change{Op: op, Account: connectors.AccountRef{ID: id}}
}

func updating(id, attribute string, values ...string) connectors.Change {
	c := ref(connectors.UpdateAccount, id)
	c.Attributes = map[string][]string{attribute: values}
	return c
}

func renaming(id, name string) connectors.Change {
	c := ref(connectors.RenameAccount, id)
	c.Account.Name = name
	return c
}

// want applies one change and checks its status.
func want(t *testing.T, c connectors.Connector, status connectors.Status, change connectors.Change) connectors.Result {
	t.Helper()
	r := c.Apply(t.Context(), []connectors.Change{change})[0]
	if r.Err != nil || r.Status != status {
		t.Fatalf("%s: %s %s %v, want %s", change.Op, r.Status, r.Detail, r.Err, status)
	}
	return r
}

// TestFromJoiningToLeaving runs the lifecycle of one person, the same on both
// flavours.
func TestFromJoiningToLeaving(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		p.addGroup(t, "staff")
		p.addGroup(t, "library")
		h := &hands{}
		cfg := p.config()
		cfg.PasswordSink = h
		cfg.Disable.MoveTo = "ou=away," + cfg.PeopleDN
		p.add(t, cfg.Disable.MoveTo, map[string][]string{"objectClass": {"organizationalUnit"}})
		c := open(t, cfg)

		boss := applyAll(t, c, creations("boss", 1))[0]
		joiner := creations("anna", 1)[0]
		joiner.Enabled = false // the first day is in the future
		joiner.Attributes["manager"] = []string{boss}
		id := want(t, c, connectors.Applied, joiner).AccountID
		account := func() connectors.Account {
			for _, a := range snapshot(t, c).accounts {
				if a.ID == id {
					return a
				}
			}
			t.Fatal("the account is gone")
			return connectors.Account{}
		}
		if a := account(); a.Enabled || a.Anchor != joiner.Account.Anchor || !slices.Equal(a.Attributes["manager"], []string{boss}) {
			t.Errorf("before the first day: %+v", a)
		}
		if len(h.got[joiner.Account.Anchor]) != 1 {
			t.Errorf("first passwords handed over: %d, want one", len(h.got[joiner.Account.Anchor]))
		}
		if dn := p.entry(t, id).DN; !isAway(dn) {
			t.Errorf("a disabled account is at %s", dn)
		}
		applyAll(t, c, []connectors.Change{ref(connectors.EnableAccount, id)})
		applyAll(t, c, append(memberships(connectors.AddMember, "staff", []string{id}), memberships(connectors.AddMember, "library", []string{id, boss})...))
		if dn := p.entry(t, id).DN; isAway(dn) {
			t.Errorf("an enabled account is at %s", dn)
		}

		// Another surname, in every attribute that holds it.
		applyAll(t, c, []connectors.Change{renaming(id, "annaek"), updating(id, "cn", "Anna Ek"), updating(id, "sn", "Ek")})
		want(t, c, connectors.AlreadyApplied, renaming(id, "annaek"))
		want(t, c, connectors.Applied, renaming(id, "AnnaEk")) // the spelling of a name is kept
		if a := account(); a.Name != "AnnaEk" {
			t.Errorf("renamed in case alone: %q", a.Name)
		}
		want(t, c, connectors.Applied, renaming(id, "annaek"))
		want(t, c, connectors.AlreadyApplied, updating(id, "cn", "ANNA  EK"))
		want(t, c, connectors.Refused, renaming(id, "boss00000"))
		applyAll(t, c, []connectors.Change{renaming(boss, "chefen")})
		s := snapshot(t, c)
		if a := account(); a.Name != "annaek" || a.Attributes["cn"][0] != "Anna Ek" || !slices.Equal(a.Attributes["manager"], []string{boss}) || !a.Enabled {
			t.Errorf("after the rename: %+v", a)
		}
		if got := s.members["library"]; len(got) != 2 || !slices.Contains(got, id) || !slices.Contains(got, boss) || !slices.Equal(s.members["staff"], []string{id}) {
			t.Errorf("memberships after the rename: %v", s.members)
		}

		// Disabled for leave, and enabled again.
		for _, op := range []connectors.Op{connectors.DisableAccount, connectors.EnableAccount, connectors.DisableAccount} {
			want(t, c, connectors.Applied, ref(op, id))
			want(t, c, connectors.AlreadyApplied, ref(op, id))
			if a := account(); a.Enabled != (op == connectors.EnableAccount) {
				t.Errorf("after %s: enabled is %t", op, a.Enabled)
			}
			if away := isAway(p.entry(t, id).DN); away != (op == connectors.DisableAccount) {
				t.Errorf("after %s: at %s", op, p.entry(t, id).DN)
			}
			if got := snapshot(t, c).members["staff"]; !slices.Equal(got, []string{id}) {
				t.Errorf("after %s: members %v", op, got)
			}
		}

		// The manager is deleted first, and no later account inherits the
		// reference.
		applyAll(t, c, []connectors.Change{ref(connectors.DeleteAccount, boss)})
		if a := account(); len(a.Attributes["manager"]) != 0 {
			t.Errorf("the manager is gone, but %v", a.Attributes)
		}
		applyAll(t, c, []connectors.Change{ref(connectors.DeleteAccount, id)})
		applyAll(t, c, creations("anna", 1))
		if s := snapshot(t, c); len(s.accounts) != 1 || len(s.members["staff"])+len(s.members["library"]) != 0 {
			t.Errorf("afterwards: %v %v", s.accounts, s.members)
		}
	})
}

func isAway(dn string) bool { return strings.Contains(strings.ToLower(dn), "ou=away") }

// TestNamesakes checks that people of the same name below one base get one
// account each.
func TestNamesakes(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		p.addGroup(t, "staff")
		cfg := p.config()
		cfg.RDNAttribute = "cn"
		c := open(t, cfg)
		changes := creations("eva", 3)
		for _, change := range changes {
			change.Attributes["cn"] = []string{"Eva Ek, Å=1"}
		}
		ids := applyAll(t, c, changes)
		applyAll(t, c, memberships(connectors.AddMember, "staff", ids))
		s := snapshot(t, c)
		for _, change := range changes {
			if a := s.accounts[change.Account.Name]; !slices.Equal(a.Attributes["cn"], []string{"Eva Ek, Å=1"}) {
				t.Errorf("%s: cn %q", change.Account.Name, a.Attributes["cn"])
			}
			want(t, c, connectors.AlreadyApplied, updating(s.accounts[change.Account.Name].ID, "cn", "Eva Ek, Å=1"))
		}
		// One of them changes her name, the others are unchanged.
		want(t, c, connectors.Applied, updating(ids[0], "cn", "Eva Al"))
		want(t, c, connectors.Applied, renaming(ids[1], "evaev"))
		s = snapshot(t, c)
		if cn := s.accounts["eva00000"].Attributes["cn"][0]; cn != "Eva Al" || s.accounts["evaev"].Attributes["cn"][0] != "Eva Ek, Å=1" || len(s.members["staff"]) != 3 {
			t.Errorf("afterwards: %+v %v", s.accounts, s.members)
		}
		want(t, c, connectors.Applied, updating(ids[0], "cn", "Eva Ek, Å=1"))
		if cn := snapshot(t, c).accounts["eva00000"].Attributes["cn"]; !slices.Equal(cn, []string{"Eva Ek, Å=1"}) {
			t.Errorf("cn %q", cn)
		}
	})
}

// TestReferences checks that a reference to an entry outside people_dn is kept as
// it is, and that one to a missing account is refused.
func TestReferences(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		c := open(t, p.config())
		ids := applyAll(t, c, creations("p", 2))
		outside := p.addGroup(t, "outside")
		want(t, c, connectors.Applied, updating(ids[0], "manager", outside))
		want(t, c, connectors.AlreadyApplied, updating(ids[0], "manager", strings.ToUpper(outside)))
		if got := snapshot(t, c).accounts["p00000"].Attributes["manager"]; len(got) != 1 || !strings.EqualFold(got[0], outside) {
			t.Errorf("manager outside: %q", got)
		}
		want(t, c, connectors.Applied, updating(ids[0], "manager", ids[1]))
		want(t, c, connectors.AlreadyApplied, updating(ids[0], "manager", ids[1]))
		for _, nobody := range []string{"00000000-0000-4000-8000-00000000dead", "anna", "*"} {
			r := want(t, c, connectors.Refused, updating(ids[0], "manager", nobody))
			if !strings.Contains(r.Detail, "manager") || strings.Contains(r.Detail, nobody) {
				t.Errorf("%q is refused with %q", nobody, r.Detail)
			}
		}
		want(t, c, connectors.Applied, updating(ids[0], "manager"))
		if got := snapshot(t, c).accounts["p00000"].Attributes["manager"]; len(got) != 0 {
			t.Errorf("manager removed: %q", got)
		}
	})
}

// TestManyReferences reads managers after the accounts that refer to them.
func TestManyReferences(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	c := open(t, tree.config())
	ids := applyAll(t, c, creations("p", 1300))
	var changes []connectors.Change
	for i, id := range ids {
		changes = append(changes, updating(id, "manager", ids[len(ids)-1-i]))
	}
	applyAll(t, c, changes)
	s := snapshot(t, open(t, tree.config()))
	for i := range ids {
		a := s.accounts[creations("p", len(ids))[i].Account.Name]
		if !slices.Equal(a.Attributes["manager"], []string{ids[len(ids)-1-i]}) {
			t.Fatalf("account %d: manager %q", i, a.Attributes["manager"])
		}
	}
}

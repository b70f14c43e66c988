package ldap_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// seen is a sink that keeps what it receives.
type seen struct {
	accounts     map[string]connectors.Account // by name
	entitlements map[string]bool
	members      map[string][]string // entitlement → account IDs
}

func newSeen() *seen {
	return &seen{map[string]connectors.Account{}, map[string]bool{}, map[string][]string{}}
}

func (s *seen) Account(a connectors.Account) error         { s.accounts[a.Name] = a; return nil }
func (s *seen) Entitlement(e connectors.Entitlement) error { s.entitlements[e.Name] = true; return nil }
func (s *seen) Membership(m connectors.Membership) error {
	s.members[m.Entitlement] = append(s.members[m.Entitlement], m.AccountID)
	return nil
}

func snapshot(t *testing.T, c connectors.Connector) *seen {
	t.Helper()
	s := newSeen()
	done, err := c.Snapshot(t.Context(), s)
	if err != nil || !done.Complete {
		t.Fatalf("Snapshot: %v, %+v", err, done)
	}
	return s
}

func creations(prefix string, n int) []connectors.Change {
	changes := make([]connectors.Change, n)
	for i := range changes {
		name := fmt.Sprintf("%s%05d", prefix, i)
		changes[i] = connectors.Change{
			Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: name, Anchor: "behov-" + name},
			Attributes: attributes(name), Enabled: true,
		}
	}
	return changes
}

func memberships(op connectors.Op, group string, ids []string) []connectors.Change {
	changes := make([]connectors.Change, len(ids))
	for i, id := range ids {
		changes[i] = connectors.Change{Op: op, Account: connectors.AccountRef{ID: id}, Entitlement: group}
	}
	return changes
}

func applyAll(t testing.TB, c connectors.Connector, changes []connectors.Change) (ids []string) {
	t.Helper()
	for i, r := range c.Apply(context.Background(), changes) {
		if r.Err != nil || r.Status != connectors.Applied {
			t.Fatalf("change %d (%s): %s %s %v", i, changes[i].Op, r.Status, r.Detail, r.Err)
		}
		ids = append(ids, r.AccountID)
	}
	return ids
}

func TestManyPagesAndALargeGroup(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	tree.addGroup(t, "all")
	c := open(t, tree.config())
	ids := applyAll(t, c, creations("p", 2000))
	applyAll(t, c, memberships(connectors.AddMember, "all", ids))
	s := snapshot(t, c)
	if len(s.accounts) != 2000 || len(s.members["all"]) != 2000 {
		t.Fatalf("%d accounts, %d members; want 2000 of both", len(s.accounts), len(s.members["all"]))
	}
	applyAll(t, c, memberships(connectors.RemoveMember, "all", ids))
	if n := len(snapshot(t, c).members["all"]); n != 0 {
		t.Errorf("%d members, want none", n)
	}
}

func TestServerLimitIsIncompleteNotTheEnd(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	applyAll(t, open(t, tree.config()), creations("p", 30))
	cfg := tree.config()
	cfg.BindDN = "cn=limited," + tree.BaseDN // may see ten entries
	s := newSeen()
	done, err := open(t, cfg).Snapshot(t.Context(), s)
	if done.Complete {
		t.Fatalf("complete after %d of 30 accounts (%v)", len(s.accounts), err)
	}
	if err == nil && done.Why == "" {
		t.Error("it does not say why")
	}
}

func TestDisabledAccountCannotSignIn(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	c := open(t, tree.config())
	change := creations("p", 1)
	change[0].Attributes["userPassword"] = []string{"lösenord"}
	id := applyAll(t, c, change)[0]
	dn := tree.entry(t, id).DN
	signIn := func() error {
		conn, err := goldap.DialURL(tree.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.Bind(dn, "lösenord")
	}
	if err := signIn(); err != nil {
		t.Fatalf("before: %v", err)
	}
	for _, step := range []struct {
		op    connectors.Op
		works bool
	}{{connectors.DisableAccount, false}, {connectors.EnableAccount, true}} {
		applyAll(t, c, []connectors.Change{{Op: step.op, Account: connectors.AccountRef{ID: id}}})
		if err := signIn(); (err == nil) != step.works {
			t.Errorf("after %s: sign-in %v", step.op, err)
		}
	}
}

// TestAccountLockedByTimestamp checks that a lock with a timestamp counts as the
// server's own when every password policy that can be read ends it after a time;
// otherwise it remains until an administrator removes it, and the account is not
// enabled.
func TestAccountLockedByTimestamp(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	setPolicy := func(dn, attribute string, values ...string) {
		t.Helper()
		m := goldap.NewModifyRequest(dn, nil)
		m.Replace(attribute, values)
		if err := s.Dial().Modify(m); err != nil {
			t.Fatal(err)
		}
	}
	first, second := "cn=policy,"+s.BaseDN, "cn=second,"+s.PeopleDN
	newSubtree(t, s).add(t, second, map[string][]string{"objectClass": {"device", "pwdPolicy"}, "pwdAttribute": {"userPassword"}, "pwdLockoutDuration": {"60"}})
	const timestamp = "20260101120000Z"
	for _, tt := range []struct {
		name      string
		durations [2][]string // pwdLockoutDuration of the two policies
		enabled   bool
	}{
		{"every policy ends it", [2][]string{{"900"}, {"60"}}, true},
		{"no policy ends it", [2][]string{nil, nil}, false},
		{"one policy has no duration", [2][]string{{"900"}, nil}, false},
		{"one policy has the duration 0", [2][]string{{"0"}, {"60"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setPolicy(first, "pwdLockoutDuration", tt.durations[0]...)
			setPolicy(second, "pwdLockoutDuration", tt.durations[1]...)
			tree := newSubtree(t, s)
			c := open(t, tree.config())
			ids := applyAll(t, c, creations("p", 3))
			holds := func(i int) string { return tree.entry(t, ids[i]).GetAttributeValue("pwdAccountLockedTime") }
			for _, id := range ids[:2] {
				setPolicy(tree.entry(t, id).DN, "pwdAccountLockedTime", timestamp)
			}
			accounts := snapshot(t, c).accounts
			if accounts["p00000"].Enabled != tt.enabled || !accounts["p00002"].Enabled {
				t.Errorf("in a snapshot: the locked one is enabled %t, want %t; the other %t", accounts["p00000"].Enabled, tt.enabled, accounts["p00002"].Enabled)
			}
			alike(t, c, ids)
			if _, err := c.LocateAccounts(t.Context(), []connectors.AccountRef{{ID: ids[0]}}, func(l connectors.Location) error {
				if l.Account.Enabled != tt.enabled {
					t.Errorf("located: enabled %t, want %t", l.Account.Enabled, tt.enabled)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if tt.enabled {
				want(t, c, connectors.AlreadyApplied, ref(connectors.EnableAccount, ids[0]))
				want(t, c, connectors.Applied, ref(connectors.DisableAccount, ids[1]))
				if holds(0) != timestamp || holds(1) != "000001010000Z" {
					t.Errorf("the server's own lock is %q, that of the disabled one %q", holds(0), holds(1))
				}
				return
			}
			want(t, c, connectors.Applied, ref(connectors.EnableAccount, ids[0]))
			want(t, c, connectors.AlreadyApplied, ref(connectors.DisableAccount, ids[1]))
			if holds(0) != "" || holds(1) != timestamp {
				t.Errorf("the lock of the enabled one is %q, the administrator's %q", holds(0), holds(1))
			}
		})
	}
}

// TestAccountLockedByTimestampWithoutReadablePolicy checks that an account with a
// lock with a timestamp is not enabled when no password policy can be read.
func TestAccountLockedByTimestampWithoutReadablePolicy(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t, "dbnosync", `access to dn.exact="cn=policy,dc=kommun,dc=test" by * none`)
	m := goldap.NewModifyRequest("cn=policy,"+s.BaseDN, nil)
	m.Replace("pwdLockoutDuration", []string{"900"})
	if err := s.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	tree := newSubtree(t, s)
	owner := open(t, tree.config())
	id := applyAll(t, owner, creations("p", 1))[0]
	m = goldap.NewModifyRequest(tree.entry(t, id).DN, nil)
	m.Replace("pwdAccountLockedTime", []string{"20260101120000Z"})
	if err := s.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	for c, enabled := range map[*ldap.Connector]bool{owner: true, open(t, tree.readerConfig()): false} {
		if got := snapshot(t, c).accounts["p00000"].Enabled; got != enabled {
			t.Errorf("enabled %t, want %t", got, enabled)
		}
		alike(t, c, []string{id})
	}
}

func TestMembersOfOtherKinds(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	c := open(t, tree.config())
	inner, outer := tree.addGroup(t, "inner"), tree.addGroup(t, "outer")
	id := applyAll(t, c, creations("p", 1))[0]
	m := goldap.NewModifyRequest(outer, nil)
	// A group, an entry outside people_dn, and an account in another tool's
	// spelling.
	m.Replace("member", []string{inner, "cn=reader," + tree.BaseDN, "UID=P00000 , " + strings.ToUpper(tree.people)})
	if err := tree.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, c)
	if got := s.members["outer"]; len(got) != 2 || got[0]+got[1] != id {
		t.Errorf("members %q, want the account and one that is none", got)
	}
	if got := s.members["inner"]; len(got) != 0 {
		t.Errorf("members of the empty group %q: the placeholder shows", got)
	}
	applyAll(t, c, memberships(connectors.RemoveMember, "outer", []string{id}))
	if got := snapshot(t, c).members["outer"]; len(got) != 1 || got[0] != "" {
		t.Errorf("members %q, want the others to be left", got)
	}
}

func TestConfiguredPlaceholder(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	cfg := tree.config()
	cfg.Placeholder = "cn=nobody," + tree.BaseDN
	dn := "cn=g," + tree.groups
	tree.add(t, dn, map[string][]string{"objectClass": {"groupOfNames"}, "member": {"CN=Nobody , " + tree.BaseDN}})
	c := open(t, cfg)
	ids := applyAll(t, c, creations("p", 2))
	holds := func() string {
		r, err := tree.Dial().Search(&goldap.SearchRequest{BaseDN: dn, Filter: "(objectClass=*)"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.ToLower(strings.Join(r.Entries[0].GetAttributeValues("member"), ";"))
	}
	for range 2 {
		applyAll(t, c, memberships(connectors.AddMember, "g", ids))
		if strings.Contains(holds(), "nobody") {
			t.Errorf("the group holds %q, the placeholder among them", holds())
		}
		applyAll(t, c, memberships(connectors.RemoveMember, "g", ids))
		if !strings.HasPrefix(holds(), "cn=nobody,") {
			t.Errorf("the group holds %q, want the placeholder", holds())
		}
	}
	if got := snapshot(t, c).members["g"]; len(got) != 0 {
		t.Errorf("members %q, want none", got)
	}
}

// TestReusedDNIsNotTouched checks that the connector does not change the entry at
// a cached DN when it is another account now.
func TestReusedDNIsNotTouched(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	tree.addGroup(t, "g")
	c := open(t, tree.config())
	id := applyAll(t, c, creations("p", 1))[0]
	dn := tree.entry(t, id).DN
	if err := tree.Dial().ModifyDN(goldap.NewModifyDNRequest(dn, "uid=renamed", true, "")); err != nil {
		t.Fatal(err)
	}
	tree.add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {"other"}, "sn": {"other"}})
	applyAll(t, c, append(memberships(connectors.AddMember, "g", []string{id}),
		connectors.Change{Op: connectors.DisableAccount, Account: connectors.AccountRef{ID: id}}))
	s := snapshot(t, c)
	if s.accounts["renamed"].Enabled || !s.accounts["p00000"].Enabled || s.members["g"][0] != id {
		t.Errorf("accounts %+v, members %v", s.accounts, s.members)
	}
	applyAll(t, c, []connectors.Change{{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: id}}})
	if s := snapshot(t, c); len(s.accounts) != 1 || s.accounts["p00000"].ID == id {
		t.Errorf("accounts after the deletion %+v", s.accounts)
	}
}

func TestGroupNames(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	sub := "ou=sub," + tree.groups
	tree.add(t, sub, map[string][]string{"objectClass": {"organizationalUnit"}})
	one, plain := tree.addGroup(t, "twice"), tree.addGroup(t, "plain")
	two := "cn=twice," + sub
	tree.add(t, two, map[string][]string{"objectClass": {"groupOfNames"}, "member": {two}})
	c := open(t, tree.config())
	id := applyAll(t, c, creations("p", 1))[0]
	s := snapshot(t, c)
	for _, name := range []string{one, two, "plain"} {
		if !s.entitlements[name] {
			t.Errorf("%q is missing from %v", name, s.entitlements)
		}
	}
	o := ambiguous(t, c)
	if !o["twice"] || o["plain"] || o[one] {
		t.Errorf("told to be ambiguous: %v", o)
	}
	for _, fresh := range []bool{false, true} {
		if fresh {
			c = open(t, tree.config())
		}
		r := c.Apply(t.Context(), memberships(connectors.AddMember, "twice", []string{id}))[0]
		if r.Status != connectors.Refused || !strings.Contains(r.Detail, "DN") {
			t.Errorf("an ambiguous name: %+v, want refused with advice", r)
		}
	}
	applyAll(t, c, memberships(connectors.AddMember, two, []string{id}))
	if s := snapshot(t, c); len(s.members[two]) != 1 || len(s.members[one]) != 0 {
		t.Errorf("members %v", s.members)
	}
	alike(t, c, []string{id}, one, two, "twice", "plain", "none", "cn=none,"+sub)
	// A group that moved is found again.
	if err := tree.Dial().ModifyDN(goldap.NewModifyDNRequest(plain, "cn=plain", true, sub)); err != nil {
		t.Fatal(err)
	}
	applyAll(t, c, memberships(connectors.AddMember, "plain", []string{id}))
	cfg := tree.config()
	cfg.GroupNames = "dn"
	alike(t, c, []string{id}, one, two, "twice", "plain", plain, "cn=plain,"+sub)
	alike(t, open(t, cfg), []string{id}, one, two, "twice", "plain", plain, "cn=plain,"+sub)
	if s := snapshot(t, open(t, cfg)); !slices.Contains(s.members["cn=plain,"+sub], id) || s.entitlements["plain"] {
		t.Errorf("by DN: %v", s.members)
	}
}

func TestAttributeUnderItsOtherName(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	cfg := tree.config()
	cfg.Attributes = []string{"surname", "CommonName"}
	c := open(t, cfg)
	change := creations("p", 1)
	change[0].Attributes = map[string][]string{"surname": {"Ek"}, "CommonName": {"Eva Ek"}}
	id := applyAll(t, c, change)[0]
	got := snapshot(t, c).accounts["p00000"].Attributes
	if got["surname"][0] != "Ek" || got["CommonName"][0] != "Eva Ek" || len(got) != 2 {
		t.Errorf("attributes %v", got)
	}
	r := c.Apply(t.Context(), []connectors.Change{{Op: connectors.UpdateAccount, Account: connectors.AccountRef{ID: id}, Attributes: change[0].Attributes}})
	if r[0].Status != connectors.AlreadyApplied {
		t.Errorf("the same again: %+v, want already so", r[0])
	}
}

func TestRefusalNamesTheAttributeButNoValue(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	c := open(t, tree.config())
	change := creations("hemlig", 1)
	delete(change[0].Attributes, "sn")
	r := c.Apply(t.Context(), change)[0]
	if r.Status != connectors.Refused || !strings.Contains(r.Detail, "sn") || strings.Contains(r.Detail, "hemlig") {
		t.Errorf("without sn: %+v", r)
	}
	change = creations("hemlig", 1)
	change[0].Attributes["mail"] = []string{"hemlig@ö.se"}
	r = c.Apply(t.Context(), change)[0]
	if r.Status != connectors.Refused || !strings.Contains(r.Detail, "mail") || strings.Contains(r.Detail, "hemlig") {
		t.Errorf("bad mail: %+v", r)
	}
}

// TestRate logs the rate of creating accounts and adding members; it fails only
// when a rate is far too low.
func TestRate(t *testing.T) {
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	tree.addGroup(t, "all")
	c := open(t, tree.config())
	const n = 3000
	var ids []string
	begin := time.Now()
	changes := creations("p", n)
	for i := 0; i < n; i += 500 {
		ids = append(ids, applyAll(t, c, changes[i:i+500])...)
	}
	created := time.Since(begin)
	begin = time.Now()
	applyAll(t, c, memberships(connectors.AddMember, "all", ids))
	joined := time.Since(begin)
	begin = time.Now()
	snapshot(t, c)
	read := time.Since(begin)
	t.Logf("%d accounts: created %.0f/s, made members %.0f/s, read %.0f/s", n, n/created.Seconds(), n/joined.Seconds(), n/read.Seconds())
	if created > time.Minute {
		t.Errorf("creating %d accounts took %s", n, created)
	}
}

// ambiguous returns the names that a snapshot marks as ambiguous.
func ambiguous(t *testing.T, c connectors.Connector) map[string]bool {
	t.Helper()
	a := ambiguity{}
	if _, err := c.Snapshot(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

type ambiguity map[string]bool

func (ambiguity) Account(connectors.Account) error       { return nil }
func (ambiguity) Membership(connectors.Membership) error { return nil }
func (a ambiguity) Entitlement(e connectors.Entitlement) error {
	if e.Ambiguous {
		a[e.Name] = true
	}
	return nil
}

package ldap_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// TestActiveDirectory is what only Active Directory has. The tests share a
// domain; each has its own organisational units and login names.
func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	s := testenv.StartSamba(t)
	for name, test := range map[string]func(*testing.T, *domain){
		"it is detected":                         testDetected,
		"login names that cannot be":             testWindowsNames,
		"flags stay as they are":                 testFlags,
		"accountExpires is a time":               testExpires,
		"computers are not accounts":             testComputers,
		"groups in groups":                       testNestedGroups,
		"the primary group":                      testPrimaryGroup,
		"first passwords":                        testWindowsPasswords,
		"without encryption there is no account": testPlaintextCreation,
		"the whole domain":                       testWholeDomain,
		"without the right":                      testNoRights,
		"userPrincipalName follows the login":    testUPN,
		"groups by sAMAccountName":               testGroupsBySAM,
		"values are compared as the server does": testWindowsMatching,
	} {
		t.Run(name, func(t *testing.T) { test(t, newDomain(t, s)) })
	}
}

func testDetected(t *testing.T, d *domain) {
	c := open(t, d.config())
	if note := c.Capabilities()[connectors.Disable].Note; !strings.Contains(note, "first connection") {
		t.Errorf("before: %q", note)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if note := c.Capabilities()[connectors.Disable].Note; note != "through the flag ACCOUNTDISABLE" {
		t.Errorf("after: %q", note)
	}
	cfg := d.config()
	cfg.Flavour = ldap.ActiveDirectory
	if note := open(t, cfg).Capabilities()[connectors.Disable].Note; note != "through the flag ACCOUNTDISABLE" {
		t.Errorf("configured: %q", note)
	}
	cfg.Flavour = ldap.OpenLDAP
	if err := open(t, cfg).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "entryUUID") {
		t.Errorf("configured for another: %v, want it to say what the server lacks", err)
	}
}

func testWindowsNames(t *testing.T, d *domain) {
	c := open(t, d.config())
	id := applyAll(t, c, creations("w", 1))[0]
	for name, says := range map[string]string{
		"abcdefghijklmnopqrstu": "20 characters", "anna@x": "does not take", "a,b": "does not take", "a\tb": "cannot be seen",
		"a\x00b": "cannot be seen", "anna.": "full stop", " anna": "space", "anna$": "dollar", `DOM\anna`: "does not take",
	} {
		create := creations("w", 1)[0]
		create.Account = connectors.AccountRef{Name: name, Anchor: "anchor " + name}
		for _, change := range []connectors.Change{create, renaming(id, name)} {
			r := want(t, c, connectors.Refused, change)
			if !strings.Contains(r.Detail, says) || strings.Contains(r.Detail, name) {
				t.Errorf("%s %q: refused with %q, want %q", change.Op, name, r.Detail, says)
			}
		}
	}
	create := creations("w", 1)[0]
	create.Account = connectors.AccountRef{Name: "åäöabcdefghijklmnopq", Anchor: "twenty"} // characters, not bytes
	want(t, c, connectors.Applied, create)
}

func testFlags(t *testing.T, d *domain) {
	c := open(t, d.config())
	id := applyAll(t, c, creations("f", 1))[0]
	const dontExpire = 0x10000
	m := goldap.NewModifyRequest(d.entry(t, id).DN, nil)
	m.Replace("userAccountControl", []string{strconv.Itoa(0x200 | dontExpire)})
	if err := d.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		op   connectors.Op
		want int
	}{{connectors.DisableAccount, 0x202 | dontExpire}, {connectors.EnableAccount, 0x200 | dontExpire}} {
		applyAll(t, c, []connectors.Change{ref(step.op, id)})
		if got := d.entry(t, id).GetAttributeValue("userAccountControl"); got != strconv.Itoa(step.want) {
			t.Errorf("after %s: flags %s, want %d", step.op, got, step.want)
		}
	}
}

func testExpires(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.Attributes = []string{"accountExpires"}
	c := open(t, cfg)
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	change := creations("x", 1)[0]
	change.Attributes = map[string][]string{"accountExpires": {soon.Format(time.RFC3339)}}
	id := want(t, c, connectors.Applied, change).AccountID
	shows := func(enabled bool, values ...string) {
		t.Helper()
		if a := snapshot(t, c).accounts["x00000"]; a.Enabled != enabled || !slices.Equal(a.Attributes["accountExpires"], values) {
			t.Errorf("account %+v, want enabled %t, expires %q", a, enabled, values)
		}
	}
	shows(true, soon.Format(time.RFC3339))
	elsewhere := soon.In(time.FixedZone("", 3600)).Format(time.RFC3339) // the same instant
	want(t, c, connectors.AlreadySo, updating(id, "accountExpires", elsewhere))
	past := "2020-02-29T11:00:00Z"
	want(t, c, connectors.Applied, updating(id, "accountExpires", past))
	shows(false, past)
	if r := want(t, c, connectors.Refused, ref(connectors.EnableAccount, id)); !strings.Contains(r.Detail, "accountExpires") {
		t.Errorf("enabling an expired account: %q", r.Detail)
	}
	want(t, c, connectors.Applied, ref(connectors.DisableAccount, id))
	want(t, c, connectors.Applied, updating(id, "accountExpires"))
	want(t, c, connectors.AlreadySo, updating(id, "accountExpires"))
	want(t, c, connectors.Applied, ref(connectors.EnableAccount, id))
	shows(true)
	if r := want(t, c, connectors.Refused, updating(id, "accountExpires", "in May")); !strings.Contains(r.Detail, "2026-12-31T") {
		t.Errorf("no time: %q", r.Detail)
	}
}

func testComputers(t *testing.T, d *domain) {
	d.add(t, "CN=pc1,"+d.people, map[string][]string{"objectClass": {"computer"}, "sAMAccountName": {"pc1$"}, "userAccountControl": {"4096"}})
	d.add(t, "CN=contact,"+d.people, map[string][]string{"objectClass": {"contact"}})
	c := open(t, d.config())
	applyAll(t, c, creations("c", 1))
	if s := snapshot(t, c); len(s.accounts) != 1 {
		t.Errorf("accounts %v, want only the person's", s.accounts)
	}
}

func testNestedGroups(t *testing.T, d *domain) {
	inner, outer := d.addGroup(t, "inner"), d.addGroup(t, "outer")
	c := open(t, d.config())
	id := applyAll(t, c, creations("n", 1))[0]
	applyAll(t, c, memberships(connectors.AddMember, "inner", []string{id}))
	m := goldap.NewModifyRequest(outer, nil)
	m.Add("member", []string{inner})
	if err := d.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, c)
	if !slices.Equal(s.members["outer"], []string{""}) || !slices.Equal(s.members["inner"], []string{id}) {
		t.Errorf("members %v, want the person in the inner group and somebody outside in the other", s.members)
	}
	want(t, c, connectors.AlreadySo, memberships(connectors.RemoveMember, "outer", []string{id})[0])
}

func testPrimaryGroup(t *testing.T, d *domain) {
	dn := d.addGroup(t, "primary")
	c := open(t, d.config())
	ids := applyAll(t, c, creations("pg", 2))
	applyAll(t, c, memberships(connectors.AddMember, "primary", ids))
	r, err := d.Dial().Search(&goldap.SearchRequest{BaseDN: dn, Filter: "(objectClass=*)", Attributes: []string{"objectSid"}})
	if err != nil {
		t.Fatal(err)
	}
	sid := r.Entries[0].GetRawAttributeValue("objectSid")
	last := sid[len(sid)-4:]
	m := goldap.NewModifyRequest(d.entry(t, ids[0]).DN, nil)
	m.Replace("primaryGroupID", []string{strconv.Itoa(int(last[0]) | int(last[1])<<8 | int(last[2])<<16 | int(last[3])<<24)})
	if err := d.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, c).members["primary"]; len(got) != 2 || !slices.Contains(got, ids[0]) || !slices.Contains(got, ids[1]) {
		t.Errorf("members %v, want both", got)
	}
	want(t, c, connectors.AlreadySo, memberships(connectors.AddMember, "primary", ids[:1])[0])
	results := c.Apply(t.Context(), memberships(connectors.RemoveMember, "primary", ids))
	if results[0].Status != connectors.Refused || !strings.Contains(results[0].Detail, "primary group") || results[1].Status != connectors.Applied {
		t.Errorf("removing both: %+v", results)
	}
}

func testWindowsPasswords(t *testing.T, d *domain) {
	h := &hands{}
	cfg := d.config()
	cfg.Handover = h
	cfg.FirstPassword.Keep = true
	c := open(t, cfg)
	id := applyAll(t, c, creations("pw", 1))[0]
	if len(h.got["anchor-pw00000"]) != 1 {
		t.Fatalf("handed over: %d", len(h.got))
	}
	password := h.got["anchor-pw00000"][0]
	signIn := func(dn, password string) error {
		own := d.config()
		own.BindDN, own.Password = dn, password
		return open(t, own).Check(t.Context())
	}
	if err := signIn(d.entry(t, id).DN, password); err != nil && strings.Contains(err.Error(), "sign in") {
		t.Errorf("signing in with the first password: %v", err)
	}
	if err := signIn(d.entry(t, id).DN, "another"); err == nil || !strings.Contains(err.Error(), "sign in") {
		t.Errorf("signing in with another: %v", err)
	}
	want(t, c, connectors.AlreadySo, creations("pw", 1)[0])
	if len(h.got["anchor-pw00000"]) != 1 {
		t.Error("it was handed over again")
	}
	cfg.FirstPassword.Keep = false
	c = open(t, cfg)
	change := creations("pw", 2)[1]
	id = want(t, c, connectors.Applied, change).AccountID
	if e := d.entry(t, id); e.GetAttributeValue("pwdLastSet") != "0" || e.GetAttributeValue("userAccountControl") != "512" {
		t.Errorf("pwdLastSet %q, flags %q", e.GetAttributeValue("pwdLastSet"), e.GetAttributeValue("userAccountControl"))
	}
	if err := signIn(d.entry(t, id).DN, h.got[change.Account.Anchor][0]); err == nil || !strings.Contains(err.Error(), "must change its password") {
		t.Errorf("signing in without changing the password: %v", err)
	}
}

func testPlaintextCreation(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.URL, cfg.Plaintext = d.URL, true
	c := open(t, cfg)
	if r := want(t, c, connectors.Refused, creations("plain", 1)[0]); !strings.Contains(r.Detail, "ldaps://") {
		t.Errorf("refused with %q", r.Detail)
	}
	if n := len(snapshot(t, c).accounts); n != 0 {
		t.Errorf("%d accounts, want none", n)
	}
	cfg.Plaintext, cfg.StartTLS = false, true
	applyAll(t, open(t, cfg), creations("plain", 1))
}

// The forest's configuration and name service are named in the answer, and
// are nothing that is missing.
func testWholeDomain(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.PeopleDN, cfg.GroupsDN = d.BaseDN, d.BaseDN
	s := snapshot(t, open(t, cfg))
	if _, ok := s.accounts["Administrator"]; !ok || !s.entitlements["Domain Users"] {
		t.Errorf("accounts %v, groups %v", s.accounts, s.entitlements)
	}
	// Everybody is in it by the number alone.
	if len(s.members["Domain Users"]) < 2 {
		t.Errorf("members of Domain Users: %v", s.members["Domain Users"])
	}
	if _, ok := s.accounts["DC1$"]; ok {
		t.Error("the domain controller is an account")
	}
}

func testNoRights(t *testing.T, d *domain) {
	h := &hands{}
	cfg := d.config()
	cfg.Handover, cfg.FirstPassword.Keep = h, true
	admin := open(t, cfg)
	ids := applyAll(t, admin, creations("nr", 2))
	d.addGroup(t, "g")
	cfg = d.config()
	cfg.BindDN, cfg.Password = d.entry(t, ids[0]).DN, h.got["anchor-nr00000"][0]
	c := open(t, cfg)
	err := c.Check(t.Context())
	if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), "bind_dn the right") {
		t.Errorf("Check: %v", err)
	}
	for _, change := range []connectors.Change{
		creations("nr", 3)[2], ref(connectors.DisableAccount, ids[1]), memberships(connectors.AddMember, "g", ids[1:])[0],
		ref(connectors.DeleteAccount, ids[1]), updating(ids[1], "cn", "Other"), renaming(ids[1], "nrother"),
	} {
		r := want(t, c, connectors.Refused, change)
		if !strings.Contains(r.Detail, "insufficient access") || strings.Contains(r.Detail, "nr0") {
			t.Errorf("%s: %q", change.Op, r.Detail)
		}
		if change.Op == connectors.DeleteAccount && !strings.Contains(r.Detail, "protected from deletion") {
			t.Errorf("delete: %q", r.Detail)
		}
	}
	snapshot(t, c)
}

func testUPN(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.UPNSuffix = "kommun.test"
	c := open(t, cfg)
	id := applyAll(t, c, creations("upn", 1))[0]
	upn := func() string { return d.entry(t, id).GetAttributeValue("userPrincipalName") }
	if upn() != "upn00000@kommun.test" {
		t.Errorf("new: %q", upn())
	}
	want(t, c, connectors.Applied, renaming(id, "upnother"))
	if upn() != "upnother@kommun.test" {
		t.Errorf("renamed: %q", upn())
	}
	change := creations("upn", 1)[0]
	change.Account.Anchor = "x"
	change.Attributes["userPrincipalName"] = []string{"other@else.where"}
	id = want(t, c, connectors.Applied, change).AccountID
	want(t, c, connectors.Applied, renaming(id, "upnthird"))
	if upn() != "other@else.where" {
		t.Errorf("mapped: %q", upn())
	}
}

func testGroupsBySAM(t *testing.T, d *domain) {
	d.add(t, "CN=One,"+d.groups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"role-one"}})
	cfg := d.config()
	cfg.GroupNames = "sAMAccountName"
	c := open(t, cfg)
	id := applyAll(t, c, creations("sam", 1))[0]
	applyAll(t, c, memberships(connectors.AddMember, "role-one", []string{id}))
	want(t, c, connectors.Refused, memberships(connectors.AddMember, "One", []string{id})[0])
	if s := snapshot(t, c); !slices.Equal(s.members["role-one"], []string{id}) {
		t.Errorf("members %v", s.members)
	}
}

func testWindowsMatching(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.Attributes = []string{"displayName", "accountExpires", "msTSAllowLogon", "whenCreated", "info", "c"}
	c := open(t, cfg)
	if m := c.Matching(); m != nil {
		t.Errorf("before anything was read: %v", m)
	}
	snapshot(t, c)
	got := fmt.Sprint(c.Matching())
	wants := fmt.Sprint(map[string]connectors.Matching{
		"displayName": connectors.MatchIgnoreCase, "accountExpires": connectors.MatchTime, "msTSAllowLogon": connectors.MatchBoolean,
		"whenCreated": connectors.MatchTime, "info": connectors.MatchIgnoreCase, "c": connectors.MatchIgnoreCase, "manager": connectors.MatchDN,
	})
	if got != wants {
		t.Errorf("got %s, want %s", got, wants)
	}
}

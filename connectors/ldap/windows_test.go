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

// TestActiveDirectory tests what only Active Directory has. The subtests share a
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
		"attributes that cannot be managed":      testWindowsUnmanageable,
		"an anchor that is too short":            testNarrowAnchor,
		"an anchor in use":                       testAnchorInUse,
		"names that are taken":                   testTakenNames,
		"enabling an expired account":            testEnableExpired,
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
	if note := c.Capabilities()[connectors.Disable].Note; !strings.HasPrefix(note, "through the flag ACCOUNTDISABLE; enabling") || strings.Contains(note, "first connection") {
		t.Errorf("after: %q", note)
	}
	cfg := d.config()
	cfg.Flavour = ldap.ActiveDirectory
	if note := open(t, cfg).Capabilities()[connectors.Disable].Note; !strings.HasPrefix(note, "through the flag ACCOUNTDISABLE") {
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
		"abcdefghijklmnopqrstu": "20 characters", "anna@x": "does not allow", "a,b": "does not allow", "a\tb": "not printable",
		"a\x00b": "not printable", "anna.": "full stop", " anna": "space", "anna$": "dollar", `DOM\anna`: "does not allow",
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
	want(t, c, connectors.AlreadyApplied, updating(id, "accountExpires", elsewhere))
	past := "2020-02-29T11:00:00Z"
	want(t, c, connectors.Applied, updating(id, "accountExpires", past))
	shows(false, past)
	if r := want(t, c, connectors.Refused, ref(connectors.EnableAccount, id)); !strings.Contains(r.Detail, "accountExpires") {
		t.Errorf("enabling an expired account: %q", r.Detail)
	}
	want(t, c, connectors.Applied, ref(connectors.DisableAccount, id))
	want(t, c, connectors.Applied, updating(id, "accountExpires"))
	want(t, c, connectors.AlreadyApplied, updating(id, "accountExpires"))
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
	want(t, c, connectors.AlreadyApplied, memberships(connectors.RemoveMember, "outer", []string{id})[0])
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
	alike(t, c, ids, "primary", "outer")
	want(t, c, connectors.AlreadyApplied, memberships(connectors.AddMember, "primary", ids[:1])[0])
	results := c.Apply(t.Context(), memberships(connectors.RemoveMember, "primary", ids))
	if results[0].Status != connectors.Refused || !strings.Contains(results[0].Detail, "primary group") || results[1].Status != connectors.Applied {
		t.Errorf("removing both: %+v", results)
	}
}

func testWindowsPasswords(t *testing.T, d *domain) {
	h := &hands{}
	cfg := d.config()
	cfg.PasswordSink = h
	cfg.FirstPassword.Keep = true
	c := open(t, cfg)
	id := applyAll(t, c, creations("pw", 1))[0]
	if len(h.got["behov-pw00000"]) != 1 {
		t.Fatalf("handed over: %d", len(h.got))
	}
	password := h.got["behov-pw00000"][0]
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
	want(t, c, connectors.AlreadyApplied, creations("pw", 1)[0])
	if len(h.got["behov-pw00000"]) != 1 {
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

// testWholeDomain checks that references to the forest's configuration and DNS
// zones do not make the answer incomplete.
func testWholeDomain(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.PeopleDN, cfg.GroupsDN = d.BaseDN, d.BaseDN
	s := snapshot(t, open(t, cfg))
	if _, ok := s.accounts["Administrator"]; !ok || !s.entitlements["Domain Users"] {
		t.Errorf("accounts %v, groups %v", s.accounts, s.entitlements)
	}
	// Every account is a member by its primaryGroupID alone.
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
	cfg.PasswordSink, cfg.FirstPassword.Keep = h, true
	admin := open(t, cfg)
	ids := applyAll(t, admin, creations("nr", 2))
	d.addGroup(t, "g")
	cfg = d.config()
	cfg.BindDN, cfg.Password = d.entry(t, ids[0]).DN, h.got["behov-nr00000"][0]
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
		"whenCreated": connectors.MatchTime, "info": connectors.MatchIgnoreCase, "c": connectors.MatchIgnoreCase, "manager": connectors.MatchDN, connectors.EntitlementName: connectors.MatchIgnoreCase,
	})
	if got != wants {
		t.Errorf("got %s, want %s", got, wants)
	}
}

func testWindowsUnmanageable(t *testing.T, d *domain) {
	cfg := d.config()
	for _, attribute := range []string{
		"sAMAccountName", "msDS-cloudExtensionAttribute1", "userAccountControl", "pwdLastSet", "unicodePwd", "objectGUID", "objectSid", "memberOf", "member",
		"primaryGroupID", "adminCount", "lockoutTime", "servicePrincipalName", "sIDHistory", "nTSecurityDescriptor", "msDS-KeyCredentialLink", "altSecurityIdentities",
	} {
		cfg.Attributes = []string{"cn", attribute}
		refusedEverywhere(t, cfg, "attribute "+attribute+" cannot be managed: it is ")
	}
	cfg.Attributes = []string{"cn", "sn", "sAMAccountName", "memberOf", "employeeNumber", "accountExpires"}
	cfg.ReadOnly = []string{"samaccountname", "memberOf"}
	c := open(t, cfg)
	applyAll(t, c, creations("ro", 1))
	if err := c.Check(t.Context()); err != nil { // memberOf is never written, and Check does not require it
		t.Errorf("attributes that are only read: %v", err)
	}
	if a := snapshot(t, c).accounts["ro00000"]; !slices.Equal(a.Attributes["sAMAccountName"], []string{"ro00000"}) {
		t.Errorf("account %+v, want the login name among what is read", a)
	}
}

func testNarrowAnchor(t *testing.T, d *domain) {
	for anchor, holds := range map[string]int{"employeeID": 16, "c": 3, "title": 0, "employeeNumber": 0} {
		cfg := d.config()
		cfg.AnchorAttribute = anchor
		if holds > 0 {
			refusedEverywhere(t, cfg, fmt.Sprintf("anchor_attribute %s holds at most %d characters and the person's ID has 36: choose msDS-", anchor, holds))
		} else if err := open(t, cfg).Check(t.Context()); err != nil {
			t.Errorf("%s: %v", anchor, err)
		}
	}
}

func testAnchorInUse(t *testing.T, d *domain) {
	cfg := d.config()
	cfg.AnchorAttribute = "employeeNumber"
	anchorInUse(t, open(t, cfg), func(name, anchor string) {
		d.add(t, "CN="+name+","+d.people, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}, "employeeNumber": {anchor}})
	})
}

func testTakenNames(t *testing.T, d *domain) {
	const elsewhere = "CN=Eva Alm,CN=Users,"
	d.add(t, elsewhere+d.BaseDN, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"evaalm"}, "userPrincipalName": {"evaupn@kommun.test"}})
	t.Cleanup(func() {
		if err := d.Dial().Del(goldap.NewDelRequest(elsewhere+d.BaseDN, nil)); err != nil {
			t.Error(err)
		}
	})
	d.add(t, "CN=role,"+d.groups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"takengroup"}})
	cfg := d.config()
	c := open(t, cfg)
	applyAll(t, c, creations("tn", 1))
	create := creations("tn", 2)[1]
	create.Account.Name = "evaalm"
	create.Attributes["cn"] = []string{"Eva Alm"}
	want(t, c, connectors.Refused, create) // behov then asks which names are taken
	names := []string{"EvaAlm", "evaalm2", "tn00000", "takengroup", "evaupn", "", "*", "eva*", "a)(cn=*", `a\b`, "a\x00b", "åsa", "\xff", strings.Repeat("x", 300)}
	for i := range 120 { // several requests
		names = append(names, fmt.Sprintf("nobody%d", i))
	}
	names = append(names, "Administrator")
	taken := func(c *ldap.Connector, names []string, wants ...string) {
		t.Helper()
		got, err := c.TakenNames(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if got[n] != slices.Contains(wants, n) {
				t.Errorf("%q is taken: %t, want %t", n, got[n], !got[n])
			}
		}
	}
	taken(c, names, "EvaAlm", "tn00000", "takengroup", "Administrator")
	taken(c, []string{"*"})
	cfg.UPNSuffix = "Kommun.test"
	taken(open(t, cfg), names, "EvaAlm", "tn00000", "takengroup", "Administrator", "evaupn")
	cfg.Password = "another"
	if _, err := open(t, cfg).TakenNames(t.Context(), names); connectors.ClassOf(err) != connectors.Permanent {
		t.Errorf("without signing in: %v, want a permanent error", err)
	}
}

// testEnableExpired checks that enabling an expired account, which is shown as
// disabled, makes it usable, or says that the mapping decides.
func testEnableExpired(t *testing.T, d *domain) {
	unmanaged := d.config()
	managed, read := d.config(), d.config()
	managed.Attributes = append(managed.Attributes, "accountExpires")
	read.Attributes, read.ReadOnly = append(read.Attributes, "accountExpires"), []string{"AccountExpires"}
	c := open(t, unmanaged)
	id := applyAll(t, c, creations("ee", 1))[0]
	expire := func(c *ldap.Connector, id string) {
		t.Helper()
		m := goldap.NewModifyRequest(d.entry(t, id).DN, nil)
		m.Replace("accountExpires", []string{"130000000000000000"})
		if err := d.Dial().Modify(m); err != nil {
			t.Fatal(err)
		}
		if snapshot(t, c).accounts["ee00000"].Enabled {
			t.Fatal("an expired account is enabled")
		}
	}
	enabled := func(c *ldap.Connector, expires string) {
		t.Helper()
		if got := d.entry(t, id).GetAttributeValue("accountExpires"); got != expires || !snapshot(t, c).accounts["ee00000"].Enabled {
			t.Errorf("expires %s, want %s; account %+v", got, expires, snapshot(t, c).accounts["ee00000"])
		}
	}
	for _, cfg := range []ldap.Config{unmanaged, read} {
		c := open(t, cfg)
		expire(c, id)
		want(t, c, connectors.Applied, ref(connectors.EnableAccount, id))
		enabled(c, "0")
		want(t, c, connectors.AlreadyApplied, ref(connectors.EnableAccount, id))
		want(t, c, connectors.Applied, ref(connectors.DisableAccount, id))
		expire(c, id)
		want(t, c, connectors.Applied, ref(connectors.EnableAccount, id)) // one change enables it and removes the expiry
		enabled(c, "0")
	}
	c = open(t, managed)
	expire(c, id)
	want(t, c, connectors.Refused, ref(connectors.EnableAccount, id))
	later := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	results := c.Apply(t.Context(), []connectors.Change{updating(id, "accountExpires", later.Format(time.RFC3339)), ref(connectors.EnableAccount, id)})
	for i, r := range results {
		if r.Err != nil || r.Status == connectors.Refused {
			t.Errorf("change %d: %+v", i, r)
		}
	}
	enabled(c, strconv.FormatInt((later.Unix()+11644473600)*1e7, 10))
	want(t, c, connectors.Applied, ref(connectors.DisableAccount, id))
	expire(c, id)
	applyAll(t, c, []connectors.Change{updating(id, "accountExpires"), ref(connectors.EnableAccount, id)})
	enabled(c, "9223372036854775807")
	if note := c.Capabilities()[connectors.Disable].Note; note != "through the flag ACCOUNTDISABLE" {
		t.Errorf("managed: %q", note)
	}
}

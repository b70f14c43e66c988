package ldap_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/jimlambrt/gldap"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/limit"
	"github.com/behov/behov/internal/testenv"
)

// TestMembersInRanges checks ranged retrieval: a domain controller sends 1,500
// values of an attribute at once ([MS-ADTS] 3.1.1.3.4.6, MaxValRange). Samba does
// not, so the test uses a small server of its own.
func TestMembersInRanges(t *testing.T) {
	for name, tt := range map[string]struct {
		members int
		broken  string
		works   bool
	}{
		"a few":                           {10, "", true},
		"one whole range":                 {1500, "", true},
		"more than fit":                   {3700, "", true},
		"it stops half-way":               {3700, "error", false},
		"the group was deleted meanwhile": {3700, "gone", false},
		"it never gets on":                {3700, "empty", false},
		"somebody is beyond":              {1501, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, ldap.Config{
				URL: rangingServer(t, tt.members, tt.broken), BindDN: "x@kommun.test", Password: "p", Plaintext: true,
				PeopleDN: "OU=p,DC=kommun,DC=test", GroupsDN: "OU=g,DC=kommun,DC=test", Timeout: 5 * time.Second,
			})
			s := newSeen()
			done, err := c.Snapshot(t.Context(), s)
			if done.Complete != tt.works || (err == nil) != tt.works {
				t.Fatalf("%+v, %v", done, err)
			}
			if tt.works && len(s.members["all"]) != tt.members {
				t.Errorf("%d members, want %d", len(s.members["all"]), tt.members)
			}
		})
	}
}

func rangingServer(t *testing.T, members int, broken string) (url string) {
	t.Helper()
	const each = 1500
	dn := func(i int) string { return fmt.Sprintf("CN=p%d,OU=p,DC=kommun,DC=test", i) }
	search := func(w *gldap.ResponseWriter, r *gldap.Request) {
		answer := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
		defer func() { _ = w.Write(answer) }()
		m, err := r.GetSearchMessage()
		if err != nil {
			return
		}
		send := func(dn string, attributes map[string][]string) {
			_ = w.Write(r.NewSearchResponseEntry(dn, gldap.WithAttributes(attributes)))
		}
		switch {
		case m.BaseDN == "":
			send("", map[string][]string{"supportedCapabilities": {"1.2.840.113556.1.4.800"}})
		case strings.HasPrefix(m.BaseDN, "OU=p"):
			for i := range members {
				send(dn(i), map[string][]string{"objectGUID": {fmt.Sprintf("%016d", i)}, "sAMAccountName": {fmt.Sprint("p", i)}, "userAccountControl": {"512"}})
			}
		case !slices.ContainsFunc(m.Attributes, func(a string) bool { return strings.HasPrefix(a, "member") }):
			send("CN=all,OU=g,DC=kommun,DC=test", map[string][]string{"cn": {"all"}})
		default:
			from := 0
			for _, a := range m.Attributes {
				_, _ = fmt.Sscanf(a, "member;range=%d-*", &from)
			}
			if from > 0 && broken == "error" {
				answer.SetResultCode(gldap.ResultBusy)
				return
			}
			if from > 0 && broken == "gone" {
				return
			}
			var values []string
			for i := from; i < min(from+each, members); i++ {
				values = append(values, dn(i))
			}
			name := "member"
			switch {
			case from+each < members:
				name = fmt.Sprintf("member;range=%d-%d", from, from+each-1)
			case from > 0:
				name = fmt.Sprintf("member;range=%d-*", from)
			}
			if from > 0 && broken == "empty" {
				values = nil
			}
			send("CN=all,OU=g,DC=kommun,DC=test", map[string][]string{"cn": {"all"}, name: values})
		}
	}
	return serve(t, search)
}

// serve answers searches and accepts every bind.
func serve(t *testing.T, search gldap.HandlerFunc) (url string) {
	t.Helper()
	server, err := gldap.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	mux, err := gldap.NewMux()
	if err != nil {
		t.Fatal(err)
	}
	bind := func(w *gldap.ResponseWriter, r *gldap.Request) {
		_ = w.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}
	for _, err := range []error{mux.Bind(bind), mux.Search(search), server.Router(mux)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	go func() { _ = server.Run(addr) }()
	t.Cleanup(func() { _ = server.Stop() })
	for range 500 {
		if server.Ready() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "ldap://" + addr
}

func TestTenThousandMembers(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		n := testenv.Many(10_000)
		dn := p.addGroup(t, "all")
		cfg := p.config()
		keep := false
		cfg.FirstPassword.Set, cfg.Timeout = &keep, 2*time.Minute
		c := open(t, cfg)
		var ids []string
		changes := creations("m", n)
		for _, change := range changes {
			change.Enabled = false
		}
		for i := 0; i < n; i += 1000 {
			ids = append(ids, applyAll(t, c, changes[i:i+1000])...)
		}
		applyAll(t, c, memberships(connectors.AddMember, "all", ids))
		if s := snapshot(t, c); len(s.members["all"]) != n || len(s.accounts) != n {
			t.Fatalf("%d members of %d accounts, want %d", len(s.members["all"]), len(s.accounts), n)
		}
		// With an empty cache, and with members that exist already.
		c = open(t, cfg)
		applyAll(t, c, memberships(connectors.RemoveMember, "all", ids[:300]))
		for i, r := range c.Apply(t.Context(), memberships(connectors.RemoveMember, "all", ids[200:400])) {
			if status := []connectors.Status{connectors.AlreadyApplied, connectors.Applied}[i/100]; r.Status != status {
				t.Fatalf("removal %d: %+v, want %s", i, r, status)
			}
		}
		if left := len(snapshot(t, c).members["all"]); left != n-400 {
			t.Errorf("%d members of %s, want %d", left, dn, n-400)
		}
	})
}

// TestServerThatKeepsReferences checks that the connector works with a slapd
// whose refint overlay corrects DNs itself.
func TestServerThatKeepsReferences(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t, "overlay refint", "refint_attributes member manager", "refint_nothing cn=nobody,dc=kommun,dc=test", "dbnosync"))
	tree.addGroup(t, "staff")
	c := open(t, tree.config())
	ids := applyAll(t, c, creations("p", 2))
	applyAll(t, c, memberships(connectors.AddMember, "staff", ids))
	want(t, c, connectors.Applied, updating(ids[0], "manager", ids[1]))
	want(t, c, connectors.Applied, renaming(ids[1], "chefen"))
	s := snapshot(t, c)
	if len(s.members["staff"]) != 2 || slices.Contains(s.members["staff"], "") || !slices.Equal(s.accounts["p00000"].Attributes["manager"], []string{ids[1]}) {
		t.Errorf("members %v, accounts %+v", s.members, s.accounts)
	}
	applyAll(t, c, []connectors.Change{ref(connectors.DeleteAccount, ids[1])})
	if s := snapshot(t, c); !slices.Equal(s.members["staff"], ids[:1]) {
		t.Errorf("members %v", s.members)
	}
}

// TestRenameWithoutAnAnswer checks that a rename whose answer was lost is
// finished when it is repeated: the next account with the old name does not
// inherit the memberships.
func TestRenameWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	for _, class := range []string{"groupOfNames", "posixGroup"} {
		t.Run(class, func(t *testing.T) {
			tree := newSubtree(t, s)
			cfg := tree.config()
			cfg.GroupClass = class
			p := newProxy(t, tree.URL)
			cfg.URL = "ldap://" + p.addr
			if class == "posixGroup" {
				tree.addPosixGroup(t, "staff")
			} else {
				tree.addGroup(t, "staff")
			}
			broke := 0
			c := open(t, cfg)
			for limit := int64(0); limit < 4000; limit += 40 {
				name := fmt.Sprintf("r%d", limit)
				change := creations(name, 1)[0]
				p.limit.Store(-1)
				_ = c.Close()
				id := want(t, c, connectors.Applied, change).AccountID
				applyAll(t, c, memberships(connectors.AddMember, "staff", []string{id}))
				_ = c.Close()
				p.limit.Store(limit)
				r := c.Apply(t.Context(), []connectors.Change{renaming(id, "new"+name)})[0]
				p.limit.Store(-1)
				if r.Err != nil {
					broke++
					_ = c.Close()
					if r = c.Apply(t.Context(), []connectors.Change{renaming(id, "new"+name)})[0]; r.Err != nil || r.Status == connectors.Refused {
						t.Fatalf("cut after %d, then: %+v", limit, r)
					}
				}
				if got := snapshot(t, c).members["staff"]; !slices.Equal(got, []string{id}) {
					t.Fatalf("cut after %d: members %q, want the account", limit, got)
				}
				applyAll(t, c, []connectors.Change{ref(connectors.DeleteAccount, id)})
			}
			if broke < 3 {
				t.Errorf("it broke %d times: the test tests nothing", broke)
			}
		})
	}
}

func TestFirstPasswordInOpenLDAP(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	h := &hands{full: true}
	cfg := tree.config()
	cfg.PasswordSink = h
	c := open(t, cfg)
	change := creations("p", 1)[0]
	r := c.Apply(t.Context(), []connectors.Change{change})[0]
	if r.Err == nil || !strings.Contains(r.Err.Error(), "not delivered") {
		t.Fatalf("nobody received it, but %+v", r)
	}
	h.full = false
	id := want(t, c, connectors.AlreadyApplied, change).AccountID // the repeated change delivers the password
	want(t, c, connectors.AlreadyApplied, change)
	got := h.got[change.Account.Anchor]
	if len(got) != 1 || len(got[0]) != 20 {
		t.Fatalf("handed over %d times", len(got))
	}
	e := tree.entry(t, id)
	if v := e.GetAttributeValue("userPassword"); !strings.HasPrefix(v, "{SSHA}") {
		t.Errorf("the server keeps %q..., want a hash", v[:min(6, len(v))])
	}
	if e.GetAttributeValue("pwdReset") != "TRUE" {
		t.Error("it need not be changed")
	}
	conn, err := goldap.DialURL(tree.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Bind(e.DN, got[0]); err != nil {
		t.Errorf("signing in: %v", err)
	}
	set := false
	cfg.FirstPassword.Set = &set
	c = open(t, cfg)
	id = applyAll(t, c, creations("q", 1))[0]
	if tree.entry(t, id).GetAttributeValue("userPassword") != "" || len(h.got) != 1 {
		t.Error("a password although there is to be none")
	}
	if c.Capabilities()[connectors.Password].Can {
		t.Error("it says that it sets passwords")
	}
}

// TestAdoptionAddsClasses checks that adoption adds the object classes of new
// accounts to an entry that lacks them.
func TestAdoptionAddsClasses(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	cfg := tree.config()
	cfg.ObjectClasses = []string{"person", "inetOrgPerson", "behovPerson"}
	cfg.Disable = ldap.Disable{Attribute: "behovStatus", Value: "disabled"}
	dn := "cn=old," + tree.people
	tree.add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {"old"}, "sn": {"old"}, "uid": {"old"}})
	c := open(t, cfg)
	id := snapshot(t, c).accounts["old"].ID
	adopt := ref(connectors.AdoptAccount, id)
	adopt.Account.Anchor = "behov-old"
	want(t, c, connectors.Applied, adopt)
	want(t, c, connectors.AlreadyApplied, adopt)
	want(t, c, connectors.Applied, ref(connectors.DisableAccount, id))
	adopt.Account.Anchor = "another"
	want(t, c, connectors.Refused, adopt)
	// Its entry is named by another attribute, which it can change.
	want(t, c, connectors.Applied, updating(id, "cn", "new", "newer"))
	want(t, c, connectors.AlreadyApplied, updating(id, "cn", "newer", "new"))
	want(t, c, connectors.Applied, renaming(id, "nytt"))
	if a := snapshot(t, c).accounts["nytt"]; a.ID != id || a.Enabled || a.Anchor != "behov-old" || len(a.Attributes["cn"]) != 2 {
		t.Errorf("afterwards %+v", a)
	}
	if r := want(t, c, connectors.Refused, updating(id, "cn")); !strings.Contains(r.Detail, "cn names the entry") {
		t.Errorf("without a name: %q", r.Detail)
	}
}

func TestOpenLDAPMatching(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	cfg := tree.config()
	cfg.Attributes = []string{"surname", "telephoneNumber", "jpegPhoto", "createTimestamp", "labeledURI"}
	c := open(t, cfg)
	id := applyAll(t, c, creations("p", 1))[0]
	snapshot(t, c)
	got := fmt.Sprint(c.Matching())
	wants := fmt.Sprint(map[string]connectors.Matching{
		"surname": connectors.MatchIgnoreCase, "telephoneNumber": connectors.MatchDigits, "jpegPhoto": connectors.MatchExact,
		"createTimestamp": connectors.MatchTime, "labeledURI": connectors.MatchExact, "manager": connectors.MatchDN, connectors.EntitlementName: connectors.MatchIgnoreCase,
	})
	if got != wants {
		t.Errorf("got %s, want %s", got, wants)
	}
	want(t, c, connectors.Applied, updating(id, "telephoneNumber", "+46 8 123-45 67"))
	want(t, c, connectors.AlreadyApplied, updating(id, "telephoneNumber", "+4681234567"))
	want(t, c, connectors.AlreadyApplied, updating(id, "surname", "P00000SSON"))
	want(t, c, connectors.Applied, updating(id, "labeledURI", "http://a"))
	want(t, c, connectors.Applied, updating(id, "labeledURI", "http://A"))
}

func TestLimits(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	cfg := tree.config()
	cfg.Limits = limit.Limits{PerSecond: 50, Burst: 1, Concurrent: 1}
	c := open(t, cfg)
	begin := time.Now()
	applyAll(t, c, creations("p", 40))
	if took := time.Since(begin); took < 700*time.Millisecond {
		t.Errorf("at 50 requests a second, 40 accounts took %s", took)
	}
	cfg.Limits = limit.Limits{PerSecond: 0.01, Burst: 1}
	c = open(t, cfg)
	ctx, cancel := timeoutOf(t, 300*time.Millisecond)
	defer cancel()
	r := c.Apply(ctx, creations("q", 1))[0]
	if connectors.ClassOf(r.Err) != connectors.RetryLater {
		t.Errorf("with no request left: %+v (%s), want retry later", r, connectors.ClassOf(r.Err))
	}
}

// TestMemoryIsFlat checks that the memory of a snapshot grows only by each
// account's DN and ID, and not by whole accounts.
func TestMemoryIsFlat(t *testing.T) {
	tree := benchServer(t, false)
	peaks := map[int]uint64{}
	total := 0
	for _, n := range []int{5000, 20000} {
		tree.tool(t, "ldapadd", "-f", ldif(t, tree.people, heavy(fmt.Sprint("n", n, "x"), n-total)))
		total = n
		cfg := tree.config()
		cfg.Attributes = append(cfg.Attributes, "description")
		c := openB(t, cfg)
		runtime.GC()
		peaks[n] = read(t, c, n).peak
	}
	grew := int64(peaks[20000]) - int64(peaks[5000])
	t.Logf("heap: %d kB with 5,000 accounts, %d kB with 20,000", peaks[5000]>>10, peaks[20000]>>10)
	if each := grew / 15000; each > 800 { // an account here has 2,500 octets
		t.Errorf("it grows by %d octets an account", each)
	}
}

func heavy(prefix string, n int) []connectors.Change {
	changes := entries(prefix, n)
	for i := range changes {
		changes[i].Attributes["description"] = []string{strings.Repeat("lorem ipsum ", 200)}
	}
	return changes
}

// TestInjection writes values with LDAP, LDIF and shell syntax through every
// attribute.
func TestInjection(t *testing.T) {
	onBoth(t, func(t *testing.T, p place) {
		c := open(t, p.config())
		victim := applyAll(t, c, creations("victim", 1))[0]
		before := snapshot(t, c).accounts["victim00000"]
		for i, value := range []string{
			"x,ou=elsewhere", "x)(uid=*", "*", `x\`, `\2a`, "x+sn=y", "x\ndn: uid=evil", "x\n-\nreplace: userPassword", "#04024869", " x ", "x\x00y", "<GUID=1>", `"x"`, "x;range=0-1", "åäö=1",
		} {
			for _, attribute := range []string{"cn", "sn", "telephoneNumber", "description"} {
				name := fmt.Sprintf("in%d%.2s", i, attribute)
				change := creations(name, 1)[0]
				change.Attributes[attribute] = []string{value}
				r := c.Apply(t.Context(), []connectors.Change{change})[0]
				if r.Err != nil {
					t.Errorf("%s=%q: %v", attribute, value, r.Err)
				}
				if r.Status != connectors.Applied {
					continue
				}
				people, _ := goldap.ParseDN(p.config().PeopleDN)
				if dn, err := goldap.ParseDN(p.entry(t, r.AccountID).DN); err != nil || len(dn.RDNs) != len(people.RDNs)+1 || len(dn.RDNs[0].Attributes) != 1 || !people.AncestorOfFold(dn) {
					t.Errorf("%s=%q made %s, %v", attribute, value, dn, err)
				}
				if u := c.Apply(t.Context(), []connectors.Change{updating(r.AccountID, attribute, value)})[0]; u.Err != nil || u.Status == connectors.Applied && !strings.ContainsAny(value, "\x00 #") {
					t.Errorf("%s=%q again: %+v", attribute, value, u)
				}
			}
		}
		after := snapshot(t, c).accounts["victim00000"]
		if after.ID != victim || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("somebody else's account was %+v and is %+v", before, after)
		}
	})
}

func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	dir := t.TempDir()
	files, err := testenv.NewCertificatesFor(dir, time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour), []byte{127, 0, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := tree.config()
	cfg.Plaintext, cfg.CAFile = false, files.CA
	cfg.URL = terminateTLS(t, files, tree.URL)
	err = open(t, cfg).Check(t.Context())
	if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Check: %v (%s), want a permanent error that says it has expired", err, connectors.ClassOf(err))
	}
}

// TestReadOnlyReplica checks that a read-only replica can be read, and that a
// write names where to write.
func TestReadOnlyReplica(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		line, says string
	}{
		"it says no": {"restrict write", "unwilling to perform"},
		"it says where to": {"syncrepl rid=1 provider=ldap://127.0.0.1:1 searchbase=dc=kommun,dc=test type=refreshOnly retry=\"60 +\" bindmethod=simple\nupdateref ldap://primary.kommun.test",
			"set url to a writable server"},
	} {
		t.Run(name, func(t *testing.T) {
			s := testenv.StartSlapd(t)
			tree := newSubtree(t, s)
			tree.addGroup(t, "g")
			id := applyAll(t, open(t, tree.config()), creations("p", 1))[0]
			s.Reconfigure(tt.line)
			c := open(t, tree.config())
			if s := snapshot(t, c); len(s.accounts) != 1 {
				t.Errorf("accounts %v", s.accounts)
			}
			if err := c.Check(t.Context()); connectors.ClassOf(err) != connectors.Permanent {
				t.Errorf("Check: %v, want a permanent error", err)
			}
			for _, change := range []connectors.Change{creations("q", 1)[0], ref(connectors.DisableAccount, id), renaming(id, "x"), memberships(connectors.AddMember, "g", []string{id})[0], ref(connectors.DeleteAccount, id)} {
				r := c.Apply(t.Context(), []connectors.Change{change})[0]
				if r.Err == nil && r.Status != connectors.Refused || r.Err != nil && connectors.ClassOf(r.Err) != connectors.Permanent {
					t.Errorf("%s: %+v, want refused or a permanent error", change.Op, r)
				}
				if text := r.Detail + fmt.Sprint(r.Err); !strings.Contains(strings.ToLower(text), tt.says) {
					t.Errorf("%s: %q, want %q in it", change.Op, text, tt.says)
				}
			}
		})
	}
}

// TestContinuationReferenceAmongPeople checks that a part on another server makes
// the answer incomplete.
func TestContinuationReferenceAmongPeople(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	tree.addGroup(t, "g")
	c := open(t, tree.config())
	applyAll(t, c, creations("p", 3))
	snapshot(t, c)
	r := goldap.NewAddRequest("ou=school,"+tree.people, []goldap.Control{goldap.NewControlManageDsaIT(true)})
	r.Attribute("objectClass", []string{"referral", "extensibleObject"})
	r.Attribute("ou", []string{"school"})
	r.Attribute("ref", []string{"ldap://elsewhere.test/ou=school," + tree.people})
	if err := tree.Dial().Add(r); err != nil {
		t.Fatal(err)
	}
	s := newSeen()
	done, err := c.Snapshot(t.Context(), s)
	if err != nil || done.Complete || !strings.Contains(done.Why, "another server") || len(s.accounts) != 3 {
		t.Errorf("%+v, %v, %d accounts; want it incomplete", done, err, len(s.accounts))
	}
	// It is then unknown whether a name is free.
	if r := c.Apply(t.Context(), creations("q", 1))[0]; connectors.ClassOf(r.Err) != connectors.RetryLater {
		t.Errorf("creating: %+v", r)
	}
}

// TestRefusedRenameIsForgotten checks that a refused rename leaves nothing for a
// later change to act on: the account with that name belongs to another person.
func TestRefusedRenameIsForgotten(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	tree.addGroup(t, "staff")
	c := open(t, tree.config())
	ids := applyAll(t, c, creations("p", 2))
	tree.add(t, "uid=taken,"+tree.people, map[string][]string{"objectClass": {"device", "extensibleObject"}, "cn": {"x"}})
	want(t, c, connectors.Refused, renaming(ids[0], "taken"))
	// Another client moves it, and another account gets its DN and a group.
	old := tree.entry(t, ids[0]).DN
	if err := tree.Dial().ModifyDN(goldap.NewModifyDNRequest(old, "uid=moved", true, "")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Dial().ModifyDN(goldap.NewModifyDNRequest(tree.entry(t, ids[1]).DN, "uid=p00000", true, "")); err != nil {
		t.Fatal(err)
	}
	applyAll(t, c, memberships(connectors.AddMember, "staff", ids[1:]))
	want(t, c, connectors.Applied, updating(ids[0], "title", "x"))
	if got := snapshot(t, c).members["staff"]; !slices.Equal(got, ids[1:]) {
		t.Errorf("members %v, want %v", got, ids[1:])
	}
}

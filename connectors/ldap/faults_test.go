package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// proxy forwards a server's bytes until it has passed a given number of them.
type proxy struct {
	addr  string
	limit atomic.Int64 // bytes from the server to a client; negative is no limit
	total atomic.Int64 // bytes passed so far
}

func newProxy(t *testing.T, url string) *proxy { return newProxyAt(t, "127.0.0.1:0", url) }

func newProxyAt(t *testing.T, addr, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{addr: l.Addr().String()}
	p.limit.Store(-1)
	_, target, _ := strings.Cut(url, "://")
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(client, target)
		}
	}()
	return p
}

func (p *proxy) pass(client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
	buffer := make([]byte, 512)
	passed := int64(0)
	for {
		n, err := server.Read(buffer)
		if limit := p.limit.Load(); limit >= 0 && passed+int64(n) > limit {
			_, _ = client.Write(buffer[:max(0, limit-passed)])
			return
		}
		passed += int64(n)
		p.total.Add(int64(n))
		if _, werr := client.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

func TestConnectionCutAnywhereIsNeverComplete(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	tree.addGroup(t, "all")
	plain := open(t, tree.config())
	ids := applyAll(t, plain, creations("p", 1200))
	applyAll(t, plain, memberships(connectors.AddMember, "all", ids))

	p := newProxy(t, tree.URL)
	cfg := tree.config()
	cfg.URL = "ldap://" + p.addr
	c := open(t, cfg)
	snapshot(t, c)
	first := p.total.Load()
	snapshot(t, c)
	all := p.total.Load() - first // without the schema, which is read once
	for i := range int64(40) {
		p.limit.Store(all * i / 40)
		s := newSeen()
		done, err := c.Snapshot(t.Context(), s)
		if err == nil || done.Complete {
			t.Errorf("cut after %d of %d bytes: %v, %+v", all*i/40, all, err, done)
		}
		if connectors.ClassOf(err) != connectors.TargetDown {
			t.Errorf("cut after %d bytes: class %q, want target down (%v)", all*i/40, connectors.ClassOf(err), err)
		}
	}
	p.limit.Store(-1)
	snapshot(t, c)
}

// TestLostAnswersAreFoundAgain checks that a change whose answer was lost is
// found when it is repeated.
func TestLostAnswersAreFoundAgain(t *testing.T) {
	t.Parallel()
	tree := newSubtree(t, testenv.StartSlapd(t))
	tree.addGroup(t, "all")
	p := newProxy(t, tree.URL)
	cfg := tree.config()
	cfg.URL = "ldap://" + p.addr
	c := open(t, cfg)
	changes := creations("p", 200)
	broke := 0
	for limit := int64(0); ; limit += 1500 {
		p.limit.Store(limit)
		if limit > 60000 {
			p.limit.Store(-1)
		}
		var failed error
		for _, r := range c.Apply(t.Context(), changes) {
			if failed = r.Err; failed != nil {
				break
			}
			if r.Status == connectors.Refused || r.AccountID == "" {
				t.Fatalf("%+v", r)
			}
		}
		if failed == nil {
			break
		}
		broke++
		if class := connectors.ClassOf(failed); class != connectors.TargetDown {
			t.Errorf("class %q: %v", class, failed)
		}
		_ = c.Close() // the next attempt opens a new connection
	}
	if broke == 0 {
		t.Error("nothing broke: the test tests nothing")
	}
	p.limit.Store(-1)
	s := snapshot(t, c)
	if len(s.accounts) != 200 {
		t.Errorf("%d accounts, want 200", len(s.accounts))
	}
}

func TestServerRestartsAndDies(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	c := open(t, tree.config())
	applyAll(t, c, creations("a", 3))
	s.Restart()
	applyAll(t, c, creations("b", 3))
	s.Kill()
	results := c.Apply(t.Context(), creations("c", 3))
	for _, r := range results {
		if connectors.ClassOf(r.Err) != connectors.TargetDown {
			t.Errorf("with the server dead: %+v, want target down", r)
		}
	}
	if done, err := c.Snapshot(t.Context(), newSeen()); connectors.ClassOf(err) != connectors.TargetDown || done.Complete {
		t.Errorf("Snapshot with the server dead: %v", err)
	}
	if err := c.Check(t.Context()); connectors.ClassOf(err) != connectors.TargetDown {
		t.Errorf("Check with the server dead: %v", err)
	}
	s.Restart()
	applyAll(t, c, creations("c", 3))
}

func TestServerThatStopsAnswering(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	cfg := tree.config()
	cfg.Timeout = 300 * time.Millisecond
	c := open(t, cfg)
	applyAll(t, c, creations("a", 1))
	thaw := s.Freeze()
	begin := time.Now()
	r := c.Apply(t.Context(), creations("b", 1))[0]
	if connectors.ClassOf(r.Err) != connectors.TargetDown {
		t.Errorf("Apply: %+v, want target down", r)
	}
	if _, err := c.Snapshot(t.Context(), newSeen()); connectors.ClassOf(err) != connectors.TargetDown {
		t.Errorf("Snapshot: %v, want target down", err)
	}
	cfg.Timeout = time.Minute
	patient := open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := patient.Snapshot(ctx, newSeen()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Snapshot with a deadline: %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	thaw()
	if r := c.Apply(t.Context(), creations("b", 1))[0]; r.Err != nil || r.Status == connectors.Refused {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	elsewhere := newProxyAt(t, "127.0.0.2:0", s.SecureURL)
	for name, tt := range map[string]struct {
		change func(*ldap.Config)
		works  bool
	}{
		"StartTLS":            {func(c *ldap.Config) { c.StartTLS, c.CAFile = true, s.CAFile }, true},
		"LDAPS":               {func(c *ldap.Config) { c.URL, c.CAFile = s.SecureURL, s.CAFile }, true},
		"StartTLS, no CA":     {func(c *ldap.Config) { c.StartTLS = true }, false},
		"LDAPS, no CA":        {func(c *ldap.Config) { c.URL = s.SecureURL }, false},
		"LDAPS on plain port": {func(c *ldap.Config) { c.URL = "ldaps" + strings.TrimPrefix(s.URL, "ldap") }, false},
		"another host's certificate": {func(c *ldap.Config) {
			c.URL, c.CAFile = "ldaps://"+elsewhere.addr, s.CAFile
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tree.config()
			cfg.Plaintext, cfg.Timeout = false, 3*time.Second
			tt.change(&cfg)
			c := open(t, cfg)
			err := c.Check(t.Context())
			if (err == nil) != tt.works {
				t.Errorf("Check: %v", err)
			}
			if strings.Contains(name, "CA") || strings.Contains(name, "another") {
				if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), "ca_file") {
					t.Errorf("Check: %s error %v, want one that says what to trust", connectors.ClassOf(err), err)
				}
			}
			if !tt.works {
				return
			}
			applyAll(t, c, creations(strings.ToLower(name), 2))
			snapshot(t, c)
		})
	}
}

func TestCheckErrors(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	tree.addGroup(t, "g")
	id := applyAll(t, open(t, tree.config()), creations("p", 1))[0]
	if err := open(t, tree.config()).Check(t.Context()); err != nil {
		t.Fatalf("the right configuration: %v", err)
	}
	account := tree.entry(t, id).DN
	for name, tt := range map[string]struct {
		change func(*ldap.Config)
		says   string
		reads  bool // a snapshot succeeds nevertheless
	}{
		"wrong password":     {func(c *ldap.Config) { c.Password = "gissning" }, "check bind_dn and its password", false},
		"no such user":       {func(c *ldap.Config) { c.BindDN = "cn=nobody," + s.BaseDN }, "check bind_dn and its password", false},
		"no people":          {func(c *ldap.Config) { c.PeopleDN = "ou=elsewhere," + s.BaseDN }, "people_dn", false},
		"people DN named":    {func(c *ldap.Config) { c.PeopleDN = "ou=elsewhere," + s.BaseDN }, `people_dn "ou=elsewhere,dc=kommun,dc=test" does not exist`, false},
		"people, an account": {func(c *ldap.Config) { c.PeopleDN = account }, fmt.Sprintf("people_dn %q is an account", account), true},
		"people, a group":    {func(c *ldap.Config) { c.PeopleDN = "cn=g," + tree.groups }, fmt.Sprintf("people_dn %q is a group", "cn=g,"+tree.groups), true},
		"groups, a group":    {func(c *ldap.Config) { c.GroupsDN = "cn=g," + tree.groups }, fmt.Sprintf("groups_dn %q is a group", "cn=g,"+tree.groups), true},
		"no move_to":         {func(c *ldap.Config) { c.Disable.MoveTo = "ou=elsewhere," + s.BaseDN }, `disable.move_to "ou=elsewhere,dc=kommun,dc=test" does not exist`, false},
		"no groups":          {func(c *ldap.Config) { c.GroupsDN = "ou=elsewhere," + s.BaseDN }, "groups_dn", false},
		"foreign suffix":     {func(c *ldap.Config) { c.PeopleDN = "dc=com" }, "people_dn", false},
		"unknown anchor":     {func(c *ldap.Config) { c.AnchorAttribute = "behovAnchor" }, "behovAnchor", false},
		"unknown attribute":  {func(c *ldap.Config) { c.Attributes = []string{"shoeSize"} }, "shoeSize", true},
		"unknown class":      {func(c *ldap.Config) { c.ObjectClasses = []string{"user"} }, "user", false},
		"unknown MFA":        {func(c *ldap.Config) { c.MFAAttribute = "mfa" }, "mfa", true},
		"no ID":              {func(c *ldap.Config) { c.IDAttribute = "roomNumber" }, "roomNumber", false},
		"may not write":      {func(c *ldap.Config) { c.BindDN = s.ReaderDN }, "bind_dn the right", true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tree.config()
			tt.change(&cfg)
			c := open(t, cfg)
			err := c.Check(t.Context())
			if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("Check: %v (%s), want a permanent error that says %q", err, connectors.ClassOf(err), tt.says)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "gissning") {
				t.Errorf("Check: %q", err)
			}
			done, err := c.Snapshot(t.Context(), newSeen())
			if (err == nil) != tt.reads || done.Complete != tt.reads {
				t.Errorf("Snapshot: %v, %+v", err, done)
			}
			if tt.reads && name == "unknown MFA" {
				if done, err := c.MFAEnrolled(t.Context(), func(string, connectors.MFAMethod) error { return nil }); err == nil || done.Complete {
					t.Errorf("MFAEnrolled: %v, %+v", err, done)
				}
			}
		})
	}
}

// TestCheckNamesAHiddenBase checks that Check fails when a search for people_dn
// succeeds without an entry, as some servers answer instead of noSuchObject.
func TestCheckNamesAHiddenBase(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t, `access to dn.base="ou=people,dc=kommun,dc=test" by dn.exact="cn=reader,dc=kommun,dc=test" search by * break`)
	cfg := ldap.Config{URL: s.URL, BindDN: s.ReaderDN, Password: s.Password, Plaintext: true, PeopleDN: s.PeopleDN, GroupsDN: s.GroupsDN, Timeout: 10 * time.Second, Attributes: []string{"cn", "sn"}}
	if r, err := s.Dial().Search(&goldap.SearchRequest{BaseDN: s.PeopleDN, Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)"}); err != nil || len(r.Entries) != 1 {
		t.Fatalf("the entry does not exist: %v", err)
	}
	err := open(t, cfg).Check(t.Context())
	if connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), `people_dn "ou=people,dc=kommun,dc=test" does not exist, or the account in bind_dn may not read it`) {
		t.Errorf("Check: %v", err)
	}
}

func TestReaderIsRefused(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	tree := newSubtree(t, s)
	tree.addGroup(t, "g")
	id := applyAll(t, open(t, tree.config()), creations("p", 1))[0]
	cfg := tree.config()
	cfg.BindDN = s.ReaderDN
	ref := connectors.AccountRef{ID: id}
	for i, r := range open(t, cfg).Apply(t.Context(), append(creations("new", 1),
		connectors.Change{Op: connectors.DisableAccount, Account: ref},
		connectors.Change{Op: connectors.AddMember, Account: ref, Entitlement: "g"},
		connectors.Change{Op: connectors.DeleteAccount, Account: ref})) {
		if r.Err != nil || r.Status != connectors.Refused || !strings.Contains(r.Detail, "insufficient") {
			t.Errorf("change %d: %+v, want refused", i, r)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	good := ldap.Config{URL: "ldaps://ldap.example", BindDN: "cn=a", Password: "p", PeopleDN: "ou=p", GroupsDN: "ou=g"}
	for _, change := range []func(*ldap.Config){
		func(*ldap.Config) {},
		func(c *ldap.Config) { c.BindDN = "behov@kommun.se" },
		func(c *ldap.Config) { c.Flavour, c.Disable.MoveTo = ldap.ActiveDirectory, "OU=away,DC=x" },
		func(c *ldap.Config) { c.Disable.Attribute = "userAccountControl" },
		func(c *ldap.Config) { c.GroupNames = "sAMAccountName" },
	} {
		cfg := good
		change(&cfg)
		if _, err := ldap.New(cfg); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*ldap.Config)
		says   string
	}{
		"no URL":             {func(c *ldap.Config) { c.URL = "" }, "url is missing"},
		"http":               {func(c *ldap.Config) { c.URL = "http://x" }, "ldaps://"},
		"password in URL":    {func(c *ldap.Config) { c.URL = "ldaps://u:hemligt@x" }, "ldaps://"},
		"plaintext":          {func(c *ldap.Config) { c.URL = "ldap://x" }, "plaintext: true"},
		"twice encrypted":    {func(c *ldap.Config) { c.StartTLS = true }, "start_tls"},
		"anonymous":          {func(c *ldap.Config) { c.BindDN = "" }, "bind_dn is missing"},
		"no password":        {func(c *ldap.Config) { c.Password = "" }, "password is missing"},
		"no people":          {func(c *ldap.Config) { c.PeopleDN = "" }, "people_dn is missing"},
		"bad DN":             {func(c *ldap.Config) { c.GroupsDN = "groups" }, "groups_dn is not"},
		"injected":           {func(c *ldap.Config) { c.NameAttribute = "uid=*)(x" }, "not the name"},
		"half a disable":     {func(c *ldap.Config) { c.Disable.Attribute = "status" }, "value is missing"},
		"value without MFA":  {func(c *ldap.Config) { c.MFAValue = "x" }, "mfa_attribute"},
		"group names":        {func(c *ldap.Config) { c.GroupNames = "name" }, "cn, sAMAccountName or dn"},
		"flavour":            {func(c *ldap.Config) { c.Flavour = "novell" }, "active-directory; without it"},
		"flags with a value": {func(c *ldap.Config) { c.Disable = ldap.Disable{Attribute: "userAccountControl", Value: "514"} }, "remove value"},
		"only a value":       {func(c *ldap.Config) { c.Disable.Value = "x" }, "attribute is missing"},
		"move_to":            {func(c *ldap.Config) { c.Disable.MoveTo = "away" }, "move_to is not"},
		"suffix":             {func(c *ldap.Config) { c.UPNSuffix = "@kommun.se" }, "after the @"},
		"short password":     {func(c *ldap.Config) { c.FirstPassword.Length = 6 }, "8 to 127"},
		"limits":             {func(c *ldap.Config) { c.Limits.PerSecond = -1 }, "negative"},
		"no such CA":         {func(c *ldap.Config) { c.CAFile = "/no/such" }, "ca_file"},
		"empty CA":           {func(c *ldap.Config) { c.CAFile = empty }, "ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			_, err := ldap.New(cfg)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hemligt") {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
}

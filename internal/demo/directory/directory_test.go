package directory_test

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/demo/directory"
)

const (
	base     = "dc=demo,dc=test"
	admin    = "cn=admin,dc=demo,dc=test"
	password = "hemligt"
)

var groups = []string{"staff", `Ekonomi, "stor" + R&D = 1`}

func start(t *testing.T) *directory.Server {
	t.Helper()
	s, err := directory.Start(t.Context(), base, admin, password, groups)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func dial(t *testing.T, s *directory.Server) *goldap.Conn {
	t.Helper()
	c, err := goldap.DialURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func signedIn(t *testing.T, s *directory.Server) *goldap.Conn {
	t.Helper()
	c := dial(t, s)
	if err := c.Bind(admin, password); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, s *directory.Server) *ldap.Connector {
	t.Helper()
	c, err := ldap.New(ldap.Config{
		URL: s.URL(), BindDN: admin, Password: password, Plaintext: true, Timeout: 10 * time.Second,
		PeopleDN: s.PeopleDN(), GroupsDN: s.GroupsDN(), Attributes: []string{"cn", "sn", "title", "mail"},
		MFAAttribute: "carLicense", MFAValue: "mfa-enrolled",
		RDNAttribute: "employeeNumber", // the library that it is made of knows no ModifyDN, which a rename would need
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dnOf finds an account by its ID.
func dnOf(t *testing.T, s *directory.Server, id string) string {
	t.Helper()
	r, err := signedIn(t, s).Search(&goldap.SearchRequest{
		BaseDN: s.PeopleDN(), Scope: goldap.ScopeWholeSubtree, Filter: "(entryUUID=" + id + ")", Attributes: []string{"1.1"},
	})
	if err != nil || len(r.Entries) != 1 {
		t.Fatalf("account %s: %v", id, err)
	}
	return r.Entries[0].DN
}

func person(dn string) *goldap.AddRequest {
	r := goldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"inetOrgPerson"})
	r.Attribute("cn", []string{"Anna Ek"})
	r.Attribute("sn", []string{"Ek"})
	return r
}

// keepingGroups is a connector that changes no groups: without ModifyDN none can be renamed.
type keepingGroups struct{ *ldap.Connector }

func (k keepingGroups) Capabilities() connectors.Capabilities {
	all := k.Connector.Capabilities()
	all[connectors.Groups] = connectors.Cannot("the library knows no ModifyDN")
	return all
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		s := start(t)
		return conformance.Fixture{
			Connector:    keepingGroups{open(t, s)},
			Entitlements: groups,
			Attributes: func(name string) map[string][]string {
				return map[string][]string{"cn": {"Förnamn " + name}, "sn": {name + "sson"}}
			},
			Text:             "title",
			Multi:            "mail",
			RefusedAttribute: "mail",
			RefusedValue:     "åäö is not IA5",
			Reopen:           func(t *testing.T) connectors.Connector { return open(t, s) },
			Foreign: func(t *testing.T, name string) string {
				c, dn := signedIn(t, s), "cn=somebody,"+s.PeopleDN()
				r := person(dn)
				r.Attribute("uid", []string{name})
				if err := c.Add(r); err != nil {
					t.Fatal(err)
				}
				found, err := c.Search(&goldap.SearchRequest{BaseDN: dn, Filter: "(objectClass=*)", Attributes: []string{"entryUUID"}})
				if err != nil {
					t.Fatal(err)
				}
				return found.Entries[0].GetAttributeValue("entryUUID")
			},
			Remove: func(t *testing.T, id string) {
				if err := signedIn(t, s).Del(goldap.NewDelRequest(dnOf(t, s, id), nil)); err != nil {
					t.Fatal(err)
				}
			},
			SetMFA: func(t *testing.T, id string, enrolled bool) {
				m := goldap.NewModifyRequest(dnOf(t, s, id), nil)
				var values []string
				if enrolled {
					values = []string{"mfa-enrolled"}
				}
				m.Replace("carLicense", values)
				if err := signedIn(t, s).Modify(m); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func code(err error) uint16 {
	var e *goldap.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.ResultCode
}

func TestBind(t *testing.T) {
	s := start(t)
	locked := person("uid=locked," + s.PeopleDN())
	locked.Attribute("userPassword", []string{"mitt"})
	locked.Attribute("pwdAccountLockedTime", []string{"000001010000Z"})
	anna := person("uid=anna," + s.PeopleDN())
	anna.Attribute("userPassword", []string{"mitt"})
	for _, r := range []*goldap.AddRequest{locked, anna} {
		if err := signedIn(t, s).Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		dn, password string
		want         uint16
	}{
		{admin, password, 0},
		{"CN=Admin, dc=demo,dc=test", password, 0},
		{admin, "fel", goldap.LDAPResultInvalidCredentials},
		{"cn=nobody," + base, password, goldap.LDAPResultInvalidCredentials},
		{"uid=anna," + s.PeopleDN(), "mitt", 0},
		{"uid=anna," + s.PeopleDN(), password, goldap.LDAPResultInvalidCredentials},
		{"uid=locked," + s.PeopleDN(), "mitt", goldap.LDAPResultInvalidCredentials},
		{"not a DN", "x", goldap.LDAPResultInvalidDNSyntax},
	} {
		if got := code(dial(t, s).Bind(tt.dn, tt.password)); got != tt.want {
			t.Errorf("%s: code %d, want %d", tt.dn, got, tt.want)
		}
	}
	c := signedIn(t, s)
	if _, err := c.SimpleBind(&goldap.SimpleBindRequest{Username: admin, AllowEmptyPassword: true}); code(err) != goldap.LDAPResultUnwillingToPerform {
		t.Errorf("bind without a password: %v", err)
	}
	if err := c.Add(person("uid=x," + s.PeopleDN())); code(err) != goldap.LDAPResultStrongAuthRequired {
		t.Errorf("after a failed bind: %v, want to be nobody", err)
	}
}

func TestOnlyTheAdministratorWrites(t *testing.T) {
	s := start(t)
	anna := person("uid=anna," + s.PeopleDN())
	anna.Attribute("userPassword", []string{"mitt"})
	if err := signedIn(t, s).Add(anna); err != nil {
		t.Fatal(err)
	}
	user := dial(t, s)
	if err := user.Bind("uid=anna,"+s.PeopleDN(), "mitt"); err != nil {
		t.Fatal(err)
	}
	m := goldap.NewModifyRequest("uid=anna,"+s.PeopleDN(), nil)
	m.Replace("title", []string{"boss"})
	for _, tt := range []struct {
		who  string
		c    *goldap.Conn
		want uint16
	}{{"nobody", dial(t, s), goldap.LDAPResultStrongAuthRequired}, {"anna", user, goldap.LDAPResultInsufficientAccessRights}} {
		for what, err := range map[string]error{
			"add":    tt.c.Add(person("uid=x," + s.PeopleDN())),
			"modify": tt.c.Modify(m),
			"delete": tt.c.Del(goldap.NewDelRequest("uid=anna,"+s.PeopleDN(), nil)),
		} {
			if code(err) != tt.want {
				t.Errorf("%s by %s: %v, want code %d", what, tt.who, err, tt.want)
			}
		}
	}
	search := &goldap.SearchRequest{BaseDN: s.PeopleDN(), Scope: goldap.ScopeWholeSubtree, Filter: "(objectClass=*)"}
	if _, err := dial(t, s).Search(search); code(err) != goldap.LDAPResultInsufficientAccessRights {
		t.Errorf("search by nobody: %v", err)
	}
	r, err := user.Search(search)
	if err != nil || len(r.Entries) != 2 {
		t.Fatalf("search by anna: %v", err)
	}
	for _, e := range r.Entries {
		if e.GetAttributeValue("userPassword") != "" || e.GetAttributeValue("entryUUID") != "" {
			t.Errorf("%s shows what was not asked for or is secret: %v", e.DN, e.Attributes)
		}
	}
}

func TestItIsStrict(t *testing.T) {
	s := start(t)
	c := signedIn(t, s)
	people := s.PeopleDN()
	if err := c.Add(person("uid=anna," + people)); err != nil {
		t.Fatal(err)
	}
	staff := "cn=staff," + s.GroupsDN()
	add := func(change func(*goldap.AddRequest)) error {
		r := person("uid=berit," + people)
		change(r)
		return c.Add(r)
	}
	modify := func(dn string, change func(*goldap.ModifyRequest)) error {
		r := goldap.NewModifyRequest(dn, nil)
		change(r)
		return c.Modify(r)
	}
	anna := "uid=anna," + people
	for name, tt := range map[string]struct {
		err  error
		want uint16
	}{
		"same DN":             {c.Add(person("UID=Anna ," + people)), goldap.LDAPResultEntryAlreadyExists},
		"no parent":           {c.Add(person("uid=x,ou=nowhere," + base)), goldap.LDAPResultNoSuchObject},
		"outside":             {c.Add(person("uid=x,dc=com")), goldap.LDAPResultNoSuchObject},
		"bad DN":              {c.Add(person("x")), goldap.LDAPResultInvalidDNSyntax},
		"unknown attribute":   {add(func(r *goldap.AddRequest) { r.Attribute("shoeSize", []string{"1"}) }), goldap.LDAPResultUndefinedAttributeType},
		"unknown class":       {add(func(r *goldap.AddRequest) { r.Attribute("objectClass", []string{"user"}) }), goldap.LDAPResultInvalidAttributeSyntax},
		"server's attribute":  {add(func(r *goldap.AddRequest) { r.Attribute("entryUUID", []string{"x"}) }), goldap.LDAPResultConstraintViolation},
		"two single values":   {add(func(r *goldap.AddRequest) { r.Attribute("displayName", []string{"a", "b"}) }), goldap.LDAPResultConstraintViolation},
		"equal values":        {add(func(r *goldap.AddRequest) { r.Attribute("title", []string{"a", "A "}) }), goldap.LDAPResultAttributeOrValueExists},
		"empty value":         {add(func(r *goldap.AddRequest) { r.Attribute("title", []string{""}) }), goldap.LDAPResultInvalidAttributeSyntax},
		"bad time":            {add(func(r *goldap.AddRequest) { r.Attribute("pwdAccountLockedTime", []string{"now"}) }), goldap.LDAPResultInvalidAttributeSyntax},
		"no sn":               {modify(anna, func(r *goldap.ModifyRequest) { r.Delete("sn", nil) }), goldap.LDAPResultObjectClassViolation},
		"no uid":              {modify(anna, func(r *goldap.ModifyRequest) { r.Replace("uid", []string{"x"}) }), goldap.LDAPResultNotAllowedOnRDN},
		"value there":         {modify(anna, func(r *goldap.ModifyRequest) { r.Add("sn", []string{"EK"}) }), goldap.LDAPResultAttributeOrValueExists},
		"value absent":        {modify(anna, func(r *goldap.ModifyRequest) { r.Delete("sn", []string{"Al"}) }), goldap.LDAPResultNoSuchAttribute},
		"attribute absent":    {modify(anna, func(r *goldap.ModifyRequest) { r.Delete("title", nil) }), goldap.LDAPResultNoSuchAttribute},
		"member there":        {modify(staff, func(r *goldap.ModifyRequest) { r.Add("member", []string{"CN=Staff , " + s.GroupsDN()}) }), goldap.LDAPResultAttributeOrValueExists},
		"last member":         {modify(staff, func(r *goldap.ModifyRequest) { r.Delete("member", []string{staff}) }), goldap.LDAPResultObjectClassViolation},
		"member no DN":        {modify(staff, func(r *goldap.ModifyRequest) { r.Add("member", []string{"anna"}) }), goldap.LDAPResultInvalidAttributeSyntax},
		"modify nobody":       {modify("uid=x,"+people, func(r *goldap.ModifyRequest) { r.Replace("title", nil) }), goldap.LDAPResultNoSuchObject},
		"delete nobody":       {c.Del(goldap.NewDelRequest("uid=x,"+people, nil)), goldap.LDAPResultNoSuchObject},
		"delete with entries": {c.Del(goldap.NewDelRequest(people, nil)), goldap.LDAPResultNotAllowedOnNonLeaf},
		// A part that fails undoes the parts before it.
		"half a modify": {modify(anna, func(r *goldap.ModifyRequest) {
			r.Replace("title", []string{"x"})
			r.Delete("mail", []string{"y"})
		}), goldap.LDAPResultNoSuchAttribute},
	} {
		if got := code(tt.err); got != tt.want {
			t.Errorf("%s: %v, want code %d", name, tt.err, tt.want)
		}
	}
	r, err := c.Search(&goldap.SearchRequest{BaseDN: anna, Filter: "(objectClass=*)"})
	if err != nil || r.Entries[0].GetAttributeValue("title") != "" {
		t.Errorf("half a modify was kept: %v %v", err, r.Entries)
	}
}

func TestSearch(t *testing.T) {
	s := start(t)
	c := signedIn(t, s)
	for i := range 25 {
		r := person(fmt.Sprintf("uid=p%02d,%s", i, s.PeopleDN()))
		if i%2 == 0 {
			r.Attribute("title", []string{`Chef (vik.) *\ ` + fmt.Sprint(i)})
		}
		if err := c.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	count := func(base string, scope int, filter string) int {
		r, err := c.Search(&goldap.SearchRequest{BaseDN: base, Scope: scope, Filter: filter, Attributes: []string{"1.1"}})
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			return -1
		}
		return len(r.Entries)
	}
	for _, tt := range []struct {
		base   string
		scope  int
		filter string
		want   int
	}{
		{s.PeopleDN(), goldap.ScopeWholeSubtree, "(objectClass=*)", 26},
		{s.PeopleDN(), goldap.ScopeSingleLevel, "(objectClass=*)", 25},
		{s.PeopleDN(), goldap.ScopeBaseObject, "(objectClass=*)", 1},
		{base, goldap.ScopeWholeSubtree, "(objectClass=groupOfNames)", 2},
		{base, goldap.ScopeSingleLevel, "(objectClass=groupOfNames)", 0},
		{base, goldap.ScopeWholeSubtree, "(userid=P07)", 1},
		{base, goldap.ScopeWholeSubtree, "(&(uid=p0*)(title=*))", 5},
		{base, goldap.ScopeWholeSubtree, "(&(uid=*)(!(title=*)))", 12},
		{base, goldap.ScopeWholeSubtree, "(|(uid=p01)(uid=p02)(shoeSize=1))", 2},
		{base, goldap.ScopeWholeSubtree, "(!(shoeSize=1))", 0},
		{base, goldap.ScopeWholeSubtree, "(title=" + goldap.EscapeFilter(`Chef (vik.) *\ 4`) + ")", 1},
		{base, goldap.ScopeWholeSubtree, "(title=*" + goldap.EscapeFilter(`(vik.) *\ `) + "*)", 13},
		{base, goldap.ScopeWholeSubtree, "(uid>=p20)", 5},
	} {
		if got := count(tt.base, tt.scope, tt.filter); got != tt.want {
			t.Errorf("%s below %s: %d entries, want %d", tt.filter, tt.base, got, tt.want)
		}
	}
	for _, size := range []uint32{1, 7, 25, 26, 100} {
		r, err := c.SearchWithPaging(&goldap.SearchRequest{BaseDN: s.PeopleDN(), Scope: goldap.ScopeWholeSubtree, Filter: "(objectClass=*)"}, size)
		if err != nil || len(r.Entries) != 26 {
			t.Errorf("pages of %d: %d entries, %v", size, len(r.Entries), err)
		}
	}
	r, err := c.Search(&goldap.SearchRequest{BaseDN: s.PeopleDN(), Scope: goldap.ScopeWholeSubtree, Filter: "(objectClass=*)", SizeLimit: 5})
	if code(err) != goldap.LDAPResultSizeLimitExceeded || len(r.Entries) != 5 {
		t.Errorf("size limit 5: %d entries, %v", len(r.Entries), err)
	}
	if _, err := c.Search(&goldap.SearchRequest{BaseDN: "ou=nowhere," + base, Filter: "(objectClass=*)"}); code(err) != goldap.LDAPResultNoSuchObject {
		t.Errorf("missing base: %v", err)
	}
}

func TestManyClients(t *testing.T) {
	s := start(t)
	var wg sync.WaitGroup
	for i := range 8 {
		c := signedIn(t, s)
		wg.Go(func() {
			for j := range 25 {
				if err := c.Add(person(fmt.Sprintf("uid=p%d-%d,%s", i, j, s.PeopleDN()))); err != nil {
					t.Error(err)
				}
				if _, err := c.Search(&goldap.SearchRequest{BaseDN: s.PeopleDN(), Scope: goldap.ScopeSingleLevel, Filter: "(uid=*)"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	s := start(t)
	c := signedIn(t, s)
	begin := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("again: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("with a client connected it took %s", took)
	}
	if _, err := net.DialTimeout("tcp", s.Addr(), time.Second); err == nil {
		t.Error("it still listens")
	}
	if err := c.Add(person("uid=x," + s.PeopleDN())); err == nil {
		t.Error("it still writes")
	}
}

func TestStartRefusesNonsense(t *testing.T) {
	for name, a := range map[string][3]string{
		"base":     {"nonsense", admin, password},
		"admin":    {base, "", password},
		"password": {base, admin, ""},
	} {
		if _, err := directory.Start(t.Context(), a[0], a[1], a[2], nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/testenv"
)

// signIn is a directory in which people sign in.
type signIn struct {
	*municipality
	people, groups string // DNs
	dial           func() *ldap.Conn
	url            string
	locked         func(dn string) *ldap.ModifyRequest // as IT security does it
}

// may says whether the person can sign in with the first password, and fails
// when the server says neither yes nor no.
func (s *signIn) may(name string) bool {
	s.Helper()
	c, err := ldap.DialURL(s.url, ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	entry := s.find(name)
	err = c.Bind(entry.DN, s.password(name))
	if err != nil && !ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials) {
		s.Fatalf("%s signs in: %v", name, err)
	}
	return err == nil
}

func (s *signIn) find(name string) *ldap.Entry {
	s.Helper()
	r, err := s.dial().Search(&ldap.SearchRequest{BaseDN: s.people, Scope: ldap.ScopeWholeSubtree, Filter: "(sn=" + ldap.EscapeFilter(name) + ")", Attributes: []string{"*", "+", "memberOf"}})
	if err != nil || len(r.Entries) != 1 {
		s.Fatalf("%s: %v, %d entries", name, err, len(r.Entries))
	}
	return r.Entries[0]
}

// password is the first password that was handed over for the person.
func (s *signIn) password(name string) string {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "first-passwords", "*.json"))
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		var p struct{ Account, Password string }
		if err != nil || json.Unmarshal(b, &p) != nil {
			s.Fatal(file, err)
		}
		if strings.HasSuffix(p.Account, strings.ToLower(name[:3])) {
			return p.Password
		}
	}
	s.Fatalf("no password was handed over for %s", name)
	return ""
}

func (s *signIn) members(group string) (members []string) {
	s.Helper()
	r, err := s.dial().Search(&ldap.SearchRequest{BaseDN: s.groups, Scope: ldap.ScopeSingleLevel, Filter: "(cn=" + group + ")", Attributes: []string{"member"}})
	if err != nil || len(r.Entries) != 1 {
		s.Fatalf("group %s: %v", group, err)
	}
	for _, m := range r.Entries[0].GetAttributeValues("member") {
		if !strings.EqualFold(m, r.Entries[0].DN) {
			members = append(members, m)
		}
	}
	return members
}

func (s *signIn) modify(m *ldap.ModifyRequest) {
	s.Helper()
	if err := s.dial().Modify(m); err != nil {
		s.Fatal(err)
	}
}

func (s *signIn) files(ldapConfig string) {
	s.Helper()
	master, err := seal.NewMaster()
	if err != nil {
		s.Fatal(err)
	}
	key := string(master)
	for name, text := range map[string]string{
		"behov.key": key,
		"units.csv": "unit,parent,name\nschool,,\nlibrary,,\n",
		"behov.yaml": "targets:\n  directory:\n    hold_above: {all: {number: 50}}\n    attributes: {cn: \"{{.GivenName}} {{.FamilyName}}\", sn: \"{{.FamilyName}}\"}\n" +
			"    first_password: {directory: first-passwords}\n    ldap: {first_password: {keep: true}, " + ldapConfig + "}\n",
		"catalogue.yaml": "systems:\n  base: {target: directory, entitlements: {staff: {}, school: {native: school}}}\n",
		"rights.csv":     "g, hr/1003, operator\n",
		"policy.csv":     "p, staff, true, base:staff, allow, everybody\np, school, \"r.sub.unit == 'school'\", base:school, allow, school\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			s.Fatal(err)
		}
	}
}

func onOpenLDAP(t *testing.T) *signIn {
	slapd := testenv.StartSlapd(t)
	s := &signIn{municipality: &municipality{T: t, dir: t.TempDir(), slapd: slapd, secrets: []string{slapd.Password}}, people: slapd.PeopleDN, groups: slapd.GroupsDN, dial: slapd.Dial, url: slapd.URL}
	t.Setenv("BEHOV_TEST_LDAP", slapd.Password)
	for _, g := range []string{"staff", "school"} {
		r := ldap.NewAddRequest("cn="+g+","+s.groups, nil)
		r.Attribute("objectClass", []string{"groupOfNames"})
		r.Attribute("member", []string{"cn=" + g + "," + s.groups})
		if err := s.dial().Add(r); err != nil {
			t.Fatal(err)
		}
	}
	s.files(fmt.Sprintf("url: %q, plaintext: true, bind_dn: %q, password: env:BEHOV_TEST_LDAP, people_dn: %q, groups_dn: %q", slapd.URL, slapd.BindDN, s.people, s.groups))
	s.locked = func(dn string) *ldap.ModifyRequest {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace("pwdAccountLockedTime", []string{"000001010000Z"})
		return m
	}
	return s
}

func onActiveDirectory(t *testing.T) *signIn {
	samba := testenv.StartSamba(t)
	s := &signIn{municipality: &municipality{T: t, dir: t.TempDir(), samba: samba, secrets: []string{samba.Password}}, people: adPeople, groups: adGroups, dial: samba.Dial, url: samba.SecureURL}
	t.Setenv("BEHOV_TEST_AD", samba.Password)
	for dn, attributes := range map[string]map[string][]string{
		adPeople: {"objectClass": {"organizationalUnit"}}, adGroups: {"objectClass": {"organizationalUnit"}},
	} {
		r := ldap.NewAddRequest(dn, nil)
		for name, values := range attributes {
			r.Attribute(name, values)
		}
		if err := s.dial().Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range []string{"staff", "school"} {
		r := ldap.NewAddRequest("CN="+g+","+adGroups, nil)
		r.Attribute("objectClass", []string{"group"})
		r.Attribute("sAMAccountName", []string{g})
		if err := s.dial().Add(r); err != nil {
			t.Fatal(err)
		}
	}
	s.files(fmt.Sprintf("url: %q, ca_file: %q, bind_dn: %q, password: env:BEHOV_TEST_AD, people_dn: %q, groups_dn: %q", samba.SecureURL, samba.CAFile, samba.UPN, s.people, s.groups))
	s.locked = func(dn string) *ldap.ModifyRequest {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace("userAccountControl", []string{"514"})
		return m
	}
	return s
}

// TestClosedIsClosed: on OpenLDAP and on Active Directory, a leaver who could
// sign in is refused; what IT security disabled stays disabled until a person
// decides; what was moved away is closed where it is; a group that was renamed
// in case only is left.
func TestClosedIsClosed(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *signIn{"OpenLDAP": onOpenLDAP, "Active Directory": onActiveDirectory} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.behov(0, "a disabled account is shut out: a test account signed in, was disabled, and was refused", "check")
			const anna, bert, cilla = "1001|Anna|Berg|school|Teacher|", "1002|Bert|Dahl|school|Teacher|", "1003|Cilla|Ekman|school|Teacher|"
			s.hr(anna, bert, cilla, "1009|Zoe|Zorn|school|Teacher||2020-12-31")
			s.behov(0, "3 accounts created", "apply", "--yes")
			for _, who := range []string{"Berg", "Dahl"} {
				if !s.may(who) {
					t.Fatalf("%s cannot sign in: the test shows nothing", who)
				}
			}

			// A leaver, whose group was renamed in case only.
			rename := ldap.NewModifyDNRequest(s.group("school"), "CN=School", true, "")
			if err := s.dial().ModifyDN(rename); err != nil {
				t.Fatal(err)
			}
			s.hr(anna+"|2020-12-31", bert, cilla, "1009|Zoe|Zorn|school|Teacher||2020-12-31")
			s.behov(0, "1 account disabled", "apply", "--yes", "--person", "1001")
			if s.may("Berg") {
				t.Error("the leaver signs in")
			}
			for _, group := range []string{"staff", "school"} {
				if got := s.members(group); len(got) != 2 {
					t.Errorf("in %s are %v", group, got)
				}
			}
			s.behov(0, "nothing to do", "plan")

			// IT security disables Bert.
			s.modify(s.locked(s.find("Dahl").DN))
			for range 2 {
				s.behov(3, "was disabled in the target, not by behov", "plan")
				s.behov(3, "1 step is held", "apply", "--yes")
				if s.may("Dahl") {
					t.Fatal("what IT security disabled was enabled")
				}
			}
			s.behov(1, "no one decides about themselves", "enable", "1002", "--reason", "let me in", "--by", "1002")
			s.behov(0, "Decided", "enable", "1002", "--reason", "the incident is closed", "--by", "1003")
			s.behov(0, "1 account enabled", "apply", "--yes")
			if !s.may("Dahl") {
				t.Error("released, and cannot sign in")
			}
			s.behov(0, "nothing to do", "plan")

			// Cilla's account is moved out of people_dn, and she leaves.
			old := strings.Replace(s.people, s.people[:strings.Index(s.people, ",")], "OU=Old", 1)
			r := ldap.NewAddRequest(old, nil)
			r.Attribute("objectClass", []string{"organizationalUnit"})
			if err := s.dial().Add(r); err != nil {
				t.Fatal(err)
			}
			dn := s.find("Ekman").DN
			rdn, _, _ := strings.Cut(dn, ",")
			if err := s.dial().ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, old)); err != nil {
				t.Fatal(err)
			}
			s.behov(0, "was moved out of what behov reads in the target, to ", "plan")
			s.behov(0, "Nothing to do", "apply", "--yes")
			s.behov(0, "not seen since", "audit", "access", "1003")
			s.behov(0, "not seen", "status")
			s.hr(anna+"|2020-12-31", bert, cilla+"|2020-12-31", "1009|Zoe|Zorn|school|Teacher||2020-12-31")
			s.behov(0, "1 account disabled", "apply", "--yes")
			s.people = old
			if s.may("Ekman") {
				t.Error("a leaver whose account was moved signs in")
			}
			s.behov(0, "Audit trail verified", "audit", "verify")
		})
	}
}

func (s *signIn) group(cn string) string {
	s.Helper()
	r, err := s.dial().Search(&ldap.SearchRequest{BaseDN: s.groups, Scope: ldap.ScopeSingleLevel, Filter: "(cn=" + cn + ")", Attributes: []string{"1.1"}})
	if err != nil || len(r.Entries) != 1 {
		s.Fatalf("group %s: %v", cn, err)
	}
	return r.Entries[0].DN
}

// TestALeaverWhoSignsInIsTold: on an OpenLDAP whose policy has no pwdLockout a
// disabled account signs in. check says what to set, apply and plan do not call
// it closed, and when it is set the leaver is shut out.
func TestALeaverWhoSignsInIsTold(t *testing.T) {
	s := onOpenLDAP(t)
	policy := func(lockout string) {
		m := ldap.NewModifyRequest("cn=policy,"+s.slapd.BaseDN, nil)
		m.Replace("pwdLockout", []string{lockout})
		s.modify(m)
	}
	policy("FALSE")
	const left = "1009|Zoe|Zorn|school|Teacher||2020-12-31"
	s.hr("1001|Anna|Berg|school|Teacher|", left)
	s.behov(2, "nothing shows that a disabled account cannot sign in here: it was not tried: behov check", "plan")
	s.behov(0, "1 account created", "apply", "--yes")
	s.behov(1, "set pwdLockout TRUE in the password policy", "check")
	s.hr("1001|Anna|Berg|school|Teacher||2020-12-31", left)
	s.behov(1, "the account is marked as disabled, and can sign in all the same", "apply", "--yes")
	if !s.may("Berg") {
		t.Fatal("the leaver is shut out: the test shows nothing")
	}
	s.behov(0, "Berg", "audit", "who-had", "account")
	s.behov(2, "ACCOUNTS CANNOT BE DISABLED HERE", "plan")
	s.behov(3, "CANNOT BE DISABLED", "status")
	policy("TRUE")
	s.behov(0, "a disabled account is shut out", "check")
	s.behov(0, "", "apply", "--yes")
	if s.may("Berg") {
		t.Error("the leaver signs in")
	}
	s.behov(0, "No one had account then", "audit", "who-had", "account")
}

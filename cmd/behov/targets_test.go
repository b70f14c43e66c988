package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors/graph/standin"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/testenv"
)

// municipality is an installation with four targets of four kinds: Active
// Directory, OpenLDAP, a SCIM service and Entra ID.
type municipality struct {
	*testing.T
	dir    string
	samba  *testenv.Samba
	slapd  *testenv.Slapd
	scimmy *testenv.SCIMMYServer
	app    string // the SCIM service's URL
	entra  *standin.Server
	front  *httptest.Server
	down   bool // Entra answers 503
	groups map[string]string
	// secrets are not told by any command.
	secrets []string
}

const (
	adPeople = "OU=People,DC=kommun,DC=test"
	adGroups = "OU=Roles,DC=kommun,DC=test"
)

func newMunicipality(t *testing.T) *municipality {
	m := &municipality{T: t, dir: t.TempDir(), samba: testenv.StartSamba(t), slapd: testenv.StartSlapd(t), scimmy: testenv.SCIMMY(t), groups: map[string]string{}}
	m.secrets = []string{m.samba.Password, m.scimmy.Token, "entra-secret"}
	m.entra = standin.New(standin.Options{ClientID: "behov", ClientSecret: "entra-secret", Licences: []standin.Licence{{SKU: "SPE_E3", Units: 50}}})
	m.app = m.scimmy.Service()
	m.front = m.overTLS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.down && !strings.HasSuffix(r.URL.Path, "/token") && !strings.Contains(r.URL.Path, "openid-configuration") {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		m.entra.ServeHTTP(w, r)
	}))
	m.makeGroups()
	m.configure()
	return m
}

func (m *municipality) overTLS(h http.Handler) *httptest.Server {
	m.Helper()
	files, err := testenv.NewCertificates(m.dir)
	if err != nil {
		m.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		m.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	m.Cleanup(s.Close)
	return s
}

func (m *municipality) makeGroups() {
	m.Helper()
	ad := m.samba.Dial()
	add := func(c *ldap.Conn, dn string, attributes map[string][]string) {
		m.Helper()
		r := ldap.NewAddRequest(dn, nil)
		for name, values := range attributes {
			r.Attribute(name, values)
		}
		if err := c.Add(r); err != nil {
			m.Fatalf("%s: %v", dn, err)
		}
	}
	for _, dn := range []string{adPeople, adGroups} {
		add(ad, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	for _, g := range []string{"staff", "school"} {
		add(ad, "CN="+g+","+adGroups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {g}})
		add(m.slapd.Dial(), "cn="+g+","+m.slapd.GroupsDN, map[string][]string{"objectClass": {"groupOfNames"}, "member": {"cn=" + g + "," + m.slapd.GroupsDN}})
		m.groups[g] = m.entra.AddGroup(g, nil)
		m.post(m.app+"/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q}`, g))
	}
	// Anna's account was there before behov, and one of no one's.
	add(ad, "CN=Anna Berg,"+adPeople, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"oldanna"}, "employeeID": {"1001"}, "userAccountControl": {"544"}})
	add(ad, "CN=svc-backup,"+adPeople, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"svc-backup"}, "userAccountControl": {"514"}})
	join := ldap.NewModifyRequest("CN=school,"+adGroups, nil)
	join.Add("member", []string{"CN=Anna Berg," + adPeople})
	if err := ad.Modify(join); err != nil {
		m.Fatal(err)
	}
}

func (m *municipality) post(url, body string) {
	m.Helper()
	r, err := http.NewRequestWithContext(m.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		m.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+m.scimmy.Token)
	r.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		m.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated {
		m.Fatalf("%s: %s", url, res.Status)
	}
}

func (m *municipality) configure() {
	m.Helper()
	for name, value := range map[string]string{"AD": m.samba.Password, "LDAP": m.slapd.Password, "SCIM": m.scimmy.Token, "ENTRA": "entra-secret"} {
		m.Setenv("BEHOV_TEST_"+name, value)
	}
	key, err := seal.NewMaster()
	if err != nil {
		m.Fatal(err)
	}
	_, port, err := net.SplitHostPort(m.front.Listener.Addr().String())
	if err != nil {
		m.Fatal(err)
	}
	front := "https://127.0.0.1:" + port
	files := map[string]string{
		"behov.key": string(key),
		"units.csv": "unit,parent,name\nschool,,\nlibrary,,\n",
		"behov.yaml": fmt.Sprintf(`mfa: {target: entra}
targets:
  ad:
    ignore: ["svc-*"]
    hold_above: {all: {number: 50}}
    adopt: [{employeeID: "{{.Key}}"}]
    name: {value: "{{.Login}}", max_length: 20, collision: number}
    attributes:
      cn: "{{.GivenName}} {{.FamilyName}}"
      givenName: "{{.GivenName}}"
      sn: "{{.FamilyName}}"
      userPrincipalName: "{{.Account}}@kommun.test"
      title: {value: "{{.JobTitle}}", default: "-"}
      info: {value: "hired as {{.JobTitle}}", set: create}
      manager: {reference: manager}
    first_password: {directory: first-passwords}
    limits: {requests_per_second: 500}
    ldap: {url: %q, ca_file: %q, bind_dn: %q, password: env:BEHOV_TEST_AD, people_dn: %q, groups_dn: %q, anchor_attribute: msDS-cloudExtensionAttribute1}
  openldap:
    hold_above: {all: {number: 50}}
    attributes: {cn: "{{.GivenName}} {{.FamilyName}}", sn: "{{.FamilyName}}", manager: {reference: manager}}
    ldap: {url: %q, plaintext: true, bind_dn: %q, password: env:BEHOV_TEST_LDAP, people_dn: %q, groups_dn: %q}
  app:
    hold_above: {all: {number: 50}}
    name: "{{.Login}}@kommun.test"
    attributes:
      name.givenName: "{{.GivenName}}"
      name.familyName: "{{.FamilyName}}"
      "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager": {reference: manager}
    scim: {url: %q, plaintext: true, token: env:BEHOV_TEST_SCIM}
  entra:
    hold_above: {all: {number: 50}}
    name: {value: "{{lower (ascii .GivenName)}}.{{lower (ascii .FamilyName)}}", rename: true, collision: number}
    attributes:
      displayName: "{{.GivenName}} {{.FamilyName}}"
      jobTitle: "{{.JobTitle}}"
      manager: {reference: manager}
    graph: {url: %q, authority: %q, ca_file: %q, tenant_id: 00000000-0000-4000-8000-000000000001, client_id: behov, client_secret: env:BEHOV_TEST_ENTRA, domain: kommun.test, usage_location: SE, licences: true, mfa: true}
`, m.samba.SecureURL, m.samba.CAFile, m.samba.UPN, adPeople, adGroups,
			m.slapd.URL, m.slapd.BindDN, m.slapd.PeopleDN, m.slapd.GroupsDN, m.app,
			front+"/v1.0", front, filepath.Join(m.dir, "ca.pem")),
		"catalogue.yaml": `systems:
  ad: {target: ad, entitlements: {staff: {}, school: {}}}
  ldap: {target: openldap, entitlements: {staff: {}, school: {}}}
  app: {target: app, entitlements: {staff: {}, school: {}}}
  entra: {target: entra, entitlements: {staff: {}, school: {mfa: true}, office: {native: "licence:SPE_E3"}}}
`,
	}
	var rules strings.Builder
	for _, system := range []string{"ad", "ldap", "app", "entra"} {
		fmt.Fprintf(&rules, "p, %[1]s-staff, true, %[1]s:staff, allow, everybody\np, %[1]s-school, \"r.sub.unit == 'school'\", %[1]s:school, allow, school\n", system)
	}
	files["rights.csv"] = "g, hr/1001, operator\n"
	files["policy.csv"] = rules.String() + "p, office, true, entra:office, allow, everybody writes\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			m.Fatal(err)
		}
	}
}

// hr imports an export; each row is "key given family unit title manager end".
func (m *municipality) hr(rows ...string) {
	m.Helper()
	text := "person_id,employment_id,given_name,family_name,unit,job_title,manager_id,end_date,start_date\n"
	for _, row := range rows {
		f := append(strings.Split(row, "|"), "", "", "")
		text += fmt.Sprintf("%s,E%s,%s,\"%s\",%s,%s,%s,%s,2020-01-01\n", f[0], f[0], f[1], f[2], f[3], f[4], f[5], f[6])
	}
	file := filepath.Join(m.dir, "hr.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
	m.behov(0, "", "hr", "import", file)
}

// behov runs a command, which must end with the status and say something.
func (m *municipality) behov(code int, want string, args ...string) string {
	m.Helper()
	var out, errs bytes.Buffer
	got := status(run(m.Context(), append([]string{"-c", m.dir}, args...), nil, &out, &errs), &errs)
	all := out.String() + errs.String()
	if got != code || !strings.Contains(all, want) {
		m.Fatalf("behov %s: exit status %d, want %d and %q in\n%s", strings.Join(args, " "), got, code, want, all)
	}
	for _, secret := range m.secrets {
		if strings.Contains(all, secret) {
			m.Errorf("behov %s tells a secret:\n%s", strings.Join(args, " "), all)
		}
	}
	return all
}

// findingNamesTheAccount: a finding names the account and where it is, and in JSON
// only with --values.
func (m *municipality) findingNamesTheAccount() {
	m.Helper()
	const dn = "CN=Vilse Konto," + adPeople
	lost := ldap.NewAddRequest(dn, nil)
	for name, value := range map[string]string{"objectClass": "user", "sAMAccountName": "vilse", "userAccountControl": "514"} {
		lost.Attribute(name, []string{value})
	}
	if err := m.samba.Dial().Add(lost); err != nil {
		m.Fatal(err)
	}
	m.behov(0, "orphan (ad, account vilse in ou=People,dc=kommun,dc=test)", "plan")
	m.behov(0, `"name": "vilse"`, "plan", "--values", "--json")
	if said := m.behov(0, "orphan", "plan", "--json"); strings.Contains(said, "vilse") {
		m.Errorf("a plan holds a login name:\n%s", said)
	}
	if err := m.samba.Dial().Del(ldap.NewDelRequest(dn, nil)); err != nil {
		m.Fatal(err)
	}
}

// ad finds an account in Active Directory by its sAMAccountName.
func (m *municipality) ad(name string) *ldap.Entry {
	m.Helper()
	r, err := m.samba.Dial().Search(&ldap.SearchRequest{BaseDN: adPeople, Scope: ldap.ScopeSingleLevel, Filter: "(sAMAccountName=" + ldap.EscapeFilter(name) + ")",
		Attributes: []string{"*", "memberOf"}})
	if err != nil || len(r.Entries) != 1 {
		m.Fatalf("%s in Active Directory: %v", name, err)
	}
	return r.Entries[0]
}

// user finds an account in Entra ID by its name.
func (m *municipality) user(name string) (id string, properties map[string]any) {
	m.Helper()
	for _, id := range m.entra.Users() {
		if u := m.entra.User(id); u["userPrincipalName"] == name+"@kommun.test" {
			return id, u
		}
	}
	m.Fatalf("there is no %s in Entra ID", name)
	return "", nil
}

// TestFourKindsOfTarget takes a municipality with Active Directory, OpenLDAP, a
// SCIM service and Entra ID from the first load to a leaver, one target down
// included.
func TestFourKindsOfTarget(t *testing.T) {
	m := newMunicipality(t)
	m.behov(0, "Configuration OK: 9 entitlements, 9 rules, 4 targets (all of which answer)", "check")
	m.hr("1001|Anna|Berg|school|Teacher|1002", "1002|Åsa|Öberg|school|Head||", "1003|Anna|Berg|library|Librarian|1002", "1004|Łukasz|O'Neill, jr|library|Porter|1002")
	m.behov(2, "1 account adopted, 15 accounts created", "plan")
	m.behov(0, "1 account adopted", "apply", "--yes")
	m.behov(0, "nothing to do", "plan")
	m.findingNamesTheAccount()

	// Active Directory: adopted, enabled, with a manager; namesakes; passwords.
	anna := m.ad("oldanna")
	if uac := anna.GetAttributeValue("userAccountControl"); uac != "544" || anna.GetAttributeValue("title") != "Teacher" || anna.GetAttributeValue("info") != "" ||
		!strings.HasPrefix(anna.GetAttributeValue("manager"), "CN=Åsa Öberg,") || len(anna.GetAttributeValues("memberOf")) != 2 {
		anna.PrettyPrint(2)
		t.Error("the adopted account is not as it should be")
	}
	asa := m.ad("asaobe")
	if asa.GetAttributeValue("userPrincipalName") != "asaobe@kommun.test" || asa.GetAttributeValue("info") != "hired as Head" || asa.GetAttributeValue("pwdLastSet") != "0" {
		asa.PrettyPrint(2)
		t.Error("the new account is not as it should be")
	}
	if files, err := os.ReadDir(filepath.Join(m.dir, "first-passwords")); err != nil || len(files) != 3 {
		t.Errorf("first passwords of three people: %v, %v", files, err)
	}
	// Entra ID: numbered names, managers, licences, MFA.
	first, _ := m.user("anna.berg")
	second, _ := m.user("anna.berg2")
	boss, user := m.user("asa.oberg")
	if m.entra.Manager(first) != boss || m.entra.Manager(second) != boss || user["jobTitle"] != "Head" {
		t.Errorf("managers %s, %s; %v", m.entra.Manager(first), m.entra.Manager(second), user)
	}
	if got := m.entra.Members(m.groups["staff"]); len(got) != 4 {
		t.Errorf("staff in Entra ID: %v", got)
	}
	if got := m.entra.Members(m.groups["school"]); len(got) != 0 {
		t.Errorf("without MFA they are in school already: %v", got)
	}
	pass := m.behov(0, "Valid until", "mfa", "pass", "1002", "--reason", "first day", "--by", "1001")
	if trail := m.behov(0, "", "audit", "access", "1002", "--json"); strings.Contains(trail, strings.Fields(pass)[0]) {
		t.Error("the pass is in the trail")
	}
	m.behov(0, "Withdrawn", "mfa", "withdraw", "1002", "--reason", "used", "--by", "1001")
	m.entra.SetMFA(boss, true)
	m.behov(0, "1 entitlement given", "apply", "--yes")

	m.moverAndLeaver(boss, first, second)
}

func (m *municipality) moverAndLeaver(boss, first, second string) {
	// A mover, a new name, and Entra ID is down: the others go on.
	m.hr("1001|Anna|Berg|library|Librarian|1002", "1002|Åsa|Ek|school|Head||", "1003|Anna|Berg|library|Librarian|1002", "1004|Łukasz|O'Neill, jr|library|Porter|1002")
	m.down = true
	m.behov(1, "target entra could not be read", "apply", "--yes")
	if got := m.ad("oldanna").GetAttributeValues("memberOf"); len(got) != 1 {
		m.Errorf("the mover is in %v", got)
	}
	if asa := m.ad("asaobe"); asa.DN != "CN=Åsa Ek,"+adPeople {
		m.Errorf("the entry is still %s", asa.DN)
	}
	m.down = false
	m.behov(0, "1 account renamed", "apply", "--yes")
	if id, _ := m.user("asa.ek"); id != boss {
		m.Error("another account has the new name")
	}
	m.behov(0, "nothing to do", "plan")

	// A leaver: signed out, disabled and empty everywhere.
	m.hr("1001|Anna|Berg|library|Librarian|1002|2020-12-31", "1002|Åsa|Ek|school|Head||", "1003|Anna|Berg|library|Librarian|1002", "1004|Łukasz|O'Neill, jr|library|Porter|1002")
	m.behov(0, "4 accounts disabled", "apply", "--yes")
	anna := m.ad("oldanna")
	if anna.GetAttributeValue("userAccountControl") != "546" || len(anna.GetAttributeValues("memberOf")) != 0 {
		m.Error("the leaver's account in Active Directory is not closed")
	}
	gone := 0
	for _, id := range []string{first, second} {
		if m.entra.User(id)["accountEnabled"] == false && m.entra.Revoked(id) == 1 {
			gone++
		}
	}
	if got := m.entra.Members(m.groups["staff"]); gone != 1 || len(got) != 3 {
		m.Errorf("in Entra ID %d are closed; staff are %v", gone, got)
	}
	m.behov(0, "nothing to do", "plan")
	m.behov(0, "Audit trail verified", "audit", "verify")
}

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/testenv"
)

// secured is a behov serve that listens with TLS, and at which people sign in.
type secured struct {
	*household
	url      string
	provider *testenv.OIDCProvider
	trust    *tls.Config
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{household: newHousehold(t), url: fmt.Sprintf("https://127.0.0.1:%d", testenv.FreePort(t))}
	s.provider = testenv.NewOIDCProvider(t, testenv.OIDCClient{ID: "behov", Secret: "geheim", RedirectURIs: []string{s.url + "/sign-in/callback"}, SignedOutURIs: []string{s.url + "/"}})
	t.Setenv("BEHOV_TEST_SIGN_IN", "geheim")
	s.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nsign_in: {issuer: '"+s.provider.Issuer+"', client: behov, secret: 'env:BEHOV_TEST_SIGN_IN', url: '"+s.url+"', person: {claim: employee_id}, mfa: {amr: [mfa]}}\n")
	s.ok("hr", "import", s.file("hr.csv"))
	files, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s.trust = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	replica := startService(t, buildBinary(t), s.dir, "--listen", strings.TrimPrefix(s.url, "https://"), "--cert", files.Cert, "--cert-key", files.Key)
	client := s.client()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if res := s.send(client, http.MethodGet, "/ready", nil); res.status == http.StatusOK {
			return s
		}
		if time.Now().After(deadline) {
			replica.kill()
			t.Fatalf("behov is not ready:\n%s", replica.out.String())
		}
	}
}

func (s *secured) client() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: s.trust}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is an answer to a request; its status is 0 when there was none.
type reply struct {
	status   int
	header   http.Header
	cookies  []*http.Cookie
	location string
}

// send sends one request, and follows nothing.
func (s *secured) send(client *http.Client, method, address string, header map[string]string) reply {
	s.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = s.url + address
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		return reply{}
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		s.t.Fatal(err)
	}
	out := reply{res.StatusCode, res.Header, res.Cookies(), ""}
	if to, err := res.Location(); err == nil {
		out.location = to.String()
	}
	return out
}

// TestSessionsOverTLS: over a real TLS listener every cookie is one that no other host sets,
// no plain connection shows and no script reads; no answer with one is kept; and no page of
// another site signs a person out.
func TestSessionsOverTLS(t *testing.T) {
	s := newSecured(t)
	client := s.client()
	s.provider.Next(testenv.OIDCLogin{Subject: "sub", AMR: []string{"mfa"}, Claims: map[string]any{"employee_id": "1001"}})
	seen := map[string]bool{}
	at := s.url + signin.Path
	for hop := 0; ; hop++ {
		if hop > 15 {
			t.Fatalf("the browser is still at %s", at)
		}
		res := s.send(client, http.MethodGet, at, nil)
		if strings.HasPrefix(at, s.url) {
			checkCookies(t, at, res, seen)
		}
		if at = res.location; at == "" {
			break
		}
	}
	if !seen["__Host-behov"] || len(seen) != 2 {
		t.Errorf("the cookies of a sign-in: %v", seen)
	}
	me := func() int { return s.send(client, http.MethodGet, api.Path+"/me", nil).status }
	if status := me(); status != http.StatusOK {
		t.Fatalf("not signed in: %d", status)
	}
	for what, header := range map[string]map[string]string{"Origin": {"Origin": "https://evil.example.org"}, "Sec-Fetch-Site": {"Sec-Fetch-Site": "cross-site"}, "a sandbox": {"Origin": "null"}} {
		res := s.send(client, http.MethodPost, signin.OutPath, header)
		if status := me(); res.status != http.StatusForbidden || len(res.cookies) > 0 || status != http.StatusOK {
			t.Errorf("another site signs out, by %s: %d %v, and then %d", what, res.status, res.header, status)
		}
	}
	if res := s.send(client, http.MethodGet, signin.OutPath, nil); res.status != http.StatusMethodNotAllowed || me() != http.StatusOK {
		t.Errorf("a link signs out: %d", res.status)
	}
	// The cookie is that of a session and nothing else: in the plain name it is none.
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	value := ""
	for _, c := range client.Jar.Cookies(u) {
		if c.Name == "__Host-behov" {
			value = c.Value
		}
	}
	if res := s.send(s.client(), http.MethodGet, api.Path+"/me", map[string]string{"Cookie": "behov=" + value}); res.status != http.StatusUnauthorized {
		t.Errorf("the session under another name: %d", res.status)
	}
	res := s.send(client, http.MethodPost, signin.OutPath, map[string]string{"Origin": s.url})
	if checkCookies(t, signin.OutPath, res, seen); me() != http.StatusUnauthorized {
		t.Errorf("signed out: %d, and still known", res.status)
	}
}

// checkCookies checks an answer's cookies, and that nothing keeps the answer.
func checkCookies(t *testing.T, at string, res reply, seen map[string]bool) {
	t.Helper()
	at, _, _ = strings.Cut(at, "?")
	for _, c := range res.cookies {
		name := c.Name
		if strings.HasPrefix(name, "__Host-behov-sign-in-") {
			name = "__Host-behov-sign-in-"
		}
		seen[name] = true
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s sets %s", at, c.Raw)
		}
	}
	if !strings.Contains(res.header.Get("Cache-Control"), "no-store") || res.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s: %v", at, res.header)
	}
}

// TestInjectionsIntoDirectory: no text of any parameter of the API is part of a filter or a
// name in the directory: what behov serve does there meanwhile leaves all as it was but for
// the people whom the requests name.
func TestInjectionsIntoDirectory(t *testing.T) {
	slapd := testenv.StartSlapd(t)
	h := &household{t: t, dir: ldapInstallation(t, slapd), now: time.Now}
	for name, text := range storyFiles {
		if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.edit("rights.csv", "g, hr/administrator, administrator\n", "g, hr/administrator, administrator\ng, hr/administrator, hr\ng, hr/administrator, operator\n")
	h.edit("behov.yaml", "targets:\n", "timezone: Europe/Stockholm\nhr: {sources: {hr: {}}}\nserve: {limits: {requests_per_address: 100000, requests_per_subject: 100000}}\ntargets:\n")
	rows := "person_id,employment_id,given_name,family_name,unit,start_date\n"
	for _, key := range []string{"administrator", "owner", "anna", "bo"} {
		rows += key + ",E-" + key + ",Given,Family" + key + ",office,2020-01-01\n"
	}
	if err := os.WriteFile(h.file("roles.csv"), []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	h.ok("hr", "import", h.file("roles.csv"))
	h.ok("apply", "--yes")
	before := entries(t, slapd)
	s := h.listen("--apply", "--every", "1s")
	base, token := "http://"+s.address, ownToken(t, h.dir, "administrator")
	// HR's own columns reach the directory: a person named as a filter is one entry.
	evil := `[{"person_id":"*)(uid=*","employment_id":"x,ou=y","given_name":"*)(uid=*))(|(uid=*","family_name":"x,dc=y+cn=\\2a","email":"a@x)(uid=*","phone":"*","unit":"office","start_date":"2020-01-01"}]`
	all := append(testenv.Injections(t, fetched(t, base+api.Path+"/openapi.json"), map[string]string{"person": "anna", "other": "bo", "entitlement": "lib:library", "system": "lib", "target": "ldap", "digest": "abc", "item": "1-1", "id": "none", "source": "hr", "type": "person", "name": "use"}),
		testenv.Injection{Method: http.MethodPost, Path: api.Path + "/targets/ldap/resume", Body: `{"reason":"it may be paused"}`, Where: "the target"},
		testenv.Injection{Method: http.MethodPost, Path: api.Path + "/hr/events", Body: `{"events":` + evil + `}`, Where: "the evil person"})
	for _, i := range all {
		r, err := http.NewRequestWithContext(t.Context(), i.Method, base+i.Path, bytes.NewReader([]byte(i.Body)))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range i.Header {
			r.Header.Set(name, value)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(i, err)
		}
		b, err := io.ReadAll(res.Body)
		if _ = res.Body.Close(); err != nil || res.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%s: %s %s, %v", i, res.Status, b, err)
		}
	}
	var after map[string]string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		after = entries(t, slapd)
		if len(after) == len(before)+1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the directory has %d entries, not %d: %v\n%s", len(after), len(before)+1, after, s.errs.String())
		}
	}
	for dn, was := range before {
		if is := after[dn]; is != was && !strings.HasPrefix(was, "Familyanna") && !strings.HasPrefix(was, "Familybo") { // whom the requests are about
			t.Errorf("%s was %s, and is %s", dn, was, is)
		}
	}
	h.ok("audit", "verify")
	t.Logf("%d injections", len(all))
}

// entries are the people of a directory, with what they have, by DN.
func entries(t *testing.T, s *testenv.Slapd) map[string]string {
	t.Helper()
	found, err := s.Dial().Search(ldap.NewSearchRequest(s.PeopleDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=inetOrgPerson)", []string{"sn", "cn", "mail", "uid", "pwdAccountLockedTime"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range found.Entries {
		all[e.DN] = strings.Join([]string{e.GetAttributeValue("sn"), e.GetAttributeValue("cn"), e.GetAttributeValue("mail"), e.GetAttributeValue("uid"), e.GetAttributeValue("pwdAccountLockedTime")}, "|")
	}
	return all
}

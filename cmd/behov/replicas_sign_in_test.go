package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/testenv"
)

// balancer sends requests to replicas in turn, or to one alone. What changes nothing is sent
// to the next when a replica does not answer.
type balancer struct {
	mu       sync.Mutex
	replicas []string // HOST:PORT
	turn     int
	only     int // -1 for all
	answered []int
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	first, tries := b.turn, len(b.replicas)
	b.turn++
	if b.only >= 0 {
		first, tries = b.only, 1
	}
	b.mu.Unlock()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		tries = 1
	}
	var err error
	for n := range tries {
		to := (first + n) % len(b.replicas)
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host = "http", b.replicas[to]
		var res *http.Response
		if res, err = http.DefaultTransport.RoundTrip(out); err == nil {
			b.mu.Lock()
			b.answered[to]++
			b.mu.Unlock()
			return res, nil
		}
	}
	return nil, err
}

// pin sends everything to one replica; to all in turn when it is -1.
func (b *balancer) pin(replica int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.only = replica
}

// cluster is two replicas on one PostgreSQL database behind one address, at which people
// sign in.
type cluster struct {
	t        *testing.T
	binary   string
	dir      string
	replicas []*realService
	balancer *balancer
	front    *httptest.Server
	provider *testenv.OIDCProvider
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), balancer: &balancer{only: -1, answered: make([]int, 2)}}
	database := testenv.StartPostgres(t).Database()
	c.front = httptest.NewServer(&httputil.ReverseProxy{Transport: c.balancer, Rewrite: func(r *httputil.ProxyRequest) { r.SetXForwarded() }})
	t.Cleanup(c.front.Close)
	c.provider = testenv.NewOIDCProvider(t, testenv.OIDCClient{ID: "behov", Secret: "geheim", RedirectURIs: []string{c.front.URL + "/sign-in/callback"}, SignedOutURIs: []string{c.front.URL + "/"},
		BackChannelLogout: c.front.URL + signin.BackChannelPath, SessionRequired: true})
	t.Setenv("BEHOV_TEST_SIGN_IN", "geheim")
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"behov.key": string(key), "catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n", "policy.csv": "p, everyone, true, base:staff, allow, everybody\n", "units.csv": "unit,parent,name\noffice,,The office\n",
		"hr.csv": "person_id,employment_id,given_name,family_name,unit,start_date\nanna,E1,Anna,Ask,office,2020-01-01\nbo,E2,Bo,Björk,office,2020-01-01\n",
		"behov.yaml": fmt.Sprintf("timezone: Europe/Stockholm\ndatabase: %s\nhr: {sources: {hr: {}}}\ntargets:\n  one: {memory: {groups: [staff]}}\nserve: {trusted_proxies: [127.0.0.1]}\n"+
			"sign_in: {issuer: '%s', client: behov, secret: 'env:BEHOV_TEST_SIGN_IN', url: '%s', person: {claim: employee_id}, mfa: {amr: [mfa]}}\n", database, c.provider.Issuer, c.front.URL),
	} {
		if err := os.WriteFile(c.dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.binary = buildBinary(t)
	if out, err := behovCommand(c.binary, c.dir, "hr", "import", c.dir+"/hr.csv"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 2 {
		c.balancer.replicas = append(c.balancer.replicas, fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)))
		c.replicas = append(c.replicas, nil)
	}
	for n := range c.replicas {
		c.start(n)
	}
	return c
}

// start starts a replica, and waits until it is ready.
func (c *cluster) start(n int) {
	c.t.Helper()
	address := c.balancer.replicas[n]
	c.replicas[n] = startService(c.t, c.binary, c.dir, "--listen", address)
	s := served{address: address}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := s.get("/ready"); status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			c.replicas[n].kill()
			c.t.Fatalf("replica %d is not ready:\n%s", n, c.replicas[n].out.String())
		}
	}
}

// clusterBrowser is a person's browser.
type clusterBrowser struct {
	c      *cluster
	client *http.Client
}

func (c *cluster) browser() *clusterBrowser {
	c.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return &clusterBrowser{c, &http.Client{Jar: jar}}
}

func (b *clusterBrowser) do(method, address string, form url.Values) (status int, body string) {
	b.c.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.c.front.URL + address
	}
	r, err := http.NewRequestWithContext(b.c.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.c.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if method != http.MethodGet {
		r.Header.Set("Origin", b.c.front.URL)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.c.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// signIn begins a sign-in at one replica, and ends it at the other.
func (b *clusterBrowser) signIn(key string, begins, ends int) {
	b.c.t.Helper()
	defer b.c.balancer.pin(-1)
	b.c.provider.Next(testenv.OIDCLogin{Subject: "sub-" + key, AMR: []string{"pwd", "mfa"}, Claims: map[string]any{"employee_id": key}})
	var back string
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), b.c.front.URL+"/sign-in/callback") {
			back = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	b.c.balancer.pin(begins)
	b.do(http.MethodGet, signin.Path, nil)
	b.client.CheckRedirect = nil
	if back == "" {
		b.c.t.Fatal("the provider does not send the browser back")
	}
	b.c.balancer.pin(ends)
	if status, body := b.do(http.MethodGet, back, nil); status != http.StatusOK {
		b.c.t.Fatalf("%s signs in: %d %s", key, status, body)
	}
}

// session is that with which a replica knows the browser; empty when it does not.
func (b *clusterBrowser) session(replica int) string {
	b.c.t.Helper()
	defer b.c.balancer.pin(-1)
	b.c.balancer.pin(replica)
	status, body := b.do(http.MethodGet, api.Path+"/me", nil)
	var me struct{ Session string }
	if err := json.Unmarshal([]byte(body), &me); err != nil || status != http.StatusOK && status != http.StatusUnauthorized {
		b.c.t.Fatalf("replica %d: %d %s", replica, status, body)
	}
	return me.Session
}

// TestReplicasBehindOneAddress: a session is the same at every replica, lives when one is
// killed, and ends at all of them at once.
func TestReplicasBehindOneAddress(t *testing.T) {
	c := newCluster(t)
	one, two, other := c.browser(), c.browser(), c.browser()
	one.signIn("anna", 0, 1)
	two.signIn("anna", 1, 0)
	other.signIn("bo", 0, 1)
	for n := range c.replicas {
		if one.session(n) == "" || one.session(n) != one.session(0) || two.session(n) == "" || two.session(n) == one.session(n) || other.session(n) == "" {
			t.Fatalf("replica %d knows the sessions %q, %q and %q", n, one.session(n), two.session(n), other.session(n))
		}
	}
	// A replica is killed among requests, of which none is answered otherwise.
	for n := range 60 {
		if n == 20 {
			c.replicas[0].kill()
		}
		if status, body := one.do(http.MethodGet, api.Path+"/me", nil); status != http.StatusOK {
			t.Fatalf("request %d, after the kill at 20: %d %s", n, status, body)
		}
	}
	c.balancer.mu.Lock()
	answered := c.balancer.answered
	c.balancer.mu.Unlock()
	if answered[0] < 10 || answered[1] < 40 {
		t.Errorf("the replicas answered %v requests: the kill came among none", answered)
	}
	three := c.browser()
	three.signIn("anna", 1, 1)
	c.start(0)
	if one.session(0) == "" || one.session(0) != one.session(1) || three.session(0) == "" {
		t.Error("the restarted replica does not know the sessions")
	}
	// What ends at one replica is ended at the other at once.
	gone := two.session(1)
	c.balancer.pin(0)
	if status, body := one.do(http.MethodDelete, api.Path+"/sessions/"+gone, nil); status != http.StatusNoContent {
		t.Fatalf("end a session: %d %s", status, body)
	}
	if two.session(1) != "" || two.session(0) != "" || one.session(1) == "" {
		t.Error("a session that was ended at one replica goes on at the other")
	}
	c.balancer.pin(1)
	three.do(http.MethodPost, signin.OutPath, url.Values{})
	if three.session(0) != "" || three.session(1) != "" {
		t.Error("who signed out at one replica is signed in at the other")
	}
	// The provider says to one replica that the session has ended.
	_, form := one.do(http.MethodGet, c.provider.Issuer+"/session/end", nil)
	_, after, found := strings.Cut(form, `name="xsrf" value="`)
	if !found {
		t.Fatalf("the provider shows no form: %s", form)
	}
	xsrf, _, _ := strings.Cut(after, `"`)
	one.do(http.MethodPost, c.provider.Issuer+"/session/end/confirm", url.Values{"xsrf": {xsrf}, "logout": {"yes"}})
	for deadline := time.Now().Add(5 * time.Second); one.session(0) != "" || one.session(1) != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session goes on after the provider ended it")
		}
	}
	if other.session(0) == "" || other.session(1) == "" {
		t.Error("another person's session ended")
	}
	for _, s := range c.replicas {
		s.stop()
	}
}

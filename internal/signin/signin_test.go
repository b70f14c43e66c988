package signin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// house is an office with a door, and the identity provider at which its people sign in.
type house struct {
	*office.Office
	t        *testing.T
	door     *signin.SignIn
	server   *httptest.Server
	provider *testenv.OIDCProvider
}

// answer is what the door says of a request to /who.
type answer struct {
	Person, Session, How, Groups string
	Assurance                    rights.Assurance
	Error                        string
}

func newHouse(t *testing.T, more string) *house {
	t.Helper()
	if testing.Short() {
		t.Skip("a provider takes seconds to start")
	}
	h := &house{t: t}
	var handler http.Handler
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(h.server.Close)
	h.provider = testenv.NewOIDCProvider(t,
		testenv.OIDCClient{ID: "behov", Secret: "geheim", RedirectURIs: []string{h.server.URL + "/sign-in/callback"}, SignedOutURIs: []string{h.server.URL + "/"}, BackChannelLogout: h.server.URL + signin.BackChannelPath, SessionRequired: true},
		testenv.OIDCClient{ID: "other", Secret: "annat", RedirectURIs: []string{h.server.URL + "/sign-in/callback"}})
	t.Setenv("BEHOV_TEST_SIGN_IN", "geheim")
	h.Office = office.New(t, map[string]string{"behov.yaml": "sign_in:\n  issuer: " + h.provider.Issuer + "\n  client: behov\n  secret: env:BEHOV_TEST_SIGN_IN\n  url: " + h.server.URL +
		"\n  person: {claim: employee_id}\n  groups: groups\n  mfa: {acr: ['urn:behov:test:mfa'], amr: [mfa]}\n" + more})
	h.Time = time.Now()
	var err error
	if h.door, err = signin.New(h.DB, h.Config, h.Clock, slog.New(slog.NewTextHandler(io.Discard, nil)), nil); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(signin.Path, h.door.Handler())
	mux.Handle(signin.Path+"/", h.door.Handler())
	mux.Handle(signin.OutPath, h.door.Handler())
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		c, err := h.door.Caller(r)
		a := answer{Person: string(c.Subject.Person), Session: c.Session, How: string(c.Subject.How), Groups: c.Subject.Groups, Assurance: c.Subject.Assurance}
		if err != nil {
			a.Error = err.Error()
		}
		_ = json.NewEncoder(w).Encode(a)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the start page") })
	handler = mux
	return h
}

// browser is one person's.
type browser struct {
	h      *house
	client *http.Client
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h, &http.Client{Jar: jar}}
}

func (b *browser) get(address string) (status int, body, at string) {
	b.h.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.h.server.URL + address
	}
	return b.do(http.MethodGet, address, nil)
}

func (b *browser) do(method, address string, form url.Values) (status int, body, at string) {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.h.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Request.URL.String()
}

func (b *browser) who() answer {
	b.h.t.Helper()
	_, body, _ := b.get("/who")
	var a answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		b.h.t.Fatal(err, body)
	}
	return a
}

// signIn signs a person in, in a new browser.
func (h *house) signIn(key string, how testenv.OIDCLogin) *browser {
	h.t.Helper()
	b := h.browser()
	b.again(key, "", how)
	if a := b.who(); a.Person != string(h.Person(key).ID) || a.Error != "" {
		h.t.Fatalf("%s signed in: %+v", key, a)
	}
	return b
}

// again signs in in the same browser.
func (b *browser) again(key, query string, how testenv.OIDCLogin) (status int, body string) {
	b.h.t.Helper()
	how.Subject = "sub-" + key
	if how.Claims == nil {
		how.Claims = map[string]any{}
	}
	if _, set := how.Claims["employee_id"]; !set {
		how.Claims["employee_id"] = key
	}
	b.h.provider.Next(how)
	status, body, _ = b.get(signin.Path + query)
	return status, body
}

var mfa = testenv.OIDCLogin{AMR: []string{"pwd", "mfa"}}

func TestSignIn(t *testing.T) {
	h := newHouse(t, "")
	if a := h.browser().who(); a.Error != signin.ErrNotSignedIn.Error() || a.Person != "" {
		t.Errorf("without a session: %+v", a)
	}
	b := h.signIn("staff", testenv.OIDCLogin{Claims: map[string]any{"groups": []string{"readers", "behov-auditors"}}})
	a := b.who()
	if a.How != string(rights.SignedIn) || a.Assurance != rights.SingleFactor || a.Groups != "readers\nbehov-auditors" {
		t.Errorf("with one factor: %+v", a)
	}
	// Deciding needs more, and more is asked for.
	if status, body := b.again("staff", "?stronger&return=/who", testenv.OIDCLogin{ACR: "urn:behov:test:mfa"}); status != http.StatusOK || !strings.Contains(body, `"Assurance":2`) {
		t.Errorf("stronger: %d %s", status, body)
	}
	if now := b.who(); now.Session == a.Session {
		t.Error("the session has the name that it had before the sign-in")
	}
	// What was fresh is not any more, and becomes so again.
	h.Time = h.Time.Add(11 * time.Minute)
	if a := b.who(); a.Assurance != rights.MultiFactor {
		t.Errorf("after eleven minutes: %+v", a)
	}
	h.Time = time.Now()
	if _, body := b.again("staff", "?fresh&return=/who", mfa); !strings.Contains(body, `"Assurance":2`) {
		t.Errorf("fresh: %s", body)
	}
	// The provider's keys are changed, and those who sign in do not notice.
	h.provider.Rotate()
	h.signIn("manager", mfa)
}

func TestWhoIsNotLetIn(t *testing.T) {
	h := newHouse(t, "")
	for what, c := range map[string]struct {
		key, says string
		how       testenv.OIDCLogin
	}{
		"who has left":                      {"gone", "only a person who works here today", mfa},
		"who is not known":                  {"nobody", "does not know which person you are", mfa},
		"without the claim":                 {"staff", "does not know which person you are", testenv.OIDCLogin{Claims: map[string]any{"employee_id": nil}}},
		"a claim of several":                {"staff", "does not know which person you are", testenv.OIDCLogin{Claims: map[string]any{"employee_id": []string{"staff"}}}},
		"whom the provider does not let in": {"staff", "did not let you in", testenv.OIDCLogin{Deny: true}},
	} {
		b := h.browser()
		if status, body := b.again(c.key, "", c.how); status != http.StatusForbidden || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", what, status, body)
		}
		if a := b.who(); a.Person != "" {
			t.Errorf("%s is let in: %+v", what, a)
		}
	}
}

// A person who ends, or is suspended, loses every session at once.
func TestSessionsEndWithTheirPerson(t *testing.T) {
	h := newHouse(t, "")
	one, two, other := h.signIn("staff", mfa), h.signIn("staff", mfa), h.signIn("manager", mfa)
	if _, err := h.Governance().Suspend(t.Context(), h.Person("staff"), false, h.By("operator"), "a theft"); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browser{one, two} {
		if a := b.who(); a.Person != "" {
			t.Errorf("a suspended person has a session: %+v", a)
		}
	}
	if _, err := h.Governance().Suspend(t.Context(), h.Person("staff"), true, h.By("administrator"), "no theft"); err != nil {
		t.Fatal(err)
	}
	if a := one.who(); a.Person != "" {
		t.Error("the session is back when the suspension is lifted")
	}
	h.Import(office.Header + "manager,E-manager,Given,Familymanager,office,,,,2020-01-01,2026-11-01,no\n")
	if a := other.who(); a.Person != "" {
		t.Errorf("a leaver has a session: %+v", a)
	}
}

func TestSessionsEnd(t *testing.T) {
	h := newHouse(t, "")
	b := h.signIn("staff", mfa)
	sessions := func() int {
		t.Helper()
		all, err := h.DB.SessionsOf(t.Context(), h.Person("staff").ID, h.Time)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if n := sessions(); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	// Signing in again in the same browser leaves one.
	b.again("staff", "?fresh", mfa)
	if n := sessions(); n != 1 {
		t.Errorf("%d sessions after another sign-in", n)
	}
	h.Time = h.Time.Add(29 * time.Minute)
	if a := b.who(); a.Person == "" {
		t.Errorf("after 29 minutes: %+v", a)
	}
	h.Time = h.Time.Add(12 * time.Hour)
	if a := b.who(); a.Person != "" {
		t.Errorf("after 12 hours: %+v", a)
	}
	h.Time = time.Now()
	b = h.signIn("staff", mfa)
	status, _, at := b.do(http.MethodPost, h.server.URL+signin.OutPath, url.Values{})
	if a := b.who(); a.Person != "" || status != http.StatusOK || !strings.HasPrefix(at, h.provider.Issuer) {
		t.Errorf("signed out: %d at %s, %+v", status, at, a)
	}
}

// The provider says that a session there has ended.
func TestBackChannelLogout(t *testing.T) {
	h := newHouse(t, "")
	b, other := h.signIn("staff", mfa), h.signIn("manager", mfa)
	// The person signs out at the provider, in a form that it shows.
	_, form, _ := b.get(h.provider.Issuer + "/session/end")
	_, after, found := strings.Cut(form, `name="xsrf" value="`)
	if !found {
		t.Fatalf("the provider shows no form: %s", form)
	}
	xsrf, _, _ := strings.Cut(after, `"`)
	b.do(http.MethodPost, h.provider.Issuer+"/session/end/confirm", url.Values{"xsrf": {xsrf}, "logout": {"yes"}})
	for deadline := time.Now().Add(5 * time.Second); b.who().Person != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session goes on")
		}
	}
	if other.who().Person == "" {
		t.Error("another person's session ended")
	}
	for _, token := range []string{"", "x", "a.b.c"} {
		if status, _, _ := other.do(http.MethodPost, h.server.URL+signin.BackChannelPath, url.Values{"logout_token": {token}}); status != http.StatusBadRequest {
			t.Errorf("the logout token %q: %d", token, status)
		}
	}
}

// TestForgedResponses: what is replayed, expired, mixed up or of another browser or client
// lets no one in.
func TestForgedResponses(t *testing.T) {
	h := newHouse(t, "")
	// stopped signs in until the provider sends the browser back, and returns where to.
	stopped := func(b *browser) *url.URL {
		t.Helper()
		var back *url.URL
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), h.server.URL+"/sign-in/callback") {
				back = r.URL
				return http.ErrUseLastResponse
			}
			return nil
		}
		b.again("staff", "", mfa)
		b.client.CheckRedirect = nil
		if back == nil {
			t.Fatal("the provider sends nobody back")
		}
		return back
	}
	changed := func(u *url.URL, key, value string) string {
		q := u.Query()
		q.Set(key, value)
		if value == "" {
			q.Del(key)
		}
		c := *u
		c.RawQuery = q.Encode()
		return c.String()
	}
	for what, c := range map[string]func(b *browser, back *url.URL) string{
		"another state":   func(_ *browser, u *url.URL) string { return changed(u, "state", "x"+u.Query().Get("state")[1:]) },
		"no state":        func(_ *browser, u *url.URL) string { return changed(u, "state", "") },
		"another code":    func(_ *browser, u *url.URL) string { return changed(u, "code", "stolen") },
		"no code":         func(_ *browser, u *url.URL) string { return changed(u, "code", "") },
		"another issuer":  func(_ *browser, u *url.URL) string { return changed(u, "iss", "https://evil.example.org") },
		"no issuer":       func(_ *browser, u *url.URL) string { return changed(u, "iss", "") },
		"two states":      func(_ *browser, u *url.URL) string { return u.String() + "&state=x" },
		"another browser": func(b *browser, u *url.URL) string { b.client.Jar, _ = cookiejar.New(nil); return u.String() },
		"too late": func(_ *browser, u *url.URL) string {
			h.Time = h.Time.Add(11 * time.Minute)
			return u.String()
		},
		"another sign-in's code": func(_ *browser, u *url.URL) string {
			return changed(u, "code", stopped(h.browser()).Query().Get("code"))
		},
	} {
		h.Time = time.Now()
		b := h.browser()
		address := c(b, stopped(b))
		status, body, _ := b.get(address)
		if a := b.who(); a.Person != "" || status < 400 || status >= 500 || strings.Contains(body, "stolen") {
			t.Errorf("%s: %d %s, %+v", what, status, body, a)
		}
	}
	h.Time = time.Now()
	// What let a person in once does so no second time.
	b := h.browser()
	back := stopped(b)
	if b.get(back.String()); b.who().Person == "" {
		t.Fatal("not signed in")
	}
	b.do(http.MethodPost, h.server.URL+signin.OutPath, url.Values{})
	if b.get(back.String()); b.who().Person != "" {
		t.Error("a response lets somebody in twice")
	}
}

// Nobody is sent to another address after the sign-in.
func TestReturnStaysHere(t *testing.T) {
	h := newHouse(t, "")
	for _, to := range []string{"https://evil.example.org/", "//evil.example.org/", "/\\evil.example.org/", "\\\\evil.example.org", "/\tevil", "javascript:alert(1)", "/%0d%0aSet-Cookie:x", "evil"} {
		b := h.browser()
		var key = "staff"
		h.provider.Next(testenv.OIDCLogin{Subject: "sub-" + key, AMR: []string{"mfa"}, Claims: map[string]any{"employee_id": key}})
		if _, _, at := b.get(signin.Path + "?return=" + url.QueryEscape(to)); !strings.HasPrefix(at, h.server.URL+"/") {
			t.Errorf("return=%q ends at %s", to, at)
		}
	}
}

// A session that somebody else chose is not taken over by signing in.
func TestFixation(t *testing.T) {
	h := newHouse(t, "")
	b := h.browser()
	u, err := url.Parse(h.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "behov", Value: "chosen", Path: "/"}})
	b.again("staff", "", mfa)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "behov" && c.Value == "chosen" {
			t.Error("the session has the name that it was given")
		}
	}
	evil := h.browser()
	evil.client.Jar.SetCookies(u, []*http.Cookie{{Name: "behov", Value: "chosen", Path: "/"}})
	if a := evil.who(); a.Person != "" {
		t.Errorf("who chose the name is let in: %+v", a)
	}
}

// The provider does not answer: whoever is signed in stays so.
func TestProviderDown(t *testing.T) {
	o := office.New(t, map[string]string{"behov.yaml": "sign_in: {issuer: 'http://127.0.0.1:1', client: behov, url: 'http://127.0.0.1:2', person: {claim: sub}}\n"})
	door, err := signin.New(o.DB, o.Config, o.Clock, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/sign-in", nil)
	r.Header.Set("Accept-Language", "sv-SE, en;q=0.5")
	door.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "svarar inte") {
		t.Errorf("%d %s", w.Code, w.Body.String())
	}
}

// The link of the first start lets one person in, once, from this machine.
func TestLocalLink(t *testing.T) {
	o := office.New(t, nil)
	door, err := signin.New(o.DB, o.Config, o.Clock, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	once, again := signin.NewLink(o.Person("administrator").ID, o.Time), signin.NewDemoLink(o.Person("auditor").ID)
	door.Admit(once, again)
	link := once.Address("")
	try := func(address, from string, header ...string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
		r.RemoteAddr = from
		for _, h := range header {
			r.Header.Set(h, "10.0.0.1")
		}
		door.Handler().ServeHTTP(w, r)
		return w
	}
	for what, w := range map[string]*httptest.ResponseRecorder{"another machine": try(link, "192.0.2.1:5"), "a proxy": try(link, "127.0.0.1:5", "X-Forwarded-For"), "another code": try(link+"x", "127.0.0.1:5")} {
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	w := try(link, "127.0.0.1:5")
	if w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	if c, err := door.Caller(r); err != nil || c.Subject.Person != o.Person("administrator").ID || c.Subject.How != rights.Claimed {
		t.Errorf("%+v, %v", c, err)
	}
	if w := try(link, "127.0.0.1:5"); w.Code != http.StatusForbidden {
		t.Error("the link lets in twice")
	}
	for range 2 {
		if w := try(again.Address(""), "127.0.0.1:5"); w.Code != http.StatusSeeOther {
			t.Errorf("a link of the demo: %d", w.Code)
		}
	}
	late := signin.NewLink(o.Person("administrator").ID, o.Time.Add(-16*time.Minute))
	door.Admit(late)
	if w := try(late.Address(""), "127.0.0.1:5"); w.Code != http.StatusForbidden {
		t.Errorf("a link of a quarter of an hour ago: %d", w.Code)
	}
	if w := try("/sign-in/local?code=", "127.0.0.1:5"); w.Code != http.StatusForbidden {
		t.Errorf("no code: %d", w.Code)
	}
	signIn := office.New(t, map[string]string{"behov.yaml": "sign_in: {issuer: 'http://127.0.0.1:1', client: behov, url: 'http://127.0.0.1:2', person: {claim: sub}}\n"})
	if door, err = signin.New(signIn.DB, signIn.Config, signIn.Clock, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	door.Admit(again)
	if w := try(again.Address(""), "127.0.0.1:5"); w.Code != http.StatusForbidden {
		t.Errorf("a link beside an identity provider: %d", w.Code)
	}
}

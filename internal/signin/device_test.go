package signin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// deviceDoor is an office's door at which machines sign in, without an identity provider:
// people come in by links.
type deviceDoor struct {
	*office.Office
	t    *testing.T
	door *signin.SignIn
	http http.Handler
}

func newDeviceDoor(t *testing.T, failures *server.Limiter) *deviceDoor {
	t.Helper()
	o := office.New(t, nil)
	door, err := signin.New(o.DB, o.Config, o.Clock, slog.New(slog.NewTextHandler(io.Discard, nil)), failures)
	if err != nil {
		t.Fatal(err)
	}
	d := &deviceDoor{Office: o, t: t, door: door}
	door.GiveTokens(d.makeToken)
	d.http = door.Handler()
	return d
}

func (d *deviceDoor) makeToken(ctx context.Context, t signin.DeviceToken) (string, error) {
	text, _, err := d.Governance().CreateOwnToken(ctx, governance.OwnToken{Name: t.Machine, Scopes: []string{"*:read", "*:write"}, Expires: t.Expires, SignedIn: t.SignedIn, Login: true}, t.Subject)
	return text, err
}

// send sends a request, with a form unless it is nil, and cookies of a browser.
func (d *deviceDoor) send(method, address string, form url.Values, cookies []*http.Cookie, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), method, address, strings.NewReader(form.Encode()))
	r.RemoteAddr = "127.0.0.1:5"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, r)
	return w
}

// browser returns the cookies of a person who came in by a link.
func (d *deviceDoor) browser(key string) []*http.Cookie {
	d.t.Helper()
	local := signin.NewLink(d.Person(key).ID, d.Time)
	d.door.Admit(local)
	link, err := url.Parse(local.Address("http://127.0.0.1"))
	if err != nil {
		d.t.Fatal(err)
	}
	w := d.send(http.MethodGet, link.RequestURI(), nil, nil)
	if w.Code != http.StatusSeeOther {
		d.t.Fatalf("the link: %d %s", w.Code, w.Body)
	}
	return w.Result().Cookies()
}

func (d *deviceDoor) begin() signin.DeviceBegun {
	d.t.Helper()
	w := d.send(http.MethodPost, signin.DevicePath, url.Values{"machine": {"laptop <1>\x1b[31m"}}, nil)
	var b signin.DeviceBegun
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != http.StatusOK {
		d.t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	return b
}

// ask asks for the token, after the machine has waited for six seconds.
func (d *deviceDoor) ask(code string) signin.DeviceAnswer {
	d.Time = d.Time.Add(6 * time.Second)
	return d.askNow(code)
}

func (d *deviceDoor) askNow(code string) (a signin.DeviceAnswer) {
	w := d.send(http.MethodPost, signin.DeviceTokenPath, url.Values{"device_code": {code}}, nil)
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Header().Get("Cache-Control") != "no-store" {
		d.t.Errorf("%d %s %v", w.Code, w.Body, err)
	}
	return a
}

var formField = regexp.MustCompile(`name="form" value="([^"]*)"`)

// form returns the form of the page that asks about a code.
func (d *deviceDoor) form(code string, cookies []*http.Cookie) url.Values {
	d.t.Helper()
	w := d.send(http.MethodGet, signin.DevicePath+"?code="+code, nil, cookies)
	found := formField.FindStringSubmatch(w.Body.String())
	if w.Code != http.StatusOK || found == nil {
		d.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return url.Values{"code": {code}, "form": {html.UnescapeString(found[1])}}
}

func (d *deviceDoor) decide(form url.Values, decision string, cookies []*http.Cookie, header ...string) *httptest.ResponseRecorder {
	form.Set("decision", decision)
	return d.send(http.MethodPost, signin.DevicePath+"/decision", form, cookies, header...)
}

// caller returns as whom a token calls.
func (d *deviceDoor) caller(token string) (signin.Caller, error) {
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return d.door.Caller(r)
}

func TestDeviceSignIn(t *testing.T) {
	d := newDeviceDoor(t, nil)
	b := d.begin()
	if !regexp.MustCompile(`^[B-Z]{4}-[B-Z]{4}$`).MatchString(b.UserCode) || strings.ContainsAny(b.UserCode, "AEIOUY01") || b.Lasts != 600 || b.Interval != 5 || !strings.HasSuffix(b.Complete, "?code="+b.UserCode) {
		t.Errorf("%+v", b)
	}
	if a := d.ask(b.DeviceCode); a.Error != signin.DevicePending {
		t.Errorf("before anyone decides: %+v", a)
	}
	if a := d.askNow(b.DeviceCode); a.Error != signin.DeviceSlow {
		t.Errorf("at once again: %+v", a)
	}
	if a := d.ask(b.DeviceCode); a.Error != signin.DeviceSlow {
		t.Errorf("after six seconds, and it must wait for ten: %+v", a)
	}
	// Without a session the person signs in first, and comes back.
	w := d.send(http.MethodGet, signin.DevicePath+"?code="+b.UserCode, nil, nil)
	if to, _ := url.Parse(w.Header().Get("Location")); w.Code != http.StatusSeeOther || to.Path != signin.Path || to.Query().Get("return") != signin.DevicePath+"?code="+strings.ReplaceAll(b.UserCode, "-", "") {
		t.Errorf("without a session: %d %s", w.Code, w.Header().Get("Location"))
	}
	cookies := d.browser("administrator")
	w = d.send(http.MethodGet, signin.DevicePath+"?code="+strings.ToLower(b.UserCode), nil, cookies, "Accept-Language", "sv")
	page := w.Body.String()
	for _, want := range []string{b.UserCode, "laptop &lt;1&gt;", "Given Familyadministrator", "Neka", `lang="sv"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(page, "<script") || strings.Contains(page, "\x1b") {
		t.Errorf("%s\n%s", policy, page)
	}
	if w := d.send(http.MethodGet, signin.DevicePath, nil, cookies); !strings.Contains(w.Body.String(), "Enter the code") {
		t.Errorf("without a code: %d %s", w.Code, w.Body)
	}
	if w := d.decide(d.form(b.UserCode, cookies), "confirm", cookies); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Confirmed") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	d.Time = d.Time.Add(time.Minute)
	a := d.ask(b.DeviceCode)
	if a.Token == "" || a.Type != "Bearer" || a.Lasts != 36000 {
		t.Fatalf("%+v", a)
	}
	if again := d.ask(b.DeviceCode); again.Token != "" || again.Error == "" {
		t.Errorf("a second time: %+v", again)
	}
	c, err := d.caller(a.Token)
	if err != nil || c.Subject.Person != d.Person("administrator").ID || c.Subject.How != rights.Claimed || !c.Token.Has("*:write") {
		t.Errorf("%+v %v", c, err)
	}
	d.Time = d.Time.Add(10 * time.Hour)
	if _, err := d.caller(a.Token); err == nil {
		t.Error("the token works after ten hours")
	}
}

// TestDeviceSignInAttacks: what is guessed, replayed, expired, of another person or another
// page lets no machine in.
func TestDeviceSignInAttacks(t *testing.T) {
	d := newDeviceDoor(t, nil)
	cookies, other := d.browser("administrator"), d.browser("stranger")
	b := d.begin()
	form := d.form(b.UserCode, cookies)
	for what, w := range map[string]*httptest.ResponseRecorder{
		"a guessed code":         d.send(http.MethodGet, signin.DevicePath+"?code=BCDF-GHJK", nil, cookies),
		"what is no code":        d.send(http.MethodGet, signin.DevicePath+"?code=%3Cscript%3E", nil, cookies),
		"no form":                d.decide(url.Values{"code": {b.UserCode}}, "confirm", cookies),
		"another session's form": d.decide(d.form(b.UserCode, other), "confirm", cookies),
		"another code's form":    d.decide(url.Values{"code": {"BCDF-GHJK"}, "form": form["form"]}, "confirm", cookies),
		"another site's page":    d.decide(form, "confirm", cookies, "Sec-Fetch-Site", "cross-site"),
		"a page of elsewhere":    d.decide(form, "confirm", cookies, "Origin", "https://evil.example.org"),
		"a sibling site's page":  d.decide(form, "confirm", cookies, "Sec-Fetch-Site", "same-site"),
	} {
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if w := d.decide(form, "confirm", nil); w.Code != http.StatusSeeOther {
		t.Errorf("without a session: %d", w.Code)
	}
	// A token confirms nothing, so that it makes no other.
	token, _, err := d.Governance().CreateOwnToken(t.Context(), governance.OwnToken{Name: "x", Scopes: []string{"*:write"}, Expires: d.Time.Add(time.Hour)}, rights.Subject{Person: d.Person("administrator").ID, How: rights.SignedIn})
	if err != nil {
		t.Fatal(err)
	}
	if w := d.decide(form, "confirm", nil, "Authorization", "Bearer "+token); w.Code != http.StatusSeeOther {
		t.Errorf("by a token: %d", w.Code)
	}
	if a := d.ask(b.DeviceCode); a.Error != signin.DevicePending {
		t.Fatalf("it is let in: %+v", a)
	}
	for _, code := range []string{"", "x", b.UserCode} {
		if a := d.ask(code); a.Token != "" || a.Error != "invalid_grant" {
			t.Errorf("the device code %q: %+v", code, a)
		}
	}
	// The first to decide decides: another person comes too late.
	late := d.form(b.UserCode, other)
	if w := d.decide(form, "confirm", cookies); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	if w := d.decide(late, "confirm", other); w.Code != http.StatusForbidden {
		t.Errorf("another person confirms, too: %d", w.Code)
	}
	// Machines that ask at the same time get one token.
	d.Time = d.Time.Add(time.Minute)
	var mu sync.Mutex
	var wg sync.WaitGroup
	tokens := 0
	for range 8 {
		wg.Go(func() {
			if a := d.askNow(b.DeviceCode); a.Token != "" {
				mu.Lock()
				tokens++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if tokens != 1 {
		t.Errorf("%d tokens", tokens)
	}
	// What is denied, and what is too old.
	denied := d.begin()
	if w := d.decide(d.form(denied.UserCode, cookies), "deny", cookies); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	if a := d.ask(denied.DeviceCode); a.Error != signin.DeviceDenied {
		t.Errorf("denied: %+v", a)
	}
	old := d.begin()
	stale := d.form(old.UserCode, cookies)
	d.Time = d.Time.Add(11 * time.Minute)
	if a := d.ask(old.DeviceCode); a.Error != signin.DeviceExpired {
		t.Errorf("expired: %+v", a)
	}
	if w := d.decide(stale, "confirm", cookies); w.Code != http.StatusForbidden {
		t.Errorf("an expired one is confirmed: %d", w.Code)
	}
	// Who leaves between the confirmation and the token has none that works.
	left := d.begin()
	if w := d.decide(d.form(left.UserCode, other), "confirm", other); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	if _, err := d.Governance().Suspend(t.Context(), d.Person("stranger"), false, d.By("operator"), "a theft"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.caller(d.ask(left.DeviceCode).Token); err == nil {
		t.Error("the token of a suspended person works")
	}
}

// TestDeviceGuessing: guesses of either code count as failed sign-ins, and a client begins so
// many only.
func TestDeviceGuessing(t *testing.T) {
	d := newDeviceDoor(t, server.NewLimiter("failed-sign-ins", server.PerMinute(5)))
	cookies := d.browser("stranger")
	refused := 0
	for range 12 {
		if w := d.send(http.MethodGet, signin.DevicePath+"?code=BCDF-GHJK", nil, cookies); w.Code == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 7 {
		t.Errorf("of 12 guesses %d are refused", refused)
	}
	if w := d.send(http.MethodPost, signin.DeviceTokenPath, url.Values{"device_code": {"x"}}, nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("a device code: %d", w.Code)
	}
	refused = 0
	for range 30 {
		if w := d.send(http.MethodPost, signin.DevicePath, url.Values{}, nil); w.Code == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 8 || refused > 10 {
		t.Errorf("of 30 begun %d are refused", refused)
	}
}

// TestDeviceIsNoFresherThanTheBrowser: a machine is as surely known as the session that let it
// in, from the time of its sign-in on, and what it makes is, too.
func TestDeviceIsNoFresherThanTheBrowser(t *testing.T) {
	d := newDeviceDoor(t, nil)
	fresh := 10 * time.Minute
	d.Config.SignIn.Fresh = fresh
	person := d.Person("administrator").ID
	for _, c := range []struct {
		factors string
		ago     time.Duration
		want    rights.Assurance
	}{{"", 0, rights.SingleFactor}, {store.ManyFactors, time.Minute, rights.Fresh}, {store.ManyFactors, fresh + time.Minute, rights.MultiFactor}} {
		code := fmt.Sprint("code", c.want)
		user, err := d.DB.HashUserCode(code)
		if err != nil {
			t.Fatal(err)
		}
		signed := d.Time.Add(-c.ago)
		if err := d.DB.PutDeviceSignIn(t.Context(), store.DeviceSignIn{CodeHash: store.HashDevice(code), UserHash: user, State: store.DeviceConfirmed, Person: person, How: string(rights.SignedIn), Factors: c.factors, Groups: "behov-auditors",
			SignedUS: store.Micros(signed.UnixMicro()), Seconds: 5, ExpiresUS: store.Micros(d.Time.Add(time.Hour).UnixMicro())}, d.Time); err != nil {
			t.Fatal(err)
		}
		got, err := d.caller(d.askNow(code).Token)
		if err != nil || got.Subject.Assurance != c.want || got.Subject.Groups != "behov-auditors" || got.Subject.How != rights.SignedIn || !got.SignedIn.Equal(signed) {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
		// A token that the person makes there for a program is no fresher either.
		text, _, err := d.Governance().CreateOwnToken(t.Context(), governance.OwnToken{Name: "p", Scopes: []string{"*:read"}, Expires: d.Time.Add(time.Hour), SignedIn: got.SignedIn}, got.Subject)
		if err != nil {
			t.Fatal(err)
		}
		if made, err := d.caller(text); err != nil || made.Subject.Assurance != c.want || made.Subject.How != rights.ByToken || made.Subject.Groups != "" {
			t.Errorf("%+v: the program's: %+v %v", c, made, err)
		}
	}
}

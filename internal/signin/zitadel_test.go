package signin_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// newZitadel is a house whose people sign in at a provider of another codebase, which calls
// them by HR's own keys.
func newZitadel(t *testing.T) (h *house, issuer string) {
	t.Helper()
	if testing.Short() {
		t.Skip("a provider takes seconds to start")
	}
	h = &house{t: t}
	var handler http.Handler
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(h.server.Close)
	issuer = testenv.ZitadelProvider(t, h.server.URL+"/sign-in/callback", testenv.ZitadelUser{ID: "staff", Username: "anna", Password: "hemligt"}, testenv.ZitadelUser{ID: "gone", Username: "gun", Password: "hemligt"})
	t.Setenv("BEHOV_TEST_SIGN_IN", testenv.ZitadelSecret)
	h.Office = office.New(t, map[string]string{"behov.yaml": "sign_in: {issuer: '" + issuer + "', client: " + testenv.ZitadelClient + ", secret: 'env:BEHOV_TEST_SIGN_IN', url: '" + h.server.URL + "', person: {claim: sub}}\n"})
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
		a := answer{Person: string(c.Subject.Person), Session: c.Session}
		if err != nil {
			a.Error = err.Error()
		}
		_ = json.NewEncoder(w).Encode(a)
	})
	handler = mux
	return h, issuer
}

// login begins a sign-in at an address, and fills in the provider's form.
func (b *browser) login(issuer, begin, username, password string) (status int, body, at string) {
	b.h.t.Helper()
	_, page, form := b.get(begin)
	u, err := url.Parse(form)
	if err != nil || !strings.HasPrefix(form, issuer+"login/username") {
		b.h.t.Fatalf("the browser is sent to %s: %s", form, page)
	}
	return b.do(http.MethodPost, issuer+"login/username", url.Values{"id": {u.Query().Get("authRequestID")}, "username": {username}, "password": {password}})
}

// TestAnotherProvider: people sign in, and do not, at a provider that shares no code with
// the one of the other tests, nor with behov's client.
func TestAnotherProvider(t *testing.T) {
	h, issuer := newZitadel(t)
	b := h.browser()
	if _, _, at := b.login(issuer, signin.Path+"?return=/who", "anna", "hemligt"); at != h.server.URL+"/who" || b.who().Person != string(h.Person("staff").ID) {
		t.Fatalf("the browser is at %s, and known as %+v", at, b.who())
	}
	wrong := h.browser()
	if _, body, at := wrong.login(issuer, signin.Path, "anna", "fel"); !strings.HasPrefix(at, issuer) || wrong.who().Person != "" {
		t.Errorf("with a wrong password the browser is at %s: %s", at, body)
	}
	left := h.browser()
	if status, body, _ := left.login(issuer, signin.Path, "gun", "hemligt"); status != http.StatusForbidden || left.who().Person != "" || !strings.Contains(body, "works here today") {
		t.Errorf("who has left: %d %s", status, body)
	}
	// A code that the provider gave for another client is none for behov.
	stopped := func(b *browser, begin string) *url.URL {
		t.Helper()
		var back *url.URL
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), h.server.URL+"/sign-in/callback") {
				back = r.URL
				return http.ErrUseLastResponse
			}
			return nil
		}
		b.login(issuer, begin, "anna", "hemligt")
		b.client.CheckRedirect = nil
		if back == nil {
			t.Fatal("the provider sends nobody back")
		}
		return back
	}
	foreign := stopped(h.browser(), issuer+"auth?"+url.Values{"client_id": {testenv.ZitadelOtherClient}, "redirect_uri": {h.server.URL + "/sign-in/callback"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"x"}}.Encode())
	mixed := h.browser()
	back := stopped(mixed, signin.Path)
	q := back.Query()
	q.Set("code", foreign.Query().Get("code"))
	back.RawQuery = q.Encode()
	if status, body, _ := mixed.get(back.String()); status != http.StatusForbidden || mixed.who().Person != "" || q.Get("code") == "" {
		t.Errorf("another client's code: %d %s", status, body)
	}
	// Signing out ends the session here, and sends the browser to the provider.
	if _, _, at := b.do(http.MethodPost, h.server.URL+signin.OutPath, url.Values{}); !strings.HasPrefix(at, issuer) || b.who().Person != "" {
		t.Errorf("signed out at %s, and known as %+v", at, b.who())
	}
}

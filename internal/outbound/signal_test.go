package outbound_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

const (
	issuer   = "https://behov.example.org"
	audience = "https://portal.example.org"
)

// transmit configures a transmitter with a key, serves what it answers and returns its
// address.
func (x *fixture) transmit(key any, receivers ...config.Receiver) *httptest.Server {
	x.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(x.dir, "ssf.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.config.Events = []config.EventStream{{Name: "signals", SSF: &config.Transmitter{Issuer: issuer, Key: "file:ssf.key", Receivers: receivers}}}
	h, err := outbound.Handler(x.config, x.db, x.now, x.logger())
	if err != nil {
		x.t.Fatal(err)
	}
	server := httptest.NewServer(h)
	x.t.Cleanup(server.Close)
	return server
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// get returns the body of an answer.
func get(t testing.TB, url, token string) (int, []byte) {
	t.Helper()
	return request(t, http.MethodGet, url, token, "")
}

func request(t testing.TB, method, url, token, body string) (int, []byte) {
	t.Helper()
	q, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, b
}

// portal is a receiver that is pushed to, and its configuration.
func (x *fixture) portal(key any, format config.SubjectFormat) (*receiver, *httptest.Server) {
	x.t.Helper()
	x.t.Setenv("BEHOV_TEST_PUSH", "push-token")
	x.t.Setenv("BEHOV_TEST_READ", "read-token")
	var server *httptest.Server
	r := newReceiver(x.t, issuer, audience, "push-token", func() []byte {
		_, b := get(x.t, server.URL+"/ssf/jwks.json", "")
		return b
	})
	server = x.transmit(key, config.Receiver{Name: "portal", Audience: []string{audience}, Push: &config.Webhook{URL: r.URL, Token: "env:BEHOV_TEST_PUSH"}, Token: "env:BEHOV_TEST_READ", Signals: config.Signals, Subject: format})
	return r, server
}

var opaque = config.SubjectFormat{Format: config.SubjectOpaque}

// step returns the records of a step about a person: its intent and its outcome.
func step(person, target, op string, why reason.Kind) []audit.Record {
	r := audit.Record{Action: audit.StepIntended, Op: op, Person: identity.PersonID(person), Target: target, Reason: reason.Of(why), Attempt: audit.AttemptID(person + target + op)}
	ended := r
	ended.Action, ended.Outcome = audit.StepEnded, audit.Applied
	return []audit.Record{r, ended}
}

var left = reason.EmploymentEnded{Last: "2026-11-29"}

// TestSignals: a receiver is told once, in order, when a person is shut out and when the
// person is let in again, whatever the number of targets; and not when a person loses an
// account in one target only.
func TestSignals(t *testing.T) {
	for name, key := range map[string]any{"ES256": ecKey(t), "RS256": rsaKey(t)} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, x *fixture) { testSignals(t, x, key) })
		})
	}
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testSignals(t *testing.T, x *fixture, key any) {
	r, _ := x.portal(key, opaque)
	x.dispatch(x.db)
	names := func(want ...string) {
		t.Helper()
		x.delivered()
		got := r.names()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		r.mu.Lock()
		r.tokens = nil
		r.mu.Unlock()
	}
	for _, target := range []string{"ad", "entra"} {
		x.record(step("p1", target, "create-account", reason.EmploymentActive{})...)
	}
	x.record(granted(1))
	names()
	// A mover keeps one of two accounts.
	x.record(step("p1", "ad", "disable-account", reason.NothingNeeded{})...)
	names()
	x.record(step("p1", "ad", "enable-account", reason.EmploymentActive{})...)
	names()
	// A leaver: sessions, then accounts, in each target; the first intent is the signal.
	x.record(step("p1", "ad", "revoke-sessions", left)[:1]...)
	names("session-revoked", "account-disabled")
	for _, target := range []string{"ad", "entra"} {
		x.record(step("p1", target, "disable-account", left)...)
	}
	names()
	x.record(step("p1", "ad", "enable-account", reason.EmploymentActive{})...)
	names("account-enabled")
	x.record(step("p1", "entra", "enable-account", reason.EmploymentActive{})...)
	names()
	// A suspension, by the decision alone.
	x.record(audit.Record{Action: audit.DecisionMade, Person: "p1", Actor: "person:p2", Outcome: "suspend",
		Reason: reason.Of(reason.DecisionMade{Decision: 7, Of: "suspension", Verdict: "suspend"})})
	names("session-revoked", "account-disabled")
	x.record(audit.Record{Action: audit.DecisionMade, Person: "p1", Actor: "person:p2", Outcome: "lift",
		Reason: reason.Of(reason.DecisionMade{Decision: 8, Of: "suspension", Verdict: "lift"})})
	names()
	// Others enabled the account behind behov's back, and it is disabled again.
	x.record(audit.Record{Action: audit.AccessFound, Person: "p1", Target: "ad", Entitlement: audit.Account, Reason: reason.Of(reason.EnabledInTarget{})})
	x.record(step("p1", "ad", "disable-account", left)...)
	names("session-revoked", "account-disabled")
	// The last account goes, though the person works on.
	x.record(step("p3", "ad", "create-account", reason.EmploymentActive{})...)
	x.record(step("p3", "ad", "disable-account", reason.NothingNeeded{})[:1]...)
	names()
	x.record(step("p3", "ad", "disable-account", reason.NothingNeeded{})[1:]...)
	names("session-revoked", "account-disabled")
	// What a target refused shut no one out.
	refused := step("p4", "ad", "disable-account", reason.NothingNeeded{})
	refused[1].Outcome = audit.Refused
	x.record(refused...)
	names()
	x.record(audit.Record{Action: audit.PassIssued, Person: "p1", Actor: "person:p2", Target: "entra", Outcome: audit.Applied, Reason: reason.Of(reason.ByDecision{Decision: 9, Detail: reason.Of(reason.PassValid{Until: x.now()})})},
		audit.Record{Action: audit.PassIssued, Person: "p1", Target: "entra", Outcome: audit.Refused, Reason: reason.Of(reason.ByDecision{Decision: 10})},
		audit.Record{Action: audit.PassWithdrawn, Person: "p1", Target: "entra", Outcome: audit.Applied, Reason: reason.Of(reason.ByDecision{Decision: 11})})
	names("credential-change", "credential-change")
}

// TestTokensClaims: what a token says, exactly, as in the examples of CAEP 1.0.
func TestTokensClaims(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	r, _ := x.portal(ecKey(t), opaque)
	x.dispatch(x.db)
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	x.record(audit.Record{At: at, Action: audit.DecisionMade, Person: "p1", Actor: "person:p2", Outcome: "suspend", Reason: reason.Of(reason.DecisionMade{Decision: 7, Of: "suspension", Verdict: "suspend"})})
	x.delivered()
	got := r.got()
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	_, name, about := got[0].event()
	text, err := json.Marshal(about)
	want := `{"event_timestamp":1796040000,"initiating_entity":"admin","reason_admin":{"en":"Suspended by decision 7 by person p2.","sv":`
	if err != nil || name != "session-revoked" || !strings.HasPrefix(string(text), want) {
		t.Errorf("%s %s\nwant %s", name, text, want)
	}
	for i, s := range got {
		_, name, _ := s.event()
		if s.IssuedAt != at.Unix() || s.Cause != got[0].Cause || s.ID == got[1-i].ID || !strings.HasSuffix(s.ID, "."+name) || s.SubjectID["id"] != "p1" || string(s.Audience) != `"`+audience+`"` {
			t.Errorf("%+v", s)
		}
	}
}

// TestSubjects: a receiver is told whom an event is about in its own format, and by the
// opaque ID where the person has not that, or is not to be told by it.
func TestSubjects(t *testing.T) {
	iss := "https://login.example.org"
	for name, c := range map[string]struct {
		format                  config.SubjectFormat
		known, protected, empty string
	}{
		"opaque":    {opaque, `{"format":"opaque","id":"known"}`, `{"format":"opaque","id":"protected"}`, `{"format":"opaque","id":"nobody"}`},
		"email":     {config.SubjectFormat{Format: "email"}, `{"email":"known@example.org","format":"email"}`, `{"format":"opaque","id":"protected"}`, `{"format":"opaque","id":"nobody"}`},
		"email all": {config.SubjectFormat{Format: "email", Protected: true}, `{"email":"known@example.org","format":"email"}`, `{"email":"protected@example.org","format":"email"}`, `{"format":"opaque","id":"nobody"}`},
		"login":     {config.SubjectFormat{Format: "iss_sub", Issuer: iss, Attribute: "login"}, `{"format":"iss_sub","iss":"https://login.example.org","sub":"login-known"}`, `{"format":"iss_sub","iss":"https://login.example.org","sub":"login-protected"}`, `{"format":"opaque","id":"nobody"}`},
		"address":   {config.SubjectFormat{Format: "iss_sub", Issuer: iss, Attribute: "email"}, `{"format":"iss_sub","iss":"https://login.example.org","sub":"known@example.org"}`, `{"format":"opaque","id":"protected"}`, `{"format":"opaque","id":"nobody"}`},
		"account":   {config.SubjectFormat{Format: "iss_sub", Issuer: iss, Account: "entra"}, `{"format":"iss_sub","iss":"https://login.example.org","sub":"object-known"}`, `{"format":"opaque","id":"protected"}`, `{"format":"opaque","id":"nobody"}`},
	} {
		t.Run(name, func(t *testing.T) {
			x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
			x.people()
			r, _ := x.portal(ecKey(t), c.format)
			x.dispatch(x.db)
			var records []audit.Record
			for _, id := range []string{"known", "protected", "nobody"} {
				records = append(records, audit.Record{Action: audit.PassIssued, Person: identity.PersonID(id), Target: "entra", Outcome: audit.Applied, Reason: reason.Of(reason.ByDecision{Decision: 9})})
			}
			x.record(records...)
			x.delivered()
			var got []string
			for _, s := range r.got() {
				text, _ := json.Marshal(s.SubjectID)
				got = append(got, string(text))
			}
			if want := []string{c.known, c.protected, c.empty}; !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}

// TestMergedRecord: when the accounts of a record are disabled because it was merged into
// another, a receiver that knows both by the same address is not told that the person is
// out; one that tells them apart is.
func TestMergedRecord(t *testing.T) {
	for format, want := range map[string]int{"email": 0, "opaque": 2} {
		x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
		x.people()
		if err := x.db.Write(t.Context(), func(tx *store.Tx) error {
			return tx.RecordEvents(t.Context(), "second", nil, []identity.Event{{Source: "hr", Kind: identity.PersonAdded, Person: "twin", Key: "key-twin", Login: "login-twin", Effective: "2026-01-01", Recorded: x.now(),
				PersonFacts: &identity.PersonFacts{GivenName: "Göta", FamilyName: "Hemligstam", Email: "known@example.org"}}})
		}); err != nil {
			t.Fatal(err)
		}
		r, _ := x.portal(ecKey(t), config.SubjectFormat{Format: format})
		stop := x.dispatch(x.db)
		x.record(step("twin", "ad", "disable-account", reason.RecordMerged{Into: "known"})...)
		x.record(step("known", "ad", "disable-account", left)...)
		x.delivered()
		stop()
		if got := r.names(); len(got) != want+2 {
			t.Errorf("%s: %v", format, got)
		}
	}
}

// people puts two people into the database, one with a protected identity.
func (x *fixture) people() {
	x.t.Helper()
	if err := x.db.Write(context.Background(), func(tx *store.Tx) error {
		var events []identity.Event
		for _, id := range []string{"known", "protected"} {
			events = append(events, identity.Event{Source: "hr", Kind: identity.PersonAdded, Person: identity.PersonID(id), Key: "key-" + id, Login: "login-" + id, Effective: "2026-01-01", Recorded: x.now(),
				PersonFacts: &identity.PersonFacts{GivenName: "Göta", FamilyName: "Hemligstam", Email: id + "@example.org", Protected: id == "protected"}})
		}
		if err := tx.RecordEvents(context.Background(), "first", nil, events); err != nil {
			return err
		}
		return tx.BindAccount(context.Background(), store.AccountRef{Target: "entra", Person: "known", Native: "object-known"})
	}); err != nil {
		x.t.Fatal(err)
	}
}

// TestPushIsRetried: a receiver that refuses a token, or is down, gets it again, and the
// next ones only afterwards.
func TestPushIsRetried(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	r, _ := x.portal(ecKey(t), opaque)
	r.answer = func(n int, w http.ResponseWriter) bool {
		switch n {
		case 1:
			http.Error(w, "down", http.StatusBadGateway)
		case 3:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"err":"invalid_key","description":"Göta Hemligstam"}`)
		default:
			return true
		}
		return false
	}
	x.dispatch(x.db)
	x.record(step("p1", "ad", "disable-account", left)...)
	x.record(step("p2", "ad", "disable-account", left)...)
	x.delivered()
	var got []string
	for _, s := range r.got() {
		_, name, _ := s.event()
		got = append(got, s.SubjectID["id"]+" "+name)
	}
	if want := []string{"p1 session-revoked", "p1 account-disabled", "p2 session-revoked", "p2 account-disabled"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if log := x.log.String(); !strings.Contains(log, "400 Bad Request: invalid_key") || strings.Contains(log, "Hemligstam") {
		t.Errorf("the log: %s", log)
	}
}

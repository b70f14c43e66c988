package api_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// asLogin has a caller shown by a token of a sign-in, which makes tokens, with so many factors.
func (h *house) asLogin(key, factors string) string {
	h.t.Helper()
	name := "login " + key + factors
	text, made, err := store.NewToken(store.Token{Name: "a login", Owner: h.Person(key).ID, Scopes: "*:read *:write", Factors: factors, How: string(rights.SignedIn)}, h.Time, h.Time.Add(time.Hour))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		return tx.PutToken(h.t.Context(), made, store.Decision{Maker: identity.PersonActor(made.Owner)})
	}); err != nil {
		h.t.Fatal(err)
	}
	h.tokens[name] = text
	return name
}

// TestServiceAccounts: a service account sees by its role, within the scopes and systems of
// its token, and no more of protected identities than its role is cleared for.
func TestServiceAccounts(t *testing.T) {
	h := newHouse(t, map[string]string{"rights.csv": "g, service:idle, cleared\np, cleared, person.see, allow, a test\np, cleared, person.see-protected, allow, a test\n"})
	h.Apply()
	var me struct {
		Person  *struct{}
		Service string
		Active  bool
		Roles   []string
	}
	h.good(h.get("service:auditor", "/me")).into(t, &me)
	if me.Person != nil || me.Service != "auditor" || !me.Active || !slices.Equal(me.Roles, []string{"auditor"}) {
		t.Errorf("%+v", me)
	}
	secret := "/people/" + string(h.Person("secret").ID)
	if r := h.good(h.get("service:auditor", secret)); strings.Contains(r.body, "Hemlig") || !strings.Contains(r.body, "[protected identity]") {
		t.Errorf("a role that is not cleared: %s", r.body)
	}
	if r := h.good(h.get("service:idle", secret)); !strings.Contains(r.body, "Hemlig") {
		t.Errorf("a role that is cleared: %s", r.body)
	}
	for _, c := range []struct {
		scopes, systems, path string
		want                  int
	}{
		{"access:read", "", "/systems/lib/access", http.StatusOK}, {"access:read", "lib", "/systems/lib/access", http.StatusOK}, {"access:read", "lib", "/systems/base/access", http.StatusForbidden},
		{"access:read", "", "/people", http.StatusForbidden}, {"*:read", "lib", "/people", http.StatusForbidden}, {"*:write", "", "/people", http.StatusForbidden}, {"*:read", "", "/people", http.StatusOK},
	} {
		h.tokens["limited"] = h.serviceToken("auditor", c.scopes, c.systems)
		if r := h.get("limited", c.path); r.status != c.want {
			t.Errorf("%s with %q of %q: %d %s", c.path, c.scopes, c.systems, r.status, r.body)
		}
	}
	// Its own tokens, and not all that belong to no person.
	var mine, all struct{ Items []api.Token }
	h.good(h.get("service:payroll", "/tokens")).into(t, &mine)
	if len(mine.Items) != 1 || mine.Items[0].Service != "payroll" || mine.Items[0].Owner != nil {
		t.Errorf("%+v", mine)
	}
	h.good(h.get("auditor", "/tokens?all=true")).into(t, &all)
	if !slices.ContainsFunc(all.Items, func(t api.Token) bool { return t.Service == "payroll" && t.Used != nil }) || !slices.ContainsFunc(all.Items, func(t api.Token) bool { return t.Owner != nil && t.Service == "" }) {
		t.Errorf("%+v", all)
	}
	for who, want := range map[string]bool{"service:auditor": true, "service:payroll": true} {
		var d struct{ Decision bool }
		h.good(h.ask(who, http.MethodPost, api.AuthZENPath+"/evaluation", map[string]any{"subject": map[string]string{"type": "user", "id": "staff"}, "action": map[string]string{"name": "use"}, "resource": map[string]string{"type": "system", "id": "lib"}})).into(t, &d)
		if d.Decision != want {
			t.Errorf("%s is told %t", who, d.Decision)
		}
	}
	r := h.ask("service:administrator", http.MethodPost, api.Path+"/people/staff/suspension", map[string]any{"reason": "r"}, "Accept-Language", "sv")
	if r.status != http.StatusForbidden || !strings.Contains(r.body, "det kräver en person, och administrator är ett tjänstekonto") {
		t.Errorf("in Swedish: %d %s", r.status, r.body)
	}
}

// TestServiceWithoutRole: a service account without a role sees no one, and nothing tells it
// who there is.
func TestServiceWithoutRole(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	id := string(h.Person("staff").ID)
	for _, path := range []string{"/people", "/people?q=staff", "/systems/lib/access", "/entitlements/account/access", "/access-changes", "/review-items"} {
		if r := h.good(h.get("service:idle", path)); strings.Contains(r.body, id) || strings.Contains(r.body, "Anna") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	var d struct{ Decision bool }
	h.good(h.ask("service:idle", http.MethodPost, api.AuthZENPath+"/evaluation", map[string]any{"subject": map[string]string{"type": "user", "id": "staff"}, "action": map[string]string{"name": "use"}, "resource": map[string]string{"type": "system", "id": "lib"}})).into(t, &d)
	if d.Decision {
		t.Error("it is told who has access")
	}
}

// TestServiceSendsEvents: what a service account says of HR is recorded as its own, and its
// requests are no other caller's.
func TestServiceSendsEvents(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	send := func(who, key string) reply {
		t.Helper()
		return h.ask(who, http.MethodPost, api.Path+"/hr/events", map[string]any{"events": []map[string]string{{"person_id": key, "employment_id": "N-" + key, "given_name": "Ny", "family_name": "Person", "unit": "office", "start_date": "2026-12-01"}}}, "Idempotency-Key", "one")
	}
	h.good(send("service:payroll", "new"))
	if again := h.good(send("service:payroll", "new")); again.header.Get("Idempotency-Replayed") == "" {
		t.Error("the second request with the key is not answered as the first")
	}
	if other := h.good(send("service:administrator", "new")); other.header.Get("Idempotency-Replayed") != "" {
		t.Error("another service account is answered with its request")
	}
	if r := send("service:auditor", "new"); r.status != http.StatusForbidden || !strings.Contains(r.body, "urn:behov:problem:not-allowed") {
		t.Errorf("without the role: %d %s", r.status, r.body)
	}
	if r := h.good(h.get("auditor", "/records?limit=1000")); !strings.Contains(r.body, `"actor":"service:payroll"`) {
		t.Errorf("the records: %s", r.body)
	}
	where := h.good(h.post("service:administrator", "/plans", map[string]any{})).header.Get("Location")
	if r := h.ask("service:auditor", http.MethodGet, where, nil); r.status != http.StatusNotFound {
		t.Errorf("another service account's plan: %d", r.status)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r := h.good(h.ask("service:administrator", http.MethodGet, where, nil))
		if strings.Contains(r.body, `"done"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(r.body)
		}
	}
}

// TestServiceTokens: an administrator who signed in with more than one factor makes the
// tokens of service accounts; they are recorded, shown, and end.
func TestServiceTokens(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	made := func(who string, change map[string]any) reply {
		t.Helper()
		body := map[string]any{"name": "the payroll system", "service": "payroll", "scopes": []string{"people:read"}, "expires": h.Time.AddDate(0, 1, 0)}
		for k, v := range change {
			body[k] = v
		}
		return h.post(who, "/tokens", body)
	}
	administrator := h.asLogin("administrator", store.ManyFactors)
	for _, c := range []struct {
		who    string
		change map[string]any
		status int
		code   string
	}{
		{"administrator", nil, http.StatusConflict, "token-by-token"},
		{"service:administrator", nil, http.StatusForbidden, "needs-person"},
		{h.asLogin("administrator", ""), nil, http.StatusUnauthorized, "sign-in-stronger"},
		{h.asLogin("operator", store.ManyFactors), nil, http.StatusForbidden, "not-allowed"},
		{h.asLogin("staff", store.ManyFactors), nil, http.StatusForbidden, "not-allowed"},
		{administrator, map[string]any{"service": "nothing"}, http.StatusNotFound, "no-such-service"},
		{administrator, map[string]any{"scopes": []string{"everything"}}, http.StatusUnprocessableEntity, "invalid"},
		{administrator, map[string]any{"expires": h.Time.AddDate(2, 0, 0)}, http.StatusConflict, "token-expiry"},
	} {
		if r := made(c.who, c.change); r.status != c.status || !strings.Contains(r.body, "urn:behov:problem:"+c.code) {
			t.Errorf("%s with %v: %d %s", c.who, c.change, r.status, r.body)
		}
	}
	var token api.MadeToken
	h.good(made(administrator, nil)).into(t, &token)
	if token.Service != "payroll" || token.Owner != nil || token.Text == "" {
		t.Fatalf("%+v", token)
	}
	h.tokens["made"] = token.Text
	h.good(h.get("made", "/people/staff"))
	found := false
	for r, err := range h.DB.AuditRecords(t.Context(), store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		found = found || r.Action == audit.TokenMade && r.Actor == identity.PersonActor(h.Person("administrator").ID) && strings.Contains(r.Reason.JSON(), `"service":"payroll"`) && strings.HasPrefix(r.Authority, "administrator, signed-in, rights ")
	}
	if !found {
		t.Error("the audit trail does not say who made it")
	}
	h.Time = h.Time.AddDate(0, 1, 1)
	if r := h.get("made", "/people/staff"); r.status != http.StatusUnauthorized {
		t.Errorf("an expired token: %d", r.status)
	}
	h.Time = h.Time.AddDate(0, -1, -1)
	if r := h.ask(administrator, http.MethodDelete, api.Path+"/tokens/"+token.ID+"?reason=r", nil); r.status != http.StatusNoContent {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.get("made", "/people/staff"); r.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", r.status)
	}
}

// TestServiceAccountsEnd: a service account is let in while it is in the configuration and a
// person who is responsible for it works here and is not suspended; the status says when none
// does, and how many tokens that concerns.
func TestServiceAccountsEnd(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	var said struct {
		Services []struct {
			Service string
			Tokens  int
			Problem struct {
				Code, Day, Text string
				Count           int
			}
		} `json:"service_accounts"`
		Waits bool `json:"waits_for_a_person"`
	}
	check := func(what, code string, in bool) {
		t.Helper()
		want := http.StatusUnauthorized
		if in {
			want = http.StatusOK
		}
		if r := h.get("service:payroll", "/me"); r.status != want {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
		said.Services, said.Waits = nil, false
		h.good(h.get("auditor", "/status")).into(t, &said)
		for _, s := range said.Services {
			if s.Service == "payroll" && (s.Problem.Code != code || s.Tokens != 1 || code != "" && (s.Problem.Count != 1 || s.Problem.Text == "")) {
				t.Errorf("%s: the status says %+v", what, s)
			}
		}
		if said.Waits != (code != "") || len(said.Services) != len(office.Services) && code != "service-undeclared" {
			t.Errorf("%s: the status says %+v", what, said)
		}
	}
	row := func(key, end string) {
		t.Helper()
		h.Import(office.Header + key + ",E-" + key + ",Given,Family" + key + ",office,,,,2020-01-01," + end + ",no\n")
	}
	check("both work here", "", true)
	row("administrator", "2026-11-29")
	check("one has left", "", true)
	row("operator", "2027-06-01")
	check("the last leaves in half a year", "", true)
	row("operator", "2026-12-10")
	check("the last leaves in ten days", "service-ends", true)
	for _, s := range said.Services {
		if s.Problem.Day != "2026-12-11" {
			t.Errorf("%+v", s)
		}
	}
	row("operator", "2026-11-29")
	check("both have left", "service-unattended", false)
	row("operator", "")
	check("one is back", "", true)
	if _, err := h.Governance().Suspend(t.Context(), h.Person("operator"), false, h.By("personnel"), "r"); err != nil {
		t.Fatal(err)
	}
	check("the last is suspended", "service-unattended", false)
	if _, err := h.Governance().Suspend(t.Context(), h.Person("operator"), true, h.By("personnel"), "r"); err != nil {
		t.Fatal(err)
	}
	check("and is not any more", "", true)
	h.Config.ServiceAccounts = slices.DeleteFunc(slices.Clone(h.Config.ServiceAccounts), func(s config.ServiceAccount) bool { return s.Name == "payroll" })
	check("it is not in the configuration", "service-undeclared", false)
}

// TestSessionsOfOthers: an administrator sees where another person is signed in, and ends it;
// the record says who did, and why.
func TestSessionsOfOthers(t *testing.T) {
	h := newHouse(t, nil)
	staff := h.Person("staff").ID
	one, two, other := h.signedIn(staff), h.signedIn(staff), h.signedIn(h.Person("stranger").ID)
	list := func(who, about string) []api.Session {
		t.Helper()
		var l struct{ Items []api.Session }
		h.good(h.get(who, "/people/"+about+"/sessions")).into(t, &l)
		return l.Items
	}
	end := func(who, path string) reply {
		t.Helper()
		return h.ask(who, http.MethodDelete, api.Path+"/people/"+path, nil)
	}
	if l := list("administrator", "staff"); len(l) != 2 || l[0].Current {
		t.Fatalf("%+v", l)
	}
	h.tokens["weak"] = h.token("administrator", "*:read *:write", "", "")
	for path, want := range map[string]int{"staff/sessions/" + one: http.StatusUnprocessableEntity, "staff/sessions/" + other + "?reason=r": http.StatusNotFound, "administrator/sessions?reason=r": http.StatusForbidden} {
		if r := end("administrator", path); r.status != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := end("weak", "staff/sessions?reason=r"); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "sign-in-stronger") {
		t.Errorf("with one factor: %d %s", r.status, r.body)
	}
	if r := h.get("weak", "/people/staff/sessions"); r.status != http.StatusUnauthorized {
		t.Errorf("with one factor it is listed: %d %s", r.status, r.body)
	}
	if n := len(list("administrator", "staff")); n != 2 {
		t.Errorf("%d sessions are left after what was refused", n)
	}
	r := h.good(end("administrator", "staff/sessions/"+one+"?reason=a+lost+laptop"))
	if !strings.Contains(r.body, `"kind":"session"`) || !strings.Contains(r.body, `"subject":"`+one+`"`) || !strings.Contains(r.body, `"reason":"a lost laptop"`) || !strings.Contains(r.body, `"authority":"administrator, token, rights `) || !strings.Contains(r.body, string(h.Person("administrator").ID)) {
		t.Errorf("%s", r.body)
	}
	if l := list("administrator", "staff"); len(l) != 1 || l[0].ID != two {
		t.Errorf("%+v", l)
	}
	h.signedIn(staff)
	h.good(end("administrator", "staff/sessions?reason=r"))
	if l := list("administrator", "staff"); len(l) != 0 {
		t.Errorf("%+v", l)
	}
	if l := list("administrator", "stranger"); len(l) != 1 {
		t.Errorf("another person's: %+v", l)
	}
	if r := end("administrator", "staff/sessions?reason=r"); r.status != http.StatusConflict || !strings.Contains(r.body, "no-sessions") {
		t.Errorf("none is left: %d %s", r.status, r.body)
	}
	if _, err := h.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestServicesAreToldApart: the access log names the service account, and the limit of
// requests is of each one, as of each person.
func TestServicesAreToldApart(t *testing.T) {
	h := newHouse(t, nil)
	var log bytes.Buffer
	chain := server.New(func(context.Context) error { return nil }, map[string]server.Mount{api.Path: {Handler: h.handler}},
		server.Chain{Log: slog.New(slog.NewTextHandler(&log, nil)), PerSubject: server.Rate{PerSecond: 0.001, Burst: 2}})
	for _, who := range []string{"service:auditor", "service:payroll", "auditor"} {
		for n, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Path+"/installation", nil)
			r.Header.Set("Authorization", "Bearer "+h.as(who))
			w := httptest.NewRecorder()
			if chain.ServeHTTP(w, r); w.Code != want {
				t.Errorf("request %d of %s: %d %s", n+1, who, w.Code, w.Body)
			}
		}
		id := who
		if who == "auditor" {
			id = string(h.Person(who).ID)
		}
		if !strings.Contains(log.String(), "subject="+id) {
			t.Errorf("the access log does not name %s: %s", who, log.String())
		}
	}
}

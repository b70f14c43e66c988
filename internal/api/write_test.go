package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

func TestIdempotencyKeys(t *testing.T) {
	h := newHouse(t, nil)
	why := map[string]any{"reason": "an investigation"}
	keyed := func(who, path, key string, body any) reply {
		t.Helper()
		return h.ask(who, http.MethodPost, api.Path+path, body, "Idempotency-Key", key)
	}
	first := h.good(keyed("administrator", "/people/staff/legal-hold", "one", why))
	second := keyed("administrator", "/people/staff/legal-hold", "one", why)
	if second.status != http.StatusOK || second.body != first.body || second.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the second: %d %s\nthe first: %s", second.status, second.body, first.body)
	}
	if r := keyed("administrator", "/people/stranger/legal-hold", "one", why); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "idempotency-key-reused") {
		t.Errorf("another request with the key: %d %s", r.status, r.body)
	}
	if r := keyed("officer", "/people/staff/legal-hold", "one", why); r.status != http.StatusConflict || !strings.Contains(r.body, "already-decided") {
		t.Errorf("another person with the key: %d %s", r.status, r.body)
	}
	// What was refused may be asked again.
	if r := keyed("stranger", "/people/staff/legal-hold", "two", why); r.status != http.StatusNotFound {
		t.Errorf("refused: %d %s", r.status, r.body)
	}
	h.Time = h.Time.Add(25 * time.Hour)
	h.tokens = map[string]string{}
	if r := keyed("administrator", "/people/staff/legal-hold", "one", why); r.status != http.StatusConflict {
		t.Errorf("after a day: %d %s", r.status, r.body)
	}
	h.Apply()
	// Many at once: one does it.
	h.as("administrator")
	var wait sync.WaitGroup
	replies := make([]*httptest.ResponseRecorder, 8)
	for i := range replies {
		replies[i] = httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, api.Path+"/reviews", strings.NewReader(`{"system":"lib"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "many")
		r.Header.Set("Authorization", "Bearer "+h.tokens["administrator"])
		wait.Go(func() { h.handler.ServeHTTP(replies[i], r) })
	}
	wait.Wait()
	for _, r := range replies {
		if r.Code != http.StatusCreated && r.Code != http.StatusConflict {
			t.Errorf("at once: %d %s", r.Code, r.Body)
		}
	}
	if campaigns, _, err := h.DB.OpenReviews(t.Context()); err != nil || campaigns != 1 {
		t.Errorf("%d reviews were started, %v", campaigns, err)
	}
}

// TestTheKeyIsKeptWithTheDecision: killed after the transaction and before the answer, a
// second request does nothing.
func TestTheKeyIsKeptWithTheDecision(t *testing.T) {
	h := newHouse(t, nil)
	ctx := store.WithBeside(t.Context(), func(tx *store.Tx) error {
		return tx.PutRequest(t.Context(), store.Request{KeyHash: []byte("k"), RequestHash: []byte("r"), AtUS: 5}, time.Time{})
	})
	if _, err := h.Governance().SetLegalHold(ctx, h.Person("staff"), false, h.By("administrator"), "r"); err != nil {
		t.Fatal(err)
	}
	known, there, err := h.DB.KnownRequest(t.Context(), []byte("k"), time.Time{})
	if err != nil || !there || known.Status != 0 {
		t.Errorf("%+v, %t, %v", known, there, err)
	}
	if _, err := h.Governance().SetLegalHold(ctx, h.Person("gone"), false, h.By("administrator"), "r"); err != nil {
		t.Errorf("the second transaction of the context: %v", err)
	}
	again := store.WithBeside(t.Context(), func(tx *store.Tx) error {
		return tx.PutRequest(t.Context(), store.Request{KeyHash: []byte("k"), RequestHash: []byte("r"), AtUS: 5}, time.Time{})
	})
	if _, err := h.Governance().SetLegalHold(again, h.Person("stranger"), false, h.By("administrator"), "r"); err == nil {
		t.Error("the decision is made though the request is there")
	}
	if _, err := h.Governance().SetLegalHold(t.Context(), h.Person("stranger"), false, h.By("administrator"), "r"); err != nil {
		t.Errorf("the decision was kept though its request was not: %v", err)
	}
}

func TestIfMatch(t *testing.T) {
	h := newHouse(t, nil)
	etag := h.good(h.get("administrator", "/people/staff")).header.Get("ETag")
	if etag == "" {
		t.Fatal("a person has no ETag")
	}
	if r := h.ask("administrator", http.MethodPost, api.Path+"/people/staff/legal-hold", map[string]any{"reason": "r"}, "If-Match", `"another"`); r.status != http.StatusPreconditionFailed {
		t.Errorf("another ETag: %d %s", r.status, r.body)
	}
	h.good(h.ask("administrator", http.MethodPost, api.Path+"/people/staff/legal-hold", map[string]any{"reason": "r"}, "If-Match", etag))
	if r := h.ask("administrator", http.MethodPost, api.Path+"/people/staff/protection", map[string]any{"reason": "r"}, "If-Match", etag); r.status != http.StatusPreconditionFailed {
		t.Errorf("the ETag of before: %d %s", r.status, r.body)
	}
}

// A hire, a move and an end, said by HR's system.
func TestHREvents(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	send := func(events ...map[string]string) reply {
		t.Helper()
		return h.post("personnel", "/hr/events", map[string]any{"events": events})
	}
	type said struct {
		Import struct {
			Events   int
			LeftOut  int `json:"left_out"`
			Problems []struct{ Text string }
		}
		People []struct {
			Person struct{ ID string }
			Stage  struct{ State, Next string }
			Plan   struct {
				Steps []struct{ Op, Entitlement string }
			}
		}
	}
	ops := func(s said) string {
		var all []string
		for _, p := range s.People {
			for _, step := range p.Plan.Steps {
				all = append(all, strings.TrimSpace(step.Op+" "+step.Entitlement))
			}
		}
		return strings.Join(all, ", ")
	}
	var hired said
	h.good(send(map[string]string{"person_id": "new", "employment_id": "N1", "given_name": "Ny", "family_name": "Person", "unit": "office", "job_code": "LIB", "start_date": "2026-11-30"})).into(t, &hired)
	if len(hired.People) != 1 || hired.People[0].Stage.State != "active" || !strings.Contains(ops(hired), "add-member lib:library") || !strings.Contains(ops(hired), "create-account") {
		t.Errorf("a hire: %+v", hired)
	}
	h.Apply()
	var moved said
	h.good(send(map[string]string{"person_id": "new", "employment_id": "N1", "given_name": "Ny", "family_name": "Person", "unit": "office", "job_code": "", "start_date": "2026-11-30"})).into(t, &moved)
	if ops(moved) != "remove-member lib:library" {
		t.Errorf("a move: %s", ops(moved))
	}
	var left said
	h.good(send(map[string]string{"person_id": "new", "employment_id": "N1", "given_name": "Ny", "family_name": "Person", "unit": "office", "start_date": "2026-11-30", "end_date": "2026-11-29"})).into(t, &left)
	if len(left.People) != 1 || left.People[0].Stage.State == "active" {
		t.Errorf("an end: %+v", left)
	}
	var later said
	h.good(send(map[string]string{"person_id": "next", "employment_id": "N2", "given_name": "Nästa", "family_name": "Person", "unit": "office", "start_date": "2027-03-01"})).into(t, &later)
	if len(later.People) != 1 || later.People[0].Stage.Next != "2027-03-01" {
		t.Errorf("one who comes later: %+v", later)
	}
	// What is wrong is said, and the rest is taken.
	var some said
	h.good(send(map[string]string{"person_id": "ok", "employment_id": "N3", "given_name": "O", "family_name": "K", "unit": "office", "start_date": "2026-11-30"},
		map[string]string{"person_id": "bad", "employment_id": "N4", "given_name": "B", "family_name": "D", "unit": "office", "start_date": "31/31/2026"})).into(t, &some)
	if some.Import.LeftOut != 1 || len(some.Import.Problems) != 1 || len(some.People) != 1 {
		t.Errorf("one good and one bad: %+v", some)
	}
	if r := send(map[string]string{"person_id": "x", "emplyment_id": "N5"}); r.status != http.StatusBadRequest || !strings.Contains(r.body, "emplyment_id") {
		t.Errorf("a misspelt column: %d %s", r.status, r.body)
	}
	if r := h.post("personnel", "/hr/events", map[string]any{"source": "nothing", "events": []map[string]string{{"person_id": "x"}}}); r.status != http.StatusNotFound {
		t.Errorf("an unknown source: %d %s", r.status, r.body)
	}
}

func TestPlans(t *testing.T) {
	h := newHouse(t, nil)
	started := h.good(h.post("operator", "/plans", map[string]any{}))
	where := started.header.Get("Location")
	if started.status != http.StatusAccepted || where == "" {
		t.Fatalf("%d %v", started.status, started.header)
	}
	var made struct {
		State string
		Plan  *struct {
			Digest string
			Steps  []json.RawMessage
		}
	}
	for deadline := time.Now().Add(20 * time.Second); made.State != "done"; time.Sleep(10 * time.Millisecond) {
		h.good(h.ask("operator", http.MethodGet, where, nil)).into(t, &made)
		if made.State == "failed" || time.Now().After(deadline) {
			t.Fatalf("%+v", made)
		}
	}
	if made.Plan == nil || len(made.Plan.Steps) == 0 || made.Plan.Digest == "" {
		t.Errorf("%+v", made)
	}
	if r := h.ask("auditor", http.MethodGet, where, nil); r.status != http.StatusNotFound {
		t.Errorf("another's plan: %d", r.status)
	}
}

// TestSimulations: a simulation is answered to who asked, with the people as they may see
// them; a file that is wrong is answered with each place.
func TestSimulations(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	started := h.good(h.post("auditor", "/simulations", map[string]any{"policy": "p, everyone, true, base:staff, allow, everybody\n",
		"hr": map[string]any{"name": "new.csv", "content": []byte(office.Header + "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,2026-11-29,no\nnew,E9,Ny,Person,office,LIB,,,2026-11-30,,no\n")}}))
	var made api.SimulationTask
	for deadline := time.Now().Add(20 * time.Second); made.State != store.TaskDone; time.Sleep(10 * time.Millisecond) {
		h.good(h.ask("auditor", http.MethodGet, started.header.Get("Location"), nil)).into(t, &made)
		if made.State == store.TaskFailed || time.Now().After(deadline) {
			t.Fatalf("%+v", made)
		}
	}
	if s := made.Simulation; len(s.Newcomers) != 1 || s.Newcomers[0].DisplayName != "Ny Person" || made.Import == nil || made.Import.Held == nil {
		t.Errorf("%+v", made)
	}
	names := map[string]int{}
	for _, g := range made.Simulation.Grants {
		names[g.Person.DisplayName+" "+string(g.Entitlement)+" "+string(g.Before)+">"+string(g.After)]++
	}
	for _, want := range []string{"Anna Staff lib:library given>", "Ny Person base:staff >given"} {
		if names[want] != 1 {
			t.Errorf("no %s in %v", want, names)
		}
	}
	if r := h.post("auditor", "/simulations", map[string]any{"policy": "p, x, r.sub.nothing == 'a', base:staff, allow, x\n"}); r.status != http.StatusBadRequest || !strings.Contains(r.body, "policy.csv:1") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := h.post("auditor", "/simulations", map[string]any{}); r.status != http.StatusBadRequest {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestOwnTokens(t *testing.T) {
	h := newHouse(t, nil)
	expires := h.Time.AddDate(0, 1, 0)
	if r := h.post("staff", "/tokens", map[string]any{"name": "n", "scopes": []string{"people:read"}, "expires": expires}); r.status != http.StatusConflict || !strings.Contains(r.body, "token-by-token") {
		t.Errorf("a token makes a token: %d %s", r.status, r.body)
	}
	for _, body := range []map[string]any{{"name": "n", "scopes": []string{"everything"}, "expires": expires}, {"name": "", "scopes": []string{"people:read"}, "expires": expires}, {"name": "n", "scopes": []string{}, "expires": expires}} {
		if r := h.post("staff", "/tokens", body); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d %s", body, r.status, r.body)
		}
	}
	if r := h.post("staff", "/tokens", map[string]any{"name": "n", "scopes": []string{"people:read"}, "systems": []string{"none"}, "expires": expires}); r.status != http.StatusNotFound {
		t.Errorf("a system that is not there: %d %s", r.status, r.body)
	}
	var mine struct{ Items []struct{ ID, Name string } }
	h.good(h.get("staff", "/tokens")).into(t, &mine)
	if len(mine.Items) != 1 {
		t.Fatalf("%+v", mine)
	}
	var all struct{ Items []struct{ ID string } }
	h.good(h.get("auditor", "/tokens?all=true")).into(t, &all)
	if r := h.ask("stranger", http.MethodDelete, api.Path+"/tokens/"+mine.Items[0].ID+"?reason=r", nil); r.status != http.StatusForbidden {
		t.Errorf("another's token is revoked: %d %s", r.status, r.body)
	}
	if r := h.ask("staff", http.MethodDelete, api.Path+"/tokens/"+mine.Items[0].ID+"?reason=r", nil); r.status != http.StatusNoContent {
		t.Errorf("one's own is not: %d %s", r.status, r.body)
	}
	if r := h.get("staff", "/me"); r.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", r.status)
	}
}

func TestAuthZEN(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	ask := func(who, what string, body any) reply {
		t.Helper()
		return h.ask(who, http.MethodPost, api.AuthZENPath+what, body)
	}
	type entity map[string]any
	staff, secret := entity{"type": "person", "id": "staff"}, entity{"type": "user", "id": string(h.Person("secret").ID)}
	use, library, lib := entity{"name": "use"}, entity{"type": "entitlement", "id": "lib:library"}, entity{"type": "system", "id": "lib"}
	for _, c := range []struct {
		who               string
		subject, resource entity
		action            entity
		want              bool
	}{
		{"auditor", staff, library, use, true}, {"auditor", staff, lib, use, true}, {"auditor", secret, library, use, true}, {"auditor", entity{"type": "person", "id": "stranger"}, library, use, false},
		{"auditor", entity{"type": "person", "id": "nobody"}, library, use, false}, {"auditor", staff, entity{"type": "entitlement", "id": "no:thing"}, use, false}, {"auditor", staff, library, entity{"name": "delete"}, false},
		{"auditor", entity{"type": "car", "id": "staff"}, library, use, false}, {"manager", staff, library, use, true}, {"stranger", staff, library, use, false},
	} {
		var d struct{ Decision bool }
		h.good(ask(c.who, "/evaluation", map[string]any{"subject": c.subject, "action": c.action, "resource": c.resource})).into(t, &d)
		if d.Decision != c.want {
			t.Errorf("%s asks whether %v may %v %v: %t", c.who, c.subject, c.action, c.resource, d.Decision)
		}
	}
	var several struct{ Evaluations []struct{ Decision bool } }
	h.good(ask("auditor", "/evaluations", map[string]any{"subject": staff, "action": use, "evaluations": []any{map[string]any{"resource": library}, map[string]any{"resource": entity{"type": "system", "id": "none"}}}})).into(t, &several)
	if len(several.Evaluations) != 2 || !several.Evaluations[0].Decision || several.Evaluations[1].Decision {
		t.Errorf("%+v", several)
	}
	type found struct {
		Results []map[string]any
		Page    struct {
			Next string `json:"next_token"`
		}
	}
	search := func(who, kind string, body map[string]any) found {
		t.Helper()
		var f found
		h.good(ask(who, "/search/"+kind, body)).into(t, &f)
		return f
	}
	if f := search("auditor", "subject", map[string]any{"subject": entity{"type": "user"}, "action": use, "resource": lib}); len(f.Results) != 2 {
		t.Errorf("who uses lib: %+v", f)
	}
	if f := search("stranger", "subject", map[string]any{"subject": entity{"type": "user"}, "action": use, "resource": lib}); len(f.Results) != 0 {
		t.Errorf("a stranger is told who uses lib: %+v", f)
	}
	one := search("auditor", "subject", map[string]any{"subject": entity{"type": "user"}, "action": use, "resource": lib, "page": map[string]any{"limit": 1}})
	two := search("auditor", "subject", map[string]any{"subject": entity{"type": "user"}, "action": use, "resource": lib, "page": map[string]any{"limit": 1, "token": one.Page.Next}})
	if len(one.Results) != 1 || len(two.Results) != 1 || one.Results[0]["id"] == two.Results[0]["id"] || two.Page.Next != "" {
		t.Errorf("part by part: %+v %+v", one, two)
	}
	if f := search("auditor", "resource", map[string]any{"subject": staff, "action": use, "resource": entity{"type": "system"}}); len(f.Results) != 2 {
		t.Errorf("what staff uses: %+v", f)
	}
	if f := search("auditor", "action", map[string]any{"subject": staff, "resource": library}); len(f.Results) != 1 {
		t.Errorf("what staff may: %+v", f)
	}
	if _, err := h.Governance().Suspend(t.Context(), h.Person("staff"), false, h.By("operator"), "r"); err != nil {
		t.Fatal(err)
	}
	var d struct{ Decision bool }
	h.good(ask("auditor", "/evaluation", map[string]any{"subject": staff, "action": use, "resource": library})).into(t, &d)
	if d.Decision {
		t.Error("a suspended person may")
	}
	r := h.ask("", http.MethodGet, api.AuthZENMetadata, nil)
	if r.status != http.StatusOK || !strings.Contains(r.body, "/access/v1/evaluation") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// What is hostile is refused, and makes no error of ours.
func TestHostileRequests(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	for _, q := range []string{"' OR 1=1 --", "%' UNION SELECT * FROM person --", "*)(uid=*))(|(uid=*", "\x00", strings.Repeat("a", 200), "🧨", "a b c d e f g h", "\\", "%25%27", "_", "%"} {
		r := h.ask("auditor", http.MethodGet, api.Path+"/people?q="+strings.NewReplacer("%", "%25", " ", "%20", "\x00", "%00", "#", "%23", "&", "%26").Replace(q), nil)
		if r.status >= 500 || r.status == http.StatusOK && strings.Contains(r.body, `"id"`) && q != "a" {
			t.Errorf("%q: %d %s", q, r.status, r.body)
		}
	}
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	for what, body := range map[string]string{"deep JSON": deep, "no JSON": "<x/>", "two values": `{"reason":"r"}{"reason":"s"}`, "another type": `{"reason":7}`, "unknown fields": `{"reason":"r","admin":true}`, "null": "null", "nothing": "", "a list": "[]",
		"no reason": `{"reason":""}`, "a long reason": `{"reason":"` + strings.Repeat("x", 3000) + `"}`, "large": `{"reason":"` + strings.Repeat("x", 9<<20) + `"}`, "bad UTF-8": "{\"reason\":\"\xff\xfe\"}", "a twice-said field": `{"reason":"r","reason":7}`} {
		if r := h.ask("administrator", http.MethodPost, api.Path+"/people/staff/legal-hold", body); r.status >= 500 || r.status < 400 && what != "bad UTF-8" && what != "two values" {
			t.Errorf("%s: %d %.200s", what, r.status, r.body)
		}
	}
	for _, path := range []string{"/people/..%2f..%2fetc", "/people/%00", "/people/a%2Fb%2Fc", "/holds/..", "/review-items/1-1;x=1/keep", "/people//grants"} {
		if r := h.ask("auditor", http.MethodGet, api.Path+path, nil); r.status >= 500 || r.status == http.StatusOK {
			t.Errorf("%s: %d %.200s", path, r.status, r.body)
		}
	}
}

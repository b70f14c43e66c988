package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// read is the path of a route that changes nothing, as it is asked about a person, and
// whether the test knows the route.
func (h *house) read(route, about string) (string, bool) {
	h.t.Helper()
	id := string(h.Person(about).ID)
	switch route { // what they are about is made for them alone
	case "get-non-human-account":
		return "/non-human-accounts/" + h.account(), true
	case "get-request":
		return "/requests/" + h.request(h.Person(about).ID), true
	}
	path, known := map[string]string{
		"me": "/me", "list-people": "/people", "get-person": "/people/" + id, "get-grants": "/people/" + id + "/grants", "explain": "/people/" + id + "/grants/lib:library", "get-roles": "/people/" + id + "/roles",
		"get-spells": "/people/" + id + "/spells", "extract-person": "/people/" + id + "/extract", "list-decisions-about": "/people/" + id + "/decisions", "list-unit": "/units/office/people", "list-reviews": "/reviews", "list-rule-tasks": "/rule-tasks", "list-requestable": "/requestable", "list-manual-targets": "/manual-targets", "list-work-orders": "/work-orders", "get-work-order": "/work-orders/999", "list-requests": "/requests", "list-requests-waiting": "/requests/waiting", "list-my-requests": "/requests/mine", "list-non-human-accounts": "/non-human-accounts", "preview-person": "/people/" + id + "/plan", "get-access": "/people/" + id + "/access", "list-duplicates": "/duplicates", "list-managers": "/managers", "list-systems": "/systems", "list-revisions": "/revisions", "list-conflicts": "/conflicts", "list-absences": "/absences", "list-requirements": "/compliance", "suggest-rules": "/rules/suggestions", "test-rules": "/rules/test", "get-rules-approval": "/rules/approval", "list-entitlements": "/entitlements",
		"who-had-entitlement": "/entitlements/lib:library/access", "who-had-system": "/systems/lib/access", "list-access-changes": "/access-changes", "list-records": "/records?person=" + id, "list-holds": "/holds", "get-hold": "/holds/abc",
		"list-steps": "/steps", "list-review-items": "/review-items", "get-plan": "/plans/0197b1f0-0000-7000-8000-000000000000", "get-simulation": "/simulations/0197b1f0-0000-7000-8000-000000000000", "list-imports": "/hr/imports", "list-reports": "/hr/reports", "get-status": "/status", "get-installation": "/installation", "get-rights": "/rights", "list-tokens": "/tokens", "list-sessions": "/sessions", "list-sessions-of": "/people/" + id + "/sessions",
	}[route]
	return path, known
}

// write is a request that changes something.
type write struct {
	path string
	body any
}

// writes are the routes that change something, as they are asked about a person. What they
// are about is made anew for each.
func (h *house) writes(id, about string) write {
	h.t.Helper()
	person := h.Person(about)
	why := map[string]any{"reason": "a test"}
	at := "/people/" + string(person.ID)
	switch id {
	case "suspend":
		return write{at + "/suspension", why}
	case "hold-legally":
		return write{at + "/legal-hold", why}
	case "protect":
		return write{at + "/protection", why}
	case "set-main-employment":
		return write{at + "/main-employment", map[string]any{"reason": "a test", "employment": person.Employments[0].Key.Key}}
	case "merge":
		return write{at + "/merge", map[string]any{"reason": "a test", "other": string(h.Person("gone").ID)}}
	case "keep-apart":
		return write{at + "/apart", map[string]any{"reason": "a test", "other": string(h.Person("gone").ID)}}
	case "split":
		return write{at + "/split", map[string]any{"reason": "a test", "source": "hr", "key": about}}
	case "readmit":
		return write{"/readmissions", map[string]any{"reason": "a test", "source": "hr", "key": "9"}}
	case "set-absence":
		return write{at + "/absence", map[string]any{"reason": "a test", "deputy": "personnel", "until": "2026-12-24"}}
	case "allow-conflict":
		return write{at + "/conflicts/both", map[string]any{"reason": "a test", "until": "2026-12-24"}}
	case "screen", "exempt-from-mfa":
		return write{at + map[string]string{"screen": "/screening", "exempt-from-mfa": "/mfa-exemption"}[id], map[string]any{"reason": "a test", "until": "2026-12-24"}}
	case "request-access", "take-emergency-access":
		h.noRequests(person.ID)
		return write{at + map[string]string{"request-access": "/requests", "take-emergency-access": "/emergency-access"}[id], map[string]any{"reason": "a test", "entitlement": "lib:desk", "until": "2026-11-30"}}
	case "approve-request", "refuse-request", "withdraw-request":
		verb, _, _ := strings.Cut(id, "-")
		return write{"/requests/" + h.request(person.ID) + "/" + verb, why}
	case "confirm-work-order", "cannot-work-order":
		verb, _, _ := strings.Cut(id, "-")
		return write{"/work-orders/" + h.order(person.ID) + "/" + verb, why}
	case "upload-account-list":
		return write{"/targets/pay/account-list", map[string]any{"name": "pay.csv", "content": "account\nx\n"}}
	case "register-account":
		return write{"/non-human-accounts", map[string]any{"reason": "a test", "target": "one", "account": "nothing", "kind": "robot", "system": "lib", "owner": "staff", "purpose": "a test", "until": "2026-12-24"}}
	case "hand-over-account":
		return write{"/non-human-accounts/" + h.account() + "/hand-over", map[string]any{"reason": "a test", "owner": "staff"}}
	case "renew-account":
		return write{"/non-human-accounts/" + h.account() + "/renew", map[string]any{"reason": "a test", "until": "2026-12-24"}}
	case "retire-account":
		return write{"/non-human-accounts/" + h.account() + "/retire", why}
	case "propose-erasure":
		return write{at + "/erasure", why}
	case "enable-account":
		return write{at + "/accounts/one/enable", why}
	case "bind-account":
		return write{at + "/accounts/one", map[string]any{"reason": "a test", "account_id": "x"}}
	case "issue-pass":
		return write{at + "/mfa-pass", map[string]any{"reason": "a test", "minutes": 60}}
	case "withdraw-pass":
		return write{at + "/mfa-pass/withdrawal", why}
	case "release-hold", "reject-hold":
		verb, _, _ := strings.Cut(id, "-")
		return write{"/holds/" + h.held(person.ID) + "/" + verb, why}
	case "retry-steps", "give-up-steps":
		return write{"/steps/" + strings.TrimSuffix(id, "-steps"), map[string]any{"reason": "a test", "keys": []string{h.failing(person.ID)}}}
	case "revise":
		return write{"/revisions", map[string]any{"reason": "a test", "subject": "lib"}}
	case "propose-rules":
		return write{"/rules/proposals", why}
	case "approve-rules", "reject-rules":
		verb, _, _ := strings.Cut(id, "-")
		return write{"/rules/proposals/0123456789ab/" + verb, why}
	case "start-review":
		return write{"/reviews", map[string]any{"system": "lib"}}
	case "keep-access", "revoke-access":
		verb, _, _ := strings.Cut(id, "-")
		return write{"/review-items/" + h.question(person.ID) + "/" + verb, why}
	case "change-rule", "not-mine":
		return write{"/review-items/" + h.question(person.ID) + "/" + id, why}
	case "hand-on":
		return write{"/review-items/" + h.question(person.ID) + "/hand-on", map[string]any{"reason": "a test", "to": string(h.Person("operator").ID)}}
	case "sign-off-review":
		return write{"/reviews/" + h.finished() + "/sign-off", why}
	case "pause-target", "resume-target", "retire-target":
		verb, _, _ := strings.Cut(id, "-")
		return write{"/targets/one/" + verb, why}
	case "report-hire":
		return write{"/hr/hires", map[string]any{"reason": "a test", "given_name": "Ny", "family_name": "Person", "unit": "office", "job_title": "Temp", "first_day": "2026-12-01"}}
	case "report-end":
		if person.Employments[0].Report != nil {
			if _, err := h.Governance().TakeBackReport(h.t.Context(), person, person.Employments[0].ID, h.By(map[bool]string{true: "operator", false: "administrator"}[about == "administrator"]), "a test"); err != nil {
				h.t.Fatal(err)
			}
		}
		return write{at + "/employment-end", map[string]any{"reason": "a test", "employment": person.Employments[0].Key.Key, "last_day": "2026-12-15"}}
	case "take-back-report":
		if person.Employments[0].Report == nil {
			if _, err := h.Governance().ReportEnd(h.t.Context(), person, person.Employments[0].ID, "2026-12-15", h.By(map[bool]string{true: "operator", false: "administrator"}[about == "administrator"]), "a test"); err != nil {
				h.t.Fatal(err)
			}
		}
		return write{at + "/employment-end/take-back", map[string]any{"reason": "a test", "employment": person.Employments[0].Key.Key}}
	case "send-hr-events":
		return write{"/hr/events", map[string]any{"events": []map[string]string{{"person_id": "new", "employment_id": "N1", "given_name": "Ny", "family_name": "Person", "unit": "office", "start_date": "2026-12-01"}}}}
	case "make-plan":
		return write{"/plans", map[string]any{}}
	case "simulate":
		return write{"/simulations", map[string]any{"policy": "p, everyone, true, base:staff, allow, everybody\n"}}
	case "end-session-of":
		return write{at + "/sessions/" + h.signedIn(person.ID) + "?reason=a+test", nil}
	case "end-sessions-of":
		h.signedIn(person.ID)
		return write{at + "/sessions?reason=a+test", nil}
	case "make-token":
		return write{"/tokens", map[string]any{"name": "mine", "scopes": []string{"people:read"}, "expires": h.Time.AddDate(0, 1, 0)}}
	}
	h.t.Fatalf("the test knows no request of %s", id)
	return write{}
}

// send sends what changes something, again for as long as plans asked for before are made.
func (h *house) send(who, method string, w write) reply {
	h.t.Helper()
	for {
		r := h.ask(who, method, api.Path+w.path, w.body)
		if r.status != http.StatusTooManyRequests || !strings.Contains(r.body, "urn:behov:problem:busy") {
			return r
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// signedIn signs a person in, and returns the ID of the session.
func (h *house) signedIn(who identity.PersonID) string {
	h.t.Helper()
	id := "session-" + h.serial()
	at := func(d time.Duration) store.Micros { return store.Micros(h.Time.Add(d).UnixMicro()) }
	if err := h.DB.PutSession(h.t.Context(), store.Session{Hash: store.HashSession(id), ID: id, Person: who, Data: "{}", BeganUS: at(-time.Minute), UsedUS: at(0), ExpiresUS: at(time.Hour)}, h.Time); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func (h *house) serial() string {
	h.asked["serial"+fmt.Sprint(len(h.asked))] = true
	return fmt.Sprintf("%016x", len(h.asked))
}

func (h *house) held(about identity.PersonID) string {
	h.t.Helper()
	hold := store.Hold{Digest: audit.HoldDigest(h.serial()), Kind: store.PlanHold, Subject: "one", Why: reason.Of(reason.Ready{})}
	step := plan.Step{Target: "one", Person: about, Op: connectors.RemoveMember, Entitlement: "lib:library", Reason: reason.Of(reason.Answer{Text: string(hold.Digest)})}
	body, err := json.Marshal(step)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		return tx.RaiseHold(h.t.Context(), hold, []store.HoldStep{{Key: step.Key(), Person: about, Body: string(body)}}, identity.System, h.Time)
	}); err != nil {
		h.t.Fatal(err)
	}
	return string(hold.Digest)
}

func (h *house) failing(about identity.PersonID) string {
	h.t.Helper()
	key := h.serial()
	body, err := json.Marshal(plan.Step{Target: "one", Person: about, Op: connectors.AddMember, Entitlement: "lib:library", Reason: reason.Of(reason.Ready{})})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		return tx.PutFailingStep(h.t.Context(), store.FailingStep{Key: audit.StepKey(key), Target: "one", Person: about, Body: string(body), Tries: 8, Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "no"}), State: store.Parked}, h.Time)
	}); err != nil {
		h.t.Fatal(err)
	}
	return key
}

// account is an account of the register that serves lib, and that manager owns.
func (h *house) account() string {
	h.t.Helper()
	serial := h.serial()
	a := store.NonHumanAccount{ID: identity.PersonID("00000000-0000-7000-8000-" + serial[4:]), Target: "one", Native: serial, Name: "robot-" + serial, Kind: store.RobotKind, System: "lib", Owner: h.Person("manager").ID, Purpose: "lends books", Until: "2026-12-24", State: store.Registered}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		_, err := tx.DecideNonHumanAccount(h.t.Context(), a, store.NonHumanAccount{}, store.Decision{Verdict: store.Register, Maker: identity.System, Reason: "a test"}, h.Time)
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return string(a.ID)
}

// request is a request of a person that waits for the owner of the system.
func (h *house) request(about identity.PersonID) string {
	h.t.Helper()
	h.noRequests(about)
	r := store.AccessRequest{Person: about, Entitlement: "lib:desk", Since: "2026-11-30", Until: "2026-12-24"}
	if p, err := h.DB.Person(h.t.Context(), about); err == nil && len(p.Employments) > 0 {
		terms := p.Employments[0].On("2026-11-30")
		r.Employment, r.Unit, r.Manager = p.Employments[0].ID, terms.Unit, terms.Manager("hr")
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		r, _, err = tx.AskAccess(h.t.Context(), r, store.Decision{Verdict: store.Ask, Maker: identity.System, Reason: "lends books"}, h.Time)
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprint(r.ID)
}

// noRequests withdraws what waits for a person, or gives them something.
func (h *house) noRequests(about identity.PersonID) {
	h.t.Helper()
	all, err := h.DB.RequestsOf(h.t.Context(), about, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		for _, r := range all {
			if r.State != store.RequestWaiting && r.State != store.RequestApproved {
				continue
			}
			if err := tx.EndAccess(h.t.Context(), r.ID, store.RequestWithdrawn); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) question(about identity.PersonID) string {
	h.t.Helper()
	var item store.ReviewItem
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		campaign, err := tx.StartReview(h.t.Context(), store.Campaign{Scope: store.SystemScope, Of: "lib", System: "lib", Asks: store.AsksOwner, StartedBy: identity.System, Reviewer: identity.PersonActor(h.Person("reviewer").ID)}, h.Time, []store.ReviewItem{{Kind: store.AccessItem, System: "lib", Reviewer: identity.PersonActor(h.Person("reviewer").ID), Person: about, Entitlement: "lib:library", Why: reason.Of(reason.Ready{})}})
		item.Campaign, item.Number = campaign, 1
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return item.Ref()
}

// withPay adds a target without an interface, of a system of the owner's.
var withPay = map[string]string{
	"behov.yaml":     "  pay: {manual: {to: pay@example.org}}\n",
	"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true}, desk: {requestable: true, emergency: true, purpose: lend at the desk}}}\n  pay: {owner: owner, deputies: [deputy], target: pay, entitlements: {clerk: {}}}\n",
}

// order places a work order about a person.
func (h *house) order(about identity.PersonID) string {
	h.t.Helper()
	var number int64
	o := store.WorkOrder{Target: "pay", Person: about, Key: audit.StepKey(fmt.Sprint(time.Now().UnixNano())), Body: "{}", Op: string(connectors.RemoveMember), Entitlement: "pay:clerk", Native: "clerk", Due: "2030-01-01", Name: "x"}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		number, err = tx.PlaceOrder(h.t.Context(), o, h.Time)
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return strconv.FormatInt(number, 10)
}

// finished starts a review of which every question has an answer, and returns its number.
func (h *house) finished() string {
	h.t.Helper()
	var campaign int64
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		campaign, err = tx.StartReview(h.t.Context(), store.Campaign{Scope: store.SystemScope, Of: "lib", System: "lib", Asks: store.AsksOwner, StartedBy: identity.System}, h.Time, nil)
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return strconv.FormatInt(campaign, 10)
}

// everyone are the roles that see everyone.
var everyone = []string{"administrator", "operator", "personnel", "officer", "auditor"}

// TestTheMatrix asks every route as every role, about oneself, one's staff and a stranger:
// who may not is refused, and who may is not. A route that it does not know fails it.
func TestTheMatrix(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	var all []string
	for _, item := range h.doc.Paths {
		for method, o := range map[string]*struct{ id, rule string }{http.MethodGet: ruleOf(item.Get), http.MethodPost: ruleOf(item.Post), http.MethodDelete: ruleOf(item.Delete)} {
			if o == nil || strings.HasPrefix(o.id, "authzen-") || o.id == "revoke-token" || o.id == "end-session" || o.id == "get-review" { // tests of their own
				continue
			}
			all = append(all, o.id)
			if method == http.MethodGet {
				h.matrixOfReading(o.id, o.rule)
			} else {
				matrixOfWriting(t, method, o.id, o.rule)
			}
		}
	}
	if len(all) < 50 {
		t.Errorf("%d routes were asked", len(all))
	}
}

func ruleOf(o any) *struct{ id, rule string } {
	b, err := json.Marshal(o)
	if err != nil || string(b) == "null" {
		return nil
	}
	var x struct {
		ID   string `json:"operationId"`
		Rule string `json:"x-behov-rule"`
	}
	if err := json.Unmarshal(b, &x); err != nil {
		panic(err)
	}
	return &struct{ id, rule string }{x.ID, x.Rule}
}

func (h *house) matrixOfReading(id, rule string) {
	h.t.Helper()
	for _, who := range office.Roles {
		for _, about := range []string{who, "staff", "stranger"} {
			path, known := h.read(id, about)
			if !known {
				h.t.Fatalf("the test does not know how %s is asked", id)
			}
			sees := slices.Contains(everyone, who) || about == who || about == "staff" && (who == "manager" || who == "owner" || who == "deputy")
			want := http.StatusOK
			switch {
			case strings.HasPrefix(rule, "decides:") && !sees:
				want = http.StatusNotFound
			case id == "extract-person" && (who == "officer" || who == "administrator" || about == who):
			case strings.HasPrefix(rule, "decides:") && (who != "administrator" || about == who):
				want = http.StatusForbidden
			case rule == "sees-everyone" && !slices.Contains(everyone, who):
				want = http.StatusForbidden
			case id == "get-non-human-account" && !slices.Contains(append([]string{"owner", "deputy", "manager"}, everyone...), who):
				want = http.StatusNotFound
			case id == "get-hold" || id == "get-work-order" || id == "get-plan" || id == "get-simulation", id == "get-request" && !sees && who != "owner" && who != "deputy":
				want = http.StatusNotFound
			case strings.Contains(path, string(h.Person(about).ID)) && rule == "signed-in" && !sees:
				want = http.StatusNotFound
			}
			r := h.get(who, path)
			if about == "staff" && (who == "owner" || who == "deputy") && (want == http.StatusOK || strings.HasPrefix(rule, "decides:")) && r.status == http.StatusNotFound && strings.HasPrefix(path, "/people/") {
				continue // an owner sees a person by way of the system
			}
			if r.status != want {
				h.t.Errorf("%s of %s as %s: %d, not %d: %s", id, about, who, r.status, want, r.body)
			}
		}
	}
	h.readingByServices(id, rule)
	path, _ := h.read(id, "staff")
	if r := h.get("", path); r.status != http.StatusUnauthorized {
		h.t.Errorf("%s as nobody: %d", id, r.status)
	}
}

// readingByServices asks a route of reading as the service accounts: they see by their role,
// and have nothing that is a person's own.
func (h *house) readingByServices(id, rule string) {
	h.t.Helper()
	for _, name := range office.Services {
		who, sees := rights.ServicePrefix+name, name != "idle"
		for _, about := range []string{"staff", "stranger"} {
			path, _ := h.read(id, about)
			want := http.StatusOK
			switch {
			case rule == "signed-in-person" || rule == "sees-everyone" && !sees:
				want = http.StatusForbidden
			case id == "get-non-human-account" && !sees:
				want = http.StatusNotFound
			case id == "get-hold" || id == "get-work-order" || id == "get-plan" || id == "get-simulation" || (id == "get-request" || strings.Contains(path, string(h.Person(about).ID))) && !sees:
				want = http.StatusNotFound
			case strings.HasPrefix(rule, "decides:"):
				want = http.StatusForbidden
			}
			r := h.get(who, path)
			if r.status != want || want == http.StatusForbidden && rule != "sees-everyone" && !strings.Contains(r.body, "urn:behov:problem:needs-person") {
				h.t.Errorf("%s of %s as %s: %d, not %d: %s", id, about, who, r.status, want, r.body)
			}
		}
	}
}

// writingByServices asks a route that changes something as the service accounts: they send
// HR events, have plans made, and decide nothing.
func (h *house) writingByServices(method, id, rule string) {
	h.t.Helper()
	of := slices.Contains([]string{"send-hr-events", "report-hire", "report-end", "take-back-report"}, id) // what HR sends
	for _, name := range office.Services {
		who := rights.ServicePrefix + name
		w := h.writes(id, "staff")
		r := h.send(who, method, w)
		switch {
		case rule == "sees-everyone" && name != "idle", of && (name == "payroll" || name == "administrator"):
			if r.status < 200 || r.status > 299 {
				h.t.Errorf("%s as %s: %d %s", id, who, r.status, r.body)
			}
		case rule == "sees-everyone" || of:
			if r.status != http.StatusForbidden && (r.status != http.StatusNotFound || !strings.Contains(r.body, "whom you may see")) {
				h.t.Errorf("%s as %s: %d %s", id, who, r.status, r.body)
			}
		case r.status == http.StatusNotFound && name == "idle" && (strings.Contains(r.body, "whom you may see") || strings.Contains(r.body, "no account of the register")):
		case r.status != http.StatusForbidden || !strings.Contains(r.body, "urn:behov:problem:needs-person"):
			h.t.Errorf("%s as %s: %d %s", id, who, r.status, r.body)
		}
	}
}

func matrixOfWriting(t *testing.T, method, id, rule string) {
	t.Helper()
	h := newHouse(t, withPay)
	h.Apply()
	rows, err := h.Config.Rights.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	scopes := map[rights.Role]rights.Scope{}
	action, decides := strings.CutPrefix(rule, "decides:")
	for _, row := range rows {
		if string(row.Action) == action {
			scopes = row.Scopes
		}
	}
	if decides && len(scopes) == 0 {
		t.Fatalf("%s decides %s, which is no action", id, action)
	}
	roleOf := map[string]rights.Role{"personnel": rights.HR, "officer": rights.DataProtectionOfficer, "deputy": rights.Owner}
	aboutSystem := id == "start-review" || id == "revise" || slices.Contains([]string{"keep-access", "revoke-access", "change-rule", "not-mine", "hand-on", "sign-off-review", "approve-request", "refuse-request", "confirm-work-order", "cannot-work-order", "upload-account-list", "register-account", "hand-over-account", "renew-account", "retire-account"}, id)
	own := slices.Contains(rights.OwnActions, rights.Action(action)) // who asks for themselves
	aboutNobody := slices.Contains([]string{"register-account", "hand-over-account", "renew-account", "retire-account", "readmit", "start-review", "sign-off-review", "revise", "propose-rules", "approve-rules", "reject-rules", "pause-target", "resume-target", "retire-target", "upload-account-list", "send-hr-events", "report-hire", "make-plan", "simulate", "make-token"}, id)
	for _, who := range office.Roles {
		role, other := roleOf[who]
		if !other {
			role = rights.Role(who)
		}
		for _, about := range []string{who, "staff", "stranger"} {
			if aboutNobody && about != "staff" || who == "stranger" && (about == "stranger" || id == "suspend") { // whom others have suspended
				continue
			}
			allowed := false
			switch scopes[role] {
			case rights.Any:
				allowed = about != who
			case rights.Own:
				allowed = about != who && (role == rights.Manager && about == "staff" || role == rights.Owner && aboutSystem || role == rights.Reviewer && aboutSystem)
			}
			allowed = allowed || own && about == who || scopes[rights.AccountOwner] == rights.Own && who == "manager" // who owns the account
			switch {
			case !decides:
				allowed = rule == "signed-in" || rule == "signed-in-person" || slices.Contains(everyone, who)
			case strings.HasPrefix(h.writes(id, about).path, "/people/") && !slices.Contains(everyone, who) && about != who && (about != "staff" || who != "manager"):
				allowed = false // nor do they see the person
			}
			w := h.writes(id, about)
			r := h.send(who, method, w)
			refused := r.status == http.StatusForbidden || r.status == http.StatusNotFound && (strings.Contains(r.body, "whom you may see") || strings.Contains(r.body, "no account of the register"))
			if allowed == refused || r.status >= 500 || r.status == http.StatusUnauthorized || r.status == http.StatusUnprocessableEntity || r.status == http.StatusBadRequest {
				t.Errorf("%s of %s as %s: allowed is %t: %d %s", id, about, who, allowed, r.status, r.body)
			}
		}
	}
	h.writingByServices(method, id, rule)
	w := h.writes(id, "staff")
	if r := h.ask("", method, api.Path+w.path, w.body); r.status != http.StatusUnauthorized {
		t.Errorf("%s as nobody: %d %s", id, r.status, r.body)
	}
	// A page of another site has no browser send it.
	if r := h.ask("administrator", method, api.Path+w.path, w.body, "Sec-Fetch-Site", "cross-site"); r.status != http.StatusForbidden || !strings.Contains(r.body, "cross-origin") {
		t.Errorf("%s from another site: %d %s", id, r.status, r.body)
	}
}

package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TestTokensOnPages: a person makes a token, sees it once, and revokes it; who sees everyone
// sees the tokens of all.
func TestTokensOnPages(t *testing.T) {
	h := newHouse(t, nil)
	v := h.as("stranger", "en")
	const at = "/administration/tokens"
	v.get(at, 200, "You have no token.", "NOT All other tokens")
	page := v.send(at, url.Values{"name": {" "}, "days": {"4000"}}, http.StatusUnprocessableEntity, "No token is made yet.", "Choose at least one.")
	for _, field := range []string{"name", "days", "scopes"} {
		if !strings.Contains(page, `id="token-`+field+`-error"`) {
			t.Errorf("%s has no error beside it", field)
		}
	}
	page = v.send(at, url.Values{"name": {"a script"}, "days": {"7"}, "scopes": {"*:burn"}}, http.StatusUnprocessableEntity)
	if !strings.Contains(page, `value="a script"`) || !strings.Contains(page, `value="7" selected`) {
		t.Error("what was entered is lost")
	}
	page = v.send(at, url.Values{"name": {"a script"}, "days": {"7"}, "scopes": {"*:read"}}, http.StatusCreated, "The token a script is made.", "7 December 2026")
	text := regexp.MustCompile(`<code>([^<]+)</code>`).FindStringSubmatch(page)
	if text == nil {
		t.Fatal("the token is not shown")
	}
	token, _, err := h.DB.CheckToken(t.Context(), text[1], h.Time)
	if err != nil || token.Name != "a script" || token.Scopes != "*:read" || token.Owner != h.Person("stranger").ID {
		t.Fatalf("%+v, %v", token, err)
	}
	if strings.Contains(v.get(at, 200, "a script", "*:read"), text[1]) {
		t.Error("the token is shown again")
	}
	h.as("auditor", "en").get(at, 200, "All other tokens", "a script", "Given Familystranger")
	revoke := at + "/" + token.ID + "/revoke"
	h.as("auditor", "en").send(revoke, url.Values{"reason": {"x"}}, http.StatusConflict)
	h.as("owner", "en").get(revoke, http.StatusConflict)
	v.get(revoke, 200, "Revoke the token a script?")
	v.send(revoke, url.Values{"reason": {"not needed"}}, 200, "ended")
	if token, _, err = h.DB.CheckToken(t.Context(), text[1], h.Time); err == nil && token.Valid(h.Time) {
		t.Error("the revoked token is valid")
	}
	v.get(revoke, http.StatusConflict)
	if _, t2, err := h.Governance().CreateOwnToken(t.Context(), governance.OwnToken{Name: "another", Scopes: []string{"*:read"}, Expires: h.Time.Add(time.Hour)}, h.By("owner")); err != nil {
		t.Fatal(err)
	} else {
		h.as("administrator", "sv").send(at+"/"+t2.ID+"/revoke", url.Values{"reason": {"x"}}, 200, "upphört")
	}
}

// TestSessionsOnPages: people end their own sessions elsewhere; administrators those of others.
func TestSessionsOnPages(t *testing.T) {
	h := newHouse(t, nil)
	const at = "/administration/sessions"
	first, second := h.as("stranger", "en"), h.as("stranger", "en")
	page := second.get(at, 200, "this one", "NOT Another person")
	end := regexp.MustCompile(`action="(/administration/sessions/[^"]+/end)"`).FindAllStringSubmatch(page, -1)
	if len(end) != 1 {
		t.Fatalf("%d sessions can be ended: %s", len(end), textOf(page))
	}
	h.as("owner", "en").send(end[0][1], url.Values{}, http.StatusConflict)
	second.send(end[0][1], url.Values{}, 200, "this one")
	if _, _, where := first.ask(http.MethodGet, at, nil); !strings.HasPrefix(where, "/sign-in") {
		t.Errorf("the ended session still works: %s", where)
	}
	of := at + "?person=" + string(h.Person("stranger").ID)
	for _, key := range []string{"auditor", "owner", "personnel"} {
		if status, _, _ := h.as(key, "en").ask(http.MethodGet, of, nil); status == http.StatusOK {
			t.Errorf("%s sees the sessions of another", key)
		}
	}
	v := h.as("administrator", "en")
	v.send(at, url.Values{"q": {"familystranger"}}, 200, "Given Familystranger")
	page = v.get(of, 200, "Where Given Familystranger is signed in")
	one := regexp.MustCompile(`href="(/people/[^"]+/end-sessions\?session=[^"]+)"`).FindStringSubmatch(page)
	if one == nil {
		t.Fatal(textOf(page))
	}
	v.get(one[1], 200, "Sign Given Familystranger out?")
	v.send(one[1], url.Values{"reason": {""}}, http.StatusConflict)
	v.send(one[1], url.Values{"reason": {"a lost computer"}}, 200, "Sessions ended by another person.", "There is no sign-in.")
	if _, _, where := second.ask(http.MethodGet, at, nil); !strings.HasPrefix(where, "/sign-in") {
		t.Errorf("the ended session still works: %s", where)
	}
}

// TestTheRulesPage: each rule in words, what it gives, and the versions that were in use.
func TestTheRulesPage(t *testing.T) {
	h := newHouse(t, nil)
	v := h.as("auditor", "en")
	v.get("/administration/rules", 200, "Everybody.", "Lends books.", "r.sub.job_code == 'LIB'", "policy.csv:2", "No run has recorded a version yet.")
	h.Apply()
	v.get("/administration/rules", 200, h.Config.Rules.Digest, "in use", "NOT No run has recorded")
	h.as("stranger", "en").get("/administration/rules", http.StatusForbidden)
	h.as("stranger", "en").get("/administration/targets/one", http.StatusForbidden)
	v.get("/administration/targets/nothing", http.StatusNotFound)
	v.get("/administration/targets/one", 200, "Take over accounts that are there", "yes")
	changed := strings.ReplaceAll(h.Config.Rules.Text, "r.sub.job_code == 'LIB'", "r.sub.job_title == 'Librarian'")
	if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.RecordVersionInUse(t.Context(), store.Version{Kind: store.RulesVersion, Digest: "d2", Content: changed}, h.Time)
		tx.Audit(audit.Record{At: h.Time, Actor: identity.System, Action: audit.RulesInUse, Reason: reason.Of(reason.RulesUsed{Digest: "d2"})})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	v.get("/administration/rules", 200, "New lines: 1, gone: 1", "r.sub.job_title == 'Librarian'")
}

// TestWithoutMFAOnPages: where people have access and are not enrolled for MFA is shown, down to
// the person; and so is who is exempt, and until when.
func TestWithoutMFAOnPages(t *testing.T) {
	h := newHouse(t, map[string]string{"behov.yaml": "mfa: {target: one}\n", "catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, classification: {confidentiality: 3, integrity: 1, availability: 1}, target: one, entitlements: {library: {}}}\n"})
	h.Apply()
	v := h.as("administrator", "en")
	v.get("/organisation", 200, "People with access and without multi-factor")
	v.get("/organisation/office/base?of=mfa", 200, "base in The office, without multi-factor", "Anna Staff")
	staff := "/people/" + string(h.Person("staff").ID)
	v.get(staff, 200, "MFA is demanded and not enrolled", "Exempt from multi-factor", "NOT Record a screening")
	v.send(staff+"/exempt", url.Values{"until": {"2027-12-24"}, "reason": {"too long"}}, http.StatusConflict, "The last day is a day from 2026-11-30")
	v.send(staff+"/exempt", url.Values{"until": {"2026-12-24"}, "reason": {"a new telephone is on its way"}}, 200)
	h.Apply()
	v.get(staff, 200, "without multi-factor until 24 December 2026", "Exempt from MFA until 2026-12-24", "End the exemption")
	account, err := h.DB.AccountOf(t.Context(), "one", h.Person("staff").ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Engine.Targets["one"].(*memory.Connector).Enrol(account, connectors.AppMethod); err != nil {
		t.Fatal(err)
	}
	h.Apply()
	h.Time = h.Time.Add(time.Hour)
	v = h.as("administrator", "en")
	v.get("/organisation", 200)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // it is counted anew beside
		if page := v.get("/organisation/office/base?of=mfa", 200); !strings.Contains(page, "Anna Staff") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("who is enrolled is still among those without")
		}
	}
}

// TestConflictsOnPages: who has what does not go together is shown with both reasons; a
// decision allows it until a day, and where it is refused the access comes and goes with the
// decision.
func TestConflictsOnPages(t *testing.T) {
	const conflict = "conflicts:\n  lend-and-work: {why: nobody lends and works here, severity: high, between: [\"base:staff\", \"lib:library\"]"
	reported := newHouse(t, map[string]string{"conflicts.yaml": conflict + "}\n"})
	reported.Apply()
	reported.as("administrator", "en").get("/conflicts", 200, "Nobody lends and works here.", "2 people have both sides", "Anna Staff", "Lends books.", "NOT Hemligsson")
	reported.as("owner", "en").get("/conflicts", http.StatusForbidden)
	h := newHouse(t, map[string]string{"conflicts.yaml": conflict + ", refused: true}\n"})
	h.Apply()
	v := h.as("administrator", "en")
	v.get("/conflicts", 200, "No one has both sides.")
	staff := string(h.Person("staff").ID)
	v.get("/people/"+staff+"/why?entitlement=lib:library", 200, "It does not go together with base:staff (lend-and-work): nobody lends and works here.")
	v.get("/conflicts/nothing/"+staff+"/allow", http.StatusNotFound)
	v.get("/conflicts/lend-and-work/"+staff+"/allow", 200, "Allow Anna Staff both sides of lend-and-work?")
	v.send("/conflicts/lend-and-work/"+staff+"/allow", url.Values{"until": {"2026-12-01"}, "reason": {"checked by the owner every week"}}, 200)
	h.Apply()
	has := func() bool {
		t.Helper()
		open, err := h.DB.OpenIntervalsOf(t.Context(), []identity.PersonID{identity.PersonID(staff)})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(open, func(i audit.Interval) bool { return i.Entitlement == "lib:library" })
	}
	v.get("/people/"+staff, 200, "Allowed in spite of the conflict lend-and-work until 2026-12-01", "library")
	if !has() {
		t.Error("what is allowed is not given")
	}
	h.Time = h.Time.AddDate(0, 0, 1)
	h.Apply()
	if !has() {
		t.Error("it ends before the last day")
	}
	h.Time = h.Time.AddDate(0, 0, 1)
	h.Apply()
	if has() {
		t.Error("it does not end after the last day")
	}
}

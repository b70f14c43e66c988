package web_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// browsed is an office with something on every page, and a browser in which a person is
// signed in.
func browsed(t *testing.T) (*house, *testenv.Browser) {
	t.Helper()
	h := newHouse(t, map[string]string{"behov.yaml": "  pay: {manual: {to: reviewer, escalate: owner}}\n", "conflicts.yaml": "conflicts:\n  lend-and-work: {why: nobody lends and works here, severity: high, between: [\"base:staff\", \"lib:library\"]}\n", "catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], classification: {confidentiality: 2, integrity: 3, availability: 1, note: personal data}, suppliers: [{name: Biblio AB, country: SE, sub_suppliers: [{name: Cloud Inc, country: US}]}], data_in: [SE], target: one, entitlements: {library: {}, desk: {name: The lending desk, purpose: lend and take back at the desk, requestable: true, emergency: true}}}\n  pay: {owner: owner, target: pay, entitlements: {clerk: {name: Payroll clerk}}}\n"})
	rows := office.Header
	for i := range 40 {
		rows += fmt.Sprintf("lib%02d,L%02d,Person,Number%02d,office,LIB,Librarian,manager,2024-01-15,,no\n", i, i, i)
	}
	clerks := []string{"clerk1", "clerk2", "clerk3", "clerk4"}
	for _, key := range clerks {
		rows += key + ",C" + key + ",Person," + key + ",office,CLK,Clerk,manager,2024-01-15,,no\n"
	}
	h.Import(rows)
	h.Apply()
	for _, key := range clerks[:3] { // three of four: a rule could give it
		h.giveByHand(key, "lib:library", "library")
	}
	h.giveByHand("stranger", "lib:library", "library")
	h.Apply()
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", All: true}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	old := h.Person("lib07")
	if _, err := h.Governance().ReportEnd(t.Context(), old, old.Employments[0].ID, "2026-11-29", h.By("personnel"), "left at once"); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []struct {
		who       string
		emergency bool
	}{{"staff", false}, {"manager", true}, {"administrator", false}} {
		if _, _, err := h.Governance().RequestAccess(t.Context(), h.Person(ask.who), governance.Request{Entitlement: "lib:desk", Until: "2026-12-01", Emergency: ask.emergency}, h.By(ask.who), "the desk is short of people before Christmas"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Governance().DecideRequest(t.Context(), 3, store.Approve, h.By("owner"), "agreed"); err != nil {
		t.Fatal(err)
	}
	for name, until := range map[string]identity.Date{"robot-1": "2027-05-31", "svc-backup-of-the-lending-system": "2026-12-10"} {
		h.robot(name)
		if _, _, err := h.Governance().RegisterAccount(t.Context(), governance.Registration{Target: "one", Account: name, Kind: store.RobotKind, System: "lib", Owner: "staff", Purpose: "sends reminders of books that are late, every night", Until: until}, h.By("administrator"), "found in the review"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Governance().Erase(t.Context(), h.Person("gone"), h.By("personnel"), "asked"); err != nil {
		t.Fatal(err)
	}
	return h, testenv.NewBrowser(t, h.url)
}

// giveByHand puts a person into a group of the target.
func (h *house) giveByHand(key, entitlement, group string) {
	h.t.Helper()
	id, err := h.DB.AccountOf(h.t.Context(), "one", h.Person(key).ID)
	if err != nil || id == "" {
		h.t.Fatal(id, err)
	}
	r := h.Engine.Targets["one"].Apply(h.t.Context(), []connectors.Change{{Op: connectors.AddMember, Account: connectors.AccountRef{ID: id}, Entitlement: group}})
	if r[0].Err != nil {
		h.t.Fatal(entitlement, r)
	}
}

// signIn signs a person in.
func (h *house) signIn(b *testenv.Browser, key string) {
	h.t.Helper()
	b.Go(h.link(key))
}

// TestPagesInABrowser looks at every page as a person would: in both languages, light and
// dark, on a desktop and on a narrow phone. Nothing is an obstacle, nothing fails, nothing
// comes from elsewhere, and it is small.
func TestPagesInABrowser(t *testing.T) {
	h, b := browsed(t)
	staff := "/people/" + string(h.Person("staff").ID)
	holds, err := h.DB.Holds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.Config.RulesApproval = true
	waiting := h.edited(t, editedPolicy)
	if _, err := h.Governance().ProposeRules(t.Context(), h.Engine, h.By("operator"), "clerks lend too"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib"}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	h.edited(t, editedPolicy+"p, more, true, base:staff, allow, everyone again\n")
	h.order(t, h.Person("staff").ID)
	pages := map[string]string{"start": "/", "work-orders": "/work-orders", "confirm-order": "/work-orders/1/confirm", "cannot-order": "/work-orders/1/cannot", "mine": "/mine", "people": "/people", "person": staff, "person-then": staff + "?on=2026-11-01", "why": staff + "/why?entitlement=lib:library", "suspend": staff + "/suspend", "extract": staff + "/extract",
		"systems": "/systems", "revisions": "/systems/revisions", "conflicts": "/conflicts", "suggestions": "/administration/rules/suggestions", "rules-test": "/administration/rules/test", "compliance": "/compliance", "suppliers": "/systems/suppliers", "approve-rules": "/administration/rules/waiting/" + waiting + "/approve", "allow": "/conflicts/lend-and-work/" + string(h.Person("staff").ID) + "/allow", "system": "/systems/lib", "reviews": "/reviews", "review": "/reviews/1", "review-accounts": "/reviews/2", "changes": "/changes", "what-if": "/changes/what-if", "hold": "/holds/" + string(holds[0].Digest), "reject": "/holds/" + string(holds[0].Digest) + "/reject",
		"ask": "/ask", "organisation": "/organisation", "unit": "/organisation/office", "unexplained": "/organisation/office/lib", "answer": "/ask?what=lib", "answer-period": "/ask?what=lib&from=2026-01-01&to=2026-11-30", "administration": "/administration", "rights": "/administration/rights", "missing": "/nothing",
		"report": "/hr/report", "report-person": "/hr/report?person=" + string(h.Person("manager").ID), "rules": "/administration/rules", "target": "/administration/targets/one", "tokens": "/administration/tokens", "sessions": "/administration/sessions", "sessions-of": "/administration/sessions?person=" + string(h.Person("owner").ID),
		"requests": "/requests", "request": "/requests/1", "request-emergency": "/requests/2", "request-approved": "/requests/3", "requestable": "/requests/catalogue", "requestable-for": "/requests/catalogue?q=desk&person=" + string(h.Person("staff").ID), "request-ask": staff + "/request/lib:desk", "request-emergency-ask": staff + "/emergency/lib:desk", "request-renew": "/requests/3/renew", "request-withdraw": "/requests/1/withdraw",
		"start-review": "/reviews/start?about=system:lib&days=30&look=yes", "absence": staff + "/absence", "end-absence": staff + "/end-absence", "non-human-accounts": "/non-human-accounts", "register-account": "/non-human-accounts/register", "hand-over-account": "/non-human-accounts/robot-1/hand-over", "renew-account": "/non-human-accounts/robot-1/renew",
		"end-sessions": staff + "/end-sessions", "take-back": staff + "/take-back?employment=x"}
	b.As(testenv.Screen{Language: "sv", Width: 1200, Scripts: true})
	h.signIn(b, "administrator")
	h.Import(office.Header + "new,E9,Nina,New,office,LIB,Librarian,manager,2026-11-30,,no\n")
	b.Go("/changes")
	testenv.Do(b, "plan", chromedp.Click("form.pick button"))
	b.Await(`document.querySelector("main").innerText.includes("Nina New")`) // the page looks again by itself
	pages["plan"] = strings.TrimPrefix(testenv.Do(b, "address", chromedp.Location()), h.url)
	pages["what-if-result"] = h.tries(b)
	for _, screen := range []testenv.Screen{{Language: "sv", Width: 1200, Scripts: true}, {Language: "en", Dark: true, Width: 320, Scripts: true}, {Language: "en", Width: 390, Scripts: true}, {Language: "sv", Dark: true, Width: 1200, Scripts: true}} {
		b.As(screen)
		for name, path := range pages {
			requests, size := b.Go(path)
			where := fmt.Sprintf("%s-%s-%d-dark:%t", name, screen.Language, screen.Width, screen.Dark)
			if len(requests) > 10 || size > 100_000 {
				t.Errorf("%s: %d requests, %d bytes", where, len(requests), size)
			}
			for _, found := range b.Accessibility() {
				t.Errorf("%s: %s", where, found)
			}
			if b.Overflows() {
				t.Errorf("%s is wider than its window", where)
			}
			for _, fault := range b.Faults() {
				t.Errorf("%s: %s", where, fault)
			}
			b.Picture(strings.ReplaceAll(where, ":", "-"))
		}
	}
}

// tries tries other rules and an HR file in the browser, and returns the page that says what
// they would do.
func (h *house) tries(b *testenv.Browser) string {
	h.t.Helper()
	dir := h.t.TempDir()
	file := func(name, text string) []string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
		return []string{path}
	}
	b.Go("/changes/what-if")
	testenv.Do(b, "rules", chromedp.SetUploadFiles("#policy", file("policy.csv", "p, everyone, true, base:staff, allow, everybody\np, lib, r.sub.job_title == 'Librarian', lib:library, allow, lends books\n")))
	testenv.Do(b, "HR file", chromedp.SetUploadFiles("#hr", file("hr.csv", office.Header+"next,E10,Nora,Next,office,LIB,Librarian,manager,2026-11-30,,no\n")))
	testenv.Do(b, "try", chromedp.Click("form button.primary"))
	b.Await(`document.querySelector("main").innerText.includes("Nora Next")`)
	return strings.TrimPrefix(testenv.Do(b, "address", chromedp.Location()), h.url)
}

// TestAReviewByKeys: an owner answers all questions of a review with one key each. The time is told,
// and not judged: it is the machine's.
func TestAReviewByKeys(t *testing.T) {
	h, b := browsed(t)
	b.As(testenv.Screen{Language: "sv", Width: 1200, Scripts: true})
	h.signIn(b, "owner")
	b.Go("/reviews/1")
	began := time.Now()
	for n := range 47 {
		key := "b"
		if n%10 == 2 {
			key = "t"
		}
		testenv.Do(b, "key", chromedp.KeyEvent(key))
		done := fmt.Sprintf("%d av 47 besvarade", n+1)
		b.Await(`document.querySelector(".progress span").textContent === ` + fmt.Sprintf("%q", done))
	}
	t.Logf("47 questions were answered in %s", time.Since(began).Round(time.Millisecond))
	for _, fault := range b.Faults() {
		t.Error(fault)
	}
	items, decisions, err := h.DB.ReviewItems(t.Context(), 1)
	if err != nil || len(items) != 47 {
		t.Fatal(len(items), err)
	}
	revoked := 0
	for _, i := range items {
		if i.Decision == nil {
			t.Fatalf("%s is not answered", i.Ref())
		}
		if decisions[*i.Decision].Verdict == "revoke" {
			revoked++
		}
	}
	if revoked != 5 {
		t.Errorf("%d are revoked", revoked)
	}
}

// TestWithoutScripts: with scripts off an owner reviews, an auditor asks, and HR closes
// everything that a person has.
func TestWithoutScripts(t *testing.T) {
	h, b := browsed(t)
	b.As(testenv.Screen{Language: "en", Width: 390})
	click := func(selector string, then ...string) {
		t.Helper()
		testenv.Do(b, "click "+selector, chromedp.Click(selector))
		for _, text := range then {
			b.Await(`document.querySelector("main").innerText.includes(` + fmt.Sprintf("%q", text) + `)`)
		}
	}
	h.signIn(b, "owner")
	b.Go("/reviews/1")
	click("#next .does button:last-child", "1 of 47 answered")
	h.signIn(b, "auditor")
	b.Go("/ask")
	testenv.Do(b, "question", chromedp.SendKeys("#q", "who has lib"))
	click("form.search button", "Who had lib, now", "Anna Staff")
	h.signIn(b, "personnel")
	b.Go("/people/" + string(h.Person("staff").ID) + "/suspend")
	testenv.Do(b, "reason", chromedp.SendKeys("#reason", "dismissed"))
	click("form.box button", "Suspended.")
	for _, fault := range b.Faults() {
		t.Error(fault)
	}
}

// TestEvidenceIsPrinted: an answer of the audit is printed as a document, without what is
// operated on a screen.
func TestEvidenceIsPrinted(t *testing.T) {
	h, b := browsed(t)
	b.As(testenv.Screen{Language: "sv", Dark: true, Width: 1200, Scripts: true})
	h.signIn(b, "auditor")
	b.Go("/ask?what=lib&from=2026-11-01&to=2026-11-30")
	b.Printing(true)
	if shown := testenv.Do(b, "shown", chromedp.Evaluate[string](`[...document.querySelectorAll("nav, form, button, .button")].filter((e) => e.checkVisibility()).map((e) => e.outerHTML.slice(0, 80)).join("\n")`)); shown != "" {
		t.Errorf("printed with the answer: %s", shown)
	}
	if ink := testenv.Do(b, "ink", chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector("td")).color`)); ink != "rgb(255, 255, 255)rgb(0, 0, 0)" {
		t.Errorf("it is printed in %s", ink)
	}
	b.Printing(false)
	pdf := testenv.Do(b, "print", chromedp.PrintToPDF())
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) || len(pdf) < 10_000 {
		t.Errorf("%d bytes, %.20q", len(pdf), pdf)
	}
}

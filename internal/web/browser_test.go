package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// browsed is an office with something on every page, and a browser in which a person is
// signed in.
func browsed(t *testing.T) (*house, *testenv.Browser) {
	t.Helper()
	h := newHouse(t, nil)
	rows := office.Header
	for i := range 40 {
		rows += fmt.Sprintf("lib%02d,L%02d,Person,Number%02d,office,LIB,Librarian,manager,2024-01-15,,no\n", i, i, i)
	}
	h.Import(rows)
	h.Apply()
	if _, _, err := h.Governance().StartReview(t.Context(), "lib", h.By("owner")); err != nil {
		t.Fatal(err)
	}
	old := h.Person("lib07")
	if _, err := h.Governance().ReportEnd(t.Context(), old, old.Employments[0].ID, "2026-11-29", h.By("personnel"), "left at once"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Governance().Erase(t.Context(), h.Person("gone"), h.By("personnel"), "asked"); err != nil {
		t.Fatal(err)
	}
	return h, testenv.NewBrowser(t, h.url)
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
	pages := map[string]string{"start": "/", "mine": "/mine", "people": "/people", "person": staff, "person-then": staff + "?on=2026-11-01", "why": staff + "/why?entitlement=lib:library", "suspend": staff + "/suspend",
		"systems": "/systems", "system": "/systems/lib", "reviews": "/reviews", "review": "/reviews/1", "changes": "/changes", "hold": "/holds/" + string(holds[0].Digest), "reject": "/holds/" + string(holds[0].Digest) + "/reject",
		"ask": "/ask", "answer": "/ask?what=lib", "administration": "/administration", "rights": "/administration/rights", "missing": "/nothing",
		"report": "/hr/report", "report-person": "/hr/report?person=" + string(h.Person("manager").ID), "rules": "/administration/rules", "tokens": "/administration/tokens", "sessions": "/administration/sessions", "sessions-of": "/administration/sessions?person=" + string(h.Person("owner").ID),
		"end-sessions": staff + "/end-sessions", "take-back": staff + "/take-back?employment=x"}
	b.As(testenv.Screen{Language: "sv", Width: 1200, Scripts: true})
	h.signIn(b, "administrator")
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

// TestAReviewByKeys: an owner answers forty questions with one key each. The time is told,
// and not judged: it is the machine's.
func TestAReviewByKeys(t *testing.T) {
	h, b := browsed(t)
	b.As(testenv.Screen{Language: "sv", Width: 1200, Scripts: true})
	h.signIn(b, "owner")
	b.Go("/reviews/1")
	began := time.Now()
	for n := range 42 {
		key := "b"
		if n%10 == 3 {
			key = "t"
		}
		testenv.Do(b, "key", chromedp.KeyEvent(key))
		done := fmt.Sprintf("%d av 42 besvarade", n+1)
		b.Await(`document.querySelector(".progress span").textContent === ` + fmt.Sprintf("%q", done))
	}
	t.Logf("42 questions were answered in %s", time.Since(began).Round(time.Millisecond))
	for _, fault := range b.Faults() {
		t.Error(fault)
	}
	items, decisions, err := h.DB.ReviewItems(t.Context(), 1)
	if err != nil || len(items) != 42 {
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
	if revoked != 4 {
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
	click("#next .does button:last-child", "1 of 42 answered")
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

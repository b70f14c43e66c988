package web_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/net/html"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
	"github.com/behov/behov/internal/web"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// house is an office whose pages are served.
type house struct {
	*office.Office
	t    testing.TB
	door *signin.SignIn
	url  string
}

func newHouse(t testing.TB, files map[string]string) *house {
	t.Helper()
	return houseOf(t, office.New(t, files))
}

// houseOf is the pages of an office.
func houseOf(t testing.TB, o *office.Office) *house {
	t.Helper()
	h := &house{Office: o, t: t}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("BEHOV_TEST_LOG") != "" {
		log = slog.Default()
	}
	var err error
	if h.door, err = signin.New(h.DB, h.Config, h.Clock, log, nil); err != nil {
		t.Fatal(err)
	}
	pages, err := web.New(web.Deps{DB: h.DB, Config: h.Config, Engine: h.Engine, Importer: &hr.Importer{DB: h.DB, Config: h.Config, Now: h.Clock}, Door: h.door, Plans: &preview.Plans{DB: h.DB, Engine: h.Engine, Now: h.Clock, Log: log}, Counts: &access.Counts{}, Suggestions: &access.SuggestionCounts{}, Now: h.Clock, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	root := http.NewServeMux()
	root.Handle(signin.Path, h.door.Handler())
	root.Handle(signin.Path+"/", h.door.Handler())
	root.Handle(signin.OutPath, h.door.Handler())
	root.Handle("/", pages)
	s := httptest.NewServer(server.New(nil, map[string]server.Mount{"": {Handler: server.Routes(root)}}, server.Chain{Log: log}))
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

// visitor is a person with a browser.
type visitor struct {
	*house
	client   *http.Client
	language string
}

// as signs a person in.
func (h *house) as(key, language string) *visitor {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	v := &visitor{h, &http.Client{Jar: jar}, language}
	if status, body, _ := v.ask(http.MethodGet, h.link(key), nil); status != http.StatusOK {
		h.t.Fatalf("%s cannot sign in: %d %s", key, status, body)
	}
	return v
}

// link makes a link that lets a person in.
func (h *house) link(key string) string {
	l := signin.NewLink(h.Person(key).ID, h.Time)
	h.door.Admit(l)
	return l.Address("")
}

// ask asks for a page, or sends a form, and follows where it leads.
func (v *visitor) ask(method, path string, form url.Values) (status int, body, at string) {
	v.t.Helper()
	var content io.Reader
	if form != nil {
		content = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, content)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", v.language)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		v.sound(method+" "+path, a.Header, string(text))
	}
	return a.StatusCode, string(text), strings.TrimPrefix(a.Request.URL.String(), v.url)
}

func (v *visitor) get(path string, want int, has ...string) string {
	v.t.Helper()
	status, body, _ := v.ask(http.MethodGet, path, nil)
	v.check(path, status, want, body, has)
	return body
}

func (v *visitor) send(path string, form url.Values, want int, has ...string) string {
	v.t.Helper()
	status, body, _ := v.ask(http.MethodPost, path, form)
	v.check(path, status, want, body, has)
	return body
}

func (v *visitor) check(path string, status, want int, body string, has []string) {
	v.t.Helper()
	if status != want {
		v.t.Errorf("%s: %d, want %d: %s", path, status, want, textOf(body))
		return
	}
	text := textOf(body)
	for _, part := range has {
		if absent, no := strings.CutPrefix(part, "NOT "); no == strings.Contains(text, strings.TrimPrefix(part, "NOT ")) {
			v.t.Errorf("%s: has %q: %t: %s", path, absent, no, text)
		}
	}
}

// textOf returns what a person reads on a page.
func textOf(page string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.Join(strings.Fields(b.String()), " ")
		case html.TextToken:
			b.Write(z.Text())
			b.WriteByte(' ')
		}
	}
}

// sound checks what holds for every page.
func (v *visitor) sound(what string, header http.Header, page string) {
	v.t.Helper()
	if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		v.t.Errorf("%s: the content policy is %q", what, policy)
	}
	if header.Get("Cache-Control") != "private, no-store" && !strings.Contains(header.Get("Cache-Control"), "no-store") {
		v.t.Errorf("%s: may be kept: %s", what, header.Get("Cache-Control"))
	}
	for _, wrong := range []string{"<no value>", "%!", "ZgotmplZ", "[pages."} {
		if strings.Contains(page, wrong) {
			v.t.Errorf("%s has %q", what, wrong)
		}
	}
	if missing := regexp.MustCompile(`\[[a-z-]+(\.[a-z-]+)+\]`).FindString(page); missing != "" {
		v.t.Errorf("%s has a text that is not there: %s", what, missing)
	}
	z := html.NewTokenizer(strings.NewReader(page))
	for z.Next() != html.ErrorToken {
		name, more := z.TagName()
		tag := string(name)
		attributes := map[string]string{}
		for more {
			var key, value []byte
			key, value, more = z.TagAttr()
			attributes[string(key)] = string(value)
		}
		for key := range attributes {
			if key == "style" || strings.HasPrefix(key, "on") && key != "on" {
				v.t.Errorf("%s: %s has the attribute %s", what, tag, key)
			}
		}
		if tag == "html" && attributes["lang"] != v.language && attributes["lang"] != "" {
			v.t.Errorf("%s is in %q, and %q is asked for", what, attributes["lang"], v.language)
		}
	}
	if len(page) > 100_000 {
		v.t.Errorf("%s has %d bytes", what, len(page))
	}
}

// TestPages: every page answers every role in both languages, and shows to each what they
// may see.
func TestPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", All: true}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	person := func(key string) string { return "/people/" + string(h.Person(key).ID) }
	everyone := []string{"administrator", "operator", "personnel", "officer", "auditor"}
	for _, language := range []string{"sv", "en"} {
		for _, key := range office.Roles {
			v := h.as(key, language)
			sees := http.StatusForbidden
			if slices.Contains(everyone, key) {
				sees = http.StatusOK
			}
			for path, want := range map[string]int{"/": 200, "/mine": 200, "/people": 200, "/systems": 200, "/systems/lib": 200, "/reviews": 200, "/ask": 200, "/ask?what=lib": 200, "/ask?what=lib:library&from=2026-11-01&to=2026-11-30": 200,
				"/administration/rights": 200, "/nothing": 404, "/people/nobody": 404, "/systems/nothing": 404, "/changes": sees, "/organisation": sees, "/organisation/office": sees, "/administration": sees, person(key): 200, "/mine?on=2026-11-01": 200, "/mine?on=nonsense": 200} {
				v.get(path, want)
			}
			v.get(person(key)+"/extract", 200)
			v.get(person("staff")+"/extract", map[bool]int{true: 200, false: map[bool]int{true: 409, false: 404}[sees == 200 || key == "manager"]}[key == "administrator" || key == "officer"])
			// A stranger sees none of the others.
			want := http.StatusNotFound
			if sees == http.StatusOK {
				want = http.StatusOK
			}
			if key != "manager" {
				v.get(person("staff"), want)
				v.get(person("staff")+"/why?entitlement=lib:library", want)
			}
		}
	}
	en := h.as("manager", "en")
	en.get(person("staff"), 200, "Anna Staff", "Librarian", "Lends books.", "Everybody.")
	en.get(person("secret"), 200, "NOT Hemligsson", "Protected identity", "NOT hideout")
	officer := h.as("officer", "en")
	officer.get(person("staff"), 200, "Register extract")
	officer.get(person("staff")+"/extract", 200, "Register extract: Anna Staff", "stands in the audit trail", "GDPR", "person.extracted", "another person", "NOT Familymanager")
	officer.get("/mine", 200, "Register extract")
	officer.get(person("officer")+"/extract", 200, "Everything that behov stores", "NOT That you asked for it")
	h.as("officer", "sv").get(person("secret")+"/extract", 200, "Registerutdrag: Skyddad identitet", "NOT Hemligsson", "NOT hideout")
	h.as("staff", "sv").get("/mine", 200, "Registerutdrag")
	en.get(person("staff"), 200, "NOT Register extract")
	auditor := h.as("auditor", "en")
	auditor.get("/organisation/office", 200, "Anna Staff", "Librarian", "NOT Hemligsson")
	auditor.get("/organisation/hideout", 200, "No one, or no one whom you may see", "NOT Hemligsson", "NOT Protected identity")
	auditor.get("/organisation/office?on=2020-06-01", 200, "Given Familygone", "Worked here on 1 June 2020")
	auditor.get("/organisation/nothing", 404)
	auditor.send("/ask", url.Values{"q": {"office"}}, 200, "The office", "the unit")
	sv := h.as("owner", "sv")
	sv.get("/systems/lib", 200, "Anna Staff", "Skyddad identitet", "NOT Hemligsson")
	sv.get("/reviews", 200, "Granskning av lib", "väntar på dig", "0 av 3 besvarade")
	sv.get("/reviews/1", 200, "Anna Staff", "0 av 3 besvarade", "Regeln ger den till 2 personer", "Skyddad identitet", "NOT Hemligsson")
	sv.get("/reviews/1/report", 200, "inte godkänd", "Alla frågor", "NOT Hemligsson", "NOT Hur svaren gavs")
	auditor.get("/rule-tasks", 200, "There is no such rule")
	sv.get("/rule-tasks", 404)
	h.as("stranger", "sv").get("/systems/lib", 200, "NOT Anna Staff", "Ingen har det nu")
	h.as("stranger", "sv").get("/reviews/1", 404)
	if status, _, at := (&visitor{h, &http.Client{}, "en"}).ask(http.MethodGet, "/people?s=x", nil); !strings.HasPrefix(at, signin.Path+"?return=%2Fpeople%3Fs%3Dx") {
		t.Errorf("without a session: %d at %s", status, at)
	}
}

// TestDecisionsOnPages: what the forms do is decided, and told; who may not does nothing.
func TestDecisionsOnPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	staff := "/people/" + string(h.Person("staff").ID)
	for _, key := range []string{"owner", "stranger", "auditor", "staff"} {
		v := h.as(key, "en")
		if status, _, _ := v.ask(http.MethodPost, staff+"/suspend", url.Values{"reason": {"x"}}); status != http.StatusNotFound && status != http.StatusConflict {
			t.Errorf("%s suspends: %d", key, status)
		}
	}
	personnel := h.as("personnel", "en")
	personnel.get(staff, 200, "Close everything now …", "NOT Lift the suspension …")
	personnel.get(staff+"/suspend", 200, "Suspend Anna Staff?", "Your reason stands in the audit trail")
	personnel.send(staff+"/suspend", url.Values{"reason": {" "}}, http.StatusConflict, "That was not possible", "A decision needs a reason.")
	personnel.send(staff+"/suspend", url.Values{"reason": {"dismissed"}}, 200, "Suspended.", "Lift the suspension …", "dismissed", "Decisions")
	personnel.send(staff+"/unsuspend", url.Values{"reason": {"a mistake"}}, 200, "Suspension ended.", "Close everything now …")
	if _, err := h.DB.Decision(t.Context(), 2); err != nil {
		t.Error(err)
	}
	// A decision of another is not told.
	if page := h.as("administrator", "en").get(staff+"?done=1", 200); strings.Contains(page, `role="status"`) {
		t.Errorf("the decision of another is told: %s", page)
	}
	owner := h.as("owner", "sv")
	owner.send("/systems/lib/review", url.Values{}, 200, "Granskning av lib", "0 av 1 besvarade", "Regeln ger den till 2 personer")
	owner.send("/reviews/1/revoke/1-1", url.Values{}, http.StatusConflict, "gäller en regel")
	owner.send("/reviews/1/sign-off", url.Values{"reason": {"klart"}}, http.StatusConflict, "saknar svar")
	owner.send("/reviews/1/change-rule/1-1", url.Values{"reason-1-1": {"lånar inte längre ut"}}, 200, "1 av 1 besvarade", "regeln bör ändras", "lånar inte längre ut")
	h.as("administrator", "sv").get("/rule-tasks", 200, "lånar inte längre ut", "-p, librarian, r.sub.job_code == 'LIB'")
	owner.send("/reviews/1/keep/1-1", url.Values{}, 200, "1 av 1 besvarade", "behålls")
	h.as("stranger", "sv").send("/reviews/1/sign-off", url.Values{"reason": {"klart"}}, http.StatusConflict)
	owner.send("/reviews/1/sign-off", url.Values{"reason": {"klart"}}, 200, "godkänd", "klart")
	owner.send("/reviews/1/change-rule/1-1", url.Values{}, http.StatusConflict, "är godkänd")
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", All: true}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	owner.send("/reviews/2/keep/2-2", url.Values{"until-2-2": {"2020-01-01"}}, http.StatusConflict, "har gått")
	owner.send("/reviews/2/keep/2-2", url.Values{"until-2-2": {"2027-01-31"}}, 200, "1 av 3 besvarade", "till och med 31 januari 2027")
	owner.send("/reviews/2/revoke/2-2", url.Values{}, 200, "1 av 3 besvarade", "tas bort")
	owner.send("/reviews/2/hand-on/2-2", url.Values{"to-2-2": {"reviewer"}}, 200, "lämnad vidare")
	h.as("reviewer", "sv").send("/reviews/2/keep/2-2", url.Values{}, 200, "1 av 1 besvarade", "en fråga till")
	owner.send("/reviews/2", url.Values{"item": {"2-2", "2-3"}, "verdict": {"keep"}, "reason": {"lånar ut"}}, http.StatusConflict, "besvaras för sig")
	owner.send("/reviews/2", url.Values{"item": {"2-2", "2-3"}, "verdict": {"revoke"}, "reason": {"lånar ej ut"}}, 200, "lånar ej ut")
	owner.send("/reviews/2/keep/2-2", url.Values{}, 200)
	if text := textOf(h.as("stranger", "en").send("/reviews/2/revoke/2-2", url.Values{}, http.StatusConflict)); !strings.Contains(text, "That was not possible") {
		t.Error(text)
	}
	owner.send("/reviews/2", url.Values{"item": {"2-2"}, "verdict": {"burn"}}, http.StatusConflict)
	// All are answered, or none; and none of another review.
	owner.send("/reviews/2", url.Values{"item": {"2-2", "2-99"}, "verdict": {"revoke"}}, http.StatusConflict, "Det gick inte")
	owner.send("/reviews/3/keep/2-2", url.Values{}, http.StatusBadRequest)
	owner.send("/reviews/3", url.Values{"item": {"2-2"}, "verdict": {"revoke"}}, http.StatusBadRequest)
	owner.send("/reviews/2", url.Values{"item": {"2-2"}, "verdict": {"revoke"}, "reason": {"\xff"}}, http.StatusBadRequest)
	owner.send("/reviews/2", url.Values{"item": {"2-2"}, "verdict": {"revoke"}, "reason": {strings.Repeat("x", 2001)}}, http.StatusBadRequest)
	if items, decisions, err := h.DB.ReviewItems(t.Context(), 2); err != nil || decisions[*items[1].Decision].Verdict != store.Keep {
		t.Errorf("an answer of those that were refused counts: %v", err)
	}
	// What holds already is told, and is no failure.
	personnel.send(staff+"/protect", url.Values{"reason": {"threatened"}}, 200, "Identity marked as protected.")
	officer := h.as("officer", "en")
	officer.send(staff+"/protect", url.Values{"reason": {"again"}}, http.StatusConflict, "It holds already: identity marked as protected, by Given Familypersonnel")
	officer.get(staff, 200, "Stop protecting the identity …", "NOT Protect the identity …")
	officer.send(staff+"/unprotect", url.Values{"reason": {"over"}}, 200, "Mark of a protected identity removed.", "NOT Stop protecting")
	// Another site's form does nothing.
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+staff+"/suspend", strings.NewReader("reason=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	a, err := personnel.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if a.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d", a.StatusCode)
	}
}

func TestHoldsOnPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	if _, err := h.Governance().Erase(t.Context(), h.Person("gone"), h.By("personnel"), "asked"); err != nil {
		t.Fatal(err)
	}
	all, err := h.DB.Holds(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	hold := "/holds/" + string(all[0].Digest)
	officer := h.as("officer", "sv")
	officer.get("/", 200, "Förslag om radering")
	officer.get("/changes", 200, "Förslag om radering")
	officer.get(hold, 200, "Förslag om radering", "Det här skulle hända", "Avslå …")
	officer.get(hold+"/reject", 200, "Avslå det som är spärrat?")
	h.as("stranger", "sv").get(hold, http.StatusForbidden)
	h.as("auditor", "sv").send(hold+"/release", url.Values{"reason": {"x"}}, http.StatusConflict)
	officer.send(hold+"/reject", url.Values{"reason": {"behövs i en utredning"}}, 200, "Spärren avslagen.", "Inget är spärrat.")
	officer.get("/holds/zzz", 404)
}

// TestPlansOnPages: a plan is made in the background, and shown by person and by system.
func TestPlansOnPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Import(office.Header + "new,E9,Nina,New,office,LIB,Librarian,manager,2026-12-24,,no\n")
	v := h.as("operator", "sv")
	h.as("stranger", "sv").send("/changes/plan", url.Values{}, http.StatusForbidden)
	ready := func(day string) string {
		t.Helper()
		_, page, at := v.ask(http.MethodPost, "/changes/plan", url.Values{"as_of": {day}})
		for deadline := time.Now().Add(20 * time.Second); strings.Contains(page, "data-reload"); _, page, _ = v.ask(http.MethodGet, at, nil) {
			if time.Now().After(deadline) {
				t.Fatal("the plan is never ready")
			}
			time.Sleep(20 * time.Millisecond)
		}
		v.get(at+"?by=system", 200)
		other := h.as("administrator", "sv")
		other.get(at, 404)
		return textOf(page)
	}
	if today := ready(""); !strings.Contains(today, "konton skapas") || !strings.Contains(today, "Anna Staff") || !strings.Contains(today, "Lends books.") || strings.Contains(today, "Nina New") || strings.Contains(today, "Hemligsson") {
		t.Errorf("today: %s", today)
	}
	if later := ready("2026-12-24"); !strings.Contains(later, "Ändringar till och med 24 december 2026") || !strings.Contains(later, "Nina New") {
		t.Errorf("later: %s", later)
	}
	h.Apply()
	v.send("/changes/plan", url.Values{"as_of": {"2020-01-01"}}, 200, "Välj en dag från och med 1 december 2026")
	if done := ready(""); !strings.Contains(done, "Det finns inget att göra") {
		t.Errorf("afterwards: %s", done)
	}
}

func TestTheSwitchOfLanguages(t *testing.T) {
	h := newHouse(t, nil)
	v := h.as("auditor", "sv")
	v.language = "en"
	v.client.CheckRedirect = nil
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/language", strings.NewReader(url.Values{"language": {"en"}, "return": {"/people"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept-Language", "sv")
	a, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	page, _ := io.ReadAll(a.Body)
	if !strings.Contains(string(page), `<html lang="en">`) || a.Request.URL.Path != "/people" {
		t.Errorf("%s: %s", a.Request.URL, page)
	}
	for _, to := range []string{"//evil.example", "/\t/evil.example", "https://evil.example", "/\\evil.example", "/x\r\nSet-Cookie: a=b"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/language", strings.NewReader(url.Values{"language": {"xx"}, "return": {to}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if a.Header.Get("Location") != "/" || len(a.Cookies()) > 0 {
			t.Errorf("%q leads to %q, %v", to, a.Header.Get("Location"), a.Cookies())
		}
	}
}

// TestAsking: questions in words, answers, and exports.
func TestAsking(t *testing.T) {
	h := newHouse(t, map[string]string{"catalogue.yaml": "systems:\n  base: {name: Kontor, target: one, entitlements: {staff: {name: Alla}}}\n  lib: {name: Bibliotek, owner: owner, deputies: [deputy], target: one, entitlements: {library: {name: Låntagarregistret, authoritative: true}}}\n"})
	h.Import(office.Header + "staff,E1,=Anna,Staff,office,LIB,Librarian,manager,2020-01-01,,no\n9003,E9003,Hemma,Hemligare,hideout,LIB,Librarian,manager,2020-01-01,,yes\n")
	h.Apply()
	v := h.as("auditor", "sv")
	form := func(q string) url.Values { return url.Values{"q": {q}} }
	v.send("/ask", form("vem hade låntagarregistret i dag?"), 200, "Vem hade Låntagarregistret, 30 november 2026", "=Anna Staff", "Spara som kalkylblad")
	v.send("/ask", form("vem har Bibliotek"), 200, "Vem hade Bibliotek, nu", "=Anna Staff")
	v.send("/ask", form("Familymanager 30 november"), 200, "Vad hade Given Familymanager, 30 november 2026", "Alla")
	v.send("/ask", form("hade Familyowner låntagarregistret 30 nov"), 200, "Hade Given Familyowner Låntagarregistret", "Ingen.")
	v.send("/ask", form("vad hade Given"), 200, "Vilken menade du?", "Given Familyowner", "Given Familyauditor")
	v.send("/ask", form("Hemligsson"), 200, "NOT Hemlig Hemligsson", "gick inte att förstå: hemligsson")
	v.send("/ask", form(""), 200, "Skriv som du skulle säga det")
	status, _, at := v.ask(http.MethodPost, "/ask", form("vad hade Familymanager"))
	if status != 200 || strings.Contains(strings.ToLower(at), "familymanager") {
		t.Errorf("the name is in the address: %s", at)
	}
	csv := v.get("/ask/export?what=lib:library&format=csv", 200)
	if !strings.HasPrefix(csv, "\ufeffPerson,Person-id,") || !strings.Contains(csv, "\n'=Anna Staff,") || strings.Contains(csv, "Hemligsson") || strings.Count(csv, "\n") != 4 {
		t.Errorf("the export: %s", csv)
	}
	if lines := v.get("/ask/export?what=lib:library&format=json", 200); strings.Count(lines, "\n") != 3 || !strings.Contains(lines, `"display_name":"=Anna Staff"`) {
		t.Errorf("the export: %s", lines)
	}
	v.get("/ask/export", 404)
	// A protected person has no name for the owner of a system, and no key that leads to one.
	for line := range strings.Lines(h.as("owner", "sv").get("/ask/export?what=lib:library&format=json", 200)) {
		if protected := strings.Contains(line, `"protected":true`); protected == strings.Contains(line, `"keys"`) {
			t.Errorf("the owner's export: %s", line)
		}
	}
	h.as("stranger", "sv").get("/ask?what=lib:library", 200, "NOT Anna", "Ingen, eller ingen som du får se")
	if csv := h.as("stranger", "sv").get("/ask/export?what=lib:library&format=csv", 200); strings.Count(csv, "\n") != 1 {
		t.Errorf("a stranger's export: %s", csv)
	}
}

// TestNamesAreNoMarkup: what HR wrote is text, in every field that a page shows.
func TestNamesAreNoMarkup(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	field := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	h := newHouse(t, map[string]string{"units.csv": "unit,parent,name\noffice,," + field(evil) + "\nhideout,,x\n",
		"policy.csv": "p, everyone, true, base:staff, allow, " + field("<b>everybody</b><script>alert(3)</script>") + "\np, librarian, r.sub.job_code == 'LIB', lib:library, allow, lends\n"})
	h.Import(office.Header + "staff,E1," + field(evil) + "," + field("S"+evil) + ",office,LIB," + field(evil) + ",manager,2020-01-01,,no\n")
	h.Apply()
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", All: true}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	staff := "/people/" + string(h.Person("staff").ID)
	v := h.as("administrator", "en")
	for _, path := range []string{"/", "/people", staff, staff + "/why?entitlement=lib:library", staff + "/why?entitlement=" + url.QueryEscape(evil), staff + "/suspend", "/systems/lib", "/systems/base", "/reviews/1", "/ask?what=lib", "/ask?what=" + url.QueryEscape(evil), "/ask?person=" + string(h.Person("staff").ID)} {
		_, page, _ := v.ask(http.MethodGet, path, nil)
		lower := strings.ToLower(page)
		if strings.Contains(lower, "<script>") || strings.Contains(lower, "<img") || strings.Contains(lower, "<b>everybody") {
			t.Errorf("%s takes a name for markup: %s", path, page)
		}
	}
}

// TestTexts: both languages have the same texts with the same parameters, templates and code
// use those that are there, and none is left over.
func TestTexts(t *testing.T) {
	read := func(language string) map[string]string {
		text, err := os.ReadFile("../wording/pages." + language + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := yaml.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		flat := map[string]string{}
		var walk func(prefix string, v any)
		walk = func(prefix string, v any) {
			switch x := v.(type) {
			case string:
				flat[prefix] = x
			case map[string]any:
				if one, counted := x["one"]; counted {
					flat[prefix] = one.(string) + x["other"].(string)
					return
				}
				for k, below := range x {
					walk(strings.TrimPrefix(prefix+"."+k, "."), below)
				}
			}
		}
		walk("", all["pages"])
		return flat
	}
	english, swedish := read("en"), read("sv")
	parameters := func(s string) []string {
		found := regexp.MustCompile(`\.[a-z]+`).FindAllString(strings.Join(regexp.MustCompile(`{{[^}]*}}`).FindAllString(s, -1), " "), -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	for id, text := range english {
		if swedish[id] == "" {
			t.Errorf("%s is in English only", id)
		} else if len(strings.Fields(regexp.MustCompile(`{{[^}]*}}`).ReplaceAllString(text, ""))) > 3 && text == swedish[id] {
			t.Errorf("%s is the same in both languages", id)
		} else if a, b := parameters(text), parameters(swedish[id]); !slices.Equal(a, b) {
			t.Errorf("%s has the parameters %v in English and %v in Swedish", id, a, b)
		}
	}
	for id := range swedish {
		if english[id] == "" {
			t.Errorf("%s is in Swedish only", id)
		}
	}
	used := map[string]bool{}
	prefixes := []string{"extract."} // package access words an extract
	call := regexp.MustCompile(`(?:\bt |\$\.T |\.T\(|\bT\()"([a-z0-9.-]+)"`)
	made := regexp.MustCompile(`(?:printf |\bt |\.T\(|\bT\()\(?"([a-z.-]+[.-])(?:%s|"\s*\+)`)
	for _, pattern := range []string{"templates/*.html", "*.go"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil || strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, m := range call.FindAllStringSubmatch(string(text), -1) {
				if !strings.HasSuffix(m[1], ".") && !strings.HasSuffix(m[1], "-") {
					used[m[1]] = true
					if english[m[1]] == "" {
						t.Errorf("%s uses the text %s, which is not there", f, m[1])
					}
				}
			}
			for _, m := range made.FindAllStringSubmatch(string(text), -1) {
				prefixes = append(prefixes, m[1])
			}
		}
	}
	for id := range english {
		if !used[id] && !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(id, p) }) {
			t.Errorf("no page uses the text %s", id)
		}
	}
}

// TestValuesHaveWords: every value that a page shows by its name has one, in both languages.
func TestValuesHaveWords(t *testing.T) {
	text, err := os.ReadFile("../wording/pages.en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Pages map[string]map[string]any `yaml:"pages"`
	}
	var loose struct {
		Pages map[string]any `yaml:"pages"`
	}
	if err := yaml.Unmarshal(text, &loose); err != nil {
		t.Fatal(err)
	}
	all.Pages = map[string]map[string]any{}
	for k, v := range loose.Pages {
		if m, ok := v.(map[string]any); ok {
			all.Pages[k] = m
		}
	}
	for group, in := range map[string][2]string{"grant": {"../access/grant.go", "GrantState"}, "state": {"../identity/state.go", "State"}, "hold-kind": {"../store/holds.go", "HoldKind"}, "event": {"../identity/person.go", "Kind"}, "step": {"../../connectors/connectors.go", "Op"}, "step of a plan": {"../plan/plan.go", `connectors\.Op`}, "import": {"../store/hr.go", "ImportStatus"}} {
		source, err := os.ReadFile(in[0])
		if err != nil {
			t.Fatal(err)
		}
		values := regexp.MustCompile(`(?m)^\s+\w+ +`+in[1]+` += "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
		values = append(values, regexp.MustCompile(`const \w+ +`+in[1]+` += "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)...)
		if len(values) < 3 {
			t.Errorf("%s: %d values are found", in[1], len(values))
		}
		for _, v := range values {
			group, _, _ := strings.Cut(group, " ")
			if all.Pages[group][v[1]] == nil {
				t.Errorf("pages.%s has no %s", group, v[1])
			}
		}
	}
	for _, ability := range connectors.Abilities() {
		if name := strings.ReplaceAll(strings.ToLower(string(ability)), " ", "-"); all.Pages["ability"][name] == nil {
			t.Errorf("pages.ability has no %s", name)
		}
	}
}

// TestAssetsAreKept: style and script are kept by a browser, and come from here.
func TestAssetsAreKept(t *testing.T) {
	h := newHouse(t, nil)
	page := h.as("auditor", "en").get("/", 200)
	found := regexp.MustCompile(`/static/[0-9a-f]+/[a-z.]+`).FindAllString(page, -1)
	if len(found) != 3 {
		t.Fatal(found)
	}
	for _, path := range found {
		a, err := http.Get(h.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
	}
}

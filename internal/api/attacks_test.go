package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// route is an operation of the document.
type route struct {
	method, path string
	*huma.Operation
}

// routes are the operations of the document, sorted.
func (h *house) routes() []route {
	var all []route
	for _, path := range slices.Sorted(maps.Keys(h.doc.Paths)) {
		item := h.doc.Paths[path]
		for _, r := range []route{{http.MethodGet, path, item.Get}, {http.MethodPost, path, item.Post}, {http.MethodDelete, path, item.Delete}} {
			if r.Operation != nil {
				all = append(all, r)
			}
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// TestNoOtherSiteWrites: what a page of another site has a browser send is refused at every
// route that is not GET, however the browser says whose page it is, and whatever it carries.
func TestNoOtherSiteWrites(t *testing.T) {
	h := newHouse(t, nil)
	n := 0
	for _, r := range h.routes() {
		if r.method == http.MethodGet {
			continue
		}
		n++
		path := placeholder.ReplaceAllString(r.path, "x")
		for what, header := range map[string][]string{"Sec-Fetch-Site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"}, "Origin": {"Origin", "https://evil.example.org"}, "null": {"Origin", "null"}} {
			if a := h.ask("administrator", r.method, path, `{"reason":"r"}`, header...); a.status != http.StatusForbidden || !strings.Contains(a.body, "cross-origin") {
				t.Errorf("%s %s by %s: %d %s", r.method, path, what, a.status, a.body)
			}
		}
		// What a form can send without being asked for leave is none of the API's types.
		if r.method == http.MethodPost {
			for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
				if a := h.ask("administrator", r.method, path, `{"reason":"r"}`, "Content-Type", kind); a.status != http.StatusUnsupportedMediaType {
					t.Errorf("%s %s as %s: %d %s", r.method, path, kind, a.status, a.body)
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("%d routes", n)
	}
}

// TestOthersObjects: a stranger who knows every ID of others gets at none of them, by any
// route of the document.
func TestOthersObjects(t *testing.T) {
	h := newHouse(t, withPay)
	h.Apply()
	staff := h.Person("staff").ID
	if err := h.DB.PutSession(t.Context(), store.Session{Hash: store.HashSession("x"), ID: "0197b1f0-0000-7000-8000-00000000000a", Person: staff, Data: `{"deadline":"2027-01-01T00:00:00Z","values":{}}`,
		BeganUS: store.Micros(h.Time.UnixMicro()), UsedUS: store.Micros(h.Time.UnixMicro()), ExpiresUS: store.Micros(h.Time.AddDate(0, 0, 1).UnixMicro())}, h.Time); err != nil {
		t.Fatal(err)
	}
	h.as("staff")
	var mine struct{ Items []struct{ ID string } }
	h.good(h.get("staff", "/tokens")).into(t, &mine)
	plan := h.good(h.post("operator", "/plans", map[string]any{})).header.Get("Location")
	simulation := h.good(h.post("operator", "/simulations", map[string]any{"units": "unit,parent,name\noffice,,The office\nhideout,,The hideout\n"})).header.Get("Location")
	ids := map[string]map[string]string{
		"":                {"person": string(staff), "entitlement": "lib:library", "system": "lib", "target": "one", "unit": "office", "conflict": "both", "rules": "0123456789ab", "digest": h.held(staff), "item": h.question(staff), "request": h.request(staff), "order": h.order(staff), "account": h.account()},
		"get-review":      {"review": h.finished()},
		"sign-off-review": {"review": h.finished()},
		"get-plan":        {"id": plan[strings.LastIndexByte(plan, '/')+1:]},
		"get-simulation":  {"id": simulation[strings.LastIndexByte(simulation, '/')+1:]},
		"revoke-token":    {"id": mine.Items[0].ID},
		"end-session":     {"id": "0197b1f0-0000-7000-8000-00000000000a"},
		"end-session-of":  {"id": "0197b1f0-0000-7000-8000-00000000000a"},
		"retry-steps":     nil,
		"give-up-steps":   nil,
	}
	// Who may see all may still not do what is another's own.
	for who, only := range map[string]string{"stranger": "", "administrator": "end-session", "auditor": "get-plan", "personnel": "get-simulation"} {
		n := 0
		for _, r := range h.routes() {
			if only != "" && r.OperationID != only {
				continue
			}
			path := r.path
			for _, p := range r.Parameters {
				if p.In == "path" {
					value := ids[r.OperationID][p.Name]
					if value == "" {
						value = ids[""][p.Name]
					}
					if value == "" {
						t.Fatalf("the test knows no %s of %s", p.Name, r.OperationID)
					}
					path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
				}
			}
			_, listed := ids[r.OperationID]
			if path == r.path && !listed {
				continue // it is about nothing
			}
			var body any
			if r.method == http.MethodPost {
				body = h.writes(r.OperationID, "staff").body
			}
			n++
			if slices.Contains([]string{"revoke-token", "end-session-of", "end-sessions-of"}, r.OperationID) {
				path += "?reason=r"
			}
			a := h.ask(who, r.method, path, body)
			if r.OperationID == "who-had-system" || r.OperationID == "who-had-entitlement" {
				if a.status != http.StatusOK || a.body != `{"items":[]}`+"\n" {
					t.Errorf("%s %s: %d %s", r.method, path, a.status, a.body)
				}
			} else if a.status != http.StatusForbidden && a.status != http.StatusNotFound {
				t.Errorf("%s as %s: %s %s: %d %s", r.OperationID, who, r.method, path, a.status, a.body)
			}
			for _, tells := range []string{string(staff), "Anna", "lends books"} {
				if strings.Contains(a.body, tells) {
					t.Errorf("%s %s tells %q: %s", r.method, path, tells, a.body)
				}
			}
		}
		if only == "" && n < 30 || only != "" && n != 1 {
			t.Errorf("as %s, %d routes were asked", who, n)
		}
	}
	if all, err := h.DB.SessionsOf(t.Context(), staff, h.Time); err != nil || len(all) != 1 {
		t.Errorf("the session of staff is gone: %v, %v", all, err)
	}
	if r := h.get("staff", "/me"); r.status != http.StatusOK {
		t.Errorf("the token of staff is gone: %d", r.status)
	}
}

// TestInjections: no text of any parameter of the document is part of a statement.
func TestInjections(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			if database == "postgres" {
				if testing.Short() {
					t.Skip("a database takes seconds to start")
				}
				t.Setenv("BEHOV_TEST_ON", database)
			}
			injections(t)
		})
	}
}

func injections(t *testing.T) {
	t.Helper()
	h := newHouse(t, map[string]string{"rights.csv": everyRole})
	h.Apply()
	people, err := h.DB.CountPeople(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	document := h.good(h.ask("", http.MethodGet, api.Path+"/openapi.json", nil)).body
	all := testenv.Injections(t, []byte(document), map[string]string{"person": string(h.Person("staff").ID), "other": string(h.Person("gone").ID), "entitlement": "lib:library", "system": "lib", "target": "one", "digest": h.held(h.Person("manager").ID), "item": "1-1", "request": h.request(h.Person("staff").ID), "id": "none", "source": "hr", "type": "person", "name": "use"})
	if len(all) < 400 {
		t.Fatalf("%d injections", len(all))
	}
	for _, i := range all {
		var header []string
		for name, value := range i.Header {
			header = append(header, name, value)
		}
		var body any
		if i.Body != "" {
			body = i.Body
		}
		r := h.ask("administrator", i.Method, i.Path, body, header...)
		if r.status >= http.StatusInternalServerError {
			t.Errorf("%s: %d %s", i, r.status, r.body)
		}
		// A text that names nothing finds nothing.
		var found struct{ Items, Results []json.RawMessage }
		if r.status == http.StatusOK && json.Unmarshal([]byte(r.body), &found) == nil && len(found.Items)+len(found.Results) > 0 && !strings.Contains(i.Where, "cursor") && !strings.Contains(i.Where, "reason") && !strings.Contains(i.Where, "page.token") && !strings.Contains(i.Where, "properties") && !strings.Contains(i.Where, "header") {
			t.Errorf("%s finds: %s", i, r.body)
		}
	}
	if n, err := h.DB.CountPeople(t.Context()); err != nil || n < people {
		t.Errorf("of %d people %d are left, %v", people, n, err)
	}
	if r := h.get("administrator", "/people/"+string(h.Person("staff").ID)); r.status != http.StatusOK {
		t.Errorf("staff: %d %s", r.status, r.body)
	}
	t.Logf("%d injections", len(all))
}

// TestNothingIsCached: no answer may be kept by a browser or a proxy, and one that is kept
// all the same is kept for nobody else.
func TestNothingIsCached(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	check := func(r reply, what string) {
		t.Helper()
		vary := r.header.Get("Vary")
		if r.header.Get("Cache-Control") != "private, no-store" || !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "Cookie") || !strings.Contains(vary, "Accept-Language") {
			t.Errorf("%s: %d %v", what, r.status, r.header)
		}
	}
	statuses := map[int]bool{}
	for _, r := range h.routes() {
		path := strings.NewReplacer("{person}", string(h.Person("staff").ID), "{entitlement}", "lib:library", "{system}", "lib", "{target}", "one", "{digest}", "abc", "{item}", "1-1", "{id}", "0197b1f0-0000-7000-8000-000000000000").Replace(r.path)
		for _, who := range []string{"", "stranger", "auditor"} {
			a := h.ask(who, r.method, path, nil)
			statuses[a.status] = true
			check(a, r.method+" "+path+" as "+who)
		}
		check(h.ask("", http.MethodPut, path, nil), "PUT "+path)
		check(h.ask("", http.MethodPost, path, "{}", "Origin", "https://evil.example.org"), "from another site: "+path)
	}
	for _, path := range []string{"/docs", "/", "/openapi.json", "/openapi.yaml", "/nothing"} {
		check(h.get("", path), path)
	}
	for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		if !statuses[status] {
			t.Errorf("nothing is answered %d", status)
		}
	}
}

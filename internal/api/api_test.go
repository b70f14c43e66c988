package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// house is an office whose API is asked.
type house struct {
	*office.Office
	t       testing.TB
	handler http.Handler
	doc     *huma.OpenAPI
	tokens  map[string]string
	asked   map[string]bool // the routes that answered something good, by operation
}

func newHouse(t testing.TB, files map[string]string) *house {
	t.Helper()
	return houseOf(t, office.New(t, files))
}

// houseOf is the API of an office.
func houseOf(t testing.TB, o *office.Office) *house {
	t.Helper()
	h := &house{Office: o, t: t, tokens: map[string]string{}, asked: map[string]bool{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("BEHOV_TEST_LOG") != "" {
		log = slog.Default()
	}
	door, err := signin.New(h.DB, h.Config, h.Clock, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.handler, h.doc = api.New(api.Deps{DB: h.DB, Config: h.Config, Engine: h.Engine, Importer: &hr.Importer{DB: h.DB, Config: h.Config, Now: h.Clock}, Door: door, Now: h.Clock, Log: log})
	return h
}

// serviceToken returns a token of a service account.
func (h *house) serviceToken(name, scopes, systems string) string {
	h.t.Helper()
	text, made, err := store.NewToken(store.Token{Name: "a test", Service: name, Scopes: scopes, Systems: systems}, h.Time, h.Time.Add(time.Hour))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		return tx.PutToken(h.t.Context(), made, store.Decision{Maker: identity.System})
	}); err != nil {
		h.t.Fatal(err)
	}
	return text
}

// token returns a person's token: one who signed in just now with more than one factor.
func (h *house) token(key, scopes, systems, factors string) string {
	h.t.Helper()
	text, made, err := store.NewToken(store.Token{Name: "a test", Owner: h.Person(key).ID, Scopes: scopes, Systems: systems, Factors: factors}, h.Time, h.Time.Add(time.Hour))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		return tx.PutToken(h.t.Context(), made, store.Decision{Maker: identity.PersonActor(made.Owner)})
	}); err != nil {
		h.t.Fatal(err)
	}
	return text
}

// as returns the token of a person who may do with it all that they may, or of a service
// account, as service:NAME.
func (h *house) as(key string) string {
	h.t.Helper()
	if name, service := strings.CutPrefix(key, rights.ServicePrefix); service && h.tokens[key] == "" {
		h.tokens[key] = h.serviceToken(name, "*:read *:write", "")
	}
	if h.tokens[key] == "" && key != "" {
		h.tokens[key] = h.token(key, "*:read *:write", "", store.ManyFactors)
	}
	return h.tokens[key]
}

// reply is what the API answers.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
}

// ask asks as somebody; body is JSON, or what is made JSON of. The answer must be one that
// the document describes.
func (h *house) ask(who, method, path string, body any, header ...string) reply {
	h.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, content)
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := h.as(who); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	out := reply{w.Code, w.Header(), w.Body.String()}
	h.described(method, path, out)
	return out
}

func (h *house) get(who, path string) reply {
	h.t.Helper()
	return h.ask(who, http.MethodGet, api.Path+path, nil)
}

func (h *house) post(who, path string, body any) reply {
	h.t.Helper()
	return h.ask(who, http.MethodPost, api.Path+path, body)
}

// good asks, and fails the test unless the answer is a good one.
func (h *house) good(r reply) reply {
	h.t.Helper()
	if r.status < 200 || r.status > 299 {
		h.t.Fatalf("%d %s", r.status, r.body)
	}
	return r
}

// described fails the test when an answer is not what the document says.
func (h *house) described(method, path string, r reply) {
	h.t.Helper()
	o := operation(h.doc, method, path)
	if o == nil || r.body == "" || r.status == http.StatusTemporaryRedirect {
		return
	}
	described := o.Responses[fmt.Sprint(r.status)]
	if described == nil {
		described = o.Responses["default"]
	}
	if described == nil {
		h.t.Errorf("%s %s: %d is not in the document: %s", method, path, r.status, r.body)
		return
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	media := described.Content[kind]
	if media == nil {
		h.t.Errorf("%s %s: %d is %s, which is not in the document", method, path, r.status, kind)
		return
	}
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		h.t.Errorf("%s %s: %v", method, path, err)
		return
	}
	result := &huma.ValidateResult{}
	huma.Validate(h.doc.Components.Schemas, media.Schema, huma.NewPathBuffer([]byte("body"), 4), huma.ModeReadFromServer, v, result)
	for _, err := range result.Errors {
		h.t.Errorf("%s %s: %d: %v\n%s", method, path, r.status, err, r.body)
	}
	if r.status < 300 {
		h.asked[o.OperationID] = true
	}
}

// operation returns the operation of a request.
func operation(doc *huma.OpenAPI, method, path string) *huma.Operation {
	path, _, _ = strings.Cut(path, "?")
	want := strings.Split(path, "/")
	var best *huma.Operation
	fixed := -1
	for p, item := range doc.Paths {
		o := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete}[method]
		parts := strings.Split(p, "/")
		if o == nil || len(parts) != len(want) {
			continue
		}
		n := 0
		for i, part := range parts {
			switch {
			case part == want[i]:
				n++
			case !strings.HasPrefix(part, "{"):
				n = -len(parts)
			}
		}
		if n > fixed {
			best, fixed = o, n
		}
	}
	if fixed < 0 {
		return nil
	}
	return best
}

func TestReading(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	id := string(h.Person("staff").ID)
	for _, path := range []string{"/me", "/people", "/people?state=active&limit=3", "/people?q=staff", "/people/staff", "/people/" + id, "/people/hr%2Fstaff", "/people/staff/grants", "/people/staff/grants/lib:library",
		"/people/staff/grants/base:staff", "/people/staff/roles", "/people/staff/plan", "/people/staff/plan?as_of=2027-01-01", "/people/staff/access", "/people/staff/access?from=2026-01-01T00:00:00Z",
		"/duplicates", "/managers?all=true", "/systems", "/entitlements", "/entitlements/lib:library/access", "/entitlements/account/access?at=2026-11-30T09:00:00Z", "/systems/lib/access",
		"/access-changes", "/records", "/records?person=staff&limit=2", "/holds?all=true", "/steps", "/review-items?all=true", "/hr/imports", "/status", "/rights", "/tokens", "/tokens?all=true", "/sessions"} {
		if r := h.get("auditor", path); r.status != http.StatusOK || r.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	var p struct {
		Person struct {
			ID   string `json:"id"`
			Name string `json:"display_name"`
		} `json:"person"`
		Stage struct {
			State   string
			Because struct{ Code, Text string }
		}
	}
	h.good(h.get("auditor", "/people/staff")).into(t, &p)
	if p.Person.ID != id || p.Person.Name != "Anna Staff" || p.Stage.State != "active" || p.Stage.Because.Code == "" || p.Stage.Because.Text == "" {
		t.Errorf("%+v", p)
	}
	swedish := h.ask("auditor", http.MethodGet, api.Path+"/people/staff/grants", nil, "Accept-Language", "sv")
	if !strings.Contains(swedish.body, "har") || !strings.Contains(swedish.body, `"code":"`) {
		t.Errorf("in Swedish: %s", swedish.body)
	}
	for path, want := range map[string]int{"/people/nobody": 404, "/people/staff/grants/no:thing": 404, "/entitlements/no:thing/access": 404, "/systems/nothing/access": 404, "/holds/abc": 404, "/steps?target=none": 404,
		"/people?cursor=%21": 400, "/people?limit=0": 422, "/people?limit=5000": 422, "/people?nothing=1": 422, "/people/staff/access?at=2027-01-01T00:00:00Z": 400, "/people/staff/access?at=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z": 400,
		"/people/staff/plan?as_of=2020-01-01": 409, "/people/staff/access?at=yesterday": 422, "/plans/0197b1f0-0000-7000-8000-000000000000": 404, "/nothing": 404} {
		r := h.get("auditor", path)
		var problem api.Problem
		r.into(t, &problem)
		if r.status != want || problem.Status != want || !strings.HasPrefix(problem.Type, "urn:behov:problem:") || problem.Detail == "" || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

// Lists are read a part at a time, and each item once.
func TestPaging(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	for path, want := range map[string]int{"/people?": 13, "/people?state=active&": 12, "/people?q=family&": 11, "/people?q=given+fam&state=active&": 10, "/systems/base/access?": 12, "/entitlements/base:staff/access?": 12, "/people/staff/access?": 3, "/access-changes?": 26, "/records?": 30} {
		seen, parts := map[string]bool{}, 0
		for cursor := ""; ; parts++ {
			var part struct {
				Items []json.RawMessage
				Next  string
			}
			h.good(h.get("auditor", path+"limit=2&cursor="+cursor)).into(t, &part)
			for _, item := range part.Items {
				if seen[string(item)] {
					t.Errorf("%s has this twice: %s", path, item)
				}
				seen[string(item)] = true
			}
			if cursor = part.Next; cursor == "" {
				break
			}
			if len(part.Items) > 2 || parts > 100 {
				t.Fatalf("%s: a part has %d", path, len(part.Items))
			}
		}
		if len(seen) < want || path != "/records?" && len(seen) != want {
			t.Errorf("%s has %d items, not %d", path, len(seen), want)
		}
	}
}

// Nobody is told of whom they may not see, nor who a protected person is.
func TestMasking(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	secret, stranger := string(h.Person("secret").ID), string(h.Person("stranger").ID)
	for _, who := range slices.Concat(office.Roles, []string{"staff"}) {
		for _, path := range []string{"/people?limit=1000", "/people?q=hem", "/people?q=hemlig", "/people?q=hemligsson&limit=1", "/people/" + secret, "/people/" + secret + "/grants", "/people/" + secret + "/access", "/people/" + secret + "/plan", "/systems/lib/access", "/systems/base/access", "/entitlements/account/access",
			"/access-changes", "/records?limit=1000", "/status", "/duplicates", "/steps", "/review-items?all=true"} {
			r := h.get(who, path)
			for _, tells := range []string{"Hemlig", "hemlig", "hideout", `"secret"`, "hr/secret", "(secret)"} {
				if strings.Contains(r.body, tells) {
					t.Errorf("%s is told %q by %s: %s", who, tells, path, r.body)
				}
			}
			if strings.Contains(path, "q=hem") && r.body != `{"items":[]}`+"\n" {
				t.Errorf("%s finds by %s: %s", who, path, r.body)
			}
		}
		for _, path := range []string{"/people/" + h.Person("secret").Login, "/people/secret"} {
			if r := h.get(who, path); r.status != http.StatusNotFound {
				t.Errorf("%s finds a protected person by %s: %d", who, path, r.status)
			}
		}
	}
	// Whom one may not see is answered as who does not exist.
	for _, who := range []string{"staff", "manager", "owner", "reviewer"} {
		for _, path := range []string{"", "/grants", "/access", "/plan", "/roles", "/grants/lib:library"} {
			hidden, none := h.get(who, "/people/"+stranger+path), h.get(who, "/people/"+"0197b1f0-0000-7000-8000-000000000000"+path)
			if hidden.status != http.StatusNotFound || hidden.body != none.body {
				t.Errorf("%s asks %s of a stranger: %d %s, of nobody %d %s", who, path, hidden.status, hidden.body, none.status, none.body)
			}
		}
	}
	var holders struct{ Items []json.RawMessage }
	h.good(h.get("owner", "/systems/lib/access")).into(t, &holders)
	if len(holders.Items) != 2 {
		t.Errorf("the owner sees %d who have something in the system", len(holders.Items))
	}
	// A manager lists themselves and their staff; who has what is in a system its owner asks
	// of the system.
	for who, want := range map[string]int{"staff": 1, "manager": 3, "owner": 1, "deputy": 1, "stranger": 1, "auditor": 13} {
		var part struct{ Items []json.RawMessage }
		h.good(h.get(who, "/people?limit=1000")).into(t, &part)
		if len(part.Items) != want {
			t.Errorf("%s lists %d people, not %d", who, len(part.Items), want)
		}
	}
	// A search finds of those whom one may see; of an owner also who has something in the system.
	for who, want := range map[string][2]int{"staff": {1, 0}, "manager": {1, 1}, "owner": {1, 1}, "deputy": {1, 1}, "stranger": {0, 1}, "auditor": {1, 11}} {
		for i, q := range []string{"anna", "family"} {
			var part struct{ Items []json.RawMessage }
			h.good(h.get(who, "/people?q="+q)).into(t, &part)
			if len(part.Items) != want[i] {
				t.Errorf("%s finds %d people by %s, not %d", who, len(part.Items), q, want[i])
			}
		}
	}
}

// A place in what a search finds tells no name, and is a place in that search only.
func TestPlacesOfASearch(t *testing.T) {
	h := newHouse(t, nil)
	var part struct{ Next string }
	h.good(h.get("auditor", "/people?q=family&limit=1")).into(t, &part)
	for text, times := []byte(part.Next), 0; times < 2; times++ {
		decoded, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(string(text)))
		if err != nil || part.Next == "" || bytes.Contains(bytes.ToLower(decoded), []byte("family")) {
			t.Errorf("%q, %v", decoded, err)
		}
		text = decoded
	}
	if next := h.get("auditor", "/people?q=family&limit=1&cursor="+part.Next); next.status != http.StatusOK || !strings.Contains(next.body, "Familyauditor") {
		t.Errorf("%d %s", next.status, next.body)
	}
	for _, path := range []string{"/people?q=fami&cursor=" + part.Next, "/people?q=family&cursor=" + base64.RawURLEncoding.EncodeToString([]byte(h.Person("staff").ID))} {
		if r := h.get("auditor", path); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestWhoIsKnown(t *testing.T) {
	h := newHouse(t, nil)
	ask := func(header ...string) reply {
		t.Helper()
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, api.Path+"/me", nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		return reply{w.Code, w.Header(), w.Body.String()}
	}
	good := h.as("staff")
	source, made, err := store.NewToken(store.Token{Name: "a source", Source: "hr"}, h.Time, h.Time.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
		return tx.PutToken(t.Context(), made, store.Decision{Maker: "person:q"})
	}); err != nil {
		t.Fatal(err)
	}
	for what, header := range map[string][]string{"nothing": nil, "another token": {"Authorization", "Bearer x" + good}, "a source's token": {"Authorization", "Bearer " + source}, "no scheme": {"Authorization", good}, "Basic": {"Authorization", "Basic " + good},
		"two tokens": {"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}, "a session that is none": {"Cookie", "behov=" + good}} {
		r := ask(header...)
		if r.status != http.StatusUnauthorized || r.header.Get("WWW-Authenticate") == "" || !strings.Contains(r.body, "/sign-in?return=") {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	if r := ask("Authorization", "bearer "+good); r.status != http.StatusOK {
		t.Errorf("the token: %d %s", r.status, r.body)
	}
	h.Import(office.Header + "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,2026-11-01,no\n")
	if r := ask("Authorization", "Bearer "+good); r.status != http.StatusUnauthorized {
		t.Errorf("the token of a leaver: %d %s", r.status, r.body)
	}
}

func TestTokensAreScoped(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	h.tokens["people"] = h.token("auditor", "people:read", "", "")
	h.tokens["lib"] = h.token("auditor", "*:read", "lib", "")
	for _, c := range []struct {
		token, path string
		status      int
	}{
		{"people", "/people", 200}, {"people", "/people/staff/access", 403}, {"people", "/records", 403},
		{"lib", "/systems/lib/access", 200}, {"lib", "/entitlements/lib:library/access", 200}, {"lib", "/systems/base/access", 403}, {"lib", "/entitlements/base:staff/access", 403}, {"lib", "/people", 403}, {"lib", "/people/staff/access", 403}, {"lib", "/records", 403},
	} {
		if r := h.get(c.token, c.path); r.status != c.status {
			t.Errorf("%s %s: %d %s", c.token, c.path, r.status, r.body)
		}
	}
	h.tokens["reads"] = h.token("administrator", "*:read", "", store.ManyFactors)
	if r := h.post("reads", "/people/staff/legal-hold", map[string]any{"reason": "r"}); r.status != http.StatusForbidden {
		t.Errorf("a token for reading decides: %d %s", r.status, r.body)
	}
	// A token that was made with one factor decides nothing, and one of a while ago nothing
	// grave.
	h.tokens["weak"] = h.token("administrator", "*:write", "", "")
	r := h.post("weak", "/people/staff/legal-hold", map[string]any{"reason": "r"})
	if r.status != http.StatusUnauthorized || !strings.Contains(r.header.Get("WWW-Authenticate"), "insufficient_user_authentication") || !strings.Contains(r.body, "/sign-in?stronger") {
		t.Errorf("with one factor: %d %v %s", r.status, r.header, r.body)
	}
	h.as("administrator")
	h.Time = h.Time.Add(20 * time.Minute)
	if r := h.post("administrator", "/people/staff/suspension", map[string]any{"reason": "r"}); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "/sign-in?fresh") {
		t.Errorf("with an old sign-in: %d %s", r.status, r.body)
	}
	if r := h.post("administrator", "/people/staff/legal-hold", map[string]any{"reason": "r"}); r.status != http.StatusOK {
		t.Errorf("what is not grave: %d %s", r.status, r.body)
	}
}

func TestDocument(t *testing.T) {
	h := newHouse(t, nil)
	r := h.good(h.ask("", http.MethodGet, api.Path+"/openapi.json", nil))
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			ID   string `json:"operationId"`
			Rule string `json:"x-behov-rule"`
		} `json:"paths"`
	}
	r.into(t, &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 40 {
		t.Errorf("%s with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			if o.Rule == "" {
				t.Errorf("%s %s has no rule", method, path)
			}
		}
	}
	page := h.good(h.ask("", http.MethodGet, api.Path+"/docs", nil))
	for _, foreign := range []string{"http://", "https://", "<script", "src="} {
		if strings.Contains(page.body, foreign) {
			t.Errorf("the page has %s", foreign)
		}
	}
	for _, path := range []string{"list-people", "release-hold", "send-hr-events", "authzen-evaluation"} {
		if !strings.Contains(page.body, `id="`+path+`"`) {
			t.Errorf("the page lacks %s", path)
		}
	}
}

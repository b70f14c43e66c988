package scimserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/scimserver"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const (
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	core       = "urn:ietf:params:scim:schemas:core:2.0:User"
)

// service is behov as seen by a client.
type service struct {
	t        testing.TB
	db       *store.DB
	database string
	url      string
	token    string
	// second starts a second server on the same database, and returns its URL.
	second func() string
	im     *hr.Importer
	mu     sync.Mutex
	now    time.Time
	log    bytes.Buffer
	// refused counts refused tokens, by reason.
	refused map[string]int
}

func (s *service) tokenRefused(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = map[string]int{}
	}
	s.refused[reason]++
}

// Write appends to the log.
func (s *service) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

// logged returns the log.
func (s *service) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func newService(t testing.TB) *service {
	t.Helper()
	return newServiceIn(t, "school", "library")
}

// newServiceIn is newService with these units; without any, every department is
// valid.
func newServiceIn(t testing.TB, units ...string) *service {
	t.Helper()
	text, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster(text)
	if err != nil {
		t.Fatal(err)
	}
	database := testenv.Database(t)
	s := &service{t: t, database: database, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	if s.db, err = store.Open(context.Background(), database, master); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	var tree identity.Units
	for _, id := range units {
		if err := tree.Add(identity.Unit{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	login, err := identity.ParseTemplate(`{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`)
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Zone: time.UTC, Login: login, LoginProtected: login, Attributes: []string{"cost_centre"}, Rules: &policy.Rules{Units: &tree},
		Sources: map[string]config.Source{"idp": {Name: "idp", SCIM: true, Changes: true, Constants: map[string]string{"employment_percent": "100"}},
			"other": {Name: "other", SCIM: true, Changes: true, Joins: []string{"idp"}}, "hr": {Name: "hr"}}}
	im := &hr.Importer{DB: s.db, Config: c, Now: s.clock, Actor: "behov"}
	s.im = im
	h, err := scimserver.New(im, c.Sources, scimserver.Host{Log: slog.New(slog.NewJSONHandler(s, nil)), TokenRefused: s.tokenRefused})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	s.url = web.URL + "/scim/v2"
	s.second = func() string { // a second process on the same database, as far as the database can tell
		db, err := store.Open(context.Background(), database, master)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		h, err := scimserver.New(&hr.Importer{DB: db, Config: c, Now: s.clock, Actor: "behov"}, c.Sources, scimserver.Host{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(h)
		t.Cleanup(web.Close)
		return web.URL + "/scim/v2"
	}
	s.token = s.makeToken("idp")
	return s
}

func (s *service) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *service) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *service) makeToken(source string) string {
	s.t.Helper()
	token, _, err := makeToken(context.Background(), s.db, "test", source, s.clock(), s.clock().Add(365*24*time.Hour))
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

type object = map[string]any

// send sends a request and returns the answer; headers are name, value, …
func (s *service) send(method, path, body string, headers ...string) (int, object, http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var o object
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &o); err != nil {
			s.t.Fatalf("%s %s: no JSON: %s", method, path, raw)
		}
	}
	return res.StatusCode, o, res.Header
}

// must sends a request and requires the status.
func (s *service) must(status int, method, path, body string, headers ...string) object {
	s.t.Helper()
	got, o, _ := s.send(method, path, body, headers...)
	if got != status {
		s.t.Fatalf("%s %s %s: %d, not %d: %v", method, path, body, got, status, o)
	}
	return o
}

// asa is a typical pushed user.
const asa = `{"schemas": ["` + core + `", "` + enterprise + `"], "userName": "asa.ek@example.org", "externalId": "1001", "active": true,
	"name": {"givenName": "Åsa", "familyName": "Ek"}, "title": "Teacher", "emails": [{"type": "work", "value": "asa.ek@example.org", "primary": true}],
	"` + enterprise + `": {"department": "school", "employeeNumber": "1001"},
	"` + scimserver.EmploymentURN + `": {"startDate": "2026-01-01", "jobCode": "1", "percent": "75", "cost_centre": "10", "nationalId": "19700101-0011"}}`

func user(n int) string {
	return strings.NewReplacer("1001", fmt.Sprint(1000+n), "asa.ek@", fmt.Sprintf("asa.ek%d@", n), `, "nationalId": "19700101-0011"`, "").Replace(asa)
}

func (s *service) push(body string) string {
	s.t.Helper()
	id, _ := s.must(http.StatusCreated, "POST", "/Users", body)["id"].(string)
	if id == "" {
		s.t.Fatal("no id")
	}
	return id
}

func patch(operations string) string {
	return `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [` + operations + `]}`
}

// people returns the people, and their active employments on a day.
func (s *service) people(on identity.Date) string {
	s.t.Helper()
	var lines []string
	for p, err := range s.db.People(context.Background()) {
		if err != nil {
			s.t.Fatal(err)
		}
		line := fmt.Sprintf("%s %s %s <%s>", p.Keys[0].Key, p.GivenName, p.FamilyName, p.Email)
		if p.Protected {
			line += " protected"
		}
		for _, e := range p.Active(on) {
			t := e.On(on)
			line += fmt.Sprintf(" [%s %s %s %s %v %v %s]", e.Key.Key, t.Unit, t.JobCode, t.JobTitle, t.Percent, t.Attributes, e.Start)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

const today = identity.Date("2026-11-23")

// TestPushedUsersAreHREvents checks that a pushed user is a person with an
// employment; when inactive, it has ended; a deleted user never had it.
func TestPushedUsersAreHREvents(t *testing.T) {
	s := newService(t)
	status, made, header := s.send("POST", "/Users", asa)
	meta, _ := made["meta"].(object)
	if status != http.StatusCreated || meta["location"] != s.url+"/Users/"+fmt.Sprint(made["id"]) || header.Get("Location") != meta["location"] || header.Get("Etag") != `W/"1"` {
		t.Fatalf("%d %v %v", status, made, header)
	}
	const works = "1001 Åsa Ek <asa.ek@example.org> [1001 school 1 Teacher 75 map[cost_centre:10] 2026-01-01]"
	if got := s.people(today); got != works {
		t.Fatalf("pushed: %s", got)
	}
	path := "/Users/" + fmt.Sprint(made["id"])
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "replace", "path": "active", "value": false}`))
	if got := s.people(today); got != "1001 Åsa Ek <asa.ek@example.org>" {
		t.Errorf("inactive: %s", got)
	}
	if got := s.people("2026-11-22"); got != works {
		t.Errorf("the day before: %s", got)
	}
	s.pass(time.Hour)
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "replace", "path": "active", "value": true}, {"op": "replace", "path": "`+enterprise+`:department", "value": "library"}`))
	if got := s.people(today); got != strings.Replace(works, "school", "library", 1) {
		t.Errorf("active again: %s", got)
	}
	s.must(http.StatusNoContent, "DELETE", path, "")
	if got := s.people(today); got != "1001 Åsa Ek <asa.ek@example.org>" {
		t.Errorf("deleted: %s", got)
	}
	s.must(http.StatusNotFound, "GET", path, "")
	s.must(http.StatusNotFound, "DELETE", path, "")
	s.push(asa)
	if got := s.people(today); got != works {
		t.Errorf("pushed again, the same person: %s", got)
	}
}

// TestReadBack checks that a client reads what it wrote, except for values that
// are never returned.
func TestReadBack(t *testing.T) {
	s := newService(t)
	body := strings.Replace(asa, `"active": true`, `"active": true, "password": "hunter2"`, 1)
	id := s.push(body)
	got := s.must(http.StatusOK, "GET", "/Users/"+id, "")
	var want object
	if err := json.Unmarshal([]byte(asa), &want); err != nil {
		t.Fatal(err)
	}
	for name, v := range want {
		if name != "schemas" && fmt.Sprint(got[name]) != fmt.Sprint(v) {
			t.Errorf("%s: %v, not %v", name, got[name], v)
		}
	}
	if _, there := got["password"]; there {
		t.Error("the password is read back")
	}
	for _, resource := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Schemas/" + scimserver.EmploymentURN} {
		s.must(http.StatusOK, "GET", resource, "")
	}
	// A PUT replaces: omitted values are removed.
	s.must(http.StatusOK, "PUT", "/Users/"+id, strings.Replace(asa, `"title": "Teacher",`, "", 1))
	if got := s.must(http.StatusOK, "GET", "/Users/"+id, ""); got["title"] != nil {
		t.Errorf("title: %v", got["title"])
	}
	file, is := strings.CutPrefix(s.database, "sqlite:")
	if !is {
		return
	}
	files, err := filepath.Glob(file + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"hunter2", s.token, strings.TrimPrefix(s.token, "behov_"), "197001010011", "19700101-0011"} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s is in %s", secret, filepath.Base(file))
			}
		}
	}
}

// TestPatchDialects checks PATCH requests of Entra ID, Okta and others, and their
// results.
func TestPatchDialects(t *testing.T) {
	for _, c := range []struct{ name, operations, path, want string }{
		{"Entra ID's capitals", `{"op": "Replace", "path": "title", "value": "Head"}`, "title", "Head"},
		{"Entra ID's truth", `{"op": "Replace", "path": "active", "value": "False"}`, "active", "false"},
		{"Entra ID's addresses", `{"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "070"}`, "phoneNumbers.0.value", "070"},
		{"Entra ID's addresses, there already", `{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@example.org"}`, "emails.0.value", "a@example.org"},
		{"Entra ID's manager", `{"op": "Add", "path": "` + enterprise + `:manager", "value": "boss"}`, enterprise + ".manager.value", "boss"},
		{"a manager by the book", `{"op": "add", "path": "` + enterprise + `:manager", "value": {"value": "boss"}}`, enterprise + ".manager.value", "boss"},
		{"names with dots as keys", `{"op": "replace", "value": {"name.givenName": "Eva", "` + enterprise + `:department": "library"}}`, "name.givenName", "Eva"},
		{"and extensions", `{"op": "replace", "value": {"name.givenName": "Eva", "` + enterprise + `:department": "library"}}`, enterprise + ".department", "library"},
		{"Okta's whole", `{"op": "replace", "value": {"active": false}}`, "active", "false"},
		{"an object's part stays", `{"op": "replace", "path": "name", "value": {"givenName": "Eva"}}`, "name.familyName", "Ek"},
		{"behov's extension", `{"op": "add", "path": "` + scimserver.EmploymentURN + `:endDate", "value": "2027-06-30"}`, scimserver.EmploymentURN + ".endDate", "2027-06-30"},
		{"an extension as an object", `{"op": "add", "value": {"` + scimserver.EmploymentURN + `": {"protected": "True"}}}`, scimserver.EmploymentURN + ".protected", "true"},
		{"removed", `{"op": "remove", "path": "title"}`, "title", ""},
		{"removed with what was there", `{"op": "Remove", "path": "title", "value": "Teacher"}`, "title", ""},
		{"removed by filter", `{"op": "remove", "path": "emails[type eq \"work\"]"}`, "emails", ""},
		{"one after another", `{"op": "remove", "path": "title"}, {"op": "add", "path": "title", "value": "Head"}`, "title", "Head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			id := s.push(asa)
			s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(c.operations))
			if got := at(s.must(http.StatusOK, "GET", "/Users/"+id, ""), c.path); got != c.want {
				t.Errorf("%s is %q, not %q", c.path, got, c.want)
			}
		})
	}
}

// at reads a value by the names on its path; a name with dots is an extension's.
func at(v any, path string) string {
	for path != "" {
		switch in := v.(type) {
		case object:
			name, rest, _ := strings.Cut(path, ".")
			for key := range in {
				if strings.HasPrefix(key, "urn:") && strings.HasPrefix(path, key) {
					name, rest = key, strings.TrimPrefix(strings.TrimPrefix(path, key), ".")
				}
			}
			v, path = in[name], rest
		case []any:
			var i int
			var rest string
			if _, err := fmt.Sscanf(path, "%d", &i); err != nil || i >= len(in) {
				return ""
			}
			_, rest, _ = strings.Cut(path, ".")
			v, path = in[i], rest
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// TestRefusedIsNotKept checks that an invalid request is refused with the reason,
// and that nothing of it is stored, neither as a resource nor as an event.
func TestRefusedIsNotKept(t *testing.T) {
	const secret = "Hemligstam"
	for _, c := range []struct {
		name, method, body string
		status             int
		kind, says         string
	}{
		{"an unknown unit", "POST", strings.Replace(user(2), `"department": "school"`, `"department": "moon"`, 1), 400, "invalidValue", "column department"},
		{"30 February", "POST", strings.Replace(user(2), "2026-01-01", "2026-02-30", 1), 400, "invalidValue", "column startDate"},
		{"too many percent", "POST", strings.Replace(user(2), `"75"`, `"750"`, 1), 400, "invalidValue", "column percent"},
		{"a percentage that is no number", "POST", strings.Replace(user(2), `"75"`, `"NaN"`, 1), 400, "invalidValue", "column percent"},
		{"an infinite percentage", "PATCH", patch(`{"op": "replace", "path": "` + scimserver.EmploymentURN + `:percent", "value": "Infinity"}`), 400, "invalidValue", "column percent"},
		{"no user name", "POST", strings.Replace(user(2), `"userName": "asa.ek2@example.org",`, "", 1), 400, "invalidValue", ""},
		{"a user name without end", "POST", strings.Replace(user(2), `"userName": "asa.ek2@example.org"`, `"userName": "`+strings.Repeat("x", 501)+`"`, 1), 400, "invalidValue", "userName"},
		{"a name without end", "POST", strings.Replace(user(2), `"Åsa"`, `"`+strings.Repeat("å", 501)+`"`, 1), 400, "invalidValue", "longer than 500 characters"},
		{"a blank user name", "POST", strings.Replace(user(2), `"userName": "asa.ek2@example.org"`, `"userName": " "`, 1), 400, "invalidValue", "userName"},
		{"no name", "POST", strings.Replace(user(2), `"givenName": "Åsa", "familyName": "Ek"`, `"formatted": "Åsa"`, 1), 400, "invalidValue", "column givenName"},
		{"no JSON", "POST", "{oops", 400, "invalidSyntax", "JSON"},
		{"a list", "POST", "[]", 400, "invalidSyntax", "JSON"},
		{"the same user name", "POST", strings.Replace(user(2), "asa.ek2@", "ASA.ek@", 1), 409, "uniqueness", ""},
		{"the same person", "POST", strings.ReplaceAll(user(2), "1002", "1001"), 409, "uniqueness", ""},
		{"somebody else's employment", "POST", strings.Replace(user(2), `"jobCode": "1"`, `"jobCode": "1", "employmentId": "1001"`, 1), 400, "invalidValue", "belongs to another person"},
		{"another person under the same key", "PATCH", patch(`{"op": "replace", "value": {"name.givenName": "Bo", "name.familyName": "Dahl", "` + scimserver.EmploymentURN + `:nationalId": "19640823-3234"}}`), 400, "invalidValue", "another person"},
		{"an escape for terminals", "POST", strings.Replace(user(2), "Åsa", `Å\u001bsa`, 1), 400, "invalidValue", "column givenName"},
		{"too large", "POST", strings.Replace(user(2), "Teacher", strings.Repeat("T", 1<<20), 1), 413, "", ""},
		{"an unknown attribute", "PATCH", patch(`{"op": "add", "path": "shoeSize", "value": "43"}`), 400, "invalidPath", ""},
		{"an unknown unit, by PATCH", "PATCH", patch(`{"op": "add", "path": "title", "value": "x"}, {"op": "replace", "path": "` + enterprise + `:department", "value": "moon"}`), 400, "invalidValue", "column department"},
		{"a user name taken away", "PATCH", patch(`{"op": "remove", "path": "userName"}`), 400, "mutability", ""},
		{"an id of one's own", "PATCH", patch(`{"op": "replace", "path": "id", "value": "x"}`), 400, "", ""},
		{"an unknown operation", "PATCH", patch(`{"op": "move", "path": "title", "value": "x"}`), 400, "", ""},
		{"no operations", "PATCH", patch(``), 400, "", ""},
		{"another employment while active", "PATCH", patch(`{"op": "add", "path": "` + scimserver.EmploymentURN + `:employmentId", "value": "E2"}`), 400, "mutability", "employmentId"},
		{"an empty user name, by PUT", "PUT", strings.Replace(asa, `"userName": "asa.ek@example.org"`, `"userName": ""`, 1), 400, "invalidValue", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			id := s.push(asa)
			people, before := s.people(today), s.must(http.StatusOK, "GET", "/Users", "")
			heads, err := s.db.Sequences(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			path := "/Users"
			if c.method != "POST" {
				path += "/" + id
			}
			answer := s.must(c.status, c.method, path, strings.Replace(c.body, `"familyName": "Ek"`, `"familyName": "`+secret+`"`, 1))
			if c.kind != "" && answer["scimType"] != c.kind || answer["status"] != fmt.Sprint(c.status) {
				t.Errorf("%v", answer)
			}
			if detail := fmt.Sprint(answer["detail"]); !strings.Contains(detail, c.says) || strings.Contains(detail, secret) {
				t.Errorf("it says %s", detail)
			}
			after := s.must(http.StatusOK, "GET", "/Users", "")
			now, err := s.db.Sequences(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(before) != fmt.Sprint(after) || s.people(today) != people || now.Events != heads.Events {
				t.Errorf("something was kept: %v, %s, %d events before and %d after", after, s.people(today), heads.Events, now.Events)
			}
		})
	}
}

func (s *service) names(filter string, status int, more ...string) []string {
	s.t.Helper()
	q := url.Values{}
	if filter != "" {
		q.Set("filter", filter)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	list := s.must(status, "GET", "/Users?"+q.Encode(), "")
	names := []string{}
	resources, _ := list["Resources"].([]any)
	for _, r := range resources {
		names = append(names, strings.TrimSuffix(at(r, "userName"), "@example.org"))
	}
	if total := at(list, "totalResults"); status == http.StatusOK && len(more) == 0 && total != fmt.Sprint(len(names)) {
		s.t.Errorf("%s: %s in all, %d shown", filter, total, len(names))
	}
	return names
}

func TestFilters(t *testing.T) {
	s := newService(t)
	for n := 1; n <= 5; n++ {
		s.push(user(n))
		s.pass(time.Second)
	}
	s.must(http.StatusOK, "PATCH", "/Users/"+at(s.must(http.StatusOK, "GET", `/Users?filter=`+url.QueryEscape(`externalId eq "1002"`), ""), "Resources.0.id"),
		patch(`{"op": "replace", "path": "active", "value": false}, {"op": "replace", "path": "externalId", "value": "2002"}, {"op": "replace", "path": "title", "value": "The \"Head\""}`))
	for filter, want := range map[string][]string{
		"":                                         {"asa.ek1", "asa.ek2", "asa.ek3", "asa.ek4", "asa.ek5"},
		`userName eq "ASA.ek3@example.org"`:        {"asa.ek3"},
		`userName eq "nobody"`:                     {},
		`externalId eq "1004"`:                     {"asa.ek4"},
		`externalId eq "1002"`:                     {},
		`externalId eq "2002"`:                     {"asa.ek2"},
		`active eq false`:                          {"asa.ek2"},
		`not (active eq true)`:                     {"asa.ek2"},
		`title eq "the \"head\""`:                  {"asa.ek2"},
		`userName sw "asa.ek4" or active eq false`: {"asa.ek2", "asa.ek4"},
		`userName ew "5@example.org" and active eq true`: {"asa.ek5"},
		`emails[type eq "work" and value co "ek1@"]`:     {"asa.ek1"},
		`emails.value eq "asa.ek1@example.org"`:          {"asa.ek1"},
		`name.familyName eq "EK" and userName co "3"`:    {"asa.ek3"},
		enterprise + `:employeeNumber eq "1005"`:         {"asa.ek5"},
		`title pr and externalId eq "1005"`:              {"asa.ek5"},
		`nickName pr`:                                    {},
		`title ne "Teacher"`:                             {"asa.ek2"},
	} {
		if got := s.names(filter, http.StatusOK); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", filter, got, want)
		}
	}
	if got := s.names("", http.StatusOK, "startIndex", "2", "count", "2"); !slices.Equal(got, []string{"asa.ek2", "asa.ek3"}) {
		t.Errorf("a page: %v", got)
	}
	if got := s.names("", http.StatusOK, "count", "0"); len(got) != 0 {
		t.Errorf("none: %v", got)
	}
	for _, broken := range []string{`userName`, `userName zz "x"`, `userName eq`, `shoeSize eq "43"`} {
		s.names(broken, http.StatusBadRequest)
	}
	s.names("", http.StatusBadRequest, "sortBy", "userName")
}

// TestIfMatch checks that a change is refused when another client has changed the
// resource.
func TestIfMatch(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	_, _, header := s.send("GET", "/Users/"+id, "")
	etag := header.Get("Etag")
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "Head"}`), "If-Match", etag)
	s.must(http.StatusPreconditionFailed, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "Teacher"}`), "If-Match", etag)
	if got := at(s.must(http.StatusOK, "GET", "/Users/"+id, ""), "title"); got != "Head" {
		t.Errorf("title %s", got)
	}
}

// TestTokens checks that a valid token of a source is required, and that it shows
// no other source's users.
func TestTokens(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	good := s.token
	s.token = s.makeToken("other")
	s.must(http.StatusNotFound, "GET", "/Users/"+id, "")
	s.must(http.StatusNotFound, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "x"}`))
	s.must(http.StatusNotFound, "DELETE", "/Users/"+id, "")
	if got := s.names("", http.StatusOK); len(got) != 0 {
		t.Errorf("another source's users are seen: %v", got)
	}
	s.token = s.makeToken("hr") // a source without SCIM
	s.must(http.StatusUnauthorized, "GET", "/Users", "")

	revoked, kept, err := makeToken(context.Background(), s.db, "x", "idp", s.clock(), s.clock().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.token = revoked
	s.must(http.StatusOK, "GET", "/Users", "")
	if err := revokeToken(context.Background(), s.db, kept.ID, s.clock()); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{revoked, "", " ", "x", "behov_", good + "x", good[:len(good)-1], strings.ToUpper(good)} {
		s.token = wrong
		for _, path := range []string{"/Users", "/Users/" + id, "/Schemas", "/ServiceProviderConfig", "/nothing"} {
			if _, answer, header := s.send("GET", path, ""); answer["status"] != "401" || header.Get("WWW-Authenticate") == "" {
				t.Errorf("%q gets %v of %s", wrong, answer, path)
			}
		}
	}
	s.token = good
	s.must(http.StatusOK, "GET", "/Users", "")
}

// TestRefusedTokensAreCounted checks that refusals are counted by reason and the
// first is logged, without the token, and that the scheme is case-insensitive.
func TestRefusedTokensAreCounted(t *testing.T) {
	s := newService(t)
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		s.must(http.StatusOK, "GET", "/Users", "", "Authorization", scheme+s.token)
	}
	s.must(http.StatusUnauthorized, "GET", "/Users", "", "Authorization", "Basic "+s.token)
	good := s.token
	for range 5 {
		s.token = "behov_wrong-and-secret"
		s.must(http.StatusUnauthorized, "GET", "/Users", "")
	}
	s.token = good
	s.must(http.StatusOK, "GET", "/Users", "")
	s.pass(366 * 24 * time.Hour)
	s.must(http.StatusUnauthorized, "GET", "/Users", "")
	if got := fmt.Sprint(s.refused); got != "map[expired:1 missing:1 unknown:5]" {
		t.Errorf("counted: %s", got)
	}
	log := s.logged()
	if strings.Contains(log, good) || strings.Contains(log, "behov_wrong") || strings.Count(log, "SCIM token refused") != 3 || !strings.Contains(log, `"remote":"127.0.0.1"`) || !strings.Contains(log, "token_id") {
		t.Errorf("logged: %s", log)
	}
}

// TestAmbiguousBodyIsRefused checks that JSON that parsers read differently is
// refused, and that nothing of it is stored.
func TestAmbiguousBodyIsRefused(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	before := s.people(today)
	for name, body := range map[string]string{
		"something behind it":     asa + `{}`,
		"text behind it":          asa + "x",
		"a name twice":            strings.Replace(asa, `"title": "Teacher"`, `"title": "Teacher", "title": "Head"`, 1),
		"in other case":           strings.Replace(asa, `"title": "Teacher"`, `"title": "Teacher", "Title": "Head"`, 1),
		"deeper":                  strings.Replace(asa, `"familyName": "Ek"`, `"familyName": "Ek", "FAMILYNAME": "Al"`, 1),
		"no UTF-8":                strings.Replace(asa, "Teacher", "Teach\xff", 1),
		"half a surrogate":        strings.Replace(asa, "Teacher", `Teach\ud800`, 1),
		"an operation's path too": patch(`{"op": "replace", "path": "title", "Path": "active", "value": "x"}`),
	} {
		method := "PUT"
		if strings.Contains(body, "Operations") {
			method = "PATCH"
		}
		if got := s.must(http.StatusBadRequest, method, "/Users/"+id, body)["scimType"]; got != "invalidSyntax" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := s.people(today); got != before {
		t.Errorf("something was kept: %s", got)
	}
}

// TestNamesHaveNoHiddenCharacters checks that a name that looks like another is
// refused in every kind of request, with its attribute and without its value; an
// ending that is refused because of it is recorded.
func TestNamesHaveNoHiddenCharacters(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	before := s.people(today)
	for name, c := range map[string]struct{ method, body, attribute string }{
		"turned around":   {"PUT", strings.Replace(asa, `"Ek"`, `"\u202eHemligstam"`, 1), "familyName"},
		"no width":        {"PUT", strings.Replace(asa, `"Ek"`, `"Hemlig\u200bstam"`, 1), "familyName"},
		"joined":          {"PUT", strings.Replace(asa, `"Ek"`, `"Hemlig\u200dstam"`, 1), "familyName"},
		"a user name":     {"PUT", strings.Replace(asa, `"asa.ek@example.org"`, `"asa\u2060ek@example.org"`, 1), "userName"},
		"by PATCH":        {"PATCH", patch(`{"op": "replace", "path": "name.givenName", "value": "Hemlig\u2066stam"}`), "givenName"},
		"its other words": {"PATCH", patch(`{"OP": "replace", "Path": "name.givenName", "Value": "Hemlig\u2066stam"}`), "givenName"},
		"in an object":    {"PATCH", patch(`{"op": "replace", "value": {"name.familyName": "Hemlig\ufeffstam", "active": false}}`), "familyName"},
	} {
		answer := s.must(http.StatusBadRequest, c.method, "/Users/"+id, c.body)
		if detail := fmt.Sprint(answer["detail"]); answer["scimType"] != "invalidValue" || !strings.HasPrefix(detail, c.attribute+":") || strings.Contains(detail, "Hemlig") {
			t.Errorf("%s: %v", name, answer)
		}
	}
	if got := s.people(today); got != before {
		t.Errorf("something was kept: %s", got)
	}
	imports, err := s.db.Imports(t.Context(), "idp", 10)
	if err != nil || !slices.ContainsFunc(imports, func(i store.Import) bool { return i.Status == store.ImportRefused }) {
		t.Errorf("the refused ending is not recorded: %+v, %v", imports, err)
	}
	// A Persian name contains a non-joiner.
	s.must(http.StatusOK, "PUT", "/Users/"+id, strings.Replace(asa, "Åsa", "علی\u200cرضا", 1))
}

// TestDisplayNameIsAName checks clients that send only a display name.
func TestDisplayNameIsAName(t *testing.T) {
	s := newService(t)
	s.push(`{"schemas": ["` + core + `"], "userName": "bo", "displayName": "Bo Erik Ek"}`)
	if got := s.people(today); !strings.Contains(got, " Bo Erik Ek <>") || strings.HasPrefix(got, "bo") {
		t.Error(got)
	}
}

// TestEmailAddressIsNoKey checks that a value that may contain a name is not used
// as a key, as keys are shown where names are masked.
func TestEmailAddressIsNoKey(t *testing.T) {
	s := newService(t)
	s.push(strings.Replace(asa, `"1001"`, `"asa.ek@example.org"`, 2))
	if got := s.people(today); strings.HasPrefix(got, "asa") {
		t.Error(got)
	}
	again := newService(t)
	again.push(strings.Replace(asa, `"1001"`, `"asa.ek@example.org"`, 1))
	if got := again.people(today); !strings.HasPrefix(got, "1001 ") {
		t.Error(got)
	}
}

// TestProtectedIdentityIsPushed checks a user who is protected on the first push,
// and one who is later.
func TestProtectedIdentityIsPushed(t *testing.T) {
	s := newService(t)
	id := s.push(strings.Replace(asa, `"jobCode": "1"`, `"jobCode": "1", "protected": true`, 1))
	if !strings.Contains(s.people(today), "protected") {
		t.Fatal(s.people(today))
	}
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "Head"}`))
	if !strings.Contains(s.people(today), "protected") {
		t.Error("a change of title unmasks")
	}
}

// TestManagersAndNumbers checks that a person whom another source knows by their
// number is joined, and that a manager is referenced by ID.
func TestManagersAndNumbers(t *testing.T) {
	s := newService(t)
	boss := s.push(user(7))
	id := s.push(asa)
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "Add", "path": "`+enterprise+`:manager", "value": "`+boss+`"}`))
	ids := map[string]identity.PersonID{}
	for p, err := range s.db.People(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		ids[p.Keys[0].Key] = p.ID
		if p.Keys[0].Key != "1001" {
			continue
		}
		if e := p.Active(today); len(e) != 1 || e[0].On(today).ManagerKey != "1007" {
			t.Errorf("manager: %+v", e)
		}
	}
	s.token = s.makeToken("other")
	s.push(strings.NewReplacer(`"externalId": "1001"`, `"externalId": "abc"`).Replace(asa))
	n := 0
	for p, err := range s.db.People(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if p.ID == ids["1001"] && len(p.Employments) != 2 {
			t.Errorf("%d employments", len(p.Employments))
		}
	}
	if n != 2 {
		t.Errorf("%d people", n)
	}
}

// TestAnotherEmployment checks that a returning user may have another employment,
// and that the earlier one remains ended.
func TestAnotherEmployment(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "active", "value": false}`))
	s.pass(48 * time.Hour)
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "value": {"active": true, "`+scimserver.EmploymentURN+`": {"employmentId": "E2", "startDate": "2026-11-25"}}}`))
	if got := s.people("2026-11-25"); !strings.Contains(got, "[E2 ") || strings.Contains(got, "[1001 ") {
		t.Error(got)
	}
	if got := s.people("2026-11-22"); !strings.Contains(got, "[1001 ") || strings.Contains(got, "[E2 ") {
		t.Error(got)
	}
}

// TestConnectorAsClient uses behov's own SCIM connector as a client.
func TestConnectorAsClient(t *testing.T) {
	s := newService(t)
	ctx := context.Background()
	c, err := scim.New(scim.Config{URL: s.url, Token: s.token, Plaintext: true, Attributes: []string{"title", "name.givenName", "name.familyName", "displayName", "emails", enterprise + ":department"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	attributes := map[string][]string{"name.givenName": {"Åsa"}, "name.familyName": {"Ek"}, "title": {"Teacher"}, "emails": {"asa@example.org"}, enterprise + ":department": {"school"}}
	apply := func(change connectors.Change) connectors.Outcome {
		t.Helper()
		r := c.Apply(ctx, []connectors.Change{change})[0]
		if r.Err != nil || r.Status == connectors.Refused {
			t.Fatalf("%s: %+v", change.Op, r)
		}
		return r.Outcome
	}
	made := apply(connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: "asaek", Anchor: "0197-a"}, Attributes: attributes, Enabled: true})
	if again := apply(connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: "asaek", Anchor: "0197-a"}, Attributes: attributes, Enabled: true}); again.AccountID != made.AccountID {
		t.Errorf("made twice: %+v", again)
	}
	ref := connectors.AccountRef{ID: made.AccountID, Anchor: "0197-a", Name: "asaek"}
	apply(connectors.Change{Op: connectors.UpdateAccount, Account: ref, Attributes: map[string][]string{"title": {"Head"}, enterprise + ":department": {"library"}}})
	const works = "0197-a Åsa Ek <asa@example.org> [0197-a library  Head 100 map[] 2026-11-23]"
	if got := s.people(today); got != works {
		t.Errorf("%s", got)
	}
	apply(connectors.Change{Op: connectors.DisableAccount, Account: ref})
	if got := s.people(today); strings.Contains(got, "[") {
		t.Errorf("disabled: %s", got)
	}
	apply(connectors.Change{Op: connectors.EnableAccount, Account: ref})
	if got := s.people(today); got != works {
		t.Errorf("enabled: %s", got)
	}
	apply(connectors.Change{Op: connectors.DeleteAccount, Account: ref})
	if got := s.people(today); strings.Contains(got, "[") {
		t.Errorf("deleted: %s", got)
	}
}

// TestConcurrentRequests checks that each of many concurrent requests is applied
// once.
func TestConcurrentRequests(t *testing.T) {
	s := newService(t)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			if status, answer, _ := s.send("POST", "/Users", user(n%10)); status != http.StatusCreated && status != http.StatusConflict {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
	wg.Wait()
	if got := s.names("", http.StatusOK); len(got) != 10 {
		t.Errorf("%v", got)
	}
	if got := s.people(today); strings.Count(got, " [") != 10 {
		t.Error(got)
	}
}

// FuzzPatch checks that any request is answered, and never with 500; a refused
// one changes nothing.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		patch(`{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "x"}`), patch(`{"op": "add", "value": {"name.givenName": {}}}`), patch(`{"op": "remove", "path": "name"}`),
		patch(`{"op": "add", "path": "` + enterprise + `:manager", "value": [1]}`), patch(`{"op": "add", "path": "emails", "value": ["x", null, {"value": 7}]}`), `{"Operations": 7}`, `{"Operations": [7]}`, `{}`, `[]`, ``, "\xff",
		patch(`{"op": "replace", "path": "name[x eq 1].y.z", "value": null}`), patch(`{"op": "add", "path": "active", "value": {"a": {"b": []}}}`),
	} {
		f.Add(seed)
	}
	for _, seed := range []string{
		patch(`{"op": "remove", "path": "active"}`), patch(`{"op": "replace", "value": {"active": null, "title": null}}`), patch(`{"op": "add", "path": "` + strange + `:shoeSize", "value": "43"}, ` + deactivate),
		patch(`{"op": "replace", "path": "` + strange + `", "value": {"a": {"b": [1]}}}`), patch(`{"op": "replace", "path": "` + enterprise + `", "value": {"department": "school", "x": null}}`),
		patch(`{"op": "replace", "path": "` + scimserver.EmploymentURN + `:percent", "value": "NaN"}`), patch(`{"op": "replace", "path": "title", "value": "A\u030a\u200b"}`), patch(`{"op": "remove", "path": "` + scimserver.EmploymentURN + `"}`),
	} {
		f.Add(seed)
	}
	s := newService(f)
	id := s.push(asa)
	f.Fuzz(func(t *testing.T, body string) {
		s.t = t
		before := s.people(today)
		status, answer, _ := s.send("PATCH", "/Users/"+id, body)
		if status >= 500 {
			t.Fatalf("%s: %d %v", body, status, answer)
		}
		if status != http.StatusOK && status != http.StatusNoContent && s.people(today) != before {
			t.Errorf("%s: %d, and something changed", body, status)
		}
	})
}

// FuzzPut checks that any request is answered, and never with 500; a refused one
// changes nothing, and no omission makes a leaver active.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{
		asa, strings.Replace(asa, `"active": true`, `"active": null`, 1), strings.Replace(asa, `"active": true,`, "", 1), strings.Replace(asa, `"active": true`, `"active": "False"`, 1),
		strings.Replace(asa, `"75"`, `"NaN"`, 1), strings.Replace(asa, "2026-01-01", "9999-12-31", 1), strings.Replace(asa, "Åsa", `A\u030a\u200bsa`, 1), `{"userName": "x", "name": {"givenName": "A", "familyName": "B"}}`,
		strings.Replace(asa, `"active": true`, `"active": false, "`+strange+`": {"a": [null]}`, 1), `{}`, `[]`, ``, "\xff", `{"active": {"value": true}}`, strings.ReplaceAll(asa, enterprise, strings.ToUpper(enterprise)),
	} {
		f.Add(seed)
	}
	s := newService(f)
	path := "/Users/" + s.push(asa)
	s.must(http.StatusOK, "PATCH", path, patch(deactivate))
	f.Fuzz(func(t *testing.T, body string) {
		s.t = t
		before := s.people(today)
		status, answer, _ := s.send("PUT", path, body)
		if status >= 500 {
			t.Fatalf("%s: %d %v", body, status, answer)
		}
		after := s.people(today)
		if status != http.StatusOK && after != before {
			t.Errorf("%s: %d, and something changed", body, status)
		}
		if !strings.Contains(strings.ToLower(body), "active") && strings.Contains(after, "[") {
			t.Errorf("%s: the leaver works again: %s", body, after)
		}
		if strings.Contains(after, "[") {
			s.must(http.StatusOK, "PATCH", path, patch(deactivate))
		}
	})
}

// FuzzFilter checks that any filter is evaluated or refused.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`userName eq "x"`, `emails[type eq "work"]`, `not (title pr) and active eq true`, `a.b.c eq 1`, `title gt 7`, `userName eq "\u12"`, `id eq null`, `name eq "x"`, `active gt true`, `meta.created gt "2020-01-01T00:00:00Z"`} {
		f.Add(seed)
	}
	s := newService(f)
	s.push(asa)
	f.Fuzz(func(t *testing.T, filter string) {
		s.t = t
		if status, answer, _ := s.send("GET", "/Users?filter="+url.QueryEscape(filter), ""); status != http.StatusOK && status != http.StatusBadRequest {
			t.Fatalf("%s: %d %v", filter, status, answer)
		}
	})
}

// makeToken creates a token by a decision.
func makeToken(ctx context.Context, db *store.DB, name, source string, now, until time.Time) (string, store.Token, error) {
	token, t, err := store.NewToken(store.Token{Name: name, Source: source}, now, until)
	if err != nil {
		return "", t, err
	}
	return token, t, db.Write(ctx, func(tx *store.Tx) error { return tx.PutToken(ctx, t, store.Decision{Maker: "person:q"}) })
}

// revokeToken revokes a token by a decision.
func revokeToken(ctx context.Context, db *store.DB, id string, now time.Time) error {
	return db.Write(ctx, func(tx *store.Tx) error { return tx.RevokeToken(ctx, id, store.Decision{Maker: "person:q"}, now) })
}

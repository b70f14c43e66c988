package standin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors/graph/standin"
)

// tenant is a stand-in that is served.
type tenant struct {
	*standin.Server
	t   *testing.T
	url string
}

func serve(t *testing.T, opts standin.Options) *tenant {
	t.Helper()
	s := standin.New(opts)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &tenant{s, t, server.URL}
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (r reply) code() string {
	e, _ := r.body["error"].(map[string]any)
	inner, _ := e["innerError"].(map[string]any)
	if e["message"] == "" || inner["request-id"] == nil {
		return "not Graph's error"
	}
	code, _ := e["code"].(string)
	return code
}

func (r reply) values() []any { v, _ := r.body["value"].([]any); return v }

// ask sends a request. Lines that look like headers come first in the body.
func (n *tenant) ask(method, path, body string, headers ...string) reply {
	n.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = n.url + path
	}
	r, err := http.NewRequestWithContext(n.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out.body); err != nil {
			n.t.Fatalf("%s %s: %s", method, path, raw)
		}
	}
	return out
}

const fine = `{"accountEnabled":true,"displayName":"Anna","mailNickname":"anna","userPrincipalName":"anna@kommun.test","passwordProfile":{"password":"Abcdefg1!"}}`

func with(old, replacement string) string { return strings.Replace(fine, old, replacement, 1) }

// TestRefusals: what Graph would refuse.
func TestRefusals(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{Licences: []standin.Licence{{SKU: "E3", Units: 0}}})
	id, member := n.AddUser("boss", nil), n.AddUser("member", nil)
	synced := n.AddUser("synced", map[string]any{"onPremisesSyncEnabled": true})
	group, dynamic := n.AddGroup("staff", nil), n.AddGroup("dynamic", map[string]any{"groupTypes": []string{"DynamicMembership"}})
	syncedGroup, list := n.AddGroup("synced", map[string]any{"onPremisesSyncEnabled": true}), n.AddGroup("list", map[string]any{"mailEnabled": true})
	n.AddMembers(group, member)
	ref := func(id string) string { return fmt.Sprintf(`{"@odata.id":"%s/v1.0/directoryObjects/%s"}`, n.url, id) }
	bind := func(count int) string {
		var refs []string
		for i := range count {
			refs = append(refs, fmt.Sprintf(`"%s/v1.0/directoryObjects/%s"`, n.url, n.AddUser(fmt.Sprintf("b%d-%d", count, i), nil)))
		}
		return `{"members@odata.bind":[` + strings.Join(refs, ",") + `]}`
	}
	const bad = "Request_BadRequest"
	for name, tt := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               string
	}{
		"no token":             {"GET", "/users", "", []string{"Authorization: "}, 401, "InvalidAuthenticationToken"},
		"wrong token":          {"GET", "/users", "", []string{"Authorization: Bearer other"}, 401, "InvalidAuthenticationToken"},
		"unknown path":         {"GET", "/people", "", nil, 400, "BadRequest"},
		"unknown sub-path":     {"GET", "/users/" + id + "/shoes", "", nil, 400, "BadRequest"},
		"wrong verb":           {"PUT", "/users/" + id, fine, nil, 405, bad},
		"no such user":         {"GET", "/users/00000000-0000-4000-8000-00000000dead", "", nil, 404, "Request_ResourceNotFound"},
		"unknown property":     {"POST", "/users", with(`"accountEnabled"`, `"titel":"x","accountEnabled"`), nil, 400, bad},
		"wrong type":           {"POST", "/users", with(`true`, `"true"`), nil, 400, bad},
		"number":               {"POST", "/users", with(`"Anna"`, `7`), nil, 400, bad},
		"no accountEnabled":    {"POST", "/users", with(`"accountEnabled":true,`, ``), nil, 400, bad},
		"no displayName":       {"POST", "/users", with(`"displayName":"Anna",`, ``), nil, 400, bad},
		"no mailNickname":      {"POST", "/users", with(`"mailNickname":"anna",`, ``), nil, 400, bad},
		"dot first":            {"POST", "/users", with(`"anna@kommun.test"`, `".anna@kommun.test"`), nil, 400, bad},
		"dot last":             {"POST", "/users", with(`"anna@kommun.test"`, `"anna.@kommun.test"`), nil, 400, bad},
		"two dots":             {"POST", "/users", with(`"anna@kommun.test"`, `"an..na@kommun.test"`), nil, 400, bad},
		"no name":              {"POST", "/users", with(`"userPrincipalName":"anna@kommun.test",`, ``), nil, 400, bad},
		"no password":          {"POST", "/users", with(`,"passwordProfile":{"password":"Abcdefg1!"}`, ``), nil, 400, bad},
		"weak password":        {"POST", "/users", with(`Abcdefg1!`, `abcdefgh`), nil, 400, bad},
		"taken name":           {"POST", "/users", with(`anna@`, `BOSS@`), nil, 400, bad},
		"another domain":       {"POST", "/users", with(`kommun.test`, `elsewhere.test`), nil, 400, bad},
		"bad name":             {"POST", "/users", with(`anna@`, `an na@`), nil, 400, bad},
		"read-only":            {"PATCH", "/users/" + id, `{"proxyAddresses":["smtp:a@b.test"]}`, nil, 400, bad},
		"no location":          {"PATCH", "/users/" + id, `{"usageLocation":null}`, nil, 400, bad},
		"location of none":     {"PATCH", "/users/" + id, `{"usageLocation":"UK"}`, nil, 400, bad},
		"location reserved":    {"PATCH", "/users/" + id, `{"usageLocation":"EU"}`, nil, 400, bad},
		"location unassigned":  {"PATCH", "/users/" + id, `{"usageLocation":"ZZ"}`, nil, 400, bad},
		"long location":        {"PATCH", "/users/" + id, `{"usageLocation":"SWE"}`, nil, 400, bad},
		"age group":            {"PATCH", "/users/" + id, `{"ageGroup":"Old"}`, nil, 400, bad},
		"consent":              {"PATCH", "/users/" + id, `{"consentProvidedForMinor":"Yes"}`, nil, 400, bad},
		"password policies":    {"PATCH", "/users/" + id, `{"passwordPolicies":"DisablePasswordExpiration, Weak"}`, nil, 400, bad},
		"accents":              {"PATCH", "/users/" + id, `{"otherMails":["åsa@b.test"]}`, nil, 400, bad},
		"accents in mail":      {"PATCH", "/users/" + id, `{"mail":"åsa@b.test"}`, nil, 400, bad},
		"a sign":               {"PATCH", "/users/" + id, `{"onPremisesImmutableId":"a$b"}`, nil, 400, bad},
		"another sign":         {"PATCH", "/users/" + id, `{"onPremisesImmutableId":"a_b"}`, nil, 400, bad},
		"cast":                 {"GET", "/users/" + id + "/memberOf/graph.group", "", nil, 400, "Request_UnsupportedQuery"},
		"cast, header alone":   {"GET", "/users/" + id + "/memberOf/graph.group", "", []string{"ConsistencyLevel: eventual"}, 400, "Request_UnsupportedQuery"},
		"two phones":           {"PATCH", "/users/" + id, `{"businessPhones":["1","2"]}`, nil, 400, bad},
		"long title":           {"PATCH", "/users/" + id, `{"jobTitle":"` + strings.Repeat("x", 129) + `"}`, nil, 400, bad},
		"long employeeId":      {"PATCH", "/users/" + id, `{"employeeId":"12345678901234567"}`, nil, 400, bad},
		"empty text":           {"PATCH", "/users/" + id, `{"jobTitle":""}`, nil, 400, bad},
		"nothing to update":    {"PATCH", "/users/" + id, `{}`, nil, 400, bad},
		"not JSON":             {"PATCH", "/users/" + id, `{`, nil, 400, "BadRequest"},
		"another media type":   {"PATCH", "/users/" + id, `{"jobTitle":"x"}`, []string{"Content-Type: text/plain"}, 400, bad},
		"synced user":          {"PATCH", "/users/" + synced, `{"jobTitle":"x"}`, nil, 400, bad},
		"synced user away":     {"DELETE", "/users/" + synced, "", nil, 400, bad},
		"extension attribute":  {"PATCH", "/users/" + id, `{"onPremisesExtensionAttributes":{"extensionAttribute16":"x"}}`, nil, 400, bad},
		"unknown selection":    {"GET", "/users?$select=titel", "", nil, 400, bad},
		"large page":           {"GET", "/users?$top=1000", "", nil, 400, "Request_UnsupportedQuery"},
		"no page":              {"GET", "/users?$top=0", "", nil, 400, "Request_UnsupportedQuery"},
		"unknown option":       {"GET", "/users?$skip=7", "", nil, 400, "BadRequest"},
		"count":                {"GET", "/users?$count=true", "", nil, 400, "Request_UnsupportedQuery"},
		"search":               {"GET", "/users?$search=%22displayName:x%22", "", nil, 400, "Request_UnsupportedQuery"},
		"advanced filter":      {"GET", "/users?$filter=onPremisesExtensionAttributes/extensionAttribute1%20eq%20'x'", "", nil, 400, "Request_UnsupportedQuery"},
		"header alone":         {"GET", "/users?$filter=onPremisesExtensionAttributes/extensionAttribute1%20eq%20'x'", "", []string{"ConsistencyLevel: eventual"}, 400, "Request_UnsupportedQuery"},
		"filter":               {"GET", "/users?$filter=displayName%20eq%20'a'b'", "", nil, 400, "Request_UnsupportedQuery"},
		"unfilterable":         {"GET", "/users?$filter=city%20eq%20'x'", "", nil, 400, "Request_UnsupportedQuery"},
		"expansion":            {"GET", "/users?$expand=memberOf", "", nil, 400, bad},
		"member twice":         {"POST", "/groups/" + group + "/members/$ref", ref(member), nil, 400, bad},
		"member nobody":        {"POST", "/groups/" + group + "/members/$ref", ref("00000000-0000-4000-8000-00000000dead"), nil, 404, "Request_ResourceNotFound"},
		"member without a URL": {"POST", "/groups/" + group + "/members/$ref", `{"@odata.id":"` + id + `"}`, nil, 400, bad},
		"not a member":         {"DELETE", "/groups/" + group + "/members/" + id + "/$ref", "", nil, 404, "Request_ResourceNotFound"},
		"dynamic":              {"POST", "/groups/" + dynamic + "/members/$ref", ref(id), nil, 400, bad},
		"synced group":         {"POST", "/groups/" + syncedGroup + "/members/$ref", ref(id), nil, 400, bad},
		"list":                 {"POST", "/groups/" + list + "/members/$ref", ref(id), nil, 400, bad},
		"21 members":           {"PATCH", "/groups/" + group, bind(21), nil, 400, bad},
		"members by POST":      {"POST", "/groups/" + group + "/members", bind(1), nil, 405, bad},
		"manager nobody":       {"PUT", "/users/" + id + "/manager/$ref", ref("00000000-0000-4000-8000-00000000dead"), nil, 404, "Request_ResourceNotFound"},
		"no manager":           {"DELETE", "/users/" + id + "/manager/$ref", "", nil, 404, "Request_ResourceNotFound"},
		"restore of the live":  {"POST", "/directory/deletedItems/" + id + "/restore", "", nil, 404, "Request_ResourceNotFound"},
		"no licence":           {"POST", "/users/" + id + "/assignLicense", `{"addLicenses":[{"skuId":"x"}],"removeLicenses":[]}`, nil, 400, bad},
		"half a licence":       {"POST", "/users/" + id + "/assignLicense", `{"addLicenses":[]}`, nil, 400, bad},
		"short pass":           {"POST", "/users/" + id + "/authentication/temporaryAccessPassMethods", `{"lifetimeInMinutes":5}`, nil, 400, "badRequest"},
		"pass of another type": {"POST", "/users/" + id + "/authentication/temporaryAccessPassMethods", `{"lifetimeInMinutes":"60"}`, nil, 400, bad},
		"unknown delta":        {"GET", "/users/delta()?$deltatoken=x", "", nil, 400, bad},
		"delta of nothing":     {"GET", "/users/delta()?$select=titel", "", nil, 400, bad},
		"delta with a filter":  {"GET", "/users/delta()?$filter=x", "", nil, 400, "BadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			got := n.ask(tt.method, "/v1.0"+tt.path, tt.body, tt.headers...)
			if got.status != tt.status || got.code() != tt.code {
				t.Errorf("%d %s, want %d %s: %v", got.status, got.code(), tt.status, tt.code, got.body)
			}
		})
	}
	if len(n.Members(group)) != 1 || n.User(id)["jobTitle"] != nil {
		t.Error("something was changed all the same")
	}
}

// TestRoundTrip: what is fine is done.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	boss, group := n.AddUser("boss", nil), n.AddGroup("staff", nil)
	created := n.ask("POST", "/v1.0/users", fine)
	id, _ := created.body["id"].(string)
	if created.status != 201 || id == "" {
		t.Fatalf("%+v", created)
	}
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"PATCH", "/users/" + id, `{"jobTitle":"boss","businessPhones":["1"],"employeeHireDate":"2026-11-01T00:00:00Z","onPremisesExtensionAttributes":{"extensionAttribute1":"x"}}`, 204},
		{"PUT", "/users/" + id + "/manager/$ref", fmt.Sprintf(`{"@odata.id":"https://graph.test/v1.0/users/%s"}`, boss), 204},
		{"PATCH", "/groups/" + group, fmt.Sprintf(`{"members@odata.bind":["https://graph.test/v1.0/directoryObjects/%s"]}`, id), 204},
		{"POST", "/users/" + id + "/revokeSignInSessions", "", 200},
		{"GET", "/users/" + id + "?$select=id,jobTitle&$expand=manager($select=id)", "", 200},
	} {
		if got := n.ask(step.method, "/v1.0"+step.path, step.body); got.status != step.status {
			t.Errorf("%s %s: %+v", step.method, step.path, got)
		}
	}
	got := n.ask("GET", "/v1.0/users?$filter=onPremisesExtensionAttributes/extensionAttribute1%20eq%20'X'&$count=true", "", "ConsistencyLevel: eventual")
	if len(got.values()) != 1 || got.body["@odata.count"] != 1.0 {
		t.Errorf("%+v", got)
	}
	got = n.ask("GET", "/v1.0/users?$filter=id%20eq%20'"+id+"'&$expand=manager($select=id)", "")
	if len(got.values()) != 1 || got.values()[0].(map[string]any)["manager"].(map[string]any)["id"] != boss {
		t.Errorf("%+v", got)
	}
	if m := n.Members(group); len(m) != 1 || m[0] != id {
		t.Errorf("members %v", m)
	}
}

// TestDeleteWithoutRef: what Graph does when $ref is left out, and why no one
// may.
func TestDeleteWithoutRef(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	group, id := n.AddGroup("staff", nil), n.AddUser("anna", nil)
	n.AddMembers(group, id)
	if n.ask("DELETE", "/v1.0/groups/"+group+"/members/"+id, "").status != 204 || n.User(id) != nil {
		t.Error("the user is still there")
	}
}

// TestDeletedItems: a deleted user's name is free, and comes back with it.
func TestDeletedItems(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	group, id := n.AddGroup("staff", nil), n.AddUser("anna", map[string]any{"employeeId": "7"})
	n.AddMembers(group, id)
	if got := n.ask("DELETE", "/v1.0/users/"+id, ""); got.status != 204 {
		t.Fatalf("%+v", got)
	}
	got := n.ask("GET", "/v1.0/directory/deletedItems/microsoft.graph.user?$filter=employeeId%20eq%20'7'&$select=id,userPrincipalName,deletedDateTime", "")
	if len(got.values()) != 1 || len(n.Members(group)) != 0 || n.ask("GET", "/v1.0/users/"+id, "").status != 404 {
		t.Fatalf("%+v", got)
	}
	if upn := got.values()[0].(map[string]any)["userPrincipalName"]; upn == "anna@kommun.test" {
		t.Error("its name is still taken")
	}
	other := n.AddUser("anna", nil)
	if got := n.ask("POST", "/v1.0/directory/deletedItems/"+id+"/restore", ""); got.status != 400 {
		t.Errorf("with its name taken: %+v", got)
	}
	n.RemoveUser(other)
	if got := n.ask("POST", "/v1.0/directory/deletedItems/"+id+"/restore", ""); got.status != 200 || n.User(id)["userPrincipalName"] != "anna@kommun.test" || len(n.Members(group)) != 1 {
		t.Errorf("%+v", got)
	}
	n.RemoveUser(id)
	n.Purge()
	if got := n.ask("POST", "/v1.0/directory/deletedItems/"+id+"/restore", ""); got.status != 404 {
		t.Errorf("after it was purged: %+v", got)
	}
}

// TestPaging: default 100, $top, the links, and users that come and go
// meanwhile.
func TestPaging(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	var ids []string
	for i := range 250 {
		ids = append(ids, n.AddUser(fmt.Sprintf("u%d", i), nil))
	}
	first := n.ask("GET", "/v1.0/users", "")
	if len(first.values()) != 100 {
		t.Errorf("%d by default", len(first.values()))
	}
	seen := map[any]bool{}
	link := "/v1.0/users?$top=70&$select=id"
	for pages := 0; link != ""; pages++ {
		got := n.ask("GET", link, "")
		for _, v := range got.values() {
			if id := v.(map[string]any)["id"]; seen[id] {
				t.Errorf("%s twice", id)
			} else {
				seen[id] = true
			}
		}
		if pages == 1 {
			n.RemoveUser(ids[0])
			n.AddUser("late", nil)
		}
		link, _ = got.body["@odata.nextLink"].(string)
	}
	if len(seen) != 251 {
		t.Errorf("%d users", len(seen))
	}
}

// TestBatch: twenty, in any order, each by its ID.
func TestBatch(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	id := n.AddUser("anna", nil)
	batch := func(parts ...string) reply {
		return n.ask("POST", "/v1.0/$batch", `{"requests":[`+strings.Join(parts, ",")+`]}`)
	}
	get := func(name, path string) string { return fmt.Sprintf(`{"id":%q,"method":"GET","url":%q}`, name, path) }
	got := batch(get("a", "/users/"+id), get("b", "/users/nobody"), fmt.Sprintf(`{"id":"c","method":"PATCH","url":"/users/%s","headers":{"Content-Type":"application/json"},"body":{"jobTitle":"x"}}`, id))
	status := map[any]any{}
	responses, _ := got.body["responses"].([]any)
	for _, r := range responses {
		status[r.(map[string]any)["id"]] = r.(map[string]any)["status"]
	}
	if fmt.Sprint(status) != "map[a:200 b:404 c:204]" || n.User(id)["jobTitle"] != "x" {
		t.Errorf("%v", got.body)
	}
	var many []string
	for i := range 21 {
		many = append(many, get(fmt.Sprint(i), "/users"))
	}
	for name, got := range map[string]reply{
		"21": batch(many...), "none": batch(), "the same ID": batch(get("a", "/users"), get("a", "/users")), "absolute": batch(get("a", n.url+"/v1.0/users")), "no ID": batch(`{"method":"GET","url":"/users"}`),
	} {
		if got.status != 400 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := batch(many[:20]...); got.status != 200 {
		t.Errorf("20: %+v", got)
	}
}

// TestDelta: all, changes only, deletions, and links that expire.
func TestDelta(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{PageSize: 2})
	anna, group := n.AddUser("anna", nil), n.AddGroup("staff", nil)
	n.AddUser("berit", nil)
	n.AddUser("cecilia", nil)
	n.AddMembers(group, anna)
	follow := func(link string) (items []any, delta string) {
		for link != "" {
			got := n.ask("GET", link, "")
			if got.status != 200 {
				t.Fatalf("%s: %+v", link, got)
			}
			items = append(items, got.values()...)
			delta, _ = got.body["@odata.deltaLink"].(string)
			link, _ = got.body["@odata.nextLink"].(string)
		}
		return items, delta
	}
	items, users := follow("/v1.0/users/delta()?$select=displayName,jobTitle")
	if len(items) != 3 {
		t.Errorf("from the start: %v", items)
	}
	items, groups := follow("/v1.0/groups/delta?$select=displayName,members&$deltatoken=latest")
	if len(items) != 0 {
		t.Errorf("from now on: %v", items)
	}
	if items, _ = follow(users); len(items) != 0 {
		t.Errorf("nothing happened: %v", items)
	}
	n.SetUser(anna, map[string]any{"jobTitle": "boss", "city": "not selected"})
	n.RemoveMember(group, anna)
	items, _ = follow(users)
	if got, _ := json.Marshal(items); string(got) != `[{"id":"`+anna+`","jobTitle":"boss"}]` {
		t.Errorf("after a change: %s", got)
	}
	items, _ = follow(groups)
	if got, _ := json.Marshal(items); !strings.Contains(string(got), `"@removed":{"reason":"deleted"}`) || !strings.Contains(string(got), "members@delta") {
		t.Errorf("after a removal: %s", got)
	}
	n.RemoveUser(anna)
	items, users = follow(users)
	if got, _ := json.Marshal(items); !strings.Contains(string(got), `"@removed":{"reason":"changed"}`) {
		t.Errorf("after a deletion: %s", got)
	}
	n.ExpireDelta()
	if got := n.ask("GET", users, ""); got.status != 410 || got.code() != "syncStateNotFound" || got.header.Get("Location") == "" {
		t.Errorf("an expired link: %+v", got)
	}
}

// TestThrottle: 429 with Retry-After, as often as was asked for.
func TestThrottle(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	n.Throttle(1, 1500*time.Millisecond, func(r standin.Request) bool { return r.Path == "/users" })
	if got := n.ask("GET", "/v1.0/users", ""); got.status != 429 || got.header.Get("Retry-After") != "2" || got.code() != "TooManyRequests" {
		t.Errorf("%+v", got)
	}
	if got := n.ask("GET", "/v1.0/users", ""); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

// TestLag: a new user is there, but groups and filters do not know it yet.
func TestLag(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := serve(t, standin.Options{Lag: time.Minute, Now: func() time.Time { return now }})
	group := n.AddGroup("staff", nil)
	id, _ := n.ask("POST", "/v1.0/users", fine).body["id"].(string)
	add := func() int {
		return n.ask("POST", "/v1.0/groups/"+group+"/members/$ref", `{"@odata.id":"https://graph.test/v1.0/directoryObjects/`+id+`"}`).status
	}
	filter := func() int {
		return len(n.ask("GET", "/v1.0/users?$filter=displayName%20eq%20'Anna'", "").values())
	}
	if n.ask("GET", "/v1.0/users/"+id, "").status != 200 || add() != 404 || filter() != 0 {
		t.Error("it came through at once, or not at all")
	}
	now = now.Add(time.Minute)
	if add() != 204 || filter() != 1 {
		t.Error("it never comes through")
	}
}

// TestReadOnly: reading only.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{ReadOnly: true})
	if got := n.ask("POST", "/v1.0/users", fine); got.status != 403 || got.code() != "Authorization_RequestDenied" {
		t.Errorf("%+v", got)
	}
	if got := n.ask("GET", "/v1.0/users", ""); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

// TestLicences: units, a usage location, and what a group gives.
func TestLicences(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{Licences: []standin.Licence{{SKU: "E3", Units: 1}}})
	sku := n.ask("GET", "/v1.0/subscribedSkus", "").values()[0].(map[string]any)["skuId"].(string)
	anna, berit, nowhere := n.AddUser("anna", map[string]any{"usageLocation": "SE"}), n.AddUser("berit", map[string]any{"usageLocation": "SE"}), n.AddUser("nowhere", nil)
	give := func(id string) int {
		return n.ask("POST", "/v1.0/users/"+id+"/assignLicense", `{"addLicenses":[{"skuId":"`+sku+`"}],"removeLicenses":[]}`).status
	}
	take := func(id string) int {
		return n.ask("POST", "/v1.0/users/"+id+"/assignLicense", `{"addLicenses":[],"removeLicenses":["`+sku+`"]}`).status
	}
	if give(nowhere) != 400 || give(anna) != 200 || give(berit) != 400 || take(berit) != 400 || take(anna) != 200 || give(berit) != 200 {
		t.Error("licences are not counted")
	}
	n.GiveLicence(anna, "E3", true)
	if take(anna) != 400 {
		t.Error("an inherited licence was taken away")
	}
}

// TestMemberships: groups and administrative units, in pages, without the
// groups that are hidden, whose members cannot be read either.
func TestMemberships(t *testing.T) {
	t.Parallel()
	for may, want := range map[bool]int{true: 5, false: 4} {
		s := serve(t, standin.Options{ReadsHidden: may})
		id := s.AddUser("anna", nil)
		for i := range 3 {
			s.AddMembers(s.AddGroup(fmt.Sprint("g", i), nil), id)
		}
		hidden := s.AddGroup("7B", map[string]any{"visibility": "HiddenMembership"})
		s.AddMembers(hidden, id)
		s.AddUnit(id, "00000000-0000-4000-8000-000000000200")
		got := 0
		for next := "/v1.0/users/" + id + "/memberOf?$select=id&$top=2"; next != ""; {
			r := s.ask("GET", next, "")
			got += len(r.values())
			next, _ = r.body["@odata.nextLink"].(string)
		}
		if got != want {
			t.Errorf("hidden ones %t: %d memberships, want %d", may, got, want)
		}
		if r := s.ask("GET", "/v1.0/groups/"+hidden+"/members", ""); (r.status == 200) != may {
			t.Errorf("hidden ones %t: members %d", may, r.status)
		}
		for path, code := range map[string]string{
			"/v1.0/users/nobody/memberOf":                                    "Request_ResourceNotFound",
			"/v1.0/users/" + id + "/memberOf?$select=displayName":            "Request_BadRequest",
			"/v1.0/users?$expand=manager($select=id)&$count=true":            "Request_UnsupportedQuery",
			"/v1.0/groups?$filter=visibility%20eq%20'Private'&$select=id":    "Request_UnsupportedQuery",
			"/v1.0/groups?$select=id,visibility,theme&$filter=id%20eq%20'x'": "Request_BadRequest",
		} {
			if r := s.ask("GET", path, "", "ConsistencyLevel: eventual"); r.code() != code {
				t.Errorf("%s: %d %s, want %s", path, r.status, r.code(), code)
			}
		}
	}
}

// TestNoStricterThanGraph: what the documentation permits is done.
func TestNoStricterThanGraph(t *testing.T) {
	t.Parallel()
	n := serve(t, standin.Options{})
	id, gone := n.AddUser("anna", nil), n.AddUser("berit", nil)
	n.AddMembers(n.AddGroup("staff", nil), id)
	for _, body := range []string{
		`{"usageLocation":"SE"}`, `{"usageLocation":"no"}`, `{"ageGroup":"NotAdult"}`, `{"ageGroup":null}`, `{"consentProvidedForMinor":"Granted"}`, `{"consentProvidedForMinor":null}`,
		`{"passwordPolicies":"None"}`, `{"passwordPolicies":"DisablePasswordExpiration, DisableStrongPassword"}`, `{"passwordPolicies":null}`,
		`{"otherMails":["a@b.test"]}`, `{"mail":"a@b.test"}`, `{"onPremisesImmutableId":"aGVq+/=="}`,
	} {
		if got := n.ask("PATCH", "/v1.0/users/"+id, body); got.status != http.StatusNoContent {
			t.Errorf("%s: %d %v", body, got.status, got.body)
		}
	}
	// https://learn.microsoft.com/graph/api/user-list-memberof, with a cast.
	if got := n.ask("GET", "/v1.0/users/"+id+"/memberOf/graph.group?$count=true", "", "ConsistencyLevel: eventual"); got.status != http.StatusOK || got.body["@odata.count"] != 1.0 {
		t.Errorf("a cast: %d %v", got.status, got.body)
	}
	// A second pass takes the place of the first.
	for range 2 {
		if got := n.ask("POST", "/v1.0/users/"+id+"/authentication/temporaryAccessPassMethods", `{"lifetimeInMinutes":60}`); got.status != http.StatusCreated || n.Passes(id) != 1 {
			t.Errorf("a pass: %d, and there are %d", got.status, n.Passes(id))
		}
	}
	// https://learn.microsoft.com/graph/api/directory-deleteditems-restore
	n.RemoveUser(gone)
	n.AddUser("berit", nil)
	restore := "/v1.0/directory/deletedItems/" + gone + "/restore"
	for _, body := range []string{"", `{"newUserPrincipalName":"berit@elsewhere.test"}`, `{"newUserPrincipalName":7}`, `{"newUserPrincipalName":"anna@kommun.test"}`} {
		if got := n.ask("POST", restore, body); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", body, got.status, got.body)
		}
	}
	if got := n.ask("POST", restore, `{"newUserPrincipalName":"berit2@kommun.test","autoReconcileProxyConflict":true}`); got.status != http.StatusOK || n.User(gone)["userPrincipalName"] != "berit2@kommun.test" {
		t.Errorf("restored: %d %v", got.status, got.body)
	}
}

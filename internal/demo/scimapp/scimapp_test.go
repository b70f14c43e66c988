package scimapp_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/internal/demo/scimapp"
)

const (
	token  = "a-token"
	userS  = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`
	groupS = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]`
	bothS  = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]`
	ent    = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

type client struct {
	*testing.T
	url   string
	token string
}

func start(t *testing.T, groups ...string) client {
	t.Helper()
	s, err := scimapp.Start(t.Context(), token, groups)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return client{t, s.URL(), token}
}

// do sends a request and returns the answer; body is JSON text.
func (c client) do(want int, method, path, body string) (map[string]any, http.Header) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	if res.StatusCode != want {
		c.Fatalf("%s %s %s: %s, want %d\n%s", method, path, body, res.Status, want, raw)
	}
	var out map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			c.Fatalf("%s %s: %v\n%s", method, path, err, raw)
		}
	}
	return out, res.Header
}

func (c client) user(attributes string) string {
	c.Helper()
	u, _ := c.do(201, "POST", "/Users", "{"+userS+","+attributes+"}")
	return u["id"].(string)
}

func (c client) group(name string) string {
	c.Helper()
	list, _ := c.do(200, "GET", "/Groups?filter="+url.QueryEscape(`displayName eq "`+name+`"`), "")
	return list["Resources"].([]any)[0].(map[string]any)["id"].(string)
}

// patch sends operations; want is the status.
func (c client) patch(want int, path, operations string) map[string]any {
	c.Helper()
	out, _ := c.do(want, "PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`)
	return out
}

func TestTokenIsDemanded(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, bad := range []string{"", "another", token + "x"} {
		c.token = bad
		for _, path := range []string{"/Users", "/ServiceProviderConfig", "/nowhere"} {
			body, header := c.do(401, "GET", path, "")
			if header.Get("WWW-Authenticate") == "" || body["status"] != "401" {
				t.Errorf("%s: %v %v", path, header, body)
			}
		}
	}
	if _, err := scimapp.Start(t.Context(), "", nil); err == nil {
		t.Error("a service without a token")
	}
}

func TestErrorsHaveTheirType(t *testing.T) {
	t.Parallel()
	c := start(t, "staff")
	anna := c.user(`"userName":"anna"`)
	for _, tt := range []struct {
		status                   int
		method, path, body, kind string
	}{
		{409, "POST", "/Users", `{` + userS + `,"userName":"ANNA"}`, "uniqueness"},
		{409, "POST", "/Groups", `{` + groupS + `,"displayName":"Staff"}`, "uniqueness"},
		{400, "POST", "/Users", `{` + userS + `}`, "invalidValue"},
		{400, "POST", "/Users", `{` + userS + `,"userName":""}`, "invalidValue"},
		{400, "POST", "/Users", `{"userName":"berit"}`, "invalidValue"},
		{400, "POST", "/Users", `{` + userS + `,"userName":"berit","noSuch":"x"}`, "invalidValue"},
		{400, "POST", "/Users", `{` + userS + `,"userName":"berit","name":{"noSuch":"x"}}`, "invalidValue"},
		{400, "POST", "/Users", `{` + userS + `,"userName":"berit","emails":{"value":"x"}}`, "invalidValue"},
		{400, "POST", "/Users", `{` + userS + `,"userName":"berit","active":"yes"}`, "invalidValue"},
		{400, "POST", "/Users", `{` + userS + `,"userName":"berit","` + ent + `":{"department":"x"}}`, "invalidValue"},
		{400, "POST", "/Users", `{` + bothS + `,"userName":"berit","` + ent + `":{"noSuch":"x"}}`, "invalidValue"},
		{400, "POST", "/Users", `{`, "invalidSyntax"},
		{400, "POST", "/Groups", `{` + groupS + `,"displayName":"g","members":[{"value":"nobody"}]}`, "invalidValue"},
		{404, "GET", "/Users/nobody", ``, ""},
		{404, "PUT", "/Users/nobody", `{` + userS + `,"userName":"x"}`, ""},
		{404, "DELETE", "/Users/nobody", ``, ""},
		{404, "GET", "/nowhere", ``, ""},
		{409, "PUT", "/Users/" + c.user(`"userName":"cecilia"`), `{` + userS + `,"userName":"anna"}`, "uniqueness"},
		{400, "GET", "/Users?filter=" + url.QueryEscape(`title eq "x"`), ``, "invalidFilter"},
		{400, "GET", "/Users?filter=" + url.QueryEscape(`userName co "x"`), ``, "invalidFilter"},
		{400, "GET", "/Users?filter=userName", ``, "invalidFilter"},
	} {
		body, _ := c.do(tt.status, tt.method, tt.path, tt.body)
		if kind, _ := body["scimType"].(string); kind != tt.kind {
			t.Errorf("%s %s %s: scimType %q, want %q", tt.method, tt.path, tt.body, kind, tt.kind)
		}
	}
	for operations, kind := range map[string]string{
		`{"op":"replace","path":"noSuch","value":"x"}`:                           "invalidPath",
		`{"op":"replace","path":"name.noSuch","value":"x"}`:                      "invalidPath",
		`{"op":"replace","path":"name","value":{"noSuch":"x"}}`:                  "invalidValue",
		`{"op":"remove","path":"userName"}`:                                      "mutability",
		`{"op":"replace","path":"active","value":"no"}`:                          "invalidValue",
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@y"}`: "noTarget",
		`{"op":"replace","path":"emails.value","value":"x@y"}`:                   "noTarget",
		`{"op":"remove","path":"emails","value":[{"value":"x"}]}`:                "invalidValue",
		`{"op":"replace","value":{"userName":"cecilia"}}`:                        "uniqueness",
	} {
		if body := c.patch(map[bool]int{true: 409, false: 400}[kind == "uniqueness"], "/Users/"+anna, operations); body["scimType"] != kind {
			t.Errorf("%s: %v, want %s", operations, body, kind)
		}
	}
	c.patch(404, "/Users/nobody", `{"op":"replace","path":"active","value":false}`)
}

func TestLocation(t *testing.T) {
	t.Parallel()
	c := start(t)
	body, header := c.do(201, "POST", "/Users", `{`+userS+`,"userName":"anna"}`)
	want := c.url + "/Users/" + body["id"].(string)
	if header.Get("Location") != want || body["meta"].(map[string]any)["location"] != want {
		t.Errorf("Location %q, meta %v, want %q", header.Get("Location"), body["meta"], want)
	}
	list, _ := c.do(200, "GET", "/Users", "")
	if got := list["Resources"].([]any)[0].(map[string]any)["meta"].(map[string]any)["location"]; got != want {
		t.Errorf("in a list it is %q", got)
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	c := start(t)
	at := "/Users/" + c.user(`"userName":"anna","emails":[{"value":"w@x","type":"work"},{"value":"h@x","type":"home"}],"title":"a"`)
	for _, tt := range []struct {
		operations, attribute string
		want                  any
	}{
		// One value, chosen by a filter, is not a list of one.
		{`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"n@x","type":"work"}}`, "emails",
			[]any{map[string]any{"value": "n@x", "type": "work"}, map[string]any{"value": "h@x", "type": "home"}}},
		{`{"op":"replace","path":"emails[type eq \"home\"].value","value":"m@x"}`, "emails",
			[]any{map[string]any{"value": "n@x", "type": "work"}, map[string]any{"value": "m@x", "type": "home"}}},
		{`{"op":"remove","path":"emails[type eq \"work\"]"}`, "emails", []any{map[string]any{"value": "m@x", "type": "home"}}},
		{`{"op":"add","path":"emails","value":[{"value":"m@x","type":"home"},{"value":"o@x"}]}`, "emails",
			[]any{map[string]any{"value": "m@x", "type": "home"}, map[string]any{"value": "o@x"}}},
		{`{"op":"remove","path":"emails"}`, "emails", nil},
		{`{"op":"replace","path":"name.givenName","value":"Anna"}`, "name", map[string]any{"givenName": "Anna"}},
		{`{"op":"add","path":"name","value":{"familyName":"A"}}`, "name", map[string]any{"givenName": "Anna", "familyName": "A"}},
		{`{"op":"remove","path":"name.givenName"},{"op":"remove","path":"name.familyName"}`, "name", nil},
		{`{"op":"Replace","value":{"title":"b","name.givenName":"B"}}`, "title", "b"},
		{`{"op":"add","path":"` + ent + `:department","value":"Skolan"}`, ent, map[string]any{"department": "Skolan"}},
		{`{"op":"remove","path":"` + ent + `:department"}`, ent, nil},
		{`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:active","value":false}`, "active", false},
	} {
		if got := c.patch(200, at, tt.operations)[tt.attribute]; !cmp.Equal(tt.want, got) {
			t.Errorf("%s:\n%s", tt.operations, cmp.Diff(tt.want, got))
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	c := start(t, "staff")
	a, b := c.user(`"userName":"anna"`), c.user(`"userName":"berit"`)
	at := "/Groups/" + c.group("staff")
	members := func(g map[string]any) string {
		var out []string
		list, _ := g["members"].([]any)
		for _, m := range list {
			out = append(out, m.(map[string]any)["value"].(string))
		}
		return strings.Join(out, ",")
	}
	add := func(id string) string { return `{"op":"add","path":"members","value":[{"value":"` + id + `"}]}` }
	remove := func(id string) string { return `{"op":"remove","path":"members[value eq \"` + id + `\"]"}` }
	for _, tt := range []struct{ operations, want string }{
		{add(a) + "," + add(b) + "," + add(a), a + "," + b},
		{remove(a), b},
		{remove(a), b},
		{add(a) + "," + remove(b), a},
		{remove(a), ""},
		{add(b), b},
	} {
		if got := members(c.patch(200, at, tt.operations)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.operations, got, tt.want)
		}
	}
	c.patch(400, at, add(a)+","+add("nobody")) // all or nothing
	c.patch(400, at, `{"op":"remove","path":"members","value":[{"value":"`+b+`"}]}`)
	if g, _ := c.do(200, "GET", at, ""); members(g) != b {
		t.Errorf("members are %s", members(g))
	}
	if g, _ := c.do(200, "GET", at+"?excludedAttributes=members", ""); g["members"] != nil || g["displayName"] != "staff" {
		t.Errorf("without members: %v", g)
	}
	c.do(204, "DELETE", "/Users/"+b, "")
	if g, _ := c.do(200, "GET", at, ""); members(g) != "" {
		t.Errorf("a deleted user is still a member")
	}
}

func TestFiltersAndPages(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, name := range []string{`a"b`, `c\\d`, "Åsa", "d", "e"} {
		raw, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		c.user(`"userName":` + string(raw) + `,"externalId":` + strings.ToUpper(string(raw)))
	}
	count := func(query string) (total, sent int) {
		list, _ := c.do(200, "GET", "/Users?"+query, "")
		return int(list["totalResults"].(float64)), len(list["Resources"].([]any))
	}
	for query, want := range map[string][2]int{
		"": {5, 5}, "startIndex=1&count=2": {5, 2}, "startIndex=5&count=2": {5, 1}, "startIndex=6&count=2": {5, 0}, "count=0": {5, 0}, "startIndex=-3&count=1": {5, 1},
		"filter=" + url.QueryEscape(`userName eq "a\"b"`):                         {1, 1},
		"filter=" + url.QueryEscape(`userName eq "c\\\\d"`):                       {1, 1},
		"filter=" + url.QueryEscape(`userName eq "åsa"`):                          {1, 1},
		"filter=" + url.QueryEscape(`userName eq "\u0064"`):                       {1, 1},
		"filter=" + url.QueryEscape(`externalId eq "D"`):                          {1, 1},
		"filter=" + url.QueryEscape(`externalId eq "d"`):                          {0, 0},
		"filter=" + url.QueryEscape(`userName eq "d" or externalId eq "E"`):       {2, 2},
		"filter=" + url.QueryEscape(`userName eq "d" and externalId eq "E"`):      {0, 0},
		"filter=" + url.QueryEscape(`userName eq "*"`):                            {0, 0},
		"count=1&filter=" + url.QueryEscape(`userName eq "d" or userName eq "e"`): {2, 1},
	} {
		if total, sent := count(query); [2]int{total, sent} != want {
			t.Errorf("%s: %d of %d, want %v", query, sent, total, want)
		}
	}
}

func TestReplaceAndDelete(t *testing.T) {
	t.Parallel()
	c := start(t)
	at := "/Users/" + c.user(`"userName":"anna","title":"a","password":"secret"`)
	u, _ := c.do(200, "GET", at, "")
	if u["password"] != nil || u["active"] != true {
		t.Errorf("%v", u)
	}
	u, _ = c.do(200, "PUT", at, `{`+bothS+`,"userName":"berit","`+ent+`":{"department":"x"}}`)
	if u["title"] != nil || u["userName"] != "berit" {
		t.Errorf("%v", u)
	}
	c.user(`"userName":"anna"`) // the name is free again
	c.do(204, "DELETE", at, "")
	c.do(404, "GET", at, "")
	c.user(`"userName":"berit"`)
}

func TestStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := scimapp.Start(ctx, token, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if res, err := http.Get(s.URL() + "/Users"); err == nil {
		res.Body.Close()
		t.Error("it still answers")
	}
}

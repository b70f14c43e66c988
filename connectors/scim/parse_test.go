package scim

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustPath(t testing.TB, text string) path {
	t.Helper()
	p, err := parsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const enterprise = enterpriseURN + ":"

func TestPaths(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // the path of a PATCH
		"title":                      "title",
		"TITLE":                      "title",
		userURN + ":title":           "title",
		"name.givenname":             "name.givenName",
		"emails":                     "emails",
		"emails.value":               "emails",
		`emails[type eq "home"]`:     "emails",
		"addresses.locality":         "addresses",
		"roles":                      "roles",
		enterprise + "department":    enterprise + "department",
		enterprise + "manager":       enterprise + "manager",
		enterprise + "manager.value": enterprise + "manager",
		"urn:example:params:scim:acme:2.0:User:badge":        "urn:example:params:scim:acme:2.0:User:badge",
		"urn:example:params:scim:acme:2.0:User:badge.colour": "urn:example:params:scim:acme:2.0:User:badge.colour",
	} {
		if got := mustPath(t, text).target(); got != want {
			t.Errorf("%s: target %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"", "noSuch", "name", "addresses", "title.part", "name.nickname", `title[type eq "work"]`, "userName", "externalid", "active", "id", "password",
		"groups", userURN + ":userName", enterprise + "noSuch", `emails[type eq "a\"b"]`, `emails[value eq "x"]`, "a b", "title\n", "urn:", ".x",
	} {
		if p, err := parsePath(text); err == nil {
			t.Errorf("%q is taken for %+v", text, p)
		}
	}
}

const anna = `{
	"userName": "anna", "title": "Lärare", "NAME": {"givenname": "Anna", "formatted": null},
	"emails": [{"value": "h@x", "type": "home", "primary": true}, {"value": "w@x", "type": "Work"}, {"value": "w2@x", "type": "work", "primary": "True", "display": "w2"}],
	"phoneNumbers": [{"value": "1", "type": "mobile"}, {"value": "2"}],
	"roles": ["a", {"value": "b", "display": "B"}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "", "manager": "boss", "costCenter": 17},
	"urn:acme:User": {"flag": true, "list": ["x", "y"], "one": {"value": "z"}}
}`

func TestValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"title": {"Lärare"}, "name.givenName": {"Anna"}, "name.formatted": nil, "name.familyName": nil,
		"emails": {"w2@x"}, `emails[type eq "home"]`: {"h@x"}, `emails[type eq "other"]`: nil,
		"phoneNumbers": {"2"}, `phoneNumbers[type eq "mobile"]`: {"1"}, `phoneNumbers[type eq "work"]`: nil,
		"roles": {"a", "b"}, "nickName": nil, "addresses.locality": nil,
		enterprise + "department": nil, enterprise + "manager": {"boss"}, enterprise + "costCenter": {"17"},
		"urn:acme:User:flag": {"true"}, "urn:acme:User:list": {"x", "y"}, "urn:acme:User:one": {"z"}, "urn:other:User:one": nil,
	} {
		r, err := parse([]byte(anna))
		if err != nil {
			t.Fatal(err)
		}
		if got := mustPath(t, text).get(r); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestSetAndGet checks that a set value is read back, that nothing else changes,
// and that unsetting removes it.
func TestSetAndGet(t *testing.T) {
	t.Parallel()
	texts := []string{
		"title", "nickName", "name.givenName", "name.familyName", "emails", `emails[type eq "home"]`, `phoneNumbers[type eq "mobile"]`, "phoneNumbers",
		"addresses.locality", enterprise + "department", enterprise + "manager", "urn:acme:User:colour", "urn:acme:User:size.width", "roles",
	}
	rapid.Check(t, func(t *rapid.T) {
		r, err := parse([]byte(anna))
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			text := rapid.SampledFrom(texts).Draw(t, "path")
			p, err := parsePath(text)
			if err != nil {
				t.Fatal(err)
			}
			most := 1
			if p.multiValued {
				most = 3
			}
			values := rapid.SliceOfNDistinct(rapid.StringMatching(`.{1,8}`), 0, most, rapid.ID[string]).Draw(t, "values")
			before := r.clone()
			p.set(r, values)
			if !p.same(r, values) {
				t.Fatalf("%s: set %q, got %q", text, values, p.get(r))
			}
			for _, other := range texts {
				o, err := parsePath(other)
				if err != nil {
					t.Fatal(err)
				}
				// A phone number without a type is the work number only until one
				// has that type.
				if other != text && (!o.anyType || p.attr != o.attr) && !slices.Equal(o.get(before), o.get(r)) {
					t.Fatalf("setting %s to %q changed %s from %q to %q", text, values, other, o.get(before), o.get(r))
				}
			}
			if (p.at(r) == nil) != (len(values) == 0) && p.kind == "" && !p.multiValued {
				t.Fatalf("%s: %q leaves %v", text, values, p.at(r))
			}
		}
	})
}

func TestOthersKeepTheirValues(t *testing.T) {
	t.Parallel()
	r, err := parse([]byte(anna))
	if err != nil {
		t.Fatal(err)
	}
	mustPath(t, "emails").set(r, []string{"new@x"})
	want := []any{
		map[string]any{"value": "h@x", "type": "home", "primary": true},
		map[string]any{"value": "w@x", "type": "Work"},
		map[string]any{"value": "new@x", "type": "work", "primary": "True"},
	}
	if diff := cmp.Diff(want, r["emails"]); diff != "" {
		t.Error(diff)
	}
	mustPath(t, enterprise+"manager").set(r, []string{"new boss"})
	if got := r.object(enterpriseURN)["manager"]; !reflect.DeepEqual(got, map[string]any{"value": "new boss"}) {
		t.Errorf("manager is %v", got)
	}
}

func TestFilterText(t *testing.T) {
	t.Parallel()
	const value = "a\"b\\c\td\x01å/"
	got := equals("userName", value)
	if want := `userName eq "a\"b\\c\u0009d\u0001å/"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var back string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "userName eq ")), &back); err != nil || back != value {
		t.Errorf("%q, %v", back, err)
	}
	for _, id := range []string{"", ".", "..", "a\x00", "a\nb", strings.Repeat("x", 1025), "\xff"} {
		if isID(id) {
			t.Errorf("%q is taken for an ID", id)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		anna, `{"totalResults": 1, "Resources": [` + anna + `]}`, `{"totalResults": "2", "resources": [{"ID": 7, "members": [{"value": "x", "type": "Group"}, {"$ref": "/Users/y"}]}]}`,
		`{"members": null, "active": "False"}`, `{"Active": 1}`, `[]`, `null`, `<html>`, `{"totalResults": 1e3}`, `{"Resources": 1}`, `{"id": "1"}{`,
	} {
		f.Add([]byte(seed))
	}
	var paths []path
	for _, text := range []string{"title", "name.givenName", "emails", "roles", enterprise + "manager", "urn:acme:User:list", "addresses.locality"} {
		paths = append(paths, mustPath(f, text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		body, err := parse(content)
		if err != nil {
			if body != nil {
				t.Fatal("a body beside an error")
			}
			return
		}
		p, err := parsePage(body)
		if err != nil && len(p.resources) > 0 {
			t.Fatal("resources beside an error")
		}
		for _, r := range append(p.resources, body) {
			if _, err := r.enabled(); err != nil && r.field("active") == nil {
				t.Fatal("an error for an active that is not there")
			}
			members, listed, err := r.members()
			if len(members) > 0 && (!listed || err != nil) {
				t.Fatal("members that were not listed")
			}
			for _, m := range members {
				if m.id == "" {
					t.Fatal("a member without an ID")
				}
			}
			for _, path := range paths {
				if slices.Contains(path.get(r), "") {
					t.Fatalf("%s has an empty value", path.text)
				}
				c := r.clone()
				path.set(c, []string{"v"})
				if got := path.get(c); !slices.Equal(got, []string{"v"}) {
					t.Fatalf("%s: set v, got %q", path.text, got)
				}
				path.set(c, nil)
				if got := path.get(c); len(got) > 0 {
					t.Fatalf("%s: still %q", path.text, got)
				}
			}
		}
		_ = errorType(body)
		_ = endpoints(body)
	})
}

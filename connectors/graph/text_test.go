package graph_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
)

// awkward are texts that some format takes for syntax.
var awkward = []string{
	"Åsa Öberg", "名前 🙂", "Svensson, Anna", `quo"te`, "apo'strophe", "''", "' or id eq '", "a+b=c", `back\slash`, " leading", "trailing ",
	"%27 or 1 eq 1", "a/b?c=d&e#f", `","accountEnabled":false,"x":"`, "$filter=id", "null", "true", "0", "../../users", "(x)", "line\ttab",
}

// TestInjectionThroughValues checks that every value of a mapping is stored
// unchanged, and changes no other property.
func TestInjectionThroughValues(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	cfg.Attributes = []string{
		"jobTitle", "businessPhones", "employeeOrgData.division", "onPremisesExtensionAttributes.extensionAttribute1",
		"extension_0123456789abcdef0123456789abcdef_unit", "displayName",
	}
	cfg.References = nil
	c := open(t, cfg)
	bystander := s.AddUser("bystander", nil)
	before, _ := json.Marshal(s.User(bystander))
	for i, text := range awkward {
		change := creation("u"+string(rune('a'+i)), map[string][]string{})
		change.Account.Anchor = text
		for _, name := range cfg.Attributes {
			change.Attributes[name] = []string{text}
		}
		id := apply(t, c, connectors.Applied, change)[0].AccountID
		got := snapshot(t, c).Accounts[id]
		for _, name := range cfg.Attributes {
			if !slices.Equal(got.Attributes[name], []string{text}) {
				t.Errorf("%s: wrote %q, read %q", name, text, got.Attributes[name])
			}
		}
		if got.Anchor != text || !got.Enabled {
			t.Errorf("wrote %q, read %+v", text, got)
		}
		other := open(t, cfg) // the other connector finds it with a filter
		if again := apply(t, other, connectors.AlreadyApplied, change)[0].AccountID; again != id {
			t.Errorf("anchor %q finds %s, want %s", text, again, id)
		}
	}
	if after, _ := json.Marshal(s.User(bystander)); string(after) != string(before) {
		t.Errorf("somebody else was changed: %s", after)
	}
	invalid := creation("invalid", nil)
	invalid.Account.Anchor = "\x9f"
	apply(t, c, connectors.Refused, invalid, joins(bystander, "\x9f"), creation("invalid2", map[string][]string{"jobTitle": {"\x9f"}}))
	for _, text := range []string{"NUL \x00", "esc \x1b", strings.Repeat("x", 2000)} {
		change := creation("bad", map[string][]string{"jobTitle": {text}})
		apply(t, c, connectors.Refused, change)
	}
	for _, name := range awkward {
		g := s.AddGroup(name, nil)
		apply(t, c, connectors.Applied, joins(bystander, name))
		if !slices.Equal(s.Members(g), []string{bystander}) {
			t.Errorf("group %q has members %v", name, s.Members(g))
		}
		apply(t, c, connectors.Applied, leaves(bystander, name))
	}
	wantKnownRequests(t, slices.DeleteFunc(s.Requests(), func(r standin.Request) bool { return strings.Contains(string(r.Body), "\x00") }))
}

// TestURLsNameNoOne checks that URLs hold no personal data, except for the
// filters that Graph requires.
func TestURLsNameNoOne(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	c := open(t, cfg)
	s.AddGroup("staff", nil)
	id := apply(t, c, connectors.Applied, creation("annapersonal", map[string][]string{"displayName": {"annapersonal"}}))[0].AccountID
	change := on(connectors.UpdateAccount, id)
	change.Attributes = map[string][]string{"jobTitle": {"annapersonal"}}
	rename := on(connectors.RenameAccount, id)
	rename.Account.Name = "annapersonal2"
	apply(t, c, connectors.Applied, change, rename, joins(id, "staff"))
	snapshot(t, c)
	for _, r := range s.Requests() {
		if at := r.Path + "?" + r.Query.Encode(); strings.Contains(strings.ReplaceAll(at, "behov-annapersonal", ""), "annapersonal") {
			t.Errorf("%s %s", r.Method, at)
		}
	}
}

func FuzzBatchAnswer(f *testing.F) {
	for _, b := range []string{`{"responses":[{"id":"1","status":204}]}`, `{}`, `[]`, `{"responses":[{"id":"1","status":1}]}`, `{"responses":[{"id":"1","status":200},{"id":"1","status":200}]}`} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answers, err := graph.Unpack(body)
		for id, status := range answers {
			if err != nil || status < 200 || status > 599 {
				t.Errorf("%q: answer %q has status %d, %v", body, id, status, err)
			}
		}
	})
}

// FuzzFilter checks that a filter is one comparison for any value.
func FuzzFilter(f *testing.F) {
	for _, text := range awkward {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !utf8.ValidString(value) {
			return // refused before
		}
		raw := graph.FilterURL(value)
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		q, err := url.ParseQuery(u.RawQuery)
		if err != nil || u.Path != "/v1.0/users" {
			t.Fatalf("%q: %s, %v", value, raw, err)
		}
		filter := q.Get("$filter")
		inner, ok := strings.CutPrefix(filter, "employeeId eq '")
		inner, ok2 := strings.CutSuffix(inner, "'")
		if !ok || !ok2 || strings.ReplaceAll(inner, "''", "") != strings.ReplaceAll(strings.ReplaceAll(inner, "''", ""), "'", "") {
			t.Fatalf("%q: %s", value, filter)
		}
		if got := strings.ReplaceAll(inner, "''", "'"); got != value {
			t.Fatalf("%q became %q", value, got)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, text := range append([]string{"anna", "anna@kommun.test", "a@b@c", "@", "anna."}, awkward...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, name string) {
		upn, back, why := graph.Names(name)
		if (upn == "") == (why == "") {
			t.Fatalf("%q: %q, %q", name, upn, why)
		}
		if upn != "" && back != name && back+"@"+domain != name && !strings.EqualFold(back+"@"+domain, name) {
			t.Errorf("%q became %q and comes back as %q", name, upn, back)
		}
	})
}

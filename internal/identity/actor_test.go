package identity_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// TestActorText: the text of an actor is stored and hashed, and must stay what it is.
func TestActorText(t *testing.T) {
	const id = "0198f0c2-7f4e-7cc1-a9b0-3f1f5f6f7a8b"
	for _, c := range []struct {
		actor  identity.Actor
		text   string
		person identity.PersonID
	}{
		{identity.System, "behov", ""},
		{identity.PersonActor(id), "person:" + id, id},
		{identity.PersonActor(""), "", ""},
		{identity.ServiceActor("payroll"), "service:payroll", ""},
		{identity.ServiceActor(""), "", ""},
		{identity.OSUser(1000), "os-uid:1000", ""},
		{identity.SudoUser(0, 1000), "os-uid:0 sudo-uid:1000", ""},
		{"person:", "person:", ""}, // of no person, whatever wrote it
		{"", "", ""},
	} {
		person, ok := c.actor.Person()
		if string(c.actor) != c.text || person != c.person || ok != (c.person != "") {
			t.Errorf("%q is person %q, %v; want %q, person %q", c.actor, person, ok, c.text, c.person)
		}
		if b, err := json.Marshal(audit.Record{Actor: c.actor}); err != nil || !json.Valid(b) || !regexp.MustCompile(`"actor":"`+c.text+`"`).Match(b) {
			t.Errorf("%q as JSON: %s %v", c.actor, b, err)
		}
	}
}

// TestActorsAreParsedBack: an actor of a person is that person, another is none.
func TestActorsAreParsedBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := identity.PersonID(rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).Draw(t, "id"))
		a := identity.PersonActor(id)
		if got, ok := a.Person(); !ok || got != id {
			t.Fatalf("%q is person %q, %v", a, got, ok)
		}
		uid, caller := rapid.IntRange(0, 1<<31-1).Draw(t, "uid"), rapid.IntRange(0, 1<<31-1).Draw(t, "caller")
		for _, a := range []identity.Actor{a, identity.ServiceActor(string(id)), identity.System, identity.OSUser(uid), identity.SudoUser(uid, caller)} {
			if _, ok := a.Person(); ok != (a == identity.PersonActor(id)) {
				t.Fatalf("%q is a person: %v", a, ok)
			}
		}
	})
}

// FuzzActorPerson: an actor that is a person is written as that person is.
func FuzzActorPerson(f *testing.F) {
	for _, s := range []string{"", "behov", "person:", "person:x", "person:person:x", "os-uid:1", "os-uid:1 sudo-uid:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := identity.Actor(s).Person(); ok && identity.PersonActor(id) != identity.Actor(s) {
			t.Errorf("%q is person %q, which is written %q", s, id, identity.PersonActor(id))
		}
	})
}

package access_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// TestSearchFindsWhomTheViewerSees: a search finds each person once whom the viewer may see
// and whose words are those searched, however many at a time, and no one else: everyone, the
// viewer's staff, and who has something in a system of the viewer's, of which few have one and
// more than a search looks at the other.
func TestSearchFindsWhomTheViewerSees(t *testing.T) {
	in := &installation{office.New(t, map[string]string{
		"catalogue.yaml": "systems:\n  base: {owner: stranger, target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true}}}\n"})}
	r := rand.New(rand.NewPCG(1, 2))
	var rows strings.Builder
	rows.WriteString(office.Header)
	for n := range testenv.Many(1300) {
		job, manager, end, shielded := "", "", "", "no"
		switch {
		case n%3 == 0 && n%5 == 0:
			job = "LIB"
		case n%19 == 0:
			end = "2021-01-01"
		}
		if n%23 == 0 {
			manager = "manager"
		}
		if n%13 == 0 {
			shielded = "yes"
		}
		given, family := []string{"Anna", "Annika", "Bo", "Åsa", "Anna-Lisa"}[r.IntN(5)], []string{"Andersson", "Berg", "Annasson", "Åberg"}[r.IntN(4)]
		fmt.Fprintf(&rows, "%d,B%d,%s,%s,office,%s,,%s,2020-01-01,%s,%s\n", n, n, given, family, job, manager, end, shielded)
	}
	in.Import(rows.String())
	in.Apply()
	// Some move to another job, and some leave: they had something in the systems.
	in.Time = in.Time.AddDate(0, 0, 2)
	in.Import(office.Header + "16,B16,Anna,Andersson,office,,,,2020-01-01,,no\n45,B45,Anna,Berg,office,,,,2020-01-01,,no\n60,B60,Anna,Berg,office,LIB,,,2020-01-01,2026-12-01,no\n61,B61,Anna,Berg,office,,,,2020-01-01,2026-12-01,no\n")
	in.Apply()
	people := map[identity.PersonID]identity.Person{}
	for p, err := range in.DB.People(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		people[p.ID] = p
	}
	states := map[identity.PersonID]identity.State{}
	for _, s := range everyPage(t, in, "", "", "", 1000) {
		states[s.Person.ID] = s.Stage.State
	}
	for viewer, sees := range viewers(t, in, people) {
		for _, q := range []string{"a", "anna", "berg", "anna berg", "a å", "annal", "lib", "given family", "family", "familyg", "hemlig", "bo andersson", "zz", "x y"} {
			for _, of := range []struct {
				limit int
				state identity.State
			}{{1000, ""}, {30, ""}, {20, identity.Ended}} {
				want := map[identity.PersonID]bool{}
				for id, p := range people {
					if sees[id] && !p.Protected && hasWords(p, q) && (of.state == "" || states[id] == of.state) {
						want[id] = true
					}
				}
				got := map[identity.PersonID]bool{}
				for _, s := range everyPage(t, in, viewer, of.state, q, of.limit) {
					if got[s.Person.ID] {
						t.Errorf("%q finds a person twice by %q: %+v", viewer, q, s.Person)
					}
					if got[s.Person.ID] = true; s.Person.DisplayName != people[s.Person.ID].Name() {
						t.Errorf("%q finds by %q: %+v", viewer, q, s.Person)
					}
				}
				if !maps.Equal(got, want) {
					t.Errorf("%q finds %d people by %q in state %q, %d at a time, not %d", viewer, len(got), q, of.state, of.limit, len(want))
				}
			}
		}
	}
	v := in.view(t, "auditor")
	if _, _, err := v.PeoplePage("", "anna", access.Page{After: "AAAA", Limit: 10}); !errors.As(err, new(*access.CursorError)) {
		t.Errorf("a place that was not given out: %v", err)
	}
}

// viewers returns whom some viewers see.
func viewers(t *testing.T, in *installation, people map[identity.PersonID]identity.Person) map[string]map[identity.PersonID]bool {
	t.Helper()
	everyone, staff, holders := map[identity.PersonID]bool{}, map[identity.PersonID]bool{}, map[string]map[identity.PersonID]bool{}
	for id, p := range people {
		everyone[id] = true
		for _, e := range p.Active(identity.DateOf(in.Time, in.Config.Zone)) {
			if e.Terms[0].ManagerKey == "manager" {
				staff[id] = true
			}
		}
	}
	for _, system := range []string{"base", "lib"} {
		holders[system] = map[identity.PersonID]bool{}
		had, err := in.view(t, "").WhoHad(system, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range had {
			holders[system][a.Person.ID] = true
		}
	}
	sees := map[string]map[identity.PersonID]bool{"": everyone, "auditor": everyone, "manager": staff, "owner": holders["lib"], "deputy": maps.Clone(holders["lib"]), "stranger": holders["base"], "staff": {}, "gone": {}}
	for key, of := range sees {
		if key != "" && key != "gone" {
			of[in.Person(key).ID] = true
		}
	}
	return sees
}

// everyPage reads what PeoplePage returns, so many at a time.
func everyPage(t *testing.T, in *installation, viewer string, state identity.State, search string, limit int) (all []access.PersonState) {
	t.Helper()
	for after, parts := "", 0; parts < 1000; parts++ {
		people, next, err := in.view(t, viewer).PeoplePage(state, search, access.Page{After: after, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(people) > limit {
			t.Fatalf("%d people, not %d", len(people), limit)
		}
		if all = append(all, people...); next == "" {
			return all
		}
		after = next
	}
	t.Fatal("a list that never ends")
	return nil
}

// hasWords reports whether a person has a word for each one of a search.
func hasWords(p identity.Person, search string) bool {
	words := strings.FieldsFunc(strings.ToLower(p.GivenName+" "+p.FamilyName+" "+p.Login), func(r rune) bool { return r == ' ' || r == '-' })
	return !slices.ContainsFunc(strings.Fields(search), func(q string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, q) })
	})
}

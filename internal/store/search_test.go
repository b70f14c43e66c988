package store_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// searchable returns the event of a new person.
func searchable(n int, f identity.PersonFacts, login string) identity.Event {
	return identity.Event{Source: "hr", Kind: identity.PersonAdded, Person: identity.PersonID(fmt.Sprintf("0197-person-%07d", n)), Key: fmt.Sprint(n), Login: login,
		Effective: "2026-01-01", Recorded: now, PersonFacts: &f}
}

// put records people, numbered from 0.
func put(t testing.TB, db *store.DB, people []identity.PersonFacts) {
	t.Helper()
	for n := 0; n < len(people); n += 10_000 {
		var events []identity.Event
		for i, f := range people[n:min(len(people), n+10_000)] {
			login, _, _ := strings.Cut(f.Email, "@")
			events = append(events, searchable(n+i, f, cmp.Or(login, fmt.Sprint("login", n+i))))
		}
		if err := db.Write(context.Background(), func(tx *store.Tx) error { return tx.RecordEvents(context.Background(), "x", nil, events) }); err != nil {
			t.Fatal(err)
		}
	}
}

// searchAll reads all that a search finds, so many at a time.
func searchAll(t testing.TB, db *store.DB, text string, among store.PersonSet, most int) (ids []identity.PersonID) {
	t.Helper()
	var after store.SearchPlace
	for range 100_000 {
		f, err := db.SearchPeople(context.Background(), text, among, after, most)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.People {
			ids = append(ids, p.Person)
		}
		if len(f.People) > most {
			t.Fatalf("%d of at most %d", len(f.People), most)
		}
		if !f.More {
			return ids
		}
		after = f.End
	}
	t.Fatal("a search that never ends")
	return nil
}

// TestSearchFindsWhatAScanFinds: whoever has for each word one that begins with it, and no
// protected identity, is found once, however many at a time and among whomever; and in the
// order of the matching word and the name.
func TestSearchFindsWhatAScanFinds(t *testing.T) {
	given, family := []string{"Anna", "Anna-Karin", "Annika", "Bo", "Åsa", "Eva"}, []string{"Andersson", "Annasson", "Bo", "Åström", "von Essen", "Evasson"}
	onBoth(t, func(t *testing.T, db *store.DB) {
		r := rand.New(rand.NewPCG(1, 2))
		var people []identity.PersonFacts
		for n := range testenv.Many(600) {
			f := identity.PersonFacts{GivenName: given[r.IntN(len(given))], FamilyName: family[r.IntN(len(family))], Protected: n%7 == 0}
			if n%2 == 0 {
				f.Email = strings.ToLower(fmt.Sprintf("%.2s%d@example.org", f.GivenName, n))
			}
			if n%50 == 0 { // the same person as the one before, who is protected
				for digit := 0; identity.BirthDate(f.NationalID) == ""; digit++ { // the check digit
					f.NationalID = fmt.Sprintf("19700101%03d%d", n/50, digit)
				}
				if n > 0 {
					people[n-1].NationalID, people[n-1].Protected = f.NationalID, true
				}
				f.Protected = false
			}
			people = append(people, f)
		}
		put(t, db, people)
		rapid.Check(t, func(rt *rapid.T) {
			var words []string
			for range rapid.IntRange(1, 3).Draw(rt, "words") {
				words = append(words, rapid.SampledFrom([]string{"a", "an", "ANNA", "anna-k", "annas", "b", "bo", "å", "åst", "von", "es", "e", "ev", "an1", "an12@", "example", "login", "login7", "zz"}).Draw(rt, "word"))
			}
			text, most := strings.Join(words, " "), rapid.IntRange(1, 40).Draw(rt, "most")
			among, every := store.Everyone(), rapid.IntRange(1, 4).Draw(rt, "every")
			if every > 1 {
				var some []identity.PersonID
				for n := 0; n < len(people); n += every {
					some = append(some, searchable(n, people[n], "").Person)
				}
				among = store.Only(some...)
			}
			got, want := searchAll(t, db, text, among, most), scan(people, text, among)
			if !slices.Equal(got, want) {
				rt.Fatalf("%q among every %d, %d at a time: %d people, not %d: %.3v, %.3v", text, every, most, len(got), len(want), got[:min(len(got), 5)], want[:min(len(want), 5)])
			}
		})
	})
}

// scan is SearchPeople by looking at everyone.
func scan(people []identity.PersonFacts, text string, among store.PersonSet) (ids []identity.PersonID) {
	split := func(text string) []string {
		text = strings.ToLower(text)
		words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" -,@", r) })
		if strings.Contains(text, "@") {
			words = append(words, text)
		}
		return words
	}
	shielded := map[string]bool{}
	for _, f := range people {
		shielded[f.NationalID] = shielded[f.NationalID] || f.Protected && f.NationalID != ""
	}
	type hit struct {
		word, name string
		id         identity.PersonID
	}
	var hits []hit
	searched := split(text)
	slices.Sort(searched)
	lead := slices.MaxFunc(searched, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(b, a)) })
	for n, f := range people {
		login, _, _ := strings.Cut(f.Email, "@")
		id := searchable(n, f, "").Person
		words := split(f.GivenName + " " + f.FamilyName + " " + cmp.Or(login, fmt.Sprint("login", n)))
		words = append(words, split(f.Email)...)
		slices.Sort(words)
		beginning := func(with string) int {
			return slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, with) })
		}
		if f.Protected || shielded[f.NationalID] || !among.Contains(id) || slices.ContainsFunc(searched, func(w string) bool { return beginning(w) < 0 }) {
			continue
		}
		hits = append(hits, hit{words[beginning(lead)], strings.ToLower(f.FamilyName + " " + f.GivenName), id})
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(strings.Compare(a.word, b.word), strings.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
	})
	for _, h := range hits {
		ids = append(ids, h.id)
	}
	return ids
}

// TestSearchDoesNotCountTheProtected: what a search answers, and how much of it at a time, is
// the same without those whose identity is protected.
func TestSearchDoesNotCountTheProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, with *store.DB) {
		without := open(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db"))
		var people, open []identity.PersonFacts
		for n := range 5000 {
			f := identity.PersonFacts{GivenName: fmt.Sprintf("Anna%04d", n), FamilyName: fmt.Sprintf("Berg%d", n%50), Protected: n%7 == 3}
			if n%2 == 1 { // few of those with the one have the other
				f.GivenName += " Odd"
			}
			if n%2 == 0 || n%500 == 1 {
				f.FamilyName += " Even"
			}
			people = append(people, f)
			if f.Protected {
				f = identity.PersonFacts{GivenName: "-", FamilyName: "-"}
			}
			open = append(open, f)
		}
		put(t, with, people)
		put(t, without, open)
		for _, text := range []string{"anna", "anna0", "berg", "ann berg4", "ann berg49", "anna0003", "anna login", "odd even"} {
			var a, b store.SearchPlace
			for parts := 0; ; parts++ {
				has, err := with.SearchPeople(t.Context(), text, store.Everyone(), a, 300)
				if err != nil {
					t.Fatal(err)
				}
				hasNot, err := without.SearchPeople(t.Context(), text, store.Everyone(), b, 300)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(has.People, hasNot.People) || has.More != hasNot.More || has.More && has.End != hasNot.End {
					t.Fatalf("%s, part %d: %d people to %+v, %v, not %d to %+v, %v", text, parts, len(has.People), has.End, has.More, len(hasNot.People), hasNot.End, hasNot.More)
				}
				if a, b = has.End, hasNot.End; !has.More {
					break
				}
			}
		}
	})
}

// TestSearchInAnyLanguage: words that begin alike are found in a database that sorts by the
// rules of a language.
func TestSearchInAnyLanguage(t *testing.T) {
	server := testenv.StartPostgres(t)
	raw := testenv.Raw(t, server.Database())
	if _, err := raw.ExecContext(t.Context(), `CREATE DATABASE swedish TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'`); err != nil {
		t.Fatal(err)
	}
	url := server.Database()
	db := open(t, strings.Replace(url, url[strings.LastIndex(url, "/")+1:strings.Index(url, "?")], "swedish", 1))
	put(t, db, []identity.PersonFacts{{GivenName: "Åsa", FamilyName: "Ek"}, {GivenName: "Asta", FamilyName: "Ek"}, {GivenName: "Anna-Lisa", FamilyName: "af Ekenstam"}})
	for text, want := range map[string]int{"å": 1, "as": 1, "a": 2, "ek": 3, "anna": 1, "eken": 1, "é": 0} {
		if got := searchAll(t, db, text, store.Everyone(), 1); len(got) != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestLongNamesAreFound, though no more than their beginning is in the index.
func TestLongNamesAreFound(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		long := strings.Repeat("𝔄", 500)
		put(t, db, []identity.PersonFacts{{GivenName: long, FamilyName: long}, {GivenName: "x", FamilyName: "y"}})
		if got := searchAll(t, db, long, store.Everyone(), 1); len(got) != 1 {
			t.Error(got)
		}
	})
}

// BenchmarkSearch measures a page of 20 of what a search finds, for the words that many and
// that few people have, and for two; beside a look at as many rows of an index one after the
// other, which no search can beat. Names are as frequent as in a municipality: the most common
// given name is that of 3 in 100. Goal: as long where there are more people.
func BenchmarkSearch(b *testing.B) {
	for _, people := range []int{1_000, 10_000, 100_000} {
		people = testenv.BenchSize(people)
		b.Run(fmt.Sprintf("sqlite/%d", people), func(b *testing.B) { benchSearch(b, "sqlite:"+filepath.Join(b.TempDir(), "behov.db"), people) })
		b.Run(fmt.Sprintf("postgres/%d", people), func(b *testing.B) { benchSearch(b, testenv.StartPostgres(b).Database(), people) })
	}
}

func benchSearch(b *testing.B, url string, people int) {
	db, err := store.Open(b.Context(), url, newMaster(b))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	put(b, db, municipality(people))
	if strings.HasPrefix(url, "postgres") {
		if _, err := testenv.Raw(b, url).ExecContext(b.Context(), "VACUUM ANALYZE"); err != nil {
			b.Fatal(err)
		}
	}
	none := store.SearchPlace{}
	for _, q := range []struct {
		name string
		text func() string
	}{
		{"letter", func() string { return string(rune('a' + rand.IntN(20))) }},
		{"common", func() string { return "name" }},                           // everyone has it
		{"name", func() string { return givenName(rand.IntN(10)) }},           // 1 to 3 in 100 have it
		{"rare", func() string { return fmt.Sprint("p", rand.IntN(people)) }}, // one has it
		{"late", func() string { return "late" }},                             // those have it who came last
		{"two", func() string { return givenName(rand.IntN(10)) + " " + familyName(rand.IntN(10))[:4] }},
		{"two-letters", func() string { return "a b" }},
		{"two-common", func() string { return "name surname" }},
		{"two-one-rare", func() string { return fmt.Sprint("name p", rand.IntN(people)) }},
		{"two-apart", func() string { return "odd even" }}, // half have the one, half the other
	} {
		b.Run(q.name, func(b *testing.B) {
			var took []time.Duration
			n := 0
			for n < testenv.BenchSize(400) || b.Loop() {
				n++
				text := q.text()
				began := time.Now()
				if _, err := db.SearchPeople(b.Context(), text, store.Everyone(), none, 21); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			report(b, took)
		})
	}
	b.Run("limit", func(b *testing.B) {
		var took []time.Duration
		for n := 0; n < testenv.BenchSize(400) || b.Loop(); n++ {
			began := time.Now()
			if err := store.Query(b.Context(), db, `SELECT word, name, person_id FROM person_word WHERE word >= $1 ORDER BY word, name, person_id LIMIT 21`, givenName(rand.IntN(10))); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		report(b, took)
	})
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

func givenName(n int) string  { return fmt.Sprintf("%c%cname%d", 'a'+n%20, 'a'+n/20%20, n) }
func familyName(n int) string { return fmt.Sprintf("%c%csurname%d", 'a'+n%20, 'a'+n/20%20, n) }

// municipality returns people whose names are as frequent as 1/n.
func municipality(people int) []identity.PersonFacts {
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 20, 2000)
	all := make([]identity.PersonFacts, people)
	for n := range all {
		half, late := "odd", ""
		if n%2 == 0 {
			half = "even"
		}
		if n > people*9/10 {
			late = " late"
		}
		all[n] = identity.PersonFacts{GivenName: givenName(int(zipf.Uint64())) + " name", FamilyName: familyName(int(zipf.Uint64())) + " surname " + half + late, Email: fmt.Sprintf("p%d@municipality.example", n), Protected: n%500 == 1}
	}
	return all
}

package hr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestWordsOfAProtectedIdentity: what HR systems write is read; an unknown word is taken
// as protected, with a warning that has no value in it.
func TestWordsOfAProtectedIdentity(t *testing.T) {
	file := func(word string) []byte {
		return []byte(strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,,"+word, 1))
	}
	own := detecting
	own.ProtectedValues = []string{"Blå", "ingen"}
	own.UnprotectedValues = []string{"Öppen", "-", "S"}
	for _, c := range []struct {
		word      string
		source    config.Source
		protected bool
		warned    bool
	}{
		{"ja", detecting, true, false}, {"SANT", detecting, true, false}, {"X", detecting, true, false}, {"s", detecting, true, false}, {"Skyddad", detecting, true, false},
		{"Sekretessmarkering", detecting, true, false}, {"skyddad folkbokföring", detecting, true, false}, {"kvarskrivning", detecting, true, false}, {"Fingerade personuppgifter", detecting, true, false},
		{"nej", detecting, false, false}, {"FALSKT", detecting, false, false}, {"0", detecting, false, false}, {"ej skyddad", detecting, false, false}, {"", detecting, false, false}, {"-", detecting, false, false},
		{"blå", own, true, false}, {"blå", detecting, true, true}, {"perhaps", detecting, true, true},
		{"öppen", own, false, false}, {"öppen", detecting, true, true}, {"s", own, false, false}, {"Ingen", own, true, false}, {"nej", own, false, false}, {"", own, false, false}, {"perhaps", own, true, true},
	} {
		export, err := hr.Read("hr.csv", file(c.word), c.source, nil, units(t), today)
		if err != nil || len(export.Rows) != 3 || export.Rows[2].Person.Protected != c.protected || (len(export.Problems) == 1) != c.warned {
			t.Errorf("%q: %+v, %v", c.word, export, err)
			continue
		}
		if !c.warned {
			continue
		}
		p := export.Problems[0]
		if !p.Warning || !strings.HasPrefix(testenv.ErrorText(p), "hr.csv:4:39: ") || !strings.Contains(testenv.ProblemText(p), "column protected: the word is not known: the person's identity is taken as protected. Words for yes are ja, yes, true, sant, ") || !strings.Contains(testenv.ProblemText(p), "hr.sources.hr.protected_values, as {protected: […], not_protected: […]}") || strings.Contains(testenv.ProblemText(p), c.word) {
			t.Errorf("%q: %+v", c.word, p)
		}
	}
	// A person who is known becomes protected by it, and the row goes in.
	f := newFixture(t)
	f.take(twoPeople)
	r := f.take(strings.Replace(string(file("perhaps")), "library,2,50", "school,2,50", 1))
	if p, e := f.employment("E3"); r.LeftOut != 0 || r.Warnings != 1 || !p.Protected || e.On(today).Unit != "school" {
		t.Errorf("%+v, %+v", r, p)
	}
}

// TestOwnWordForNotProtectedLifts checks that an organisation's own word for an identity
// that is not protected lifts the protection of one person, also where it is a dash, which
// says nothing otherwise.
func TestOwnWordForNotProtectedLifts(t *testing.T) {
	own := detecting
	own.UnprotectedValues = []string{"-"}
	for _, c := range []struct {
		source    config.Source
		protected bool
	}{{detecting, true}, {own, false}} {
		f := newFixture(t)
		f.take(strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,,yes", 1))
		if _, err := f.im.Import(t.Context(), "hr.csv", []byte(strings.Replace(twoPeople, "2022-01-01,,no", "2022-01-01,,-", 1)), c.source); err != nil {
			t.Fatal(err)
		}
		if p, _ := f.employment("E3"); p.Protected != c.protected {
			t.Errorf("%v: protected is %t", c.source.UnprotectedValues, p.Protected)
		}
	}
}

// TestManyLiftedProtectionsAreHeld: an import that lifts the protection of more than one
// and more than a tenth of those protected lifts none until a person decides.
func TestManyLiftedProtectionsAreHeld(t *testing.T) {
	file := func(protected, lifted int) string {
		text := header
		for n := range 30 {
			word := "nej"
			if n < protected && n >= lifted {
				word = "ja"
			}
			text += fmt.Sprintf("%d,E%d,A,B,school,1,%d,2020-01-01,,%s\n", n, n, 50+lifted, word)
		}
		return text
	}
	protected := func(f *fixture) (n int) {
		for _, p := range f.everybody() {
			if p.Protected {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		protected, lifted int
		held              bool
	}{{1, 1, false}, {2, 1, false}, {2, 2, true}, {3, 3, true}, {20, 2, false}, {20, 3, true}} {
		f := newFixture(t)
		f.take(file(c.protected, 0))
		text := file(c.protected, c.lifted)
		if c.lifted == c.protected {
			text += "99,E99,A,B,school,1,50,2020-01-01,,ja\n" // the column is not lost
		}
		r := f.take(text)
		_, e := f.employment("E1")
		if (r.EndingsHeld != nil) != c.held || r.Held != nil || e.On(today).Percent != float64(50+c.lifted) {
			t.Errorf("%+v: %+v", c, r)
			continue
		}
		want := c.protected - c.lifted + map[bool]int{true: 1}[c.lifted == c.protected]
		if !c.held {
			if protected(f) != want {
				t.Errorf("%+v: %d protected", c, protected(f))
			}
			continue
		}
		if protected(f) != want+c.lifted || r.Warnings != c.lifted || !strings.Contains(testenv.ProblemText(r.Problems[0]), "column protected: it says no, and the person's identity is protected: it stays protected") || !strings.Contains(testenv.Words(r.EndingsHeld.Why), fmt.Sprintf("%d people whose identities are protected are not protected in the file", c.lifted)) {
			t.Errorf("%+v: %d protected, %+v", c, protected(f), r)
		}
		if body, err := f.db.HoldBody(t.Context(), r.EndingsHeld.Digest); err != nil || !strings.HasPrefix(body, `{"person-changed":[`) {
			t.Errorf("the hold would do %s, %v", body, err)
		}
		f.decide(r.EndingsHeld, store.Release)
		if r = f.take(text); r.EndingsHeld != nil || protected(f) != want {
			t.Errorf("%+v, released: %d protected, %+v", c, protected(f), r)
		}
	}
	// Changes are held whole.
	f := newFixture(t)
	f.take(file(3, 0))
	if r := f.change(file(3, 3), nil); r.Held == nil || protected(f) != 3 || !strings.Contains(testenv.Words(r.Held.Why), "3 people whose identities are protected") {
		t.Errorf("of changes: %+v", r)
	}
}

package hr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// TestNewRecordsOfManyKnownPeople: new records with the numbers of known people, of which
// the rows are not in the file, are joined each to its person, but for one that a decision
// says is another person's.
func TestNewRecordsOfManyKnownPeople(t *testing.T) {
	const people, decided = 20, 7
	f := newFixture(t)
	rows := func(prefix string) string {
		var b strings.Builder
		b.WriteString("person_id,employment_id,given_name,family_name,national_id,unit,start_date\n")
		for n := range people {
			fmt.Fprintf(&b, "%s%d,%sE%d,Eva%d,Ek,%s,school,2020-01-01\n", prefix, n, prefix, n, n, number(n))
		}
		return b.String()
	}
	f.load(rows("a"))
	before := map[string]identity.PersonID{}
	for n := range people {
		p, _ := f.employment(fmt.Sprintf("aE%d", n))
		before[fmt.Sprint(n)] = p.ID
	}
	subject, err := f.db.RecordSubject(identity.SourceKey{Source: "hr", Key: fmt.Sprint("b", decided)})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Decide(t.Context(), store.Decision{Kind: store.RecordDecision, Verdict: store.Split, Person: before[fmt.Sprint(decided)], Subject: subject, Maker: identity.System, Reason: "two people"}, now)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.load(rows("a") + strings.SplitN(rows("b"), "\n", 2)[1])
	if all := f.everybody(); len(all) != people+1 {
		t.Errorf("there are %d people, want %d", len(all), people+1)
	}
	for n := range people {
		p, _ := f.employment(fmt.Sprintf("bE%d", n))
		if joined := p.ID == before[fmt.Sprint(n)]; joined != (n != decided) {
			t.Errorf("record b%d is joined: %v", n, joined)
		}
	}
}

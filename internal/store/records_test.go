package store_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TestDuplicateReasons checks the sentences that say what two people have in common,
// and their order.
func TestDuplicateReasons(t *testing.T) {
	// The second person of each pair differs from the first one as change says.
	for _, c := range []struct {
		name   string
		change func(*identity.PersonFacts)
		why    reason.Reason
	}{
		{"everything", func(*identity.PersonFacts) {}, like(reason.SameEmail, reason.SameName, reason.SameNationalID)},
		{"number", func(f *identity.PersonFacts) { f.GivenName, f.Email = "Eva", "eva@example.org" }, like(reason.SameNationalID)},
		{"address", func(f *identity.PersonFacts) { f.GivenName, f.NationalID = "Eva", "" }, like(reason.SameEmail)},
		{"name and address", func(f *identity.PersonFacts) { f.NationalID = "" }, like(reason.SameEmail, reason.SameName)},
		{"name and day of birth", func(f *identity.PersonFacts) { f.NationalID, f.Email = "197001010027", "" }, like(reason.SameNameAndBirth)},
		{"name", func(f *identity.PersonFacts) { f.NationalID, f.Email = "", "" }, reason.Reason{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, db *store.DB) {
				first, second := hire(1), hire(2)
				first[0].PersonFacts.NationalID, second[0].PersonFacts.NationalID = "197001010019", "197001010019"
				c.change(second[0].PersonFacts)
				write(t, db, func(tx *store.Tx) error {
					return tx.RecordEvents(t.Context(), "import", nil, append(first, second...))
				})
				found, err := db.Duplicates(t.Context())
				switch {
				case err != nil:
					t.Fatal(err)
				case c.why.IsZero() && len(found) != 0, !c.why.IsZero() && (len(found) != 1 || found[0] != store.Duplicate{A: first[0].Person, B: second[0].Person, Why: c.why}):
					t.Errorf("found %+v, want %v", found, c.why)
				}
			})
		})
	}
}

func like(in ...reason.Likeness) reason.Reason { return reason.Of(reason.SamePerson{InCommon: in}) }

// TestStatementsHaveNoSentences: sentences for people are worded in Go, where their
// wording has no part in what a statement selects and sorts.
func TestStatementsHaveNoSentences(t *testing.T) {
	whole, parts := statementsInSource(t)
	for _, statements := range []map[string]string{whole, parts} {
		for place, text := range statements {
			quoted := strings.Split(text, "'")
			for i := 1; i+1 < len(quoted); i += 2 {
				if len(strings.Fields(quoted[i])) > 1 {
					t.Errorf("%s has %q", place, quoted[i])
				}
			}
		}
	}
	if len(whole) == 0 || len(parts) == 0 {
		t.Error("no statements were found")
	}
}

// TestWithRecordDecisions: of many people those are found, with one statement, about whose
// records a decision was made, and only these may have a record that is not theirs.
func TestWithRecordDecisions(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		var count counter
		db, err := store.OpenWrapped(t.Context(), url, newMaster(t), count.wrap)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var ids []identity.PersonID
		write(t, db, func(tx *store.Tx) error {
			for n := range 50 {
				hired := hire(n)
				ids = append(ids, hired[0].Person)
				if err := tx.RecordEvents(t.Context(), "import", nil, hired); err != nil {
					return err
				}
			}
			subject, err := db.RecordSubject(identity.SourceKey{Source: "hr", Key: "1"})
			if err != nil {
				return err
			}
			for _, d := range []store.Decision{
				{Kind: store.RecordDecision, Verdict: store.Split, Person: ids[7], Subject: subject, Maker: identity.System, Reason: "r"},
				{Kind: store.SuspensionDecision, Verdict: store.Suspend, Person: ids[8], Maker: identity.System, Reason: "r"},
			} {
				if _, err := tx.Decide(t.Context(), d, now); err != nil {
					return err
				}
			}
			return nil
		})
		write(t, db, func(tx *store.Tx) error {
			before := count.sent.Load()
			decided, err := tx.WithRecordDecisions(t.Context(), ids)
			if err != nil {
				return err
			}
			if sent := count.sent.Load() - before; sent != 1 || len(decided) != 1 || !decided[ids[7]] {
				t.Errorf("%v, with %d statements", decided, sent)
			}
			for _, id := range ids {
				apart, err := tx.MarkedDistinct(t.Context(), id, identity.SourceKey{Source: "hr", Key: "1"})
				if err != nil {
					return err
				}
				if apart != decided[id] {
					t.Errorf("person %s: the record is another person's: %v", id, apart)
				}
			}
			return nil
		})
	})
}

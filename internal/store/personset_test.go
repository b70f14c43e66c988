package store_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// TestAForgottenSetSelectsNoOne: only Everyone selects everyone.
func TestAForgottenSetSelectsNoOne(t *testing.T) {
	var forgotten store.PersonSet
	for name, s := range map[string]store.PersonSet{"the zero value": forgotten, "no people": store.Only(), "a nil slice": store.Only([]identity.PersonID(nil)...)} {
		if s.IsEveryone() || s.Contains("a") || len(s.IDs()) > 0 {
			t.Errorf("%s selects people", name)
		}
	}
	if !store.Everyone().IsEveryone() || !store.Everyone().Contains("a") {
		t.Error("Everyone does not select everyone")
	}
}

// TestNoOneIsReadForNoOne: no question about an empty set is answered with people.
func TestNoOneIsReadForNoOne(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		write(t, db, func(tx *store.Tx) error {
			tx.Audit(audit.Record{At: now, Actor: "test", Action: audit.AccountBound, Person: "1", Target: "directory"})
			return tx.BindAccount(t.Context(), store.AccountRef{Target: "directory", Person: "1", Native: "native"})
		})
		if accounts, err := db.Accounts(t.Context(), "directory", store.Everyone()); err != nil || len(accounts) != 1 {
			t.Fatalf("accounts %v, %v", accounts, err)
		}
		var forgotten store.PersonSet
		for r, err := range db.AuditRecords(t.Context(), forgotten) {
			t.Errorf("a record of %s, %v", r.Person, err)
		}
		if accounts, err := db.Accounts(t.Context(), "directory", forgotten); err != nil || len(accounts) > 0 {
			t.Errorf("accounts %v, %v", accounts, err)
		}
	})
}

// TestPersonSetIsASet: order and repetition do not count.
func TestPersonSetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(rapid.Map(rapid.StringMatching("[a-d]{1,2}"), func(s string) identity.PersonID { return identity.PersonID(s) })).Draw(t, "ids")
		given := slices.Clone(ids)
		s := store.Only(ids...)
		if !slices.Equal(ids, given) {
			t.Fatal("the caller's slice was changed")
		}
		if got := s.IDs(); !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("IDs are %v", got)
		}
		for _, id := range []identity.PersonID{"a", "b", "ab", "dd", "x"} {
			if s.Contains(id) != slices.Contains(ids, id) {
				t.Fatalf("Contains(%s) is %t with %v", id, s.Contains(id), ids)
			}
		}
	})
}

// TestNoIDIsNoPerson: an ID that a caller forgot is no one's.
func TestNoIDIsNoPerson(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(t.Context(), "i", nil, hire(1)) })
		if p, err := db.Person(t.Context(), ""); err == nil {
			t.Errorf("it is %s", p.ID)
		}
		if p, err := db.Person(t.Context(), "0197-person-001"); err != nil || p.ID != "0197-person-001" {
			t.Errorf("it is %s, %v", p.ID, err)
		}
	})
}

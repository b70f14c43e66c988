package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TestAccessRequests: a request gives access once it is approved, or at once in an emergency,
// until it is refused or withdrawn; of an erased person nothing tells who the manager was.
func TestAccessRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		hireMany(t, db, 1, 4)
		person := func(n int) identity.PersonID { return hire(n)[0].Person }
		manager := identity.SourceKey{Source: "hr", Key: "19700101-0019"}
		ask := func(n int, by identity.PersonID, emergency bool) store.AccessRequest {
			t.Helper()
			r := store.AccessRequest{Person: person(n), Entitlement: "s:e", Employment: hire(n)[1].Employment, Unit: "u", Manager: manager, Since: "2026-11-23", Until: "2026-12-01", Emergency: emergency}
			verdict := store.Ask
			if emergency {
				verdict = store.Emergency
			}
			write(t, db, func(tx *store.Tx) (err error) {
				r, _, err = tx.AskAccess(t.Context(), r, store.Decision{Verdict: verdict, Maker: identity.PersonActor(by), Reason: "a secret reason"}, now)
				return err
			})
			return r
		}
		given := func(day identity.Date, of ...identity.PersonID) (numbers []int64) {
			t.Helper()
			set := store.Everyone()
			if len(of) > 0 {
				set = store.Only(of...)
			}
			all, err := db.GivenRequests(t.Context(), set, day)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				if r.Manager != manager || r.Maker == "" {
					t.Errorf("%+v", r)
				}
				numbers = append(numbers, r.ID)
			}
			return numbers
		}
		expect := func(what string, got, want []int64) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, not %v", what, got, want)
			}
		}
		first, second, taken := ask(1, person(1), false), ask(2, person(3), false), ask(1, person(1), true)
		expect("asked", given("2026-11-23"), []int64{taken.ID})
		approve := func(r store.AccessRequest, as string, last bool) (seq int64) {
			t.Helper()
			write(t, db, func(tx *store.Tx) error {
				d, err := tx.Decide(t.Context(), store.Decision{Kind: store.RequestDecision, Verdict: store.Approve, Person: r.Person, Entitlement: r.Entitlement, Subject: store.RequestSubject(r.ID), Maker: identity.PersonActor(person(3)), Reason: "yes"}, now)
				seq = d.Seq
				return errors.Join(err, tx.ApproveAccess(t.Context(), store.Approval{Request: r.ID, Approver: as, Decision: d.Seq}, last))
			})
			return seq
		}
		approve(first, "manager", false)
		expect("approved by one", given("2026-11-23", person(1)), []int64{taken.ID})
		last := approve(first, "owner", true)
		approve(taken, "owner", true)
		expect("approved by both", given("2026-12-01"), []int64{first.ID, taken.ID})
		expect("another's", given("2026-12-01", person(2)), nil)
		expect("after the last day", given("2026-12-02"), nil)
		if r, err := db.AccessRequest(t.Context(), first.ID); err != nil || r.State != store.RequestApproved || r.Given != last || r.Manager != manager {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := db.AccessRequest(t.Context(), taken.ID); err != nil || r.Given != taken.Asked {
			t.Errorf("an approval afterwards changed by what emergency access is given: %+v, %v", r, err)
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			return tx.ApproveAccess(t.Context(), store.Approval{Request: first.ID, Approver: "owner", Decision: last}, true)
		})
		if err == nil {
			t.Error("one part was taken twice")
		}
		decisions, approvals, err := db.RequestHistory(t.Context(), []int64{first.ID, second.ID})
		if err != nil || len(decisions) != 4 || len(approvals) != 2 || decisions[0].Reason != "a secret reason" {
			t.Errorf("%+v, %+v, %v", decisions, approvals, err)
		}
		for n, want := range map[int][]int64{1: {taken.ID, first.ID}, 2: {second.ID}, 3: {second.ID}} { // 3 asked for 2
			all, err := db.RequestsOf(t.Context(), person(n), 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range all {
				got = append(got, r.ID)
			}
			expect("those of a person", got, want)
		}
		if all, err := db.NewestRequests(t.Context(), taken.ID, 1); err != nil || len(all) != 1 || all[0].ID != second.ID {
			t.Errorf("%+v, %v", all, err)
		}
		if all, err := db.WaitingRequests(t.Context(), "2026-12-01"); err != nil || len(all) != 1 || all[0].ID != second.ID {
			t.Errorf("%+v, %v", all, err)
		}
		if all, err := db.WaitingRequests(t.Context(), "2026-12-02"); err != nil || len(all) != 0 {
			t.Errorf("what lapsed waits: %+v, %v", all, err)
		}
		write(t, db, func(tx *store.Tx) error { return tx.EndAccess(t.Context(), first.ID, store.RequestWithdrawn) })
		expect("withdrawn", given("2026-11-23"), []int64{taken.ID})
		write(t, db, func(tx *store.Tx) error { return tx.ErasePerson(t.Context(), person(1), now) })
		if r, err := db.AccessRequest(t.Context(), first.ID); err != nil || r.Manager != (identity.SourceKey{}) {
			t.Errorf("of an erased person: %+v, %v", r, err)
		}
		var refused *reason.Refusal
		if _, err := db.AccessRequest(t.Context(), 99); !errors.As(err, &refused) {
			t.Errorf("no request: %v", err)
		}
		if _, err := db.VerifyAudit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

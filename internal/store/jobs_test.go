package store_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

var spaces = regexp.MustCompile(`([:,]) `) // as PostgreSQL writes JSON

// jobs lists the jobs that are to be done, as "kind arguments".
func jobs(t *testing.T, db *store.DB) []string {
	t.Helper()
	list, err := db.Jobs().List(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, j := range list {
		all = append(all, fmt.Sprintf("%s %s %s", j.Queue, j.Kind, j.Args))
	}
	slices.Sort(all)
	return all
}

func hireMany(t *testing.T, db *store.DB, from, to int) {
	t.Helper()
	write(t, db, func(tx *store.Tx) error {
		var events []identity.Event
		for n := from; n < to; n++ {
			events = append(events, hire(n)...)
		}
		return tx.RecordEvents(t.Context(), "i", nil, events)
	})
}

// TestJobsComeWithTheState: the person who an HR event or a decision is about is to
// be looked at, and the job is there when the event is, and not otherwise.
func TestJobsComeWithTheState(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		broken := errors.New("broken")
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			return errors.Join(tx.RecordEvents(t.Context(), "i", nil, hire(1)), broken)
		}); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if got := jobs(t, db); len(got) > 0 {
			t.Errorf("of a transaction that was rolled back there is %v", got)
		}
		hireMany(t, db, 1, 3)
		hireMany(t, db, 3, 4)
		hireMany(t, db, 1000, 1501)
		write(t, db, func(tx *store.Tx) error {
			return tx.RaiseHold(t.Context(), store.Hold{Digest: "d1", Kind: store.PlanHold, Subject: "ad"}, nil, "behov", now)
		})
		write(t, db, func(tx *store.Tx) error {
			return tx.RaiseHold(t.Context(), store.Hold{Digest: "d2", Kind: store.HRImportHold, Subject: "hr"}, nil, "behov", now)
		})
		for _, d := range []store.Decision{{Kind: store.HoldDecision, Subject: "d1", Verdict: store.Release}, {Kind: store.HoldDecision, Subject: "d2", Verdict: store.Release},
			{Kind: store.SuspensionDecision, Person: "0197-person-001", Verdict: store.Suspend}} {
			for range 2 {
				write(t, db, func(tx *store.Tx) error { _, err := tx.Decide(t.Context(), d, now); return err })
			}
		}
		want := []string{
			`alerts alert {"about": "hold-raised", "subject": "d1"}`,
			`alerts alert {"about": "hold-raised", "subject": "d2"}`,
			`hr pull {"source": "hr"}`, // once for two decisions
			`people people {"people": ["0197-person-001", "0197-person-002"]}`,
			`people people {"people": ["0197-person-001"]}`,
			`people people {"people": ["0197-person-001"]}`,
			`people people {"people": ["0197-person-003"]}`,
			`runs run {"because": "HR event 1008"}`,
			queue.OfTarget("ad") + ` run {"target": "ad", "because": "decision 1"}`,
			queue.OfTarget("ad") + ` run {"target": "ad", "because": "decision 2"}`,
		}
		compact := func(list []string) []string {
			var out []string
			for _, s := range list {
				out = append(out, spaces.ReplaceAllString(s, "$1"))
			}
			slices.Sort(out)
			return out
		}
		if got := compact(jobs(t, db)); !slices.Equal(got, compact(want)) {
			t.Errorf("got  %q\nwant %q", got, compact(want))
		}
	})
}

// TestSharesKnowOfHowManyTheyAre: what is judged by how many it happens to is
// not judged by how many a job looks at.
func TestSharesKnowOfHowManyTheyAre(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		hireMany(t, db, 1, 61)
		got := jobs(t, db)
		if len(got) != 2 {
			t.Fatalf("%d jobs for 60 people", len(got))
		}
		for _, job := range got {
			if !strings.Contains(spaces.ReplaceAllString(job, "$1"), `"group_size":60`) {
				t.Errorf("a share does not know that they are 60: %s", job)
			}
		}
	})
}

// TestOnlyJobsThatWereThereAreForgotten: a job's number is given before what it
// is about is committed; one that comes to light later is kept, whatever its
// number is.
func TestOnlyJobsThatWereThereAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		put := func(person identity.PersonID) {
			write(t, db, func(tx *store.Tx) error {
				tx.Enqueue(queue.People{People: []identity.PersonID{person}})
				return nil
			})
		}
		waiting := func() []int64 {
			t.Helper()
			ids, err := db.Jobs().Waiting(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return ids
		}
		put("1")
		put("2")
		put("3")
		all := waiting()
		if len(all) != 3 {
			t.Fatalf("%d jobs", len(all))
		}
		seen := []int64{all[0], all[2]} // the second was not committed yet
		write(t, db, func(tx *store.Tx) error { return tx.ForgetJobs(ctx, seen) })
		if left := waiting(); len(left) != 1 || left[0] != all[1] {
			t.Errorf("left are %v of %v", left, all)
		}
	})
}

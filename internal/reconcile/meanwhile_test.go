package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// Law 4: those who are looked at beside each other count together: what another
// run has begun and not ended yet is among what people lost.
func TestTheLimitHoldsBesideOthers(t *testing.T) {
	h := newFixture(t) // two may lose something
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T", "6 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31", "5 school T", "6 school T")
	other := *h.e
	h.one.before = func([]connectors.Change) {
		h.one.before = nil
		d, err := other.ReconcilePeople(t.Context(), h.ids("3", "4"), []string{"one"})
		if err != nil || d[0].Err != nil {
			t.Error(err, d)
		}
	}
	if _, err := h.e.ReconcilePeople(t.Context(), h.ids("1", "2"), []string{"one"}); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, key := range []string{"1", "2", "3", "4"} {
		if h.has(key) == "two/account two/lib:library" {
			lost++
		}
	}
	if lost > 2 {
		t.Errorf("%d lost something in one, and 2 may", lost)
	}
}

// The person who leaves is not kept by a hold that was about something else: HR took
// back what was held, and the next run for everyone has not seen that yet.
func TestAHoldOfThePastKeepsNoOne(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T", "9 school T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 school T", "9 school T 2020-12-31")
	h.run() // holds it
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T", "9 school T 2020-12-31")
	h.few("1", "2", "3")
	h.hire("1 school T", "2 school T 2020-12-31", "3 school T", "4 school T", "5 school T", "9 school T 2020-12-31")
	if later := h.few("2"); len(later) == 0 && h.has("2") != "" {
		t.Errorf("2 has left and has %q, and it is left to nobody", h.has("2"))
	}
}

// Whom a run leaves to another one, because that one is at their account, is
// looked at again: the other may have begun before the day did.
func TestWhoIsLeftToAnotherRunIsLookedAtAgain(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31")
	lock, err := h.e.DB.Locks().Try(t.Context(), fmt.Sprintf("touch %q %s", "one", h.ids("1")[0]))
	if err != nil {
		t.Fatal(err)
	}
	h.run()
	lock.Unlock()
	var n int
	if err := testenv.Raw(t, h.e.Config.Database).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE kind = 'people'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if h.has("1") == "" || n == 0 {
		t.Errorf("1 has %q, and %d jobs say that somebody has to look", h.has("1"), n)
	}
}

// What the process itself is short of is waited for: no one else sees to it.
func TestTooManyLocksAreWaitedFor(t *testing.T) {
	if !testenv.OnPostgres() {
		t.Setenv("BEHOV_TEST_ON", "postgres")
	}
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	var names []string
	for i := range 1490 {
		names = append(names, fmt.Sprint("somebody ", i))
	}
	lock, err := h.e.DB.Locks().Try(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	few, err := h.e.DB.Locks().Try(t.Context(), "a", "b", "c", "d", "e", "f")
	if err != nil {
		t.Fatal(err)
	}
	defer few.Unlock()
	time.AfterFunc(15*time.Second, lock.Unlock)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T", "6 school T", "7 school T")
	h.settledRun()
	for _, key := range []string{"1", "7"} {
		if h.has(key) != everything {
			t.Errorf("%s has %q", key, h.has(key))
		}
	}
}

// What a person gives up while it is tried is not tried again.
func TestGivenUpWhileItIsTried(t *testing.T) {
	h := newFixture(t)
	now := time.Now()
	h.e.Now = func() time.Time { return now }
	h.hire("1 school T")
	h.one.refuse = "no"
	h.run()
	failing := h.failing()
	if len(failing) != 1 {
		t.Fatalf("failing: %+v", failing)
	}
	g := &governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}
	h.one.before = func([]connectors.Change) {
		h.one.before = nil
		if _, err := g.DecideSteps(t.Context(), []string{string(failing[0].Key)}, store.GiveUp, h.decider(), "not needed"); err != nil {
			t.Error(err)
		}
	}
	h.run()
	h.e.RetryAllSteps = false
	now = now.Add(24 * time.Hour)
	calls := h.one.calls
	if _, err := h.e.Run(t.Context(), reconcile.Scope{}); err != nil {
		t.Fatal(err)
	}
	if f := h.failing(); len(f) != 1 || f[0].State != store.GivenUp || f[0].NextUS != 0 || h.one.calls != calls {
		t.Errorf("given up, and then tried %d times: %+v", h.one.calls-calls, f)
	}
}

// beside does f in a transaction that has begun to write, and has not ended,
// when g begins; neither may end the other.
func (h *fixture) beside(f, more func(tx *store.Tx) error, g func() error) {
	h.t.Helper()
	began, done := make(chan bool), make(chan error, 1)
	go func() {
		done <- h.e.DB.Write(context.Background(), func(tx *store.Tx) error {
			if err := f(tx); err != nil {
				return err
			}
			close(began)
			time.Sleep(500 * time.Millisecond)
			return more(tx)
		})
	}()
	<-began
	if err := errors.Join(g(), <-done); err != nil {
		h.t.Error(err)
	}
}

// Several steps are decided on while one of them fails once more: neither waits
// for the other for ever.
func TestStepsAreDecidedOnBesideARun(t *testing.T) {
	if !testenv.OnPostgres() {
		t.Setenv("BEHOV_TEST_ON", "postgres")
	}
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.one.refuse = "no"
	h.run()
	failing := h.failing()
	if len(failing) != 2 {
		t.Fatalf("failing: %+v", failing)
	}
	g := &governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}
	h.beside(func(tx *store.Tx) error {
		f, err := tx.NextStepFailure(context.Background(), failing[1], time.Now())
		return errors.Join(err, tx.PutFailingStep(context.Background(), f, time.Now()))
	}, func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: time.Now(), Actor: "behov", Action: audit.StepEnded})
		return nil
	}, func() error {
		_, err := g.DecideSteps(context.Background(), []string{string(failing[0].Key), string(failing[1].Key)}, store.Retry, h.decider(), "")
		return err
	})
}

// Two people are found to be one while HR says something of one of them.
func TestPeopleAreMergedBesideAnImport(t *testing.T) {
	if !testenv.OnPostgres() {
		t.Setenv("BEHOV_TEST_ON", "postgres")
	}
	h := newFixture(t)
	h.e.Config.Rules.Catalogue.Systems[0].Owner = "" // an owner's records are not merged into another's
	h.hire("1 school T", "2 school T")
	one, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	two, err := h.e.DB.FindPerson(t.Context(), "2", "hr")
	if err != nil {
		t.Fatal(err)
	}
	g := &governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}
	h.beside(func(tx *store.Tx) error { // as an import begins
		_, err := tx.LockSequences(context.Background())
		return err
	}, func(tx *store.Tx) error {
		return tx.SetProtected(context.Background(), two.ID, true)
	}, func() error {
		_, err := g.Merge(context.Background(), one, two, h.decider(), "they are one")
		return err
	})
}

// A target that was taken out of the configuration keeps the accounts that behov
// made there, also those of people who leave: a person is told.
func TestATargetThatWasTakenOutIsTold(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.settledRun()
	h.e.Config.Targets = h.e.Config.Targets[:1]
	h.hire("1 school T 2020-12-31", "2 school T")
	r := h.run()
	for _, f := range r.Plan.Findings {
		if f.Target == "two" && strings.Contains(testenv.Words(f.Reason), "2 accounts") {
			return
		}
	}
	t.Errorf("1 has %q, and the plan says %v", h.has("1"), r.Plan.Findings)
}

// A release that is taken back while it is carried out ends with the batch that
// is under way.
func TestAReleaseIsTakenBack(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T")
	h.run()
	holds, err := h.e.DB.Holds(t.Context())
	if err != nil || len(holds) != 2 {
		t.Fatalf("holds %v, %v", holds, err)
	}
	for _, hold := range holds {
		h.decideHold(hold.Digest, store.Release)
	}
	var asked []connectors.Op
	h.one.before = func(changes []connectors.Change) {
		if asked = append(asked, changes[0].Op); len(asked) > 1 {
			return
		}
		for _, hold := range holds {
			h.decideHold(hold.Digest, store.Reject)
		}
	}
	h.run()
	if len(asked) != 1 {
		t.Errorf("rejected during the first batch, and these were carried out: %v", asked)
	}
}

package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// What happens beside a run, and what several runs do together.

// read has f done once, when the run has read the targets.
func (h *fixture) read(f func(other *reconcile.Engine)) {
	other := *h.e
	other.Progress = nil
	h.e.Progress = func(stage string, done, total int) {
		if stage != "read targets" || done < total {
			return
		}
		h.e.Progress = nil
		f(&other)
	}
}

// Law 4: the person who has people leave one at a time, however the runs are made, is
// stopped at the limit.
func TestManySmallImportsAreCountedTogether(t *testing.T) {
	h := newFixture(t) // two may lose something
	keys := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}
	rows := func(gone int) (all []string) {
		for i, k := range keys {
			all = append(all, k+" school T"+map[bool]string{true: " 2020-12-31"}[i < gone])
		}
		return all
	}
	h.hire(rows(0)...)
	h.settledRun()
	for gone := 1; gone <= len(keys); gone++ {
		h.hire(rows(gone)...)
		if later := h.few(keys[gone-1]); len(later) > 0 {
			h.run()
		}
	}
	left := 0
	for _, k := range keys {
		if h.has(k) != "" {
			left++
		}
	}
	holds, err := h.e.DB.Holds(t.Context())
	if err != nil || left != 7 || len(holds) != 2 {
		t.Errorf("%d of 9 still have access, %d holds, %v", left, len(holds), err)
	}
	// What a person released does not count.
	for _, hold := range holds {
		h.decideHold(hold.Digest, store.Release)
	}
	h.settledRun()
	if h.has("9") != "" {
		t.Errorf("released, and 9 has %s", h.has("9"))
	}
	h.hire(append(rows(9), "10 school T", "11 school T")...)
	h.settledRun()
	now := time.Now().Add(2 * time.Hour)
	h.e.Now = func() time.Time { return now }
	h.hire(append(rows(9), "10 school T 2020-12-31", "11 school T 2020-12-31")...)
	h.settledRun()
	if h.has("10")+h.has("11") != "" {
		t.Error("two hours later two more cannot leave")
	}
}

// What is held, and even more what a person rejected, is not done by looking at
// the people one by one.
func TestFewLeaveWhatIsHeld(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 school T")
	h.run()
	holds, err := h.e.DB.Holds(t.Context())
	if err != nil || len(holds) != 2 {
		t.Fatalf("holds %v, %v", holds, err)
	}
	for i, key := range []string{"1", "2"} {
		if later := h.few(key); len(later) > 0 || h.has(key) != everything {
			t.Errorf("held: %s has %q, later %v", key, h.has(key), later)
		}
		h.decideHold(holds[i].Digest, store.Reject)
	}
	h.few("3")
	if h.has("3") != everything {
		t.Errorf("rejected: 3 has %q", h.has("3"))
	}
	// What is not held goes on.
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T", "5 school T")
	h.few("4")
	if got := h.has("4"); got != "one/account one/base:staff two/account two/lib:library" {
		t.Errorf("4 has %q", got)
	}
}

// A wrong mapping that is held is not carried out person by person.
func TestFewLeaveChangesThatAreHeld(t *testing.T) {
	h := newFixtureWith(t, strings.Replace(configuration, "one: {hold_above: {", "one: {hold_above: {changes: {number: 2}, ", 1))
	keys := []string{"1", "2", "3", "4", "5"}
	rows := []string{}
	for _, k := range keys {
		rows = append(rows, k+" school T")
	}
	h.hire(rows...)
	h.settledRun()
	spoil := func(key string) {
		t.Helper()
		id, err := h.e.DB.AccountOf(t.Context(), "one", h.ids(key)[0])
		if err != nil {
			t.Fatal(err)
		}
		h.one.Connector.Apply(t.Context(), []connectors.Change{{Op: connectors.UpdateAccount, Account: connectors.AccountRef{ID: id}, Attributes: map[string][]string{"mail": {"else@x"}}}})
	}
	// One at a time: the third is one too many.
	left := 0
	for _, key := range keys[:3] {
		spoil(key)
		left += len(h.few(key))
	}
	if left != 1 {
		t.Errorf("%d of 3 were left to others", left)
	}
	for _, key := range keys {
		spoil(key)
	}
	h.run()
	for _, key := range keys {
		h.few(key)
	}
	p, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil || len(p.Holds) != 1 || len(p.Holds[0].Steps) != 5 {
		t.Errorf("held: %+v %v", p.Holds, err)
	}
}

// No one is erased of whom something became known in the meantime.
func TestErasureSeesWhatIsNew(t *testing.T) {
	for i, what := range []string{"nothing", "a rehire", "a legal hold", "nothing", "a rehire", "a legal hold"} {
		t.Run(what, func(t *testing.T) {
			r := newReality(t, "delete_after_days: 100, erase_after_days: 200").HR(boss, "1 E1 end_date=2026-06-01", "2 E2 end_date=2026-06-01")
			r.settledRun()
			r.on("2026-06-02").settledRun()
			two := r.id("2")
			r.on("2026-09-10").settledRun()
			r.on("2026-12-19")
			r.read(func(other *reconcile.Engine) {
				switch what {
				case "a rehire":
					r.HR(boss, "1 E1 end_date=2026-06-01", "2 E2 end_date=2026-06-01", "2 E3 start_date=2026-12-19")
					if _, err := other.ReconcilePeople(t.Context(), []identity.PersonID{two}, nil); err != nil {
						t.Error(err)
					}
				case "a legal hold":
					p, err := r.e.DB.Person(t.Context(), two)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := r.govern().SetLegalHold(t.Context(), p, false, by(r.id("9")), "investigation"); err != nil {
						t.Error(err)
					}
				}
			})
			if i < 3 {
				r.run()
			} else if _, err := r.e.RecordMoversAndErase(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := r.e.DB.Person(t.Context(), two); (err == nil) != (what != "nothing") {
				t.Errorf("after %s: %v", what, err)
			}
		})
	}
}

// wholeOnly is a target that cannot read single accounts.
type wholeOnly struct{ connectors.Connector }

func (w wholeOnly) MFAEnrolled(ctx context.Context, emit func(string, connectors.MFAMethod) error) (connectors.Completeness, error) {
	return w.Connector.(connectors.MFAReader).MFAEnrolled(ctx, emit)
}

// A run for everyone and one for few that plan the very same see each other.
func TestPlansThatLookAlike(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets = h.e.Config.Targets[:1]
	h.e.Targets["one"] = wholeOnly{h.one}
	h.hire("2 school T")
	h.settledRun()
	h.hire("1 school T", "2 school T")
	before := len(records(t, h))
	h.read(func(other *reconcile.Engine) {
		if d, err := other.ReconcilePeople(t.Context(), h.ids("1"), nil); err != nil || d[0].Err != nil {
			t.Error(d, err)
		}
	})
	h.run()
	intents := 0
	for _, r := range records(t, h)[before:] {
		switch r.Action {
		case audit.StepIntended:
			intents++
		case audit.AccessGone, audit.AccessFound:
			t.Errorf("what another run did is taken for drift: %s of %s", r.Action, r.Entitlement)
		}
	}
	if intents != 3 {
		t.Errorf("intended %d times, for 3 changes", intents)
	}
	h.nothingToDo()
}

// sessions is a target that ends sessions, or refuses to.
type sessions struct {
	*scripted
	fails bool
	ended int
}

func (s *sessions) RevokeSessions(context.Context, connectors.AccountRef) (connectors.Outcome, error) {
	if s.fails {
		return connectors.Outcome{}, connectors.Errorf(connectors.Permanent, "no")
	}
	s.ended++
	return connectors.Outcome{Status: connectors.Applied}, nil
}

// Law 8: sessions that could not be ended when the account was closed are ended
// afterwards.
func TestSessionsAreEndedAtLast(t *testing.T) {
	h := newFixture(t)
	s := &sessions{scripted: h.one, fails: true}
	h.e.Targets["one"] = s
	h.hire("1 school T", "2 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T")
	h.run()
	if len(h.failing()) != 1 || h.has("1") != "" {
		t.Errorf("failing %+v, 1 has %q", h.failing(), h.has("1"))
	}
	h.run()
	if len(h.failing()) != 1 {
		t.Errorf("failing %+v", h.failing())
	}
	s.fails = false
	h.few("1")
	if s.ended != 1 || len(h.failing()) != 0 {
		t.Errorf("ended %d times, failing %+v", s.ended, h.failing())
	}
	h.settledRun()
	if s.ended != 1 {
		t.Errorf("ended %d times", s.ended)
	}
	h.nothingToDo()
}

// Whose an account is a person says while a run is at the person: it waits for
// that, and is not overwritten.
func TestABindingIsNotOverwritten(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets = h.e.Config.Targets[:1]
	h.hire("1 school T")
	account, err := h.one.Put(connectors.Account{Name: "old", Enabled: true}, false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	other := *h.e
	bound := make(chan error, 1)
	h.one.before = func([]connectors.Change) {
		h.one.before = nil
		go func() {
			_, err := other.Bind(t.Context(), p, "one", account, store.Decision{Kind: store.BindDecision, Verdict: store.Bind, Person: p.ID, Subject: "one", Maker: "person:1", Reason: "it is theirs"})
			bound <- err
		}()
		time.Sleep(100 * time.Millisecond)
	}
	h.few("1")
	if err := <-bound; err != nil {
		t.Fatal(err)
	}
	if id, err := h.e.DB.AccountOf(t.Context(), "one", p.ID); err != nil || id != account {
		t.Errorf("somebody said %s, noted is %s, %v", account, id, err)
	}
}

// A connection breaks, and with it every lock, while a target is being changed:
// in this process no one else begins with the same people, and what was done is
// noted once.
func TestTheLocksAreLostInABatch(t *testing.T) {
	if !testenv.OnPostgres() {
		t.Setenv("BEHOV_TEST_ON", "postgres")
	}
	h := newFixture(t)
	h.e.Config.Targets = h.e.Config.Targets[:1]
	h.hire("1 school T", "2 school T")
	alive, err := h.e.DB.Locks().Try(t.Context(), "alive x")
	if err != nil {
		t.Fatal(err)
	}
	other := *h.e
	h.one.before = func([]connectors.Change) {
		h.one.before = nil
		h.raw(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
		time.Sleep(100 * time.Millisecond)
		if err := alive.Held(t.Context()); err == nil {
			t.Error("the connection did not break")
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d, err := other.ReconcilePeople(short, h.ids("1", "2"), nil); err == nil && d[0].Err == nil {
			t.Errorf("another run begins with them: %+v", d[0].Result)
		}
	}
	if _, err := h.e.ReconcilePeople(t.Context(), h.ids("1", "2"), nil); err != nil {
		t.Fatal(err)
	}
	h.settledRun()
	ended := map[string]int{}
	for _, r := range records(t, h) {
		if r.Action == audit.StepEnded {
			ended[string(r.Person)+r.Op+r.Entitlement]++
			if r.Outcome != audit.Applied {
				t.Errorf("%s: %s", r.Op, r.Outcome)
			}
		}
	}
	for what, n := range ended {
		if n > 1 {
			t.Errorf("%s ended %d times", what, n)
		}
	}
	h.nothingToDo()
}

// defective is a connector that panics.
type defective struct {
	*scripted
	when string
}

func (d defective) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	if d.when == "read" {
		panic("index out of range")
	}
	return d.scripted.Snapshot(ctx, sink)
}

func (d defective) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	if d.when == "read" {
		panic("index out of range")
	}
	return d.scripted.ReadAccounts(ctx, refs, entitlements, sink)
}

func (d defective) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	if d.when == "applied" {
		d.scripted.Apply(ctx, changes)
		panic("index out of range")
	}
	return d.scripted.Apply(ctx, changes)
}

// A connector that panics is its target's trouble, and no one else's.
func TestADefectiveConnector(t *testing.T) {
	for _, when := range []string{"read", "applied"} {
		for _, how := range []string{"everybody", "few"} {
			t.Run(when+" for "+how, func(t *testing.T) {
				h := newFixture(t)
				h.hire("1 school T")
				h.e.Targets["one"] = defective{h.one, when}
				said := ""
				if how == "few" {
					d, err := h.e.ReconcilePeople(t.Context(), h.ids("1"), nil)
					if err != nil || d[0].Err != nil {
						t.Fatal(err, d)
					}
					said = d[0].Result.Err().Error()
				} else {
					said = h.run().Err().Error()
				}
				if when == "read" && !strings.Contains(said, "its connector is defective: index out of range, at beside_test.go:") {
					t.Errorf("it says: %s", said)
				}
				if when == "read" && h.has("1") != "two/account two/lib:library" {
					t.Errorf("the other target: %s", h.has("1"))
				}
				h.e.Targets["one"] = h.one
				h.run()
				h.settledRun()
				if h.has("1") != everything {
					t.Errorf("afterwards: %s", h.has("1"))
				}
				for _, r := range records(t, h) {
					if r.Action == audit.StepEnded && r.Outcome != audit.Applied {
						t.Errorf("%s %s: %s", r.Op, r.Entitlement, r.Outcome)
					}
				}
			})
		}
	}
}

// Jobs that no one takes up, as no one serves, do not pile up: a run over
// everyone has done what they are about, and not what came while it ran.
func TestJobsOfThePastAreForgotten(t *testing.T) {
	h := newFixture(t)
	jobs := func() (n int) {
		t.Helper()
		if err := testenv.Raw(t, h.e.Config.Database).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE queue IN ('people', 'runs')`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	h.hire("1 school T")
	h.hire("1 library T")
	if n := jobs(); n != 2 {
		t.Fatalf("%d jobs", n)
	}
	h.read(func(*reconcile.Engine) { h.hire("1 school T") })
	h.run()
	if n := jobs(); n != 1 {
		t.Errorf("%d jobs, and one is about what the run did not know", n)
	}
	h.one.snapshot = connectors.Errorf(connectors.TargetDown, "nobody answers")
	h.run()
	if n := jobs(); n != 1 {
		t.Errorf("%d jobs after a run that could not read one target", n)
	}
	h.one.snapshot = nil
	h.settledRun()
	if n := jobs(); n != 0 {
		t.Errorf("%d jobs in the end", n)
	}
}

// TestADefectiveEngineIsNotBlamedOnTheConnector: a panic in behov's own work on a target
// says so, and does not end the process.
func TestADefectiveEngineIsNotBlamedOnTheConnector(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.e.Progress = func(stage string, _, _ int) {
		if stage == "apply" {
			panic("no")
		}
	}
	_, err := h.e.Run(t.Context(), reconcile.Scope{})
	if err == nil || !strings.Contains(err.Error(), "behov itself is defective, please report it: no, at beside_test.go:") || strings.Contains(err.Error(), "connector") {
		t.Errorf("it says: %v", err)
	}
	h.e.Progress = nil
	h.settledRun()
	h.nothingToDo()
}

// TestAMissingConnectorEndsNoReadingHalfway: without a connector for one of the targets
// none is read, so that no reading goes on after the run has returned.
func TestAMissingConnectorEndsNoReadingHalfway(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	delete(h.e.Targets, "two")
	if _, err := h.e.Run(t.Context(), reconcile.Scope{}); err == nil || !strings.Contains(err.Error(), "target two is not connected") {
		t.Errorf("it says: %v", err)
	}
	if h.one.snapshots > 0 {
		t.Error("the other target was read")
	}
}

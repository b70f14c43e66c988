package reconcile_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// refusing makes target one refuse to add members to a group.
func (h *fixture) refusing(group string) {
	h.one.answer = nil
	h.e.Targets["one"] = refuses{h.one, group}
}

// refuses is a target that refuses some changes and does the others.
type refuses struct {
	*scripted
	group string
}

func (r refuses) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	var results []connectors.Result
	for _, c := range changes {
		if c.Entitlement == r.group {
			results = append(results, connectors.Result{Outcome: connectors.Outcome{Status: connectors.Refused, Detail: "insufficient access"}})
			continue
		}
		results = append(results, r.scripted.Apply(ctx, []connectors.Change{c})...)
	}
	return results
}

func (h *fixture) failing() []store.FailingStep {
	h.t.Helper()
	f, err := h.e.DB.FailingSteps(h.t.Context(), "", store.Everyone())
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// TestAFailingStepIsParked: a step that a target refuses is tried again, later
// each time, then parked; the rest goes on, and when it is done it is
// forgotten.
func TestAFailingStepIsParked(t *testing.T) {
	h := newFixture(t)
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	h.e.Now, h.e.RetryAllSteps = func() time.Time { return now }, false
	h.hire("1 school T")
	h.refusing("school")
	var waits []time.Duration
	for try := 1; try <= 8; try++ {
		h.run()
		f := h.failing()
		if len(f) != 1 || f[0].Tries != try || testenv.Words(f[0].Detail) != "insufficient access" || f[0].Outcome != audit.Refused {
			t.Fatalf("after %d tries: %+v", try, f)
		}
		if try == 8 {
			break
		}
		if f[0].State != store.Trying {
			t.Errorf("after %d tries it is %s", try, f[0].State)
		}
		waits = append(waits, f[0].Next().Sub(now))
		now = f[0].Next().Add(-time.Second)
		if r := h.run(); len(r.Outcomes) > 0 || len(r.Plan.SkippedSteps) != 1 || !strings.Contains(testenv.Words(r.Plan.SkippedSteps[0].Why), "it is tried again at") {
			t.Errorf("before it is due: %v %+v", r.Outcomes, r.Plan.SkippedSteps)
		}
		now = f[0].Next()
	}
	if waits[0] < 8*time.Second || waits[0] > 12*time.Second || waits[6] < 3*time.Hour || !slices.IsSorted(waits) {
		t.Errorf("it waited %v", waits)
	}
	f := h.failing()[0]
	if f.State != store.Parked || f.NextUS != 0 {
		t.Errorf("in the end: %+v", f)
	}
	if got := h.has("1"); got != "one/account one/base:staff two/account two/lib:library" {
		t.Errorf("the rest: %q", got)
	}
	parked := slices.DeleteFunc(records(t, h), func(r audit.Record) bool { return r.Action != audit.StepParked })
	if len(parked) != 1 || !strings.Contains(testenv.Words(parked[0].Reason), "insufficient access") {
		t.Errorf("the trail says %+v", parked)
	}
	now = now.AddDate(0, 0, 30)
	h.e.RetryAllSteps = true
	if r := h.run(); len(r.Outcomes) > 0 || len(r.Plan.SkippedSteps) != 1 || !strings.Contains(testenv.Words(r.Plan.SkippedSteps[0].Why), "behov steps retry "+string(f.Key)) {
		t.Errorf("a month later: %v %+v", r.Outcomes, r.Plan.SkippedSteps)
	}
	h.refusing("")
	if err := h.e.DB.Write(t.Context(), func(tx *store.Tx) error { f.State = store.Trying; return tx.PutFailingStep(t.Context(), f, now) }); err != nil {
		t.Fatal(err)
	}
	h.settledRun()
	if f := h.failing(); len(f) > 0 || h.has("1") != everything {
		t.Errorf("done, and still %+v, has %s", f, h.has("1"))
	}
}

// What takes something away is never left to wait for a person alone.
func TestWhatTakesAwayIsTriedEveryDay(t *testing.T) {
	h := newFixture(t)
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	h.e.Now, h.e.RetryAllSteps = func() time.Time { return now }, false
	h.hire("1 school T")
	h.settledRun()
	h.hire("1 library T")
	h.refusing("school")
	for range 8 {
		h.run()
		now = h.failing()[0].Next()
	}
	f := h.failing()[0]
	if f.State != store.Parked || f.Next().Sub(f.Last()) != 24*time.Hour {
		t.Errorf("%+v", f)
	}
	h.refusing("")
	h.settledRun()
	if got := h.has("1"); got != "one/account one/base:staff two/account two/lib:library" || len(h.failing()) > 0 {
		t.Errorf("the next day: %q, %+v", got, h.failing())
	}
}

// A failing step that no one needs any more is forgotten, one with another
// value is another step, and what a person gave up is not tried.
func TestFailingStepsOfThePast(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.refusing("school")
	h.run()
	if n := len(h.failing()); n != 2 {
		t.Fatalf("%d fail", n)
	}
	h.hire("1 library T", "2 school T")
	h.few("1")
	if f := h.failing(); len(f) != 1 || f[0].Person != h.ids("2")[0] {
		t.Errorf("1 needs it no more: %+v", f)
	}
	f := h.failing()[0]
	f.State = store.GivenUp
	if err := h.e.DB.Write(t.Context(), func(tx *store.Tx) error { return tx.PutFailingStep(t.Context(), f, time.Time{}) }); err != nil {
		t.Fatal(err)
	}
	h.refusing("")
	if r := h.settledRun(); len(r.Outcomes) > 0 || !strings.Contains(testenv.Words(r.Plan.SkippedSteps[0].Why), "it was given up") {
		t.Errorf("given up: %v %+v", r.Outcomes, r.Plan.SkippedSteps)
	}
}

// TestPauseStopsARunUnderWay: from the next batch on, in every target.
func TestPauseStopsARunUnderWay(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets = h.e.Config.Targets[:1]
	h.hire("1 school T", "2 school T")
	pause := func(verdict store.Verdict, subject string) {
		t.Helper()
		if err := h.e.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Decide(t.Context(), store.Decision{Kind: store.PauseDecision, Verdict: verdict, Subject: store.TargetSubject(subject), Maker: "person:x", Reason: "stop"}, time.Now())
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	h.one.before = func([]connectors.Change) {
		h.one.before = nil
		pause(store.Pause, store.EveryTarget)
	}
	r := h.run()
	if r.Outcomes[audit.Applied] != 2 || r.Outcomes["not-tried"] != 4 || !strings.Contains(testenv.Words(r.NotDone[0].Detail), "paused by decision") {
		t.Errorf("outcomes %v, %+v", r.Outcomes, r.NotDone)
	}
	h.hire("1 school T 2020-12-31", "2 school T")
	check := func(what string, steps, waits int) {
		t.Helper()
		p, err := h.e.Plan(t.Context(), reconcile.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, w := range p.AwaitingCompleteRead {
			n += len(w.Steps)
		}
		if len(p.Steps) != steps || n != waits || (waits > 0) != (p.Status() == plan.Held) {
			t.Errorf("%s: %v, waits %d", what, opsOf(p.Steps), n)
		}
	}
	check("paused", 0, 3)
	pause(store.PauseExceptLeavers, store.EveryTarget)
	check("except for leavers", 1, 2)
	pause(store.Pause, "one")
	check("and the target by itself", 0, 3)
	pause(store.Resume, store.EveryTarget)
	check("the target alone", 0, 3)
	pause(store.Resume, "one")
	check("resumed", 3, 0)
	h.settledRun()
	h.nothingToDo()
}

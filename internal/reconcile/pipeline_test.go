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
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// outcomes counts the steps that create accounts in a target, by outcome.
func (h *fixture) outcomes(target string) (intended int, ended map[string]int) {
	h.t.Helper()
	ended = map[string]int{}
	for r, err := range h.e.DB.AuditRecords(h.t.Context(), store.Everyone()) {
		if err != nil {
			h.t.Fatal(err)
		}
		switch {
		case r.Target != target || r.Op != string(connectors.CreateAccount):
		case r.Action == audit.StepIntended:
			intended++
		case r.Action == audit.StepEnded:
			ended[string(r.Outcome)]++
		}
	}
	return intended, ended
}

// many hires so many people.
func (h *fixture) many(n int) {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("%d school T", i+1))
	}
	h.hire(lines...)
}

// TestATargetThatGoesDownIsNotAskedAgain: a batch that was intended while the target
// worked on the one before, and went down, is recorded as not done; what it was asked
// is not known; and the next run does all that is left, once.
func TestATargetThatGoesDownIsNotAskedAgain(t *testing.T) {
	h := newFixture(t)
	h.many(900)
	h.one.answer = func(r connectors.Result) connectors.Result {
		if h.one.calls == 2 {
			return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the cable is out")}
		}
		return r
	}
	r, err := h.e.Run(t.Context(), reconcile.Scope{})
	if err != nil || r.Unavailable["one"] == "" {
		t.Fatalf("%v, down: %v", err, r.Unavailable)
	}
	if h.one.calls != 2 {
		t.Errorf("the target was asked %d times, want 2", h.one.calls)
	}
	intended, ended := h.outcomes("one")
	open, err := h.e.DB.OpenSteps(t.Context(), "one", store.Everyone())
	if err != nil {
		t.Fatal(err)
	}
	if intended != 600 || ended[audit.Applied] != 200 || ended[audit.NotDone] != 200 || len(open) != 200 {
		t.Errorf("%d intended, ended %v, %d open; want 600, 200 applied, 200 not done, 200 open", intended, ended, len(open))
	}
	h.one.answer = nil
	h.settledRun()
	h.nothingToDo()
	if h.one.created != 900 {
		t.Errorf("%d accounts were created, want 900", h.one.created)
	}
	if _, err := h.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAStopTakesBackWhatWasNotAsked: a run that is stopped says so, and leaves no step
// open that the target was never asked for.
func TestAStopTakesBackWhatWasNotAsked(t *testing.T) {
	const people = 600
	h := newFixture(t)
	h.many(people)
	ctx, cancel := context.WithCancel(t.Context())
	h.one.before = func([]connectors.Change) {
		if h.one.calls != 2 {
			return
		}
		defer cancel()
		for range 3000 { // until the next batch is intended beside this one
			if open, err := h.e.DB.OpenSteps(context.Background(), "one", store.Everyone()); err != nil || len(open) == 400 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	_, err := h.e.Run(ctx, reconcile.Scope{Targets: []string{"one"}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped before 1400 of 1800 steps") { // an account and two memberships each
		t.Errorf("%v, want that it stopped before all but two batches", err)
	}
	if intended, ended := h.outcomes("one"); ended[audit.NotDone] != 200 || intended != 600 {
		t.Errorf("%d intended, ended %v", intended, ended)
	}
	h.one.before = nil
	h.settledRun()
	h.nothingToDo()
	if h.one.created != people {
		t.Errorf("%d accounts were created, want %d", h.one.created, people)
	}
}

// TestDoneIsWhatWasDone: of a run that was stopped Done has the steps that were done, and
// no others.
func TestDoneIsWhatWasDone(t *testing.T) {
	h := newFixture(t)
	h.many(500)
	ctx, stop := context.WithCancel(t.Context())
	h.one.before = func([]connectors.Change) {
		if h.one.calls == 2 {
			stop()
		}
	}
	r, err := h.e.Run(ctx, reconcile.Scope{})
	if !errors.Is(err, context.Canceled) || r == nil {
		t.Fatalf("%v, %v", r, err)
	}
	want := r.Outcomes[audit.Applied] + r.Outcomes[audit.AlreadyApplied]
	if done := r.Done(); want == 0 || len(done) != want || len(done) == len(r.Plan.Steps) {
		t.Errorf("%d steps were done of %d, want %d; outcomes %v", len(done), len(r.Plan.Steps), want, r.Outcomes)
	}
}

package reconcile_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// Law 7: a mover loses the old access in the same run that gives the new.
func TestAMoverLosesTheOldAccessAtOnce(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	h.hire("1 library T")
	r := h.settledRun()
	if got := opsOf(r.Plan.Steps); !slices.Equal(got, []string{"one remove-member base:school"}) {
		t.Errorf("steps are %v", got)
	}
	if !strings.Contains(testenv.Words(r.Plan.Steps[0].Reason), "it was given by rule school@") {
		t.Errorf("the reason is %q", r.Plan.Steps[0].Reason)
	}
	if got := h.has("1"); got != "one/account one/base:staff two/account two/lib:library" {
		t.Errorf("has %s", got)
	}
}

// Law 8: of a leaver the sessions end first, then the account is disabled, then
// the memberships go.
func TestALeaverIsSignedOutFirst(t *testing.T) {
	h := newFixture(t)
	with := &withSessions{scripted: h.one}
	h.e.Targets["one"] = with
	h.hire("1 school T")
	h.settledRun()
	with.asked = nil
	h.hire("1 school T 2020-12-31")
	h.settledRun()
	if want := []connectors.Op{plan.RevokeSessions, connectors.DisableAccount, connectors.RemoveMember, connectors.RemoveMember}; !slices.Equal(with.asked, want) {
		t.Errorf("asked for %v, want %v", with.asked, want)
	}
	if got := h.has("1"); got != "" {
		t.Errorf("has %s", got)
	}
}

// Laws 8 and 9: a joiner can use nothing before the first day, and the day
// begins at midnight where the organisation is.
func TestAJoinerComesInOnTheFirstDay(t *testing.T) {
	h := newFixture(t) // Europe/Stockholm is an hour ahead of UTC on this day
	now := time.Date(2019, 12, 31, 22, 59, 0, 0, time.UTC)
	h.e.Now = func() time.Time { return now }
	h.hire("1 school T")
	if r := h.settledRun(); !slices.Equal(opsOf(r.Plan.Steps), []string{"one prepare-account", "two prepare-account"}) || h.has("1") != "" {
		t.Errorf("a minute before: steps %v, has %s", opsOf(r.Plan.Steps), h.has("1"))
	}
	now = now.Add(time.Minute)
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("on the day: has %s", h.has("1"))
	}
}

// A refusal is told once a run, with the target's own reason, and what depends
// on it is not tried.
func TestARefusalIsToldAndWhatDependsOnItIsNotTried(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.refuse = "the login name is too long"
	r := h.run()
	if err := r.Err(); !errors.Is(err, execute.ErrSomeFailed) || !strings.Contains(err.Error(), "3 were refused, failed or not tried") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
	if h.one.calls != 1 || r.Outcomes[audit.Refused] != 1 || r.Outcomes["not-tried"] != 2 || r.Outcomes[audit.Applied] != 2 {
		t.Errorf("%d calls, outcomes %v", h.one.calls, r.Outcomes)
	}
	for _, u := range r.NotDone {
		if u.Outcome == audit.Refused && (u.Step.Op != connectors.CreateAccount || testenv.Words(u.Detail) != "the login name is too long") {
			t.Errorf("refused: %+v", u)
		}
	}
	var ended []audit.Record
	for _, record := range records(t, h) {
		if record.Target == "one" && record.Action == audit.StepEnded {
			ended = append(ended, record)
		}
	}
	if len(ended) != 1 || ended[0].Outcome != audit.Refused || !strings.Contains(testenv.Words(ended[0].Reason), "the login name is too long") {
		t.Errorf("the trail tells %+v", ended)
	}
	h.one.refuse = ""
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("has %s", h.has("1"))
	}
}

// later is a target that always would rather do it later.
func later(after time.Duration) func(connectors.Result) connectors.Result {
	return func(connectors.Result) connectors.Result {
		return connectors.Result{Err: &connectors.Error{Class: connectors.RetryLater, RetryAfter: after, Err: errors.New("busy")}}
	}
}

// A target that is always busy is asked a few times, waiting in between for as
// long as it asked or longer, and then left to the next run.
func TestABusyTargetIsNotAskedForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		h.e.Now = func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
		h.hire("1 school T")
		h.one.answer = later(10 * time.Second)
		began := time.Now()
		r := h.run()
		if waited := time.Since(began); h.one.calls != 4 || waited != 30*time.Second {
			t.Errorf("asked %d times in %s", h.one.calls, waited)
		}
		if r.Outcomes["unknown"] != 1 || r.NotDone[0].Step.Target != "one" || r.Unavailable["one"] != "busy" || r.RetryAfter["one"] != 10*time.Second {
			t.Errorf("outcomes %v, undone %+v, down %v", r.Outcomes, r.NotDone, r.Unavailable)
		}
		h.one.answer = nil
		if h.settledRun(); h.has("1") != everything {
			t.Errorf("has %s", h.has("1"))
		}
	})
}

// A target that asks for longer than a run waits is left to the next run at
// once.
func TestATargetThatAsksForAnHourIsLeftAlone(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.answer = later(time.Hour)
	if r := h.run(); h.one.calls != 1 || r.Err() == nil {
		t.Errorf("asked %d times, %v", h.one.calls, r.Err())
	}
}

// A target that goes down in the middle is not asked again in that run, and
// what it had not answered is not guessed at.
func TestATargetThatGoesDownIsLeftAlone(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.answer = func(r connectors.Result) connectors.Result {
		if h.one.calls == 1 {
			return r
		}
		return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "reset by peer")}
	}
	r := h.run()
	if h.one.calls != 2 || !strings.Contains(r.Unavailable["one"], "reset by peer") || r.Outcomes["unknown"] != 2 {
		t.Errorf("%d calls, down %v, outcomes %v", h.one.calls, r.Unavailable, r.Outcomes)
	}
	open, err := h.e.DB.OpenSteps(t.Context(), "one", store.Everyone())
	if err != nil || len(open) != 2 {
		t.Errorf("%d steps are open, %v", len(open), err)
	}
	h.one.answer = nil
	if r := h.settledRun(); len(r.Plan.Steps) != 0 || r.Resolved[audit.Applied] != 2 || h.has("1") != everything {
		t.Errorf("then: steps %v, settled %v, has %s", opsOf(r.Plan.Steps), r.Resolved, h.has("1"))
	}
}

// Law 5: what was done and could not be recorded is found out by the next run,
// and not done again.
func TestAnOutcomeThatCouldNotBeRecordedIsFoundOut(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	room := h.noRoom("DELETE", "open_step")
	if _, err := h.e.Run(t.Context(), reconcile.Scope{}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("error is %v", err)
	}
	if h.one.calls != 1 {
		t.Errorf("the target was asked %d times with a disk that is full", h.one.calls)
	}
	room()
	again := 0
	h.one.before = func(changes []connectors.Change) {
		for _, c := range changes {
			if c.Op == connectors.CreateAccount {
				again++
			}
		}
	}
	r := h.settledRun()
	if again > 0 || r.Resolved[audit.Applied] != 2 || h.has("1") != everything {
		t.Errorf("created again %d times, settled %v, has %s", again, r.Resolved, h.has("1"))
	}
	if s, err := h.e.DB.VerifyAudit(t.Context()); err != nil || len(s.OpenSteps) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Law 5: an impatient operator stops a run between two batches; what was done is
// recorded, and the next run finishes the work.
func TestAStoppedRunRecordsWhatItDid(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	ctx, stop := context.WithCancel(t.Context())
	h.one.answer = func(r connectors.Result) connectors.Result {
		stop()
		return r
	}
	if _, err := h.e.Run(ctx, reconcile.Scope{}); !errors.Is(err, context.Canceled) || h.one.calls != 1 {
		t.Errorf("error is %v, %d calls", err, h.one.calls)
	}
	h.one.answer = nil
	open, err := h.e.DB.OpenSteps(t.Context(), "one", store.Everyone())
	if err != nil || len(open) > 0 || len(h.accounts(h.one, h.person("1"))) != 1 {
		t.Errorf("open %+v, %v", open, err)
	}
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("has %s", h.has("1"))
	}
}

// A connector that does not answer every change is not believed at all.
func TestADefectiveConnectorIsNotBelieved(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.e.Targets["one"] = silent{h.one}
	r := h.run()
	if r.Outcomes["unknown"] != 1 || !slices.ContainsFunc(r.NotDone, func(u execute.StepResult) bool {
		return strings.Contains(testenv.Words(u.Detail), "answered 1 changes with 0 results: its connector is defective")
	}) {
		t.Errorf("outcomes %v, undone %+v", r.Outcomes, r.NotDone)
	}
	h.e.Targets["one"] = h.one
	h.one.answer = func(r connectors.Result) connectors.Result {
		r.Status = "perhaps"
		return r
	}
	if r := h.run(); r.Outcomes[audit.Applied] != 0 || !slices.ContainsFunc(r.NotDone, func(u execute.StepResult) bool {
		return strings.Contains(testenv.Words(u.Detail), `unknown status "perhaps"`)
	}) {
		t.Errorf("outcomes %v, undone %+v", r.Outcomes, r.NotDone)
	}
}

// silent does nothing and says nothing.
type silent struct{ *scripted }

func (silent) Apply(context.Context, []connectors.Change) []connectors.Result { return nil }

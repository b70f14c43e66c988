package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// withPasses is a target that issues temporary access passes.
type withPasses struct {
	*scripted
	valid map[string]bool // by account ID
	fails bool
}

func (w *withPasses) IssuePass(_ context.Context, account connectors.AccountRef, valid time.Duration) (connectors.Pass, error) {
	if w.fails {
		return connectors.Pass{}, connectors.Errorf(connectors.Permanent, "not allowed by policy")
	}
	w.valid[account.ID] = true
	return connectors.Pass{Code: "secret-pass", Expires: time.Now().Add(valid)}, nil
}

func (w *withPasses) WithdrawPass(_ context.Context, account connectors.AccountRef) (connectors.Outcome, error) {
	if !w.valid[account.ID] {
		return connectors.Outcome{Status: connectors.AlreadyApplied}, nil
	}
	delete(w.valid, account.ID)
	return connectors.Outcome{Status: connectors.Applied}, nil
}

// A pass is recorded and its code is not; no one who does not work here gets
// one; one that cannot be recorded is withdrawn.
func TestPasses(t *testing.T) {
	h := newFixture(t)
	w := &withPasses{scripted: h.one, valid: map[string]bool{}}
	h.e.Targets["one"] = w
	g := h.governance()
	h.hire("1 school T", "2 school T 2020-12-31", "3 school T")
	anna, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "first day"); err == nil || !strings.Contains(err.Error(), `"code":"no-account"`) {
		t.Errorf("without an account: %v", err)
	}
	h.settledRun()
	pass, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "first day")
	if err != nil || pass.Code != "secret-pass" || len(w.valid) != 1 {
		t.Fatalf("%+v, %v", pass, err)
	}
	if h.told(audit.PassIssued) != 1 {
		t.Error("the pass is not in the trail")
	}
	for _, r := range records(t, h) {
		if strings.Contains(r.Reason.JSON()+string(r.Payload), "secret-pass") {
			t.Errorf("the code is in the trail: %+v", r)
		}
	}
	for _, want := range []bool{true, false} {
		if withdrawn, err := g.WithdrawPass(t.Context(), h.e, anna, h.decider(), "wrong number"); err != nil || withdrawn != want {
			t.Errorf("%v, %v", withdrawn, err)
		}
	}
	// What was intended stands before the target was asked: also of what it refused.
	w.fails = true
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "first day"); err == nil {
		t.Error("a pass that is refused is issued")
	}
	w.fails = false
	all := records(t, h)
	if last, before := all[len(all)-1], all[len(all)-2]; last.Action != audit.PassIssued || last.Outcome != audit.Refused || before.Action != audit.DecisionMade || before.Outcome != audit.Outcome(store.Issue) {
		t.Errorf("of a refused pass the trail says %+v, %+v", before, last)
	}
	left, err := h.e.DB.FindPerson(t.Context(), "2", "hr")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.IssuePass(t.Context(), h.e, left, time.Hour, h.decider(), "x"); err == nil || !strings.Contains(err.Error(), `{"code":"employment-ended","last":"2020-12-31"}`) {
		t.Errorf("a leaver: %v", err)
	}
	w.fails = true
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "x"); err == nil || !strings.Contains(err.Error(), "target one: not allowed by policy") {
		t.Errorf("a pass that is refused: %v", err)
	}
	w.fails = false
	h.decider() // is imported while there is room
	h.noRoom("INSERT", "audit_record")
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "x"); err == nil || len(w.valid) != 0 {
		t.Errorf("a pass that cannot be recorded: %v, %v", err, w.valid)
	}
	h.e.Targets["one"] = h.one
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "x"); err == nil || !strings.Contains(testenv.ErrorText(err), "has no temporary access passes") {
		t.Errorf("a target without passes: %v", err)
	}
}

// A first password that got lost with the answer is told of.
func TestALostFirstPasswordIsTold(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.e.Config.Targets[0].FirstPassword = config.FirstPassword{Directory: "somewhere"}
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the connection broke")}
	}
	h.run()
	h.one.answer = nil
	if r := h.settledRun(); len(r.Notes) != 1 || !strings.Contains(testenv.Words(r.Notes[0].Detail), "set another one") {
		t.Errorf("notes %+v", r.Notes)
	}
}

// What a target has to say of a step that it did is told and recorded.
func TestANoteOnWhatWasDoneIsTold(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.answer = func(r connectors.Result) connectors.Result {
		if r.AccountID != "" {
			r.Detail = "the first password was not handed over"
		}
		return r
	}
	r := h.settledRun()
	if len(r.Notes) != 1 || testenv.Words(r.Notes[0].Detail) != "the first password was not handed over" || len(r.NotDone) > 0 {
		t.Errorf("notes %+v, undone %+v", r.Notes, r.NotDone)
	}
	n := 0
	for _, record := range records(t, h) {
		if strings.HasSuffix(testenv.Words(record.Reason), "; the first password was not handed over") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d records tell of it", n)
	}
}

package reconcile_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// saved makes a plan, and takes it through a file.
func (h *fixture) saved(o reconcile.Scope) *plan.Plan {
	h.t.Helper()
	p, err := h.e.Plan(h.t.Context(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	return reread(h.t, p, "", "")
}

// reread writes a plan as JSON, changes the text, and reads it.
func reread(t *testing.T, p *plan.Plan, old, text string) *plan.Plan {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("the plan has no %s: %s", old, b)
	}
	var again plan.Plan
	if err := json.Unmarshal([]byte(strings.Replace(string(b), old, text, 1)), &again); err != nil {
		t.Fatal(err)
	}
	return &again
}

// Law 2: a plan that was saved is carried out as it is, once.
func TestASavedPlanIsCarriedOutOnce(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	p := h.saved(reconcile.Scope{})
	if r, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p}); err != nil || r.Err() != nil || r.Plan.Digest != p.Digest || h.has("1") != everything {
		t.Fatalf("%v, %+v, has %s", err, r, h.has("1"))
	}
	calls := h.one.calls
	var moved *reconcile.StalePlanError
	if _, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p}); !errors.As(err, &moved) || !slices.Equal(moved.Changes, []string{"target one changed", "target two changed"}) || h.one.calls != calls {
		t.Errorf("the second time: %v", err)
	}
}

// Law 2: an approval covers what the digest names. Each kind of movement is
// refused, by name, and nothing is touched or recorded.
func TestASavedPlanIsRefusedWhenTheWorldMoved(t *testing.T) {
	for _, c := range []struct {
		want string
		move func(h *fixture)
	}{
		{"1 HR events were recorded", func(h *fixture) { h.hire("1 school T", "2 school T") }},
		{"1 decisions were made", func(h *fixture) { h.review(store.Keep) }},
		{"target two changed", func(h *fixture) { h.put(h.two, connectors.Account{Name: "x"}) }},
		{"the rules, the catalogue or the units changed", func(h *fixture) { h.e.Config.Rules.Digest += "x" }},
		{"today is 2030-01-02", func(h *fixture) {
			h.e.Now = func() time.Time { return time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC) }
		}},
		{"MFA enrolment, a release, a limit or the attribute mapping changed", func(h *fixture) { h.e.Config.Targets[0].Attributes = nil }},
	} {
		h := gifted(t) // so that there is something to review
		// A person wiped the mail address, so that there is something to do.
		account := h.accounts(h.one, h.person("1"))[0]
		account.Attributes = nil
		h.put(h.one, account)
		p := h.saved(reconcile.Scope{})
		if !slices.Equal(opsOf(p.Steps), []string{"one update-account"}) {
			t.Fatalf("steps are %v", opsOf(p.Steps))
		}
		c.move(h)
		calls, before := h.one.calls+h.two.calls, len(records(t, h))
		_, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p})
		var moved *reconcile.StalePlanError
		if !errors.As(err, &moved) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error is %v, want %q", err, c.want)
		}
		if h.one.calls+h.two.calls != calls || len(records(t, h)) != before {
			t.Errorf("%s: something was done or recorded", c.want)
		}
	}
}

// Law 2: a plan that a person edited is refused before anything is read.
func TestAnEditedPlanIsRefused(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	p := h.saved(reconcile.Scope{})
	for _, edit := range [][2]string{
		{`"native":"school"`, `"native":"secret"`},
		{`"rule":"school"`, `"rule":"by-order"`},
		{`"digest":"`, `"digest":"0`},
		{`"events":`, `"events":1`},
	} {
		if _, err := h.e.Run(t.Context(), reconcile.Scope{Saved: reread(t, p, edit[0], edit[1])}); err == nil || !strings.Contains(err.Error(), "the plan was changed after it was made") || h.one.calls > 0 {
			t.Errorf("%s: %v", edit[1], err)
		}
	}
}

// A preview of another day cannot be carried out today.
func TestAPreviewIsNotCarriedOut(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	if _, err := h.e.Run(t.Context(), reconcile.Scope{Saved: h.saved(reconcile.Scope{AsOf: "2031-01-01"})}); err == nil || !strings.Contains(err.Error(), "it was made for 2031-01-01 and today is") || h.one.calls > 0 {
		t.Errorf("error is %v", err)
	}
}

// A plan for one person touches no one else, whatever else there is to do.
func TestAPlanForOnePersonTouchesNoOneElse(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets[0].Limits[blastradius.Removals] = blastradius.Limit{People: 5, Share: -1}
	h.hire("1 school T", "2 school S", "3 school T")
	h.settledRun()
	h.hire("1 library T", "2 library S", "3 school T 2020-12-31", "4 school S")
	p := h.saved(reconcile.Scope{Person: h.person("1")})
	for _, s := range p.Steps {
		if s.Person != h.person("1") {
			t.Errorf("there is a step for %s", s.Person)
		}
	}
	waiting := h.told("grant.waiting")
	if _, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"1": usual, "2": everything, "3": everything, "4": ""} {
		if got := h.has(key); got != want {
			t.Errorf("%s has %q, want %q", key, got, want)
		}
	}
	if h.told("grant.waiting") != waiting || h.told("grant.ready") > 0 {
		t.Error("something is told of grants of others")
	}
	// Everyone's turn: nothing was forgotten.
	h.settledRun()
	for key, want := range map[string]string{"1": usual, "2": usual, "3": "", "4": everything} {
		if got := h.has(key); got != want {
			t.Errorf("in the end %s has %q, want %q", key, got, want)
		}
	}
}

// TestASavedPlanIsCarriedOutWithoutAProof: carrying out a saved plan does not first try
// how a target disables, which would make it another plan than the saved one.
func TestASavedPlanIsCarriedOutWithoutAProof(t *testing.T) {
	h := newFixture(t)
	h.e.Targets["one"] = &letsIn{scripted: h.one, verdict: connectors.SignInRefused}
	h.hire("1 school T")
	p := h.saved(reconcile.Scope{})
	if _, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p}); err != nil || h.has("1") != everything {
		t.Errorf("%v, 1 has %q", err, h.has("1"))
	}
}

// TestARunForAnotherDayIsRefused: what a person will need is shown and not done.
func TestARunForAnotherDayIsRefused(t *testing.T) {
	h := newFixture(t)
	h.hire("1 library T")
	if _, err := h.e.Run(t.Context(), reconcile.Scope{AsOf: "2031-01-01"}); err == nil || h.one.calls > 0 {
		t.Errorf("%v, %d calls", err, h.one.calls)
	}
}

package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/testenv"
)

// Law 3: on the strength of a reading that broke off no one loses anything;
// what waits is listed, and what is to be given is given.
func TestRemovalsWaitForACompleteReading(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 library T", "3 school T")
	h.e.Targets["one"] = &brokenOff{scripted: h.one}
	r := h.settledRun()
	if r.Plan.Status() != plan.Held || len(r.Plan.AwaitingCompleteRead) != 1 {
		t.Fatalf("status %v, waits %+v", r.Plan.Status(), r.Plan.AwaitingCompleteRead)
	}
	wait := r.Plan.AwaitingCompleteRead[0]
	want := []string{"one disable-account", "one remove-member base:school", "one remove-member base:school", "one remove-member base:staff"}
	got := opsOf(wait.Steps)
	slices.Sort(got)
	if wait.Target != "one" || !strings.Contains(testenv.Words(wait.Why), "page 2 of 3 did not come") || !slices.Equal(got, want) {
		t.Errorf("in %s wait %v, because %s", wait.Target, got, wait.Why)
	}
	if got := h.has("1"); got != "one/account one/base:school one/base:staff" {
		t.Errorf("the leaver has %s", got)
	}
	if got := h.has("2"); got != everything {
		t.Errorf("the mover has %s", got)
	}
	if got := h.has("3"); got != everything {
		t.Errorf("the joiner has %s", got)
	}
	h.e.Targets["one"] = h.one
	h.settledRun()
	if h.has("1") != "" || h.has("2") != "one/account one/base:staff two/account two/lib:library" {
		t.Errorf("read completely, the leaver has %q and the mover %q", h.has("1"), h.has("2"))
	}
}

// Law 3: an account that a broken reading lacks is not made a second time, its
// person still gets what is new, and nothing is said to be gone.
func TestAnAccountThatWasNotSeenIsNotMadeTwice(t *testing.T) {
	h := newFixture(t)
	h.hire("1 library T", "2 school T")
	h.settledRun()
	h.hire("1 school T", "2 school T")
	h.e.Targets["one"] = &brokenOff{scripted: h.one, lacks: h.accounts(h.one, h.person("1"))[0].ID}
	r := h.settledRun()
	if got := opsOf(r.Plan.Steps); !slices.Contains(got, "one add-member base:school") || slices.Contains(got, "one create-account") {
		t.Errorf("steps are %v", got)
	}
	if n := h.told(audit.AccessGone); n > 0 {
		t.Errorf("%d accesses are said to be gone", n)
	}
	if got := h.has("1"); got != everything {
		t.Errorf("has %s", got)
	}
}

// Law 8: a mover or leaver whose access is in two targets loses it where it
// can be read, while the other is named.
func TestAnUnreadableTargetIsNamedAndDelaysNoOneElsewhere(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31")
	h.two.snapshot = connectors.Errorf(connectors.TargetDown, "no route to two")
	p, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil || !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == plan.Unreachable && f.Target == "two" }) {
		t.Errorf("the plan finds %+v, %v", p.Findings, err)
	}
	calls := h.two.calls
	r := h.run()
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "target two could not be read (no route to two)") {
		t.Errorf("error is %v", err)
	}
	if h.two.calls != calls {
		t.Error("the target that could not be read was written to")
	}
	h.two.snapshot = nil
	if got := h.has("1"); got != "two/account two/lib:library" {
		t.Errorf("has %s", got)
	}
	h.settledRun()
	if got := h.has("1"); got != "" {
		t.Errorf("in the end has %s", got)
	}
}

package reconcile_test

import (
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

const usual = "one/account one/base:staff two/account two/lib:library"

// gifted is a fixture in which an operator gave person 1, in the target itself, an
// entitlement that no rule gives; person 2 reviews.
func gifted(t *testing.T) *fixture {
	h := newFixture(t)
	h.hire("1 library T", "2 school T")
	h.settledRun()
	h.behind(h.one, connectors.AddMember, h.accounts(h.one, h.person("1"))[0].ID, "school")
	r := h.settledRun()
	if !finding(r.Plan, plan.Drift, h.person("1")) || h.told(audit.AccessFound) != 1 || h.has("1") != everything {
		t.Fatalf("the gift: findings %+v, has %s", r.Plan.Findings, h.has("1"))
	}
	return h
}

// review answers for person 1's base:school.
func (h *fixture) review(verdict store.Verdict) {
	h.t.Helper()
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	asked, err := g.StartReview(h.t.Context(), governance.Review{Scope: store.SystemScope, Of: "base", All: true}, by(h.person("2")))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, item := range asked.Items {
		if item.Person != h.person("1") || item.Entitlement != "base:school" {
			continue
		}
		if _, err := g.DecideItem(h.t.Context(), item.Ref(), governance.Answer{Verdict: verdict, Reason: "looked at it"}, by(h.person("2"))); err != nil {
			h.t.Fatal(err)
		}
		return
	}
	h.t.Fatalf("nobody is asked about it: %+v", asked.Items)
}

// Law 6: what was given in the target is left; revoked by its owner it goes,
// and should a person give it again it goes again.
func TestAGiftThatIsRevokedGoes(t *testing.T) {
	h := gifted(t)
	h.review(store.Revoke)
	if h.settledRun(); h.has("1") != usual {
		t.Errorf("has %s", h.has("1"))
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 || finding(r.Plan, plan.Drift, h.person("1")) {
		t.Errorf("and then: steps %v, findings %+v", opsOf(r.Plan.Steps), r.Plan.Findings)
	}
	h.behind(h.one, connectors.AddMember, h.accounts(h.one, h.person("1"))[0].ID, "school")
	if h.settledRun(); h.has("1") != usual {
		t.Errorf("given again, has %s", h.has("1"))
	}
}

// Law 6: kept by its owner it stays and is reported no more; should it go
// behind our back, that is not undone, as no rule gives it.
func TestAGiftThatIsKeptStays(t *testing.T) {
	h := gifted(t)
	h.review(store.Keep)
	if r := h.settledRun(); len(r.Plan.Steps) > 0 || finding(r.Plan, plan.Drift, h.person("1")) || h.has("1") != everything {
		t.Errorf("steps %v, findings %+v, has %s", opsOf(r.Plan.Steps), r.Plan.Findings, h.has("1"))
	}
	h.behind(h.one, connectors.RemoveMember, h.accounts(h.one, h.person("1"))[0].ID, "school")
	if h.settledRun(); h.has("1") != usual || h.told(audit.AccessGone) != 1 {
		t.Errorf("has %s, %d told to be gone", h.has("1"), h.told(audit.AccessGone))
	}
}

// A gift does not outlive the last employment.
func TestAGiftGoesWithTheLeaver(t *testing.T) {
	for _, verdict := range []store.Verdict{"", store.Keep} {
		h := gifted(t)
		if verdict != "" {
			h.review(verdict)
		}
		h.hire("1 library T 2020-12-31", "2 school T")
		if h.settledRun(); h.has("1") != "" {
			t.Errorf("verdict %q: the leaver has %s", verdict, h.has("1"))
		}
	}
}

// What is seen is told once: a second run that sees the same adds nothing.
func TestDriftIsToldOnce(t *testing.T) {
	h := gifted(t)
	before := len(records(t, h))
	for range 2 {
		h.settledRun()
	}
	if n := len(records(t, h)) - before; n > 0 {
		t.Errorf("%d records more", n)
	}
	if s, err := h.e.DB.VerifyAudit(t.Context()); err != nil || len(s.OpenSteps) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// With drift: report, what a person takes away in the target is reported and
// left, for as long as it is needed; what HR and rules say goes on.
func TestDriftThatIsReported(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets[0].Report = true
	h.hire("1 library T", "2 school T", "3 school T 2090-01-01")
	h.settledRun()
	id := h.accounts(h.one, h.person("1"))[0].ID
	const without = "one/account two/account two/lib:library"
	h.behind(h.one, connectors.RemoveMember, id, "staff")
	for range 3 {
		if r := h.settledRun(); h.has("1") != without || !finding(r.Plan, plan.Drift, h.person("1")) || h.told(audit.AccessGone) != 1 {
			t.Fatalf("left: has %s, findings %+v", h.has("1"), r.Plan.Findings)
		}
	}
	// A look at few leaves it, too.
	if _, err := h.e.ReconcilePeople(t.Context(), []identity.PersonID{h.person("1")}, nil); err != nil || h.has("1") != without {
		t.Errorf("looked at alone: %v, has %s", err, h.has("1"))
	}
	// What is new is given all the same.
	h.hire("1 school T", "2 school T", "3 school T 2090-01-01")
	if h.settledRun(); h.has("1") != "one/account one/base:school two/account" && h.has("1") != "one/account one/base:school two/account two/lib:library" {
		t.Errorf("after a move: %s", h.has("1"))
	}
	// A person who leaves and comes back gets it.
	h.hire("1 school T 2020-12-31", "2 school T", "3 school T 2090-01-01")
	h.settledRun()
	h.hire("1 library T", "2 school T", "3 school T 2090-01-01")
	if h.settledRun(); h.has("1") != usual {
		t.Errorf("back again: %s", h.has("1"))
	}
	// Put back by hand, and taken away again, it is told again.
	h.behind(h.one, connectors.RemoveMember, id, "staff")
	h.settledRun()
	h.behind(h.one, connectors.AddMember, id, "staff")
	if r := h.settledRun(); h.has("1") != usual || finding(r.Plan, plan.Drift, h.person("1")) {
		t.Errorf("put back: %s, %+v", h.has("1"), r.Plan.Findings)
	}
	h.behind(h.one, connectors.DisableAccount, id, "")
	h.behind(h.one, connectors.AddMember, id, "secret") // which its owner declared authoritative
	if h.settledRun(); h.has("1") != "one/base:secret one/base:staff two/account two/lib:library" {
		t.Errorf("disabled, and a gift: %s", h.has("1"))
	}
	// And when it is to be repaired it is.
	h.e.Config.Targets[0].Report = false
	r := h.settledRun()
	if h.has("1") != "one/base:staff two/account two/lib:library" || !finding(r.Plan, plan.Disabled, h.person("1")) {
		t.Errorf("repaired, but for what was disabled: %s, %+v", h.has("1"), r.Plan.Findings)
	}
	h.decideHold(r.Plan.Holds[0].Digest, store.Release)
	if h.settledRun(); h.has("1") != usual {
		t.Errorf("released: %s", h.has("1"))
	}
	if left, err := h.e.DB.UnrepairedDrift(t.Context(), "one", store.Everyone()); err != nil || len(left) > 0 {
		t.Errorf("still left: %v %v", left, err)
	}
}

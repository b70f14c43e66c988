package reconcile_test

import (
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/store"
)

func (h *house) decideHold(digest, verdict string) {
	h.t.Helper()
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	if _, err := g.DecideHold(h.t.Context(), digest, verdict, "os-uid:0", "so it is"); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) holds() []store.HoldState {
	h.t.Helper()
	holds, err := h.e.DB.Holds(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return holds
}

// Law 4: what takes access from too many is held, raised once however often it
// comes up, and holds back nothing that gives.
func TestAHoldIsRaisedOnce(t *testing.T) {
	h := newHouse(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T 2020-12-31", "5 school T")
	for range 3 {
		if r := h.settledRun(); len(r.Plan.Holds) != 2 {
			t.Fatalf("holds are %+v", r.Plan.Holds)
		}
	}
	if n := h.told(audit.HoldRaised); n != 2 || len(h.holds()) != 2 {
		t.Errorf("raised %d times, %d are listed", n, len(h.holds()))
	}
	if h.has("1") != everything || h.has("5") != everything {
		t.Errorf("a leaver has %s, the joiner %s", h.has("1"), h.has("5"))
	}
}

// Law 4: a release is for what its digest names. When something else came to
// it, the whole is held again, under another digest.
func TestAReleaseCoversNothingThatCameLater(t *testing.T) {
	h := newHouse(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 library T 2020-12-31")
	old := map[string]bool{}
	for _, hold := range h.settledRun().Plan.Holds {
		old[hold.Digest] = true
		h.decideHold(hold.Digest, store.Release)
	}
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31", "5 library T 2020-12-31")
	r := h.settledRun()
	if len(r.Plan.Steps) > 0 || len(r.Plan.Holds) != 2 || old[r.Plan.Holds[0].Digest] || old[r.Plan.Holds[1].Digest] {
		t.Fatalf("steps %v, holds %+v", opsOf(r.Plan.Steps), r.Plan.Holds)
	}
	for _, hold := range h.holds() {
		if old[hold.Digest] || hold.Decision != nil {
			t.Errorf("still listed, or decided: %+v", hold)
		}
	}
	if h.has("1") != everything || h.has("4") != everything {
		t.Errorf("have %s and %s", h.has("1"), h.has("4"))
	}
	// One of the two is released: it goes through, the other stays held.
	for _, hold := range r.Plan.Holds {
		if hold.Target == "one" {
			h.decideHold(hold.Digest, store.Release)
		}
	}
	if r := h.settledRun(); len(r.Plan.Holds) != 1 || r.Plan.Holds[0].Target != "two" {
		t.Errorf("holds are %+v", r.Plan.Holds)
	}
	for _, key := range []string{"1", "2", "3", "4"} {
		if got := h.has(key); got != "two/account two/lib:library" {
			t.Errorf("%s has %s", key, got)
		}
	}
}

// Law 4: what somebody rejected stays held, until it is released after all.
func TestARejectedHoldStaysHeld(t *testing.T) {
	h := newHouse(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T 2020-12-31")
	digests := []string{}
	for _, hold := range h.settledRun().Plan.Holds {
		digests = append(digests, hold.Digest)
		h.decideHold(hold.Digest, store.Reject)
	}
	if r := h.settledRun(); len(r.Plan.Holds) != 2 || h.has("1") != everything {
		t.Fatalf("rejected: holds %+v, has %s", r.Plan.Holds, h.has("1"))
	}
	for _, digest := range digests {
		h.decideHold(digest, store.Release)
	}
	if h.settledRun(); h.has("1") != "" {
		t.Errorf("released after all: has %s", h.has("1"))
	}
}

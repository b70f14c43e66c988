package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func (h *fixture) decideHold(digest audit.HoldDigest, verdict store.Verdict) {
	h.t.Helper()
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	if _, err := g.DecideHold(h.t.Context(), string(digest), verdict, nil, h.decider(), "so it is"); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) holds() []store.HoldState {
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
	h := newFixture(t)
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

// Law 4: a release is for the steps that were reviewed. It stays with them when
// others come to them, which are held, under another digest.
func TestAReleaseCoversNothingThatCameLater(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 library T 2020-12-31")
	old := map[audit.HoldDigest]bool{}
	for _, hold := range h.settledRun().Plan.Holds {
		old[hold.Digest] = true
		h.decideHold(hold.Digest, store.Release)
	}
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31", "5 library T 2020-12-31")
	r := h.settledRun()
	if len(r.Plan.Holds) != 2 || old[r.Plan.Holds[0].Digest] || old[r.Plan.Holds[1].Digest] {
		t.Fatalf("steps %v, holds %+v", opsOf(r.Plan.Steps), r.Plan.Holds)
	}
	for _, hold := range r.Plan.Holds {
		for _, s := range hold.Steps {
			if s.Person != h.person("4") {
				t.Errorf("held: %+v", s)
			}
		}
	}
	for _, hold := range h.holds() {
		if old[hold.Digest] || hold.Decision != nil {
			t.Errorf("still listed, or decided: %+v", hold)
		}
	}
	for _, key := range []string{"1", "2", "3"} {
		if got := h.has(key); got != "" {
			t.Errorf("%s was released, and has %s", key, got)
		}
	}
	if h.has("4") != everything {
		t.Errorf("4 came later, and has %s", h.has("4"))
	}
	// That the others are done lets 4 through no more than before.
	for range 2 {
		if r := h.settledRun(); len(r.Plan.Holds) != 2 || h.has("4") != everything {
			t.Fatalf("holds %+v, 4 has %s", r.Plan.Holds, h.has("4"))
		}
	}
	if h.few("4"); h.has("4") != everything {
		t.Errorf("looked at alone, 4 has %s", h.has("4"))
	}
	if holds := h.holds(); len(holds) != 2 || !holds[0].Current() || !holds[1].Current() {
		t.Errorf("listed are %+v", holds)
	}
	for _, hold := range h.holds() {
		h.decideHold(hold.Digest, store.Release)
	}
	if h.settledRun(); h.has("4") != "" || len(h.holds()) > 0 {
		t.Errorf("released: 4 has %s, holds %+v", h.has("4"), h.holds())
	}
}

// Law 4: who comes to those that were rejected, or not released with others, is
// held with them.
func TestWhatComesToARefusedHoldIsHeld(t *testing.T) {
	for _, verdict := range []store.Verdict{store.Reject, store.Release} {
		h := newFixture(t)
		h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 library T 2020-12-31")
		h.settledRun()
		h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 library T 2020-12-31")
		g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
		for _, hold := range h.settledRun().Plan.Holds {
			var some []identity.PersonID
			if verdict == store.Release {
				some = []identity.PersonID{h.person("1")}
			}
			if _, err := g.DecideHold(t.Context(), string(hold.Digest), verdict, some, h.decider(), "so it is"); err != nil {
				t.Fatal(err)
			}
		}
		h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31", "5 library T 2020-12-31")
		for range 3 {
			r := h.settledRun()
			if h.has("4") != everything || len(r.Plan.Holds) == 0 || len(r.Plan.AwaitingCompleteRead) > 2 {
				t.Fatalf("%s: 4 has %q, holds %+v, %d waits", verdict, h.has("4"), r.Plan.Holds, len(r.Plan.AwaitingCompleteRead))
			}
		}
	}
}

// Law 14: no one decides about themselves. The steps about the maker of a
// decision stay held for another person.
func TestTheOwnStepsOfAHoldStayHeld(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T")
	h.settledRun()
	h.disable("1")
	h.disable("2")
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	hold := h.settledRun().Plan.Holds[0]
	one := by(h.person("1"))
	var err error
	if h.e.Config.Rights, err = rights.New([]rights.Line{{Member: "hr/1", Role: rights.Operator}, {Member: "office/boss", Role: rights.Operator}}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.DecideHold(t.Context(), string(hold.Digest), store.Release, []identity.PersonID{h.person("1")}, one, "me"); !rights.IsSelf(err) {
		t.Errorf("error is %v", err)
	}
	if _, err := g.DecideHold(t.Context(), string(hold.Digest), store.Release, nil, one, "all of us"); err != nil {
		t.Fatal(err)
	}
	if h.settledRun(); h.enabled("1") || !h.enabled("2") {
		t.Errorf("1 is enabled %t, 2 %t", h.enabled("1"), h.enabled("2"))
	}
	r := h.settledRun()
	if len(r.Plan.Holds) != 1 || h.enabled("1") {
		t.Fatalf("holds %+v", r.Plan.Holds)
	}
	for _, verdict := range []store.Verdict{store.Release, store.Reject} {
		if _, err := g.DecideHold(t.Context(), string(r.Plan.Holds[0].Digest), verdict, nil, one, "me"); !rights.IsSelf(err) {
			t.Errorf("%s: error is %v", verdict, err)
		}
	}
}

// Law 4: a release survives what else HR says before it is carried out, and is
// void when the step is not needed any more.
func TestAReleaseSurvivesOtherChanges(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 library T 2020-12-31")
	p, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, hold := range p.Holds {
		h.decideHold(hold.Digest, store.Release)
	}
	// The daily import: 3 stays after all, and 6 begins.
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T", "4 school T", "5 library T 2020-12-31", "6 school T")
	if r := h.settledRun(); len(r.Plan.Holds) != 0 || h.has("1")+h.has("2") != "" || h.has("3") != everything || h.has("6") != everything {
		t.Errorf("holds %+v, they have %q %q %q %q", r.Plan.Holds, h.has("1"), h.has("2"), h.has("3"), h.has("6"))
	}
	// The release for 3 is not kept for another time.
	decided, err := h.e.DB.StepDecisions(t.Context(), "one", store.Everyone(), time.Time{})
	if err != nil || len(decided) > 0 {
		t.Errorf("still decided: %+v, %v", decided, err)
	}
	h.hire("3 school T 2020-12-31", "4 school T 2020-12-31", "6 school T 2020-12-31")
	if r := h.settledRun(); len(r.Plan.Holds) != 2 || h.has("3") != everything {
		t.Errorf("holds %+v, 3 has %s", r.Plan.Holds, h.has("3"))
	}
}

// Law 4: a person may release what concerns some of those in a hold; the others
// stay held, few as they are.
func TestSomeOfAHoldAreReleased(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T 2020-12-31")
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	for _, hold := range h.settledRun().Plan.Holds {
		if _, err := g.DecideHold(t.Context(), string(hold.Digest), store.Release, []identity.PersonID{h.person("1"), h.person("2")}, h.decider(), "they have left"); err != nil {
			t.Fatal(err)
		}
		if _, err := g.DecideHold(t.Context(), string(hold.Digest), store.Release, []identity.PersonID{h.person("4")}, h.decider(), "so it is"); err == nil {
			t.Error("a person who is not in the hold was released")
		}
	}
	for range 3 {
		r := h.settledRun()
		if len(r.Plan.Holds) != 2 || h.has("1")+h.has("2") != "" || h.has("3") != everything {
			t.Fatalf("holds %+v, they have %q %q %q", r.Plan.Holds, h.has("1"), h.has("2"), h.has("3"))
		}
	}
	h.few("3") // alone, too
	if h.has("3") != everything {
		t.Fatalf("looked at alone, 3 has %q", h.has("3"))
	}
	for _, hold := range h.holds() {
		if hold.Current() && hold.Decision == nil {
			h.decideHold(hold.Digest, store.Release)
		}
	}
	if h.settledRun(); h.has("3") != "" || len(h.holds()) > 0 {
		t.Errorf("released: 3 has %q, holds %+v", h.has("3"), h.holds())
	}
}

// A hold that does not come up any more as it was is listed as such, and cannot
// be decided on.
func TestASupersededHold(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 library T 2020-12-31")
	planned := func() []audit.HoldDigest {
		p, err := h.e.Plan(t.Context(), reconcile.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		var digests []audit.HoldDigest
		for _, hold := range p.Holds {
			digests = append(digests, hold.Digest)
		}
		return digests
	}
	old := planned()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31", "5 library T 2020-12-31")
	now := planned()
	for _, hold := range h.holds() {
		if hold.Current() != slices.Contains(now, hold.Digest) || hold.Current() == slices.Contains(old, hold.Digest) {
			t.Errorf("%+v: before %v, now %v", hold, old, now)
		}
	}
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	if _, err := g.DecideHold(t.Context(), string(old[0]), store.Release, nil, h.decider(), "so it is"); err == nil || !strings.Contains(err.Error(), `"code":"hold-replaced"`) || !strings.Contains(err.Error(), `"first":"`+string(now[0])) {
		t.Errorf("error is %v", err)
	}
}

// Law 4: what a person rejected stays held, until it is released after all.
func TestARejectedHoldStaysHeld(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T 2020-12-31")
	digests := []audit.HoldDigest{}
	for _, hold := range h.settledRun().Plan.Holds {
		digests = append(digests, hold.Digest)
		h.decideHold(hold.Digest, store.Reject)
	}
	for range 2 {
		if r := h.settledRun(); len(r.Plan.Steps)+len(r.Plan.Holds) > 0 || r.Plan.Status() != plan.Held || h.has("1") != everything {
			t.Fatalf("rejected: steps %v, holds %+v, has %s", opsOf(r.Plan.Steps), r.Plan.Holds, h.has("1"))
		}
	}
	for _, digest := range digests {
		h.decideHold(digest, store.Release)
	}
	if h.settledRun(); h.has("1") != "" {
		t.Errorf("released after all: has %s", h.has("1"))
	}
}

// Law 4: that a rejection expires lets nothing through. What was rejected is held
// again, also when it alone is within the limit, until another decision.
func TestARejectionThatExpires(t *testing.T) {
	h := newFixture(t)
	now := time.Now()
	h.e.Now = func() time.Time { return now }
	h.hire("1 school T", "2 school T", "3 school T", "4 library T 2020-12-31")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T 2020-12-31")
	g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}
	for _, hold := range h.settledRun().Plan.Holds {
		if _, err := g.DecideHold(t.Context(), string(hold.Digest), store.Reject, nil, h.decider(), "HR is wrong"); err != nil {
			t.Fatal(err)
		}
	}
	h.hire("1 school T", "2 school T", "3 school T 2020-12-31", "4 library T 2020-12-31") // HR mends two of them
	if r := h.settledRun(); len(r.Plan.Steps) > 0 || h.has("3") != everything {
		t.Fatalf("rejected, and within the limit: steps %v, has %s", opsOf(r.Plan.Steps), h.has("3"))
	}
	for range 2 {
		now = now.Add(8 * 24 * time.Hour)
		r := h.settledRun()
		if len(r.Plan.Steps) > 0 || len(r.Plan.Holds) != 2 || h.has("3") != everything || !strings.Contains(testenv.Words(r.Plan.Holds[0].Why), "were rejected before") {
			t.Fatalf("expired: steps %v, holds %+v, has %s", opsOf(r.Plan.Steps), r.Plan.Holds, h.has("3"))
		}
	}
	for _, hold := range h.holds() {
		if _, err := g.DecideHold(t.Context(), string(hold.Digest), store.Release, nil, h.decider(), "HR was right"); err != nil {
			t.Fatal(err)
		}
	}
	if h.settledRun(); h.has("3") != "" {
		t.Errorf("released: %s", h.has("3"))
	}
}

// TestAPreviewWritesNothing: a preview of a day on which decisions on holds have expired
// plans as the run of that day does, whatever was decided, and leaves the database as it
// is.
func TestAPreviewWritesNothing(t *testing.T) {
	for _, verdict := range []store.Verdict{"", store.Release, store.Reject} {
		t.Run(string(verdict), func(t *testing.T) {
			h := newFixture(t)
			now := time.Now()
			h.e.Now = func() time.Time { return now }
			h.hire("1 school T", "2 school T", "3 school T", "4 library T 2020-12-31")
			h.settledRun()
			h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 library T 2020-12-31")
			g := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}
			for _, hold := range h.settledRun().Plan.Holds {
				if verdict == "" {
					continue
				}
				if _, err := g.DecideHold(t.Context(), string(hold.Digest), verdict, nil, h.decider(), "HR is wrong"); err != nil {
					t.Fatal(err)
				}
			}
			now = now.Add(8 * 24 * time.Hour)
			before, holds := h.sequences(), h.holds()
			preview, _, err := h.e.Preview(t.Context(), reconcile.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			if after := h.sequences(); after != before || !cmp.Equal(h.holds(), holds) {
				t.Errorf("the database moved from %+v to %+v, holds %+v to %+v", before, after, holds, h.holds())
			}
			if run := h.settledRun().Plan; preview.Digest != run.Digest || len(preview.Steps) > 0 || len(preview.Holds) != 2 {
				t.Errorf("the preview has steps %v, holds %+v; the run has steps %v, holds %+v", opsOf(preview.Steps), preview.Holds, opsOf(run.Steps), run.Holds)
			}
		})
	}
}

func (h *fixture) sequences() store.Sequences {
	h.t.Helper()
	s, err := h.e.DB.Sequences(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// TestGrantsAreHeldWhereALimitIsSet: what many people get at once in accounts that exist
// is held when the configuration limits it. New people's memberships are not counted,
// and those of the first load are not.
func TestGrantsAreHeldWhereALimitIsSet(t *testing.T) {
	limited := strings.Replace(configuration, "one: {hold_above: {", "one: {hold_above: {grants: {number: 2}, ", 1)
	for _, c := range []struct {
		name, configuration string
		holds               int
	}{{"no limit", configuration, 0}, {"a limit", limited, 1}} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixtureWith(t, c.configuration)
			h.hire("1 library T", "2 library T", "3 library T", "4 library T")
			h.settledRun()
			h.hire("1 school T", "2 school T", "3 school T", "4 library T", "5 school T", "6 school T", "7 school T") // 5 to 7 are new
			r := h.settledRun()
			if len(r.Plan.Holds) != c.holds || h.has("5") != everything || h.has("7") != everything {
				t.Fatalf("holds %+v, 5 has %q", r.Plan.Holds, h.has("5"))
			}
			if c.holds == 0 {
				return
			}
			if hold := r.Plan.Holds[0]; len(hold.Steps) != 3 || !strings.Contains(testenv.Words(hold.Why), "it would add memberships to the accounts of 3 people") || h.has("1") == everything {
				t.Errorf("hold %+v, 1 has %q", hold, h.has("1"))
			}
			h.decideHold(r.Plan.Holds[0].Digest, store.Release)
			if h.settledRun(); h.has("1") != everything || h.has("3") != everything {
				t.Errorf("released, 1 has %q, 3 has %q", h.has("1"), h.has("3"))
			}
			h.nothingToDo()
		})
	}
}

// TestASavedPlanEndsTheFirstLoad: what a saved plan loaded is limited from then on like
// what any run loaded.
func TestASavedPlanEndsTheFirstLoad(t *testing.T) {
	h := newFixtureWith(t, strings.Replace(configuration, "one: {hold_above: {", "one: {hold_above: {changes: {number: 1}, ", 1))
	h.hire("1 school T", "2 school T", "3 school T")
	p, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p}); err != nil || r.Err() != nil || len(r.Plan.Holds) > 0 {
		t.Fatal(err, r)
	}
	if len(h.states()) != 2 {
		t.Errorf("states %+v", h.states())
	}
	for target, s := range h.states() {
		if !s.Loaded() {
			t.Errorf("%s is not loaded: %+v", target, s)
		}
	}
}

func (h *fixture) states() map[string]store.TargetState {
	h.t.Helper()
	states, err := h.e.DB.TargetStates(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	delete(states, store.EveryTarget)
	return states
}

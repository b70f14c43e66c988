package reconcile_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// Law 1: run twice; the second run does and records nothing.
func TestSecondRunDoesNothing(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	if got := h.has("1"); got != everything {
		t.Errorf("has %s", got)
	}
	before := len(records(t, h))
	if r := h.settledRun(); len(r.Plan.Steps) > 0 || len(records(t, h)) != before {
		t.Errorf("the second run did %d steps and wrote %d records", len(r.Plan.Steps), len(records(t, h))-before)
	}
}

// Law 1: an answer that was lost delays what is known, and nothing is done a
// second time.
func TestALostAnswerIsFoundOut(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the connection broke")}
	}
	r := h.run()
	if r.Err() == nil || r.Unavailable["one"] == "" {
		t.Errorf("a target that went down is not told of: %+v", r)
	}
	h.one.answer = nil
	created := 0
	h.one.before = func(changes []connectors.Change) {
		for _, c := range changes {
			if c.Op == connectors.CreateAccount {
				created++
			}
		}
	}
	if r := h.settledRun(); r.Resolved[audit.Applied] != 1 || created != 0 {
		t.Errorf("settled %v, created again %d", r.Resolved, created)
	}
	if got := h.has("1"); got != everything {
		t.Errorf("has %s", got)
	}
	if s, err := h.e.DB.VerifyAudit(t.Context()); err != nil || len(s.OpenSteps) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Law 3: a target that was not read completely loses no one, gains whom it
// should; one that was not read at all is named, and the other goes on.
func TestBrokenReadings(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T", "3 school T")
	h.one.incomplete = true
	h.settledRun()
	h.one.incomplete = false
	h.one.snapshot = connectors.Errorf(connectors.TargetDown, "no route")
	if got := h.has("1"); got != "one/account one/base:school one/base:staff" {
		t.Errorf("the leaver has %s; want all that is in the target that broke, and nothing in the other", got)
	}
	if got := h.has("3"); got != everything {
		t.Errorf("the joiner has %s", got)
	}
	r := h.run()
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "target one could not be read (no route)") {
		t.Errorf("error is %v", err)
	}
	h.one.snapshot = nil
	h.settledRun()
	if got := h.has("1"); got != "" {
		t.Errorf("in the end the leaver has %s", got)
	}
}

// Law 5: the target is touched only after the intent is committed, and not at
// all when it cannot be.
func TestIntentBeforeAct(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	touched := false
	h.one.before = func(changes []connectors.Change) {
		touched = true
		open, err := h.e.DB.OpenSteps(context.Background(), "one", store.Everyone())
		if err != nil || len(open) != len(changes) {
			t.Errorf("%d changes arrive, and %d intents are committed (%v)", len(changes), len(open), err)
		}
	}
	h.settledRun()
	if !touched {
		t.Fatal("nothing was asked of the target")
	}
	calls := h.one.calls
	h.hire("1 library T")
	h.noRoom("INSERT", "open_step")
	if _, err := h.e.Run(t.Context(), reconcile.Scope{}); err == nil || !strings.Contains(err.Error(), "disk full") || h.one.calls != calls {
		t.Errorf("when the intent cannot be committed: error %v, %d calls", err, h.one.calls-calls)
	}
}

// Access that comes or goes in a target behind our back is in the trail, so
// that who-had agrees with the target; what behov did not give it leaves, and
// what behov gave it gives again.
func TestDriftIsRecorded(t *testing.T) {
	h := newFixture(t)
	h.hire("1 library T")
	h.settledRun()
	const usual = "one/account one/base:staff two/account two/lib:library"
	id := accountID(t, h.one)
	behind := func(op connectors.Op, native string) {
		t.Helper()
		r := h.one.Connector.Apply(t.Context(), []connectors.Change{{Op: op, Account: connectors.AccountRef{ID: id}, Entitlement: native}})[0]
		if r.Err != nil || r.Status != connectors.Applied {
			t.Fatal(r)
		}
	}
	behind(connectors.AddMember, "school")
	r := h.settledRun()
	if got := h.has("1"); got != "one/account one/base:school one/base:staff two/account two/lib:library" {
		t.Errorf("after an unmanaged gift: %s", got)
	}
	if !slices.ContainsFunc(r.Plan.Findings, func(f plan.Finding) bool { return f.Kind == plan.Drift && f.Entitlement == "base:school" }) {
		t.Errorf("the gift is not reported: %+v", r.Plan.Findings)
	}
	behind(connectors.RemoveMember, "school")
	behind(connectors.RemoveMember, "staff")
	h.settledRun()
	if got := h.has("1"); got != usual {
		t.Errorf("after two removals: %s", got)
	}
	behind(connectors.AddMember, "secret") // its owner declared it authoritative
	h.settledRun()
	if got := h.has("1"); got != usual {
		t.Errorf("after a gift of what is authoritative: %s", got)
	}
}

func accountID(t *testing.T, s *scripted) string {
	t.Helper()
	o := plan.NewObserved()
	if _, err := s.Connector.Snapshot(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(o.All())[0].ID
}

// Law 8: one failing target does not delay the other.
func TestALeaverIsOutEverywhereThatAnswers(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31")
	h.one.refuse = "not today"
	r := h.run()
	if len(r.NotDone) == 0 || testenv.Words(r.NotDone[0].Detail) != "not today" {
		t.Errorf("undone: %+v", r.NotDone)
	}
	for _, u := range r.NotDone {
		if u.Step.Target != "one" {
			t.Errorf("the other target was delayed: %+v", u)
		}
	}
	if got := h.has("1"); got != "one/account one/base:school one/base:staff" {
		t.Errorf("while one target refuses, the leaver has %s", got)
	}
	h.one.refuse = ""
	h.settledRun()
	if got := h.has("1"); got != "" {
		t.Errorf("in the end the leaver has %s", got)
	}
}

// A target that is busy is asked again within the run, as it asked to be.
func TestABusyTargetIsAskedAgain(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.answer = func(r connectors.Result) connectors.Result {
		if h.one.calls > 1 {
			return r
		}
		return connectors.Result{Err: &connectors.Error{Class: connectors.RetryLater, RetryAfter: time.Millisecond, Err: errors.New("busy")}}
	}
	r := h.settledRun()
	if h.one.calls < 3 || h.has("1") != everything || r.Outcomes[audit.AlreadyApplied] != 1 {
		t.Errorf("%d calls, has %s, outcomes %v", h.one.calls, h.has("1"), r.Outcomes)
	}
}

// MFA: a grant waits, is given on enrolment, goes with it, and stays as it is
// while no one can say.
func TestMFA(t *testing.T) {
	h := newFixture(t)
	h.hire("1 library S")
	const without, with = "one/account one/base:staff two/account two/lib:library", "one/account one/base:secret one/base:staff two/account two/lib:library"
	h.settledRun()
	r := h.settledRun()
	if len(r.Plan.GatedGrants) != 1 || h.has("1") != without {
		t.Fatalf("waiting %+v, has %s", r.Plan.GatedGrants, h.has("1"))
	}
	enrol := func(enrolled bool) {
		t.Helper()
		o := plan.NewObserved()
		if _, err := h.one.Connector.Snapshot(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if _, err := h.one.Put(slices.Collect(o.All())[0], enrolled); err != nil {
			t.Fatal(err)
		}
	}
	enrol(true)
	h.one.mfaBroken = true
	h.settledRun()
	if h.has("1") != without {
		t.Errorf("while nobody can say, %s is given", h.has("1"))
	}
	h.one.mfaBroken = false
	h.settledRun()
	if h.has("1") != with {
		t.Errorf("enrolled: %s", h.has("1"))
	}
	enrol(false)
	h.one.mfaBroken = true
	h.settledRun()
	if h.has("1") != with {
		t.Errorf("while nobody can say, it is taken: %s", h.has("1"))
	}
	h.one.mfaBroken = false
	h.settledRun()
	if h.has("1") != without {
		t.Errorf("no longer enrolled: %s", h.has("1"))
	}
	var told []audit.Action
	for _, r := range records(t, h) {
		if r.Action == audit.GrantWaiting || r.Action == audit.GrantReady {
			told = append(told, r.Action)
		}
	}
	if !slices.Equal(told, []audit.Action{audit.GrantWaiting, audit.GrantReady, audit.GrantWaiting}) {
		t.Errorf("the trail tells %v", told)
	}
}

// Law 4: a release lets through what it names, once.
func TestAReleaseIsUsedUp(t *testing.T) {
	h := newFixture(t)
	// The fourth has always left: a column of endings that is all empty would
	// be held by the import.
	in := []string{"1 school T", "2 school T", "3 school T", "4 school T 2020-12-31"}
	out := []string{"1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31"}
	govern := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	h.hire(in...)
	h.settledRun()
	for round := range 2 {
		h.hire(out...)
		r := h.settledRun()
		if len(r.Plan.Holds) != 2 || h.has("1") != everything {
			t.Fatalf("round %d: %d holds, has %s", round, len(r.Plan.Holds), h.has("1"))
		}
		for _, hold := range r.Plan.Holds {
			if _, err := govern.DecideHold(t.Context(), string(hold.Digest), store.Release, nil, h.decider(), "so it is"); err != nil {
				t.Fatal(err)
			}
		}
		if r := h.settledRun(); len(r.Plan.Holds) > 0 || h.has("1") != "" {
			t.Fatalf("round %d, released: %d holds, has %s", round, len(r.Plan.Holds), h.has("1"))
		}
		if holds, err := h.e.DB.Holds(t.Context()); err != nil || len(holds) > 0 {
			t.Fatalf("round %d: after it went through, there are holds %+v, %v", round, holds, err)
		}
		h.hire(in...)
		h.settledRun()
	}
}

// Law 13: what was revoked is not given back by its rule; a later keep gives
// it back.
func TestAReviewDecisionHolds(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.settledRun()
	govern := governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: time.Now}
	owner, err := h.e.DB.FindPerson(t.Context(), "2", "hr")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := govern.StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "base", All: true}, by(owner.ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range asked.Items {
		if item.Person == owner.ID {
			if _, err := govern.DecideItem(t.Context(), item.Ref(), governance.Answer{Verdict: store.Keep, Reason: "mine"}, by(owner.ID)); !rights.IsSelf(err) {
				t.Errorf("own access: %v", err)
			}
		} else if item.Entitlement == "base:school" {
			if _, err := govern.DecideItem(t.Context(), item.Ref(), governance.Answer{Verdict: store.Revoke, Reason: "no longer"}, by(owner.ID)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if _, err := govern.DecideItem(t.Context(), item.Ref(), governance.Answer{Verdict: store.Keep, Reason: "after all"}, by(owner.ID)); err != nil {
					t.Fatal(err)
				}
				h.settledRun()
				if got := h.has("1"); got != everything {
					t.Errorf("kept after all, has %s", got)
				}
			}()
		}
	}
	for range 2 {
		h.settledRun()
		if got := h.has("1"); strings.Contains(got, "base:school") {
			t.Errorf("revoked, and has %s", got)
		}
	}
}

// A saved plan is applied when planning again gives the same; otherwise it
// says what moved.
func TestSavedPlan(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	saved, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		move func()
	}{
		{"1 HR events were recorded", func() { h.hire("1 library T") }},
		{"target two changed", func() {
			if _, err := h.two.Put(connectors.Account{ID: "x", Name: "x"}, false); err != nil {
				t.Fatal(err)
			}
		}},
		{"the rules, the catalogue or the units changed", func() { h.e.Config.Rules.Digest += "x" }},
		{"today is 2030-01-02", func() { h.e.Now = func() time.Time { return time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC) } }},
	} {
		c.move()
		_, err := h.e.Run(t.Context(), reconcile.Scope{Saved: saved})
		var moved *reconcile.StalePlanError
		if !errors.As(err, &moved) || !strings.Contains(err.Error(), c.want) || h.one.calls > 0 {
			t.Errorf("error is %v, want %q; the target was asked %d times", err, c.want, h.one.calls)
		}
	}
	fresh, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := h.e.Run(t.Context(), reconcile.Scope{Saved: fresh}); err != nil || r.Err() != nil {
		t.Errorf("a plan that still holds: %v, %v", err, r)
	}
}

func TestOneRunAtATime(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.before = func([]connectors.Change) {
		if _, err := h.e.Run(context.Background(), reconcile.Scope{}); !errors.Is(err, lock.ErrLocked) {
			t.Errorf("a second run gives %v", err)
		}
	}
	h.settledRun()
}

// An account whose anchor a person wiped, or turned to another person, is
// still known by the target's own ID: its leaver is out, and no one gains.
func TestAWipedAnchorHidesNoOne(t *testing.T) {
	for _, anchor := range []string{"", "of-the-other"} {
		h := newFixture(t)
		h.hire("1 school T", "2 library T")
		h.settledRun()
		one, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
		if err != nil {
			t.Fatal(err)
		}
		other, err := h.e.DB.FindPerson(t.Context(), "2", "hr")
		if err != nil {
			t.Fatal(err)
		}
		o := plan.NewObserved()
		if _, err := h.one.Connector.Snapshot(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o.Done(connectors.Completeness{Complete: true})
		account := o.ByAnchor(string(one.ID))[0]
		account.Anchor = anchor
		if anchor != "" {
			account.Anchor = string(other.ID)
		}
		if _, err := h.one.Put(account, false); err != nil {
			t.Fatal(err)
		}
		r := h.settledRun()
		if len(r.Plan.Steps) > 0 && anchor != "" || !slices.ContainsFunc(r.Plan.Findings, func(f plan.Finding) bool { return f.Kind == plan.AnchorLost && f.Person == one.ID }) {
			t.Errorf("steps %+v, findings %+v", r.Plan.Steps, r.Plan.Findings)
		}
		h.hire("1 school T 2020-12-31", "2 library T")
		h.settledRun()
		o = plan.NewObserved()
		if _, err := h.one.Connector.Snapshot(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o.Done(connectors.Completeness{Complete: true})
		left, _ := o.ByID(account.ID)
		if left.Enabled || o.Member(account.ID, "school") || o.Member(account.ID, "staff") {
			t.Errorf("anchor %q: the leaver's account is enabled %t and in groups", anchor, left.Enabled)
		}
		intervals, err := h.e.DB.Intervals(t.Context(), store.IntervalQuery{Person: one.ID, Open: true})
		if err != nil || len(intervals) > 0 {
			t.Errorf("the trail says the leaver still has %+v, %v", intervals, err)
		}
		if got := h.has("2"); anchor == "" && got != "one/account one/base:staff two/account two/lib:library" {
			t.Errorf("the other has %s", got)
		}
	}
}

// A plan for one person is held where the whole is: taking them one by one
// does not go past the limit.
func TestOnePersonAtATimeIsHeldToo(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31")
	one, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := h.e.Plan(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.e.Plan(t.Context(), reconcile.Scope{Person: one.ID})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) > 0 || len(p.Holds) != 2 || p.Holds[0].Digest != whole.Holds[0].Digest || p.Status() != plan.Held {
		t.Errorf("steps %+v, holds %+v", p.Steps, p.Holds)
	}
	if _, err := h.e.Run(t.Context(), reconcile.Scope{Saved: p}); err != nil {
		t.Fatal(err)
	}
	if got := h.has("1"); got != everything {
		t.Errorf("has %s", got)
	}
}

// A unit that is forgotten in the units file takes no one's access, and an
// entitlement that is taken out of the catalogue stays in the answer to who
// has it.
func TestWhatTheConfigurationForgets(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	var units identity.Units
	if err := units.Add(identity.Unit{ID: "library"}); err != nil {
		t.Fatal(err)
	}
	tree := h.e.Config.Rules.Units
	h.e.Config.Rules.Units = &units
	r := h.settledRun()
	if len(r.Plan.Steps) > 0 || !slices.ContainsFunc(r.Plan.Findings, func(f plan.Finding) bool { return f.Kind == plan.NotDecided }) {
		t.Errorf("steps %+v, findings %+v", r.Plan.Steps, r.Plan.Findings)
	}
	h.e.Config.Rules.Units = tree
	whole := h.e.Config.Rules
	smaller := policy.Catalogue{Entitlements: slices.DeleteFunc(slices.Clone(whole.Catalogue.Entitlements), func(x policy.Entitlement) bool { return x.ID == "lib:library" })}
	source, _ := policy.Parse("policy.csv", strings.Replace(rulesCSV, "p, library", "# ", 1))
	var problems []diagnostic.Problem
	if h.e.Config.Rules, problems = policy.Compile(source, smaller, tree, nil, identity.LeaveKeeps); len(problems) > 0 {
		t.Fatal(problems)
	}
	r = h.settledRun()
	h.e.Config.Rules = whole
	if got := h.has("1"); got != strings.Replace(everything, "two/account ", "", 1) {
		t.Errorf("what is no longer in the catalogue: %s", got)
	}
	if !slices.ContainsFunc(r.Plan.Findings, func(f plan.Finding) bool { return f.Kind == plan.Unmanaged && f.Entitlement == "lib:library" }) {
		t.Errorf("findings %+v", r.Plan.Findings)
	}
}

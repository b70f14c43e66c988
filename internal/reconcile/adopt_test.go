package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// Law 7: access that was in the target before behov and that a rule gives is
// held for that rule, and goes with it.
func TestAMoverLosesWhatWasThereBeforeBehov(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	id := h.put(h.one, connectors.Account{Anchor: string(h.person("1")), Name: "adopted", Enabled: true, Attributes: map[string][]string{"mail": {"1@x"}}})
	h.behind(h.one, connectors.AddMember, id, "school")
	h.behind(h.one, connectors.AddMember, id, "staff")
	if r := h.settledRun(); len(r.Plan.Adopted) != 3 || h.told(audit.AccessAdopted) != 3 {
		t.Errorf("adopted %+v", r.Plan.Adopted)
	}
	if r := h.settledRun(); len(r.Plan.Adopted) != 0 || len(r.Plan.Steps) != 0 {
		t.Errorf("and again: %+v, steps %v", r.Plan.Adopted, opsOf(r.Plan.Steps))
	}
	intervals, err := h.e.DB.Intervals(t.Context(), store.IntervalQuery{Person: h.person("1"), Entitlement: "base:school", Open: true})
	if err != nil || len(intervals) != 1 {
		t.Fatal(intervals, err)
	}
	if why, err := h.e.DB.Record(t.Context(), intervals[0].SinceRecord); err != nil || !strings.Contains(testenv.Words(why.Reason), "rule school") {
		t.Errorf("why: %+v, %v", why, err)
	}
	h.hire("1 library T")
	if h.settledRun(); h.has("1") != usual {
		t.Errorf("the mover has %s", h.has("1"))
	}
	if _, err := h.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// Law 7: an addition that the target answered with an error, and did all the
// same, is behov's when that has been found out.
func TestAMoverLosesWhatCameInSpiteOfAnError(t *testing.T) {
	h := newFixture(t)
	h.hire("1 library T")
	h.settledRun()
	h.hire("1 school T")
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.Permanent, "internal error 17")}
	}
	if r := h.run(); r.Err() == nil {
		t.Error("the error is not told of")
	}
	h.one.answer = nil
	h.hire("1 library T") // before anyone looked
	h.settledRun()
	if got := h.has("1"); got != usual {
		t.Errorf("the mover has %s", got)
	}
	ended := slices.DeleteFunc(records(t, h), func(r audit.Record) bool { return !strings.Contains(testenv.Words(r.Reason), "internal error 17") })
	if len(ended) != 1 || ended[0].Outcome != audit.Applied {
		t.Errorf("the trail tells %+v", ended)
	}
}

const adopting = `mfa: {target: one}
targets:
  one:
    hold_above: {removals: {number: 9}, disables: {number: 9}}
    ignore: ["adm-*"]
    attributes: {mail: "{{.Email}}"}
    adopt:
      - number: "{{.Key}}"
      - name: "{{lower .GivenName}}"
    memory: {groups: [staff, school, secret]}
  two: {hold_above: {removals: {number: 2}, disables: {number: 2}}, memory: {groups: [library]}}
`

func foreign(name string, number ...string) connectors.Account {
	return connectors.Account{Name: name, Enabled: true, Attributes: map[string][]string{"number": number}}
}

// An account that was there is recognised by the strongest rule that says
// anything, gets the person's anchor, and what it has is held for the rules
// that give it.
func TestAnAccountThatWasThereIsAdopted(t *testing.T) {
	h := newFixtureWith(t, adopting)
	byNumber, byName := h.put(h.one, foreign("x", "1")), h.put(h.one, foreign("GIVEN2"))
	h.put(h.one, foreign("adm-1", "1")) // ignored on purpose
	h.behind(h.one, connectors.AddMember, byNumber, "school")
	h.hire("1 school T", "2 school T")
	r := h.settledRun()
	if got := opsOf(r.Plan.Steps); slices.Contains(got, "one create-account") || got[0] != "one adopt-account" || got[1] != "one adopt-account" {
		t.Errorf("steps %v", got)
	}
	for key, id := range map[string]string{"1": byNumber, "2": byName} {
		if a := h.accounts(h.one, h.person(key)); len(a) != 1 || a[0].ID != id || a[0].Attributes["mail"][0] != key+"@x" || h.has(key) != everything {
			t.Errorf("%s has the account %+v and %s", key, a, h.has(key))
		}
	}
	if r := h.settledRun(); len(r.Plan.Steps)+len(r.Plan.Adopted) > 0 {
		t.Errorf("and then: %v, %v", opsOf(r.Plan.Steps), r.Plan.Adopted)
	}
	h.hire("1 library T", "2 school T")
	if h.settledRun(); h.has("1") != usual {
		t.Errorf("the mover has %s", h.has("1"))
	}
}

// What could be two people's, or two accounts of one person, is reported and
// not guessed at, and no second account is made.
func TestAnUnclearAccountIsNotAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		accounts []connectors.Account
		unclear  []string
	}{
		"two accounts have the number":       {[]connectors.Account{foreign("x", "1"), foreign("y", "1")}, []string{"1"}},
		"the number is stronger than a name": {[]connectors.Account{foreign("x", "1"), foreign("y", "1"), foreign("given1")}, []string{"1"}},
		"a name that is another's by number": {[]connectors.Account{foreign("given2", "1")}, []string{"2"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFixtureWith(t, adopting)
			for _, a := range c.accounts {
				h.put(h.one, a)
			}
			h.hire("1 school T", "2 school T")
			r := h.settledRun()
			for _, key := range []string{"1", "2"} {
				unclear := slices.Contains(c.unclear, key)
				if got := finding(r.Plan, plan.Ambiguous, h.person(key)); got != unclear {
					t.Errorf("%s: reported %t, want %t: %+v", key, got, unclear, r.Plan.Findings)
				}
				if got := h.has(key); unclear && got != "two/account two/lib:library" || !unclear && got != everything {
					t.Errorf("%s has %s", key, got)
				}
			}
		})
	}
}

// A leaver whose account lived on before behov came loses it; a person who has
// not begun yet is left as they are.
func TestALeaverFromBeforeIsFound(t *testing.T) {
	h := newFixtureWith(t, adopting)
	h.put(h.one, foreign("x", "1"))
	h.put(h.one, foreign("y", "2"))
	h.export("person_id,employment_id,given_name,family_name,unit,job_code,start_date,end_date\n1,E1,A,B,school,T,2020-01-01,2020-12-31\n2,E2,C,D,school,T,2099-01-01,\n")
	h.decideHold(h.settledRun().Plan.Holds[0].Digest, store.Release)
	if h.one.calls > 0 {
		t.Error("it was touched before anybody looked")
	}
	h.settledRun()
	o := plan.NewObserved()
	if _, err := h.one.Connector.Snapshot(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for a := range o.All() {
		if a.Enabled != (a.Name == "y") || (a.Anchor != "") != (a.Name == "x") {
			t.Errorf("%+v", a)
		}
	}
}

// Nothing is adopted, and nothing made, on the strength of a broken reading:
// the account may be in the part that was not seen.
func TestNothingIsAdoptedBlindly(t *testing.T) {
	h := newFixtureWith(t, adopting)
	h.put(h.one, foreign("x", "1"))
	h.hire("1 school T")
	h.one.incomplete = true
	if r := h.settledRun(); h.one.calls > 0 || !finding(r.Plan, plan.NotDecided, h.person("1")) {
		t.Errorf("%d calls, findings %+v", h.one.calls, r.Plan.Findings)
	}
	h.one.incomplete = false
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("has %s", h.has("1"))
	}
}

// An adoption of which the answer was lost is found out.
func TestALostAdoptionIsFoundOut(t *testing.T) {
	h := newFixtureWith(t, adopting)
	h.put(h.one, foreign("x", "1"))
	h.hire("1 school T")
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the connection broke")}
	}
	h.run()
	h.one.answer = nil
	if r := h.settledRun(); r.Resolved[audit.Applied] != 1 || r.Resolved[audit.NotDone] != 0 || slices.Contains(opsOf(r.Plan.Steps), "one adopt-account") {
		t.Errorf("settled %v, steps %v", r.Resolved, opsOf(r.Plan.Steps))
	}
}

// An adoption that the target refuses gives and takes nothing.
func TestARefusedAdoptionChangesNothing(t *testing.T) {
	h := newFixtureWith(t, adopting)
	h.put(h.one, foreign("x", "1"))
	h.hire("1 school T")
	h.one.refuse = "read only"
	r := h.run()
	if h.one.calls != 1 || r.Outcomes[audit.Refused] != 1 {
		t.Errorf("%d calls, outcomes %v", h.one.calls, r.Outcomes)
	}
	h.one.refuse = ""
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("has %s", h.has("1"))
	}
}

// A person who left, and comes back for a time that HR knows already, is a
// leaver until then.
func TestALeaverWhoComesBackLaterIsFound(t *testing.T) {
	h := newFixtureWith(t, adopting)
	h.put(h.one, foreign("x", "1"))
	h.export("person_id,employment_id,given_name,family_name,unit,job_code,start_date,end_date\n1,E1,A,B,school,T,2020-01-01,2020-12-31\n1,E2,A,B,school,T,2098-01-01,2099-01-01\n")
	if r := h.settledRun(); len(r.Plan.Holds) != 1 || len(r.Plan.Holds[0].Steps) != 2 {
		t.Errorf("holds %+v", r.Plan.Holds)
	}
}

// An account that is mastered elsewhere is known by its ID: it gets and loses
// memberships, and nothing else of it is written.
func TestAnAccountThatIsMasteredElsewhere(t *testing.T) {
	h := newFixtureWith(t, adopting)
	a := foreign("x", "1")
	a.MasteredExternally = true
	id := h.put(h.one, a)
	h.hire("1 school T")
	ops := func() (all []connectors.Op) {
		h.one.before = func(changes []connectors.Change) {
			for _, c := range changes {
				all = append(all, c.Op)
			}
		}
		h.settledRun()
		h.one.before = nil
		return all
	}
	if got := ops(); !slices.Equal(got, []connectors.Op{connectors.AddMember, connectors.AddMember}) {
		t.Errorf("at first: %v", got)
	}
	if got := ops(); len(got) > 0 {
		t.Errorf("then: %v", got)
	}
	bound, err := h.e.DB.Accounts(t.Context(), "one", store.Everyone())
	if err != nil || bound[h.person("1")] != id {
		t.Errorf("bound %v, %v", bound, err)
	}
	h.hire("1 school T 2020-12-31")
	if got := ops(); !slices.Equal(got, []connectors.Op{connectors.RemoveMember, connectors.RemoveMember}) {
		t.Errorf("the leaver: %v", got)
	}
}

// The account of a person who has left, and which is mastered elsewhere, waits
// for a look like any other: it is not known to be theirs before.
func TestALeaversAccountThatIsMasteredElsewhere(t *testing.T) {
	h := newFixtureWith(t, adopting)
	a := foreign("x", "1")
	a.MasteredExternally = true
	h.behind(h.one, connectors.AddMember, h.put(h.one, a), "school")
	h.hire("1 school T 2020-12-31")
	for range 2 {
		if r := h.settledRun(); len(r.Plan.Holds) != 1 || h.one.calls > 0 {
			t.Errorf("holds %+v, %d calls", r.Plan.Holds, h.one.calls)
		}
	}
	h.decideHold(h.settledRun().Plan.Holds[0].Digest, store.Release)
	if h.settledRun(); h.one.calls != 1 {
		t.Errorf("%d calls after the release", h.one.calls)
	}
}

// Accounts are changed in masses only after a person has looked.
func TestMassesOfChangesAreHeld(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets[0].Limits[blastradius.Changes] = blastradius.Limit{People: 1, Share: -1}
	h.hire("1 school T", "2 school T", "3 school T")
	if r := h.settledRun(); len(r.Plan.Holds) != 0 {
		t.Errorf("new accounts are held: %+v", r.Plan.Holds)
	}
	for _, key := range []string{"1", "2", "3"} {
		a := h.accounts(h.one, h.person(key))[0]
		a.Attributes["mail"] = []string{"other@x"}
		h.put(h.one, a)
	}
	r := h.settledRun()
	if len(r.Plan.Holds) != 1 || len(r.Plan.Steps) != 0 {
		t.Fatalf("holds %+v", r.Plan.Holds)
	}
	h.decideHold(r.Plan.Holds[0].Digest, store.Release)
	h.settledRun()
	if a := h.accounts(h.one, h.person("1"))[0]; a.Attributes["mail"][0] != "1@x" {
		t.Errorf("after the release: %+v", a)
	}
}

// What HR no longer says is a loss, and counts as one.
func TestWipedAttributesAreHeld(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T")
	h.settledRun()
	h.export("person_id,employment_id,given_name,family_name,email,unit,job_code,start_date,end_date\n1,E1,Given1,Family1,,school,T,2020-01-01,\n2,E2,Given2,Family2,,school,T,2020-01-01,\n3,E3,Given3,Family3,,school,T,2020-01-01,\n4,E4,Given4,Family4,x@x,school,T,2020-01-01,\n")
	if r := h.settledRun(); len(r.Plan.Holds) != 1 {
		t.Errorf("holds %+v", r.Plan.Holds)
	}
	if a := h.accounts(h.one, h.person("1"))[0]; len(a.Attributes["mail"]) != 1 {
		t.Errorf("%+v", a)
	}
}

// A person can say whose an account is: one that was put in place of another
// behind behov's back, and no one else's.
func TestBind(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.settledRun()
	old, other := h.accounts(h.one, h.person("1"))[0], h.accounts(h.one, h.person("2"))[0]
	h.behind(h.one, connectors.DeleteAccount, old.ID, "")
	id := h.put(h.one, connectors.Account{Name: "restored", Anchor: old.Anchor, Enabled: true})
	if r := h.settledRun(); !finding(r.Plan, plan.Replaced, h.person("1")) {
		t.Errorf("findings %+v", r.Plan.Findings)
	}
	p, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	g := h.governance()
	g.Targets = h.e
	for _, wrong := range []string{"nobody", other.ID} {
		if _, err := g.Bind(t.Context(), p, "one", wrong, h.decider(), "x"); err == nil {
			t.Errorf("%s is bound", wrong)
		}
	}
	// The account is enabled: it takes two people.
	proposal, err := g.Bind(t.Context(), p, "one", id, h.decider(), "restored from the backup")
	if err != nil || proposal.Hold == nil || h.told(audit.AccountBound) != 0 {
		t.Fatalf("%+v, %v", proposal, err)
	}
	if _, err := g.DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, h.decider(), "it is"); !rights.IsCause(err) {
		t.Errorf("the one who proposed it lets it through: %v", err)
	}
	if _, err := g.DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, by(p.ID), "it is mine"); !rights.IsSelf(err) {
		t.Errorf("the person whose it becomes lets it through: %v", err)
	}
	if _, err := g.DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, h.deciderCalled("boss2"), "it is"); err != nil || h.told(audit.AccountBound) != 1 {
		t.Fatal(err)
	}
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("has %s", h.has("1"))
	}
	h.hire("1 school T 2020-12-31", "2 school T")
	if h.settledRun(); h.has("1") != "" {
		t.Errorf("the leaver has %s", h.has("1"))
	}
}

package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

const manyGroups = `mfa: {target: one}
targets:
  one: {%s, memory: {groups: [staff, school, secret, staff2, staff3]}}
  two: {memory: {groups: [library]}}
`

// regroup has the catalogue name another group for an entitlement.
func (h *fixture) regroup(entitlement policy.EntitlementID, native string) {
	h.t.Helper()
	all := h.e.Config.Rules.Catalogue.Entitlements
	i := slices.IndexFunc(all, func(e policy.Entitlement) bool { return e.ID == entitlement })
	all[i].Native = native
}

// groups returns the groups of a person's account in target one, however the catalogue
// names them.
func (h *fixture) groups(key string) string {
	h.t.Helper()
	o := plan.NewObserved()
	c, err := h.one.Connector.Snapshot(h.t.Context(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	o.Done(c)
	var in []string
	for _, a := range o.ByAnchor(string(h.person(key))) {
		for _, native := range o.Entitlements() {
			if o.Member(a.ID, native) {
				in = append(in, native)
			}
		}
	}
	return strings.Join(in, " ")
}

func newRegrouping(t *testing.T, settings string) *fixture {
	h := newFixtureWith(t, fmt.Sprintf(manyGroups, settings))
	h.hire("1 library T", "2 school T", "3 library T")
	h.settledRun()
	return h
}

// TestAChangedGroupMovesItsPeople: people whom behov put into a group leave it when the
// catalogue names another for the entitlement. Their access lasts all the time, in the
// audit trail as in the target, and drift is none.
func TestAChangedGroupMovesItsPeople(t *testing.T) {
	for _, settings := range []string{"drift: repair", "drift: report"} {
		t.Run(settings, func(t *testing.T) {
			h := newRegrouping(t, settings)
			h.regroup("base:staff", "staff2")
			r := h.settledRun()
			if got := h.groups("1") + ", " + h.groups("2"); got != "staff2, school staff2" {
				t.Errorf("the groups are %s", got)
			}
			if slices.ContainsFunc(r.Plan.Findings, func(f plan.Finding) bool {
				return f.Kind == plan.Drift || strings.Contains(testenv.Words(f.Reason), `"staff"`)
			}) {
				t.Errorf("findings %+v", r.Plan.Findings)
			}
			if h.has("1") != usual || h.told(audit.AccessGone)+h.told(audit.AccessFound) > 0 {
				t.Errorf("has %s, %d gone, %d found", h.has("1"), h.told(audit.AccessGone), h.told(audit.AccessFound))
			}
			for range 2 { // the second forgets the former group
				if r := h.settledRun(); len(r.Plan.Steps) > 0 {
					t.Errorf("the next run has steps %v", opsOf(r.Plan.Steps))
				}
			}
			h.behind(h.one, connectors.AddMember, h.accounts(h.one, h.person("1"))[0].ID, "staff")
			if h.settledRun(); h.groups("1") != "staff staff2" {
				t.Errorf("what is in no catalogue is left alone, and the groups are %s", h.groups("1"))
			}
		})
	}
}

// TestAChangedGroupThatIsNotThere: until the group that the catalogue names is
// there, people keep the former one; those who need it no more leave it.
func TestAChangedGroupThatIsNotThere(t *testing.T) {
	h := newRegrouping(t, "drift: repair")
	h.regroup("base:staff", "nowhere")
	h.hire("1 library T", "2 school T")
	h.settledRun()
	if got := h.groups("1") + ", " + h.groups("3"); got != "staff, " {
		t.Errorf("the groups are %s", got)
	}
	if h.told(audit.AccessGone)+h.told(audit.AccessUnseen) > 0 {
		t.Errorf("%d gone, %d unseen", h.told(audit.AccessGone), h.told(audit.AccessUnseen))
	}
	h.regroup("base:staff", "staff2")
	if h.settledRun(); h.groups("1") != "staff2" {
		t.Errorf("the groups are %s", h.groups("1"))
	}
}

// TestLeavingAFormerGroupIsLimited: it takes people out of a group, and a catalogue can be
// wrong. Meanwhile they are in both groups, and a leaver leaves both.
func TestLeavingAFormerGroupIsLimited(t *testing.T) {
	h := newRegrouping(t, "hold_above: {removals: {number: 2}}")
	h.regroup("base:staff", "staff2")
	r := h.run()
	if got := h.groups("1"); got != "staff staff2" || len(r.Plan.Holds) != 1 || len(r.Plan.Holds[0].Steps) != 3 {
		t.Fatalf("the groups are %s, holds %+v", got, r.Plan.Holds)
	}
	h.regroup("base:staff", "staff3") // before the first change was done
	h.hire("1 library T", "2 school T")
	if r = h.run(); h.groups("3") != "" {
		t.Errorf("the leaver is in %s; steps %v", h.groups("3"), opsOf(r.Plan.Steps))
	}
	if r.Plan.Holds != nil || h.groups("1") != "staff3" {
		t.Errorf("the groups are %s, holds %+v", h.groups("1"), r.Plan.Holds)
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 || h.has("1") != usual || h.has("3") != "" {
		t.Errorf("the next run has steps %v; 1 has %s, 3 has %s", opsOf(r.Plan.Steps), h.has("1"), h.has("3"))
	}
}

// TestAChangedGroupInARunForSomePeople: what a run for everyone has not come to yet, a run
// for the person does.
func TestAChangedGroupInARunForSomePeople(t *testing.T) {
	h := newRegrouping(t, "drift: repair")
	h.regroup("base:staff", "staff2")
	h.few("1")
	if got := h.groups("1") + ", " + h.groups("2"); got != "staff2, school staff" || h.has("1") != usual {
		t.Errorf("the groups are %s; has %s", got, h.has("1"))
	}
	h.hire("1 library T", "2 school T 2020-02-01", "3 library T")
	h.few("2")
	if h.groups("2") != "" || h.has("2") != "" {
		t.Errorf("the leaver is in %s and has %s", h.groups("2"), h.has("2"))
	}
}

// TestAFormerGroupKeepsWhatBehovDidNotGive: a member whom behov did not put into the
// former group stays there, and the audit trail says so.
func TestAFormerGroupKeepsWhatBehovDidNotGive(t *testing.T) {
	h := newRegrouping(t, "drift: repair")
	h.behind(h.one, connectors.AddMember, h.accounts(h.one, h.person("1"))[0].ID, "school")
	h.settledRun()
	h.regroup("base:school", "staff2")
	r := h.settledRun()
	if got := h.groups("1") + ", " + h.groups("2"); got != "school staff, staff staff2" || h.has("1") != usual {
		t.Errorf("the groups are %s; has %s; steps %v", got, h.has("1"), opsOf(r.Plan.Steps))
	}
	gone := ""
	for _, record := range records(t, h) {
		if record.Action == audit.AccessGone {
			gone = testenv.Words(record.Reason)
		}
	}
	if !strings.Contains(gone, `named the group "school" for it before`) {
		t.Errorf("the reason is %q", gone)
	}
}

// TestGroupsThatTwoEntitlementsExchange: each person ends in the group that the catalogue
// names now, and in no other that behov put them into; first they join, then they leave,
// and the audit trail shows that they had what they have all the time.
func TestGroupsThatTwoEntitlementsExchange(t *testing.T) {
	for name, change := range map[string]struct{ staff, school, one, two, held string }{
		"exchange": {"school", "staff", "school", "school staff", "school staff"},
		"chain":    {"school", "staff2", "school", "school staff2", "school"},
	} {
		for _, settings := range []string{"drift: repair", "drift: report", "hold_above: {grants: {number: 99}}"} {
			t.Run(name+" "+settings, func(t *testing.T) {
				h := newFixtureWith(t, fmt.Sprintf(manyGroups, settings))
				h.hire("1 library T", "2 school T", "3 library T")
				h.settledRun()
				if strings.HasPrefix(settings, "hold") {
					h.e.Config.Targets[0].Limits[blastradius.Grants] = blastradius.Limit{People: 0, Share: -1}
				}
				h.regroup("base:staff", change.staff)
				h.regroup("base:school", change.school)
				r := h.run()
				if strings.HasPrefix(settings, "hold") {
					if got := h.groups("1") + ", " + h.groups("2"); got != "staff, "+change.held || len(r.Plan.Holds) == 0 {
						t.Errorf("held, the groups are %s; holds %+v", got, r.Plan.Holds)
					}
					h.e.Config.Targets[0].Limits[blastradius.Grants] = blastradius.Limit{People: 99, Share: -1}
					r = h.run()
				}
				joined := map[string]bool{} // by person
				for _, step := range r.Plan.Steps {
					switch {
					case step.Op == connectors.AddMember:
						joined[string(step.Person)] = true
					case step.Op == connectors.RemoveMember, !joined[string(step.Person)] && name == "exchange":
						t.Errorf("step %s of %s comes before the person has joined", step.Op, step.Entitlement)
					}
				}
				if got := h.groups("1") + ", " + h.groups("2"); got != change.one+", "+change.two || h.has("1") != usual || h.has("2") != everything {
					t.Errorf("the groups are %s; 1 has %s, 2 has %s", got, h.has("1"), h.has("2"))
				}
				for range 2 {
					if r := h.settledRun(); len(r.Plan.Steps) > 0 || len(r.Plan.UnrepairedDrift) > 0 {
						t.Errorf("the next run has steps %v, and leaves %+v", opsOf(r.Plan.Steps), r.Plan.UnrepairedDrift)
					}
				}
				if h.told(audit.AccessGone)+h.told(audit.AccessFound)+h.told(audit.AccessUnseen) > 0 {
					t.Errorf("%d gone, %d found, %d unseen", h.told(audit.AccessGone), h.told(audit.AccessFound), h.told(audit.AccessUnseen))
				}
				h.behind(h.one, connectors.AddMember, h.accounts(h.one, h.person("1"))[0].ID, "staff")
				if h.settledRun(); name == "exchange" && h.groups("1") != "school staff" {
					t.Errorf("what someone else gave is left, and the groups are %s", h.groups("1"))
				}
			})
		}
	}
}

// TestAGainedEntitlementWhoseGroupTheAccountIsIn: a person who is in the group for another
// entitlement, which has another group now, and gets the one that has this group, stays.
func TestAGainedEntitlementWhoseGroupTheAccountIsIn(t *testing.T) {
	h := newRegrouping(t, "drift: repair")
	h.regroup("base:staff", "staff2")
	h.regroup("base:school", "staff")
	h.hire("1 school T", "2 school T", "3 library T")
	h.settledRun()
	if got := h.groups("1") + ", " + h.groups("3"); got != "staff staff2, staff2" || h.has("1") != everything {
		t.Errorf("the groups are %s; has %s", got, h.has("1"))
	}
	h.hire("1 library T", "2 school T", "3 library T")
	h.settledRun()
	if h.groups("1") != "staff2" || h.has("1") != usual {
		t.Errorf("the groups are %s; has %s", h.groups("1"), h.has("1"))
	}
	h.nothingToDo()
}

// TestKeptAccessMovesToAChangedGroup: what a person keeps though no rule gives it, as by a
// review, is the entitlement, whichever group it is.
func TestKeptAccessMovesToAChangedGroup(t *testing.T) {
	h := newRegrouping(t, "drift: repair")
	h.hire("1 school T", "2 school T", "3 library T")
	h.settledRun()
	h.review(store.Keep)
	h.hire("1 library T", "2 school T", "3 library T")
	h.settledRun()
	if h.groups("1") != "school staff" {
		t.Fatalf("kept, the groups are %s", h.groups("1"))
	}
	h.regroup("base:school", "staff2")
	h.settledRun()
	if h.groups("1") != "staff staff2" || h.has("1") != everything {
		t.Errorf("the groups are %s; has %s", h.groups("1"), h.has("1"))
	}
	h.nothingToDo()
}

// TestAFormerGroupThatIsGone: an operator who deletes it before behov has moved the people
// has not taken their access away behind behov's back.
func TestAFormerGroupThatIsGone(t *testing.T) {
	h := newRegrouping(t, "drift: report")
	h.regroup("base:staff", "staff2")
	h.one.gone = "staff"
	h.settledRun()
	if h.groups("1") != "staff staff2" || h.has("1") != usual { // the target keeps it, and does not show it
		t.Errorf("the groups are %s; has %s", h.groups("1"), h.has("1"))
	}
	for range 2 {
		if r := h.settledRun(); len(r.Plan.Steps)+len(r.Plan.UnrepairedDrift) > 0 {
			t.Errorf("the next run has steps %v, and leaves %+v", opsOf(r.Plan.Steps), r.Plan.UnrepairedDrift)
		}
	}
	h.behind(h.one, connectors.RemoveMember, h.accounts(h.one, h.person("1"))[0].ID, "staff2")
	if r := h.settledRun(); len(r.Plan.UnrepairedDrift) != 1 {
		t.Errorf("drift is reported again after the move: %+v", r.Plan)
	}
}

// TestAFormerGroupWhoseOutcomeIsNotKnown: a run that stopped before it heard of the
// outcome leaves it to the next, which sees what was done.
func TestAFormerGroupWhoseOutcomeIsNotKnown(t *testing.T) {
	h := newRegrouping(t, "drift: repair")
	h.regroup("base:staff", "staff2")
	h.one.before = func(changes []connectors.Change) {
		h.one.answer = nil
		if changes[0].Op == connectors.RemoveMember {
			h.one.answer = func(connectors.Result) connectors.Result {
				return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the connection broke")}
			}
		}
	}
	h.run()
	h.one.before, h.one.answer = nil, nil
	r := h.settledRun()
	if r.Resolved[audit.Applied] != 3 || len(r.Plan.Steps) > 0 || h.groups("1") != "staff2" || h.has("1") != usual {
		t.Errorf("resolved %v, steps %v, groups %s, has %s", r.Resolved, opsOf(r.Plan.Steps), h.groups("1"), h.has("1"))
	}
}

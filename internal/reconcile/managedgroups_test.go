package reconcile_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/testenv"
)

const managedCatalogue = `systems:
  base:
    target: one
    entitlements:
      staff: {}
      school: {}
      secret: {}
      club: {name: The club, group: {purpose: Meets on Fridays}}
  lib:
    target: two
    entitlements: {library: {}}
`

const managedRules = rulesCSV + "p, club, \"r.sub.job_code == 'T'\", base:club, allow, teachers\n"

func newManaged(t *testing.T) *fixture {
	t.Helper()
	return newFixtureOf(t, map[string]string{"behov.yaml": strings.ReplaceAll(configuration, "number: 2", "number: 100"), "catalogue.yaml": managedCatalogue, "policy.csv": managedRules})
}

// club changes the entitlement of the catalogue whose group behov manages.
func (h *fixture) club(change func(*policy.Entitlement)) {
	h.t.Helper()
	all := h.e.Config.Rules.Catalogue.Entitlements
	i := slices.IndexFunc(all, func(e policy.Entitlement) bool { return e.ID == "base:club" })
	if all[i].Group != nil {
		group := *all[i].Group
		all[i].Group = &group
	}
	change(&all[i])
}

// groupOps are the steps on groups of a run, with the names.
func groupOps(r *execute.Result) string {
	var ops []string
	for _, s := range r.Plan.Groups {
		ops = append(ops, string(s.Op)+" "+s.Native)
	}
	return strings.Join(ops, ", ")
}

func (h *fixture) wantFinding(r *execute.Result, kind plan.FindingKind, words string) {
	h.t.Helper()
	if !slices.ContainsFunc(r.Plan.Findings, func(f plan.Finding) bool {
		return f.Kind == kind && f.Entitlement == "base:club" && strings.Contains(testenv.Words(f.Reason), words)
	}) {
		h.t.Errorf("no finding %s with %q: %+v", kind, words, r.Plan.Findings)
	}
}

// TestAGroupIsCreatedRenamedAndRetired: as the catalogue says, and its people keep their
// access all the time.
func TestAGroupIsCreatedRenamedAndRetired(t *testing.T) {
	h := newManaged(t)
	h.hire("1 school T", "2 library T", "3 library C")
	r := h.settledRun()
	if got := groupOps(r); got != "create-group club" {
		t.Fatalf("the plan has %q", got)
	}
	if got := h.groups("1") + "; " + h.groups("2") + "; " + h.groups("3"); got != "club school staff; club staff; staff" {
		t.Errorf("the groups are %s", got)
	}
	told := 0
	for _, rec := range records(t, h) {
		if rec.Op == string(connectors.CreateGroup) && rec.Entitlement == "base:club" && rec.Target == "one" && strings.Contains(testenv.Words(rec.Reason), `create "club"`) {
			told++
		}
	}
	if told != 2 { // the intent and the outcome
		t.Errorf("the trail has the creation %d times", told)
	}

	h.club(func(e *policy.Entitlement) { e.Native = "society" })
	h.hire("1 school T", "2 library T", "3 library C", "4 library T")
	r = h.settledRun()
	if got := groupOps(r); got != "rename-group society" {
		t.Errorf("the plan has %q", got)
	}
	if got := h.groups("1") + "; " + h.groups("2") + "; " + h.groups("4"); got != "school society staff; society staff; society staff" {
		t.Errorf("the groups are %s", got)
	}
	for _, s := range r.Plan.Steps {
		if s.Entitlement == "base:club" && s.Person != h.person("4") {
			t.Errorf("a member of a renamed group is changed: %+v", s)
		}
	}
	h.settledRun() // which forgets the former name

	h.club(func(e *policy.Entitlement) { e.Group.Retire = policy.RetireDelete })
	r = h.settledRun()
	if got := groupOps(r) + h.groups("1"); got != "school staff" {
		t.Errorf("retired: %s", got)
	}
	h.wantFinding(r, plan.Unmanaged, "3 members")
	if got := groupOps(h.run()); got != "delete-group society" {
		t.Errorf("empty: %s", got)
	}
	r = h.settledRun()
	if got := groupOps(r); got != "" || len(h.named("society")) > 0 {
		t.Errorf("deleted: %s", got)
	}
	if h.told(audit.AccessGone)+h.told(audit.AccessFound) > 0 {
		t.Errorf("%d gone, %d found", h.told(audit.AccessGone), h.told(audit.AccessFound))
	}
}

// named returns the group of target one with the name, as a list.
func (h *fixture) named(name string) (found []connectors.Entitlement) {
	h.t.Helper()
	for _, e := range h.listed() {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

func (h *fixture) listed() []connectors.Entitlement {
	h.t.Helper()
	var s entitlementSink
	if _, err := h.one.Connector.Snapshot(h.t.Context(), &s); err != nil {
		h.t.Fatal(err)
	}
	return s.all
}

type entitlementSink struct{ all []connectors.Entitlement }

func (s *entitlementSink) Account(connectors.Account) error       { return nil }
func (s *entitlementSink) Membership(connectors.Membership) error { return nil }
func (s *entitlementSink) Entitlement(e connectors.Entitlement) error {
	s.all = append(s.all, e)
	return nil
}

// TestGroupsOfOthersAreLeftAlone: a group that was there before is used, and neither renamed
// nor deleted; one that behov created and the catalogue does not have any more is left.
func TestGroupsOfOthersAreLeftAlone(t *testing.T) {
	h := newManaged(t)
	h.club(func(e *policy.Entitlement) { e.Native = "secret2" })
	h.foreign(connectors.GroupChange{Op: connectors.CreateGroup, Name: "secret2"})
	h.hire("1 school T")
	r := h.settledRun()
	if got := groupOps(r) + "; " + h.groups("1"); got != "; school secret2 staff" {
		t.Errorf("an existing group: %s", got)
	}
	h.wantFinding(r, plan.Unmanaged, "was there before")
	h.club(func(e *policy.Entitlement) { e.Group.Retire = policy.RetireDelete })
	h.settledRun()
	h.settledRun()
	if got := h.groups("1"); got != "school staff" || len(h.named("secret2")) != 1 {
		t.Errorf("retired: %s, %v", got, h.named("secret2"))
	}

	h.club(func(e *policy.Entitlement) { e.Native, e.Group.Retire = "club", "" })
	h.settledRun()
	h.club(func(e *policy.Entitlement) { e.Native = "secret2" })
	r = h.settledRun()
	h.wantFinding(r, plan.Ambiguous, `cannot be renamed to "secret2"`)
	if got := h.groups("1"); got != "club school staff" {
		t.Errorf("a taken name: %s", got)
	}
	h.club(func(e *policy.Entitlement) { e.Native = "Club" }) // which this target tells from club
	if got := groupOps(h.settledRun()) + "; " + h.groups("1"); got != "rename-group Club; Club school staff" {
		t.Errorf("another case: %s", got)
	}
	h.club(func(e *policy.Entitlement) { e.Native = "club" })
	h.settledRun()
	h.club(func(e *policy.Entitlement) { e.Native, e.Group = "club", nil })
	r = h.settledRun()
	h.wantFinding(r, plan.Unmanaged, `behov created "club"`)
	if got := h.groups("1"); got != "club school staff" {
		t.Errorf("managed no more: %s", got)
	}
}

// foreign changes a group of target one as another tool would.
func (h *fixture) foreign(change connectors.GroupChange) {
	h.t.Helper()
	change.Mark = "another tool's"
	if out, err := h.one.ChangeGroup(h.t.Context(), change); err != nil || out.Status == connectors.Refused {
		h.t.Fatalf("%+v: %+v, %v", change, out, err)
	}
}

// losing creates groups and loses the answer.
type losing struct {
	*scripted
	lose bool
}

func (l *losing) ChangeGroup(ctx context.Context, change connectors.GroupChange) (connectors.Outcome, error) {
	out, err := l.scripted.ChangeGroup(ctx, change)
	if l.lose {
		l.lose = false
		return connectors.Outcome{}, connectors.Errorf(connectors.RetryLater, "the answer was lost")
	}
	return out, err
}

// TestALostCreationIsNotRepeated: a group whose creation was not answered is known by its
// mark, and one that a person renamed by hand gets the catalogue's name again. One that is
// deleted by hand is created again.
func TestALostCreationIsNotRepeated(t *testing.T) {
	h := newManaged(t)
	l := &losing{h.one, true}
	h.e.Targets["one"] = l
	h.hire("1 school T")
	r := h.run()
	if r.Err() == nil || h.groups("1") != "school staff" || len(h.named("club")) != 1 {
		t.Fatalf("lost: %v, %s", r.Err(), h.groups("1"))
	}
	created := h.named("club")[0]
	r = h.settledRun()
	if got := groupOps(r) + "; " + h.groups("1"); got != "; club school staff" {
		t.Errorf("found: %s", got)
	}
	bound, err := h.e.DB.ManagedGroups(t.Context(), "one")
	if err != nil || len(bound) != 1 || bound[0].Native != created.ID || bound[0].Mark != created.Mark {
		t.Errorf("bound %+v, %v", bound, err)
	}
	if _, err := h.one.ChangeGroup(t.Context(), connectors.GroupChange{Op: connectors.RenameGroup, ID: created.ID, Name: "by hand"}); err != nil {
		t.Fatal(err)
	}
	if got := groupOps(h.settledRun()) + "; " + h.groups("1"); got != "rename-group club; club school staff" {
		t.Errorf("renamed by hand: %s", got)
	}
	h.behind(h.one, connectors.RemoveMember, h.accounts(h.one, h.person("1"))[0].ID, "club")
	if _, err := h.one.ChangeGroup(t.Context(), connectors.GroupChange{Op: connectors.DeleteGroup, ID: created.ID}); err != nil {
		t.Fatal(err)
	}
	r = h.settledRun()
	if got := groupOps(r); got != "create-group club" || !strings.Contains(testenv.Words(r.Plan.Groups[0].Reason), "gone from the target") {
		t.Errorf("deleted by hand: %s", got)
	}
	if again := h.named("club"); len(again) != 1 || again[0].ID == created.ID {
		t.Errorf("created again: %+v", again)
	}
}

// TestARefusedGroupIsTold: who would be in a group that cannot be created is not tried, and
// everything else goes on.
func TestARefusedGroupIsTold(t *testing.T) {
	h := newManaged(t)
	h.e.Targets["one"] = refusing{h.one}
	h.hire("1 school T")
	r := h.run()
	if r.Outcomes[audit.Refused] != 1 || r.Outcomes["not-tried"] != 1 || h.groups("1") != "school staff" {
		t.Errorf("%v, %s", r.Outcomes, h.groups("1"))
	}
}

type refusing struct{ *scripted }

func (refusing) ChangeGroup(context.Context, connectors.GroupChange) (connectors.Outcome, error) {
	return connectors.Outcome{Status: connectors.Refused, Detail: "it may not"}, nil
}

// TestGroupsOfOthersStay: whatever the catalogue says of a group and whatever others do to
// groups, behov changes none that it did not create.
func TestGroupsOfOthersStay(t *testing.T) {
	names := []string{"club", "society", "staff2", "other"}
	rapid.Check(t, func(rt *rapid.T) {
		h := newManaged(t)
		h.hire("1 school T")
		others := map[string]string{} // by ID, the name that another tool gave it
		for range rapid.IntRange(2, 7).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "name")
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
				h.club(func(e *policy.Entitlement) { e.Native = name })
			case 1:
				h.club(func(e *policy.Entitlement) {
					e.Group = &policy.ManagedGroup{Retire: rapid.SampledFrom([]policy.Retirement{"", "", policy.RetireEmpty, policy.RetireDelete}).Draw(rt, "retire")}
				})
			case 2:
				h.club(func(e *policy.Entitlement) { e.Group = nil })
			case 3:
				if len(h.named(name)) == 0 {
					h.foreign(connectors.GroupChange{Op: connectors.CreateGroup, Name: name})
					others[h.named(name)[0].ID] = name
				}
			case 4:
				for _, id := range slices.Sorted(maps.Keys(others)) {
					if len(h.named(name)) == 0 {
						h.foreign(connectors.GroupChange{Op: connectors.RenameGroup, ID: id, Name: name})
						others[id] = name
					}
				}
			}
			h.run()
			now := map[string]string{}
			for _, e := range h.listed() {
				if _, is := others[e.ID]; is {
					now[e.ID] = e.Name
				}
			}
			if !maps.Equal(now, others) {
				rt.Fatalf("the groups of others are %v, want %v", now, others)
			}
		}
	})
}

package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

func (h *fixture) login(key string) string {
	h.t.Helper()
	p, err := h.e.DB.FindPerson(h.t.Context(), key, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	return p.Login
}

// Law 6: another person's account with the login name is neither taken over nor
// touched; with the person's anchor in it, it is adopted and not made again.
func TestANameThatIsTaken(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	foreign := connectors.Account{Name: strings.ToUpper(h.login("1")), Enabled: true, Attributes: map[string][]string{"mail": {"old@x"}}}
	foreign.ID = h.put(h.one, foreign)
	r := h.settledRun()
	if !finding(r.Plan, plan.NameTaken, h.person("1")) || h.one.calls > 0 || h.has("1") != "two/account two/lib:library" {
		t.Errorf("findings %+v, %d calls, has %s", r.Plan.Findings, h.one.calls, h.has("1"))
	}
	foreign.Anchor = string(h.person("1"))
	h.put(h.one, foreign)
	r = h.settledRun()
	if got := opsOf(r.Plan.Steps); slices.Contains(got, "one create-account") || h.has("1") != everything {
		t.Errorf("adopted: steps %v, has %s", got, h.has("1"))
	}
	if a := h.accounts(h.one, h.person("1")); len(a) != 1 || a[0].ID != foreign.ID || a[0].Attributes["mail"][0] != "1@x" {
		t.Errorf("accounts are %+v", a)
	}
}

// An account that is no one's is listed, unless it is to be ignored, and never
// touched.
func TestAnOrphanIsListed(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	ids := map[string]bool{h.put(h.one, connectors.Account{Name: "printer", Enabled: true}): true, h.put(h.one, connectors.Account{Name: "former", Anchor: "somebody", Enabled: true}): true}
	h.e.Config.Targets[0].Ignore = []string{"svc-*"}
	h.put(h.one, connectors.Account{Name: "SVC-Backup", Enabled: true})
	h.settledRun()
	r := h.settledRun()
	listed := 0
	for _, f := range r.Plan.Findings {
		if f.Kind == plan.Orphan {
			listed++
			if !ids[f.AccountID] {
				t.Errorf("listed: %+v", f)
			}
		}
	}
	if listed != 2 || len(r.Plan.Steps) > 0 {
		t.Errorf("%d are listed, steps %v", listed, opsOf(r.Plan.Steps))
	}
}

// Of two accounts that say they are the same person's, and of which behov made
// neither, none gets access; both are closed to a leaver.
func TestTwoAccountsOfOnePerson(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	for _, name := range []string{"a", "b"} {
		h.put(h.one, connectors.Account{Name: name, Anchor: string(h.person("1")), Enabled: true})
	}
	r := h.settledRun()
	if !finding(r.Plan, plan.Ambiguous, h.person("1")) || h.one.calls > 0 {
		t.Errorf("findings %+v, %d calls", r.Plan.Findings, h.one.calls)
	}
	h.hire("1 school T 2020-12-31")
	h.settledRun()
	for _, a := range h.accounts(h.one, h.person("1")) {
		if a.Enabled {
			t.Errorf("the leaver's account %s can be used", a.Name)
		}
	}
}

// The person who writes a person's ID into an account of their own gains nothing by
// it, and loses it with that person.
func TestAClaimToBeAPersonElseGivesNothing(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 library T")
	h.settledRun()
	claim := connectors.Account{Name: "mallory", Anchor: string(h.person("1")), Enabled: true}
	claim.ID = h.put(h.one, claim)
	r := h.settledRun()
	if len(r.Plan.Steps) > 0 || !finding(r.Plan, plan.Ambiguous, h.person("1")) {
		t.Errorf("steps %v, findings %+v", opsOf(r.Plan.Steps), r.Plan.Findings)
	}
	h.hire("1 library T", "2 library T") // the person's own account goes on
	if r := h.settledRun(); !slices.Equal(opsOf(r.Plan.Steps), []string{"one remove-member base:school"}) {
		t.Errorf("steps %v", opsOf(r.Plan.Steps))
	}
	h.hire("1 library T 2020-12-31", "2 library T")
	h.settledRun()
	if h.has("1") != "" {
		t.Errorf("the leaver has %s", h.has("1"))
	}
}

// An account that took the place of the one behov made gets nothing.
func TestAnAccountThatReplacesAnother(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	h.behind(h.one, connectors.DeleteAccount, h.accounts(h.one, h.person("1"))[0].ID, "")
	h.put(h.one, connectors.Account{Name: "mallory", Anchor: string(h.person("1")), Enabled: true})
	r := h.settledRun()
	if len(r.Plan.Steps) > 0 || !finding(r.Plan, plan.Replaced, h.person("1")) {
		t.Errorf("steps %v, findings %+v", opsOf(r.Plan.Steps), r.Plan.Findings)
	}
	if got := h.has("1"); got != "one/account two/account two/lib:library" {
		t.Errorf("has %s", got)
	}
	h.hire("1 school T 2020-12-31")
	if h.settledRun(); h.has("1") != "" {
		t.Errorf("the leaver has %s", h.has("1"))
	}
}

// An account that was deleted in the target is made again, with all that belongs
// to it, when a person has released that.
func TestADeletedAccountIsMadeAgain(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.settledRun()
	h.behind(h.one, connectors.DeleteAccount, h.accounts(h.one, h.person("1"))[0].ID, "")
	for range 2 {
		if r := h.settledRun(); len(r.Plan.Steps) > 0 || len(r.Plan.Holds) != 1 || !finding(r.Plan, plan.Vanished, h.person("1")) {
			t.Fatalf("steps %v, holds %+v, findings %+v", opsOf(r.Plan.Steps), r.Plan.Holds, r.Plan.Findings)
		}
	}
	if n := h.told(audit.AccessGone); n > 0 || h.told(audit.AccessUnseen) != 3 {
		t.Errorf("%d accesses ended, %d are not seen", n, h.told(audit.AccessUnseen))
	}
	h.decideHold(h.settledRun().Plan.Holds[0].Digest, store.Release)
	if h.settledRun(); h.has("1") != everything {
		t.Errorf("has %s", h.has("1"))
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 {
		t.Errorf("and then: steps %v", opsOf(r.Plan.Steps))
	}
}

// An adopted account is known by the target's own ID from when it was first
// seen, as one is that behov made: a wiped anchor does not hide a leaver.
func TestAnAdoptedAccountIsKnownByItsID(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	adopted := connectors.Account{Name: "adopted", Anchor: string(h.person("1")), Enabled: true}
	adopted.ID = h.put(h.one, adopted)
	h.settledRun()
	adopted.Anchor = ""
	h.put(h.one, adopted)
	if r := h.settledRun(); !finding(r.Plan, plan.AnchorLost, h.person("1")) {
		t.Errorf("findings %+v", r.Plan.Findings)
	}
	h.hire("1 school T 2020-12-31")
	h.settledRun()
	o := plan.NewObserved()
	if _, err := h.one.Connector.Snapshot(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for a := range o.All() {
		if a.Enabled {
			t.Errorf("the leaver's account %s can be used", a.Name)
		}
	}
}

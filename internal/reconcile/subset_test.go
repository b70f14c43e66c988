package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// ids returns the people whom the keys name.
func (h *fixture) ids(keys ...string) []identity.PersonID {
	h.t.Helper()
	var few []identity.PersonID
	for _, key := range keys {
		p, err := h.e.DB.FindPerson(h.t.Context(), key, "hr")
		if err != nil {
			h.t.Fatal(err)
		}
		few = append(few, p.ID)
	}
	return few
}

// few looks at the people whom the keys name, which must go well, and returns
// what is left to a run for everyone.
func (h *fixture) few(keys ...string) []plan.DeferredPerson {
	h.t.Helper()
	done, err := h.e.ReconcilePeople(h.t.Context(), h.ids(keys...), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	var later []plan.DeferredPerson
	for _, d := range done {
		if d.Err != nil || d.Result.Err() != nil {
			h.t.Fatalf("%s: %v, %+v", d.Target, d.Err, d.Result)
		}
		later = append(later, d.Result.Plan.Deferred...)
	}
	return later
}

// nothingToDo says that a plan for everyone is empty.
func (h *fixture) nothingToDo() {
	h.t.Helper()
	p, err := h.e.Plan(h.t.Context(), reconcile.Scope{})
	if err != nil || len(p.Steps)+len(p.Holds) > 0 {
		h.t.Errorf("there is still to do: %.500s %.500v %v", fmt.Sprint(opsOf(p.Steps)), p.Holds, err)
	}
}

// TestFewAreRead: what concerns one person is done without reading everyone.
func TestFewAreRead(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 library T")
	h.settledRun()
	before := h.one.snapshots + h.two.snapshots
	h.hire("1 school T", "2 library T", "3 library T 2020-12-31", "4 school T")
	if later := h.few("2", "3", "4"); len(later) > 0 {
		t.Errorf("left to others: %v", later)
	}
	if n := h.one.snapshots + h.two.snapshots - before; n != 0 {
		t.Errorf("targets were read as a whole %d times", n)
	}
	for key, want := range map[string]string{"1": everything, "2": "one/account one/base:staff two/account two/lib:library", "3": "", "4": everything} {
		if got := h.has(key); got != want {
			t.Errorf("%s has %q, want %q", key, got, want)
		}
	}
	h.nothingToDo()
}

// Law 4: who loses something one at a time counts as who loses it at once, for
// an hour; what is over the limit is left to a run for everyone, which holds
// it or not.
func TestFewAtATimeStayWithinTheLimit(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T", "6 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T 2020-12-31", "5 school T", "6 school T")
	for _, key := range []string{"1", "2"} {
		if later := h.few(key); len(later) > 0 || h.has(key) != "" {
			t.Errorf("%s: %v, has %s", key, later, h.has(key))
		}
	}
	later := h.few("3")
	if len(later) != 2 || !strings.Contains(testenv.Words(later[0].Why), "the accounts of 3 people, where 6 have an account") || h.has("3") != everything {
		t.Errorf("the third: %v, has %s", later, h.has("3"))
	}
	if holds, err := h.e.DB.Holds(t.Context()); err != nil || len(holds) > 0 {
		t.Errorf("holds are for a run that sees everybody: %v %v", holds, err)
	}
	now := time.Now().Add(2 * time.Hour)
	h.e.Now = func() time.Time { return now }
	if later := h.few("3"); len(later) > 0 || h.has("3") != "" {
		t.Errorf("two hours later: %v, has %s", later, h.has("3"))
	}
}

// Law 4: of an import that is about many, each share may be within the limit
// and all of them not: then no one loses anything before a person has looked.
func TestFewOfManyAreJudgedWithThem(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 school T", "4 school T", "5 school T", "6 school T")
	h.settledRun()
	h.hire("1 school T 2020-12-31", "2 school T 2020-12-31", "3 school T 2020-12-31", "4 school T", "5 library T", "6 school T", "7 school T")
	share := func(together int, keys ...string) (later []plan.DeferredPerson) {
		t.Helper()
		done, err := h.e.ReconcilePeopleStream(t.Context(), h.ids(keys...), together, nil)
		if err != nil {
			t.Fatal(err)
		}
		for d := range done {
			if d.Err != nil || d.Result.Err() != nil {
				t.Fatalf("%s: %v, %+v", d.Target, d.Err, d.Result)
			}
			later = append(later, d.Result.Plan.Deferred...)
		}
		return later
	}
	if later := share(5, "1", "7"); len(later) == 0 || h.has("1") != everything {
		t.Errorf("one of five who may lose something: left %v, has %q", later, h.has("1"))
	}
	if h.has("7") != everything {
		t.Errorf("who gets something waits for those who lose: %q", h.has("7"))
	}
	h.settledRun()
	if holds, err := h.e.DB.Holds(t.Context()); err != nil || len(holds) == 0 || h.has("1") != everything || h.has("3") != everything {
		t.Errorf("a run for everybody holds all of them: %v %v", holds, err)
	}
}

// Nothing is adopted on the strength of one person's claims: others may have
// the same.
func TestFewAdoptNothing(t *testing.T) {
	h := newFixtureWith(t, strings.Replace(configuration, "  one: {", `  one: {adopt: [{mail: "{{.Email}}"}], `, 1))
	if _, err := h.one.Put(connectors.Account{Name: "anna", Enabled: true, Attributes: map[string][]string{"mail": {"1@x"}}}, false); err != nil {
		t.Fatal(err)
	}
	h.hire("1 school T", "2 school T")
	if later := h.few("1"); len(later) != 1 || later[0].Target != "one" {
		t.Errorf("left to others: %v", later)
	}
	if got := h.has("1"); got != "two/account two/lib:library" {
		t.Errorf("has %q", got)
	}
	if later := h.few("2"); len(later) > 0 || h.has("2") != everything {
		t.Errorf("whom nobody could be taken for: %v, has %s", later, h.has("2"))
	}
	if h.one.snapshots > 0 {
		t.Errorf("the target was read as a whole %d times", h.one.snapshots)
	}
	h.settledRun()
	if got := h.has("1"); got != everything {
		t.Errorf("after a run for everybody 1 has %q", got)
	}
}

// An account that was there is found by its login name as well, and an answer
// that may lack one makes no one a second account.
func TestFewFindAccounts(t *testing.T) {
	h := newFixtureWith(t, strings.Replace(configuration, "  one: {", `  one: {adopt: [{mail: "{{.Email}}"}, {name: "u{{.Key}}"}], `, 1))
	if _, err := h.one.Put(connectors.Account{Name: "U2", Enabled: true}, false); err != nil {
		t.Fatal(err)
	}
	h.hire("1 school T", "2 school T")
	h.one.findIncomplete = true
	if h.few("1"); h.has("1") != "two/account two/lib:library" {
		t.Errorf("after an incomplete answer 1 has %s", h.has("1"))
	}
	h.one.findIncomplete = false
	if later := h.few("1"); len(later) > 0 || h.has("1") != everything {
		t.Errorf("%v, 1 has %s", later, h.has("1"))
	}
	if later := h.few("2"); len(later) != 1 || later[0].Target != "one" {
		t.Errorf("2 has an account by that name: %v", later)
	}
	if h.one.snapshots > 0 {
		t.Errorf("the target was read as a whole %d times", h.one.snapshots)
	}
	h.settledRun()
	if got := h.has("2"); got != everything {
		t.Errorf("after a run for everybody 2 has %q", got)
	}
}

// What a plan did not know: HR, or a decision, said something new of a person
// after the plan was made and before their turn came. Then it is not done.
func TestAPlanIsNotCarriedOutOnOldFacts(t *testing.T) {
	h := newFixture(t)
	h.e.Config.Targets = h.e.Config.Targets[:1]
	h.hire("1 school T", "2 school T")
	h.one.before = func(changes []connectors.Change) {
		if changes[0].Op == connectors.CreateAccount {
			h.one.before = nil
			h.hire("1 library T", "2 school T")
		}
	}
	r := h.settledRun()
	if n := r.Outcomes["left-to-other-run"]; n != 2 {
		t.Errorf("outcomes %v: both memberships of 1 were planned on old facts", r.Outcomes)
	}
	if got := h.has("1") + h.has("2"); got != "one/accountone/account one/base:school one/base:staff" {
		t.Errorf("they have %q", got)
	}
	h.few("1")
	if got := h.has("1"); got != "one/account one/base:staff" {
		t.Errorf("1 has %q", got)
	}
	h.nothingToDo()
}

// A run for everyone that read a person before others brought them up to date
// does not do it again.
func TestARunForEverybodyLeavesWhatWasDoneMeanwhile(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	other := *h.e
	h.e.Progress = func(stage string, done, total int) {
		if stage != "read targets" || done < total {
			return
		}
		h.e.Progress = nil
		if did, err := other.ReconcilePeople(t.Context(), h.ids("1"), nil); err != nil || did[0].Err != nil || did[0].Result.Outcomes[audit.Applied] != 3 {
			t.Errorf("a person nobody is at: %v, %+v", err, did[0].Result)
		}
	}
	r := h.settledRun()
	if r.Outcomes[audit.Applied] != 5 || r.Outcomes[audit.AlreadyApplied] != 0 || finding(r.Plan, plan.Vanished, h.person("1")) {
		t.Errorf("outcomes %v, findings %+v", r.Outcomes, r.Plan.Findings)
	}
	if got := h.has("1"); got != everything {
		t.Errorf("1 has %q", got)
	}
	h.nothingToDo()
}

// TestAnAccountThatAppearsInOneTargetDelaysNoOther: what a run for everyone leaves to
// the next one in one target it carries out in the others.
func TestAnAccountThatAppearsInOneTargetDelaysNoOther(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.two.snapshot = errors.New("not now")
	h.run()
	h.two.snapshot = nil
	h.one.hidden = func(connectors.Account) bool { return true }
	h.e.Progress = func(stage string, done, total int) {
		if stage == "read targets" && done == total {
			h.e.Progress, h.one.hidden = nil, nil // found in the scope when it is looked for
		}
	}
	if r := h.settledRun(); len(r.Plan.Deferred) != 2 || r.Outcomes[audit.Applied] != 4 || len(r.Outcomes) > 1 {
		t.Errorf("later %v, outcomes %v", r.Plan.Deferred, r.Outcomes)
	}
	for _, key := range []string{"1", "2"} {
		if got := h.has(key); got != everything {
			t.Errorf("%s has %q", key, got)
		}
	}
	h.nothingToDo()
}

// TestEverythingAtOnce: runs for everyone and for few at the same time, of
// the same people, do nothing twice and leave nothing undone.
func TestEverythingAtOnce(t *testing.T) {
	h := newFixture(t)
	h.e.LockWait = time.Minute
	rows := []string{}
	for _, key := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		rows = append(rows, key+" school T")
	}
	var calls sync.Map
	twice := func(name string) func(r connectors.Result) connectors.Result {
		return func(r connectors.Result) connectors.Result {
			if r.Status == connectors.AlreadyApplied {
				calls.Store(name, r)
			}
			return r
		}
	}
	h.one.answer, h.two.answer = twice("one"), twice("two")
	h.hire(rows...)
	few := h.ids("1", "2", "3", "4", "5", "6", "7", "8")
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			if n%4 == 0 {
				if _, err := h.e.Run(t.Context(), reconcile.Scope{}); err != nil {
					t.Error(err)
				}
				return
			}
			done, err := h.e.ReconcilePeople(t.Context(), slices.Clone(few[n%3:n%3+5]), nil)
			if err != nil {
				t.Error(err)
			}
			for _, d := range done {
				if d.Err != nil {
					t.Error(d.Err)
				}
			}
		})
	}
	wg.Wait()
	h.settledRun()
	h.nothingToDo()
	calls.Range(func(name, r any) bool { t.Errorf("%v was asked for what was already so: %+v", name, r); return true })
	for _, key := range []string{"1", "5", "8"} {
		if got := h.has(key); got != everything {
			t.Errorf("%s has %q", key, got)
		}
	}
	intents := map[string]int{}
	for _, r := range records(t, h) {
		if r.Action == audit.StepIntended {
			intents[string(r.Person)+" "+r.Target+" "+r.Op+" "+r.Entitlement]++
		}
	}
	for what, n := range intents {
		if n > 1 {
			t.Errorf("%s was intended %d times:", what, n)
			for _, r := range records(t, h) {
				if strings.HasPrefix(what, string(r.Person)+" "+r.Target+" ") {
					t.Logf("%d %s %s %s plan %s step %s: %s", r.Index, r.Action, r.Op, r.Outcome, r.Plan, r.Attempt, r.Reason)
				}
			}
		}
	}
}

// TestStoppedRunsAreSettledByFew: what a stopped run left open of a person is
// found out when a person looks at them, and not what another run is at.
func TestStoppedRunsAreSettledByFew(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.Permanent, "no usable answer")}
	}
	h.run()
	h.one.answer = nil
	open, err := h.e.DB.OpenSteps(t.Context(), "one", store.Everyone())
	if err != nil || len(open) != 2 {
		t.Fatalf("open: %v %v", open, err)
	}
	h.few("1")
	if got := h.has("1"); got != everything {
		t.Errorf("1 has %q", got)
	}
	if open, _ = h.e.DB.OpenSteps(t.Context(), "one", store.Everyone()); len(open) != 1 || open[0].Person != h.ids("2")[0] {
		t.Errorf("open: %v", open)
	}
	lock, err := h.e.DB.Locks().Try(t.Context(), `touch "one" `+string(h.ids("2")[0]))
	if err != nil {
		t.Fatal(err)
	}
	h.run()
	if open, _ = h.e.DB.OpenSteps(t.Context(), "one", store.Everyone()); len(open) != 1 {
		t.Errorf("a step that somebody is at was settled: %v", open)
	}
	lock.Unlock()
	h.settledRun()
	if open, _ = h.e.DB.OpenSteps(t.Context(), "one", store.Everyone()); len(open) != 0 || h.has("2") != everything {
		t.Errorf("open: %v, has %s", open, h.has("2"))
	}
}

package reconcile_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

// requested is a municipality on a real directory in which people ask for access: anna (1), her
// manager bo (2), the owner of the system (3), its deputy (4), and another manager (5).
type requested struct {
	*directoryRun
	time  time.Time
	rows  map[string]string // anna's employments
	turns int
}

func newRequested(t *testing.T) *requested {
	t.Helper()
	s := testenv.StartSlapd(t)
	run := runDirectory(t, directory{s.Directory(), "", map[string][]string{"objectClass": {"groupOfNames"}}})
	for name, text := range map[string]string{
		"policy.csv":    "p, staff, true, base:staff, allow, everybody\np, desk, \"r.sub.unit == 'school'\", sys:school, allow, the school\n",
		"controls.yaml": "controls:\n  tested: {from: {confidentiality: 3}, request_days: 30, emergency_days: 2, approvers: [manager, owner]}\n",
		"catalogue.yaml": "systems:\n  base: {target: dir, entitlements: {staff: {}}}\n" +
			"  sys: {owner: \"3\", deputies: [\"4\"], classification: {confidentiality: 3, integrity: 0, availability: 0}, target: dir, entitlements: {library: {requestable: true, emergency: true, purpose: lend books}, school: {}}}\n",
		"rights.csv": "g, hr/2, hr\n",
	} {
		if err := os.WriteFile(filepath.Join(run.Config.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &requested{directoryRun: run, time: run.Now(), rows: map[string]string{"E1": "library,2,2020-01-01,,,"}}
	run.Now = func() time.Time { return r.time }
	loaded, problems := config.Load(run.Config.Dir)
	if loaded == nil {
		t.Fatal(problems)
	}
	loaded.Database = run.Config.Database
	run.Config = loaded
	connected, err := targets.Connect(loaded, run.DB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = targets.Disconnect(connected) })
	run.Targets = connected
	r.says()
	return r
}

// says imports what HR says now.
func (r *requested) says() {
	r.t.Helper()
	text := "person_id,employment_id,given_name,family_name,unit,manager_id,start_date,end_date,leave_start,leave_end\n"
	for e, rest := range r.rows {
		text += "1," + e + ",Anna,Berg," + rest + "\n"
	}
	for id, name := range map[string]string{"2": "Bo,Ek", "3": "Cia,Dal", "4": "Dan,Fors", "5": "Eva,Gren"} {
		text += id + ",E-" + id + "," + name + ",library,,2020-01-01,,,\n"
	}
	r.time = r.time.Add(time.Minute)
	im := hr.Importer{DB: r.DB, Config: r.Config, Now: r.Now, Actor: "behov"}
	source := r.Config.Sources["hr"]
	export, err := hr.Read("hr.csv", []byte(text), source, nil, r.Config.Rules.Units, im.Today())
	if err != nil {
		r.t.Fatal(err)
	}
	if got, err := im.Deliver(r.t.Context(), hr.Delivery{Source: source, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Current: true, Export: export}); err != nil || got.Held != nil || got.EndingsHeld != nil {
		r.t.Fatalf("%+v, %v", got, err)
	}
}

func (r *requested) governance() *governance.Governance {
	return &governance.Governance{DB: r.DB, Config: r.Config, Now: r.Now}
}

func (r *requested) today() identity.Date { return identity.DateOf(r.Now(), r.Config.Zone) }

// expect says whether anna is in the group, by turns after a run for everyone and one for her:
// the other way finds nothing left to do.
func (r *requested) expect(when string, want bool) {
	r.t.Helper()
	anna := r.person("1")
	alone := func() (steps int) {
		done, err := r.ReconcilePeople(r.t.Context(), []identity.PersonID{anna.ID}, nil)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, d := range done {
			if d.Err != nil || d.Result.Err() != nil {
				r.t.Fatalf("%s: %v, %+v", when, d.Err, d.Result)
			}
			steps += len(d.Result.Plan.Steps)
		}
		return steps
	}
	if r.turns++; r.turns%2 == 0 {
		alone()
		if left := slices.DeleteFunc(slices.Clone(r.run().Plan.Steps), func(s plan.Step) bool { return s.Person != anna.ID }); len(left) > 0 {
			r.t.Errorf("%s: a run for everyone, after one for one person, does %v", when, opsOf(left))
		}
	} else {
		r.run()
		if n := alone(); n > 0 {
			r.t.Errorf("%s: a run for one person, after one for everyone, does %d steps", when, n)
		}
	}
	has := false
	if account := r.entry("employeeNumber", string(anna.ID)); account != nil {
		for _, m := range r.members("library") {
			has = has || strings.EqualFold(m, account.DN)
		}
	}
	if has != want {
		r.t.Errorf("%s: in the group is %t", when, has)
	}
}

// ask has anna ask for the library.
func (r *requested) ask(until identity.Date, emergency bool) store.AccessRequest {
	r.t.Helper()
	q, _, err := r.governance().RequestAccess(r.t.Context(), r.person("1"), governance.Request{Entitlement: "sys:library", Until: until, Emergency: emergency}, by(r.person("1").ID), "the exhibition")
	if err != nil {
		r.t.Fatal(err)
	}
	return q
}

func (r *requested) decide(q store.AccessRequest, verdict store.Verdict, who string) {
	r.t.Helper()
	if _, err := r.governance().DecideRequest(r.t.Context(), q.ID, verdict, by(r.person(who).ID), "looked at it"); err != nil {
		r.t.Fatalf("%s by %s: %v", verdict, who, err)
	}
}

// approved has anna ask, and both approvers approve.
func (r *requested) approved(until identity.Date) store.AccessRequest {
	r.t.Helper()
	q := r.ask(until, false)
	r.decide(q, store.Approve, "2")
	r.decide(q, store.Approve, "3")
	return q
}

// revoke takes the library from anna by a review, as an owner does.
func (r *requested) revoke() {
	r.t.Helper()
	if err := r.DB.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Decide(r.t.Context(), store.Decision{Kind: store.ReviewDecision, Verdict: store.Revoke, Person: r.person("1").ID, Entitlement: "sys:library", Subject: "1-1", Maker: identity.PersonActor(r.person("3").ID), Reason: "no"}, r.Now())
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
}

func refusedAs(t *testing.T, what string, err error, code reason.Code) {
	t.Helper()
	var refused *reason.Refusal
	if !errors.As(err, &refused) || refused.Reason.Code() != code {
		t.Errorf("%s: %v, not %s", what, err, code)
	}
}

// TestARequestReachesTheDirectoryAndEnds: on a real directory, what is requested comes with the
// last approval and goes by itself: after its last day, when the employment ends, when its
// manager or unit changes, while on leave, when it is withdrawn, and when a review revokes it;
// and does not come back without a new decision.
func TestARequestReachesTheDirectoryAndEnds(t *testing.T) {
	r := newRequested(t)
	anna := r.person("1")
	r.expect("before", false)

	q := r.ask(r.today().AddDays(9), false)
	r.expect("asked", false)
	r.decide(q, store.Approve, "2")
	r.expect("approved by the manager", false)
	r.decide(q, store.Approve, "4") // the owner's deputy
	r.expect("approved by both", true)
	r.time = r.time.AddDate(0, 0, 9)
	r.expect("on the last day", true)
	r.time = r.time.AddDate(0, 0, 1)
	r.expect("the day after", false)

	r.approved(r.today().AddDays(20))
	r.expect("asked again", true)
	r.rows["E1"] = "library,2,2020-01-01," + string(r.today()) + ",,"
	r.rows["E2"] = "school,2,2020-01-01,,,"
	r.says()
	r.expect("on the last day of the employment", true)
	r.time = r.time.AddDate(0, 0, 1)
	r.expect("when the employment has ended, and another goes on", false)

	start := string(r.today())
	r.rows = map[string]string{"E3": "library,2," + start + ",,,"}
	r.says()
	r.approved(r.today().AddDays(20))
	r.expect("asked a third time", true)
	r.rows["E3"] = "library,5," + start + ",,,"
	r.says()
	r.expect("when the manager has changed", false)
	r.rows["E3"] = "library,2," + start + ",,,"
	r.time = r.time.AddDate(0, 0, 1)
	r.says()
	r.expect("when the former manager is back", false)

	r.approved(r.today().AddDays(20))
	r.expect("asked of the manager who is back", true)
	r.rows["E3"] = "library,2," + start + ",," + string(r.today()) + "," + string(r.today().AddDays(2))
	r.Config.Lifecycle.Leave = identity.LeaveReduces
	r.Config.Rules = r.recompiled(identity.LeaveReduces)
	r.says()
	r.expect("on leave", false)
	r.time = r.time.AddDate(0, 0, 3)
	r.expect("back from leave", true)
	r.rows["E3"] = "school,2," + start + ",,,"
	r.says()
	r.expect("in another unit", false)
	r.rows["E3"] = "library,2," + start + ",,,"
	r.time = r.time.AddDate(0, 0, 1)
	r.says()

	r.approved(r.today().AddDays(20))
	r.expect("asked once more", true)
	r.revoke()
	r.expect("revoked by a review", false)
	after := r.approved(r.today().AddDays(5))
	r.expect("asked and approved after the review", true)
	if _, err := r.governance().WithdrawRequest(t.Context(), after.ID, by(anna.ID), "not needed any more"); err != nil {
		t.Fatal(err)
	}
	r.expect("withdrawn, and the earlier one stays revoked", false)
	if _, err := r.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// recompiled returns the rules with another effect of leave.
func (r *requested) recompiled(leave identity.LeaveRule) *policy.Rules {
	r.t.Helper()
	path := filepath.Join(r.Config.Dir, "behov.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(string(text)+"lifecycle: {leave: "+string(leave)+"}\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	loaded, problems := config.Load(r.Config.Dir)
	if loaded == nil {
		r.t.Fatal(problems)
	}
	return loaded.Rules
}

// TestEmergencyAccess: it comes at once, is looked at by the approvers afterwards, and ends when
// one of them refuses it; it cannot be taken again before they have, and to withdraw it does not
// keep them from seeing it.
func TestEmergencyAccess(t *testing.T) {
	r := newRequested(t)
	anna := r.person("1")
	take := func(until identity.Date) (store.AccessRequest, error) {
		q, _, err := r.governance().RequestAccess(t.Context(), anna, governance.Request{Entitlement: "sys:library", Until: until, Emergency: true}, by(anna.ID), "a burst pipe")
		return q, err
	}
	r.expect("before", false)
	_, err := take(r.today().AddDays(2))
	refusedAs(t, "for longer than the class allows", err, "request-days-wrong")
	q := r.ask("", true)
	if q.Until != r.today().AddDays(1) {
		t.Errorf("until %s", q.Until)
	}
	r.expect("taken", true)
	_, err = take("")
	refusedAs(t, "taken twice", err, "has-already")
	r.time = r.time.AddDate(0, 0, 2)
	r.expect("after two days", false)
	_, err = take("")
	refusedAs(t, "before the last was looked at", err, "request-there")
	r.decide(q, store.Approve, "2")
	r.decide(q, store.Approve, "3")
	r.expect("approved afterwards", false)

	q, err = take("")
	if err != nil {
		t.Fatal(err)
	}
	r.expect("taken again", true)
	r.decide(q, store.Refuse, "3")
	r.expect("refused", false)

	q, err = take(r.today())
	if err != nil {
		t.Fatal(err)
	}
	r.expect("a third time", true)
	if _, err := r.governance().WithdrawRequest(t.Context(), q.ID, by(anna.ID), "it is mended"); err != nil {
		t.Fatal(err)
	}
	r.expect("given up", false)
	r.decide(q, store.Approve, "2")
	r.decide(q, store.Approve, "3")
	r.expect("approved after it was given up", false)
	if _, err = r.governance().DecideRequest(t.Context(), q.ID, store.Approve, by(r.person("3").ID), "again"); !rights.IsCause(err) {
		t.Errorf("approved twice by one person: %v", err)
	}
	_, err = r.governance().DecideRequest(t.Context(), q.ID, store.Approve, by(r.person("4").ID), "again")
	refusedAs(t, "approved twice", err, "request-decided")
}

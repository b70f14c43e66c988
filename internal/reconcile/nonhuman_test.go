package reconcile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// register is a fixture whose clock can be moved, with accounts that are no person's.
type register struct {
	*fixture
	now time.Time
}

func newRegister(t *testing.T) *register {
	r := &register{fixture: newFixtureWith(t, strings.ReplaceAll(configuration, "number: 2", "number: 1000")), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	r.e.Now = func() time.Time { return r.now }
	r.hire("1 school T", "2 school T", "3 school T")
	r.decider()
	return r
}

func (r *register) today() identity.Date { return identity.DateOf(r.now, r.e.Config.Zone) }

func (r *register) later(days int) { r.now = r.now.AddDate(0, 0, days) }

func (r *register) governs() *governance.Governance {
	return &governance.Governance{DB: r.e.DB, Config: r.e.Config, Now: r.e.Now, Targets: r.e}
}

func (r *register) registration(name, owner string, until identity.Date) governance.Registration {
	return governance.Registration{Target: "one", Account: name, Kind: store.RobotKind, System: "base", Owner: owner, Purpose: "moves files", Until: until}
}

func (r *register) registered(name, owner string, until identity.Date) store.NonHumanAccount {
	r.t.Helper()
	a, _, err := r.governs().RegisterAccount(r.t.Context(), r.registration(name, owner, until), r.decider(), "found in the review")
	if err != nil {
		r.t.Fatal(testenv.ErrorText(err))
	}
	return a
}

// entry returns what the register says of an account now.
func (r *register) entry(a store.NonHumanAccount) store.NonHumanAccount {
	r.t.Helper()
	found, err := r.e.DB.FindNonHumanAccount(r.t.Context(), string(a.ID))
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// enabled reports whether an account in target one is enabled.
func (r *register) enabled(id string) bool {
	r.t.Helper()
	o := plan.NewObserved()
	c, err := r.one.Connector.Snapshot(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	o.Done(c)
	enabled, _, seen := o.State(id)
	if !seen {
		r.t.Fatalf("account %s is not there", id)
	}
	return enabled
}

// alone runs for one person in every target.
func (r *register) alone(person identity.PersonID) {
	r.t.Helper()
	done, err := r.e.ReconcilePeople(r.t.Context(), []identity.PersonID{person}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range done {
		if d.Err != nil || d.Result.Err() != nil {
			r.t.Fatalf("%v, %+v", d.Err, d.Result)
		}
	}
}

func findings(p *plan.Plan, kind plan.FindingKind) (texts []string) {
	for _, f := range p.Findings {
		if f.Kind == kind {
			texts = append(texts, testenv.Words(f.Reason))
		}
	}
	return texts
}

// TestRegisterOnADirectory: on a real directory, an account that is no person's is a finding
// until it is registered. When HR ends its owner's employment it can be handed over for some
// days; not handed over it is disabled, handed over it is enabled again; after its last day, and
// when it is retired, it is disabled. Nothing else of it ever changes.
func TestRegisterOnADirectory(t *testing.T) {
	s := testenv.StartSlapd(t)
	run := runDirectory(t, directory{s.Directory(), "", map[string][]string{"objectClass": {"groupOfNames"}}})
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	run.Now = func() time.Time { return now }
	if err := os.WriteFile(filepath.Join(run.Config.Dir, "rights.csv"), []byte("g, hr/2, administrator\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, problems := config.Load(run.Config.Dir)
	if loaded == nil {
		t.Fatal(problems)
	}
	loaded.Database, run.Config = run.Config.Database, loaded
	dn := "uid=svc-backup," + s.PeopleDN
	add := ldap.NewAddRequest(dn, nil)
	for name, values := range map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {"svc-backup"}, "cn": {"backup"}, "sn": {"backup"}, "description": {"made by hand"}, "userPassword": {"a-long-secret"}} {
		add.Attribute(name, values)
	}
	if err := s.Dial().Add(add); err != nil {
		t.Fatal(err)
	}
	signsIn := func(when string, want bool) {
		t.Helper()
		if run.signsIn(dn, "a-long-secret") != want {
			t.Errorf("%s: signing in works is %t", when, !want)
		}
		if e := run.entry("uid", "svc-backup"); e.GetAttributeValue("description") != "made by hand" || e.GetAttributeValue("employeeNumber") != "" {
			t.Errorf("%s: the entry changed: %v", when, e.Attributes)
		}
	}
	anna := func(end string) *execute.Result {
		return run.people("1,E1,Anna,Berg,Aid,aid,library,100,2020-01-01," + end + ",2")
	}
	if r := anna(""); len(findings(r.Plan, plan.Orphan)) != 1 {
		t.Errorf("before: %+v", r.Plan.Findings)
	}
	boss := by(run.person("2").ID)
	g := func() *governance.Governance {
		return &governance.Governance{DB: run.DB, Config: run.Config, Now: run.Now, Targets: run}
	}
	_, _, err := g().RegisterAccount(t.Context(), governance.Registration{Target: "dir", Account: "SVC-backup", Kind: store.ServiceKind, System: "dir", Owner: "1", Purpose: "backs up", Until: "2026-12-31"}, boss, "found in the review")
	if err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if r := run.run(); len(findings(r.Plan, plan.Orphan)) != 0 || len(r.Plan.Steps) != 0 {
		t.Errorf("registered: %+v", r.Plan)
	}
	signsIn("registered", true)

	// Anna leaves: Bo, her manager, has two weeks.
	if f := findings(anna("2026-03-10").Plan, plan.Ending); len(f) != 1 || !strings.Contains(f[0], "works here until 2026-03-10") {
		t.Errorf("before she leaves: %v", f)
	}
	now = time.Date(2026, 3, 11, 9, 0, 0, 0, time.UTC)
	r := run.run()
	if f := findings(r.Plan, plan.Ending); len(f) != 1 || !strings.Contains(f[0], "hand it over by 2026-03-24") {
		t.Errorf("to hand over: %v", f)
	}
	now = time.Date(2026, 3, 24, 9, 0, 0, 0, time.UTC)
	run.run()
	signsIn("on the last day to hand over", true)
	now = time.Date(2026, 3, 25, 9, 0, 0, 0, time.UTC)
	if r = run.run(); !slices.Equal(opsOf(r.Plan.Steps), []string{"dir disable-account"}) || !strings.Contains(testenv.Words(r.Plan.Steps[0].Reason), "does not work here since 2026-03-11") {
		t.Errorf("not handed over: %v", opsOf(r.Plan.Steps))
	}
	signsIn("not handed over", false)
	entry := func() store.NonHumanAccount {
		a, err := run.DB.FindNonHumanAccount(t.Context(), "dir/svc-backup")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if _, err := g().HandOverAccount(t.Context(), entry(), "2", boss, "Bo takes it"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if r = run.run(); !slices.Equal(opsOf(r.Plan.Steps), []string{"dir enable-account"}) {
		t.Errorf("handed over: %v", opsOf(r.Plan.Steps))
	}
	signsIn("handed over", true)

	// Its last day passes, and it is renewed.
	now = time.Date(2026, 12, 31, 9, 0, 0, 0, time.UTC)
	run.run()
	signsIn("on its last day", true)
	now = time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC)
	run.run()
	signsIn("after its last day", false)
	if _, err := g().RenewAccount(t.Context(), entry(), "2028-01-02", boss, "too long"); err == nil || !strings.Contains(testenv.ErrorText(err), "from 2027-01-01 to 2028-01-01") {
		t.Errorf("renewed for more than a year: %v", err)
	}
	if _, err := g().RenewAccount(t.Context(), entry(), "2027-06-30", boss, "still needed"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	run.run()
	signsIn("renewed", true)
	if _, err := g().RetireAccount(t.Context(), entry(), boss, "replaced"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	run.run()
	signsIn("retired", false)
	if _, err := run.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRegisterByPerson: what a run for everyone does about accounts of the register, a run for
// their owner does, too, and each leaves nothing to the other.
func TestRegisterByPerson(t *testing.T) {
	r := newRegister(t)
	r.e.Config.AccountHandoverDays = 0
	id := r.put(r.one, connectors.Account{Name: "robot", Enabled: true})
	r.settledRun()
	a := r.registered("robot", "1", "2026-12-31")
	r.alone(r.person("1"))
	if !r.enabled(id) {
		t.Error("disabled while its owner works here")
	}
	if _, err := r.governs().Suspend(t.Context(), r.known("1"), false, r.decider(), "a case"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	r.alone(r.person("1"))
	if r.enabled(id) {
		t.Error("enabled though its owner is suspended and nothing is left to hand over")
	}
	if p, err := r.e.Plan(t.Context(), reconcile.Scope{}); err != nil || slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Person == a.ID }) {
		t.Errorf("a run for everyone has %v, %v", opsOf(p.Steps), err)
	}
	if _, err := r.governs().HandOverAccount(t.Context(), r.entry(a), "2", r.decider(), "Two takes it"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	r.alone(r.person("2"))
	if !r.enabled(id) {
		t.Error("disabled though it was handed over")
	}
	r.settledRun()
	if intervals, err := r.e.DB.Intervals(t.Context(), store.IntervalQuery{Person: a.ID, Open: true}); err != nil || len(intervals) != 1 || intervals[0].Entitlement != audit.Account {
		t.Errorf("the trail says of it %+v, %v", intervals, err)
	}
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRegisterRefuses: what cannot be entered in the register, or changed there.
func TestRegisterRefuses(t *testing.T) {
	r := newRegister(t)
	r.settledRun()
	r.put(r.one, connectors.Account{Name: "robot", Enabled: true})
	r.put(r.one, connectors.Account{Name: "claimed", Anchor: "somebody", Enabled: true})
	r.put(r.one, connectors.Account{Name: "svc-x", Enabled: true})
	r.e.Config.Targets[0].Ignore = []string{"svc-*"}
	owned := r.accounts(r.one, r.person("1"))[0]
	r.hire("1 school T", "2 school T", "3 school T 2026-02-01", "4 school T")
	good := r.registration("robot", "1", "2026-12-31")
	for _, c := range []struct {
		change func(*governance.Registration)
		says   string
	}{
		{func(g *governance.Registration) { g.Account = owned.Name }, "belongs to"},
		{func(g *governance.Registration) { g.Account = owned.ID }, "belongs to"},
		{func(g *governance.Registration) { g.Account = "claimed" }, "belongs to"},
		{func(g *governance.Registration) { g.Account = "svc-x" }, "ignore"},
		{func(g *governance.Registration) { g.Account = "nothing" }, "no account"},
		{func(g *governance.Registration) { g.Target = "three" }, "target three is not connected"},
		{func(g *governance.Registration) { g.System = "nowhere" }, "no system"},
		{func(g *governance.Registration) { g.Kind = "dog" }, "there are service, robot"},
		{func(g *governance.Registration) { g.Purpose = " \n" }, "the purpose is missing"},
		{func(g *governance.Registration) { g.Until = "2026-02-30" }, "from 2026-03-02 to 2027-03-02"},
		{func(g *governance.Registration) { g.Until = "2026-03-01" }, "from 2026-03-02 to 2027-03-02"},
		{func(g *governance.Registration) { g.Until = "2027-03-03" }, "from 2026-03-02 to 2027-03-02"},
		{func(g *governance.Registration) { g.Owner = "3" }, "does not work here today"},
	} {
		bad := good
		c.change(&bad)
		if _, _, err := r.governs().RegisterAccount(t.Context(), bad, r.decider(), "why"); err == nil || !strings.Contains(testenv.ErrorText(err), c.says) {
			t.Errorf("%+v: %q, want %q", bad, testenv.ErrorText(err), c.says)
		}
	}
	if _, _, err := r.governs().RegisterAccount(t.Context(), good, r.decider(), " "); err == nil {
		t.Error("registered without a reason")
	}
	a := r.registered("robot", "1", "2026-12-31")
	refused := func(what, says string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(testenv.ErrorText(err), says) {
			t.Errorf("%s: %q, want %q", what, testenv.ErrorText(err), says)
		}
	}
	_, _, err := r.governs().RegisterAccount(t.Context(), good, r.decider(), "again")
	refused("registered twice", "is in the register", err)
	_, err = r.governs().Bind(t.Context(), r.known("2"), "one", a.Native, r.decider(), "hers")
	refused("bound to a person", "is in the register", err)
	_, err = r.governs().HandOverAccount(t.Context(), a, "3", r.decider(), "why")
	refused("handed over to one who left", "does not work here today", err)
	_, err = r.governs().HandOverAccount(t.Context(), a, "1", r.decider(), "why")
	refused("handed over to its owner", "owns the account already", err)
	_, err = r.governs().HandOverAccount(t.Context(), a, "4", by(r.person("4")), "I want it")
	refused("taken by one who has no right", "not allowed", err)
	// Its owner may; and what was read before that is out of date.
	if _, err := r.governs().HandOverAccount(t.Context(), a, "2", by(r.person("1")), "Two does this now"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	_, err = r.governs().RetireAccount(t.Context(), a, r.decider(), "why")
	refused("retired as it was", "than a moment ago", err)
	_, err = r.governs().RenewAccount(t.Context(), r.entry(a), "2027-01-31", by(r.person("1")), "still mine")
	refused("renewed by its former owner", "not allowed", err)
	if _, err := r.governs().RetireAccount(t.Context(), r.entry(a), by(r.person("2")), "not needed"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	_, err = r.governs().RenewAccount(t.Context(), r.entry(a), "2027-01-31", r.decider(), "why")
	refused("renewed after it was retired", "is retired", err)
	again := r.registered("robot", "1", "2026-12-31")
	if again.ID != a.ID {
		t.Errorf("registered again as %s, it was %s", again.ID, a.ID)
	}
}

// TestRetiredAccountOfAPerson: an account that was registered by mistake is retired, and can then
// be bound to the person whose it is; the register forgets it.
func TestRetiredAccountOfAPerson(t *testing.T) {
	r := newRegister(t)
	r.put(r.one, connectors.Account{Name: "robot", Enabled: true})
	a := r.registered("robot", "2", "2026-12-31")
	if _, err := r.governs().RetireAccount(t.Context(), a, r.decider(), "it is One's"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	proposed, err := r.governs().Bind(t.Context(), r.known("1"), "one", a.Native, r.decider(), "it is One's")
	if err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if _, err := r.governs().DecideHold(t.Context(), string(proposed.Hold.Digest), store.Release, nil, r.deciderCalled("boss2"), "it is"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if _, err := r.e.DB.FindNonHumanAccount(t.Context(), string(a.ID)); err == nil {
		t.Error("the register still has it")
	}
	r.settledRun()
	if got := r.accounts(r.one, r.person("1")); len(got) != 1 || got[0].ID != a.Native {
		t.Errorf("the person has %+v", got)
	}
}

// TestMergedOwner: the accounts of two people who are one are the one's.
func TestMergedOwner(t *testing.T) {
	r := newRegister(t)
	r.put(r.one, connectors.Account{Name: "robot", Enabled: true})
	r.export("person_id,employment_id,given_name,family_name,email,unit,job_code,start_date,end_date\n1,E1,Same,Name,1@x,school,T,2020-01-01,\n2,E2,Given2,Family2,2@x,school,T,2020-01-01,\n3,E3,Same,Name,3@x,school,T,2020-01-01,\n")
	a := r.registered("robot", "3", "2026-12-31")
	into := r.known("1")
	if _, err := r.governs().Merge(t.Context(), into, r.known("3"), r.decider(), "one person"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if got := r.entry(a); got.Owner != into.ID {
		t.Errorf("its owner is %s, and not %s", got.Owner, into.ID)
	}
}

// TestRegisterProperty: whatever days pass, and people leave or come back, and whatever is handed
// over, renewed, retired or registered again: an account of the register whose owner works here and
// whose last day has not passed is never disabled, one of which either is not so is, and a run for
// its owner decides as one for everyone.
func TestRegisterProperty(t *testing.T) {
	r := newRegister(t)
	r.e.Config.AccountHandoverDays = 3
	id := r.put(r.one, connectors.Account{Name: "robot", Enabled: true})
	r.settledRun()
	a := r.registered("robot", "1", "2026-04-01")
	ends := map[string]string{"1": "2029-12-31", "2": "2029-12-31", "3": "2029-12-31"}
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "person")
		what := rapid.SampledFrom([]string{"leaves", "comes back", "hand over", "renew", "retire", "register", "days", "days"}).Draw(rt, "what")
		now := r.entry(a)
		left := func(key string) bool { return ends[key] != "" && identity.Date(ends[key]) < r.today() }
		var err error
		wrong := false // what is refused
		switch what {
		case "leaves", "comes back":
			if ends[key] = "2029-12-31"; what == "leaves" {
				ends[key] = string(r.today().AddDays(-rapid.IntRange(0, 5).Draw(rt, "ago")))
			}
			r.hire("1 school T "+ends["1"], "2 school T "+ends["2"], "3 school T "+ends["3"])
		case "hand over":
			wrong = now.State == store.Retired || left(key) || now.Owner == r.person(key)
			_, err = r.governs().HandOverAccount(t.Context(), now, key, r.decider(), "why")
		case "renew":
			wrong = now.State == store.Retired
			_, err = r.governs().RenewAccount(t.Context(), now, r.today().AddDays(rapid.IntRange(0, 9).Draw(rt, "until")), r.decider(), "why")
		case "retire":
			wrong = now.State == store.Retired
			_, err = r.governs().RetireAccount(t.Context(), now, r.decider(), "why")
		case "register":
			wrong = now.State != store.Retired || left(key)
			_, _, err = r.governs().RegisterAccount(t.Context(), r.registration("robot", key, r.today().AddDays(5)), r.decider(), "why")
		case "days":
			r.later(rapid.IntRange(1, 4).Draw(rt, "days"))
		}
		if (err != nil) != wrong {
			rt.Fatalf("%s %s of %+v: %s", what, key, now, testenv.ErrorText(err))
		}
		now = r.entry(a)
		var owner string
		for _, key := range []string{"1", "2", "3"} {
			if r.person(key) == now.Owner {
				owner = key
			}
		}
		late := left(owner) && identity.Date(ends[owner]).AddDays(3) < r.today()
		want := now.State == store.Registered && now.Until >= r.today() && !late
		if rapid.Bool().Draw(rt, "alone") {
			r.alone(now.Owner)
		} else {
			r.settledRun()
		}
		if got := r.enabled(id); got != want {
			rt.Fatalf("after %s %s on %s, %+v, ends %v: enabled is %t", what, key, r.today(), now, ends, got)
		}
		p, err := r.e.Plan(t.Context(), reconcile.Scope{})
		if err != nil || slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Person == a.ID }) {
			rt.Fatalf("%v, %v", opsOf(p.Steps), err)
		}
	})
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReviewOfRegisteredAccounts: the review of a system asks its owner about the accounts that
// serve it and are no person's, and not those who own them; revoked, an account is retired and the
// target confirms it; no answer by the last day retires it where the review says so.
func TestReviewOfRegisteredAccounts(t *testing.T) {
	r := newRegister(t)
	var ids []string
	var all []store.NonHumanAccount
	for _, name := range []string{"robot", "late", "hers"} {
		ids = append(ids, r.put(r.one, connectors.Account{Name: name, Enabled: true}))
		all = append(all, r.registered(name, map[bool]string{true: "2", false: "1"}[name == "hers"], "2026-12-31"))
	}
	r.settledRun()
	asked, err := r.governs().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "base", AfterDue: store.Revoke}, r.decider())
	if err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	items := map[identity.PersonID]store.ReviewItem{}
	for _, i := range asked.Items {
		if i.Kind == store.AccountItem {
			items[i.Person] = i
		}
	}
	if len(items) != 3 {
		t.Fatalf("asked %+v", asked.Items)
	}
	owner := by(r.person("2"))
	answer := func(a store.NonHumanAccount, by rights.Subject, verdict store.Verdict) error {
		_, err := r.governs().DecideItem(t.Context(), items[a.ID].Ref(), governance.Answer{Verdict: verdict, Reason: "why"}, by)
		return err
	}
	if err := answer(all[0], owner, store.ChangeRule); err == nil || !strings.Contains(testenv.ErrorText(err), "is about an account that is no person's") {
		t.Errorf("change-rule: %v", testenv.ErrorText(err))
	}
	if err := answer(all[2], owner, store.Keep); err == nil || !strings.Contains(testenv.ErrorText(err), "decides about themselves") {
		t.Errorf("kept by its owner: %v", testenv.ErrorText(err))
	}
	if err := answer(all[2], r.decider(), store.Keep); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if err := answer(all[0], owner, store.Keep); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if err := answer(all[0], owner, store.Revoke); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if err := answer(all[0], owner, store.Keep); err == nil || !strings.Contains(testenv.ErrorText(err), "is retired") {
		t.Errorf("kept after it was retired: %v", testenv.ErrorText(err))
	}
	r.settledRun()
	if r.entry(all[0]).State != store.Retired || r.enabled(ids[0]) || !r.enabled(ids[1]) || !r.enabled(ids[2]) {
		t.Errorf("revoked: %+v", r.entry(all[0]))
	}
	v, err := (&access.Answers{DB: r.e.DB, Config: r.e.Config, Now: r.e.Now}).For(t.Context(), access.Viewer{Subject: owner})
	if err != nil {
		t.Fatal(err)
	}
	report, err := v.ReviewReport(asked.Campaign.ID)
	if err != nil {
		t.Fatal(err)
	}
	shown := slices.IndexFunc(report.Items, func(i access.ReportedItem) bool { return i.Item == items[all[0].ID].Ref() })
	if shown < 0 || report.Items[shown].Ended != access.Confirmed || report.Items[shown].Person.DisplayName != "robot" {
		t.Errorf("the report says %+v", report.Items)
	}
	for _, i := range report.Items {
		if i.Item == items[all[2].ID].Ref() && i.Mine {
			t.Error("who owns an account is asked about it")
		}
	}
	r.later(40)
	if n, err := r.governs().CloseOverdue(t.Context(), "behov"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if r.entry(all[1]).State != store.Retired || r.entry(all[2]).State != store.Registered {
		t.Errorf("after the last day: %+v, %+v", r.entry(all[1]), r.entry(all[2]))
	}
	r.run()
	if r.enabled(ids[1]) || !r.enabled(ids[2]) {
		t.Error("no answer came, and it is still enabled, or one that was kept is not")
	}
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNothingElseOfARegisteredAccount: what others disabled stays disabled; what others enabled
// though it may not be used is disabled again; an account that others mark as a person's is not
// the person's, and its memberships stay.
func TestNothingElseOfARegisteredAccount(t *testing.T) {
	r := newRegister(t)
	id := r.put(r.one, connectors.Account{Name: "robot", Enabled: false})
	a := r.registered("robot", "1", "2026-04-01")
	quiet := func(when string) {
		t.Helper()
		if steps := r.settledRun().Plan.Steps; slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Person == a.ID || s.AccountID == id }) {
			t.Errorf("%s: %v", when, opsOf(steps))
		}
	}
	quiet("disabled by others before it was registered")
	r.behind(r.one, connectors.EnableAccount, id, "")
	r.behind(r.one, connectors.AddMember, id, "staff")
	quiet("enabled by others")
	r.later(40)
	if r.settledRun(); r.enabled(id) {
		t.Error("enabled after its last day")
	}
	r.behind(r.one, connectors.EnableAccount, id, "")
	if r.settledRun(); r.enabled(id) {
		t.Error("enabled by others after its last day, and left so")
	}
	r.behind(r.one, connectors.EnableAccount, id, "")
	if _, err := r.governs().RenewAccount(t.Context(), r.entry(a), "2026-12-31", r.decider(), "still needed"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	quiet("renewed while others had enabled it")
	r.behind(r.one, connectors.DisableAccount, id, "")
	quiet("disabled by others since")
	if r.enabled(id) {
		t.Error("what others disabled is enabled")
	}
	// An anchor can be written by others.
	r.settledRun()
	r.put(r.one, connectors.Account{ID: id, Name: "robot", Anchor: string(r.person("3")), Enabled: true})
	quiet("marked as a person's")
	if own := r.accounts(r.one, r.person("3")); len(own) != 2 { // it says so, and is not
		t.Fatalf("%+v", own)
	}
	r.hire("1 school T", "2 school T", "3 school T 2026-04-01")
	r.settledRun()
	if !r.enabled(id) {
		t.Error("an account of the register was disabled with the person whom it names")
	}
	o := plan.NewObserved()
	c, err := r.one.Connector.Snapshot(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if o.Done(c); !o.Member(id, "staff") {
		t.Error("its membership is gone")
	}
}

// TestErasedOwner: an account whose owner is erased is disabled, and can be handed over by who
// answers for its system.
func TestErasedOwner(t *testing.T) {
	r := newRegister(t)
	r.e.Config.AccountHandoverDays = 300
	id := r.put(r.one, connectors.Account{Name: "robot", Enabled: true})
	a := r.registered("robot", "3", "2026-12-31")
	r.hire("1 school T", "2 school T", "3 school T 2026-03-01")
	r.settledRun()
	if !r.enabled(id) {
		t.Error("disabled while it can be handed over")
	}
	proposed, err := r.governs().Erase(t.Context(), r.known("3"), r.decider(), "asked for it")
	if err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	if _, err := r.governs().DecideHold(t.Context(), string(proposed.Hold.Digest), store.Release, nil, r.deciderCalled("boss2"), "yes"); err != nil {
		t.Fatal(testenv.ErrorText(err))
	}
	r.settledRun()
	if _, err := r.e.RecordMoversAndErase(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.e.DB.FindPerson(t.Context(), "3", "hr"); err == nil {
		t.Fatal("the owner is not erased")
	}
	r.later(2)
	r.settledRun()
	if r.enabled(id) {
		t.Error("enabled though its owner is erased")
	}
	if _, err := r.governs().HandOverAccount(t.Context(), r.entry(a), "1", by(r.person("2")), "One takes it"); err != nil { // who owns the system
		t.Fatal(testenv.ErrorText(err))
	}
	if r.settledRun(); !r.enabled(id) {
		t.Error("disabled though it was handed over")
	}
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

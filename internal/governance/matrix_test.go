package governance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// office is an installation in which each person is called as their role.
type office struct {
	t      *testing.T
	g      *governance.Governance
	e      *reconcile.Engine
	serial int
}

// rolesOf returns what a person may be asked to decide as.
func (o *office) rolesOf(id identity.PersonID) (access.Roles, error) {
	v, err := (&access.Answers{DB: o.g.DB, Config: o.g.Config, Now: o.g.Now}).For(o.t.Context(), access.Viewer{})
	if err != nil {
		return access.Roles{}, err
	}
	return v.Roles(id)
}

const officeRights = `g, hr/administrator, administrator
g, hr/suspended, administrator
g, hr/gone, administrator
g, unit:it, operator
g, job:PAY, hr
g, hr/data-protection-officer, data-protection-officer
g, hr/auditor, auditor
g, service:robot, administrator
g, service:robot, hr
g, service:orphan, administrator
`

func newOffice(t *testing.T) *office {
	t.Helper()
	dir := t.TempDir()
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"behov.yaml": "hr: {precedence: {default: [hr, pushed]}, sources: {hr: {}, pushed: {scim: true}}}\n" +
			"service_accounts:\n  robot: {purpose: everything, responsible: [administrator]}\n  orphan: {purpose: what was forgotten, responsible: [gone, suspended, none]}\ntargets:\n  one: {ignore: [\"svc-*\"], memory: {groups: [staff, library, hall, desk]}}\n  pay: {manual: {to: assignee}}\n  toll: {manual: {to: toll@example.org}}\n",
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {requestable: true, emergency: true}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {requestable: true, emergency: true}}}\n" +
			"  hall: {owner: other, target: one, entitlements: {hall: {requestable: true}}}\n  desk: {owner: other, target: one, classification: {confidentiality: 3, integrity: 0, availability: 0}, entitlements: {desk: {requestable: true, emergency: true}}}\n" +
			"  pay: {owner: owner, deputies: [deputy], target: pay, entitlements: {clerk: {}}}\n  toll: {owner: other, target: toll, entitlements: {clerk: {}}}\n",
		"controls.yaml": "controls:\n  sensitive: {from: {confidentiality: 3}, approvers: [manager, owner, second-owner], request_days: 30}\n",
		"policy.csv":    "p, everyone, true, base:staff, allow, everybody\n",
		"units.csv":     "unit,parent,name\noffice,,\nit,office,\nhelpdesk,it,\n",
		"rights.csv":    officeRights,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), testenv.Database(t), master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetOperator("os-uid:1234 sudo-uid:1000")
	connected, err := targets.Connect(c, db)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, g: &governance.Governance{DB: db, Config: c, Now: time.Now}}
	o.e = &reconcile.Engine{DB: db, Config: c, Targets: connected, Now: time.Now, Actor: "behov", RetryAllSteps: true}
	o.g.Targets = o.e
	rows := "person_id,employment_id,given_name,family_name,unit,job_code,manager_id,start_date,end_date\n"
	for key, rest := range map[string]string{"administrator": "office,,,2020-01-01,", "operator": "helpdesk,,,2020-01-01,", "hr": "office,PAY,,2020-01-01,", "data-protection-officer": "office,,,2020-01-01,",
		"auditor": "office,,,2020-01-01,", "owner": "office,,,2020-01-01,", "deputy": "office,,,2020-01-01,", "reviewer": "office,,,2020-01-01,", "assignee": "office,,,2020-01-01,", "manager": "office,,,2020-01-01,",
		"temp": "office,,,2020-01-01,", "other": "office,,,2020-01-01,", "stranger": "office,,,2020-01-01,", "account-owner": "office,,,2020-01-01,", "staff": "office,,manager,2020-01-01,", "suspended": "office,,,2020-01-01,", "gone": "office,,,2020-01-01,2021-01-01"} {
		rows += key + ",E" + key + ",Given,Family" + key + "," + rest + "\n"
	}
	o.imports("hr", rows)
	o.decide(o.g.Suspend(t.Context(), o.person("suspended"), false, o.by("administrator"), "an investigation"))
	return o
}

// imports imports what a source gives.
func (o *office) imports(source, text string) {
	o.t.Helper()
	s := o.g.Config.Sources[source]
	s.Changes = true
	im := hr.Importer{DB: o.g.DB, Config: o.g.Config, Now: time.Now, Actor: "behov"}
	if r, err := im.Import(o.t.Context(), source+".csv", []byte(text), s); err != nil || slices.ContainsFunc(r.Problems, func(p diagnostic.Problem) bool { return !p.Warning }) || r.Held != nil {
		o.t.Fatalf("%+v, %v", r, err)
	}
}

func (o *office) person(key string) identity.Person {
	o.t.Helper()
	p, err := o.g.DB.FindPerson(o.t.Context(), "hr/"+key, "hr")
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func (o *office) by(key string) rights.Subject {
	o.t.Helper()
	return rights.Subject{Person: o.person(key).ID, How: rights.Claimed}
}

func (o *office) decide(d store.Decision, err error) store.Decision {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}

// hold raises a hold of a kind that is about a person.
func (o *office) hold(kind store.HoldKind, about identity.Person, raisedBy identity.Actor) string {
	o.t.Helper()
	o.serial++
	h := store.Hold{Digest: audit.HoldDigest(fmt.Sprintf("%016x", o.serial)), Kind: kind, Subject: "one", Why: reason.Of(reason.Answer{Text: "a test"})}
	if kind == store.PlanHold {
		o.raise(h, raisedBy, plan.Step{Target: "one", Person: about.ID, Op: connectors.RemoveMember, Entitlement: "lib:library", Reason: reason.Of(reason.Answer{Text: string(h.Digest)})})
		return string(h.Digest)
	}
	body, err := json.Marshal(map[identity.Kind][]identity.PersonID{identity.EmploymentChanged: {about.ID}})
	if err != nil {
		o.t.Fatal(err)
	}
	h.Body = string(body)
	o.raise(h, raisedBy)
	return string(h.Digest)
}

// raise records a hold with its steps.
func (o *office) raise(h store.Hold, by identity.Actor, steps ...plan.Step) {
	o.t.Helper()
	held := make([]store.HoldStep, len(steps))
	for i, s := range steps {
		body, err := json.Marshal(s)
		if err != nil {
			o.t.Fatal(err)
		}
		held[i] = store.HoldStep{Key: s.Key(), Person: s.Person, Body: string(body)}
	}
	if err := o.g.DB.Write(o.t.Context(), func(tx *store.Tx) error { return tx.RaiseHold(o.t.Context(), h, held, by, time.Now()) }); err != nil {
		o.t.Fatal(err)
	}
}

// item asks a question about a person, of a reviewer or of the owner.
func (o *office) item(system, entitlement string, about identity.Person, reviewer identity.Actor) string {
	o.t.Helper()
	var campaign int64
	if err := o.g.DB.Write(o.t.Context(), func(tx *store.Tx) (err error) {
		campaign, err = tx.StartReview(o.t.Context(), store.Campaign{Scope: store.SystemScope, Of: system, System: system, Asks: store.AsksOwner, StartedBy: "behov", Reviewer: reviewer}, time.Now(), []store.ReviewItem{{Kind: store.AccessItem, System: system, Reviewer: reviewer, Person: about.ID, Entitlement: entitlement}})
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
	return fmt.Sprintf("%d-1", campaign)
}

// step makes a step of a person fail.
func (o *office) step(about identity.Person) string {
	o.t.Helper()
	o.serial++
	f := store.FailingStep{Key: audit.StepKey(fmt.Sprintf("%016x", o.serial)), Target: "one", Person: about.ID, Body: "{}", Outcome: "refused", State: store.Parked}
	if err := o.g.DB.Write(o.t.Context(), func(tx *store.Tx) error { return tx.PutFailingStep(o.t.Context(), f, time.Time{}) }); err != nil {
		o.t.Fatal(err)
	}
	return string(f.Key)
}

// try makes a decision about a person. Near says whether the system, or the question,
// is the subject's own.
func (o *office) try(action rights.Action, by rights.Subject, about identity.Person, near bool) error {
	ctx, system, entitlement, reviewer := o.t.Context(), "base", "base:staff", identity.Actor("")
	if near {
		system, entitlement = "lib", "lib:library"
		if by.Person == o.person("reviewer").ID {
			system, entitlement, reviewer = "base", "base:staff", identity.PersonActor(by.Person)
		}
	}
	const reason = "a test"
	other := o.person("other")
	var err error
	switch g := o.g; action {
	case rights.StartReview:
		_, err = g.StartReview(ctx, governance.Review{Scope: store.SystemScope, Of: system, All: true}, by)
	case rights.Revise:
		_, err = g.Revise(ctx, system, by, reason)
	case rights.ProposeRules:
		_, err = g.ProposeRules(ctx, o.e, by, reason)
	case rights.ApproveRules:
		_, err = g.DecideRules(ctx, "0123456789", store.Approve, by, reason)
	case rights.DecideReview:
		_, err = g.DecideItem(ctx, o.item(system, entitlement, about, reviewer), governance.Answer{Verdict: store.Keep, Reason: reason}, by)
	case rights.DecideHold:
		_, err = g.DecideHold(ctx, o.hold(store.PlanHold, about, "behov"), store.Release, nil, by, reason)
	case rights.DecideImport:
		_, err = g.DecideHold(ctx, o.hold(store.HRImportHold, about, "behov"), store.Release, nil, by, reason)
	case rights.ImportFile:
		err = g.MayImport(ctx, by)
	case rights.BindAccount:
		_, err = g.Bind(ctx, about, "one", "nowhere", by, reason)
	case rights.RegisterAccount:
		_, _, err = g.RegisterAccount(ctx, governance.Registration{Target: "one", Account: "nowhere", System: system, Kind: store.ServiceKind, Owner: string(other.ID), Purpose: reason, Until: identity.DateOf(time.Now(), time.UTC).AddDays(1)}, by, reason)
	case rights.HandOverAccount:
		_, err = g.HandOverAccount(ctx, o.account(system, by, near), string(about.ID), by, reason)
	case rights.RenewAccount:
		_, err = g.RenewAccount(ctx, o.account(system, by, near), identity.DateOf(time.Now(), time.UTC).AddDays(9), by, reason)
	case rights.RetireAccount:
		_, err = g.RetireAccount(ctx, o.account(system, by, near), by, reason)
	case rights.EnableAccount:
		_, err = g.Enable(ctx, about, "", by, reason)
	case rights.Suspend:
		_, err = g.Suspend(ctx, about, false, by, reason)
	case rights.LiftSuspension:
		_, err = g.Suspend(ctx, about, true, by, reason)
	case rights.HoldLegally:
		_, err = g.SetLegalHold(ctx, about, false, by, reason)
	case rights.Protect:
		_, err = g.Protect(ctx, about, false, by, reason)
	case rights.SetMain:
		_, err = g.SetMainEmployment(ctx, about, "", by, reason)
	case rights.Merge:
		if _, err = g.Merge(ctx, about, about, by, reason); !refused(err) {
			_, err = g.MarkDistinct(ctx, other, about, by, reason)
		}
	case rights.Split:
		_, _, err = g.Split(ctx, about, identity.SourceKey{Source: "hr", Key: "none"}, by, reason)
	case rights.Erase:
		_, err = g.Erase(ctx, about, by, reason)
	case rights.Readmit:
		_, err = g.Readmit(ctx, identity.SourceKey{Source: "hr", Key: "none"}, by, reason)
	case rights.Screen:
		_, err = g.Screen(ctx, about, identity.DateOf(time.Now(), time.UTC).AddDays(10), false, by, reason)
	case rights.SetAbsence:
		_, err = g.EndAbsence(ctx, about, by, reason)
	case rights.ExemptFromMFA:
		_, err = g.ExemptFromMFA(ctx, about, identity.DateOf(time.Now(), time.UTC).AddDays(10), false, by, reason)
	case rights.AllowConflict:
		_, err = g.AllowConflict(ctx, about, "none", "", true, by, reason)
	case rights.RequestAccess:
		_, _, err = g.RequestAccess(ctx, about, governance.Request{Entitlement: policy.EntitlementID(entitlement), Until: "2020-01-01"}, by, reason)
	case rights.EmergencyAccess:
		_, _, err = g.RequestAccess(ctx, about, governance.Request{Entitlement: policy.EntitlementID(entitlement), Until: "2020-01-01", Emergency: true}, by, reason)
	case rights.WithdrawRequest:
		_, err = g.WithdrawRequest(ctx, o.request(entitlement, about).ID, by, reason)
	case rights.ApproveRequest:
		switch {
		case by.Person == o.person("manager").ID:
			entitlement = "desk:desk"
		case entitlement == "base:staff": // it has no owner
			entitlement = "hall:hall"
		}
		_, err = g.DecideRequest(ctx, o.request(entitlement, about).ID, store.Approve, by, reason)
	case rights.ApproveInstead:
		_, err = g.DecideRequest(ctx, o.request("base:staff", about).ID, store.Approve, by, reason)
	case rights.IssuePass:
		_, err = g.IssuePass(ctx, o.e, about, time.Hour, by, reason)
	case rights.WithdrawPass:
		_, err = g.WithdrawPass(ctx, o.e, about, by, reason)
	case rights.RetryStep:
		_, err = g.DecideSteps(ctx, []string{o.step(about)}, store.Retry, by, reason)
	case rights.GiveUpStep:
		_, err = g.DecideSteps(ctx, []string{o.step(about)}, store.GiveUp, by, reason)
	case rights.PauseTarget:
		_, err = g.Pause(ctx, "one", store.Pause, by, reason)
	case rights.ResumeTarget:
		_, err = g.Pause(ctx, "one", store.Resume, by, reason)
	case rights.RetireTarget:
		_, err = g.Retire(ctx, "nowhere", by, reason)
	case rights.DecideOrder:
		if _, _, err = g.ConfirmOrder(ctx, o.order(about, near), "", by, reason); !refused(err) {
			_, _, err = g.CannotOrder(ctx, o.order(about, near), by, reason)
		}
	case rights.UploadList:
		_, _, err = g.UploadList(ctx, orderTarget(near), governance.AccountFile{Name: "x.csv", Content: []byte("account\nx\n"), Shrunk: true}, by, reason)
	case rights.MakeToken:
		_, _, err = g.CreateToken(ctx, "test", "pushed", time.Now().Add(time.Hour), by)
	case rights.MakeServiceToken:
		_, _, err = g.CreateServiceToken(ctx, governance.ServiceToken{Service: "robot", Name: "test", Scopes: []string{"people:read"}, Expires: time.Now().Add(time.Hour)}, by)
	case rights.EndSessions:
		if _, err = g.Sessions(ctx, about, by); !refused(err) {
			_, err = g.EndSessions(ctx, about, "", by, reason)
		}
	case rights.RevokeToken:
		err = g.RevokeToken(ctx, "none", by, reason)
	default:
		o.t.Fatalf("the matrix has the action %s, and this test does not", action)
	}
	return err
}

// orderTarget is the target without an interface that is the subject's own, or another one.
func orderTarget(near bool) string {
	if near {
		return "pay"
	}
	return "toll"
}

// order places a work order about a person.
func (o *office) order(about identity.Person, near bool) (number int64) {
	o.t.Helper()
	o.serial++
	target := orderTarget(near)
	w := store.WorkOrder{Target: target, Person: about.ID, Key: audit.StepKey(fmt.Sprintf("%016x", o.serial)), Body: "{}", Op: string(connectors.RemoveMember), Entitlement: target + ":clerk", Native: "clerk",
		Attempt: audit.AttemptID(fmt.Sprintf("order %d", o.serial)), Due: "2030-01-01", Name: "x"}
	if err := o.g.DB.Write(o.t.Context(), func(tx *store.Tx) (err error) {
		for _, outcome := range []audit.Outcome{"", audit.Ordered} {
			r := audit.Record{At: o.g.Now(), Actor: "behov", Action: audit.StepIntended, Person: about.ID, Target: target, Attempt: w.Attempt, Outcome: outcome}
			if outcome != "" {
				r.Action = audit.StepEnded
			}
			tx.Audit(r)
		}
		number, err = tx.PlaceOrder(o.t.Context(), w, o.g.Now())
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
	return number
}

// account is an account of the register that serves a system; near says whether who decides owns
// it, when that is their role.
func (o *office) account(system string, by rights.Subject, near bool) store.NonHumanAccount {
	o.t.Helper()
	o.serial++
	owner := o.person("other").ID
	if mine := o.person("account-owner").ID; near && by.Person == mine {
		owner = mine
	}
	day := identity.DateOf(o.g.Now(), o.g.Config.Zone)
	a := store.NonHumanAccount{ID: identity.PersonID(fmt.Sprintf("00000000-0000-7000-8000-%012d", o.serial)), Target: "one", Native: fmt.Sprint("account-", o.serial), Name: fmt.Sprint("robot-", o.serial), Kind: store.RobotKind,
		System: system, Owner: owner, Purpose: "a test", Until: day.AddDays(3), State: store.Registered}
	if err := o.g.DB.Write(o.t.Context(), func(tx *store.Tx) error {
		d, err := tx.DecideNonHumanAccount(o.t.Context(), a, store.NonHumanAccount{}, store.Decision{Verdict: store.Register, Maker: "behov", Reason: "a test"}, o.g.Now())
		a.Changed = d.Seq
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
	return a
}

// request is a request of a person, asked by another one.
func (o *office) request(entitlement string, of identity.Person) store.AccessRequest {
	o.t.Helper()
	day := identity.DateOf(o.g.Now(), o.g.Config.Zone)
	r := store.AccessRequest{Person: of.ID, Entitlement: entitlement, Since: day, Until: day.AddDays(3)}
	if main, ok := of.Main(day, o.g.Config.Main); ok {
		terms := main.On(day)
		r.Employment, r.Unit, r.Manager = main.ID, terms.Unit, terms.Manager(main.Key.Source)
	}
	err := o.g.DB.Write(o.t.Context(), func(tx *store.Tx) (err error) {
		r, _, err = tx.AskAccess(o.t.Context(), r, store.Decision{Verdict: store.Ask, Maker: identity.PersonActor(o.person("reviewer").ID), Reason: "a test"}, o.g.Now())
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func refused(err error) bool {
	var r *rights.RefusedError
	return errors.As(err, &r)
}

// readme is the table in the topic about rights, which behov rights --markdown prints: for each
// action the scope of each role.
func readme(t *testing.T) map[rights.Action]map[rights.Role]rights.Scope {
	t.Helper()
	b, err := os.ReadFile("../manual/topics/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "<!-- behov rights --markdown -->\n")
	table, _, ended := strings.Cut(table, "<!-- end -->")
	if !ok || !ended {
		t.Fatal("the topic has no table of rights")
	}
	all := map[rights.Action]map[rights.Role]rights.Scope{}
	var columns []string
	for n, line := range strings.Split(strings.TrimSpace(table), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch n {
		case 0:
			columns = cells
		case 1:
		default:
			row := map[rights.Role]rights.Scope{}
			for i, role := range columns[len(columns)-len(cells)+1:] {
				row[rights.Role(role)] = rights.Scope(cells[i+1])
			}
			all[rights.Action(cells[0])] = row
		}
	}
	return all
}

// aboutPeople are the actions that are about a person.
func aboutPeople(a rights.Action) bool {
	switch a {
	case rights.StartReview, rights.Revise, rights.ProposeRules, rights.ApproveRules, rights.ImportFile, rights.Readmit, rights.PauseTarget, rights.ResumeTarget, rights.RetireTarget, rights.UploadList, rights.MakeToken, rights.MakeServiceToken, rights.RevokeToken,
		rights.RegisterAccount, rights.HandOverAccount, rights.RenewAccount, rights.RetireAccount:
		return false
	}
	return true
}

// Law 14, as the table in the manual has it: every decision × every role × (self, own
// system, own staff, a stranger), made by governance on a real database.
func TestTheMatrix(t *testing.T) {
	o := newOffice(t)
	table := readme(t)
	if len(table) != len(rights.Actions)+len(rights.Reads) { // package access tests who sees whom
		t.Errorf("the table has %d actions of %d", len(table), len(rights.Actions)+len(rights.Reads))
	}
	stranger, staff := o.person("stranger"), o.person("staff")
	asked := 0
	for _, action := range rights.Actions {
		for role, scope := range table[action] {
			who, err := string(role), error(nil)
			by := o.by(who)
			check := func(what string, allowed bool, err error) {
				t.Helper()
				asked++
				if refused(err) == allowed {
					t.Errorf("%s by %s about %s: %v; the table says %s", action, who, what, err, scope)
				}
			}
			check("a stranger", scope == rights.Any, o.try(action, by, stranger, false))
			switch role {
			case rights.Manager:
				check("own staff", scope != rights.None, o.try(action, by, staff, false))
			case rights.Owner, rights.Reviewer, rights.Assignee, rights.AccountOwner:
				check("a stranger in the own system, or asked", scope != rights.None, o.try(action, by, stranger, true))
			default:
				check("a stranger in a system that is not theirs", scope == rights.Any, o.try(action, by, stranger, true))
			}
			if slices.Contains(rights.OwnActions, action) { // a person may ask for themselves
				if err = o.try(action, by, o.person(who), true); refused(err) {
					t.Errorf("%s by %s about themselves: %v", action, who, err)
				}
				asked++
			} else if aboutPeople(action) {
				if err = o.try(action, by, o.person(who), true); !refused(err) {
					t.Errorf("%s by %s about themselves: %v", action, who, err)
				} else if !rights.IsSelf(err) {
					t.Errorf("%s by %s about themselves is refused for another reason: %v", action, who, err)
				}
				asked++
			}
		}
		for who, why := range map[string]string{"suspended": "a suspended person decides nothing", "gone": "only a person who works here today decides", "temp": "it requires the role"} {
			err := o.try(action, o.by(who), stranger, true)
			if !refused(err) || !strings.Contains(err.Error(), why) {
				t.Errorf("%s by the %s: %v", action, who, err)
			}
			asked++
		}
		if err := o.try(action, o.by("deputy"), stranger, true); refused(err) != (table[action][rights.Owner] == rights.None) {
			t.Errorf("%s by the deputy: %v", action, err)
		}
		// A service account decides nothing, whatever role it is given.
		for _, name := range []string{"robot", "orphan", "undeclared"} {
			err := o.try(action, rights.Subject{Service: name, How: rights.ByToken}, stranger, true)
			switch sends := slices.Contains(rights.ServiceActions, action); {
			case sends && refused(err) == (name == "robot"):
				t.Errorf("%s by the service account %s: %v", action, name, err)
			case !sends && (!refused(err) || !strings.Contains(testenv.ErrorText(err), "it needs a person, and "+name+" is a service account")):
				t.Errorf("%s by the service account %s: %v", action, name, err)
			}
			asked++
		}
		if err := o.try(action, rights.Subject{}, stranger, true); err == nil {
			t.Errorf("%s by no one is allowed", action)
		}
	}
	t.Logf("%d questions", asked)
	if _, err := o.g.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// A decision says by which authority it was made, how it is known who made it, and
// which user of the operating system ran the process.
func TestDecisionsSayByWhom(t *testing.T) {
	o := newOffice(t)
	d := o.decide(o.g.Suspend(t.Context(), o.person("staff"), false, o.by("manager"), "the badge of Given Familystaff was stolen"))
	if !strings.HasPrefix(d.Authority, "manager, claimed, rights ") || d.Reason == "" {
		t.Errorf("%+v", d)
	}
	var last audit.Record
	for r, err := range o.g.DB.AuditRecords(t.Context(), store.Only(d.Person)) {
		if err != nil {
			t.Fatal(err)
		}
		last = r
	}
	if last.Action != audit.DecisionMade || last.Authority != d.Authority || last.Operator != "os-uid:1234 sudo-uid:1000" {
		t.Errorf("%+v", last)
	}
	if strings.Contains(last.Reason.JSON()+string(last.Payload), "Familystaff") {
		t.Errorf("the reason is in clear: %s %s", last.Reason, last.Payload)
	}
	if text, err := o.g.DB.DecryptPayload(t.Context(), last); err != nil || !strings.Contains(string(text), "badge of Given Familystaff") {
		t.Errorf("%s, %v", text, err)
	}
	read, err := o.g.DB.Decision(t.Context(), d.Seq)
	if err != nil || read.Reason != d.Reason {
		t.Errorf("%+v, %v", read, err)
	}
}

// The person who caused it does not let it through: a held import of their own, a
// removal that their own review decision asked for.
func TestWhoCausedItDoesNotLetItThrough(t *testing.T) {
	o := newOffice(t)
	stranger, staff := o.person("stranger"), o.person("staff")
	admin := o.by("administrator")
	held := o.hold(store.HRImportHold, stranger, identity.PersonActor(admin.Person))
	if _, err := o.g.DecideHold(t.Context(), held, store.Release, nil, admin, "mine"); !rights.IsCause(err) {
		t.Errorf("the own import: %v", err)
	}
	if _, err := o.g.DecideHold(t.Context(), held, store.Release, nil, o.by("operator"), "looked at it"); err != nil {
		t.Errorf("another's import: %v", err)
	}
	o.decide(o.g.DecideItem(t.Context(), o.item("lib", "lib:library", stranger, ""), governance.Answer{Verdict: store.Revoke, Reason: "no longer"}, admin))
	one := o.hold(store.PlanHold, stranger, "behov")
	if _, err := o.g.DecideHold(t.Context(), one, store.Release, nil, admin, "mine"); !rights.IsCause(err) {
		t.Errorf("what the own review asked for: %v", err)
	}
	// Of two people it lets the other's through.
	o.serial++
	two := store.Hold{Digest: audit.HoldDigest(fmt.Sprintf("%016x", o.serial)), Kind: store.PlanHold, Subject: "one"}
	o.raise(two, "behov", plan.Step{Target: "one", Person: stranger.ID, Op: connectors.RemoveMember, Entitlement: "lib:library"}, plan.Step{Target: "one", Person: staff.ID, Op: connectors.RemoveMember, Entitlement: "lib:library"})
	d, err := o.g.DecideHold(t.Context(), string(two.Digest), store.Release, nil, admin, "half of it")
	if err != nil || d.Remaining != 1 || len(d.Steps) != 1 || d.Steps[0].Person != staff.ID {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := o.g.DecideHold(t.Context(), one, store.Release, nil, o.by("operator"), "looked at it"); err != nil {
		t.Errorf("another person: %v", err)
	}
}

// A suspended person bound an administrator's account, under ignore, to themselves.
func TestAnAccountUnderIgnoreIsNeverBound(t *testing.T) {
	o := newOffice(t)
	m, ok := o.e.Targets["one"].(*memory.Connector)
	if !ok {
		t.Fatal("no memory target")
	}
	root, err := m.Put(connectors.Account{Name: "svc-root", Enabled: true}, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.g.Bind(t.Context(), o.person("suspended"), "one", root, o.by("suspended"), "mine"); !refused(err) {
		t.Errorf("a suspended person binds: %v", err)
	}
	if _, err := o.g.Bind(t.Context(), o.person("temp"), "one", root, o.by("operator"), "theirs"); err == nil || !strings.Contains(testenv.ErrorText(err), "targets.one.ignore") {
		t.Errorf("an ignored account: %v", err)
	}
	if id, err := o.g.DB.AccountOf(t.Context(), "one", o.person("temp").ID); err != nil || id != "" {
		t.Errorf("bound to %s, %v", id, err)
	}
}

// Another source cannot give a role: neither by a unit, nor by a job, nor by a key.
func TestAnotherSourceGivesNoRole(t *testing.T) {
	o := newOffice(t)
	o.imports("pushed", "person_id,employment_id,given_name,family_name,unit,job_code,start_date\nadministrator,E1,Mallory,Mallory,it,PAY,2020-01-01\n")
	mallory, known, err := o.g.DB.PersonByKey(t.Context(), identity.SourceKey{Source: "pushed", Key: "administrator"})
	if err != nil || !known {
		t.Fatal(known, err)
	}
	of, err := o.rolesOf(mallory.ID)
	if err != nil || len(of.Roles)+len(of.Owns) > 0 || !of.Active {
		t.Errorf("%+v, %v", of, err)
	}
	// What two other people are called is a question, and the candidates are named.
	o.imports("pushed", "person_id,employment_id,given_name,family_name,email,unit,job_code,start_date\ntwo,E2,Two,Two,same@example.org,it,PAY,2020-01-01\nthree,E3,Three,Three,same@example.org,it,PAY,2020-01-01\n")
	if _, err := o.g.DB.FindPerson(t.Context(), "same@example.org", "hr"); err == nil || !strings.Contains(err.Error(), "names 2 people: give one of pushed/") {
		t.Errorf("%v", err)
	}
	for ref, want := range map[string]identity.PersonID{"administrator": o.person("administrator").ID, "hr/administrator": o.person("administrator").ID, "pushed/administrator": mallory.ID} {
		if p, err := o.g.DB.FindPerson(t.Context(), ref, "hr"); err != nil || p.ID != want {
			t.Errorf("%s is %s, %v", ref, p.ID, err)
		}
	}
}

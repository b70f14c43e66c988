package governance_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (o *office) today() identity.Date { return identity.DateOf(o.g.Now(), o.g.Config.Zone) }

// asks has a person ask for another, or for themselves.
func (o *office) asks(who, of string, ask governance.Request) (store.AccessRequest, error) {
	o.t.Helper()
	if ask.Until == "" && !ask.Emergency {
		ask.Until = o.today().AddDays(5)
	}
	r, _, err := o.g.RequestAccess(o.t.Context(), o.person(of), ask, o.by(who), "needed for the move")
	return r, err
}

// approves has a person approve a request.
func (o *office) approves(r store.AccessRequest, who string) error {
	o.t.Helper()
	_, err := o.g.DecideRequest(o.t.Context(), r.ID, store.Approve, o.by(who), "looked at it")
	return err
}

// open returns which parts of a request are open, and who can take each.
func (o *office) open(r store.AccessRequest) map[policy.Approver][]identity.PersonID {
	o.t.Helper()
	all, err := access.ApproversOf(o.t.Context(), o.g.DB, o.g.Config, o.today(), r)
	if err != nil {
		o.t.Fatal(err)
	}
	open := map[policy.Approver][]identity.PersonID{}
	for _, a := range all[r.ID] {
		if a.Decision == 0 {
			open[a.As] = a.People
		}
	}
	return open
}

func (o *office) given(of, entitlement string) bool {
	o.t.Helper()
	s, err := reconcile.PersonStatusOf(o.t.Context(), o.g.DB, o.g.Config, o.person(of), o.today())
	if err != nil {
		o.t.Fatal(err)
	}
	grants, err := o.g.Config.Rules.Decide(s.Person, o.today(), s.Facts)
	if err != nil {
		o.t.Fatal(err)
	}
	return slices.ContainsFunc(grants, func(g policy.Grant) bool {
		return string(g.Entitlement) == entitlement && g.Gate == policy.Open
	})
}

func (o *office) refused(what string, err error, code reason.Code) {
	o.t.Helper()
	var refused *reason.Refusal
	if !errors.As(err, &refused) || refused.Reason.Code() != code {
		o.t.Errorf("%s: %v, not %s", what, err, code)
	}
}

// changed changes the catalogue, as another configuration would.
func (o *office) changed(with func(c *policy.Catalogue)) {
	o.t.Helper()
	c := *o.g.Config
	rules := c.Rules.Catalogue
	rules.Entitlements = slices.Clone(rules.Entitlements)
	rules.Systems = slices.Clone(rules.Systems)
	with(&rules)
	source, problems := policy.Parse("policy.csv", c.Rules.Text)
	if len(problems) > 0 {
		o.t.Fatal(problems)
	}
	compiled, problems := policy.Compile(source, rules, c.Rules.Units, nil, c.Lifecycle.Leave)
	if len(problems) > 0 {
		o.t.Fatal(problems)
	}
	c.Rules = compiled
	o.g.Config, o.e.Config = &c, &c
}

// TestWhatCannotBeRequested: each is refused when it is asked, with one reason.
func TestWhatCannotBeRequested(t *testing.T) {
	o := newOffice(t)
	o.changed(func(c *policy.Catalogue) {
		for i := range c.Entitlements {
			e := &c.Entitlements[i]
			if e.ID == "hall:hall" {
				e.Controls.NotTypes = []policy.Demand[string]{{Value: "", By: "no-one-without-a-type"}}
				e.Controls.NotSources = []policy.Demand[string]{{Value: "hr", By: "not-ours"}}
			}
		}
		c.Conflicts = []policy.Conflict{
			{Name: "lend-and-check", Why: "they would check themselves", Severity: policy.HighSeverity, Sides: [][]policy.EntitlementID{{"lib:library"}, {"desk:desk"}}, Refused: true},
			{Name: "staff-and-lend", Why: "a test", Severity: policy.LowSeverity, Sides: [][]policy.EntitlementID{{"lib:library"}, {"base:staff"}}}}
	})
	lib := func() governance.Request { return governance.Request{Entitlement: "lib:library"} }
	for what, test := range map[string]struct {
		ask  governance.Request
		code reason.Code
	}{
		"no entitlement":           {governance.Request{Entitlement: "lib:none"}, "no-such-entitlement"},
		"not by emergency":         {governance.Request{Entitlement: "hall:hall", Emergency: true}, "not-requestable"},
		"has it by a rule":         {governance.Request{Entitlement: "base:staff"}, "has-already"},
		"a day that has passed":    {governance.Request{Entitlement: "lib:library", Until: o.today().AddDays(-1)}, "request-days-wrong"},
		"no day":                   {governance.Request{Entitlement: "lib:library", Until: "soon"}, "request-days-wrong"},
		"longer than the class":    {governance.Request{Entitlement: "desk:desk", Until: o.today().AddDays(30)}, "request-days-wrong"},
		"longer than a year":       {governance.Request{Entitlement: "lib:library", Until: o.today().AddDays(policy.MostRequestDays)}, "request-days-wrong"},
		"a control":                {governance.Request{Entitlement: "hall:hall"}, "request-withheld"},
		"another's employment":     {governance.Request{Entitlement: "lib:library", Employment: o.person("other").Employments[0].ID}, "not-their-employment"},
		"renews what is not there": {governance.Request{Entitlement: "lib:library", Renews: 99}, "no-such-request"},
	} {
		_, err := o.asks("stranger", "stranger", test.ask)
		o.refused(what, err, test.code)
	}
	if _, err := o.asks("stranger", "staff", lib()); !refused(err) {
		t.Errorf("for another's staff: %v", err)
	}
	if _, _, err := o.g.RequestAccess(t.Context(), o.person("stranger"), lib(), o.by("stranger"), " "); err == nil {
		t.Error("without a reason")
	}
	_, err := o.asks("administrator", "suspended", lib())
	o.refused("for a suspended person", err, "request-withheld")
	_, err = o.asks("administrator", "gone", lib())
	o.refused("for a person who left", err, "no-employment-to-request")

	first, err := o.asks("stranger", "stranger", lib())
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.asks("stranger", "stranger", lib())
	o.refused("twice", err, "request-there")
	if err := o.approves(first, "owner"); err != nil {
		t.Fatal(err)
	}
	_, err = o.asks("stranger", "stranger", lib())
	o.refused("until the same day", err, "has-already")
	_, err = o.asks("stranger", "stranger", governance.Request{Entitlement: "desk:desk"})
	o.refused("against a conflict", err, "request-withheld")
	// The other way round it would take from them what they have.
	desk := o.request("desk:desk", o.person("staff"))
	for _, who := range []string{"manager", "other", "operator"} {
		if err := o.approves(desk, who); err != nil {
			t.Fatal(err)
		}
	}
	_, err = o.asks("staff", "staff", lib())
	o.refused("what would take another", err, "request-takes")
	if _, err := o.g.AllowConflict(t.Context(), o.person("staff"), "lend-and-check", o.today().AddDays(9), false, o.by("operator"), "the manager checks monthly"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.asks("staff", "staff", lib()); err != nil {
		t.Errorf("with an exception: %v", err)
	}
}

// TestWhoApproves: the parts that the class asks for, each taken by one person, who is neither
// the person nor who asked; an approver who does not work here is not asked, and an operator
// takes the part of those who are missing.
func TestWhoApproves(t *testing.T) {
	o := newOffice(t)
	id := func(who string) identity.PersonID { return o.person(who).ID }
	desk := governance.Request{Entitlement: "desk:desk"}
	r, err := o.asks("staff", "staff", desk)
	if err != nil {
		t.Fatal(err)
	}
	open := o.open(r)
	if !slices.Equal(open[policy.ManagerApprover], []identity.PersonID{id("manager")}) || !slices.Equal(open[policy.OwnerApprover], []identity.PersonID{id("other")}) {
		t.Errorf("%v", open)
	}
	for who, want := range map[string]func(error) bool{
		"staff":    rights.IsSelf,
		"owner":    refused, // of another system
		"stranger": refused,
		"administrator": func(err error) bool {
			var no *reason.Refusal
			return errors.As(err, &no) && no.Reason.Code() == "not-the-approver"
		},
	} {
		if err := o.approves(r, who); !want(err) {
			t.Errorf("by %s: %v", who, err)
		}
	}
	if err := o.approves(r, "other"); err != nil {
		t.Fatal(err)
	}
	if err := o.approves(r, "other"); !rights.IsCause(err) {
		t.Errorf("two parts by one person: %v", err)
	}
	if o.given("staff", "desk:desk") {
		t.Error("one of three approved, and it is given")
	}
	// The only owner took the owner's part: the second owner is missing.
	if people := o.open(r)[policy.SecondOwnerApprover]; len(people) > 0 {
		t.Errorf("the second owner is %v", people)
	}
	if err := o.approves(r, "operator"); err != nil {
		t.Fatal(err)
	}
	if err := o.approves(r, "manager"); err != nil {
		t.Fatal(err)
	}
	if !o.given("staff", "desk:desk") {
		t.Error("all three approved, and it is not given")
	}
	d, err := o.g.DB.AccessRequest(t.Context(), r.ID)
	if err != nil || d.State != store.RequestApproved {
		t.Errorf("%+v, %v", d, err)
	}

	// A manager who asks is not the approver: who manages the manager is, or an operator.
	other, err := o.asks("manager", "staff", governance.Request{Entitlement: "desk:desk", Until: o.today().AddDays(20)})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.approves(other, "manager"); !rights.IsCause(err) {
		t.Errorf("by who asked: %v", err)
	}
	if people := o.open(other)[policy.ManagerApprover]; len(people) > 0 {
		t.Errorf("the manager is %v", people)
	}
	o.imports("hr", "person_id,employment_id,given_name,family_name,unit,job_code,manager_id,start_date,end_date\nmanager,Emanager,Given,Familymanager,office,,reviewer,2020-01-01,\n")
	if people := o.open(other)[policy.ManagerApprover]; !slices.Equal(people, []identity.PersonID{id("reviewer")}) {
		t.Errorf("the manager's manager is not asked: %v", people)
	}
	o.decide(o.g.Suspend(t.Context(), o.person("reviewer"), false, o.by("administrator"), "an investigation"))
	if people := o.open(other)[policy.ManagerApprover]; len(people) > 0 {
		t.Errorf("a suspended manager is asked: %v", people)
	}
	// Of an owner and a deputy, the deputy is asked when the owner asks.
	lib, err := o.asks("owner", "owner", governance.Request{Entitlement: "lib:library"})
	if err != nil {
		t.Fatal(err)
	}
	if people := o.open(lib)[policy.OwnerApprover]; !slices.Equal(people, []identity.PersonID{id("deputy")}) {
		t.Errorf("the owner asks, and is asked: %v", people)
	}
	if _, err := o.g.DecideRequest(t.Context(), lib.ID, store.Refuse, o.by("deputy"), "not needed"); err != nil {
		t.Fatal(err)
	}
	err = o.approves(lib, "operator")
	if !refused(err) {
		t.Errorf("approved after it was refused: %v", err)
	}
	if o.given("owner", "lib:library") {
		t.Error("refused, and given")
	}
}

// TestARequestIsRenewedAndCarriesNothingOver: a renewal goes on from the request before; what a
// request gave does not pass to another person by a merge, nor by a change of who someone is.
func TestARequestIsRenewedAndCarriesNothingOver(t *testing.T) {
	o := newOffice(t)
	r, err := o.asks("stranger", "stranger", governance.Request{Entitlement: "lib:library"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.asks("stranger", "stranger", governance.Request{Entitlement: "lib:library", Renews: r.ID, Until: o.today().AddDays(20)})
	o.refused("renewed before it was approved", err, "request-not-giving")
	if err := o.approves(r, "owner"); err != nil {
		t.Fatal(err)
	}
	_, err = o.asks("temp", "temp", governance.Request{Entitlement: "lib:library", Renews: r.ID, Until: o.today().AddDays(20)})
	o.refused("another's", err, "request-not-giving")
	renewed, err := o.asks("stranger", "stranger", governance.Request{Entitlement: "lib:library", Renews: r.ID, Until: o.today().AddDays(20)})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.approves(renewed, "deputy"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.g.WithdrawRequest(t.Context(), r.ID, o.by("stranger"), "renewed"); err != nil {
		t.Fatal(err)
	}
	if !o.given("stranger", "lib:library") {
		t.Error("the renewal gives nothing")
	}
	if _, err := o.g.WithdrawRequest(t.Context(), r.ID, o.by("stranger"), "again"); err == nil {
		t.Error("withdrawn twice")
	}
	o.decide(o.g.Merge(t.Context(), o.person("temp"), o.person("stranger"), o.by("hr"), "one person"))
	for _, who := range []string{"temp", "stranger"} { // both records are one person's now
		if o.given(who, "lib:library") {
			t.Errorf("a merge gave %s what another asked for", who)
		}
	}
}

// TestAClassThatChanges: a request that waits asks for what the class asks for now.
func TestAClassThatChanges(t *testing.T) {
	o := newOffice(t)
	r, err := o.asks("staff", "staff", governance.Request{Entitlement: "lib:library"})
	if err != nil {
		t.Fatal(err)
	}
	o.changed(func(c *policy.Catalogue) {
		for i := range c.Entitlements {
			if c.Entitlements[i].ID == "lib:library" {
				c.Entitlements[i].Controls.Approvers = policy.Demand[[]policy.Approver]{Value: []policy.Approver{policy.ManagerApprover, policy.OwnerApprover}, By: "raised"}
				c.Entitlements[i].Controls.Screening = policy.Demand[bool]{Value: true, By: "raised"}
			}
		}
	})
	o.refused("a gate that closed meanwhile", o.approves(r, "owner"), "request-withheld")
	o.decide(o.g.Screen(t.Context(), o.person("staff"), o.today().AddDays(100), false, o.by("hr"), "an interview"))
	if err := o.approves(r, "owner"); err != nil {
		t.Fatal(err)
	}
	if o.given("staff", "lib:library") {
		t.Error("given without the manager, whom the class asks for now")
	}
	o.imports("hr", "person_id,employment_id,given_name,family_name,unit,job_code,manager_id,start_date,end_date\nstaff,Estaff,Given,Familystaff,office,,other,2020-01-01,\n")
	o.refused("another manager", o.approves(r, "manager"), "request-stale")
}

// TestApproversAtTheSameTime: of two who take the same part at the same instant one does, and
// two who take different parts both do; the access comes once, with the last of them.
func TestApproversAtTheSameTime(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Setenv("BEHOV_TEST_ON", database)
			o := newOffice(t)
			together := func(r store.AccessRequest, who ...string) (went int) {
				t.Helper()
				subjects := make([]rights.Subject, len(who))
				for i, name := range who {
					subjects[i] = o.by(name)
				}
				errs := make(chan error)
				for _, by := range subjects {
					go func() {
						_, err := o.g.DecideRequest(t.Context(), r.ID, store.Approve, by, "at once")
						errs <- err
					}()
				}
				for range subjects {
					var refused *reason.Refusal
					switch err := <-errs; {
					case err == nil:
						went++
					case !errors.As(err, &refused) && !rights.IsRefused(err):
						t.Errorf("%v", err)
					}
				}
				return went
			}
			for range 5 {
				lib := o.request("lib:library", o.person("stranger"))
				if n := together(lib, "owner", "deputy"); n != 1 {
					t.Errorf("%d took the one part", n)
				}
				desk := o.request("desk:desk", o.person("staff"))
				if n := together(desk, "manager", "other"); n != 2 {
					t.Errorf("%d of two took their parts", n)
				}
				if err := o.approves(desk, "operator"); err != nil {
					t.Error(err)
				}
				if r, err := o.g.DB.AccessRequest(t.Context(), desk.ID); err != nil || r.State != store.RequestApproved {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
}

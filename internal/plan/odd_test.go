package plan_test

import (
	"slices"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

func observed(t *testing.T, entitlements []connectors.Entitlement, accounts []connectors.Account, members ...connectors.Membership) *plan.Observed {
	t.Helper()
	o := plan.NewObserved()
	for _, e := range entitlements {
		if err := o.Entitlement(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range accounts {
		if err := o.Account(a); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range members {
		if err := o.Membership(m); err != nil {
			t.Fatal(err)
		}
	}
	o.Done(connectors.Completeness{Complete: true})
	return o
}

var (
	groups = []connectors.Entitlement{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	teller = plan.Person{ID: "p", Grants: []policy.Grant{{Entitlement: "app:a", Gate: policy.Open, Reasons: []policy.Reason{{By: reason.Of(reason.Rule{Rule: "r"})}}}}, Accounts: map[string]plan.Account{"t1": {Name: "login", Attributes: map[string][]string{"title": nil}}}}
	gone   = plan.Person{ID: "p", NoEntitlementReason: reason.Of(reason.NoEmployment{}), Accounts: map[string]plan.Account{"t1": {Name: "login"}}}
)

// TestOddAccounts: accounts that are not what they seem give no one anything,
// and never save a leaver.
func TestOddAccounts(t *testing.T) {
	mine := connectors.Account{ID: "1", Anchor: "p", Name: "login", Enabled: true}
	wiped := connectors.Account{ID: "1", Name: "login", Enabled: true}
	second := connectors.Account{ID: "2", Anchor: "p", Name: "login2", Enabled: true}
	stranger := connectors.Account{ID: "9", Name: "LOGIN", Enabled: true}
	// What is not known to be theirs is not written to, also not to empty it.
	second.Attributes = map[string][]string{"title": {"x"}}
	for _, c := range []struct {
		name     string
		person   plan.Person
		accounts []connectors.Account
		bound    string // the person's account, as noted
		steps    []connectors.Op
		finding  plan.FindingKind
	}{
		{"a stranger has the login", teller, []connectors.Account{stranger}, "", nil, plan.NameTaken},
		{"the anchor was wiped", teller, []connectors.Account{wiped}, "1", []connectors.Op{connectors.AddMember}, plan.AnchorLost},
		{"a leaver's anchor was wiped", gone, []connectors.Account{wiped}, "1", []connectors.Op{connectors.DisableAccount}, plan.AnchorLost},
		{"two say so, none is known", teller, []connectors.Account{mine, second}, "", nil, plan.Ambiguous},
		{"two say so, a leaver", gone, []connectors.Account{mine, second}, "", []connectors.Op{connectors.DisableAccount, connectors.DisableAccount}, plan.Ambiguous},
		{"two say so, one is known", teller, []connectors.Account{mine, second}, "1", []connectors.Op{connectors.AddMember}, plan.Ambiguous},
		{"another than the known one", teller, []connectors.Account{second}, "1", nil, plan.Replaced},
		{"another than the known one, a leaver", gone, []connectors.Account{second}, "1", []connectors.Op{connectors.DisableAccount}, plan.Replaced},
	} {
		t.Run(c.name, func(t *testing.T) {
			var members []connectors.Membership
			if c.person.NoEntitlementReason.IsZero() { // what it has is no reason to take it for known
				members = append(members, connectors.Membership{Entitlement: "a", AccountID: second.ID})
			}
			target := plan.Target{Name: "t1", Observed: observed(t, groups, c.accounts, members...), Limits: atMost(10)}
			if c.bound != "" {
				target.Bound.Bind("p", c.bound)
			}
			p := build(t, plan.Input{Catalogue: &catalogue, People: slices.Values([]plan.Person{c.person}), Targets: []plan.Target{target}})
			for _, adopted := range p.Adopted {
				if own, _ := target.Owned("p"); own == nil {
					t.Errorf("access of an account that is not known is adopted: %+v", adopted)
				}
			}
			var ops []connectors.Op
			for _, s := range p.Steps {
				ops = append(ops, s.Op)
				if s.Op == connectors.AddMember && s.AccountID != "1" {
					t.Errorf("access goes to another account: %+v", s)
				}
			}
			if !slices.Equal(ops, c.steps) {
				t.Errorf("steps %v, want %v", ops, c.steps)
			}
			if !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == c.finding }) {
				t.Errorf("findings %+v, want %s", p.Findings, c.finding)
			}
		})
	}
}

// TestAmbiguousNameFreezesTheEntitlement: when several groups have the name,
// no one gets it and no one loses it.
func TestAmbiguousNameFreezesTheEntitlement(t *testing.T) {
	o := observed(t, []connectors.Entitlement{{Name: "a", Ambiguous: true}, {Name: "b"}, {Name: "c"}}, []connectors.Account{{ID: "1", Anchor: "p", Name: "login", Enabled: true}})
	target := plan.Target{Name: "t1", Observed: o, Limits: atMost(10), Given: given(map[plan.Access]reason.Reason{{Person: identity.PersonID("p"), Entitlement: "app:a"}: reason.Of(reason.Rule{Rule: "r"})})}
	p := build(t, plan.Input{Catalogue: &catalogue, People: slices.Values([]plan.Person{teller}), Targets: []plan.Target{target}})
	if len(p.Steps) > 0 || !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == plan.Ambiguous && f.Entitlement == "app:a" }) {
		t.Errorf("steps %+v, findings %+v", p.Steps, p.Findings)
	}
}

// TestAStrangersAccessIsNamed: an account of no one that has something of the
// catalogue is reported with what it has.
func TestAStrangersAccessIsNamed(t *testing.T) {
	o := observed(t, groups, []connectors.Account{{ID: "9", Name: "mallory", Enabled: true}}, connectors.Membership{Entitlement: "c", AccountID: "9"})
	p := build(t, plan.Input{Catalogue: &catalogue, People: slices.Values([]plan.Person{}), Targets: []plan.Target{{Name: "t1", Observed: o}}})
	i := slices.IndexFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == plan.Orphan })
	if i < 0 || p.Findings[i].Reason != reason.Of(reason.OrphanAccount{Has: []string{"app:c"}}) {
		t.Errorf("findings %+v", p.Findings)
	}
}

// TestEarlierNames: an earlier name of a known account is taken out of a group, or
// reported; a member that names nothing is reported with the group and never
// removed, as it may be another's.
func TestEarlierNames(t *testing.T) {
	for _, report := range []bool{false, true} {
		o := observed(t, groups, []connectors.Account{{ID: "1", Anchor: "p", Name: "login", Enabled: true}},
			connectors.Membership{Entitlement: "a", AccountID: "1"}, connectors.Membership{Entitlement: "a", FormerName: "1"},
			connectors.Membership{Entitlement: "b", DanglingMembers: 3}, connectors.Membership{Entitlement: "c", FormerName: "9"})
		target := plan.Target{Name: "t1", Observed: o, Limits: atMost(0), Report: report, Given: given(map[plan.Access]reason.Reason{{Person: "p", Entitlement: "app:a"}: reason.Of(reason.Rule{Rule: "r"})})}
		target.Bound.Bind("p", "1")
		p := build(t, plan.Input{Catalogue: &catalogue, People: slices.Values([]plan.Person{teller}), Targets: []plan.Target{target}})
		var ops []connectors.Op
		for _, s := range p.Steps {
			ops = append(ops, s.Op)
		}
		want := []connectors.Op{connectors.RemoveFormerMember}
		if report {
			want = nil
		}
		if !slices.Equal(ops, want) || len(p.Holds) > 0 {
			t.Errorf("report is %t: steps %v, want %v; holds %+v", report, ops, want, p.Holds)
		}
		drift, dangling := 0, 0
		for _, f := range p.Findings {
			switch {
			case f.Kind == plan.Drift && f.Entitlement == "app:a" && f.AccountID == "1":
				drift++
			case f.Kind == plan.Dangling && f.Entitlement == "app:b" && f.Reason == reason.Of(reason.DanglingMembers{Group: "b", Count: 3}):
				dangling++
			}
		}
		if drift != 1 || dangling != 1 {
			t.Errorf("report is %t: findings %+v", report, p.Findings)
		}
	}
}

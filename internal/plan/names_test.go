package plan_test

import (
	"slices"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// TestARenamedGroup: a group that was renamed in case only is the one that the
// catalogue names, where the target ignores case and where it does not: a leaver
// loses it, by the name that the target has.
func TestARenamedGroup(t *testing.T) {
	desk := policy.Catalogue{Entitlements: []policy.Entitlement{{ID: "library:desk", Target: "t1", Native: "library-desk"}}}
	for _, c := range []struct {
		name   string
		how    connectors.Matching
		groups []string
		want   string // the group that is left; empty for none
		kind   plan.FindingKind
	}{
		{"ignoring case", connectors.MatchIgnoreCase, []string{"Library-Desk"}, "Library-Desk", ""},
		{"with more white space", connectors.MatchIgnoreCase, []string{"LIBRARY-DESK"}, "LIBRARY-DESK", ""},
		{"telling case, and only one like it", connectors.MatchExact, []string{"Library-Desk"}, "Library-Desk", ""},
		{"telling case, and several like it", connectors.MatchExact, []string{"Library-Desk", "Library-desk"}, "", plan.Missing},
		{"telling case, and the very one beside another", connectors.MatchExact, []string{"Library-Desk", "library-desk"}, "library-desk", ""},
		{"ignoring case, and two that are the same", connectors.MatchIgnoreCase, []string{"Library-Desk", "library-desk"}, "", plan.Ambiguous},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := plan.NewObserved()
			o.Names = c.how
			if err := o.Account(connectors.Account{ID: "1", Anchor: "p", Name: "p", Enabled: true}); err != nil {
				t.Fatal(err)
			}
			for _, g := range c.groups {
				if err := o.Entitlement(connectors.Entitlement{Name: g}); err != nil {
					t.Fatal(err)
				}
				if err := o.Membership(connectors.Membership{Entitlement: g, AccountID: "1"}); err != nil {
					t.Fatal(err)
				}
			}
			o.Done(connectors.Completeness{Complete: true})
			target := plan.Target{Name: "t1", Observed: o, Limits: atMost(10)}
			p := build(t, plan.Input{Catalogue: &desk, People: slices.Values([]plan.Person{{ID: identity.PersonID("p"), NoEntitlementReason: reason.Of(reason.NoEmployment{})}}), Targets: []plan.Target{target}})
			got := ""
			for _, s := range p.Steps {
				if s.Op == connectors.RemoveMember {
					got += s.Native
				}
			}
			if got != c.want {
				t.Errorf("left %q, want %q: %+v", got, c.want, p.Steps)
			}
			if c.kind != "" && !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == c.kind && f.Entitlement == "library:desk" }) {
				t.Errorf("no finding %s: %+v", c.kind, p.Findings)
			}
		})
	}
}

// TestAGroupThatCannotBeRead: of a group whose members cannot be read no one
// loses and no one gets the entitlement, and it is told.
func TestAGroupThatCannotBeRead(t *testing.T) {
	desk := policy.Catalogue{Entitlements: []policy.Entitlement{{ID: "library:desk", Target: "t1", Native: "desk"}, {ID: "library:keys", Target: "t1", Native: "keys"}}}
	o := plan.NewObserved()
	for _, a := range []connectors.Account{{ID: "1", Anchor: "p", Name: "p", Enabled: true}, {ID: "2", Anchor: "q", Name: "q", Enabled: true}} {
		if err := o.Account(a); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []connectors.Entitlement{{Name: "desk", Unreadable: "let the account in bind_dn read its member attribute"}, {Name: "keys"}} {
		if err := o.Entitlement(e); err != nil {
			t.Fatal(err)
		}
	}
	o.Done(connectors.Completeness{Complete: true})
	grants := []policy.Grant{{Entitlement: "library:desk", Gate: policy.Open}, {Entitlement: "library:keys", Gate: policy.Open}}
	people := []plan.Person{{ID: "p", Grants: grants, Accounts: map[string]plan.Account{"t1": {Name: "p"}}}, {ID: "q", NoEntitlementReason: reason.Of(reason.NoEmployment{})}}
	target := plan.Target{Name: "t1", Observed: o, Limits: atMost(10), Given: given(map[plan.Access]reason.Reason{{Person: "p", Entitlement: "library:desk"}: reason.Of(reason.Rule{Rule: "r"}), {Person: "q", Entitlement: "library:desk"}: reason.Of(reason.Rule{Rule: "r"})})}
	p := build(t, plan.Input{Catalogue: &desk, People: slices.Values(people), Targets: []plan.Target{target}})
	var ops []string
	for _, s := range p.Steps {
		ops = append(ops, string(s.Person)+" "+string(s.Op)+" "+string(s.Entitlement))
	}
	if want := []string{"q disable-account ", "p add-member library:keys"}; !slices.Equal(ops, want) {
		t.Errorf("steps %q, want %q", ops, want)
	}
	if !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == plan.Missing && f.Entitlement == "library:desk" }) {
		t.Errorf("findings %+v", p.Findings)
	}
}

// TestWhatMovesAnAccountIsARename: a change of the attribute that names the entry is
// counted as a rename, and held as one.
func TestWhatMovesAnAccountIsARename(t *testing.T) {
	person := plan.Person{ID: "p", Grants: []policy.Grant{{Entitlement: "library:desk", Gate: policy.Open, Reasons: []policy.Reason{{By: reason.Of(reason.Rule{Rule: "r"})}}}},
		Accounts: map[string]plan.Account{"t1": {Name: "anna", Attributes: map[string][]string{"CN": {"Anna Berg"}, "title": {"Clerk"}}}}}
	desk := policy.Catalogue{Entitlements: []policy.Entitlement{{ID: "library:desk", System: "library", Target: "t1", Native: "desk"}}}
	for name, c := range map[string]struct {
		naming []string
		want   blastradius.Kind
	}{"cn names it": {[]string{"cn"}, blastradius.Renames}, "uid names it": {[]string{"uid"}, blastradius.Changes}, "not known": {nil, blastradius.Changes}} {
		o := observed(t, []connectors.Entitlement{{Name: "desk"}}, []connectors.Account{{ID: "1", Name: "anna", Anchor: "p", Enabled: true, Attributes: map[string][]string{"CN": {"Anna Ek"}, "title": {"Clerk"}}}})
		p := build(t, plan.Input{Catalogue: &desk, People: slices.Values([]plan.Person{person}), Targets: []plan.Target{{Name: "t1", Observed: o, Naming: c.naming, Limits: atMost(10)}}})
		i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == connectors.UpdateAccount })
		if i < 0 || p.Steps[i].Kind != c.want {
			t.Errorf("%s: steps %+v, want an update of kind %s", name, p.Steps, c.want)
		}
	}
}

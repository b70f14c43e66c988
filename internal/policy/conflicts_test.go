package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// TestConflictsHold: whatever rules, decisions and handovers give, nobody is given an
// entitlement of every side of a refused conflict, unless a decision allows it that day; and
// what a conflict closes says why.
func TestConflictsHold(t *testing.T) {
	ids := []policy.EntitlementID{"s:a", "s:b", "s:c", "s:d"}
	rapid.Check(t, func(t *rapid.T) {
		catalogue := policy.Catalogue{Systems: []policy.System{{ID: "s"}}}
		text := ""
		for _, id := range ids {
			catalogue.Entitlements = append(catalogue.Entitlements, policy.Entitlement{ID: id, System: "s", Target: "one", Native: string(id[2:]), MFA: rapid.Bool().Draw(t, "mfa")})
			if rapid.Bool().Draw(t, "given by a rule") {
				option := ""
				if rapid.Bool().Draw(t, "handover") {
					option = ", handover=30"
				}
				unit := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "unit")
				text += "p, give-" + string(id[2:]) + ", r.sub.unit == '" + unit + "', " + string(id) + ", allow, needed" + option + "\n"
			}
		}
		names := []string{"first", "second", "third"}
		for _, name := range names[:rapid.IntRange(0, 3).Draw(t, "conflicts")] {
			all := rapid.Permutation(ids).Draw(t, "order")
			cut := rapid.IntRange(1, 3).Draw(t, "cut")
			first, last := slices.Clone(all[:cut]), slices.Clone(all[cut:])
			slices.Sort(first)
			slices.Sort(last)
			catalogue.Conflicts = append(catalogue.Conflicts, policy.Conflict{Name: name, Why: "no", Severity: policy.HighSeverity, Sides: [][]policy.EntitlementID{first, last}, Refused: rapid.Bool().Draw(t, "refused")})
		}
		source, problems := policy.Parse("policy.csv", text)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		units := &identity.Units{}
		for _, id := range []string{"x", "y"} {
			if err := units.Add(identity.Unit{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		rules, problems := policy.Compile(source, catalogue, units, nil, identity.LeaveRule(""))
		for _, p := range problems {
			if !p.Warning {
				t.Fatal(p)
			}
		}
		const day = identity.Date("2026-06-01")
		p := identity.Person{ID: "p", Employments: []identity.Employment{{ID: "e", EmploymentFacts: identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{{Unit: "x"}, {From: rapid.SampledFrom([]identity.Date{"2026-05-20", "2026-07-01"}).Draw(t, "moves"), Unit: "y"}}}}}}
		facts := policy.Facts{MFA: rapid.SampledFrom([]policy.MFA{policy.Enrolled, policy.NotEnrolled, ""}).Draw(t, "enrolled"), Verdicts: map[policy.EntitlementID]policy.Verdict{}, Allowances: map[string]policy.Allowance{}}
		for _, id := range ids {
			switch rapid.IntRange(0, 4).Draw(t, "verdict") {
			case 0:
				facts.Verdicts[id] = policy.Verdict{Reason: reason.Of(reason.Kept{})}
			case 1:
				facts.Verdicts[id] = policy.Verdict{Revoke: true, Reason: reason.Of(reason.Revoked{})}
			}
		}
		for _, name := range names {
			if rapid.IntRange(0, 3).Draw(t, "allowed") == 0 {
				facts.Allowances[name] = policy.Allowance{Until: rapid.SampledFrom([]identity.Date{"2026-05-31", "2026-06-01"}).Draw(t, "until"), By: reason.Of(reason.ConflictAllowed{})}
			}
		}
		grants, err := rules.Decide(p, day, facts)
		if err != nil {
			t.Fatal(err)
		}
		has := func(id policy.EntitlementID) bool {
			i := slices.IndexFunc(grants, func(g policy.Grant) bool { return g.Entitlement == id })
			return i >= 0 && (grants[i].Gate == policy.Open || grants[i].Gate == policy.Kept || grants[i].Gate == policy.MFAUnknown)
		}
		for name := range catalogue.Held(has) {
			c, _ := catalogue.Conflict(name)
			if c.Refused && facts.Allowances[name].Until < day {
				t.Fatalf("conflict %s is held: %+v", name, grants)
			}
		}
		for _, g := range grants {
			if g.Gate == policy.Withheld && g.GateReason.IsZero() {
				t.Fatalf("%s is withheld without a reason", g.Entitlement)
			}
		}
	})
}

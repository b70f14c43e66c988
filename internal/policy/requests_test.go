package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// rulesFor compiles a policy over a catalogue, with the units x, y and z; z was renamed from old.
func rulesFor(t rapid.TB, text string, catalogue policy.Catalogue, leave identity.LeaveRule) *policy.Rules {
	source, problems := policy.Parse("policy.csv", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	units := &identity.Units{}
	for _, u := range []identity.Unit{{ID: "x"}, {ID: "y"}, {ID: "z"}, {ID: "old", Until: "2026-05-25", Successor: "z"}} {
		if err := units.Add(u); err != nil {
			t.Fatal(err)
		}
	}
	rules, problems := policy.Compile(source, catalogue, units, nil, leave)
	for _, p := range problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	return rules
}

// TestNoRequestOpensAClosedGate: whatever rules, HR, MFA, screening, conflicts, reviews and
// requests say, in whatever order they were decided, a request gives nothing through a gate that
// is closed, after what it hangs on has changed or ended, or against a newer decision that
// revoked it; and what it gives has a last day and a reason.
func TestNoRequestOpensAClosedGate(t *testing.T) {
	ids := []policy.EntitlementID{"s:a", "s:b", "s:c"}
	given := map[policy.Gate]int{}
	const day = identity.Date("2026-06-01")
	date := func(t *rapid.T, what string) identity.Date {
		return day.AddDays(rapid.IntRange(-20, 20).Draw(t, what))
	}
	rapid.Check(t, func(t *rapid.T) {
		catalogue := policy.Catalogue{Systems: []policy.System{{ID: "s"}}}
		text := ""
		ruled := map[policy.EntitlementID]string{}
		for _, id := range ids {
			e := policy.Entitlement{ID: id, System: "s", Target: "one", Native: string(id[2:]), MFA: rapid.Bool().Draw(t, "mfa")}
			if rapid.IntRange(0, 3).Draw(t, "screening") == 0 {
				e.Controls.Screening = policy.Demand[bool]{Value: true, By: "c"}
			}
			if rapid.IntRange(0, 3).Draw(t, "no temps") == 0 {
				e.Controls.NotTypes = []policy.Demand[string]{{Value: "temp", By: "c"}}
			}
			if rapid.IntRange(0, 3).Draw(t, "withholds") == 0 {
				e.Controls.WithholdProtected = policy.Demand[bool]{Value: true, By: "c"}
			}
			catalogue.Entitlements = append(catalogue.Entitlements, e)
			ruled[id] = rapid.SampledFrom([]string{"", "", "allow", "deny"}).Draw(t, "rule")
			if ruled[id] != "" {
				text += "p, r-" + string(id[2:]) + ", r.sub.unit == 'x', " + string(id) + ", " + ruled[id] + ", why\n"
			}
		}
		if rapid.Bool().Draw(t, "conflict") {
			catalogue.Conflicts = []policy.Conflict{{Name: "both", Why: "no", Severity: policy.HighSeverity, Sides: [][]policy.EntitlementID{{"s:a"}, {"s:b"}}, Refused: true}}
		}
		leave := rapid.SampledFrom(identity.LeaveRules).Draw(t, "leave")
		rules := rulesFor(t, text, catalogue, leave)
		p := identity.Person{ID: "p"}
		p.Protected = rapid.Bool().Draw(t, "protected")
		for n := range rapid.IntRange(0, 2).Draw(t, "employments") {
			terms := func(from identity.Date) identity.Terms {
				return identity.Terms{From: from, Unit: rapid.SampledFrom([]string{"x", "y", "old", "z"}).Draw(t, "unit"), ManagerKey: rapid.SampledFrom([]string{"m1", "m1", "m2"}).Draw(t, "manager"), Type: rapid.SampledFrom([]string{"permanent", "temp"}).Draw(t, "type")}
			}
			e := identity.Employment{ID: identity.EmploymentID(fmt.Sprint("e", n)), Key: identity.SourceKey{Source: "hr", Key: fmt.Sprint("E", n)}, EmploymentFacts: identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{terms("")}}}
			for range rapid.IntRange(0, 2).Draw(t, "changes") {
				e.Terms = identity.Put(e.Terms, terms(date(t, "from")))
			}
			if rapid.IntRange(0, 2).Draw(t, "ends") == 0 {
				e.End = date(t, "end")
			}
			if rapid.IntRange(0, 2).Draw(t, "leave of absence") == 0 {
				e.Leaves = []identity.Leave{{Start: date(t, "leave start")}}
			}
			p.Employments = append(p.Employments, e)
		}
		facts := policy.Facts{MFA: rapid.SampledFrom([]policy.MFA{policy.Enrolled, policy.NotEnrolled, ""}).Draw(t, "enrolled"), Verdicts: map[policy.EntitlementID]policy.Verdict{}}
		facts.ScreenedUntil = rapid.SampledFrom([]identity.Date{"", "2026-05-31", "2026-06-01"}).Draw(t, "screened")
		if rapid.IntRange(0, 3).Draw(t, "allowed") == 0 {
			facts.Allowances = map[string]policy.Allowance{"both": {Until: rapid.SampledFrom([]identity.Date{"2026-05-31", "2026-06-01"}).Draw(t, "until"), By: reason.Of(reason.ConflictAllowed{})}}
		}
		order := rapid.Permutation([]int64{1, 2, 3, 4, 5, 6, 7, 8}).Draw(t, "order")
		for n, id := range ids {
			if rapid.IntRange(0, 2).Draw(t, "reviewed") == 0 {
				facts.Verdicts[id] = policy.Verdict{Revoke: rapid.Bool().Draw(t, "revoke"), Reason: reason.Of(reason.Revoked{}), Decision: order[n]}
			}
		}
		for n := range rapid.IntRange(0, 4).Draw(t, "requests") {
			q := policy.Request{ID: int64(n + 1), Entitlement: rapid.SampledFrom(ids).Draw(t, "entitlement"), Employment: rapid.SampledFrom([]identity.EmploymentID{"e0", "e1"}).Draw(t, "employment"),
				Since: min(day, date(t, "asked")), Unit: rapid.SampledFrom([]string{"x", "y", "old", "z"}).Draw(t, "asked in"), Manager: identity.SourceKey{Source: "hr", Key: "m1"}, Until: date(t, "last day"),
				Decision: order[3+n]}
			q.By = reason.Of(reason.Requested{Request: q.ID})
			facts.Requests = append(facts.Requests, q)
		}
		grants, err := rules.Decide(p, day, facts)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			given[g.Gate]++
			if g.Gate != policy.Open && g.Gate != policy.Kept && g.Gate != policy.MFAUnknown {
				continue
			}
			e, _ := rules.Catalogue.Entitlement(g.Entitlement)
			byRule := slices.ContainsFunc(g.Reasons, func(r policy.Reason) bool { return r.Request == 0 })
			v := facts.Verdicts[g.Entitlement]
			if v.Revoke && byRule {
				t.Fatalf("%s is revoked, and a rule gives it: %+v", g.Entitlement, g)
			}
			for _, r := range g.Reasons {
				if r.Request == 0 {
					continue
				}
				given["by a request"]++
				q := facts.Requests[r.Request-1]
				i := slices.IndexFunc(p.Employments, func(e identity.Employment) bool { return e.ID == q.Employment })
				if i < 0 || !p.Employments[i].ActiveOn(day) || q.Until < day || q.Entitlement != g.Entitlement {
					t.Fatalf("a request that ended gives: %+v", q)
				}
				employment := p.Employments[i]
				// Each day from the one on which it was asked, by HR as it is known now.
				for d := q.Since; d <= day; d = d.AddDays(1) {
					terms := employment.On(d)
					unit := map[bool]string{true: "z", false: terms.Unit}[terms.Unit == "old"]
					if was := (map[bool]string{true: "z", false: q.Unit})[q.Unit == "old"]; terms.ManagerKey != "m1" || unit != was {
						t.Fatalf("on %s the employment was another: %+v, %+v", d, terms, q)
					}
				}
				if leave == identity.LeaveReduces && employment.OnLeave(day) {
					t.Fatalf("a request gives during a leave: %+v", employment)
				}
				if ruled[g.Entitlement] == "deny" && employment.On(day).Unit == "x" {
					t.Fatalf("%s is denied to the employment", g.Entitlement)
				}
				if len(e.Controls.NotTypes) > 0 && employment.On(day).Type == "temp" {
					t.Fatalf("%s is not for temps", g.Entitlement)
				}
				if v.Revoke && v.Decision > q.Decision {
					t.Fatalf("decision %d revoked what request %d gave by decision %d: %+v", v.Decision, q.ID, q.Decision, g)
				}
				if !byRule && g.Until == "" || g.Until != "" && g.Until < q.Until {
					t.Fatalf("until %q: %+v", g.Until, q)
				}
			}
			if e.MFA && facts.MFA == policy.NotEnrolled || e.Controls.Screening.Value && facts.ScreenedUntil < day || e.Controls.WithholdProtected.Value && p.Protected {
				t.Fatalf("the gate is closed: %+v, %+v", g, e)
			}
			if g.Gate == policy.Open && len(g.Reasons) == 0 {
				t.Fatalf("%s without a reason", g.Entitlement)
			}
		}
		has := func(id policy.EntitlementID) bool {
			return slices.ContainsFunc(grants, func(g policy.Grant) bool {
				return g.Entitlement == id && (g.Gate == policy.Open || g.Gate == policy.Kept)
			})
		}
		if len(catalogue.Conflicts) > 0 && has("s:a") && has("s:b") && facts.Allowances["both"].Until < day {
			t.Fatalf("both sides of a conflict: %+v", grants)
		}
		for _, id := range ids {
			if _, err := rules.Explain(p, day, facts, id); err != nil { // it asks Casbin, too
				t.Fatal(err)
			}
		}
	})
	for _, gate := range []policy.Gate{policy.Open, policy.Revoked, policy.Denied, policy.Withheld, policy.AwaitingMFA, "by a request"} {
		if given[gate] == 0 && !testing.Short() { // with -short there are few tries
			t.Errorf("%s happened %d times: the test does not test it", gate, given[gate])
		}
	}
}

// TestAnEndedKeepDoesNotDateANewerRequest: a decision that kept access until a day that has passed
// takes it away, and neither ends nor dates what a request that was approved later gives.
func TestAnEndedKeepDoesNotDateANewerRequest(t *testing.T) {
	catalogue := policy.Catalogue{Systems: []policy.System{{ID: "s"}}, Entitlements: []policy.Entitlement{{ID: "s:a", System: "s", Target: "one", Native: "a"}}}
	rules := rulesFor(t, "p, all, r.sub.unit == 'x', s:a, allow, everyone\n", catalogue, identity.LeaveKeeps)
	p := identity.Person{ID: "p", Employments: []identity.Employment{{ID: "e", Key: identity.SourceKey{Source: "hr", Key: "E"}, EmploymentFacts: identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{{Unit: "x"}}}}}}
	const day = identity.Date("2026-06-01")
	ended := policy.Verdict{Decision: 7, Until: day.AddDays(-1), Reason: reason.Of(reason.NoRule{})}
	for name, c := range map[string]struct {
		request int64 // the decision that approved it; zero for none
		gate    policy.Gate
		until   identity.Date
	}{
		"none":    {0, policy.Revoked, ""},
		"earlier": {3, policy.Revoked, ""},
		"later":   {9, policy.Open, day.AddDays(10)},
	} {
		facts := policy.Facts{Verdicts: map[policy.EntitlementID]policy.Verdict{"s:a": ended}}
		if c.request != 0 {
			facts.Requests = []policy.Request{{ID: 1, Entitlement: "s:a", Employment: "e", Unit: "x", Since: day.AddDays(-20), Until: day.AddDays(10), Decision: c.request}}
		}
		grants, err := rules.Decide(p, day, facts)
		if err != nil || len(grants) != 1 || grants[0].Gate != c.gate || grants[0].Until != c.until {
			t.Errorf("%s: %+v, %v", name, grants, err)
		}
	}
}

// TestExplainARequestBesideAnExcludedRule: a rule gives it by an employment that a control leaves
// out, and a request by another: what is explained is the request, and Casbin agrees.
func TestExplainARequestBesideAnExcludedRule(t *testing.T) {
	catalogue := policy.Catalogue{Systems: []policy.System{{ID: "s"}}, Entitlements: []policy.Entitlement{{ID: "s:a", System: "s", Target: "one", Native: "a",
		Controls: policy.Controls{NotTypes: []policy.Demand[string]{{Value: "temp", By: "c"}}}}}}
	rules := rulesFor(t, "p, r, r.sub.unit == 'x', s:a, allow, why\n", catalogue, identity.LeaveKeeps)
	employment := func(id, unit, kind string) identity.Employment {
		return identity.Employment{ID: identity.EmploymentID(id), Key: identity.SourceKey{Source: "hr", Key: id}, EmploymentFacts: identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{{Unit: unit, Type: kind}}}}
	}
	p := identity.Person{ID: "p", Employments: []identity.Employment{employment("e0", "x", "temp"), employment("e1", "y", "permanent")}}
	facts := policy.Facts{Requests: []policy.Request{{ID: 1, Entitlement: "s:a", Employment: "e1", Since: "2026-05-01", Unit: "y", Until: "2026-07-01", Decision: 1, By: reason.Of(reason.Requested{Request: 1})}}}
	x, err := rules.Explain(p, "2026-06-01", facts, "s:a")
	if err != nil || x.Grant == nil || x.Grant.Gate != policy.Open || len(x.Grant.Reasons) != 1 || x.Grant.Reasons[0].Request != 1 {
		t.Errorf("%+v, %v", x.Grant, err)
	}
}

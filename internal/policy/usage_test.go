package policy_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

func compileText(t interface{ Fatal(...any) }, text string) *policy.Rules {
	source, problems := policy.Parse("policy.csv", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	catalogue := policy.Catalogue{Entitlements: []policy.Entitlement{{ID: "a:one"}, {ID: "a:two"}, {ID: "b:one"}}}
	rules, problems := policy.Compile(source, catalogue, &identity.Units{}, []string{"cost_centre"}, "")
	for _, p := range problems {
		if !p.Warning {
			t.Fatal(problems)
		}
	}
	return rules
}

func worker(id, unit, job string) identity.Person {
	return identity.Person{ID: identity.PersonID(id), Employments: []identity.Employment{{ID: identity.EmploymentID(id), EmploymentFacts: identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{{Unit: unit, JobCode: job}}}}}}
}

// TestUsage: rules that apply to no one, rules that others cover, and small roles, and none
// that is needed.
func TestUsage(t *testing.T) {
	r := compileText(t, `p, all, true, a:one, allow, w
p, again, "r.sub.job_code == '1'", a:one, allow, w
p, longer, "r.sub.job_code == '1'", a:one, allow, w, handover=9
p, both, "r.sub.job_code == '1'", role:both, allow, w
p, halves, "r.sub.job_code == '1' || r.sub.job_code == '9'", a:two, allow, w
p, no-one, "r.sub.job_code == '7'", a:two, allow, w
p, never, "r.sub.job_code == '2'", b:one, deny, w
p, single, "r.sub.job_code == '3'", role:single, allow, w
g, role:both, a:one
g, role:both, a:two
g, role:single, b:one
g, role:unused, a:one
g, role:unused, a:two
`)
	u := r.NewUsage()
	for _, p := range []identity.Person{worker("1", "x", "1"), worker("2", "x", "2"), worker("3", "y", "3"), worker("4", "y", "3")} {
		if _, err := u.Count(p, "2026-11-30"); err != nil {
			t.Fatal(err)
		}
	}
	given, err := u.Count(worker("5", "y", "1"), "2026-11-30")
	if err != nil || !slices.Equal(given, []policy.EntitlementID{"a:one", "a:two"}) {
		t.Error(given, err)
	}
	var unmatched, covered, roles []string
	for _, x := range u.Unmatched() {
		unmatched = append(unmatched, x.ID)
	}
	for _, x := range u.Covered() {
		covered = append(covered, x.ID+" by "+strings.Join(x.By, " "))
	}
	for _, x := range u.SmallRoles() {
		roles = append(roles, x.Role)
	}
	if !slices.Equal(unmatched, []string{"no-one"}) {
		t.Error(unmatched)
	}
	// Those in job 1 get a:one by four rules; only people in other jobs need the first. What
	// longer gives lasts longer, so that no other rule covers it. both is covered by two
	// rules together.
	if want := []string{"again by all both longer", "both by ", "halves by both"}; !slices.Equal(covered, want) {
		t.Errorf("%q", covered)
	}
	if !slices.Equal(roles, []string{"role:single", "role:unused"}) {
		t.Error(roles)
	}
}

// TestNewLine: whatever HR calls units and jobs, the line compiles, gives to exactly the
// employments that have the values, and has an ID of its own.
func TestNewLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []string{"p, a-one-x, true, a:one, allow, w\n", "p; a-one-x; true; a:one; allow; w\n", "p\ta-one-x\ttrue\ta:one\tallow\tw\n"}[rapid.IntRange(0, 2).Draw(t, "delimiter")]
		r := compileText(t, text)
		value := func(name string) string {
			return identity.CleanText(rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune(`'"\,;.p2åÅ x-`)))).Draw(t, name))
		}
		unit, job, why := value("unit"), value("job"), value("why")
		line, ok := r.NewLine("a:two", why, policy.Match{Attribute: "unit", Value: unit}, policy.Match{Attribute: "job_title", Value: job})
		if !ok {
			if unit != "" && job != "" {
				t.Fatalf("no line for %q, %q", unit, job)
			}
			return
		}
		other := compileText(t, text+line+"\n")
		p := worker("1", unit, "")
		p.Employments[0].Terms[0].JobTitle = job
		for _, q := range []identity.Person{p, worker("2", unit, job)} {
			grants, err := other.Decide(q, "2026-11-30", policy.Facts{})
			if err != nil {
				t.Fatal(err)
			}
			given := slices.ContainsFunc(grants, func(g policy.Grant) bool { return g.Entitlement == "a:two" })
			if given != (q.ID == "1") {
				t.Fatalf("%s: %t of %s", line, given, q.ID)
			}
		}
	})
	r := compileText(t, "p, a-two-x, true, a:one, allow, w\n")
	if line, ok := r.NewLine("a:two", "all have it, all", policy.Match{Attribute: "unit", Value: "x"}); !ok || line != `p, a-two-x-2, "r.sub.unit == 'x'", a:two, allow, "all have it, all"` {
		t.Error(line, ok)
	}
	if _, ok := r.NewLine("a:none", "", policy.Match{Attribute: "unit", Value: "x"}); ok {
		t.Error("an entitlement that is not in the catalogue")
	}
}

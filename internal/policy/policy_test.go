package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

func compile(t *testing.T, text string) (*Rules, []diagnostic.Problem) {
	t.Helper()
	source, problems := Parse("policy.csv", text)
	c := Catalogue{Entitlements: []Entitlement{
		{ID: "mail:basic"}, {ID: "care:record", MFA: true}, {ID: "school:register"}}}
	rules, more := Compile(source, c, testTree(t), []string{"cost_centre"}, identity.LeaveKeeps)
	return rules, append(problems, more...)
}

func TestProblemsNameTheirPlace(t *testing.T) {
	const good = "p, ok, true, mail:basic, allow, everyone\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown attribute", good + `p, a, "r.sub.title == 'x'", mail:basic, allow, w`, `policy.csv:2:8: rule a: unknown attribute r.sub.title`},
		{"bare attribute", good + `p, a, "unit == 'x'", mail:basic, allow, w`, `policy.csv:2:8: rule a: unknown name "unit": an attribute is written r.sub.unit`},
		{"unknown entitlement", good + `p, a, true, basic, allow, w`, `policy.csv:2: rule a: there is no entitlement "basic" in the catalogue; did you mean "mail:basic"?`},
		{"empty role", good + `p, a, true, role:x, allow, w`, `policy.csv:2: rule a: role "role:x" contains nothing`},
		{"unreachable role", good + `g, role:x, mail:basic`, `policy.csv:2: warning: role "role:x" is unreachable`},
		{"does not compile", good + `p, a, "r.sub.unit == ", mail:basic, allow, w`, `policy.csv:2:21: rule a: the condition does not compile`},
		{"text for a number", good + `p, a, "r.sub.percent >= '50'", mail:basic, allow, w`, `policy.csv:2:25: rule a: r.sub.percent is a number`},
		{"number for a text", good + `p, a, "r.sub.job_code == 2120", mail:basic, allow, w`, `policy.csv:2:26: rule a: r.sub.job_code is text`},
		{"unknown unit", good + `p, a, "under(r.sub.unit, 'nowhere')", mail:basic, allow, w`, `policy.csv:2:26: rule a: there is no unit "nowhere"`},
		{"unknown unit compared", good + `p, a, "r.sub.unit == 'scool'", mail:basic, allow, w`, `policy.csv:2:22: rule a: there is no unit "scool"`},
		{"unknown unit in a list", good + `p, a, "r.sub.unit in ('school', 'scool')", mail:basic, allow, w`, `policy.csv:2:33: rule a: there is no unit "scool"`},
		{"numbers in a list", good + `p, a, "!(r.sub.job_code in (3300, 2120))", mail:basic, allow, w`, `policy.csv:2:29: rule a: r.sub.job_code is text`},
		{"text in a list of numbers", good + `p, a, "r.sub.percent in ('75', '100')", mail:basic, allow, w`, `policy.csv:2:26: rule a: r.sub.percent is a number`},
		{"the other way round", good + `p, a, "3300 == r.sub.job_code", mail:basic, allow, w`, `policy.csv:2:8: rule a: r.sub.job_code is text`},
		{"arguments exchanged", good + `p, a, "under('school', r.sub.unit)", mail:basic, allow, w`, `policy.csv:2:8: rule a: under tests whether the employment's unit`},
		{"looks like a time", good + `p, a, "r.sub.job_code in ('2026-01-01', 'x')", mail:basic, allow, w`, `policy.csv:2:27: rule a: "2026-01-01" looks like a date or a time`},
		{"hidden behind another part", good + `p, a, "r.sub.protected && r.sub.unit > 3", mail:basic, allow, w`, `policy.csv:2:40: rule a:`},
		{"fields", good + `p, a, true, mail:basic, allow`, `policy.csv:2:1: a rule has 6 fields`},
		{"effect", good + `p, a, true, mail:basic, permit, w`, `policy.csv:2:25: "permit" must be allow or deny`},
		{"same ID", good + `p, ok, true, mail:basic, allow, w`, `policy.csv:2:4: the rule ID "ok" is empty or used in line 1`},
		{"unbalanced quote", good + `p, a, "true, mail:basic, allow, w`, `policy.csv:2:`},
		{"not a rule", good + `x, y`, `policy.csv:2:1: a line begins with p (a rule) or g`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := compile(t, c.text)
			if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), c.want) {
				t.Errorf("got  %v\nwant one that begins %s", problems, c.want)
			}
		})
	}
}

func nurse() identity.Person {
	return identity.Person{ID: "p1", Employments: []identity.Employment{
		{ID: "e1", EmploymentFacts: identity.EmploymentFacts{Start: "2026-01-01", Terms: []identity.Terms{{Unit: "care-1", JobCode: "3300", Percent: 75}}}},
		{ID: "e2", EmploymentFacts: identity.EmploymentFacts{Start: "2026-01-01", End: "2026-06-01", Terms: []identity.Terms{{Unit: "school-a", JobCode: "2120", Percent: 25}}}},
	}}
}

const nursePolicy = `p, everyone, true, mail:basic, allow, everybody has mail
p, nurses, "r.sub.job_code == '3300' && under(r.sub.unit, 'care')", role:nurse, allow, nurses keep records
p, teachers, "r.sub.job_code == '2120' && r.sub.percent >= 50", school:register, allow, teachers
g, role:nurse, care:record
`

func TestDecide(t *testing.T) {
	rules, problems := compile(t, nursePolicy)
	if problems != nil {
		t.Fatal(problems)
	}
	gates := func(facts Facts) map[EntitlementID]Gate {
		grants, err := rules.Decide(nurse(), testDay, facts)
		if err != nil {
			t.Fatal(err)
		}
		m := map[EntitlementID]Gate{}
		for _, g := range grants {
			m[g.Entitlement] = g.Gate
		}
		return m
	}
	if got := gates(Facts{}); got["mail:basic"] != Open || got["care:record"] != MFAUnknown || len(got) != 2 {
		t.Errorf("nobody can say about MFA: %v", got)
	}
	if got := gates(Facts{MFA: NotEnrolled}); got["mail:basic"] != Open || got["care:record"] != AwaitingMFA {
		t.Errorf("not enrolled: %v", got)
	}
	if got := gates(Facts{MFA: Enrolled}); got["care:record"] != Open {
		t.Errorf("enrolled: %v", got)
	}
	if got := gates(Facts{MFA: Enrolled, Verdicts: map[EntitlementID]Verdict{"care:record": {Revoke: true, Reason: reason.Of(reason.Revoked{Decision: 1, Maker: identity.System})}}}); got["care:record"] != Revoked {
		t.Errorf("revoked by a decision: %v", got)
	}
	grants, err := rules.Decide(nurse(), testDay, Facts{MFA: Enrolled})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(grants, func(g Grant) bool { return g.Entitlement == "mail:basic" })
	if n := len(grants[i].Reasons); n != 2 {
		t.Errorf("mail:basic has %d reasons, want one for each employment", n)
	}
	i = slices.IndexFunc(grants, func(g Grant) bool { return g.Entitlement == "care:record" })
	if got, want := Reasons(grants[i].Reasons).JSON(), `"place":"policy.csv:2","via":"role:nurse","why":"nurses keep records"}`; !strings.HasSuffix(got, want) {
		t.Errorf("reason is %q, want rule, version, place and %q", got, want)
	}
}

func TestExplainNamesTheNearestRuleAndWhatFailed(t *testing.T) {
	rules, _ := compile(t, nursePolicy)
	x, err := rules.Explain(nurse(), testDay, Facts{}, "school:register")
	if err != nil {
		t.Fatal(err)
	}
	if x.Grant != nil || len(x.NearRules) != 2 {
		t.Fatalf("got %+v, want no grant and one rule against two employments", x)
	}
	near := x.NearRules[0]
	if near.Employment != "e2" || near.failed() != 1 || near.Parts[1].Satisfied || near.Parts[1].Text != "r.sub.percent >= 50" || !slices.Equal(near.Parts[1].Actual, []FieldValue{{"percent", "25"}}) {
		t.Errorf("nearest is %+v", near)
	}
	if _, err := rules.Explain(nurse(), testDay, Facts{}, "register"); err == nil || !strings.Contains(err.Error(), `"near":"school:register"`) {
		t.Errorf("an unknown entitlement gave %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(nursePolicy)
	f.Add("p, a, \"\n")
	f.Add("p, a, \"under(r.sub.unit, 'care') && r.sub.nothing\", mail:basic, deny, w")
	f.Fuzz(func(t *testing.T, text string) {
		source, _ := Parse("policy.csv", text)
		rules, problems := Compile(source, Catalogue{Entitlements: []Entitlement{{ID: "mail:basic"}}}, testTree(t), nil, identity.LeaveKeeps)
		if slices.ContainsFunc(problems, func(p diagnostic.Problem) bool { return !p.Warning }) {
			return
		}
		// A compiled condition may fail to evaluate on an employment, and then
		// returns an error; it must not panic.
		_, _ = rules.Decide(nurse(), testDay, Facts{}) // both results are valid
	})
}

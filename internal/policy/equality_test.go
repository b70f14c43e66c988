package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
)

const testDay = identity.Date("2026-05-04")

var (
	testUnits = []string{"kommun", "school", "school-a", "school-b", "school-c", "care", "care-1"}
	testJobs  = []string{"1201", "2120", "3300"}
	testTypes = []string{"permanent", "hourly"}
)

func testTree(t testing.TB) *identity.Units {
	t.Helper()
	var u identity.Units
	for _, unit := range []identity.Unit{{ID: "kommun"}, {ID: "school", Parent: "kommun"}, {ID: "school-a", Parent: "school"}, {ID: "care", Parent: "kommun"}, {ID: "care-1", Parent: "care"},
		// The organisation changes: one school moves, and another is closed.
		{ID: "school-b", Parent: "school", Until: "2026-05-03"}, {ID: "school-b", Parent: "care", From: "2026-05-04"},
		{ID: "school-c", Parent: "school", Until: "2026-05-02", Successor: "school-a"}} {
		if err := u.Add(unit); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Check(); err != nil {
		t.Fatal(err)
	}
	return &u
}

func testCatalogue(n int) Catalogue {
	var c Catalogue
	for i := range n {
		c.Entitlements = append(c.Entitlements, Entitlement{ID: EntitlementID(fmt.Sprintf("app:e%03d", i)), Target: "t", Native: fmt.Sprint(i)})
	}
	return c
}

// genCondition draws a typical condition: comparisons and calls joined by && and
// ||, sometimes in parentheses, sometimes negated.
func genCondition(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth > 0 && rapid.Bool().Draw(t, "join") {
			op := rapid.SampledFrom([]string{" && ", " || "}).Draw(t, "op")
			s := genCondition(depth-1).Draw(t, "left") + op + genCondition(depth-1).Draw(t, "right")
			if rapid.Bool().Draw(t, "parenthesis") {
				s = "(" + s + ")"
				if rapid.Bool().Draw(t, "not") {
					s = "!" + s
				}
			}
			return s
		}
		switch rapid.IntRange(0, 8).Draw(t, "kind") {
		case 8:
			return "r.sub.works_meanwhile"
		case 0:
			return "r.sub.job_code == '" + rapid.SampledFrom(testJobs).Draw(t, "job") + "'"
		case 1:
			return "under(r.sub.unit, '" + rapid.SampledFrom(testUnits).Draw(t, "unit") + "')"
		case 2:
			return fmt.Sprintf("r.sub.percent >= %d", rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "percent"))
		case 3:
			return "r.sub.type != '" + rapid.SampledFrom(testTypes).Draw(t, "type") + "'"
		case 4:
			return "r.sub.on_leave == " + fmt.Sprint(rapid.Bool().Draw(t, "leave"))
		case 5:
			return "r.sub.cost_centre in ('10', '20')"
		case 6:
			return "r.sub.protected"
		}
		return "true"
	})
}

type scenario struct {
	rules  *Rules
	people []identity.Person
}

func genScenario(tree *identity.Units) *rapid.Generator[scenario] {
	return rapid.Custom(func(t *rapid.T) scenario {
		catalogue := testCatalogue(rapid.IntRange(1, 12).Draw(t, "entitlements"))
		roles := rapid.IntRange(0, 14).Draw(t, "roles")
		var text strings.Builder
		thing := func(label string, role int) string {
			if role > 0 && rapid.Bool().Draw(t, label+"-is-role") {
				return fmt.Sprintf("role:r%d", rapid.IntRange(0, role-1).Draw(t, label+"-role"))
			}
			return string(catalogue.Entitlements[rapid.IntRange(0, len(catalogue.Entitlements)-1).Draw(t, label)].ID)
		}
		for i := range roles {
			for range rapid.IntRange(1, 3).Draw(t, "holds") {
				fmt.Fprintf(&text, "g, role:r%d, %s\n", i, thing("held", i))
			}
			if i > 0 && rapid.Bool().Draw(t, "chain") { // long chains, beyond Casbin's depth
				fmt.Fprintf(&text, "g, role:r%d, role:r%d\n", i, i-1)
			}
		}
		for i := range rapid.IntRange(1, 10).Draw(t, "rules") {
			effect := rapid.SampledFrom([]string{"allow", "allow", "allow", "deny"}).Draw(t, "effect")
			fmt.Fprintf(&text, "p, rule%d, \"%s\", %s, %s, why, %s\n", i, genCondition(2).Draw(t, "condition"), thing("grants", roles), effect,
				rapid.SampledFrom([]string{"", "leave=keep", "leave=end"}).Draw(t, "leave"))
		}
		source, problems := Parse("policy.csv", text.String())
		rules, more := Compile(source, catalogue, tree, []string{"cost_centre"}, rapid.SampledFrom(identity.LeaveRules).Draw(t, "leave rule"))
		for _, p := range append(problems, more...) {
			if !p.Warning {
				t.Fatalf("%v in\n%s", p, text.String())
			}
		}
		return scenario{rules: rules, people: rapid.SliceOfN(genPerson(), 1, 6).Draw(t, "people")}
	})
}

func genPerson() *rapid.Generator[identity.Person] {
	return rapid.Custom(func(t *rapid.T) identity.Person {
		p := identity.Person{ID: identity.PersonID(rapid.StringMatching(`p[0-9]{6}`).Draw(t, "id"))}
		p.Protected = rapid.Bool().Draw(t, "protected")
		for i := range rapid.IntRange(0, 3).Draw(t, "employments") {
			e := identity.Employment{ID: identity.EmploymentID(fmt.Sprint(p.ID, "-", i)), EmploymentFacts: identity.EmploymentFacts{
				Start: rapid.SampledFrom([]identity.Date{"2026-01-01", testDay, "2026-05-05"}).Draw(t, "start"),
				End:   rapid.SampledFrom([]identity.Date{"", testDay, "2026-05-03"}).Draw(t, "end"),
			}}
			terms := identity.Terms{
				Unit:    rapid.SampledFrom(append([]string{"elsewhere", ""}, testUnits...)).Draw(t, "unit"),
				JobCode: rapid.SampledFrom(testJobs).Draw(t, "job"),
				Type:    rapid.SampledFrom(testTypes).Draw(t, "type"),
				Percent: rapid.SampledFrom([]float64{0, 49.5, 50, 100}).Draw(t, "percent"),
			}
			if rapid.Bool().Draw(t, "leave") {
				e.Leaves = []identity.Leave{{Start: "2026-05-01"}}
			}
			if rapid.Bool().Draw(t, "attribute") {
				terms.Attributes = map[string]string{"cost_centre": rapid.SampledFrom([]string{"10", "30"}).Draw(t, "cost")}
			}
			e.Terms = []identity.Terms{terms}
			if rapid.Bool().Draw(t, "moves") {
				terms.From, terms.JobCode = rapid.SampledFrom([]identity.Date{testDay, "2026-05-05"}).Draw(t, "from"), testJobs[0]
				e.Terms = append(e.Terms, terms)
			}
			p.Employments = append(p.Employments, e)
		}
		return p
	})
}

// disagreement asks Casbin about every person, employment and entitlement and
// returns the first answer that differs from the fast evaluator's.
func disagreement(w scenario) error {
	enforcer, err := w.rules.enforcer(testDay)
	if err != nil {
		return err
	}
	for _, p := range w.people {
		grants, err := w.rules.Decide(p, testDay, Facts{})
		if err != nil {
			return err
		}
		for _, e := range w.rules.Catalogue.Entitlements {
			fast := slices.ContainsFunc(grants, func(g Grant) bool { return g.Entitlement == e.ID && g.Gate == Open })
			slow := false
			for _, employment := range p.Employments {
				gives, err := enforcer.gives(p, employment, testDay, e.ID)
				if err != nil {
					return err
				}
				slow = slow || gives
			}
			if fast != slow {
				return fmt.Errorf("person %v, %s: fast path %t, Casbin %t, policy\n%s", p, e.ID, fast, slow, w.rules.Text)
			}
		}
	}
	return nil
}

// TestEqualToCasbin checks that the fast evaluator gives what Casbin's Enforce
// gives.
func TestEqualToCasbin(t *testing.T) {
	tree := testTree(t)
	rapid.Check(t, func(t *rapid.T) {
		if err := disagreement(genScenario(tree).Draw(t, "scenario")); err != nil {
			t.Fatal(err)
		}
	})
}

// mistakes are plausible defects to plant in the fast evaluator.
var mistakes = map[string]func(*Rules){
	"an attribute forgotten in the answers' key": func(r *Rules) {
		if len(r.mentioned) > 0 {
			r.mentioned = r.mentioned[1:]
		}
	},
	"an attribute forgotten in a condition's key": func(r *Rules) {
		for _, c := range r.conditions {
			c.mentions = nil
		}
	},
	"the organisation of another day": func(r *Rules) {
		for epoch := range r.trees {
			r.trees[epoch] = r.trees[0]
		}
	},
	"deny read as allow": func(r *Rules) {
		for i := range r.rules {
			r.rules[i].Deny = false
		}
	},
	"roles not followed to their end": func(r *Rules) {
		for i := range r.rules {
			r.rules[i].reach = slices.DeleteFunc(slices.Clone(r.rules[i].reach), func(x reachedEntitlement) bool { return x.via != "" && x.via != r.rules[i].Grants })
		}
	},
}

// TestPlantedMistakesAreCaught checks that the comparison above, and Compare,
// find each defect.
func TestPlantedMistakesAreCaught(t *testing.T) {
	tree := testTree(t)
	for name, damage := range mistakes {
		t.Run(name, func(t *testing.T) {
			for seed := range 2000 {
				w := genScenario(tree).Example(seed)
				damage(w.rules)
				if disagreement(w) == nil {
					continue
				}
				for _, p := range w.people {
					found, err := w.rules.Compare(p, testDay)
					if err != nil {
						t.Fatal(err)
					}
					if len(found) > 0 {
						return
					}
				}
			}
			t.Fatal("2,000 random worlds did not show the mistake: the comparison is too weak")
		})
	}
}

// BenchmarkDecide decides 10,000 people under 300 rules both ways in one run. It
// asks Casbin about a few of them, as all would take minutes.
func BenchmarkDecide(b *testing.B) {
	tree := testTree(b)
	const nRules, nPeople, asked = 300, 10_000, 4
	var text strings.Builder
	for i := range nRules {
		fmt.Fprintf(&text, "p, rule%d, \"r.sub.job_code == '%d' && under(r.sub.unit, '%s') && r.sub.percent >= %d\", app:e%03d, allow, why\n",
			i, 1000+i%40, testUnits[i%len(testUnits)], i%3*40, i)
	}
	source, problems := Parse("policy.csv", text.String())
	rules, more := Compile(source, testCatalogue(nRules), tree, nil, identity.LeaveKeeps)
	if len(problems)+len(more) > 0 {
		b.Fatal(problems, more)
	}
	people := make([]identity.Person, nPeople)
	for i := range people {
		p := identity.Person{ID: identity.PersonID(fmt.Sprint(i))}
		for j := range 1 + i%3/2 {
			p.Employments = append(p.Employments, identity.Employment{ID: identity.EmploymentID(fmt.Sprint(i, j)), EmploymentFacts: identity.EmploymentFacts{Start: "2026-01-01", Terms: []identity.Terms{{
				Unit: testUnits[(i+j)%len(testUnits)], JobCode: fmt.Sprint(1000 + (i*7+j)%40), Percent: float64(i % 5 * 25)}}}})
		}
		people[i] = p
	}
	enforcer, err := rules.enforcer(testDay)
	if err != nil {
		b.Fatal(err)
	}
	var fast, slow time.Duration
	for b.Loop() {
		start := time.Now()
		fresh, _ := Compile(source, testCatalogue(nRules), tree, nil, identity.LeaveKeeps) // with an empty cache
		for _, p := range people {
			if _, err := fresh.Decide(p, testDay, Facts{}); err != nil {
				b.Fatal(err)
			}
		}
		fast += time.Since(start)
		start = time.Now()
		for _, p := range people[:asked] {
			for _, employment := range p.Employments {
				for _, e := range rules.Catalogue.Entitlements {
					if _, err := enforcer.gives(p, employment, testDay, e.ID); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		slow += time.Since(start) * nPeople / asked
	}
	b.ReportMetric(float64(fast.Nanoseconds())/float64(b.N)/nPeople, "ns/person")
	b.ReportMetric(float64(slow.Nanoseconds())/float64(b.N)/nPeople, "casbin-ns/person")
	b.ReportMetric(float64(slow)/float64(fast), "times-faster")
}

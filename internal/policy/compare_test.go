package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
)

func noPeople(func(identity.Person, error) bool) {}

// TestComparisonOfCorrectRulesFindsNothing checks for false alarms, as a
// difference stops changes.
func TestComparisonOfCorrectRulesFindsNothing(t *testing.T) {
	tree := testTree(t)
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(tree).Draw(t, "scenario")
		done, err := w.rules.CompareAll(t.Context(), func(yield func(identity.Person, error) bool) {
			for _, p := range w.people {
				if !yield(p, nil) {
					return
				}
			}
		}, testDay)
		if err != nil || len(done.Differences) > 0 || done.People != len(w.people) || done.Conditions == 0 {
			t.Fatalf("%+v, %v in\n%s", done, err, w.rules.Text)
		}
	})
}

// TestWrongConditionIsFoundBeforeAnyPersonHasIt checks that every kind of
// comparison that is evaluated wrongly is found with employments generated from
// the rules.
func TestWrongConditionIsFoundBeforeAnyPersonHasIt(t *testing.T) {
	for _, condition := range []string{
		`r.sub.job_title == 'Ekonom, p.o.'`, `r.sub.job_code in ('2120', '3300')`, `r.sub.percent >= 75`, `r.sub.job_code < '3'`, `under(r.sub.unit, 'school') && r.sub.type == 'hourly'`,
		`r.sub.on_leave && r.sub.source == 'hr'`, `r.sub.protected ? r.sub.cost_centre == '10' : r.sub.unit == 'care'`, `r.sub.job_code =~ '^33' && r.sub.percent > 50`, `true`,
	} {
		rules, problems := compile(t, "p, ok, true, school:register, allow, w\np, a, \""+condition+"\", mail:basic, deny, w\np, b, true, mail:basic, allow, w")
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for name, damage := range map[string]func(*node){
			"negated": func(n *node) {
				*n = node{op: "!", args: []*node{{op: n.op, args: n.args, value: n.value, attribute: n.attribute}}}
			},
			"literal": func(n *node) {
				n.walk(func(n *node) {
					if text, ok := n.value.(string); ok && n.op == "literal" {
						n.value = strings.ReplaceAll(text, ".", "_") + "x"
					}
				})
			},
		} {
			damaged, _ := compile(t, rules.Text)
			at := damaged.rules[slices.IndexFunc(damaged.rules, func(r compiledRule) bool { return r.ID == "a" })].condition
			root := *damaged.conditions[at].root
			before := fmt.Sprint(render(&root))
			damage(damaged.conditions[at].root)
			if fmt.Sprint(render(damaged.conditions[at].root)) == before {
				continue // no literal
			}
			done, err := damaged.CompareAll(t.Context(), noPeople, testDay)
			if err != nil || len(done.Differences) == 0 {
				t.Errorf("%s, %s: found %+v, %v", condition, name, done, err)
				continue
			}
			d := done.Differences[0]
			if text := d.String(); condition != "true" && (!slices.Equal(d.Rules, []string{"a"}) || d.Entitlement != "mail:basic" || d.Person != syntheticPerson || !strings.Contains(text, "rule a") || !strings.Contains(text, "mail:basic")) {
				t.Errorf("%s, %s: %s", condition, name, text)
			}
		}
	}
}

// render writes a condition's tree, to detect damage to it.
func render(n *node) string {
	var parts []string
	for _, a := range n.args {
		parts = append(parts, render(a))
	}
	return fmt.Sprintf("%s %v %v", n.op, n.value, parts)
}

// TestDifferenceNamesRuleEntitlementAndPerson checks the text, and that it
// contains no other personal data.
func TestDifferenceNamesRuleEntitlementAndPerson(t *testing.T) {
	rules, _ := compile(t, nursePolicy)
	rules.conditions[rules.rules[1].condition].root = &node{op: "literal", value: true}
	found, err := rules.Compare(nurse(), testDay)
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	want := "rule nurses: entitlement care:record of person p1: the fast evaluator gives it and Casbin does not"
	if text := found[0].String(); !strings.HasPrefix(text, want) || strings.Contains(text, "3300") {
		t.Errorf("got %s", text)
	}
}

// TestComparisonStopsWithItsContext checks that a comparison ends when its
// context does.
func TestComparisonStopsWithItsContext(t *testing.T) {
	rules, _ := compile(t, nursePolicy)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done, err := rules.CompareAll(ctx, noPeople, testDay); err != nil || done.Conditions > 0 {
		t.Errorf("got %+v, %v", done, err)
	}
}

// BenchmarkCompare compares one person whose employment has new values, and the
// employments generated for each condition, with 300 rules.
func BenchmarkCompare(b *testing.B) {
	const n = 300
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "p, rule%d, \"r.sub.job_code == '%d' && under(r.sub.unit, '%s') && r.sub.percent >= %d\", app:e%03d, allow, why\n", i, 1000+i%40, testUnits[i%len(testUnits)], i%3*40, i)
	}
	source, _ := Parse("policy.csv", text.String())
	rules, problems := Compile(source, testCatalogue(n), testTree(b), nil, identity.LeaveKeeps)
	if len(problems) > 0 && !problems[0].Warning {
		b.Fatal(problems)
	}
	b.Run("person", func(b *testing.B) {
		p := nurse()
		p.Employments = p.Employments[:1]
		for i := range b.N {
			p.Employments[0].Terms[0].JobCode = fmt.Sprint(i)
			if _, err := rules.Compare(p, testDay); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("conditions", func(b *testing.B) {
		for b.Loop() {
			if _, err := rules.CompareAll(b.Context(), noPeople, testDay); err != nil {
				b.Fatal(err)
			}
		}
	})
}

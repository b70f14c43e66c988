package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/casbin/casbin/v2/util"
	"github.com/casbin/govaluate"
	"pgregory.net/rapid"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
)

// oracle is a condition with its meaning in plain Go. It shares nothing with
// Casbin, govaluate or the fast evaluator, in particular no escaping.
type oracle struct {
	text  string
	holds func(job string, percent float64, protected bool) bool
}

// realTitles are typical job titles and units.
var realTitles = []string{"Ekonom, p.o.", "Enh. p2.x", "r.sub.unit", "Vik. r-tjänst", "r2.d2", "Sjuksköterska / p.", `O'Brien "Pat"`, `Skola\Norr`, "Lärare (åk 1-3)", "Chef, r.", "p.", "-p.x", "(p.g.a. sjukdom)",
	"Förskollärare", "Biträde && vik.", "true", "75", "a || b", "g, role:x", "# chef", "eval(p.condition)", `\`, `'`, `"`, `\'`, "Årskurs 7-9", "p1.p2.p3.", "tf. chef p.t."}

func genTitle() *rapid.Generator[string] {
	parts := []string{"p.", "r.", "r-", "r2.", "p10.", "m.", ".", ",", "/", "(", ")", "'", `"`, `\`, "&", "|", "!", "=", "-", "Å", "ä", "ö", "é", "Chef", "vik", " ", "1", "#", ":", "?", "%", "*"}
	return rapid.OneOf(rapid.SampledFrom(realTitles), rapid.Map(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 8), func(s []string) string {
		return identity.CleanText(strings.Join(s, ""))
	}))
}

// written returns a literal in policy file syntax, in either kind of quotes.
func written(title string, quote byte) string {
	return string(quote) + strings.NewReplacer(`\`, `\\`, string(quote), `\`+string(quote)).Replace(title) + string(quote)
}

func genOracle(titles []string, depth int) *rapid.Generator[oracle] {
	return rapid.Custom(func(t *rapid.T) oracle {
		if depth > 0 && rapid.IntRange(0, 2).Draw(t, "join") > 0 {
			a, b := genOracle(titles, depth-1).Draw(t, "left"), genOracle(titles, depth-1).Draw(t, "right")
			switch rapid.IntRange(0, 3).Draw(t, "operator") {
			case 0:
				return oracle{"(" + a.text + ") && (" + b.text + ")", func(j string, p float64, x bool) bool { return a.holds(j, p, x) && b.holds(j, p, x) }}
			case 1:
				return oracle{"(" + a.text + ")||(" + b.text + ")", func(j string, p float64, x bool) bool { return a.holds(j, p, x) || b.holds(j, p, x) }}
			case 2:
				return oracle{"!(" + a.text + ")", func(j string, p float64, x bool) bool { return !a.holds(j, p, x) }}
			}
			return oracle{"r.sub.protected ? (" + a.text + ") : (" + b.text + ")", func(j string, p float64, x bool) bool { return x && a.holds(j, p, x) || !x && b.holds(j, p, x) }}
		}
		title, quote := rapid.SampledFrom(titles).Draw(t, "title"), rapid.SampledFrom([]byte(`'"`)).Draw(t, "quote")
		literal := written(title, quote)
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return oracle{"r.sub.job_title == " + literal, func(j string, _ float64, _ bool) bool { return j == title }}
		case 1:
			return oracle{literal + "!=r.sub.job_title", func(j string, _ float64, _ bool) bool { return j != title }}
		case 2:
			other := rapid.SampledFrom(titles).Draw(t, "other")
			return oracle{"r.sub.job_title in(" + literal + "," + written(other, '\'') + ")", func(j string, _ float64, _ bool) bool { return j == title || j == other }}
		case 3:
			return oracle{"r.sub.job_title >= " + literal, func(j string, _ float64, _ bool) bool { return j >= title }}
		case 4:
			than := rapid.SampledFrom([]float64{0, 49.5, 75}).Draw(t, "percent")
			return oracle{"r.sub.percent*2 - 1 > " + strconv.FormatFloat(than, 'f', -1, 64), func(_ string, p float64, _ bool) bool { return p*2-1 > than }}
		}
		return oracle{"r.sub.protected == true", func(_ string, _ float64, x bool) bool { return x }}
	})
}

// TestLiteralsAreWhatTheyLookLike compares three answers: plain Go's, the fast
// evaluator's and Casbin's.
func TestLiteralsAreWhatTheyLookLike(t *testing.T) {
	tree := testTree(t)
	rapid.Check(t, func(t *rapid.T) {
		titles := rapid.SliceOfN(genTitle(), 2, 4).Draw(t, "titles")
		o := genOracle(titles, 2).Draw(t, "condition")
		deny := rapid.SampledFrom([]string{"allow", "deny"}).Draw(t, "effect")
		field := `"` + strings.ReplaceAll(o.text, `"`, `""`) + `"`
		source, problems := Parse("policy.csv", "p, everyone, true, app:e001, allow, w\np, a, "+field+", app:e000, "+deny+", w\np, b, true, app:e000, "+map[string]string{"allow": "deny", "deny": "allow"}[deny]+", w\n")
		rules, more := Compile(source, testCatalogue(2), tree, nil, identity.LeaveKeeps)
		if err := slices.ContainsFunc(append(problems, more...), func(p diagnostic.Problem) bool { return !p.Warning }); err {
			t.Fatalf("%v in %s", append(problems, more...), o.text)
		}
		enforcer, err := rules.enforcer(testDay)
		if err != nil {
			t.Fatal(err)
		}
		for _, title := range append(titles, "", "Ekonom, p_o.") {
			percent, protected := rapid.SampledFrom([]float64{0, 50, 100}).Draw(t, "percent"), rapid.Bool().Draw(t, "protected")
			e := identity.Employment{ID: "e", EmploymentFacts: identity.EmploymentFacts{Start: "2026-01-01", Terms: []identity.Terms{{JobTitle: title, Percent: percent}}}}
			p := identity.Person{ID: "p", Employments: []identity.Employment{e}, PersonFacts: identity.PersonFacts{Protected: protected}}
			in := input{values: rules.schema.values(p, e, testDay, tree.On(testDay)), tree: tree.On(testDay)}
			want := o.holds(title, percent, protected)
			if got := rules.conditions[rules.rules[1].condition].root.holds(in); got != want {
				t.Fatalf("%s on %q, %v, %t: the fast path says %t, Go %t", o.text, title, percent, protected, got, want)
			}
			grants, err := rules.Decide(p, testDay, Facts{})
			if err != nil {
				t.Fatal(err)
			}
			given := slices.ContainsFunc(grants, func(g Grant) bool { return g.Entitlement == "app:e000" && g.Gate == Open })
			if given != (deny == "deny" && !want) {
				t.Fatalf("%s: %s on %q gives %t", deny, o.text, title, given)
			}
			slow, err := enforcer.gives(p, e, testDay, "app:e000")
			if err != nil || slow != given {
				t.Fatalf("%s: %s on %q: Casbin gives %t (%v), the fast path %t", deny, o.text, title, slow, err, given)
			}
		}
	})
}

// TestCasbinsEscapingChangesUnescapedLiterals shows the defect that the test
// above guards against: Casbin changes a literal that is passed unescaped.
func TestCasbinsEscapingChangesUnescapedLiterals(t *testing.T) {
	for _, title := range []string{"Ekonom, p.o.", "Enh. p2.x", `O"Brien`, `Skola\Norr`} {
		literal := func(as string) (any, error) {
			e, err := govaluate.NewEvaluableExpression(util.EscapeAssertion("'x' == " + as))
			if err != nil {
				return nil, err
			}
			return e.Tokens()[2].Value, nil
		}
		if got, err := literal("'" + title + "'"); err == nil && got == title {
			t.Errorf("%q arrives as it is: is casbinLiteral still needed?", title)
		}
		if got, err := literal(casbinLiteral(title)); err != nil || got != title {
			t.Errorf("%q arrives as %q, %v", title, got, err)
		}
	}
}

// TestConditionThatCasbinWouldParseDifferentlyIsRefused plants the unescaped form
// where a condition is checked.
func TestConditionThatCasbinWouldParseDifferentlyIsRefused(t *testing.T) {
	was := casbinEscapes
	t.Cleanup(func() { casbinEscapes = was })
	casbinEscapes = strings.NewReplacer()
	for _, title := range []string{"Ekonom, p.o.", "Enh. p2.x"} {
		_, problems := compile(t, fmt.Sprintf("p, everyone, true, mail:basic, allow, w\np, a, \"r.sub.job_title == '%s'\", mail:basic, deny, w", title))
		if len(problems) != 1 || problems[0].Line != 2 || problems[0].Column != 27 {
			t.Errorf("%s: got %v, want one problem at 2:27", title, problems)
		}
	}
}

// TestDenyWithDotsDenies is a regression test: a deny rule whose literal
// contained dots did not deny.
func TestDenyWithDotsDenies(t *testing.T) {
	rules, problems := compile(t, `p, everyone, true, mail:basic, allow, w
p, a, "r.sub.job_title == 'Ekonom, p.o.'", mail:basic, deny, w`)
	if problems != nil {
		t.Fatal(problems)
	}
	p := nurse()
	p.Employments = p.Employments[:1]
	p.Employments[0].Terms[0].JobTitle = "Ekonom, p.o."
	x, err := rules.Explain(p, testDay, Facts{}, "mail:basic")
	if err != nil || x.Grant == nil || x.Grant.Gate != Denied {
		t.Errorf("got %+v, %v", x.Grant, err)
	}
}

// TestPrecedenceIsGovaluates compares conditions without parentheses with
// govaluate's parse of the same text.
func TestPrecedenceIsGovaluates(t *testing.T) {
	tree := testTree(t)
	leaf := rapid.SampledFrom([]string{"r.sub.protected", "!r.sub.on_leave", "r.sub.percent + 2 * 3 > 50", "r.sub.percent - 10 - 20 < 40", "100 - r.sub.percent / 2 * 3 >= 10", "r.sub.job_code == '2120'",
		"r.sub.job_code in ('1201', '2120')", "r.sub.job_code < '2'", "-r.sub.percent < -60", "r.sub.job_code =~ '^2.*0$'", "!(r.sub.job_code !~ '1')", "true", "(r.sub.protected == r.sub.on_leave)"})
	rapid.Check(t, func(t *rapid.T) {
		text := leaf.Draw(t, "leaf")
		for range rapid.IntRange(0, 6).Draw(t, "more") {
			text += rapid.SampledFrom([]string{" && ", " || "}).Draw(t, "operator") + leaf.Draw(t, "leaf")
		}
		if rapid.Bool().Draw(t, "choice") {
			text += " ? " + leaf.Draw(t, "then") + " && " + leaf.Draw(t, "and") + " : " + leaf.Draw(t, "otherwise") + " || " + leaf.Draw(t, "or")
		}
		s := newSchema(nil)
		root, err := readCondition(text, s, tree)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := govaluate.NewEvaluableExpression(util.EscapeAssertion(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range testJobs {
			for _, percent := range []float64{0, 50, 75, 100} {
				for flags := range 4 {
					values := []any{"school", job, "", "", percent, "", flags&1 > 0, false, flags&2 > 0}
					want, err := theirs.Evaluate(map[string]any{subject: s.sub(values)})
					if got := root.holds(input{values: values, tree: tree.On(testDay)}); err != nil || got != want {
						t.Fatalf("%s on %v: %t, govaluate %v, %v", text, values, got, want, err)
					}
				}
			}
		}
	})
}

package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
)

// TestEveryPartOfAConditionIsChecked covers parts that an evaluation does not
// reach, or that have no boolean value.
func TestEveryPartOfAConditionIsChecked(t *testing.T) {
	for _, c := range []struct {
		condition string
		column    int
		want      string
	}{
		{`r.sub.job_code == 'a' || 1`, 33, `|| requires true or false, and "1" is a number`},
		{`r.sub.percent + 'x' == 'x'`, 24, `+ needs a number, and "'x'" is text`},
		{`r.sub.unit && r.sub.protected`, 8, `&& requires true or false, and "r.sub.unit" is text`},
		{`r.sub.protected && (r.sub.on_leave || r.sub.unit)`, 46, `|| requires true or false`},
		{`r.sub.protected ? r.sub.on_leave : 'x'`, 43, `both sides of : must have the same type`},
		{`r.sub.unit ? true : false`, 8, `? requires true or false`},
		{`r.sub.protected ? 'a' : 'b'`, 8, `the condition is text, not true or false`},
		{`r.sub.protected || (r.sub.percent == 'x')`, 45, `r.sub.percent is a number`},
		{`true || 'a' == 1`, 23, `"'a'" is text and "1" is a number`},
		{`r.sub.percent`, 8, `the condition is a number`},
		{`!r.sub.percent`, 9, `! requires true or false`},
		{`-r.sub.unit == 1`, 9, `negative needs a number`},
		{`r.sub.protected < true`, 8, `< compares text or numbers`},
		{`r.sub.percent =~ '7'`, 8, `=~ needs text`},
		{`r.sub.percent / 0 > 1`, 24, `/ divides by a number that is not 0`},
		{`r.sub.percent / r.sub.percent > 1`, 24, `/ divides by a number`},
		{`r.sub.percent > 0x10`, 24, `a number is written in decimal`},
		{`r.sub.percent > 1e400`, 24, `a number is written in decimal`},
		{`r.sub.percent > 1_000`, 24, `a number is written in decimal`},
		{`r.sub.percent > 010`, 24, `a number is written in decimal`},
		{`r.sub.percent > 1.5.2`, 24, `a number is written in decimal`},
		{`r.sub.percent > NaN`, 24, `unknown name "NaN"`},
		{`r.sub.percent > 9999999999999999`, 24, `the number 9999999999999999 has more than 15 digits`},
		{`r.sub.percent ** 2 > 1`, 22, `conditions have no operator **`},
		{`r.sub.percent ?? 2 > 1`, 22, `conditions have no operator ??`},
		{`r.sub.percent & 2 > 1`, 22, `conditions have no operator &`},
		{`r.sub.unit = 'school'`, 19, `conditions have no operator =`},
		{`keyMatch(r.sub.unit, 'school*')`, 8, `unknown function keyMatch`},
		{`r.obj == 'app:x'`, 8, `unknown name "r.obj"`},
		{`r.sub.unit.x == 'a'`, 8, `unknown name "r.sub.unit.x"`},
		{`r.sub.job_code == 'a' == true`, 30, `a comparison of a comparison needs parentheses`},
		{`true ? true : true ? true : true`, 27, `one ?: inside another needs parentheses`},
		{`!!r.sub.protected`, 9, `! after ! needs parentheses`},
		{`r.sub.job_code in 'a'`, 26, `the condition does not compile: ( is expected after in`},
		{`r.sub.job_code in ()`, 27, `a list after in has text`},
		{`r.sub.job_code in ('a' 'b')`, 31, `the condition does not compile: a list`},
		{`r.sub.job_code =~ r.sub.unit`, 26, `=~ is followed by a pattern`},
		{`r.sub.job_code =~ '('`, 26, `the pattern does not compile`},
		{`r.sub.job_code == '2026-01-01'`, 26, `"2026-01-01" looks like a date or a time and would be compared as one: write a pattern, as in =~ '^2026-01-01$'`},
		{`r.sub.job_code =~ '2026-01-01'`, 26, `"2026-01-01" looks like a date`},
		{`r.sub.job_code == 'a\.b'`, 28, `a backslash in a literal is written twice`},
		{`r.sub.job_code == 'a`, 26, `the condition does not compile: the text that begins here has no closing '`},
		{`r.sub.job_code == 'a' \`, 30, `the character '\\' (U+005C) is outside quotes`},
		{"r.sub.job_code\u00a0== 'a'", 22, `the character '\u00a0' (U+00A0) is outside quotes`},
		{"r.sub.job_\u200bcode == 'a'", 18, `the character '\u200b' (U+200B) is outside quotes`},
		{"r.sub.job_code == '\u200b '", 26, `the text contains only invisible characters`},
		{"r.sub.job_code =~ 'a\u00a0b'", 26, `the pattern has the invisible character U+00A0`},
		{"r.sub.job_code =~ 'a\ufe0fb'", 26, `the pattern has the invisible character U+FE0F`},
		{"r.sub.job_code =~ 'a\u3164b'", 26, `the pattern has the invisible character U+3164`},
		{`r.sub.job_code == 'å' && r.sub.unit`, 33, `&& requires true or false`}, // characters, not bytes
		{`(r.sub.protected`, 24, `the condition does not compile: ) is expected`},
		{`r.sub.protected)`, 23, `the condition does not compile: ) is not expected here`},
		{``, 8, `the condition does not compile`},
	} {
		text := "p, ok, true, mail:basic, allow, everyone\np, a, \"" + strings.ReplaceAll(c.condition, `"`, `""`) + "\", mail:basic, allow, w"
		_, problems := compile(t, text)
		want := fmt.Sprintf("policy.csv:2:%d: rule a: %s", c.column, c.want)
		if len(problems) != 1 || problems[0].Warning || !strings.HasPrefix(problems[0].Error(), want) {
			t.Errorf("%s\n got  %v\n want %s", c.condition, problems, want)
		}
	}
}

func TestPlaceInsideAFieldOfSeveralLines(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"p, a, \"r.sub.protected &&\n  r.sub.unit\", mail:basic, allow, w", "policy.csv:2:3:"},
		{"p, a, \"r.sub.protected &&\r\n\r\n  r.sub.unit\", mail:basic, allow, w", "policy.csv:3:3:"},
		{"p, a, \"  r.sub.job_title == \"\"Å\"\" && r.sub.unit\", mail:basic, allow, w", "policy.csv:1:38:"},
		{"p, a, r.sub.protected && 1, mail:basic, allow, w", "policy.csv:1:26:"},
	} {
		if _, problems := compile(t, c.text); len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), c.want) {
			t.Errorf("%q: got %v, want one problem at %s", c.text, problems, c.want)
		}
	}
}

func TestConditionThatAlwaysOrNeverHoldsIsAWarning(t *testing.T) {
	const always, never, neither = "the condition holds for everyone", "the condition never holds", ""
	for condition, want := range map[string]string{
		`true`:                                neither,
		`false`:                               never,
		`'a' == 'a'`:                          always,
		`1 > 2`:                               never,
		`r.sub.protected || true`:             always,
		`r.sub.protected || !r.sub.protected`: always,
		`r.sub.protected && r.sub.on_leave`:   neither,
		`r.sub.unit == r.sub.unit`:            always,
		`r.sub.unit == r.sub.cost_centre`:     neither,
		`r.sub.job_code == 'x' && r.sub.job_code == 'y'`:                  never,
		`r.sub.job_code == 'x' || r.sub.job_code == 'y'`:                  neither,
		`r.sub.job_code != 'x' || r.sub.job_code != 'y'`:                  always,
		`r.sub.job_code in ('x', 'y') && r.sub.job_code == 'z'`:           never,
		`r.sub.job_code in ('x', 'y') && r.sub.job_code != 'x'`:           neither,
		`r.sub.job_code == 'x' && r.sub.job_title == 'y'`:                 neither,
		`r.sub.job_code > '3' && r.sub.job_code < '2'`:                    never,
		`r.sub.job_code > '2' && r.sub.job_code < '3'`:                    neither,
		`r.sub.job_code =~ '^3' && r.sub.job_code == '2120'`:              never,
		`r.sub.job_code =~ '^2' && r.sub.job_code == '2120'`:              neither,
		`r.sub.job_code =~ '^2' && r.sub.job_code =~ '^3'`:                neither, // cannot be determined
		`r.sub.unit =~ '.*'`:                                              always,
		`r.sub.unit =~ ''`:                                                always,
		`r.sub.job_code =~ '^.*$'`:                                        always,
		`r.sub.job_code =~ '^'`:                                           always,
		`r.sub.job_code =~ '^(33)?'`:                                      always,
		`r.sub.job_code =~ '33|'`:                                         always,
		`r.sub.job_code !~ '.*'`:                                          never,
		`r.sub.job_code =~ '.+'`:                                          neither,
		`r.sub.job_code =~ '^$'`:                                          neither,
		`r.sub.job_code =~ '^3*$'`:                                        neither,
		`r.sub.job_code =~ '3.*'`:                                         neither,
		`r.sub.percent > 50 && r.sub.percent < 40`:                        never,
		`r.sub.percent > 40 && r.sub.percent < 50`:                        neither,
		`r.sub.percent > 49 && r.sub.percent < 50`:                        neither,
		`r.sub.percent >= 0`:                                              always,
		`r.sub.percent > 100`:                                             never,
		`r.sub.percent >= 100`:                                            neither,
		`50 < r.sub.percent || r.sub.percent <= 50`:                       always,
		`r.sub.percent * 2 > 300`:                                         neither, // cannot be determined
		`under(r.sub.unit, 'school-a') && under(r.sub.unit, 'care')`:      never,
		`under(r.sub.unit, 'school-a') && under(r.sub.unit, 'school')`:    neither,
		`under(r.sub.unit, 'school-b') && under(r.sub.unit, 'care')`:      neither, // the unit moves
		`r.sub.unit == 'care-1' && !under(r.sub.unit, 'care')`:            never,
		`under(r.sub.unit, 'care') && r.sub.unit != 'care'`:               neither,
		`under(r.sub.unit, 'school') || !under(r.sub.unit, 'school')`:     always,
		`r.sub.protected ? r.sub.job_code == 'x' : r.sub.job_code != 'x'`: neither,
		`(r.sub.protected ? r.sub.on_leave : false) && !r.sub.protected`:  never,
		`(r.sub.protected == r.sub.on_leave) && r.sub.job_code == 'x'`:    neither,
		`!(r.sub.job_code == 'x' && r.sub.job_code == 'y')`:               always,
	} {
		_, problems := compile(t, "p, a, \""+condition+"\", mail:basic, allow, w")
		if want == neither && len(problems) > 0 || want != neither && (len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Text, want)) {
			t.Errorf("%s: got %v, want %q", condition, problems, want)
		}
	}
	_, problems := compile(t, `p, a, "r.sub.on_leave", mail:basic, allow, w, leave=end`)
	if len(problems) != 1 || !strings.Contains(problems[0].Text, never) {
		t.Errorf("a rule for leave that ends with leave: got %v", problems)
	}
}

// TestWarningsAreTrue evaluates random conditions that are reported to hold
// always or never on random employments.
func TestWarningsAreTrue(t *testing.T) {
	tree := testTree(t)
	s := newSchema([]string{"cost_centre"})
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		text := genCondition(3).Draw(t, "condition")
		root, err := readCondition(text, s, tree)
		if err != nil {
			t.Fatal(err)
		}
		always, never := outcomes(root, s, tree.Trees())
		if !always && !never {
			return
		}
		said++
		for range 20 {
			p := genPerson().Draw(t, "person")
			for _, e := range p.Employments {
				on := tree.On(testDay)
				if holds := root.holds(input{values: s.values(p, e, testDay, on), tree: on}); holds != always {
					t.Fatalf("%s always %t, never %t, and is %t for %v", text, always, never, holds, e)
				}
			}
		}
	})
	if said == 0 && !testing.Short() { // few checks may find none
		t.Error("no condition was constant")
	}
}

// TestPatternThatMatchesEveryText matches random patterns that are reported to
// match every text against random texts.
func TestPatternThatMatchesEveryText(t *testing.T) {
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`(\^|\(|\(\?:)?((a|b|\.|\^|\$|\\b|\[ab\])(\*|\?|\+|\{0,2\}|\|)?){0,4}\)?\$?`).Draw(t, "pattern")
		re, err := regexp.Compile(pattern)
		if err != nil || !matchesAll(re) {
			return
		}
		said++
		if text := rapid.StringMatching(`[abc ]{0,5}`).Draw(t, "text"); !re.MatchString(text) {
			t.Fatalf("%q does not match %q", pattern, text)
		}
	})
	if said == 0 && !testing.Short() { // few checks may find none
		t.Error("no pattern matched every text")
	}
}

func TestRoleThatLiesTooDeepIsAWarning(t *testing.T) {
	text := "p, a, true, role:r1, allow, w\n"
	for i := 1; i < 11; i++ {
		text += fmt.Sprintf("g, role:r%d, role:r%d\n", i, i+1)
	}
	if _, problems := compile(t, text+"g, role:r10, mail:basic\ng, role:r11, care:record\n"); len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Text, "role:r11 lies 10 roles deep") {
		t.Errorf("got %v", problems)
	}
	if _, problems := compile(t, strings.Replace(text, "g, role:r10, role:r11\n", "g, role:r10, mail:basic\n", 1)); len(problems) > 0 {
		t.Errorf("ten roles: got %v", problems)
	}
}

func TestRolesInACircleAreNamed(t *testing.T) {
	const text = "p, a, true, role:a, allow, w\ng, role:a, role:b\ng, role:b, mail:basic\ng, role:b, role:c\ng, role:c, role:a\n"
	_, problems := compile(t, text)
	if len(problems) != 1 || problems[0].Warning || problems[0].Line != 5 || !strings.Contains(problems[0].Text, "role:a holds role:b holds role:c holds role:a") {
		t.Errorf("got %v", problems)
	}
	if _, problems := compile(t, "p, a, true, role:a, allow, w\ng, role:a, role:a\ng, role:a, mail:basic"); len(problems) != 1 || problems[0].Line != 2 {
		t.Errorf("a role that holds itself: got %v", problems)
	}
	if _, problems := compile(t, "p, a, true, role:a, allow, w\ng, role:a, role:b\ng, role:a, role:c\ng, role:b, role:c\ng, role:c, mail:basic"); len(problems) > 0 {
		t.Errorf("two ways to one role are no circle: got %v", problems)
	}
}

// TestUnusableValueChangesNothing checks that the person's access is unchanged
// when a rule cannot be evaluated on a value.
func TestUnusableValueChangesNothing(t *testing.T) {
	rules, _ := compile(t, `p, a, "r.sub.percent >= 50", mail:basic, allow, w`)
	p := nurse()
	var zero float64
	p.Employments[0].Terms[0].Percent = zero / zero
	if _, err := rules.Decide(p, testDay, Facts{}); err == nil || !strings.Contains(err.Error(), "employment e1: the employment's percent is NaN") {
		t.Errorf("got %v", err)
	}
}

// TestPatternForTextThatLooksLikeADate checks that a pattern works as the refusal
// of the literal advises.
func TestPatternForTextThatLooksLikeADate(t *testing.T) {
	rules, problems := compile(t, `p, a, "r.sub.job_title =~ '^2026-01-01$'", mail:basic, allow, w`)
	p := nurse()
	p.Employments[0].Terms[0].JobTitle = "2026-01-01"
	x, err := rules.Explain(p, testDay, Facts{}, "mail:basic")
	if len(problems) > 0 || err != nil || x.Grant == nil {
		t.Errorf("%v, %v, %+v", problems, err, x)
	}
}

// TestLiteralsAreComparedAsTheyLook checks that text that looks equal is equal.
func TestLiteralsAreComparedAsTheyLook(t *testing.T) {
	for _, literal := range []string{"Förskollärare natt", "Fo\u0308rskolla\u0308rare natt", "Förskollärare  natt", "Förskollärare\u00a0natt", " Förskol\u00adlärare\u200b natt "} {
		rules, problems := compile(t, "p, a, \"r.sub.job_title == '"+literal+"'\", mail:basic, allow, w")
		p := nurse()
		p.Employments[0].Terms[0].JobTitle = identity.CleanText("Förskollärare natt")
		x, err := rules.Explain(p, testDay, Facts{}, "mail:basic")
		if len(problems) > 0 || err != nil || x.Grant == nil {
			t.Errorf("%q: %v, %v, %+v", literal, problems, err, x)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, title := range realTitles {
		f.Add("r.sub.job_title == " + written(title, '\''))
	}
	for _, text := range []string{"true", "under(r.sub.unit, 'care') && !r.sub.protected", "r.sub.percent * 2 > 75 ? r.sub.on_leave : r.sub.job_code =~ '^3'", "r.sub.job_code in ('a', 'b')", `'a\\' != r.sub.unit`,
		"((((((1", "!(r.sub.percent - 1 < 2)", "r.sub.unit == 'å\u0308'", "\\", "'\\"} {
		f.Add(text)
	}
	units := &identity.Units{}
	for _, id := range testUnits {
		if err := units.Add(identity.Unit{ID: id}); err != nil {
			f.Fatal(err)
		}
	}
	s := newSchema([]string{"cost_centre"})
	f.Fuzz(func(t *testing.T, text string) {
		root, err := readCondition(text, s, units)
		if err != nil {
			return
		}
		_, _ = outcomes(root, s, units.Trees())
		// The compiled condition is evaluated, and Casbin agrees.
		quoted := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
		source, problems := Parse("policy.csv", "p, a, "+quoted+", app:e000, allow, w")
		if len(problems) > 0 || len(source.Rules) != 1 {
			return
		}
		rules, problems := Compile(source, testCatalogue(1), units, []string{"cost_centre"}, identity.LeaveKeeps)
		if slices.ContainsFunc(problems, func(p diagnostic.Problem) bool { return !p.Warning }) {
			return
		}
		if err := disagreement(scenario{rules: rules, people: []identity.Person{nurse()}}); err != nil {
			t.Fatal(err)
		}
	})
}

package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// becomes puts other rules in place.
func becomes(t testing.TB, o *office.Office, text string) {
	t.Helper()
	c, problems := config.LoadInstead(o.Config.Dir, config.Instead{Policy: &config.NewFile{Name: "policy.csv", Content: []byte(text)}})
	if c == nil {
		t.Fatal(problems)
	}
	o.Config.Rules = c.Rules
}

func suggest(t testing.TB, o *office.Office, by string) *access.Suggestions {
	t.Helper()
	viewer := access.Viewer{}
	if by != "" {
		viewer.Subject = o.By(by)
	}
	v, err := o.Answers().For(t.Context(), viewer)
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Suggest()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSuggestions: what many have in a job or a unit and no rule gives is suggested as a
// rule that compiles and gives it to them and to those who are counted as gaining; people with
// protected identity are neither counted nor named.
func TestSuggestions(t *testing.T) {
	o := office.New(t, nil)
	var rows strings.Builder
	rows.WriteString(office.Header)
	for n := range 10 { // clerks; the last two have nothing, and one more is protected
		fmt.Fprintf(&rows, "c%d,C%d,Given,Clerk%d,office,%s,,,2020-01-01,,no\n", n, n, n, []string{"LIB", "CLK"}[n/8])
	}
	rows.WriteString("hid,HID,Hemlig,Hemligsson,office,LIB,,,2020-01-01,,yes\n")
	o.Import(rows.String())
	o.Apply()
	rows.Reset()
	rows.WriteString(office.Header)
	for n := range 10 {
		fmt.Fprintf(&rows, "c%d,C%d,Given,Clerk%d,office,CLK,,,2020-01-01,,no\n", n, n, n)
	}
	rows.WriteString("hid,HID,Hemlig,Hemligsson,office,CLK,,,2020-01-01,,yes\n")
	o.Import(rows.String())
	const before = "p, everyone, true, base:staff, allow, everybody\np, again, \"r.sub.job_code == 'CLK'\", base:staff, allow, clerks\np, no-one, \"r.sub.job_code == 'X'\", lib:library, allow, x\np, librarian, r.sub.job_code == 'LIB', role:lib, allow, lends books\ng, role:lib, lib:library\n"
	becomes(t, o, before)
	for _, by := range []string{"", "auditor", "administrator"} {
		s := suggest(t, o, by)
		if len(s.Additions) != 1 || s.People != 23 {
			t.Fatalf("%+v", s)
		}
		x := s.Additions[0]
		if x.Entitlement != "lib:library" || x.Job != "CLK" || x.Unit != "" || x.Have != 8 || x.Of != 10 || x.Saves != 8 || x.Gain != 2 || len(x.Gaining) != 2 {
			t.Errorf("%+v", x)
		}
		for _, p := range x.Gaining {
			if p.DisplayName != "Given Clerk8" && p.DisplayName != "Given Clerk9" {
				t.Errorf("%+v gains", p)
			}
		}
		if want := `p, lib-library-clk, "r.sub.job_code == 'CLK'", lib:library, allow, 8 of 10 people with job CLK have it`; x.Line != want {
			t.Errorf("%s\nand not\n%s", x.Line, want)
		}
		if len(s.Unmatched) != 1 || s.Unmatched[0].Rule != "no-one" || s.Unmatched[0].Place != "policy.csv:3" {
			t.Errorf("%+v", s.Unmatched)
		}
		if len(s.Covered) != 1 || s.Covered[0].Rule != "again" || s.Covered[0].People != 11 || !slices.Equal(s.Covered[0].By, []string{"everyone"}) {
			t.Errorf("%+v", s.Covered)
		}
		if len(s.SmallRoles) != 1 || s.SmallRoles[0].Role != "role:lib" || s.SmallRoles[0].People != 2 {
			t.Errorf("%+v", s.SmallRoles)
		}
		// With the line in place nothing is left to suggest.
		becomes(t, o, before+x.Line+"\n")
		if after := suggest(t, o, by); len(after.Additions) != 0 {
			t.Errorf("%+v", after.Additions)
		}
		grants, err := o.Config.Rules.Decide(o.Person("c9"), "2026-11-30", policy.Facts{})
		if err != nil || !slices.ContainsFunc(grants, func(g policy.Grant) bool { return g.Entitlement == "lib:library" && g.Gate == policy.Open }) {
			t.Errorf("%+v, %v", grants, err)
		}
		becomes(t, o, before)
	}
	for _, by := range []string{"stranger", "manager", "owner"} {
		if s := suggest(t, o, by); s != nil {
			t.Errorf("%s sees %+v", by, s)
		}
	}
}

// TestCommonIsToldOnce: what a job has everywhere is not told of each unit, and what is
// common in one unit only is told of it.
func TestCommonIsToldOnce(t *testing.T) {
	o := office.New(t, nil)
	imports := func(job string) {
		var rows strings.Builder
		rows.WriteString(office.Header)
		for n := range 12 {
			of := job
			if n%4 == 3 && job == "LIB" && n < 8 { // some in hideout have not
				of = "NEW"
			}
			if job != "LIB" {
				of = "NEW"
			}
			fmt.Fprintf(&rows, "c%d,C%d,Given,Clerk%d,%s,%s,,,2020-01-01,,no\n", n, n, n, []string{"office", "hideout"}[n%2], of)
		}
		o.Import(rows.String())
	}
	imports("LIB")
	o.Apply()
	imports("NEW")
	s := suggest(t, o, "")
	if len(s.Additions) != 1 || s.Additions[0].Unit != "" || s.Additions[0].Job != "NEW" || s.Additions[0].Have != 10 || s.Additions[0].Of != 12 {
		t.Errorf("%+v", s.Additions)
	}
}

// BenchmarkSuggest counts over everyone. Goal: linear in the people.
func BenchmarkSuggest(b *testing.B) {
	for _, people := range []int{1_000, 10_000, 100_000} {
		people = testenv.BenchSize(people)
		b.Run(fmt.Sprintf("people=%d", people), func(b *testing.B) {
			o := office.Large(b, people, 12)
			becomes(b, o, "p, everyone, true, base:staff, allow, everybody\n") // what all have no rule gives
			for b.Loop() {
				if s := suggest(b, o, ""); len(s.Additions) < 12 {
					b.Fatalf("%+v", s)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*people), "µs/person")
		})
	}
}

// TestSuggestionsTellOfConflicts: of those who would gain by a rule it is said how many would
// come to have both sides of a conflict.
func TestSuggestionsTellOfConflicts(t *testing.T) {
	o := office.New(t, map[string]string{"conflicts.yaml": "conflicts:\n  lend-and-work: {why: no one lends to themselves, between: [\"lib:desk\", \"lib:library\"]}\n"})
	var rows strings.Builder
	rows.WriteString(office.Header)
	for n := range 10 {
		fmt.Fprintf(&rows, "c%d,C%d,Given,Clerk%d,office,%s,,,2020-01-01,,no\n", n, n, n, []string{"LIB", "CLK"}[n/8])
	}
	o.Import(rows.String())
	o.Apply()
	o.Import(office.Header + strings.ReplaceAll(strings.TrimPrefix(rows.String(), office.Header), "LIB", "CLK"))
	becomes(t, o, "p, everyone, true, base:staff, allow, everybody\np, desk, \"r.sub.job_code == 'CLK'\", lib:desk, allow, clerks\n")
	s := suggest(t, o, "auditor")
	if len(s.Additions) != 1 || s.Additions[0].Entitlement != "lib:library" || s.Additions[0].Gain != 2 || s.Additions[0].Conflicting != 2 {
		t.Errorf("%+v", s.Additions)
	}
	becomes(t, o, "p, everyone, true, base:staff, allow, everybody\n")
	if s := suggest(t, o, "auditor"); len(s.Additions) != 1 || s.Additions[0].Conflicting != 0 {
		t.Errorf("%+v", s.Additions)
	}
}

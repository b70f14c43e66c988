package reconcile_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/testenv"
)

const managersHeader = "person_id,employment_id,given_name,family_name,unit,job_code,manager_id,start_date,end_date\n"

// TestManagersWhoAreMissing: a manager whom HR does not list, and one who has left, is
// a finding; what stands in the target stays, or with missing: clear is emptied, and
// is written again when there is a manager. A look at few people does the same.
func TestManagersWhoAreMissing(t *testing.T) {
	for missing, cleared := range map[string]bool{"": false, ", missing: keep": false, ", missing: clear": true} {
		for name, c := range map[string]struct{ boss, ends, finding string }{
			"unknown": {"777", "", "whom it does not list, for 2 people"}, "left": {"9", "2020-12-31", "who have left, for 2 people"},
		} {
			t.Run(name+missing, func(t *testing.T) {
				h := newFixtureWith(t, naming(`attributes: {boss: {reference: manager`+missing+`}}`))
				people := func(boss, bossEnds string) string {
					return managersHeader + "9,E9,I,I,school,T,,2020-01-01," + bossEnds + "\n1,E1,A,A,school,T," + boss + ",2020-01-01,\n2,E2,B,B,school,T," + boss + ",2020-01-01,\n3,E3,C,C,school,T,,2020-01-01,\n"
				}
				boss := func(key string) string {
					return strings.Join(h.accounts(h.one, h.person(key))[0].Attributes["boss"], "")
				}
				findings := func() (of []string) {
					p, err := h.e.Plan(t.Context(), reconcile.Scope{})
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range p.Findings {
						if f.Kind == plan.Managers && f.Target == "one" {
							of = append(of, testenv.Words(f.Reason))
						}
					}
					return of
				}
				h.export(people("9", ""))
				h.settledRun()
				there := h.accounts(h.one, h.person("9"))[0].ID
				if boss("1") != there || len(findings()) > 0 {
					t.Fatalf("the boss is %q, want %q; findings %v", boss("1"), there, findings())
				}
				want := there
				if cleared {
					want = ""
				}
				h.export(people(c.boss, c.ends))
				// One by a look at few people, the other by a look at everyone.
				if later := h.few("1"); len(later) > 0 || boss("1") != want {
					t.Errorf("few: the boss is %q, want %q; left to others: %v", boss("1"), want, later)
				}
				h.settledRun()
				if boss("1") != want || boss("2") != want {
					t.Errorf("the boss is %q and %q, want %q", boss("1"), boss("2"), want)
				}
				if of := findings(); len(of) != 1 || !strings.Contains(of[0], c.finding) {
					t.Errorf("findings %v, want one of managers %s", of, c.finding)
				}
				h.nothingToDo()
				h.export(people("3", c.ends))
				h.settledRun()
				if boss("1") != h.accounts(h.one, h.person("3"))[0].ID {
					t.Errorf("and then the boss is %q", boss("1"))
				}
			})
		}
	}
}

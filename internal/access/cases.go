package access

import (
	"fmt"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// CaseResult is what became of a test of rules.
type CaseResult struct {
	Case   string        `json:"case"`
	File   string        `json:"file"`
	Line   int           `json:"line"`
	Column int           `json:"column"`
	Date   identity.Date `json:"date"`
	Passed bool          `json:"passed"`
	// Skipped: the case is about a person who is known, and there is no database to ask.
	Skipped bool `json:"skipped,omitempty"`
	// Error is why the case could not be decided; it has not passed.
	Error       string           `json:"error,omitempty"`
	Differences []CaseDifference `json:"differences"`
}

// RulesTest is what became of the cases beside the rules.
type RulesTest struct {
	Passed   int                  `json:"passed"`
	Failed   int                  `json:"failed"`
	Skipped  int                  `json:"skipped"`
	Items    []CaseResult         `json:"items"`
	Problems []diagnostic.Problem `json:"problems"` // of cases that cannot be read
}

// CountCases counts what became of cases.
func CountCases(results []CaseResult, problems []diagnostic.Problem) RulesTest {
	out := RulesTest{Items: append([]CaseResult{}, results...), Problems: append([]diagnostic.Problem{}, problems...)}
	for _, r := range results {
		switch {
		case r.Skipped:
			out.Skipped++
		case r.Passed:
			out.Passed++
		default:
			out.Failed++
		}
	}
	return out
}

// RulesTest tries the rules in force against the cases beside them. It is for who sees everyone:
// a case may be about a person who is known.
func (v *View) RulesTest() (RulesTest, error) {
	cases, problems := v.Config.Cases()
	results, err := v.TestRules(cases)
	return CountCases(results, problems), err
}

// CaseDifference is where a case and the rules differ.
type CaseDifference struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	Want        policy.Outcome       `json:"want"`
	Got         policy.Outcome       `json:"got"`
	// Reasons are why it stands as it does: the rules that give or deny it, or why its gate
	// is not open.
	Reasons []Reason `json:"reasons"`
	// Nearest is the rule that was nearest to give what is missing; left out when no rule
	// could.
	Nearest *policy.NearRule `json:"nearest,omitempty"`
	Line    int              `json:"line"`
	Column  int              `json:"column"`
}

// TestRules returns what becomes of cases, in their order. Cases about people who are known
// are skipped when the answers have no database.
func (v *View) TestRules(cases []policy.Case) ([]CaseResult, error) {
	known, err := v.casePeople(cases)
	if err != nil {
		return nil, err
	}
	all := make([]CaseResult, 0, len(cases))
	for i := range cases {
		c := &cases[i]
		out := CaseResult{Case: c.Name, File: c.File, Line: c.Line, Column: c.Column, Date: c.Day, Differences: []CaseDifference{}}
		p, facts := c.Person, c.Facts
		switch {
		case !c.NeedsPerson():
		case v.DB == nil:
			out.Skipped = true
		default:
			s, found := known[casePerson{c.Record, c.Day}]
			p, facts = s.Person, s.Facts
			switch {
			case !found:
				out.Error = fmt.Sprintf("no person has the record %s", c.Record)
			case !s.Undecided.IsZero():
				out.Error = "the person's access is not decided: " + v.Because(s.Undecided).Text
			}
		}
		if !out.Skipped && out.Error == "" {
			found, err := v.Config.Rules.Test(c, p, facts)
			if err != nil {
				out.Error = err.Error()
			}
			for _, d := range found {
				out.Differences = append(out.Differences, CaseDifference{d.Entitlement, d.Want, d.Got, each(d.Reasons, v.Because), d.Nearest, d.Line, d.Column})
			}
			out.Passed = err == nil && len(found) == 0
		}
		all = append(all, out)
	}
	return all, nil
}

// casePerson is a known person of a case, on its day.
type casePerson struct {
	record identity.SourceKey
	day    identity.Date
}

// casePeople reads the known people of cases, each as on the day of the case, with what was
// seen of their enrolment for MFA.
func (v *View) casePeople(cases []policy.Case) (map[casePerson]reconcile.PersonStatus, error) {
	byDay, all := map[identity.Date][]identity.SourceKey{}, []identity.SourceKey{}
	for i := range cases {
		if c := &cases[i]; c.NeedsPerson() {
			byDay[c.Day] = append(byDay[c.Day], c.Record)
			all = append(all, c.Record)
		}
	}
	if len(all) == 0 || v.DB == nil {
		return nil, nil
	}
	people, err := v.DB.PeopleByKeys(v.ctx, all)
	if err != nil {
		return nil, err
	}
	ids := make([]identity.PersonID, 0, len(people))
	for _, p := range people {
		ids = append(ids, p.ID)
	}
	enrolled, err := v.DB.Enrolments(v.ctx, store.Only(ids...))
	if err != nil {
		return nil, err
	}
	known := map[casePerson]reconcile.PersonStatus{}
	for day, records := range byDay {
		var some []identity.Person
		var of []identity.SourceKey
		for _, r := range records {
			if p, found := people[r]; found && p.ID != "" {
				some, of = append(some, p), append(of, r)
			}
		}
		statuses, err := reconcile.PersonStatuses(v.ctx, v.DB, v.Config, some, day)
		if err != nil {
			return nil, err
		}
		for i, s := range statuses {
			s.Facts.MFA = policy.NotEnrolled
			if method, is := enrolled[s.Person.ID]; is {
				s.Facts.MFA, s.Facts.Method = policy.Enrolled, policy.Method(method)
			}
			known[casePerson{of[i], day}] = s
		}
	}
	return known, nil
}

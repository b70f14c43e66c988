package policy

import (
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Case is a test of rules: what a person is expected to have on a day.
type Case struct {
	Name         string
	File         string
	Line, Column int
	Day          identity.Date
	// Record is the record of a person who is known; the zero key for one that is made up.
	Record identity.SourceKey
	// Person and Facts are those of a person who is made up.
	Person identity.Person
	Facts  Facts
	// Exact: the person is given what is expected to be open, and nothing else. HasLine and
	// HasColumn are where the case says so.
	Exact              bool
	HasLine, HasColumn int
	Expected           []Expectation
}

// NeedsPerson reports whether the case is about a person who is known.
func (c *Case) NeedsPerson() bool { return c.Record.Key != "" }

// Outcome is how an entitlement of a person stands, as a case expects it: a gate, or
// NotGiven.
type Outcome string

// NotGiven is that the person neither has the entitlement nor waits for it.
const NotGiven Outcome = "not-given"

// Expectation is what a case says of an entitlement.
type Expectation struct {
	Entitlement  EntitlementID
	Want         Outcome
	Line, Column int
}

// CaseDifference is where a case and the rules differ.
type CaseDifference struct {
	Entitlement EntitlementID `json:"entitlement"`
	Want        Outcome       `json:"want"`
	Got         Outcome       `json:"got"`
	// Reasons are why it stands as it does: the rules that give or deny it, or why its gate
	// is not open.
	Reasons []reason.Reason `json:"reasons"`
	// Nearest is the rule that was nearest to give what is missing; nil when no rule could.
	Nearest *NearRule `json:"nearest,omitempty"`
	Line    int       `json:"line"`
	Column  int       `json:"column"`
}

// Test decides what the person of a case has and returns where that differs from what the
// case expects, in the order of the case; what the person has too much is last. p and facts
// are those of the case, or of the known person whom it names.
func (r *Rules) Test(c *Case, p identity.Person, facts Facts) ([]CaseDifference, error) {
	grants, err := r.Decide(p, c.Day, facts)
	if err != nil {
		return nil, err
	}
	var found []CaseDifference
	named := make(map[EntitlementID]bool, len(c.Expected))
	for _, x := range c.Expected {
		named[x.Entitlement] = true
		i := slices.IndexFunc(grants, func(g Grant) bool { return g.Entitlement == x.Entitlement })
		got, reasons := NotGiven, []reason.Reason{}
		if i >= 0 {
			got, reasons = outcomeOf(&grants[i])
		}
		if got == x.Want || x.Want == NotGiven && (got == Outcome(Denied) || got == Outcome(Withheld) || got == Outcome(Revoked)) {
			continue
		}
		d := CaseDifference{Entitlement: x.Entitlement, Want: x.Want, Got: got, Reasons: reasons, Line: x.Line, Column: x.Column}
		if got == NotGiven {
			d.Nearest = r.nearest(p, c.Day, x.Entitlement)
		}
		found = append(found, d)
	}
	if !c.Exact {
		return found, nil
	}
	for i := range grants {
		got, reasons := outcomeOf(&grants[i])
		if got == Outcome(Open) && !named[grants[i].Entitlement] {
			found = append(found, CaseDifference{Entitlement: grants[i].Entitlement, Want: NotGiven, Got: got, Reasons: reasons, Line: c.HasLine, Column: c.HasColumn})
		}
	}
	return found, nil
}

func outcomeOf(g *Grant) (Outcome, []reason.Reason) {
	if g.Gate == Open {
		return Outcome(Open), reasonsOnce(g.Reasons)
	}
	return Outcome(g.Gate), []reason.Reason{g.GateReason}
}

// reasonsOnce returns reasons, each once, however many employments have it.
func reasonsOnce(all []Reason) []reason.Reason {
	var once []reason.Reason
	for _, r := range all {
		if !slices.ContainsFunc(once, func(o reason.Reason) bool { return o.JSON() == r.By.JSON() }) {
			once = append(once, r.By)
		}
	}
	return once
}

// nearest returns the rule that is nearest to give an entitlement to a person; nil when no
// rule can, or the person has no employment on the day.
func (r *Rules) nearest(p identity.Person, day identity.Date, id EntitlementID) *NearRule {
	var best *NearRule
	e, known := r.Catalogue.index(id)
	if !known {
		return nil
	}
	for _, n := range r.nearRules(p, day, e) {
		if !n.Deny && !n.Satisfied && (best == nil || n.failed() < best.failed() || n.failed() == best.failed() && n.leading() > best.leading()) {
			best = &n
		}
	}
	return best
}

// MatchesCase reports whether a case is one of those that a pattern names: a part of its
// name, in any case; all when it is empty.
func MatchesCase(c *Case, pattern string) bool {
	return strings.Contains(strings.ToLower(c.Name), strings.ToLower(pattern))
}

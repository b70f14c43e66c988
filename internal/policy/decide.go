package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
)

// Gate says whether a grant may be given now.
type Gate string

// The gates.
const (
	Open        Gate = "open"
	AwaitingMFA Gate = "waiting-for-mfa"
	MFAUnknown  Gate = "mfa-unknown" // nobody could say: what is there stays, nothing is added
	Revoked     Gate = "revoked"
	Denied      Gate = "denied"
	// Kept: no rule gives it, and it may stay where it is: somebody decided so,
	// or it is handed over. It is not added where it is not.
	Kept Gate = "kept"
)

// Reason is one reason for a grant.
type Reason struct {
	Rule       string                `json:"rule"`
	Version    string                `json:"version"`
	Place      string                `json:"place"` // file:line
	Via        string                `json:"via,omitempty"`
	Why        string                `json:"why,omitempty"`
	Employment identity.EmploymentID `json:"employment"`
}

func (r Reason) String() string {
	s := fmt.Sprintf("rule %s@%s (%s)", r.Rule, r.Version, r.Place)
	if r.Via != "" {
		s += " through " + r.Via
	}
	if r.Why != "" {
		s += ": " + r.Why
	}
	return s
}

// Grant is an entitlement that the rules give a person, with its reasons and
// its gate. A grant that is Denied or Revoked is none: it is listed so that
// it is taken away and can be explained.
type Grant struct {
	Entitlement EntitlementID `json:"entitlement"`
	Reasons     []Reason      `json:"reasons"` // why it is given
	Gate        Gate          `json:"gate"`
	// GateReason says for people why the gate is not open.
	GateReason string `json:"gate_reason,omitempty"`
	// Until is the last day of a handover; empty on what has no end.
	Until identity.Date `json:"until,omitempty"`
}

// Reasons joins reasons into one line, in which a rule that holds for several
// employments stands once.
func Reasons(rs []Reason) string {
	var parts []string
	for _, r := range rs {
		if text := r.String(); !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// Verdict is what somebody decided about a person's entitlement.
type Verdict struct {
	Revoke bool
	// Text names the decision and its maker for people: "decision 4 of
	// person …: no longer in the project".
	Text string
}

// MFA is what is known of a person's enrolment.
type MFA string

// The states of enrolment. The zero value is unknown.
const (
	NotEnrolled MFA = "not-enrolled"
	Enrolled    MFA = "enrolled"
)

// Facts is what is known of a person besides identity.
type Facts struct {
	MFA      MFA
	Verdicts map[EntitlementID]Verdict
	// Suspended names, for people, the decision by which nothing of the person
	// may be used; empty when there is none.
	Suspended string
	// LegalHold names the decision by which nothing of the person is deleted.
	LegalHold string
}

// Decide returns what the person's employments that run on the day give,
// united, sorted by entitlement. An employment on which a condition cannot be
// evaluated makes it fail: then nothing of the person's access may be
// changed.
func (r *Rules) Decide(p identity.Person, day identity.Date, facts Facts) ([]Grant, error) {
	type sums struct{ allow, deny []Reason }
	united := map[int]*sums{}
	for _, e := range p.Employments {
		if !e.ActiveOn(day) {
			continue
		}
		a := r.answer(p, e, day)
		if a.err != nil {
			return nil, fmt.Errorf("employment %s: %w", e.ID, a.err)
		}
		for _, g := range a.given {
			s := united[g.entitlement]
			if s == nil {
				s = &sums{}
				united[g.entitlement] = s
			}
			if len(g.deny) > 0 {
				s.deny = r.appendReasons(s.deny, g.deny, g.entitlement, e.ID)
			} else {
				s.allow = r.appendReasons(s.allow, g.allow, g.entitlement, e.ID)
			}
		}
	}
	grants := make([]Grant, 0, len(united))
	for i, s := range united {
		grants = append(grants, r.gate(r.Catalogue.Entitlements[i], s.allow, s.deny, facts))
	}
	if len(p.Active(day)) > 0 {
		given := map[int]bool{}
		for i := range united {
			given[i] = true
		}
		handed, err := r.handovers(p, day, facts, given)
		if err != nil {
			return nil, err
		}
		grants = append(grants, handed...)
		grants = append(grants, verdictsAlone(facts, grants)...)
	}
	slices.SortFunc(grants, func(a, b Grant) int { return strings.Compare(string(a.Entitlement), string(b.Entitlement)) })
	return grants, nil
}

// HasHandovers reports whether any rule lets those who move on keep what it gave.
func (r *Rules) HasHandovers() bool { return r.handover > 0 }

// handovers returns what rules gave and give no more, to somebody who still
// works here, and that they may keep for a while where they have it.
func (r *Rules) handovers(p identity.Person, day identity.Date, facts Facts, given map[int]bool) ([]Grant, error) {
	if r.handover == 0 {
		return nil, nil
	}
	type kept struct {
		until  identity.Date
		reason Reason
	}
	found := map[int]kept{}
	for _, turn := range r.turns(p, day) {
		before := turn.AddDays(-1)
		for _, e := range p.Employments {
			if !e.ActiveOn(before) || e.ActiveOn(day) && e.OnLeave(day) {
				continue
			}
			a := r.answer(p, e, before)
			if a.err != nil {
				return nil, fmt.Errorf("employment %s on %s: %w", e.ID, before, a.err)
			}
			for _, g := range a.given {
				if given[g.entitlement] || len(g.deny) > 0 {
					continue
				}
				for i, reason := range r.appendReasons(nil, g.allow, g.entitlement, e.ID) {
					until := before.AddDays(r.rules[g.allow[i]].Handover)
					if until >= day && until > found[g.entitlement].until {
						found[g.entitlement] = kept{until, reason}
					}
				}
			}
		}
	}
	var grants []Grant
	for i, k := range found {
		g := Grant{Entitlement: r.Catalogue.Entitlements[i].ID, Gate: Kept, Until: k.until, GateReason: fmt.Sprintf("handed over until %s: it was given by %s", k.until, k.reason)}
		if v, decided := facts.Verdicts[g.Entitlement]; decided && v.Revoke {
			g.Gate, g.Until, g.GateReason = Revoked, "", "revoked by "+v.Text
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// turns returns the days, as far back as any handover reaches, on which
// something changed that rules may ask for.
func (r *Rules) turns(p identity.Person, day identity.Date) []identity.Date {
	after := day.AddDays(-r.handover - 1)
	turns := p.ChangeDates(after, day)
	for _, u := range r.Units.All() {
		for _, d := range []identity.Date{u.From, u.Until.AddDays(1)} {
			if d > after && d <= day {
				turns = append(turns, d)
			}
		}
	}
	slices.Sort(turns)
	return slices.Compact(turns)
}

// verdictsAlone returns what decisions say of entitlements that no rule gives.
func verdictsAlone(facts Facts, grants []Grant) []Grant {
	var more []Grant
	for id, v := range facts.Verdicts {
		if slices.ContainsFunc(grants, func(g Grant) bool { return g.Entitlement == id }) {
			continue
		}
		g := Grant{Entitlement: id, Gate: Kept, GateReason: "kept by " + v.Text}
		if v.Revoke {
			g.Gate, g.GateReason = Revoked, "revoked by "+v.Text
		}
		more = append(more, g)
	}
	return more
}

func (r *Rules) gate(e Entitlement, allow, deny []Reason, facts Facts) Grant {
	g := Grant{Entitlement: e.ID, Reasons: allow, Gate: Open}
	verdict, decided := facts.Verdicts[e.ID]
	switch {
	case len(allow) == 0:
		g.Gate, g.Reasons, g.GateReason = Denied, nil, "denied by "+Reasons(deny)
	case decided && verdict.Revoke:
		g.Gate, g.GateReason = Revoked, "revoked by "+verdict.Text
	case e.MFA && facts.MFA == NotEnrolled:
		g.Gate, g.GateReason = AwaitingMFA, "MFA is demanded and not enrolled"
	case e.MFA && facts.MFA != Enrolled:
		g.Gate, g.GateReason = MFAUnknown, "MFA is demanded and the target did not say whether it is enrolled"
	}
	return g
}

// appendReasons appends the reasons by which rules give or deny an entitlement.
func (r *Rules) appendReasons(reasons []Reason, rules []int, entitlement int, employment identity.EmploymentID) []Reason {
	reasons = slices.Grow(reasons, len(rules))
	for _, n := range rules {
		rule := &r.rules[n]
		reasons = append(reasons, Reason{Rule: rule.ID, Version: rule.Version, Place: rule.place, Via: r.via(n, entitlement), Why: rule.Why, Employment: employment})
	}
	return reasons
}

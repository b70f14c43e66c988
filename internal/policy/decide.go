package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Gate states whether a grant may be applied now.
type Gate string

// The gates.
const (
	Open        Gate = "open"
	AwaitingMFA Gate = "awaiting-mfa"
	MFAUnknown  Gate = "mfa-unknown" // the enrolment is unknown: existing access is kept, nothing is added
	Revoked     Gate = "revoked"
	Denied      Gate = "denied"
	// Withheld: a control of the system's class does not let the person have it, or its group
	// is retired.
	Withheld Gate = "withheld"
	// Kept: no rule gives the entitlement, and the person may keep it where it
	// exists: by a decision, or during a handover. It is not added where it is
	// missing.
	Kept Gate = "kept"
)

// Reason is one reason for a grant: a rule or a request, and the employment that it applies
// to.
type Reason struct {
	By         reason.Reason         `json:"by"`
	Employment identity.EmploymentID `json:"employment"`
	// Request is the number of the request; 0 for a rule.
	Request int64 `json:"request,omitempty"`
}

// Grant is an entitlement that rules or requests give a person, with its reasons and its
// gate. A grant that is Denied, Revoked or Withheld gives no access: it is listed so that
// the access is revoked and can be explained.
type Grant struct {
	Entitlement EntitlementID `json:"entitlement"`
	Reasons     []Reason      `json:"reasons"` // why it is granted
	Gate        Gate          `json:"gate"`
	// GateReason is why the gate is not open; none when it is.
	GateReason reason.Reason `json:"gate_reason,omitzero"`
	// Exemption is the decision that lets the person have it without the MFA that it needs;
	// none without one.
	Exemption reason.Reason `json:"exemption,omitzero"`
	// Allowed is the decision that lets the person have it though it is in conflict with what
	// else they have; none without one.
	Allowed reason.Reason `json:"allowed,omitzero"`
	// Until is the last day of a handover, by a decision, or of the last request where no
	// rule gives the entitlement; empty without an end.
	Until identity.Date `json:"until,omitempty"`
}

// Reasons joins reasons into one; a rule that applies to several employments is in it
// once.
func Reasons(rs []Reason) reason.Reason {
	if len(rs) == 1 {
		return rs[0].By
	}
	all := make([]reason.Reason, len(rs))
	for i, r := range rs {
		all[i] = r.By
	}
	return reason.Join(all...)
}

// Verdict is a decision on a person's entitlement.
type Verdict struct {
	Revoke bool
	Reason reason.Reason // Kept, KeptUntil or Revoked
	// Until is the last day of what the person keeps: from the next day on the verdict
	// revokes it. Empty without an end.
	Until identity.Date
	// Decision is the number of the decision. What a request gives that was approved before
	// it is revoked by it, and what was approved after it is not.
	Decision int64
}

// revokes reports whether the verdict takes the entitlement away on a day.
func (v Verdict) revokes(day identity.Date) bool { return v.Revoke || v.Until != "" && v.Until < day }

// MFA is a person's known enrolment.
type MFA string

// The states of enrolment. The zero value is unknown.
const (
	NotEnrolled MFA = "not-enrolled"
	Enrolled    MFA = "enrolled"
)

// Facts is what is known about a person besides identity.
type Facts struct {
	MFA MFA
	// Method is the strength of the strongest method that the person is enrolled with; empty
	// when the target does not say.
	Method Method
	// MFAExemptUntil is the last day on which a decision lets the person have what needs MFA
	// without it, and MFAExempt that decision.
	MFAExemptUntil identity.Date
	MFAExempt      reason.Reason
	// ScreenedUntil is the last day of the person's screening (säkerhetsprövning); empty
	// without one.
	ScreenedUntil identity.Date
	// Allowances are the decisions that let the person have both sides of a conflict, by its
	// name.
	Allowances map[string]Allowance
	Verdicts   map[EntitlementID]Verdict
	// Requests are the requests of the person that were approved, and emergency access, in
	// the order of their numbers. Those that have ended give nothing.
	Requests []Request
	// MFAWaitsSince is the day on which access was first seen to wait for the person's enrolment,
	// or on which the person was last issued a pass, whichever is later; empty when nothing waits.
	MFAWaitsSince identity.Date
	// Suspended is the decision that suspends all access of the person; none without one.
	Suspended reason.Reason
	// LegalHold is the decision that prevents deletion of the person's data and accounts;
	// none without one.
	LegalHold reason.Reason
}

// Decide returns the union of what rules and requests give the person's active employments
// on the day, sorted by entitlement. It fails when a condition cannot be evaluated on an
// employment: the caller must then leave the person's access unchanged.
func (r *Rules) Decide(p identity.Person, day identity.Date, facts Facts) ([]Grant, error) {
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
			s := sumsOf(united, g.entitlement)
			why := r.Catalogue.Entitlements[g.entitlement].Controls.excludes(e, day)
			switch {
			case len(g.deny) > 0:
				s.deny = r.appendReasons(s.deny, g.deny, g.entitlement, e.ID)
			case !why.IsZero():
				s.excluded, s.why = r.appendReasons(s.excluded, g.allow, g.entitlement, e.ID), why
			default:
				s.allow = r.appendReasons(s.allow, g.allow, g.entitlement, e.ID)
			}
		}
	}
	if err := r.addRequests(united, p, day, facts.Requests); err != nil {
		return nil, err
	}
	grants := make([]Grant, 0, len(united))
	for i, s := range united {
		g := Grant{Entitlement: r.Catalogue.Entitlements[i].ID, Reasons: s.allow, Gate: Open, Until: s.until}
		switch {
		case len(s.allow) == 0 && len(s.excluded) > 0:
			g.Reasons, g.Gate, g.GateReason = s.excluded, Withheld, s.why
		case len(s.allow) == 0:
			g.Gate, g.GateReason = Denied, reason.Of(reason.Denied{By: Reasons(s.deny)})
		}
		grants = append(grants, g)
	}
	if p.IsActive(day) {
		given := map[int]bool{}
		for i := range united {
			given[i] = true
		}
		handed, err := r.handoverGrants(p, day, given)
		if err != nil {
			return nil, err
		}
		grants = append(grants, handed...)
		grants = append(grants, decisionOnlyGrants(facts, grants, day)...)
	}
	for i := range grants {
		r.gate(&grants[i], p, day, facts)
	}
	r.separate(grants, day, facts)
	slices.SortFunc(grants, func(a, b Grant) int { return strings.Compare(string(a.Entitlement), string(b.Entitlement)) })
	return grants, nil
}

// sums is what rules and requests say of an entitlement, over a person's employments.
type sums struct {
	allow, deny, excluded []Reason
	why                   reason.Reason // of the last of excluded
	// until is the last day of the last request, where no rule gives it.
	until identity.Date
}

func sumsOf(united map[int]*sums, entitlement int) *sums {
	s := united[entitlement]
	if s == nil {
		s = &sums{}
		united[entitlement] = s
	}
	return s
}

// HasHandovers reports whether any rule has a handover.
func (r *Rules) HasHandovers() bool { return r.handover > 0 }

// handoverGrants returns entitlements that rules no longer give a person who
// still works here, and that the person may keep for a while.
func (r *Rules) handoverGrants(p identity.Person, day identity.Date, given map[int]bool) ([]Grant, error) {
	if r.handover == 0 {
		return nil, nil
	}
	type kept struct {
		until  identity.Date
		reason Reason
	}
	found := map[int]kept{}
	for _, turn := range r.changeDates(p, day) {
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
				if given[g.entitlement] || len(g.deny) > 0 || !r.Catalogue.Entitlements[g.entitlement].Controls.excludes(e, day).IsZero() {
					continue
				}
				for i, given := range r.appendReasons(nil, g.allow, g.entitlement, e.ID) {
					until := before.AddDays(r.rules[g.allow[i]].Handover)
					if until >= day && until > found[g.entitlement].until {
						found[g.entitlement] = kept{until, given}
					}
				}
			}
		}
	}
	var grants []Grant
	for i, k := range found {
		grants = append(grants, Grant{Entitlement: r.Catalogue.Entitlements[i].ID, Gate: Kept, Until: k.until, GateReason: reason.Of(reason.HandedOver{Until: k.until, Given: k.reason.By})})
	}
	return grants, nil
}

// changeDates returns the days within the longest handover on which an attribute
// of the person changed that rules may mention.
func (r *Rules) changeDates(p identity.Person, day identity.Date) []identity.Date {
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

// decisionOnlyGrants returns the decisions on entitlements that no rule gives.
func decisionOnlyGrants(facts Facts, grants []Grant, day identity.Date) []Grant {
	var more []Grant
	for id, v := range facts.Verdicts {
		if slices.ContainsFunc(grants, func(g Grant) bool { return g.Entitlement == id }) {
			continue
		}
		g := Grant{Entitlement: id, Gate: Kept, GateReason: v.Reason, Until: v.Until}
		if v.revokes(day) {
			g.Gate, g.Until = Revoked, ""
		}
		more = append(more, g)
	}
	return more
}

// gate closes the gate of a grant that is given or kept, when a decision, a control or
// missing MFA does not let the person have it.
func (r *Rules) gate(g *Grant, p identity.Person, day identity.Date, facts Facts) {
	if g.Gate != Open && g.Gate != Kept {
		return
	}
	v, decided := facts.Verdicts[g.Entitlement]
	switch {
	case decided && v.revokes(day) && !g.outlives(v, facts.Requests):
		g.Gate, g.Until, g.GateReason = Revoked, "", v.Reason
		return
	case decided && v.Until >= day && (g.Until == "" || v.Until < g.Until):
		g.Until = v.Until
	}
	n, known := r.Catalogue.index(g.Entitlement)
	if !known {
		return
	}
	e := &r.Catalogue.Entitlements[n]
	if e.Retired() {
		g.Gate, g.Until, g.GateReason = Withheld, "", reason.Of(reason.GroupRetired{})
		return
	}
	if why := e.Controls.withholds(p, day, facts); !why.IsZero() {
		g.Gate, g.Until, g.GateReason = Withheld, "", why
		return
	}
	if why := e.Controls.excludesAll(p, day); g.Gate == Kept && !why.IsZero() {
		g.Gate, g.Until, g.GateReason = Withheld, "", why
		return
	}
	// Who has it already keeps it while the enrolment is unknown.
	switch gate, why := e.awaitsMFA(facts); {
	case gate == Open:
	case facts.MFAExemptUntil != "" && facts.MFAExemptUntil >= day:
		g.Exemption = facts.MFAExempt
	case g.Gate == Open: // what a request gives has its last day, also while it waits
		g.Gate, g.GateReason = gate, why
	case gate == AwaitingMFA:
		g.Gate, g.Until, g.GateReason = gate, "", why
	}
}

// appendReasons appends the reasons by which rules grant or deny an entitlement.
func (r *Rules) appendReasons(reasons []Reason, rules []int, entitlement int, employment identity.EmploymentID) []Reason {
	reasons = slices.Grow(reasons, len(rules))
	for _, n := range rules {
		reasons = append(reasons, Reason{By: r.reason(n, entitlement), Employment: employment})
	}
	return reasons
}

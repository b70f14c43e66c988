package policy

import (
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Requesting says how an entitlement can be requested. The zero value says that it cannot.
type Requesting struct {
	Allowed   bool // until a day, once it is approved
	Emergency bool // it can be taken at once, and is approved afterwards
}

// For how many days a request gives access at most, the day of the request among them, when
// no control says.
const (
	MostRequestDays   = 365
	MostEmergencyDays = 2
)

// RequestDaysAtMost returns for how many days a request gives access at most, the day on which it
// is made among them, and which control says so; empty for none.
func (c *Controls) RequestDaysAtMost(emergency bool) (days int, control string) {
	limit, most := c.RequestDays, MostRequestDays
	if emergency {
		limit, most = c.EmergencyDays, MostEmergencyDays
	}
	if limit.Value > 0 {
		return limit.Value, limit.By
	}
	return most, ""
}

// ApproversOf returns who approve a request of the entitlement, in the order in which
// they are listed: the owner when no control says.
func (c *Controls) ApproversOf() []Approver {
	if len(c.Approvers.Value) > 0 {
		return c.Approvers.Value
	}
	return []Approver{OwnerApprover}
}

// Request is a request for an entitlement that was approved, or emergency access. It gives
// the entitlement while the employment is as it was when it was made, until its last day.
type Request struct {
	ID          int64
	Entitlement EntitlementID
	Employment  identity.EmploymentID
	// Since is the day on which it was made, and Unit and Manager are those of the employment
	// at that time. The zero Manager is none.
	Since   identity.Date
	Unit    string
	Manager identity.SourceKey
	// Until is the last day.
	Until identity.Date
	// Decision is the number of the decision that gave it, and By the reason for which it
	// gives access.
	Decision int64
	By       reason.Reason
}

// addRequests adds what requests give on a day to what rules do.
func (r *Rules) addRequests(united map[int]*sums, p identity.Person, day identity.Date, requests []Request) error {
	byRule := map[int]bool{}
	for _, q := range requests {
		n, known := r.Catalogue.index(q.Entitlement)
		if !known || !r.RequestEnds(p, day, q).IsZero() {
			continue
		}
		i := slices.IndexFunc(p.Employments, func(e identity.Employment) bool { return e.ID == q.Employment })
		e := p.Employments[i]
		a := r.answer(p, e, day)
		if a.err != nil {
			return a.err
		}
		if a.denies(n) {
			continue
		}
		given := Reason{By: q.By, Employment: e.ID, Request: q.ID}
		s := sumsOf(united, n)
		if why := r.Catalogue.Entitlements[n].Controls.excludes(e, day); !why.IsZero() {
			s.excluded, s.why = append(s.excluded, given), why
			continue
		}
		if _, asked := byRule[n]; !asked {
			byRule[n] = len(s.allow) > 0
		}
		s.allow = append(s.allow, given)
		if !byRule[n] {
			s.until = max(s.until, q.Until)
		}
	}
	return nil
}

// denies reports whether a rule denies an entitlement to an employment.
func (a *answer) denies(entitlement int) bool {
	return slices.ContainsFunc(a.given, func(g given) bool { return g.entitlement == entitlement && len(g.deny) > 0 })
}

// RequestEnds returns why a request gives nothing on a day, whatever else is decided; none
// when it does. What has ended does not begin again: a manager who changed and came back is a
// change.
func (r *Rules) RequestEnds(p identity.Person, day identity.Date, q Request) reason.Reason {
	if q.Until < day {
		return reason.Of(reason.RequestOver{Until: q.Until})
	}
	i := slices.IndexFunc(p.Employments, func(e identity.Employment) bool { return e.ID == q.Employment })
	if i < 0 || !p.Employments[i].ActiveOn(day) {
		return reason.Of(reason.RequestEmploymentOver{})
	}
	e := p.Employments[i]
	if why := r.changedSince(e, day, q); !why.IsZero() {
		return why
	}
	if r.leave == identity.LeaveReduces && e.OnLeave(day) || r.leave == identity.LeaveSuspends && worksElsewhere(p, e, day) {
		return reason.Of(reason.RequestOnLeave{})
	}
	return reason.Reason{}
}

// changedSince returns what changed about an employment between a request and a day: its
// manager or its unit. A unit that was renamed is the same.
func (r *Rules) changedSince(e identity.Employment, day identity.Date, q Request) reason.Reason {
	tree := r.Units.On(day)
	since := max(q.Since, e.Start)
	terms := []identity.Terms{e.On(since)} // what HR says today of that day: it may have come late
	for _, t := range e.Terms {
		if t.From > since && t.From <= day {
			terms = append(terms, t)
		}
	}
	for _, t := range terms {
		switch {
		case t.Manager(e.Key.Source) != q.Manager:
			return reason.Of(reason.RequestManagerChanged{})
		case tree.Current(t.Unit) != tree.Current(q.Unit):
			return reason.Of(reason.RequestUnitChanged{})
		}
	}
	return reason.Reason{}
}

// outlives reports whether a grant holds though a decision revokes the entitlement: a request
// that was approved after it gives it. What rules give, and earlier requests, are left out of
// the reasons then.
func (g *Grant) outlives(v Verdict, requests []Request) bool {
	newer := func(given Reason) bool {
		return given.Request != 0 && slices.ContainsFunc(requests, func(q Request) bool { return q.ID == given.Request && q.Decision > v.Decision })
	}
	if !slices.ContainsFunc(g.Reasons, newer) {
		return false
	}
	g.Reasons = slices.DeleteFunc(slices.Clone(g.Reasons), func(given Reason) bool { return !newer(given) })
	g.Until = ""
	for _, given := range g.Reasons {
		for _, q := range requests {
			if q.ID == given.Request {
				g.Until = max(g.Until, q.Until)
			}
		}
	}
	return true
}

// MostAccountDays is for how many days an account that is no person's is registered at most
// where no control says.
const MostAccountDays = 365

// defaultUnusedDays is after how many days without a sign-in a review asks, where no control
// says.
const defaultUnusedDays = 90

// UnusedAfter returns after how many days without a sign-in a review asks about a person.
func (c *Controls) UnusedAfter() int {
	if c.UnusedDays.Value > 0 {
		return c.UnusedDays.Value
	}
	return defaultUnusedDays
}

// AccountDaysAtMost returns for how many days an account that is no person's is registered or
// renewed at most, and the control that says so; empty without one.
func (c *Controls) AccountDaysAtMost() (days int, control string) {
	if c.AccountDays.Value > 0 {
		return c.AccountDays.Value, c.AccountDays.By
	}
	return MostAccountDays, ""
}

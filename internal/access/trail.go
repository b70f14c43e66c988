package access

import (
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Access is what a person had in a target, since when, until when, and why. Instants are
// UTC.
type Access struct {
	Person      Ref        `json:"person"`
	Target      string     `json:"target"`
	Entitlement string     `json:"entitlement"` // or "account", for a usable account
	Since       time.Time  `json:"since"`
	Until       *time.Time `json:"until,omitempty"`
	// NotSeenSince is since when no reading of the target shows it: whether it is still
	// there is unknown.
	NotSeenSince *time.Time `json:"not_seen_since,omitempty"`
	// Suspended is, of what a person has now, the decision by which they may not use it.
	Suspended Reason `json:"suspended,omitzero"`
	// Reason is why it was given, or of what a person has now why they have it: after a
	// move that may be a handover. Ended is why it ended.
	Reason  Reason  `json:"reason"`
	Ended   Reason  `json:"ended,omitzero"`
	Records []int64 `json:"records"` // of the audit trail
}

// Period is a stretch of time, From included and To not. A zero To has no end.
type Period struct{ From, To time.Time }

// During are the fields of a query about a period; now when it is nil.
func (v *View) during(q store.IntervalQuery, p *Period) store.IntervalQuery {
	if p == nil {
		return q.At(v.Now())
	}
	q.From, q.To = p.From, p.To
	return q
}

// WhoHad returns who had an entitlement, or any of a system, during a period, or has it now
// when it is nil. A viewer who may not see everyone gets those whom they may see. It
// refuses what does not exist, so that a misspelt one is not answered with an empty list.
func (v *View) WhoHad(of string, p *Period) ([]Access, error) {
	if s, known := v.Config.Rules.Catalogue.System(of); known {
		return v.whoHadSystem(s.ID, p)
	}
	return v.whoHad(of, p)
}

func (v *View) whoHad(entitlement string, p *Period) ([]Access, error) {
	intervals, err := v.DB.Intervals(v.ctx, v.during(store.IntervalQuery{Entitlement: entitlement}, p))
	if err != nil {
		return nil, err
	}
	if len(intervals) == 0 {
		if err := v.checkEntitlement(entitlement); err != nil {
			return nil, err
		}
	}
	if of, known := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(entitlement)); known {
		var people []identity.PersonID
		for _, i := range intervals {
			people = append(people, i.Person)
		}
		v.markOwned(of.System, people...)
	}
	return v.access(intervals, p == nil)
}

// whoHadSystem is whoHad for every entitlement of a system, in the catalogue's order.
func (v *View) whoHadSystem(system string, p *Period) ([]Access, error) {
	all := []Access{}
	for _, e := range v.Config.Rules.Catalogue.Entitlements {
		if e.System != system {
			continue
		}
		had, err := v.whoHad(string(e.ID), p)
		if err != nil {
			return nil, err
		}
		all = append(all, had...)
	}
	return all, nil
}

// AccessOf returns what a person had during a period, or has now when it is nil.
func (v *View) AccessOf(person identity.PersonID, p *Period) ([]Access, error) {
	intervals, err := v.DB.Intervals(v.ctx, v.during(store.IntervalQuery{Person: person}, p))
	if err != nil {
		return nil, err
	}
	return v.access(intervals, p == nil)
}

// access returns intervals as the viewer may see them. Of what people have now the reason
// is the one in force, and not the one it was given for.
func (v *View) access(intervals []audit.Interval, now bool) ([]Access, error) {
	var ids []identity.PersonID
	var numbers []int64
	var reasons []reason.Reason
	for _, x := range intervals {
		ids = append(ids, x.Person)
		reasons = append(reasons, x.Reason)
		if !x.Until.IsZero() {
			numbers = append(numbers, x.UntilRecord)
		}
	}
	whys, err := v.DB.RecordReasons(v.ctx, numbers)
	if err != nil {
		return nil, err
	}
	if err := v.Load(ids, slices.AppendSeq(reasons, maps.Values(whys))...); err != nil {
		return nil, err
	}
	var handed map[identity.PersonID]map[policy.EntitlementID]reason.Reason
	var suspended map[identity.PersonID]reason.Reason
	if now {
		if suspended, err = reconcile.Suspended(v.ctx, v.DB, ids); err != nil {
			return nil, err
		}
		if handed, err = v.handovers(ids); err != nil {
			return nil, err
		}
	}
	all := make([]Access, 0, len(intervals))
	for _, x := range intervals {
		if v.hides(x.Person) {
			continue
		}
		why := handed[x.Person][policy.EntitlementID(x.Entitlement)].Or(x.Reason)
		a := Access{Person: v.Ref(x.Person), Target: x.Target, Entitlement: x.Entitlement, Since: x.Since, Until: instant(x.Until), NotSeenSince: instant(x.UnseenSince),
			Suspended: v.Because(suspended[x.Person]), Reason: v.Because(why), Records: []int64{x.SinceRecord}}
		if a.NotSeenSince != nil {
			a.Records = append(a.Records, x.UnseenRecord)
		}
		if a.Until != nil {
			a.Ended = v.Because(whys[x.UntilRecord])
			a.Records = append(a.Records, x.UntilRecord)
		}
		all = append(all, a)
	}
	return all, nil
}

// handovers returns, of people today, the reasons of what they keep for a while though no
// rule gives it any more: by person and entitlement.
func (v *View) handovers(people []identity.PersonID) (map[identity.PersonID]map[policy.EntitlementID]reason.Reason, error) {
	handed := map[identity.PersonID]map[policy.EntitlementID]reason.Reason{}
	if !v.Config.Rules.HasHandovers() {
		return handed, nil
	}
	day := v.Today()
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(people))), 1000) {
		known, err := v.DB.PeopleByID(v.ctx, page)
		if err != nil {
			return nil, err
		}
		statuses, err := reconcile.PersonStatuses(v.ctx, v.DB, v.Config, known, day)
		if err != nil {
			return nil, err
		}
		for i, s := range statuses {
			grants, err := v.Config.Rules.Decide(s.Person, day, s.Facts)
			if err != nil {
				continue // whose access could not be worked out keeps it as it is
			}
			for _, g := range grants {
				if g.Gate != policy.Kept || g.Until == "" {
					continue
				}
				if handed[known[i].ID] == nil {
					handed[known[i].ID] = map[policy.EntitlementID]reason.Reason{}
				}
				handed[known[i].ID][g.Entitlement] = g.GateReason
			}
		}
	}
	return handed, nil
}

// Change is access that began or ended during a period.
type Change struct {
	At     time.Time `json:"at"`
	Began  bool      `json:"began"` // it ended otherwise
	Access Access    `json:"access"`
}

// Changes returns the access that began or ended during a period, in order of time.
func (v *View) Changes(p Period) ([]Change, error) {
	intervals, err := v.DB.Intervals(v.ctx, store.IntervalQuery{From: p.From, To: p.To, Changed: true})
	if err != nil {
		return nil, err
	}
	access, err := v.access(intervals, false)
	if err != nil {
		return nil, err
	}
	return changesIn(p, access), nil
}

// mostOfMine is of how many staff NearChanges tells.
const mostOfMine = 500

// NearChanges returns the newest access that began or ended since an instant, of the viewer
// and their staff, or of a viewer who may see everyone of all: at most so many, in order of
// time, and whether there are more.
func (v *View) NearChanges(since time.Time, most int) ([]Change, bool, error) {
	intervals, err := v.nearIntervals(since, most)
	if err != nil {
		return nil, false, err
	}
	access, err := v.access(intervals, false)
	if err != nil {
		return nil, false, err
	}
	changes := changesIn(Period{From: since}, access)
	over := len(changes) > most
	return changes[max(0, len(changes)-most):], over, nil
}

// nearIntervals returns the access of NearChanges, and maybe some more.
func (v *View) nearIntervals(since time.Time, most int) ([]audit.Interval, error) {
	if !v.everyone {
		near, err := v.relations()
		if err != nil {
			return nil, err
		}
		return v.DB.ChangedOf(v.ctx, near[:min(len(near), mostOfMine)], since)
	}
	began, err := v.DB.NewestChanged(v.ctx, false, since, most+1)
	if err != nil {
		return nil, err
	}
	ended, err := v.DB.NewestChanged(v.ctx, true, since, most+1)
	for _, e := range ended {
		if !slices.ContainsFunc(began, func(b audit.Interval) bool { return b.Key == e.Key && b.SinceRecord == e.SinceRecord }) {
			began = append(began, e)
		}
	}
	return began, err
}

// changesIn returns what began and ended during a period, in order of time.
func changesIn(p Period, access []Access) []Change {
	within := func(t time.Time) bool { return !t.IsZero() && !t.Before(p.From) && (p.To.IsZero() || t.Before(p.To)) }
	changes := []Change{}
	for _, a := range access {
		if within(a.Since) {
			changes = append(changes, Change{a.Since, true, a})
		}
		if a.Until != nil && within(*a.Until) {
			changes = append(changes, Change{*a.Until, false, a})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return a.At.Compare(b.At) })
	return changes
}

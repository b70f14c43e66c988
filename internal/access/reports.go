package access

import (
	"cmp"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// Report is what people reported of an employment and its HR source has not said yet.
type Report struct {
	Person     Ref        `json:"person"`
	Employment Employment `json:"employment"`
	// Ends is the reported last day; empty when the report is that the person is hired.
	Ends identity.Date `json:"ends,omitempty"`
	// On is the day of the report.
	On       identity.Date `json:"on"`
	Decision *Decision     `json:"decision,omitempty"`
	// Unconfirmed: the source has not said it within the days that the configuration gives it.
	Unconfirmed bool `json:"unconfirmed"`
}

// Reports are what is reported to behov.
type Reports struct {
	// Open wait for the HR source, the oldest first.
	Open []Report `json:"open"`
	// Overruled are the newest decisions by which an HR source said otherwise: what a report
	// took away is given again.
	Overruled []Decision `json:"overruled"`
}

// Waits reports whether a person has to look at a report.
func (r Reports) Waits() bool {
	return len(r.Overruled) > 0 || slices.ContainsFunc(r.Open, func(o Report) bool { return o.Unconfirmed })
}

// Reports returns what is reported, for a viewer who may see everyone; for others there is
// none.
func (v *View) Reports() (Reports, error) {
	out := Reports{Open: []Report{}, Overruled: []Decision{}}
	if v.Config.Forms == "" || !v.everyone {
		return out, nil
	}
	people, err := v.DB.PeopleWithReports(v.ctx)
	if err != nil {
		return out, err
	}
	days := v.Config.Sources[v.Config.Forms].ConfirmDays
	overruled, err := v.DB.OverruledReports(v.ctx, v.Now().AddDate(0, 0, -days))
	if err != nil {
		return out, err
	}
	var ids []identity.PersonID
	var numbers []int64
	for _, p := range people {
		ids = append(ids, p.ID)
		for _, e := range p.Employments {
			if e.Report != nil {
				numbers = append(numbers, e.Report.Decision)
			}
		}
	}
	decisions, err := v.DB.DecisionsBySeq(v.ctx, numbers)
	if err != nil {
		return out, err
	}
	for _, d := range slices.Concat(decisions, overruled) {
		ids = append(ids, d.Person)
		if maker, ok := d.Maker.Person(); ok {
			ids = append(ids, maker)
		}
	}
	if err := v.Load(ids); err != nil {
		return out, err
	}
	for _, p := range people {
		if _, sees := v.person(p.ID); sees == hidden {
			continue
		}
		out.Open = append(out.Open, v.reportsOf(p, decisions, v.Today().AddDays(-days))...)
	}
	slices.SortStableFunc(out.Open, func(a, b Report) int { return cmp.Compare(a.On, b.On) })
	for _, d := range overruled {
		out.Overruled = append(out.Overruled, v.Decision(d))
	}
	return out, nil
}

// reportsOf returns the open reports about a person. Those of a day before since are
// unconfirmed, unless the source has stopped listing the employment.
func (v *View) reportsOf(p identity.Person, decisions []store.Decision, since identity.Date) []Report {
	s := subject{Person: p, day: v.Today()}
	_, s.sees = v.person(p.ID)
	var all []Report
	for _, e := range p.Employments {
		if e.Report == nil {
			continue
		}
		r := Report{Person: v.Ref(p.ID), Employment: v.employment(s, e), Ends: e.Report.Last, On: e.Report.On, Unconfirmed: e.Report.On < since && e.Withdrawn == ""}
		if i := slices.IndexFunc(decisions, func(d store.Decision) bool { return d.Seq == e.Report.Decision }); i >= 0 {
			d := v.Decision(decisions[i])
			r.Decision = &d
		}
		all = append(all, r)
	}
	return all
}

package identity

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Terms are the terms of an employment from a day on, until the next terms.
type Terms struct {
	// From is the first day; empty on an employment's first terms, which apply
	// from its start.
	From       Date    `json:"from,omitempty"`
	Unit       string  `json:"unit,omitempty"`
	JobCode    string  `json:"job_code,omitempty"`
	JobTitle   string  `json:"job_title,omitempty"`
	Type       string  `json:"type,omitempty"`
	Percent    float64 `json:"percent,omitempty"`
	ManagerKey string  `json:"manager_key,omitempty"` // the source's key of the manager
	// ManagerSource is the source whose key ManagerKey is; empty for the employment's own.
	ManagerSource string `json:"manager_source,omitempty"`
	// Main is HR's own mark of the main employment.
	Main bool `json:"main,omitempty"`
	// Attributes are the organisation's custom columns, by name.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Stamp orders the source's statements about the same day; empty when the
	// source has none.
	Stamp string `json:"stamp,omitempty"`
}

// Same reports whether two terms are equal, apart from From and Stamp.
func (t Terms) Same(u Terms) bool {
	return t.Unit == u.Unit && t.JobCode == u.JobCode && t.JobTitle == u.JobTitle && t.Type == u.Type && t.Percent == u.Percent &&
		t.ManagerKey == u.ManagerKey && t.ManagerSource == u.ManagerSource && t.Main == u.Main && maps.Equal(t.Attributes, u.Attributes)
}

// Manager returns the key of the manager; the zero key without one. own is the source of
// the employment.
func (t Terms) Manager(own string) SourceKey {
	switch {
	case t.ManagerKey == "":
		return SourceKey{}
	case t.ManagerSource != "":
		own = t.ManagerSource
	}
	return SourceKey{Source: own, Key: t.ManagerKey}
}

// Leave is a leave of absence, the last day included; an empty end means no known
// end.
type Leave struct {
	Start Date `json:"start"`
	End   Date `json:"end,omitempty"`
}

// EmploymentFacts is what HR states about one employment. Dates are civil dates,
// the last day included.
type EmploymentFacts struct {
	Start Date `json:"start"`
	End   Date `json:"end,omitempty"`
	// StatedEnd is the day on which HR stated the end. Retention periods count
	// from that day when it is later than the end itself.
	StatedEnd Date    `json:"end_said,omitempty"`
	Leaves    []Leave `json:"leaves,omitempty"` // sorted by start
	Terms     []Terms `json:"terms"`            // sorted by From, never empty
	// SponsorKey is, on contracts that need a sponsor, the source's key of the
	// sponsor.
	SponsorKey string `json:"sponsor_key,omitempty"`
	// Stamp orders the source's statements about the dates, like Terms.Stamp.
	Stamp string `json:"stamp,omitempty"`
}

// Equal reports whether two sets of facts are equal, apart from StatedEnd.
func (f EmploymentFacts) Equal(g EmploymentFacts) bool {
	return f.Start == g.Start && f.End == g.End && f.SponsorKey == g.SponsorKey && f.Stamp == g.Stamp && slices.Equal(f.Leaves, g.Leaves) &&
		slices.EqualFunc(f.Terms, g.Terms, func(a, b Terms) bool { return a.From == b.From && a.Stamp == b.Stamp && a.Same(b) })
}

// On returns the terms on the day: the last that began by then, or otherwise the
// first.
func (f EmploymentFacts) On(day Date) Terms {
	for _, t := range slices.Backward(f.Terms) {
		if t.From <= day {
			return t
		}
	}
	if len(f.Terms) == 0 {
		return Terms{}
	}
	return f.Terms[0]
}

// Put inserts terms: it replaces those of the same day, unless they have a later
// stamp.
func Put(terms []Terms, t Terms) []Terms {
	i, found := slices.BinarySearchFunc(terms, t.From, func(u Terms, from Date) int { return cmp.Compare(u.From, from) })
	switch {
	case !found:
		return slices.Insert(slices.Clone(terms), i, t)
	case terms[i].Stamp > t.Stamp:
		return terms
	}
	out := slices.Clone(terms)
	out[i] = t
	return out
}

// Employment is one of a person's employments.
type Employment struct {
	ID  EmploymentID
	Key SourceKey
	// PersonKey is the source's key of the person.
	PersonKey string
	EmploymentFacts
	// Withdrawn is the day from which HR no longer lists the employment; empty
	// while HR does.
	Withdrawn Date
	// SponsorLeft: the employment ends earlier than HR states, with its sponsor's.
	SponsorLeft bool
	// Report is what a report says of the employment and its HR source does not, yet; nil
	// without one. What the source states does not change it (see package hr).
	Report *Report
}

// Report is what people report of an employment before its HR source says it: its end, or,
// of an employment of the source of reports, that it exists at all.
type Report struct {
	// Last is the reported last day; empty when the report is a hire.
	Last Date `json:"last,omitempty"`
	// Start and Stated are the first and the last day that the source stated when the end was
	// reported.
	Start  Date `json:"start,omitempty"`
	Stated Date `json:"stated,omitempty"`
	// Known are, of a hire, the person's other employments at that time: they are not what
	// the report waits for.
	Known []EmploymentID `json:"known,omitempty"`
	// On is the day of the report. Retention periods count from it as from StatedEnd.
	On Date `json:"on"`
	// Decision is the number of the decision of its maker.
	Decision int64 `json:"decision"`
}

// EndsByReport reports whether the employment ends by a report, and not by what its source
// states.
func (e Employment) EndsByReport() bool {
	if e.Report == nil || e.Report.Last == "" {
		return false
	}
	stated := e.SourceLastDay()
	return stated == "" || e.Report.Last < stated
}

// LastDay returns the last day of the employment, before the day on which HR
// withdrew it; empty when it has none. For an employment that never began it is
// before Start: HR withdrew it earlier, or cancelled it by an end on the day
// before the start.
func (e Employment) LastDay() Date {
	if e.EndsByReport() {
		return e.Report.Last
	}
	return e.SourceLastDay()
}

// SourceLastDay is LastDay by what the employment's own source states, whatever is
// reported.
func (e Employment) SourceLastDay() Date {
	if e.Withdrawn == "" {
		return e.End
	}
	before := e.Withdrawn.AddDays(-1)
	if e.End != "" && e.End < before {
		return e.End
	}
	return before
}

// HasStarted reports whether the employment was active on any day up to the given
// one.
func (e Employment) HasStarted(day Date) bool {
	return e.Start <= day && (e.LastDay() == "" || e.LastDay() >= e.Start)
}

// ActiveOn reports whether the employment is active on the day. A leave of
// absence does not end it; an employment whose last day is before its start is
// never active.
func (e Employment) ActiveOn(day Date) bool { return covers(e.Start, e.LastDay(), day) }

// OnLeave reports whether the person is on leave from the employment on the day.
func (e Employment) OnLeave(day Date) bool {
	return slices.ContainsFunc(e.Leaves, func(l Leave) bool { return covers(l.Start, l.End, day) })
}

// Active returns the employments that are active on the day.
func (p Person) Active(day Date) []Employment {
	var active []Employment
	for _, e := range p.Employments {
		if e.ActiveOn(day) {
			active = append(active, e)
		}
	}
	return active
}

// IsActive reports whether any employment is active on the day. It costs less than
// Active, which copies them.
func (p Person) IsActive(day Date) bool {
	return slices.ContainsFunc(p.Employments, func(e Employment) bool { return e.ActiveOn(day) })
}

// MainRule selects which of several employments gives a person their title, unit
// and manager. The order of criteria is: an operator's decision
// (Person.MainEmployment), then no leave, then HR's own mark, then the rule.
type MainRule string

// The rules. When one does not decide, the next one in this order does, and
// finally the smallest ID.
const (
	LargestPercent MainRule = "largest-percent"
	LatestStart    MainRule = "latest-start"
	EarliestStart  MainRule = "earliest-start"
)

// MainRules lists the rules.
var MainRules = []MainRule{LargestPercent, LatestStart, EarliestStart}

// Main returns the person's main employment on the day. When none is active it is
// the next one to start, and otherwise the one that ended last. It returns false
// when the person has no employment.
func (p Person) Main(day Date, rule MainRule) (Employment, bool) {
	if next, ok := p.nextStart(day); ok && !p.IsActive(day) {
		day = next
	}
	var main Employment
	found := false
	for _, e := range p.Employments {
		if !e.ActiveOn(day) {
			continue
		}
		if !found || p.compareMain(e, main, day, rule) < 0 {
			main, found = e, true
		}
	}
	if found || len(p.Employments) == 0 {
		return main, found
	}
	return slices.MinFunc(p.Employments, func(a, b Employment) int {
		return cmp.Or(strings.Compare(string(b.LastDay()), string(a.LastDay())), strings.Compare(string(a.ID), string(b.ID)))
	}), true
}

func (p Person) compareMain(a, b Employment, day Date, rule MainRule) int {
	x, y := a.On(day), b.On(day)
	percent, latest := cmp.Compare(y.Percent, x.Percent), cmp.Compare(b.Start, a.Start)
	by := []int{percent, latest}
	switch rule {
	case LatestStart:
		by = []int{latest, percent}
	case EarliestStart:
		by = []int{-latest, percent}
	}
	return cmp.Or(truth(b.ID == p.MainEmployment)-truth(a.ID == p.MainEmployment), truth(y.Main)-truth(x.Main), truth(a.OnLeave(day))-truth(b.OnLeave(day)), cmp.Or(by...), strings.Compare(string(a.ID), string(b.ID)))
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// nextStart returns the first day after the given one on which a known employment
// of the person starts.
func (p Person) nextStart(day Date) (Date, bool) {
	next := Date("")
	for _, e := range p.Employments {
		if e.Start > day && e.HasStarted(e.Start) && (next == "" || e.Start < next) {
			next = e.Start
		}
	}
	return next, next != ""
}

// endedOn returns the last day of the employments that have ended by the day;
// false when none of them was ever active.
func (p Person) endedOn(day Date) (Date, bool) {
	last := Date("")
	for _, e := range p.Employments {
		if e.HasStarted(day) && e.LastDay() != "" && e.LastDay() < day {
			last = max(last, e.LastDay())
		}
	}
	return last, last != ""
}

// latestStatedEnd returns the last day on which HR stated the end of an
// employment that has ended by the day.
func (p Person) latestStatedEnd(day Date) Date {
	learnt := Date("")
	for _, e := range p.Employments {
		if e.HasStarted(day) && e.LastDay() != "" && e.LastDay() < day {
			learnt = max(learnt, e.StatedEnd, e.Withdrawn)
			if e.EndsByReport() {
				learnt = max(learnt, e.Report.On)
			}
		}
	}
	return learnt
}

// ChangeDates returns the days after one and up to another on which the person's
// employments changed, sorted: the first day of each change.
func (p Person) ChangeDates(after, until Date) []Date {
	var turns []Date
	turn := func(d Date) {
		if d > after && d <= until {
			turns = append(turns, d)
		}
	}
	next := func(d Date) {
		if d != "" {
			turn(d.AddDays(1))
		}
	}
	for _, e := range p.Employments {
		turn(e.Start)
		next(e.LastDay())
		for _, t := range e.Terms {
			turn(t.From)
		}
		for _, l := range e.Leaves {
			turn(l.Start)
			next(l.End)
		}
	}
	slices.Sort(turns)
	return slices.Compact(turns)
}

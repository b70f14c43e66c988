package hr

import (
	"context"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Reports are what people report because the HR system does not have it yet: that an
// employment has ended, or that a person is hired. They are HR events of a source of their
// own (forms: true), each with the decision of its maker. A report bridges the time until
// the employment's own source says it:
//
//   - A reported end takes effect whatever the source lists: the employment ends on the
//     reported day, or on the source's own when that is earlier. An export that lists the
//     employment as before does not undo it, and neither does one that lacks it and lists it
//     again.
//   - When the source states an end that it did not state at the time of the report, or
//     begins the employment again after it, the report is closed and the source's dates count.
//     It is confirmed when the employment does not run any more by them, and overruled when
//     it does. An end that the source takes away is no such statement.
//   - A reported hire is a person and an employment of the source of reports. Another
//     source's record of the person joins it by the national identity number. When an
//     employment appears there that was not known at the time of the report, overlaps the
//     reported one and has its unit or its job, it takes the place of the reported one in the
//     same transaction.
//   - Until then a report is open, and who may report sees for how long.

// recordHires records the decision on each reported hire, and that it waits for another
// source.
func (r *run) recordHires(ctx context.Context, tx *store.Tx, events []identity.Event) error {
	if r.Hired == nil {
		return nil
	}
	for _, e := range events {
		if e.Kind != identity.EmploymentAdded {
			continue
		}
		p, _, err := tx.PersonByKey(ctx, identity.SourceKey{Source: r.Source.Name, Key: e.PersonKey})
		if err != nil {
			return err
		}
		d, err := r.Hired(ctx, tx, p, e.Employment)
		if err != nil {
			return err
		}
		report := identity.Report{On: r.today, Decision: d.Seq}
		for _, other := range p.Employments {
			if other.Key.Source != r.Source.Name {
				report.Known = append(report.Known, other.ID)
			}
		}
		if err := r.recordEvents(ctx, tx, []identity.Event{{Source: r.Source.Name, Kind: identity.EmploymentReported, Person: p.ID, Employment: e.Employment, Key: e.Key, PersonKey: e.PersonKey,
			Effective: r.today, Recorded: r.now, Report: &report}}); err != nil {
			return err
		}
	}
	return nil
}

// settleReports closes the reports that what was imported settles.
func (r *run) settleReports(ctx context.Context, tx *store.Tx) error {
	if r.Config.Forms == "" || r.Source.Forms {
		return nil
	}
	people, err := tx.PeopleWithReports(ctx)
	if err != nil {
		return err
	}
	for _, p := range people {
		for _, s := range settle(p, r.Config.Forms, r.today) {
			s.because.Import = r.record.ID
			if _, err := tx.Decide(ctx, store.Decision{Kind: store.ReportDecision, Verdict: s.verdict, Person: p.ID, Subject: store.EmploymentSubject(s.employment.ID), Maker: r.Actor, Because: reason.Of(s.because)}, r.now); err != nil {
				return err
			}
			if err := r.recordEvents(ctx, tx, CloseReport(p.ID, s.employment, r.Config.Forms, s.until, r.today, r.now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// settlement is a report that another source's statement closes.
type settlement struct {
	employment identity.Employment
	verdict    store.Verdict
	because    reason.ReportSettled
	// until is the first day without a reported employment.
	until identity.Date
}

// settle returns the person's reports that do not hold any more by what the employments'
// own sources say.
func settle(p identity.Person, forms string, today identity.Date) []settlement {
	var all []settlement
	for _, e := range p.Employments {
		if e.Report == nil {
			continue
		}
		s, closes := settleEnd(e, today)
		if e.Key.Source == forms {
			s, closes = settleHire(p, e, today)
		}
		if closes {
			s.employment = e
			all = append(all, s)
		}
	}
	return all
}

func settleEnd(e identity.Employment, today identity.Date) (settlement, bool) {
	report := e.Report
	last := e.SourceLastDay()
	over := last != "" && last < today
	switch {
	case e.Withdrawn != "": // it may be listed again: the report holds
		return settlement{}, false
	case e.Start != report.Start && e.Start > report.Last: // it begins again
	case e.End != "" && e.End != report.Stated:
	case e.End != "" && over: // it has run out as was stated before
	default:
		return settlement{}, false
	}
	s := settlement{verdict: store.Overrule, because: reason.ReportSettled{Employment: e.ID, Reported: report.Last, Last: last}}
	if over || last != "" && last <= report.Last {
		s.verdict = store.Confirm
	}
	return s, true
}

func settleHire(p identity.Person, reported identity.Employment, today identity.Date) (settlement, bool) {
	for _, e := range p.Employments {
		if e.Key.Source == reported.Key.Source || e.Withdrawn != "" || slices.Contains(reported.Report.Known, e.ID) || !isReported(e, reported) {
			continue
		}
		return settlement{verdict: store.Confirm, until: max(today, e.Start), because: reason.ReportSettled{Employment: e.ID, Last: e.SourceLastDay()}}, true
	}
	return settlement{}, false
}

// isReported reports whether an employment is the reported one: it overlaps it, and has its
// unit or its job.
func isReported(e, reported identity.Employment) bool {
	day := max(e.Start, reported.Start)
	for _, x := range []identity.Employment{e, reported} {
		if last := x.SourceLastDay(); last != "" && last < day {
			return false
		}
	}
	a, b := e.On(day), reported.On(day)
	return a.Unit != "" && a.Unit == b.Unit || a.JobCode != "" && a.JobCode == b.JobCode
}

// CloseReport returns the events that close a report. A reported employment ends on the day
// before until.
func CloseReport(person identity.PersonID, e identity.Employment, forms string, until, today identity.Date, now time.Time) []identity.Event {
	event := identity.Event{Source: forms, Person: person, Employment: e.ID, Key: e.Key.Key, PersonKey: e.PersonKey, Effective: today, Recorded: now}
	var all []identity.Event
	if e.Key.Source == forms {
		withdrawn := event
		withdrawn.Kind, withdrawn.Effective = identity.EmploymentWithdrawn, until
		all = append(all, withdrawn)
	}
	event.Kind = identity.EmploymentReported
	return append(all, event)
}

package config

import (
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// ReviewEvent is an event at which a review begins.
type ReviewEvent string

// The events.
const (
	OwnerChanged ReviewEvent = "owner-changed" // a system has another owner
	ClassRaised  ReviewEvent = "class-raised"  // the class of a system demands more
	LongLeave    ReviewEvent = "long-leave"    // a person has been on leave for leave_days
)

// ReviewEvents are all of them.
var ReviewEvents = []ReviewEvent{OwnerChanged, ClassRaised, LongLeave}

// ReviewSeries is a review that behov starts by itself: on days, or at events.
type ReviewSeries struct {
	Name string
	// Every says on which days it begins; nil when it does so at events.
	Every *rrule.RRule
	On    []ReviewEvent
	// System, Unit and Entitlement are what it is about, at most one of them; everything when
	// none is set. One at events is about the system or the person of the event.
	System, Unit, Entitlement string
	// Manager has the manager of each person answer, and not the owner of the system; with
	// ThenOwner the owner after the manager.
	Manager   bool
	ThenOwner bool
	Fallback  string // the reference of a person; empty without one
	Days      int    // for answers
	Revoke    bool   // what has no answer by the last day
	All       bool   // every holder is asked about
	// LeaveDays is how long a leave is long.
	LeaveDays int
}

// Last returns the newest day on which the series began or begins, up to a day; none before its
// first.
func (s ReviewSeries) Last(day identity.Date) (identity.Date, bool) {
	if s.Every == nil {
		return "", false
	}
	t, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		return "", false
	}
	last := s.Every.Before(t, true)
	return identity.Date(last.Format(time.DateOnly)), !last.IsZero()
}

type reviewSeriesYAML struct {
	// Every is a recurrence rule (RFC 5545), as FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1 or
	// FREQ=MONTHLY;INTERVAL=3.
	Every string `yaml:"every"`
	// From is the first day on which it can begin, as 2026-01-01. A rule without BYMONTHDAY and
	// the like counts from it. Default: 2020-01-01.
	From string `yaml:"from"`
	// On are events at which it begins, instead of every: owner-changed and class-raised, of a
	// system; long-leave, of a person.
	On []string `yaml:"on"`
	// System is what it is about, as library. Default: everything.
	System string `yaml:"system"`
	// Unit is what it is about instead: who works in it or below it.
	Unit string `yaml:"unit"`
	// Entitlement is what it is about instead, as library:desk.
	Entitlement string `yaml:"entitlement"`
	// Asks is who answers: owner, of the system of each question; manager, of each person; or
	// manager-then-owner: the owner when the manager says keep. Default: owner; manager for
	// long-leave.
	Asks string `yaml:"asks"`
	// Fallback is the employee number of the person who is asked where no one else can be.
	// Default: none.
	Fallback string `yaml:"fallback"`
	// Days is for how many days answers are awaited. Default: 30.
	Days int `yaml:"days"`
	// AfterDue is what becomes of access about which no answer came: keep or revoke. Default:
	// keep.
	AfterDue string `yaml:"after_due"`
	// All asks about every person who has access, also where a rule gives it. Default: false.
	All bool `yaml:"all"`
	// LeaveDays is after how many days a leave is long. Default: 90.
	LeaveDays int `yaml:"leave_days"`
}

const (
	// defaultAnswerDays and defaultLeaveDays are in days.
	defaultAnswerDays = 30
	defaultLeaveDays  = 90
	mostReviewDays    = 366
)

// reviews reads the reviews that behov starts by itself.
func reviews(doc *document, of map[string]reviewSeriesYAML, catalogue *policy.Catalogue, units *identity.Units) (all []ReviewSeries) {
	for _, name := range sortedKeys(of) {
		at := "$.reviews." + quoteKey(name)
		s := reviewSeries(doc, at, name, of[name])
		if _, ok := catalogue.System(s.System); s.System != "" && !ok {
			doc.report(at+".system", "there is no system %q in the catalogue", s.System)
		}
		if _, ok := catalogue.Entitlement(policy.EntitlementID(s.Entitlement)); s.Entitlement != "" && !ok {
			doc.report(at+".entitlement", "there is no entitlement %q in the catalogue", s.Entitlement)
		}
		if s.Unit != "" && !units.Has(s.Unit) {
			doc.report(at+".unit", "there is no unit %q", s.Unit)
		}
		all = append(all, s)
	}
	return all
}

func reviewSeries(doc *document, at, name string, y reviewSeriesYAML) ReviewSeries {
	s := ReviewSeries{Name: name, System: y.System, Unit: y.Unit, Entitlement: y.Entitlement, Fallback: y.Fallback, Days: y.Days, All: y.All, LeaveDays: y.LeaveDays}
	if s.Days == 0 {
		s.Days = defaultAnswerDays
	}
	if s.LeaveDays == 0 {
		s.LeaveDays = defaultLeaveDays
	}
	if s.Days < 1 || s.Days > mostReviewDays || s.LeaveDays < 1 || s.LeaveDays > mostReviewDays {
		doc.report(at, "days and leave_days must be 1 to %d", mostReviewDays)
	}
	for i, e := range y.On {
		event := ReviewEvent(e)
		if !slices.Contains(ReviewEvents, event) {
			doc.report(at+".on", "%q (number %d) is none of %s", e, i+1, strings.Join(texts(ReviewEvents), ", "))
		}
		s.On = append(s.On, event)
	}
	leave := slices.Contains(s.On, LongLeave)
	switch y.Asks {
	case "owner", "":
		s.Manager = y.Asks == "" && leave
	case "manager":
		s.Manager = true
	case "manager-then-owner":
		s.Manager, s.ThenOwner = true, true
	default:
		doc.report(at+".asks", "%q is none of owner, manager, manager-then-owner", y.Asks)
	}
	switch y.AfterDue {
	case "keep", "":
	case "revoke":
		s.Revoke = true
	default:
		doc.report(at+".after_due", "%q is neither keep nor revoke", y.AfterDue)
	}
	about := 0
	for _, of := range []string{s.System, s.Unit, s.Entitlement} {
		if of != "" {
			about++
		}
	}
	switch {
	case (y.Every == "") == (len(y.On) == 0):
		doc.report(at, "say when it begins: every, a recurrence rule as FREQ=YEARLY, or on, with events")
	case about > 1:
		doc.report(at, "a review is about one of system, unit and entitlement, or about everything")
	case len(y.On) > 0 && (s.Unit != "" || s.Entitlement != "" || leave && s.System != ""):
		doc.report(at, "a review at an event is about the system or the person of the event: remove system, unit and entitlement, or name the system of owner-changed and class-raised")
	}
	if y.Every != "" {
		s.Every = recurrence(doc, at, y)
	}
	return s
}

// recurrence reads on which days a series begins.
func recurrence(doc *document, at string, y reviewSeriesYAML) *rrule.RRule {
	from, err := time.Parse(time.DateOnly, y.From)
	if y.From == "" {
		from = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	} else if err != nil {
		doc.report(at+".from", "%q is no date: write it as 2026-01-01", y.From)
		return nil
	}
	if strings.Contains(strings.ToUpper(y.Every), "DTSTART") {
		doc.report(at+".every", "write the first day under from")
		return nil
	}
	o, err := rrule.StrToROption(y.Every)
	if err == nil && o.Freq > rrule.DAILY {
		doc.report(at+".every", "a review begins at most once a day: FREQ is YEARLY, MONTHLY, WEEKLY or DAILY")
		return nil
	}
	var rule *rrule.RRule
	if err == nil {
		o.Dtstart = from
		rule, err = rrule.NewRRule(*o)
	}
	if err != nil {
		doc.report(at+".every", "%q is no recurrence rule (%v): write it as FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1", y.Every, err)
		return nil
	}
	return rule
}

package identity

import "fmt"

// State is where a person stands in their working life, on a day.
type State string

// The states. A person who was erased is nobody any more: their rows are gone.
const (
	// Known: no employment runs, ran, or begins soon.
	Known State = "known"
	// PreHire: the first employment begins within Lifecycle.Prepare days.
	PreHire State = "pre-hire"
	Working State = "active"
	// OnLeave: on leave from every employment that runs.
	OnLeave State = "on-leave"
	// Between: one employment has ended and another will begin.
	Between State = "between-employments"
	// Ended: no employment runs or will; accounts are kept, disabled, until
	// Lifecycle.DeleteAfter days have passed.
	Ended State = "ended"
	// Retained: that time is over. Accounts are deleted, and what is known of
	// the person is kept until Lifecycle.EraseAfter days have passed.
	Retained State = "retained"
	// ToErase: that time is over too.
	ToErase State = "to-erase"
)

// LeaveRule says what a leave of absence does to what the rules give.
type LeaveRule string

// The rules of leave. A rule of the policy can say otherwise for itself.
const (
	// LeaveKeeps changes nothing.
	LeaveKeeps LeaveRule = "keep"
	// LeaveSuspends disables the accounts of whoever is on leave from every
	// employment; while another one runs, the one on leave gives nothing.
	LeaveSuspends LeaveRule = "suspend"
	// LeaveReduces gives nothing for an employment that the person is on leave
	// from.
	LeaveReduces LeaveRule = "reduce"
)

// LeaveRules lists them.
var LeaveRules = []LeaveRule{LeaveKeeps, LeaveSuspends, LeaveReduces}

// Lifecycle says what the states mean. The numbers are days.
type Lifecycle struct {
	// Prepare is how long before the first day accounts are made, disabled.
	Prepare int
	Leave   LeaveRule
	// KeepMemberships is how long after the last day memberships stay in the
	// accounts, which are disabled at once.
	KeepMemberships int
	// DeleteAfter is how long after the last day, or after the day on which we
	// learnt of it when that is later, accounts are deleted; zero is never.
	// EraseAfter is how long after it the person is erased; zero is never.
	DeleteAfter, EraseAfter int
	// Warn is how long before the end of something it is told.
	Warn int
}

// Stage is a person's state on a day.
type Stage struct {
	State State `json:"state"`
	// Since is the first day after the last employment, once it has ended; Next
	// the first day of the one to come.
	Since Date `json:"since,omitempty"`
	Next  Date `json:"next,omitempty"`
	// Why says it for people.
	Why string `json:"why"`
}

// StageOf derives a person's state on a day from their employments. A legal
// hold keeps everything that would be deleted.
func (l Lifecycle) StageOf(p Person, day Date, legalHold bool) Stage {
	active := p.Active(day)
	leave := 0
	for _, e := range active {
		leave += truth(e.OnLeave(day))
	}
	switch {
	case len(active) > 0 && leave == len(active):
		return Stage{State: OnLeave, Why: "on leave from every employment that runs"}
	case len(active) > 0:
		return Stage{State: Working, Why: "an employment runs"}
	}
	next, coming := p.NextStart(day)
	last, ended := p.EndedOn(day)
	switch {
	case coming && ended:
		return Stage{State: Between, Since: last.AddDays(1), Next: next, Why: fmt.Sprintf("no employment runs: the last one ended on %s, the next one starts on %s", last, next)}
	case coming && next.AddDays(-l.Prepare) <= day:
		return Stage{State: PreHire, Next: next, Why: fmt.Sprintf("no employment runs yet: the first one starts on %s", next)}
	case coming:
		return Stage{State: Known, Next: next, Why: fmt.Sprintf("no employment runs yet: the next one starts on %s", next)}
	case !ended && len(p.Employments) > 0:
		return Stage{State: Known, Why: "no employment runs, and none ever began: HR no longer lists it, or says that it never takes place"}
	case !ended && p.MergedInto != "":
		return Stage{State: Known, Why: "this record was found to be person " + string(p.MergedInto) + "'s"}
	case !ended:
		return Stage{State: Known, Why: "no employment is known"}
	}
	s := Stage{State: Ended, Since: last.AddDays(1), Why: p.ending(last)}
	kept := max(last, p.learnt(day)) // from when it is kept
	switch {
	case legalHold:
		s.Why += "; a legal hold keeps what would be deleted"
	case l.EraseAfter > 0 && kept.AddDays(l.EraseAfter) < day:
		s.State = ToErase
	case l.DeleteAfter > 0 && kept.AddDays(l.DeleteAfter) < day:
		s.State = Retained
		s.Why += fmt.Sprintf("; accounts are kept for %d days", l.DeleteAfter)
	}
	return s
}

// ending says how the last employment ended.
func (p Person) ending(last Date) string {
	for _, e := range p.Employments {
		if e.LastDay() != last {
			continue
		}
		switch {
		case e.Cut != "":
			return "no employment runs: " + e.Cut
		case e.Withdrawn != "" && e.LastDay() != e.End:
			return fmt.Sprintf("no employment runs: HR no longer lists the last one since %s", e.Withdrawn)
		}
	}
	return fmt.Sprintf("no employment runs: the last one ended on %s", last)
}

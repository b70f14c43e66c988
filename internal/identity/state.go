package identity

// State is a person's lifecycle state on a day.
type State string

// The states. An erased person has none, as their rows are deleted.
const (
	// Known: no employment is active, was active, or starts soon.
	Known State = "known"
	// PreHire: the first employment starts within Lifecycle.Prepare days.
	PreHire State = "pre-hire"
	Working State = "active"
	// OnLeave: on leave from every active employment.
	OnLeave State = "on-leave"
	// Between: one employment has ended and another will start.
	Between State = "between-employments"
	// Ended: no employment is or will be active; accounts are kept, disabled,
	// until Lifecycle.DeleteAfter days have passed.
	Ended State = "ended"
	// Retained: that period is over. Accounts are deleted, and the person's data
	// is kept until Lifecycle.EraseAfter days have passed.
	Retained State = "retained"
	// ToErase: that period is over too.
	ToErase State = "to-erase"
)

// States are all states, in the order of a lifecycle.
var States = []State{Known, PreHire, Working, OnLeave, Between, Ended, Retained, ToErase}

// LeaveRule defines how a leave of absence affects the access that rules give.
type LeaveRule string

// The leave rules. A policy rule may set its own.
const (
	// LeaveKeeps changes nothing.
	LeaveKeeps LeaveRule = "keep"
	// LeaveSuspends disables the accounts of a person on leave from every
	// employment; while another one is active, the one on leave gives nothing.
	LeaveSuspends LeaveRule = "suspend"
	// LeaveReduces gives nothing for an employment that the person is on leave
	// from.
	LeaveReduces LeaveRule = "reduce"
)

// LeaveRules lists the rules.
var LeaveRules = []LeaveRule{LeaveKeeps, LeaveSuspends, LeaveReduces}

// Lifecycle configures the states. The numbers are days.
type Lifecycle struct {
	// Prepare is how long before the first day accounts are created, disabled.
	Prepare int
	Leave   LeaveRule
	// KeepMemberships is how long after the last day the disabled accounts keep
	// their memberships.
	KeepMemberships int
	// DeleteAfter is how long after the last day, or after the day on which HR
	// stated it when that is later, accounts are deleted; zero means never.
	// EraseAfter is how long after it the person is erased; zero means never.
	DeleteAfter, EraseAfter int
	// Warn is how long before an end a notice is sent.
	Warn int
}

// Stage is a person's state on a day, with its dates.
type Stage struct {
	State State `json:"state"`
	// Since is the first day after the last employment that has ended; Next the
	// first day of the next one.
	Since Date       `json:"since,omitempty"`
	Next  Date       `json:"next,omitempty"`
	Cause StageCause `json:"cause"`
	// MergedInto is whose record this was found to be, with CauseMerged; Unlisted the day
	// since which HR does not list the last employment, with CauseUnlisted.
	MergedInto PersonID `json:"merged_into,omitempty"`
	Unlisted   Date     `json:"unlisted,omitempty"`
	// Reported is the number of the decision that reported the last employment's end, with
	// CauseReported.
	Reported int64 `json:"reported,omitempty"`
	// LegalHold: a legal hold keeps what would be deleted. KeptDays is how long accounts
	// were kept after the last day, once that is over.
	LegalHold bool `json:"legal_hold,omitempty"`
	KeptDays  int  `json:"kept_days,omitempty"`
}

// StageCause is why a person is in a state.
type StageCause string

// The causes.
const (
	CauseActive       StageCause = "active"
	CauseOnLeave      StageCause = "on-leave"
	CauseBetween      StageCause = "between"
	CauseStartsLater  StageCause = "starts-later"
	CauseNeverStarted StageCause = "never-started" // HR does not list it, or says that it never takes place
	CauseMerged       StageCause = "merged"
	CauseNoEmployment StageCause = "no-employment"
	CauseEnded        StageCause = "ended"
	CauseUnlisted     StageCause = "unlisted"     // HR does not list the last employment any more
	CauseSponsorLeft  StageCause = "sponsor-left" // without a successor
	CauseReported     StageCause = "reported"     // HR's source does not say so
)

// StageOf derives a person's state on a day from their employments. A legal
// hold keeps everything that would be deleted.
func (l Lifecycle) StageOf(p Person, day Date, legalHold bool) Stage {
	active, leave := 0, 0
	for _, e := range p.Employments {
		if e.ActiveOn(day) {
			active++
			leave += truth(e.OnLeave(day))
		}
	}
	switch {
	case active > 0 && leave == active:
		return Stage{State: OnLeave, Cause: CauseOnLeave}
	case active > 0:
		return Stage{State: Working, Cause: CauseActive}
	}
	next, coming := p.nextStart(day)
	last, ended := p.endedOn(day)
	switch {
	case coming && ended:
		return Stage{State: Between, Since: last.AddDays(1), Next: next, Cause: CauseBetween}
	case coming && next.AddDays(-l.Prepare) <= day:
		return Stage{State: PreHire, Next: next, Cause: CauseStartsLater}
	case coming:
		return Stage{State: Known, Next: next, Cause: CauseStartsLater}
	case !ended && len(p.Employments) > 0:
		return Stage{State: Known, Cause: CauseNeverStarted}
	case !ended && p.MergedInto != "":
		return Stage{State: Known, Cause: CauseMerged, MergedInto: p.MergedInto}
	case !ended:
		return Stage{State: Known, Cause: CauseNoEmployment}
	}
	s := Stage{State: Ended, Since: last.AddDays(1)}
	s.Cause, s.Unlisted, s.Reported = p.endCause(last)
	kept := max(last, p.latestStatedEnd(day)) // when retention starts
	switch {
	case legalHold:
		s.LegalHold = true
	case l.EraseAfter > 0 && kept.AddDays(l.EraseAfter) < day:
		s.State = ToErase
	case l.DeleteAfter > 0 && kept.AddDays(l.DeleteAfter) < day:
		s.State = Retained
		s.KeptDays = l.DeleteAfter
	}
	return s
}

// endCause returns how the last employment ended: since when HR does not list it, or which
// decision reported it.
func (p Person) endCause(last Date) (cause StageCause, unlisted Date, reported int64) {
	for _, e := range p.Employments {
		if e.LastDay() != last {
			continue
		}
		switch {
		case e.EndsByReport():
			return CauseReported, "", e.Report.Decision
		case e.SponsorLeft:
			return CauseSponsorLeft, "", 0
		case e.Withdrawn != "" && e.LastDay() != e.End:
			return CauseUnlisted, e.Withdrawn, 0
		}
	}
	return CauseEnded, "", 0
}

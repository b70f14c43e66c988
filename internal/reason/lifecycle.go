package reason

import "github.com/behov/behov/internal/identity"

// EmploymentActive says that an employment of the person is active.
type EmploymentActive struct{ kind }

// MFAOverdue says that the person has not enrolled for MFA in time, while access waited for it.
type MFAOverdue struct {
	kind
	Since identity.Date `json:"since"` // since when it has waited, or a pass was issued
	Count int           `json:"count"` // how many days the person had
}

// OnLeave says that the person is on leave from every active employment.
type OnLeave struct{ kind }

// BetweenEmployments says that one employment has ended and another will start.
type BetweenEmployments struct {
	kind
	Last identity.Date `json:"last"` // the last day of the one
	Next identity.Date `json:"next"` // the first day of the other
}

// StartsLater says that no employment has started yet.
type StartsLater struct {
	kind
	Next identity.Date `json:"next"` // the first day
}

// NeverStarted says that no employment ever started: HR does not list it any more, or says that it
// never takes place.
type NeverStarted struct{ kind }

// RecordMerged says that the record was found to be another person's.
type RecordMerged struct {
	kind
	Into identity.PersonID `json:"into"`
}

// NoEmployment says that no employment is known.
type NoEmployment struct{ kind }

// EmploymentEnded says that the last employment has ended.
type EmploymentEnded struct {
	kind
	Last identity.Date `json:"last"` // the last day
	Retention
}

// EmploymentUnlisted says that HR does not list the last employment any more.
type EmploymentUnlisted struct {
	kind
	Since identity.Date `json:"since"`
	Retention
}

// SponsorLeft says that the sponsor of the last contract has left without a successor.
type SponsorLeft struct {
	kind
	Last identity.Date `json:"last"` // the sponsor's last day
	Retention
}

// EndReported says that the last employment has ended by a report: HR's source does not
// state that end.
type EndReported struct {
	kind
	Last     identity.Date `json:"last"` // the last day
	Decision int64         `json:"decision"`
	Retention
}

// ReportSettled is why a report does not hold any more: of the import, the employment of
// HR's source, and its last day there.
type ReportSettled struct {
	kind
	Import     string                `json:"import"`
	Employment identity.EmploymentID `json:"employment"`
	// Reported is the last day of the report, for an ending; Last what HR's source states,
	// empty for none.
	Reported identity.Date `json:"reported,omitempty"`
	Last     identity.Date `json:"last,omitempty"`
}

// Retention is what happens to accounts and data after the last employment.
type Retention struct {
	// KeptDays is how long accounts were kept, once that is over.
	KeptDays  int  `json:"kept_days,omitempty"`
	LegalHold bool `json:"legal_hold,omitempty"` // a legal hold keeps what would be deleted
}

// OfStage returns the reason for what follows from a person's stage.
func OfStage(s identity.Stage) Reason {
	kept := Retention{KeptDays: s.KeptDays, LegalHold: s.LegalHold}
	switch s.Cause {
	case identity.CauseActive:
		return Of(EmploymentActive{})
	case identity.CauseOnLeave:
		return Of(OnLeave{})
	case identity.CauseBetween:
		return Of(BetweenEmployments{Last: s.Since.AddDays(-1), Next: s.Next})
	case identity.CauseStartsLater:
		return Of(StartsLater{Next: s.Next})
	case identity.CauseNeverStarted:
		return Of(NeverStarted{})
	case identity.CauseMerged:
		return Of(RecordMerged{Into: s.MergedInto})
	case identity.CauseEnded:
		return Of(EmploymentEnded{Last: s.Since.AddDays(-1), Retention: kept})
	case identity.CauseUnlisted:
		return Of(EmploymentUnlisted{Since: s.Unlisted, Retention: kept})
	case identity.CauseReported:
		return Of(EndReported{Last: s.Since.AddDays(-1), Decision: s.Reported, Retention: kept})
	case identity.CauseSponsorLeft:
		return Of(SponsorLeft{Last: s.Since.AddDays(-1), Retention: kept})
	}
	return Of(NoEmployment{})
}

// RetentionOver says that the person's data is destroyed, so many days after accounts were.
type RetentionOver struct {
	kind
	Because Reason `json:"because"`
	Days    int    `json:"days"`
}

// ContractEnds says that a contract ends soon, and the access with it.
type ContractEnds struct {
	kind
	Contract string        `json:"contract"`
	Last     identity.Date `json:"last"`
	Source   string        `json:"source"`
}

// SponsorSucceeded says that the sponsor of a contract has left, and the manager is the sponsor
// now.
type SponsorSucceeded struct {
	kind
	Contract string            `json:"contract"`
	By       identity.PersonID `json:"by"`
	Source   string            `json:"source"`
}

// SponsorLeaves says that the sponsor of a contract leaves soon.
type SponsorLeaves struct {
	kind
	Contract string        `json:"contract"`
	Last     identity.Date `json:"last"`
	Source   string        `json:"source"`
	// Next is the manager, who is the sponsor then; empty when there is none: the access
	// ends.
	Next identity.PersonID `json:"next,omitempty"`
}

// SponsorUnknown says that the source of sponsors does not have the sponsor of an employment.
type SponsorUnknown struct {
	kind
	Employment identity.EmploymentID `json:"employment"`
	Source     string                `json:"source"`
}

// Undecided says that nothing of the person's access is changed.
type Undecided struct {
	kind
	Because Reason `json:"because"`
}

// RecordHeld says that the record may be that of another person.
type RecordHeld struct {
	kind
	Person identity.PersonID `json:"person"`
	Other  identity.PersonID `json:"other"`
	// Columns are those of the other person that joining the two would change.
	Columns []string `json:"columns"`
}

// RecordOfErased says that the record is of a person who was erased.
type RecordOfErased struct{ kind }

// EvaluatorsDiffer says that the fast evaluator and Casbin do not agree about the person.
type EvaluatorsDiffer struct {
	kind
	Detail string `json:"detail"`
}

// EvaluationFailed says that the rules could not be evaluated for the person.
type EvaluationFailed struct {
	kind
	Detail string `json:"detail"`
}

// UnitClosed says that the unit of an employment is closed.
type UnitClosed struct {
	kind
	Unit string        `json:"unit"`
	Day  identity.Date `json:"day"`
}

// UnitUnknown says that the unit of an employment is not in the units file.
type UnitUnknown struct {
	kind
	Unit string `json:"unit"`
}

// SamePerson says that two records may be one person's, by what they have in common.
type SamePerson struct {
	kind
	InCommon []Likeness `json:"in_common"`
}

// Likeness is what two records have in common.
type Likeness string

// The likenesses.
const (
	SameNationalID   Likeness = "national-id"
	SameEmail        Likeness = "email"
	SameName         Likeness = "name"
	SameNameAndBirth Likeness = "name-and-birth"
)

// DuplicateHeld says that two records have the number and a name in common, and one gets nothing
// until it is decided whether they are one person's.
type DuplicateHeld struct {
	kind
	Person  identity.PersonID `json:"person"` // who was known before
	Held    identity.PersonID `json:"held"`
	Columns []string          `json:"columns"`
}

// Moved says that the person moved to another unit or job, and no rule gives the access.
type Moved struct {
	kind
	By identity.Date `json:"by"`
}

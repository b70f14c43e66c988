package reason

import "github.com/behov/behov/internal/identity"

// AskedNoRule says that a question is asked because no rule gives the access.
type AskedNoRule struct{ kind }

// AskedDecision says that a question is asked because a decision lets the person keep the
// access.
type AskedDecision struct{ kind }

// AskedHandover says that a question is asked because the access is left from earlier work.
type AskedHandover struct {
	kind
	Until identity.Date `json:"until"`
}

// AskedUnused says that a question is asked because the person was not signed in to the target
// for long.
type AskedUnused struct {
	kind
	Last identity.Date `json:"last,omitempty"` // empty for never
	Days int           `json:"days"`           // after how many it is asked
}

// AskedOutlier says that a question is asked because few others in the same unit and job have
// the access.
type AskedOutlier struct {
	kind
	With  int `json:"with"`  // how many of the others have it
	Count int `json:"count"` // the others
}

// AskedConflict says that a question is asked because the access is one side of a conflict.
type AskedConflict struct {
	kind
	Conflict string `json:"conflict"`
}

// AskedExemption says that a question is asked because the person is exempt from MFA for the
// access.
type AskedExemption struct{ kind }

// AskedAllowance says that a question is asked because a decision allows the person a conflict.
type AskedAllowance struct{ kind }

// AskedOfAll says that a question is asked because every holder of the access is asked about.
type AskedOfAll struct {
	kind
	Control string `json:"control,omitempty"` // that demands it; empty when who started the review does
}

// AskedClosed says that a question is asked because the person has the access though a gate is
// closed.
type AskedClosed struct{ kind }

// AskedRule says that a rule is asked about once, for all whom it gives something in a system.
type AskedRule struct {
	kind
	Count  int `json:"count"`
	Before int `json:"before"` // when it was last asked about; -1 when it never was
}

// KeptUntil says that a decision let the person keep the entitlement until a day.
type KeptUntil struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
	Until    identity.Date  `json:"until"` // the last day
}

// ReviewUnanswered says that no one answered by the last day of a review, and what the review
// said would follow.
type ReviewUnanswered struct {
	kind
	Review int64         `json:"review"`
	Due    identity.Date `json:"due"`
}

// ReviewClosed says that the last day of a review passed.
type ReviewClosed struct {
	kind
	Review   int64  `json:"review"`
	Count    int    `json:"count"` // questions without an answer
	AfterDue string `json:"after_due"`
}

// NoReview says that there is no such review.
type NoReview struct {
	kind
	Review int64 `json:"review"`
}

// ReviewSigned says that a review was signed off, so that no answer can change.
type ReviewSigned struct {
	kind
	Review int64 `json:"review"`
}

// ReviewOpen says that a review cannot be signed off yet.
type ReviewOpen struct {
	kind
	Review int64 `json:"review"`
	Count  int   `json:"count"` // questions without an answer
}

// NotAboutRule says that a question about a rule has no such answer.
type NotAboutRule struct {
	kind
	Item    string `json:"item"`
	Verdict string `json:"verdict"`
}

// AnsweredAlready says that another person must answer the question too.
type AnsweredAlready struct {
	kind
	Item string `json:"item"`
}

// NotKeptTogether says that a question is answered by itself: few others in the same unit and
// job have the access, so that it is not kept along with others.
type NotKeptTogether struct {
	kind
	Item string `json:"item"`
}

// NoOtherReviewer says that there is no other person to ask.
type NoOtherReviewer struct {
	kind
	Item string `json:"item"`
}

// ReviewerAway says that a person cannot be asked because they do not work here, or the
// question is about them.
type ReviewerAway struct {
	kind
	Item string `json:"item"`
}

// NothingToReview says that there is no access to ask about.
type NothingToReview struct{ kind }

// UntilPassed says that the last day of what is kept is before today.
type UntilPassed struct {
	kind
	Until identity.Date `json:"until"`
}

// ReviewOfOne says that a review is about exactly one of a system, a unit, an entitlement,
// people and everything.
type ReviewOfOne struct{ kind }

// ReviewLacks says that a review does not ask about what a person has.
type ReviewLacks struct {
	kind
	Person      identity.PersonID `json:"person"`
	Entitlement string            `json:"entitlement"`
}

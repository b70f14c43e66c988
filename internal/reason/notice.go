package reason

import "github.com/behov/behov/internal/identity"

// ThingsWait says how many things wait for a person.
type ThingsWait struct {
	kind
	Count int `json:"count"`
}

// ReviewAsks says that a review asks a person questions.
type ReviewAsks struct {
	kind
	Review int64         `json:"review"`
	Count  int           `json:"count"`
	Due    identity.Date `json:"due,omitempty"` // the last day for answers
}

// ReviewAnswersMissing tells a manager that questions of a review are not answered by one of
// their staff.
type ReviewAnswersMissing struct {
	kind
	Review int64         `json:"review"`
	Count  int           `json:"count"`
	Due    identity.Date `json:"due"` // the last day for answers
}

// ApprovalAwaited says that a request waits for a person to approve or refuse it.
type ApprovalAwaited struct {
	kind
	Request     int64  `json:"request"`
	Entitlement string `json:"entitlement"`
}

// ApprovalUnanswered tells a manager that a request has waited for a person whose manager they
// are.
type ApprovalUnanswered struct {
	kind
	Request     int64         `json:"request"`
	Entitlement string        `json:"entitlement"`
	Since       identity.Date `json:"since"` // when it was asked
}

// AccessEnds says that access by a request ends soon.
type AccessEnds struct {
	kind
	Request     int64         `json:"request"`
	Entitlement string        `json:"entitlement"`
	Until       identity.Date `json:"until"` // the last day
}

// RevisionLate says that a system was not gone through for a year.
type RevisionLate struct {
	kind
	System string        `json:"system"`
	Due    identity.Date `json:"due,omitempty"` // the day by which it was due; empty when it never was done
}

// RevisionUnanswered tells a manager the same of a system of a person whose manager they are.
type RevisionUnanswered struct {
	kind
	System string `json:"system"`
}

// MFAAwaited says that access waits until a person is enrolled for MFA.
type MFAAwaited struct {
	kind
	Count int           `json:"count"`           // of entitlements
	Until identity.Date `json:"until,omitempty"` // the last day before the accounts are suspended
}

// MFAMissing tells a manager the same of a person whose manager they are.
type MFAMissing struct {
	kind
	Count int           `json:"count"`           // of entitlements
	Until identity.Date `json:"until,omitempty"` // the last day before the accounts are suspended
}

// PassNeeded tells a manager that one of their staff has begun, and needs a pass to enrol for MFA.
type PassNeeded struct {
	kind
	Start identity.Date `json:"start"`
}

package reason

// SystemsOwned says how many systems have an owner who works here.
type SystemsOwned struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// SystemsClassified says how many systems have an information class.
type SystemsClassified struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// RevisionsInTime says how many systems and policies were gone through in the last year.
type RevisionsInTime struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// ReviewsInTime says how many of the systems whose class demands reviews were reviewed in time.
type ReviewsInTime struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// AccessExplained says how much of the access has a reason.
type AccessExplained struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// AccessWithinControls says how much access people have that a control does not let them have.
type AccessWithinControls struct {
	kind
	Count int `json:"count"`
}

// HoldersWithoutMFA says how often a person has something in a system and is not enrolled for MFA.
type HoldersWithoutMFA struct {
	kind
	Count int `json:"count"`
}

// EnrolmentUnknown says that no target tells who is enrolled for MFA.
type EnrolmentUnknown struct{ kind }

// ConflictsHeld says how many people have both sides of a segregation of duties.
type ConflictsHeld struct {
	kind
	Count int `json:"count"`
}

// NoConflictsDefined says that no segregation of duties is defined.
type NoConflictsDefined struct{ kind }

// AccountsOwned says how many accounts of the register have an owner who works here.
type AccountsOwned struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// LeaversOpen says how many people have no employment any more and an account that can be used.
type LeaversOpen struct {
	kind
	Count int `json:"count"`
}

// TargetsRead says how many targets were read in the last day, as a whole.
type TargetsRead struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// ServicesAnswered says for how many service accounts a person who works here is responsible.
type ServicesAnswered struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// SuppliersKnown says of how many systems the supplier is known.
type SuppliersKnown struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

// DataOutside says of how many systems data lies in a country that a control flags or refuses.
type DataOutside struct {
	kind
	Count int `json:"count"`
}

// TrailKept says how many records the audit trail has.
type TrailKept struct {
	kind
	Count int `json:"count"`
}

// SignInConfigured says that people sign in at the organisation's identity provider.
type SignInConfigured struct{ kind }

// SignInMissing says that no identity provider is configured.
type SignInMissing struct{ kind }

// RulesTested says how many of the tests of the rules pass.
type RulesTested struct {
	kind
	Count int `json:"count"`
	Of    int `json:"of"`
}

package reason

import (
	"time"

	"github.com/behov/behov/internal/identity"
)

// EmergencyTaken says that access was taken in an emergency, and is not approved yet.
type EmergencyTaken struct {
	kind
	Request     int64             `json:"request"`
	Entitlement string            `json:"entitlement"`
	Person      identity.PersonID `json:"person"`
	Until       identity.Date     `json:"until"` // the last day
}

// HoldWaits says that a hold waits for a decision.
type HoldWaits struct {
	kind
	Hold    string `json:"hold"`
	Subject string `json:"subject"` // the target, or the HR source
	Because Reason `json:"because"`
}

// StepsWait says that failed steps wait for an operator.
type StepsWait struct {
	kind
	Target string `json:"target"`
	Count  int    `json:"count"`
}

// SourceSilent says that nothing new has come from an HR source.
type SourceSilent struct {
	kind
	Source string    `json:"source"`
	Since  time.Time `json:"since"` // UTC
}

// ExportRefused says that nothing of what an HR source gave was read.
type ExportRefused struct {
	kind
	Source string    `json:"source"`
	At     time.Time `json:"at"` // UTC
}

// RowsLeftOut says that rows of an HR source could not be used.
type RowsLeftOut struct {
	kind
	Source string    `json:"source"`
	Count  int       `json:"count"`
	Rows   int       `json:"rows"` // of all
	At     time.Time `json:"at"`   // UTC
}

// TargetSilent says that a target has not answered, or not done what it was asked for.
type TargetSilent struct {
	kind
	Target string    `json:"target"`
	Hours  string    `json:"hours"` // for how long at least, as time.Duration prints it
	Read   time.Time `json:"read"`  // when it was read last, UTC
}

// LogUnpublished says that the log of the audit trail cannot be published.
type LogUnpublished struct {
	kind
	Place  string `json:"place"`
	Detail string `json:"detail"`
}

// EvaluatorsDisagree says that the fast evaluator and Casbin do not agree about people.
type EvaluatorsDisagree struct {
	kind
	Count int    `json:"count"`
	First string `json:"first"`
}

// TokenEndless says that a token never expires.
type TokenEndless struct {
	kind
	Token  string `json:"token"`
	Source string `json:"source"`
}

// TokenExpired says that a token has expired.
type TokenExpired struct {
	kind
	Token  string    `json:"token"`
	Source string    `json:"source"`
	At     time.Time `json:"at"` // UTC
}

// TokenExpires says that a token expires soon.
type TokenExpires struct {
	kind
	Token  string    `json:"token"`
	Source string    `json:"source"`
	At     time.Time `json:"at"` // UTC
}

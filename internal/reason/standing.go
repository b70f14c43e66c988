package reason

import "github.com/behov/behov/internal/identity"

// ServiceUnattended says that none of the people who are responsible for a service account
// works here: its tokens are refused.
type ServiceUnattended struct {
	kind
	Service string `json:"service"`
	Count   int    `json:"count"` // tokens that neither expired nor were revoked
}

// ServiceEnds says that the last of the people who are responsible for a service account
// leaves soon: its tokens are refused from the day on.
type ServiceEnds struct {
	kind
	Service string        `json:"service"`
	Count   int           `json:"count"` // tokens that neither expired nor were revoked
	Day     identity.Date `json:"day"`   // the first on which none works here
}

// ServiceUndeclared says that tokens are of a service account that is not in the
// configuration: they are refused.
type ServiceUndeclared struct {
	kind
	Service string `json:"service"`
	Count   int    `json:"count"` // tokens that neither expired nor were revoked
}

// GrantHeld says that the person has what is granted.
type GrantHeld struct{ kind }

// GrantNext says that the next run grants it.
type GrantNext struct{ kind }

// GrantSuspended says that the person is suspended, and may not use what is granted.
type GrantSuspended struct{ kind }

// GrantWaits says that the grant waits for what it needs, as MFA.
type GrantWaits struct{ kind }

// GrantKept says that the person keeps what no rule gives, or what would not be granted now.
type GrantKept struct{ kind }

// GrantEnds says that the next run takes away what the person has.
type GrantEnds struct{ kind }

// GrantMissing says that the person has not what was asked for.
type GrantMissing struct{ kind }

// GrantUnexplained says that the person has what no rule, request or decision gives.
type GrantUnexplained struct{ kind }

// StuckStep is a step that a target did not do. It is tried again, unless an operator has
// to decide (Parked) or gave it up.
type StuckStep struct {
	Step    string `json:"step"` // its key
	Count   int    `json:"count"`
	Last    Reason `json:"last"` // what the target said last
	Parked  bool   `json:"parked,omitempty"`
	GivenUp bool   `json:"given_up,omitempty"`
}

// GrantStuck says that a step stands between the person and what is granted.
type GrantStuck struct {
	kind
	StuckStep
}

// RevokeStuck says that the step that takes away what the person has was not done.
type RevokeStuck struct {
	kind
	StuckStep
}

// HeldGrant is a step that is held, or was rejected.
type HeldGrant struct {
	Hold     string `json:"hold"` // its digest
	Rejected bool   `json:"rejected,omitempty"`
}

// GrantOnHold says that the step that grants the entitlement is held.
type GrantOnHold struct {
	kind
	HeldGrant
}

// RevokeOnHold says that the step that takes away what the person has is held.
type RevokeOnHold struct {
	kind
	HeldGrant
}

package reason

import "github.com/behov/behov/internal/identity"

// Rule says that a rule gives or denies the entitlement.
type Rule struct {
	kind
	Rule    string `json:"rule"`
	Version string `json:"version"`
	Place   string `json:"place"` // file:line
	// Via is the path of roles from the rule to the entitlement; empty when the rule names
	// the entitlement itself.
	Via string `json:"via,omitempty"`
	Why string `json:"why,omitempty"` // as the rule's author wrote it
}

// Kept says that a decision lets the person keep what no rule gives.
type Kept struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
}

// Revoked says that a decision took the entitlement away.
type Revoked struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
}

// Requested says that a request gives the entitlement.
type Requested struct {
	kind
	Request  int64          `json:"request"`  // its number
	Decision int64          `json:"decision"` // the last approval
	Maker    identity.Actor `json:"maker"`
	Until    identity.Date  `json:"until"` // the last day
}

// EmergencyAccess says that the entitlement was taken at once, and that the request is
// approved afterwards.
type EmergencyAccess struct {
	kind
	Request  int64          `json:"request"`  // its number
	Decision int64          `json:"decision"` // by which it was taken
	Maker    identity.Actor `json:"maker"`
	Until    identity.Date  `json:"until"` // the last day
}

// RequestOver says that the last day of a request has passed.
type RequestOver struct {
	kind
	Until identity.Date `json:"until"`
}

// RequestEmploymentOver says that the employment that a request was made for is not active.
type RequestEmploymentOver struct{ kind }

// RequestOnLeave says that the person is on leave from the employment that a request was made
// for.
type RequestOnLeave struct{ kind }

// RequestManagerChanged says that the employment has another manager than when the request was
// made.
type RequestManagerChanged struct{ kind }

// RequestUnitChanged says that the employment is in another unit than when the request was
// made.
type RequestUnitChanged struct{ kind }

// Denied says that a rule denies the entitlement.
type Denied struct {
	kind
	By Reason `json:"by"`
}

// HandedOver says that the rules no longer give the entitlement, and the person keeps it for a
// while.
type HandedOver struct {
	kind
	Until identity.Date `json:"until"` // the last day
	Given Reason        `json:"given"` // the reason that it had
}

// MFANotEnrolled says that the entitlement needs MFA, and the person is not enrolled.
type MFANotEnrolled struct{ kind }

// MFAUnknown says that the entitlement needs MFA, and the target did not say whether the person is
// enrolled.
type MFAUnknown struct{ kind }

// MFAExempt says that a decision lets the person have what needs MFA without it.
type MFAExempt struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
	Until    identity.Date  `json:"until"` // the last day
}

// MFAEnrolled says that the person was seen to be enrolled for MFA.
type MFAEnrolled struct {
	kind
	Method string `json:"method"` // a policy.Method: that of the strongest method
}

// MFAEnded says that the person was seen not to be enrolled for MFA any more.
type MFAEnded struct{ kind }

// MFATooWeak says that the person's method of MFA is weaker than a control demands.
type MFATooWeak struct {
	kind
	Has     string `json:"has"` // a policy.Method
	Needs   string `json:"needs"`
	Control string `json:"control,omitempty"`
}

// TypeExcluded says that a control does not let people have access by employments of a type.
type TypeExcluded struct {
	kind
	Type    string `json:"type"`
	Control string `json:"control"`
}

// SourceExcluded says that a control does not let people have access by employments of an HR
// source.
type SourceExcluded struct {
	kind
	Source  string `json:"source"`
	Control string `json:"control"`
}

// WithheldFromProtected says that a control withholds access from people with protected
// identity.
type WithheldFromProtected struct {
	kind
	Control string `json:"control"`
}

// NotScreened says that a control demands a screening, and the person has none.
type NotScreened struct {
	kind
	Control string `json:"control"`
}

// ScreeningEnded says that a control demands a screening, and the person's has ended.
type ScreeningEnded struct {
	kind
	Until   identity.Date `json:"until"` // the last day
	Control string        `json:"control"`
}

// DataOutsideEU says that a control refuses data, or a supplier, outside the EU.
type DataOutsideEU struct {
	kind
	Country string `json:"country"` // two letters
	Control string `json:"control"`
}

// InConflict says that the person has what may not go together with the entitlement.
type InConflict struct {
	kind
	Conflict string `json:"conflict"`
	With     string `json:"with"` // the entitlement of another side
	Why      string `json:"why"`  // as the conflict's author wrote it
}

// ConflictAllowed says that a decision lets the person have both sides of a conflict.
type ConflictAllowed struct {
	kind
	Conflict string         `json:"conflict"`
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
	Until    identity.Date  `json:"until"` // the last day
}

// Ready says that a grant does not wait any more.
type Ready struct{ kind }

// Suspended says that a decision suspends the person.
type Suspended struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
}

// LegalHold says that a decision keeps the person's data and accounts from being deleted.
type LegalHold struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
}

// NoRule says that no rule gives the access, which was found in the target.
type NoRule struct{ kind }

// CommonAccess says that many people with a job, in a unit, or both, have an entitlement that
// no rule gives them.
type CommonAccess struct {
	kind
	Have int    `json:"have"` // of them, so many have it
	Of   int    `json:"of"`
	Job  string `json:"job,omitempty"`
	Unit string `json:"unit,omitempty"`
}

// RulesSimulated says what the simulation of a version of the rules said when it was
// proposed. People with protected identity are not counted: a rule of one's own could tell who
// they are.
type RulesSimulated struct {
	kind
	Plan  string `json:"plan"`  // the digest
	Count int    `json:"count"` // of the people concerned
	Begin int    `json:"begin"` // how many grants begin
	End   int    `json:"end"`   // how many grants end
	Steps int    `json:"steps"`
	Holds int    `json:"holds"` // that a run would raise
}

// RulesNotApproved says that a version of the rules is not approved, so that nothing is changed
// by it.
type RulesNotApproved struct {
	kind
	Digest string `json:"digest"`
}

// ApprovalNotRequired says that versions of the rules need no approval.
type ApprovalNotRequired struct{ kind }

// NoRulesWaiting says that no version of the rules that waits for approval has a digest that
// begins so.
type NoRulesWaiting struct {
	kind
	Prefix string `json:"prefix"`
}

// RulesInForce says that the rules in the directory are those in use, or wait already.
type RulesInForce struct {
	kind
	Digest string `json:"digest"`
}

// RulesUnusable says that a version of the rules cannot be used with the configuration as it
// is now.
type RulesUnusable struct {
	kind
	Digest string `json:"digest"`
	Detail string `json:"detail"`
}

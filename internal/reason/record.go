package reason

import (
	"time"

	"github.com/behov/behov/internal/identity"
)

// With adds to a reason what came of it.
type With struct {
	kind
	Because Reason `json:"because"`
	Note    Reason `json:"note"`
}

// Answer: what a target answered, in its own words.
type Answer struct {
	kind
	Text string `json:"text"`
}

// Resolved: the outcome was found out by reading the target, after a run that was stopped.
type Resolved struct {
	kind
	Detail Reason `json:"detail"` // the unusable answer that the target had given; null without one
}

// PasswordMaybeLost: the first password may never have been handed over.
type PasswordMaybeLost struct{ kind }

// NotAsked: the run stopped before the target was asked.
type NotAsked struct{ kind }

// ReleaseWithdrawn: the release of the step was taken back.
type ReleaseWithdrawn struct{ kind }

// ChangedSince: something new is known of the person since this was planned.
type ChangedSince struct{ kind }

// LimitReached: more people are concerned than may be at a time.
type LimitReached struct{ kind }

// ValueChanged: the value of an attribute is not the one that was planned.
type ValueChanged struct {
	kind
	Attribute string `json:"attribute"`
}

// ReferenceMissing: the account that an attribute refers to is not there.
type ReferenceMissing struct {
	kind
	Attribute string `json:"attribute"`
}

// PausedSince: a decision paused the target after this was planned.
type PausedSince struct {
	kind
	Decision int64 `json:"decision"`
}

// StillSignsIn: the account is marked as disabled, and can sign in.
type StillSignsIn struct {
	kind
	Detail string `json:"detail"`
}

// Retired: the target was retired before the outcome was seen.
type Retired struct{ kind }

// OtherRun: steps were left to other runs.
type OtherRun struct {
	kind
	Count int `json:"count"`
}

// RulesUsed: a version of the rules is in use.
type RulesUsed struct {
	kind
	Digest string `json:"digest"`
}

// ConfigUsed: a version of the configuration is in use.
type ConfigUsed struct {
	kind
	Digest string `json:"digest"`
}

// VersionUsed: a version of the program is in use.
type VersionUsed struct {
	kind
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// DecisionMade: a decision was made.
type DecisionMade struct {
	kind
	Decision int64  `json:"decision"`
	Of       string `json:"of"` // the kind of decision
	Subject  string `json:"subject,omitempty"`
	Verdict  string `json:"verdict"`
	Why      string `json:"why,omitempty"` // as the maker wrote it; empty when it is sealed
	Because  Reason `json:"because"`       // of a decision that behov itself made; null of others
}

// ByDecision: a decision says so.
type ByDecision struct {
	kind
	Decision int64  `json:"decision"`
	Detail   Reason `json:"detail"` // null without one
}

// HoldRaised: a hold was raised.
type HoldRaised struct {
	kind
	Hold    string `json:"hold"`
	Of      string `json:"of"` // the kind of hold
	Because Reason `json:"because"`
}

// HoldExpired: a hold was not decided in time.
type HoldExpired struct {
	kind
	Hold   string    `json:"hold"`
	Of     string    `json:"of"`
	Raised time.Time `json:"raised"` // UTC
}

// ReviewStarted: a review of a system was started.
type ReviewStarted struct {
	kind
	Review int64  `json:"review"`
	System string `json:"system"`
	Count  int    `json:"count"` // of items
}

// MoverReview: a review of what a mover keeps was started.
type MoverReview struct {
	kind
	Review  int64  `json:"review"`
	Count   int    `json:"count"`
	Because Reason `json:"because"`
}

// EnabledInTarget: the account is enabled in the target, and behov did not enable it.
type EnabledInTarget struct{ kind }

// AccessFound: the access was seen in the target, and behov did not give it.
type AccessFound struct{ kind }

// SeenAgain: the access is seen in the target again.
type SeenAgain struct{ kind }

// DisabledEarlier: behov disabled the account before, and the target shuts it out by now.
type DisabledEarlier struct{ kind }

// DisabledByOthers: the account was disabled in the target, not by behov.
type DisabledByOthers struct{ kind }

// OnlyInFormerGroup: the account is a member of the entitlement's former group only,
// where behov did not put it.
type OnlyInFormerGroup struct {
	kind
	Group string `json:"group"`
}

// AccessGone: the access is no longer in the target, and behov did not take it away.
type AccessGone struct{ kind }

// AccountUnseen: the account is not seen in the target any more.
type AccountUnseen struct{ kind }

// EntitlementUnseen: the entitlement is not seen in the target any more.
type EntitlementUnseen struct{ kind }

// Imported: an export was imported.
type Imported struct {
	kind
	Import string `json:"import"`
	SHA256 string `json:"sha256"` // of the file
	Rows   int    `json:"rows"`
	Bad    int    `json:"bad"` // rows with errors
	Events int    `json:"events"`
}

// ImportRefused: an export was refused.
type ImportRefused struct {
	kind
	Import string `json:"import"`
	SHA256 string `json:"sha256"`
}

// ImportHeld: an import, or a part of it, is held.
type ImportHeld struct {
	kind
	Import  string `json:"import"`
	Because Reason `json:"because"`
}

// LateEvent: an HR event took effect before it was recorded.
type LateEvent struct {
	kind
	Event      string                `json:"event"`
	Employment identity.EmploymentID `json:"employment"`
	Effective  identity.Date         `json:"effective"`
	Recorded   identity.Date         `json:"recorded"`
	Import     string                `json:"import"`
}

// ArchiveSwept: files were deleted that were archived long ago.
type ArchiveSwept struct {
	kind
	Count int `json:"count"`
	Days  int `json:"days"`
}

// TokenMade: a token was made.
type TokenMade struct {
	kind
	Token string    `json:"token"`
	Name  string    `json:"name"`
	Until time.Time `json:"until"` // UTC
}

// TokenRevoked: a token was revoked.
type TokenRevoked struct {
	kind
	Token    string `json:"token"`
	Decision int64  `json:"decision"`
}

// DatabaseCopied: the database was copied from another.
type DatabaseCopied struct {
	kind
	From   string `json:"from"`
	Record int64  `json:"record"` // the last one of the other
	Hash   string `json:"hash"`
}

// TargetRetired: an operator declared that a target is no longer managed.
type TargetRetired struct {
	kind
	Decision int64  `json:"decision"`
	Why      string `json:"why,omitempty"`
}

// AccountBound: a decision says that the account is the person's.
type AccountBound struct {
	kind
	Decision int64  `json:"decision"`
	Account  string `json:"account"`
}

// Joined: an import joined two records with the same national identity number and a name
// in common.
type Joined struct {
	kind
	Import string `json:"import"`
}

// DependsOnUndone: a step that it depends on was not done.
type DependsOnUndone struct{ kind }

// NameLost: the name that the account was to get is not known any more.
type NameLost struct{ kind }

// NameNotFree: the name is or was another person's in the target.
type NameNotFree struct{ kind }

// OtherRunWorks: another run works on the person's account.
type OtherRunWorks struct{ kind }

// OtherRunRecorded: another run recorded the outcome of the step.
type OtherRunRecorded struct{ kind }

// NoPass: no pass is issued to the person.
type NoPass struct {
	kind
	Person  identity.PersonID `json:"person"`
	Because Reason            `json:"because"`
}

// NoPassReceived: the target issued no pass.
type NoPassReceived struct{ kind }

// PassValid: the pass is valid for a while.
type PassValid struct {
	kind
	Until time.Time `json:"until"` // UTC
}

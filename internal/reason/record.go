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

// Answer is what a target answered, in its own words.
type Answer struct {
	kind
	Text string `json:"text"`
}

// Resolved says that the outcome was found out by reading the target, after a run that was stopped.
type Resolved struct {
	kind
	Detail Reason `json:"detail"` // the unusable answer that the target had given; null without one
}

// PasswordMaybeLost says that the first password may never have been handed over.
type PasswordMaybeLost struct{ kind }

// NotAsked says that the run stopped before the target was asked.
type NotAsked struct{ kind }

// ReleaseWithdrawn says that the release of the step was taken back.
type ReleaseWithdrawn struct{ kind }

// ChangedSince says that something new is known of the person since this was planned.
type ChangedSince struct{ kind }

// LimitReached says that more people are concerned than may be at a time.
type LimitReached struct{ kind }

// ValueChanged says that the value of an attribute is not the one that was planned.
type ValueChanged struct {
	kind
	Attribute string `json:"attribute"`
}

// ReferenceMissing says that the account that an attribute refers to is not there.
type ReferenceMissing struct {
	kind
	Attribute string `json:"attribute"`
}

// PausedSince says that a decision paused the target after this was planned.
type PausedSince struct {
	kind
	Decision int64 `json:"decision"`
}

// StillSignsIn says that the account is marked as disabled, and can sign in.
type StillSignsIn struct {
	kind
	Detail string `json:"detail"`
}

// Retired says that the target was retired before the outcome was seen.
type Retired struct{ kind }

// OtherRun says that steps were left to other runs.
type OtherRun struct {
	kind
	Count int `json:"count"`
}

// RulesUsed says that a version of the rules is in use.
type RulesUsed struct {
	kind
	Digest string `json:"digest"`
}

// ConfigUsed says that a version of the configuration is in use.
type ConfigUsed struct {
	kind
	Digest string `json:"digest"`
}

// VersionUsed says that a version of the program is in use.
type VersionUsed struct {
	kind
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// Decided says what a decision decided.
type Decided struct {
	kind
	Of      string `json:"of"` // the kind of decision
	Verdict string `json:"verdict"`
}

// DecisionMade says that a decision was made.
type DecisionMade struct {
	kind
	Decision int64  `json:"decision"`
	Of       string `json:"of"` // the kind of decision
	Subject  string `json:"subject,omitempty"`
	Verdict  string `json:"verdict"`
	Why      string `json:"why,omitempty"` // as the maker wrote it; empty when it is sealed
	Because  Reason `json:"because"`       // of a decision that behov itself made; null of others
	// Until is the last day on which the decision holds; empty without an end.
	Until identity.Date `json:"until,omitempty"`
}

// CarriedOver says that a decision about another person holds for this one, too: their
// records were joined or split.
type CarriedOver struct {
	kind
	Decision int64 `json:"decision"` // about the other person
	By       int64 `json:"by"`       // that joined or split the records
}

// ByDecision says that a decision says so.
type ByDecision struct {
	kind
	Decision int64  `json:"decision"`
	Detail   Reason `json:"detail"` // null without one
}

// HoldRaised says that a hold was raised.
type HoldRaised struct {
	kind
	Hold    string `json:"hold"`
	Of      string `json:"of"` // the kind of hold
	Because Reason `json:"because"`
}

// HoldExpired says that a hold was not decided in time.
type HoldExpired struct {
	kind
	Hold   string    `json:"hold"`
	Of     string    `json:"of"`
	Raised time.Time `json:"raised"` // UTC
}

// ReviewStarted says that a review was started.
type ReviewStarted struct {
	kind
	Review int64  `json:"review"`
	Scope  string `json:"scope"`
	Of     string `json:"of,omitempty"` // the system, unit or entitlement
	Count  int    `json:"count"`        // of items
}

// MoverReview says that a review of what a mover keeps was started.
type MoverReview struct {
	kind
	Review  int64  `json:"review"`
	Count   int    `json:"count"`
	Because Reason `json:"because"`
}

// EnabledInTarget says that the account is enabled in the target, and behov did not enable it.
type EnabledInTarget struct{ kind }

// AccessFound says that the access was seen in the target, and behov did not give it.
type AccessFound struct{ kind }

// SeenAgain says that the access is seen in the target again.
type SeenAgain struct{ kind }

// DisabledEarlier says that behov disabled the account before, and the target shuts it out by now.
type DisabledEarlier struct{ kind }

// DisabledByOthers says that the account was disabled in the target, not by behov.
type DisabledByOthers struct{ kind }

// OnlyInFormerGroup says that the account is a member of the entitlement's former group only,
// where behov did not put it.
type OnlyInFormerGroup struct {
	kind
	Group string `json:"group"`
}

// AccessGone says that the access is no longer in the target, and behov did not take it away.
type AccessGone struct{ kind }

// AccountUnseen says that the account is not seen in the target any more.
type AccountUnseen struct{ kind }

// EntitlementUnseen says that the entitlement is not seen in the target any more.
type EntitlementUnseen struct{ kind }

// Imported says that an export was imported.
type Imported struct {
	kind
	Import string `json:"import"`
	SHA256 string `json:"sha256"` // of the file
	Rows   int    `json:"rows"`
	Bad    int    `json:"bad"` // rows with errors
	Events int    `json:"events"`
}

// ImportRefused says that an export was refused.
type ImportRefused struct {
	kind
	Import string `json:"import"`
	SHA256 string `json:"sha256"`
}

// ImportHeld says that an import, or a part of it, is held.
type ImportHeld struct {
	kind
	Import  string `json:"import"`
	Because Reason `json:"because"`
}

// LateEvent says that an HR event took effect before it was recorded.
type LateEvent struct {
	kind
	Event      string                `json:"event"`
	Employment identity.EmploymentID `json:"employment"`
	Effective  identity.Date         `json:"effective"`
	Recorded   identity.Date         `json:"recorded"`
	Import     string                `json:"import"`
}

// ArchiveSwept says that files were deleted that were archived long ago.
type ArchiveSwept struct {
	kind
	Count int `json:"count"`
	Days  int `json:"days"`
}

// TokenMade says that a token was made.
type TokenMade struct {
	kind
	Token   string    `json:"token"`
	Name    string    `json:"name"`
	Service string    `json:"service,omitempty"` // the service account that it is of
	Until   time.Time `json:"until"`             // UTC
}

// TokenRevoked says that a token was revoked.
type TokenRevoked struct {
	kind
	Token    string `json:"token"`
	Decision int64  `json:"decision"`
}

// DatabaseCopied says that the database was copied from another.
type DatabaseCopied struct {
	kind
	From   string `json:"from"`
	Record int64  `json:"record"` // the last one of the other
	Hash   string `json:"hash"`
}

// TargetRetired says that an operator declared that a target is no longer managed.
type TargetRetired struct {
	kind
	Decision int64  `json:"decision"`
	Why      string `json:"why,omitempty"`
}

// AccountBound says that a decision says that the account is the person's.
type AccountBound struct {
	kind
	Decision int64  `json:"decision"`
	Account  string `json:"account"`
}

// Joined says that an import joined two records with the same national identity number and a name
// in common.
type Joined struct {
	kind
	Import string `json:"import"`
}

// DependsOnUndone says that a step that it depends on was not done.
type DependsOnUndone struct{ kind }

// NameLost says that the name that the account was to get is not known any more.
type NameLost struct{ kind }

// NameNotFree says that the name is or was another person's in the target.
type NameNotFree struct{ kind }

// OtherRunWorks says that another run works on the person's account.
type OtherRunWorks struct{ kind }

// OtherRunRecorded says that another run recorded the outcome of the step.
type OtherRunRecorded struct{ kind }

// NoPass says that no pass is issued to the person.
type NoPass struct {
	kind
	Person  identity.PersonID `json:"person"`
	Because Reason            `json:"because"`
}

// NoPassReceived says that the target issued no pass.
type NoPassReceived struct{ kind }

// FirstPass says that behov issued a pass because the person begins and is not enrolled for MFA.
type FirstPass struct {
	kind
	Start identity.Date `json:"start"`
}

// PassNotHandedOver says that a pass could not be handed over, and was withdrawn.
type PassNotHandedOver struct {
	kind
	Detail string `json:"detail"`
}

// PassValid says that the pass is valid for a while.
type PassValid struct {
	kind
	Until time.Time `json:"until"` // UTC
}

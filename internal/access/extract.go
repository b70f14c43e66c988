package access

import (
	"encoding/json"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// Extract is the register extract of a person (GDPR Article 15): everything that is stored
// about them. It names no one else: other people have an opaque ID. What is sealed is opened,
// unless the identity is protected and the viewer is not cleared to see it.
type Extract struct {
	// People are the person, and those who were found to be the same person: theirs is all
	// that follows.
	People  []identity.PersonID `json:"people"`
	AskedAt time.Time           `json:"asked_at"`
	AskedBy Actor               `json:"asked_by"`
	As      string              `json:"as"`     // the role by which it was asked for
	Masked  bool                `json:"masked"` // the identity is protected: what tells who it is is left out
	Stage   Stage               `json:"stage"`
	// LegalHold is the decision that keeps what would be deleted.
	LegalHold   Reason              `json:"legal_hold,omitzero"`
	Suspended   Reason              `json:"suspended,omitzero"`
	Identities  []ExtractIdentity   `json:"identities"`
	Employments []ExtractEmployment `json:"employments"`
	Events      []ExtractEvent      `json:"hr_events"` // the newest first
	Pushed      []ExtractPushed     `json:"pushed"`    // over SCIM
	Accounts    []ExtractAccount    `json:"accounts"`
	Grants      []Grant             `json:"grants"` // what the person has or gets today, and why
	Access      []Access            `json:"access"` // ever
	Decisions   []Decision          `json:"decisions"`
	// Made are the decisions that the person made, the newest first.
	Made          []ExtractMade         `json:"decisions_made"`
	Imports       []ExtractImport       `json:"imports"` // of files that the person chose
	Reviews       []ReviewItem          `json:"review_items"`
	Enrolments    []ExtractEnrolment    `json:"mfa_enrolments"`
	Sessions      []ExtractSession      `json:"sessions"`
	Tokens        []ExtractToken        `json:"tokens"`
	Owned         []ExtractOwned        `json:"non_human_accounts"` // that the person owns
	Held          []ExtractHeld         `json:"held"`
	StepDecisions []ExtractStepDecision `json:"step_decisions"`
	Steps         []FailingStep         `json:"failing_steps"`
	Open          []ExtractOpen         `json:"open_steps"`
	Findings      []ExtractFinding      `json:"findings"`
	Records       []Record              `json:"audit_records"` // in the trail's order
	Retention     []ExtractRetention    `json:"retention"`
	// Cut names the lists of which only the newest, of the audit trail the first, are here.
	Cut []string `json:"cut"`
}

// ExtractIdentity is who a person is.
type ExtractIdentity struct {
	ID         identity.PersonID `json:"id"`
	GivenName  string            `json:"given_name,omitempty"`
	FamilyName string            `json:"family_name,omitempty"`
	NationalID string            `json:"national_id,omitempty"`
	Email      string            `json:"email,omitempty"`
	Phone      string            `json:"phone,omitempty"`
	Login      string            `json:"login,omitempty"`
	Protected  bool              `json:"protected"`
	// ProtectedByHand: a decision protects the identity, whatever HR says.
	ProtectedByHand bool                  `json:"protected_by_hand"`
	MainEmployment  identity.EmploymentID `json:"main_employment,omitempty"` // by a decision
	MergedInto      identity.PersonID     `json:"merged_into,omitempty"`     // whose record this was found to be
	Position        string                `json:"position,omitempty"`        // where the last run saw the person work
	ManagerOf       int                   `json:"manager_of"`                // how many people's employments name the person as manager
	Records         []ExtractRecord       `json:"records"`
}

// ExtractRecord is what a record of an HR source says of a person.
type ExtractRecord struct {
	Source     string            `json:"source"`
	Key        string            `json:"key,omitempty"`
	GivenName  string            `json:"given_name,omitempty"`
	FamilyName string            `json:"family_name,omitempty"`
	NationalID string            `json:"national_id,omitempty"`
	Email      string            `json:"email,omitempty"`
	Phone      string            `json:"phone,omitempty"`
	Protected  bool              `json:"protected"`
	Stamp      string            `json:"stamp,omitempty"`    // the order of what the source said
	Formerly   identity.PersonID `json:"formerly,omitempty"` // whose record it was before a decision
}

// ExtractEmployment is an employment with its terms over time.
type ExtractEmployment struct {
	ID        identity.EmploymentID `json:"id,omitempty"`
	Source    string                `json:"source,omitempty"`
	Key       string                `json:"key,omitempty"`
	Start     identity.Date         `json:"start"`
	End       identity.Date         `json:"end,omitempty"`        // the last day, as the source says
	Stated    identity.Date         `json:"end_stated,omitempty"` // the day on which the end was stated
	Withdrawn identity.Date         `json:"withdrawn,omitempty"`  // the day from which the source does not list it
	Sponsor   identity.PersonID     `json:"sponsor,omitempty"`    // of a contract
	Terms     []ExtractTerms        `json:"terms"`
	Leaves    []SpellOfLeave        `json:"leaves"`
	Report    *ExtractReport        `json:"report,omitempty"` // what the source does not say, yet
}

// ExtractTerms are the terms of an employment from a day on. A masked person's have no unit,
// no manager and no columns of the organisation's own.
type ExtractTerms struct {
	Terms
	JobCode    string            `json:"job_code,omitempty"`
	Type       string            `json:"type,omitempty"`
	Main       bool              `json:"main"`              // HR's own mark
	Manager    identity.PersonID `json:"manager,omitempty"` // who is known by what the source calls the manager
	Attributes map[string]string `json:"attributes,omitempty"`
}

// ExtractReport is what people reported of an employment before its source said it.
type ExtractReport struct {
	Ends     identity.Date `json:"ends,omitempty"` // the last day; empty for a hire
	On       identity.Date `json:"on"`
	Decision int64         `json:"decision"`
}

// ExtractEvent is an HR event about a person.
type ExtractEvent struct {
	Seq       int64         `json:"seq"`
	Source    string        `json:"source"`
	Kind      identity.Kind `json:"kind"`
	Effective identity.Date `json:"effective"`
	Recorded  time.Time     `json:"recorded"`
	// Withheld: what it said is left out, because it cannot be opened, the identity is masked,
	// or the record that it is about is another person's.
	Withheld   bool               `json:"withheld"`
	Record     *ExtractRecord     `json:"record,omitempty"`
	Employment *ExtractEmployment `json:"employment,omitempty"`
	Login      string             `json:"login,omitempty"`
}

// ExtractPushed is what was pushed of a person over SCIM, without the manager.
type ExtractPushed struct {
	Source  string          `json:"source"`
	ID      string          `json:"id"`
	Made    time.Time       `json:"made"`
	Changed time.Time       `json:"changed"`
	Body    json.RawMessage `json:"body,omitempty"` // left out when the identity is masked
}

// ExtractAccount is an account of a person in a target.
type ExtractAccount struct {
	Account
	Created  *time.Time `json:"created,omitempty"`  // by behov
	Disabled *time.Time `json:"disabled,omitempty"` // by behov
	Found    *time.Time `json:"found_disabled,omitempty"`
	Missing  *time.Time `json:"missing,omitempty"` // since when it is not in the target
}

// ExtractMade is a decision that the person made.
type ExtractMade struct {
	Seq     int64              `json:"seq"`
	Kind    store.DecisionKind `json:"kind"`
	Verdict store.Verdict      `json:"verdict"`
	Decided Reason             `json:"decided"`
	At      time.Time          `json:"at"`
	About   identity.PersonID  `json:"about,omitempty"`
}

// ExtractImport is an import of a file that the person chose.
type ExtractImport struct {
	ID     string    `json:"id"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// ExtractSession is a sign-in of the person in a browser.
type ExtractSession struct {
	ID      string    `json:"id"`
	Began   time.Time `json:"began"`
	Used    time.Time `json:"used"`
	Expires time.Time `json:"expires"`
}

// ExtractToken is a token as which a program calls the API as the person.
type ExtractToken struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Scopes  string     `json:"scopes,omitempty"`
	Systems string     `json:"systems,omitempty"`
	Groups  []string   `json:"groups"` // of the identity provider, when it stands for a sign-in
	Made    time.Time  `json:"made"`
	Used    *time.Time `json:"used,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
}

// ExtractOwned is an account of the register that the person owns: it is no person's.
type ExtractOwned struct {
	Account identity.PersonID   `json:"account"` // the ID in the register
	Target  string              `json:"target"`
	Name    string              `json:"name"`
	Kind    store.NonHumanKind  `json:"kind"`
	System  string              `json:"system"`
	Purpose string              `json:"purpose"`
	Until   identity.Date       `json:"until"`
	State   store.RegisterState `json:"state"`
}

// ExtractHeld is a step about the person that waits for a decision, or with no step that the
// person is proposed to be erased.
type ExtractHeld struct {
	Hold audit.HoldDigest `json:"hold"`
	Kind store.HoldKind   `json:"kind"`
	Why  Reason           `json:"why,omitzero"`
	Step *Step            `json:"step,omitempty"`
}

// ExtractStepDecision is a decision on a held step about the person that is not done.
type ExtractStepDecision struct {
	Step     audit.StepDigest `json:"step"`
	Target   string           `json:"target"`
	Verdict  store.Verdict    `json:"verdict"`
	Decision int64            `json:"decision"`
}

// ExtractOpen is a step about the person whose outcome is not recorded.
type ExtractOpen struct {
	Intended time.Time `json:"intended"`
	Detail   Reason    `json:"detail,omitzero"`
	Step     Step      `json:"step"`
}

// ExtractFinding is what a run found of the person's access, or whose the record may be.
type ExtractFinding struct {
	Kind        store.FindingKind `json:"kind"`
	Target      string            `json:"target,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	Other       identity.PersonID `json:"other,omitempty"`
	Detail      string            `json:"detail,omitempty"`
	At          *time.Time        `json:"at,omitempty"`
}

// Retained is something that is kept for a time.
type Retained string

// What is kept for a time.
const (
	RetainedMemberships Retained = "memberships"
	RetainedAccounts    Retained = "accounts"
	RetainedIdentity    Retained = "identity"
	RetainedFiles       Retained = "hr-files"
	RetainedHolds       Retained = "holds"
	RetainedTrail       Retained = "audit-trail"
	RetainedNames       Retained = "names"
)

// ExtractRetention is for how long something is kept, as is configured.
type ExtractRetention struct {
	What Retained `json:"what"`
	Days int      `json:"days,omitempty"` // left out when no time is set
	Text string   `json:"text"`
}

// ExtractEnrolment is a time in which a person was seen to be enrolled for MFA.
type ExtractEnrolment struct {
	Method string     `json:"method"` // a policy.Method
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until,omitempty"`
}

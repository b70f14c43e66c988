// Package audit is the record of every decision and change: hash-linked records,
// the access intervals that are projected from them, and the verifier that checks
// both.
//
// It must never know how the engine works (the verifier must be independent of
// it), and no record may contain personal data in the clear: people are
// identified by opaque IDs, and personal values in a payload are encrypted.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Action is the kind of a record.
type Action string

// The actions.
const (
	HRImported Action = "hr.imported"
	HRHeld     Action = "hr.held"
	HRRefused  Action = "hr.refused"
	// HRLate: an HR event took effect before it was recorded.
	HRLate Action = "hr.late"
	// TokenMade and TokenRevoked: a token for pushing to an HR source was created
	// or revoked.
	TokenMade    Action = "token.made"
	TokenRevoked Action = "token.revoked"
	RulesInUse   Action = "rules.in-use"
	// ConfigInUse: a service loaded a version of the configuration.
	ConfigInUse Action = "config.in-use"
	// VersionInUse: a service started with a version of the program.
	VersionInUse  Action = "version.in-use"
	DecisionMade  Action = "decision.made"
	HoldRaised    Action = "hold.raised"
	HoldExpired   Action = "hold.expired"
	ReviewStarted Action = "review.started"
	ReviewClosed  Action = "review.closed"
	// PassIssued and PassWithdrawn concern temporary access passes, with which a
	// person signs in once to enrol for MFA.
	PassIssued    Action = "mfa.pass-issued"
	PassWithdrawn Action = "mfa.pass-withdrawn"
	// GrantWaiting and GrantReady: a grant starts and stops waiting, for instance
	// for MFA.
	MFAEnrolled  Action = "mfa.enrolled"
	MFAEnded     Action = "mfa.ended"
	GrantWaiting Action = "grant.waiting"
	GrantReady   Action = "grant.ready"
	// AccountBound: an account was assigned to a person by a decision.
	AccountBound Action = "account.bound"
	// AccountRegistered: an account that is no person's was entered in the register, or
	// changed there, by a decision. The person is the account's ID in the register.
	AccountRegistered Action = "account.registered"
	// DatabaseCopied begins the audit trail of a copy: a restored backup, or an
	// installation that moved to another database.
	DatabaseCopied Action = "database.copied"
	// PersonErased: the person's data was destroyed.
	PersonErased Action = "person.erased"
	// PersonExtracted: the actor had an extract made of everything that is stored about
	// another person.
	PersonExtracted Action = "person.extracted"
	// StepIntended is written before a step changes a target, StepEnded after.
	// Every step has one of each, in this order; one that is ordered has a second StepEnded,
	// when the order ends.
	StepIntended Action = "step.intended"
	StepEnded    Action = "step.ended"
	// StepParked: a step failed so often that it awaits a person.
	StepParked Action = "step.parked"
	// AccessFound and AccessGone: a snapshot showed access that was granted or
	// revoked outside of behov.
	AccessFound Action = "drift.found"
	AccessGone  Action = "drift.gone"
	// AccessUnseen: a complete reading neither shows the access nor proves that
	// it ended, because its account or its entitlement is not among those that
	// were read. AccessSeen: it is shown again.
	AccessUnseen Action = "access.not-seen"
	AccessSeen   Action = "access.seen-again"
	// AccessAdopted: a rule or a decision now gives access that was found: from
	// then on behov revokes it when that reason ends.
	AccessAdopted Action = "access.adopted"
	// TargetRetired: an operator declared that a target is no longer managed: who
	// has access there is unknown from then on.
	TargetRetired Action = "target.retired"
)

// Outcome is how what a record is about ended.
type Outcome string

// The outcomes of StepEnded. They are untyped: counts of outcomes, and results with
// outcomes besides these, have them too.
const (
	Applied        = "applied"
	AlreadyApplied = "already-applied"
	Refused        = "refused"
	// NotDone: the target gave no usable answer, and a later complete snapshot
	// shows that the step was not applied.
	NotDone = "not-done"
	// Ordered: a person was asked to make the change in a target without an interface. How
	// it ended is another record.
	Ordered = "ordered"
	// NotKnown: the target was retired before the outcome of the step was known.
	NotKnown = "not-known"
)

// Account replaces the entitlement in records and intervals about the account
// itself: whether it was enabled.
const Account = "account"

// Record is one entry. Empty fields do not apply to its action.
type Record struct {
	Index int64 `json:"index"`
	// At is when it was recorded, UTC, to the microsecond.
	At time.Time `json:"at"`
	// Actor is who caused it. It is a user of the operating system where the operator
	// is not known as a person.
	Actor identity.Actor `json:"actor"`
	// Operator is the operating system's user whose process wrote the record, with
	// the caller that sudo names. It is empty in records of older versions.
	Operator identity.Actor `json:"operator,omitempty"`
	// Authority is, on decisions, the role by which the actor may decide, and how
	// the actor was identified: "owner, claimed".
	Authority   string            `json:"authority,omitempty"`
	Action      Action            `json:"action"`
	Person      identity.PersonID `json:"person,omitempty"`
	Target      string            `json:"target,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	// Op is the change, on records of steps, such as add-member.
	Op      string        `json:"op,omitempty"`
	Reason  reason.Reason `json:"reason,omitzero"`
	Plan    PlanDigest    `json:"plan,omitempty"`
	Attempt AttemptID     `json:"attempt,omitempty"`
	// Outcome is that of a step or of a pass, and on decisions the verdict.
	Outcome Outcome `json:"outcome,omitempty"`
	// Began is, on StepEnded, when the step was intended: the access may have
	// begun then.
	Began time.Time `json:"began,omitzero"`
	// Payload is JSON; personal values in it are encrypted.
	Payload []byte `json:"payload,omitempty"`
	// Prev is the hash of the record before, and none for the first. It and Hash are base64
	// in JSON; verifying the trail prints the newest hash as hexadecimal digits.
	Prev []byte `json:"prev"`
	Hash []byte `json:"hash"`
	// Leaf is the hash of the record's leaf in the log.
	Leaf []byte `json:"-"`
}

// Link appends the record to the one with the index and hash, and computes its
// own hash. It truncates the time to the microsecond, as it is stored.
func (r *Record) Link(index int64, prev []byte) {
	r.Index, r.Prev = index, prev
	r.At = r.At.UTC().Truncate(time.Microsecond)
	if !r.Began.IsZero() {
		r.Began = r.Began.UTC().Truncate(time.Microsecond)
	}
	r.Hash = r.digest()
	r.Leaf = r.leaf()
}

// digest returns the SHA-256 of every field but the hash, each prefixed with its
// length, so that no two records have the same bytes. Records without operator
// and authority are encoded as before these fields existed.
func (r *Record) digest() []byte {
	h := sha256.New()
	var n [8]byte
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		h.Write(n[:])
	}
	field := func(b []byte) {
		number(int64(len(b)))
		h.Write(b)
	}
	second := r.Operator != "" || r.Authority != ""
	if second {
		h.Write([]byte("behov.audit.v2\n"))
	} else {
		h.Write([]byte("behov.audit.v1\n"))
	}
	number(r.Index)
	number(r.At.UnixMicro())
	if r.Began.IsZero() {
		number(0)
	} else {
		number(r.Began.UnixMicro())
	}
	for _, s := range []string{string(r.Actor), string(r.Action), string(r.Person), r.Target, r.Entitlement, r.Op, r.Reason.JSON(), string(r.Plan), string(r.Attempt), string(r.Outcome)} {
		field([]byte(s))
	}
	field(r.Payload)
	if second {
		field([]byte(r.Operator))
		field([]byte(r.Authority))
	}
	field(r.Prev)
	return h.Sum(nil)
}

// Package audit holds the record of everything that was decided and done:
// hash-linked records, the access intervals that are projected from them, and
// the verifier that checks both.
//
// It must never know how the engine works (the verifier has to be able to
// disbelieve it), and no record may carry a personal value in the clear:
// people are named by opaque ID, and a payload's personal values are sealed.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Action says what a record tells.
type Action string

// The actions.
const (
	HRImported Action = "hr.imported"
	HRHeld     Action = "hr.held"
	HRRefused  Action = "hr.refused"
	// HRLate tells of something that had effect before it was recorded.
	HRLate Action = "hr.late"
	// TokenMade and TokenRevoked tell of who may push to an HR source.
	TokenMade    Action = "token.made"
	TokenRevoked Action = "token.revoked"
	RulesInUse   Action = "rules.in-use"
	// ConfigInUse names a version of the configuration that a service took up.
	ConfigInUse Action = "config.in-use"
	// VersionInUse names a version of the program with which a service started.
	VersionInUse  Action = "version.in-use"
	DecisionMade  Action = "decision.made"
	HoldRaised    Action = "hold.raised"
	HoldExpired   Action = "hold.expired"
	ReviewStarted Action = "review.started"
	// PassIssued and PassWithdrawn tell of temporary access passes, with which
	// somebody signs in once to enrol for MFA.
	PassIssued    Action = "mfa.pass-issued"
	PassWithdrawn Action = "mfa.pass-withdrawn"
	// GrantWaiting and GrantReady tell when a grant begins and ceases to
	// wait, for instance for MFA.
	GrantWaiting Action = "grant.waiting"
	GrantReady   Action = "grant.ready"
	// AccountBound tells that somebody said whose an account is.
	AccountBound Action = "account.bound"
	// DatabaseCopied begins the trail of a copy: a backup that was restored, or
	// an installation that moved to another database.
	DatabaseCopied Action = "database.copied"
	// PersonErased tells that what was known of a person is destroyed.
	PersonErased Action = "person.erased"
	// StepIntended is written before a target is touched, StepEnded after.
	// Every step has one of each, in this order.
	StepIntended Action = "step.intended"
	StepEnded    Action = "step.ended"
	// StepParked tells that a step failed so often that it waits for a person.
	StepParked Action = "step.parked"
	// AccessFound and AccessGone tell of access that came or went behind our
	// back, as a snapshot showed.
	AccessFound Action = "drift.found"
	AccessGone  Action = "drift.gone"
	// AccessUnseen tells of access that a complete reading does not show and does
	// not show to have ended: its account is not among those that were read, or its
	// entitlement is not. AccessSeen tells that it is shown again.
	AccessUnseen Action = "access.not-seen"
	AccessSeen   Action = "access.seen-again"
	// AccessAdopted tells that a rule or a decision gives what was found: from
	// then on behov holds it for that reason, and takes it when that ends.
	AccessAdopted Action = "access.adopted"
	// TargetRetired tells that somebody said that a target is not looked after
	// any more: who has what there is not known from then on.
	TargetRetired Action = "target.retired"
)

// The outcomes of StepEnded.
const (
	Applied        = "applied"
	AlreadyApplied = "already-so"
	Refused        = "refused"
	// NotDone: the target gave no usable answer, and a later complete
	// snapshot shows that the step did not happen.
	NotDone = "not-done"
	// NotKnown: the target was retired before anybody saw what became of the
	// step.
	NotKnown = "not-known"
)

// Account stands in place of an entitlement in records and intervals that are
// about the account itself: "the account could be used".
const Account = "account"

// Record is one entry. Empty fields do not apply to its action.
type Record struct {
	Index int64 `json:"index"`
	// At is when it was recorded, UTC, to the microsecond.
	At time.Time `json:"at"`
	// Actor is who caused it: "behov" itself, "person:ID", or "os-uid:N" for
	// an operator who is not known as a person.
	Actor string `json:"actor"`
	// Operator is the operating system's user whose process wrote the record:
	// "os-uid:N", with " sudo-uid:N" behind it when sudo says who called. It is
	// empty in records of versions that did not say it.
	Operator string `json:"operator,omitempty"`
	// Authority is, on decisions, the role by which the actor may decide, and how
	// it was known who the actor is: "owner, claimed".
	Authority   string `json:"authority,omitempty"`
	Action      Action `json:"action"`
	Person      string `json:"person,omitempty"`
	Target      string `json:"target,omitempty"`
	Entitlement string `json:"entitlement,omitempty"`
	// Op is the change, on records of steps (connectors.Op).
	Op      string `json:"op,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Plan    string `json:"plan,omitempty"`
	Step    string `json:"step,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Began is, on StepEnded, when the step was intended: the access may have
	// begun as early as that.
	Began time.Time `json:"began,omitzero"`
	// Payload is JSON; personal values in it are sealed.
	Payload []byte `json:"payload,omitempty"`
	Prev    []byte `json:"prev"`
	Hash    []byte `json:"hash"`
}

// Link gives the record its place after a record with the index and hash, and
// computes its own hash. The time is cut to the microsecond, as it is stored.
func (r *Record) Link(index int64, prev []byte) {
	r.Index, r.Prev = index, prev
	r.At = r.At.UTC().Truncate(time.Microsecond)
	if !r.Began.IsZero() {
		r.Began = r.Began.UTC().Truncate(time.Microsecond)
	}
	r.Hash = r.digest()
}

// digest is SHA-256 over every field but the hash, each with its length in
// front, so that no two records have the same bytes. Records without operator and
// authority have the form that they had before there were such fields.
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
	for _, s := range []string{r.Actor, string(r.Action), r.Person, r.Target, r.Entitlement, r.Op, r.Reason, r.Plan, r.Step, r.Outcome} {
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

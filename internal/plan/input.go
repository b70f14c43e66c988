package plan

import (
	"iter"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// Input is everything a plan is made from.
type Input struct {
	Basis     Basis // Targets is filled in by Build
	Catalogue *policy.Catalogue
	// People is everybody, sorted by ID. It is read once, and nobody of it is
	// kept.
	People iter.Seq[Person]
	// Count is about how many they are; 0 when that is not known. It sizes what is
	// made of them.
	Count   int
	Targets []Target
	// FingerprintKey keeps fingerprints from being guessed.
	FingerprintKey []byte
	// Only, when set, is the one person whose part of the plan is asked for. What
	// creates or changes accounts is then limited for that person alone, so that an
	// empty target can be begun with one; what takes away, or opens, is held where
	// the whole plan would be: a limit cannot be passed one person at a time.
	Only identity.PersonID
	// Removed are targets that are not configured any more, with how many accounts
	// there are known.
	Removed map[string]int
	// Subset: People are not everybody, and targets show no more than their
	// accounts. Then the plan does only what one for everybody would surely do.
	Subset bool
	// GroupSize is of how many people they are some to whom something happened at
	// once. What they lose, the others may lose as well: a limit that all of them
	// would be over is not for their share to be under.
	GroupSize int
}

// Person is a person with what is desired for them.
type Person struct {
	ID     identity.PersonID
	Grants []policy.Grant // sorted by entitlement
	// NoEntitlementReason says for people why the person needs nothing, when no employment
	// runs; empty when one does.
	NoEntitlementReason string
	// SuspendedReason names the decision by which nothing of the person may be used,
	// from now on and whatever the limits; Closed says why else no account of
	// the person may be used, though they need what they have. Either leaves
	// memberships as they are. Empty when they may.
	SuspendedReason, DisabledReason string
	// Prepare: the person begins soon. Grants are those of the first day, and
	// accounts that are not there are made, disabled and empty.
	Prepare bool
	// KeepMemberships: the last employment ended a short while ago; accounts are
	// disabled and memberships stay.
	KeepMemberships bool
	// DeleteReason says why the person's accounts are deleted; empty when they are not.
	DeleteReason string
	// Warnings are told as findings.
	Warnings []string
	// Accounts holds what an account of the person would look like in each
	// target, by the target's name.
	Accounts map[string]Account
	// UndecidedReason says why the person's access could not be worked out; then
	// nothing of it is changed.
	UndecidedReason string
}

// Account is what a person's account should look like.
type Account struct {
	Name string
	// Rename is set when an account with another name gets this one.
	Rename     bool
	Attributes map[string][]string
	// OnCreate names attributes that are set on a new account and then left
	// alone.
	OnCreate map[string]bool
	// References holds, by attribute, whose account it refers to; empty for
	// nobody's.
	References map[string]identity.PersonID
	// Cleared are references that are emptied when who they refer to has no account
	// here and gets none; the others stay as they are.
	Cleared map[string]bool
	// Manager says what is wrong with the manager whom HR names.
	Manager ManagerState
	// Claims are what tells an account that was there before behov as this
	// person's, the strongest first.
	Claims []Claim
	// NotStarted is set for somebody who has not begun: nothing is adopted for
	// them, and nobody else gets what might be theirs.
	NotStarted bool
	// Bad says which attribute could not be worked out, and why; BadName why
	// there is no name to give.
	Bad     string
	BadName string
	// Exposed says what in the account that is there carries parts of the name of a
	// person with protected identity, and what to do; empty when nothing does.
	Exposed string
}

// ManagerState says what is wrong with a person's manager.
type ManagerState string

// The states of a manager; empty is nothing wrong.
const (
	ManagerUnknown ManagerState = "unknown" // HR lists nobody by that
	ManagerLeft    ManagerState = "left"    // no employment is left
)

// Target is a target as observed, with what we know of it.
type Target struct {
	Name string
	// Observed is nil when the target could not be read; Unread says why.
	Observed  *Observed
	ReadError string
	// Bound notes whose account is whose.
	Bound Bindings
	// Matching says how the target compares the values of an attribute.
	Matching map[string]connectors.Matching
	// References are attributes whose values are account IDs.
	References map[string]bool
	// Naming are attributes of which the value is part of where the account is: a
	// change of one renames it.
	Naming []string
	// Given holds the access that behov gave and has not taken back, with the
	// reason it was given for; what is observed and not in it came behind our
	// back.
	Given Given
	// Claims are the attributes by which accounts that were there are told as
	// people's.
	Claims []string
	// Ignore are patterns (as package path has them) of the names of accounts
	// that are left alone on purpose.
	Ignore []string
	// Limits bound how many people a run may concern, by kind of step.
	Limits map[Kind]Limit
	// Loading: no run has ever brought everything to the target that belongs
	// there.
	Loading bool
	// SignInPossible says why an account that is disabled here can still sign in; empty
	// when it cannot, or nothing shows that it can. Such a target counts as one
	// that cannot disable accounts. Unproven says why it is not known.
	SignInPossible, Unproven string
	// Decided are the steps that a person released or rejected, by Step.Digest.
	Decided map[string]Decided
	// Located are accounts that behov knows, by ID, that a complete snapshot does
	// not show and that the target has outside of its scope. Sought: all accounts
	// that are known and not shown were looked for in the whole target.
	Located  map[string]connectors.Location
	Searched bool
	// MFA is true on the target that says who is enrolled: a grant that
	// waits for enrolment is reason enough for an account there.
	MFA bool
	// Population is how many people have a usable account, where People are few.
	Population int
	// LimitUsage are the people who were concerned a short while ago and without a
	// release, by kind: the limits count them.
	LimitUsage map[Kind]map[identity.PersonID]bool
	// Held are, where People are few, the keys of steps that are held, each with
	// the digest of the hold: they are for whoever decides on it.
	Held map[string]string
	// ChangedPeople are, where People are few, those about whom more is known than the last
	// run for everybody knew: what is held of theirs may be of the past.
	ChangedPeople map[identity.PersonID]bool
	// Unrevoked are people whose sessions could not be ended when their accounts
	// were closed.
	Unrevoked map[identity.PersonID]bool
	// Paused says by which decision nothing is changed here; empty when there is
	// none. LeaversGo: the access of people without any employment ends all the
	// same.
	Paused    string
	LeaversGo bool
	// Parked are the keys of steps that failed and are not to be tried in this
	// run, with the reason; GivenUp those of them that somebody gave up.
	Parked  map[string]string
	GivenUp map[string]bool
	// Report: what somebody changed in the target behind our back is reported and
	// left; otherwise it is made as it should be. Left is what was left before,
	// and Unsure what a step that was stopped may have given or not.
	Report                     bool
	UnrepairedDrift, Uncertain map[Access]bool
	// Sessions, Adopts, Renames and Deletes say whether the target can end
	// sessions, write an anchor into an account, give it another name, and
	// delete it.
	Sessions, Adopts, Renames, Deletes bool

	adopted map[identity.PersonID]string // account IDs, filled in by Correlate
	adopter map[string]identity.PersonID
	unclear map[identity.PersonID]string // why nobody's account was adopted
	later   map[identity.PersonID]bool   // whose account is adopted on their first day
}

// Decided is a person's decision on a step that was held.
type Decided struct {
	Person  identity.PersonID
	Hold    string // the digest of the hold of which it was decided
	Verdict Verdict
}

// Verdict is what was decided on a step of a hold.
type Verdict string

// The verdicts.
const (
	Release  Verdict = "release"  // it goes through
	Reject   Verdict = "reject"   // it is not done
	Deferred Verdict = "deferred" // it was rejected before, or others of its hold were released and it was not: it stays held
)

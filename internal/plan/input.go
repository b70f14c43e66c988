package plan

import (
	"iter"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// Input is everything a plan is made from.
type Input struct {
	Basis     Basis // Targets is filled in by Build
	Catalogue *policy.Catalogue
	// People yields the people of the plan, sorted by ID. Build reads it once and keeps
	// none.
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
	// Subset is set when People are not everyone, and targets show no more than their
	// accounts. The plan then has only what a plan for everyone would have as well.
	Subset bool
	// GroupSize is how many people the import that caused the run changed, of whom People
	// are some. A limit that all of them would exceed holds for a part of them as well.
	GroupSize int
}

// Person is a person with what is desired for them.
type Person struct {
	ID     identity.PersonID
	Grants []policy.Grant // sorted by entitlement
	// NoEntitlementReason says for people why the person needs nothing, when no employment
	// runs; empty when one does.
	NoEntitlementReason reason.Reason
	// SuspendedReason names the decision by which nothing of the person may be used,
	// from now on and whatever the limits; DisabledReason says why else no account of
	// the person may be used, though they need what they have. Either leaves
	// memberships as they are. Empty when they may.
	SuspendedReason, DisabledReason reason.Reason
	// Prepare: the person begins soon. Grants are those of the first day, and
	// accounts that are not there are made, disabled and empty.
	Prepare bool
	// KeepMemberships: the last employment ended a short while ago; accounts are
	// disabled and memberships stay.
	KeepMemberships bool
	// DeleteReason says why the person's accounts are deleted; empty when they are not.
	DeleteReason reason.Reason
	// Warnings become findings.
	Warnings []reason.Reason
	// Accounts holds what an account of the person would look like in each
	// target, by the target's name.
	Accounts map[string]Account
	// UndecidedReason says why the person's access could not be worked out; then
	// nothing of it is changed.
	UndecidedReason reason.Reason
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
	// References holds, by attribute, the person whose account it refers to; empty for
	// none.
	References map[string]identity.PersonID
	// Cleared are references that are emptied when who they refer to has no account
	// here and gets none; the others stay as they are.
	Cleared map[string]bool
	// Manager says what is wrong with the manager that HR names.
	Manager ManagerState
	// Claims are the values by which an existing account is recognised as this person's,
	// the strongest first.
	Claims []Claim
	// NotStarted is set for a person whose employment has not started: no account is
	// adopted for them, and no one else gets an account that may be theirs.
	NotStarted bool
	// Bad says which attribute could not be worked out, and why; BadName why
	// there is no name to give.
	Bad     reason.Reason
	BadName reason.Reason
	// Exposed says what in the account that is there carries parts of the name of a
	// person with protected identity, and what to do; empty when nothing does.
	Exposed reason.Reason
}

// ManagerState says what is wrong with a person's manager.
type ManagerState string

// The states of a manager; empty is nothing wrong.
const (
	ManagerUnknown ManagerState = "unknown" // HR does not list the manager
	ManagerLeft    ManagerState = "left"    // no employment is left
)

// Target is a target as observed, with what we know of it.
type Target struct {
	Name string
	// Observed is nil when the target could not be read; ReadError says why.
	Observed  *Observed
	ReadError string
	// Bound notes whose account is whose.
	Bound Bindings
	// NonHuman are the accounts of the register in the target, which Bound has by their ID
	// there; in a plan for some people those that are about them.
	NonHuman []NonHumanAccount
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
	// FormerGroups are, by entitlement, the groups that the catalogue named for it before
	// and does not name for it now, as the target names them: people to whom behov gave
	// it are moved from them, or were not yet seen to have been.
	FormerGroups map[policy.EntitlementID][]string
	// Groups are, by entitlement, the groups that behov created, GroupNames the names of
	// those that are there. NoGroups says why behov cannot create groups here; empty when
	// it can.
	Groups     map[policy.EntitlementID]Group
	GroupNames map[policy.EntitlementID]string
	NoGroups   string
	// Claims are the attributes by which existing accounts are recognised as people's.
	Claims []string
	// Ignore are patterns (as package path has them) of the names of accounts
	// that are left alone on purpose.
	Ignore []string
	// Limits bound how many people a run may concern, by kind of step.
	Limits map[blastradius.Kind]blastradius.Limit
	// Loading: no run has ever brought everything to the target that belongs
	// there.
	Loading bool
	// SignInPossible says why an account that is disabled here can still sign in; empty
	// when it cannot, or nothing shows that it can. Such a target counts as one
	// that cannot disable accounts. Unproven says why it is not known.
	SignInPossible string
	Unproven       reason.Reason
	// Decided are the steps that a person released or rejected, by Step.Digest.
	Decided map[audit.StepDigest]Decided
	// Located are accounts that behov knows, by ID, that a complete snapshot does
	// not show and that the target has outside of its scope. Searched is set when
	// all accounts that are known and not shown were looked for in the whole target.
	Located  map[string]connectors.Location
	Searched bool
	// MFA is true on the target that says who is enrolled: a grant that
	// waits for enrolment is reason enough for an account there.
	MFA bool
	// Population is how many people have a usable account, in a plan for some people.
	Population int
	// LimitUsage are the people who were concerned a short while ago and without a
	// release, by kind: the limits count them.
	LimitUsage map[blastradius.Kind]map[identity.PersonID]bool
	// Held are, in a plan for some people, the keys of steps that are held, each with the
	// digest of the hold: a decision on the hold carries them out.
	Held map[audit.StepKey]audit.HoldDigest
	// ChangedPeople are, in a plan for some people, those about whom more is recorded
	// than the last run for everyone knew: their held steps may be out of date.
	ChangedPeople map[identity.PersonID]bool
	// Unrevoked are people whose sessions could not be ended when their accounts
	// were closed.
	Unrevoked map[identity.PersonID]bool
	// Paused says by which decision nothing is changed here; empty when there is
	// none. LeaversGo: the access of people without any employment ends all the
	// same.
	Paused    reason.Reason
	LeaversGo bool
	// SkippedSteps are the keys of failed steps that are not tried in this run, with the
	// reason; GivenUp those of them that a decision gave up.
	SkippedSteps map[audit.StepKey]reason.Reason
	GivenUp      map[audit.StepKey]bool
	// Ordered are those of the skipped steps that a person was asked to make.
	Ordered map[audit.StepKey]bool
	// Report is set when drift is reported and left; otherwise it is repaired.
	// UnrepairedDrift is what was left before, and Uncertain the access that an open step
	// may have given or not.
	Report                     bool
	UnrepairedDrift, Uncertain map[Access]bool
	// Sessions, Adopts, Renames and Deletes say whether the target can end
	// sessions, write an anchor into an account, give it another name, and
	// delete it.
	Sessions, Adopts, Renames, Deletes bool

	adopted map[identity.PersonID]string // account IDs, filled in by Correlate
	adopter map[string]identity.PersonID
	unclear map[identity.PersonID]reason.Reason // by person, why no account was adopted
	later   map[identity.PersonID]bool          // whose account is adopted on their first day
}

// Decided is a person's decision on a step that was held.
type Decided struct {
	Person  identity.PersonID
	Hold    audit.HoldDigest // of which it was decided
	Verdict Verdict
}

// Verdict is what was decided on a step of a hold.
type Verdict string

// The verdicts.
const (
	Release   Verdict = "release"    // it goes through
	Reject    Verdict = "reject"     // it is not done
	StaysHeld Verdict = "stays-held" // it was rejected before, or others of its hold were released and it was not: it stays held
)

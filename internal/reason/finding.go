package reason

import (
	"time"

	"github.com/behov/behov/internal/identity"
)

// TargetUnreadable says that a target could not be read.
type TargetUnreadable struct {
	kind
	Detail string `json:"detail"`
}

// TargetUnconfigured says that behov knows accounts in a target that is not configured any more.
type TargetUnconfigured struct {
	kind
	Count int `json:"count"`
}

// AccountReplaced says that the account says that it is the person's, and is not the one that
// behov knows.
type AccountReplaced struct{ kind }

// SeveralAccounts says that several accounts say that they are the person's.
type SeveralAccounts struct{ kind }

// AnchorChanged says that the anchor of the person's account was changed in the target.
type AnchorChanged struct {
	kind
	Person identity.PersonID `json:"person"`
}

// AnchorMissing says that the anchor of the person's account was removed in the target.
type AnchorMissing struct {
	kind
	Person  identity.PersonID `json:"person"`
	Written bool              `json:"written,omitempty"` // it is written back
}

// ClaimShared says that an account could be that of several people.
type ClaimShared struct {
	kind
	Attribute string `json:"attribute"`
	Count     int    `json:"count"` // of others
}

// ClaimDisabled says that the account that is the person's by an attribute is disabled.
type ClaimDisabled struct {
	kind
	Attribute string `json:"attribute"`
}

// ClaimSeveral says that several accounts could be the person's.
type ClaimSeveral struct {
	kind
	Attribute string `json:"attribute"`
	Count     int    `json:"count"`
}

// ClaimContradicted says that an account is the person's by one attribute, and another's by a
// stronger one.
type ClaimContradicted struct {
	kind
	Attribute string `json:"attribute"`
	Stronger  string `json:"stronger"`
}

// AttributeFailed says that an attribute of the account could not be worked out.
type AttributeFailed struct {
	kind
	Attribute string `json:"attribute"`
	Detail    string `json:"detail"`
}

// ClaimFailed says that a value by which accounts are adopted could not be worked out.
type ClaimFailed struct {
	kind
	Attribute string `json:"attribute"`
	Detail    string `json:"detail"`
}

// NameFailed says that the login name could not be worked out.
type NameFailed struct {
	kind
	Detail string `json:"detail"`
}

// NameEmpty says that the login name comes out empty.
type NameEmpty struct{ kind }

// NameReserved says that the login name is or was another person's in the target.
type NameReserved struct{ kind }

// NameTaken says that an account that behov does not own has the person's login name.
type NameTaken struct{ kind }

// AccountMayBeUnread says that the target was not read completely, and the person's account may
// be in the part that was not.
type AccountMayBeUnread struct{ kind }

// DisabledBeforeRestore says that behov disabled the account before the database was restored.
type DisabledBeforeRestore struct{ kind }

// DisabledInTarget says that the account was disabled in the target, not by behov.
type DisabledInTarget struct {
	kind
	Since    string `json:"since,omitempty"`    // empty: first seen now
	Released bool   `json:"released,omitempty"` // a person released its enabling
}

// AccountGone says that an account that behov knows is not in the target any more.
type AccountGone struct {
	kind
	Account    string `json:"account"`
	Unsearched bool   `json:"unsearched,omitempty"` // it could not be looked for elsewhere
	Again      bool   `json:"again,omitempty"`      // another is created when a person releases it
}

// AccountMoved says that an account was moved out of what behov reads in the target.
type AccountMoved struct {
	kind
	Place  string `json:"place"`
	Closes bool   `json:"closes,omitempty"` // it is to be closed where it is
}

// NameExposed says that an account carries parts of the name of a person with protected identity.
type NameExposed struct {
	kind
	Target string `json:"target"`
	Name   bool   `json:"name,omitempty"` // the account name does
	// ByHand is set when the name has to be changed in the target.
	ByHand     bool     `json:"by_hand,omitempty"`
	Attributes []string `json:"attributes,omitempty"` // those with the login in them
}

// Drift says that access in the target is not as behov left it, and is repaired or reported.
type Drift struct {
	kind
	// Removed is set for access that was removed in the target; otherwise it was granted.
	Removed  bool `json:"removed,omitempty"`
	Repaired bool `json:"repaired,omitempty"`
}

// UnmanagedGrant says that the access was given in the target, and stays until its owner decides.
type UnmanagedGrant struct{ kind }

// FormerNameFound says that the group holds an earlier name of the account.
type FormerNameFound struct {
	kind
	Repaired bool `json:"repaired,omitempty"`
}

// OrphanAccount says that an account belongs to no person that behov knows.
type OrphanAccount struct {
	kind
	Has []string `json:"has,omitempty"` // entitlements, sorted
}

// ForeignAnchor says that the anchor attribute of an account holds what is not behov's.
type ForeignAnchor struct {
	kind
	Has []string `json:"has,omitempty"`
}

// AnchorOfStranger says that an account says that it belongs to a person whom behov does not know.
type AnchorOfStranger struct {
	kind
	Has []string `json:"has,omitempty"`
}

// CannotDisable says that accounts that are disabled in the target can sign in.
type CannotDisable struct {
	kind
	Detail string `json:"detail"`
}

// DisableUnproven says that it is not known whether accounts that are disabled can sign in.
type DisableUnproven struct {
	kind
	Detail string `json:"detail"`
}

// ManagersUnknown says that HR names managers whom it does not list.
type ManagersUnknown struct {
	kind
	Count int `json:"count"` // of people with such a manager
}

// ManagersLeft says that HR names managers who have left.
type ManagersLeft struct {
	kind
	Count int `json:"count"`
}

// GroupNameShared says that several groups in the target have the entitlement's name.
type GroupNameShared struct {
	kind
	Group string `json:"group"`
}

// MembersUnreadable says that the members of a group cannot be read.
type MembersUnreadable struct {
	kind
	Group  string `json:"group"`
	Detail string `json:"detail"`
}

// GroupMissing says that the target does not have the entitlement's group.
type GroupMissing struct {
	kind
	Group string `json:"group"`
}

// GroupNeeded says that the catalogue has behov create a group. Again is set when behov created
// it before, and it is gone from the target.
type GroupNeeded struct {
	kind
	Group string `json:"group"`
	Again bool   `json:"again,omitempty"`
}

// GroupRetired says that the catalogue retires the group of an entitlement: no one is to have
// it any more.
type GroupRetired struct{ kind }

// GroupNotCreated says that a group which the catalogue has behov create was there before:
// behov uses it, and neither renames nor retires it.
type GroupNotCreated struct {
	kind
	Group string `json:"group"`
}

// GroupNotCreatable says why the target lets behov create no groups.
type GroupNotCreatable struct {
	kind
	Group  string `json:"group"`
	Detail string `json:"detail"`
}

// GroupNameTaken says that behov cannot rename a group that it created: another group has the
// name that the catalogue gives it now. Former is the one that it keeps.
type GroupNameTaken struct {
	kind
	Group  string `json:"group"`
	Former string `json:"former"`
}

// GroupInUse says that a group which is retired has members still.
type GroupInUse struct {
	kind
	Group string `json:"group"`
	Count int    `json:"count"`
}

// GroupLeft says that behov created a group and that the catalogue does not have behov manage
// it any more.
type GroupLeft struct {
	kind
	Group string `json:"group"`
}

// GroupUnowned says that no one who works here answers for a group that behov creates. Owner
// is who did, and who has left; empty when the catalogue names no one.
type GroupUnowned struct {
	kind
	Entitlement string `json:"entitlement"`
	Owner       string `json:"owner,omitempty"`
}

// DanglingMembers says that a group holds members that name nothing in the target.
type DanglingMembers struct {
	kind
	Group string `json:"group"`
	Count int    `json:"count"`
}

// GroupUnmanaged says that a group of the target is not in the catalogue.
type GroupUnmanaged struct {
	kind
	Group string `json:"group"`
}

// GivenUncatalogued says that behov gave an entitlement that is not in the catalogue any more.
type GivenUncatalogued struct {
	kind
	Count int `json:"count"`
}

// IncompleteRead says that the target was not read completely, so that nothing is taken away.
type IncompleteRead struct {
	kind
	Detail string `json:"detail"`
}

// Paused says that a decision pauses changes to the target.
type Paused struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
}

// HoldRejected says that a decision rejected the hold.
type HoldRejected struct {
	kind
	Hold string `json:"hold"`
}

// Held says that it waits for a decision on a hold.
type Held struct {
	kind
	Hold string `json:"hold"`
}

// HeldBefore says that it is held, perhaps for what has changed since.
type HeldBefore struct {
	kind
	Because Reason `json:"because"`
}

// StepRetried says that a step failed and is tried again.
type StepRetried struct {
	kind
	Count int       `json:"count"` // of failures
	Last  Reason    `json:"last"`
	Again time.Time `json:"again"` // UTC
}

// StepParked says that a step failed so often that it waits for an operator.
type StepParked struct {
	kind
	Step  string `json:"step"`
	Count int    `json:"count"`
	Last  Reason `json:"last"`
}

// StepGivenUp says that an operator gave the step up.
type StepGivenUp struct{ kind }

// DependsOnFailed says that the step depends on one that failed.
type DependsOnFailed struct{ kind }

// MayBeAnothers says that an existing account may be this person's or another's.
type MayBeAnothers struct{ kind }

// SeenSince says that the account was not among those that were read, and is there now.
type SeenSince struct{ kind }

// DisableUntried says that it was not tried whether accounts that are disabled can sign in.
type DisableUntried struct{ kind }

// LoginExposed says that the login of a person with protected identity carries parts of the name.
type LoginExposed struct{ kind }

// OrderWaiting says that a person was asked to make the change.
type OrderWaiting struct {
	kind
	Order int64         `json:"order"`
	Due   identity.Date `json:"due"`
}

// DependsOnOrdered says that a person makes the change on which this one depends.
type DependsOnOrdered struct{ kind }

// OrderConfirmed says that a person made the change that was ordered, and confirmed it.
type OrderConfirmed struct {
	kind
	Order    int64         `json:"order"`
	Done     identity.Date `json:"done"` // the day on which it was made
	Decision int64         `json:"decision"`
}

// OrderShown says that a list of the target's accounts shows the change that was ordered.
type OrderShown struct {
	kind
	Order int64 `json:"order"`
}

// OrderImpossible says that a change that was ordered cannot be made.
type OrderImpossible struct {
	kind
	Order    int64 `json:"order"`
	Decision int64 `json:"decision"`
}

// OrderWithdrawn says that a change that was ordered is not wanted any more.
type OrderWithdrawn struct {
	kind
	Order int64 `json:"order"`
}

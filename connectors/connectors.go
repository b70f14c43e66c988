// Package connectors is the contract between behov and the systems it writes to:
// a directory, a SCIM service, a cloud tenant. behov sees the whole state of a
// target as accounts, entitlements and memberships; a change to it is data.
//
// The package imports the standard library only, so that third parties can write
// connectors: implement [Connector], run the suite in connectors/conformance on
// it, and behov can drive it. A connector must never decide anything: it reads
// the state of the target and carries out each change once, or returns why it did
// not. It must never report success for a change that the target did not confirm.
package connectors

import (
	"context"
)

// Connector is one target. Its methods, Apply among them, may be called from several
// goroutines at once. Two Apply calls at a time concern different accounts, except that
// an account may be disabled, and its sessions revoked, while another call changes it.
type Connector interface {
	// Capabilities returns what this kind of target supports. It does not contact
	// the target.
	Capabilities() Capabilities

	// Check contacts the target and reports whether the target answers, accepts
	// the credentials and permits what behov will request of it, without changing
	// anything. The error is one line that tells the operator what to do.
	Check(ctx context.Context) error

	// Snapshot streams the target's whole state into sink, in any order, and
	// returns whether it was complete. An error means that no more will come and
	// that what came is incomplete, whatever the Completeness says. An
	// interrupted read MUST NOT be reported as complete: behov removes access on
	// the strength of what a complete snapshot lacks.
	Snapshot(ctx context.Context, sink Sink) (Completeness, error)

	// Apply carries out changes and returns one Result for each, in the same
	// order. Changes of one account are carried out in the order given; others
	// may be merged (many members in one request) or run in parallel. Every
	// change is idempotent: one whose state is already reached returns
	// [AlreadyApplied]. The failure of one change does not stop the rest, except
	// that after [TargetDown] the remaining changes may fail with the same error
	// without being tried.
	Apply(ctx context.Context, changes []Change) []Result

	// Close releases connections. The connector is not used afterwards.
	Close() error
}

// Sink receives a snapshot. An error it returns ends the snapshot and is
// returned from it.
type Sink interface {
	// Account receives each account once.
	Account(Account) error
	// Entitlement receives each entitlement that exists in the target, also
	// one without members.
	Entitlement(Entitlement) error
	// Membership receives each pair once. It may come before its account or
	// its entitlement.
	Membership(Membership) error
}

// Account is an account in the target: a person's, or one that belongs to no
// person.
type Account struct {
	// ID is the target's own stable identifier: it survives a rename
	// (entryUUID, objectGUID, SCIM id). Never empty.
	ID string
	// Anchor is the opaque behov person ID that behov wrote when it created or
	// adopted the account. It is empty on accounts that behov does not own.
	Anchor string
	// Name is the login name.
	Name string
	// Enabled is false when the account cannot be used to sign in.
	Enabled bool
	// MasteredExternally reports whether another directory masters the account (a
	// user that is synchronised from an on-premises directory), so that its
	// anchor, name, attributes and state cannot be written here. behov identifies
	// such an account by its ID, adds and removes its memberships and ends its
	// sessions; everything else is left to the mastering directory.
	MasteredExternally bool
	// Attributes holds the attributes that the connector is configured to read,
	// by the target's own names. An attribute without a value is absent. The
	// values of an attribute that refers to accounts (a manager) are their
	// account IDs; a reference to an entry outside the managed scope appears as
	// the target has it.
	Attributes map[string][]string
}

// Entitlement is a group, role, licence or flag in the target.
type Entitlement struct {
	// Name is the entitlement's name in the configuration (a group's cn or DN, a
	// SCIM group's displayName). A Change carries this name.
	Name string
	// Ambiguous reports whether several entitlements in the target have this
	// name, so that the connector cannot tell which one is meant. A snapshot
	// shows no memberships under the name, and behov neither grants nor revokes
	// it.
	Ambiguous bool
	// Unreadable tells the operator why the members cannot be read; it is empty
	// when they can. A snapshot then shows no memberships of the entitlement,
	// which does not mean that it has none, and behov neither grants nor revokes
	// it.
	Unreadable string
	// ID is the target's own stable identifier of the group: it survives a rename. Empty
	// for an entitlement that is no group, and where the target has none.
	ID string
	// Mark is what a GroupManager wrote into the group when it created it; empty on groups
	// that behov did not create.
	Mark string
}

// Membership is the pair of an account and an entitlement that it has.
type Membership struct {
	Entitlement string // an Entitlement's Name
	AccountID   string // an Account's ID; empty for a member that is no account in the managed scope
	// FormerName is the ID of an account whose earlier name the entitlement still
	// holds, while no entry has that name any more. The account is not a member
	// by it, and the next entry that gets the name would be. AccountID is then
	// empty.
	FormerName string
	// DanglingMembers is the number of other members of the entitlement that
	// refer to no entry. AccountID is then empty.
	DanglingMembers int
}

// Completeness reports whether a read saw everything.
type Completeness struct {
	Complete bool
	// Why tells the operator, when not complete, what was missed; one line.
	Why string
}

// Op is the operation of a Change.
type Op string

// The operations on a target.
const (
	CreateAccount  Op = "create-account"  // Account.Name, Account.Anchor, Attributes, Enabled
	AdoptAccount   Op = "adopt-account"   // Account.ID, Account.Anchor: writes the anchor into an account that has none
	UpdateAccount  Op = "update-account"  // Account.ID, Attributes
	RenameAccount  Op = "rename-account"  // Account.ID, Account.Name: the new login name; the ID stays
	EnableAccount  Op = "enable-account"  // Account.ID
	DisableAccount Op = "disable-account" // Account.ID
	DeleteAccount  Op = "delete-account"  // Account.ID
	AddMember      Op = "add-member"      // Account.ID, Entitlement
	RemoveMember   Op = "remove-member"   // Account.ID, Entitlement
	// RemoveFormerMember removes the earlier names of an account, which no entry
	// has any more, from an entitlement (Membership.FormerName): Account.ID,
	// Entitlement.
	RemoveFormerMember Op = "remove-former-member"
)

// AccountRef identifies the account of a Change.
type AccountRef struct {
	ID     string // the target's own stable identifier; empty on CreateAccount
	Anchor string // the behov person ID
	Name   string // the login name; a hint only on changes other than CreateAccount and RenameAccount
}

// Change is one change to a target, as data.
type Change struct {
	Op      Op
	Account AccountRef
	// Attributes holds the attributes to set, by the target's own names; as in
	// Account, references are account IDs. On UpdateAccount an empty list removes
	// the attribute, and attributes that are not named are unchanged.
	Attributes map[string][]string
	// Enabled reports, on CreateAccount, whether the new account is enabled.
	Enabled bool
	// Entitlement is the Entitlement.Name, on AddMember and RemoveMember.
	Entitlement string
}

// Status is the target's answer to a change.
type Status string

// The possible answers of a target.
const (
	// Applied: the target carried out the change.
	Applied Status = "applied"
	// AlreadyApplied: the target already had the requested state.
	AlreadyApplied Status = "already-applied"
	// Refused: the target understood the change and rejected it (name taken, no
	// such account, no such group, policy). Repeating it unchanged is no use.
	Refused Status = "refused"
	// Ordered: the target cannot be changed by a program. behov asks a person to make the
	// change, and the target shows it when that person has confirmed it. The connector
	// itself remembers nothing of it.
	Ordered Status = "ordered"
)

// Outcome is the target's answer to a change.
type Outcome struct {
	Status Status
	// AccountID is, after CreateAccount, the ID of the new account, of the one
	// with the same anchor that was already there, or of the deleted one that
	// was restored.
	AccountID string
	// GroupID is, after CreateGroup, the ID of the group.
	GroupID string
	// Detail tells the operator, when refused, why: one line without personal
	// data. When applied it is what the operator has to do nevertheless (the
	// first password could not be delivered), or empty.
	Detail string
}

// Result is the result of one change: an outcome, or an error of class [Error]
// when the target gave no usable answer and the change may or may not have
// happened.
type Result struct {
	Outcome
	Err error
}

// OneByOne applies changes in order, each with a call of apply. After an error of
// class [TargetDown] it does not try the remaining changes, which get the same
// error.
func OneByOne(ctx context.Context, changes []Change, apply func(context.Context, Change) (Outcome, error)) []Result {
	results := make([]Result, len(changes))
	for i, c := range changes {
		outcome, err := apply(ctx, c)
		results[i] = Result{Outcome: outcome, Err: err}
		if ClassOf(err) == TargetDown {
			for j := i + 1; j < len(changes); j++ {
				results[j].Err = err
			}
			return results
		}
	}
	return results
}

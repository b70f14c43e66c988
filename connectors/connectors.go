// Package connectors is the contract between behov and the systems it writes
// to: a directory, a SCIM service, a cloud tenant. A target's whole state as
// behov sees it is accounts, entitlements and memberships; a change to it is
// data.
//
// The package imports the standard library only, and so can anyone's own
// connector: implement [Connector], run the suite in connectors/conformance
// on it, and behov can drive it. A connector must never decide anything: it
// reads what is there and does what it is told, once, or says why not. It
// must never report success for a change it did not see happen.
package connectors

import (
	"context"
)

// Connector is one target. Its methods may be called from several goroutines;
// behov itself never runs two Apply calls on one connector at a time.
type Connector interface {
	// Capabilities says what this kind of target can do. It does not contact
	// the target.
	Capabilities() Capabilities

	// Check contacts the target and says whether it answers, lets us in, and
	// permits what behov will ask of it, without changing anything. The error
	// is one line that says what to do.
	Check(ctx context.Context) error

	// Snapshot streams the target's whole state into sink, in any order, and
	// says whether it was complete. An error means that nothing more will
	// come and that what came is incomplete, whatever the Completeness says.
	// A read that broke half-way MUST NOT be reported as complete: behov
	// removes access on the strength of what a complete snapshot lacks.
	Snapshot(ctx context.Context, sink Sink) (Completeness, error)

	// Apply carries out changes and returns one Result for each, in the same
	// order. Changes of one account are carried out in the order given;
	// others may be merged (many members in one request) or run side by
	// side. Every change is safe to repeat: one that is already so returns
	// [AlreadyApplied]. One change's failure does not stop the rest, except that
	// after [TargetDown] the remaining ones may fail alike without being
	// tried.
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

// Account is a person's account, or somebody else's, as the target has it.
type Account struct {
	// ID is the target's own stable identifier: it survives a rename
	// (entryUUID, objectGUID, SCIM id). Never empty.
	ID string
	// Anchor is the opaque behov person ID that behov wrote when it created
	// or adopted the account; empty on accounts that behov does not own.
	Anchor string
	// Name is the login name.
	Name string
	// Enabled is false when the account cannot be used to sign in.
	Enabled bool
	// MasteredExternally: another directory masters the account (a user that is synced
	// from the premises), so that its anchor, name, attributes and state cannot
	// be written here. behov knows it by its ID, gives and takes memberships
	// and ends sessions, and leaves the rest to where the account is mastered.
	MasteredExternally bool
	// Attributes holds the attributes the connector is configured to read, by
	// the target's own names. An attribute without a value is absent. The
	// values of an attribute that refers to accounts (a manager) are their
	// IDs; what it refers to outside our scope appears as the target has it.
	Attributes map[string][]string
}

// Entitlement is a group, role, licence or flag in the target.
type Entitlement struct {
	// Name is how configuration names it (a group's cn or DN, a SCIM group's
	// displayName). It is what a Change carries.
	Name string
	// Ambiguous: several in the target have this name, so that nobody can say
	// who has the one that is meant. A snapshot shows no memberships under the
	// name, and behov neither gives nor takes it.
	Ambiguous bool
	// Unreadable is why its members cannot be read, for people; empty when they
	// can. A snapshot then shows none of its memberships, which does not mean
	// that it has none, and behov neither gives nor takes it.
	Unreadable string
}

// Membership says that an account has an entitlement.
type Membership struct {
	Entitlement string // an Entitlement's Name
	AccountID   string // an Account's ID; empty for a member that is no account in our scope
	// FormerName is the ID of an account of which the entitlement holds an earlier
	// name, which nothing has any more: the account is no member by it, and what
	// gets the name next would be. AccountID is then empty.
	FormerName string
	// DanglingMembers is how many other members the entitlement holds that name nothing;
	// AccountID is then empty.
	DanglingMembers int
}

// Completeness says whether a read saw everything.
type Completeness struct {
	Complete bool
	// Why says, when not complete, what was missed; one line for a person.
	Why string
}

// Op is what a Change does.
type Op string

// The changes a target can be asked for.
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
	// RemoveFormerMember takes the earlier names of an account out of an entitlement
	// that nothing has any more (Membership.FormerName): Account.ID, Entitlement.
	RemoveFormerMember Op = "remove-former-member"
)

// AccountRef names the account a Change is about.
type AccountRef struct {
	ID     string // the target's own stable identifier; empty on CreateAccount
	Anchor string // the behov person ID
	Name   string // the login name; a hint only on changes other than CreateAccount and RenameAccount
}

// Change is one change to a target, as data.
type Change struct {
	Op      Op
	Account AccountRef
	// Attributes are those to set, by the target's own names; as in Account,
	// references are account IDs. On UpdateAccount an empty list removes the
	// attribute, and attributes that are not named stay as they are.
	Attributes map[string][]string
	// Enabled is, on CreateAccount, whether the account can be used at once.
	Enabled bool
	// Entitlement is an Entitlement's Name, on AddMember and RemoveMember.
	Entitlement string
}

// Status is how a change ended when the target answered.
type Status string

// The three ways a target answers.
const (
	// Applied: the target did it.
	Applied Status = "applied"
	// AlreadyApplied: there was nothing to do; the state asked for is the state.
	AlreadyApplied Status = "already-so"
	// Refused: the target understood and said no (name taken, no such
	// account, no such group, policy). Repeating it unchanged is no use.
	Refused Status = "refused"
)

// Outcome is the target's answer to a change.
type Outcome struct {
	Status Status
	// AccountID is, after CreateAccount, the ID of the new account, of the one
	// with the same anchor that was already there, or of the deleted one that
	// was restored.
	AccountID string
	// Detail is, when refused, why: one line for a person, without personal
	// data. When applied it is what somebody has to see to all the same (the
	// first password could not be handed over), or empty.
	Detail string
}

// Result is what became of one change: an outcome, or an error of class
// [Error] when the target gave no usable answer and the change may or may not
// have happened.
type Result struct {
	Outcome
	Err error
}

// OneByOne applies changes in order with a function that applies one. After
// an error of class [TargetDown] the remaining changes are not tried and get
// the same error.
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

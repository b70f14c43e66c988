package connectors

import (
	"context"
	"time"
)

// MFAReader is the optional ability to say who is enrolled for multi-factor
// authentication.
type MFAReader interface {
	// MFAEnrolled calls emit with the native ID of every enrolled account.
	// As with a snapshot, a read that broke is not complete: behov then gives
	// nobody new access on the strength of it, and takes none away.
	MFAEnrolled(ctx context.Context, emit func(accountID string) error) (Completeness, error)
}

// SingleMFAReader is the optional ability to answer for one account without
// reading them all.
type SingleMFAReader interface {
	// MFAEnrolledFor says whether the account is enrolled.
	MFAEnrolledFor(ctx context.Context, account AccountRef) (bool, error)
}

// PassIssuer is the optional ability to hand out a time-limited passcode with
// which somebody signs in once in order to enrol for multi-factor
// authentication.
type PassIssuer interface {
	// IssuePass makes a pass for the account that is valid for so long, and
	// withdraws an earlier one. The pass is returned once and kept nowhere.
	IssuePass(ctx context.Context, account AccountRef, valid time.Duration) (Pass, error)
	// WithdrawPass ends every pass of the account. It is safe to repeat.
	WithdrawPass(ctx context.Context, account AccountRef) (Outcome, error)
}

// Pass is a time-limited passcode. Code is a secret: it is shown to whoever
// asked for it, and never recorded.
type Pass struct {
	Code    string
	Starts  time.Time // UTC
	Expires time.Time // UTC
}

// SessionRevoker is the optional ability to end an account's open sessions.
type SessionRevoker interface {
	// RevokeSessions ends every session of the account. It is safe to repeat.
	RevokeSessions(ctx context.Context, account AccountRef) (Outcome, error)
}

// Namer is the optional ability to say which attributes are part of where an account
// is: changing one moves the account, which others may refer to by its place.
type Namer interface {
	NamingAttributes() []string
}

// Matcher is the optional ability to say how the target compares values.
type Matcher interface {
	// Matching returns, by attribute, how the target compares its values, as
	// far as is known after a Snapshot or Check. Attributes that it does not
	// name are compared exactly. Under EntitlementName it is how the names of
	// entitlements are compared.
	Matching() map[string]Matching
}

// EntitlementName stands among the attributes of Matching for the names of
// entitlements.
const EntitlementName = "entitlement name"

// PasswordSink receives the first password of a new account, once. A connector
// that is configured with none tells it to nobody. An error means that it was
// not handed over; the account is there all the same, and somebody has to set
// another password.
type PasswordSink interface {
	FirstPassword(ctx context.Context, account AccountRef, password string) error
}

// StateStore is where a connector keeps what makes the next reading cheaper (a
// delta token and what it continues from). It is sealed at rest. A connector
// must do as well without: what it loads may be old, or nothing.
type StateStore interface {
	// Load returns what was last saved, nil when nothing was.
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, state []byte) error
}

// NameChecker is the optional ability to say which login names are taken by
// accounts that a snapshot does not show: names may have to be unique in more
// than what the connector manages.
type NameChecker interface {
	// TakenNames returns those of the names that are taken, as they were given.
	TakenNames(ctx context.Context, names []string) (map[string]bool, error)
}

// AccountReader is the optional ability to read a few accounts without reading
// the target as a whole.
type AccountReader interface {
	// ReadAccounts streams into sink the accounts that the references name, by
	// ID, by anchor or by login name, by whichever of these is not empty; of
	// the entitlements named, by Entitlement.Name, those that exist; and the
	// memberships of the one in the other. It may stream more than it was
	// asked for. Like a snapshot it is complete only when it saw all of that.
	ReadAccounts(ctx context.Context, accounts []AccountRef, entitlements []string, sink Sink) (Completeness, error)
}

// AccountFinder is the optional ability to find accounts by what they have in
// attributes, without reading the target as a whole: whether somebody who is
// new has one already.
type AccountFinder interface {
	// FindAccounts streams into sink, without memberships, every account that
	// has one of the login names, however that is capitalised, or one of the
	// values in the attribute, by attribute: also those that the target compares
	// as unlike and Matching as alike. It may stream more. Like a snapshot it is
	// complete only when none can be missing: a target that cannot be asked so
	// is read as a whole.
	FindAccounts(ctx context.Context, names []string, values map[string][]string, sink Sink) (Completeness, error)
}

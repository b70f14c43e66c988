package connectors

import (
	"context"
	"slices"
	"time"
)

// MFAReader is the optional ability to list the accounts that are enrolled for
// multi-factor authentication.
type MFAReader interface {
	// MFAEnrolled calls emit with the native ID of every enrolled account, and its
	// strongest method. As with a snapshot, an interrupted read is not complete: behov
	// then neither grants nor revokes access on the strength of it.
	MFAEnrolled(ctx context.Context, emit func(accountID string, method MFAMethod) error) (Completeness, error)
}

// MFAMethod is a kind of method of multi-factor authentication.
type MFAMethod string

// The kinds of methods, the weakest first.
const (
	NoMethod = MFAMethod("") // not enrolled
	// UnknownMethod: enrolled, and the target does not say how.
	UnknownMethod MFAMethod = "unknown"
	// PhoneMethod is a code by text message, call or mail, which can be taken over.
	PhoneMethod MFAMethod = "phone"
	// AppMethod is an authenticator program or a token, as TOTP or a push.
	AppMethod MFAMethod = "app"
	// PhishingResistantMethod is a passkey, a security key or a certificate.
	PhishingResistantMethod MFAMethod = "phishing-resistant"
)

// Stronger returns the stronger of two methods. One that is known is stronger than one that
// is not.
func (m MFAMethod) Stronger(other MFAMethod) MFAMethod {
	order := []MFAMethod{NoMethod, UnknownMethod, PhoneMethod, AppMethod, PhishingResistantMethod}
	if slices.Index(order, other) > slices.Index(order, m) {
		return other
	}
	return m
}

// SignInLag is by how much the last sign-in that a target tells may be behind: a domain
// controller replicates lastLogonTimestamp every 9 to 14 days ([MS-ADTS] 3.1.1.1.9 and its
// attribute msDS-LogonTimeSyncInterval).
const SignInLag = 14 * 24 * time.Hour

// SignInReader is the optional ability to tell when accounts were last used.
type SignInReader interface {
	// LastSignIns calls emit with the native ID of every account, and when it was last signed in
	// to, UTC, up to SignInLag later than is told; the zero time when it never was. Of an
	// account that it does not emit nothing is known. A target that is not configured to tell
	// returns a Completeness that is not complete, and no error.
	LastSignIns(ctx context.Context, emit func(accountID string, at time.Time) error) (Completeness, error)
}

// SingleMFAReader is the optional ability to read the enrolment of one account
// without reading all of them.
type SingleMFAReader interface {
	// MFAEnrolledFor returns the account's strongest method; NoMethod when it is not
	// enrolled.
	MFAEnrolledFor(ctx context.Context, account AccountRef) (MFAMethod, error)
}

// PassIssuer is the optional ability to issue a time-limited passcode (Temporary
// Access Pass) with which a person signs in to enrol for multi-factor
// authentication.
type PassIssuer interface {
	// IssuePass creates a pass for the account that is valid for the given
	// duration, and withdraws an earlier pass. The connector returns the pass
	// once and stores it nowhere.
	IssuePass(ctx context.Context, account AccountRef, valid time.Duration) (Pass, error)
	// WithdrawPass ends every pass of the account. It is safe to repeat.
	WithdrawPass(ctx context.Context, account AccountRef) (Outcome, error)
}

// Pass is a time-limited passcode. Code is a secret: it is shown only to the
// caller that requested the pass, and never recorded.
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

// Namer is the optional ability to list the naming attributes: those that are
// part of an account's DN or path. A change of one moves the account, and other
// entries may refer to the account by that DN or path.
type Namer interface {
	NamingAttributes() []string
}

// Matcher is the optional ability to report how the target compares values.
type Matcher interface {
	// Matching returns, by attribute, how the target compares values, as far as a
	// Snapshot or Check has shown it. An attribute that is not in the map is
	// compared exactly. The key EntitlementName holds how the names of
	// entitlements are compared.
	Matching() map[string]Matching
}

// EntitlementName is the key in the map of Matching for the names of
// entitlements.
const EntitlementName = "entitlement name"

// PasswordSink receives the first password of a new account, once. A connector
// that has no sink discloses the password to no receiver. An error means that the
// password was not delivered; the account exists all the same, and an
// administrator has to set another password.
type PasswordSink interface {
	FirstPassword(ctx context.Context, account AccountRef, password string) error
}

// StateStore keeps connector state that makes the next read cheaper (a delta
// token and the data it continues from). The state is encrypted at rest. A
// connector must work without it: the loaded state may be outdated or missing.
type StateStore interface {
	// Load returns the state that was saved last, or nil when none was saved.
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, state []byte) error
}

// NameChecker is the optional ability to look up login names that are taken by
// accounts outside of the snapshot: a name may have to be unique in a larger
// scope than the one the connector manages.
type NameChecker interface {
	// TakenNames returns those of the given names that are taken, spelled as
	// given.
	TakenNames(ctx context.Context, names []string) (map[string]bool, error)
}

// AccountReader is the optional ability to read selected accounts without reading
// the whole target.
type AccountReader interface {
	// ReadAccounts streams into sink: the accounts that match a reference by ID,
	// anchor or login name, whichever of these is not empty; those of the named
	// entitlements (Entitlement.Name) that exist; and the memberships of these
	// accounts in these entitlements. It may stream more than was requested. Like
	// a snapshot it is complete only when it saw all of that.
	ReadAccounts(ctx context.Context, accounts []AccountRef, entitlements []string, sink Sink) (Completeness, error)
}

// AccountFinder is the optional ability to find accounts by attribute values
// without reading the whole target. behov uses it to find out whether a new
// person already has an account.
type AccountFinder interface {
	// FindAccounts streams into sink, without memberships, every account that has
	// one of the login names, in any case, or one of the values of an attribute.
	// It must also find values that the target compares as different and Matching
	// as equal. It may stream more. Like a snapshot it is complete only when no
	// matching account can be missing; a target that does not support such a
	// query is read as a whole.
	FindAccounts(ctx context.Context, names []string, values map[string][]string, sink Sink) (Completeness, error)
}

// LoginName stands for the login name where attributes are named; the name of no
// attribute has a space.
const LoginName = "login name"

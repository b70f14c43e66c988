package connectors

import "context"

// Location is an account and its place in the target.
type Location struct {
	Account Account
	// Place tells the operator in which part of the target the account is: the DN
	// of the container, or a path. It holds no personal data, such as a person's
	// name in a DN. Never empty.
	Place string
	// InScope reports whether Snapshot would show the account at this place. The
	// account was then created or moved back after the snapshot.
	InScope bool
}

// AccountLocator is the optional ability to search the whole target for accounts,
// including the parts that Snapshot does not read. An account that is missing
// from one part of a directory may have been moved to another part and still
// exist.
type AccountLocator interface {
	// LocateAccounts calls found for each account that matches a reference by ID
	// or anchor, anywhere in the target. Like a snapshot it is complete only when
	// it found every matching account that exists; an account that the
	// connector's credentials cannot read is not found. Each Location has at
	// least ID, Anchor, Name and Enabled.
	LocateAccounts(ctx context.Context, accounts []AccountRef, found func(Location) error) (Completeness, error)
}

package connectors

import "context"

// Location is an account and where in the target it is.
type Location struct {
	Account Account
	// Place says for people in which part of the target it is: the DN of what
	// holds it, a path. It holds no personal value, as a person's name in a DN.
	// Never empty.
	Place string
	// InScope: Snapshot would show it there. It came, or came back, after the
	// snapshot that did not.
	InScope bool
}

// AccountLocator is the optional ability to look for accounts in all of the
// target, also outside of what Snapshot shows: what is not seen in one part of
// a directory may have been moved to another, and is not gone.
type AccountLocator interface {
	// LocateAccounts calls found for each account that a reference names, by ID
	// or by anchor, wherever in the target it is. Like a snapshot it is complete
	// only when every account that exists was found; an account that this
	// connector's credentials may not see is not found. Of the account it gives
	// ID, Anchor, Name and Enabled, at least.
	LocateAccounts(ctx context.Context, accounts []AccountRef, found func(Location) error) (Completeness, error)
}

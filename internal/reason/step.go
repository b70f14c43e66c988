package reason

import "github.com/behov/behov/internal/identity"

// NeededFor says that the account is needed for an entitlement.
type NeededFor struct {
	kind
	Entitlement string `json:"entitlement"`
	Because     Reason `json:"because"`
}

// NotUsable says that the entitlement, for which the account would be needed, is not usable.
type NotUsable struct {
	kind
	Entitlement string `json:"entitlement"`
	Because     Reason `json:"because"`
}

// NothingNeeded says that the person needs nothing in the target any more.
type NothingNeeded struct{ kind }

// NoLongerNeeded says that no employment, request or decision needs the access any more.
type NoLongerNeeded struct {
	kind
	Given Reason `json:"given"` // the reason that it was given for; null when that is unknown
}

// GrantedInTarget says that the access was given in the target, and no rule, request or decision
// gives it.
type GrantedInTarget struct{ kind }

// FormerNameInGroup says that the group holds an earlier name of the account, which nothing has
// any more, and which another account could get.
type FormerNameInGroup struct{ kind }

// GroupChanged says that the catalogue names another group for the entitlement than before.
type GroupChanged struct {
	kind
	Group   string `json:"group"`
	Former  string `json:"former"`
	Because Reason `json:"because"` // for what the entitlement is given; null when it is kept
}

// LosesFormerGroup says that the person loses the entitlement, for which the catalogue named
// another group before.
type LosesFormerGroup struct {
	kind
	Former string `json:"former"`
}

// AttributesChanged says that HR or the mapping of attributes, gives other values.
type AttributesChanged struct {
	kind
	Attributes []string `json:"attributes"` // sorted
}

// NameChanged says that the person's login name in the target is another now.
type NameChanged struct{ kind }

// AccountClaimed says that the account was there before, and is the person's by an attribute.
type AccountClaimed struct {
	kind
	Attribute string `json:"attribute,omitempty"`
}

// AnchorRemoved says that the anchor of the person's account was removed in the target.
type AnchorRemoved struct{ kind }

// Enabled says that a person who may decide enables an account.
type Enabled struct {
	kind
	Decision int64          `json:"decision"`
	Maker    identity.Actor `json:"maker"`
}

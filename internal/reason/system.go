package reason

import "github.com/behov/behov/internal/identity"

// SystemUnowned says that no one owns a system.
type SystemUnowned struct{ kind }

// SystemOwnerLeft says that neither the owner of a system nor a deputy works here.
type SystemOwnerLeft struct{ kind }

// SystemUnclassified says that no one has classified a system.
type SystemUnclassified struct{ kind }

// NotRevised says that a system was not gone through for a year.
type NotRevised struct {
	kind
	Last identity.Date `json:"last,omitempty"` // empty when it never was
}

// DataOutsideFlagged says that a control flags data, or a supplier, outside the EU.
type DataOutsideFlagged struct {
	kind
	Country string `json:"country"` // two letters
	Control string `json:"control"`
}

// ReviewDue says that the access to a system is not reviewed as often as a control demands.
type ReviewDue struct {
	kind
	Last    identity.Date `json:"last,omitempty"` // empty when it never was
	Days    int           `json:"days"`
	Control string        `json:"control"`
}

// AccessAgainstControls says that people have access that controls do not let them have.
type AccessAgainstControls struct {
	kind
	Count int `json:"count"`
}

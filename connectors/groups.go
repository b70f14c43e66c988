package connectors

import "context"

// The operations on a group itself.
const (
	CreateGroup Op = "create-group" // Name, Mark, Purpose
	RenameGroup Op = "rename-group" // ID, Name
	DeleteGroup Op = "delete-group" // ID: a group without members
)

// GroupManager is the optional ability to create, rename and delete groups. behov asks for
// a change only of groups that it created, by their ID.
type GroupManager interface {
	// ChangeGroup carries out one change. It is idempotent: a change whose state is already
	// reached returns AlreadyApplied. A creation is refused when another group has the name,
	// a deletion when the group has a member, or anything that is no account is a member of
	// it.
	ChangeGroup(ctx context.Context, change GroupChange) (Outcome, error)
}

// GroupChange is one change to a group itself.
type GroupChange struct {
	Op Op
	// ID is the target's own stable identifier of the group; empty on CreateGroup.
	ID string
	// Name is the Entitlement.Name that the group gets.
	Name string
	// Mark is an opaque text, a UUID, that CreateGroup writes into the group and that
	// Entitlement.Mark shows: by it behov knows the group when the answer was lost.
	Mark string
	// Purpose tells people who look at the group in the target what it is for.
	Purpose string
}

// MarkedPurpose returns the description of a group with its mark, for targets that have no
// field of their own for the mark.
func MarkedPurpose(purpose, mark string) string {
	if purpose == "" {
		return markBegin + mark + markEnd
	}
	return purpose + " " + markBegin + mark + markEnd
}

// MarkIn returns the mark in a description that MarkedPurpose made; empty without any.
func MarkIn(description string) string {
	n := len(description) - markLength - len(markBegin) - len(markEnd)
	if n < 0 || description[n:n+len(markBegin)] != markBegin || description[len(description)-len(markEnd):] != markEnd {
		return ""
	}
	return description[n+len(markBegin) : len(description)-len(markEnd)]
}

const (
	markBegin  = "[behov "
	markEnd    = "]"
	markLength = 36 // a UUID (RFC 9562 §4)
)

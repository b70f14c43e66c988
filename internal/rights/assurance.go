package rights

import (
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/reason"
)

// Assurance is how surely a person is who they say, by how they signed in. A higher one
// includes the lower.
type Assurance int

// The levels.
const (
	// SingleFactor: with a password alone.
	SingleFactor Assurance = iota
	// MultiFactor: with more than one factor, whenever that was.
	MultiFactor
	// Fresh: with more than one factor, within the minutes that behov.yaml says.
	Fresh
)

// grave are the decisions that need a fresh sign-in: they take access from many, from
// one at once, or end what is known of a person.
var grave = []Action{Erase, DecideHold, DecideImport, Suspend, LiftSuspension, ExemptFromMFA, AllowConflict, EmergencyAccess, ApproveRules}

// Requires returns the assurance that an action requires of a person who signed in or shows
// a token. To see requires none beyond the sign-in; an extract of another person does, since it
// holds everything at once.
func Requires(a Action) Assurance {
	switch {
	case a == Extract:
		return MultiFactor
	case slices.Contains(Reads, a):
		return SingleFactor
	case slices.Contains(grave, a):
		return Fresh
	}
	return MultiFactor
}

// remote reports whether the person is known by what a client shows: the shell of the
// operating system is another door.
func (h How) remote() bool { return h == SignedIn || h == ByToken }

// AssuranceError is returned for an action that the person may be allowed, and for which
// they have to sign in again: with more than one factor, or just now.
type AssuranceError struct {
	Action   Action
	Requires Assurance
}

func (e *AssuranceError) Error() string {
	return fmt.Sprintf("%s requires a sign-in %s", e.Action, map[Assurance]string{MultiFactor: "with more than one factor", Fresh: "of the last minutes with more than one factor"}[e.Requires])
}

// Because returns the error as a reason.
func (e *AssuranceError) Because() reason.Reason {
	if e.Requires == Fresh {
		return reason.Of(reason.SignInAgain{Action: string(e.Action)})
	}
	return reason.Of(reason.SignInStronger{Action: string(e.Action)})
}

// NeedsAssurance returns the assurance that an error asks for.
func NeedsAssurance(err error) (Assurance, bool) {
	var e *AssuranceError
	if errors.As(err, &e) {
		return e.Requires, true
	}
	return 0, false
}

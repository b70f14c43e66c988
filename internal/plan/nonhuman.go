package plan

import (
	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// NonHumanAccount is an account of the register: it is no person's. Of such an account a plan
// ends the sessions, disables it, and enables what behov disabled; nothing else of it changes.
type NonHumanAccount struct {
	// ID stands where steps and findings name a person.
	ID        identity.PersonID
	AccountID string // the target's own ID
	// DisabledReason says why the account may not be used; empty when it may, and then
	// EnabledReason says why. Both are empty when that is not decided: it stays as it is.
	DisabledReason, EnabledReason reason.Reason
	// Warning says what its owner has to do soon; empty for nothing.
	Warning reason.Reason
	// Retired: it does not have to be in the target any more.
	Retired bool
}

// planNonHuman plans the accounts of the register.
func (b *builder) planNonHuman() {
	for _, n := range b.t.NonHuman {
		if !n.Warning.IsZero() {
			b.addFinding(Finding{Kind: Ending, Person: n.ID, AccountID: n.AccountID, Reason: n.Warning})
		}
		a, seen := b.t.Observed.ByID(n.AccountID)
		switch {
		case !seen && !n.Retired && b.t.Observed.Completeness.Complete:
			b.addFinding(Finding{Kind: Vanished, Person: n.ID, AccountID: n.AccountID, Reason: reason.Of(reason.RegisteredAccountGone{})})
			continue
		case !seen, b.t.ignored(a.Name), a.MasteredExternally:
			continue
		case !n.DisabledReason.IsZero() && a.Enabled:
			if b.t.Sessions {
				b.addStep(Step{Op: RevokeSessions, Person: n.ID, AccountID: a.ID, Reason: n.DisabledReason})
			}
			b.addStep(Step{Op: connectors.DisableAccount, Person: n.ID, AccountID: a.ID, Reason: n.DisabledReason, Destructive: true})
		case n.DisabledReason.IsZero() && !n.EnabledReason.IsZero() && !a.Enabled && b.t.Bound.Record(n.ID).DisabledByBehov:
			// What others disabled, or behov before a restore, stays disabled.
			s := EnableStep(b.t.Name, n.ID, a.ID)
			s.Reason = n.EnabledReason
			b.addStep(s)
		}
	}
}

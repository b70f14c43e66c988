package plan

import (
	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
)

// Bindings notes which account in a target is whose, by the target's own ID.
// What behov noted when it created an account is stronger than the anchor in
// it, which others can change. The zero value is ready to use.
type Bindings struct {
	account map[identity.PersonID]string
	person  map[string]identity.PersonID
}

// Bind notes that the account is the person's.
func (b *Bindings) Bind(person identity.PersonID, accountID string) {
	if b.account == nil {
		b.account, b.person = map[identity.PersonID]string{}, map[string]identity.PersonID{}
	}
	b.account[person], b.person[accountID] = accountID, person
}

// Of returns the ID of the person's account, empty when none is noted.
func (b *Bindings) Of(person identity.PersonID) string { return b.account[person] }

// Owned returns the person's account in the target, nil when none is seen,
// and others that say they are the person's and are not known to be.
func (t *Target) Owned(person identity.PersonID) (own *connectors.Account, others []connectors.Account) {
	bound := t.Bound.account[person]
	for _, a := range t.Observed.Of(string(person)) {
		switch owner, ok := t.Bound.person[a.ID]; {
		case a.ID == bound:
			own = &a
		case ok && owner != person:
			// Somebody wrote this person's ID into another's account.
		default:
			others = append(others, a)
		}
	}
	if own == nil && bound != "" {
		if a, ok := t.Observed.ByID(bound); ok {
			own = &a
		}
	}
	if own == nil && bound == "" && len(others) == 1 {
		own, others = &others[0], nil
	}
	if own == nil && len(others) == 0 && t.adopted[person] != "" { // also in place of one that is gone
		if a, ok := t.Observed.ByID(t.adopted[person]); ok {
			own = &a
		}
	}
	return own, others
}

package plan

import (
	"cmp"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
)

// Bindings notes which account in a target is whose, by the target's own ID.
// What behov noted when it created an account is stronger than the anchor in
// it, which others can change. The zero value is ready to use.
type Bindings struct {
	accounts []binding // sorted by person
	person   map[string]identity.PersonID
}

type binding struct {
	person  identity.PersonID
	account string
	known   AccountRecord
}

// AccountRecord is what behov noted of an account that it knows.
type AccountRecord struct {
	// Created: behov created it; otherwise it was adopted or bound.
	Created bool
	// DisabledByBehov: behov disabled it, or created it disabled, and has not seen it
	// enabled since.
	DisabledByBehov bool
	// Restored: behov disabled it before the database was made of a backup. Others
	// may have disabled it since.
	Restored bool
	// DisabledSince says for people since when a run has found it disabled though
	// behov did not disable it; empty when none has.
	DisabledSince string
	// Missing: a run saw that it is nowhere in the target.
	Missing bool
}

// Bind notes that the account is the person's.
func (b *Bindings) Bind(person identity.PersonID, accountID string) {
	if b.person == nil {
		b.person = map[string]identity.PersonID{}
	}
	b.person[accountID] = person
	if i, found := b.find(person); found {
		b.accounts[i].account = accountID
	} else { // who mostly come in their order
		b.accounts = slices.Insert(b.accounts, i, binding{person: person, account: accountID})
	}
}

// SetRecord notes what is known of the person's account, which was bound before.
func (b *Bindings) SetRecord(person identity.PersonID, known AccountRecord) {
	if i, found := b.find(person); found {
		b.accounts[i].known = known
	}
}

// Record returns what is known of the person's account.
func (b *Bindings) Record(person identity.PersonID) AccountRecord {
	if i, found := b.find(person); found {
		return b.accounts[i].known
	}
	return AccountRecord{}
}

func (b *Bindings) find(person identity.PersonID) (int, bool) {
	return find(b.accounts, func(b binding) int { return cmp.Compare(b.person, person) })
}

// find is a binary search that checks the end first.
func find[T any](sorted []T, compare func(T) int) (int, bool) {
	if n := len(sorted); n == 0 || compare(sorted[n-1]) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(sorted, 0, func(t T, _ int) int { return compare(t) })
}

// AccountOf returns the ID of the person's account, empty when none is noted.
func (b *Bindings) AccountOf(person identity.PersonID) string {
	if i, found := b.find(person); found {
		return b.accounts[i].account
	}
	return ""
}

// Owned returns the person's account in the target, nil when none is seen,
// and others that say they are the person's and are not known to be.
func (t *Target) Owned(person identity.PersonID) (own *connectors.Account, others []connectors.Account) {
	at, rest := t.owned(person)
	if at >= 0 {
		a := t.Observed.account(at)
		own = &a
	}
	for _, i := range rest {
		others = append(others, t.Observed.account(i))
	}
	return own, others
}

// Accounts returns the accounts that are the person's, or say so.
func (t *Target) Accounts(person identity.PersonID) []connectors.Account {
	own, others := t.Owned(person)
	if own != nil {
		others = append(others, *own)
	}
	return others
}

// OwnName returns the login name of the account that Owned returns, and whether there
// is one; it reads no attributes.
func (t *Target) OwnName(person identity.PersonID) (name string, seen bool) {
	at, _ := t.owned(person)
	if at < 0 {
		return "", false
	}
	return t.Observed.accounts[at].name, true
}

// owned is Owned by the places of the accounts, -1 for none.
func (t *Target) owned(person identity.PersonID) (own int32, others []int32) {
	own = -1
	bound := t.Bound.AccountOf(person)
	for _, i := range t.Observed.of(string(person)) {
		id := t.Observed.accounts[i].id
		switch owner, ok := t.Bound.person[id]; {
		case id == bound:
			own = i
		case ok && owner != person:
			// Another person's account that carries this person's ID: anchors can be written.
		default:
			others = append(others, i)
		}
	}
	if own < 0 && bound != "" {
		if i, ok := t.Observed.index(bound); ok {
			own = i
		}
	}
	if own < 0 && bound == "" && len(others) == 1 {
		own, others = others[0], nil
	}
	if own < 0 && len(others) == 0 && t.adopted[person] != "" { // also in place of one that is gone
		if i, ok := t.Observed.index(t.adopted[person]); ok {
			own = i
		}
	}
	return own, others
}

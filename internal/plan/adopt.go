package plan

import (
	"fmt"
	"iter"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Claim is a value by which an existing account is recognised as a person's.
type Claim struct {
	Attribute string // connectors.LoginName for the login name
	Value     string // empty when HR does not know it
}

// Correlate finds the accounts of people among those that no one is known to own: by each
// claim in turn, and only when exactly one account and one person match. Anything less
// clear is a finding and no match, and so is an account that a stronger claim gives to
// another person, or that was disabled on purpose. Nothing is matched in a target that
// was not read completely: the unread part may hold a second account.
//
// Correlate needs the claims of people, and whether they have a need.
func (t *Target) Correlate(people iter.Seq[Person]) {
	t.later = map[identity.PersonID]bool{}
	t.adopted, t.adopter, t.unclear = map[identity.PersonID]string{}, map[string]identity.PersonID{}, map[identity.PersonID]reason.Reason{}
	if t.Observed == nil || !t.Observed.Completeness.Complete || !t.Adopts || len(t.Claims) == 0 {
		return
	}
	free := t.unownedByClaim()
	claimants := map[string][]Person{}   // by account
	by := map[identity.PersonID]string{} // the claim's attribute
	for p := range people {
		if own, others := t.Owned(p.ID); own != nil || len(others) > 0 {
			continue
		}
		account, attribute, unclear := t.claimedBy(p, free)
		if !unclear.IsZero() {
			t.unclear[p.ID] = unclear
		}
		if account != "" {
			claimants[account] = append(claimants[account], p)
			by[p.ID] = attribute
		}
	}
	for account, who := range claimants {
		a, _ := t.Observed.ByID(account)
		switch {
		case len(who) > 1:
			for _, p := range who {
				t.unclear[p.ID] = reason.Of(reason.ClaimShared{Attribute: by[p.ID], Count: len(who) - 1})
			}
		case who[0].Accounts[t.Name].NotStarted:
			t.later[who[0].ID] = true
		case who[0].NoEntitlementReason.IsZero() && !a.Enabled && !a.MasteredExternally:
			t.unclear[who[0].ID] = reason.Of(reason.ClaimDisabled{Attribute: by[who[0].ID]})
		default:
			t.adopted[who[0].ID], t.adopter[account] = account, who[0].ID
		}
	}
}

// claimedBy returns the one account that is the person's by their strongest
// claim that finds any, or says why it is not clear.
func (t *Target) claimedBy(p Person, free map[string][]string) (account, attribute string, unclear reason.Reason) {
	claims := p.Accounts[t.Name].Claims
	for i, c := range claims {
		if c.Value == "" {
			continue
		}
		accounts := free[t.claim(c.Attribute, []string{c.Value})]
		switch {
		case len(accounts) == 0:
			continue
		case len(accounts) > 1:
			return "", "", reason.Of(reason.ClaimSeveral{Count: len(accounts), Attribute: c.Attribute})
		}
		a, _ := t.Observed.ByID(accounts[0])
		for _, stronger := range claims[:i] {
			if values := t.valuesOf(a, stronger.Attribute); len(values) > 0 && !t.hasClaim(a, stronger) {
				return "", "", reason.Of(reason.ClaimContradicted{Attribute: c.Attribute, Stronger: stronger.Attribute})
			}
		}
		return accounts[0], c.Attribute, reason.Reason{}
	}
	return "", "", reason.Reason{}
}

// valuesOf returns an account's values of what a claim is about.
func (t *Target) valuesOf(a connectors.Account, attribute string) []string {
	if attribute == connectors.LoginName {
		return []string{a.Name}
	}
	return a.Attributes[attribute]
}

// hasClaim reports whether the account has the claim's value.
func (t *Target) hasClaim(a connectors.Account, c Claim) bool {
	return slices.ContainsFunc(t.valuesOf(a, c.Attribute), func(v string) bool {
		return t.claim(c.Attribute, []string{v}) == t.claim(c.Attribute, []string{c.Value})
	})
}

// claim is an attribute with values in canonical form, to compare by. Login
// names are the same however they are capitalised.
func (t *Target) claim(attribute string, values []string) string {
	matching := t.Matching[attribute]
	if matching == "" {
		matching = connectors.MatchIgnoreCase
	}
	return fmt.Sprintf("%q %q", attribute, matching.Canonical(values))
}

// unownedByClaim returns the accounts without an owner, by every claim that is made.
func (t *Target) unownedByClaim() map[string][]string {
	free := map[string][]string{}
	for a := range t.Observed.All() {
		if a.Anchor != "" || t.Bound.person[a.ID] != "" || t.ignored(a.Name) {
			continue
		}
		for _, attribute := range t.Claims {
			for _, v := range t.valuesOf(a, attribute) {
				key := t.claim(attribute, []string{v})
				if n := len(free[key]); n == 0 || free[key][n-1] != a.ID {
					free[key] = append(free[key], a.ID)
				}
			}
		}
	}
	return free
}

func (t *Target) adopts(accountID string) bool { return t.adopter[accountID] != "" }

// claimed returns the attribute by which the account was recognised as the person's;
// empty when it is not known.
func (t *Target) claimed(p Person, a connectors.Account) string {
	for _, c := range p.Accounts[t.Name].Claims {
		if c.Value != "" && t.hasClaim(a, c) {
			return c.Attribute
		}
	}
	return ""
}

// personOf returns the known owner of the account; empty without one.
func (t *Target) personOf(accountID string) identity.PersonID {
	if person := t.Bound.person[accountID]; person != "" {
		return person
	}
	if person := t.adopter[accountID]; person != "" {
		return person
	}
	if t.Observed != nil {
		if a, ok := t.Observed.ByID(accountID); ok {
			return identity.PersonID(a.Anchor)
		}
	}
	return ""
}

package plan

import (
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
)

// Claim is a value by which an account that was there before behov is told as
// a person's.
type Claim struct {
	Attribute string // NameAttribute for the login name
	Value     string // never empty
}

// Correlate finds, among the accounts that nobody is known to own, those that
// are people's: by each claim in turn, and only when exactly one account and
// one person come together. Whatever is less clear is a finding and no match.
// Nothing is matched in a target that was not read completely: a second
// account may be in the part that was not seen.
func (t *Target) Correlate(people []Person) {
	t.adopted, t.adopter, t.unclear = map[identity.PersonID]string{}, map[string]identity.PersonID{}, map[identity.PersonID]string{}
	if t.Observed == nil || !t.Observed.Completeness.Complete || !t.Adopts {
		return
	}
	free := t.free(people)
	claimants := map[string][]identity.PersonID{} // by account
	by := map[identity.PersonID]string{}          // the claim's attribute
	for _, p := range people {
		if own, others := t.Owned(p.ID); own != nil || len(others) > 0 || t.Bound.account[p.ID] != "" {
			continue
		}
		for _, c := range p.Accounts[t.Name].Claims {
			accounts := free[t.claim(c.Attribute, []string{c.Value})]
			if len(accounts) > 1 {
				t.unclear[p.ID] = fmt.Sprintf("%d accounts could be this person's by %s: write the person's ID into the anchor attribute of the right one, or list the others under ignore; none is made until then", len(accounts), c.Attribute)
			}
			if len(accounts) == 1 {
				claimants[accounts[0]] = append(claimants[accounts[0]], p.ID)
				by[p.ID] = c.Attribute
			}
			if len(accounts) > 0 {
				break
			}
		}
	}
	for account, who := range claimants {
		if len(who) == 1 {
			t.adopted[who[0]], t.adopter[account] = account, who[0]
			continue
		}
		for _, person := range who {
			t.unclear[person] = fmt.Sprintf("one account could be this person's by %s, or that of %d others: write the right person's ID into its anchor attribute; none is made until then", by[person], len(who)-1)
		}
	}
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

// free returns the accounts that nobody owns, by every claim that is made.
func (t *Target) free(people []Person) map[string][]string {
	attributes := map[string]bool{}
	for _, p := range people {
		for _, c := range p.Accounts[t.Name].Claims {
			attributes[c.Attribute] = true
		}
	}
	free := map[string][]string{}
	if len(attributes) == 0 {
		return free
	}
	for _, a := range t.Observed.Accounts {
		if a.Anchor != "" || t.Bound.person[a.ID] != "" || t.ignored(a.Name) {
			continue
		}
		for attribute := range attributes {
			values := a.Attributes[attribute]
			if attribute == NameAttribute {
				values = []string{a.Name}
			}
			for _, v := range values {
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

// claimed says by which attribute the account was told as the person's.
func (t *Target) claimed(p Person, a connectors.Account) string {
	for _, c := range p.Accounts[t.Name].Claims {
		values := a.Attributes[c.Attribute]
		if c.Attribute == NameAttribute {
			values = []string{a.Name}
		}
		for _, v := range values {
			if t.claim(c.Attribute, []string{v}) == t.claim(c.Attribute, []string{c.Value}) {
				return "its " + c.Attribute
			}
		}
	}
	return "its attributes"
}

// personOf returns who is known to own the account, empty for nobody.
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

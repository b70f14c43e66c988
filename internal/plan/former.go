package plan

import (
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// FormerGroupsOf returns the former groups of the entitlement in which a person's account
// is a member, when behov gave the person the entitlement. A membership that behov did
// not give is not behov's to change: the catalogue no longer names the group.
func (t *Target) FormerGroupsOf(person identity.PersonID, accountID string, entitlement policy.EntitlementID) (member []string) {
	groups := t.FormerGroups[entitlement]
	if len(groups) == 0 {
		return nil
	}
	if _, ours := t.Given.Reason(Access{Person: person, Entitlement: entitlement}); !ours {
		return nil
	}
	for _, native := range groups {
		if t.Observed.Member(accountID, native) {
			member = append(member, native)
		}
	}
	return member
}

// GivenBefore returns the entitlement for which behov put the person into a group that the
// catalogue names for another one now; empty when there is none.
func (t *Target) GivenBefore(person identity.PersonID, native string) policy.EntitlementID {
	for _, entitlement := range t.Reassigned[native] {
		if _, ours := t.Given.Reason(Access{Person: person, Entitlement: entitlement}); ours {
			return entitlement
		}
	}
	return ""
}

// has reports whether a person's own account has the entitlement, by its group of today or
// a former one.
func (b *builder) has(e policy.Entitlement, person identity.PersonID, accountID string) bool {
	return b.t.Observed.Member(accountID, e.Native) || len(b.t.FormerGroupsOf(person, accountID, e.ID)) > 0
}

// planMember plans that an account is a member of the entitlement's group, and of no
// former group of it after that.
func (b *builder) planMember(person identity.PersonID, e policy.Entitlement, g policy.Grant, accountID string, member bool, former []string) {
	var dependsOn []string
	if member {
		b.noteAdoption(person, e.ID, func() string { return policy.Reasons(g.Reasons) })
	} else {
		n := len(b.steps)
		b.planAddMember(person, e, g, accountID, nil)
		if len(b.steps) == n {
			return // the group of today cannot be joined: the former one is all the person has
		}
		dependsOn = []string{b.steps[n].ID}
	}
	for _, native := range former {
		b.addStep(Step{Op: LeaveFormerGroup, Person: person, AccountID: accountID, Entitlement: e.ID, Native: native, Destructive: true, DependsOn: dependsOn,
			Reason: fmt.Sprintf("the catalogue names the group %q for it, and named %q before", e.Native, native)})
	}
}

// planEndOfFormerGroups plans that a person who loses the entitlement leaves former groups
// of it. It returns the steps on which the removal from the last group depends: as long as
// the account is a member of one of them the access lasts.
func (b *builder) planEndOfFormerGroups(person identity.PersonID, e policy.Entitlement, former []string, accountID string) (steps []string) {
	for _, native := range former {
		b.addStep(Step{Op: RemoveFromFormerGroup, Person: person, AccountID: accountID, Entitlement: e.ID, Native: native, Destructive: true,
			Reason: fmt.Sprintf("the person loses the entitlement, for which the catalogue named the group %q before", native)})
		steps = append(steps, b.steps[len(b.steps)-1].ID)
	}
	return steps
}

// LeavesFormerGroup reports whether a step takes an account out of a former group of an
// entitlement.
func LeavesFormerGroup(op connectors.Op) bool {
	return op == LeaveFormerGroup || op == RemoveFromFormerGroup
}

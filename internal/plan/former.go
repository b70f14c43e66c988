package plan

import (
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// When the catalogue names another group for an entitlement, the people to whom behov gave
// it are moved: their accounts join the group of today and then leave the former one. Until
// then a membership in the former group is the entitlement, and no other that the catalogue
// names the group for.

// gave reports whether behov gave the person the entitlement.
func (t *Target) gave(person identity.PersonID, entitlement policy.EntitlementID) bool {
	_, ours := t.Given.reason(Access{Person: person, Entitlement: entitlement})
	return ours
}

// inFormerGroups returns the former groups of the entitlement in which a person's account
// is a member, when behov gave the person the entitlement. A membership that behov did not
// give is not behov's to change.
func (t *Target) inFormerGroups(person identity.PersonID, accountID string, entitlement policy.EntitlementID) (groups []string) {
	if len(t.FormerGroups[entitlement]) == 0 || !t.gave(person, entitlement) {
		return nil
	}
	for _, group := range t.FormerGroups[entitlement] {
		if t.Observed.Member(accountID, group) {
			groups = append(groups, group)
		}
	}
	return groups
}

// inGroup reports whether a person's account is a member of the entitlement's group of
// today, and not only because it is a former group of another entitlement that behov gave
// the person.
func (t *Target) inGroup(person identity.PersonID, accountID string, e policy.Entitlement) bool {
	if !t.Observed.Member(accountID, t.Native(e)) {
		return false
	}
	if len(t.FormerGroups) == 0 || t.gave(person, e.ID) {
		return true
	}
	group := t.Native(e)
	for other, former := range t.FormerGroups {
		if other != e.ID && slices.Contains(former, group) && t.gave(person, other) {
			return false
		}
	}
	return true
}

// Has reports whether a person's account has the entitlement, by its group of today or a
// former one.
func (t *Target) Has(person identity.PersonID, accountID string, e policy.Entitlement) bool {
	return t.inGroup(person, accountID, e) || len(t.inFormerGroups(person, accountID, e.ID)) > 0
}

// Moved reports whether a person to whom behov gave the entitlement is in its group of
// today, and in no former group for it; true for a person without an account.
func (t *Target) Moved(person identity.PersonID, e policy.Entitlement, catalogue []policy.Entitlement) bool {
	for _, a := range t.Accounts(person) {
		if !t.inGroup(person, a.ID, e) || len(t.toLeave(person, a.ID, e.ID, catalogue, nil)) > 0 {
			return false
		}
	}
	return true
}

// toLeave returns the former groups of the entitlement that a person's account leaves: not
// those in which it is, or comes, for another entitlement.
func (t *Target) toLeave(person identity.PersonID, accountID string, entitlement policy.EntitlementID, catalogue []policy.Entitlement, comes func(policy.Entitlement) bool) []string {
	return slices.DeleteFunc(t.inFormerGroups(person, accountID, entitlement), func(group string) bool {
		return slices.ContainsFunc(catalogue, func(e policy.Entitlement) bool {
			return e.Target == t.Name && t.Native(e) == group && (t.inGroup(person, accountID, e) || comes != nil && comes(e))
		})
	})
}

// planMove plans that an account joins the entitlement's group when it is not a member,
// and then leaves the former ones.
func (b *builder) planMove(person identity.PersonID, e policy.Entitlement, g policy.Grant, accountID string, member bool, former, leave []string) {
	var dependsOn []audit.StepID
	if !member {
		n := len(b.steps)
		why := policy.Reasons(g.Reasons).Or(g.GateReason)
		if len(former) > 0 {
			why = b.reason(reason.GroupChanged{Group: e.Native, Former: former[0], Because: why})
		}
		b.planAddMember(person, e, why, accountID, nil)
		if len(b.steps) == n {
			return // the group of today cannot be joined: the former one is all the person has
		}
		dependsOn = []audit.StepID{b.steps[n].ID}
	}
	for _, group := range leave {
		b.addStep(Step{Op: LeaveFormerGroup, Person: person, AccountID: accountID, Entitlement: e.ID, Native: group, Destructive: true, DependsOn: dependsOn,
			Reason: b.reason(reason.GroupChanged{Group: e.Native, Former: group})})
	}
}

// planEndOfFormerGroups plans that a person who loses the entitlement leaves former groups
// of it. It returns the steps on which the removal from the last group depends: as long as
// the account is a member of one of them the access lasts.
func (b *builder) planEndOfFormerGroups(person identity.PersonID, e policy.Entitlement, former []string, accountID string) (steps []audit.StepID) {
	for _, group := range former {
		b.addStep(Step{Op: RemoveFromFormerGroup, Person: person, AccountID: accountID, Entitlement: e.ID, Native: group, Destructive: true,
			Reason: b.reason(reason.LosesFormerGroup{Former: group})})
		steps = append(steps, b.steps[len(b.steps)-1].ID)
	}
	return steps
}

// LeavesFormerGroup reports whether a step takes an account out of a former group of an
// entitlement.
func LeavesFormerGroup(op connectors.Op) bool {
	return op == LeaveFormerGroup || op == RemoveFromFormerGroup
}

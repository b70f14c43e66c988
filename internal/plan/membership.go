package plan

import (
	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

func (b *builder) addAll(person identity.PersonID, grants map[policy.EntitlementID]policy.Grant, accountID string, dependsOn []audit.StepID) {
	for _, e := range b.catalogue {
		if g, ok := grants[e.ID]; ok && g.Gate == policy.Open {
			b.planAddMember(person, e, policy.Reasons(g.Reasons), accountID, dependsOn)
		}
	}
}

// planMemberships plans what an account has.
func (b *builder) planMemberships(p Person, grants map[policy.EntitlementID]policy.Grant, a connectors.Account, wanted bool) {
	suspended := !p.SuspendedReason.IsZero()
	if suspended && !a.MasteredExternally || p.KeepMemberships {
		return // the account cannot be used
	}
	for _, e := range b.catalogue {
		if b.t.Observed.Ambiguous(e.Native) || b.t.Observed.Unreadable(e.Native) != "" {
			continue
		}
		if b.t.Observed.HasFormerName(a.ID, e.Native) {
			b.earlierName(p.ID, e, a.ID)
		}
		g, granted := grants[e.ID]
		member, former := b.t.inGroup(p.ID, a.ID, e), b.t.inFormerGroups(p.ID, a.ID, e.ID)
		has := member || len(former) > 0
		desired := func(e policy.Entitlement, has bool) bool {
			g, granted := grants[e.ID]
			return granted && wanted && !p.Prepare && !suspended && (g.Gate == policy.Open || has && (g.Gate == policy.MFAUnknown || g.Gate == policy.Kept))
		}
		leave := former
		if len(former) > 0 {
			leave = b.t.toLeave(p.ID, a.ID, e.ID, b.catalogue, func(other policy.Entitlement) bool { return desired(other, b.t.Has(p.ID, a.ID, other)) })
		}
		wants := desired(e, has)
		switch {
		case has && !wants:
			if !member && len(leave) > 0 {
				e.Native, leave = leave[0], leave[1:]
			}
			after := b.planEndOfFormerGroups(p.ID, e, leave, a.ID)
			b.planRemoveMember(p, e, g, granted && !p.Prepare, a.ID, after)
			continue
		case wants && (!member || len(leave) > 0):
			b.planMove(p.ID, e, g, a.ID, member, former, leave)
		case wants && g.Gate == policy.Open:
			b.noteAdoption(p.ID, e.ID, policy.Reasons(g.Reasons))
		}
		if has && wants && g.Gate == policy.Kept && g.Until != "" {
			b.plan.Handovers = append(b.plan.Handovers, Handover{Target: b.t.Name, Person: p.ID, Entitlement: e.ID, Until: g.Until, Reason: g.GateReason})
		}
	}
}

// noteAdoption notes access that is there and that behov did not give.
func (b *builder) noteAdoption(person identity.PersonID, entitlement policy.EntitlementID, why reason.Reason) {
	if _, ours := b.t.Given.reason(Access{Person: person, Entitlement: entitlement}); !ours {
		b.plan.Adopted = append(b.plan.Adopted, Adoption{Target: b.t.Name, Person: person, Entitlement: entitlement, Reason: why})
	}
}

// keepUnrepaired reports whether access that was removed in the target stays removed,
// because drift is only reported there.
func (b *builder) keepUnrepaired(person identity.PersonID, entitlement policy.EntitlementID, accountID string) bool {
	access := Access{Person: person, Entitlement: entitlement}
	_, ours := b.t.Given.reason(access)
	if !b.t.Report || b.t.Uncertain[access] || !ours && !b.t.UnrepairedDrift[access] {
		return false
	}
	if b.t.Observed.Completeness.Complete { // otherwise it may be there, not seen
		b.plan.UnrepairedDrift = append(b.plan.UnrepairedDrift, UnrepairedDrift{Target: b.t.Name, Person: person, Entitlement: entitlement})
		b.addFinding(Finding{Kind: Drift, Person: person, Entitlement: entitlement, AccountID: accountID, Reason: b.reason(reason.Drift{Removed: true})})
	}
	return true
}

func (b *builder) planAddMember(person identity.PersonID, e policy.Entitlement, why reason.Reason, accountID string, dependsOn []audit.StepID) {
	if b.t.Observed.Completeness.Complete && !b.t.Observed.Exists(e.Native) && !b.comes[e.ID] || b.t.Observed.Unreadable(e.Native) != "" {
		return // reported once, as a finding
	}
	if len(b.t.FormerGroups[e.ID]) == 0 && b.keepUnrepaired(person, e.ID, accountID) {
		return
	}
	b.addStep(Step{Op: connectors.AddMember, Person: person, AccountID: accountID, Entitlement: e.ID, Native: e.Native, Reason: why, DependsOn: dependsOn})
}

// planRemoveMember plans the end of a membership. What behov did not give it takes away
// only for a reason of its own: a decision, a denial, a missing MFA, no
// employment at all, or an entitlement whose owner declared it authoritative.
func (b *builder) planRemoveMember(p Person, e policy.Entitlement, g policy.Grant, granted bool, accountID string, dependsOn []audit.StepID) {
	given, ours := b.t.Given.reason(Access{Person: p.ID, Entitlement: e.ID})
	var why reason.Reason
	switch {
	case !p.SuspendedReason.IsZero():
		why = p.SuspendedReason
	case granted && !g.GateReason.IsZero():
		why = g.GateReason
	case !p.NoEntitlementReason.IsZero():
		why = p.NoEntitlementReason
	case !ours && !e.Authoritative:
		b.addFinding(Finding{Kind: Drift, Person: p.ID, Entitlement: e.ID, AccountID: accountID,
			Reason: b.reason(reason.UnmanagedGrant{})})
		return
	case !ours && b.t.Report:
		b.addFinding(Finding{Kind: Drift, Person: p.ID, Entitlement: e.ID, AccountID: accountID, Reason: b.reason(reason.Drift{})})
		return
	case !ours:
		why = b.reason(reason.GrantedInTarget{})
		b.addFinding(Finding{Kind: Drift, Person: p.ID, Entitlement: e.ID, AccountID: accountID, Reason: b.reason(reason.Drift{Repaired: true})})
	default:
		why = b.reason(reason.NoLongerNeeded{Given: given})
	}
	b.addStep(Step{Op: connectors.RemoveMember, Person: p.ID, AccountID: accountID, Entitlement: e.ID, Native: e.Native, Reason: why, Destructive: true, DependsOn: dependsOn})
}

// earlierName plans that an earlier name of the account, which nothing has any more, is
// taken out of a group: an account that gets the name next would inherit the
// membership. The account itself loses nothing by it.
func (b *builder) earlierName(person identity.PersonID, e policy.Entitlement, accountID string) {
	if b.t.Report {
		b.addFinding(Finding{Kind: Drift, Person: person, Entitlement: e.ID, AccountID: accountID, Reason: b.reason(reason.FormerNameFound{})})
		return
	}
	b.addFinding(Finding{Kind: Drift, Person: person, Entitlement: e.ID, AccountID: accountID, Reason: b.reason(reason.FormerNameFound{Repaired: true})})
	b.addStep(Step{Op: connectors.RemoveFormerMember, Person: person, AccountID: accountID, Entitlement: e.ID, Native: e.Native, Reason: b.reason(reason.FormerNameInGroup{})})
}

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// Build makes the plan.
func Build(in Input) (*Plan, error) {
	p := &Plan{Basis: in.Basis, Steps: []Step{}}
	p.Basis.Targets = map[string]string{}
	targets := slices.Clone(in.Targets)
	slices.SortFunc(targets, func(a, b Target) int { return strings.Compare(a.Name, b.Name) })

	var builders []*builder
	for _, t := range targets {
		if t.Observed == nil {
			p.Basis.Targets[t.Name] = ""
			p.Findings = append(p.Findings, Finding{Kind: Unreachable, Target: t.Name, Reason: reason.Of(reason.TargetUnreadable{Detail: t.ReadError})})
			continue
		}
		p.Basis.Targets[t.Name] = t.Observed.Digest
		b := &builder{in: in, t: t, plan: &Plan{}, reasons: map[reason.Kind]reason.Reason{}, interned: map[reason.Reason]reason.Reason{}, created: map[identity.PersonID]audit.StepID{}, former: map[identity.PersonID]bool{}, suspended: map[identity.PersonID]bool{}, leavers: map[identity.PersonID]bool{},
			closes: map[identity.PersonID]bool{}, creates: map[identity.PersonID]bool{}, reopens: map[audit.StepID]bool{}, vanished: map[identity.PersonID]bool{}, managers: map[ManagerState]int{}}
		for _, e := range in.Catalogue.Entitlements {
			if e.Target == t.Name {
				e.Native = t.Native(e)
				b.catalogue = append(b.catalogue, e)
			}
		}
		b.planGroups(in.Catalogue)
		builders = append(builders, b)
	}
	var people []identity.PersonID
	for person := range in.People {
		if n := len(people); n > 0 && people[n-1] >= person.ID {
			return nil, fmt.Errorf("person %s comes after person %s", person.ID, people[n-1])
		}
		people = append(people, person.ID)
		p.waiting(person)
		for _, b := range builders {
			b.read = len(people)
			b.planPerson(person)
		}
	}
	for _, b := range builders {
		b.planNonHuman()
		if !in.Subset {
			b.findings(people)
		}
		b.planReferences()
		b.finish()
		p.append(b.plan)
	}
	for name, n := range in.Removed {
		p.Findings = append(p.Findings, Finding{Kind: Unmanaged, Target: name, Reason: reason.Of(reason.TargetUnconfigured{Count: n})})
	}
	slices.SortStableFunc(p.Steps, compareSteps)
	slices.SortStableFunc(p.Handovers, func(a, b Handover) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Entitlement, b.Entitlement))
	})
	slices.SortStableFunc(p.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Person, b.Person), cmp.Compare(a.Entitlement, b.Entitlement), cmp.Compare(a.AccountID, b.AccountID), reason.Compare(a.Reason, b.Reason))
	})
	return p, p.setDigest()
}

// append adds what one target's plan says.
func (p *Plan) append(of *Plan) {
	if len(p.Steps) == 0 && of.Steps != nil {
		p.Steps = of.Steps
	} else {
		p.Steps = append(p.Steps, of.Steps...)
	}
	p.Groups = append(p.Groups, of.Groups...)
	p.Holds = append(p.Holds, of.Holds...)
	p.Released = append(p.Released, of.Released...)
	p.AwaitingCompleteRead = append(p.AwaitingCompleteRead, of.AwaitingCompleteRead...)
	p.SkippedSteps = append(p.SkippedSteps, of.SkippedSteps...)
	p.Deferred = append(p.Deferred, of.Deferred...)
	p.Adopted = append(p.Adopted, of.Adopted...)
	p.Handovers = append(p.Handovers, of.Handovers...)
	p.UnrepairedDrift = append(p.UnrepairedDrift, of.UnrepairedDrift...)
	p.Findings = append(p.Findings, of.Findings...)
}

func compareSteps(a, b Step) int {
	return cmp.Or(cmp.Compare(PhaseOf(a.Op), PhaseOf(b.Op)), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Person, b.Person),
		cmp.Compare(a.Entitlement, b.Entitlement), cmp.Compare(a.AccountID, b.AccountID))
}

func (p *Plan) waiting(person Person) {
	for _, warning := range person.Warnings {
		p.Findings = append(p.Findings, Finding{Kind: Ending, Person: person.ID, Reason: warning})
	}
	if !person.UndecidedReason.IsZero() {
		p.Findings = append(p.Findings, Finding{Kind: NotDecided, Person: person.ID, Reason: reason.Of(reason.Undecided{Because: person.UndecidedReason})})
		return
	}
	for _, g := range person.Grants {
		if g.Gate == policy.AwaitingMFA || g.Gate == policy.MFAUnknown {
			p.GatedGrants = append(p.GatedGrants, GatedGrant{Person: person.ID, Entitlement: g.Entitlement, Gate: g.Gate, Reason: g.GateReason})
		}
	}
}

// builder plans one target.
type builder struct {
	in        Input
	t         Target
	plan      *Plan // what concerns this target
	catalogue []policy.Entitlement
	steps     []Step
	read      int                           // how many people it has seen
	managers  map[ManagerState]int          // how many accounts have one
	reasons   map[reason.Kind]reason.Reason // each made once
	interned  map[reason.Reason]reason.Reason
	enabled   int // people with a usable account
	created   map[identity.PersonID]audit.StepID
	referring []referring
	former    map[identity.PersonID]bool // whose account is adopted only to be closed
	suspended map[identity.PersonID]bool
	leavers   map[identity.PersonID]bool    // who has no employment any more
	claiming  bool                          // accounts that were there are adopted
	closes    map[identity.PersonID]bool    // whose account is closed by the steps
	creates   map[identity.PersonID]bool    // whose account is created by the steps
	reopens   map[audit.StepID]bool         // steps that enable what behov did not disable
	vanished  map[identity.PersonID]bool    // whose known account is gone
	rejected  []Step                        // that a person rejected
	comes     map[policy.EntitlementID]bool // whose group the plan creates
}

// planPerson plans one person in the target.
func (b *builder) planPerson(p Person) {
	if !p.SuspendedReason.IsZero() {
		b.suspended[p.ID] = true
	}
	if !p.NoEntitlementReason.IsZero() && !p.Prepare {
		b.leavers[p.ID] = true
	}
	own, others := b.t.Owned(p.ID)
	if b.in.Subset && (b.t.adopted[p.ID] != "" || !b.t.unclear[p.ID].IsZero() || b.t.later[p.ID]) {
		b.deferPerson(p.ID, reason.Of(reason.MayBeAnothers{}))
		return
	}
	if own != nil && own.Enabled || slices.ContainsFunc(others, func(a connectors.Account) bool { return a.Enabled }) {
		b.enabled++
	}
	if !p.UndecidedReason.IsZero() && p.SuspendedReason.IsZero() {
		return
	}
	grants := map[policy.EntitlementID]policy.Grant{}
	for _, g := range p.Grants {
		grants[g.Entitlement] = g
	}
	wanted, why := b.wantsAccount(p.ID, grants, own)
	if !p.NoEntitlementReason.IsZero() {
		why = p.NoEntitlementReason
	}
	if !p.DisabledReason.IsZero() || !p.SuspendedReason.IsZero() {
		why = p.SuspendedReason.Or(p.DisabledReason)
	}
	bound := b.t.Bound.AccountOf(p.ID)
	gone := own == nil && len(others) == 0 && bound != "" && b.t.Observed.Completeness.Complete
	switch {
	case gone && !b.planMissingAccount(p, bound, wanted, why):
	case own == nil && len(others) == 0 && wanted:
		b.planNewAccount(p, grants, why)
	case own == nil && len(others) == 1:
		b.addFinding(Finding{Kind: Replaced, Person: p.ID, AccountID: others[0].ID,
			Reason: reason.Of(reason.AccountReplaced{})})
	case len(others) > 0:
		b.addFinding(Finding{Kind: Ambiguous, Person: p.ID, Reason: reason.Of(reason.SeveralAccounts{})})
	}
	if own != nil {
		adoption := b.planAnchor(p, *own)
		n := len(b.steps)
		b.withDependency(adoption, func() { b.planAccount(p, grants, *own, wanted, why) })
		if !wanted && p.SuspendedReason.IsZero() && b.t.adopted[p.ID] == own.ID && slices.ContainsFunc(b.steps[n:], Step.RevokesAccess) {
			b.former[p.ID] = true
		}
	}
	for _, a := range others {
		b.keepDestructive(func() { b.planAccount(p, grants, a, wanted, why) })
	}
}

// planAnchor plans that the person's account says that it is theirs. It returns
// the step on which everything else in the account depends, when behov did not
// know the account before.
func (b *builder) planAnchor(p Person, own connectors.Account) (adoption audit.StepID) {
	adopting := b.t.adopted[p.ID] == own.ID
	switch {
	case own.Anchor == string(p.ID), own.MasteredExternally:
		return ""
	case own.Anchor != "":
		b.addFinding(Finding{Kind: AnchorLost, Person: p.ID, AccountID: own.ID, Reason: reason.Of(reason.AnchorChanged{Person: p.ID})})
		return ""
	case adopting:
		b.addStep(Step{Op: connectors.AdoptAccount, Person: p.ID, AccountID: own.ID, Reason: reason.Of(reason.AccountClaimed{Attribute: b.t.claimed(p, own)})})
		return b.steps[len(b.steps)-1].ID
	}
	b.addFinding(Finding{Kind: AnchorLost, Person: p.ID, AccountID: own.ID, Reason: reason.Of(reason.AnchorMissing{Person: p.ID, Written: b.t.Adopts})})
	if !b.t.Adopts {
		return ""
	}
	b.addStep(Step{Op: connectors.AdoptAccount, Person: p.ID, AccountID: own.ID, Reason: reason.Of(reason.AnchorRemoved{})})
	return ""
}

// withDependency runs f and makes every step of it depend on another, if any.
func (b *builder) withDependency(on audit.StepID, f func()) {
	steps, references := len(b.steps), len(b.referring)
	f()
	if on == "" {
		return
	}
	alone := []audit.StepID{on}
	for i := range b.steps[steps:] {
		s := &b.steps[steps+i]
		if len(s.DependsOn) == 0 {
			s.DependsOn = alone // which they share
		} else {
			s.DependsOn = append([]audit.StepID{on}, s.DependsOn...)
		}
	}
	for i := range b.referring[references:] {
		b.referring[references+i].dependsOn = on
	}
}

// wantsAccount reports whether the person should have an account here, and why or why
// not.
func (b *builder) wantsAccount(person identity.PersonID, grants map[policy.EntitlementID]policy.Grant, own *connectors.Account) (wanted bool, why reason.Reason) {
	why = b.reason(reason.NothingNeeded{})
	for _, e := range b.catalogue {
		g, ok := grants[e.ID]
		if !ok {
			continue
		}
		waits := g.Gate == policy.AwaitingMFA || g.Gate == policy.MFAUnknown
		stays := own != nil && (g.Gate == policy.MFAUnknown || g.Gate == policy.Kept && b.t.Has(person, own.ID, e))
		if g.Gate == policy.Open || waits && b.t.MFA || stays {
			return true, b.reason(reason.NeededFor{Entitlement: string(e.ID), Because: policy.Reasons(g.Reasons).Or(g.GateReason)})
		}
		if !g.GateReason.IsZero() {
			why = b.reason(reason.NotUsable{Entitlement: string(e.ID), Because: g.GateReason})
		}
	}
	return false, why
}

// planNewAccount plans an account that is not there, and its memberships.
func (b *builder) planNewAccount(p Person, grants map[policy.EntitlementID]policy.Grant, why reason.Reason) {
	desired := p.Accounts[b.t.Name]
	b.claiming = b.claiming || len(desired.Claims) > 0
	complete, bound := b.t.Observed.Completeness.Complete, b.t.Bound.AccountOf(p.ID)
	switch {
	case !desired.Bad.IsZero() || !desired.BadName.IsZero():
		b.addFinding(Finding{Kind: BadValue, Person: p.ID, Reason: desired.Bad.Or(desired.BadName)})
		return
	case !p.SuspendedReason.IsZero() || !p.DisabledReason.IsZero() || p.Prepare && b.t.later[p.ID]:
		return
	case !b.t.unclear[p.ID].IsZero():
		b.addFinding(Finding{Kind: Ambiguous, Person: p.ID, Reason: b.t.unclear[p.ID]})
		return
	case !complete && bound != "" && p.Prepare:
		return
	case !complete && bound != "":
		// It is there, as far as we know; we only did not see it.
		b.addAll(p.ID, grants, bound, nil)
		return
	case !complete && len(desired.Claims) > 0:
		b.addFinding(Finding{Kind: NotDecided, Person: p.ID, Reason: reason.Of(reason.AccountMayBeUnread{})})
		return
	}
	if taken, ok := b.t.Observed.ByName(desired.Name); ok {
		b.addFinding(Finding{Kind: NameTaken, Person: p.ID, AccountID: taken.ID,
			Reason: reason.Of(reason.NameTaken{})})
		return
	}
	op := connectors.CreateAccount
	if p.Prepare {
		op, why = PrepareAccount, p.NoEntitlementReason
	}
	b.addStep(Step{Op: op, Person: p.ID, Attributes: b.fingerprints(desired.Attributes), Reason: why})
	id := b.steps[len(b.steps)-1].ID
	b.created[p.ID] = id
	b.noteReferences(referring{person: p.ID, desired: desired.References, cleared: desired.Cleared, dependsOn: id})
	b.managers[desired.Manager]++
	if !p.Prepare {
		b.addAll(p.ID, grants, "", []audit.StepID{id})
	}
}

// planAccount plans an account that is there.
func (b *builder) planAccount(p Person, grants map[policy.EntitlementID]policy.Grant, a connectors.Account, wanted bool, why reason.Reason) {
	usable := p.accountUsable(wanted)
	open := a.Enabled || b.t.SignInPossible != "" // though it is marked as disabled
	if !usable && b.t.Sessions && (open || b.t.Unrevoked[p.ID]) {
		b.addStep(Step{Op: RevokeSessions, Person: p.ID, AccountID: a.ID, Reason: why})
	}
	if !usable && open && !a.MasteredExternally {
		b.addStep(Step{Op: connectors.DisableAccount, Person: p.ID, AccountID: a.ID, Reason: why, Destructive: true})
	}
	if wanted && !a.MasteredExternally {
		b.planUpdate(p, a)
		b.noteReferences(referring{person: p.ID, desired: p.Accounts[b.t.Name].References, cleared: p.Accounts[b.t.Name].Cleared, account: a})
		b.managers[p.Accounts[b.t.Name].Manager]++
	}
	if usable && a.Enabled {
		b.noteAdoption(p.ID, AccountAccess, why)
	}
	n := len(b.steps)
	b.planMemberships(p, grants, a, wanted)
	switch {
	case usable && !a.Enabled && !a.MasteredExternally:
		b.planEnable(p, a, why)
	case !p.DeleteReason.IsZero() && !a.Enabled && !a.MasteredExternally && b.t.Deletes && a.Anchor == string(p.ID) && b.t.Observed.Completeness.Complete:
		var after []audit.StepID
		for _, s := range b.steps[n:] {
			after = append(after, s.ID)
		}
		b.addStep(Step{Op: connectors.DeleteAccount, Person: p.ID, AccountID: a.ID, Reason: p.DeleteReason, Destructive: true, DependsOn: after})
	}
}

// accountUsable reports whether the person's accounts are to be open.
func (p Person) accountUsable(wanted bool) bool {
	return wanted && !p.Prepare && p.DisabledReason.IsZero() && p.SuspendedReason.IsZero()
}

// planEnable plans that an account is opened. What behov did not close is reported,
// and its step waits for a decision: the person who disabled it in the target may have
// had a reason that behov does not know.
func (b *builder) planEnable(p Person, a connectors.Account, why reason.Reason) {
	s := EnableStep(b.t.Name, p.ID, a.ID)
	s.Reason = why
	b.addStep(s)
	known := b.t.Bound.Record(p.ID)
	if known.DisabledByBehov && b.t.Bound.AccountOf(p.ID) == a.ID {
		return
	}
	s = b.steps[len(b.steps)-1]
	b.reopens[s.ID] = true
	if known.Restored {
		b.addFinding(Finding{Kind: Disabled, Person: p.ID, AccountID: a.ID, Reason: reason.Of(reason.DisabledBeforeRestore{})})
		return
	}
	b.addFinding(Finding{Kind: Disabled, Person: p.ID, AccountID: a.ID, Reason: reason.Of(reason.DisabledInTarget{Since: known.DisabledSince, Released: b.released(s)})})
}

// EnableStep returns the step that enables a person's account, as a plan has it.
func EnableStep(target string, person identity.PersonID, accountID string) Step {
	return Step{Target: target, Person: person, Op: connectors.EnableAccount, AccountID: accountID}
}

// planMissingAccount plans for a person whose known account a complete snapshot does not
// show. It reports whether another account may be created: only when all of the target
// was searched, and then a person has to release it. An account that was moved is
// disabled where it is when its person needs none.
func (b *builder) planMissingAccount(p Person, bound string, wanted bool, why reason.Reason) (again bool) {
	located, found := b.t.Located[bound]
	gone := reason.AccountGone{Account: bound}
	switch {
	case found && located.InScope: // it came after the snapshot, which is old
		b.deferPerson(p.ID, reason.Of(reason.SeenSince{}))
		return false
	case found:
		closes := !p.accountUsable(wanted) && located.Account.Enabled
		if closes {
			b.planAccount(p, nil, located.Account, false, why)
		}
		b.addFinding(Finding{Kind: Vanished, Person: p.ID, AccountID: bound, Reason: reason.Of(reason.AccountMoved{Place: located.Place, Closes: closes})})
		return false
	case !b.t.Searched:
		gone.Unsearched = true
	case p.accountUsable(wanted):
		b.vanished[p.ID] = true
		gone.Again = true
	}
	b.addFinding(Finding{Kind: Vanished, Person: p.ID, AccountID: bound, Reason: reason.Of(gone)})
	return gone.Again
}

func (b *builder) planUpdate(p Person, a connectors.Account) {
	desired := p.Accounts[b.t.Name]
	renames := desired.BadName.IsZero() && desired.Rename && b.t.Renames && !strings.EqualFold(desired.Name, a.Name)
	if !desired.Exposed.IsZero() && !renames {
		b.addFinding(Finding{Kind: Exposed, Person: p.ID, Reason: desired.Exposed})
	}
	if !desired.Bad.IsZero() {
		b.addFinding(Finding{Kind: BadValue, Person: p.ID, Reason: desired.Bad})
		return
	}
	if !desired.BadName.IsZero() {
		b.addFinding(Finding{Kind: BadValue, Person: p.ID, Reason: desired.BadName})
	} else if renames {
		b.addStep(Step{Op: connectors.RenameAccount, Person: p.ID, AccountID: a.ID, Attributes: b.fingerprints(map[string][]string{connectors.LoginName: {desired.Name}}),
			Before: b.fingerprints(map[string][]string{connectors.LoginName: {a.Name}}), Reason: b.reason(reason.NameChanged{})})
	}
	after, before := map[string][]string{}, map[string][]string{}
	for name, values := range desired.Attributes {
		if !desired.OnCreate[name] && !b.t.same(name, values, a.Attributes[name]) {
			after[name], before[name] = values, a.Attributes[name]
		}
	}
	if len(after) == 0 {
		return
	}
	wipes := slices.ContainsFunc(slices.Collect(maps.Values(after)), func(values []string) bool { return len(values) == 0 })
	b.addStep(Step{Op: connectors.UpdateAccount, Person: p.ID, AccountID: a.ID, Attributes: b.fingerprints(after), Before: b.fingerprints(before), Destructive: wipes,
		Reason: reason.Of(reason.AttributesChanged{Attributes: slices.Sorted(maps.Keys(after))})})
}

func (b *builder) addStep(s Step) {
	s.Target = b.t.Name
	s.ID = stepID(s)
	s.Reason = b.intern(s.Reason)
	if n := len(b.steps); n == cap(b.steps) && b.read > 1000 && b.in.Count > b.read {
		// At this rate: growing a long list bit by bit keeps two of them.
		b.steps = slices.Grow(b.steps, n*(b.in.Count-b.read)/b.read+n/20+1)
	}
	b.steps = append(b.steps, s)
}

// reason returns a reason that many steps have, made once.
func (b *builder) reason(k reason.Kind) reason.Reason {
	made, ok := b.reasons[k]
	if !ok {
		made = reason.Of(k)
		b.reasons[k] = made
	}
	return made
}

// intern returns the one value of reasons that are the same: many steps have one reason.
func (b *builder) intern(r reason.Reason) reason.Reason {
	one, ok := b.interned[r]
	if !ok {
		b.interned[r] = r
		return r
	}
	return one
}

func (b *builder) addFinding(f Finding) {
	f.Target = b.t.Name
	b.plan.Findings = append(b.plan.Findings, f)
}

// keepDestructive runs f and drops everything of it that gives something.
func (b *builder) keepDestructive(f func()) {
	n, adopted, left, referring := len(b.steps), len(b.plan.Adopted), len(b.plan.UnrepairedDrift), len(b.referring)
	f()
	b.steps = append(b.steps[:n], slices.DeleteFunc(slices.Clone(b.steps[n:]), func(s Step) bool {
		return !s.RevokesAccess() || s.Op == connectors.UpdateAccount || s.Op == connectors.DeleteAccount || s.Op == LeaveFormerGroup
	})...)
	b.plan.Adopted, b.plan.UnrepairedDrift, b.referring = b.plan.Adopted[:adopted], b.plan.UnrepairedDrift[:left], b.referring[:referring]
}

// fingerprints hides values behind a keyed hash.
func (b *builder) fingerprints(attributes map[string][]string) map[string]string {
	prints := make(map[string]string, len(attributes))
	for name, values := range attributes {
		prints[name] = b.t.Fingerprint(b.in.FingerprintKey, name, values)
	}
	return prints
}

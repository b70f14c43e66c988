package reconcile

import (
	"cmp"
	"context"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// NonHumanStatus is where an account of the register stands on a day.
type NonHumanStatus struct {
	Account store.NonHumanAccount
	// OwnerLeft is the first day on which the owner does not work here, or is suspended;
	// empty while they work here.
	OwnerLeft identity.Date
	// OwnerLeaves is the last day of an owner who works here and soon will not; empty for one
	// who stays.
	OwnerLeaves identity.Date
	// HandOverBy is the last day on which the account can be handed over before it is
	// disabled, of one whose owner left.
	HandOverBy identity.Date
	// AccountOwners are those who answer for the account: the owner, or the managers of an
	// owner who left.
	AccountOwners []identity.PersonID
	// Disabled says why the account may not be used; empty when it may, or that is not
	// decided.
	Disabled reason.Reason
	// Undecided: nothing is changed of the account, as nothing is of its owner.
	Undecided bool
}

// nonHumanReader reads what the status of an account of the register follows from.
type nonHumanReader interface {
	statusReader
	PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	DecisionsBySeq(ctx context.Context, numbers []int64) ([]store.Decision, error)
}

// NonHumanStatuses works out where accounts of the register stand on a day, in their order, with
// as many questions to the database as for one.
func NonHumanStatuses(ctx context.Context, db nonHumanReader, c *config.Config, accounts []store.NonHumanAccount, day identity.Date) ([]NonHumanStatus, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	var ids []identity.PersonID
	var changed []int64
	for _, a := range accounts {
		ids, changed = append(ids, a.Owner), append(changed, a.Changed)
	}
	people, err := db.PeopleByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	statuses, err := PersonStatuses(ctx, db, c, people, day)
	if err != nil {
		return nil, err
	}
	suspensions, err := db.NewestDecisionPerPerson(ctx, store.SuspensionDecision, store.Only(ids...))
	if err != nil {
		return nil, err
	}
	suspended := map[identity.PersonID]identity.Date{}
	for _, d := range suspensions {
		if d.Verdict != store.Lift {
			suspended[d.Person] = identity.DateOf(d.At(), c.Zone)
		}
	}
	registered, err := db.DecisionsBySeq(ctx, changed)
	if err != nil {
		return nil, err
	}
	since := map[int64]identity.Date{}
	for _, d := range registered {
		since[d.Seq] = identity.DateOf(d.At(), c.Zone)
	}
	owners := make(map[identity.PersonID]*PersonStatus, len(people))
	managerKeys := map[identity.PersonID][]identity.SourceKey{}
	var keys []identity.SourceKey
	for i, p := range people {
		owners[p.ID] = &statuses[i]
		if !statuses[i].Active() {
			managerKeys[p.ID] = lastManagers(statuses[i].Person, c.First, day)
			keys = append(keys, managerKeys[p.ID]...)
		}
	}
	managers, err := db.PeopleByKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	all := make([]NonHumanStatus, len(accounts))
	for i, a := range accounts {
		s := NonHumanStatus{Account: a, AccountOwners: []identity.PersonID{a.Owner}}
		owner := owners[a.Owner]
		switch {
		case owner == nil: // erased
			s.OwnerLeft, s.AccountOwners = since[a.Changed], nil
			s.HandOverBy = s.OwnerLeft.AddDays(-1)
		case !owner.Undecided.IsZero() && owner.Facts.Suspended.IsZero():
			s.Undecided = true
		case owner.Active():
			s.OwnerLeaves = desired.Leaves(owner.Person, day, day.AddDays(WarnDays))
		default:
			s.OwnerLeft = leftOn(*owner, suspended[a.Owner], since[a.Changed])
			s.HandOverBy = s.OwnerLeft.AddDays(c.AccountHandoverDays - 1)
			s.AccountOwners = nil
			for _, key := range managerKeys[a.Owner] {
				if p, known := managers[key]; known && p.ID != "" && !slices.Contains(s.AccountOwners, p.ID) {
					s.AccountOwners = append(s.AccountOwners, p.ID)
				}
			}
		}
		switch {
		case a.State == store.Retired:
			s.Disabled = reason.Of(reason.AccountRetired{Decision: a.Changed})
		case a.Until < day:
			s.Disabled = reason.Of(reason.AccountExpired{Until: a.Until})
		case s.OwnerLeft != "" && s.HandOverBy < day:
			s.Disabled = reason.Of(reason.AccountOwnerLeft{Owner: a.Owner, Since: s.OwnerLeft})
		}
		all[i] = s
	}
	return all, nil
}

// leftOn returns the first day on which an owner who does not work here, or is suspended, did
// not; of one who never did, the day on which the account came to them.
func leftOn(s PersonStatus, suspended, got identity.Date) identity.Date {
	if s.Stage.State == identity.Working || s.Stage.State == identity.OnLeave {
		return suspended
	}
	left := cmp.Or(s.Stage.Since, got)
	if suspended != "" {
		left = min(left, suspended)
	}
	return left
}

// lastManagers returns who manages a person: by the employments that run on a day, or else by
// those that ended last.
func lastManagers(p identity.Person, first string, day identity.Date) []identity.SourceKey {
	of := p.Active(day)
	if len(of) == 0 {
		var last identity.Date
		for _, e := range p.Employments {
			if end := e.LastDay(); end != "" && end < day && end >= last {
				if end > last {
					of, last = nil, end
				}
				of = append(of, e)
			}
		}
		day = cmp.Or(last, day)
	}
	var keys []identity.SourceKey
	for _, e := range of {
		if key := e.On(day).Manager(e.Key.Source); key.Key != "" && e.Key.Source == first { // another source makes no one a manager
			keys = append(keys, key)
		}
	}
	return keys
}

// WarnDays is for how many days before the last day of an account of the register, or of its
// owner, those who answer for it are told.
const WarnDays = 30

// Warning returns what those who answer for the account have to do soon; empty for nothing.
func (s NonHumanStatus) Warning(day identity.Date) reason.Reason {
	switch {
	case !s.Disabled.IsZero() || s.Undecided:
		return reason.Reason{}
	case s.OwnerLeft != "":
		return reason.Of(reason.AccountToHandOver{Owner: s.Account.Owner, Since: s.OwnerLeft, Last: s.HandOverBy})
	case s.OwnerLeaves != "" && s.OwnerLeaves < s.Account.Until:
		return reason.Of(reason.AccountOwnerLeaves{Owner: s.Account.Owner, Last: s.OwnerLeaves})
	case s.Account.Until <= day.AddDays(WarnDays):
		return reason.Of(reason.AccountExpires{Until: s.Account.Until})
	}
	return reason.Reason{}
}

// readNonHuman reads the accounts of the register: all of them, or those that are about the
// people of the inputs, which it adds to the people whom the inputs cover.
func (e *Engine) readNonHuman(ctx context.Context, w *inputs, about []identity.PersonID) error {
	var accounts []store.NonHumanAccount
	var err error
	if w.covers.readsEveryone() {
		accounts, err = e.DB.NonHumanAccounts(ctx, "")
	} else {
		accounts, err = e.DB.NonHumanAccountsAbout(ctx, about)
	}
	if err != nil {
		return err
	}
	if w.nonHuman, err = NonHumanStatuses(ctx, e.DB, e.Config, accounts, w.people.Day); err != nil || w.covers.readsEveryone() {
		return err
	}
	ids := slices.Clone(w.covers.people.IDs())
	for _, a := range accounts {
		ids = append(ids, a.ID)
	}
	w.covers.people = store.Only(ids...)
	return nil
}

// planned returns the accounts of the register in a target, as a plan has them.
func planned(all []NonHumanStatus, target string, day identity.Date) []plan.NonHumanAccount {
	var here []plan.NonHumanAccount
	for _, s := range all {
		if s.Account.Target != target {
			continue
		}
		n := plan.NonHumanAccount{ID: s.Account.ID, AccountID: s.Account.Native, DisabledReason: s.Disabled, Warning: s.Warning(day), Retired: s.Account.State == store.Retired}
		if s.Disabled.IsZero() && !s.Undecided {
			n.EnabledReason = reason.Of(reason.AccountInUse{Owner: s.Account.Owner, Until: s.Account.Until})
		}
		here = append(here, n)
	}
	return here
}

// recordNonHumanEnabled notes which accounts of the register that behov disabled were found
// enabled in a target: should others disable them, behov does not enable them again.
func recordNonHumanEnabled(ctx context.Context, tx *store.Tx, t plan.Target, touched map[identity.PersonID]bool) error {
	for _, n := range t.NonHuman {
		enabled, _, seen := t.Observed.State(n.AccountID)
		known := t.Bound.Record(n.ID)
		if !seen || !enabled || touched[n.ID] || !known.DisabledByBehov && !known.Restored || t.Uncertain[plan.Access{Person: n.ID, Entitlement: plan.AccountAccess}] {
			continue
		}
		if err := tx.RecordAccountEnabled(ctx, store.AccountRef{Target: t.Name, Person: n.ID, Native: n.AccountID}); err != nil {
			return err
		}
	}
	return nil
}

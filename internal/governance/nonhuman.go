package governance

import (
	"context"
	"maps"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Registration is what the register says of an account that is no person's.
type Registration struct {
	Target  string
	Account string // the login name, or the target's own ID
	Kind    store.NonHumanKind
	System  string // of the catalogue
	Owner   string // a person, as a person_id, SOURCE/person_id, a login or an address
	Purpose string
	Until   identity.Date // the last day
}

// RegisterAccount enters an account that is no person's in the register, with an owner who works
// here, or enters one again that was retired. Targets reads the account from its target.
func (g *Governance) RegisterAccount(ctx context.Context, r Registration, by rights.Subject, why string) (store.NonHumanAccount, store.Decision, error) {
	var none store.NonHumanAccount
	owners, err := g.owners(ctx, r.System)
	if err != nil {
		return none, store.Decision{}, err
	}
	d, err := g.authorize(ctx, by, rights.RegisterAccount, rights.Object{Owners: owners}, why)
	if err != nil {
		return none, d, err
	}
	system, known := g.Config.Rules.Catalogue.System(r.System)
	purpose := identity.CleanText(r.Purpose)
	switch {
	case !known:
		return none, d, noSuchSystem(r.System, systems(g.Config.Rules))
	case !slices.Contains(store.NonHumanKinds, r.Kind):
		return none, d, noNonHumanKind(r.Kind)
	case purpose == "":
		return none, d, refuse(reason.NoPurpose{})
	case g.Targets == nil:
		return none, d, notConnected()
	}
	owner, err := g.findOwner(ctx, r.Owner)
	if err != nil {
		return none, d, err
	}
	if err := g.checkAccountDays(&system.Controls, r.Until); err != nil {
		return none, d, err
	}
	native, name, err := g.Targets.FindAccount(ctx, r.Target, r.Account)
	if err != nil {
		return none, d, err
	}
	before, known, err := g.DB.NonHumanAccount(ctx, r.Target, native)
	switch {
	case err != nil:
		return none, d, err
	case known && before.State != store.Retired:
		return none, d, refuse(reason.AccountRegistered{Target: r.Target, Account: before.Name})
	}
	d.Verdict, d.Until = store.Register, r.Until
	return g.recordAccount(ctx, store.NonHumanAccount{ID: store.NonHumanAccountID(r.Target, native), Target: r.Target, Native: native, Name: name, Kind: r.Kind, System: r.System, Owner: owner.ID,
		Purpose: purpose, Until: r.Until, State: store.Registered}, before, d)
}

// HandOverAccount makes another person who works here the owner of an account of the register. To
// is the person, as Registration.Owner.
func (g *Governance) HandOverAccount(ctx context.Context, account store.NonHumanAccount, to string, by rights.Subject, why string) (store.Decision, error) {
	d, err := g.authorizeAccount(ctx, account, rights.HandOverAccount, by, why)
	if err != nil {
		return d, err
	}
	owner, err := g.findOwner(ctx, to)
	switch {
	case err != nil:
		return d, err
	case owner.ID == account.Owner:
		return d, refuse(reason.OwnerAlready{Person: owner.ID})
	}
	after := account
	after.Owner = owner.ID
	d.Verdict = store.HandOver
	_, d, err = g.recordAccount(ctx, after, account, d)
	return d, err
}

// RenewAccount lets an account of the register be used until another day, at most as long as the
// class of its system allows.
func (g *Governance) RenewAccount(ctx context.Context, account store.NonHumanAccount, until identity.Date, by rights.Subject, why string) (store.Decision, error) {
	d, err := g.authorizeAccount(ctx, account, rights.RenewAccount, by, why)
	if err != nil {
		return d, err
	}
	system, _ := g.Config.Rules.Catalogue.System(account.System)
	if err := g.checkAccountDays(&system.Controls, until); err != nil {
		return d, err
	}
	after := account
	after.Until = until
	d.Verdict, d.Until = store.Renew, until
	_, d, err = g.recordAccount(ctx, after, account, d)
	return d, err
}

// RetireAccount ends the use of an account of the register: the next run disables it, and it
// stays disabled. It is not deleted.
func (g *Governance) RetireAccount(ctx context.Context, account store.NonHumanAccount, by rights.Subject, why string) (store.Decision, error) {
	d, err := g.authorizeAccount(ctx, account, rights.RetireAccount, by, why)
	if err != nil {
		return d, err
	}
	after := account
	after.State = store.Retired
	d.Verdict = store.Retire
	_, d, err = g.recordAccount(ctx, after, account, d)
	return d, err
}

// accountItems returns what a review asks about the accounts of the register that serve its
// systems, and were not retired: of one system, or of everything.
func (g *Governance) accountItems(ctx context.Context, r Review) ([]store.ReviewItem, error) {
	if r.Scope != store.SystemScope && r.Scope != store.EverythingScope {
		return nil, nil
	}
	all, err := g.DB.NonHumanAccounts(ctx, "")
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a store.NonHumanAccount) bool {
		return a.State == store.Retired || r.Scope == store.SystemScope && a.System != r.Of
	})
	statuses, err := reconcile.NonHumanStatuses(ctx, g.DB, g.Config, all, g.today())
	if err != nil {
		return nil, err
	}
	var items []store.ReviewItem
	for _, s := range statuses {
		system, _ := g.Config.Rules.Catalogue.System(s.Account.System)
		why := s.Disabled.Or(s.Warning(g.today())).Or(reason.Of(reason.AccountInUse{Owner: s.Account.Owner, Until: s.Account.Until}))
		items = append(items, store.ReviewItem{Kind: store.AccountItem, Person: s.Account.ID, Entitlement: audit.Account, System: s.Account.System, Why: why,
			Asked: reason.Of(reason.AskedAccount{Owner: s.Account.Owner, Purpose: s.Account.Purpose, Until: s.Account.Until}), Needs: system.Controls.Reviewers.Value})
	}
	return items, nil
}

// subjectsOf returns the person whom each question is about: of an account of the register its
// owner, who does not answer about it.
func (g *Governance) subjectsOf(ctx context.Context, items []store.ReviewItem) ([]identity.PersonID, error) {
	subjects := make([]identity.PersonID, len(items))
	about := map[identity.PersonID][]int{} // the items, by the account
	for n, i := range items {
		if subjects[n] = i.Person; i.Kind == store.AccountItem {
			about[i.Person] = append(about[i.Person], n)
		}
	}
	accounts, err := g.DB.NonHumanAccountsAbout(ctx, slices.Sorted(maps.Keys(about)))
	for _, a := range accounts {
		for _, n := range about[a.ID] {
			subjects[n] = a.Owner
		}
	}
	return subjects, err
}

// retireReviewed retires an account of the register as a review answers, or as one that no
// reviewer answered says.
func (g *Governance) retireReviewed(ctx context.Context, tx *store.Tx, account store.NonHumanAccount, by store.Decision) error {
	after := account
	after.State = store.Retired
	_, err := tx.DecideNonHumanAccount(ctx, after, account, store.Decision{Verdict: store.Retire, Maker: by.Maker, Authority: by.Authority, Reason: by.Reason, Because: by.Because}, g.Now())
	return err
}

// reviewedAccount returns the account of the register that a question is about, as it is now; the
// zero value of one that it has no more.
func (g *Governance) reviewedAccount(ctx context.Context, item store.ReviewItem) (store.NonHumanAccount, error) {
	all, err := g.DB.NonHumanAccountsAbout(ctx, []identity.PersonID{item.Person})
	if err != nil || len(all) == 0 {
		return store.NonHumanAccount{}, err
	}
	return all[0], nil
}

// accountObject returns what rights are asked about for an account of the register: the owner of
// its system, and who answers for it.
func (g *Governance) accountObject(ctx context.Context, account store.NonHumanAccount) (rights.Object, error) {
	owners, err := g.owners(ctx, account.System)
	if err != nil {
		return rights.Object{}, err
	}
	statuses, err := reconcile.NonHumanStatuses(ctx, g.DB, g.Config, []store.NonHumanAccount{account}, g.today())
	if err != nil {
		return rights.Object{}, err
	}
	return rights.Object{Owners: owners, AccountOwners: statuses[0].AccountOwners}, nil
}

// authorizeAccount is authorize for an account that is registered and was not retired.
func (g *Governance) authorizeAccount(ctx context.Context, account store.NonHumanAccount, action rights.Action, by rights.Subject, why string) (store.Decision, error) {
	o, err := g.accountObject(ctx, account)
	if err != nil {
		return store.Decision{}, err
	}
	d, err := g.authorize(ctx, by, action, o, why)
	if err == nil && account.State == store.Retired {
		err = refuse(reason.AccountRetiredAlready{Account: account.Name})
	}
	return d, err
}

func (g *Governance) recordAccount(ctx context.Context, after, before store.NonHumanAccount, d store.Decision) (store.NonHumanAccount, store.Decision, error) {
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		d, err = tx.DecideNonHumanAccount(ctx, after, before, d, g.Now())
		return err
	})
	after.Changed = d.Seq
	return after, d, err
}

// findOwner returns a person who can own an account. It refuses one who does not work here today,
// or is suspended.
func (g *Governance) findOwner(ctx context.Context, ref string) (identity.Person, error) {
	p, err := g.DB.FindPerson(ctx, ref, g.Config.First)
	if err != nil {
		return p, err
	}
	s, err := g.personStatus(ctx, p)
	if err == nil && !s.Active() {
		err = refuse(reason.OwnerNotWorking{Person: p.ID})
	}
	return p, err
}

// checkAccountDays returns an error for a last day that is no day, has passed, or is later than
// controls allow.
func (g *Governance) checkAccountDays(c *policy.Controls, until identity.Date) error {
	days, control := c.AccountDaysAtMost()
	if from, to := g.today(), g.today().AddDays(days); noDate(until) || until < from || until > to {
		return refuse(reason.AccountDaysWrong{From: from, To: to, Control: control})
	}
	return nil
}

func noNonHumanKind(kind store.NonHumanKind) error {
	var kinds []string
	for _, k := range store.NonHumanKinds {
		kinds = append(kinds, string(k))
	}
	return refuse(reason.NoNonHumanKind{Of: string(kind), Kinds: kinds})
}

package access

import (
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// AccountState is where an account that is no person's stands today.
type AccountState string

// The states, the most pressing first.
const (
	AccountToHandOver AccountState = "to-hand-over" // its owner does not work here any more
	AccountEnding     AccountState = "ending"       // its last day is near, or that of its owner
	AccountDisabled   AccountState = "disabled"     // its owner left, or its last day passed
	AccountInUse      AccountState = "in-use"
	AccountRetired    AccountState = "retired"
)

var accountStates = []AccountState{AccountToHandOver, AccountEnding, AccountDisabled, AccountInUse, AccountRetired}

// NonHumanAccount is an account of the register: it is no person's.
type NonHumanAccount struct {
	// Account is the ID in the register, which stands where steps name a person.
	Account   identity.PersonID  `json:"account"`
	Target    string             `json:"target"`
	AccountID string             `json:"account_id"` // the target's own ID
	Name      string             `json:"name"`       // the login name when it was registered
	Kind      store.NonHumanKind `json:"kind"`
	System    string             `json:"system"` // which it serves
	Owner     Ref                `json:"owner"`
	Purpose   string             `json:"purpose"`
	Until     identity.Date      `json:"until"` // the last day
	State     AccountState       `json:"state"`
	// Because says why it is disabled, or what has to be done soon.
	Because Reason `json:"because,omitzero"`
	// HandOverBy is the last day on which it can be handed over before it is disabled.
	HandOverBy identity.Date `json:"hand_over_by,omitempty"`
	// AnsweredBy are the managers of an owner who does not work here any more.
	AnsweredBy []Ref `json:"answered_by"`
	// MayHandOver, MayRenew and MayRetire: the viewer may.
	MayHandOver bool `json:"-"`
	MayRenew    bool `json:"-"`
	MayRetire   bool `json:"-"`
	// Mine: the viewer answers for it.
	Mine bool `json:"-"`
}

// Late reports whether those who answer for the account have to do something soon.
func (a NonHumanAccount) Late() bool {
	return a.State == AccountToHandOver || a.State == AccountEnding
}

// NonHumanAccounts returns the accounts of the register, what has to be done first. A viewer who
// may not see everyone sees those that they answer for, and those of their systems.
func (v *View) NonHumanAccounts() ([]NonHumanAccount, error) {
	all, err := v.DB.NonHumanAccounts(v.ctx, "")
	if err != nil {
		return nil, err
	}
	shown, err := v.nonHumanAccounts(all)
	slices.SortStableFunc(shown, func(a, b NonHumanAccount) int {
		return slices.Index(accountStates, a.State) - slices.Index(accountStates, b.State)
	})
	return shown, err
}

// NonHumanAccount returns the account of the register with an ID, a login name or TARGET/NAME. To
// a viewer who may not see it, it is not registered.
func (v *View) NonHumanAccount(ref string) (NonHumanAccount, error) {
	found, err := v.FindNonHumanAccount(ref)
	if err != nil {
		return NonHumanAccount{}, err
	}
	shown, err := v.nonHumanAccounts([]store.NonHumanAccount{found})
	if err != nil {
		return NonHumanAccount{}, err
	}
	return shown[0], nil
}

// FindNonHumanAccount is NonHumanAccount as the register has it, for those who decide.
func (v *View) FindNonHumanAccount(ref string) (store.NonHumanAccount, error) {
	found, err := v.DB.FindNonHumanAccount(v.ctx, ref)
	if err != nil {
		return found, err
	}
	shown, err := v.nonHumanAccounts([]store.NonHumanAccount{found})
	if err == nil && len(shown) == 0 {
		err = &reason.Refusal{Reason: reason.Of(reason.NoSuchNonHumanAccount{Account: ref})}
	}
	return found, err
}

func (v *View) nonHumanAccounts(all []store.NonHumanAccount) ([]NonHumanAccount, error) {
	statuses, err := reconcile.NonHumanStatuses(v.ctx, v.DB, v.Config, all, v.Today())
	if err != nil {
		return nil, err
	}
	who := v.viewer.Subject.Person
	shown := []NonHumanAccount{}
	for _, s := range statuses {
		of, _ := v.Config.Rules.Catalogue.System(s.Account.System)
		o := rights.Object{AccountOwners: s.AccountOwners}
		if who != "" && v.owns(of) {
			o.Owners = []identity.PersonID{who}
		}
		o = v.known.Place(o)
		if !v.everyone && len(o.Owners) == 0 && s.Account.Owner != who && !slices.Contains(o.AccountOwners, who) {
			continue
		}
		v.markOwned(s.Account.System, s.Account.Owner)
		x := NonHumanAccount{Account: s.Account.ID, Target: s.Account.Target, AccountID: s.Account.Native, Name: s.Account.Name, Kind: s.Account.Kind, System: s.Account.System, Owner: v.ownerRef(s.Account.Owner),
			Purpose: s.Account.Purpose, Until: s.Account.Until, State: accountState(s, v.Today()), Because: v.Because(s.Disabled.Or(s.Warning(v.Today()))), AnsweredBy: []Ref{}}
		if s.OwnerLeft != "" && x.State != AccountRetired {
			x.HandOverBy = s.HandOverBy
			x.AnsweredBy = each(s.AccountOwners, v.ownerRef)
		}
		if who != "" && x.State != AccountRetired {
			for action, may := range map[rights.Action]*bool{rights.HandOverAccount: &x.MayHandOver, rights.RenewAccount: &x.MayRenew, rights.RetireAccount: &x.MayRetire} {
				if *may, _, err = v.mayDecide(action, o); err != nil {
					return nil, err
				}
			}
		}
		x.Mine = who != "" && slices.Contains(o.AccountOwners, who)
		shown = append(shown, x)
	}
	return shown, nil
}

// ownerRef returns who answers for an account: their name is for everyone who sees the account,
// unless the identity is protected.
func (v *View) ownerRef(id identity.PersonID) Ref {
	ref := v.Ref(id)
	if p, _ := v.person(id); ref.DisplayName == "" && p.ID != "" && !p.Protected {
		ref.DisplayName = p.Name()
	}
	return ref
}

// accountState returns where an account stands on a day.
func accountState(s reconcile.NonHumanStatus, day identity.Date) AccountState {
	switch {
	case s.Account.State == store.Retired:
		return AccountRetired
	case !s.Disabled.IsZero():
		return AccountDisabled
	case s.OwnerLeft != "":
		return AccountToHandOver
	case !s.Warning(day).IsZero():
		return AccountEnding
	}
	return AccountInUse
}

package reason

import "github.com/behov/behov/internal/identity"

// AccountOwnerLeft says that an account that is no person's is disabled because its owner does
// not work here any more, and it was not handed over in time.
type AccountOwnerLeft struct {
	kind
	Owner identity.PersonID `json:"owner"`
	Since identity.Date     `json:"since"` // the first day without them
}

// AccountExpired says that an account that is no person's is disabled because its last day
// passed.
type AccountExpired struct {
	kind
	Until identity.Date `json:"until"`
}

// AccountRetired says that an account that is no person's is disabled because a decision
// retired it.
type AccountRetired struct {
	kind
	Decision int64 `json:"decision"`
}

// AccountInUse says that an account that is no person's has an owner who works here, and a last
// day that has not passed.
type AccountInUse struct {
	kind
	Owner identity.PersonID `json:"owner"`
	Until identity.Date     `json:"until"`
}

// AccountToHandOver says that the owner of an account that is no person's does not work here
// any more, and until when it can be handed over before it is disabled.
type AccountToHandOver struct {
	kind
	Owner identity.PersonID `json:"owner"`
	Since identity.Date     `json:"since"` // the first day without them
	Last  identity.Date     `json:"last"`  // the last day before it is disabled
}

// AccountOwnerLeaves says that the owner of an account that is no person's will not work here
// any more.
type AccountOwnerLeaves struct {
	kind
	Owner identity.PersonID `json:"owner"`
	Last  identity.Date     `json:"last"` // the owner's last day
}

// AskedAccount says that a review asks about an account that is no person's, as the register has
// it.
type AskedAccount struct {
	kind
	Owner   identity.PersonID `json:"owner"`
	Purpose string            `json:"purpose"`
	Until   identity.Date     `json:"until"`
}

// NotAboutAccess says that an answer is none about an account that is no person's: it is kept, or
// revoked, which retires it.
type NotAboutAccess struct {
	kind
	Item    string `json:"item"`
	Verdict string `json:"verdict"`
}

// AccountExpires says that the last day of an account that is no person's is near.
type AccountExpires struct {
	kind
	Until identity.Date `json:"until"`
}

// RegisteredAccountGone says that an account of the register is not in its target any more.
type RegisteredAccountGone struct{ kind }

// NoSuchNonHumanAccount says that no account of the register is called so.
type NoSuchNonHumanAccount struct {
	kind
	Account string `json:"account"`
}

// AccountNameShared says that several accounts of the register are called so.
type AccountNameShared struct {
	kind
	Account  string   `json:"account"`
	Accounts []string `json:"accounts"` // TARGET/NAME of each
}

// RegisterChanged says that the register says something else of the account than when it was
// read.
type RegisterChanged struct {
	kind
	Account string `json:"account"`
}

// AccountRegistered says that the account is in the register already, so that it is no
// person's, and is not entered again.
type AccountRegistered struct {
	kind
	Target  string `json:"target"`
	Account string `json:"account"`
}

// AccountRetiredAlready says that the account was retired: it has to be registered again first.
type AccountRetiredAlready struct {
	kind
	Account string `json:"account"`
}

// OwnerNotWorking says that a person does not work here, and so can own no account.
type OwnerNotWorking struct {
	kind
	Person identity.PersonID `json:"person"`
}

// OwnerAlready says that the person owns the account already.
type OwnerAlready struct {
	kind
	Person identity.PersonID `json:"person"`
}

// NoNonHumanKind says that there is no such kind of account that is no person's.
type NoNonHumanKind struct {
	kind
	Of    string   `json:"of"`
	Kinds []string `json:"kinds"`
}

// NoPurpose says that the purpose of the account is missing.
type NoPurpose struct{ kind }

// AccountDaysWrong says that the last day of an account that is no person's is no day, or not
// within what the controls of its system allow.
type AccountDaysWrong struct {
	kind
	From    identity.Date `json:"from"`
	To      identity.Date `json:"to"`
	Control string        `json:"control,omitempty"` // that says so
}

// AccountEnds says that an account that is no person's cannot be used after a day, unless it is
// renewed or handed over.
type AccountEnds struct {
	kind
	Account string        `json:"account"` // its login name
	Last    identity.Date `json:"last"`
}

// OrdersWait says that changes are to be made in a target without an interface.
type OrdersWait struct {
	kind
	Target string        `json:"target"`
	Count  int           `json:"count"`
	Due    identity.Date `json:"due"` // the last day
}

// OrdersOverdue says that changes were not made in time in a target without an interface.
type OrdersOverdue struct {
	kind
	Target string        `json:"target"`
	Count  int           `json:"count"`
	Due    identity.Date `json:"due"` // the last day
}

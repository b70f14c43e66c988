package reason

import "github.com/behov/behov/internal/identity"

// Refusal is the error of what is refused for a reason. A person reads the sentence.
type Refusal struct{ Reason Reason }

// Error implements error, for logs: the canonical form.
func (e *Refusal) Error() string { return "refused: " + e.Reason.JSON() }

// Because returns the reason. Other errors that have one implement it, too.
func (e *Refusal) Because() Reason { return e.Reason }

// AnyOf is a list of which one is enough.
type AnyOf []string

// NotAllowed says that the subject may not take the action.
type NotAllowed struct {
	kind
	Action string `json:"action"`
	Why    string `json:"why,omitempty"`   // the reason of the line that denies it
	As     string `json:"as,omitempty"`    // the role as which it is denied, as self
	Roles  AnyOf  `json:"roles,omitempty"` // that may take it, when no line denies it
}

// NeedsPerson says that only a person may take the action, and a service account asked.
type NeedsPerson struct {
	kind
	Action  string `json:"action"`
	Service string `json:"service"`
}

// NoSuchService says that no service account has the name.
type NoSuchService struct {
	kind
	Service  string   `json:"service"`
	Services []string `json:"services,omitempty"` // that there are
}

// NoSuchSession says that the person has no such session.
type NoSuchSession struct {
	kind
	Session string `json:"session"`
}

// NoSessions says that the person is signed in nowhere.
type NoSessions struct{ kind }

// NoSuchHold says that no hold has a digest that begins so.
type NoSuchHold struct {
	kind
	Prefix string `json:"prefix"`
}

// NoSuchToken says that no token has the ID, or that it is revoked already.
type NoSuchToken struct {
	kind
	Token string `json:"token"`
}

// NotInHold says that a hold has no step of the person.
type NotInHold struct {
	kind
	Hold   string            `json:"hold"`
	Person identity.PersonID `json:"person"`
}

// HoldReplaced says that a hold does not come up any more as it was.
type HoldReplaced struct {
	kind
	Hold    string   `json:"hold"`
	Current []string `json:"current"` // the holds that replace it
	First   string   `json:"first"`   // of them
}

// NothingDisabled says that no account of the person was found disabled by others.
type NothingDisabled struct{ kind }

// NoSuchRecord says that the person does not have the record.
type NoSuchRecord struct {
	kind
	Source string `json:"source"`
	Key    string `json:"key"`
}

// AccountLeft says that the person still has an account.
type AccountLeft struct {
	kind
	Target string `json:"target"`
	Days   int    `json:"days"` // after the last day it is deleted
}

// NoReviewItem says that there is no such review item.
type NoReviewItem struct {
	kind
	Item string `json:"item"`
}

// NoErasedRecord says that a source has no record of an erased person by the key.
type NoErasedRecord struct {
	kind
	Source string `json:"source"`
}

// NoFailingStep says that no failing step has the key.
type NoFailingStep struct {
	kind
	Step string `json:"step"`
}

// NoAccount says that behov knows no account of the person in the target.
type NoAccount struct {
	kind
	Person identity.PersonID `json:"person"`
	Target string            `json:"target"`
}

// DatabaseServed says that a service works on the SQLite database.
type DatabaseServed struct{ kind }

// CopyChanged says that something was recorded while the database was copied.
type CopyChanged struct{ kind }

// NoMaker says that a decision needs a person who makes it.
type NoMaker struct{ kind }

// NoReasonGiven says that a decision needs a reason.
type NoReasonGiven struct{ kind }

// NoSuchEmployment says that the person has no such employment.
type NoSuchEmployment struct {
	kind
	Person     identity.PersonID `json:"person"`
	Employment string            `json:"employment"` // as it was asked for
}

// StepAmbiguous says that several failing steps have a key that begins so.
type StepAmbiguous struct {
	kind
	Prefix string `json:"prefix"`
}

// HoldAmbiguous says that several holds have a digest that begins so.
type HoldAmbiguous struct {
	kind
	Count  int    `json:"count"`
	Prefix string `json:"prefix"`
}

// HoldWhole says that a hold goes through as a whole or not at all.
type HoldWhole struct {
	kind
	Hold string `json:"hold"`
	Of   string `json:"of"`
}

// HoldGone says that a hold does not come up any more.
type HoldGone struct {
	kind
	Hold    string `json:"hold"`
	Subject string `json:"subject"`
}

// NotConnected says that a target is not connected.
type NotConnected struct{ kind }

// NoSuchTarget says that there is no such target.
type NoSuchTarget struct {
	kind
	Target string `json:"target"`
}

// NothingOfTarget says that nothing is known of a target.
type NothingOfTarget struct {
	kind
	Target string `json:"target"`
}

// AlreadyMain says that the employment speaks for the person by a decision already.
type AlreadyMain struct{ kind }

// NoMainDecision says that there is no decision on which employment speaks for the person.
type NoMainDecision struct{ kind }

// NotTheirEmployment says that it is no employment of the person.
type NotTheirEmployment struct {
	kind
	Person identity.PersonID `json:"person"`
}

// NoForms says that the configuration has no source for what people report.
type NoForms struct{ kind }

// NoReport says that nothing is reported of the employment that could be taken back.
type NoReport struct{ kind }

// ReportOpen says that the end of the employment is reported already.
type ReportOpen struct {
	kind
	Last     identity.Date `json:"last"`
	Decision int64         `json:"decision"`
}

// EndsAlready says that HR's source states that the employment ends then, or earlier than
// reported.
type EndsAlready struct {
	kind
	Last identity.Date `json:"last"`
}

// InField says what is wrong with a field of what was sent.
type InField struct {
	kind
	Field   string `json:"field"`
	Because Reason `json:"because"`
}

// FieldMissing says that a field that is needed is empty.
type FieldMissing struct{ kind }

// FieldNoDate says that a field has no day that exists.
type FieldNoDate struct{ kind }

// DayTooEarly says which day is the first that a field may have.
type DayTooEarly struct {
	kind
	Earliest identity.Date `json:"earliest"`
}

// DayTooLate says which day is the last that a field may have.
type DayTooLate struct {
	kind
	Latest identity.Date `json:"latest"`
}

// NumberInvalid says that a field has no personal identity or coordination number.
type NumberInvalid struct{ kind }

// JobMissing says that a hire has neither a job code nor a job title.
type JobMissing struct{ kind }

// PercentInvalid says that a field has no degree of employment.
type PercentInvalid struct{ kind }

// ManagerUnknown says that a source does not have the manager.
type ManagerUnknown struct {
	kind
	Source string `json:"source"`
}

// NothingToLift says that there is no such decision about the person.
type NothingToLift struct {
	kind
	Of string `json:"of"` // the kind of decision
}

// NoSuchConflict says that no conflict has the name.
type NoSuchConflict struct {
	kind
	Conflict  string   `json:"conflict"`
	Conflicts []string `json:"conflicts"`
}

// TooManyToTry says that an HR file would change more people than a file that is only tried
// may: it would keep others from writing for too long.
type TooManyToTry struct {
	kind
	Count int `json:"count"`
	Most  int `json:"most"`
}

// LastDayWrong says that the last day of a decision is no day, or not within what is allowed.
type LastDayWrong struct {
	kind
	From identity.Date `json:"from"`
	To   identity.Date `json:"to"`
}

// NoSuchRequest says that no request has the number.
type NoSuchRequest struct {
	kind
	Request string `json:"request"` // as it was given
}

// NotRequestable says that the catalogue does not let people request the entitlement, or take
// it as emergency access.
type NotRequestable struct {
	kind
	Entitlement string `json:"entitlement"`
	Emergency   bool   `json:"emergency,omitempty"`
}

// HasAlready says that the person has what is requested, until the day or without an end.
type HasAlready struct {
	kind
	Entitlement string        `json:"entitlement"`
	Until       identity.Date `json:"until,omitempty"`
}

// RequestThere says that a request for the same waits already.
type RequestThere struct {
	kind
	Request int64 `json:"request"`
}

// RequestDaysWrong says that the last day of a request is no day, or not within what the
// controls of the system allow.
type RequestDaysWrong struct {
	kind
	From    identity.Date `json:"from"`
	To      identity.Date `json:"to"`
	Control string        `json:"control,omitempty"` // that says so
}

// RequestWithheld says why the person would not get what is requested.
type RequestWithheld struct {
	kind
	Entitlement string `json:"entitlement"`
	Because     Reason `json:"because"`
}

// RequestTakes says that the person would lose something by what is requested, and why.
type RequestTakes struct {
	kind
	Entitlement string `json:"entitlement"` // that they would lose
	Because     Reason `json:"because"`
}

// NoEmploymentToRequest says that the person has no employment, now or to come, that a request
// can be for.
type NoEmploymentToRequest struct{ kind }

// NotTheApprover says that a request does not wait for the person, and for which approvers it
// does.
type NotTheApprover struct {
	kind
	Request   int64 `json:"request"`
	Approvers AnyOf `json:"approvers"` // of the type policy.Approver
}

// RequestDecided says that a request does not wait any more, and where it is.
type RequestDecided struct {
	kind
	Request int64  `json:"request"`
	State   string `json:"state"` // a store.RequestState
}

// RequestStale says that a request cannot be approved any more, and why.
type RequestStale struct {
	kind
	Request int64  `json:"request"`
	Because Reason `json:"because"`
}

// RequestNotGiving says that a request gives no access, so that it cannot be renewed.
type RequestNotGiving struct {
	kind
	Request int64 `json:"request"`
}

// OnePerson says that two people are one already.
type OnePerson struct{ kind }

// AlreadyMerged says that one of two people was merged into another already.
type AlreadyMerged struct{ kind }

// OnlyRecord says that it is the only record that the person has.
type OnlyRecord struct{ kind }

// StillHere says that no one is erased who works here or will.
type StillHere struct {
	kind
	State string `json:"state"` // of the lifecycle
}

// SeenSinceAsked says that something new is known of the person since it was asked.
type SeenSinceAsked struct{ kind }

// RecordHasRights says that a record has rights that would pass to another person.
type RecordHasRights struct {
	kind
	Place string `json:"place"`
}

// NoSuchSystem says that there is no such system.
type NoSuchSystem struct {
	kind
	System  string   `json:"system"`
	Systems []string `json:"systems,omitempty"`
}

// NothingInSystem says that no one has anything in a system.
type NothingInSystem struct {
	kind
	System string `json:"system"`
}

// NoVerdict says that it is no verdict.
type NoVerdict struct {
	kind
	Verdict string `json:"verdict"`
}

// NotPaused says that it is not paused.
type NotPaused struct{ kind }

// TokenThere says that the first token was made already.
type TokenThere struct{ kind }

// NoTokenMaker says that nothing says who makes a token.
type NoTokenMaker struct{ kind }

// TargetConfigured says that a target is in the configuration.
type TargetConfigured struct {
	kind
	Target string `json:"target"`
}

// EmploymentAmbiguous says that several sources call an employment so.
type EmploymentAmbiguous struct {
	kind
	Employment string `json:"employment"`
}

// NoSuchEntitlement says that the catalogue has no such entitlement.
type NoSuchEntitlement struct {
	kind
	Entitlement string `json:"entitlement"`
	Near        string `json:"near,omitempty"` // one that is named alike
}

// WasErased says that the person was erased: nothing personal of them is stored.
type WasErased struct {
	kind
	Person identity.PersonID `json:"person"`
}

// EntitlementNeverGiven says that neither the catalogue nor the audit trail knows the
// entitlement.
type EntitlementNeverGiven struct {
	kind
	Entitlement string `json:"entitlement"`
}

// TokenExpiry says that a token cannot expire at that time.
type TokenExpiry struct{ kind }

// PreviewOfPast says that a plan for a day that is past was asked for.
type PreviewOfPast struct {
	kind
	Day identity.Date `json:"day"`
}

// MergeOfTwo says that two people who both work here have different names and different
// national identity numbers: they are two people.
type MergeOfTwo struct{ kind }

// SignInStronger says that an action requires a sign-in with more than one factor.
type SignInStronger struct {
	kind
	Action string `json:"action"`
}

// SignInAgain says that an action requires a sign-in just now, with more than one factor.
type SignInAgain struct {
	kind
	Action string `json:"action"`
}

// TokenByToken says that a token makes no other token.
type TokenByToken struct{ kind }

// TargetNotHere says that a target is not in the configuration, or cannot be reached.
type TargetNotHere struct {
	kind
	Target string `json:"target"`
}

// NoSuchAccount says that a target has no account with an ID.
type NoSuchAccount struct {
	kind
	Target  string `json:"target"`
	Account string `json:"account"`
}

// AccountIgnored says that an account belongs to no person on purpose.
type AccountIgnored struct {
	kind
	Target string `json:"target"`
}

// AccountAnchored says that an account says that it is another person's.
type AccountAnchored struct {
	kind
	Anchor string `json:"anchor"`
}

// AccountOfAnother says that an account is another person's.
type AccountOfAnother struct {
	kind
	Owner identity.PersonID `json:"owner"`
}

// PassesUnknown says that the target that knows MFA has no temporary access passes.
type PassesUnknown struct {
	kind
	Target string `json:"target"`
}

// NoMFATarget says that no target tells who is enrolled for MFA.
type NoMFATarget struct{ kind }

// TargetConfiguredStill says that a target is in use, and cannot be forgotten.
type TargetConfiguredStill struct {
	kind
	Target string `json:"target"`
}

// NoSuchUnit says that the organisation has no such unit.
type NoSuchUnit struct {
	kind
	Unit string `json:"unit"`
}

// NoSuchOrder says that no work order has the number.
type NoSuchOrder struct {
	kind
	Order string `json:"order"`
}

// OrderEnded says that the work order does not wait any more.
type OrderEnded struct {
	kind
	Order int64  `json:"order"`
	State string `json:"state"` // done, impossible or withdrawn
}

// OrderNeedsAccount says that the account of the work order is not in the target yet.
type OrderNeedsAccount struct {
	kind
	Order int64 `json:"order"`
}

// OrderNameTaken says that another person's account in the target has the login name.
type OrderNameTaken struct {
	kind
	Order int64 `json:"order"`
}

// OrderDayWrong says that a change cannot have been made on a day.
type OrderDayWrong struct {
	kind
	From identity.Date `json:"from"`
	To   identity.Date `json:"to"`
}

// NotManual says that the target is changed by behov itself, and takes no lists.
type NotManual struct {
	kind
	Target string `json:"target"`
}

// ListFault says where a list of accounts is wrong. Nothing of it was taken.
type ListFault struct {
	kind
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1; 0 for the whole file
	Column int    `json:"column"` // from 1; 0 for the whole line
	// Fault is what is wrong: empty, no-account-column, unknown-column, column-twice,
	// account-missing, row-twice, enabled-unclear, enabled-differs, values-differ; unreadable
	// with the reason in Because.
	Fault string `json:"fault"`
	// What is the column, or the columns that a list may have.
	What    string `json:"what,omitempty"`
	Because Reason `json:"because"`
}

// ListShrank says that a list lacks so much of what is known of the target that it may have
// been cut short. Nothing of it was taken.
type ListShrank struct {
	kind
	Count  int `json:"count"`  // of accounts that would lose something, or be gone
	Before int `json:"before"` // accounts that are known
	Most   int `json:"most"`   // how many may
}

// AbsentSince is the first day of an absence.
type AbsentSince struct {
	kind
	Since identity.Date `json:"since"`
}

// DecidesInstead says that a person decides in the place of another who is away.
type DecidesInstead struct {
	kind
	Since identity.Date `json:"since"`
	Until identity.Date `json:"until"`
}

// FirstDayWrong says that the first day of an absence is no day, or not within what is allowed.
type FirstDayWrong struct {
	kind
	From identity.Date `json:"from"`
	To   identity.Date `json:"to"`
}

// DeputyAway says that a person cannot decide in the place of another: they do not work here, are
// suspended, or are the same person.
type DeputyAway struct{ kind }

// DeputySelf says that people cannot name themselves as who decides in the place of another.
type DeputySelf struct{ kind }

// DeputyCycle says that people would decide in each other's place, so that none would: the deputy
// is away on a day as well, and in the end it comes back to the person.
type DeputyCycle struct {
	kind
	Deputy identity.PersonID `json:"deputy"`
	// Person is the last of those who are away, and whose deputy is the person.
	Person identity.PersonID `json:"person"`
	Day    identity.Date     `json:"day"`
}

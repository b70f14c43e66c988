// Package rights answers one question: may this person take this action on this
// object? Casbin evaluates the rights model and the default rights in rules, and
// the lines that an installation adds in its rights.csv.
//
// It is the only answer to that question. It must never read a database, act, or
// record: the caller passes people, system owners and managers.
package rights

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/rules"
)

// Action is a decision, an operation or a look by a person.
type Action string

// The actions, in the order in which the matrix lists them.
const (
	StartReview  Action = "review.start"
	DecideReview Action = "review.decide"
	DecideHold   Action = "hold.decide"   // release or reject a held plan
	DecideImport Action = "import.decide" // release or reject an HR import
	ImportFile   Action = "import.file"   // import a file other than those of behov.yaml
	BindAccount  Action = "account.bind"
	// RegisterAccount enters an account that is no person's in the register. HandOverAccount,
	// RenewAccount and RetireAccount change what it says there.
	RegisterAccount Action = "account.register"
	HandOverAccount Action = "account.hand-over"
	RenewAccount    Action = "account.renew"
	RetireAccount   Action = "account.retire"
	EnableAccount   Action = "account.enable"
	Suspend         Action = "person.suspend"
	LiftSuspension  Action = "person.unsuspend"
	HoldLegally     Action = "person.legal-hold" // and lift it
	Protect         Action = "person.protect"    // and lift it
	SetMain         Action = "person.main"
	Merge           Action = "person.merge" // also: decide that two people are distinct
	Split           Action = "person.split"
	Erase           Action = "person.erase"
	Readmit         Action = "person.readmit"
	IssuePass       Action = "mfa.pass"
	WithdrawPass    Action = "mfa.withdraw"
	Revise          Action = "system.revise" // say that a system, the rules, the controls or the rights were gone through
	ProposeRules    Action = "rules.propose"
	ApproveRules    Action = "rules.approve"  // or reject, what another person proposed
	AllowConflict   Action = "conflict.allow" // let a person have both sides, and end it
	ExemptFromMFA   Action = "mfa.exempt"     // and lift it
	// SetAbsence says when a person is away and who decides in their place, and ends that. A
	// person may do so for themselves.
	SetAbsence Action = "person.absence"
	Screen     Action = "person.screen" // say until when a screening is valid, and lift it
	// RequestAccess asks for access that ends, EmergencyAccess takes it at once, and
	// WithdrawRequest ends either: a person may do so for themselves.
	RequestAccess   Action = "request.ask"
	EmergencyAccess Action = "request.emergency"
	WithdrawRequest Action = "request.withdraw"
	ApproveRequest  Action = "request.approve" // and refuse
	// ApproveInstead approves or refuses in the place of an approver who does not work here.
	ApproveInstead Action = "request.approve-instead"
	RetryStep      Action = "step.retry"
	GiveUpStep     Action = "step.give-up"
	PauseTarget    Action = "target.pause"
	ResumeTarget   Action = "target.resume"
	RetireTarget   Action = "target.retire"
	// DecideOrder says that the change of a work order was made, or cannot be made.
	DecideOrder Action = "work-order.decide"
	UploadList  Action = "target.upload" // a list of the accounts of a target without an interface
	MakeToken   Action = "token.make"
	RevokeToken Action = "token.revoke"
	// MakeServiceToken is apart from MakeToken: a service account may be cleared to see
	// more than the person who makes its token.
	MakeServiceToken Action = "token.make-for-service"
	EndSessions      Action = "session.end" // another person's, and see where they are
)

// The actions of reading. A line about all actions (*) is not about these.
const (
	SeePerson    Action = "person.see"           // who a person is, what they have, and why
	SeeProtected Action = "person.see-protected" // who a person with protected identity is
	// Extract is everything that is stored about a person, at once (GDPR Article 15). It needs
	// a person.
	Extract Action = "person.extract"
)

// Reads are the actions of reading. They change nothing, so a person may take them about
// themselves.
var Reads = []Action{SeePerson, SeeProtected, Extract}

// OwnActions are the decisions that a person may make about themselves, where a line allows
// it: they ask, and another person approves; or they say who decides in their place.
var OwnActions = []Action{RequestAccess, EmergencyAccess, WithdrawRequest, SetAbsence}

// Actions are the decisions and operations.
var Actions = []Action{StartReview, DecideReview, Revise, ProposeRules, ApproveRules, DecideHold, DecideImport, ImportFile, BindAccount, RegisterAccount, HandOverAccount, RenewAccount, RetireAccount, EnableAccount, Suspend, LiftSuspension, HoldLegally, Protect,
	SetMain, Merge, Split, Erase, Readmit, Screen, SetAbsence, IssuePass, WithdrawPass, ExemptFromMFA, AllowConflict, RequestAccess, EmergencyAccess, WithdrawRequest, ApproveRequest, ApproveInstead, RetryStep, GiveUpStep, PauseTarget, ResumeTarget, RetireTarget, DecideOrder, UploadList, MakeToken, MakeServiceToken, RevokeToken, EndSessions}

// ServiceActions are the decisions and operations that a service account can be allowed.
// Everything else that is not reading needs a person, and so does Extract: no line of
// rights.csv gives it to a service account.
var ServiceActions = []Action{ImportFile}

// needsPerson reports whether only a person can take an action.
func needsPerson(a Action) bool {
	return a == Extract || !slices.Contains(Reads, a) && !slices.Contains(ServiceActions, a)
}

// Role is a person's role in an installation or towards the object of a decision.
type Role string

// The roles that an installation assigns to people, by grouping lines.
const (
	Administrator         Role = "administrator"
	Operator              Role = "operator" // IAM engineer
	HR                    Role = "hr"
	DataProtectionOfficer Role = "data-protection-officer"
	Auditor               Role = "auditor" // decides nothing
)

// The roles that follow from data.
const (
	Owner    Role = "owner"    // owns the system of the decision, or is a deputy
	Reviewer Role = "reviewer" // is the reviewer of the question
	Assignee Role = "assignee" // gets the work orders of the target, at once or when they are overdue
	Manager  Role = "manager"  // manages each person of the decision
	// AccountOwner owns the account that is no person's of the decision; when that person
	// does not work here any more, it is their manager.
	AccountOwner Role = "account-owner"
	Self         Role = "self"  // is a person of the decision
	Cause        Role = "cause" // caused what the decision would release
	Suspended    Role = "suspended"
	NotWorking   Role = "not-working"
)

// Given are the roles that an installation assigns.
var Given = []Role{Administrator, Operator, HR, DataProtectionOfficer, Auditor}

var derived = []Role{Owner, Reviewer, Assignee, Manager, AccountOwner, Self, Cause, Suspended, NotWorking}

// How is how the deciding person was identified.
type How string

// The ways.
const (
	// Claimed on the command line, by a process that can read the installation's
	// directory.
	Claimed How = "claimed"
	// OperatingSystem: the operating system's user is mapped to the person
	// (operators in behov.yaml).
	OperatingSystem How = "operating-system"
	// SignedIn at the organisation's identity provider, in a browser or with behov login.
	SignedIn How = "signed-in"
	// ByToken that the person made, or that was made for the service account.
	ByToken How = "token"
)

// Subject is a person who decides or asks, or a service account, as identified by the
// caller. The zero value is neither.
type Subject struct {
	Person identity.PersonID
	// Service is the name of the service account; empty for a person.
	Service string
	How     How
	// Assurance is how surely, of a person who signed in or shows a token.
	Assurance Assurance
	// Groups are those that the identity provider says the person is in, separated by
	// line feeds: rights.csv may give them roles.
	Groups string
}

// IsZero reports whether the subject is neither a person nor a service account.
func (s Subject) IsZero() bool { return s.Person == "" && s.Service == "" }

// ID returns what tells subjects apart: the opaque ID of a person, or service:NAME; empty
// for the zero value.
func (s Subject) ID() string {
	if s.Service != "" {
		return ServicePrefix + s.Service
	}
	return string(s.Person)
}

// Actor returns the subject as the actor of a record.
func (s Subject) Actor() identity.Actor {
	if s.Service != "" {
		return identity.ServiceActor(s.Service)
	}
	return identity.PersonActor(s.Person)
}

// GroupNames returns the names of the groups, as rights.csv has them.
func (s Subject) GroupNames() []string {
	var names []string
	for group := range strings.SplitSeq(s.Groups, "\n") {
		if group != "" {
			names = append(names, GroupPrefix+group)
		}
	}
	return names
}

// Known is a subject with their data.
type Known struct {
	Subject
	// Works: the person works here today. Of a service account: it is in the configuration,
	// and one of the people who are responsible for it works here and is not suspended.
	Works, Suspended bool
	// InPlaceOf are those who are away today and in whose place the person decides: what follows
	// from data (owner, reviewer, assignee, manager, account-owner) they have too, but for what
	// is about who is away or about a deputy between, or was caused by one of them. Roles that an
	// installation gives stay behind.
	InPlaceOf []Absent
	// Member lists the names by which the person may have roles: the person's
	// records as SOURCE/KEY, unit:ID of the units in which they work and all
	// above, job:CODE, group:NAME. Of a service account it is service:NAME.
	Member []string
}

// Absent is a person who is away, with their records as SOURCE/KEY.
type Absent struct {
	Person  identity.PersonID
	Records []string
	// Between are the deputies through whom the place came, who are away too.
	Between []identity.PersonID
}

// chose reports whether one of the people is away or a deputy between: each of them chose who
// decides, and no one chooses who decides about them.
func (a *Absent) chose(people []identity.PersonID) bool {
	return slices.Contains(people, a.Person) || slices.ContainsFunc(a.Between, func(p identity.PersonID) bool { return slices.Contains(people, p) })
}

// Names are the records by which the person is owner of a system or manager where people are
// concerned: their own, and of those in whose place they decide.
func (k *Known) Names(about ...identity.PersonID) []string {
	names := slices.Clone(k.Member)
	for _, a := range k.InPlaceOf {
		if !a.chose(about) {
			names = append(names, a.Records...)
		}
	}
	return names
}

// Place returns an object in which the person stands beside those in whose place they decide.
func (k *Known) Place(o Object) Object {
	for _, a := range k.InPlaceOf {
		if a.chose(o.About) || a.chose(o.CausedBy) {
			continue
		}
		if o.Reviewer == a.Person {
			o.Reviewer = k.Person
		}
		for _, of := range []*[]identity.PersonID{&o.Owners, &o.Assignees, &o.Managers, &o.AccountOwners} {
			if slices.Contains(*of, a.Person) && !slices.Contains(*of, k.Person) {
				*of = append(slices.Clone(*of), k.Person)
			}
		}
	}
	return o
}

// Object is the object of a decision. Empty fields do not apply.
type Object struct {
	About    []identity.PersonID // the people
	Owners   []identity.PersonID // of the system, with deputies
	Reviewer identity.PersonID   // of the question
	// Assignees get the work orders of the target.
	Assignees []identity.PersonID
	// Managers are those who manage every person in About today.
	Managers []identity.PersonID
	// AccountOwners are those who answer for the account that is no person's: its owner, or
	// when the owner does not work here any more, their managers.
	AccountOwners []identity.PersonID
	// CausedBy are the people who caused what the decision would release.
	CausedBy []identity.PersonID
}

// Rights is the policy of an installation: the default rights and its own lines.
type Rights struct {
	enforcer *casbin.Enforcer
	lines    []Line
}

// RefusedError is returned for a decision that a person may not make.
type RefusedError struct {
	Action Action
	// Why is the reason of the line that denies it; empty when no line allows it.
	Why string
	// Roles may take the action; set when no line allows it to the person.
	Roles []Role
	// Service is set when the action needs a person, and a service account asks.
	Service string
	role    Role
}

func (e *RefusedError) Error() string {
	if e.Service != "" {
		return fmt.Sprintf("not allowed (%s): it needs a person, and %s is a service account", e.Action, e.Service)
	}
	if e.Why != "" {
		return fmt.Sprintf("not allowed (%s): %s", e.Action, e.Why)
	}
	return fmt.Sprintf("not allowed (%s): it requires the role %s", e.Action, words(e.Roles))
}

// Because returns the refusal as a reason.
func (e *RefusedError) Because() reason.Reason {
	if e.Service != "" {
		return reason.Of(reason.NeedsPerson{Action: string(e.Action), Service: e.Service})
	}
	refused := reason.NotAllowed{Action: string(e.Action), Why: e.Why, As: string(e.role)}
	for _, r := range e.Roles {
		refused.Roles = append(refused.Roles, string(r))
	}
	return reason.Of(refused)
}

func words(roles []Role) string {
	var all []string
	for _, r := range roles {
		all = append(all, string(r))
	}
	return strings.Join(all, " or ")
}

// IsSelf reports whether a refusal says that people must not decide about
// themselves.
func IsSelf(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.role == Self
}

// IsCause reports whether a refusal requires another person than the one who
// caused what is to be decided.
func IsCause(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.role == Cause
}

// New returns the rights of the default lines and an installation's own.
func New(own []Line) (*Rights, error) {
	standard, problems := Parse("rights.csv", rules.Rights)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	m, err := model.NewModelFromString(rules.RightsModel)
	if err != nil {
		return nil, fmt.Errorf("rights.conf: %w", err)
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("casbin: %w", err)
	}
	r := &Rights{enforcer: e, lines: slices.Concat(standard, own)}
	e.AddFunction("holds", r.holds)
	e.AddFunction("reads", reads)
	e.AddFunction("own", ownAction)
	for _, l := range r.lines {
		if l.Member != "" {
			_, err = e.AddGroupingPolicy(l.Member, string(l.Role))
		} else {
			_, err = e.AddPolicy(string(l.Role), string(l.Action), l.effect(), l.Why)
		}
		if err != nil {
			return nil, fmt.Errorf("casbin: %s:%d: %w", l.File, l.LineNumber, err)
		}
	}
	return r, nil
}

// request is a subject with the roles that an installation assigns to them.
type request struct {
	Known
	roles []Role
}

// May returns the authority by which the subject may take the action, or a
// *RefusedError.
func (r *Rights) May(s Known, a Action, o Object) (authority Role, err error) {
	if s.Service != "" && needsPerson(a) {
		return "", &RefusedError{Action: a, Service: s.Service}
	}
	roles, err := r.RolesOf(s.Member)
	if err != nil {
		return "", err
	}
	o = s.Place(o)
	allowed, line, err := r.enforcer.EnforceEx(&request{Known: s, roles: roles}, string(a), &o)
	if err != nil {
		return "", fmt.Errorf("casbin: %w", err)
	}
	need := Requires(a)
	if allowed && len(line) > 0 && Role(line[0]) == Self && a != EmergencyAccess && a != SetAbsence { // what is about themselves asks no more than the sign-in
		need = SingleFactor
	}
	switch {
	case allowed && s.Service == "" && s.How.remote() && s.Assurance < need: // a service account has no factors
		return "", &AssuranceError{Action: a, Requires: need}
	case allowed && len(line) > 0:
		return Role(line[0]), nil
	case allowed: // Casbin returns the line that allows it
		return "", errors.New("casbin allows the action and returns no line for it")
	case len(line) > 3 && line[2] == deny:
		return "", &RefusedError{Action: a, Why: line[3], role: Role(line[0])}
	}
	return "", r.Refuse(a)
}

// Refuse returns the error for an action that no line allows the person.
func (r *Rights) Refuse(a Action) error { return &RefusedError{Action: a, Roles: r.allowed(a)} }

// IsRefused reports whether an error is a refusal.
func IsRefused(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused)
}

// reads is a function of the model's matcher: whether an action is one of reading.
func reads(args ...any) (any, error) {
	if len(args) != 1 {
		return false, errors.New("reads(act) takes one argument")
	}
	action, ok := args[0].(string)
	return ok && slices.Contains(Reads, Action(action)), nil
}

// ownAction is a function of the model's matcher: whether people may take an action about themselves.
func ownAction(args ...any) (any, error) {
	if len(args) != 1 {
		return false, errors.New("own(act) takes one argument")
	}
	action, ok := args[0].(string)
	return ok && slices.Contains(OwnActions, Action(action)), nil
}

// holds is the function of the model's matcher.
func (r *Rights) holds(args ...any) (any, error) {
	if len(args) != 3 {
		return false, errors.New("holds(sub, role, obj) takes three arguments")
	}
	s, ok1 := args[0].(*request)
	role, ok2 := args[1].(string)
	o, ok3 := args[2].(*Object)
	if !ok1 || !ok2 || !ok3 {
		return false, errors.New("holds(sub, role, obj): a subject, a role and an object")
	}
	who := s.Person
	if s.Service != "" { // it is no person of any decision, and holds what it is given
		return Role(role) == NotWorking && !s.Works || slices.Contains(s.roles, Role(role)), nil
	}
	if who == "" { // the person has no employment, and manages no one
		return Role(role) == NotWorking, nil
	}
	switch Role(role) {
	case NotWorking:
		return !s.Works, nil
	case Suspended:
		return s.Suspended, nil
	case Self:
		return slices.Contains(o.About, who), nil
	case Cause:
		return slices.Contains(o.CausedBy, who), nil
	case Owner:
		return slices.Contains(o.Owners, who), nil
	case Reviewer:
		return o.Reviewer == who, nil
	case Assignee:
		return slices.Contains(o.Assignees, who), nil
	case Manager:
		return slices.Contains(o.Managers, who), nil
	case AccountOwner:
		return slices.Contains(o.AccountOwners, who), nil
	}
	return slices.Contains(s.roles, Role(role)), nil
}

// RolesOf returns the roles that an installation assigns to any of the names,
// sorted.
func (r *Rights) RolesOf(names []string) ([]Role, error) {
	var all []Role
	for _, name := range names {
		roles, err := r.enforcer.GetImplicitRolesForUser(name)
		if err != nil {
			return nil, fmt.Errorf("casbin: %w", err)
		}
		for _, role := range roles {
			all = append(all, Role(role))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// allowed returns the roles that may take an action, in the order of the lines.
func (r *Rights) allowed(a Action) []Role {
	var roles []Role
	for _, l := range r.lines {
		if l.Member == "" && !l.Deny && (l.Action == a || l.Action == allActions && !slices.Contains(Reads, a)) && !slices.Contains(roles, l.Role) {
			roles = append(roles, l.Role)
		}
	}
	return roles
}

// Digest returns a hash of the lines: those of the default and the installation's
// own.
func (r *Rights) Digest() string {
	h := sha256.New()
	for _, l := range r.lines {
		fmt.Fprintf(h, "%q %q %q %q %q\n", l.Member, l.Role, l.Action, l.effect(), l.Why)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Given returns the grouping lines: which members have which roles.
func (r *Rights) Given() []Line {
	return slices.DeleteFunc(slices.Clone(r.lines), func(l Line) bool { return l.Member == "" })
}

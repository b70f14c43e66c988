package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Person is where a person stands on a day, and what comes next. Of a person whose
// identity is masked for the viewer it has no login, no unit and no later terms.
type Person struct {
	Person Ref           `json:"person"`
	AsOf   identity.Date `json:"as_of"`
	Masked bool          `json:"masked"` // login, units and later terms are left out
	Login  string        `json:"login,omitempty"`
	Stage  Stage         `json:"stage"`
	// Active: an employment is active, so that rules can give something.
	Active    bool   `json:"active"`
	Suspended Reason `json:"suspended,omitzero"`  // the decision that suspends the person
	LegalHold Reason `json:"legal_hold,omitzero"` // the decision that keeps their data
	// Undecided is why nothing of the person's access is changed.
	Undecided   Reason       `json:"undecided,omitzero"`
	MergedInto  *Ref         `json:"merged_into,omitempty"` // whose record this was found to be
	Records     []string     `json:"records"`               // SOURCE/KEY, the key "…" when it is masked
	Employments []Employment `json:"employments"`
	// MFA is "enrolled" or "not-enrolled"; left out when no target was asked or could say.
	MFA policy.MFA `json:"mfa,omitempty"`
	// MFAMethod is how strong the person's strongest method is; left out when no target said.
	MFAMethod policy.Method `json:"mfa_method,omitempty"`
	// MFAExemptUntil is the last day on which a decision lets the person have what needs MFA
	// without it, and ScreenedUntil that of a screening (säkerhetsprövning) that is valid.
	MFAExemptUntil identity.Date `json:"mfa_exempt_until,omitempty"`
	ScreenedUntil  identity.Date `json:"screened_until,omitempty"`
	// Accounts are those that behov knows to be the person's.
	Accounts []Account `json:"accounts"`
	// Exposed says what tells the name of a person with protected identity.
	Exposed []Exposure `json:"exposed"`
}

// Stage is a person's state on a day.
type Stage struct {
	State identity.State `json:"state"`
	// Since is the first day after the last employment that has ended; Next the first day
	// of the next one.
	Since   identity.Date `json:"since,omitempty"`
	Next    identity.Date `json:"next,omitempty"`
	Because Reason        `json:"because"`
}

// EmploymentRef names an employment. The source and its key are left out when the key is
// masked.
type EmploymentRef struct {
	ID     identity.EmploymentID `json:"id"`
	Source string                `json:"source,omitempty"`
	Key    string                `json:"key,omitempty"`
}

// String returns the employment as its source calls it, or its ID.
func (e EmploymentRef) String() string {
	if e.Key == "" {
		return string(e.ID)
	}
	return "employment " + e.Key
}

// EmploymentState is how an employment stands on a day.
type EmploymentState string

// The states of an employment.
const (
	EmploymentActive    EmploymentState = "active"
	EmploymentOnLeave   EmploymentState = "on-leave"
	EmploymentNotBegun  EmploymentState = "not-begun"
	EmploymentEnded     EmploymentState = "ended"
	EmploymentWithdrawn EmploymentState = "withdrawn" // by HR
)

// Employment is an employment on a day.
type Employment struct {
	Employment EmploymentRef   `json:"employment"`
	State      EmploymentState `json:"state"`
	Start      identity.Date   `json:"start"`
	End        identity.Date   `json:"end,omitempty"` // the last day
	Withdrawn  identity.Date   `json:"withdrawn,omitempty"`
	// Reported is the last day by a report, which the source does not state; empty for none.
	Reported identity.Date `json:"reported,omitempty"`
	Terms
	Later []Terms `json:"later,omitempty"` // terms that begin after the day
}

// Terms are what an employment is, from a day on.
type Terms struct {
	From     identity.Date `json:"from,omitempty"`
	JobTitle string        `json:"job_title,omitempty"`
	Unit     string        `json:"unit,omitempty"`
	UnitName string        `json:"unit_name,omitempty"`
	Percent  float64       `json:"percent"`
}

// Account is a person's account in a target.
type Account struct {
	Target    string `json:"target"`
	AccountID string `json:"account_id"` // the target's own ID
	// SignedIn is the day of the last sign-in, or "never"; left out when the target does not
	// tell. What it tells may be two weeks behind.
	SignedIn string `json:"signed_in,omitempty"`
}

// SignedOn is SignedIn as a day; empty for never, and when the target does not tell.
func (a Account) SignedOn() identity.Date {
	if a.NeverSignedIn() {
		return ""
	}
	return identity.Date(a.SignedIn)
}

// NeverSignedIn reports whether the target says that the account was never signed in to.
func (a Account) NeverSignedIn() bool { return a.SignedIn == store.NeverSignedIn }

// Exposure says what carries parts of the name of a person with protected identity: an
// account in a target, or the login when Target is empty.
type Exposure struct {
	Target string `json:"target,omitempty"`
	Reason Reason `json:"reason"`
}

// Statuses reads, for today, where a person stands, with what targets say about MFA.
// *reconcile.Engine implements it.
type Statuses interface {
	PersonStatus(ctx context.Context, p identity.Person) (reconcile.PersonStatus, error)
}

// subject is a person about whom is answered.
type subject struct {
	identity.Person // with the employments as they are on the day
	status          reconcile.PersonStatus
	day             identity.Date
	sees            visibility
}

// Find returns the person whom a reference names: a person_id of the first source,
// SOURCE/person_id, login, e-mail address or ID. It fails with a *rights.RefusedError
// when the viewer may not see the person.
func (v *View) Find(ref string) (identity.Person, error) {
	p, err := v.DB.FindPerson(v.ctx, ref, v.Config.First)
	if err != nil {
		return p, err
	}
	if err := v.Add(p); err != nil {
		return identity.Person{}, err
	}
	if v.sees[p.ID] == hidden {
		return identity.Person{}, v.Config.Rights.Refuse(rights.SeePerson)
	}
	if !v.viewer.Subject.IsZero() && v.sees[p.ID] == masked && !v.named(p, ref) {
		return identity.Person{}, fmt.Errorf("%w (%q)", store.ErrNoPerson, ref)
	}
	return p, nil
}

// named reports whether a reference to a masked person is one that the viewer is shown: who
// is found by a login or an address is known by it.
func (v *View) named(p identity.Person, ref string) bool {
	if string(p.ID) == ref {
		return true
	}
	return slices.ContainsFunc(p.Keys, func(k identity.Record) bool {
		return shows(masked, k.SourceKey) && (k.String() == ref || k.Source == v.Config.First && k.Key == ref)
	})
}

// FindInTrail returns the ID of the person whom a reference names. An erased person is
// known by their opaque ID only.
func (v *View) FindInTrail(ref string) (identity.PersonID, error) {
	p, err := v.Find(ref)
	if err == nil || !errors.Is(err, store.ErrNoPerson) {
		return p.ID, err
	}
	id := identity.PersonID(ref)
	there, trailErr := v.DB.HasAuditRecords(v.ctx, id)
	switch {
	case trailErr != nil:
		return "", trailErr
	case !there:
		return "", err
	case !v.everyone: // nothing tells whose it was
		return "", v.Config.Rights.Refuse(rights.SeePerson)
	}
	return id, nil
}

// about finds a person and works out where they stand today. Without targets, statuses is
// nil and MFA is unknown.
func (v *View) about(ref string, statuses Statuses) (s subject, err error) {
	p, err := v.Find(ref)
	if err != nil {
		return s, err
	}
	s.day, s.sees = v.Today(), v.sees[p.ID]
	if statuses == nil {
		s.status, err = reconcile.PersonStatusOf(v.ctx, v.DB, v.Config, p, s.day)
	} else {
		s.status, err = statuses.PersonStatus(v.ctx, p)
	}
	s.Person = s.status.Person
	return s, err
}

// DecisionsAbout returns the newest decisions about a person, at most so many. A viewer who
// may not see everyone gets those about themselves only.
func (v *View) DecisionsAbout(ref string, most int) ([]Decision, error) {
	p, err := v.Find(ref)
	if err != nil || !v.everyone && p.ID != v.viewer.Subject.Person {
		return []Decision{}, err
	}
	all, err := v.DB.DecisionsAbout(v.ctx, p.ID, most)
	if err != nil {
		return nil, err
	}
	var ids []identity.PersonID
	for _, d := range all {
		maker, _ := d.Maker.Person()
		ids = append(ids, maker)
	}
	return each(all, v.Decision), v.Load(ids)
}

// Person returns where a person stands today. It asks no target; with statuses the MFA of
// the person is asked for, too.
func (v *View) Person(ref string, statuses Statuses) (Person, error) {
	s, err := v.about(ref, statuses)
	if err != nil {
		return Person{}, err
	}
	return v.describe(s)
}

func (v *View) describe(s subject) (Person, error) {
	stage, facts := reason.OfStage(s.status.Stage), s.status.Facts
	v.Prepare([]identity.PersonID{s.MergedInto}, stage, facts.Suspended, facts.LegalHold, s.status.Undecided)
	p := Person{Person: v.Ref(s.ID), AsOf: s.day, Masked: s.sees != full,
		Stage:  Stage{State: s.status.Stage.State, Since: s.status.Stage.Since, Next: s.status.Stage.Next, Because: v.Because(stage)},
		Active: s.IsActive(s.day), Suspended: v.Because(facts.Suspended), LegalHold: v.Because(facts.LegalHold), Undecided: v.Because(s.status.Undecided),
		MergedInto: v.optional(s.MergedInto), Records: []string{}, Employments: []Employment{}, MFA: facts.MFA, MFAMethod: facts.Method, MFAExemptUntil: holdsOn(facts.MFAExemptUntil, s.day), ScreenedUntil: holdsOn(facts.ScreenedUntil, s.day), Accounts: []Account{}, Exposed: []Exposure{}}
	if !p.Masked {
		p.Login = s.Login // it is made of the name
	}
	for _, k := range s.Keys {
		shown := k.Source + "/…"
		if shows(s.sees, k.SourceKey) {
			shown = k.String()
		}
		p.Records = append(p.Records, shown)
	}
	for _, e := range s.Employments {
		p.Employments = append(p.Employments, v.employment(s, e))
	}
	signedIn := map[string]string{}
	if !p.Masked {
		all, err := v.DB.LastSignIns(v.ctx, []identity.PersonID{s.ID})
		if err != nil {
			return p, err
		}
		for _, x := range all {
			signedIn[x.Target] = x.SignedIn
		}
	}
	for _, t := range v.Config.Targets {
		id, err := v.DB.AccountOf(v.ctx, t.Name, s.ID)
		if err != nil {
			return p, err
		}
		if id != "" {
			p.Accounts = append(p.Accounts, Account{t.Name, id, signedIn[t.Name]})
		}
	}
	var err error
	p.Exposed, err = v.exposed(s.Person, s.day)
	return p, err
}

func (v *View) employment(s subject, e identity.Employment) Employment {
	x := Employment{Employment: employmentRef(s, e), State: EmploymentActive, Start: e.Start, End: e.End, Withdrawn: e.Withdrawn}
	if e.EndsByReport() {
		x.Reported = e.Report.Last
	}
	switch {
	case e.Withdrawn != "":
		x.State = EmploymentWithdrawn
	case !e.ActiveOn(s.day) && e.Start > s.day:
		x.State = EmploymentNotBegun
	case !e.ActiveOn(s.day):
		x.State = EmploymentEnded
	case e.OnLeave(s.day):
		x.State = EmploymentOnLeave
	}
	units := v.Config.Rules.Units
	terms := func(t identity.Terms, unit string) Terms {
		y := Terms{From: t.From, JobTitle: t.JobTitle, Percent: t.Percent}
		if s.sees == full { // the unit shows where a person can be found
			y.Unit, y.UnitName = unit, units.Name(unit)
		}
		return y
	}
	now := e.On(max(s.day, e.Start))
	x.Terms = terms(now, units.On(s.day).Current(now.Unit))
	for _, later := range e.Terms {
		if later.From > s.day && s.sees == full {
			x.Later = append(x.Later, terms(later, later.Unit))
		}
	}
	return x
}

func employmentRef(s subject, e identity.Employment) EmploymentRef {
	if !shows(s.sees, e.Key) {
		return EmploymentRef{ID: e.ID}
	}
	return EmploymentRef{e.ID, e.Key.Source, e.Key.Key}
}

// FindEmployment returns the employment of a person that a reference names: the key of its
// source, or SOURCE/KEY.
func (v *View) FindEmployment(p identity.Person, ref string) (identity.EmploymentID, error) {
	var found identity.EmploymentID
	for _, e := range p.Employments {
		if e.Key.Key != ref && e.Key.Source+"/"+e.Key.Key != ref {
			continue
		}
		if found != "" {
			return "", &reason.Refusal{Reason: reason.Of(reason.EmploymentAmbiguous{Employment: ref})}
		}
		found = e.ID
	}
	if found == "" {
		return "", &reason.Refusal{Reason: reason.Of(reason.NoSuchEmployment{Person: p.ID, Employment: ref})}
	}
	return found, nil
}

// employmentOf names an employment of the person.
func (s subject) employmentOf(id identity.EmploymentID) EmploymentRef {
	if i := slices.IndexFunc(s.Employments, func(e identity.Employment) bool { return e.ID == id }); i >= 0 {
		return employmentRef(s, s.Employments[i])
	}
	return EmploymentRef{ID: id}
}

// exposed is desired.Exposed for each target in which a person with protected identity has
// an account, by what the database knows: the login, and account names that the target's
// template makes.
func (v *View) exposed(p identity.Person, day identity.Date) ([]Exposure, error) {
	all := []Exposure{}
	if !p.Protected {
		return all, nil
	}
	if p.NamedIn(p.Login) {
		all = append(all, Exposure{Reason: v.Because(reason.Of(reason.LoginExposed{}))})
	}
	for _, t := range v.Config.Targets {
		has, err := v.DB.HasAccount(v.ctx, t.Name, p.ID)
		if err != nil {
			return nil, err
		}
		if !has {
			continue
		}
		account := ""
		if protected := t.Account.Protected; !t.Account.Rename || protected == nil || protected.Personal() {
			name, err := t.Account.Value.Execute(p.ViewOn(day, t.Main, v.Config.Forms))
			if err != nil {
				continue // the plan says so
			}
			for i := 1; i < 10 && account == ""; i++ {
				candidate := identity.NameCandidate(name, i, t.Account.Most)
				owner, err := v.DB.NameRegister(t.Name).Owner(v.ctx, candidate)
				if err != nil {
					return nil, err
				}
				if owner == p.ID {
					account = candidate
				}
			}
		}
		if why := desired.Exposed(t, p, account); !why.IsZero() {
			all = append(all, Exposure{Target: t.Name, Reason: v.Because(why)})
		}
	}
	return all, nil
}

// PersonState is a person in a list, with the state of the day.
type PersonState struct {
	Person    Ref    `json:"person"`
	Stage     Stage  `json:"stage"`
	Suspended Reason `json:"suspended,omitzero"`
}

// People returns those in a state today, or everyone when it is empty, whom the viewer may
// see, and how many of them are in each state.
func (v *View) People(state identity.State) ([]PersonState, map[identity.State]int, error) {
	all, counts := []PersonState{}, map[identity.State]int{}
	var page []identity.Person
	add := func() error {
		states, err := v.states(page)
		page = page[:0]
		for _, s := range states {
			counts[s.Stage.State]++
			if state == "" || state == s.Stage.State {
				all = append(all, s)
			}
		}
		return err
	}
	const size = 1000
	for p, err := range v.DB.People(v.ctx) {
		if err != nil {
			return nil, nil, err
		}
		if page = append(page, p); len(page) == size {
			if err := add(); err != nil {
				return nil, nil, err
			}
		}
	}
	return all, counts, add()
}

// holdsOn returns the last day of what holds on a day; empty when it has ended.
func holdsOn(last, day identity.Date) identity.Date {
	if last < day {
		return ""
	}
	return last
}

package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Class is the information class of a system, in the manner of KLASSA: how much harm
// follows when information leaks, is wrong, or is missing, from 0 for none to 4. See
// https://klassa.skr.se.
type Class struct {
	Confidentiality int `json:"confidentiality"`
	Integrity       int `json:"integrity"`
	Availability    int `json:"availability"`
	// SecurityProtected: the system holds information that the Protective Security Act
	// (säkerhetsskyddslagen, 2018:585) protects.
	SecurityProtected bool `json:"security_protected"`
}

// Highest is the highest level of a class.
const Highest = 4

// Method is how strong a method of multi-factor authentication is; empty for none.
type Method string

// The strengths, the weakest first. A code in a text message or a call is AnyMethod; an
// authenticator program or a token is StrongMethod; a passkey, a security key or a
// certificate is PhishingResistant.
const (
	AnyMethod         Method = "any"
	StrongMethod      Method = "strong"
	PhishingResistant Method = "phishing-resistant"
)

// Methods are the strengths, the weakest first.
var Methods = []Method{AnyMethod, StrongMethod, PhishingResistant}

// Meets reports whether a method is at least as strong as is needed.
func (s Method) Meets(need Method) bool {
	return slices.Index(Methods, s) >= slices.Index(Methods, need)
}

// Demand is a value with the name of the control that demands it.
type Demand[T any] struct {
	Value T      `json:"value"`
	By    string `json:"by"` // the control
}

// Controls are what the class of a system demands of those who have access to it. The zero
// value demands nothing.
type Controls struct {
	MFA Demand[Method] `json:"mfa,omitzero"`
	// NotTypes and NotSources are types of employment, and HR sources, whose people do not
	// get access by them.
	NotTypes   []Demand[string] `json:"not_types,omitempty"`
	NotSources []Demand[string] `json:"not_sources,omitempty"`
	// WithholdProtected: people with protected identity do not get access.
	WithholdProtected Demand[bool] `json:"withhold_protected,omitzero"`
	// Screening: people get access while a screening (säkerhetsprövning) of theirs is valid.
	Screening Demand[bool] `json:"screening,omitzero"`
	// OutsideEU is the first country outside the EU and the EEA in which the system's data
	// lies or a supplier is, where a control refuses that: no one gets access. Flagged is the
	// same where a control only flags it.
	OutsideEU Demand[string] `json:"outside_eu,omitzero"`
	Flagged   Demand[string] `json:"flagged,omitzero"`
	// ReviewDays is how often access is reviewed, in days, and Reviewers by how many; zero
	// when no control says.
	ReviewDays Demand[int] `json:"review_days,omitzero"`
	Reviewers  Demand[int] `json:"reviewers,omitzero"`
	// ReviewAll: a review asks about every person who has access, also where a rule gives it
	// to all of a job.
	ReviewAll Demand[bool] `json:"review_all,omitzero"`
	// RequestDays is for how many days a request gives access at most, EmergencyDays is the
	// same of emergency access, and Approvers who approve both.
	RequestDays   Demand[int]        `json:"request_days,omitzero"`
	EmergencyDays Demand[int]        `json:"emergency_days,omitzero"`
	Approvers     Demand[[]Approver] `json:"approvers,omitzero"`
	// AccountDays is for how many days an account that is no person's is registered at most
	// before it is renewed.
	AccountDays Demand[int] `json:"account_days,omitzero"`
	// UnusedDays is after how many days without a sign-in a review asks about a person, where
	// the target tells sign-ins.
	UnusedDays Demand[int] `json:"unused_days,omitzero"`
}

// Approver is who approves a request.
type Approver string

// The approvers.
const (
	OwnerApprover   Approver = "owner"
	ManagerApprover Approver = "manager"
	// SecondOwnerApprover is another of the system's owner and deputies than the first.
	SecondOwnerApprover Approver = "second-owner"
)

// Approvers are all approvers, in the order in which they are listed.
var Approvers = []Approver{ManagerApprover, OwnerApprover, SecondOwnerApprover}

// excludes returns why an employment does not give access; none when it may.
func (c *Controls) excludes(e identity.Employment, day identity.Date) reason.Reason {
	if len(c.NotTypes)+len(c.NotSources) == 0 {
		return reason.Reason{}
	}
	terms := e.On(day)
	for _, not := range c.NotTypes {
		if strings.EqualFold(not.Value, terms.Type) {
			return reason.Of(reason.TypeExcluded{Type: not.Value, Control: not.By})
		}
	}
	for _, not := range c.NotSources {
		if not.Value == e.Key.Source {
			return reason.Of(reason.SourceExcluded{Source: not.Value, Control: not.By})
		}
	}
	return reason.Reason{}
}

// excludesAll returns why none of a person's employments on a day gives access; none when one
// may, or there is none.
func (c *Controls) excludesAll(p identity.Person, day identity.Date) (why reason.Reason) {
	for _, e := range p.Employments {
		if !e.ActiveOn(day) {
			continue
		}
		if why = c.excludes(e, day); why.IsZero() {
			return why
		}
	}
	return why
}

// withholds returns why a person does not get access on a day, whatever gives it; none when
// they may.
func (c *Controls) withholds(p identity.Person, day identity.Date, facts Facts) reason.Reason {
	switch {
	case c.OutsideEU.Value != "":
		return reason.Of(reason.DataOutsideEU{Country: c.OutsideEU.Value, Control: c.OutsideEU.By})
	case c.WithholdProtected.Value && p.Protected:
		return reason.Of(reason.WithheldFromProtected{Control: c.WithholdProtected.By})
	case c.Screening.Value && facts.ScreenedUntil == "":
		return reason.Of(reason.NotScreened{Control: c.Screening.By})
	case c.Screening.Value && facts.ScreenedUntil < day:
		return reason.Of(reason.ScreeningEnded{Until: facts.ScreenedUntil, Control: c.Screening.By})
	}
	return reason.Reason{}
}

// awaitsMFA returns the gate of an entitlement that needs MFA, and why it is not open.
func (e *Entitlement) awaitsMFA(facts Facts) (Gate, reason.Reason) {
	need := e.Controls.MFA
	if e.MFA && need.Value == "" {
		need.Value = AnyMethod
	}
	switch {
	case need.Value == "", facts.MFA == Enrolled && cmp.Or(facts.Method, AnyMethod).Meets(need.Value):
		return Open, reason.Reason{}
	case facts.MFA == NotEnrolled:
		return AwaitingMFA, reason.Of(reason.MFANotEnrolled{})
	case facts.MFA == Enrolled:
		return AwaitingMFA, reason.Of(reason.MFATooWeak{Has: string(cmp.Or(facts.Method, AnyMethod)), Needs: string(need.Value), Control: need.By})
	}
	return MFAUnknown, reason.Of(reason.MFAUnknown{})
}

// Closes returns why the controls of an entitlement do not let a person have it on a day,
// whatever gave it to them; none when they do. That the enrolment for MFA is unknown closes
// nothing.
func (e *Entitlement) Closes(p identity.Person, day identity.Date, facts Facts) reason.Reason {
	if why := e.Controls.withholds(p, day, facts); !why.IsZero() {
		return why
	}
	if why := e.Controls.excludesAll(p, day); !why.IsZero() {
		return why
	}
	if gate, why := e.awaitsMFA(facts); gate == AwaitingMFA && (facts.MFAExemptUntil == "" || facts.MFAExemptUntil < day) {
		return why
	}
	return reason.Reason{}
}

// NeedsMFA returns how strong a method an entitlement needs; empty for none.
func (e *Entitlement) NeedsMFA() Method {
	if e.MFA {
		return cmp.Or(e.Controls.MFA.Value, AnyMethod)
	}
	return e.Controls.MFA.Value
}

// IsControlled reports whether the class of the system, or mfa: true, demands anything of who
// may have the entitlement.
func (e *Entitlement) IsControlled() bool { return e.MFA || !e.Controls.isZero() }

// isZero reports whether nothing is demanded of who may have access.
func (c *Controls) isZero() bool {
	return c.MFA.Value == "" && len(c.NotTypes)+len(c.NotSources) == 0 && !c.WithholdProtected.Value && !c.Screening.Value && c.OutsideEU.Value == ""
}

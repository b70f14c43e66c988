package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// DecisionReason is why a decision is made.
type DecisionReason struct {
	Reason string `json:"reason" doc:"Why, for the audit trail." minLength:"1" maxLength:"2000"`
}

// AboutOne is a decision about one person.
type AboutOne struct {
	AboutPerson
	Unchanged
}

// person returns the person whom a writing request is about, unless what the caller read of
// them has changed.
func (c *call) person(in AboutOne) (identity.Person, error) {
	p, err := c.Find(in.Person)
	if err != nil {
		return p, err
	}
	return p, in.check(func() (any, error) { return c.Person(in.Person, nil) })
}

func (c *call) governance() *governance.Governance {
	return &governance.Governance{DB: c.api.DB, Config: c.Config, Now: c.Now, Targets: c.api.Engine}
}

func (c *call) decided(d store.Decision, err error) (*answer[access.Decision], error) {
	if err != nil {
		return nil, err
	}
	c.Forget()
	return one(c.Decision(d), c.Load([]identity.PersonID{d.Person}))
}

// holdsAlready adds to the problem of a decision that says what holds already the one by
// which it holds.
func (c *call) holdsAlready(err, problem error) error {
	var already *governance.AlreadyDecidedError
	var p *Problem
	if errors.As(err, &already) && errors.As(problem, &p) {
		d := c.Decision(already.Decision)
		p.Decision = &d
	}
	return problem
}

// Proposal is a decision that another person has to let through.
type Proposal struct {
	access.Decision
	Hold *access.Hold `json:"hold,omitempty" doc:"What waits for another person, when it does."`
}

// SplitDecision is the decision that a record is not a person's, and whose it is now.
type SplitDecision struct {
	access.Decision
	Now access.Ref `json:"now"`
}

func (c *call) proposed(p governance.Proposal, err error) (*answer[Proposal], error) {
	if err != nil {
		return nil, err
	}
	c.Forget()
	out := Proposal{Decision: c.Decision(p.Decision)}
	if p.Hold != nil {
		h := c.Hold(store.HoldState{Hold: *p.Hold})
		out.Hold = &h
	}
	return one(out, nil)
}

// Lifting is a decision that can be lifted.
type Lifting struct {
	DecisionReason
	Lift bool `json:"lift,omitempty" doc:"It ends what was decided."`
}

// Ending is a decision that holds until a day.
type Ending struct {
	Lifting
	Until string `json:"until,omitempty" doc:"The last day on which it holds." format:"date"`
}

// Away is when a person is away, and who decides in their place.
type Away struct {
	Lifting
	Deputy string `json:"deputy,omitempty" doc:"Who decides in their place: a person ID, a login, an HR key or an e-mail address." maxLength:"200"`
	Since  string `json:"since,omitempty" doc:"The first day; today when it is left out." format:"date"`
	Until  string `json:"until,omitempty" doc:"The last day." format:"date"`
}

func (a *api) absences() {
	route(a, Signed, op{id: "list-absences", method: http.MethodGet, path: "/absences", tag: "people", summary: "Who is away, today or later, and who decides in their place: of those whom you may see"}, func(c *call, _ *struct{}) (*answer[List[access.Absence]], error) {
		all, err := c.Absences()
		return items(all, "", err)
	})
	route(a, Decides(rights.SetAbsence), op{id: "set-absence", method: http.MethodPost, path: "/people/{person}/absence", tag: "decisions", summary: "Say when a person is away and who decides in their place, or that they are not"},
		func(c *call, in *struct {
			AboutOne
			Body Away
		}) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			if in.Body.Lift {
				return c.decided(c.governance().EndAbsence(c, p, c.caller.Subject, in.Body.Reason))
			}
			return c.decided(c.governance().SetAbsence(c, p, governance.Absence{Deputy: in.Body.Deputy, Since: identity.Date(in.Body.Since), Until: identity.Date(in.Body.Until)}, c.caller.Subject, in.Body.Reason))
		})
}

func (a *api) decisions() {
	a.absences()
	for _, d := range []struct {
		id, path, summary string
		action            rights.Action
		decide            func(*governance.Governance, *call, identity.Person, Lifting) (store.Decision, error)
	}{
		{"suspend", "/suspension", "Suspend a person, or lift it: a suspended person uses nothing", rights.Suspend, func(g *governance.Governance, c *call, p identity.Person, l Lifting) (store.Decision, error) {
			return g.Suspend(c, p, l.Lift, c.caller.Subject, l.Reason)
		}},
		{"hold-legally", "/legal-hold", "Keep a person's data though they could be erased, or lift it", rights.HoldLegally, func(g *governance.Governance, c *call, p identity.Person, l Lifting) (store.Decision, error) {
			return g.SetLegalHold(c, p, l.Lift, c.caller.Subject, l.Reason)
		}},
		{"protect", "/protection", "Protect a person's identity whatever HR says, or lift it", rights.Protect, func(g *governance.Governance, c *call, p identity.Person, l Lifting) (store.Decision, error) {
			return g.Protect(c, p, l.Lift, c.caller.Subject, l.Reason)
		}},
	} {
		route(a, Decides(d.action), op{id: d.id, method: http.MethodPost, path: "/people/{person}" + d.path, tag: "decisions", summary: d.summary},
			func(c *call, in *struct {
				AboutOne
				Body Lifting
			}) (*answer[access.Decision], error) {
				p, err := c.person(in.AboutOne)
				if err != nil {
					return nil, err
				}
				return c.decided(d.decide(c.governance(), c, p, in.Body))
			})
	}
	for _, d := range []struct {
		id, path, summary string
		action            rights.Action
		decide            func(*governance.Governance, *call, identity.Person, Ending) (store.Decision, error)
	}{
		{"screen", "/screening", "Say until which day a screening of a person is valid, or that it is not any more", rights.Screen, func(g *governance.Governance, c *call, p identity.Person, e Ending) (store.Decision, error) {
			return g.Screen(c, p, identity.Date(e.Until), e.Lift, c.caller.Subject, e.Reason)
		}},
		{"exempt-from-mfa", "/mfa-exemption", "Let a person have, until a day, what needs MFA without it, or end that", rights.ExemptFromMFA, func(g *governance.Governance, c *call, p identity.Person, e Ending) (store.Decision, error) {
			return g.ExemptFromMFA(c, p, identity.Date(e.Until), e.Lift, c.caller.Subject, e.Reason)
		}},
	} {
		route(a, Decides(d.action), op{id: d.id, method: http.MethodPost, path: "/people/{person}" + d.path, tag: "decisions", summary: d.summary},
			func(c *call, in *struct {
				AboutOne
				Body Ending
			}) (*answer[access.Decision], error) {
				p, err := c.person(in.AboutOne)
				if err != nil {
					return nil, err
				}
				return c.decided(d.decide(c.governance(), c, p, in.Body))
			})
	}
	route(a, Decides(rights.SetMain), op{id: "set-main-employment", method: http.MethodPost, path: "/people/{person}/main-employment", tag: "decisions", summary: "Say which employment gives a person's title, unit and manager"},
		func(c *call, in *struct {
			AboutOne
			Body struct {
				DecisionReason
				Employment string `json:"employment,omitempty" doc:"HR's employment_id; left out, the rule says it again." maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			var chosen identity.EmploymentID
			if in.Body.Employment != "" {
				if chosen, err = c.FindEmployment(p, in.Body.Employment); err != nil {
					return nil, err
				}
			}
			return c.decided(c.governance().SetMainEmployment(c, p, chosen, c.caller.Subject, in.Body.Reason))
		})
	type withOther struct {
		AboutOne
		Body struct {
			DecisionReason
			Other string `json:"other" doc:"The other person." maxLength:"200"`
		}
	}
	for _, d := range []struct {
		id, path, summary string
		decide            func(*governance.Governance, *call, identity.Person, identity.Person, string) (store.Decision, error)
	}{
		{"merge", "/merge", "Decide that another person is this one: their records become this one's", func(g *governance.Governance, c *call, p, other identity.Person, why string) (store.Decision, error) {
			return g.Merge(c, p, other, c.caller.Subject, why)
		}},
		{"keep-apart", "/apart", "Decide that another person is not this one", func(g *governance.Governance, c *call, p, other identity.Person, why string) (store.Decision, error) {
			return g.MarkDistinct(c, p, other, c.caller.Subject, why)
		}},
	} {
		route(a, Decides(rights.Merge), op{id: d.id, method: http.MethodPost, path: "/people/{person}" + d.path, tag: "decisions", summary: d.summary}, func(c *call, in *withOther) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			other, err := c.Find(in.Body.Other)
			if err != nil {
				return nil, err
			}
			return c.decided(d.decide(c.governance(), c, p, other, in.Body.Reason))
		})
	}
	route(a, Decides(rights.Split), op{id: "split", method: http.MethodPost, path: "/people/{person}/split", tag: "decisions", summary: "Decide that a record of a source is not this person's"},
		func(c *call, in *struct {
			AboutOne
			Body struct {
				DecisionReason
				Source string `json:"source" maxLength:"200"`
				Key    string `json:"key" maxLength:"200"`
			}
		}) (*answer[SplitDecision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			now, d, err := c.governance().Split(c, p, identity.SourceKey{Source: in.Body.Source, Key: in.Body.Key}, c.caller.Subject, in.Body.Reason)
			if err != nil {
				return nil, err
			}
			c.Forget()
			return one(SplitDecision{c.Decision(d), c.Ref(now)}, nil)
		})
	route(a, Decides(rights.Readmit), op{id: "readmit", method: http.MethodPost, path: "/readmissions", tag: "decisions", summary: "Let a record of a person who was erased in again, as a new person"},
		func(c *call, in *struct {
			Body struct {
				DecisionReason
				Source string `json:"source" maxLength:"200"`
				Key    string `json:"key" maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			return c.decided(c.governance().Readmit(c, identity.SourceKey{Source: in.Body.Source, Key: in.Body.Key}, c.caller.Subject, in.Body.Reason))
		})
	route(a, Decides(rights.Erase), op{id: "propose-erasure", method: http.MethodPost, path: "/people/{person}/erasure", tag: "decisions", summary: "Propose that all personal data of a person is erased, which cannot be undone", description: "Another person has to release the hold that is raised."},
		func(c *call, in *struct {
			AboutOne
			Body DecisionReason
		}) (*answer[Proposal], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			return c.proposed(c.governance().Erase(c, p, c.caller.Subject, in.Body.Reason))
		})
	a.accounts()
}

func (a *api) accounts() {
	route(a, Decides(rights.EnableAccount), op{id: "enable-account", method: http.MethodPost, path: "/people/{person}/accounts/{target}/enable", tag: "decisions", summary: "Let a person's account be used again that behov did not disable", description: "The target all is every one."},
		func(c *call, in *struct {
			AboutOne
			Target string `path:"target" maxLength:"200"`
			Body   DecisionReason
		}) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			target := c.target(in.Target)
			if target == store.EveryTarget {
				target = ""
			}
			return c.decided(c.governance().Enable(c, p, target, c.caller.Subject, in.Body.Reason))
		})
	route(a, Decides(rights.BindAccount), op{id: "bind-account", method: http.MethodPost, path: "/people/{person}/accounts/{target}", tag: "decisions", summary: "Propose that an account in a target is a person's", description: "Another person has to release the hold that is raised."},
		func(c *call, in *struct {
			AboutOne
			Target string `path:"target" maxLength:"200"`
			Body   struct {
				DecisionReason
				Account string `json:"account_id" doc:"The target's own ID of the account." maxLength:"1000"`
			}
		}) (*answer[Proposal], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			return c.proposed(c.governance().Bind(c, p, in.Target, in.Body.Account, c.caller.Subject, in.Body.Reason))
		})
	route(a, Decides(rights.IssuePass), op{id: "issue-pass", method: http.MethodPost, path: "/people/{person}/mfa-pass", tag: "decisions", summary: "Issue a pass with which a person enrols for MFA: it is in the answer, this once"},
		func(c *call, in *struct {
			AboutOne
			Body struct {
				DecisionReason
				Minutes int `json:"minutes,omitempty" doc:"For how long it is valid." default:"60" minimum:"10" maximum:"43200"`
			}
		}) (*answer[Pass], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			issued, err := c.governance().IssuePass(c, c.api.Engine, p, time.Duration(in.Body.Minutes)*time.Minute, c.caller.Subject, in.Body.Reason)
			return one(Pass{c.Ref(p.ID), issued.Code, issued.Starts, issued.Expires}, err)
		})
	route(a, Decides(rights.WithdrawPass), op{id: "withdraw-pass", method: http.MethodPost, path: "/people/{person}/mfa-pass/withdrawal", tag: "decisions", summary: "Withdraw a person's pass"},
		func(c *call, in *struct {
			AboutOne
			Body DecisionReason
		}) (*answer[Withdrawn], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			was, err := c.governance().WithdrawPass(c, c.api.Engine, p, c.caller.Subject, in.Body.Reason)
			return one(Withdrawn{c.Ref(p.ID), was}, err)
		})
}

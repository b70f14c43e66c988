package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// During is an instant or a time about which is asked; now without any.
type During struct {
	At   time.Time `query:"at" doc:"An instant; now without any." required:"false"`
	From time.Time `query:"from" doc:"The beginning of a time, in place of at." required:"false"`
	To   time.Time `query:"to" doc:"The end of the time, which is not part of it." required:"false"`
}

// period returns the time that is asked about; nil is now.
func (d During) period(now time.Time) (*access.Period, error) {
	switch {
	case !d.At.IsZero() && (!d.From.IsZero() || !d.To.IsZero()):
		return nil, newProblem(http.StatusBadRequest, "period", "at goes without from and to")
	case d.At.After(now) || d.From.After(now):
		return nil, newProblem(http.StatusBadRequest, "future", "the audit trail says what was: a plan says what comes")
	case !d.To.IsZero() && !d.From.Before(d.To):
		return nil, newProblem(http.StatusBadRequest, "period", "from must be before to")
	case !d.At.IsZero():
		return &access.Period{From: d.At, To: d.At.Add(time.Microsecond)}, nil
	case d.From.IsZero() && d.To.IsZero():
		return nil, nil
	}
	return &access.Period{From: d.From, To: d.To}, nil
}

func (a *api) trail() {
	route(a, Signed, op{id: "get-access", method: http.MethodGet, path: "/people/{person}/access", tag: "access", summary: "What a person had, at an instant or over a period"},
		func(c *call, in *struct {
			AboutPerson
			During
			Paged
		}) (*answer[List[access.Access]], error) {
			person, err := c.FindInTrail(in.Person)
			if err != nil {
				return nil, err
			}
			page, period, err := in.asked(c, in.Paged)
			if err != nil {
				return nil, err
			}
			had, next, err := c.AccessPage(person, period, page)
			return items(had, next, err)
		})
	route(a, Signed, op{id: "list-systems", method: http.MethodGet, path: "/systems", tag: "access", summary: "The systems: owners, entitlements, class, what it demands, and where practice falls short", description: "Findings are shown to those who see everyone, and of a system to its owner and deputies. What people have against controls is counted in the background, and is in the answer once it is counted."}, func(c *call, _ *struct{}) (*answer[List[access.SystemState]], error) {
		counted, err := a.counted(c)
		if err != nil {
			return nil, err
		}
		all, err := c.SystemStates(counted)
		return items(all, "", err)
	})
	route(a, SeesAll, op{id: "list-requirements", method: http.MethodGet, path: "/compliance", tag: "access", summary: "What ISO 27002, NIS2 and KLASSA demand of the control of access, and how far the data show it to be met", description: "What is about everyone's access is counted in the background, and is in the answer once it is counted."}, func(c *call, _ *struct{}) (*answer[List[access.Requirement]], error) {
		counted, err := a.Counts.Get(c, a.answers)
		if err != nil {
			return nil, err
		}
		all, err := c.Compliance(counted)
		return items(all, "", err)
	})
	route(a, SeesAll, op{id: "list-conflicts", method: http.MethodGet, path: "/conflicts", tag: "access", summary: "The segregations of duties, and who has both sides", description: "Who has both sides is counted in the background, and is in the answer once it is counted."}, func(c *call, _ *struct{}) (*answer[List[access.ConflictState]], error) {
		counted, err := a.Counts.Get(c, a.answers)
		if err != nil {
			return nil, err
		}
		all, err := c.Conflicts(counted)
		return items(all, "", err)
	})
	route(a, Decides(rights.AllowConflict), op{id: "allow-conflict", method: http.MethodPost, path: "/people/{person}/conflicts/{conflict}", tag: "decisions", summary: "Let a person have both sides of a conflict until a day, or end that: the reason says what makes up for it"},
		func(c *call, in *struct {
			AboutOne
			Conflict string `path:"conflict" maxLength:"200"`
			Body     Ending
		}) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			return c.decided(c.governance().AllowConflict(c, p, in.Conflict, identity.Date(in.Body.Until), in.Body.Lift, c.caller.Subject, in.Body.Reason))
		})
	route(a, SeesAll, op{id: "list-revisions", method: http.MethodGet, path: "/revisions", tag: "access", summary: "When systems, rules, controls and rights were last gone through, what is late first"}, func(c *call, _ *struct{}) (*answer[List[access.Revision]], error) {
		all, err := c.Revisions()
		return items(all, "", err)
	})
	route(a, Decides(rights.Revise), op{id: "revise", method: http.MethodPost, path: "/revisions", tag: "decisions", systems: true, summary: "Say that a system, the rules, the controls or the rights were gone through and are as they should be"},
		func(c *call, in *struct {
			Body struct {
				DecisionReason
				Subject string `json:"subject" doc:"A system; or policy rules, policy controls, policy rights." maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			if err := c.mayUse(in.Body.Subject); err != nil {
				return nil, err
			}
			return c.decided(c.governance().Revise(c, in.Body.Subject, c.caller.Subject, in.Body.Reason))
		})
	route(a, Signed, op{id: "list-entitlements", method: http.MethodGet, path: "/entitlements", tag: "access", summary: "What people can have"}, func(c *call, _ *struct{}) (*answer[List[access.Entitlement]], error) {
		all := []access.Entitlement{}
		for _, s := range c.Systems() {
			all = append(all, s.Entitlements...)
		}
		return items(all, "", nil)
	})
	type WhoHad struct {
		During
		Paged
	}
	route(a, Signed, op{id: "who-had-entitlement", method: http.MethodGet, path: "/entitlements/{entitlement}/access", tag: "access", systems: true, summary: "Who had an entitlement, at an instant or over a period", description: "Those whom the caller may see. The entitlement account is a usable account. A system in place of an entitlement stands for all of its entitlements."},
		func(c *call, in *struct {
			Entitlement string `path:"entitlement" maxLength:"200"`
			WhoHad
		}) (*answer[List[access.Access]], error) {
			of, _ := c.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(in.Entitlement))
			if err := c.mayUse(of.System); err != nil {
				return nil, err
			}
			page, period, err := in.asked(c, in.Paged)
			if err != nil {
				return nil, err
			}
			had, next, err := c.WhoHadPage(in.Entitlement, period, page)
			return items(had, next, err)
		})
	route(a, Signed, op{id: "who-had-system", method: http.MethodGet, path: "/systems/{system}/access", tag: "access", systems: true, summary: "Who had anything of a system, at an instant or over a period"},
		func(c *call, in *struct {
			System string `path:"system" maxLength:"200"`
			WhoHad
		}) (*answer[List[access.Access]], error) {
			if err := c.mayUse(in.System); err != nil {
				return nil, err
			}
			if _, known := c.Config.Rules.Catalogue.System(in.System); !known {
				return nil, &reason.Refusal{Reason: reason.Of(reason.NoSuchSystem{System: in.System})}
			}
			page, period, err := in.asked(c, in.Paged)
			if err != nil {
				return nil, err
			}
			had, next, err := c.WhoHadPage(in.System, period, page)
			return items(had, next, err)
		})
	route(a, Signed, op{id: "list-access-changes", method: http.MethodGet, path: "/access-changes", tag: "access", summary: "What access began and ended during a period", description: "Of those whom the caller may see, in order of time; today without a period."},
		func(c *call, in *struct {
			From time.Time `query:"from" required:"false"`
			To   time.Time `query:"to" required:"false"`
			Paged
		}) (*answer[List[access.Change]], error) {
			page, period, err := During{From: in.From, To: in.To}.asked(c, in.Paged)
			if err != nil {
				return nil, err
			}
			if period == nil {
				now := c.Now().In(c.Config.Zone)
				period = &access.Period{From: time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, c.Config.Zone)}
			}
			changes, next, err := c.ChangesPage(*period, page)
			return items(changes, next, err)
		})
	route(a, SeesAll, op{id: "list-records", method: http.MethodGet, path: "/records", tag: "audit", summary: "The audit trail, of everything or about a person", description: "In the trail's order. What is sealed in a record stays so, but for what the maker of a decision wrote."},
		func(c *call, in *struct {
			Person string    `query:"person" maxLength:"200"`
			Stored bool      `query:"stored" doc:"Each also as it is verified, with its hash."`
			From   time.Time `query:"from" required:"false"`
			To     time.Time `query:"to" required:"false"`
			Paged
		}) (*answer[List[access.Record]], error) {
			page, period, err := During{From: in.From, To: in.To}.asked(c, in.Paged)
			if err != nil {
				return nil, err
			}
			q := store.RecordQuery{Most: page.Limit}
			if page.After != "" {
				if q.After, err = strconv.ParseInt(page.After, 10, 64); err != nil {
					return nil, &access.CursorError{}
				}
			}
			if period != nil {
				q.From, q.To = period.From, period.To
			}
			if in.Person != "" {
				if q.Person, err = c.FindInTrail(in.Person); err != nil {
					return nil, err
				}
			}
			all, last, err := c.Records(q, in.Stored)
			next := ""
			if last > 0 {
				next = strconv.FormatInt(last, 10)
			}
			return items(all, next, err)
		})
}

// asked returns the part and the time that a request asks about.
func (d During) asked(c *call, p Paged) (access.Page, *access.Period, error) {
	page, err := p.page()
	if err != nil {
		return page, nil, err
	}
	period, err := d.period(c.Now())
	return page, period, err
}

// counted returns the last count of the organisation, for those who see what is in it; nil
// for others, and while the first is made.
func (a *api) counted(c *call) (*access.Organisation, error) {
	if !c.SeesEveryone() && !slices.ContainsFunc(c.Systems(), func(s access.System) bool { return s.Mine }) {
		return nil, nil
	}
	return a.Counts.Get(c, a.answers)
}

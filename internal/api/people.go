package api

import (
	"net/http"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/signin"
)

// AboutPerson names a person in the address.
type AboutPerson struct {
	Person string `path:"person" doc:"A person_id of the first HR source, SOURCE%2Fperson_id, a login, an e-mail address or an ID." maxLength:"200"`
}

// Me is the person or the service account that calls.
type Me struct {
	access.Roles
	SignedIn  rights.How `json:"signed_in" doc:"How: signed-in or token." enum:"signed-in,token,claimed,operating-system"`
	Assurance int        `json:"assurance" doc:"0 for one factor, 1 for more than one, 2 for more than one just now." minimum:"0" maximum:"2"`
	Session   string     `json:"session,omitempty"`
	Token     string     `json:"token,omitempty"`
	SignOut   string     `json:"sign_out"`
	Expires   *time.Time `json:"expires,omitempty" doc:"When the session or the token ends at the latest."`
}

func (a *api) people() {
	route(a, Signed, op{id: "me", method: http.MethodGet, path: "/me", tag: "people", summary: "Who I am, and as what I may be asked to decide"}, func(c *call, _ *struct{}) (*answer[Me], error) {
		roles, err := c.ViewerRoles()
		return one(Me{roles, c.caller.Subject.How, int(c.caller.Subject.Assurance), c.caller.Session, c.caller.Token.ID, signin.OutPath, optional(c.caller.Expires)}, err)
	})
	route(a, Signed, op{id: "list-people", method: http.MethodGet, path: "/people", tag: "people", summary: "The people whom I may see", description: "Sorted by ID: of those who do not see everyone themselves and their staff; who has something in a system is asked of the system. With q those one of whose words begins with each word of it, for searching while somebody types: in the order of the words that begin with the longest one, and of the family name; who owns a system finds those who have something in it, too. No one with a protected identity is found so. A part may have fewer than limit, or none, and a next."},
		func(c *call, in *struct {
			Paged
			State string `query:"state" doc:"Only those in this state today." enum:"known,pre-hire,active,on-leave,between-employments,ended,retained,to-erase" required:"false"`
			Q     string `query:"q" doc:"Words of the name, the login or the e-mail address." maxLength:"200"`
		}) (*answer[List[access.PersonState]], error) {
			page, err := in.page()
			if err != nil {
				return nil, err
			}
			people, next, err := c.PeoplePage(identity.State(in.State), in.Q, page)
			return items(people, next, err)
		})
	route(a, Signed, op{id: "get-person", method: http.MethodGet, path: "/people/{person}", tag: "people", summary: "Where a person stands today, and what comes next"}, func(c *call, in *AboutPerson) (*tagged[access.Person], error) {
		return tag(c.Person(in.Person, nil))
	})
	route(a, Signed, op{id: "get-grants", method: http.MethodGet, path: "/people/{person}/grants", tag: "people", summary: "Everything a person has or gets, with the reasons"}, func(c *call, in *AboutPerson) (*answer[access.PersonGrants], error) {
		return one(c.Grants(in.Person, c.api.statuses()))
	})
	route(a, Signed, op{id: "explain", method: http.MethodGet, path: "/people/{person}/grants/{entitlement}", tag: "people", summary: "Why a person has an entitlement, or why not"},
		func(c *call, in *struct {
			AboutPerson
			Entitlement string `path:"entitlement" maxLength:"200"`
		}) (*answer[access.Explanation], error) {
			return one(c.Explain(in.Person, policy.EntitlementID(in.Entitlement), c.api.statuses()))
		})
	route(a, Signed, op{id: "get-roles", method: http.MethodGet, path: "/people/{person}/roles", tag: "people", summary: "As what a person may be asked to decide"}, func(c *call, in *AboutPerson) (*answer[access.Roles], error) {
		p, err := c.Find(in.Person)
		if err != nil {
			return nil, err
		}
		return one(c.Roles(p.ID))
	})
	route(a, Signed, op{id: "preview-person", method: http.MethodGet, path: "/people/{person}/plan", tag: "plans", summary: "What the next run would do for a person"},
		func(c *call, in *struct {
			AboutPerson
			AsOf string `query:"as_of" doc:"A later day." format:"date" required:"false"`
		}) (*answer[access.Plan], error) {
			p, err := c.Find(in.Person)
			if err != nil {
				return nil, err
			}
			planned, _, err := c.api.Engine.Look(c, reconcile.Scope{Person: p.ID, AsOf: identity.Date(in.AsOf)})
			if err != nil {
				return nil, err
			}
			return one(c.Plan(planned))
		})
	route(a, Signed, op{id: "get-spells", method: http.MethodGet, path: "/people/{person}/spells", tag: "people", summary: "A person's employments over time: stretches with the same terms, and leaves"}, func(c *call, in *AboutPerson) (*answer[List[access.Spell]], error) {
		all, err := c.Spells(in.Person)
		return items(all, "", err)
	})
	route(a, Decides(rights.Extract), op{id: "extract-person", method: http.MethodGet, path: "/people/{person}/extract", tag: "extracts", summary: "Everything that is stored about a person (GDPR Article 15)", description: "For the person themselves, the data-protection officer and an administrator, who need more than one factor. That it was asked for about another person is recorded in the audit trail each time. It names no one else: other people have an ID."}, func(c *call, in *AboutPerson) (*answer[access.Extract], error) {
		return one(c.governance().Extract(c, c.View, in.Person))
	})
	route(a, Signed, op{id: "list-decisions-about", method: http.MethodGet, path: "/people/{person}/decisions", tag: "decisions", summary: "The newest decisions about a person", description: "A caller who does not see everyone gets those about themselves only."},
		func(c *call, in *struct {
			AboutPerson
			Limit int `query:"limit" doc:"How many at most." default:"100" minimum:"1" maximum:"1000"`
		}) (*answer[List[access.Decision]], error) {
			all, err := c.DecisionsAbout(in.Person, in.Limit)
			return items(all, "", err)
		})
	route(a, SeesAll, op{id: "list-unit", method: http.MethodGet, path: "/units/{unit}/people", tag: "people", summary: "Who has an employment in a unit itself on a day", description: "Sorted by ID. People whose identity is protected are left out."},
		func(c *call, in *struct {
			Paged
			Unit string `path:"unit" maxLength:"200"`
			On   string `query:"on" doc:"The day; today without it." format:"date" required:"false"`
		}) (*answer[List[access.UnitMember]], error) {
			page, err := in.page()
			if err != nil {
				return nil, err
			}
			day := identity.Date(in.On)
			if day == "" {
				day = c.Today()
			}
			members, next, err := c.UnitPage(in.Unit, day, page)
			return items(members, next, err)
		})
	route(a, SeesAll, op{id: "list-duplicates", method: http.MethodGet, path: "/duplicates", tag: "people", summary: "People who may be one"}, func(c *call, _ *struct{}) (*answer[List[access.Duplicate]], error) {
		all, err := c.Duplicates()
		return items(all, "", err)
	})
	route(a, SeesAll, op{id: "list-managers", method: http.MethodGet, path: "/managers", tag: "people", summary: "Managers whom HR names, and who of them is gone"},
		func(c *call, in *struct {
			All bool `query:"all" doc:"Those who work here, too."`
		}) (*answer[List[access.Manager]], error) {
			all, err := c.Managers(in.All)
			return items(all, "", err)
		})
}

// statuses reads MFA where a target says who is enrolled.
func (a *api) statuses() access.Statuses { return a.Engine }

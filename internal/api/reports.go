package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
)

// ReportedHire is what the report of a hire did.
type ReportedHire struct {
	Decision access.Decision `json:"decision"`
	Import   Import          `json:"import"`
}

// Hire is a hire as a request reports it.
type Hire struct {
	DecisionReason
	GivenName  string `json:"given_name" maxLength:"200"`
	FamilyName string `json:"family_name" maxLength:"200"`
	NationalID string `json:"national_id,omitempty" doc:"A personal identity or coordination number. By it the HR system's own record is recognised as the same person." maxLength:"200"`
	Unit       string `json:"unit" doc:"The unit's ID." maxLength:"200"`
	JobTitle   string `json:"job_title,omitempty" doc:"At least one of job_title and job_code is needed." maxLength:"200"`
	JobCode    string `json:"job_code,omitempty" maxLength:"200"`
	Percent    string `json:"percent,omitempty" doc:"Above 0 and at most 100; left out for full time." maxLength:"200"`
	FirstDay   string `json:"first_day" doc:"A civil date, YYYY-MM-DD." maxLength:"200"`
	LastDay    string `json:"last_day,omitempty" doc:"A civil date, YYYY-MM-DD; left out when no end is known." maxLength:"200"`
	Manager    string `json:"manager,omitempty" doc:"The manager's person_id in the first HR source." maxLength:"200"`
}

// Reported returns the hire as governance has it.
func (h Hire) Reported() governance.Hire {
	return governance.Hire{GivenName: h.GivenName, FamilyName: h.FamilyName, NationalID: h.NationalID, Unit: h.Unit, JobTitle: h.JobTitle, JobCode: h.JobCode, Percent: h.Percent,
		First: identity.Date(h.FirstDay), Last: identity.Date(h.LastDay), Manager: h.Manager}
}

func (a *api) reports() {
	route(a, SeesAll, op{id: "list-reports", method: http.MethodGet, path: "/hr/reports", tag: "hr", summary: "What people reported, and the HR system has not said yet"},
		func(c *call, _ *struct{}) (*answer[access.Reports], error) {
			all, err := c.Reports()
			return one(all, err)
		})
	route(a, Decides(rights.ImportFile), op{id: "report-hire", method: http.MethodPost, path: "/hr/hires", tag: "hr", summary: "Report a hire that the HR system does not have yet", description: "A person and an employment of the source of reports. When the HR system has the employment, it takes the place of this one."},
		func(c *call, in *struct{ Body Hire }) (*answer[ReportedHire], error) {
			done, err := c.governance().ReportHire(c, a.Importer, in.Body.Reported(), c.caller.Subject, in.Body.Reason)
			if err != nil {
				return nil, err
			}
			return one(ReportedHire{Decision: c.Decision(done.Decision), Import: ImportOf(c.View, done.Report)}, nil)
		})
	route(a, Decides(rights.ImportFile), op{id: "report-end", method: http.MethodPost, path: "/people/{person}/employment-end", tag: "hr", summary: "Report that an employment ends, which the HR system does not say yet", description: "It holds whatever the HR system lists, until the HR system states an end itself."},
		func(c *call, in *struct {
			AboutOne
			Body struct {
				DecisionReason
				Employment string `json:"employment" doc:"HR's employment_id." maxLength:"200"`
				LastDay    string `json:"last_day" doc:"A civil date, YYYY-MM-DD; yesterday's for at once." maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			e, err := c.FindEmployment(p, in.Body.Employment)
			if err != nil {
				return nil, err
			}
			return c.decided(c.governance().ReportEnd(c, p, e, identity.Date(in.Body.LastDay), c.caller.Subject, in.Body.Reason))
		})
	route(a, Decides(rights.ImportFile), op{id: "take-back-report", method: http.MethodPost, path: "/people/{person}/employment-end/take-back", tag: "hr", summary: "Take back what was reported of an employment", description: "What the HR system says counts again. A reported hire ends today."},
		func(c *call, in *struct {
			AboutOne
			Body struct {
				DecisionReason
				Employment string `json:"employment" doc:"The employment_id." maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			p, err := c.person(in.AboutOne)
			if err != nil {
				return nil, err
			}
			e, err := c.FindEmployment(p, in.Body.Employment)
			if err != nil {
				return nil, err
			}
			return c.decided(c.governance().TakeBackReport(c, p, e, c.caller.Subject, in.Body.Reason))
		})
}

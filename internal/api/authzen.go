package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// AuthZENPath is that below which other systems ask, by the Authorization API 1.0 of the
// OpenID AuthZEN working group, who has access. The subject is a person, the resource an
// entitlement or a system, and the action is to use it. A decision is what the person has
// now by the audit trail, and not what a rule would give.
const AuthZENPath = "/access/v1"

// AuthZENMetadata is where a client finds the endpoints.
const AuthZENMetadata = "/.well-known/authzen-configuration"

// azEntity is a subject or a resource.
type azEntity struct {
	Type       string         `json:"type" maxLength:"100"`
	ID         string         `json:"id" maxLength:"200"`
	Properties map[string]any `json:"properties,omitempty"`
	given      bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *azEntity) UnmarshalJSON(b []byte) error {
	type plain azEntity
	defer func() { e.given = true }()
	return notNull(b, (*plain)(e))
}

// notNull reads an object that may be left out, and is not null.
func notNull(b []byte, v any) error {
	if bytes.Equal(b, []byte("null")) {
		return errors.New("it is an object, or left out")
	}
	return json.Unmarshal(b, v)
}

// azKind is an entity that is searched for.
type azKind struct {
	Type       string         `json:"type" maxLength:"100"`
	ID         string         `json:"id,omitempty" maxLength:"200"`
	Properties map[string]any `json:"properties,omitempty"`
}

type azAction struct {
	Name       string         `json:"name" maxLength:"100"`
	Properties map[string]any `json:"properties,omitempty"`
	given      bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *azAction) UnmarshalJSON(b []byte) error {
	type plain azAction
	defer func() { a.given = true }()
	return notNull(b, (*plain)(a))
}

// AzQuestion is whether a subject may take an action on a resource.
type AzQuestion struct {
	Subject  azEntity       `json:"subject,omitzero"`
	Action   azAction       `json:"action,omitzero"`
	Resource azEntity       `json:"resource,omitzero"`
	Context  map[string]any `json:"context,omitempty"`
}

// azDecision is the answer.
type azDecision struct {
	Decision bool       `json:"decision"`
	Context  *azContext `json:"context,omitempty"`
}

type azContext struct {
	Reasons []access.Reason `json:"reasons,omitempty" doc:"Why the person has it."`
	Error   *azError        `json:"error,omitempty"`
}

type azError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// azPage is a part of what is found.
type azPage struct {
	NextToken string `json:"next_token" doc:"Empty at the end."`
}

type azAsk struct {
	Token string `json:"token,omitempty" maxLength:"512"`
	Limit int    `json:"limit,omitempty" minimum:"1" maximum:"1000"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *azAsk) UnmarshalJSON(b []byte) error {
	type plain azAsk
	return notNull(b, (*plain)(a))
}

type azFound[T any] struct {
	Results []T    `json:"results" nullable:"false"`
	Page    azPage `json:"page"`
}

const (
	azPerson      = "person"
	azUser        = "user" // what AuthZEN's examples call a person
	azEntitlement = "entitlement"
	azSystem      = "system"
	azUse         = "use"
)

func (a *api) authzen() {
	tag := "authzen"
	route(a, Signed, op{id: "authzen-evaluation", method: http.MethodPost, root: AuthZENPath + "/evaluation", tag: tag, reads: true, systems: true, summary: "AuthZEN: does a person have access"},
		func(c *call, in *struct{ Body AzQuestion }) (*answer[azDecision], error) {
			return one(c.evaluate(in.Body))
		})
	route(a, Signed, op{id: "authzen-evaluations", method: http.MethodPost, root: AuthZENPath + "/evaluations", tag: tag, reads: true, systems: true, summary: "AuthZEN: several questions at once"},
		func(c *call, in *struct {
			Body struct {
				AzQuestion
				Evaluations []AzQuestion   `json:"evaluations,omitempty" maxItems:"200" doc:"What a question leaves out is as beside them."`
				Options     map[string]any `json:"options,omitempty"`
			}
		}) (*answer[struct {
			Evaluations []azDecision `json:"evaluations"`
		}], error) {
			out := &answer[struct {
				Evaluations []azDecision `json:"evaluations"`
			}]{}
			stop, _ := in.Body.Options["evaluations_semantic"].(string)
			for _, q := range in.Body.Evaluations {
				d, err := c.evaluate(q.or(in.Body.AzQuestion))
				if err != nil {
					var p *Problem
					if !errors.As(c.api.problem(c, err), &p) || p.Status >= http.StatusInternalServerError {
						return nil, err
					}
					d = azDecision{Context: &azContext{Error: &azError{p.Status, p.Detail}}}
				}
				out.Body.Evaluations = append(out.Body.Evaluations, d)
				if stop == "deny_on_first_deny" && !d.Decision || stop == "permit_on_first_permit" && d.Decision {
					break
				}
			}
			if len(in.Body.Evaluations) == 0 { // it is one question (section 7.1)
				d, err := c.evaluate(in.Body.AzQuestion)
				if err != nil {
					return nil, err
				}
				out.Body.Evaluations = []azDecision{d}
			}
			return out, nil
		})
	route(a, Signed, op{id: "authzen-search-subject", method: http.MethodPost, root: AuthZENPath + "/search/subject", tag: tag, reads: true, systems: true, summary: "AuthZEN: who has access to a resource"},
		func(c *call, in *struct {
			Body struct {
				Subject  azKind         `json:"subject"`
				Action   azAction       `json:"action"`
				Resource azEntity       `json:"resource"`
				Context  map[string]any `json:"context,omitempty"`
				Page     azAsk          `json:"page,omitempty"`
			}
		}) (*answer[azFound[azEntity]], error) {
			out := azFound[azEntity]{Results: []azEntity{}}
			page, of, err := c.searched(in.Body.Page, in.Body.Action, &in.Body.Resource)
			if err != nil || !person(in.Body.Subject.Type) || of == "" {
				return one(out, err)
			}
			had, next, err := c.WhoHadPage(of, nil, page)
			if err != nil {
				return nil, err
			}
			seen := map[identity.PersonID]bool{}
			for _, h := range had {
				if !seen[h.Person.ID] {
					seen[h.Person.ID] = true
					out.Results = append(out.Results, azEntity{Type: in.Body.Subject.Type, ID: string(h.Person.ID)})
				}
			}
			out.Page.NextToken = encodeCursor(next)
			return one(out, nil)
		})
	route(a, Signed, op{id: "authzen-search-resource", method: http.MethodPost, root: AuthZENPath + "/search/resource", tag: tag, reads: true, summary: "AuthZEN: what a person has access to"},
		func(c *call, in *struct {
			Body struct {
				Subject  azEntity       `json:"subject"`
				Action   azAction       `json:"action"`
				Resource azKind         `json:"resource"`
				Context  map[string]any `json:"context,omitempty"`
				Page     azAsk          `json:"page,omitempty"`
			}
		}) (*answer[azFound[azEntity]], error) {
			out := azFound[azEntity]{Results: []azEntity{}}
			page, _, err := c.searched(in.Body.Page, in.Body.Action, nil)
			if err != nil || in.Body.Action.Name != azUse {
				return one(out, err)
			}
			had, next, err := c.has(in.Body.Subject, page)
			if err != nil {
				return nil, err
			}
			seen := map[string]bool{}
			for _, h := range had {
				id := h.Entitlement
				if in.Body.Resource.Type == azSystem {
					of, _ := c.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(h.Entitlement))
					id = of.System
				}
				if !seen[id] && id != "" && (in.Body.Resource.Type == azSystem || in.Body.Resource.Type == azEntitlement) {
					seen[id] = true
					out.Results = append(out.Results, azEntity{Type: in.Body.Resource.Type, ID: id})
				}
			}
			out.Page.NextToken = encodeCursor(next)
			return one(out, nil)
		})
	route(a, Signed, op{id: "authzen-search-action", method: http.MethodPost, root: AuthZENPath + "/search/action", tag: tag, reads: true, systems: true, summary: "AuthZEN: what a person may do with a resource"},
		func(c *call, in *struct {
			Body struct {
				Subject  azEntity       `json:"subject"`
				Resource azEntity       `json:"resource"`
				Context  map[string]any `json:"context,omitempty"`
				Page     azAsk          `json:"page,omitempty"`
			}
		}) (*answer[azFound[azAction]], error) {
			out := azFound[azAction]{Results: []azAction{}}
			d, err := c.evaluate(AzQuestion{Subject: in.Body.Subject, Action: azAction{Name: azUse, given: true}, Resource: in.Body.Resource})
			if d.Decision {
				out.Results = append(out.Results, azAction{Name: azUse})
			}
			return one(out, err)
		})
}

// or returns the question with what it leaves out taken from another.
func (q AzQuestion) or(other AzQuestion) AzQuestion {
	if !q.Subject.given {
		q.Subject = other.Subject
	}
	if !q.Action.given {
		q.Action = other.Action
	}
	if !q.Resource.given {
		q.Resource = other.Resource
	}
	return q
}

func person(kind string) bool { return kind == azPerson || kind == azUser }

// evaluate answers a question. A person whom the caller may not see has nothing, as one who
// does not exist.
func (c *call) evaluate(q AzQuestion) (azDecision, error) {
	if !q.Subject.given || !q.Action.given || !q.Resource.given {
		return azDecision{}, newProblem(http.StatusBadRequest, "invalid", "a question has a subject, an action and a resource")
	}
	of, err := c.resource(q.Resource)
	if err != nil || of == nil || q.Action.Name != azUse {
		return azDecision{}, err
	}
	had, _, err := c.has(q.Subject, access.Page{Limit: 1000})
	if err != nil {
		return azDecision{}, err
	}
	d := azDecision{}
	for _, h := range had {
		if of[h.Entitlement] {
			d.Decision = true
			if d.Context == nil {
				d.Context = &azContext{}
			}
			d.Context.Reasons = append(d.Context.Reasons, h.Reason)
		}
	}
	return d, nil
}

// has returns what a person has now and may use.
func (c *call) has(subject azEntity, page access.Page) ([]access.Access, string, error) {
	if !person(subject.Type) {
		return nil, "", nil
	}
	p, err := c.Find(subject.ID)
	switch {
	case errors.Is(err, store.ErrNoPerson), errors.Is(err, store.ErrSeveralPeople), rights.IsRefused(err):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	stands, err := c.Person(string(p.ID), nil)
	if err != nil || !stands.Suspended.IsZero() {
		return nil, "", err
	}
	return c.AccessPage(p.ID, nil, page)
}

// resource returns the entitlements that a resource stands for; nil for none.
func (c *call) resource(r azEntity) (map[string]bool, error) {
	system := r.ID
	of := map[string]bool{}
	for _, e := range c.Config.Rules.Catalogue.Entitlements {
		if r.Type == azEntitlement && string(e.ID) == r.ID || r.Type == azSystem && e.System == r.ID {
			of[string(e.ID)], system = true, e.System
		}
	}
	if len(of) == 0 {
		return nil, nil
	}
	return of, c.mayUse(system)
}

// searched returns the part that is asked for, and the entitlement or system, empty when
// there is none of the kind or the action is another.
func (c *call) searched(ask azAsk, action azAction, r *azEntity) (access.Page, string, error) {
	if ask.Limit == 0 {
		ask.Limit = 100
	}
	page, err := Paged{Cursor: ask.Token, Limit: ask.Limit}.page()
	if err != nil || r == nil {
		return page, "", err
	}
	of, err := c.resource(*r)
	if err != nil || of == nil || action.Name != azUse {
		return page, "", err
	}
	return page, r.ID, nil
}

// azMetadata says where the endpoints are (section 9 of the specification).
func (a *api) azMetadata(w http.ResponseWriter, r *http.Request) {
	base := a.base(r)
	a.json(w, http.StatusOK, map[string]string{"policy_decision_point": base, "access_evaluation_endpoint": base + AuthZENPath + "/evaluation", "access_evaluations_endpoint": base + AuthZENPath + "/evaluations",
		"search_subject_endpoint": base + AuthZENPath + "/search/subject", "search_resource_endpoint": base + AuthZENPath + "/search/resource", "search_action_endpoint": base + AuthZENPath + "/search/action"})
}

// base is the address at which clients reach behov.
func (a *api) base(r *http.Request) string {
	if a.Config.SignIn.Configured() {
		return a.Config.SignIn.URL.String()
	}
	return "http://" + r.Host
}

package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Token is a token, without what it takes to use it.
type Token struct {
	ID      string      `json:"id"`
	Name    string      `json:"name" doc:"Who has it."`
	Source  string      `json:"source,omitempty" doc:"The HR source that it pushes to."`
	Owner   *access.Ref `json:"owner,omitempty" doc:"The person as whom it calls the API."`
	Scopes  []string    `json:"scopes"`
	Systems []string    `json:"systems" doc:"It is for these alone; for all when there are none."`
	Made    time.Time   `json:"made"`
	Used    *time.Time  `json:"used,omitempty" doc:"Give or take a minute."`
	Expires *time.Time  `json:"expires,omitempty"`
	Revoked *time.Time  `json:"revoked,omitempty"`
}

// madeToken is a token with what it takes to use it.
type madeToken struct {
	Token
	Text string `json:"token" doc:"It is not shown again."`
}

// session is a sign-in.
type session struct {
	ID      string    `json:"id"`
	Began   time.Time `json:"began"`
	Used    time.Time `json:"used" doc:"Give or take a minute."`
	Expires time.Time `json:"expires" doc:"Unless it is used before."`
	Current bool      `json:"current" doc:"It is the one of this request."`
}

type pass struct {
	Pass    string    `json:"pass" doc:"It is not shown again."`
	Starts  time.Time `json:"starts"`
	Expires time.Time `json:"expires"`
}

func passOf(p connectors.Pass) pass { return pass{p.Code, p.Starts, p.Expires} }

type withdrawn struct {
	Withdrawn bool `json:"withdrawn" doc:"There was a pass."`
}

func (a *api) administration() {
	route(a, SeesAll, op{id: "get-status", method: http.MethodGet, path: "/status", tag: "status", summary: "Where the installation stands, and what waits for a person"}, func(c *call, _ *struct{}) (*answer[access.Status], error) {
		return one(c.Status())
	})
	route(a, Signed, op{id: "get-rights", method: http.MethodGet, path: "/rights", tag: "rights", summary: "Who may do what: each action with the roles, and on what each may take it"}, func(c *call, _ *struct{}) (*answer[list[rights.Row]], error) {
		rows, err := c.Config.Rights.Matrix()
		return items(rows, "", err)
	})
	for _, d := range []struct {
		id, summary string
		action      rights.Action
		verdict     store.Verdict
	}{{"pause", "Stop changing a target, until it is resumed", rights.PauseTarget, store.Pause}, {"resume", "Change a target again", rights.ResumeTarget, store.Resume}} {
		route(a, Decides(d.action), op{id: d.id + "-target", method: http.MethodPost, path: "/targets/{target}/" + d.id, tag: "targets", summary: d.summary, description: "The target all is every one."},
			func(c *call, in *struct {
				Target string `path:"target" maxLength:"200"`
				Body   DecisionReason
			}) (*answer[access.Decision], error) {
				return c.decided(c.governance().Pause(c, in.Target, d.verdict, c.caller.Subject, in.Body.Reason))
			})
	}
	route(a, Decides(rights.RetireTarget), op{id: "retire-target", method: http.MethodPost, path: "/targets/{target}/retire", tag: "targets", summary: "Forget what is kept of a target that is not in the configuration any more"},
		func(c *call, in *struct {
			Target string `path:"target" maxLength:"200"`
			Body   DecisionReason
		}) (*answer[access.Decision], error) {
			return c.decided(c.governance().Retire(c, in.Target, c.caller.Subject, in.Body.Reason))
		})
	a.tokens()
	a.sessions()
}

func (a *api) tokens() {
	route(a, Signed, op{id: "list-tokens", method: http.MethodGet, path: "/tokens", tag: "tokens", summary: "My tokens; with all everyone's and the sources', for those who may make them"},
		func(c *call, in *struct {
			All bool `query:"all"`
		}) (*answer[list[Token]], error) {
			if in.All && !c.SeesEveryone() {
				return nil, errNotEveryone
			}
			all, err := a.DB.Tokens(c)
			if err != nil {
				return nil, err
			}
			var owners []identity.PersonID
			for _, t := range all {
				owners = append(owners, t.Owner)
			}
			if err := c.Load(owners); err != nil {
				return nil, err
			}
			shown := []Token{}
			for _, t := range all {
				if in.All || t.Owner == c.caller.Subject.Person {
					shown = append(shown, c.token(t))
				}
			}
			return items(shown, "", nil)
		})
	route(a, Signed, op{id: "make-token", method: http.MethodPost, path: "/tokens", tag: "tokens", status: http.StatusCreated, summary: "Make a token as which a program calls the API as me", description: "It may do less than I may: what its scopes say, of the systems that it names. It ends when I leave, and when I revoke it."},
		func(c *call, in *struct {
			Body struct {
				Name    string    `json:"name" minLength:"1" maxLength:"200" doc:"Who will have it."`
				Scopes  []string  `json:"scopes" minItems:"1" maxItems:"50" nullable:"false" doc:"What it is for, as people:read, or *:read for all that is read."`
				Systems []string  `json:"systems,omitempty" maxItems:"100" doc:"Only for these systems."`
				Expires time.Time `json:"expires" doc:"At most a year from now."`
			}
		}) (*answer[madeToken], error) {
			for _, s := range in.Body.Systems {
				if _, known := c.Config.Rules.Catalogue.System(s); !known {
					return nil, &reason.Refusal{Reason: reason.Of(reason.NoSuchSystem{System: s})}
				}
			}
			text, t, err := c.governance().CreateOwnToken(c, governance.OwnToken{Name: in.Body.Name, Scopes: in.Body.Scopes, Systems: in.Body.Systems, Expires: in.Body.Expires}, c.caller.Subject)
			if err != nil {
				return nil, err
			}
			return one(madeToken{c.token(t), text}, nil)
		})
	route(a, Signed, op{id: "revoke-token", method: http.MethodDelete, path: "/tokens/{id}", tag: "tokens", status: http.StatusNoContent, summary: "End a token for good: one of mine, or any for those who may"},
		func(c *call, in *struct {
			ID     string `path:"id" maxLength:"100"`
			Reason string `query:"reason" doc:"Why, for the audit trail." maxLength:"2000"`
		}) (*struct{}, error) {
			return &struct{}{}, c.governance().RevokeToken(c, in.ID, c.caller.Subject, in.Reason)
		})
}

// everyScope are the scopes of tokens that are for all that is read, or changed.
var everyScope = []string{"*:read", "*:write"}

func (c *call) token(t store.Token) Token {
	x := Token{ID: t.ID, Name: t.Name, Source: t.Source, Scopes: strings.Fields(t.Scopes), Systems: strings.Fields(t.Systems), Made: t.Created(), Used: optional(t.Used()), Expires: optional(t.Expires()), Revoked: optional(t.Revoked())}
	if t.Owner != "" {
		owner := c.Ref(t.Owner)
		x.Owner = &owner
	}
	return x
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *api) sessions() {
	route(a, Signed, op{id: "list-sessions", method: http.MethodGet, path: "/sessions", tag: "sessions", summary: "Where I am signed in"}, func(c *call, _ *struct{}) (*answer[list[session]], error) {
		all, err := a.DB.SessionsOf(c, c.caller.Subject.Person, c.Now())
		shown := []session{}
		for _, s := range all {
			shown = append(shown, session{s.ID, s.BeganUS.Time(), s.UsedUS.Time(), s.ExpiresUS.Time(), s.ID == c.caller.Session})
		}
		return items(shown, "", err)
	})
	route(a, Signed, op{id: "end-session", method: http.MethodDelete, path: "/sessions/{id}", tag: "sessions", status: http.StatusNoContent, summary: "Sign out somewhere else"},
		func(c *call, in *struct {
			ID string `path:"id" maxLength:"100"`
		}) (*struct{}, error) {
			there, err := a.DB.EndSessionOf(c, c.caller.Subject.Person, in.ID)
			if err == nil && !there {
				err = newProblem(http.StatusNotFound, "not-found", "there is no such session of yours")
			}
			return &struct{}{}, err
		})
}

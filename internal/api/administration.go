package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/config"
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
	Service string      `json:"service,omitempty" doc:"The service account as which it calls the API."`
	Scopes  []string    `json:"scopes"`
	Systems []string    `json:"systems" doc:"It is for these alone; for all when there are none."`
	Made    time.Time   `json:"made"`
	Used    *time.Time  `json:"used,omitempty" doc:"Give or take a minute."`
	Expires *time.Time  `json:"expires,omitempty"`
	Revoked *time.Time  `json:"revoked,omitempty"`
}

// MadeToken is a token with what it takes to use it.
type MadeToken struct {
	Token
	Text string `json:"token" doc:"It is not shown again."`
}

// Session is a sign-in.
type Session struct {
	ID      string    `json:"id"`
	Began   time.Time `json:"began"`
	Used    time.Time `json:"used" doc:"Give or take a minute."`
	Expires time.Time `json:"expires" doc:"Unless it is used before."`
	Current bool      `json:"current" doc:"It is the one of this request."`
}

// Pass is a temporary access pass.
type Pass struct {
	Person  access.Ref `json:"person"`
	Pass    string     `json:"pass" doc:"It is not shown again."`
	Starts  time.Time  `json:"starts"`
	Expires time.Time  `json:"expires"`
}

// Withdrawn says whether a person had a pass.
type Withdrawn struct {
	Person    access.Ref `json:"person"`
	Withdrawn bool       `json:"withdrawn" doc:"There was a pass."`
}

// RightsTable is who may do what.
type RightsTable struct {
	Items []rights.Row  `json:"items" nullable:"false"`
	Roles []rights.Role `json:"roles" doc:"In the order in which a table has them."`
}

// Installation is what a client needs to know to show answers as the installation does.
type Installation struct {
	Version  string            `json:"version" doc:"Of behov."`
	TimeZone string            `json:"time_zone" doc:"Of the organisation: civil dates are of it."`
	First    string            `json:"first_source" doc:"The HR source whose keys name people without it."`
	Paused   []access.Decision `json:"paused" doc:"The pauses that hold, by target."`
}

func (a *api) administration() {
	route(a, Signed, op{id: "get-installation", method: http.MethodGet, path: "/installation", tag: "status", systems: true, summary: "What a client needs to know to show answers as the installation does"}, func(c *call, _ *struct{}) (*answer[Installation], error) {
		out := Installation{Version: build.Read().Version, TimeZone: c.Config.Zone.String(), First: c.Config.First, Paused: []access.Decision{}}
		pauses, err := a.DB.Pauses(c)
		for _, target := range slices.Sorted(maps.Keys(pauses)) {
			out.Paused = append(out.Paused, c.Decision(pauses[target]))
		}
		return one(out, err)
	})
	route(a, SeesAll, op{id: "get-status", method: http.MethodGet, path: "/status", tag: "status", summary: "Where the installation stands, and what waits for a person"}, func(c *call, _ *struct{}) (*answer[access.Status], error) {
		return one(c.Status())
	})
	route(a, Signed, op{id: "get-rights", method: http.MethodGet, path: "/rights", tag: "rights", summary: "Who may do what: each action with the roles, and on what each may take it"}, func(c *call, _ *struct{}) (*answer[RightsTable], error) {
		rows, err := c.Config.Rights.Matrix()
		return one(RightsTable{rows, c.Config.Rights.Columns()}, err)
	})
	for _, d := range []struct {
		id, summary string
		action      rights.Action
		verdict     store.Verdict
	}{{"pause", "Stop changing a target, until it is resumed", rights.PauseTarget, store.Pause}, {"resume", "Change a target again", rights.ResumeTarget, store.Resume}} {
		route(a, Decides(d.action), op{id: d.id + "-target", method: http.MethodPost, path: "/targets/{target}/" + d.id, tag: "targets", summary: d.summary, description: "The target all is every one."},
			func(c *call, in *struct {
				Target string `path:"target" maxLength:"200"`
				Body   struct {
					DecisionReason
					ExceptLeavers bool `json:"except_leavers,omitempty" doc:"Of a pause: the access of people without any employment ends all the same."`
				}
			}) (*answer[access.Decision], error) {
				verdict := d.verdict
				if in.Body.ExceptLeavers && verdict == store.Pause {
					verdict = store.PauseExceptLeavers
				}
				return c.decided(c.governance().Pause(c, c.target(in.Target), verdict, c.caller.Subject, in.Body.Reason))
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
	a.othersSessions()
}

// target returns a target as governance calls it: all, unless one is called so, is every one.
func (c *call) target(name string) string {
	if _, known := c.Config.Target(name); name == "all" && !known {
		return store.EveryTarget
	}
	return name
}

func (a *api) tokens() {
	route(a, Signed, op{id: "list-tokens", method: http.MethodGet, path: "/tokens", tag: "tokens", summary: "My tokens; with all everyone's, the service accounts' and the sources', for those who see everyone"},
		func(c *call, in *struct {
			All bool `query:"all"`
		}) (*answer[List[Token]], error) {
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
				if in.All || OwnsToken(c.caller.Subject, t) {
					shown = append(shown, TokenOf(c.View, t))
				}
			}
			return items(shown, "", nil)
		})
	route(a, Personal, op{id: "make-token", method: http.MethodPost, path: "/tokens", tag: "tokens", status: http.StatusCreated, summary: "Make a token as which a program calls the API as me, or as a service account", description: "It may do less than I may: what its scopes say, of the systems that it names. It ends when I leave, and when I revoke it. With service it is of that service account, for those who may make it (" + string(rights.MakeServiceToken) + "): it ends when the service account is not in the configuration any more, and when no person who is responsible for it works here."},
		func(c *call, in *struct {
			Body struct {
				Name    string    `json:"name" minLength:"1" maxLength:"200" doc:"Who will have it."`
				Scopes  []string  `json:"scopes" minItems:"1" maxItems:"50" nullable:"false" doc:"What it is for, as people:read, or *:read for all that is read."`
				Systems []string  `json:"systems,omitempty" nullable:"false" maxItems:"100" doc:"Only for these systems."`
				Service string    `json:"service,omitempty" maxLength:"64" doc:"The service account; mine without it."`
				Expires time.Time `json:"expires" doc:"At most a year from now."`
			}
		}) (*answer[MadeToken], error) {
			if err := CheckScopes(a.huma.OpenAPI(), a.Config, in.Body.Scopes, in.Body.Systems); err != nil {
				return nil, err
			}
			if in.Body.Service != "" {
				text, t, err := c.governance().CreateServiceToken(c, governance.ServiceToken{Service: in.Body.Service, Name: in.Body.Name, Scopes: in.Body.Scopes, Systems: in.Body.Systems, Expires: in.Body.Expires}, c.caller.Subject)
				if err != nil {
					return nil, err
				}
				return one(MadeToken{TokenOf(c.View, t), text}, nil)
			}
			text, t, err := c.governance().CreateOwnToken(c, governance.OwnToken{Name: in.Body.Name, Scopes: in.Body.Scopes, Systems: in.Body.Systems, Expires: in.Body.Expires, SignedIn: c.caller.SignedIn}, c.caller.Subject)
			if err != nil {
				return nil, err
			}
			return one(MadeToken{TokenOf(c.View, t), text}, nil)
		})
	route(a, Personal, op{id: "revoke-token", method: http.MethodDelete, path: "/tokens/{id}", tag: "tokens", status: http.StatusNoContent, summary: "End a token for good: one of mine, or any for those who may"},
		func(c *call, in *struct {
			ID     string `path:"id" maxLength:"100"`
			Reason string `query:"reason" doc:"Why, for the audit trail." maxLength:"2000"`
		}) (*struct{}, error) {
			return &struct{}{}, c.governance().RevokeToken(c, in.ID, c.caller.Subject, in.Reason)
		})
}

// everyScope are the scopes of tokens that are for all that is read, or changed.
var everyScope = []string{"*:read", "*:write"}

// CheckScopes refuses scopes that no route of a document has, and systems that are not there.
func CheckScopes(doc *huma.OpenAPI, config *config.Config, scopes, systems []string) error {
	p := newProblem(http.StatusUnprocessableEntity, "invalid", "the token cannot be for all of that")
	known := append(Scopes(doc), "*:read", "*:write")
	for i, s := range scopes {
		if !slices.Contains(known, s) {
			p.Errors = append(p.Errors, FieldError{Message: "there is no such scope: give one of " + strings.Join(known, ", "), Location: fmt.Sprintf("body.scopes[%d]", i)})
		}
	}
	if len(p.Errors) > 0 {
		return p
	}
	for _, s := range systems {
		if _, known := config.Rules.Catalogue.System(s); !known {
			return &reason.Refusal{Reason: reason.Of(reason.NoSuchSystem{System: s})}
		}
	}
	return nil
}

// OwnsToken reports whether a token is of a person or a service account.
func OwnsToken(s rights.Subject, t store.Token) bool {
	return !s.IsZero() && t.Owner == s.Person && t.Service == s.Service
}

// TokenOf returns a token as the viewer sees it.
func TokenOf(v *access.View, t store.Token) Token {
	x := Token{ID: t.ID, Name: t.Name, Source: t.Source, Service: t.Service, Scopes: strings.Fields(t.Scopes), Systems: strings.Fields(t.Systems), Made: t.Created(), Used: optional(t.Used()), Expires: optional(t.Expires()), Revoked: optional(t.Revoked())}
	if t.Owner != "" {
		owner := v.Ref(t.Owner)
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

// SessionsOf returns sessions as answers have them. current is the one of the request.
func SessionsOf(all []store.Session, current string) []Session {
	shown := []Session{}
	for _, s := range all {
		shown = append(shown, Session{s.ID, s.BeganUS.Time(), s.UsedUS.Time(), s.ExpiresUS.Time(), s.ID == current})
	}
	return shown
}

// EndOthers says whose sessions are ended, and why.
type EndOthers struct {
	AboutPerson
	Reason string `query:"reason" doc:"Why, for the audit trail." minLength:"1" maxLength:"2000" required:"true"`
}

// othersSessions are routes about where another person is signed in.
func (a *api) othersSessions() {
	route(a, Decides(rights.EndSessions), op{id: "list-sessions-of", method: http.MethodGet, path: "/people/{person}/sessions", tag: "sessions", summary: "Where another person is signed in, for those who may end it"},
		func(c *call, in *AboutPerson) (*answer[List[Session]], error) {
			p, err := c.Find(in.Person)
			if err != nil {
				return nil, err
			}
			all, err := c.governance().Sessions(c, p, c.caller.Subject)
			return items(SessionsOf(all, c.caller.Session), "", err)
		})
	end := func(c *call, in EndOthers, id string) (*answer[access.Decision], error) {
		p, err := c.Find(in.Person)
		if err != nil {
			return nil, err
		}
		return c.decided(c.governance().EndSessions(c, p, id, c.caller.Subject, in.Reason))
	}
	route(a, Decides(rights.EndSessions), op{id: "end-sessions-of", method: http.MethodDelete, path: "/people/{person}/sessions", tag: "sessions", summary: "Sign another person out everywhere", description: "What programs do with the person's tokens goes on, and also behov login on a machine is such a token: revoke-token ends it."},
		func(c *call, in *EndOthers) (*answer[access.Decision], error) { return end(c, *in, "") })
	route(a, Decides(rights.EndSessions), op{id: "end-session-of", method: http.MethodDelete, path: "/people/{person}/sessions/{id}", tag: "sessions", summary: "Sign another person out somewhere"},
		func(c *call, in *struct {
			EndOthers
			ID string `path:"id" minLength:"1" maxLength:"100"`
		}) (*answer[access.Decision], error) {
			return end(c, in.EndOthers, in.ID)
		})
}

func (a *api) sessions() {
	route(a, Personal, op{id: "list-sessions", method: http.MethodGet, path: "/sessions", tag: "sessions", summary: "Where I am signed in"}, func(c *call, _ *struct{}) (*answer[List[Session]], error) {
		all, err := a.DB.SessionsOf(c, c.caller.Subject.Person, c.Now())
		return items(SessionsOf(all, c.caller.Session), "", err)
	})
	route(a, Personal, op{id: "end-session", method: http.MethodDelete, path: "/sessions/{id}", tag: "sessions", status: http.StatusNoContent, summary: "Sign out somewhere else"},
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

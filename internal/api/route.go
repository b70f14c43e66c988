package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/signin"
)

// Rule says who may use a route. What an answer has in it is masked by the view in any
// case, and what a decision is about is asked of rights by governance.
type Rule struct {
	kind   string
	action rights.Action
}

// The rules.
var (
	// Signed: everyone who is signed in. The answer has in it whom they may see.
	Signed = Rule{kind: "signed-in"}
	// Personal: every person who is signed in, about what is their own. A service account
	// is no person.
	Personal = Rule{kind: "signed-in-person"}
	// SeesAll: those who may see everyone: what it answers counts all people, or is about
	// the installation.
	SeesAll = Rule{kind: "sees-everyone"}
)

// Decides is the rule of a decision or an operation: rights say who may take the action on
// the object of the request.
func Decides(a rights.Action) Rule { return Rule{kind: "decides", action: a} }

// String returns the rule as the OpenAPI document has it.
func (r Rule) String() string {
	if r.action != "" {
		return r.kind + ":" + string(r.action)
	}
	return r.kind
}

// op is a route.
type op struct {
	id, method, path string
	tag, summary     string
	description      string
	status           int // of what went well; 200 when it is zero
	// systems reports that a token for some systems may be used for it: it is about one,
	// which the route checks.
	systems bool
	root    string // the path, where it is not below Path
	reads   bool   // by POST, though it changes nothing
}

// address is the path at which the route answers.
func (o op) address() string {
	if o.root != "" {
		return o.root
	}
	return Path + o.path
}

// scope is what a token needs to use the route.
func (o op) scope() string {
	if o.method == http.MethodGet || o.reads {
		return o.tag + ":read"
	}
	return o.tag + ":write"
}

// Scopes returns the scopes that tokens can have, sorted.
func Scopes(doc *huma.OpenAPI) []string {
	var all []string
	for _, path := range doc.Paths {
		for _, o := range []*huma.Operation{path.Get, path.Post, path.Delete} {
			if o != nil {
				all = append(all, o.Extensions["x-behov-scope"].(string))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// route adds a route. There is no other way to: what it answers is asked for with a caller
// who is known and whom the rule lets in.
func route[I, O any](a *api, rule Rule, o op, answer func(*call, *I) (*O, error)) {
	a.rules[o.id] = rule
	operation := huma.Operation{OperationID: o.id, Method: o.method, Path: o.address(), Tags: []string{o.tag}, Summary: o.summary, Description: o.description, DefaultStatus: o.status,
		Security:   []map[string][]string{{"token": {}}, {"session": {}}},
		Errors:     []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
		Extensions: map[string]any{"x-behov-rule": rule.String(), "x-behov-scope": o.scope()}}
	huma.Register(a.huma, operation, func(ctx context.Context, in *I) (*O, error) {
		c, err := a.call(ctx, rule, o)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		out, err := answer(c, in)
		if err != nil {
			return nil, c.holdsAlready(err, a.problem(ctx, err))
		}
		return out, nil
	})
}

// errScope is returned when the token is not for the route.
var errScope = errors.New("the token is not for this")

// errNotEveryone is returned for what only those may ask who see everyone.
var errNotEveryone = errors.New("only who may see everyone may ask this")

// call returns the call of a caller whom the rule lets in.
func (a *api) call(ctx context.Context, rule Rule, o op) (*call, error) {
	q, _ := ctx.Value(requestKey{}).(request)
	if q.err != nil {
		return nil, q.err
	}
	if q.caller.Subject.IsZero() {
		return nil, signin.ErrNotSignedIn
	}
	if t := q.caller.Token; t.ID != "" && (!t.Has(o.scope()) && !t.Has("*:"+scopeKind(o)) || t.Systems != "" && !o.systems) {
		return nil, errScope
	}
	v, err := a.answers.For(ctx, access.Viewer{Subject: q.caller.Subject, Known: q.caller.Known, Language: q.language, Place: q.place})
	if err != nil {
		return nil, err
	}
	if rule.kind == SeesAll.kind && !v.SeesEveryone() {
		return nil, errNotEveryone
	}
	if rule.kind == Personal.kind && q.caller.Subject.Person == "" {
		return nil, &rights.RefusedError{Action: rights.Action(o.id), Service: q.caller.Subject.Service}
	}
	return &call{Context: ctx, View: v, api: a, caller: q.caller}, nil
}

func scopeKind(o op) string {
	_, kind, _ := strings.Cut(o.scope(), ":")
	return kind
}

// mayUse returns an error when the caller's token is for other systems.
func (c *call) mayUse(system string) error {
	if s := strings.Fields(c.caller.Token.Systems); len(s) > 0 && !slices.Contains(s, system) {
		return errScope
	}
	return nil
}

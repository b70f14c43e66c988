package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Type   string `json:"type" doc:"What went wrong, as a URI that stays the same: urn:behov:problem:CODE." example:"urn:behov:problem:not-allowed"`
	Title  string `json:"title" doc:"What the status means."`
	Status int    `json:"status" doc:"The status of the answer."`
	Detail string `json:"detail,omitempty" doc:"What happened, as a sentence in the caller's language."`
	// Reason is set when behov refuses what was asked for a reason that it knows.
	Reason *access.Reason `json:"reason,omitempty" doc:"Why it was refused, as a code with parameters."`
	// Decision is the one by which what was asked holds already.
	Decision *access.Decision `json:"decision,omitempty" doc:"The decision by which it holds already."`
	SignIn   string           `json:"sign_in,omitempty" doc:"Where a browser signs in, or signs in again, to be let do this."`
	Errors   []FieldError     `json:"errors,omitempty" doc:"What is wrong with the request, place by place."`
	header   http.Header
}

// FieldError is what is wrong with a part of a request.
type FieldError struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty" doc:"The part, such as body.reason."`
}

const problemPrefix = "urn:behov:problem:"

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: problemPrefix + code, Title: http.StatusText(status), Status: status, Detail: detail}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// json answers with a value where huma does not.
func (a *api) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

// write answers with a problem where there is no route.
func (a *api) write(w http.ResponseWriter, _ *http.Request, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone
}

// because is an error that is a reason.
type because interface {
	error
	Because() reason.Reason
}

// problem returns the problem of an error. What is none of those that a caller can cause
// stands in the log, and not in the answer.
func (a *api) problem(ctx context.Context, err error) error {
	q, _ := ctx.Value(requestKey{}).(request)
	var own *Problem
	var known because
	var target *access.UnknownTargetError
	var cursor *access.CursorError
	var decided *governance.AlreadyDecidedError
	var fields *governance.FieldsError
	need, needs := rights.NeedsAssurance(err)
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, signin.ErrNotSignedIn):
		p := newProblem(http.StatusUnauthorized, "not-signed-in", "sign in, or show a token that is valid")
		p.SignIn = signin.Path + "?return=" + url.QueryEscape(q.origin)
		p.header = http.Header{"Www-Authenticate": {`Bearer realm="behov"`}}
		return p
	case needs:
		p := a.reasoned(q, http.StatusUnauthorized, err.(because)) //nolint:errorlint // it was found by its type
		how, challenge := "stronger", `Bearer error="insufficient_user_authentication", error_description="more than one factor is needed"`
		if need == rights.Fresh {
			how, challenge = "fresh", challenge+`, max_age=`+strconv.Itoa(int(a.Config.SignIn.Fresh.Seconds()))
		}
		if acr := a.Config.SignIn.StepUpACR; acr != "" {
			challenge += `, acr_values="` + acr + `"` // RFC 9470
		}
		p.SignIn = signin.Path + "?" + how + "&return=" + url.QueryEscape(q.origin)
		p.header = http.Header{"Www-Authenticate": {challenge}}
		return p
	case errors.Is(err, errScope):
		return newProblem(http.StatusForbidden, "token-scope", "the token is not for this: make one with the scope, or the system, that it needs")
	case store.IsBadText(err):
		return newProblem(http.StatusBadRequest, "bad-text", "a text of the request has a NUL, or is no UTF-8")
	case requestThere(err):
		return newProblem(http.StatusConflict, "done-already", "the same request is under way, or was made")
	case errors.Is(err, errNotEveryone):
		return newProblem(http.StatusForbidden, "not-everyone", "only who may see everyone may ask this: an auditor, an operator, HR, the data-protection officer, an administrator")
	case errors.Is(err, store.ErrNoPerson), errors.Is(err, store.ErrSeveralPeople), isHidden(err):
		return newProblem(http.StatusNotFound, "not-found", "there is no such person, or none whom you may see")
	case errors.As(err, &known) && known.Because().Code() == reason.CodeOf(reason.NoReview{}):
		return a.reasoned(q, http.StatusNotFound, known)
	case errors.As(err, &cursor):
		return newProblem(http.StatusBadRequest, "cursor", cursor.Error())
	case errors.As(err, &target):
		return newProblem(http.StatusNotFound, "not-found", target.Error())
	case rights.IsRefused(err) && errors.As(err, &known):
		return a.reasoned(q, http.StatusForbidden, known)
	case errors.As(err, &decided):
		return newProblem(http.StatusConflict, "already-decided", decided.Error())
	case errors.As(err, &fields):
		p := a.reasoned(q, http.StatusBadRequest, fields)
		for _, f := range fields.Fields {
			one := FieldError{Message: a.reasoned(q, 0, &reason.Refusal{Reason: f.Reason}).Detail, Location: "body"}
			if f.Field != "" {
				one.Location += "." + f.Field
			}
			p.Errors = append(p.Errors, one)
		}
		return p
	case errors.As(err, &known) && isUnknown(known.Because().Code()):
		return a.reasoned(q, http.StatusNotFound, known)
	case errors.As(err, &known):
		return a.reasoned(q, http.StatusConflict, known)
	case ctx.Err() != nil:
		return newProblem(http.StatusServiceUnavailable, "too-late", "the answer took too long")
	}
	a.Log.ErrorContext(ctx, "a request could not be answered", "path", "api", "error", err)
	return newProblem(http.StatusInternalServerError, "internal", "behov could not do this, and its log says why")
}

// isUnknown reports whether a refusal says that something does not exist.
func isUnknown(code reason.Code) bool {
	return strings.HasPrefix(string(code), "no-such-") || slices.Contains([]reason.Code{reason.CodeOf(reason.EntitlementNeverGiven{}), reason.CodeOf(reason.NothingOfTarget{}), reason.CodeOf(reason.WasErased{})}, code)
}

// isHidden reports whether a person is not shown because the caller may not see them: they
// are answered as those who do not exist.
func isHidden(err error) bool {
	var refused *rights.RefusedError
	return errors.As(err, &refused) && refused.Action == rights.SeePerson && refused.Why == ""
}

func (a *api) reasoned(q request, status int, err because) *Problem {
	why := access.Reason{Reason: err.Because()}
	if printer, fault := wording.New(wording.Reader{Language: q.language, Place: q.place, Zone: a.Config.Zone}); fault == nil {
		why.Text = printer.Reason(why.Reason)
	}
	p := newProblem(status, string(why.Code()), why.Text)
	p.Reason = &why
	return p
}

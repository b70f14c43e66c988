// Package api answers programs over HTTP: people, access and its reasons, plans, holds,
// reviews and all else that is known, and every decision, below /api/v1, as its OpenAPI
// document says.
//
// It must never decide who may do what, nor work out an answer: it asks access what the
// caller sees, and governance, hr and reconcile to do what the caller asks, as the command
// line does. Every route has a rule; there is no way to make one without.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// Path is that below which the API answers.
const Path = "/api/v1"

// Deps is what the API answers with: of one installation, with one configuration.
type Deps struct {
	DB       *store.DB
	Config   *config.Config
	Engine   *reconcile.Engine
	Importer *hr.Importer
	Door     *signin.SignIn
	Plans    *preview.Plans // nil makes them
	Counts   *access.Counts // nil makes them
	// Suggestions are those of rules; nil makes them.
	Suggestions *access.SuggestionCounts
	Now         func() time.Time
	Log         *slog.Logger
}

// api is the API of an installation.
type api struct {
	Deps
	answers *access.Answers
	huma    huma.API
	rules   map[string]Rule // by operation
}

// New returns the API's handler, and its OpenAPI document.
func New(d Deps) (http.Handler, *huma.OpenAPI) {
	stableProblems()
	c := huma.DefaultConfig("behov", build.Read().Version)
	c.Info.Description = description
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = Path+"/openapi", "", ""
	c.CreateHooks = nil // no $schema in answers
	c.RejectUnknownQueryParameters = true
	c.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	c.Components.Schemas = newRegistry()
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "A token that a person made, or signed in for, or that was made for a service account."},
		"session": {Type: "apiKey", In: "cookie", Name: "behov", Description: "The session of a browser (" + signin.Path + ")."},
	}
	if d.Counts == nil {
		d.Counts = &access.Counts{}
	}
	if d.Suggestions == nil {
		d.Suggestions = &access.SuggestionCounts{}
	}
	if d.Plans == nil {
		d.Plans = &preview.Plans{DB: d.DB, Engine: d.Engine, Now: d.Now, Log: d.Log}
	}
	mux := http.NewServeMux()
	a := &api{Deps: d, answers: &access.Answers{DB: d.DB, Config: d.Config, Now: d.Now}, rules: map[string]Rule{}}
	a.huma = humago.New(mux, c)
	a.huma.UseMiddleware(a.refuseEmpty)
	a.people()
	a.trail()
	a.decisions()
	a.holds()
	a.steps()
	a.reviews()
	a.requests()
	a.workOrders()
	a.nonHumanAccounts()
	a.plans()
	a.simulations()
	a.ruleRoutes()
	a.imports()
	a.reports()
	a.administration()
	a.authzen()
	a.describe()
	mux.HandleFunc("GET "+Path+"/docs", a.docs)
	mux.HandleFunc("GET "+Path+"/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, Path+"/docs", http.StatusSeeOther)
	})
	a.elsewhere(mux)
	mux.HandleFunc("GET "+AuthZENMetadata, a.azMetadata)
	return a.authenticate(server.LimitSubject(a.idempotent(server.Routes(mux)))), a.huma.OpenAPI()
}

const description = `Who has access to what, when and why, and every decision about it.

People are named by their opaque ID, or by any other reference that the command line
takes: a person_id of the first HR source, SOURCE/person_id, a login, an e-mail address.
Reasons are codes with parameters; text is the sentence, in the language of
Accept-Language (en or sv). Instants are RFC 3339, in UTC; civil dates are dates.

Lists have at most limit items; next, when it is there, is the cursor of the next part.
A writing request may have an Idempotency-Key: a second one with the same key within a
day is answered as the first was, and does nothing. With If-Match, the ETag of what was
read, it is refused when that has changed.

422 says that a request is not as this document has it, and 400 that it is, and yet means
nothing: a cursor that was not given, a time that ends before it begins.

A service account reads what its role may read, and decides nothing (needs-person).

Whom the caller may not see is not found. A masked person has no name, no login, no unit.`

// call is one request of a caller who is known.
type call struct {
	context.Context
	*access.View
	api    *api
	caller signin.Caller
}

type requestKey struct{}

// request is what is known of a request before its route is.
type request struct {
	caller   signin.Caller
	err      error
	language wording.Language
	place    wording.Place // shell for a command line, which names the next command to enter
	origin   string        // the path and query, for coming back after a sign-in
}

// authenticate finds out who calls, before any route answers, and refuses what another
// site's page has a browser send.
func (a *api) authenticate(next http.Handler) http.Handler {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := request{language: signin.Language(r), place: placeOf(r), origin: r.URL.Path}
		q.caller, q.err = a.Door.Caller(r)
		switch {
		case q.err == nil:
			server.SetSubject(r.Context(), q.caller.Subject.ID())
		case errors.Is(q.err, signin.ErrNotSignedIn) && (r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "") && a.Door.Failed(w, r):
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	})
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.write(w, r, newProblem(http.StatusForbidden, "cross-origin", "a page of another site had the browser send this"))
	}))
	guarded := guard.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // of refusals too
		w.Header().Set("Vary", "Authorization, Cookie, Accept-Language, Prefer")
		w.Header().Set("Cache-Control", "private, no-store")
		guarded.ServeHTTP(w, r)
	})
}

// elsewhere answers what no route does: another method of an address that is there, and
// addresses that are not.
func (a *api) elsewhere(mux *http.ServeMux) {
	const rest = Path + "/"
	mux.HandleFunc(rest, func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != rest && pattern != "" {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			a.write(w, r, newProblem(http.StatusMethodNotAllowed, "method-not-allowed", "this address is asked by "+strings.Join(allowed, " or ")))
			return
		}
		a.write(w, r, newProblem(http.StatusNotFound, "not-found", "there is no such address: "+Path+"/docs lists those that there are"))
	})
}

// refuseEmpty refuses a parameter that is there without a value, where only a text can be
// empty: huma takes it for one that is left out.
func (a *api) refuseEmpty(ctx huma.Context, next func(huma.Context)) {
	u := ctx.URL()
	q := u.Query()
	for _, p := range ctx.Operation().Parameters {
		if p.In != "query" || p.Schema.Type == huma.TypeString && p.Schema.Format == "" || !q.Has(p.Name) || q.Get(p.Name) != "" {
			continue
		}
		err := huma.WriteErr(a.huma, ctx, http.StatusUnprocessableEntity, "validation failed", &huma.ErrorDetail{Message: "it has no value: leave it out", Location: "query." + p.Name})
		if err != nil {
			a.Log.Warn("an answer could not be written", "error", err)
		}
		return
	}
	next(ctx)
}

// jsonFormat is JSON as huma reads and writes it, but that 2.0 is an integer, as JSON has
// one kind of number.
var jsonFormat = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var mistyped *json.UnmarshalTypeError
	if !errors.As(err, &mistyped) || !strings.HasPrefix(mistyped.Value, "number") {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var whole any
	if d.Decode(&whole) != nil {
		return err
	}
	data, fault := json.Marshal(integers(whole))
	if fault != nil {
		return err
	}
	return json.Unmarshal(data, v)
}}

// integers returns a value in which numbers that are integers are written as such.
func integers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = integers(x[k])
		}
	case []any:
		for i := range x {
			x[i] = integers(x[i])
		}
	case json.Number:
		if f, err := x.Float64(); err == nil && f == float64(int64(f)) && math.Abs(f) < 1<<53 {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
	}
	return v
}

// PreferHints is a preference (RFC 7240) for sentences that name the next command to enter.
const PreferHints = "hints=shell"

func placeOf(r *http.Request) wording.Place {
	for _, line := range r.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(preference) == PreferHints {
				return wording.Shell
			}
		}
	}
	return wording.Plain
}

var once sync.Once

// stableProblems has huma answer with problems of ours.
func stableProblems() {
	once.Do(func() {
		huma.ValidateStrictCasing = true // as the document says
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			p := newProblem(status, "invalid", message)
			if status == http.StatusInternalServerError {
				p = newProblem(status, "internal", "behov could not do this, and its log says why")
			}
			for _, err := range errs {
				if detailer, ok := err.(huma.ErrorDetailer); ok {
					d := detailer.ErrorDetail()
					p.Errors = append(p.Errors, FieldError{Message: d.Message, Location: d.Location})
				} else if err != nil {
					p.Errors = append(p.Errors, FieldError{Message: err.Error()})
				}
			}
			return p
		}
	})
}

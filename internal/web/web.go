// Package web answers browsers: the pages on which owners, HR, managers, auditors and
// administrators ask and decide, in Swedish and English. They are made on the server, work
// without scripts, and load nothing from another host.
//
// It must never work out an answer or decide: it asks access what the reader may see, and
// governance, hr and reconcile to do what the reader asks, as the API does. Every sentence
// comes from wording.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// Deps is what the pages answer with: of one installation, with one configuration.
type Deps struct {
	DB       *store.DB
	Config   *config.Config
	Engine   *reconcile.Engine
	Importer *hr.Importer
	Door     *signin.SignIn
	Plans    *preview.Plans
	Counts   *access.Counts
	// Suggestions are those of rules.
	Suggestions *access.SuggestionCounts
	// Scopes are what a token can be for, as the API has them.
	Scopes []string
	Now    func() time.Time
	Log    *slog.Logger
}

// site is the pages of an installation.
type site struct {
	Deps
	answers *access.Answers
	mux     *http.ServeMux
	books   map[wording.Language]*book
	assets  map[string]asset // by their address
	policy  string
}

// New returns the pages, to be mounted at the root.
func New(d Deps) (http.Handler, error) {
	s := &site{Deps: d, answers: &access.Answers{DB: d.DB, Config: d.Config, Now: d.Now}, mux: http.NewServeMux(), books: map[wording.Language]*book{}, assets: map[string]asset{}}
	if err := s.loadAssets(); err != nil {
		return nil, err
	}
	for _, l := range wording.Languages {
		b, err := s.newBook(l)
		if err != nil {
			return nil, err
		}
		s.books[l] = b
	}
	s.policy = contentPolicy
	if d.Config.SignIn.Configured() { // signing out goes on there, after a form
		s.policy = strings.Replace(s.policy, "form-action 'self'", "form-action 'self' "+originOf(d.Config.SignIn.Issuer), 1)
	}
	s.start()
	s.people()
	s.absences()
	s.extract()
	s.systems()
	s.conflicts()
	s.compliance()
	s.suppliers()
	s.requests()
	s.orders()
	s.nonHumanAccounts()
	s.reviews()
	s.changes()
	s.planned()
	s.whatIf()
	s.organisation()
	s.ask()
	s.administration()
	s.rules()
	s.reports()
	s.mux.HandleFunc("POST /language", s.chooseLanguage)
	s.mux.HandleFunc("GET "+assetPath+"/", s.asset)
	s.mux.HandleFunc("/", s.nothing)
	return s.secured(server.Routes(s.mux)), nil
}

// contentPolicy lets a page load nothing but what behov serves itself, and nothing that
// stands in the page.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// originOf returns the scheme and host of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// secured sets the headers of every page.
func (s *site) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", s.policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "private, no-store")
		h.Set("Vary", "Accept-Language, Cookie")
		next.ServeHTTP(w, r)
	})
}

// page adds a page that is made of a template: title and main in templates/NAME.html. The
// reader is signed in. What answer returns is the template's data.
func (s *site) page(pattern, name string, answer func(*visit) (any, error)) {
	s.handle("GET "+pattern, func(w http.ResponseWriter, v *visit) error {
		data, err := answer(v)
		if err != nil {
			return err
		}
		return s.write(w, v, http.StatusOK, name, data)
	})
}

// form adds what a form of a page does. It goes on at the address that act returns.
func (s *site) form(pattern string, act func(*visit) (to string, err error)) {
	s.posted(pattern, (*http.Request).ParseForm, act)
}

// upload adds what a form with files does. They are kept in memory alone.
func (s *site) upload(pattern string, act func(*visit) (to string, err error)) {
	s.posted(pattern, func(r *http.Request) error {
		r.Body = http.MaxBytesReader(nil, r.Body, MostUploaded)
		return r.ParseMultipartForm(2 * MostUploaded) //nolint:gosec // the body is bounded: the line above, and the mount
	}, act)
}

func (s *site) posted(pattern string, parse func(*http.Request) error, act func(*visit) (to string, err error)) {
	s.handle("POST "+pattern, func(w http.ResponseWriter, v *visit) error {
		if err := parse(v.request); err != nil {
			return errBadForm
		}
		for _, values := range v.request.PostForm {
			for _, value := range values {
				if !utf8.ValidString(value) || strings.Contains(value, "\x00") || utf8.RuneCountInString(value) > longestField {
					return errBadForm
				}
			}
		}
		to, err := act(v)
		var again *unfinished
		if errors.As(err, &again) {
			return s.write(w, v, http.StatusUnprocessableEntity, again.page, again.data)
		}
		if err != nil {
			return err
		}
		http.Redirect(w, v.request, to, http.StatusSeeOther)
		return nil
	})
}

// longestField is how many letters a field of a form has at most.
const longestField = 2000

// errBadForm is returned for a form that cannot be read.
var errBadForm = errors.New("the form could not be read")

// unfinished is returned for a form that cannot be as it is: its page is shown again, with
// what was entered, and what is wrong beside each field.
type unfinished struct {
	page string
	data any
}

func (e *unfinished) Error() string { return "the form of page " + e.page + " is not finished" }

// errEveryone is returned for a page of those who may see everyone.
var errEveryone = errors.New("only who may see everyone may see this")

// handle adds what a signed-in reader is answered.
func (s *site) handle(pattern string, answer func(http.ResponseWriter, *visit) error) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visit(r)
		if err == nil {
			err = answer(w, v)
		}
		if err != nil {
			s.fail(w, r, v, err)
		}
	})
}

// visit is one request of a reader who is known.
type visit struct {
	context.Context
	*access.View
	*book
	site    *site
	caller  signin.Caller
	request *http.Request
}

// visit returns the visit of the person with a session in this browser: a token opens no
// page.
func (s *site) visit(r *http.Request) (*visit, error) {
	caller, err := s.Door.Caller(r)
	if err != nil {
		return nil, err
	}
	if caller.Session == "" {
		return nil, signin.ErrNotSignedIn
	}
	server.SetSubject(r.Context(), string(caller.Subject.Person))
	l := signin.Language(r)
	view, err := s.answers.For(r.Context(), access.Viewer{Subject: caller.Subject, Known: caller.Known, Language: l, Place: wording.Page})
	if err != nil {
		return nil, err
	}
	return &visit{Context: r.Context(), View: view, book: s.books[l], site: s, caller: caller, request: r}, nil
}

// query returns a parameter of the address.
func (v *visit) query(name string) string { return strings.TrimSpace(v.request.URL.Query().Get(name)) }

// field returns a field of a form.
func (v *visit) field(name string) string { return strings.TrimSpace(v.request.PostForm.Get(name)) }

// nothing answers for an address at which there is no page.
func (s *site) nothing(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.fail(w, r, nil, err)
		return
	}
	s.writeOrLog(w, v, http.StatusNotFound, "error", problem{Title: v.T("error.not-found"), Text: v.T("error.not-found-text")})
}

// problem is what a page says that could not be made, or what was not done.
type problem struct {
	Title, Text string
	Again       string // where the reader signs in again
	Back        string // the page before
}

// because is an error that is a reason.
type because interface {
	error
	Because() reason.Reason
}

// fail answers with why a page is not shown or a form did nothing. What the reader cannot
// have caused stands in the log, and not on the page.
func (s *site) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if errors.Is(err, signin.ErrNotSignedIn) {
		to := "/"
		if r.Method == http.MethodGet {
			to = r.URL.RequestURI()
		}
		http.Redirect(w, r, signin.Path+"?return="+url.QueryEscape(to), http.StatusSeeOther)
		return
	}
	if v == nil {
		s.Log.ErrorContext(r.Context(), "a page could not be made", "error", err)
		http.Error(w, "behov could not do this, and its log says why", http.StatusInternalServerError)
		return
	}
	var known because
	var decided *governance.AlreadyDecidedError
	status, p := http.StatusInternalServerError, problem{Title: v.T("error.internal"), Text: v.T("error.internal-text")}
	need, needs := rights.NeedsAssurance(err)
	switch {
	case needs:
		how := "stronger"
		if need == rights.Fresh {
			how = "fresh"
		}
		status, p = http.StatusForbidden, problem{Title: v.T("error.again"), Text: v.T("error.again-text"), Again: signin.Path + "?" + how + "&return=" + url.QueryEscape(v.here())}
	case errors.Is(err, errBadForm):
		status, p = http.StatusBadRequest, problem{Title: v.T("error.form"), Text: v.T("error.form-text")}
	case errors.Is(err, errEveryone):
		status, p = http.StatusForbidden, problem{Title: v.T("error.refused"), Text: v.T("error.everyone")}
	case errors.Is(err, store.ErrNoPerson), errors.Is(err, store.ErrSeveralPeople), isHidden(err), isUnknown(err):
		status, p = http.StatusNotFound, problem{Title: v.T("error.not-found"), Text: v.T("error.person")}
	case errors.As(err, &decided):
		d := v.Decision(decided.Decision)
		status, p = http.StatusConflict, problem{Title: v.T("error.refused"), Text: v.T("error.already", "what", d.Decided.Text, "who", v.actorName(d.Maker), "at", v.Instant(d.DecidedAt))}
	case isNoReview(err):
		status, p = http.StatusNotFound, problem{Title: v.T("error.not-found"), Text: v.T("error.not-found-text")}
	case store.IsBadText(err):
		status, p = http.StatusBadRequest, problem{Title: v.T("error.form"), Text: v.T("error.form-text")}
	case errors.As(err, &known):
		status, p = http.StatusConflict, problem{Title: v.T("error.refused"), Text: wording.Sentence(v.Text(known.Because()))}
	case r.Context().Err() != nil:
		return // the reader is gone
	default:
		s.Log.ErrorContext(r.Context(), "a page could not be made", "path", r.Pattern, "error", err)
	}
	p.Back = v.back()
	s.writeOrLog(w, v, status, "error", p)
}

// here returns the page that the reader asks for, or of a form the one that it stands on.
func (v *visit) here() string {
	if v.request.Method == http.MethodGet {
		return v.request.URL.RequestURI()
	}
	return v.back()
}

// actorName returns what a maker of a decision is called.
func (v *visit) actorName(a access.Actor) string {
	if a.Person == nil {
		return v.T("behov-itself")
	}
	return v.Who(*a.Person)
}

// back returns the page of behov that the reader comes from; the first page otherwise.
func (v *visit) back() string {
	u, err := url.Parse(v.request.Referer())
	if err != nil || u.Host != v.request.Host || u.RequestURI() == v.request.URL.RequestURI() || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.RequestURI()
}

// isHidden reports whether a person is not shown because the reader may not see them: they
// are answered as those who do not exist.
func isHidden(err error) bool {
	var refused *rights.RefusedError
	return errors.As(err, &refused) && refused.Action == rights.SeePerson && refused.Why == ""
}

// isUnknown reports whether an error says that something does not exist.
func isUnknown(err error) bool {
	var cursor *access.CursorError
	var target *access.UnknownTargetError
	return errors.As(err, &cursor) || errors.As(err, &target)
}

// isNoReview reports whether there is no such review for the reader.
func isNoReview(err error) bool {
	var known because
	return errors.As(err, &known) && known.Because().Code() == reason.CodeOf(reason.NoReview{})
}

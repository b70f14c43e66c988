package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/text/language"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// enter begins the session of a person who showed who they are, when they work here.
func (s *SignIn) enter(w http.ResponseWriter, r *http.Request, b begun, to string) {
	if b.Person == "" {
		s.refuse(w, r, http.StatusForbidden, reason.SignInNoPerson{}, nil)
		return
	}
	known, err := access.KnownSubject(r.Context(), s.db, s.config, identity.DateOf(s.now(), s.config.Zone), b.Subject)
	switch {
	case errors.Is(err, store.ErrNoPerson):
		s.refuse(w, r, http.StatusForbidden, reason.SignInNoPerson{}, nil)
		return
	case err != nil:
		s.fail(w, err)
		return
	case !known.Works || known.Suspended:
		s.refuse(w, r, http.StatusForbidden, reason.SignInNotWorking{}, nil)
		return
	}
	if err := s.start(w, r, b); err != nil {
		s.fail(w, err)
		return
	}
	s.log.Info("signed in", "person", b.Person, "how", b.How, "factors", b.factors)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// signOut ends the session, here and at the identity provider.
func (s *SignIn) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.end(w, r); err != nil {
		s.fail(w, err)
		return
	}
	to := "/"
	if s.provider != nil {
		if m, err := s.provider.discover(); err == nil {
			if there := s.provider.signedOut(m); there != "" {
				to = there
			}
		}
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// maxLogoutToken is how long a logout token may be.
const maxLogoutToken = 16 << 10

// backChannel ends the sessions that the identity provider says have ended (OpenID Connect
// Back-Channel Logout 1.0).
func (s *SignIn) backChannel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.provider == nil {
		http.NotFound(w, r)
		return
	}
	m, err := s.provider.discover()
	if err != nil {
		s.fail(w, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutToken)
	token, err := s.provider.verifier(m).VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		s.log.Warn("a logout token is refused", "error", err)
		http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
		return
	}
	subject, err1 := s.db.HashProvider("subject", token.Subject)
	session, err2 := s.db.HashProvider("session", token.SessionID)
	if err := errors.Join(err1, err2); err != nil {
		s.fail(w, err)
		return
	}
	if err := s.db.EndProviderSessions(r.Context(), subject, session); err != nil {
		s.fail(w, err)
	}
}

// Link lets a person in from this machine alone, while there is no identity provider: at the
// first start once, and in the demo, whose people are made up, as often as it is opened. What
// the person decides is a claim of who reads the terminal.
type Link struct {
	person identity.PersonID
	code   string
	again  bool
	mu     sync.Mutex
	until  time.Time // zero when it was used
}

const localLasts = 15 * time.Minute

// NewLink returns a link that lets a person in once, within 15 minutes.
func NewLink(person identity.PersonID, now time.Time) *Link {
	return &Link{person: person, code: rand.Text(), until: now.Add(localLasts)}
}

// NewDemoLink returns a link that lets a made-up person in as long as behov runs.
func NewDemoLink(person identity.PersonID) *Link {
	return &Link{person: person, code: rand.Text(), again: true}
}

// Address returns what to open; origin is where browsers reach behov.
func (l *Link) Address(origin string) string {
	return origin + localPath + "?code=" + url.QueryEscape(l.code)
}

// Admit has links let people in, when people cannot sign in otherwise.
func (s *SignIn) Admit(links ...*Link) {
	if s.provider == nil {
		s.links = links
	}
}

func (s *SignIn) localLink(w http.ResponseWriter, r *http.Request) {
	for _, l := range s.links {
		if fromHere(r) && l.use(r.URL.Query().Get("code"), s.now()) {
			s.enter(w, r, begun{Subject: rights.Subject{Person: l.person, How: rights.Claimed}, at: s.now()}, "/")
			return
		}
	}
	s.refuse(w, r, http.StatusForbidden, reason.SignInLinkUsed{}, nil)
}

func (l *Link) use(code string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := subtle.ConstantTimeCompare([]byte(code), []byte(l.code)) == 1 && (l.again || now.Before(l.until))
	if ok {
		l.until = time.Time{}
	}
	return ok
}

// fromHere reports whether a request comes from this machine, and not through a proxy on
// it.
func fromHere(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback() && r.Header.Get("Forwarded") == "" && r.Header.Get("X-Forwarded-For") == ""
}

// Language returns the language that a client prefers.
func Language(r *http.Request) wording.Language {
	if c, err := r.Cookie(languageCookie); err == nil && slices.Contains(wording.Languages, wording.Language(c.Value)) {
		return wording.Language(c.Value)
	}
	tags := make([]language.Tag, len(wording.Languages))
	for i, l := range wording.Languages {
		tags[i] = language.Make(string(l))
	}
	wanted, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return wording.English
	}
	_, i, confidence := language.NewMatcher(tags).Match(wanted...)
	if confidence == language.No {
		return wording.English
	}
	return wording.Languages[i]
}

// languageCookie keeps the language that a person chose in place of their browser's.
const languageCookie = "behov-language"

// SetLanguage keeps a language in this browser, when it is one in which behov speaks.
func SetLanguage(w http.ResponseWriter, r *http.Request, l wording.Language) {
	if slices.Contains(wording.Languages, l) {
		http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: string(l), Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, Secure: server.IsSecure(r.Context()), SameSite: http.SameSiteLaxMode}) //nolint:gosec // a language is no secret: it is sent over plain HTTP where behov is
	}
}

// refuse says in the person's language why they are not let in; the log has the cause.
func (s *SignIn) refuse(w http.ResponseWriter, r *http.Request, status int, why reason.Kind, cause error) {
	if status == http.StatusForbidden || status == http.StatusBadRequest {
		if s.Failed(w, r) {
			return
		}
	}
	s.log.Warn("a sign-in was refused", "reason", reason.CodeOf(why), "cause", cause)
	printer, err := wording.New(wording.Reader{Language: Language(r)})
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, printer.Reason(reason.Of(why)))
}

func (s *SignIn) fail(w http.ResponseWriter, err error) {
	s.log.Error("signing in failed", "error", err)
	http.Error(w, "Internal server error.", http.StatusInternalServerError)
}

// Package signin knows who is at the other end of a request: a person who signed in at
// the organisation's identity provider by OpenID Connect, or who shows a token. It begins,
// renews, lists and ends sessions.
//
// It must never decide what the person may do, which is package rights; never take an
// address or a name for who somebody is; and never keep what lets a person in where it can
// be read.
package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/store"
)

// Database is what signing in reads and keeps. *store.DB implements it.
type Database interface {
	access.SubjectReader
	sessionDatabase
	deviceDatabase
	sealer
	PersonByKey(ctx context.Context, key identity.SourceKey) (identity.Person, bool, error)
	AccountsByNativeID(ctx context.Context, target string, native []string) (map[identity.PersonID]string, error)
	CheckToken(ctx context.Context, token string, now time.Time) (store.Token, store.TokenRefusal, error)
}

// SignIn lets people in.
type SignIn struct {
	db       Database
	config   *config.Config
	now      func() time.Time
	log      *slog.Logger
	sessions *scs.SessionManager
	provider *provider // nil when people cannot sign in
	links    []*Link   // of the demo and the first start
	// failures bounds failed sign-ins by client address; nil does not.
	failures *server.Limiter
	// begun bounds sign-ins that machines begin, by client address.
	begun *server.Limiter
	// tokens makes the tokens of machines; nil when none can sign in.
	tokens TokenMaker
}

// New returns the door of an installation. It asks the identity provider nothing yet. failures
// bounds how often a client address may fail; nil does not.
func New(db Database, c *config.Config, now func() time.Time, log *slog.Logger, failures *server.Limiter) (*SignIn, error) {
	s := &SignIn{db: db, config: c, now: now, log: log, sessions: newSessions(db, c.SignIn, now), failures: failures, begun: server.NewLimiter("device-sign-ins", server.PerMinute(devicesPerMinute))}
	if !c.SignIn.Configured() {
		return s, nil
	}
	secret, err := config.Resolve(c.Dir, c.SignIn.Secret)
	if err != nil {
		return nil, fmt.Errorf("sign_in.secret: %w", err)
	}
	s.provider = &provider{config: c.SignIn, secret: secret, now: now}
	return s, nil
}

// Paths are those at which Handler answers.
const (
	// Path is where a sign-in begins. With ?return=/PATH the person comes back there; with
	// ?fresh or ?stronger they are asked to sign in again, or with more than one factor.
	Path         = "/sign-in"
	callbackPath = Path + "/callback"
	// BackChannelPath is where the identity provider says that a session has ended.
	BackChannelPath = Path + "/logged-out"
	localPath       = Path + "/local"
	// OutPath is where a person signs out, by POST.
	OutPath = "/sign-out"
)

// Handler answers browsers and the identity provider.
func (s *SignIn) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, s.begin)
	mux.HandleFunc("GET "+callbackPath, s.callback)
	mux.HandleFunc("POST "+BackChannelPath, s.backChannel)
	mux.HandleFunc("GET "+localPath, s.localLink)
	mux.HandleFunc("POST "+OutPath, s.signOut)
	s.devices(mux)
	return server.Routes(mux)
}

// Failed counts that a client showed what lets nobody in, and reports whether it did so too
// often: it is answered then. Who shows what lets them in is not delayed by it.
func (s *SignIn) Failed(w http.ResponseWriter, r *http.Request) bool {
	if s.failures == nil {
		return false
	}
	ok, after := s.failures.Allow(addressOf(r))
	if !ok {
		s.failures.Refuse(w, after)
	}
	return !ok
}

// addressOf returns the address of the client, as a key.
func addressOf(r *http.Request) string {
	if a := server.ClientAddress(r.Context()); a.IsValid() {
		return a.String()
	}
	return r.RemoteAddr
}

// Caller is the person or the service account that makes a request.
type Caller struct {
	Subject rights.Subject
	// Known is what rights know of the subject now.
	Known rights.Known
	// Session is the ID of the session; empty for a token.
	Session string
	// Token is the one that is shown; zero for a session.
	Token store.Token
	// SignedIn is when the person showed who they are, and Factors is store.ManyFactors when
	// they did so with more than one.
	SignedIn time.Time
	Factors  string
	// Expires is when it ends at the latest.
	Expires time.Time
}

// ErrNotSignedIn is returned for a request with which no one is known who works here: no
// session and no token, or one that has ended, or whose person has.
var ErrNotSignedIn = errors.New("not signed in")

// Caller returns who makes a request, or ErrNotSignedIn. A person who does not work here any
// more, or is suspended, loses every session. A service account is refused while it is not in
// the configuration, or no person who is responsible for it works here.
func (s *SignIn) Caller(r *http.Request) (Caller, error) {
	c, err := s.caller(r)
	if err != nil {
		return Caller{}, err
	}
	known, err := access.KnownSubject(r.Context(), s.db, s.config, identity.DateOf(s.now(), s.config.Zone), c.Subject)
	if errors.Is(err, store.ErrNoPerson) { // erased
		return Caller{}, ErrNotSignedIn
	}
	if err != nil {
		return Caller{}, err
	}
	if !known.Works || known.Suspended {
		if c.Subject.Person != "" {
			err = s.db.EndSessionsOf(r.Context(), c.Subject.Person)
		}
		return Caller{}, cmp.Or(err, ErrNotSignedIn)
	}
	c.Known = known
	return c, nil
}

func (s *SignIn) caller(r *http.Request) (Caller, error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return s.session(r)
	}
	scheme, token, ok := strings.Cut(header[0], " ")
	if len(header) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") {
		return Caller{}, ErrNotSignedIn
	}
	t, refusal, err := s.db.CheckToken(r.Context(), token, s.now())
	if err != nil {
		return Caller{}, err
	}
	if refusal != "" || t.Owner == "" && t.Service == "" {
		return Caller{}, ErrNotSignedIn
	}
	if t.Service != "" {
		return Caller{Subject: rights.Subject{Service: t.Service, How: rights.ByToken}, Token: t, SignedIn: t.Created(), Expires: t.Expires()}, nil
	}
	how := rights.How(t.How)
	if how == "" {
		how = rights.ByToken
	}
	subject := rights.Subject{Person: t.Owner, How: how, Groups: t.Groups, Assurance: assuranceOf(t.Factors, t.SignedIn(), s.now(), s.config.SignIn.Fresh)}
	return Caller{Subject: subject, Token: t, SignedIn: t.SignedIn(), Factors: t.Factors, Expires: t.Expires()}, nil
}

// assuranceOf is how surely it is the person who signed in with so many factors at an
// instant.
func assuranceOf(factors string, at, now time.Time, fresh time.Duration) rights.Assurance {
	switch {
	case factors != store.ManyFactors:
		return rights.SingleFactor
	case now.Sub(at) < fresh:
		return rights.Fresh
	}
	return rights.MultiFactor
}

// personOf returns the person whom a claim names.
func (s *SignIn) personOf(ctx context.Context, value string) (identity.PersonID, error) {
	by := s.config.SignIn.Person
	if by.Target == "" {
		p, known, err := s.db.PersonByKey(ctx, identity.SourceKey{Source: by.Source, Key: value})
		if err != nil || !known {
			return "", err
		}
		return p.ID, nil
	}
	owners, err := s.db.AccountsByNativeID(ctx, by.Target, []string{value})
	if err != nil || len(owners) != 1 { // two people's account is nobody's proof
		return "", err
	}
	for person := range owners {
		return person, nil
	}
	return "", nil
}

// returnPath returns where a person goes after a sign-in: a path of behov's own, and "/" for
// anything that a browser could take for another address.
func returnPath(wanted string) string {
	if !strings.HasPrefix(wanted, "/") || strings.HasPrefix(wanted, "//") || strings.ContainsFunc(wanted, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "/"
	}
	return wanted
}

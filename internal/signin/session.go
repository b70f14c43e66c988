package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/google/uuid"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// What a session keeps.
const (
	keyPerson   = "person"
	keySession  = "session" // its ID
	keyHow      = "how"
	keyGroups   = "groups"
	keyFactors  = "factors"  // store.ManyFactors, or empty
	keySignedIn = "signed"   // when, in Unix seconds
	keyUsed     = "used"     // when, in Unix seconds
	keySubject  = "subject"  // hash of what the identity provider calls the person
	keyProvider = "provider" // hash of what it calls the session
)

// sessionDatabase keeps sessions.
type sessionDatabase interface {
	Session(ctx context.Context, hash []byte, now time.Time) (store.Session, bool, error)
	PutSession(ctx context.Context, s store.Session, now time.Time) error
	EndSession(ctx context.Context, hash []byte) error
	EndSessionsOf(ctx context.Context, person identity.PersonID) error
	EndProviderSessions(ctx context.Context, subject, provider []byte) error
	HashProvider(kind, name string) ([]byte, error)
}

// usedEvery is how often the use of a session is noted: more often would make each look a
// write.
const usedEvery = time.Minute

func newSessions(db sessionDatabase, c config.SignIn, now func() time.Time) *scs.SessionManager {
	m := scs.New()
	m.Store, m.Codec = &sessionStore{db, now}, sessionCodec{}
	m.Lifetime, m.IdleTimeout = c.Lasts, c.Idle
	if !c.Configured() { // a session of the first start
		m.Lifetime, m.IdleTimeout = time.Hour, 0
	}
	m.Cookie.Name, m.Cookie.HttpOnly, m.Cookie.SameSite, m.Cookie.Path = "behov", true, http.SameSiteLaxMode, "/"
	if c.Configured() && c.URL.Scheme == "https" {
		// No other host of the domain can set it, and no plain connection shows it.
		m.Cookie.Name, m.Cookie.Secure = "__Host-behov", true
	}
	return m
}

// session returns who has the session that a browser shows.
func (s *SignIn) session(r *http.Request) (Caller, error) {
	cookie, err := r.Cookie(s.sessions.Cookie.Name)
	if err != nil {
		return Caller{}, ErrNotSignedIn
	}
	ctx, err := s.sessions.Load(r.Context(), cookie.Value)
	if err != nil {
		return Caller{}, fmt.Errorf("session: %w", err)
	}
	get := func(key string) string { return s.sessions.GetString(ctx, key) }
	if get(keyPerson) == "" {
		return Caller{}, ErrNotSignedIn
	}
	now := s.now()
	if now.Sub(unix(get(keyUsed))) >= usedEvery {
		s.sessions.Put(ctx, keyUsed, seconds(now))
		if _, _, err := s.sessions.Commit(ctx); err != nil {
			return Caller{}, fmt.Errorf("session: %w", err)
		}
	}
	subject := rights.Subject{Person: identity.PersonID(get(keyPerson)), How: rights.How(get(keyHow)), Groups: get(keyGroups),
		Assurance: assuranceOf(get(keyFactors), unix(get(keySignedIn)), now, s.config.SignIn.Fresh)}
	return Caller{Subject: subject, Session: get(keySession)}, nil
}

// begun is a person who signed in.
type begun struct {
	rights.Subject
	at                time.Time
	factors           string
	subject, provider string // as the identity provider calls the person and the session
}

// start begins a session in place of the one that the browser may have, under a name that
// it did not know before.
func (s *SignIn) start(w http.ResponseWriter, r *http.Request, b begun) error {
	subject, err := s.db.HashProvider("subject", b.subject)
	if err != nil {
		return err
	}
	provider, err := s.db.HashProvider("session", b.provider)
	if err != nil {
		return err
	}
	if cookie, err := r.Cookie(s.sessions.Cookie.Name); err == nil {
		if err := s.db.EndSession(r.Context(), store.HashSession(cookie.Value)); err != nil {
			return err
		}
	}
	ctx, err := s.sessions.Load(r.Context(), "")
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	for key, value := range map[string]string{keyPerson: string(b.Person), keySession: uuid.Must(uuid.NewV7()).String(), keyHow: string(b.How), keyGroups: b.Groups,
		keyFactors: b.factors, keySignedIn: seconds(b.at), keyUsed: seconds(s.now()), keySubject: string(subject), keyProvider: string(provider)} {
		s.sessions.Put(ctx, key, value)
	}
	token, expires, err := s.sessions.Commit(ctx)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	s.writeCookie(ctx, w, token, expires)
	return nil
}

// writeCookie sets the cookie of a session, in an answer that nothing keeps: scs would have
// it kept without its cookie.
func (s *SignIn) writeCookie(ctx context.Context, w http.ResponseWriter, token string, expires time.Time) {
	s.sessions.WriteSessionCookie(ctx, w, token, expires)
	w.Header().Set("Cache-Control", "no-store")
}

// end ends the session that the browser shows.
func (s *SignIn) end(w http.ResponseWriter, r *http.Request) error {
	s.writeCookie(r.Context(), w, "", time.Time{})
	cookie, err := r.Cookie(s.sessions.Cookie.Name)
	if err != nil {
		return nil //nolint:nilerr // there is none
	}
	return s.db.EndSession(r.Context(), store.HashSession(cookie.Value))
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func unix(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// sessionCodec writes what a session keeps as JSON.
type sessionCodec struct{}

type sessionData struct {
	Deadline time.Time         `json:"deadline"`
	Values   map[string][]byte `json:"values"`
}

// Encode implements scs.Codec.
func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{deadline, map[string][]byte{}}
	for key, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s is no text", key)
		}
		d.Values[key] = []byte(text)
	}
	return json.Marshal(d)
}

// Decode implements scs.Codec.
func (sessionCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, err
	}
	values := map[string]any{}
	for key, v := range d.Values {
		values[key] = string(v)
	}
	return d.Deadline, values, nil
}

// sessionStore keeps sessions in the database. It implements scs.CtxStore.
type sessionStore struct {
	db  sessionDatabase
	now func() time.Time
}

// FindCtx implements scs.CtxStore.
func (s *sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	row, found, err := s.db.Session(ctx, store.HashSession(token), s.now())
	return []byte(row.Data), found, err
}

// CommitCtx implements scs.CtxStore.
func (s *sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	hash := func(key string) []byte {
		if len(d.Values[key]) == 0 {
			return nil
		}
		return d.Values[key]
	}
	return s.db.PutSession(ctx, store.Session{Hash: store.HashSession(token), ID: string(d.Values[keySession]), Person: identity.PersonID(d.Values[keyPerson]),
		SubjectHash: hash(keySubject), ProviderHash: hash(keyProvider), Data: string(b),
		BeganUS: store.Micros(unix(string(d.Values[keySignedIn])).UnixMicro()), UsedUS: store.Micros(s.now().UnixMicro()), ExpiresUS: store.Micros(expiry.UnixMicro())}, s.now())
}

// DeleteCtx implements scs.CtxStore.
func (s *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.db.EndSession(ctx, store.HashSession(token))
}

// Find implements scs.Store.
func (s *sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit implements scs.Store.
func (s *sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete implements scs.Store.
func (s *sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

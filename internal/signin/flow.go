package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/behov/behov/internal/reason"
)

// sealer seals what a browser keeps while its person is at the identity provider.
type sealer interface {
	Seal(purpose string, value []byte) ([]byte, error)
	Unseal(purpose string, sealed []byte) ([]byte, error)
}

// flow is a sign-in that has begun. The browser keeps it, sealed, so that nothing is kept
// for a client that is not known, and only the browser that began it can end it.
type flow struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE, RFC 7636
	Return   string    `json:"return"`
	Fresh    bool      `json:"fresh,omitempty"`
	Stronger bool      `json:"stronger,omitempty"`
	Began    time.Time `json:"began"`
}

const (
	flowPurpose = "sign-in.flow"
	flowLasts   = 10 * time.Minute
	// stateMark is how much of the state is in the cookie's name, so that several tabs can
	// sign in at once.
	stateMark = 8
)

func (s *SignIn) flowCookie(state string) string {
	return s.sessions.Cookie.Name + "-sign-in-" + state[:min(stateMark, len(state))]
}

func (s *SignIn) setFlow(w http.ResponseWriter, name, value string, lasts time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: s.sessions.Cookie.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(lasts.Seconds())} //nolint:gosec // Secure but on loopback
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// begin sends a person to the identity provider.
func (s *SignIn) begin(w http.ResponseWriter, r *http.Request) {
	if s.provider == nil {
		s.refuse(w, r, http.StatusNotFound, reason.SignInNotConfigured{}, nil)
		return
	}
	m, err := s.provider.discover()
	if err != nil {
		s.refuse(w, r, http.StatusBadGateway, reason.SignInProviderDown{}, err)
		return
	}
	q := r.URL.Query()
	f := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Return: returnPath(q.Get("return")), Fresh: q.Has("fresh"), Stronger: q.Has("stronger"), Began: s.now()}
	text, err := json.Marshal(f)
	if err == nil {
		text, err = s.db.Seal(flowPurpose, text)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	s.setFlow(w, s.flowCookie(f.State), base64.RawURLEncoding.EncodeToString(text), flowLasts)
	http.Redirect(w, r, s.provider.authorize(m, f), http.StatusSeeOther)
}

// flowOf returns the sign-in that a response of the identity provider is to.
func (s *SignIn) flowOf(r *http.Request) (f flow, ok bool) {
	state := r.URL.Query().Get("state")
	cookie, err := r.Cookie(s.flowCookie(state))
	if err != nil {
		return f, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return f, false
	}
	text, err := s.db.Unseal(flowPurpose, sealed)
	if err != nil || json.Unmarshal(text, &f) != nil {
		return f, false
	}
	return f, subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) == 1 && s.now().Sub(f.Began) < flowLasts
}

// callback takes the identity provider's response.
func (s *SignIn) callback(w http.ResponseWriter, r *http.Request) {
	if s.provider == nil {
		s.refuse(w, r, http.StatusNotFound, reason.SignInNotConfigured{}, nil)
		return
	}
	q := r.URL.Query()
	f, ok := s.flowOf(r)
	if !ok || q.Has("state") && len(q["state"]) != 1 {
		s.refuse(w, r, http.StatusBadRequest, reason.SignInUnknown{}, nil)
		return
	}
	s.setFlow(w, s.flowCookie(f.State), "", 0)
	m, err := s.provider.discover()
	if err != nil {
		s.refuse(w, r, http.StatusBadGateway, reason.SignInProviderDown{}, err)
		return
	}
	// Another provider's response must not be taken for this one's (RFC 9207).
	if issuer := q.Get("iss"); issuer != "" && issuer != s.config.SignIn.Issuer || issuer == "" && m.Issues {
		s.refuse(w, r, http.StatusBadRequest, reason.SignInUnknown{}, errors.New("the response is of another issuer"))
		return
	}
	if code := q.Get("error"); code != "" {
		s.refuse(w, r, http.StatusForbidden, reason.SignInDeclined{}, errors.New("the identity provider answers "+safeCode(code)))
		return
	}
	c, err := s.provider.redeem(r.Context(), m, q.Get("code"), f)
	if err != nil {
		s.refuse(w, r, http.StatusForbidden, reason.SignInNotProved{}, err)
		return
	}
	b := begun{Subject: c.subjectOf(), at: c.at, factors: c.factors, subject: c.subject, provider: c.session}
	if c.person != "" {
		if b.Person, err = s.personOf(r.Context(), c.person); err != nil {
			s.fail(w, err)
			return
		}
	}
	s.enter(w, r, b, f.Return)
}

// safeCode returns an error code of OAuth as the log may have it.
func safeCode(code string) string {
	for _, c := range code {
		if (c < 'a' || c > 'z') && c != '_' {
			return "another error"
		}
	}
	return code[:min(len(code), 64)]
}

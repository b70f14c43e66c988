package signin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Paths of signing in on a machine without a browser, in the manner of RFC 8628: behov
// itself is the authorization server, and the person confirms in any browser.
const (
	// DevicePath begins one, by POST, and is where a person confirms it, in a browser.
	DevicePath = Path + "/device"
	// DeviceTokenPath is where the machine asks for its token.
	DeviceTokenPath = DevicePath + "/token"
)

const (
	deviceLasts      = 10 * time.Minute
	deviceTokenLasts = 10 * time.Hour
	// deviceSeconds is how often a machine may ask, and deviceSlower how much less often
	// after it asked too often.
	deviceSeconds = 5
	deviceSlower  = 5
	// devicesPerMinute is how many sign-ins one client address may begin.
	devicesPerMinute = 20
	// mostMachine is how long the name of a machine may be.
	mostMachine = 64
	// userLetters are consonants that are not taken for one another or for digits, and make
	// no words (RFC 8628 section 6.1). Eight of them are one of 25 thousand million, in ten
	// minutes, and a person who is signed in has to guess.
	userLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userLength  = 8
)

// deviceDatabase keeps sign-ins that machines began.
type deviceDatabase interface {
	HashUserCode(code string) ([]byte, error)
	PutDeviceSignIn(ctx context.Context, d store.DeviceSignIn, now time.Time) error
	DeviceSignIn(ctx context.Context, hash []byte) (store.DeviceSignIn, bool, error)
	DeviceSignInByUserCode(ctx context.Context, hash []byte, now time.Time) (store.DeviceSignIn, bool, error)
	DecideDeviceSignIn(ctx context.Context, d store.DeviceSignIn, now time.Time) (bool, error)
	AskDeviceSignIn(ctx context.Context, hash []byte, seconds int64, now time.Time) error
	DropDeviceSignIn(ctx context.Context, hash []byte) error
}

// DeviceToken is what the token of a machine is to be.
type DeviceToken struct {
	// Subject is the person, as surely known as in the browser.
	Subject rights.Subject
	// SignedIn is when the person signed in in the browser: the token is no fresher.
	SignedIn time.Time
	Machine  string // as it calls itself
	Expires  time.Time
}

// TokenMaker makes a token, in whose transaction the context's store.WithBeside is written.
// governance decides; this package does not.
type TokenMaker func(ctx context.Context, t DeviceToken) (string, error)

// GiveTokens lets machines sign in, with tokens that make makes. It must be called before
// Handler.
func (s *SignIn) GiveTokens(make TokenMaker) { s.tokens = make }

// devices adds the routes of signing in on a machine without a browser.
func (s *SignIn) devices(mux *http.ServeMux) {
	if s.tokens == nil {
		return
	}
	mux.HandleFunc("POST "+DevicePath, s.beginDevice)
	mux.HandleFunc("POST "+DeviceTokenPath, s.deviceToken)
	mux.HandleFunc("GET "+DevicePath, s.devicePage)
	mux.Handle("POST "+devicePagePath, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.decideDevice)))
}

// DeviceBegun is the answer to a sign-in that was begun (RFC 8628 section 3.2).
type DeviceBegun struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	Address    string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Lasts      int    `json:"expires_in"` // seconds
	Interval   int    `json:"interval"`   // seconds
}

// DeviceAnswer is the answer to a machine that asks for its token: the token, once, or an
// error code (RFC 8628 section 3.5).
type DeviceAnswer struct {
	Token string `json:"access_token,omitempty"`
	Type  string `json:"token_type,omitempty"`
	Lasts int    `json:"expires_in,omitempty"` // seconds
	Error string `json:"error,omitempty"`
}

// The error codes.
const (
	DevicePending = "authorization_pending"
	DeviceSlow    = "slow_down"
	DeviceExpired = "expired_token"
	DeviceDenied  = "access_denied"
	deviceInvalid = "invalid_grant"
)

// beginDevice begins a sign-in for a machine, which is not known and has to wait.
func (s *SignIn) beginDevice(w http.ResponseWriter, r *http.Request) {
	if ok, after := s.begun.Allow(addressOf(r)); !ok {
		s.begun.Refuse(w, after)
		return
	}
	user, err := newUserCode()
	if err != nil {
		s.fail(w, err)
		return
	}
	hash, err := s.db.HashUserCode(user)
	if err != nil {
		s.fail(w, err)
		return
	}
	machine := []rune(identity.CleanText(r.PostFormValue("machine")))
	code := rand.Text() + rand.Text()
	now := s.now()
	if err := s.db.PutDeviceSignIn(r.Context(), store.DeviceSignIn{CodeHash: store.HashDevice(code), UserHash: hash, Machine: string(machine[:min(len(machine), mostMachine)]), State: store.DevicePending,
		Seconds: deviceSeconds, ExpiresUS: store.Micros(now.Add(deviceLasts).UnixMicro())}, now); err != nil {
		s.fail(w, err)
		return
	}
	shown := user[:userLength/2] + "-" + user[userLength/2:]
	address := s.origin(r) + DevicePath
	writeJSON(w, http.StatusOK, DeviceBegun{code, shown, address, address + "?code=" + url.QueryEscape(shown), int(deviceLasts.Seconds()), deviceSeconds})
}

// deviceToken answers a machine that waits for its token.
func (s *SignIn) deviceToken(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("device_code")
	hash := store.HashDevice(code)
	d, known, err := s.db.DeviceSignIn(r.Context(), hash)
	now := s.now()
	refuse := func(code string) { writeJSON(w, http.StatusBadRequest, DeviceAnswer{Error: code}) }
	switch {
	case err != nil:
		s.fail(w, err)
	case !known:
		if !s.Failed(w, r) {
			refuse(deviceInvalid)
		}
	case !now.Before(d.ExpiresUS.Time()):
		refuse(DeviceExpired)
	case d.State == store.DeviceDenied:
		if err := s.db.DropDeviceSignIn(r.Context(), hash); err != nil {
			s.fail(w, err)
			return
		}
		refuse(DeviceDenied)
	case d.AskedUS != 0 && now.Sub(d.AskedUS.Time()) < time.Duration(d.Seconds)*time.Second-deviceSlack:
		if err := s.db.AskDeviceSignIn(r.Context(), hash, d.Seconds+deviceSlower, now); err != nil {
			s.fail(w, err)
			return
		}
		refuse(DeviceSlow)
	case d.State == store.DevicePending:
		if err := s.db.AskDeviceSignIn(r.Context(), hash, d.Seconds, now); err != nil {
			s.fail(w, err)
			return
		}
		refuse(DevicePending)
	default:
		s.giveDeviceToken(w, r, d)
	}
}

// deviceSlack is by how much a machine's clock may run faster than this one.
const deviceSlack = 500 * time.Millisecond

// giveDeviceToken answers with the token of a sign-in that is confirmed, once, also when
// several replicas are asked at the same time.
func (s *SignIn) giveDeviceToken(w http.ResponseWriter, r *http.Request, d store.DeviceSignIn) {
	now := s.now()
	subject := rights.Subject{Person: d.Person, How: rights.How(d.How), Groups: d.Groups, Assurance: assuranceOf(d.Factors, d.SignedUS.Time(), now, s.config.SignIn.Fresh)}
	ctx := store.WithBeside(r.Context(), func(tx *store.Tx) error { return tx.TakeDeviceSignIn(r.Context(), d.CodeHash) })
	token, err := s.tokens(ctx, DeviceToken{Subject: subject, SignedIn: d.SignedUS.Time(), Machine: d.Machine, Expires: now.Add(deviceTokenLasts)})
	switch {
	case errors.Is(err, store.ErrDeviceTaken):
		writeJSON(w, http.StatusBadRequest, DeviceAnswer{Error: deviceInvalid})
	case err != nil:
		s.fail(w, err)
	default:
		s.log.Info("signed in on a machine", "person", d.Person, "how", d.How, "factors", d.Factors)
		writeJSON(w, http.StatusOK, DeviceAnswer{Token: token, Type: "Bearer", Lasts: int(deviceTokenLasts.Seconds())})
	}
}

// newUserCode returns a short code of letters, each as likely.
func newUserCode() (string, error) {
	var b strings.Builder
	for range userLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userLetters))))
		if err != nil {
			return "", err
		}
		b.WriteByte(userLetters[n.Int64()])
	}
	return b.String(), nil
}

// userCode returns a short code as it is kept, of what a person entered; empty for what
// cannot be one.
func userCode(entered string) string {
	code := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(entered))
	if len(code) != userLength || strings.Trim(code, userLetters) != "" {
		return ""
	}
	return code
}

// origin is where browsers reach behov.
func (s *SignIn) origin(r *http.Request) string {
	if s.config.SignIn.Configured() {
		return strings.TrimSuffix(s.config.SignIn.URL.String(), "/")
	}
	return "http://" + r.Host // without sign_in it is on a loopback address
}

// writeJSON answers a machine. The answer is kept nowhere.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

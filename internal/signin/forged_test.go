package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/testenv/office"
)

// forger is an identity provider that gives out whatever tokens a test wants.
type forger struct {
	*httptest.Server
	key   *rsa.PrivateKey
	nonce string
	token func(f *forger) string
}

func newForger(t *testing.T) *forger {
	t.Helper()
	f := &forger{}
	var err error
	if f.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		f.nonce = q.Get("nonce")
		if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("state") == "" || f.nonce == "" {
			http.Error(w, "no PKCE, state or nonce", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, q.Get("redirect_uri")+"?code=c&state="+url.QueryEscape(q.Get("state")), http.StatusSeeOther)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": f.token(f)})
	})
	return f
}

// claims are those of a good token, changed.
func (f *forger) claims(change map[string]any) []byte {
	now := time.Now().Unix()
	c := map[string]any{"iss": f.URL, "aud": "behov", "sub": "staff", "nonce": f.nonce, "iat": now, "exp": now + 300, "auth_time": now, "amr": []string{"mfa"}}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

// sign signs with the key that the provider shows.
func (f *forger) sign(payload []byte) string {
	return signed(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: f.key, KeyID: "k"}}, payload)
}

func signed(key jose.SigningKey, payload []byte) string {
	s, err := jose.NewSigner(key, nil)
	if err != nil {
		panic(err)
	}
	o, err := s.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, err := o.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// TestForgedTokens: no token lets anyone in but one that the provider signed, for behov, for
// this sign-in, and now.
func TestForgedTokens(t *testing.T) {
	f := newForger(t)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer server.Close()
	o := office.New(t, map[string]string{"behov.yaml": fmt.Sprintf("sign_in: {issuer: '%s', client: behov, url: '%s', person: {claim: sub}}\n", f.URL, server.URL)})
	o.Time = time.Now()
	door, err := signin.New(o.DB, o.Config, o.Clock, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(signin.Path, door.Handler())
	mux.Handle(signin.Path+"/", door.Handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if c, err := door.Caller(r); err == nil {
			_, _ = io.WriteString(w, "in as "+string(c.Subject.Person))
		}
	})
	handler = mux
	try := func(query string) (status int, body string) {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+signin.Path+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Jar: jar}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	f.token = func(f *forger) string { return f.sign(f.claims(nil)) }
	if _, body := try(""); body != "in as "+string(o.Person("staff").ID) {
		t.Fatalf("a good token: %s", body)
	}
	now := time.Now().Unix()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change map[string]any) func(*forger) string {
		return func(f *forger) string { return f.sign(f.claims(change)) }
	}
	raw := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for what, token := range map[string]func(*forger) string{
		"another's key": func(f *forger) string {
			return signed(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: other, KeyID: "k"}}, f.claims(nil))
		},
		"another algorithm": func(f *forger) string {
			return signed(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: curve, KeyID: "k"}}, f.claims(nil))
		},
		"the public key as a secret": func(f *forger) string {
			return signed(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(f.key.N.String()), KeyID: "k"}}, f.claims(nil))
		},
		"no algorithm": func(f *forger) string {
			return raw(map[string]string{"alg": "none"}) + "." + base64.RawURLEncoding.EncodeToString(f.claims(nil)) + "."
		},
		"a key of its own": func(f *forger) string {
			s, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: other}, (&jose.SignerOptions{}).WithHeader("jwk", jose.JSONWebKey{Key: other.Public()}))
			o, _ := s.Sign(f.claims(nil))
			text, _ := o.CompactSerialize()
			return text
		},
		"changed after it was signed": func(f *forger) string {
			parts := strings.Split(f.sign(f.claims(nil)), ".")
			return parts[0] + "." + base64.RawURLEncoding.EncodeToString(f.claims(map[string]any{"sub": "administrator"})) + "." + parts[2]
		},
		"no signature": func(f *forger) string {
			parts := strings.Split(f.sign(f.claims(nil)), ".")
			return parts[0] + "." + parts[1] + "."
		},
		"no token":                   func(*forger) string { return "" },
		"another client":             changed(map[string]any{"aud": "other"}),
		"several clients":            changed(map[string]any{"aud": []string{"behov", "other"}}),
		"several, issued to another": changed(map[string]any{"aud": []string{"behov", "other"}, "azp": "other"}),
		"another issuer":             changed(map[string]any{"iss": "https://evil.example.org"}),
		"expired":                    changed(map[string]any{"exp": now - 120}),
		"of the future":              changed(map[string]any{"iat": now + 300, "exp": now + 900}),
		"another sign-in's":          changed(map[string]any{"nonce": "another"}),
		"without a nonce":            changed(map[string]any{"nonce": nil}),
		"without a person":           changed(map[string]any{"sub": ""}),
	} {
		f.token = token
		if status, body := try(""); strings.HasPrefix(body, "in as") || status < 400 || status >= 500 {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	// A clock that differs by less than a minute does no harm.
	f.token = changed(map[string]any{"exp": now - 30, "iat": now - 300})
	if _, body := try(""); !strings.HasPrefix(body, "in as") {
		t.Errorf("a clock of 30 seconds later: %s", body)
	}
	// What was asked again was not.
	for what, change := range map[string]map[string]any{"an old sign-in": {"auth_time": now - 3600}, "no time": {"auth_time": nil}} {
		f.token = changed(change)
		if status, body := try("?fresh"); status != http.StatusForbidden || strings.HasPrefix(body, "in as") {
			t.Errorf("%s as a fresh one: %d %s", what, status, body)
		}
	}
}

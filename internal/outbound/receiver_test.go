package outbound_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver is a receiver of Security Event Tokens, written from the examples of RFC 8417,
// RFC 8935, RFC 9493, SSF 1.0, CAEP 1.0 and RISC 1.0, without a library of JOSE.
type receiver struct {
	*httptest.Server
	t        testing.TB
	issuer   string
	audience string
	token    string
	keys     func() []byte // the document at jwks_uri

	mu     sync.Mutex
	answer func(n int, w http.ResponseWriter) (taken bool)
	n      int
	tokens []set
	at     []time.Time
	seen   map[string]bool // by jti
}

// set is what a receiver reads of a token.
type set struct {
	Issuer    string                    `json:"iss"`
	ID        string                    `json:"jti"`
	IssuedAt  int64                     `json:"iat"`
	Audience  json.RawMessage           `json:"aud"`
	Cause     string                    `json:"txn"`
	SubjectID map[string]string         `json:"sub_id"`
	Events    map[string]map[string]any `json:"events"`
}

// event returns the one event of a token, and the last part of its URI.
func (s set) event() (uri, name string, about map[string]any) {
	for uri, about := range s.Events {
		return uri, uri[strings.LastIndex(uri, "/")+1:], about
	}
	return "", "", nil
}

func newReceiver(t testing.TB, issuer, audience, token string, keys func() []byte) *receiver {
	t.Helper()
	r := &receiver{t: t, issuer: issuer, audience: audience, token: token, keys: keys, seen: map[string]bool{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP takes one token, and answers 202 or a code of RFC 8935 §2.4.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	body, err := io.ReadAll(q.Body)
	refuse := func(code string, err error) {
		r.t.Errorf("%s: %v", code, err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"err":%q,"description":"no"}`, code)
	}
	switch {
	case err != nil || q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/secevent+jwt" || q.Header.Get("Accept") != "application/json":
		refuse("invalid_request", fmt.Errorf("%s %v %w", q.Method, q.Header, err))
		return
	case q.Header.Get("Authorization") != "Bearer "+r.token:
		refuse("authentication_failed", errors.New("the token"))
		return
	}
	s, code, err := r.read(string(body))
	if err != nil {
		refuse(code, err)
		return
	}
	if r.answer != nil && !r.answer(r.n, w) {
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if !r.seen[s.ID] { // RFC 8935 §2: the same token may come again
		r.seen[s.ID] = true
		r.tokens, r.at = append(r.tokens, s), append(r.at, time.Now())
	}
}

func (r *receiver) got() []set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tokens)
}

// names returns the names of the events of the tokens, in the order in which they came.
func (r *receiver) names() (all []string) {
	for _, s := range r.got() {
		_, name, _ := s.event()
		all = append(all, name)
	}
	return all
}

// read verifies a token, and returns the code of RFC 8935 §2.4 when it does not.
func (r *receiver) read(token string) (s set, code string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return s, "invalid_request", errors.New("no compact JWS")
	}
	var decoded [3][]byte
	for i, p := range parts {
		if decoded[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return s, "invalid_request", err
		}
	}
	var header struct{ Typ, Alg, Kid string }
	if err := json.Unmarshal(decoded[0], &header); err != nil || header.Typ != "secevent+jwt" { // SSF 1.0 §4.1.1
		return s, "invalid_request", fmt.Errorf("the header %s: %w", decoded[0], err)
	}
	if err := verify(r.keys(), header.Alg, header.Kid, parts[0]+"."+parts[1], decoded[2]); err != nil {
		return s, "invalid_key", err
	}
	var all map[string]json.RawMessage
	err = json.Unmarshal(decoded[1], &all)
	if err == nil {
		err = json.Unmarshal(decoded[1], &s)
	}
	for _, never := range []string{"sub", "exp"} { // SSF 1.0 §4.1.2 and §4.1.7
		if _, is := all[never]; is {
			err = fmt.Errorf("it has %s", never)
		}
	}
	if err != nil || s.ID == "" || s.IssuedAt == 0 || len(s.Events) != 1 {
		return s, "invalid_request", fmt.Errorf("%s: %w", decoded[1], err)
	}
	if s.Issuer != r.issuer {
		return s, "invalid_issuer", errors.New(s.Issuer)
	}
	var one string
	var several []string
	if json.Unmarshal(s.Audience, &one) != nil && json.Unmarshal(s.Audience, &several) != nil || one != r.audience && !slices.Contains(several, r.audience) {
		return s, "invalid_audience", fmt.Errorf("%s", s.Audience)
	}
	return s, "invalid_request", s.check()
}

// check checks subject and event against their specifications.
func (s set) check() error {
	members := map[string][]string{"opaque": {"id"}, "email": {"email"}, "iss_sub": {"iss", "sub"}}[s.SubjectID["format"]] // RFC 9493 §3.2
	for _, m := range members {
		if s.SubjectID[m] == "" {
			return fmt.Errorf("the subject %v has no %s", s.SubjectID, m)
		}
	}
	if members == nil || len(s.SubjectID) != len(members)+1 {
		return fmt.Errorf("the subject %v", s.SubjectID)
	}
	uri, name, about := s.event()
	if name != "verification" && s.Cause == "" { // SSF 1.0 §4.1.9
		return errors.New("it has no txn")
	}
	switch uri {
	case "https://schemas.openid.net/secevent/caep/event-type/credential-change": // CAEP 1.0 §3.3
		if !slices.Contains([]any{"password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f", "verifiable-credential", "phone-voice", "phone-sms", "app"}, about["credential_type"]) ||
			!slices.Contains([]any{"create", "revoke", "update", "delete"}, about["change_type"]) {
			return fmt.Errorf("the event %v", about)
		}
		fallthrough
	case "https://schemas.openid.net/secevent/caep/event-type/session-revoked": // CAEP 1.0 §2 and §3.1
		reasons, ok := about["reason_admin"].(map[string]any)
		if !ok || reasons["en"] == "" || reasons["sv"] == "" || about["event_timestamp"] == nil || !slices.Contains([]any{"admin", "user", "policy", "system"}, about["initiating_entity"]) {
			return fmt.Errorf("the event %v", about)
		}
	case "https://schemas.openid.net/secevent/risc/event-type/account-disabled", "https://schemas.openid.net/secevent/risc/event-type/account-enabled": // RISC 1.0 §2
		if len(about) > 0 {
			return fmt.Errorf("the event %v", about)
		}
	case "https://schemas.openid.net/secevent/ssf/event-type/verification":
	default:
		return fmt.Errorf("the event %s is not known", uri)
	}
	return nil
}

// verify verifies a signature with a key of a JWK Set (RFC 7517, RFC 7518 §3.3 and §3.4).
func verify(keys []byte, alg, kid, input string, signature []byte) error {
	var all struct {
		Keys []struct{ Kty, Kid, Alg, Use, Crv, X, Y, N, E, D string }
	}
	if err := json.Unmarshal(keys, &all); err != nil {
		return err
	}
	number := func(text string) *big.Int {
		b, _ := base64.RawURLEncoding.DecodeString(text)
		return new(big.Int).SetBytes(b)
	}
	sum := sha256.Sum256([]byte(input))
	for _, k := range all.Keys {
		switch {
		case k.D != "":
			return errors.New("a private key is published")
		case k.Kid != kid || k.Alg != alg || k.Use != "sig":
		case alg == "ES256" && k.Kty == "EC" && k.Crv == "P-256" && len(signature) == 64:
			public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, number(k.X).FillBytes(make([]byte, 32)), number(k.Y).FillBytes(make([]byte, 32))))
			if err != nil {
				return err
			}
			if !ecdsa.Verify(public, sum[:], number(base64.RawURLEncoding.EncodeToString(signature[:32])), number(base64.RawURLEncoding.EncodeToString(signature[32:]))) {
				return errors.New("the signature is not the key's")
			}
			return nil
		case alg == "RS256" && k.Kty == "RSA":
			return rsa.VerifyPKCS1v15(&rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}, crypto.SHA256, sum[:], signature)
		}
	}
	return fmt.Errorf("no key %s for %s in %s", kid, alg, bytes.TrimSpace(keys))
}

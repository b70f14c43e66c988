package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/scim"
)

// issuer issues tokens (RFC 6749 §4.4). The service behind it accepts the newest
// only.
type issuer struct {
	mu     sync.Mutex
	issued int
	status int // of the next answers, when not 0
	body   string
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case i.status != 0:
		w.WriteHeader(i.status)
		_, _ = w.Write([]byte(i.body))
	case r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "scim" || r.FormValue("audience") != "hr":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error": "invalid_request"}`))
	case id != "behov" || secret != "the-client-secret":
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error": "invalid_client", "error_description": "the-client-secret is wrong"}`))
	default:
		i.issued++
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprintf("token %d", i.issued), "token_type": "Bearer", "expires_in": 3600})
	}
}

func (i *issuer) newest() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return fmt.Sprintf("Bearer token %d", i.issued)
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	i := &issuer{}
	s := httptest.NewServer(i)
	t.Cleanup(s.Close)
	f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if r.Header.Get("Authorization") != i.newest() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		real.ServeHTTP(w, r)
	})
	cfg := f.config()
	cfg.Token, cfg.OAuth = "", &scim.OAuth{TokenURL: s.URL + "/token", ClientID: "behov", ClientSecret: "the-client-secret", Scopes: []string{"scim"}, Audience: "hr"}
	c := open(t, cfg)
	create(t, c, "anna", "berit")
	if i.issued != 1 {
		t.Errorf("%d tokens were asked for", i.issued)
	}
	i.mu.Lock()
	i.issued++ // the token is revoked
	i.mu.Unlock()
	create(t, c, "cecilia")
	if i.issued != 3 {
		t.Errorf("then %d", i.issued)
	}
	for _, tt := range []struct {
		name   string
		change func()
		class  connectors.Class
		says   string
	}{
		{"the wrong secret", func() { cfg.OAuth.ClientSecret = "wrong" }, connectors.Permanent, "invalid_client"},
		{"busy", func() { i.status = http.StatusTooManyRequests }, connectors.RetryLater, "busy"},
		{"broken", func() { i.status = http.StatusBadGateway }, connectors.TargetDown, "failed (502)"},
		{"a web page", func() { i.status, i.body = http.StatusOK, "<html>behov-anna" }, connectors.TargetDown, "no usable answer"},
		{"nobody there", func() { cfg.OAuth.TokenURL = "http://127.0.0.1:1/token" }, connectors.TargetDown, "no usable answer"},
	} {
		tt.change()
		err := open(t, cfg).Check(t.Context())
		if connectors.ClassOf(err) != tt.class || !strings.Contains(fmt.Sprint(err), tt.says) || strings.Contains(fmt.Sprint(err), "secret is wrong") {
			t.Errorf("%s: %s %v", tt.name, connectors.ClassOf(err), err)
		}
		wantPrivate(t, fmt.Sprint(err))
		cfg.OAuth.ClientSecret = "the-client-secret"
	}
}

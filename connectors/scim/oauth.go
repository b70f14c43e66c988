package scim

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/transport"
)

// OAuth configures how to obtain tokens with client credentials (RFC 6749 §4.4).
type OAuth struct {
	// TokenURL is the token endpoint: https, unless plaintext is true.
	TokenURL string `yaml:"token_url"`
	// ClientID identifies behov at the token endpoint.
	ClientID string `yaml:"client_id"`
	// ClientSecret is the client's secret; behov.yaml holds a reference to it.
	ClientSecret string `yaml:"client_secret"`
	// Scopes are requested when there are any.
	Scopes []string `yaml:"scopes"`
	// Audience is sent as the parameter audience, for services that require it.
	Audience string `yaml:"audience"`
}

// tokenSource returns the token for a request: the configured one, or one from
// the token endpoint, which is used until it expires or is rejected.
type tokenSource struct {
	fixed  string
	source clientcredentials.Config
	client *http.Client

	mu    sync.Mutex
	token *oauth2.Token
}

func newTokens(cfg Config, client *http.Client) *tokenSource {
	t := &tokenSource{fixed: cfg.Token, client: client}
	if o := cfg.OAuth; o != nil {
		t.source = clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.TokenURL, Scopes: o.Scopes}
		if o.Audience != "" {
			t.source.EndpointParams = map[string][]string{"audience": {o.Audience}}
		}
	}
	return t
}

// renewable reports whether another token can be obtained.
func (t *tokenSource) renewable() bool { return t.source.TokenURL != "" }

// get returns a valid token.
func (t *tokenSource) get(ctx context.Context) (string, error) {
	if t.fixed != "" {
		return t.fixed, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token.Valid() {
		return t.token.AccessToken, nil
	}
	token, err := t.source.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return "", t.failure(ctx, err)
	}
	t.token = token
	return token.AccessToken, nil
}

// invalidate drops a token that the service rejects.
func (t *tokenSource) invalidate(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != nil && t.token.AccessToken == token {
		t.token = nil
	}
}

// failure classifies the error of the token endpoint. Of its text only the error
// code is kept (RFC 6749 §5.2).
func (t *tokenSource) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var no *oauth2.RetrieveError
	if !errors.As(err, &no) || no.Response == nil {
		return connectors.Errorf(connectors.TargetDown, "scim: get a token: no usable answer from %s", t.source.TokenURL)
	}
	status := no.Response.StatusCode
	switch {
	case status == http.StatusTooManyRequests:
		return &connectors.Error{Class: connectors.RetryLater, RetryAfter: transport.RetryAfter(no.Response.Header.Get("Retry-After"), time.Now()),
			Err: errors.New("scim: get a token: " + t.source.TokenURL + " is busy (429)")}
	case status >= http.StatusInternalServerError:
		return connectors.Errorf(connectors.TargetDown, "scim: get a token: %s failed (%d)", t.source.TokenURL, status)
	}
	code := ""
	if known := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}; no.ErrorCode != "" {
		for _, k := range known {
			if strings.EqualFold(k, no.ErrorCode) {
				code = ", " + k
			}
		}
	}
	return connectors.Errorf(connectors.Permanent, "scim: get a token: %w: %s refused (%d%s): check client_id, client_secret and scopes", errCredentials, t.source.TokenURL, status, code)
}

// errCredentials is wrapped by errors that every other request would get too.
var errCredentials = errors.New("no token")

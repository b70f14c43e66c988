package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// provider is the organisation's identity provider.
type provider struct {
	config config.SignIn
	secret string
	now    func() time.Time

	mu    sync.Mutex
	known *metadata
	asked time.Time // when it was last asked in vain
}

// metadata is what the provider says of itself.
type metadata struct {
	*oidc.Provider
	EndSession string   `json:"end_session_endpoint"`
	Issues     bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
	Supported  []string `json:"claims_supported"`
}

const (
	providerTimeout = 10 * time.Second
	// askAgain is after how long a provider that did not answer is asked again: each
	// request that tried it would wait.
	askAgain = 2 * time.Second
	// skew is by how much the provider's clock may differ from ours.
	skew = time.Minute
)

var providerClient = &http.Client{Timeout: providerTimeout}

// errProviderDown is returned while the provider does not answer.
var errProviderDown = errors.New("the identity provider does not answer")

// discover returns what the provider says of itself. Once it is known it is not asked
// again; its keys are, when one is shown that is not known.
func (p *provider) discover() (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	if time.Since(p.asked) < askAgain {
		return nil, errProviderDown
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.Background(), providerClient), providerTimeout)
	defer cancel()
	found, err := oidc.NewProvider(ctx, p.config.Issuer)
	if err != nil {
		p.asked = time.Now()
		return nil, fmt.Errorf("%w: %w", errProviderDown, err)
	}
	m := &metadata{Provider: found}
	if err := found.Claims(m); err != nil {
		return nil, fmt.Errorf("%w: its metadata: %w", errProviderDown, err)
	}
	p.known = m
	return m, nil
}

func (p *provider) oauth(m *metadata) *oauth2.Config {
	return &oauth2.Config{ClientID: p.config.Client, ClientSecret: p.secret, Endpoint: m.Endpoint(),
		RedirectURL: p.config.URL.JoinPath(callbackPath).String(), Scopes: append([]string{oidc.ScopeOpenID}, p.config.Scopes...)}
}

// verifier checks what the provider signed for behov. A token that expired within the skew
// is taken.
func (p *provider) verifier(m *metadata) *oidc.IDTokenVerifier {
	algorithms := slices.DeleteFunc(slices.Clone(m.Algorithms), func(a string) bool { return strings.HasPrefix(a, "HS") || a == "none" })
	return m.VerifierContext(oidc.ClientContext(context.Background(), providerClient), &oidc.Config{ClientID: p.config.Client, SupportedSigningAlgs: algorithms, Now: func() time.Time { return p.now().Add(-skew) }})
}

// claims are what the provider says of a person.
type claims struct {
	subject, session string
	person           string // the configured claim
	groups           []string
	at               time.Time // when the person showed who they are
	factors          string
}

// redeem exchanges the code of a response for what the provider says of the person.
func (p *provider) redeem(ctx context.Context, m *metadata, code string, f flow) (claims, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, providerClient), providerTimeout)
	defer cancel()
	token, err := p.oauth(m).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return claims{}, fmt.Errorf("exchange the code: %w", withoutBody(err))
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return claims{}, errors.New("the answer has no id_token")
	}
	id, err := p.verifier(m).Verify(ctx, raw)
	if err != nil {
		return claims{}, fmt.Errorf("the id_token: %w", err)
	}
	var all map[string]any
	if err := id.Claims(&all); err != nil {
		return claims{}, fmt.Errorf("the id_token: %w", err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1:
		return claims{}, errors.New("the id_token has another nonce: it is of another sign-in")
	case len(id.Audience) > 1 && text(all["azp"]) != p.config.Client:
		return claims{}, errors.New("the id_token is for several clients, and was not issued to this one")
	case id.IssuedAt.After(p.now().Add(skew)):
		return claims{}, errors.New("the id_token is of the future")
	}
	c := claims{subject: id.Subject, session: text(all["sid"]), person: text(all[p.config.Person.Claim]), groups: texts(all[p.config.Groups]), at: id.IssuedAt}
	if at, ok := all["auth_time"].(float64); ok {
		c.at = time.Unix(int64(at), 0)
	} else if f.Fresh {
		return claims{}, errors.New("the id_token has no auth_time, though max_age was asked for")
	}
	if f.Fresh && p.now().Sub(c.at) > p.config.Fresh {
		return claims{}, errors.New("the provider did not ask the person again, though max_age was asked for")
	}
	if slices.Contains(p.config.ACR, text(all["acr"])) || slices.ContainsFunc(texts(all["amr"]), func(m string) bool { return slices.Contains(p.config.AMR, m) }) {
		c.factors = store.ManyFactors
	}
	return c, nil
}

// withoutBody leaves the body of an answer, which may be about a person, out of an error.
func withoutBody(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fmt.Errorf("the identity provider answers %s (%s)", refused.Response.Status, refused.ErrorCode)
	}
	return err
}

// authorize returns the address at which a person signs in.
func (p *provider) authorize(m *metadata, f flow) string {
	options := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if (f.Fresh || f.Stronger) && p.config.StepUpACR != "" {
		options = append(options, oauth2.SetAuthURLParam("acr_values", p.config.StepUpACR))
	}
	if f.Fresh || f.Stronger { // who signed in with one factor has to sign in once more
		options = append(options, oauth2.SetAuthURLParam("max_age", "0"))
	}
	return p.oauth(m).AuthCodeURL(f.State, options...)
}

// signedOut returns where a person is signed out of the provider too; empty when it has no
// such place.
func (p *provider) signedOut(m *metadata) string {
	u, err := url.Parse(m.EndSession)
	if err != nil || m.EndSession == "" {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.config.Client)
	q.Set("post_logout_redirect_uri", p.config.URL.JoinPath("/").String())
	u.RawQuery = q.Encode()
	return u.String()
}

// text returns a claim that is a text or a number.
func text(claim any) string {
	switch v := claim.(type) {
	case string:
		return v
	case float64:
		if v == float64(int64(v)) {
			return fmt.Sprint(int64(v))
		}
	}
	return ""
}

// texts returns a claim that is a list of texts, or one.
func texts(claim any) []string {
	list, ok := claim.([]any)
	if !ok {
		list = []any{claim}
	}
	var all []string
	for _, v := range list {
		if t, ok := v.(string); ok && t != "" && !strings.Contains(t, "\n") {
			all = append(all, t)
		}
	}
	return all
}

// signedIn returns the subject that claims are about.
func (c claims) subjectOf() rights.Subject {
	return rights.Subject{How: rights.SignedIn, Groups: strings.Join(c.groups, "\n")}
}

// Check asks the identity provider what it says of itself, and returns what would keep
// people from signing in.
func Check(c *config.Config) error {
	p := &provider{config: c.SignIn, now: time.Now}
	m, err := p.discover()
	if err != nil {
		return err
	}
	if supported := m.Supported; len(supported) > 0 && !slices.Contains(supported, c.SignIn.Person.Claim) {
		return fmt.Errorf("%s does not list the claim %s among those that it gives: see that it sends it", c.SignIn.Issuer, c.SignIn.Person.Claim)
	}
	return nil
}

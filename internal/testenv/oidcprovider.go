package testenv

import (
	"bytes"
	"context"
	_ "embed" // the server's files
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

var (
	//go:embed oidcprovider/package.json
	oidcPackage []byte
	//go:embed oidcprovider/server.mjs
	oidcServer []byte
)

// OIDCProvider is an independent, certified OpenID Connect provider: oidc-provider, on
// Node.
type OIDCProvider struct {
	Issuer string
	t      testing.TB
}

// OIDCClient is a client that a provider knows.
type OIDCClient struct {
	ID                string   `json:"client_id"`
	Secret            string   `json:"client_secret"`
	RedirectURIs      []string `json:"redirect_uris"`
	SignedOutURIs     []string `json:"post_logout_redirect_uris,omitempty"`
	BackChannelLogout string   `json:"backchannel_logout_uri,omitempty"`
	SessionRequired   bool     `json:"backchannel_logout_session_required,omitempty"`
}

// OIDCLogin is who signs in next, and how.
type OIDCLogin struct {
	Subject string         `json:"sub"`
	ACR     string         `json:"acr,omitempty"`
	AMR     []string       `json:"amr,omitempty"`
	Claims  map[string]any `json:"claims,omitempty"`
	Deny    bool           `json:"deny,omitempty"`
}

// NewOIDCProvider starts a provider on a free loopback port that knows clients, and stops
// it when the test ends.
func NewOIDCProvider(t testing.TB, clients ...OIDCClient) *OIDCProvider {
	t.Helper()
	node := Need(t, "node", nodeInstall)
	npm := Need(t, "npm", nodeInstall)
	dir, err := npmInstalled(npm, "oidcprovider", map[string][]byte{"package.json": oidcPackage, "server.mjs": oidcServer})
	if err != nil {
		Missing(t, "oidc-provider cannot be installed: %v", err)
	}
	known, err := json.Marshal(clients)
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		port := strconv.Itoa(FreePort(t))
		o := &OIDCProvider{Issuer: "http://127.0.0.1:" + port, t: t}
		p, err := start(node, filepath.Join(dir, "server.mjs"), port, string(known))
		if err == nil {
			if err = p.await(30*time.Second, o.answers); err == nil {
				t.Cleanup(func() { p.stop(syscall.SIGTERM) })
				return o
			}
			p.stop(syscall.SIGKILL)
		}
		if try == 4 || !portTaken(err) {
			t.Fatalf("oidc-provider: %v", err)
		}
	}
}

func (o *OIDCProvider) answers(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", res.Status, err)
	}
	return nil
}

// Next says who signs in next.
func (o *OIDCProvider) Next(login OIDCLogin) { o.post("/test/next", login) }

// Rotate gives the provider new keys, and forgets who is signed in.
func (o *OIDCProvider) Rotate() { o.post("/test/rotate", struct{}{}) }

func (o *OIDCProvider) post(path string, what any) {
	o.t.Helper()
	b, err := json.Marshal(what)
	if err != nil {
		o.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, o.Issuer+path, bytes.NewReader(b))
	if err != nil {
		o.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: %s", path, res.Status)
	}
}

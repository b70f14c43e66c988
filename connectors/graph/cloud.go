package graph

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/behov/behov/connectors"
)

// cloudEndpoints are the addresses of a cloud's Graph and of its token issuer
// (https://learn.microsoft.com/graph/deployments).
type cloudEndpoints struct{ url, authority string }

var clouds = map[string]cloudEndpoints{
	"global":            {"https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com"},
	"us-government":     {"https://graph.microsoft.us/v1.0", "https://login.microsoftonline.us"},
	"us-government-dod": {"https://dod-graph.microsoft.us/v1.0", "https://login.microsoftonline.us"},
	"china":             {"https://microsoftgraph.chinacloudapi.cn/v1.0", "https://login.chinacloudapi.cn"},
}

// authorityOf returns the authority for a URL: that of the cloud with this URL,
// otherwise the named cloud's.
func authorityOf(address string, named cloudEndpoints) string {
	u, err := url.Parse(address)
	if err != nil {
		return named.authority
	}
	for _, p := range clouds {
		if known, err := url.Parse(p.url); err == nil && strings.EqualFold(known.Host, u.Host) {
			return p.authority
		}
	}
	return named.authority
}

// scope returns the scope of a token: everything the application was granted in
// that cloud's Graph.
func scope(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/.default"
}

// credential returns the source of tokens. It reads the certificate and opens no
// connection.
func credential(cfg Config, client *http.Client) (azcore.TokenCredential, error) {
	if cfg.Credential != nil {
		return cfg.Credential, nil
	}
	options := azcore.ClientOptions{
		Transport: client,
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: cfg.Authority + "/"},
		Retry:     policy.RetryOptions{MaxRetries: 1},
	}
	// Instance discovery knows only the authorities of the clouds.
	discover := false
	for _, p := range clouds {
		discover = discover || p.authority == cfg.Authority
	}
	switch {
	case cfg.ManagedIdentity:
		o := azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if cfg.ClientID != "" {
			o.ID = azidentity.ClientID(cfg.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(&o)
	case cfg.CertificateFile != "":
		raw, err := os.ReadFile(cfg.CertificateFile)
		if err != nil {
			return nil, fmt.Errorf("certificate_file: %w", err)
		}
		certs, key, err := azidentity.ParseCertificates(raw, []byte(cfg.CertificatePassword))
		if err != nil {
			return nil, fmt.Errorf("certificate_file: %s must hold a certificate and its private key, in PEM or PKCS #12: %w", cfg.CertificateFile, err)
		}
		return azidentity.NewClientCertificateCredential(cfg.TenantID, cfg.ClientID, certs, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: !discover})
	default:
		return azidentity.NewClientSecretCredential(cfg.TenantID, cfg.ClientID, cfg.ClientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: !discover})
	}
}

// entraCode finds the error code of Microsoft Entra.
var entraCode = regexp.MustCompile(`AADSTS\d+`)

// errToken is wrapped by errors that every other request would get too.
var errToken = errors.New("the tenant rejected the sign-in")

// token returns a bearer token. The error holds the code in the tenant's answer,
// and not the answer itself.
func (c *Connector) token(ctx context.Context, doing string) (string, error) {
	t, err := c.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope(c.cfg.URL)}})
	if err == nil {
		return t.Token, nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("graph: %s: %w", doing, ctx.Err())
	}
	var failed *azidentity.AuthenticationFailedError
	if code := entraCode.FindString(err.Error()); code != "" {
		return "", connectors.Errorf(connectors.Permanent, "graph: %s: %w (%s): renew the secret or certificate, and check tenant_id and client_id", doing, errToken, code)
	}
	if errors.As(err, &failed) && failed.RawResponse != nil {
		class := connectors.Permanent
		if failed.RawResponse.StatusCode >= http.StatusInternalServerError || failed.RawResponse.StatusCode == http.StatusTooManyRequests {
			class = connectors.RetryLater
		}
		return "", connectors.Errorf(class, "graph: %s: %w: %s answered %d", doing, errToken, c.cfg.Authority, failed.RawResponse.StatusCode)
	}
	var broken net.Error
	if errors.As(err, &broken) || strings.Contains(err.Error(), "dial ") {
		return "", connectors.Errorf(connectors.TargetDown, "graph: %s: no connection to %s for a token", doing, c.cfg.Authority)
	}
	if c.cfg.ManagedIdentity {
		return "", connectors.Errorf(connectors.Permanent, "graph: %s: %w: this machine has no managed identity", doing, errToken)
	}
	return "", connectors.Errorf(connectors.Permanent, "graph: %s: %w: no token from %s", doing, errToken, c.cfg.Authority)
}

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/behov/behov/internal/build"
)

// ACME is how certificates are got by ACME (RFC 8555). The certificate authority checks
// by TLS-ALPN-01 (RFC 8737): it connects to port 443 of each host, which must lead to
// the listening address.
type ACME struct {
	// Hosts are the names to get certificates for.
	Hosts []string
	// Directory is the URL of the authority; Let's Encrypt's when it is empty.
	Directory string
	// Cache is a directory for the account's key and the certificates. Processes that
	// answer for the same hosts share it.
	Cache string
	// Contact is an e-mail address to which the authority may write; empty for none.
	Contact string
	// CAFile has the certificates, in PEM, by which the authority's own server is
	// verified; empty for the system's.
	CAFile string
}

// expiresSoon is when a certificate that was not renewed is warned about. It is renewed
// 30 days, or a third of its life, before it expires.
const expiresSoon = 5 * 24 * time.Hour

// config returns the TLS configuration, and a function that gets the certificates
// before a client asks for them.
func (a *ACME) config(log *slog.Logger) (*tls.Config, func(context.Context), error) {
	if len(a.Hosts) == 0 || a.Cache == "" {
		return nil, nil, errors.New("hosts and cache are needed")
	}
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: "behov/" + build.Read().String()}
	if a.CAFile != "" {
		pem, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("%s has no certificate in PEM", a.CAFile)
		}
		client.HTTPClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	}
	if err := os.MkdirAll(a.Cache, 0o700); err != nil {
		return nil, nil, err
	}
	m := &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(a.Cache), HostPolicy: autocert.HostWhitelist(a.Hosts...), Email: a.Contact, Client: client}
	var sampler Sampler
	config := m.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := m.GetCertificate(hello)
		if err == nil && c.Leaf != nil && !isChallenge(hello) && time.Until(c.Leaf.NotAfter) < min(expiresSoon, c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)/6) {
			if others, first := sampler.Allow("expires", time.Now()); first {
				log.Warn("the certificate has not been renewed by ACME", "host", hello.ServerName, "expires", c.Leaf.NotAfter, "not_logged_before", others)
			}
		}
		return c, err
	}
	return config, func(ctx context.Context) { a.obtain(ctx, m, log) }, nil
}

// isChallenge reports whether the authority asks, and not a client.
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

// obtain gets the certificate of each host, or reads it from the cache, so that a
// wrong setting is in the log at once. It tries again, more and more rarely, until
// ctx ends.
func (a *ACME) obtain(ctx context.Context, m *autocert.Manager, log *slog.Logger) {
	const first, most = time.Minute, time.Hour
	for _, host := range a.Hosts {
		go func() {
			hello := &tls.ClientHelloInfo{ServerName: host, SupportedProtos: []string{"h2"}, SupportedVersions: []uint16{tls.VersionTLS13},
				SupportedCurves: []tls.CurveID{tls.CurveP256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
			for wait := first; ; wait = min(2*wait, most) {
				c, err := m.GetCertificate(hello)
				if err == nil {
					log.Info("certificate by ACME", "host", host, "expires", c.Leaf.NotAfter)
					return
				}
				log.Error("no certificate by ACME: port 443 of the host must lead to this address, and the authority must be reached", "host", host, "error", err, "retry_after", wait)
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
		}()
	}
}

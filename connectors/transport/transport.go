// Package transport is shared by connectors over TLS and HTTP: trusted
// certificates, connection pools, Retry-After, and errors of broken connections.
//
// It must never trust a server without verifying its certificate, never follow a
// redirect by itself, and never put a URL into an error, as it may contain
// personal data.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
)

// TLS returns a configuration that verifies servers by the certificates in a PEM
// file, or by the system's when caFile is empty. The error names the field
// ca_file.
func TLS(caFile string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	content, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	if t.RootCAs, err = pool(content); err != nil {
		return nil, fmt.Errorf("ca_file: %s %w", caFile, err)
	}
	return t, nil
}

// ClientCertificate sets the client certificate in a file, with the private key
// in the same or another, both in PEM. They are read again for each connection,
// so that a renewed certificate is used. Without files it does nothing. The error
// names the field certificate_file.
func ClientCertificate(t *tls.Config, certificateFile, keyFile string) error {
	if certificateFile == "" {
		return nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificateFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("certificate_file: %s must hold a certificate and %s its private key, in PEM: %w", certificateFile, keyFile, err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return err
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return nil
}

// pool returns the certificates of a PEM file. It skips those that cannot be
// parsed when there are others; without any the error has the parser's reason.
func pool(content []byte) (*x509.CertPool, error) {
	out := x509.NewCertPool()
	n := 0
	var refused error
	for len(content) > 0 {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		out.AddCert(c)
		n++
	}
	switch {
	case n > 0:
		return out, nil
	case refused != nil:
		return nil, fmt.Errorf("contains a certificate that is refused: %w; have it reissued", refused)
	}
	return nil, errors.New("contains no certificate in PEM")
}

// Client returns an HTTP client that keeps the given number of connections to a
// server and follows no redirect, unless its CheckRedirect is replaced.
func Client(t *tls.Config, timeout time.Duration, connections int) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       t,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   connections,
			IdleConnTimeout:       30 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Broken classifies an error of an HTTP connection. Its text has the operation
// and the server; the library's own error contains the whole URL.
func Broken(ctx context.Context, doing, server string, timeout time.Duration, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return connectors.Errorf(connectors.TargetDown, "%s: no answer from %s within %s", doing, server, timeout)
		}
		err = u.Err
	}
	return connectors.Errorf(connectors.TargetDown, "%s: no connection to %s: %w", doing, server, err)
}

// RetryAfter parses the header Retry-After (RFC 9110 §10.2.3): seconds, or an
// HTTP date. It returns at most a day, so that a wrong clock cannot stop the
// connector for years.
func RetryAfter(header string, now time.Time) time.Duration {
	const longest = 24 * time.Hour
	header = strings.TrimSpace(header)
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 0), int(longest/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), longest)
	}
	return 0
}

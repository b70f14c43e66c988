package ldap_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

func timeoutOf(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// terminateTLS puts TLS in front of a server.
func terminateTLS(t *testing.T, files testenv.Certificates, url string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, target, _ := strings.Cut(url, "://")
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = client.Close() }()
				server, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer func() { _ = server.Close() }()
				go func() { _, _ = io.Copy(server, client) }()
				_, _ = io.Copy(client, server)
			}()
		}
	}()
	return "ldaps://" + l.Addr().String()
}

// faults are connectors to targets that misbehave, or that let nobody in,
// with a configuration that is otherwise right.
func faults(cfg ldap.Config) []conformance.Fault {
	const guess = "gissning-1234"
	opening := func(change func(*testing.T, *ldap.Config)) func(t *testing.T) connectors.Connector {
		return func(t *testing.T) connectors.Connector {
			broken := cfg
			change(t, &broken)
			return open(t, broken)
		}
	}
	return []conformance.Fault{
		{Name: "wrong password", Secrets: []string{guess}, Open: opening(func(_ *testing.T, c *ldap.Config) { c.Password = guess })},
		{Name: "nobody there", Secrets: []string{cfg.Password}, Open: opening(func(t *testing.T, c *ldap.Config) {
			c.URL, c.Plaintext, c.CAFile = fmt.Sprintf("ldap://127.0.0.1:%d", testenv.FreePort(t)), true, ""
		})},
		{Name: "no such base", Secrets: []string{cfg.Password}, Open: opening(func(_ *testing.T, c *ldap.Config) { c.PeopleDN = "ou=elsewhere," + c.PeopleDN })},
		{Name: "another certificate authority", Secrets: []string{cfg.Password}, Open: opening(func(t *testing.T, c *ldap.Config) {
			files, err := testenv.NewCertificates(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if c.Plaintext {
				c.Plaintext, c.StartTLS = false, true
			}
			c.CAFile = files.CA
		})},
	}
}

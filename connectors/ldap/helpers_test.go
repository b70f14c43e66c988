package ldap_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

func timeoutOf(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// terminateTLS starts a TLS proxy in front of a server.
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

// faults returns connectors to targets that misbehave or reject the sign-in, with
// a configuration that is otherwise valid.
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

// excerpt is the part of a reading about given accounts and entitlements.
type excerpt struct {
	ids, names   []string
	Accounts     map[string]connectors.Account
	Entitlements map[connectors.Entitlement]bool
	Members      map[connectors.Membership]bool
}

func (x *excerpt) Account(a connectors.Account) error {
	if slices.Contains(x.ids, a.ID) {
		x.Accounts[a.ID] = a
	}
	return nil
}

func (x *excerpt) Entitlement(e connectors.Entitlement) error {
	if slices.Contains(x.names, e.Name) {
		x.Entitlements[e] = true
	}
	return nil
}

func (x *excerpt) Membership(m connectors.Membership) error {
	if slices.Contains(x.ids, m.AccountID) && slices.Contains(x.names, m.Entitlement) {
		x.Members[m] = true
	}
	return nil
}

// alike checks that accounts and entitlements read one by one are as in a
// snapshot.
func alike(t *testing.T, c connectors.Connector, ids []string, names ...string) {
	t.Helper()
	read := func(read func(connectors.Sink) (connectors.Completeness, error)) *excerpt {
		x := &excerpt{ids: ids, names: names, Accounts: map[string]connectors.Account{}, Entitlements: map[connectors.Entitlement]bool{}, Members: map[connectors.Membership]bool{}}
		if done, err := read(x); err != nil || !done.Complete {
			t.Fatalf("reading: %+v %v", done, err)
		}
		return x
	}
	var refs []connectors.AccountRef
	for _, id := range ids {
		refs = append(refs, connectors.AccountRef{ID: id})
	}
	whole := read(func(s connectors.Sink) (connectors.Completeness, error) { return c.Snapshot(t.Context(), s) })
	few := read(func(s connectors.Sink) (connectors.Completeness, error) {
		return c.(connectors.AccountReader).ReadAccounts(t.Context(), refs, names, s)
	})
	if diff := cmp.Diff(whole, few, cmpopts.IgnoreUnexported(excerpt{})); diff != "" || len(few.Accounts) != len(ids) {
		t.Errorf("a snapshot, and the same read by itself: %s", diff)
	}
}

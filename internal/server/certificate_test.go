package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/testenv"
)

// TestNewCertificate checks that a new certificate is loaded while serving, and
// that a certificate without its key is not.
func TestNewCertificate(t *testing.T) {
	files := func() testenv.Certificates {
		c, err := testenv.NewCertificates(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second := files(), files()
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, address, first.Cert, first.Key, slog.Default())
	}()
	shown := func() []byte {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", address)
			if err != nil {
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
				continue
			}
			defer func() { _ = c.Close() }()
			return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Signature
		}
	}
	replace := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	was := shown()
	replace(second.Cert, first.Cert)
	if now := shown(); !bytes.Equal(now, was) {
		t.Error("a certificate without its key is shown")
	}
	replace(second.Key, first.Key)
	if now := shown(); bytes.Equal(now, was) {
		t.Error("the old certificate is still shown")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWorldReadableCertificateKeyIsRefused checks the permissions of the key, as
// for every other secret.
func TestWorldReadableCertificateKeyIsRefused(t *testing.T) {
	c, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(t.Context(), "127.0.0.1:0", server.Options{CertFile: c.Cert, KeyFile: c.Key}, slog.Default()); err == nil || !strings.Contains(err.Error(), "permissions 0644") {
		t.Errorf("%v", err)
	}
}

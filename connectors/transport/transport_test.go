package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/transport"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"17": 17 * time.Second, " 3 ": 3 * time.Second, "0": 0, "-5": 0, "soon": 0, "": 0, "99999999": 24 * time.Hour,
		now.Add(40 * time.Second).Format(http.TimeFormat): 40 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): 0,
		now.AddDate(3, 0, 0).Format(http.TimeFormat): 24 * time.Hour,
	} {
		if got := transport.RetryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestTLS(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"": "", empty: "contains no certificate", "/nonexistent.pem": "ca_file"} {
		if _, err := transport.TLS(file); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// TestTLSSaysWhyACertificateIsRefused: with the parser's own reason.
func TestTLSSaysWhyACertificateIsRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0x7f), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	good, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	negative := bytes.Replace(good, []byte{2, 1, 0x7f}, []byte{2, 1, 0xff}, 1)
	write := func(certificates ...[]byte) string {
		var b bytes.Buffer
		for _, c := range certificates {
			if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c}); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	if _, err := transport.TLS(write(negative)); err == nil || !strings.Contains(err.Error(), "negative serial number") || strings.Contains(err.Error(), "no certificate") {
		t.Errorf("%v", err)
	}
	if _, err := transport.TLS(write(negative, good)); err != nil {
		t.Errorf("one of two: %v", err)
	}
}

// A broken connection is told without the URL, which may name a person.
func TestBroken(t *testing.T) {
	c := transport.Client(nil, time.Second, 1)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/Users?filter=anna", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(r)
	if err == nil {
		_ = response.Body.Close()
		t.Fatal("somebody answers on port 1")
	}
	told := transport.Broken(t.Context(), "x: read", "http://127.0.0.1:1", time.Second, err)
	if connectors.ClassOf(told) != connectors.TargetDown || strings.Contains(told.Error(), "anna") || !strings.HasPrefix(told.Error(), "x: read: no connection to http://127.0.0.1:1") {
		t.Errorf("%v", told)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if told := transport.Broken(ctx, "x: read", "s", time.Second, err); !errors.Is(told, context.Canceled) {
		t.Errorf("%v", told)
	}
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, h := range []string{"", "0", "17", "-5", "99999999999999999999", "Sun, 01 Nov 2026 12:00:30 GMT", "Sun, 01 Nov 2020 12:00:30 GMT", "soon"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if d := transport.RetryAfter(header, now); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %s", header, d)
		}
	})
}

package scim_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/testenv"
)

// no one answers as a service without users and groups.
func nobody(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"totalResults": 0, "Resources": []}`)
}

// TestAPIKey checks that the key is sent in its header, for services such as
// Windermere that require it, with and without a token.
func TestAPIKey(t *testing.T) {
	t.Parallel()
	var key, custom, token string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, custom, token = r.Header.Get("X-API-Key"), r.Header.Get("x-egil-key"), r.Header.Get("Authorization")
		if key == "wrong" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		nobody(w, r)
	}))
	t.Cleanup(s.Close)
	for want, cfg := range map[string]scim.Config{
		"the-key||":               {APIKey: &scim.APIKey{Value: "the-key"}},
		"|the-key|":               {APIKey: &scim.APIKey{Header: "X-EGIL-Key", Value: "the-key"}},
		"the-key||Bearer a-token": {APIKey: &scim.APIKey{Value: "the-key"}, Token: "a-token"},
		"||Bearer a-token":        {Token: "a-token"},
	} {
		cfg.URL, cfg.Plaintext = s.URL, true
		snapshot(t, open(t, cfg))
		if got := key + "|" + custom + "|" + token; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	_, err := open(t, scim.Config{URL: s.URL, Plaintext: true, APIKey: &scim.APIKey{Value: "wrong"}}).Snapshot(t.Context(), &sink{})
	if err == nil || !strings.Contains(err.Error(), "token, key or certificate") || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
}

// TestClientCertificate checks mutual TLS, with which a federation such as EGIL's
// identifies its members (RFC 8705 §2.2), and that a renewed certificate is used.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	dir, ours := t.TempDir(), t.TempDir()
	server, err := testenv.NewCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := testenv.NewCertificates(ours)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	var shown []byte
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = r.TLS.PeerCertificates[0].Raw
		nobody(w, r)
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	is := func(file string) bool {
		p, err := tls.LoadX509KeyPair(file, filepath.Join(filepath.Dir(file), "server-key.pem"))
		return err == nil && bytes.Equal(p.Certificate[0], shown)
	}
	url := strings.Replace(s.URL, "https://127.0.0.1", "https://localhost", 1)
	c := open(t, scim.Config{URL: url, CAFile: server.CA, CertificateFile: first.Cert, CertificateKeyFile: first.Key})
	if snapshot(t, c); !is(first.Cert) {
		t.Error("another certificate was shown")
	}
	before := shown
	if _, err := testenv.NewCertificates(ours); err != nil {
		t.Fatal(err)
	}
	s.CloseClientConnections()
	_ = c.Close()
	if snapshot(t, c); bytes.Equal(shown, before) || !is(first.Cert) {
		t.Error("the renewed certificate was not shown")
	}
	// One file for certificate and key.
	both := filepath.Join(ours, "both.pem")
	var content []byte
	for _, file := range []string{first.Cert, first.Key} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, part...)
	}
	if err := os.WriteFile(both, content, 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot(t, open(t, scim.Config{URL: url, CAFile: server.CA, CertificateFile: both, Token: "a-token"}))
	if _, err := open(t, scim.Config{URL: url, CAFile: server.CA, Token: "a-token"}).Snapshot(t.Context(), &sink{}); err == nil {
		t.Error("it was let in without a certificate")
	}
}

// TestMaxResults checks that the connector requests no more than
// filter.maxResults (RFC 7643 §5), as services such as go-scim refuse a larger
// count, and that the message contains the error keyword.
func TestMaxResults(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		count, err := strconv.Atoi(r.URL.Query().Get("count"))
		if err == nil && count > 2 {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"status": 400, "scimType": "tooMany", "detail": "tooMany: count must be at most 2"})
			return
		}
		rewriting(func(r *http.Request, body map[string]any) {
			if strings.HasSuffix(r.URL.Path, "/ServiceProviderConfig") {
				body["filter"] = map[string]any{"supported": true, "maxResults": 2}
			}
		})(w, r, real)
	})
	for _, size := range []int{1, 100} {
		cfg := f.config()
		cfg.PageSize = size
		c := open(t, cfg)
		if size == 1 {
			create(t, c, "anna", "berit", "cecilia", "disa", "eva")
		}
		if s, complete := snapshot(t, c); len(s.accounts) != 5 || !complete.Complete {
			t.Errorf("page_size %d: %d accounts, %+v", size, len(s.accounts), complete)
		}
		for _, r := range f.requests() {
			if count := r.query; size == 1 && strings.Contains(r.path, "/Users") && strings.Contains(count, "startIndex") && !strings.Contains(count, "count=1") {
				t.Errorf("page_size 1: %s", count)
			}
		}
	}
}

// TestErrorKeyword checks that the message contains the error keyword, wherever
// the service puts it, and no other text of the service, which could hold
// personal data.
func TestErrorKeyword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		body, says string
	}{
		{400, `{"status": 400, "scimType": "tooMany", "detail": "anna"}`, "tooMany"},
		{400, `{"status": 400, "detail": "invalidFilter: anna"}`, "invalidFilter"},
		{500, `{"status": 500, "scimType": "internal", "detail": "internal: anna"}`, "(500): internal"},
		{403, `{"status": "403", "scimType": "sensitive"}`, "(403): sensitive"},
		{503, `{"status": 503, "scimType": "TOOMANY"}`, "(503): tooMany"},
		{500, `{"scimType": "anna", "detail": "anna"}`, "(500)"},
		{412, `nonsense`, "(412)"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/Users") {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
				return
			}
			w.WriteHeader(http.StatusNotFound)
		}))
		t.Cleanup(s.Close)
		_, err := open(t, (&front{url: s.URL}).config()).Snapshot(t.Context(), &sink{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		wantPrivate(t, err.Error())
	}
}

package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are the files of a certificate authority and of a server
// certificate for 127.0.0.1 and localhost.
type Certificates struct {
	CA, Cert, Key string
}

// NewCertificates writes certificates into dir; they are valid for a day.
func NewCertificates(dir string) (Certificates, error) {
	now := time.Now()
	return NewCertificatesFor(dir, now.Add(-time.Hour), now.Add(24*time.Hour), net.IPv4(127, 0, 0, 1))
}

// NewExpiredCertificates writes certificates with an expired one for the server.
func NewExpiredCertificates(dir string) (Certificates, error) {
	now := time.Now()
	return NewCertificatesFor(dir, now.Add(-48*time.Hour), now.Add(-24*time.Hour), net.IPv4(127, 0, 0, 1))
}

// NewCertificatesFor is NewCertificates for a server at other addresses, or with
// another validity of its certificate alone.
func NewCertificatesFor(dir string, from, to time.Time, addresses ...net.IP) (Certificates, error) {
	files := Certificates{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server-key.pem")}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, fmt.Errorf("certificate authority's key: %w", err)
	}
	ca := template("behov test authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	ca.NotBefore = from.Add(-time.Hour)
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return files, fmt.Errorf("certificate authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, fmt.Errorf("server's key: %w", err)
	}
	server := template("localhost")
	server.NotBefore, server.NotAfter = from, to
	server.KeyUsage = x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = []string{"localhost"}, addresses
	der, err := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), caKey)
	if err != nil {
		return files, fmt.Errorf("server's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return files, fmt.Errorf("server's key: %w", err)
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{files.CA, "CERTIFICATE", caDER}, {files.Cert, "CERTIFICATE", der}, {files.Key, "PRIVATE KEY", keyDER}} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return files, fmt.Errorf("write certificates: %w", err)
		}
	}
	return files, nil
}

// trusting returns a TLS configuration that verifies a server by a file of
// certificates.
func trusting(file, host string) (*tls.Config, error) {
	certificates, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificates)
	return &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}, nil
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

// Certificates are the files of a certificate authority and of a server at
// 127.0.0.1 and localhost that it vouches for.
type Certificates struct {
	CA, Cert, Key string
}

// NewCertificates writes certificates into dir; they hold for a day.
func NewCertificates(dir string) (Certificates, error) { return newCertificates(dir, time.Now()) }

// NewExpiredCertificates writes certificates of which the server's has ended.
func NewExpiredCertificates(dir string) (Certificates, error) {
	return newCertificates(dir, time.Now().Add(-48*time.Hour))
}

// newCertificates writes a server's certificate that was made at the time.
func newCertificates(dir string, made time.Time) (Certificates, error) {
	files := Certificates{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server-key.pem")}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, fmt.Errorf("certificate authority's key: %w", err)
	}
	ca := template("behov test authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return files, fmt.Errorf("certificate authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, fmt.Errorf("server's key: %w", err)
	}
	server := templateAt("localhost", made)
	server.KeyUsage = x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
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

func template(name string) *x509.Certificate { return templateAt(name, time.Now()) }

// templateAt is a certificate that was made at the time.
func templateAt(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}

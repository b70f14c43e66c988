package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/behov/behov/internal/config"
)

// certificate is a server's certificate and key. It reads the files again when
// they have changed.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu         sync.Mutex
	pair       *tls.Certificate
	read       time.Time // when the newer of the files was modified
	reportedAt time.Time // the same, of files that were reported as not matching
}

// modifiedAt returns when the newer of the files was modified; the zero time when
// one of them is missing.
func (c *certificate) modifiedAt() time.Time {
	var last time.Time
	for _, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return time.Time{}
		}
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

func (c *certificate) load() error {
	read := c.modifiedAt()
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return err
	}
	key, err := config.ReadSecret(c.keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.pair, c.read = &pair, read
	return nil
}

// get returns the certificate; while new files do not match, the previous one.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if written := c.modifiedAt(); !written.Equal(c.read) {
		if err := c.load(); err != nil && !written.Equal(c.reportedAt) {
			c.log.Error("the new certificate cannot be loaded; the previous one is still used", "error", err)
			c.reportedAt = written
		}
	}
	return c.pair, nil
}

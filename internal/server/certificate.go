package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/behov/behov/internal/config"
)

// certificate is a server's certificate and key, read again when the files
// have changed.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu   sync.Mutex
	pair *tls.Certificate
	read time.Time // when the newer of the files was written
	told time.Time // the same, of files that do not fit
}

// written is when the newer of the files was written; the zero time when one
// of them is not there.
func (c *certificate) written() time.Time {
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
	read := c.written()
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

// get returns the certificate; while new files do not fit each other, the one
// before.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if written := c.written(); !written.Equal(c.read) {
		if err := c.load(); err != nil && !written.Equal(c.told) {
			c.log.Error("the new certificate cannot be used; the old one is kept", "error", err)
			c.told = written
		}
	}
	return c.pair, nil
}

package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// SigningKey returns the resolved key: *rsa.PrivateKey of 2048 bits or more, or
// *ecdsa.PrivateKey on P-256.
func (t *Transmitter) SigningKey(dir string) (crypto.Signer, error) {
	text, err := Resolve(dir, t.Key)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf(`%s is no private key in PEM: make one with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"`, t.Key)
	}
	var key any
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no private key that can be read", t.Key) // the error may quote it
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return k, nil
		}
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%s is no key that signs with RS256 or ES256: it must be RSA of 2048 bits or more, or P-256", t.Key)
}

// EventSecrets returns an error unless the secrets of the streams of events can be read.
func (c *Config) EventSecrets() error {
	var errs []error
	look := func(place string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", place, err))
		}
	}
	webhook := func(at string, w *Webhook) {
		_, err := w.Address(c.Dir)
		look(at+".url", err)
		_, err = Resolve(c.Dir, w.Token)
		look(at+".token", err)
		_, err = w.Key(c.Dir)
		look(at+".secret", err)
	}
	for _, s := range c.Events {
		at := "events." + s.Name
		if s.Webhook != nil {
			webhook(at+".webhook", s.Webhook)
		}
		if s.SSF == nil {
			continue
		}
		_, err := s.SSF.SigningKey(c.Dir)
		look(at+".ssf.key", err)
		for _, r := range s.SSF.Receivers {
			at := at + ".ssf.receivers." + r.Name
			_, err := Resolve(c.Dir, r.Token)
			look(at+".token", err)
			if r.Push != nil {
				webhook(at+".push", r.Push)
			}
		}
	}
	return errors.Join(errs...)
}

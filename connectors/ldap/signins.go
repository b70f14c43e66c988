package ldap

import (
	"context"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// LastSignIns implements connectors.SignInReader, from sign_in_attribute.
func (c *Connector) LastSignIns(ctx context.Context, emit func(string, time.Time) error) (connectors.Completeness, error) {
	s, err := c.dialReading(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	if s.cfg.SignInAttribute == "" {
		return connectors.Completeness{}, nil
	}
	known, err := s.loadSchema(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := known.requireNames(s.cfg.SignInAttribute, s.cfg.IDAttribute); err != nil {
		return connectors.Completeness{}, err
	}
	all := connectors.Completeness{Complete: true}
	for _, base := range s.accountBases() {
		q := search{"read last sign-ins", base, s.isAccount(), []string{s.cfg.IDAttribute, s.cfg.SignInAttribute}, accountPage}
		done, err := c.readAll(ctx, s, q, func(e *ldap.Entry) error {
			id, err := s.idOf(e)
			if err != nil {
				return err
			}
			at, readable := signInTime(e.GetEqualFoldAttributeValue(s.cfg.SignInAttribute))
			if !readable {
				return nil // nothing is known of it
			}
			return emit(id, at)
		})
		if err != nil {
			return connectors.Completeness{}, err
		}
		if !done.Complete {
			all = done
		}
	}
	return all, nil
}

// signInTime reads a generalised time (RFC 4517 §3.3.13) or a FILETIME; the zero time for no
// value. It reports whether the value could be read.
func signInTime(value string) (at time.Time, readable bool) {
	if value == "" || value == "0" {
		return at, true
	}
	if at, ok := fromFileTime(value); ok && !strings.HasSuffix(value, "Z") {
		return at, true
	}
	for _, layout := range []string{"20060102150405Z", "20060102150405.999999Z", "200601021504Z"} {
		if at, err := time.Parse(layout, value); err == nil {
			return at.UTC(), true
		}
	}
	return at, false
}

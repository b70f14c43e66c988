package reconcile

import (
	"errors"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/config"
)

// Connect makes the connector of every configured target. None is contacted
// yet.
func Connect(c *config.Config) (map[string]connectors.Connector, error) {
	targets := map[string]connectors.Connector{}
	for _, t := range c.Targets {
		connector, err := connect(c, t)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("target %s: %w", t.Name, err), Disconnect(targets))
		}
		targets[t.Name] = connector
	}
	return targets, nil
}

func connect(c *config.Config, t config.Target) (connectors.Connector, error) {
	secret, err := t.Secret(c.Dir)
	if err != nil {
		return nil, err
	}
	switch {
	case t.LDAP != nil:
		with := *t.LDAP
		with.Password = secret
		return ldap.New(with)
	case t.SCIM != nil:
		with := *t.SCIM
		with.Token = secret
		return scim.New(with)
	}
	return memory.New(*t.Memory)
}

// Disconnect closes connectors.
func Disconnect(targets map[string]connectors.Connector) error {
	var errs []error
	for name, c := range targets {
		if err := c.Close(); err != nil {
			errs = append(errs, fmt.Errorf("target %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

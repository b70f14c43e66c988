// Package targets opens and closes the configured targets: it makes their connectors,
// with what these need of behov, and hands over the first passwords that they set.
//
// It must never decide anything about people or access, and never keep a password: it
// knows the configuration and the connectors, and no rules, plans or runs.
package targets

import (
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/store"
)

// Connect makes the connector of every configured target. None is contacted
// yet. What a connector keeps from one reading to the next is in the database,
// when there is one.
func Connect(c *config.Config, db *store.DB) (map[string]connectors.Connector, error) {
	connected := map[string]connectors.Connector{}
	for _, t := range c.Targets {
		with := config.Services{PasswordSink: PasswordSink(t.Name, t.FirstPassword)}
		if db != nil {
			with.StateStore, with.Records = db.ConnectorState(t.Name, time.Now), db.AccountList(t.Name)
		}
		if c.Rules != nil {
			with.Entitlements = c.Rules.Catalogue.NativesIn(t.Name)
		}
		connector, err := t.Connect(c.Dir, with)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("target %s: %w", t.Name, err), Disconnect(connected))
		}
		connected[t.Name] = connector
	}
	return connected, nil
}

// Disconnect closes connectors.
func Disconnect(connected map[string]connectors.Connector) error {
	var errs []error
	for name, c := range connected {
		if err := c.Close(); err != nil {
			errs = append(errs, fmt.Errorf("target %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

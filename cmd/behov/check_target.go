package main

import (
	"context"
	"errors"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
)

// currentDatabase opens the database without changing it; nil when there is
// none yet, or one of another version of behov, about which other commands say
// more.
func currentDatabase(ctx context.Context, c *config.Config) (*store.DB, error) {
	master, err := masterKey(c)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // check needs no key, and people none
	}
	db, err := store.OpenCurrent(ctx, c.Database, master)
	if errors.Is(err, store.ErrNotCurrent) {
		return nil, nil //nolint:nilnil // printed above
	}
	return db, err
}

// checkTarget asks a target whether it answers, permits what is needed, and has
// what the catalogue names, and tries whether a disabled account is shut out. It
// returns what that showed, for people.
func (a *app) checkTarget(ctx context.Context, c *config.Config, t config.Target) (proved string, err error) {
	only := *c
	only.Targets = []config.Target{t}
	connected, err := targets.Connect(&only, nil)
	if err != nil {
		return "", err
	}
	defer closeTargets(connected)
	if err := errors.Join(targets.CheckFirstPassword(t.FirstPassword), connected[t.Name].Check(ctx)); err != nil {
		return "", err
	}
	if t.MFA {
		if err := targets.CheckFirstPass(c.FirstPass); err != nil {
			return "", err
		}
	}
	if err := reconcile.CheckEntitlements(ctx, c, t.Name, connected[t.Name]); err != nil {
		return "", err
	}
	return a.prove(ctx, t.Name, connected[t.Name])
}

// compareRules compares the two evaluations of the rules, with people of the database when
// there is one.
func compareRules(ctx context.Context, db *store.DB, c *config.Config, day identity.Date) (policy.Comparison, error) {
	if db == nil {
		return reconcile.CompareRules(ctx, nil, c, day, comparing)
	}
	return reconcile.CompareRules(ctx, db, c, day, comparing)
}

func (a *app) warningsOf(ctx context.Context, db *store.DB, c *config.Config) ([]diagnostic.Problem, error) {
	if db == nil {
		return access.Warnings(ctx, nil, c, a.now())
	}
	return access.Warnings(ctx, db, c, a.now())
}

package main

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (l *local) NonHumanAccounts(ctx context.Context) ([]access.NonHumanAccount, error) {
	return l.view(ctx).NonHumanAccounts()
}

func (l *local) RegisterAccount(ctx context.Context, account api.AccountRegistered, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return access.Decision{}, err
	}
	defer done()
	g := l.governance()
	g.Targets = e
	_, d, err := g.RegisterAccount(ctx, account.Registration(), by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) HandOverAccount(ctx context.Context, account, owner, reason string) (access.Decision, error) {
	return l.decideAccount(ctx, account, func(a store.NonHumanAccount, by rights.Subject) (store.Decision, error) {
		return l.governance().HandOverAccount(ctx, a, owner, by, reason)
	})
}

func (l *local) RenewAccount(ctx context.Context, account, until, reason string) (access.Decision, error) {
	return l.decideAccount(ctx, account, func(a store.NonHumanAccount, by rights.Subject) (store.Decision, error) {
		return l.governance().RenewAccount(ctx, a, identity.Date(until), by, reason)
	})
}

func (l *local) RetireAccount(ctx context.Context, account, reason string) (access.Decision, error) {
	return l.decideAccount(ctx, account, func(a store.NonHumanAccount, by rights.Subject) (store.Decision, error) {
		return l.governance().RetireAccount(ctx, a, by, reason)
	})
}

func (l *local) decideAccount(ctx context.Context, ref string, decide func(store.NonHumanAccount, rights.Subject) (store.Decision, error)) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	a, err := l.view(ctx).FindNonHumanAccount(ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := decide(a, by)
	return l.shown(ctx, d, err)
}

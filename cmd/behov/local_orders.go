package main

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

func (l *local) ManualTargets(ctx context.Context) ([]access.ManualTarget, error) {
	return l.view(ctx).ManualTargets()
}

func (l *local) WorkOrders(ctx context.Context, state store.OrderState, target string) ([]access.WorkOrder, error) {
	return l.view(ctx).WorkOrders(state, target)
}

func (l *local) ConfirmOrder(ctx context.Context, number int64, day, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	_, d, err := l.governance().ConfirmOrder(ctx, number, identity.Date(day), by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) CannotOrder(ctx context.Context, number int64, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	_, d, err := l.governance().CannotOrder(ctx, number, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) UploadList(ctx context.Context, target string, list api.AccountList) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	_, d, err := l.governance().UploadList(ctx, target, list.File(), by, list.Reason)
	return l.shown(ctx, d, err)
}

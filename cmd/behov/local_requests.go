package main

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// requestsListed is how many requests are listed at most.
const requestsListed = 1000

func (l *local) Requestable(ctx context.Context, search string) ([]access.Requestable, error) {
	return l.view(ctx).Requestable(search), nil
}

func (l *local) Requests(ctx context.Context) ([]access.Request, error) {
	all, _, err := l.view(ctx).RequestsPage(access.Page{Limit: requestsListed})
	return all, err
}

func (l *local) RequestsWaiting(ctx context.Context, mine bool) ([]access.Request, error) {
	if !mine {
		return l.view(ctx).RequestsWaiting(false)
	}
	v, err := l.asPerson(ctx)
	if err != nil {
		return nil, err
	}
	return v.RequestsWaiting(true)
}

func (l *local) MyRequests(ctx context.Context) ([]access.Request, error) {
	v, err := l.asPerson(ctx)
	if err != nil {
		return nil, err
	}
	return v.MyRequests(requestsListed)
}

// asPerson returns the view of the person who asks, and not the one of an operator in a shell.
func (l *local) asPerson(ctx context.Context) (*access.View, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return nil, err
	}
	return (&access.Answers{DB: l.db, Config: l.config, Now: l.app.now}).For(ctx, access.Viewer{Subject: by, Language: language(), Place: wording.Shell})
}

func (l *local) Request(ctx context.Context, number int64) (access.RequestDetail, error) {
	e, done, err := l.app.engine(ctx, l.installation) // which knows who is enrolled for MFA
	if err != nil {
		return access.RequestDetail{}, err
	}
	defer done()
	return l.view(ctx).Request(number, e)
}

func (l *local) RequestAccess(ctx context.Context, ref string, ask api.AccessAsked, emergency bool, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	asked, err := ask.Asked(l.view(ctx), p, emergency)
	if err != nil {
		return access.Decision{}, err
	}
	_, d, err := l.governance().RequestAccess(ctx, p, asked, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) DecideRequest(ctx context.Context, number int64, verdict store.Verdict, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	if verdict == store.Withdraw {
		d, err := l.governance().WithdrawRequest(ctx, number, by, reason)
		return l.shown(ctx, d, err)
	}
	d, err := l.governance().DecideRequest(ctx, number, verdict, by, reason)
	return l.shown(ctx, d, err)
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// about finds the person whom a decision is about, and says who makes it.
func (l *local) about(ctx context.Context, ref string) (p identity.Person, by rights.Subject, err error) {
	if p, err = l.db.FindPerson(ctx, ref, l.config.First); err == nil {
		by, err = l.subject(ctx)
	}
	return p, by, err
}

func (l *local) subject(ctx context.Context) (rights.Subject, error) {
	return l.app.subject(ctx, l.installation, l.by)
}

func (l *local) governance() *governance.Governance { return l.app.governance(l.installation) }

// shown returns a decision as this machine's operator sees it.
func (l *local) shown(ctx context.Context, d store.Decision, err error) (access.Decision, error) {
	if err != nil {
		return access.Decision{}, err
	}
	return l.view(ctx).Decision(d), nil
}

// standing is shown for a decision that may hold already.
func (l *local) standing(ctx context.Context, d store.Decision, err error) (access.Decision, bool, error) {
	var already *governance.AlreadyDecidedError
	if errors.As(err, &already) {
		return l.view(ctx).Decision(d), true, nil
	}
	shown, err := l.shown(ctx, d, err)
	return shown, false, err
}

func (l *local) proposed(ctx context.Context, p governance.Proposal, err error) (api.Proposal, error) {
	if err != nil {
		return api.Proposal{}, err
	}
	v := l.view(ctx)
	out := api.Proposal{Decision: v.Decision(p.Decision)}
	if p.Hold != nil {
		h := v.Hold(store.HoldState{Hold: *p.Hold})
		out.Hold = &h
	}
	return out, nil
}

func (l *local) Suspend(ctx context.Context, ref string, lift bool, reason string) (access.Decision, bool, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, false, err
	}
	d, err := l.governance().Suspend(ctx, p, lift, by, reason)
	return l.standing(ctx, d, err)
}

func (l *local) Enable(ctx context.Context, ref, target, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().Enable(ctx, p, target, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Bind(ctx context.Context, ref, target, account, reason string) (api.Proposal, error) {
	p, err := l.db.FindPerson(ctx, ref, l.config.First)
	if err != nil {
		return api.Proposal{}, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return api.Proposal{}, err
	}
	defer done()
	by, err := l.subject(ctx)
	if err != nil {
		return api.Proposal{}, err
	}
	g := l.governance()
	g.Targets = e
	proposal, err := g.Bind(ctx, p, target, account, by, reason)
	return l.proposed(ctx, proposal, err)
}

func (l *local) ProposeRules(ctx context.Context, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return access.Decision{}, err
	}
	defer done()
	d, err := l.governance().ProposeRules(ctx, e, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) DecideRules(ctx context.Context, digest string, verdict store.Verdict, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().DecideRules(ctx, digest, verdict, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) IssuePass(ctx context.Context, ref string, valid time.Duration, reason string) (out api.Pass, err error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return out, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return out, err
	}
	defer done()
	pass, err := l.governance().IssuePass(ctx, e, p, valid, by, reason)
	return api.Pass{Person: l.view(ctx).Ref(p.ID), Pass: pass.Code, Starts: pass.Starts, Expires: pass.Expires}, err
}

func (l *local) WithdrawPass(ctx context.Context, ref, reason string) (out api.Withdrawn, err error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return out, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return out, err
	}
	defer done()
	withdrawn, err := l.governance().WithdrawPass(ctx, e, p, by, reason)
	return api.Withdrawn{Person: l.view(ctx).Ref(p.ID), Withdrawn: withdrawn}, err
}

func (l *local) Pause(ctx context.Context, target string, verdict store.Verdict, reason string) (access.Decision, bool, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, false, err
	}
	d, err := l.governance().Pause(ctx, target, verdict, by, reason)
	return l.standing(ctx, d, err)
}

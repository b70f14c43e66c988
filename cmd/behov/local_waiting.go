package main

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (l *local) Holds(ctx context.Context, everything bool) ([]access.Hold, int, error) {
	return l.view(ctx).Holds(everything)
}

func (l *local) HeldHold(ctx context.Context, digest string) (api.HeldHold, error) {
	return api.HeldHoldOf(ctx, l.view(ctx), l.app.governance(l.installation), digest)
}

func (l *local) FailingSteps(ctx context.Context, target string, everything bool) ([]access.FailingStep, error) {
	steps, _, err := l.view(ctx).FailingSteps(target, everything)
	return steps, err
}

func (l *local) ReviewItems(ctx context.Context, everything bool) ([]access.ReviewItem, error) {
	return l.view(ctx).ReviewItems(everything)
}

func (l *local) DecideHold(ctx context.Context, digest string, verdict store.Verdict, people []string, reason string) (out api.HoldDecision, err error) {
	by, err := l.subject(ctx)
	if err != nil {
		return out, err
	}
	var about []identity.PersonID
	for _, ref := range people {
		p, err := l.db.FindPerson(ctx, ref, l.config.First)
		if err != nil {
			return out, err
		}
		about = append(about, p.ID)
	}
	g := l.governance()
	h, err := g.Hold(ctx, digest)
	if err != nil {
		return out, err
	}
	if h.Kind == store.AccountBindHold {
		e, done, err := l.app.engine(ctx, l.installation)
		if err != nil {
			return out, err
		}
		defer done()
		g.Targets = e
	}
	d, err := g.DecideHold(ctx, digest, verdict, about, by, reason)
	if err != nil {
		return out, err
	}
	return api.HoldDecisionOf(l.view(ctx), h, d)
}

func (l *local) DecideSteps(ctx context.Context, keys []string, verdict store.Verdict, reason string) (api.StepDecisions, error) {
	return l.decideSteps(ctx, func(g *governance.Governance, by rights.Subject) ([]store.FailingStep, int, error) {
		decided, err := g.DecideSteps(ctx, keys, verdict, by, reason)
		return decided, len(keys), err
	})
}

func (l *local) RetrySteps(ctx context.Context, target, reason string) (api.StepDecisions, error) {
	return l.decideSteps(ctx, func(g *governance.Governance, by rights.Subject) ([]store.FailingStep, int, error) {
		return g.RetrySteps(ctx, target, by, reason)
	})
}

func (l *local) decideSteps(ctx context.Context, decide func(*governance.Governance, rights.Subject) (decided []store.FailingStep, asked int, err error)) (out api.StepDecisions, err error) {
	by, err := l.subject(ctx)
	if err != nil {
		return out, err
	}
	decided, asked, err := decide(l.governance(), by)
	if err != nil {
		return out, err
	}
	out.LeftToOthers = asked - len(decided)
	out.Items, err = l.view(ctx).Steps(decided)
	return out, err
}

func (l *local) StartReview(ctx context.Context, r api.ReviewToStart) (out api.StartedReview, err error) {
	by, err := l.subject(ctx)
	if err != nil {
		return out, err
	}
	review, err := r.Review(func(ref string) (identity.PersonID, error) {
		p, err := l.db.FindPerson(ctx, ref, l.config.First)
		return p.ID, err
	})
	if err != nil {
		return out, err
	}
	start := l.governance().StartReview
	if r.Preview {
		start = l.governance().PreviewReview
	}
	asked, err := start(ctx, review, by)
	return api.StartedReviewOf(asked), err
}

func (l *local) DecideItem(ctx context.Context, item string, verdict store.Verdict, until, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().DecideItem(ctx, item, governance.Answer{Verdict: verdict, Until: identity.Date(until), Reason: reason}, by)
	return l.shown(ctx, d, err)
}

func (l *local) HandOn(ctx context.Context, item, to, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().HandOn(ctx, item, to, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) SignOff(ctx context.Context, campaign int64, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().SignOff(ctx, campaign, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Reviews(ctx context.Context) ([]access.Review, error) { return l.view(ctx).Reviews() }

func (l *local) ReviewReport(ctx context.Context, campaign int64) (access.ReviewReport, error) {
	return l.view(ctx).ReviewReport(campaign)
}

func (l *local) RuleTasks(ctx context.Context) ([]access.RuleTask, error) {
	return l.view(ctx).RuleTasks()
}

func (l *local) SystemStates(ctx context.Context) ([]access.SystemState, error) {
	counted, err := l.counted(ctx)
	if err != nil {
		return nil, err
	}
	return l.view(ctx).SystemStates(counted)
}

func (l *local) Revisions(ctx context.Context) ([]access.Revision, error) {
	return l.view(ctx).Revisions()
}

func (l *local) Revise(ctx context.Context, subject, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().Revise(ctx, subject, by, reason)
	return l.shown(ctx, d, err)
}

// counted counts what people have against controls and in conflicts.
func (l *local) counted(ctx context.Context) (*access.Organisation, error) {
	return (&access.Answers{DB: l.db, Config: l.config, Now: l.app.now}).Organisation(ctx)
}

func (l *local) Compliance(ctx context.Context) ([]access.Requirement, error) {
	counted, err := l.counted(ctx)
	if err != nil {
		return nil, err
	}
	return l.view(ctx).Compliance(counted)
}

func (l *local) Conflicts(ctx context.Context) ([]access.ConflictState, error) {
	counted, err := l.counted(ctx)
	if err != nil {
		return nil, err
	}
	return l.view(ctx).Conflicts(counted)
}

func (l *local) AllowConflict(ctx context.Context, ref, conflict, until string, lift bool, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().AllowConflict(ctx, p, conflict, identity.Date(until), lift, by, reason)
	return l.shown(ctx, d, err)
}

package main

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/wording"
)

func (l *local) LegalHold(ctx context.Context, ref string, lift bool, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().SetLegalHold(ctx, p, lift, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Screen(ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().Screen(ctx, p, identity.Date(until), lift, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) ExemptFromMFA(ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().ExemptFromMFA(ctx, p, identity.Date(until), lift, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) SetAbsence(ctx context.Context, ref, deputy, since, until, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().SetAbsence(ctx, p, governance.Absence{Deputy: deputy, Since: identity.Date(since), Until: identity.Date(until)}, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) EndAbsence(ctx context.Context, ref, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().EndAbsence(ctx, p, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Absences(ctx context.Context) ([]access.Absence, error) {
	return l.view(ctx).Absences()
}

func (l *local) Protect(ctx context.Context, ref string, lift bool, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().Protect(ctx, p, lift, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) SetMain(ctx context.Context, ref, employment, reason string) (access.Decision, error) {
	p, err := l.db.FindPerson(ctx, ref, l.config.First)
	if err != nil {
		return access.Decision{}, err
	}
	var chosen identity.EmploymentID
	if employment != "" {
		if chosen, err = l.view(ctx).FindEmployment(p, employment); err != nil {
			return access.Decision{}, err
		}
	}
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().SetMainEmployment(ctx, p, chosen, by, reason)
	return l.shown(ctx, d, err)
}

// Sessions is where a person is signed in. Who can read the database is asked nothing more.
func (l *local) Sessions(ctx context.Context, ref string) ([]api.Session, error) {
	p, err := l.db.FindPerson(ctx, ref, l.config.First)
	if err != nil {
		return nil, err
	}
	all, err := l.db.SessionsOf(ctx, p.ID, l.app.now())
	return api.SessionsOf(all, ""), err
}

// Extract is of the person who asks: they see what they are cleared to see, and not what an
// operator in a shell sees.
func (l *local) Extract(ctx context.Context, ref string) (access.Extract, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Extract{}, err
	}
	v, err := (&access.Answers{DB: l.db, Config: l.config, Now: l.app.now}).For(ctx, access.Viewer{Subject: by, Language: language(), Place: wording.Shell})
	if err != nil {
		return access.Extract{}, err
	}
	return l.governance().Extract(ctx, v, ref)
}

func (l *local) EndSessions(ctx context.Context, ref, id, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().EndSessions(ctx, p, id, by, reason)
	return l.shown(ctx, d, err)
}

// both finds two people.
func (l *local) both(ctx context.Context, ref, other string) (a, b identity.Person, err error) {
	if a, err = l.db.FindPerson(ctx, ref, l.config.First); err == nil {
		b, err = l.db.FindPerson(ctx, other, l.config.First)
	}
	return a, b, err
}

func (l *local) Merge(ctx context.Context, ref, other, reason string) (access.Decision, error) {
	p, o, err := l.both(ctx, ref, other)
	if err != nil {
		return access.Decision{}, err
	}
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().Merge(ctx, p, o, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Apart(ctx context.Context, ref, other, reason string) (access.Decision, error) {
	p, o, err := l.both(ctx, ref, other)
	if err != nil {
		return access.Decision{}, err
	}
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().MarkDistinct(ctx, p, o, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Split(ctx context.Context, ref, source, key, reason string) (out api.SplitDecision, err error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return out, err
	}
	now, d, err := l.governance().Split(ctx, p, identity.SourceKey{Source: source, Key: key}, by, reason)
	if err != nil {
		return out, err
	}
	v := l.view(ctx)
	return api.SplitDecision{Decision: v.Decision(d), Now: v.Ref(now)}, nil
}

func (l *local) Readmit(ctx context.Context, source, key, reason string) (access.Decision, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().Readmit(ctx, identity.SourceKey{Source: source, Key: identity.CleanText(key)}, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) Erase(ctx context.Context, ref, reason string) (api.Proposal, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return api.Proposal{}, err
	}
	proposal, err := l.governance().Erase(ctx, p, by, reason)
	return l.proposed(ctx, proposal, err)
}

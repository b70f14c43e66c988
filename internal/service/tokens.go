package service

import (
	"context"
	"strings"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// The stages of a token at which an alert is sent, once each.
const (
	tokenEndless = "never" // it was made before tokens expired
	tokenEarly   = "30d"
	tokenLate    = "7d"
	tokenOver    = "expired"
)

// tokenStage returns the stage that a token is at; empty when there is nothing
// to say of it.
func tokenStage(t store.Token, now time.Time) string {
	const day = 24 * time.Hour
	switch left := t.Expires().Sub(now); {
	case t.RevokedUS != 0:
		return ""
	case t.ExpiresUS == 0:
		return tokenEndless
	case left <= 0:
		return tokenOver
	case left <= 7*day:
		return tokenLate
	case left <= 30*day:
		return tokenEarly
	}
	return ""
}

// tokensToReplace returns an alert for each token of a source that is pushed to
// that has come to another stage.
func (s *Service) tokensToReplace(ctx context.Context, c *config.Config) ([]queue.Job, error) {
	tokens, err := s.DB.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	var jobs []queue.Job
	for _, t := range tokens {
		stage := tokenStage(t, s.Now())
		if stage == "" || !c.Sources[t.Source].SCIM {
			continue
		}
		subject := t.ID + " " + stage
		told, err := s.DB.LastAlertAt(ctx, alert.TokenExpiring, subject)
		if err != nil {
			return nil, err
		}
		if told.IsZero() {
			jobs = append(jobs, alert.TokenExpiring.Job(subject))
		}
	}
	return jobs, nil
}

// tokenAlert returns what to say about a token; nil when the token has left the stage.
func (s *Service) tokenAlert(ctx context.Context, subject string) (reason.Kind, error) {
	tokens, err := s.DB.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	id, stage, _ := strings.Cut(subject, " ")
	for _, t := range tokens {
		if t.ID != id || tokenStage(t, s.Now()) != stage {
			continue
		}
		switch stage {
		case tokenEndless:
			return reason.TokenEndless{Token: t.ID, Source: t.Source}, nil
		case tokenOver:
			return reason.TokenExpired{Token: t.ID, Source: t.Source, At: t.Expires()}, nil
		}
		return reason.TokenExpires{Token: t.ID, Source: t.Source, At: t.Expires()}, nil
	}
	return nil, nil
}

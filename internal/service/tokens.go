package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/queue"
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

// tokenAlert words an alert about a token; nil when the token has left the stage.
func (s *Service) tokenAlert(ctx context.Context, c *config.Config, a *message) (*message, error) {
	tokens, err := s.DB.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	id, stage, _ := strings.Cut(a.Subject, " ")
	for _, t := range tokens {
		if t.ID != id || tokenStage(t, s.Now()) != stage {
			continue
		}
		at := t.Expires().In(c.Zone).Format("2006-01-02 15:04")
		a.WhatToDo = fmt.Sprintf("Make a new one with \"behov token make %s --name …\", give it to the system that pushes, and then revoke this one with \"behov token revoke %s\".", t.Source, t.ID)
		switch stage {
		case tokenEndless:
			a.Title = "Token never expires: " + t.Source
			a.Text = fmt.Sprintf("The token %s for HR source %s was made before tokens expired, and works until it is revoked.", t.ID, t.Source)
		case tokenOver:
			a.Title = "Token has expired: " + t.Source
			a.Text = fmt.Sprintf("The token %s for HR source %s expired at %s. What is pushed with it is refused: who begins or leaves does not reach behov.", t.ID, t.Source, at)
		default:
			a.Title = "Token expires: " + t.Source
			a.Text = fmt.Sprintf("The token %s for HR source %s expires at %s. What is pushed with it afterwards is refused.", t.ID, t.Source, at)
		}
		return a, nil
	}
	return nil, nil
}

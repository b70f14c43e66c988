package service

import (
	"context"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reconcile"
)

const (
	// proveEvery is how old a proof may be that a disabled account is shut out of a
	// target: whoever runs it may change its password policy on any day.
	proveEvery = 20 * time.Hour
	// proveWithin is how long proving one target may take.
	proveWithin = time.Minute
)

// prove tries again, once a day, whether a disabled account is shut out of each
// target that can be tried. A target that does not answer is tried the next time.
func (s *Service) prove(ctx context.Context, g *generation) {
	for _, t := range g.config.Targets {
		if err := s.proveTarget(ctx, g, t); err != nil && ctx.Err() == nil {
			s.Log.Warn("whether disabled accounts are shut out could not be tried", "target", t.Name, "error", err)
		}
	}
}

func (s *Service) proveTarget(ctx context.Context, g *generation, t config.Target) error {
	connector := g.engine.Targets[t.Name]
	if _, able := connector.(connectors.DisableProver); !able {
		return nil
	}
	last, err := s.DB.DisableProof(ctx, t.Name)
	if err != nil || s.Now().Sub(last.ProvedUS.Time()) < proveEvery {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, proveWithin)
	defer cancel()
	proof, _, err := reconcile.Prove(ctx, s.DB, t.Name, connector, s.Now())
	if err == nil {
		s.Log.Info("it was tried whether disabled accounts are shut out", "target", t.Name, "verdict", proof.Verdict, "why", proof.Why)
	}
	return err
}

package service

import (
	"context"
	"time"

	"github.com/behov/behov/internal/reconcile"
)

// proveEvery is how old a proof may be that a target refuses sign-in to a disabled
// account: its password policy may change on any day.
const proveEvery = 20 * time.Hour

// prove tries again, once a day, whether a disabled account is shut out of each
// target that can be tried. A target that does not answer is tried the next time.
func (s *Service) prove(ctx context.Context, g *generation) {
	for _, t := range g.config.Targets {
		proof, tried, err := reconcile.ProveDisableIfOlder(ctx, s.DB, t.Name, g.engine.Targets[t.Name], proveEvery, s.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Log.Warn("whether disabled accounts are shut out could not be tried", "target", t.Name, "error", err)
		case tried:
			s.Log.Info("it was tried whether disabled accounts are shut out", "target", t.Name, "verdict", proof.Verdict, "why", proof.Why)
		}
	}
}

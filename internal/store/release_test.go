package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// A decision that is taken while a run notes that the step was done, and jobs that
// both ask for, wait for each other in one order: neither ends in a deadlock.
func TestADecisionWhileAStepIsDone(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		steps := []store.StepVerdict{{Step: "step", Hold: "hold", Target: "ad", Person: "p", Verdict: store.Reject, Decision: 1}}
		write(t, db, func(tx *store.Tx) error { return tx.DecideSteps(t.Context(), steps, now) })
		for _, c := range []struct {
			name string
			done func(context.Context, *store.Tx) error
		}{
			{"forget", func(ctx context.Context, tx *store.Tx) error {
				return tx.ForgetStepDecisions(ctx, []audit.StepDigest{"step"})
			}},
			{"end the hold", func(ctx context.Context, tx *store.Tx) error { return tx.EndHold(ctx, "hold") }},
			{"supersede", func(ctx context.Context, tx *store.Tx) error { return tx.SupersedeHold(ctx, "hold", now) }},
		} {
			t.Run(c.name, func(t *testing.T) {
				write(t, db, func(tx *store.Tx) error {
					if err := tx.RaiseHold(t.Context(), store.Hold{Digest: "hold", Kind: store.PlanHold, Subject: "ad", Body: "[]"}, nil, "behov", now); err != nil {
						return err
					}
					return tx.DecideSteps(t.Context(), steps, now)
				})
				begun, run := make(chan struct{}), make(chan error, 1)
				go func() {
					run <- db.Write(t.Context(), func(tx *store.Tx) error {
						tx.Audit(audit.Record{At: now, Actor: "behov", Action: audit.HoldExpired, Reason: reason.Of(reason.Answer{Text: "test"})})
						err := c.done(t.Context(), tx)
						close(begun)
						time.Sleep(100 * time.Millisecond) // the decision is waited for meanwhile
						return err
					})
				}()
				<-begun
				err := db.Write(t.Context(), func(tx *store.Tx) error {
					if _, err := tx.Decide(t.Context(), store.Decision{Kind: store.HoldDecision, Verdict: store.Reject, Subject: "hold", Maker: "os-uid:0", Reason: "test"}, now); err != nil {
						return err
					}
					if err := tx.DecideSteps(t.Context(), steps, now); err != nil {
						return err
					}
					return tx.SupersedeHold(t.Context(), "hold", now)
				})
				if err != nil {
					t.Errorf("the decision: %v", err)
				}
				if err := <-run; err != nil {
					t.Errorf("the run: %v", err)
				}
			})
		}
	})
}

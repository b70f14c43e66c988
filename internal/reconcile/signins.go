package reconcile

import (
	"context"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// SignInLagDays is by how many days the last sign-in that a target tells may be behind.
const SignInLagDays = int(connectors.SignInLag / (24 * time.Hour))

// signInsEvery is how old the last sign-ins of a target are at least before they are read again.
const signInsEvery = 20 * time.Hour

// recordSignIns reads, about once a day, when accounts were last signed in to, and records the
// days. A target that cannot tell now is asked again at the next run: nothing else waits for it.
func (e *Engine) recordSignIns(ctx context.Context, in *inputs) error {
	for _, c := range in.covers.targets {
		reader, can := e.Targets[c.Name].(connectors.SignInReader)
		if !can {
			continue
		}
		last, err := e.DB.SignInsRead(ctx, c.Name)
		if err != nil {
			return err
		}
		if e.Now().Sub(last) < signInsEvery {
			continue
		}
		days := map[string]string{}
		done, err := reader.LastSignIns(ctx, func(account string, at time.Time) error {
			days[account] = store.NeverSignedIn
			if !at.IsZero() {
				days[account] = string(identity.DateOf(at, e.Config.Zone))
			}
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || !done.Complete {
			continue
		}
		if err := e.DB.Write(ctx, func(tx *store.Tx) error { return tx.RecordSignIns(ctx, c.Name, days, e.Now()) }); err != nil {
			return err
		}
	}
	return nil
}

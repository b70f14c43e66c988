package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Pass is a temporary access pass.
type Pass = connectors.Pass

// IssuePass makes a temporary access pass for a person's account in the target
// that says who is enrolled for MFA. The decision is recorded before the target is
// asked, and the outcome after; a pass whose outcome cannot be recorded is withdrawn
// again. A person without a running employment gets none.
func (e *Engine) IssuePass(ctx context.Context, p identity.Person, valid time.Duration, d store.Decision) (connectors.Pass, error) {
	standing, err := PersonStatusOf(ctx, e.DB, e.Config, p, identity.DateOf(e.Now(), e.Config.Zone))
	if err != nil {
		return connectors.Pass{}, err
	}
	if !standing.Active() {
		return connectors.Pass{}, &reason.Refusal{Reason: reason.Of(reason.NoPass{Person: p.ID, Because: standing.Facts.Suspended.Or(reason.OfStage(standing.Stage))})}
	}
	t, issuer, account, err := e.passes(ctx, p)
	if err != nil {
		return connectors.Pass{}, err
	}
	if d, err = e.intendPass(ctx, t, d); err != nil {
		return connectors.Pass{}, err
	}
	pass, err := issuer.IssuePass(ctx, account, valid)
	if err != nil {
		failed := e.recordPass(context.WithoutCancel(ctx), audit.PassIssued, t, d, passOutcome(err), reason.Of(reason.NoPassReceived{}))
		return connectors.Pass{}, errors.Join(fmt.Errorf("target %s: %w", t.Name, err), failed)
	}
	if err := e.recordPass(ctx, audit.PassIssued, t, d, audit.Applied, reason.Of(reason.PassValid{Until: pass.Expires.UTC()})); err != nil {
		_, undo := issuer.WithdrawPass(context.WithoutCancel(ctx), account)
		return connectors.Pass{}, errors.Join(err, undo)
	}
	return pass, nil
}

// WithdrawPass ends the passes of a person's account. It reports whether there was
// one.
func (e *Engine) WithdrawPass(ctx context.Context, p identity.Person, d store.Decision) (withdrawn bool, err error) {
	t, issuer, account, err := e.passes(ctx, p)
	if err != nil {
		return false, err
	}
	if d, err = e.intendPass(ctx, t, d); err != nil {
		return false, err
	}
	outcome, err := issuer.WithdrawPass(ctx, account)
	switch {
	case err != nil:
		failed := e.recordPass(context.WithoutCancel(ctx), audit.PassWithdrawn, t, d, passOutcome(err), reason.Reason{})
		return false, errors.Join(fmt.Errorf("target %s: %w", t.Name, err), failed)
	case outcome.Status == connectors.Refused:
		failed := e.recordPass(context.WithoutCancel(ctx), audit.PassWithdrawn, t, d, audit.Refused, reason.Reason{})
		return false, errors.Join(fmt.Errorf("target %s: %s", t.Name, outcome.Detail), failed)
	}
	return outcome.Status == connectors.Applied, e.recordPass(ctx, audit.PassWithdrawn, t, d, audit.Outcome(outcome.Status), reason.Reason{})
}

// intendPass records a decision about a pass before the target is asked.
func (e *Engine) intendPass(ctx context.Context, t config.Target, d store.Decision) (store.Decision, error) {
	d.Subject = store.TargetSubject(t.Name)
	err := e.DB.Write(ctx, func(tx *store.Tx) (err error) {
		d, err = tx.Decide(ctx, d, e.Now())
		return err
	})
	return d, err
}

// passOutcome is what is known of a request that failed: a target that refused
// issued nothing, of any other it is not known.
func passOutcome(err error) audit.Outcome {
	if connectors.ClassOf(err) == connectors.Permanent {
		return audit.Refused
	}
	return audit.NotKnown
}

func (e *Engine) recordPass(ctx context.Context, action audit.Action, t config.Target, d store.Decision, outcome audit.Outcome, detail reason.Reason) error {
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: e.Now(), Actor: d.Maker, Authority: d.Authority, Action: action, Person: d.Person, Target: t.Name, Outcome: outcome, Reason: reason.Of(reason.ByDecision{Decision: d.Seq, Detail: detail})})
		return nil
	})
}

// passes finds who issues passes, and the person's account there.
func (e *Engine) passes(ctx context.Context, p identity.Person) (config.Target, connectors.PassIssuer, connectors.AccountRef, error) {
	var none connectors.AccountRef
	for _, t := range e.Config.Targets {
		if !t.MFA {
			continue
		}
		issuer, ok := e.Targets[t.Name].(connectors.PassIssuer)
		if !ok {
			return t, nil, none, &reason.Refusal{Reason: reason.Of(reason.PassesUnknown{Target: t.Name})}
		}
		id, err := e.DB.AccountOf(ctx, t.Name, p.ID)
		if err != nil {
			return t, nil, none, err
		}
		if id == "" {
			return t, nil, none, &reason.Refusal{Reason: reason.Of(reason.NoAccount{Person: p.ID, Target: t.Name})}
		}
		return t, issuer, connectors.AccountRef{ID: id, Anchor: string(p.ID), Name: p.Login}, nil
	}
	return config.Target{}, nil, none, &reason.Refusal{Reason: reason.Of(reason.NoMFATarget{})}
}

package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// IssuePass makes a temporary access pass for a person's account in the target
// that says who is enrolled for MFA. It is recorded before it is returned; a
// pass that cannot be recorded is withdrawn again. Nobody without a running
// employment gets one.
func (e *Engine) IssuePass(ctx context.Context, p identity.Person, valid time.Duration, reason string) (connectors.Pass, error) {
	standing, err := StandingOf(ctx, e.DB, e.Config, p, identity.DateOf(e.Now(), e.Config.Zone))
	if err != nil {
		return connectors.Pass{}, err
	}
	if !standing.Works() {
		return connectors.Pass{}, fmt.Errorf("no pass for person %s: %s", p.ID, cmp.Or(standing.Facts.Suspended, standing.Stage.Why))
	}
	t, issuer, account, err := e.passes(ctx, p)
	if err != nil {
		return connectors.Pass{}, err
	}
	pass, err := issuer.IssuePass(ctx, account, valid)
	if err != nil {
		return connectors.Pass{}, fmt.Errorf("target %s: %w", t.Name, err)
	}
	if err := e.recordPass(ctx, audit.PassIssued, p, t, fmt.Sprintf("%s; valid until %s", reason, pass.Expires.UTC().Format(time.RFC3339))); err != nil {
		_, undo := issuer.WithdrawPass(context.WithoutCancel(ctx), account)
		return connectors.Pass{}, errors.Join(err, undo)
	}
	return pass, nil
}

// WithdrawPass ends the passes of a person's account.
func (e *Engine) WithdrawPass(ctx context.Context, p identity.Person, reason string) (connectors.Outcome, error) {
	t, issuer, account, err := e.passes(ctx, p)
	if err != nil {
		return connectors.Outcome{}, err
	}
	outcome, err := issuer.WithdrawPass(ctx, account)
	if err != nil {
		return outcome, fmt.Errorf("target %s: %w", t.Name, err)
	}
	if outcome.Status == connectors.Refused {
		return outcome, fmt.Errorf("target %s: %s", t.Name, outcome.Detail)
	}
	return outcome, e.recordPass(ctx, audit.PassWithdrawn, p, t, reason)
}

func (e *Engine) recordPass(ctx context.Context, action audit.Action, p identity.Person, t config.Target, reason string) error {
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: action, Person: string(p.ID), Target: t.Name, Reason: reason})
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
			return t, nil, none, fmt.Errorf("target %s says who is enrolled for MFA, and its kind has no temporary access passes", t.Name)
		}
		id, err := e.DB.AccountOf(ctx, t.Name, p.ID)
		if err != nil {
			return t, nil, none, err
		}
		if id == "" {
			return t, nil, none, fmt.Errorf("person %s has no account in target %s that behov knows: run behov apply first", p.ID, t.Name)
		}
		return t, issuer, connectors.AccountRef{ID: id, Anchor: string(p.ID), Name: p.Login}, nil
	}
	return config.Target{}, nil, none, errors.New("no target says who is enrolled for MFA: name one under mfa.target")
}

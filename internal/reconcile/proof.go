package reconcile

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

const (
	// proveWithin is how long proving one target may take.
	proveWithin = time.Minute
	// forEver is the age of a proof that only an untried target exceeds.
	forEver = math.MaxInt64
)

// proofWriter records proofs.
type proofWriter interface {
	Write(ctx context.Context, f func(*store.Tx) error) error
}

// proofStore reads and records proofs, and reads which targets are paused.
type proofStore interface {
	proofWriter
	DisableProof(ctx context.Context, target string) (store.DisableProof, error)
	Pauses(ctx context.Context) (map[string]store.Decision, error)
}

// ProveDisable tries whether a disabled account is shut out of a target, and notes what
// it finds: until it is, the target counts as one that cannot disable accounts.
// ok is false for a target of a kind that cannot be tried.
func ProveDisable(ctx context.Context, db proofWriter, target string, connector connectors.Connector, now time.Time) (proof connectors.DisableProof, ok bool, err error) {
	prover, ok := connector.(connectors.DisableProver)
	if !ok {
		return proof, false, nil
	}
	if err := execute.Recover(execute.InConnector, func() (err error) { proof, err = prover.ProveDisable(ctx); return err }); err != nil {
		return proof, true, err
	}
	return proof, true, db.Write(ctx, func(tx *store.Tx) error {
		return tx.SetDisableProof(ctx, store.DisableProof{Target: target, How: disableMethods(connector), Verdict: string(proof.Verdict), Why: proof.Why}, now)
	})
}

// ProveDisableIfOlder is ProveDisable for a target whose last proof is older than age or
// was of another method. It writes nothing to a paused target. tried reports whether it
// proved anything.
func ProveDisableIfOlder(ctx context.Context, db proofStore, target string, connector connectors.Connector, age time.Duration, now time.Time) (proof connectors.DisableProof, tried bool, err error) {
	if _, able := connector.(connectors.DisableProver); !able {
		return proof, false, nil
	}
	last, err := db.DisableProof(ctx, target)
	if err != nil {
		return proof, false, err
	}
	if last.Verdict != "" && last.How == disableMethods(connector) && now.Sub(last.ProvedUS.Time()) < age {
		return proof, false, nil
	}
	pauses, err := db.Pauses(ctx)
	if err != nil {
		return proof, false, err
	}
	for _, of := range []string{store.EveryTarget, target} {
		if _, paused := pauses[of]; paused {
			return proof, false, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, proveWithin)
	defer cancel()
	return ProveDisable(ctx, db, target, connector, now)
}

// proveTargets tries whether a disabled account is shut out of the targets of
// which that was never tried, before anything there is called closed. What cannot
// be found out every plan says: a target whose proof fails says why when it is read.
func (e *Engine) proveTargets(ctx context.Context, o Scope) error {
	for _, c := range e.Config.Targets {
		if o.Targets != nil && !slices.Contains(o.Targets, c.Name) {
			continue
		}
		if _, _, err := ProveDisableIfOlder(ctx, e.DB, c.Name, e.Targets[c.Name], forEver, e.Now()); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// disableMethods says how the connector disables, so that a proof is not taken
// for that of another way.
func disableMethods(c connectors.Connector) string { return c.Capabilities()[connectors.Disable].Note }

// readProof reads whether the target refuses sign-in to a disabled account. A target that
// can be tried and was not gets a finding.
func (e *Engine) readProof(ctx context.Context, _ *inputs, t *plan.Target) error {
	connector := e.Targets[t.Name]
	if _, able := connector.(connectors.DisableProver); !able {
		return nil
	}
	p, err := e.DB.DisableProof(ctx, t.Name)
	if err != nil {
		return err
	}
	switch verdict := connectors.ProofVerdict(p.Verdict); {
	case verdict == "" || p.How != disableMethods(connector):
		t.Unproven = reason.Of(reason.DisableUntried{})
	case verdict == connectors.SignInPossible:
		t.SignInPossible = p.Why
	case verdict == connectors.NotTried:
		t.Unproven = reason.Of(reason.DisableUnproven{Detail: p.Why})
	}
	return nil
}

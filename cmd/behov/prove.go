package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/reconcile"
)

// prove tries whether a disabled account is shut out of a target, notes it in
// the database, and says for people what was found. A target that lets one in
// is an error.
func (a *app) prove(ctx context.Context, target string, connector connectors.Connector) (said string, err error) {
	if _, able := connector.(connectors.DisableProver); !able {
		return "", nil
	}
	i, err := a.open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, i.db.Close()) }()
	proof, _, err := reconcile.ProveDisable(ctx, i.db, target, connector, a.now())
	switch {
	case err != nil:
		return "", err
	case proof.Verdict == connectors.SignInPossible:
		return "", fmt.Errorf("accounts cannot be disabled here: %s. Until then no account of a leaver counts as closed", proof.Why)
	case proof.Verdict == connectors.NotTried:
		return fmt.Sprintf("Target %s: WARNING: nothing shows that a disabled account cannot sign in: %s.\n", target, proof.Why), nil
	}
	return fmt.Sprintf("Target %s: a disabled account is shut out: %s.\n", target, proof.Why), nil
}

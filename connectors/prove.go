package connectors

import "context"

// DisableProver is the optional ability to try whether a disabled account can
// still sign in.
type DisableProver interface {
	// ProveDisable makes a throw-away account, signs in as it, disables it as any
	// other account, tries to sign in again, and deletes it, whatever happened. It
	// is the only method beside Apply that changes the target. An error means that
	// nothing was found out and the throw-away account may have been left; it is
	// named.
	ProveDisable(ctx context.Context) (DisableProof, error)
}

// DisableProof says what was found out.
type DisableProof struct {
	Verdict ProofVerdict
	// Why says for people what was tried and, unless the verdict is SignInRefused, what
	// to set.
	Why string
}

// ProofVerdict is what a proof comes to.
type ProofVerdict string

// The verdicts.
const (
	// SignInRefused: a disabled account cannot sign in.
	SignInRefused ProofVerdict = "shuts-out"
	// SignInPossible: a disabled account can sign in. The target counts as one that cannot
	// disable accounts.
	SignInPossible ProofVerdict = "lets-in"
	// NotTried: it could not be tried.
	NotTried ProofVerdict = "not-tried"
)

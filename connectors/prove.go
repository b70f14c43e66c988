package connectors

import "context"

// DisableProver is the optional ability to test whether a disabled account can
// still sign in.
type DisableProver interface {
	// ProveDisable creates a test account, signs in with it, disables it like any
	// other account, tries to sign in again, and deletes it in every case. It is
	// the only method beside Apply that changes the target. An error means that
	// the test has no result and that the test account may have been left behind;
	// the error names the account.
	ProveDisable(ctx context.Context) (DisableProof, error)
}

// DisableProof is the result of ProveDisable.
type DisableProof struct {
	Verdict ProofVerdict
	// Why tells the operator what was tried and, unless the verdict is
	// SignInRefused, what to configure.
	Why string
}

// ProofVerdict is the conclusion of a proof.
type ProofVerdict string

// The verdicts.
const (
	// SignInRefused: a disabled account cannot sign in.
	SignInRefused ProofVerdict = "sign-in-refused"
	// SignInPossible: a disabled account can sign in. The target counts as one
	// that cannot disable accounts.
	SignInPossible ProofVerdict = "sign-in-possible"
	// NotTried: the test could not be carried out.
	NotTried ProofVerdict = "not-tried"
)

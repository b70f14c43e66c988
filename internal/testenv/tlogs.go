package testenv

import (
	_ "embed" // the verifier's requirements
	"testing"
)

//go:embed tlogs/requirements.txt
var tlogPackages []byte

// VerifyProof has proofbundle, a verifier of others in another language, verify the proof that
// an entry is in the log of a key. It returns what it says, and whether it accepts it.
func VerifyProof(t testing.TB, key, proofFile, entryFile string) (said string, accepted bool) {
	t.Helper()
	said, err := runPython(t, "tlogs", tlogPackages, []string{"PYTHONDONTWRITEBYTECODE=1"}, "-c", "import sys; from proofbundle.cli import main; sys.exit(main())", "verify-proof", proofFile, "--payload-file", entryFile, "--log-vkey", key)
	return said, err == nil
}

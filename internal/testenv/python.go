package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pythonLimit is for how long a suite may run.
const pythonLimit = 30 * time.Minute

// runPython runs the Python into which install.sh has installed what a directory's
// requirements.txt names, and returns its output, and the error with which a suite with
// findings exits.
func runPython(t testing.TB, directory string, requirements []byte, environment []string, args ...string) (string, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("suites of other projects are not run with -short")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		Missing(t, "no cache directory: %v", err)
	}
	sum := sha256.Sum256(requirements)
	python := filepath.Join(cache, "behov-testenv", directory, hex.EncodeToString(sum[:8]), "bin", "python3")
	if _, err := os.Stat(python); err != nil {
		Missing(t, "%s is not installed: make test-servers", directory)
	}
	ctx, cancel := context.WithTimeout(t.Context(), pythonLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, args...)
	// What a suite writes beside itself is not kept.
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), environment...)
	dieWithParent(cmd)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	defer lockThread()()
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("%s: %v\n%s", directory, err, complaints.String())
	}
	return string(out), err
}

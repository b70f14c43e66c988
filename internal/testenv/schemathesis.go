package testenv

import (
	_ "embed" // the fuzzer's files
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

//go:embed schemathesis/requirements.txt
var schemathesisPackages []byte

// APIFuzz is how Schemathesis asks an API.
type APIFuzz struct {
	Document string // the URL of the OpenAPI document
	Token    string
	Config   string // schemathesis.toml
	Checks   []string
	Examples int // of each operation and phase, at most
	// Operation is the only one that is asked; empty for all.
	Operation string
	// Seed makes a run that can be repeated; 0 makes each another.
	Seed int
}

// Schemathesis generates requests from an OpenAPI document, good and bad ones and those in
// which the answer of one is the question of the next, and returns its report, and whether
// it has a finding.
func Schemathesis(t testing.TB, f APIFuzz) (report string, failed bool) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "schemathesis.toml")
	if err := os.WriteFile(config, []byte(f.Config+"[cache]\nenabled = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-m", "schemathesis.cli", "--config-file", config, "run", f.Document, "-H", "Authorization: Bearer " + f.Token, "--phases", "coverage,fuzzing,stateful", "--checks", strings.Join(f.Checks, ","),
		"--max-examples", strconv.Itoa(f.Examples), "--generation-database", "none", "--no-color", "--no-shrink", "--warnings", "off"}
	if f.Operation != "" {
		args = append(args, "--include-operation-id", f.Operation)
	}
	if f.Seed != 0 {
		args = append(args, "--seed", strconv.Itoa(f.Seed))
	}
	report, err := runPython(t, "schemathesis", schemathesisPackages, []string{"NO_PROXY=*", "PYTHONDONTWRITEBYTECODE=1"}, args...)
	return report, err != nil
}

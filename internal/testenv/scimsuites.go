package testenv

import (
	"context"
	"crypto/sha256"
	_ "embed" // the suites' files
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	//go:embed scimsuites/requirements.txt
	scimSuites []byte
	//go:embed scimsuites/tester.py
	scimTester string
)

// SCIMCheck is the result of one check of a SCIM test suite.
type SCIMCheck struct{ Title, Status, Reason string }

// SCIM2Tester runs scim2-tester against a service. Without extensions it leaves
// out those that are not in the RFC.
func SCIM2Tester(t testing.TB, url, token string, extensions bool) []SCIMCheck {
	t.Helper()
	with := "yes"
	if !extensions {
		with = "no"
	}
	out := runSuite(t, []string{"BEHOV_TOKEN=" + token, "BEHOV_EXTENSIONS=" + with}, "-c", scimTester, url)
	var checks []SCIMCheck
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var c SCIMCheck
		if err := d.Decode(&c); err != nil {
			t.Fatalf("scim2-tester: %v\n%s", err, out)
		}
		checks = append(checks, c)
	}
	return checks
}

// SCIMSanity runs scim-sanity against a service.
func SCIMSanity(t testing.TB, url, token string) []SCIMCheck {
	t.Helper()
	out := runSuite(t, nil, "-m", "scim_sanity", "probe", url, "--token", token, "--json-output", "--i-accept-side-effects")
	var said struct {
		Results []struct{ Name, Status, Message string }
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("scim-sanity: %v\n%s", err, out)
	}
	var checks []SCIMCheck
	for _, r := range said.Results {
		checks = append(checks, SCIMCheck{Title: r.Name, Status: r.Status, Reason: r.Message})
	}
	return checks
}

// runSuite runs the Python into which install.sh has installed the suites, and
// returns its output. A suite with findings exits with an error, which runSuite
// ignores.
func runSuite(t testing.TB, environment []string, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("SCIM's suites are not run with -short")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		Missing(t, "no cache directory: %v", err)
	}
	sum := sha256.Sum256(scimSuites)
	python := filepath.Join(cache, "behov-testenv", "scimsuites", hex.EncodeToString(sum[:8]), "bin", "python3")
	if _, err := os.Stat(python); err != nil {
		Missing(t, "scim2-tester and scim-sanity are not installed: make test-servers")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Env = append(os.Environ(), environment...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("%s: %v\n%s", filepath.Base(python), err, complaints.String())
	}
	return string(out)
}

package testenv_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestVulncheckThatDidNotRunIsSaid: without its database govulncheck is among
// what was skipped, and a vulnerability that it found fails.
func TestVulncheckThatDidNotRunIsSaid(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	for _, c := range []struct {
		says         string
		status       string
		fails, skips bool
	}{
		{"fetching vulnerabilities: dial tcp: lookup vuln.go.dev: no such host", "1", false, true},
		{"Vulnerability #1: GO-2026-0001", "3", true, false},
		{"No vulnerabilities found.", "0", false, false},
	} {
		skipped := filepath.Join(t.TempDir(), "skipped")
		cmd := exec.CommandContext(t.Context(), sh, "vulncheck.sh", sh, "-c", "echo '"+c.says+"'; exit "+c.status)
		cmd.Env = append(os.Environ(), "BEHOV_SKIPPED="+skipped)
		out, err := cmd.CombinedOutput()
		if (err != nil) != c.fails {
			t.Errorf("%s: %v, %s", c.says, err, out)
		}
		b, err := os.ReadFile(skipped)
		if got := err == nil && strings.Contains(string(b), "govulncheck: its database cannot be reached"); got != c.skips {
			t.Errorf("%s: what was skipped is %q, %v", c.says, b, err)
		}
	}
}

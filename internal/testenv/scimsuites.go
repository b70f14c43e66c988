package testenv

import (
	_ "embed" // the suites' files
	"encoding/json"
	"strings"
	"testing"
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
	out, _ := runPython(t, "scimsuites", scimSuites, environment, args...) // an error is a finding
	return out
}

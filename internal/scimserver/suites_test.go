package scimserver_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/behov/behov/internal/testenv"
)

// exceptions are findings of scim2-tester that the RFC permits: it fills every
// text with a random one, also where the service provider restricts its values.
var exceptions = []struct {
	rfc    string
	reason *regexp.Regexp
}{
	{"RFC 7644 §3.12, invalidValue: behov's extension has dates and a share as texts, and takes nothing else", regexp.MustCompile(`column (startDate|endDate|leaveStart|leaveEnd|validFrom): it is not a date|column percent: it is not a number`)},
	{"RFC 7644 §3.12, mutability (\"current state\"): an employment stays while the user is active", regexp.MustCompile(`employmentId: it cannot change while the user is active`)},
	{"RFC 7643 §4.1.1: what active means is the service provider's to say: silence about it ends no employment and begins none", regexp.MustCompile(`did not remove attribute 'active'$`)},
	{"RFC 7644 §3.12, invalidValue: a department is one of the organisation's units", regexp.MustCompile(`column department: the unit does not exist`)},
}

// TestThirdPartySuites runs scim2-tester and scim-sanity. Every finding is a
// defect, except for the exceptions, each of which names its section.
func TestThirdPartySuites(t *testing.T) {
	report := func(t *testing.T, checks []testenv.SCIMCheck, fewest, most int) {
		t.Helper()
		passed, excepted := 0, 0
	each:
		for _, c := range checks {
			switch strings.ToLower(c.Status) {
			case "success", "compliant", "pass":
				passed++
			case "skip", "skipped":
			default:
				for _, e := range exceptions {
					if e.reason.MatchString(c.Reason) {
						t.Logf("%s: %s", e.rfc, c.Title)
						excepted++
						continue each
					}
				}
				t.Errorf("%s %s: %s", c.Status, c.Title, c.Reason)
			}
		}
		if passed < fewest || excepted > most {
			t.Errorf("%d checks passed and %d are excepted, of %d", passed, excepted, len(checks))
		}
	}
	t.Run("scim2-tester", func(t *testing.T) {
		s := newService(t)
		report(t, testenv.SCIM2Tester(t, s.url, s.token, true), 80, 35)
	})
	t.Run("scim2-tester without behov's extension", func(t *testing.T) {
		s := newServiceIn(t)
		report(t, testenv.SCIM2Tester(t, s.url, s.token, false), 80, 1)
	})
	t.Run("scim-sanity", func(t *testing.T) {
		s := newService(t)
		report(t, testenv.SCIMSanity(t, s.url, s.token), 18, 0)
	})
}

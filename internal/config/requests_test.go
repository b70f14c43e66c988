package config_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/testenv"
)

// TestWhatCanBeRequested: nothing can that does not say so; days and approvers follow from the
// class; and where the catalogue names no one who approves, it is a warning at its place.
func TestWhatCanBeRequested(t *testing.T) {
	load := func(system, entitlement, control string) (policy.Entitlement, string) {
		t.Helper()
		loaded, problems := config.LoadInstead(example(t), config.Instead{
			Catalogue: &config.NewFile{Name: "catalogue.yaml", Content: []byte("systems:\n  base:\n    " + system + "\n    target: directory\n    entitlements:\n      staff: {native: all-staff" + entitlement + "}\n")},
			Policy:    &config.NewFile{Name: "policy.csv", Content: []byte("p, everyone, true, base:staff, allow, everybody\n")},
			Controls:  &config.NewFile{Name: "controls.yaml", Content: []byte("controls:\n  strict: {from: {confidentiality: 3}, mfa: any" + control + "}\n")}})
		if loaded == nil {
			t.Fatal(problems)
		}
		var text []string
		for _, p := range problems {
			if !p.Warning {
				t.Errorf("%v", p)
			}
			text = append(text, testenv.ErrorText(p))
		}
		return loaded.Rules.Catalogue.Entitlements[0], strings.Join(text, "\n")
	}
	e, problems := load(`name: Base`, "", "")
	if e.Requesting != (policy.Requesting{}) || strings.Contains(problems, "requested") {
		t.Errorf("%+v, %s", e, problems)
	}
	e, problems = load(`owner: "1001"`, `, requestable: true, emergency: true, purpose: "  read  mail "`, "")
	days, by := e.Controls.RequestDaysAtMost(false)
	soon, _ := e.Controls.RequestDaysAtMost(true)
	if !e.Requesting.Allowed || !e.Requesting.Emergency || e.Purpose != "read mail" || days != policy.MostRequestDays || by != "" || soon != policy.MostEmergencyDays || strings.Contains(problems, "requested") {
		t.Errorf("%+v, %d by %s, %d, %s", e, days, by, soon, problems)
	}
	_, problems = load(`name: Base`, ", emergency: true", "")
	if !strings.Contains(problems, "catalogue.yaml:6:") || !strings.Contains(problems, "its system has no owner who approves: name one under owner") {
		t.Errorf("no owner: %s", problems)
	}
	classified := "owner: \"1001\"\n    classification: {confidentiality: 3, integrity: 0, availability: 0}"
	e, problems = load(classified, ", requestable: true", ", request_days: 30, emergency_days: 1, approvers: [second-owner, manager]")
	days, by = e.Controls.RequestDaysAtMost(false)
	soon, _ = e.Controls.RequestDaysAtMost(true)
	if days != 30 || by != "strict" || soon != 1 || !strings.Contains(problems, "name a deputy under deputies") {
		t.Errorf("%d by %s, %d, %s", days, by, soon, problems)
	}
}

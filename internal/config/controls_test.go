package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/policy"
)

// TestControlsOfAClass: the strictest demand of the controls that hold counts, and says
// which control it is.
func TestControlsOfAClass(t *testing.T) {
	for name, c := range map[string]struct {
		system string
		want   func(policy.Controls) bool
	}{
		"no class demands nothing": {"", func(c policy.Controls) bool { return c.MFA.Value == "" && c.ReviewDays.Value == 0 }},
		"a note is no class":       {"classification: {note: personal data}", func(c policy.Controls) bool { return c.ReviewDays.Value == 0 }},
		"moderate": {"classification: {confidentiality: 2, integrity: 1, availability: 0}", func(c policy.Controls) bool {
			return c.MFA.Value == "" && c.ReviewDays == policy.Demand[int]{Value: 365, By: "personal-data"} && c.OutsideEU.Value == ""
		}},
		"serious, and correct": {"classification: {confidentiality: 3, integrity: 3, availability: 0}", func(c policy.Controls) bool {
			return c.MFA == policy.Demand[policy.Method]{Value: policy.StrongMethod, By: "sensitive-data"} && c.ReviewDays.Value == 180 && c.RequestDays.Value == 90 &&
				slices.Equal(c.Approvers.Value, []policy.Approver{policy.ManagerApprover, policy.OwnerApprover})
		}},
		"outside": {"classification: {confidentiality: 3, integrity: 0, availability: 0}\n    suppliers: [{name: A, country: SE, sub_suppliers: [{name: B, country: US}]}]\n    data_in: [SE, NO]", func(c policy.Controls) bool {
			return c.OutsideEU == policy.Demand[string]{Value: "US", By: "sensitive-data"}
		}},
		"highest": {"classification: {confidentiality: 4, integrity: 0, availability: 0, security_protected: true}", func(c policy.Controls) bool {
			return c.MFA.Value == policy.PhishingResistant && c.Screening.Value && c.Reviewers.Value == 2 && c.RequestDays.Value == 30
		}},
	} {
		loaded, problems := config.LoadInstead(example(t), config.Instead{Catalogue: &config.NewFile{Name: "catalogue.yaml", Content: []byte("systems:\n  base:\n    name: Base\n    " + c.system + "\n    target: directory\n    entitlements: {staff: {native: all-staff}}\n")},
			Policy: &config.NewFile{Name: "policy.csv", Content: []byte("p, everyone, true, base:staff, allow, everybody\n")}})
		if loaded == nil {
			t.Errorf("%s: %v", name, problems)
			continue
		}
		if got := loaded.Rules.Catalogue.Systems[0].Controls; !c.want(got) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestWrongControls: each mistake is one problem at its place.
func TestWrongControls(t *testing.T) {
	for wrong, want := range map[string]string{
		"controls:\n  a: {from: {confidentiality: 5}, mfa: any}\n": "controls.yaml:2:31: there is no level 5",
		"controls: {}\n": "there is no control",
		"controls:\n  a: {from: {integrity: 1}, purpose: x}\n":                   "the control demands nothing",
		"controls:\n  a: {mfa: strong}\n":                                        "controls.yaml:2:",
		"controls:\n  a: {from: {integrity: 1}, mfa: sms}\n":                     `"sms" is none of any, strong, phishing-resistant`,
		"controls:\n  a: {from: {integrity: 1}, approvers: [mayor]}\n":           `"mayor" is none of manager, owner, second-owner`,
		"controls:\n  a: {from: {integrity: 1}, not_for: {sources: [nobody]}}\n": `there is no HR source "nobody"`,
		"controls:\n  a: {from: {integrity: 1}, outside_eu: maybe}\n":            `"maybe" is none of refuse, flag`,
		"controls:\n  a: {from: {integrity: 1}, review_days: -4}\n":              "it is a number of days",
		"controls:\n  a: {from: {integrity: 1}, reviewers: 9}\n":                 "access is reviewed by 1 or 2",
		"controls:\n  a: {from: {secrecy: 1}}\n":                                 "controls.yaml:2:",
	} {
		loaded, problems := config.LoadInstead(example(t), config.Instead{Controls: &config.NewFile{Name: "controls.yaml", Content: []byte(wrong)}})
		if loaded != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%s: %v", wrong, problems)
		}
	}
	for wrong, want := range map[string]string{
		"classification: K3 R2 T2":                                            "a class is written {confidentiality: 3",
		"classification: {confidentiality: 2}":                                "write all three",
		"classification: {confidentiality: 7, integrity: 1, availability: 1}": "catalogue.yaml:4:39: there is no level 7",
		"suppliers: [{country: SE}]":                                          "has no name",
		"suppliers: [{name: A, sub_suppliers: [{name: B, country: Sweden}]}]": "two capital letters",
		"data_in: [sweden]":                                                   "two capital letters",
	} {
		loaded, problems := config.LoadInstead(example(t), config.Instead{Catalogue: &config.NewFile{Name: "catalogue.yaml", Content: []byte("systems:\n  base:\n    name: Base\n    " + wrong + "\n    target: directory\n    entitlements: {staff: {native: all-staff}}\n")},
			Policy: &config.NewFile{Name: "policy.csv", Content: []byte("p, everyone, true, base:staff, allow, everybody\n")}})
		if loaded != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%s: %v", wrong, problems)
		}
	}
}

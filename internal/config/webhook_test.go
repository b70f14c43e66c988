package config_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
)

// TestAWebhookIsSigned: without a key for the signature there is a warning, and
// a key that is too short to be one is refused where it is used.
func TestAWebhookIsSigned(t *testing.T) {
	dir := example(t)
	edit(t, dir, "behov.yaml", "  away_after: 15m\n", "  away_after: 15m\n  webhook: {url: \"https://chat.example.org/hook\"}\n")
	c, problems := config.Load(dir)
	if c == nil || len(problems) != 0 || !strings.Contains(c.Alerts.Unsigned(), "is not signed") {
		t.Fatalf("%v", problems)
	}
	edit(t, dir, "behov.yaml", "example.org/hook\"}", "example.org/hook\", secret: env:BEHOV_TEST_HOOK_KEY}")
	if c, problems = config.Load(dir); c == nil || len(problems) != 0 || c.Alerts.Unsigned() != "" {
		t.Fatalf("%v", problems)
	}
	for key, good := range map[string]bool{
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)): true, base64.StdEncoding.EncodeToString(make([]byte, 24)): true,
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 16)): false, "hunter2": false,
	} {
		t.Setenv("BEHOV_TEST_HOOK_KEY", key)
		if err := c.Alerts.Secrets(dir); (err == nil) != good || err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestAlertsHaveALanguage: alerts are written in English or Swedish.
func TestAlertsHaveALanguage(t *testing.T) {
	dir := example(t)
	if c, problems := config.Load(dir); c == nil || c.Alerts.Language != "en" {
		t.Fatalf("%v", problems)
	}
	edit(t, dir, "behov.yaml", "  language: en\n", "  language: sv\n")
	if c, problems := config.Load(dir); c == nil || c.Alerts.Language != "sv" {
		t.Fatalf("%v", problems)
	}
	edit(t, dir, "behov.yaml", "  language: sv\n", "  language: svenska\n")
	if _, problems := config.Load(dir); len(problems) != 1 || !strings.Contains(problems[0].Error(), `alerts are written in en or sv, not "svenska"`) {
		t.Fatalf("%v", problems)
	}
}

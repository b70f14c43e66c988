package config_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/testenv"
)

// TestWrongReviews: each mistake is one problem at its place.
func TestWrongReviews(t *testing.T) {
	for wrong, want := range map[string]string{
		"{every: sometimes}":                               `"sometimes" is no recurrence rule`,
		"{every: FREQ=HOURLY}":                             "at most once a day",
		"{every: \"DTSTART=20260101T000000Z;FREQ=DAILY\"}": "under from",
		"{every: FREQ=YEARLY, from: 1/1/2026}":             `"1/1/2026" is no date`,
		"{days: 20}":                                       "say when it begins",
		"{every: FREQ=YEARLY, on: [long-leave]}":           "say when it begins",
		"{on: [payday]}":                                   `"payday" (number 1) is none of owner-changed, class-raised, long-leave`,
		"{on: [long-leave], system: library}":              "about the system or the person of the event",
		"{every: FREQ=YEARLY, system: nowhere}":            `there is no system "nowhere"`,
		"{every: FREQ=YEARLY, entitlement: \"x:y\"}":       `there is no entitlement "x:y"`,
		"{every: FREQ=YEARLY, unit: nowhere}":              `there is no unit "nowhere"`,
		"{every: FREQ=YEARLY, system: library, unit: x}":   "about one of system, unit and entitlement",
		"{every: FREQ=YEARLY, asks: mayor}":                `"mayor" is none of owner, manager, manager-then-owner`,
		"{every: FREQ=YEARLY, after_due: maybe}":           `"maybe" is neither keep nor revoke`,
		"{every: FREQ=YEARLY, days: -1}":                   "days and leave_days must be 1 to 366",
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "mfa:\n", "reviews:\n  spring: "+wrong+"\nmfa:\n")
		_, problems := config.Load(dir)
		found := false
		for _, p := range problems {
			found = found || strings.Contains(testenv.ErrorText(p), want) && strings.HasPrefix(testenv.ErrorText(p), "behov.yaml:")
		}
		if !found {
			t.Errorf("%s: %v", wrong, problems)
		}
	}
}

// TestWhenReviewsBegin: a series begins on the days of its rule, which counts from its first
// day.
func TestWhenReviewsBegin(t *testing.T) {
	dir := example(t)
	edit(t, dir, "behov.yaml", "mfa:\n", "reviews:\n  quarter: {every: FREQ=MONTHLY;INTERVAL=3, from: 2026-02-10}\nmfa:\n")
	c, problems := config.Load(dir)
	if c == nil || len(c.Reviews) != 1 {
		t.Fatal(problems)
	}
	for day, want := range map[identity.Date]identity.Date{"2026-02-09": "", "2026-02-10": "2026-02-10", "2026-05-09": "2026-02-10", "2026-05-10": "2026-05-10", "2027-01-01": "2026-11-10"} {
		got, ok := c.Reviews[0].Last(day)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, want %s", day, got, want)
		}
	}
}

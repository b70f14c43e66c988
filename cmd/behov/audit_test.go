package main

import (
	"strings"
	"testing"
	"time"
)

// TestFutureIsNotAskedOfTheAuditTrail: everyone who has something now was
// listed as having it then.
func TestFutureIsNotAskedOfTheAuditTrail(t *testing.T) {
	h := newHousehold(t)
	now := time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)
	h.now = func() time.Time { return now }
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	for _, args := range [][]string{
		{"audit", "who-had", "school:register", "--at", "2026-11-24"}, {"audit", "who-had", "school:register", "--at", "2027-03-01"}, {"audit", "who-had", "account", "--at", "2026-11-23T14:05:01Z"},
		{"audit", "who-had", "account", "--at", "2026-11-23 15:06"}, {"audit", "access", "1004", "--at", "2027-03-01"}, {"audit", "access", "1004", "--from", "2027-03-01"},
	} {
		code, out, errs := h.run(args...)
		day := args[len(args)-1][:10]
		if code != exitError || out != "" || !strings.Contains(errs, "has not come yet") || !strings.Contains(errs, "behov plan --as-of "+day) {
			t.Errorf("behov %v: %d\n%s%s", args, code, out, errs)
		}
	}
	for _, args := range [][]string{
		{"audit", "who-had", "school:register"}, {"audit", "who-had", "school:register", "--at", "2026-11-23"}, {"audit", "who-had", "school:register", "--at", "2026-11-23T14:05:00Z"},
		{"audit", "access", "1004", "--at", "2026-11-23"}, {"audit", "access", "1004", "--from", "2026-01-01", "--to", "2026-12-31"},
	} {
		if out := h.ok(args...); !strings.Contains(out, "Sven") {
			t.Errorf("behov %v:\n%s", args, out)
		}
	}
}

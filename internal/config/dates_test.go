package config_test

import (
	"slices"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
)

// TestDateFormatTakesSeveralPatterns: one, or a list, of which each is tried, in
// the organisation's time zone.
func TestDateFormatTakesSeveralPatterns(t *testing.T) {
	for setting, in := range map[string]map[string]string{
		"": {"2026-11-30T23:00:00.000Z": "2026-12-01"}, "date_format: DD.MM.YYYY": {"01.12.2026": "2026-12-01"},
		"date_format: [YYYY-MM-DD, \"DD.MM.YYYY hh:mm\", EXCEL]": {"2026-12-01": "2026-12-01", "01.12.2026 00:00": "2026-12-01", "46357": "2026-12-01"},
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "      shrink_limit:", "      "+setting+"\n      shrink_limit:")
		c, problems := config.Load(dir)
		if c == nil {
			t.Fatal(problems)
		}
		for text, want := range in {
			if d, uneven, err := c.Sources["hr"].Dates.Parse(text); string(d) != want || uneven || err != nil {
				t.Errorf("%s: %q is %q, %t, %v", setting, text, d, uneven, err)
			}
		}
	}
	dir := example(t)
	edit(t, dir, "behov.yaml", "      shrink_limit:", "      date_format: [YYYY-MM-DD, 02.01.2006]\n      shrink_limit:")
	if _, problems := config.Load(dir); len(problems) == 0 || !slices.ContainsFunc(problems, func(p diagnostic.Problem) bool { return p.Line == 74 }) {
		t.Error(problems)
	}
}

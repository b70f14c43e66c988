package hr

import (
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var dated = regexp.MustCompile(`(20\d\d)-?(\d\d)-?(\d\d)(?:[T_-]?(\d\d)[-:.]?(\d\d)(?:[-:.]?(\d\d))?)?`)

// ExportedAt returns when a file was made, UTC: by its name, in the zone, or
// otherwise by its modification time.
func ExportedAt(name string, modified time.Time, zone *time.Location) time.Time {
	for _, m := range dated.FindAllStringSubmatch(filepath.Base(name), -1) {
		text := m[1] + m[2] + m[3] + m[4] + m[5] + m[6]
		if t, err := time.ParseInLocation("20060102150405"[:len(text)], text, zone); err == nil {
			return t.UTC()
		}
	}
	return modified.UTC()
}

// ParseExportTime parses an operator's statement of when a file was made: now, a
// date, or an instant.
func ParseExportTime(text string, now time.Time, zone *time.Location) (time.Time, bool) {
	if strings.EqualFold(text, "now") {
		return now, true
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

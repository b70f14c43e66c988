package hr

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

var dated = regexp.MustCompile(`(20\d\d)-?(\d\d)-?(\d\d)(?:[T_-]?(\d\d)[-:.]?(\d\d)(?:[-:.]?(\d\d))?)?`)

// clockGrace is how far after now an export's date may lie and still count: the
// system that writes the file may run in another time zone.
const clockGrace = 24 * time.Hour

// ExportedAt returns when a file was made, UTC: the date in its name, read in the zone,
// or otherwise the time of its last modification. A date after now, such as the end of
// a period in the name, is no export date: the next of the two counts instead, and at
// last now; warning then says so. A zero modified is an unknown one.
func ExportedAt(name string, modified, now time.Time, zone *time.Location) (made time.Time, warning reason.Reason) {
	var wrong reason.ExportDated
	isAhead := func(t time.Time) bool { return t.After(now.Add(clockGrace)) }
	for _, m := range dated.FindAllStringSubmatch(filepath.Base(name), -1) {
		text := m[1] + m[2] + m[3] + m[4] + m[5] + m[6]
		t, err := time.ParseInLocation("20060102150405"[:len(text)], text, zone)
		if err != nil {
			continue
		}
		if !isAhead(t) {
			return t.UTC(), reason.Reason{}
		}
		wrong.Named = identity.DateOf(t, zone)
		break
	}
	if isAhead(modified) {
		wrong.Modified, wrong.Ahead = modified.UTC(), true
		modified = now
	} else if wrong.Named != "" && !modified.IsZero() {
		wrong.Modified = modified.UTC()
	}
	if wrong == (reason.ExportDated{}) {
		return modified.UTC(), reason.Reason{}
	}
	return modified.UTC(), reason.Of(wrong)
}

// ParseExportTime reads what an operator says about when a file was made: now, a date,
// or an instant.
func ParseExportTime(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if strings.EqualFold(text, "now") {
		return now, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05", time.RFC3339} {
		t, err := time.ParseInLocation(layout, text, zone)
		switch {
		case err != nil:
			continue
		case t.After(now.Add(clockGrace)):
			return time.Time{}, fmt.Errorf("%q lies in the future: no export was made then; give the date on which it was made, or now", text)
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither now nor a date, as 2026-11-23, nor an instant", text)
}

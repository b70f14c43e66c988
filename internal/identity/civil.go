package identity

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DateReader parses civil dates in the formats of a source. The zero value parses
// the ISO 8601 formats of a day, in UTC.
type DateReader struct {
	formats []dateFormat
	zone    *time.Location
}

// dateFormat is a pattern in the configuration's form and in that of package
// time.
type dateFormat struct {
	pattern, layout string
	timed           bool // it has a time of day
}

// serialPattern is the pattern for spreadsheet serial dates.
const serialPattern = "EXCEL"

const isoPattern = "YYYY-MM-DD"

// patternTokens are the elements of a pattern. Of two with a common prefix the
// longer one comes first.
var patternTokens = []struct{ token, layout string }{
	{"YYYY", "2006"}, {"MM", "01"}, {"DD", "02"}, {"hh", "15"}, {"HH", "15"}, {"mm", "04"}, {"ss", "05"}, {"M", "1"}, {"D", "2"}, {"Z", "Z07:00"},
	{"T", "T"}, {"-", "-"}, {".", "."}, {"/", "/"}, {":", ":"}, {",", ","}, {" ", " "},
}

// NewDateReader returns a reader of dates in any of the patterns, which are tried
// in order; without patterns it parses the ISO 8601 formats. A pattern has YYYY,
// MM (M without a leading zero) and DD (D), and may have hh, mm, ss and Z, the
// zone; EXCEL stands for spreadsheet serial dates. Instants are converted to the
// zone; nil is UTC.
func NewDateReader(patterns []string, zone *time.Location) (DateReader, error) {
	r := DateReader{zone: zone}
	if slices.Equal(patterns, []string{isoPattern}) {
		return r, nil // the same as no pattern
	}
	for _, p := range patterns {
		if strings.EqualFold(p, serialPattern) {
			r.formats = append(r.formats, dateFormat{pattern: serialPattern})
			continue
		}
		layout, seen := "", map[string]bool{}
		for rest := p; rest != ""; {
			i := slices.IndexFunc(patternTokens, func(t struct{ token, layout string }) bool { return strings.HasPrefix(rest, t.token) })
			if i < 0 {
				return r, fmt.Errorf("%q contains %q: a pattern consists of YYYY, MM or M, DD or D, hh, mm, ss, Z (the zone), T, and - . / : , or a space, or is EXCEL", p, first(1, rest))
			}
			t := patternTokens[i]
			if len(t.layout) > 1 || t.layout == "1" || t.layout == "2" {
				part := strings.ToLower(t.token[:1])
				if t.token[0] == 'M' {
					part = "month"
				}
				if seen[part] {
					return r, fmt.Errorf("%q has %s twice: MM is the month, and mm the minute", p, t.token)
				}
				seen[part] = true
			}
			layout += t.layout
			rest = rest[len(t.token):]
		}
		if !seen["y"] || !seen["month"] || !seen["d"] {
			return r, fmt.Errorf("%q must have YYYY, MM and DD, as in YYYY-MM-DD or DD.MM.YYYY", p)
		}
		r.formats = append(r.formats, dateFormat{pattern: p, layout: layout, timed: seen["h"]})
	}
	return r, nil
}

// Patterns returns the patterns of the dates.
func (r DateReader) Patterns() []string {
	if len(r.formats) == 0 {
		return []string{isoPattern}
	}
	var all []string
	for _, f := range r.formats {
		all = append(all, f.pattern)
	}
	return all
}

// In returns the same reader for another zone.
func (r DateReader) In(zone *time.Location) DateReader {
	r.zone = zone
	return r
}

var (
	isoBasic = dateFormat{layout: "20060102"}
	isoDay   = dateFormat{layout: time.DateOnly}
	// clockLayouts are the times of day that may follow a day, without and with a
	// zone. A fraction of a second may follow each.
	clockLayouts = []string{"15:04:05", "15:04"}
	zoneLayouts  = []string{"Z07:00", "Z0700", "Z07"}
	serial       = regexp.MustCompile(`^[1-9][0-9]{4}([.,][0-9]+)?$`)
)

// ErrNoSuchDay is returned for a day that no month has, in the right format.
var ErrNoSuchDay = errors.New("there is no such day")

// ErrSerialDate is returned for a spreadsheet serial date where a date is
// expected.
var ErrSerialDate = errors.New("it is not a date, but an Excel serial date")

// Parse parses a date and refuses days that do not exist, such as 30 February. A
// time of day may follow the day: a time with a zone is an instant, whose day is
// that in the reader's zone, except that midnight UTC keeps its day in UTC.
// uneven reports that the time is neither midnight nor the last minute of a day,
// so that the day may not be the intended one. The error does not contain the
// text, which may be personal data.
func (r DateReader) Parse(s string) (d Date, uneven bool, err error) {
	formats := r.formats
	if len(formats) == 0 {
		formats = []dateFormat{isoDay, isoBasic}
	}
	for _, f := range formats {
		if t, zoned, ok := f.parse(s); ok {
			d, uneven = r.day(t, zoned)
			return d, uneven, nil
		}
	}
	if serial.MatchString(s) {
		return "", false, fmt.Errorf("%w", ErrSerialDate)
	}
	for _, f := range formats {
		if _, err := time.Parse(f.layout, s); err != nil && strings.HasSuffix(err.Error(), ": day out of range") {
			return "", false, fmt.Errorf("%w", ErrNoSuchDay)
		}
	}
	return "", false, fmt.Errorf("it is not a date in the format %s", strings.Join(r.Patterns(), " or "))
}

// parse parses a text; zoned reports whether it has a zone, and so is an instant.
func (f dateFormat) parse(s string) (t time.Time, zoned, ok bool) {
	if f.pattern == serialPattern {
		return fromSerial(s)
	}
	if t, err := time.Parse(f.layout, s); err == nil {
		return t, strings.Contains(f.layout, "Z07"), true
	}
	if f.timed {
		return t, false, false
	}
	// A day without spaces may be followed by a time.
	i := strings.IndexAny(s, "T ")
	if strings.ContainsAny(f.layout, "T ") || i < 0 {
		return t, false, false
	}
	day, err := time.Parse(f.layout, s[:i])
	if err != nil {
		return t, false, false
	}
	clock := strings.TrimSpace(s[i+1:])
	for _, layout := range clockLayouts {
		if c, err := time.Parse(layout, clock); err == nil {
			return onDay(day, c), false, true
		}
		for _, zone := range zoneLayouts {
			for _, space := range []string{"", " "} {
				if c, err := time.Parse(layout+space+zone, clock); err == nil {
					return onDay(day, c), true, true
				}
			}
		}
	}
	return t, false, false
}

func onDay(day, clock time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), clock.Location())
}

// firstSerial is day 0 of spreadsheet serial dates, for days after February 1900.
var firstSerial = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)

func fromSerial(s string) (t time.Time, zoned, ok bool) {
	if !serial.MatchString(s) {
		return t, false, false
	}
	whole, fraction, _ := strings.Cut(strings.Replace(s, ",", ".", 1), ".")
	days, err := strconv.Atoi(whole)
	part := 0.0
	if fraction != "" {
		if part, err = strconv.ParseFloat("0."+fraction, 64); err != nil {
			return t, false, false
		}
	}
	if err != nil {
		return t, false, false
	}
	return firstSerial.AddDate(0, 0, days).Add(time.Duration(part * float64(24*time.Hour)).Round(time.Second)), false, true
}

// day returns the day of a time. uneven reports whether the time of day leaves
// doubt about the intended day.
func (r DateReader) day(t time.Time, zoned bool) (d Date, uneven bool) {
	if zoned && !t.Equal(t.Truncate(24*time.Hour)) {
		zone := r.zone
		if zone == nil {
			zone = time.UTC
		}
		t = t.In(zone)
	} else if zoned {
		t = t.UTC()
	}
	if t.Year() < 0 || t.Year() > 9999 {
		t = time.Date(min(max(t.Year(), 0), 9999), 12, 31, 0, 0, 0, 0, time.UTC)
	}
	midnight := t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0
	return Date(t.Format(time.DateOnly)), !midnight && (t.Hour() != 23 || t.Minute() != 59)
}

package identity

import (
	"fmt"
	"strings"
	"time"
)

// Date is a civil date, YYYY-MM-DD, in the organisation's time zone. The zero
// value means no date, such as an employment without an end. Dates compare as
// strings do.
type Date string

// ParseDate parses a date in a layout of package time and refuses days that do
// not exist, such as 30 February. The error does not contain the text, which may
// be personal data.
func ParseDate(layout, s string) (Date, error) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return "", fmt.Errorf("it is not a date in the format %s", formatOf(layout))
	}
	return Date(t.Format(time.DateOnly)), nil
}

// formatOf returns the layout in the configuration's form: YYYY-MM-DD.
func formatOf(layout string) string {
	return strings.NewReplacer("2006", "YYYY", "01", "MM", "02", "DD").Replace(layout)
}

// DateOf returns the civil date of an instant in a time zone.
func DateOf(t time.Time, zone *time.Location) Date {
	return Date(t.In(zone).Format(time.DateOnly))
}

// lastDay is the maximum Date. Many systems write it for an employment without an
// end.
const lastDay Date = "9999-12-31"

// AddDays returns the date n days later, or earlier when n is negative. It stays
// within the years 0 to 9999, in which dates compare as strings do.
func (d Date) AddDays(n int) Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	switch t = t.AddDate(0, 0, n); {
	case t.Year() > 9999:
		return lastDay
	case t.Year() < 0:
		return "0000-01-01"
	}
	return Date(t.Format(time.DateOnly))
}

// covers reports whether day is between from and until, both included; an empty
// until means no end.
func covers(from, until, day Date) bool {
	return from <= day && (until == "" || day <= until)
}

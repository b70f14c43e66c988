package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/internal/access"
)

const instantHelp = `An instant is "2026-11-23T14:05:00+01:00", "2026-11-23 14:05" in the
organisation's time zone, or a date, which stands for the whole day.`

// stretch is a stretch of time; a single instant is a microsecond long.
type stretch struct{ from, to time.Time }

// parseStretch reads an instant, or a date, which is the whole day.
func parseStretch(s string, zone *time.Location) (stretch, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return stretch{t, t.AddDate(0, 0, 1)}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return stretch{t, t.Add(time.Microsecond)}, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return stretch{t, t.Add(time.Microsecond)}, nil
		}
	}
	return stretch{}, fmt.Errorf("%q is no instant: write 2026-11-23, \"2026-11-23 14:05\" or 2026-11-23T14:05:00+01:00", s)
}

// parsePast reads an instant or a date that has begun. The trail knows nothing of the
// future, and who has something now would be listed as having it then.
func (a *app) parsePast(flag, text string, zone *time.Location) (stretch, error) {
	s, err := parseStretch(text, zone)
	if err == nil && s.from.After(a.now()) {
		err = fmt.Errorf("%s has not come yet, and the audit trail says what was: see with behov plan --as-of %s what will change until then", text, s.from.In(zone).Format(time.DateOnly))
	}
	if err != nil {
		return stretch{}, fmt.Errorf("%s: %w", flag, err)
	}
	return s, nil
}

// period reads the flags of a question about the past: an instant or a day, or a time. It
// returns nil without any, which is now.
func (a *app) period(zone *time.Location, at, from, to string) (*access.Period, error) {
	var p access.Period
	switch {
	case at != "" && (from != "" || to != ""):
		return nil, errors.New("--at goes without --from and --to")
	case at != "":
		s, err := a.parsePast("--at", at, zone)
		return &access.Period{From: s.from, To: s.to}, err
	case from == "" && to == "":
		return nil, nil
	}
	if from != "" {
		s, err := a.parsePast("--from", from, zone)
		if err != nil {
			return nil, err
		}
		p.From = s.from
	}
	if to != "" {
		s, err := parseStretch(to, zone)
		if err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
		p.To = s.to
	}
	return &p, nil
}

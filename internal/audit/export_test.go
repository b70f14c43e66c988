package audit

import "time"

// At reports whether the interval covers the instant. It includes its first
// instant and not its last.
func (i Interval) At(t time.Time) bool {
	return !t.Before(i.Since) && (i.Until.IsZero() || t.Before(i.Until))
}

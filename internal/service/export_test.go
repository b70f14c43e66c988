package service

import "time"

// NextMidnight is when the next day begins.
func NextMidnight(zone *time.Location, after time.Time) time.Time { return midnight{zone}.Next(after) }

package service_test

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestTheClockGoesBack: an hour that comes twice loses nothing, and neither
// does one that is left out.
func TestTheClockGoesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		var offset atomic.Int64
		// It is noon: an hour less or more is the same day.
		y, m, d := time.Now().In(fixture.config.Zone).Date()
		noon := time.Until(time.Date(y, m, d, 12, 0, 0, 0, fixture.config.Zone))
		fixture.now = func() time.Time { return time.Now().Add(noon + time.Duration(offset.Load())) }
		stop := fixture.serve(nil)
		want := func(key, one, two string) {
			t.Helper()
			fixture.until(key+" after the clock was moved", 20*time.Second, func() bool { return fixture.has(key, "one") == one && fixture.has(key, "two") == two })
		}
		fixture.hr("1 school", "2 school")
		want("2", "account staff school", "account library")
		offset.Store(int64(-time.Hour))
		fixture.hr("1 library", "3 school")
		want("1", "account staff", "account library")
		want("3", "account staff school", "account library")
		// A target that failed just before is not left alone for another hour.
		offset.Store(0)
		fixture.targets["one"].is(true)
		fixture.hr("4 school")
		want("4", "", "account library")
		offset.Store(int64(-time.Hour))
		fixture.targets["one"].is(false)
		want("4", "account staff school", "account library")
		offset.Store(int64(time.Hour))
		fixture.hr("2 school 2020-12-31")
		want("2", "", "")
		stop()
		fixture.whole()
	})
}

// TestADayBegins: what HR dated for a day comes true when it begins, also in the
// nights in which the clocks are changed, and what was missed because no one
// served is done when a person does again.
func TestADayBegins(t *testing.T) {
	for _, day := range []string{"2026-03-29", "2026-10-25", "2027-01-01"} {
		t.Run(day, func(t *testing.T) {
			fixture := newFixture(t, "")
			midnight, err := time.ParseInLocation(time.DateOnly, day, fixture.config.Zone)
			if err != nil {
				t.Fatal(err)
			}
			var offset atomic.Int64
			to := func(at time.Time) { offset.Store(int64(time.Until(at))) }
			now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			last := midnight.Add(-time.Hour).Format(time.DateOnly)
			to(midnight.Add(-2 * time.Second))
			fixture.now = now
			stop := fixture.serve(nil)
			fixture.hr("1 school "+last, "2 school "+day, "3 school")
			fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("1", "one") != "" && fixture.has("2", "one") != "" })
			fixture.until("the one whose last day it was is out", 20*time.Second, func() bool { return fixture.has("1", "one") == "" && fixture.has("1", "two") == "" })
			if now().Before(midnight) {
				t.Error("out before the day was over")
			}
			if fixture.has("2", "one") == "" {
				t.Error("somebody is out on the last day")
			}
			stop()
			to(midnight.AddDate(0, 0, 3))
			fixture.serve(nil)
			fixture.until("who left meanwhile is out", 20*time.Second, func() bool { return fixture.has("2", "one") == "" })
		})
	}
}

package service_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/internal/service"
)

// TestTheClockGoesBack: an hour that comes twice loses nothing, and neither
// does one that is left out.
func TestTheClockGoesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, town *town) {
		var offset atomic.Int64
		stop := town.serve(func(s *service.Service) {
			s.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		})
		want := func(key, one, two string) {
			t.Helper()
			town.until(key+" after the clock was moved", 20*time.Second, func() bool { return town.has(key, "one") == one && town.has(key, "two") == two })
		}
		town.hr("1 school", "2 school")
		want("2", "account staff school", "account library")
		offset.Store(int64(-time.Hour))
		town.hr("1 library", "3 school")
		want("1", "account staff", "account library")
		want("3", "account staff school", "account library")
		// A target that failed just before is not left alone for another hour.
		offset.Store(0)
		town.targets["one"].is(true)
		town.hr("4 school")
		want("4", "", "account library")
		offset.Store(int64(-time.Hour))
		town.targets["one"].is(false)
		want("4", "account staff school", "account library")
		offset.Store(int64(time.Hour))
		town.hr("2 school 2020-12-31")
		want("2", "", "")
		stop()
		town.whole()
	})
}

// TestMidnight: each day begins once, also where the clocks are changed.
func TestMidnight(t *testing.T) {
	for _, c := range []struct{ zone, from, until string }{
		{"Europe/Stockholm", "2026-03-25", "2026-04-02"},
		{"Europe/Stockholm", "2026-10-20", "2026-10-30"},
		{"America/Sao_Paulo", "2018-10-30", "2018-11-10"},   // 00:00 was left out
		{"Africa/Cairo", "2026-04-20", "2026-05-02"},        // 00:00 is left out
		{"Atlantic/Azores", "2026-10-20", "2026-10-30"},     // 00:00 comes twice
		{"Pacific/Apia", "2011-12-26", "2012-01-03"},        // a day was left out
		{"America/Havana", "2026-10-28", "2026-11-05"},      // 00:00 comes twice
		{"Australia/Lord_Howe", "2026-04-01", "2026-04-10"}, // by half an hour
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation(time.DateOnly, c.from, zone)
		if err != nil {
			t.Fatal(err)
		}
		at = at.Add(12 * time.Hour)
		day := c.from
		for day < c.until {
			next := service.NextMidnight(zone, at)
			before, after := next.Add(-time.Second).In(zone).Format(time.DateOnly), next.In(zone).Format(time.DateOnly)
			if !next.After(at) || after <= day || before >= after && before != day || next.Sub(at) > 26*time.Hour {
				t.Fatalf("%s: after %s the day begins at %s", c.zone, at, next)
			}
			day, at = after, next
		}
	}
}

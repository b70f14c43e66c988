package service_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/internal/service"
)

// TestSoak lets a service live through many short days of a municipality in
// which people come, move, leave and come back, and a target is away now and
// then: memory and goroutines stay what they were. BEHOV_SOAK says for how long
// (make soak: an hour).
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	length := 15 * time.Second
	if s := os.Getenv("BEHOV_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	const people = 400
	fixture := newFixture(t, "")
	fixture.log.most = 1 << 18
	var offset atomic.Int64
	stop := fixture.serve(func(s *service.Service) {
		s.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		s.Log = slog.New(slog.NewTextHandler(fixture.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	r := rand.New(rand.NewPCG(7, 7))
	working := map[int]bool{}
	type sample struct {
		heap       uint64
		goroutines int
	}
	var samples []sample
	days := 0
	for end := time.Now().Add(length); time.Now().Before(end); days++ {
		offset.Add(int64(24 * time.Hour))
		var rows []string
		for _, n := range r.Perm(people)[:20] {
			switch {
			case !working[n], r.IntN(3) > 0:
				rows = append(rows, fmt.Sprint(n, []string{" school", " library"}[r.IntN(2)]))
				working[n] = true
			default:
				rows = append(rows, fmt.Sprint(n, " school 2020-12-31"))
				working[n] = false
			}
		}
		away := days%5 == 4
		fixture.targets["one"].is(away)
		fixture.hr(rows...)
		if away {
			time.Sleep(100 * time.Millisecond)
			fixture.targets["one"].is(false)
		}
		fixture.until(fmt.Sprint("the end of day ", days), 60*time.Second, fixture.quiet)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		samples = append(samples, sample{m.HeapAlloc, runtime.NumGoroutine()})
	}
	stop()
	fixture.whole()
	third := len(samples) / 3
	if third == 0 {
		t.Fatalf("%d days are too few", days)
	}
	median := func(of []sample, what func(sample) float64) float64 {
		var values []float64
		for _, s := range of {
			values = append(values, what(s))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	for name, what := range map[string]func(sample) float64{"MB of heap": func(s sample) float64 { return float64(s.heap) / 1e6 }, "goroutines": func(s sample) float64 { return float64(s.goroutines) }} {
		// The first third is when everyone comes for the first time.
		before, after := median(samples[third:2*third], what), median(samples[2*third:], what)
		t.Logf("%d days: %.1f %s, then %.1f", days, before, name, after)
		if after > 1.2*before+5 {
			t.Errorf("%s grow: %.1f, and then %.1f", name, before, after)
		}
	}
}

package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// BenchmarkEventToTargets hires one person after another while everyone is
// looked at all the time, and measures how long it takes from the import's
// beginning until the last of two targets has acknowledged the last change.
// The targets are in memory and take next to nothing themselves.
func BenchmarkEventToTargets(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchEvents(b, newFixture(b, "")) })
	b.Run("postgres", func(b *testing.B) { benchEvents(b, newFixture(b, testenv.StartPostgres(b).Database())) })
}

func benchEvents(b *testing.B, fixture *fixture) {
	const everybody = 5000
	var rows []string
	for n := range everybody {
		rows = append(rows, fmt.Sprint(n, " school"))
	}
	fixture.hr(rows...)
	stop := fixture.serve(nil)
	fixture.until("everybody is there", 5*time.Minute, func() bool {
		one, two := fixture.targets["one"].count(), fixture.targets["two"].count()
		return one >= 3*everybody && two >= 2*everybody
	})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := fixture.db.Write(ctx, func(tx *store.Tx) error {
				tx.Enqueue(queue.Run{Because: "benchmark"})
				return nil
			}); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	runs := strings.Count(fixture.log.String(), "msg=run ")
	var took []time.Duration
	for n := everybody; n < everybody+100 || b.Loop(); n++ {
		began := time.Now()
		fixture.hr(fmt.Sprint(n, " school"))
		p, err := fixture.db.FindPerson(ctx, fmt.Sprint(n), "hr")
		if err != nil {
			b.Fatal(err)
		}
		for !fixture.targets["one"].acknowledged(string(p.ID), connectors.AddMember, 2) || !fixture.targets["two"].acknowledged(string(p.ID), connectors.AddMember, 1) {
			time.Sleep(time.Millisecond)
			if time.Since(began) > 30*time.Second {
				b.Fatal("not within half a minute")
			}
		}
		took = append(took, time.Since(began))
	}
	runs = strings.Count(fixture.log.String(), "msg=run ") - runs
	cancel()
	wg.Wait()
	stop()
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(float64(runs), "full-runs")
	b.ReportMetric(0, "ns/op")
}

package service_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/service"
)

// stops is a target that can be read, and does not answer what it is asked for.
type stops struct {
	*target
	stopped *atomic.Bool
	asked   *atomic.Int64
}

func (s stops) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	s.asked.Add(1)
	if s.stopped.Load() {
		return slices.Repeat([]connectors.Result{{Err: connectors.Errorf(connectors.TargetDown, "nobody answers")}}, len(changes))
	}
	return s.target.Apply(ctx, changes)
}

// TestATargetStopsWhenADayBegins: what a day's run could not do, as the target
// stopped answering in the middle of it, is done when it answers again, and not
// when its schedule says so.
func TestATargetStopsWhenADayBegins(t *testing.T) {
	onBoth(t, func(t *testing.T, town *town) {
		midnight, err := time.ParseInLocation(time.DateOnly, "2026-03-30", town.config.Zone)
		if err != nil {
			t.Fatal(err)
		}
		offset := time.Until(midnight.Add(-8 * time.Second))
		town.now = func() time.Time { return time.Now().Add(offset) }
		var stopped atomic.Bool
		var asked atomic.Int64
		town.serve(func(s *service.Service) {
			s.Connect = func(*config.Config) (map[string]connectors.Connector, error) {
				return map[string]connectors.Connector{"one": stops{town.targets["one"], &stopped, &asked}, "two": town.targets["two"]}, nil
			}
		})
		town.hr("1 school 2026-03-29", "3 school")
		town.until("everybody is there", 3*time.Second, func() bool { return town.has("1", "one") != "" && town.has("3", "one") != "" })
		town.until("the first looks at everybody are over", 6*time.Second, func() bool { return strings.Count(town.log.String(), "because=start") == 2 })
		stopped.Store(true)
		before := asked.Load()
		town.until("the day's run has found out", 20*time.Second, func() bool { return asked.Load() > before && town.has("1", "two") == "" })
		stopped.Store(false)
		town.until("who left is out", 25*time.Second, func() bool { return town.has("1", "one") == "" })
	})
}

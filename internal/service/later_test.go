package service_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
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
	onBoth(t, func(t *testing.T, fixture *fixture) {
		midnight, err := time.ParseInLocation(time.DateOnly, "2026-03-30", fixture.config.Zone)
		if err != nil {
			t.Fatal(err)
		}
		offset := time.Until(midnight.Add(-8 * time.Second))
		fixture.now = func() time.Time { return time.Now().Add(offset) }
		var stopped atomic.Bool
		var asked atomic.Int64
		fixture.serve(func(s *service.Service) {
			s.Connect = func(*config.Config) (map[string]connectors.Connector, error) {
				return map[string]connectors.Connector{"one": stops{fixture.targets["one"], &stopped, &asked}, "two": fixture.targets["two"]}, nil
			}
		})
		fixture.hr("1 school 2026-03-29", "3 school")
		fixture.until("everybody is there", 3*time.Second, func() bool { return fixture.has("1", "one") != "" && fixture.has("3", "one") != "" })
		fixture.until("the first looks at everybody are over", 6*time.Second, func() bool { return strings.Count(fixture.log.String(), "because=start") == 2 })
		stopped.Store(true)
		before := asked.Load()
		fixture.until("the day's run has found out", 20*time.Second, func() bool { return asked.Load() > before && fixture.has("1", "two") == "" })
		stopped.Store(false)
		fixture.until("who left is out", 25*time.Second, func() bool { return fixture.has("1", "one") == "" })
	})
}

// lazy is a target that takes its time.
type lazy struct{ *target }

func (s lazy) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	time.Sleep(50 * time.Millisecond)
	return s.target.Apply(ctx, changes)
}

// TestManyTargetsShareTheConnections: with as many targets as a municipality
// has, PostgreSQL has room left for the person who else comes.
func TestManyTargetsShareTheConnections(t *testing.T) {
	const many = 32
	server := testenv.StartPostgres(t)
	fixture := newFixture(t, server.Database())
	var targets, systems, policy strings.Builder
	targets.WriteString("targets:\n")
	systems.WriteString("systems:\n")
	for n := range many {
		fmt.Fprintf(&targets, "  t%d: {hold_above: {all: {number: 9999}}, memory: {groups: [g]}}\n", n)
		fmt.Fprintf(&systems, "  s%d:\n    target: t%d\n    entitlements: {e%d: {}}\n", n, n, n)
		fmt.Fprintf(&policy, "p, r%d, true, s%d:e%d, allow, everybody\n", n, n, n)
	}
	for name, text := range map[string]string{"behov.yaml": targets.String(), "catalogue.yaml": systems.String(), "policy.csv": policy.String()} {
		if err := os.WriteFile(filepath.Join(fixture.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fixture.config = fixture.load()
	connected := map[string]connectors.Connector{}
	for _, c := range fixture.config.Targets {
		m, err := memory.New(*c.Settings.(config.MemorySettings).Config)
		if err != nil {
			t.Fatal(err)
		}
		connected[c.Name] = lazy{&target{Connector: m, done: map[string]int{}}}
	}
	fixture.serve(func(s *service.Service) {
		s.Connect = func(*config.Config) (map[string]connectors.Connector, error) { return connected, nil }
	})
	raw := testenv.Raw(t, fixture.url)
	for n := range 60 {
		fixture.hr(fmt.Sprintf("%d school", 2*n), fmt.Sprintf("%d school", 2*n+1))
	}
	most := 0
	for range 100 {
		var n int
		if err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`).Scan(&n); err != nil {
			t.Errorf("nobody else gets in: %v", err)
		}
		most = max(most, n)
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("at most %d connections", most)
	if log := fixture.log.String(); strings.Contains(log, "SQLSTATE 53300") || most > 80 {
		t.Errorf("%d connections, of 100 that PostgreSQL has; refused %d times", most, strings.Count(log, "SQLSTATE 53300"))
	}
}

// TestADeadLeaderLeadsNoOne: what is due later, and the schedule, are seen to by
// one of the processes. That the one which did so before died, and the clock went
// back since, keeps no one from taking that over.
func TestADeadLeaderLeadsNoOne(t *testing.T) {
	fixture := newFixture(t, "")
	fixture.serve(nil)() // which leaves the tables as they are
	raw := testenv.Raw(t, fixture.url)
	if _, err := raw.ExecContext(t.Context(), `INSERT INTO river_leader (elected_at, expires_at, leader_id, name) VALUES (datetime('now', '+1 hour'), datetime('now', '+1 hour', '+15 seconds'), 'behov-dead', 'default')`); err != nil {
		t.Fatal(err)
	}
	fixture.serve(nil)
	person := fixture.joins("1", "one")
	if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error {
		tx.Enqueue(queue.People{People: []identity.PersonID{person}, Target: "two", After: 8 * time.Second})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	fixture.until("what was due later is done", 30*time.Second, func() bool {
		var n int
		if err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE kind = 'people' AND state <> 'completed'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
}

// TestWhoWasPutOffOftenIsLookedAtSoon: that a target was away, or another run at
// a person, is no failure, after which one waits longer each time.
func TestWhoWasPutOffOftenIsLookedAtSoon(t *testing.T) {
	fixture := newFixture(t, "")
	fixture.serve(nil)
	person := fixture.joins("1", "two")
	other := fixture.open()
	var busy *lock.Lock
	fixture.until("another process is at 1", 10*time.Second, func() bool {
		var err error
		busy, err = other.Locks().Try(t.Context(), fmt.Sprintf("touch %q %s", "two", person))
		return err == nil
	})
	job := queue.People{People: []identity.PersonID{person}}
	for range 9 {
		job = job.In("two", 0)
	}
	if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error { tx.Enqueue(job); return nil }); err != nil {
		t.Fatal(err)
	}
	raw := testenv.Raw(t, fixture.url)
	waiting := func(state string) (n int) {
		if err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE kind = 'people' AND state LIKE $1 AND state <> 'completed'`, state).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	fixture.until("it waits until the other one is done", 30*time.Second, func() bool { return waiting("scheduled") > 0 })
	busy.Unlock()
	fixture.until("it is done", 10*time.Second, func() bool { return waiting("%") == 0 })
}

// stuck is a target that is read slowly.
type stuck struct {
	*target
	until chan bool
}

func (s stuck) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	select {
	case <-s.until:
	case <-ctx.Done():
	}
	return s.target.Snapshot(ctx, sink)
}

// TestASlowTargetKeepsNoOtherFromARun: while everyone is looked at in all
// targets at once, which waits for the slowest, what a person released in another
// one goes through.
func TestASlowTargetKeepsNoOtherFromARun(t *testing.T) {
	fixture := newFixture(t, "")
	until := make(chan bool)
	var slow atomic.Bool
	fixture.serve(func(s *service.Service) {
		s.Connect = func(*config.Config) (map[string]connectors.Connector, error) {
			return map[string]connectors.Connector{"one": maybe{stuck{fixture.targets["one"], until}, &slow}, "two": fixture.targets["two"]}, nil
		}
	})
	t.Cleanup(func() { close(until) })
	fixture.until("the first looks at everybody are over", 10*time.Second, func() bool { return strings.Count(fixture.log.String(), "because=start") == 2 })
	slow.Store(true)
	enqueue := func(j queue.Job) {
		t.Helper()
		if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error { tx.Enqueue(j); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(queue.Run{Whole: true, Because: "due"})
	fixture.until("the run is stuck in target one", 20*time.Second, func() bool { return fixture.countJobs("run", "running") > 0 })
	enqueue(queue.Run{Target: "two", Because: "decision 1"})
	fixture.until("two is looked at", 20*time.Second, func() bool { return strings.Contains(fixture.log.String(), `because="decision 1"`) })
}

// maybe is stuck when it is told to be.
type maybe struct {
	stuck
	slow *atomic.Bool
}

func (m maybe) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	if m.slow.Load() {
		return m.stuck.Snapshot(ctx, sink)
	}
	return m.target.Snapshot(ctx, sink)
}

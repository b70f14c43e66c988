package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestAReplicaThatAppliesNothing leaves the work to the one that does.
func TestAReplicaThatAppliesNothing(t *testing.T) {
	fixture := newFixture(t, testenv.StartPostgres(t).Database())
	fixture.serve(func(s *service.Service) { s.Apply = false })
	fixture.serve(nil)
	for i := range 10 {
		fixture.hr(fmt.Sprintf("%d school", i))
		time.Sleep(30 * time.Millisecond)
	}
	for i := range 10 {
		fixture.until(fmt.Sprint(i, " is there"), 20*time.Second, func() bool { return fixture.has(fmt.Sprint(i), "one") != "" })
	}
}

// TestOneServesOnSQLite: a second one says so, and so does who would copy the
// database away from under the first.
func TestOneServesOnSQLite(t *testing.T) {
	fixture := newFixture(t, "")
	stop := fixture.serve(nil)
	second := &service.Service{DB: fixture.open(), Config: fixture.config, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := second.Run(t.Context()); !errors.Is(err, store.ErrServed) {
		t.Errorf("a second one: %v", err)
	}
	stop()
	fixture.serve(nil)
}

// slow is a target that takes its time.
type slow struct {
	*target
	by time.Duration
}

func (s slow) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	time.Sleep(s.by)
	return s.target.Snapshot(ctx, sink)
}

func (s slow) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	time.Sleep(s.by)
	return s.target.ReadAccounts(ctx, refs, entitlements, sink)
}

// TestASlowTarget delays no one who waits for another.
func TestASlowTarget(t *testing.T) {
	fixture := newFixture(t, "")
	fixture.serve(func(s *service.Service) {
		s.Connect = func(*config.Config) (map[string]connectors.Connector, error) {
			return map[string]connectors.Connector{"one": slow{fixture.targets["one"], 3 * time.Second}, "two": fixture.targets["two"]}, nil
		}
	})
	const people = 30
	for i := range people {
		fixture.hr(fmt.Sprintf("%d school", i))
	}
	began := time.Now()
	fixture.until("everybody is in the quick one", 60*time.Second, func() bool { return fixture.targets["two"].count() == 2*people })
	quick := time.Since(began)
	fixture.until("everybody is in the slow one", 120*time.Second, func() bool { return fixture.targets["one"].count() == 3*people })
	t.Logf("the quick one after %s, the slow one after %s", quick, time.Since(began))
	if slowly := time.Since(began); quick > slowly/2 {
		t.Errorf("the quick one took %s, and the slow one %s", quick, slowly)
	}
}

// TestEveryVersionInUseIsRecorded: also one that was in use before another.
func TestEveryVersionInUseIsRecorded(t *testing.T) {
	fixture := newFixture(t, "")
	var want []string
	for _, n := range []string{"99", "98", "98", "99"} {
		if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(strings.Replace(configuration, "99", n, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		fixture.config = fixture.load()
		if said := "configuration " + fixture.config.Digest(); len(want) == 0 || want[len(want)-1] != said {
			want = append(want, said)
		}
		fixture.serve(nil)()
	}
	var got []string
	for r, err := range fixture.db.AuditRecords(t.Context(), store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Action == audit.ConfigInUse {
			got = append(got, testenv.Words(r.Reason))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recorded %v, in use were %v", got, want)
	}
}

package outbound_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) {
	if os.Getenv("BEHOV_TEST_DISPATCH") != "" {
		dispatchForEver()
	}
	os.Exit(testenv.Main(m))
}

// fixture is a database and what is configured of events.
type fixture struct {
	t      testing.TB
	url    string
	dir    string
	key    []byte
	db     *store.DB
	config *config.Config
	log    *buffer
}

// buffer is written to by many.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// onBoth runs a test on SQLite and on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, x *fixture)) {
	t.Run("sqlite", func(t *testing.T) {
		f(t, newFixture(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db")))
	})
	t.Run("postgres", func(t *testing.T) { f(t, newFixture(t, testenv.StartPostgres(t).Database())) })
}

func newFixture(t testing.TB, url string) *fixture {
	t.Helper()
	x := &fixture{t: t, url: url, dir: t.TempDir(), log: &buffer{}, config: &config.Config{}}
	var err error
	if x.key, err = seal.NewMaster(); err != nil {
		t.Fatal(err)
	}
	x.config.Dir = x.dir
	x.db = x.open()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(x.log.String())
		}
	})
	return x
}

// open opens the database once more, as another process does.
func (x *fixture) open() *store.DB {
	x.t.Helper()
	master, err := seal.ParseMaster(x.key)
	if err != nil {
		x.t.Fatal(err)
	}
	db, err := store.Open(context.Background(), x.url, master)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = db.Close() })
	return db
}

func (x *fixture) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(x.log, nil))
}

// dispatch delivers until stop is called. It returns when the streams have begun.
func (x *fixture) dispatch(db *store.DB) (stop func()) {
	x.t.Helper()
	d := &outbound.Dispatcher{DB: db, Now: time.Now, Log: x.logger()}
	d.Use(x.config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	x.t.Cleanup(stop)
	x.begun()
	return stop
}

// begun waits until each stream has a cursor.
func (x *fixture) begun() {
	x.t.Helper()
	x.until("the streams have begun", func() bool {
		cursors, _, err := x.db.OutboundCursors(x.t.Context())
		return err == nil && len(cursors) >= len(outbound.StreamNames(x.config))
	})
}

// delivered waits until no stream is behind.
func (x *fixture) delivered() {
	x.t.Helper()
	x.until("everything is delivered", func() bool {
		cursors, head, err := x.db.OutboundCursors(x.t.Context())
		for _, c := range cursors {
			if c.Index < head {
				return false
			}
		}
		return err == nil && len(cursors) > 0
	})
}

func (x *fixture) until(what string, is func() bool) {
	x.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			x.t.Fatalf("it never came true: %s", what)
		}
	}
}

// record appends records to the trail, in one transaction.
func (x *fixture) record(records ...audit.Record) {
	x.t.Helper()
	if err := x.db.Write(context.Background(), func(tx *store.Tx) error {
		for i := range records {
			if records[i].At.IsZero() {
				records[i].At = time.Now()
			}
			if records[i].Actor == "" {
				records[i].Actor = identity.System
			}
		}
		tx.Audit(records...)
		return nil
	}); err != nil {
		x.t.Fatal(err)
	}
}

// granted is the record of a member who was added, which gives an event.
func granted(n int) audit.Record {
	return audit.Record{Action: audit.StepEnded, Op: "add-member", Outcome: audit.Applied, Person: identity.PersonID(fmt.Sprintf("p%d", n)), Target: "ad", Entitlement: "base:staff",
		Reason: reason.Of(reason.Rule{Rule: "r1", Version: "v1", Place: "policy.csv:1", Why: "for Göta Hemligstam"})}
}

// intended is the record before it, which gives none.
func intended(n int) audit.Record {
	r := granted(n)
	r.Action, r.Outcome = audit.StepIntended, ""
	return r
}

// grant records what gives so many events, numbered from first.
func (x *fixture) grant(first, n int) {
	x.t.Helper()
	var all []audit.Record
	for i := range n {
		all = append(all, intended(first+i), granted(first+i))
	}
	x.record(all...)
}

func contextForEver() context.Context { return context.Background() }

func (x *fixture) now() time.Time { return time.Now() }

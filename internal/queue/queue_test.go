package queue_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// handler reconciles people by work, and has no other work.
type handler struct {
	work func(context.Context, queue.People) error
}

func (h handler) ReconcilePeople(ctx context.Context, job queue.People) error {
	return h.work(ctx, job)
}
func (handler) Reconcile(context.Context, queue.Run) error     { return nil }
func (handler) Pull(context.Context, queue.Pull) error         { return nil }
func (handler) SendAlert(context.Context, queue.Alert) error   { return nil }
func (handler) SendNotice(context.Context, queue.Notice) error { return nil }
func (handler) Watch(context.Context) error                    { return nil }

func onBoth(t *testing.T, test func(t *testing.T, db *store.DB, url string)) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "behov.db") },
		"postgres": func(t *testing.T) string { return testenv.StartPostgres(t).Database() },
	} {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			key, err := seal.NewMaster()
			if err != nil {
				t.Fatal(err)
			}
			master, err := seal.ParseMaster(key)
			if err != nil {
				t.Fatal(err)
			}
			db, err := store.Open(t.Context(), url, master)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			test(t, db, url)
		})
	}
}

func start(t *testing.T, db *store.DB, process string, work func(context.Context, queue.People) error) *queue.Worker {
	t.Helper()
	w, err := db.Jobs().Start(t.Context(), queue.Options{Process: process, Handler: handler{work}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func enqueue(t *testing.T, db *store.DB, jobs ...queue.Job) {
	t.Helper()
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		tx.Enqueue(jobs...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, from chan string, what string) string {
	t.Helper()
	select {
	case process := <-from:
		return process
	case <-time.After(30 * time.Second):
		t.Fatalf("not so within 30 s: %s", what)
		return ""
	}
}

// TestTakeOver: the job of a process that will never end it is done by another, which
// leads from then on.
func TestTakeOver(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, url string) {
		began, hung := make(chan string, 10), make(chan struct{})
		dead := start(t, db, "dead", func(context.Context, queue.People) error {
			began <- "dead"
			<-hung
			return nil
		})
		defer func() { // the other way round: Stop waits for the job
			close(hung)
			_ = dead.Stop(context.WithoutCancel(t.Context()))
		}()
		enqueue(t, db, queue.People{People: []identity.PersonID{"1"}})
		receive(t, began, "the job is begun")
		led := func() string {
			var leader string
			_ = testenv.Raw(t, url).QueryRowContext(t.Context(), `SELECT leader_id FROM river_leader`).Scan(&leader)
			return leader
		}
		until(t, "the first process leads", func() bool { return led() == "dead" })
		alive := start(t, db, "alive", func(context.Context, queue.People) error {
			began <- "alive"
			return nil
		})
		defer alive.Stop(context.WithoutCancel(t.Context()))
		if others, err := alive.Processes(t.Context()); err != nil || !slices.Equal(others, []string{"dead"}) {
			t.Fatalf("the other processes are %v, %v", others, err)
		}
		if jobs, err := alive.TakeOver(t.Context(), "nameless"); err != nil || jobs != 0 {
			t.Errorf("of a process that has none, %d jobs were taken over, %v", jobs, err)
		}
		if jobs, err := alive.TakeOver(t.Context(), "dead"); err != nil || jobs != 1 {
			t.Fatalf("%d jobs were taken over, %v", jobs, err)
		}
		if led() == "dead" {
			t.Error("the dead process leads")
		}
		// Both work, and either may take it up: a job is available again.
		receive(t, began, "the job is begun once more")
	})
}

// TestReleaseLost: a job that this process is said to work on, and does not, is done.
func TestReleaseLost(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, url string) {
		began := make(chan string, 10)
		work := func(context.Context, queue.People) error { began <- ""; return nil }
		first := start(t, db, "same", work)
		enqueue(t, db, queue.People{People: []identity.PersonID{"1"}})
		receive(t, began, "the job is begun")
		raw := testenv.Raw(t, url)
		until(t, "the job is done", func() bool {
			n := 0
			_ = raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE state = 'completed'`).Scan(&n)
			return n == 1
		})
		defer first.Stop(context.WithoutCancel(t.Context()))
		// Its end was not recorded.
		if _, err := raw.ExecContext(t.Context(), `UPDATE river_job SET state = 'running', finalized_at = NULL`); err != nil {
			t.Fatal(err)
		}
		for n := range 16 {
			lost, err := first.ReleaseLost(t.Context())
			if want := n / 15; err != nil || lost != want {
				t.Fatalf("look %d: %d jobs are lost, want %d, %v", n+1, lost, want, err)
			}
		}
		receive(t, began, "the job is begun once more")
	})
}

// TestAFailedJobIsTriedAgain: and a job that is put off is not counted as failed.
func TestAFailedJobIsTriedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, url string) {
		ended := make(chan error, 10)
		tries := 0
		w, err := db.Jobs().Start(t.Context(), queue.Options{Process: "p", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Handler: handler{func(context.Context, queue.People) error {
			switch tries++; tries {
			case 1:
				return queue.Later(time.Millisecond)
			case 2:
				return errors.New("broken")
			}
			return nil
		}}, Observe: func(e queue.Ended) { ended <- e.Err }})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop(context.WithoutCancel(t.Context()))
		enqueue(t, db, queue.People{People: []identity.PersonID{"1"}})
		for n, fails := range []bool{true, true, false} {
			select {
			case err := <-ended:
				if (err != nil) != fails {
					t.Errorf("try %d ended with %v", n+1, err)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("try %d is not made", n+1)
			}
		}
	})
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so within 30 s: %s", what)
		}
	}
}

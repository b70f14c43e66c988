// Package service runs behov for years: it reads HR's sources on their schedules,
// reconciles the people of an HR event or a decision within a second, everyone in a
// target on its schedule and when a day begins, and retries what failed. Several
// processes may serve one database; they share the work through it, and when one dies
// another takes up what it left.
//
// A job alone never knows what has to be done: it names people or a target, and the work
// is found from the database and the targets. The package must never decide about
// anyone's access, and never change a target itself.
package service

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Actor is who the service is in the audit trail.
const Actor = "behov"

// Service is one process that serves.
type Service struct {
	DB     *store.DB
	Config *config.Config
	Now    func() time.Time
	Log    *slog.Logger
	// Every is how often a source is read that does not say it itself.
	Every time.Duration
	// CompareEvery is how long it takes until everyone's access was worked out by
	// Casbin too; thirty days when it is zero.
	CompareEvery time.Duration
	// Apply: targets are changed. Otherwise HR is read, and that is all.
	Apply bool
	// Connect connects the targets of a configuration.
	Connect func(*config.Config) (map[string]connectors.Connector, error)
	// Load, when set, loads the configuration again: when its files have changed, and
	// when Again receives something.
	Load  func() (*config.Config, error)
	Again <-chan os.Signal
	// Listen, when set, makes what is answered over HTTP.
	Listen func(*config.Config, *hr.Importer) (http.Handler, error)

	id      string
	alive   *store.Lock // while it is held no other process takes up this one's jobs
	client  *river.Client[*sql.Tx]
	current atomic.Pointer[generation]
	health  health
	working atomic.Bool
	retired sync.WaitGroup
	refused atomic.Pointer[error]

	paused map[string]store.Decision // as last logged; watch's
	queued map[string]bool           // the queues that we work on; watch's
	active sync.Map                  // IDs of the jobs that we are at
	idle   map[int64]int             // by job, how often in a row no worker was seen to work on it; watch's

	measuring sync.Once
	metrics   *metrics
	// seen and writing are stamps of the configuration's files: as they were
	// loaded, and as they were when last looked at.
	seen, writing string
}

// generation is a configuration and what was made from it.
type generation struct {
	config  *config.Config
	engine  *reconcile.Engine
	hr      *hr.Importer
	handler http.Handler
	// users is read-locked by the jobs that work with it.
	users sync.RWMutex
}

const (
	// peoplePoll is how often the service polls for people to reconcile: the longest that
	// an HR event waits.
	peoplePoll = 15 * time.Millisecond
	otherPoll  = 500 * time.Millisecond
	// inTarget is how many people's jobs work in one target at once. Others wait for it
	// in a queue of the target's own, so that a slow target delays no other.
	inTarget = 4
	// stopPatience is for how long running jobs may finish when the service is told to
	// stop.
	stopPatience = 20 * time.Second
	// keptFor is for how long jobs that are done can be looked at.
	keptFor = time.Hour
)

// Run serves until ctx ends, and then until what is under way has ended.
func (s *Service) Run(ctx context.Context) error {
	s.id = "behov-" + uuid.Must(uuid.NewV7()).String()
	// SQLite is one machine's: a second process would only be in the way.
	sole, err := s.DB.LockService(ctx)
	if err != nil {
		return err
	}
	defer sole.Unlock()
	if s.alive, err = s.DB.Lock(ctx, aliveLock(s.id)); err != nil {
		return err
	}
	defer func() { s.alive.Unlock() }() // when nothing is under way any more
	g, err := s.newGeneration(s.Config)
	if err != nil {
		return err
	}
	s.current.Store(g)
	s.seen = stampOf(s.Config.Files)
	s.writing = s.seen
	defer func() {
		s.retire(s.current.Load())
		s.retired.Wait()
	}()
	if err := s.record(ctx, s.Config); err != nil {
		return err
	}
	if err := s.recordProgram(ctx, build.Read()); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	s.working.Store(true)
	s.Log.Info("serving", "service", s.id, "targets", len(s.Config.Targets), "apply", s.Apply)
	var comparing sync.WaitGroup
	comparing.Go(func() { s.compare(ctx) })
	s.watch(ctx)
	comparing.Wait()
	s.working.Store(false)
	s.Log.Info("stopping when what is under way has ended", "service", s.id, "at_most", stopPatience)
	return s.stop(context.WithoutCancel(ctx))
}

// Ready returns an error when the service does not take up work, or cannot record it. A
// database that does not answer soon counts as one that does not answer.
func (s *Service) Ready(ctx context.Context) error {
	const soon = 3 * time.Second
	if !s.working.Load() {
		return errors.New("not serving")
	}
	if err := s.DB.LastWriteFault(unwritten); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	_, err := s.DB.Sequences(ctx)
	return err
}

// unwritten is for how long a database that could not be written to is not taken
// for one that can.
const unwritten = 10 * time.Second

func (s *Service) newGeneration(c *config.Config) (*generation, error) {
	targets, err := s.Connect(c)
	if err != nil {
		return nil, err
	}
	g := &generation{config: c,
		engine: &reconcile.Engine{DB: s.DB, Config: c, Targets: targets, Now: s.Now, Actor: Actor},
		hr:     &hr.Importer{DB: s.DB, Config: c, Now: s.Now, Actor: Actor}}
	if s.Listen != nil {
		if g.handler, err = s.Listen(c, g.hr); err != nil {
			return nil, errors.Join(err, reconcile.Disconnect(targets))
		}
	}
	return g, nil
}

// acquireGeneration returns the generation in use; call done afterwards.
func (s *Service) acquireGeneration() (g *generation, done func()) {
	for {
		g := s.current.Load()
		if !g.users.TryRLock() { // it is being retired
			if s.current.Load() != g {
				continue // another one took its place
			}
			g.users.RLock() // the service is stopping
		}
		if s.current.Load() == g {
			return g, g.users.RUnlock
		}
		g.users.RUnlock() // it was retired in between
	}
}

// retire closes the targets of a generation when no job uses it any more.
func (s *Service) retire(g *generation) {
	g.users.Lock()
	defer g.users.Unlock()
	if err := reconcile.Disconnect(g.engine.Targets); err != nil {
		s.Log.Warn("closing the targets", "error", err)
	}
}

// start begins to work on jobs.
func (s *Service) start(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &peopleWorker{service: s})
	river.AddWorker(workers, &runWorker{service: s})
	river.AddWorker(workers, &pullWorker{service: s})
	river.AddWorker(workers, &alertWorker{service: s})
	river.AddWorker(workers, &watchWorker{service: s})
	queues := s.queues(s.current.Load().config)
	s.queued = map[string]bool{}
	for name := range queues {
		s.queued[name] = true
	}
	client, err := river.NewClient(s.DB.JobDriver(), &river.Config{
		ID:                          s.id,
		Workers:                     workers,
		Queues:                      queues,
		FetchCooldown:               peoplePoll,
		FetchPollInterval:           otherPoll,
		JobTimeout:                  -1,
		MaxAttempts:                 store.Tries,
		RescueStuckJobsAfter:        24 * time.Hour, // the dead are found by watch
		CompletedJobRetentionPeriod: keptFor,
		RetryPolicy:                 again{},
		Middleware:                  []rivertype.Middleware{s.lazyMetrics()},
		ErrorHandler:                &troubles{log: s.Log},
		Logger:                      slog.New(seldom{s.Log.Handler(), &said{last: map[string]time.Time{}}}),
	})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	s.client = client
	client.PeriodicJobs().AddMany(s.schedule(s.current.Load().config))
	// Work goes on when ctx ends: stop says for how long.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	// Not even the schedule is waited for.
	ctx = context.WithoutCancel(ctx)
	first := []store.Job{store.RunJob{Because: "start"}, store.WatchJob{}}
	for _, source := range s.current.Load().config.Sources {
		if pullable(source) {
			first = append(first, store.PullJob{Source: source.Name})
		}
	}
	if err := s.enqueue(ctx, first...); err != nil {
		return errors.Join(err, s.stop(ctx))
	}
	return nil
}

// queues are those that this process works on. One that applies nothing leaves
// people and runs to the others.
func (s *Service) queues(c *config.Config) map[string]river.QueueConfig {
	all := map[string]river.QueueConfig{
		store.QueueHR:     {MaxWorkers: 4, FetchPollInterval: otherPoll},
		store.QueueAlerts: {MaxWorkers: 2, FetchPollInterval: otherPoll},
	}
	if !s.Apply {
		return all
	}
	all[store.QueuePeople] = river.QueueConfig{MaxWorkers: 40, FetchCooldown: peoplePoll, FetchPollInterval: peoplePoll}
	all[store.QueueRuns] = river.QueueConfig{MaxWorkers: 3, FetchPollInterval: otherPoll}
	for _, t := range c.Targets {
		all[store.TargetQueue(t.Name)] = inQueueOfTarget
	}
	return all
}

// inQueueOfTarget allows one run for everyone at a time, and runs for some people beside
// it.
var inQueueOfTarget = river.QueueConfig{MaxWorkers: 3, FetchPollInterval: time.Second}

// stop lets running jobs finish, for a while, and then cancels them. The next process
// that serves takes up cancelled jobs.
func (s *Service) stop(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	err := s.client.Stop(patient)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Log.Warn("stopping what is still under way")
		err = s.client.StopAndCancel(ctx)
	}
	s.Log.Info("stopped", "service", s.id)
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

func (s *Service) enqueue(ctx context.Context, jobs ...store.Job) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		tx.Enqueue(jobs...)
		return nil
	})
}

// again is the retry policy: soon at first, and every few minutes in the end.
type again struct{}

// NextRetry implements river.ClientRetryPolicy.
func (again) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(backoff(job.Attempt, time.Second, 5*time.Minute))
}

// troubles logs what went wrong with a job.
type troubles struct{ log *slog.Logger }

// HandleError implements river.ErrorHandler.
func (t *troubles) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	t.log.Error("a job failed and is tried again", "job", job.Kind, "id", job.ID, "attempt", job.Attempt, "error", err)
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (t *troubles) HandlePanic(_ context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	t.log.Error("a job panicked and is tried again", "job", job.Kind, "id", job.ID, "attempt", job.Attempt, "panic", value, "trace", trace)
	return nil
}

// seldom passes on warnings and errors of River, and of those that are alike
// one in half a minute: without a database it has the same to say forty times a
// second.
type seldom struct {
	slog.Handler
	said *said
}

type said struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const saidAgain = 30 * time.Second

// Enabled implements slog.Handler.
func (s seldom) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && s.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (s seldom) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "jobexecutor.") {
		return nil // that a job failed we say ourselves
	}
	s.said.mu.Lock()
	again := time.Since(s.said.last[r.Message]) < saidAgain
	if !again {
		s.said.last[r.Message] = time.Now()
	}
	s.said.mu.Unlock()
	if again {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s seldom) WithAttrs(attrs []slog.Attr) slog.Handler {
	return seldom{s.Handler.WithAttrs(attrs), s.said}
}

// WithGroup implements slog.Handler.
func (s seldom) WithGroup(name string) slog.Handler {
	return seldom{s.Handler.WithGroup(name), s.said}
}

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
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
)

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
	Listen func(*config.Config, *reconcile.Engine, *hr.Importer) (http.Handler, error)

	id      string
	alive   *lock.Lock // while it is held no other process takes up this one's jobs
	worker  *queue.Worker
	current atomic.Pointer[generation]
	health  health
	// reviewsClosed is the day on which reviews were last looked at whose last day may have
	// passed.
	reviewsClosed identity.Date
	working       atomic.Bool
	retired       sync.WaitGroup
	refused       atomic.Pointer[error]

	events *outbound.Dispatcher

	paused map[string]store.Decision // as last logged; watch's

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

// inTarget is how many people's jobs work in one target at once. Others wait for it in a
// queue of the target's own, so that a slow target delays no other.
const inTarget = 4

// Run serves until ctx ends, and then until what is under way has ended.
func (s *Service) Run(ctx context.Context) error {
	s.id = "behov-" + uuid.Must(uuid.NewV7()).String()
	// SQLite is one machine's: a second process would only be in the way.
	sole, err := s.DB.LockService(ctx)
	if err != nil {
		return err
	}
	defer sole.Unlock()
	if s.alive, err = s.DB.Locks().Try(ctx, aliveLock(s.id)); err != nil {
		return err
	}
	defer func() { s.alive.Unlock() }() // when nothing is under way any more
	g, err := s.newGeneration(s.Config)
	if err != nil {
		return err
	}
	s.current.Store(g)
	s.events = &outbound.Dispatcher{DB: s.DB, Now: s.Now, Log: s.Log}
	s.events.Use(s.Config)
	s.seen = s.stamp(ctx, s.Config)
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
	var beside sync.WaitGroup
	beside.Go(func() { s.compare(ctx) })
	beside.Go(func() { s.publish(ctx) })
	beside.Go(func() { s.events.Run(ctx) })
	s.watch(ctx)
	beside.Wait()
	s.working.Store(false)
	s.Log.Info("stopping when the jobs that are under way have ended", "service", s.id)
	defer s.Log.Info("stopped", "service", s.id)
	return s.worker.Stop(context.WithoutCancel(ctx))
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
	connected, err := s.Connect(c)
	if err != nil {
		return nil, err
	}
	g := &generation{config: c,
		engine: &reconcile.Engine{DB: s.DB, Config: c, Targets: connected, Now: s.Now, Actor: identity.System, Passes: targets.PassSink(c.FirstPass)},
		hr:     &hr.Importer{DB: s.DB, Config: c, Now: s.Now, Actor: identity.System}}
	if s.Listen != nil {
		if g.handler, err = s.Listen(c, g.engine, g.hr); err != nil {
			return nil, errors.Join(err, targets.Disconnect(connected))
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
	if err := targets.Disconnect(g.engine.Targets); err != nil {
		s.Log.Warn("closing the targets", "error", err)
	}
}

// start begins to work on jobs.
func (s *Service) start(ctx context.Context) error {
	c := s.current.Load().config
	var err error
	s.worker, err = s.DB.Jobs().Start(ctx, queue.Options{Process: s.id, Handler: handler{s}, Targets: names(c), ReadOnly: !s.Apply, Log: s.Log, Observe: s.lazyMetrics().observe})
	if err != nil {
		return err
	}
	s.worker.SetSchedule(s.schedule(c))
	// Work goes on when ctx ends: stop says for how long. Not even the schedule is waited
	// for.
	ctx = context.WithoutCancel(ctx)
	first := []queue.Job{queue.Run{Because: "start"}, queue.Watch{}}
	for _, source := range c.Sources {
		if pullable(source) {
			first = append(first, queue.Pull{Source: source.Name})
		}
	}
	if err := s.enqueue(ctx, first...); err != nil {
		return errors.Join(err, s.worker.Stop(ctx))
	}
	return nil
}

// names returns the names of a configuration's targets.
func names(c *config.Config) []string {
	all := make([]string, len(c.Targets))
	for i, t := range c.Targets {
		all[i] = t.Name
	}
	return all
}

func (s *Service) enqueue(ctx context.Context, jobs ...queue.Job) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		tx.Enqueue(jobs...)
		return nil
	})
}

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Handler does the work of jobs. A job whose work returns an error is retried, sooner at
// first and every few minutes in the end; Later returns the error that puts a job off.
type Handler interface {
	ReconcilePeople(ctx context.Context, job People) error
	Reconcile(ctx context.Context, job Run) error
	Pull(ctx context.Context, job Pull) error
	SendAlert(ctx context.Context, job Alert) error
	SendNotice(ctx context.Context, job Notice) error
	Watch(ctx context.Context) error
}

// Later returns the error by which a Handler puts its job off; that is no failed attempt.
func Later(after time.Duration) error { return river.JobSnooze(after) }

// Ended is a job that a worker has done, or tried to do.
type Ended struct {
	Kind string
	// Waited is how long after it was due the job was begun; Took is how long the
	// work took.
	Waited, Took time.Duration
	Err          error
}

// Options are what a worker is started with.
type Options struct {
	// Process names the process; no other has its name.
	Process string
	Handler Handler
	// Targets are those whose jobs the process works on. With ReadOnly it works on no
	// job that changes a target.
	Targets  []string
	ReadOnly bool
	Log      *slog.Logger
	// Observe is called when a job has ended.
	Observe func(Ended)
}

// Worker works on jobs in this process.
type Worker struct {
	jobs     *Jobs
	options  Options
	client   *river.Client[*sql.Tx]
	queues   map[string]bool // those that it works on
	active   sync.Map        // IDs of the jobs under way
	inactive map[int64]int   // by job of this process, how often in a row it was seen not under way
}

const (
	// peoplePoll is how often the worker polls for people to reconcile: the longest that
	// an HR event waits.
	peoplePoll = 15 * time.Millisecond
	otherPoll  = 500 * time.Millisecond
	targetPoll = time.Second
	// stopPatience is for how long running jobs may finish when the worker is asked to
	// stop.
	stopPatience = 20 * time.Second
	// keptFor is for how long jobs that are done can be looked at.
	keptFor = time.Hour
)

// Start begins to work on jobs, until Stop: it does not end with ctx.
func (j *Jobs) Start(ctx context.Context, o Options) (*Worker, error) {
	w := &Worker{jobs: j, options: o, queues: map[string]bool{}}
	workers := river.NewWorkers()
	add(workers, o.Handler.ReconcilePeople)
	add(workers, o.Handler.Reconcile)
	add(workers, o.Handler.Pull)
	add(workers, o.Handler.SendAlert)
	add(workers, o.Handler.SendNotice)
	add(workers, func(ctx context.Context, _ Watch) error { return o.Handler.Watch(ctx) })
	queues := w.route(o.Targets)
	for name := range queues {
		w.queues[name] = true
	}
	var err error
	w.client, err = river.NewClient(j.driver(), &river.Config{
		ID:                          o.Process,
		Workers:                     workers,
		Queues:                      queues,
		FetchCooldown:               peoplePoll,
		FetchPollInterval:           otherPoll,
		JobTimeout:                  -1,
		MaxAttempts:                 maxAttempts,
		RescueStuckJobsAfter:        24 * time.Hour, // TakeOver finds those of dead processes
		CompletedJobRetentionPeriod: keptFor,
		RetryPolicy:                 retryPolicy{},
		Middleware:                  []rivertype.Middleware{middleware{w}},
		ErrorHandler:                &errorLog{log: o.Log},
		Logger:                      slog.New(seldom{o.Log.Handler(), &repeated{last: map[string]time.Time{}}}),
	})
	if err == nil {
		err = w.client.Start(context.WithoutCancel(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("start to work on jobs: %w", err)
	}
	return w, nil
}

// add has River call a function for the jobs of a kind.
func add[J Job](workers *river.Workers, work func(context.Context, J) error) {
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[J]) error { return work(ctx, job.Args) }))
}

// route returns the queues that this process works on. A read-only process leaves people
// and runs to the others.
func (w *Worker) route(targets []string) map[string]river.QueueConfig {
	all := map[string]river.QueueConfig{
		hrQueue:     {MaxWorkers: 4, FetchPollInterval: otherPoll},
		alertsQueue: {MaxWorkers: 2, FetchPollInterval: otherPoll},
	}
	if w.options.ReadOnly {
		return all
	}
	all[peopleQueue] = river.QueueConfig{MaxWorkers: 40, FetchCooldown: peoplePoll, FetchPollInterval: peoplePoll}
	all[runsQueue] = river.QueueConfig{MaxWorkers: 3, FetchPollInterval: otherPoll}
	for _, target := range targets {
		// One run for everyone at a time, and runs for some people beside it.
		all[OfTarget(target)] = river.QueueConfig{MaxWorkers: 3, FetchPollInterval: targetPoll}
	}
	return all
}

// AddTargets has the worker work on the jobs of further targets, too.
func (w *Worker) AddTargets(targets []string) error {
	for name, config := range w.route(targets) {
		if w.queues[name] {
			continue
		}
		if err := w.client.Queues().Add(name, config); err != nil {
			return fmt.Errorf("jobs: %w", err)
		}
		w.queues[name] = true
	}
	return nil
}

// Periodic is a job that is inserted at an interval.
type Periodic struct {
	Every time.Duration
	Job   Job
}

// SetSchedule replaces the periodic jobs. One of the processes that work on a database,
// the leader, inserts them.
func (w *Worker) SetSchedule(all []Periodic) {
	jobs := make([]*river.PeriodicJob, len(all))
	for i, p := range all {
		jobs[i] = river.NewPeriodicJob(river.PeriodicInterval(p.Every), func() (river.JobArgs, *river.InsertOpts) { return p.Job, nil }, nil)
	}
	w.client.PeriodicJobs().Clear()
	w.client.PeriodicJobs().AddMany(jobs)
}

// Stop lets running jobs finish, for 20 seconds, and then cancels them. The next process
// that works on the database takes up cancelled jobs.
func (w *Worker) Stop(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	err := w.client.Stop(patient)
	if errors.Is(err, context.DeadlineExceeded) {
		w.options.Log.Warn("cancelling the jobs that are still under way")
		err = w.client.StopAndCancel(ctx)
	}
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// Backoff returns how long to wait before the n-th repetition: four times as long each
// time, up to most, a fifth more or less so that not all come back at once.
func Backoff(n int, first, most time.Duration) time.Duration {
	d := first
	for range n - 1 {
		if d *= 4; d >= most {
			d = most
			break
		}
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // no secret
}

const (
	firstRetry = time.Second
	mostRetry  = 5 * time.Minute
)

// retryPolicy retries soon at first, and every few minutes in the end.
type retryPolicy struct{}

// NextRetry implements river.ClientRetryPolicy.
func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(Backoff(job.Attempt, firstRetry, mostRetry))
}

// middleware notes which jobs are under way, and makes each part of the trace that caused
// it.
type middleware struct{ worker *Worker }

// IsMiddleware implements rivertype.Middleware.
func (middleware) IsMiddleware() bool { return true }

// Work implements rivertype.WorkerMiddleware.
func (m middleware) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	m.worker.active.Store(job.ID, true)
	defer m.worker.active.Delete(job.ID)
	began := time.Now()
	ctx, span := tracer.Start(withTrace(ctx, job.Metadata), "job "+job.Kind, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.Int64("behov.job", job.ID)))
	defer span.End()
	err := work(ctx)
	if m.worker.options.Observe != nil {
		m.worker.options.Observe(Ended{Kind: job.Kind, Waited: max(0, began.Sub(job.ScheduledAt)), Took: time.Since(began), Err: err})
	}
	return err
}

var tracer = otel.Tracer("github.com/behov/behov/internal/queue")

// errorLog logs the failures of jobs.
type errorLog struct{ log *slog.Logger }

// HandleError implements river.ErrorHandler.
func (t *errorLog) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	t.log.Error("a job failed and is tried again", "job", job.Kind, "id", job.ID, "attempt", job.Attempt, "error", err)
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (t *errorLog) HandlePanic(_ context.Context, job *rivertype.JobRow, value any, stack string) *river.ErrorHandlerResult {
	t.log.Error("a job panicked and is tried again", "job", job.Kind, "id", job.ID, "attempt", job.Attempt, "panic", value, "trace", stack)
	return nil
}

// seldom passes on River's warnings and errors, and of equal ones one in half a minute:
// without a database River repeats the same one forty times a second.
type seldom struct {
	slog.Handler
	repeated *repeated
}

type repeated struct {
	mu   sync.Mutex
	last map[string]time.Time // by message
}

const repeatAfter = 30 * time.Second

// Enabled implements slog.Handler.
func (s seldom) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && s.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (s seldom) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "jobexecutor.") {
		return nil // errorLog has it
	}
	s.repeated.mu.Lock()
	again := time.Since(s.repeated.last[r.Message]) < repeatAfter
	if !again {
		s.repeated.last[r.Message] = time.Now()
	}
	s.repeated.mu.Unlock()
	if again {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s seldom) WithAttrs(attrs []slog.Attr) slog.Handler {
	return seldom{s.Handler.WithAttrs(attrs), s.repeated}
}

// WithGroup implements slog.Handler.
func (s seldom) WithGroup(name string) slog.Handler {
	return seldom{s.Handler.WithGroup(name), s.repeated}
}

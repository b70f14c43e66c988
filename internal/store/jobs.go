package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/propagation"

	"github.com/behov/behov/internal/identity"
)

// Job is work that a state change makes necessary. It is committed with that change and
// holds nothing that the state does not: a job that is lost, or done twice, changes
// nothing but when the work is done.
type Job interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
}

// Tries is the largest number of tries that River allows: no job is given up.
const Tries = 1 << 14

// The queues of jobs.
const (
	QueuePeople = "people" // what should be in the targets within a second
	QueueRuns   = "runs"
	QueueHR     = "hr"
	QueueAlerts = "alerts"
)

// TargetQueue is the queue of a target's own.
func TargetQueue(target string) string {
	h := fnv.New64a()
	_, _ = io.WriteString(h, target) // which never fails
	return fmt.Sprintf("target-%016x", h.Sum64())
}

// PeopleJob reconciles some people, in a target or in all.
type PeopleJob struct {
	People []string `json:"people"`
	Target string   `json:"target,omitempty"`
	// GroupSize is how many people what was recorded is about, where several jobs
	// look at them: what happens to all of them is judged as one.
	GroupSize int `json:"together,omitempty"`
	// Asked is set when an operator waits: the job runs at once, also in a target that
	// did not answer.
	Asked bool `json:"asked,omitempty"`
	// Try counts how often looking at them failed, and not how often it was put
	// off; At is when it is due, when not at once.
	Try int       `json:"try,omitempty"`
	At  time.Time `json:"-"`
}

// In is the job once more, for one target and another time.
func (j PeopleJob) In(target string, at time.Time) PeopleJob {
	j.Target, j.At, j.Asked = target, at, false
	return j
}

// Kind implements river.JobArgs.
func (PeopleJob) Kind() string { return "people" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (j PeopleJob) InsertOpts() river.InsertOpts {
	queue := QueuePeople
	if j.Target != "" {
		queue = TargetQueue(j.Target)
	}
	return river.InsertOpts{Queue: queue, ScheduledAt: j.At}
}

// RunJob reconciles everyone, in a target, or in each by itself.
type RunJob struct {
	Target string `json:"target,omitempty"`
	// Whole reads all targets together and changes nothing in them: only then it shows
	// who has moved, and who has no account anywhere.
	Whole bool `json:"whole,omitempty"`
	// Because makes jobs for the same reason one.
	Because string `json:"because"`
	// Day, when set, is the day on which it was due: whose clock is behind waits.
	// Last is when a run was that had to be followed by another then, as
	// TargetState.ReadUS: one that was since has done it.
	Day  identity.Date `json:"day,omitempty"`
	Last int64         `json:"last,omitempty"`
	// Events and Decisions, when set, are what it is about: a run that knew of
	// them has done it.
	Events    int64     `json:"events,omitempty"`
	Decisions int64     `json:"decisions,omitempty"`
	At        time.Time `json:"-"`
}

// Kind implements river.JobArgs.
func (RunJob) Kind() string { return "run" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (j RunJob) InsertOpts() river.InsertOpts {
	queue := QueueRuns
	if j.Target != "" {
		queue = TargetQueue(j.Target)
	}
	return river.InsertOpts{Queue: queue, ScheduledAt: j.At, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: UnfinishedJobStates}}
}

// PullJob reads a source.
type PullJob struct {
	Source string `json:"source"`
}

// Kind implements river.JobArgs.
func (PullJob) Kind() string { return "pull" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (PullJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueHR, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: UnfinishedJobStates}}
}

// UnfinishedJobStates are the states of a job that is still to be done, or under way.
var UnfinishedJobStates = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}

const (
	// fewPeople is up to how many people it is less work to reconcile them than everyone.
	fewPeople = 500
	// atOnce is how many of them are one job, which locks all of them while it works.
	atOnce = 50
)

// jobInserter inserts jobs in a transaction of ours.
type jobInserter interface {
	InsertManyFastTx(ctx context.Context, tx *sql.Tx, params []river.InsertManyParams) (int, error)
}

// JobDriver is what River needs to work on this database.
func (db *DB) JobDriver() riverdriver.Driver[*sql.Tx] {
	if db.postgres {
		return riverdatabasesql.New(db.write.DB)
	}
	return riversqlite.New(db.write.DB)
}

func (db *DB) newJobInserter() (jobInserter, error) {
	client, err := river.NewClient(db.JobDriver(), &river.Config{MaxAttempts: Tries, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return client, nil
}

// migrateJobs brings River's own tables up to date.
func (db *DB) migrateJobs(ctx context.Context) error {
	m, err := rivermigrate.New(db.JobDriver(), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("bring the schema of the jobs up to date: %w", err)
	}
	return nil
}

// traced makes of a job a part of the trace that caused it (W3C Trace Context).
func traced(ctx context.Context) (*river.InsertOpts, error) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if len(carrier) == 0 {
		return nil, nil
	}
	metadata, err := json.Marshal(carrier)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return &river.InsertOpts{Metadata: metadata}, nil
}

// WithJobTrace returns a context that belongs to the trace in a job's metadata.
func WithJobTrace(ctx context.Context, metadata []byte) context.Context {
	carrier := propagation.MapCarrier{}
	if json.Unmarshal(metadata, &carrier) != nil { // which is others', too
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, carrier)
}

// Enqueue inserts a job when the transaction commits.
func (tx *Tx) Enqueue(jobs ...Job) { tx.jobs = append(tx.jobs, jobs...) }

// notifyPerson notes that the transaction records something about a person, so that a job
// reconciles them.
func (tx *Tx) notifyPerson(person, because string) {
	tx.last = because
	if tx.changed == nil {
		tx.changed = map[string]bool{}
	}
	tx.changed[person] = true
}

func (tx *Tx) flushJobs(ctx context.Context) error {
	switch n := len(tx.changed); {
	case n > fewPeople:
		tx.Enqueue(RunJob{Because: tx.last})
	case n > atOnce:
		for people := range slices.Chunk(slices.Sorted(maps.Keys(tx.changed)), atOnce) {
			tx.Enqueue(PeopleJob{People: people, GroupSize: n, Asked: tx.asked})
		}
	case n > 0:
		tx.Enqueue(PeopleJob{People: slices.Sorted(maps.Keys(tx.changed)), Asked: tx.asked})
	}
	if len(tx.jobs) == 0 {
		return nil
	}
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	because, err := traced(ctx)
	if err != nil {
		return err
	}
	params := make([]river.InsertManyParams, len(tx.jobs))
	for i, j := range tx.jobs {
		params[i] = river.InsertManyParams{Args: j, InsertOpts: because}
	}
	if _, err := tx.db.jobs.InsertManyFastTx(ctx, tx.tx.Tx, params); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	return nil
}

// WaitingJobs returns the IDs of the jobs that wait to reconcile people.
func (db *DB) WaitingJobs(ctx context.Context) (ids []int64, err error) {
	if err := db.read.SelectContext(ctx, &ids, `SELECT id FROM river_job WHERE queue IN ($1, $2) AND state = $3`, QueuePeople, QueueRuns, string(rivertype.JobStateAvailable)); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return ids, nil
}

// ForgetJobs deletes those of the jobs that no process has begun: a run that began when
// they were there has reconciled everyone everywhere. Without behov serve they would be
// kept for ever. They are named one by one and not by a largest ID: an ID is assigned
// before the job's transaction commits.
func (tx *Tx) ForgetJobs(ctx context.Context, ids []int64) error {
	for _, id := range ids {
		if err := tx.exec(ctx, `DELETE FROM river_job WHERE id = $1 AND state = $2`, id, string(rivertype.JobStateAvailable)); err != nil {
			return fmt.Errorf("jobs: %w", err)
		}
	}
	return nil
}

// What alerts are about.
const (
	HeldAlert    = "held"     // Subject is the hold's digest
	ParkedAlert  = "parked"   // Subject is the target
	SilentAlert  = "silent"   // Subject is the HR source
	RefusedAlert = "refused"  // Subject is the HR source
	LeftOutAlert = "left-out" // Subject is the HR source
	AwayAlert    = "away"     // Subject is the target
	// EvaluatorAlert: the fast evaluator and Casbin do not agree; Subject is the
	// rules' digest.
	EvaluatorAlert = "evaluator-difference"
	// TokenAlert: a token stops working soon, did, or never will; Subject is the
	// token's ID and the stage (service.tokenStage).
	TokenAlert = "token-expiring" //nolint:gosec // it is the name of an alert
)

// AlertJob sends an alert about something that a person should look at soon. Its text is
// worked out when it is sent.
type AlertJob struct {
	About   string `json:"about"`
	Subject string `json:"subject"`
	// Channel is how the alert is sent; empty before the channels are chosen.
	Channel string `json:"channel,omitempty"`
	// ID is the same however often it is sent.
	ID string    `json:"id,omitempty"`
	At time.Time `json:"-"`
}

// Kind implements river.JobArgs.
func (AlertJob) Kind() string { return "alert" }

// InsertOpts implements river.JobArgsWithInsertOpts. It is tried until it is sent
// or there is nothing to say any more: a mail server may be away for a night.
func (j AlertJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueAlerts, ScheduledAt: j.At, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: UnfinishedJobStates}}
}

// AlertSent returns when an alert was last sent; the zero time for never.
func (db *DB) AlertSent(ctx context.Context, about, subject string) (time.Time, error) {
	var us int64
	err := db.read.GetContext(ctx, &us, `SELECT at_us FROM alert_told WHERE about = $1 AND subject = $2`, about, subject)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("read who was told: %w", err)
	}
	return instant(us), nil
}

// RecordAlertSent records that an alert is sent.
func (tx *Tx) RecordAlertSent(ctx context.Context, about, subject string, at time.Time) error {
	if err := tx.exec(ctx, `INSERT INTO alert_told (about, subject, at_us) VALUES ($1, $2, $3)
		ON CONFLICT (about, subject) DO UPDATE SET at_us = excluded.at_us`, about, subject, micros(at)); err != nil {
		return fmt.Errorf("note who is told: %w", err)
	}
	return nil
}

// WatchJob checks whether an HR source has been silent for too long.
type WatchJob struct{}

// Kind implements river.JobArgs.
func (WatchJob) Kind() string { return "watch" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (WatchJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueAlerts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: UnfinishedJobStates}}
}

// Package queue keeps durable jobs in the database and has them worked on: it owns the
// kinds of job, the queues they go to, and how a process takes over what a dead one left.
// It is the only importer of River.
//
// A job is committed in the transaction of the state change that makes it necessary, and
// holds nothing that the state does not: a job that is lost, or done twice, changes
// nothing but when the work is done. The package must never know what a job is about.
package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"go.opentelemetry.io/otel/propagation"
)

// Jobs are the jobs of one database.
type Jobs struct {
	write, read *sql.DB
	postgres    bool
	inserter    *river.Client[*sql.Tx]
}

// maxAttempts is the largest number of attempts that River allows: no job is given up.
const maxAttempts = 1 << 14

// New returns the jobs of a database: PostgreSQL, or else SQLite with one writing
// connection.
func New(write, read *sql.DB, postgres bool) (*Jobs, error) {
	j := &Jobs{write: write, read: read, postgres: postgres}
	var err error
	if j.inserter, err = river.NewClient(j.driver(), &river.Config{MaxAttempts: maxAttempts, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return j, nil
}

func (j *Jobs) driver() riverdriver.Driver[*sql.Tx] {
	if j.postgres {
		return riverdatabasesql.New(j.write)
	}
	return riversqlite.New(j.write)
}

// Migrate brings River's own tables up to date.
func (j *Jobs) Migrate(ctx context.Context) error {
	m, err := rivermigrate.New(j.driver(), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("bring the schema of the jobs up to date: %w", err)
	}
	return nil
}

// InsertTx inserts jobs in a transaction. They belong to the trace of the context.
func (j *Jobs) InsertTx(ctx context.Context, tx *sql.Tx, jobs ...Job) error {
	options, err := traced(ctx)
	if err != nil {
		return err
	}
	params := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		params[i] = river.InsertManyParams{Args: job, InsertOpts: options}
	}
	if _, err := j.inserter.InsertManyFastTx(ctx, tx, params); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
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
		return nil, fmt.Errorf("insert jobs: %w", err)
	}
	return &river.InsertOpts{Metadata: metadata}, nil
}

// withTrace returns a context that belongs to the trace in a job's metadata.
func withTrace(ctx context.Context, metadata []byte) context.Context {
	carrier := propagation.MapCarrier{}
	if json.Unmarshal(metadata, &carrier) != nil { // River keeps values of its own there, too
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, carrier)
}

// Waiting returns the IDs of the jobs that wait to reconcile people.
func (j *Jobs) Waiting(ctx context.Context) (ids []int64, err error) {
	rows, err := j.read.QueryContext(ctx, `SELECT id FROM river_job WHERE queue IN ($1, $2) AND state = $3`, peopleQueue, runsQueue, string(rivertype.JobStateAvailable))
	if err != nil {
		return nil, fmt.Errorf("read the waiting jobs: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read the waiting jobs: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// ForgetTx deletes those of the jobs that no process has begun: a run that began when
// they were there has reconciled everyone everywhere. Without behov serve they would be
// kept for ever. They are named one by one and not by a largest ID: an ID is assigned
// before the job's transaction commits.
func (j *Jobs) ForgetTx(ctx context.Context, tx *sql.Tx, ids []int64) error {
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, `DELETE FROM river_job WHERE id = $1 AND state = $2`, id, string(rivertype.JobStateAvailable)); err != nil {
			return fmt.Errorf("delete job %d: %w", id, err)
		}
	}
	return nil
}

// Unfinished is a job that is not done.
type Unfinished struct {
	Queue, Kind string
	Args        string // JSON
	MaxAttempts int
}

// List returns the first so many jobs that are not done, for tests and operators.
func (j *Jobs) List(ctx context.Context, most int) ([]Unfinished, error) {
	list, err := j.inserter.JobList(ctx, river.NewJobListParams().States(unfinished...).First(most))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	all := make([]Unfinished, len(list.Jobs))
	for i, job := range list.Jobs {
		all[i] = Unfinished{Queue: job.Queue, Kind: job.Kind, Args: string(job.EncodedArgs), MaxAttempts: job.MaxAttempts}
	}
	return all, nil
}

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// deathsBeforeDelay is how many attempts a job may have had before the job itself may be
// what processes die of, and is no longer hurried.
const deathsBeforeDelay = 3

// looksBeforeLost is how often in a row a job is seen without a worker before it counts as
// lost: longer than River takes to begin one and to record its end.
const looksBeforeLost = 15

// Processes returns the other processes that have running jobs, or lead, sorted. Some of
// them may be dead, which only their locks show.
func (w *Worker) Processes(ctx context.Context) ([]string, error) {
	running, err := w.running(ctx)
	if err != nil {
		return nil, err
	}
	leader, err := w.leader(ctx)
	if err != nil {
		return nil, err
	}
	processes := map[string]bool{}
	for name := range running {
		processes[name] = true
	}
	processes[leader] = true
	delete(processes, "")
	delete(processes, w.options.Process)
	return slices.Sorted(maps.Keys(processes)), nil
}

// TakeOver makes the running jobs of a dead process available, and lets another lead when
// it led: only the leader inserts what is due later, and its term ends by a clock,
// which may have gone back since. It returns the number of jobs. The caller makes sure
// that the process is dead and that no other takes it over at the same time.
func (w *Worker) TakeOver(ctx context.Context, process string) (jobs int, err error) {
	running, err := w.running(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := w.jobs.write.ExecContext(ctx, `DELETE FROM river_leader WHERE leader_id = $1`, process); err != nil {
		return 0, fmt.Errorf("end the lead of a dead process: %w", err)
	}
	return len(running[process]), w.release(ctx, running[process])
}

// ReleaseLost makes those running jobs of this process available on which it does not
// work, and returns how many they are: when the database is away for long, River does not
// record the end of a job. A job that has just begun, or just ended, is seen
// so for a moment; call it every few seconds.
func (w *Worker) ReleaseLost(ctx context.Context) (jobs int, err error) {
	running, err := w.running(ctx)
	if err != nil {
		return 0, err
	}
	inactive := map[int64]int{}
	var lost []*rivertype.JobRow
	for _, job := range running[w.options.Process] {
		if _, active := w.active.Load(job.ID); active {
			continue
		}
		if inactive[job.ID] = w.inactive[job.ID] + 1; inactive[job.ID] > looksBeforeLost {
			lost = append(lost, job)
		}
	}
	w.inactive = inactive
	return len(lost), w.release(ctx, lost)
}

// running returns the jobs that are under way, or were when their process died, by process.
func (w *Worker) running(ctx context.Context) (map[string][]*rivertype.JobRow, error) {
	list, err := w.client.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).First(1000))
	if err != nil {
		return nil, fmt.Errorf("list running jobs: %w", err)
	}
	by := map[string][]*rivertype.JobRow{}
	for _, job := range list.Jobs {
		if n := len(job.AttemptedBy); n > 0 {
			by[job.AttemptedBy[n-1]] = append(by[job.AttemptedBy[n-1]], job)
		}
	}
	return by, nil
}

// leader returns the process that inserts periodic jobs; empty for none.
func (w *Worker) leader(ctx context.Context) (process string, err error) {
	err = w.jobs.read.QueryRowContext(ctx, `SELECT leader_id FROM river_leader`).Scan(&process)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read which process leads: %w", err)
	}
	return process, nil
}

// release makes running jobs available again: one that several processes may have died of
// after a while, the others at once.
func (w *Worker) release(ctx context.Context, jobs []*rivertype.JobRow) error {
	var errs []error
	for _, job := range jobs {
		state, after := rivertype.JobStateAvailable, time.Duration(0)
		if job.Attempt > deathsBeforeDelay {
			state, after = rivertype.JobStateScheduled, Backoff(job.Attempt-deathsBeforeDelay, firstRetry, mostRetry)
		}
		statement := releaseOnSQLite
		if w.jobs.postgres {
			statement = releaseOnPostgres
		}
		if _, err := w.jobs.write.ExecContext(ctx, statement, job.ID, string(state), string(rivertype.JobStateRunning), fmt.Sprintf("+%.3f seconds", after.Seconds())); err != nil {
			errs = append(errs, fmt.Errorf("release job %d: %w", job.ID, err))
		}
	}
	return errors.Join(errs...)
}

// The statements that release a job: it is due after a time by the database's clock, in the
// form in which River keeps instants there.
const (
	releaseOnSQLite   = `UPDATE river_job SET state = $2, scheduled_at = datetime('now', 'subsec', $4) WHERE id = $1 AND state = $3`
	releaseOnPostgres = `UPDATE river_job SET state = $2, scheduled_at = now() + $4::text::interval WHERE id = $1 AND state = $3`
)

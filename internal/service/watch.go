package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/behov/behov/internal/store"
)

// watching is how often a process looks whether others that served have died.
const watching = 2 * time.Second

func aliveLock(id string) string { return "alive " + id }

// watch takes up what processes left that died, what is due, and new versions of
// the configuration, until ctx ends. Whether one is dead its lock says, and no
// clock.
func (s *Service) watch(ctx context.Context) {
	tick := time.NewTicker(watching)
	defer tick.Stop()
	for {
		if err := s.alive.Held(ctx); err != nil {
			// The others take us for dead, and what we were at for theirs. Our
			// runs find out by their own locks.
			s.Log.Warn("the connection to the database broke", "error", err)
			s.alive.Unlock()
			if again, err := s.DB.Lock(ctx, aliveLock(s.id)); err == nil {
				s.alive = again
			}
		}
		if err := s.releaseDeadProcesses(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("looking for what others left failed", "error", err)
		}
		if err := s.enqueueDueRuns(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("looking for what is due failed", "error", err)
		}
		if err := s.DB.CheckWritable(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("the database cannot be written to", "error", err)
		}
		if err := s.logPauses(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("looking for what is paused failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.reload(ctx, false)
		case <-s.Again:
			s.reload(ctx, true)
		}
	}
}

// logPauses logs what was paused or resumed since it was last asked.
func (s *Service) logPauses(ctx context.Context) error {
	now, err := s.DB.Pauses(ctx)
	if err != nil {
		return err
	}
	for subject, d := range now {
		if s.paused[subject].Seq != d.Seq {
			what := "PAUSED: nothing is changed"
			if d.Verdict == store.PauseExceptLeavers {
				what = "PAUSED: nothing is changed, but that the access of leavers ends"
			}
			s.Log.Warn(what, "target", subject, "decision", d.Seq, "by", d.Maker)
		}
	}
	for subject := range s.paused {
		if _, still := now[subject]; !still {
			s.Log.Info("resumed", "target", subject)
		}
	}
	s.paused = now
	return nil
}

// releaseDeadProcesses makes the jobs of dead processes available again.
func (s *Service) releaseDeadProcesses(ctx context.Context) error {
	left, err := s.runningJobs(ctx)
	if err != nil {
		return err
	}
	errs := []error{s.releaseLostJobs(ctx, left[s.id]), s.replaceDeadLeader(ctx)}
	delete(left, s.id)
	for id := range left {
		dead, err := s.DB.Lock(ctx, aliveLock(id))
		if errors.Is(err, store.ErrLocked) {
			continue
		}
		if err == nil {
			err = s.releaseJobsOf(ctx, id)
			dead.Unlock()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// replaceDeadLeader lets another process lead when the one that does is dead: only the
// leader begins what is due later, and its time is a clock's, which may have
// gone back since.
func (s *Service) replaceDeadLeader(ctx context.Context) error {
	jobs := s.DB.JobDriver().GetExecutor()
	leader, err := jobs.LeaderGetElectedLeader(ctx, &riverdriver.LeaderGetElectedLeaderParams{})
	if errors.Is(err, rivertype.ErrNotFound) || err == nil && leader.LeaderID == s.id {
		return nil
	}
	if err != nil {
		return fmt.Errorf("who leads: %w", err)
	}
	dead, err := s.DB.Lock(ctx, aliveLock(leader.LeaderID))
	if errors.Is(err, store.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dead.Unlock()
	if _, err := jobs.LeaderResign(ctx, &riverdriver.LeaderResignParams{LeaderID: leader.LeaderID, LeadershipTopic: "river_leadership"}); err != nil {
		return fmt.Errorf("who leads: %w", err)
	}
	return nil
}

// releaseJobsOf makes a dead process's running jobs available again.
func (s *Service) releaseJobsOf(ctx context.Context, id string) error {
	left, err := s.runningJobs(ctx)
	if err != nil || len(left[id]) == 0 {
		return err
	}
	s.Log.Warn("a process died, and its work is taken up", "service", id, "jobs", len(left[id]))
	return s.releaseJobs(ctx, left[id])
}

// runningJobs returns the jobs that are, or were, under way, by process.
func (s *Service) runningJobs(ctx context.Context) (map[string][]*rivertype.JobRow, error) {
	list, err := s.client.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).First(1000))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	of := map[string][]*rivertype.JobRow{}
	for _, j := range list.Jobs {
		if n := len(j.AttemptedBy); n > 0 {
			of[j.AttemptedBy[n-1]] = append(of[j.AttemptedBy[n-1]], j)
		}
	}
	return of, nil
}

// releaseLostJobs makes this process's jobs available again on which no worker works:
// when the database is away for long, River no longer records their end. A job that has
// just begun, or just ended, shows when it is checked again.
func (s *Service) releaseLostJobs(ctx context.Context, jobs []*rivertype.JobRow) error {
	idle := map[int64]int{}
	var lost []*rivertype.JobRow
	for _, j := range jobs {
		if _, working := s.active.Load(j.ID); working {
			continue
		}
		if idle[j.ID] = s.idle[j.ID] + 1; idle[j.ID] > idleLooks {
			lost = append(lost, j)
		}
	}
	s.idle = idle
	if len(lost) == 0 {
		return nil
	}
	s.Log.Warn("what became of jobs was not noted, and they are done again", "jobs", len(lost))
	return s.releaseJobs(ctx, lost)
}

// idleLooks is how often in a row a job is seen without a worker before it counts as
// lost: longer than River takes to begin one and to record its end.
const idleLooks = 15

func (s *Service) releaseJobs(ctx context.Context, jobs []*rivertype.JobRow) error {
	now := time.Now().UTC()
	var errs []error
	for _, j := range jobs {
		trouble, err := json.Marshal(rivertype.AttemptError{At: now, Attempt: max(j.Attempt, 0), Error: "the process that was at it died"})
		if err != nil {
			return fmt.Errorf("take up job %d: %w", j.ID, err)
		}
		// Perhaps it died of it: what kills one after another is not hurried.
		due, state := now, rivertype.JobStateAvailable
		if j.Attempt > manyDeaths {
			due, state = now.Add(backoff(j.Attempt-manyDeaths, time.Second, 5*time.Minute)), rivertype.JobStateScheduled
		}
		if _, err := s.DB.JobDriver().GetExecutor().JobRescueMany(ctx, &riverdriver.JobRescueManyParams{ID: []int64{j.ID}, Error: [][]byte{trouble},
			FinalizedAt: []*time.Time{nil}, ScheduledAt: []time.Time{due}, State: []string{string(state)}}); err != nil {
			errs = append(errs, fmt.Errorf("take up job %d: %w", j.ID, err))
		}
	}
	return errors.Join(errs...)
}

// manyDeaths is how often a job is begun before it may be what a process died
// of.
const manyDeaths = 3

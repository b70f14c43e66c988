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

// watch takes up what processes left that died, and new versions of the
// configuration, until ctx ends. Whether one is dead its lock says, and no
// clock.
func (s *Service) watch(ctx context.Context, alive *store.Lock) error {
	tick := time.NewTicker(watching)
	defer tick.Stop()
	for {
		if err := alive.Held(ctx); err != nil {
			// The others take us for dead, and what we were at for theirs. Our
			// runs find out by their own locks.
			s.Log.Warn("the connection to the database broke", "error", err)
			if again, err := s.DB.Lock(ctx, aliveLock(s.id)); err == nil {
				alive = again
			}
		}
		if err := s.takeUp(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("looking for what others left failed", "error", err)
		}
		select {
		case <-ctx.Done():
			alive.Unlock()
			return nil
		case <-tick.C:
			s.reload(ctx, false)
		case <-s.Again:
			s.reload(ctx, true)
		}
	}
}

// takeUp makes the jobs of dead processes available again.
func (s *Service) takeUp(ctx context.Context) error {
	list, err := s.client.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).First(1000))
	if err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	left := map[string][]*rivertype.JobRow{}
	for _, j := range list.Jobs {
		if n := len(j.AttemptedBy); n > 0 {
			left[j.AttemptedBy[n-1]] = append(left[j.AttemptedBy[n-1]], j)
		}
	}
	errs := []error{s.releaseOwn(ctx, left[s.id])}
	delete(left, s.id)
	for id, jobs := range left {
		dead, err := s.DB.Lock(ctx, aliveLock(id))
		if errors.Is(err, store.ErrLocked) {
			continue
		}
		if err == nil {
			s.Log.Warn("a process died, and its work is taken up", "service", id, "jobs", len(jobs))
			err = s.release(ctx, jobs)
			dead.Unlock()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// releaseOwn makes those of our own jobs available again that we are not at:
// when the database is away for long, River does not note any more what became
// of them. One that we have just begun, or just ended, is seen as such when we
// look again.
func (s *Service) releaseOwn(ctx context.Context, jobs []*rivertype.JobRow) error {
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
	return s.release(ctx, lost)
}

// idleLooks is how often in a row a job is seen that nobody is at, before it is
// taken for lost: longer than River takes to begin one, and to note its end.
const idleLooks = 15

func (s *Service) release(ctx context.Context, jobs []*rivertype.JobRow) error {
	now := time.Now().UTC()
	p := &riverdriver.JobRescueManyParams{}
	for _, j := range jobs {
		// It may have been done in between, by nobody but the dead one.
		trouble, err := json.Marshal(rivertype.AttemptError{At: now, Attempt: max(j.Attempt, 0), Error: "the process that was at it died"})
		if err != nil {
			return fmt.Errorf("take up job %d: %w", j.ID, err)
		}
		p.ID, p.Error, p.FinalizedAt = append(p.ID, j.ID), append(p.Error, trouble), append(p.FinalizedAt, nil)
		p.ScheduledAt, p.State = append(p.ScheduledAt, now), append(p.State, string(rivertype.JobStateAvailable))
	}
	if _, err := s.DB.JobDriver().GetExecutor().JobRescueMany(ctx, p); err != nil {
		return fmt.Errorf("take up jobs: %w", err)
	}
	return nil
}

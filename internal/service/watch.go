package service

import (
	"context"
	"errors"
	"time"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
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
		if err := s.alive.Held(ctx); errors.Is(err, lock.ErrLost) {
			// The others take us for dead, and what we were at for theirs. Our
			// runs find out by their own locks.
			s.Log.Warn("the connection to the database broke", "error", err)
			s.alive.Unlock()
			if again, err := s.DB.Locks().Try(ctx, aliveLock(s.id)); err == nil {
				s.alive = again
			}
		}
		if err := s.releaseDeadProcesses(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("looking for what others left failed", "error", err)
		}
		if err := s.enqueueDueRuns(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("looking for what is due failed", "error", err)
		}
		if err := s.closeReviews(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("ending and starting reviews failed", "error", err)
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

// releaseDeadProcesses takes over from processes that died, and takes up jobs of this one
// that it lost.
func (s *Service) releaseDeadProcesses(ctx context.Context) error {
	lost, err := s.worker.ReleaseLost(ctx)
	if lost > 0 {
		s.Log.Warn("the outcome of jobs was not recorded, and they are done again", "jobs", lost)
	}
	errs := []error{err}
	others, err := s.worker.Processes(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, id := range others {
		dead, err := s.DB.Locks().Try(ctx, aliveLock(id))
		if errors.Is(err, lock.ErrLocked) {
			continue
		}
		if err == nil {
			var jobs int
			if jobs, err = s.worker.TakeOver(ctx, id); jobs > 0 {
				s.Log.Warn("a process died, and its work is taken up", "service", id, "jobs", jobs)
			}
			dead.Unlock()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// closeReviews ends, once a day begins, the reviews whose last day has passed, and starts those
// that are due.
func (s *Service) closeReviews(ctx context.Context) error {
	c := s.current.Load().config
	today := identity.DateOf(s.Now(), c.Zone)
	if !s.Apply || s.reviewsClosed == today {
		return nil
	}
	g := governance.Governance{DB: s.DB, Config: c, Now: s.Now}
	if _, err := g.CloseOverdue(ctx, identity.System); err != nil {
		return err
	}
	started, err := g.StartDue(ctx)
	for _, r := range started {
		s.Log.Info("started a review", "series", r.Series, "review", r.Campaign, "questions", r.Questions)
	}
	s.reviewsClosed = today // what could not be started is started on another day
	return err
}

package service

import (
	"cmp"
	"context"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

const (
	// defaultReconcile is how often a target without a schedule of its own is reconciled
	// for everyone.
	defaultReconcile = time.Hour
	// loadingReconcile is the longest time between two runs for everyone in a target that
	// is not loaded yet: until then no limit holds new accounts.
	loadingReconcile = 5 * time.Minute
	// watchingHR is how often we look whether HR is silent.
	watchingHR = 10 * time.Minute
	// wholeAfter is how long after a day's beginning all targets are looked at in
	// one run: those that look at each have been before.
	wholeAfter = 5 * time.Minute
	// ahead is how far a clock may be ahead of ours that noted when a target was
	// read; beyond, ours was set back.
	ahead = time.Minute
)

// schedule returns the periodic jobs.
func (s *Service) schedule(c *config.Config) []queue.Periodic {
	var all []queue.Periodic
	for _, source := range c.Sources {
		if pullable(source) {
			all = append(all, queue.Periodic{Every: cmp.Or(source.Every, s.Every), Job: queue.Pull{Source: source.Name}})
		}
	}
	return append(all, queue.Periodic{Every: watchingHR, Job: queue.Watch{}})
}

// enqueueDueRuns enqueues a run for everyone in each target that had none today, or none
// within its interval. It compares with what was done, not with a clock: what was missed
// while no process served, or the database was away, is done afterwards.
func (s *Service) enqueueDueRuns(ctx context.Context) error {
	if !s.Apply {
		return nil
	}
	c := s.current.Load().config
	states, err := s.DB.TargetStates(ctx)
	if err != nil {
		return err
	}
	now := s.Now()
	today := identity.DateOf(now, c.Zone)
	is := func(target string, every time.Duration) bool {
		read := states[target].Read()
		return identity.DateOf(read, c.Zone) < today || every > 0 && now.Sub(read) >= every || read.Sub(now) > ahead
	}
	var jobs []queue.Job
	for _, t := range c.Targets {
		every := cmp.Or(t.Reconcile, defaultReconcile)
		if !states[t.Name].Loaded() {
			every = min(every, loadingReconcile)
		}
		if is(t.Name, every) {
			jobs = append(jobs, queue.Run{Target: t.Name, Because: "due", Day: today, Last: states[t.Name].ReadUS})
		}
	}
	if is(store.EveryTarget, 0) {
		jobs = append(jobs, queue.Run{Whole: true, Because: "due", Day: today, Last: states[store.EveryTarget].ReadUS, After: wholeAfter})
	}
	if len(jobs) == 0 {
		return nil
	}
	return s.enqueue(ctx, jobs...)
}

func pullable(s config.Source) bool {
	return s.File != "" || s.Directory != nil || s.HTTP != nil || s.SQL != nil
}

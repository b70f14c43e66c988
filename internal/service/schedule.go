package service

import (
	"cmp"
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

const (
	// defaultReconcile is how often everybody is looked at in a target that does
	// not say it itself.
	defaultReconcile = time.Hour
	// loadingReconcile is how often everybody is looked at in a target at most,
	// before a run has once found everything there: until then no limit holds new
	// accounts back, whoever asks for them.
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

// schedule is what is done without an event. One of the processes that serve a
// database sees to it.
func (s *Service) schedule(c *config.Config) []*river.PeriodicJob {
	var jobs []*river.PeriodicJob
	for _, source := range c.Sources {
		if !pullable(source) {
			continue
		}
		jobs = append(jobs, river.NewPeriodicJob(river.PeriodicInterval(cmp.Or(source.Every, s.Every)), func() (river.JobArgs, *river.InsertOpts) {
			return store.PullJob{Source: source.Name}, nil
		}, nil))
	}
	return append(jobs, river.NewPeriodicJob(river.PeriodicInterval(watchingHR), func() (river.JobArgs, *river.InsertOpts) {
		return store.WatchJob{}, nil
	}, nil))
}

// enqueueDueRuns has everybody looked at in the targets in which nobody did today, or for
// as long as they say. It asks what was done, and not when a clock struck: what
// was missed while nobody served, or the database was away, is done afterwards.
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
	var jobs []store.Job
	for _, t := range c.Targets {
		every := cmp.Or(t.Reconcile, defaultReconcile)
		if !states[t.Name].Loaded() {
			every = min(every, loadingReconcile)
		}
		if is(t.Name, every) {
			jobs = append(jobs, store.RunJob{Target: t.Name, Because: "due", Day: today, Last: states[t.Name].ReadUS})
		}
	}
	if is(store.EveryTarget, 0) {
		jobs = append(jobs, store.RunJob{Whole: true, Because: "due", Day: today, Last: states[store.EveryTarget].ReadUS, At: time.Now().Add(wholeAfter)})
	}
	if len(jobs) == 0 {
		return nil
	}
	return s.enqueue(ctx, jobs...)
}

func pullable(s config.Source) bool {
	return s.File != "" || s.Directory != nil || s.HTTP != nil || s.SQL != nil
}

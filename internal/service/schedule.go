package service

import (
	"cmp"
	"time"

	"github.com/riverqueue/river"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// defaultReconcile is how often everybody is looked at in a target that does
// not say it itself.
const defaultReconcile = time.Hour

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
	for _, t := range c.Targets {
		jobs = append(jobs, river.NewPeriodicJob(river.PeriodicInterval(cmp.Or(t.Reconcile, defaultReconcile)), func() (river.JobArgs, *river.InsertOpts) {
			return store.RunJob{Target: t.Name, Because: "schedule"}, nil
		}, nil))
	}
	jobs = append(jobs, river.NewPeriodicJob(midnight{c.Zone}, func() (river.JobArgs, *river.InsertOpts) {
		return store.RunJob{Because: "day " + string(identity.DateOf(s.Now(), c.Zone))}, nil
	}, nil))
	jobs = append(jobs, river.NewPeriodicJob(river.PeriodicInterval(watchingHR), func() (river.JobArgs, *river.InsertOpts) {
		return store.WatchJob{}, nil
	}, nil))
	return jobs
}

// watchingHR is how often we look whether HR is silent.
const watchingHR = 10 * time.Minute

// midnight is when each day begins in the organisation's time zone.
type midnight struct{ zone *time.Location }

// Next implements river.PeriodicSchedule. A day begins at its first instant,
// which is not 00:00 everywhere (RFC 5545 says nothing of it; Go's time.Date
// moves a time that a change of clocks leaves out).
func (m midnight) Next(after time.Time) time.Time {
	today := identity.DateOf(after, m.zone)
	y, month, d := after.In(m.zone).Date()
	next := time.Date(y, month, d+1, 0, 0, 0, 0, m.zone)
	for identity.DateOf(next, m.zone) <= today { // the zone left out midnight
		next = next.Add(time.Minute)
	}
	return next
}

func pullable(s config.Source) bool {
	return s.File != "" || s.Directory != nil || s.HTTP != nil || s.SQL != nil
}

package service

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// soon is when people whom another run has locked are reconciled again.
const soon = time.Second

// handler does the work of jobs.
type handler struct{ *Service }

// ReconcilePeople implements queue.Handler.
func (s handler) ReconcilePeople(ctx context.Context, job queue.People) error {
	if !s.Apply {
		return nil
	}
	g, done := s.acquireGeneration()
	defer done()
	var later []queue.Job
	targets := []string{}
	leave := map[string]func(){}
	for _, t := range g.config.Targets {
		if job.Target != "" && t.Name != job.Target {
			continue
		}
		if until := s.health.unavailableUntil(t.Name, s.Now()); !until.IsZero() && !job.Asked {
			later = append(later, job.In(t.Name, until.Sub(s.Now())))
			continue
		}
		if job.Target == "" {
			out, in := s.health.acquire(t.Name)
			if !in {
				later = append(later, job.In(t.Name, 0))
				continue
			}
			leave[t.Name] = sync.OnceFunc(out)
			defer leave[t.Name]()
		}
		targets = append(targets, t.Name)
	}
	if len(targets) == 0 && len(later) > 0 {
		return s.enqueue(ctx, later...)
	}
	ended, err := g.engine.ReconcilePeopleStream(ctx, job.People, job.GroupSize, targets)
	if err != nil {
		return err
	}
	for d := range ended {
		if out := leave[d.Target]; out != nil {
			out() // others may be at it, however long the other targets take
		}
		again := s.recordTargetHealth(d.Target, d.Result, d.Err)
		next := job
		if d.Err != nil && again > 0 && !errors.Is(d.Err, lock.ErrLocked) { // people whom another run has locked come again soon
			next.Try++
			again = max(again, queue.Backoff(next.Try, soon, 5*time.Minute))
		}
		if again > 0 {
			later = append(later, next.In(d.Target, again))
		}
		if d.Result == nil {
			continue
		}
		s.logResult("reconciled people", d.Target, d.Result)
		if len(d.Result.Plan.Deferred) > 0 {
			basis := d.Result.Plan.Basis
			later = append(later, queue.Run{Target: d.Target, Because: "what looking at few left", Events: basis.Events, Decisions: basis.Decisions})
		}
	}
	if len(later) == 0 {
		return nil
	}
	return s.enqueue(ctx, later...)
}

// recordTargetHealth says when a target has to be looked at again, zero for not before its
// schedule says so, and keeps book of which targets answer.
func (s *Service) recordTargetHealth(target string, r *execute.Result, err error) time.Duration {
	why, after := "", time.Duration(0)
	switch {
	case errors.Is(err, lock.ErrLocked):
		return queue.Backoff(1, soon, soon)
	case err != nil:
		s.Log.Error("looking at a target failed", "target", target, "error", err)
		return queue.Backoff(2, soon, time.Minute)
	case r.Unavailable[target] != "":
		why, after = r.Unavailable[target], r.RetryAfter[target]
	default:
		for _, f := range r.Plan.Findings {
			if f.Kind == plan.Unreachable && f.Target == target {
				why = logWords().Reason(f.Reason)
			}
		}
	}
	if why == "" {
		if s.health.recordAnswer(target) {
			s.Log.Info("target answers again", "target", target)
		}
		return 0
	}
	since, until := s.health.recordFailure(target, s.Now(), after)
	s.Log.Warn("target does not answer", "target", target, "why", why, "since", since, "asked_again", until)
	if s.Now().Sub(since) >= s.current.Load().config.Alerts.Unavailable {
		if err := s.enqueue(context.Background(), alert.TargetUnreachable.Job(target)); err != nil {
			s.Log.Error("the alert that a target does not answer was not sent", "target", target, "error", err)
		}
	}
	return until.Sub(s.Now())
}

// logResult logs what a run did, when it did something, and, whenever it shows, that a
// disabled account can sign in.
func (s *Service) logResult(what, target string, r *execute.Result) {
	s.lazyMetrics().count(r)
	for _, f := range r.Plan.Findings {
		if f.Kind == plan.SignInPossible {
			s.Log.Warn("it is not shown that disabled accounts are shut out", "target", f.Target, "why", logWords().Reason(f.Reason))
		}
	}
	if len(r.Outcomes)+len(r.Resolved)+len(r.Plan.Holds) == 0 {
		return
	}
	ops := map[string]int{}
	for _, step := range r.Plan.Steps {
		ops[string(step.Op)]++
	}
	s.Log.Info(what, "target", target, "plan", r.Plan.Digest, counts("planned", ops), counts("ended", r.Outcomes), counts("resolved", r.Resolved), "holds", len(r.Plan.Holds))
	// Equal lines are logged a few times, and then counted.
	const told = 10
	alike := map[string]int{}
	for _, u := range r.NotDone {
		detail := logWords().Reason(u.Detail)
		why := u.Outcome + " " + detail
		if alike[why]++; alike[why] <= told {
			s.Log.Warn("a step was not done", "key", u.Step.Key(), "target", u.Step.Target, "person", u.Step.Person, "op", u.Step.Op, "entitlement", u.Step.Entitlement, "outcome", u.Outcome, "detail", detail)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(alike)) {
		if n := alike[why] - told; n > 0 {
			s.Log.Warn("more steps were not done", "target", target, "steps", n, "outcome_and_detail", why)
		}
	}
}

func counts(name string, of map[string]int) slog.Attr {
	var attrs []any
	for _, k := range slices.Sorted(maps.Keys(of)) {
		attrs = append(attrs, slog.Int(k, of[k]))
	}
	return slog.Group(name, attrs...)
}

// Reconcile implements queue.Handler: it reconciles everyone.
func (s handler) Reconcile(ctx context.Context, job queue.Run) error {
	if !s.Apply {
		return nil
	}
	g, done := s.acquireGeneration()
	defer done()
	if job.Day > identity.DateOf(s.Now(), g.config.Zone) {
		return queue.Later(soon) // another's clock is ahead of ours
	}
	if job.Target == "" && !job.Whole {
		return s.enqueueByTarget(ctx, g.config, job)
	}
	if known, err := s.alreadyReconciled(ctx, job); err != nil || known {
		return err
	}
	if job.Whole {
		return s.reconcileAcrossTargets(ctx, g, job)
	}
	t := job.Target
	if _, ok := g.config.Target(t); !ok {
		return nil // it is not configured any more
	}
	if until := s.health.unavailableUntil(t, s.Now()); !until.IsZero() {
		return queue.Later(max(0, until.Sub(s.Now())))
	}
	began := time.Now()
	r, err := g.engine.Run(ctx, reconcile.Scope{Targets: []string{t}})
	if errors.Is(err, lock.ErrLocked) {
		return queue.Later(soon)
	}
	if err != nil {
		return err
	}
	s.logResult("reconciled everyone", t, r)
	s.Log.Debug("run", "target", t, "because", job.Because, "took", time.Since(began))
	if again := s.recordTargetHealth(t, r, nil); again > 0 {
		return queue.Later(again)
	}
	return nil
}

// reconcileAcrossTargets does the work that concerns all targets together. It comes again
// when a target did not answer.
func (s *Service) reconcileAcrossTargets(ctx context.Context, g *generation, job queue.Run) error {
	began := time.Now()
	s.prove(ctx, g)
	p, err := g.engine.RecordMoversAndErase(ctx)
	if errors.Is(err, lock.ErrLocked) {
		return queue.Later(soon)
	}
	if err != nil {
		return err
	}
	s.Log.Debug("looked at all targets together", "because", job.Because, "took", time.Since(began))
	var later []queue.Job
	for _, t := range g.config.Targets {
		if again := s.recordTargetHealth(t.Name, &execute.Result{Plan: p}, nil); again > 0 {
			later = append(later, queue.Run{Target: t.Name, Because: job.Because, After: again})
		}
	}
	if len(later) == 0 {
		return nil
	}
	return s.enqueue(ctx, later...)
}

// enqueueByTarget enqueues one run for everyone in each target, so that a slow target
// delays no other.
func (s *Service) enqueueByTarget(ctx context.Context, c *config.Config, job queue.Run) error {
	var jobs []queue.Job
	for _, t := range c.Targets {
		job.Target = t.Name
		jobs = append(jobs, job)
	}
	return s.enqueue(ctx, jobs...)
}

// alreadyReconciled reports whether a run has covered what the job is about, and did all
// of it.
func (s *Service) alreadyReconciled(ctx context.Context, job queue.Run) (bool, error) {
	if job.Events == 0 && job.Day == "" {
		return false, nil
	}
	states, err := s.DB.TargetStates(ctx)
	at := states[cmp.Or(job.Target, store.EveryTarget)]
	if !at.Missed.IsZero() {
		return false, err
	}
	if job.Day != "" {
		return at.ReadUS != job.Last, err
	}
	return at.Events >= job.Events && at.Decisions >= job.Decisions, err
}

// Pull implements queue.Handler. A source that cannot be read is read again when its
// schedule says so.
func (s handler) Pull(ctx context.Context, job queue.Pull) error {
	g, done := s.acquireGeneration()
	defer done()
	source, ok := g.config.Sources[job.Source]
	if !ok || !pullable(source) {
		return nil
	}
	reports, err := g.hr.Pull(ctx, source)
	if err != nil && ctx.Err() == nil {
		s.Log.Error("a source could not be read", "source", source.Name, "error", err)
	}
	for _, r := range reports {
		switch {
		case r.Refused != nil:
			s.Log.Error("an import was refused", "source", r.Source, "name", r.Name, "why", logWords().Problem(*r.Refused))
		case r.EndingsHeld != nil:
			s.Log.Warn("the endings of an import are held", "source", r.Source, "name", r.Name, "hold", r.EndingsHeld.Digest, "why", logWords().Reason(r.EndingsHeld.Why))
		case len(r.StartsHeld) > 0:
			for _, h := range r.StartsHeld {
				s.Log.Warn("a start that moves into the future is held", "source", r.Source, "name", r.Name, "hold", h.Digest, "why", logWords().Reason(h.Why))
			}
		case r.Held != nil:
			s.Log.Warn("an import is held", "source", r.Source, "name", r.Name, "hold", r.Held.Digest, "why", logWords().Reason(r.Held.Why))
		default:
			level := slog.LevelInfo
			if len(r.Problems) > 0 {
				level = slog.LevelWarn
			}
			s.Log.Log(ctx, level, "imported", "source", r.Source, "name", r.Name, "rows", r.Rows, "events", r.Events, "problems", len(r.Problems))
		}
	}
	return nil
}

// logWords words reasons in the log, in English and without names.
var logWords = sync.OnceValue(func() *wording.Printer {
	words, err := wording.New(wording.Reader{Language: wording.English, Zone: time.UTC})
	if err != nil { // the sentences are built in: package wording's tests read them
		panic(err)
	}
	return words
})

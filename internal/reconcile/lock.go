package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

// Locks, across processes: one run at a time plans everyone in a target, and one run at a
// time changes a person's account in it.

// allTargetsLock is the lock for work that concerns all targets together.
const allTargetsLock = "all targets together"

// lockTargets waits for the locks of the targets that are planned for everyone; nil is
// all targets, and the work that concerns them together.
func (e *Engine) lockTargets(ctx context.Context, targets []string) (*store.Lock, error) {
	var names []string
	if targets == nil {
		names = []string{allTargetsLock}
		for _, t := range e.Config.Targets {
			targets = append(targets, t.Name)
		}
	}
	for _, t := range targets {
		names = append(names, "plan "+t)
	}
	return e.DB.LockWithin(ctx, e.LockWait, names...)
}

func personLock(target string, person identity.PersonID) string {
	return fmt.Sprintf("touch %q %s", target, person)
}

func personLocks(target string, people []identity.PersonID) []string {
	names := make([]string, len(people))
	for i, id := range people {
		names[i] = personLock(target, id)
	}
	return names
}

// lockOpenSteps finds the steps that stopped runs left open and locks their people. Steps
// whose person is locked belong to a run that is under way.
func (e *Engine) lockOpenSteps(ctx context.Context, w *inputs) error {
	w.openSteps = map[string][]store.OpenStep{}
	for _, c := range w.targetConfigs {
		open, err := e.DB.OpenSteps(ctx, c.Name, w.subset)
		if err != nil {
			return err
		}
		ours := map[string]bool{}
		for _, s := range open {
			if _, asked := ours[s.Person]; asked {
				continue
			}
			lock, err := e.DB.Lock(ctx, personLock(c.Name, identity.PersonID(s.Person)))
			if err != nil && !errors.Is(err, store.ErrLocked) {
				return err
			}
			if ours[s.Person] = err == nil; err == nil {
				w.locks = append(w.locks, lock)
			}
		}
		// Again: another process may have ended a step before this one had the lock.
		if open, err = e.DB.OpenSteps(ctx, c.Name, w.subset); err != nil {
			return err
		}
		for _, s := range open {
			if ours[s.Person] {
				w.openSteps[c.Name] = append(w.openSteps[c.Name], s)
			}
		}
	}
	return nil
}

// unlock gives back what lockOpenSteps locked.
func (w *inputs) unlock() {
	if w == nil {
		return
	}
	for _, l := range w.locks {
		l.Unlock()
	}
	w.locks = nil
}

// locks are those of the people in a batch.
type locks []*store.Lock

func (l locks) unlock() {
	for _, one := range l {
		one.Unlock()
	}
}

// urgentLockWait is for how long what must be done now waits for its turn.
const urgentLockWait = 2 * time.Second

// lock takes the locks of the people of a batch. People whom another run has locked it
// defers to that run. While another batch of this run holds locks it does not wait for
// more (store.IsLockLimit).
func (r *targetRun) lock(ctx context.Context, steps []plan.Step, overlapping bool) (locks, error) {
	if r.inputs.lock != nil {
		return nil, r.inputs.lock.Held(ctx)
	}
	var people []identity.PersonID
	for _, s := range steps {
		if r.deferredWhy[s.Person] == "" {
			people = append(people, s.Person)
		}
	}
	people = unique(people)
	patience := time.Duration(0)
	if r.urgent {
		patience = urgentLockWait
	}
	db := r.engine.DB
	all, err := db.LockWithin(ctx, patience, personLocks(r.target.Name, people)...)
	for store.IsLockLimit(err) && !overlapping { // this run holds no lock that others wait for
		all, err = db.LockWithin(ctx, personLockWait, personLocks(r.target.Name, people)...)
	}
	switch {
	case err == nil:
		return locks{all}, nil
	case r.urgent && errors.Is(err, store.ErrLocked):
		return nil, nil
	case !errors.Is(err, store.ErrLocked):
		return nil, err
	}
	var held locks
	for _, id := range people {
		one, err := db.Lock(ctx, personLock(r.target.Name, id))
		switch {
		case err == nil:
			held = append(held, one)
		case errors.Is(err, store.ErrLocked):
			r.deferredWhy[id], r.requeue[id] = "another run is at this person's account", true
		default:
			return held, err
		}
	}
	return held, nil
}

// requeueDeferred schedules another look at people who were deferred to runs that may
// have read before this run did, or on the day before.
func (r *targetRun) requeueDeferred(ctx context.Context) error {
	if len(r.requeue) == 0 {
		return nil
	}
	return r.engine.DB.Write(ctx, func(tx *store.Tx) error {
		for some := range slices.Chunk(slices.Sorted(maps.Keys(r.requeue)), requeueBatch) {
			job := queue.People{Target: r.target.Name, At: time.Now().Add(requeueDelay)}
			for _, id := range some {
				job.People = append(job.People, string(id))
			}
			tx.Enqueue(job)
		}
		return nil
	})
}

const (
	// requeueDelay is after how long deferred people are reconciled again.
	requeueDelay = 2 * time.Second
	// requeueBatch is how many of them are one job.
	requeueBatch = 50
)

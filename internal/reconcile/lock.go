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
	"github.com/behov/behov/internal/store"
)

// What excludes what: one run at a time plans everybody in a target, and one
// at a time touches a person's account in it, whichever process it is in.

// allTargetsLock is the lock of whoever sees to what concerns all targets together.
const allTargetsLock = "all targets together"

// lockTargets waits until nobody else plans everybody in the targets; nil is
// all of them, and what concerns them together.
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

// lockOpenSteps finds what stopped runs left open, and locks the people whose it
// is. What somebody is at is not stopped.
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
		// Again: somebody may have ended one before we had the lock.
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

// lock makes sure that nobody else touches the people of a batch until it is
// done. Whom another run touches it leaves to that one. While another batch holds
// locks it does not wait for room for more (store.IsLockLimit).
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
	for store.IsLockLimit(err) && !overlapping { // nobody else sees to them; we hold nothing that others wait for
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

// requeueDeferred has somebody look, soon, at those whom a run for everybody left to
// runs that may have begun before what it knew, or before the day did.
func (r *targetRun) requeueDeferred(ctx context.Context) error {
	if len(r.requeue) == 0 {
		return nil
	}
	return r.engine.DB.Write(ctx, func(tx *store.Tx) error {
		for some := range slices.Chunk(slices.Sorted(maps.Keys(r.requeue)), requeueBatch) {
			job := store.PeopleJob{Target: r.target.Name, At: time.Now().Add(requeueDelay)}
			for _, id := range some {
				job.People = append(job.People, string(id))
			}
			tx.Enqueue(job)
		}
		return nil
	})
}

const (
	// requeueDelay is when somebody looks again at those who were left to others.
	requeueDelay = 2 * time.Second
	// requeueBatch is how many of them are one job.
	requeueBatch = 50
)

package execute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// PersonLock names the lock on a person's account in a target: one run at a time changes
// it, in whichever process.
func PersonLock(target string, person identity.PersonID) string {
	return fmt.Sprintf("touch %q %s", target, person)
}

// PersonLocks returns the PersonLock of each person.
func PersonLocks(target string, people []identity.PersonID) []string {
	names := make([]string, len(people))
	for i, id := range people {
		names[i] = PersonLock(target, id)
	}
	return names
}

// PersonLockWait is for how long a run waits for a person's lock: longer than a batch
// takes.
const PersonLockWait = 10 * time.Second

// locks are those of the people in a batch.
type locks []*lock.Lock

func (l locks) unlock() {
	for _, one := range l {
		one.Unlock()
	}
}

// urgentLockWait is for how long what must be done now waits for its turn.
const urgentLockWait = 2 * time.Second

// lock takes the locks of the people of a batch. People whom another run has locked it
// defers to that run. While another batch of this run holds locks it does not wait for
// more (lock.IsLimit).
func (r *targetRun) lock(ctx context.Context, steps []plan.Step, overlapping bool) (locks, error) {
	if r.basis.Lock != nil {
		return nil, r.basis.Lock.Held(ctx)
	}
	var people []identity.PersonID
	for _, s := range steps {
		if r.deferredWhy[s.Person].IsZero() {
			people = append(people, s.Person)
		}
	}
	people = unique(people)
	patience := time.Duration(0)
	if r.basis.Urgent {
		patience = urgentLockWait
	}
	db := r.DB
	all, err := db.Locks().Wait(ctx, patience, PersonLocks(r.target.Name, people)...)
	for lock.IsLimit(err) && !overlapping { // this run holds no lock that others wait for
		all, err = db.Locks().Wait(ctx, PersonLockWait, PersonLocks(r.target.Name, people)...)
	}
	switch {
	case err == nil:
		return locks{all}, nil
	case r.basis.Urgent && errors.Is(err, lock.ErrLocked):
		return nil, nil
	case !errors.Is(err, lock.ErrLocked):
		return nil, err
	}
	var held locks
	for _, id := range people {
		one, err := db.Locks().Try(ctx, PersonLock(r.target.Name, id))
		switch {
		case err == nil:
			held = append(held, one)
		case errors.Is(err, lock.ErrLocked):
			r.deferredWhy[id], r.requeue[id] = reason.Of(reason.OtherRunWorks{}), true
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
	return r.DB.Write(ctx, func(tx *store.Tx) error {
		for some := range slices.Chunk(slices.Sorted(maps.Keys(r.requeue)), requeueBatch) {
			tx.Enqueue(queue.People{People: some, Target: r.target.Name, After: requeueDelay})
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

package store

import (
	"context"
	"maps"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
)

const (
	// fewPeople is up to how many people it is less work to reconcile them than everyone.
	fewPeople = 500
	// atOnce is how many of them are one job, which locks all of them while it works.
	atOnce = 50
)

// Jobs returns the jobs of the database.
func (db *DB) Jobs() *queue.Jobs { return db.jobs }

// Enqueue inserts a job when the transaction commits.
func (tx *Tx) Enqueue(jobs ...queue.Job) { tx.jobs = append(tx.jobs, jobs...) }

// ForgetJobs is queue.Jobs.ForgetTx in this transaction.
func (tx *Tx) ForgetJobs(ctx context.Context, ids []int64) error {
	return tx.db.jobs.ForgetTx(ctx, tx.tx.Tx, ids)
}

// notifyPerson notes that the transaction records something about a person, so that a job
// reconciles them.
func (tx *Tx) notifyPerson(person identity.PersonID, because string) {
	tx.last = because
	if tx.changed == nil {
		tx.changed = map[identity.PersonID]bool{}
	}
	tx.changed[person] = true
}

func (tx *Tx) flushJobs(ctx context.Context) error {
	switch n := len(tx.changed); {
	case n > fewPeople:
		tx.Enqueue(queue.Run{Because: tx.last})
	case n > atOnce:
		for people := range slices.Chunk(slices.Sorted(maps.Keys(tx.changed)), atOnce) {
			tx.Enqueue(queue.People{People: people, GroupSize: n, Asked: tx.asked})
		}
	case n > 0:
		tx.Enqueue(queue.People{People: slices.Sorted(maps.Keys(tx.changed)), Asked: tx.asked})
	}
	if len(tx.jobs) == 0 {
		return nil
	}
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	return tx.db.jobs.InsertTx(ctx, tx.tx.Tx, tx.jobs...)
}

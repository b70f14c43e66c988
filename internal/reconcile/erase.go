package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// erase destroys the personal data of people whose retention is over, once every target
// was read completely and none has an account of theirs. It leaves people about whom
// something new was recorded, or whom another run has locked, to the next run.
func (e *Engine) erase(ctx context.Context, w *inputs) error {
	if !w.covers.showsAll() {
		return nil
	}
	var gone []identity.Person
	for _, p := range w.people.All {
		if w.people.Stage(p).State != identity.ToErase || !w.people.Facts[p.ID].Suspended.IsZero() {
			continue
		}
		if !e.hasAccountAnywhere(w, p.ID) {
			gone = append(gone, p)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	var locked []identity.PersonID
	for _, p := range gone {
		everywhere, err := e.lockEverywhere(ctx, p.ID)
		if errors.Is(err, lock.ErrLocked) {
			continue
		}
		if err != nil {
			return err
		}
		defer everywhere.Unlock()
		locked = append(locked, p.ID)
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockSequences(ctx); err != nil {
			return err
		}
		touched, err := e.affectedInAnyTarget(ctx, tx, w, store.Only(locked...))
		if err != nil {
			return err
		}
		for _, p := range gone {
			if touched[p.ID] || !slices.Contains(locked, p.ID) {
				continue
			}
			tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.PersonErased, Person: p.ID,
				Reason: reason.Of(reason.RetentionOver{Because: reason.OfStage(w.people.Stage(p)), Days: e.Config.Lifecycle.EraseAfter})})
			if err := tx.ErasePerson(ctx, p.ID, e.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockEverywhere keeps every other run from a person's accounts.
func (e *Engine) lockEverywhere(ctx context.Context, person identity.PersonID) (*lock.Lock, error) {
	var names []string
	for _, t := range e.Config.Targets {
		names = append(names, execute.PersonLock(t.Name, person))
	}
	return e.DB.Locks().Try(ctx, names...)
}

// affectedInAnyTarget returns the people about whom something was recorded, in any
// target, after the inputs were read.
func (e *Engine) affectedInAnyTarget(ctx context.Context, tx *store.Tx, w *inputs, people store.PersonSet) (map[identity.PersonID]bool, error) {
	touched := map[identity.PersonID]bool{}
	for _, t := range w.targets {
		of, err := tx.PeopleAffectedSince(ctx, t.Name, people, w.sequences)
		if err != nil {
			return nil, err
		}
		maps.Copy(touched, of)
	}
	return touched, nil
}

// hasAccountAnywhere reports whether a person has, or may have, an account in any target.
func (e *Engine) hasAccountAnywhere(w *inputs, id identity.PersonID) bool {
	for _, t := range w.targets {
		if t.Observed == nil || !t.Observed.Completeness.Complete || w.openCounts[t.Name] > 0 {
			return true
		}
		if own, others := t.Owned(id); own != nil || len(others) > 0 || t.Bound.AccountOf(id) != "" && !gone(t, id) {
			return true
		}
	}
	return false
}

package reconcile

import (
	"context"
	"fmt"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// erase destroys what is known of people whose time is over, once every target
// has been read completely and none has an account of theirs.
func (e *Engine) erase(ctx context.Context, w *world) error {
	if w.only != "" {
		return nil
	}
	var gone []identity.PersonID
	for _, p := range w.people {
		if w.stages[p.ID].State != identity.ToErase || w.facts[p.ID].Suspended != "" {
			continue
		}
		if !e.anywhere(w, p.ID) {
			gone = append(gone, p.ID)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		for _, id := range gone {
			tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.PersonErased, Person: string(id),
				Reason: fmt.Sprintf("%s; erased %d days later", w.stages[id].Why, e.Config.Lifecycle.EraseAfter)})
			if err := tx.ErasePerson(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// anywhere says whether a person has, or may have, an account in any target.
func (e *Engine) anywhere(w *world, id identity.PersonID) bool {
	for _, t := range w.targets {
		if t.Observed == nil || !t.Observed.Completeness.Complete || len(w.open[t.Name]) > 0 {
			return true
		}
		if own, others := t.Owned(id); own != nil || len(others) > 0 || t.Bound.Of(id) != "" {
			return true
		}
	}
	return false
}

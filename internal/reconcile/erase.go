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
	if e.partial(w) {
		return nil
	}
	var gone []identity.Person
	for _, p := range w.people {
		if e.stage(w, p).State != identity.ToErase || w.facts[p.ID].Suspended != "" {
			continue
		}
		if !e.anywhere(w, p.ID) {
			gone = append(gone, p)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		for _, p := range gone {
			tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.PersonErased, Person: string(p.ID),
				Reason: fmt.Sprintf("%s; erased %d days later", e.stage(w, p).Why, e.Config.Lifecycle.EraseAfter)})
			if err := tx.ErasePerson(ctx, p.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// anywhere says whether a person has, or may have, an account in any target.
func (e *Engine) anywhere(w *world, id identity.PersonID) bool {
	for _, t := range w.targets {
		if t.Observed == nil || !t.Observed.Completeness.Complete || w.open[t.Name] > 0 {
			return true
		}
		if own, others := t.Owned(id); own != nil || len(others) > 0 || t.Bound.Of(id) != "" {
			return true
		}
	}
	return false
}

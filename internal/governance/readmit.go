package governance

import (
	"context"
	"errors"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Readmit lets a record in again that is of an erased person: the next import
// makes a new person of it, with an ID of its own.
func (g *Governance) Readmit(ctx context.Context, key identity.SourceKey, by rights.Subject, reason string) (store.Decision, error) {
	var object rights.Object
	p, known, err := g.DB.PersonByKey(ctx, key) // pushed again, and held
	if err != nil {
		return store.Decision{}, err
	}
	if known {
		object.About = []identity.PersonID{p.ID}
	}
	d, err := g.authorize(ctx, by, rights.Readmit, object, reason)
	if err != nil {
		return store.Decision{}, err
	}
	err = g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if _, err := tx.LockSequences(ctx); err != nil { // as an import begins: neither waits for the other
			return err
		}
		d, err = tx.Readmit(ctx, key, d, g.Now())
		return err
	})
	if errors.Is(err, store.ErrNotErased) {
		return d, noErasedRecord(key.Source)
	}
	return d, err
}

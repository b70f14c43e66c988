package governance

import (
	"context"
	"errors"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Extract returns the register extract of the person whom a reference names, for the viewer of
// v. That it was asked for is recorded before anything is read, unless the viewer is the
// person. There is none of an erased person.
func (g *Governance) Extract(ctx context.Context, v *access.View, ref string) (access.Extract, error) {
	p, err := v.Find(ref)
	if errors.Is(err, store.ErrNoPerson) {
		if id, inTrail := v.FindInTrail(ref); inTrail == nil {
			return access.Extract{}, wasErased(id)
		}
	}
	if err != nil {
		return access.Extract{}, err
	}
	by := v.Subject()
	if by.IsZero() {
		return access.Extract{}, noMaker()
	}
	people, err := v.MayExtract(p)
	if err != nil {
		return access.Extract{}, err
	}
	d, err := g.authorize(ctx, by, rights.Extract, rights.Object{About: people}, "an extract")
	if err != nil {
		return access.Extract{}, err
	}
	if !slices.Contains(people, by.Person) {
		if err := g.DB.Write(ctx, func(tx *store.Tx) error {
			for _, id := range people {
				tx.Audit(audit.Record{At: g.Now(), Actor: d.Maker, Authority: d.Authority, Action: audit.PersonExtracted, Person: id})
			}
			return nil
		}); err != nil {
			return access.Extract{}, err
		}
	}
	return v.Extract(p, d.Authority)
}

func wasErased(p identity.PersonID) error { return refuse(reason.WasErased{Person: p}) }

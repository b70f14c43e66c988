package hr

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// mostForeseen is how many people a file that is only looked at may make known or change: no
// one else writes meanwhile.
const mostForeseen = 20_000

// errForeseen rolls back what was only looked at.
var errForeseen = errors.New("only looked at")

// Foresee returns what the report of an import of a file would be, and the people whom it
// would make known or change, as they would be then. What would be held is taken as
// released, so that its effect can be seen. Nothing is imported. A newcomer's ID is another
// one than an import would choose.
func (im *Importer) Foresee(ctx context.Context, file string, content []byte, source config.Source) (*Report, []identity.Person, error) {
	first, people, err := im.foresee(ctx, file, content, source, false)
	if err != nil || first.Held == nil && first.EndingsHeld == nil && len(first.StartsHeld) == 0 {
		return first, people, err
	}
	_, people, err = im.foresee(ctx, file, content, source, true)
	return first, people, err
}

func (im *Importer) foresee(ctx context.Context, file string, content []byte, source config.Source, released bool) (*Report, []identity.Person, error) {
	export, err := Read(file, content, source, im.Config.Attributes, im.Config.Rules.Units, im.Today())
	if err != nil {
		return nil, nil, err
	}
	r, err := im.newRun(ctx, Delivery{Source: source, Name: file, Hash: HashOf(content), Current: true, Export: export})
	if err != nil {
		return nil, nil, err
	}
	r.released, r.endingsReleased = r.released || released, r.endingsReleased || released
	r.mostChanged = mostForeseen
	var people []identity.Person
	err = im.DB.Write(ctx, func(tx *store.Tx) error {
		if err := r.importRows(ctx, tx); err != nil {
			return err
		}
		all, err := tx.PeopleWithRecords(ctx, slices.Collect(maps.Keys(r.changed)))
		if err != nil {
			return err
		}
		people = slices.Collect(maps.Values(all))
		return errForeseen
	})
	if !errors.Is(err, errForeseen) {
		return nil, nil, err
	}
	return r.report, people, im.DB.ForgetRolledBack(ctx)
}

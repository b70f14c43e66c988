package reconcile

import (
	"cmp"
	"context"
	"hash/fnv"
	"iter"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// sampled is how many people SamplePeople returns at most.
const sampled = 200

// SamplePeople streams a sample of the people, those recorded in every year among
// them: always the same people of the same installation.
func SamplePeople(ctx context.Context, db *store.DB) iter.Seq2[identity.Person, error] {
	return func(yield func(identity.Person, error) bool) {
		ids, err := db.PersonIDs(ctx)
		if err != nil {
			yield(identity.Person{}, err)
			return
		}
		place := make(map[identity.PersonID]uint64, len(ids))
		for _, id := range ids {
			h := fnv.New64a()
			h.Write([]byte(id))
			place[id] = h.Sum64()
		}
		slices.SortFunc(ids, func(a, b identity.PersonID) int { return cmp.Compare(place[a], place[b]) })
		for _, id := range ids[:min(sampled, len(ids))] {
			people, err := db.PeopleByID(ctx, []identity.PersonID{id})
			if err != nil {
				yield(identity.Person{}, err)
				return
			}
			for _, p := range people {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

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

// SamplePeople streams up to 200 people, chosen by a hash of the ID: always the same people
// of the same installation, recorded in any year.
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

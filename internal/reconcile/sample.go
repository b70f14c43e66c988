package reconcile

import (
	"cmp"
	"context"
	"hash/fnv"
	"iter"
	"slices"

	"github.com/behov/behov/internal/identity"
)

// sampled is how many people SamplePeople returns at most.
const sampled = 200

// peopleReader reads people by their IDs.
type peopleReader interface {
	PersonIDs(ctx context.Context) ([]identity.PersonID, error)
	PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
}

// SamplePeople streams up to 200 people, chosen by a hash of the ID: always the same people
// of the same installation, recorded in any year.
func SamplePeople(ctx context.Context, db peopleReader) iter.Seq2[identity.Person, error] {
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

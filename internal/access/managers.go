package access

import (
	"context"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
)

// PeopleReader reads people and who has a key.
type PeopleReader interface {
	PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	PeopleByKeys(ctx context.Context, keys []identity.SourceKey) (map[identity.SourceKey]identity.Person, error)
}

// ManagersOf returns the manager of each of the people, by the employment that is the main one
// on a day or begins first after it; none for a person without one who works here on that day
// and is another.
func ManagersOf(ctx context.Context, db PeopleReader, c *config.Config, day identity.Date, people []identity.Person) (map[identity.PersonID]identity.Person, error) {
	keys := map[identity.PersonID]identity.SourceKey{}
	var all []identity.SourceKey
	for _, p := range people {
		if keys[p.ID].Key != "" {
			continue
		}
		if main, ok := p.Main(day, c.Main); ok {
			if key := main.On(max(day, main.Start)).Manager(main.Key.Source); key.Key != "" {
				keys[p.ID], all = key, append(all, key)
			}
		}
	}
	known, err := db.PeopleByKeys(ctx, all)
	if err != nil {
		return nil, err
	}
	managers := map[identity.PersonID]identity.Person{}
	for person, key := range keys {
		if m, ok := known[key]; ok && m.ID != person && m.IsActive(day) {
			managers[person] = m
		}
	}
	return managers, nil
}

// OwnerKeys returns the keys of the owner and the deputies of a system, the owner's first.
func OwnerKeys(c *config.Config, system string) (keys []identity.SourceKey) {
	s, _ := c.Rules.Catalogue.System(system)
	for _, ref := range append([]string{s.Owner}, s.Deputies...) {
		if source, key, ok := strings.Cut(ref, "/"); ok {
			keys = append(keys, identity.SourceKey{Source: source, Key: key})
		}
	}
	return keys
}

// WhoWorks reports which of the people work here on a day and can decide: they are not suspended,
// and it is clear who they are.
func WhoWorks(ctx context.Context, db SubjectReader, c *config.Config, people []identity.Person, day identity.Date) (map[identity.PersonID]bool, error) {
	statuses, err := reconcile.PersonStatuses(ctx, db, c, people, day)
	working := map[identity.PersonID]bool{}
	for i, s := range statuses {
		working[people[i].ID] = works(s.Stage) && s.Facts.Suspended.IsZero() && s.Undecided.IsZero()
	}
	return working, err
}

package reconcile

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
)

// Manager is a manager whom HR names for people who work here.
type Manager struct {
	// Key is what HR calls the manager.
	Key identity.SourceKey
	// Person is the zero ID when HR does not list the manager.
	Person identity.PersonID
	State  plan.ManagerState
	People int // whose manager they are
}

// managerReader reads everyone, and managers by the keys of their records.
type managerReader interface {
	keyedPeopleReader
	People(ctx context.Context) iter.Seq2[identity.Person, error]
}

// ManagersOn returns the managers named by HR for people who work on a day, sorted by
// key. The main employment of each person counts.
func ManagersOn(ctx context.Context, db managerReader, c *config.Config, day identity.Date) ([]Manager, error) {
	people := map[identity.SourceKey]int{}
	for p, err := range db.People(ctx) {
		if err != nil {
			return nil, err
		}
		main, ok := p.Main(day, c.Main)
		if !ok || !p.IsActive(day) {
			continue
		}
		if key := main.On(max(day, main.Start)).ManagerKey; key != "" {
			people[identity.SourceKey{Source: main.Key.Source, Key: key}]++
		}
	}
	keys := make([]identity.SourceKey, 0, len(people))
	for key := range people {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b identity.SourceKey) int {
		return strings.Compare(a.Source+"/"+a.Key, b.Source+"/"+b.Key)
	})
	known, err := db.PeopleByKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	managers := make([]Manager, len(keys))
	for i, key := range keys {
		m := Manager{Key: key, People: people[key], State: plan.ManagerUnknown}
		if p, ok := known[key]; ok {
			m.Person, m.State = p.ID, ""
			switch c.Lifecycle.StageOf(p, day, false).State {
			case identity.Ended, identity.Retained, identity.ToErase:
				m.State = plan.ManagerLeft
			}
		}
		managers[i] = m
	}
	return managers, nil
}

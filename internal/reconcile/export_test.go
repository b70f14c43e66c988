package reconcile

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
)

// ReconcilePeople is ReconcilePeopleStream with all results, in the order of the
// configuration.
func (e *Engine) ReconcilePeople(ctx context.Context, people []identity.PersonID, targets []string) ([]TargetResult, error) {
	done, err := e.ReconcilePeopleStream(ctx, people, 0, targets)
	if err != nil {
		return nil, err
	}
	var all []TargetResult
	for d := range done {
		all = append(all, d)
	}
	place := func(d TargetResult) int {
		return slices.IndexFunc(e.Config.Targets, func(t config.Target) bool { return t.Name == d.Target })
	}
	slices.SortFunc(all, func(a, b TargetResult) int { return place(a) - place(b) })
	return all, nil
}

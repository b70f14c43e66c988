package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// PersonStatus is where one person stands on a day.
type PersonStatus struct {
	// Person has the employments as they are that day: contracts whose sponsor
	// left have ended.
	Person identity.Person
	Stage  identity.Stage
	// Facts is what is decided about the person. Whether they are enrolled for
	// MFA the targets say.
	Facts policy.Facts
	// Undecided is why nothing of the person's access is changed; nil when it is.
	Undecided error
}

// active reports whether the person works here and is not suspended.
func (s PersonStatus) active() bool {
	return (s.Stage.State == identity.Working || s.Stage.State == identity.OnLeave) && s.Facts.Suspended == ""
}

// PersonStatusOf works out the status of one person on a day, as a run does.
func PersonStatusOf(ctx context.Context, db *store.DB, c *config.Config, p identity.Person, day identity.Date) (PersonStatus, error) {
	all, err := PersonStatuses(ctx, db, c, []identity.Person{p}, day)
	if err != nil {
		return PersonStatus{}, err
	}
	return all[0], nil
}

// PersonStatuses is PersonStatusOf for many people, in their order, with as many questions
// to the database as for one, but for what sponsors hand over.
func PersonStatuses(ctx context.Context, db *store.DB, c *config.Config, people []identity.Person, day identity.Date) ([]PersonStatus, error) {
	ids := make([]identity.PersonID, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	of := store.Only(ids...)
	facts, err := factsOf(ctx, db, of)
	if err != nil {
		return nil, err
	}
	different, err := db.EvaluatorDifferences(ctx, c.Rules.Digest, of)
	if err != nil {
		return nil, err
	}
	held, err := db.HeldRecords(ctx, of)
	if err != nil {
		return nil, err
	}
	unclear := map[identity.PersonID]error{}
	for _, d := range slices.Backward(different) {
		unclear[d.Person] = differenceError(d)
	}
	for _, h := range slices.Backward(held) {
		unclear[h.Person] = &desired.RecordHeldError{Why: h.Why()}
	}
	find, failed, err := sponsorsOf(ctx, db, c, people)
	if err != nil {
		return nil, err
	}
	sources := desired.SponsoredSources(c)
	all := make([]PersonStatus, len(people))
	for i, p := range people {
		s := PersonStatus{Person: p, Facts: facts[p.ID]}
		if s.Facts.Verdicts == nil {
			s.Facts.Verdicts = map[policy.EntitlementID]policy.Verdict{}
		}
		for _, source := range sources {
			cut, err := source.Contracts.Cut(s.Person, source.Name, day, find)
			if *failed != nil {
				return nil, *failed
			}
			if err != nil {
				s.Undecided = err
				continue
			}
			s.Person = cut
		}
		s.Stage = c.Lifecycle.StageOf(s.Person, day, s.Facts.LegalHold != "")
		if err := unclear[p.ID]; err != nil {
			s.Undecided = err
		}
		all[i] = s
	}
	return all, nil
}

// sponsorsOf returns how to find a person by a source's key: those who sponsor
// contracts of the people are read at once, and who is beyond them when asked for.
// What cannot be read stands in failed.
func sponsorsOf(ctx context.Context, db *store.DB, c *config.Config, people []identity.Person) (find func(identity.SourceKey) (identity.Person, bool), failed *error, err error) {
	failed = new(error)
	var keys []identity.SourceKey
	for _, source := range desired.SponsoredSources(c) {
		for _, p := range people {
			for _, e := range p.Employments {
				if e.Key.Source == source.Name && e.SponsorKey != "" {
					keys = append(keys, identity.SourceKey{Source: source.Contracts.In, Key: e.SponsorKey})
				}
			}
		}
	}
	known, err := db.PeopleByKeys(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	return func(key identity.SourceKey) (identity.Person, bool) {
		if p, ok := known[key]; ok {
			return p, p.ID != ""
		}
		p, _, err := db.PersonByKey(ctx, key)
		if err != nil {
			*failed = err
		}
		known[key] = p
		return p, p.ID != ""
	}, failed, nil
}

// HandoversOn returns, of people on a day, the reasons of what they keep for a while
// though no rule gives it any more: by person and entitlement.
func HandoversOn(ctx context.Context, db *store.DB, c *config.Config, people []identity.PersonID, day identity.Date) (map[identity.PersonID]map[policy.EntitlementID]string, error) {
	handed := map[identity.PersonID]map[policy.EntitlementID]string{}
	if !c.Rules.HasHandovers() {
		return handed, nil
	}
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(people))), 1000) {
		known, err := db.PeopleByID(ctx, page)
		if err != nil {
			return nil, err
		}
		standings, err := PersonStatuses(ctx, db, c, known, day)
		if err != nil {
			return nil, err
		}
		for i, s := range standings {
			grants, err := c.Rules.Decide(s.Person, day, s.Facts)
			if err != nil {
				continue // whose access could not be worked out keeps it as it is
			}
			for _, g := range grants {
				if g.Until == "" {
					continue
				}
				if handed[known[i].ID] == nil {
					handed[known[i].ID] = map[policy.EntitlementID]string{}
				}
				handed[known[i].ID][g.Entitlement] = g.GateReason
			}
		}
	}
	return handed, nil
}

// holdRecords keeps everything from people whose record may be another
// person's.
func (e *Engine) holdRecords(ctx context.Context, w *inputs) error {
	held, err := e.DB.HeldRecords(ctx, store.Everyone())
	for _, h := range held {
		w.people.Undecided[h.Person] = &desired.RecordHeldError{Why: h.Why()}
	}
	return err
}

// differenceError says why the access of a person is not changed: the fast
// evaluator and Casbin do not agree about it.
func differenceError(d store.EvaluatorDifference) error {
	return fmt.Errorf("the rules are evaluated in two ways that differ: %s", d.Detail)
}

// holdEvaluatorDifferences keeps the access of a person as it is while the fast evaluator
// and Casbin do not agree about it.
func (e *Engine) holdEvaluatorDifferences(ctx context.Context, w *inputs) error {
	different, err := e.DB.EvaluatorDifferences(ctx, e.Config.Rules.Digest, store.Everyone())
	for _, d := range different {
		w.people.Undecided[d.Person] = differenceError(d)
	}
	return err
}

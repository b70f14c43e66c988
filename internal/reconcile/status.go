package reconcile

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
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
	// Undecided is why nothing of the person's access is changed; none when it is.
	Undecided reason.Reason
}

// Active reports whether the person works here and is not suspended.
func (s PersonStatus) Active() bool {
	return (s.Stage.State == identity.Working || s.Stage.State == identity.OnLeave) && s.Facts.Suspended.IsZero()
}

// statusReader reads what is recorded about people: the decisions in force, why their
// access is not decided, and their sponsors.
type statusReader interface {
	decisionReader
	EvaluatorDifferences(ctx context.Context, rulesDigest string, of store.PersonSet) ([]store.EvaluatorDifference, error)
	HeldRecords(ctx context.Context, of store.PersonSet) ([]store.HeldRecord, error)
	keyedPeopleReader
}

// keyedPeopleReader reads people by the keys of their records.
type keyedPeopleReader interface {
	PeopleByKeys(ctx context.Context, keys []identity.SourceKey) (map[identity.SourceKey]identity.Person, error)
}

// PersonStatusOf works out the status of one person on a day, as a run does.
func PersonStatusOf(ctx context.Context, db statusReader, c *config.Config, p identity.Person, day identity.Date) (PersonStatus, error) {
	all, err := PersonStatuses(ctx, db, c, []identity.Person{p}, day)
	if err != nil {
		return PersonStatus{}, err
	}
	return all[0], nil
}

// PersonStatuses is PersonStatusOf for many people, in their order, with as many questions
// to the database as for one, but for what sponsors hand over.
func PersonStatuses(ctx context.Context, db statusReader, c *config.Config, people []identity.Person, day identity.Date) ([]PersonStatus, error) {
	ids := make([]identity.PersonID, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	of := store.Only(ids...)
	facts, err := FactsOf(ctx, db, of, day, c.Zone)
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
	unclear := map[identity.PersonID]reason.Reason{}
	for _, d := range slices.Backward(different) {
		unclear[d.Person] = reason.Of(reason.EvaluatorsDiffer{Detail: d.Detail})
	}
	for _, h := range slices.Backward(held) {
		unclear[h.Person] = h.Reason()
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
				s.Undecided = desired.UnknownSponsor(err)
				continue
			}
			s.Person = cut
		}
		s.Stage = c.Lifecycle.StageOf(s.Person, day, !s.Facts.LegalHold.IsZero())
		if why := unclear[p.ID]; !why.IsZero() {
			s.Undecided = why
		}
		all[i] = s
	}
	return all, nil
}

// sponsorsOf returns how to find a person by a source's key: those who sponsor
// contracts of the people are read at once, and who is beyond them when asked for.
// What cannot be read stands in failed.
func sponsorsOf(ctx context.Context, db keyedPeopleReader, c *config.Config, people []identity.Person) (find func(identity.SourceKey) (identity.Person, bool), failed *error, err error) {
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
		found, err := db.PeopleByKeys(ctx, []identity.SourceKey{key})
		if err != nil {
			*failed = err
		}
		known[key] = found[key]
		return found[key], found[key].ID != ""
	}, failed, nil
}

// holdRecords keeps everything from people whose record may be another
// person's.
func (e *Engine) holdRecords(ctx context.Context, w *inputs) error {
	held, err := e.DB.HeldRecords(ctx, store.Everyone())
	for _, h := range held {
		w.people.Undecided[h.Person] = h.Reason()
	}
	return err
}

// holdEvaluatorDifferences keeps the access of a person as it is while the fast evaluator
// and Casbin do not agree about it.
func (e *Engine) holdEvaluatorDifferences(ctx context.Context, w *inputs) error {
	different, err := e.DB.EvaluatorDifferences(ctx, e.Config.Rules.Digest, store.Everyone())
	for _, d := range different {
		w.people.Undecided[d.Person] = reason.Of(reason.EvaluatorsDiffer{Detail: d.Detail})
	}
	return err
}

package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"slices"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

const (
	// compareEvery is how long it takes until everyone was compared once.
	compareEvery = 30 * 24 * time.Hour
	// compareSlots is into how many parts of that people are divided, each of
	// five minutes.
	compareSlots = 30 * 24 * 12
	// comparingNew is for how long a new version of the rules is compared.
	comparingNew = 10 * time.Second
	// restFactor is how many times as long as a comparison took nothing is
	// compared, so that runs have the processor.
	restFactor = 9
)

// compareNew asks Casbin about new rules: about employments made up from them,
// and about some of the people.
func (s *Service) compareNew(ctx context.Context, c *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, comparingNew)
	defer cancel()
	day := identity.DateOf(s.Now(), c.Zone)
	done, err := c.Rules.CompareAll(ctx, reconcile.SamplePeople(ctx, s.DB), day)
	switch {
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("compare the fast evaluator with Casbin: %w", err)
	case len(done.Differences) > 0:
		return errors.New(done.Differences[0].String())
	}
	s.Log.Info("the fast evaluator and Casbin agree about new rules", "rules", c.Rules.Digest, "conditions", done.Conditions, "of", done.AllConditions, "people", done.People)
	return nil
}

// compare evaluates everyone with Casbin once in thirty days, a few people every five
// minutes, until ctx ends. While Casbin and the fast evaluator differ about a person,
// nothing of theirs is changed, until other rules are in use.
func (s *Service) compare(ctx context.Context) {
	slot := cmp.Or(s.CompareEvery, compareEvery) / compareSlots
	done := s.Now().UnixNano()/int64(slot) - compareSlots/30 // today's, when we begin
	for {
		now := s.Now().UnixNano() / int64(slot)
		if err := s.compareDue(ctx, done, now); err != nil && ctx.Err() == nil {
			s.Log.Error("comparing the fast evaluator with Casbin failed", "error", err)
		} else {
			done = now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(slot, time.Second)):
		}
	}
}

// compareDue compares the people in the slots after one and up to another, and those with
// a recorded difference.
func (s *Service) compareDue(ctx context.Context, after, until int64) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	ids, err := s.DB.PersonIDs(ctx)
	if err != nil {
		return err
	}
	digest := s.current.Load().config.Rules.Digest
	found, err := s.DB.EvaluatorDifferences(ctx, digest, store.Everyone())
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		before := slices.ContainsFunc(found, func(d store.EvaluatorDifference) bool { return d.Person == id })
		if !before && !inSlot(id, after, until) {
			continue
		}
		took, err := s.comparePerson(ctx, id)
		if err != nil {
			errs = append(errs, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(took * restFactor):
		}
	}
	return errors.Join(errs...)
}

// inSlot reports whether a person's slot lies after one slot and up to another.
func inSlot(id identity.PersonID, after, until int64) bool {
	h := fnv.New64a()
	h.Write([]byte(id))
	own := int64(h.Sum64() % compareSlots)
	first := (after+1)/compareSlots*compareSlots + own
	if first <= after {
		first += compareSlots
	}
	return first <= until
}

// comparePerson compares one person, and notes what was found; when nothing is
// found any more the person is looked at again.
func (s *Service) comparePerson(ctx context.Context, id identity.PersonID) (took time.Duration, err error) {
	g, done := s.acquireGeneration()
	defer done()
	people, err := s.DB.PeopleByID(ctx, []identity.PersonID{id})
	if err != nil || len(people) == 0 {
		return 0, err
	}
	began := time.Now()
	rules := g.config.Rules
	different, err := rules.Compare(people[0], identity.DateOf(s.Now(), g.config.Zone))
	took = time.Since(began)
	var found []store.EvaluatorDifference
	if err != nil { // nothing says that the fast evaluator is right
		found = append(found, store.EvaluatorDifference{Detail: err.Error()})
	}
	for _, d := range different {
		found = append(found, store.EvaluatorDifference{Entitlement: string(d.Entitlement), Detail: d.String()})
	}
	slices.SortFunc(found, func(a, b store.EvaluatorDifference) int { return cmp.Compare(a.Entitlement, b.Entitlement) })
	known, err := s.DB.EvaluatorDifferences(ctx, rules.Digest, store.Only(id))
	if err != nil || len(found) == 0 && len(known) == 0 || sameDifferences(found, known) {
		return took, err
	}
	for _, f := range found {
		s.Log.Error("the fast evaluator and Casbin do not agree: nothing of the person's access is changed", "person", id, "entitlement", f.Entitlement, "rules", rules.Digest, "why", f.Detail)
	}
	if len(found) == 0 {
		s.Log.Info("the fast evaluator and Casbin agree again", "person", id, "rules", rules.Digest)
	}
	return took, s.DB.Write(ctx, func(tx *store.Tx) error {
		if len(found) > 0 {
			tx.Enqueue(alert.EvaluatorDifference.Job(rules.Digest))
		} else {
			tx.Enqueue(queue.People{People: []identity.PersonID{id}})
		}
		return tx.SetEvaluatorDifferences(ctx, rules.Digest, id, found, s.Now())
	})
}

func sameDifferences(a, b []store.EvaluatorDifference) bool {
	return slices.EqualFunc(a, b, func(x, y store.EvaluatorDifference) bool {
		return x.Entitlement == y.Entitlement && x.Detail == y.Detail
	})
}

// evaluatorAlert returns what was found with the rules in use.
func (s *Service) evaluatorAlert(ctx context.Context, c *config.Config, digest string) (reason.Kind, error) {
	found, err := s.DB.EvaluatorDifferences(ctx, digest, store.Everyone())
	if err != nil || len(found) == 0 || digest != c.Rules.Digest {
		return nil, err
	}
	people := map[identity.PersonID]bool{}
	for _, d := range found {
		people[d.Person] = true
	}
	return reason.EvaluatorsDisagree{Count: len(people), First: found[0].Detail}, nil
}

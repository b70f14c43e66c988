package reconcile

import (
	"context"
	"fmt"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// Standing is where one person stands on a day.
type Standing struct {
	// Person has the employments as they are that day: contracts whose sponsor
	// left have ended.
	Person identity.Person
	Stage  identity.Stage
	// Facts is what is decided about the person. Whether they are enrolled for
	// MFA the targets say.
	Facts policy.Facts
	// Unclear is why nothing of the person's access is changed; nil when it is.
	Unclear error
}

// Works says whether the person works here, and may act.
func (s Standing) Works() bool {
	return (s.Stage.State == identity.Working || s.Stage.State == identity.OnLeave) && s.Facts.Suspended == ""
}

// StandingOf works out where one person stands on a day, as a run does for
// everybody.
func StandingOf(ctx context.Context, db *store.DB, c *config.Config, p identity.Person, day identity.Date) (Standing, error) {
	s := Standing{Person: p, Facts: policy.Facts{Verdicts: map[policy.EntitlementID]policy.Verdict{}}}
	decisions, err := db.ReviewDecisions(ctx, string(p.ID))
	if err != nil {
		return s, err
	}
	for _, d := range decisions {
		s.Facts.Verdicts[policy.EntitlementID(d.Entitlement)] = VerdictOf(d)
	}
	for _, kind := range []store.DecisionKind{store.SuspensionDecision, store.LegalHoldDecision} {
		of, err := db.PersonDecisions(ctx, kind, string(p.ID))
		if err != nil {
			return s, err
		}
		for _, d := range of {
			Stand(&s.Facts, d)
		}
	}
	var failed error
	find := func(key identity.SourceKey) (identity.Person, bool) {
		found, ok, err := db.PersonByKey(ctx, key)
		if err != nil {
			failed = err
		}
		return found, ok
	}
	for _, source := range c.Sources {
		if !source.Contracts.Sponsored {
			continue
		}
		cut, err := source.Contracts.Cut(s.Person, source.Name, day, find)
		if failed != nil {
			return s, failed
		}
		if err != nil {
			s.Unclear = err
			continue
		}
		s.Person = cut
	}
	s.Stage = c.Lifecycle.StageOf(s.Person, day, s.Facts.LegalHold != "")
	different, err := db.EvaluatorDifferences(ctx, c.Rules.Digest, string(p.ID))
	if len(different) > 0 {
		s.Unclear = differenceError(different[0])
	}
	if err != nil {
		return s, err
	}
	held, err := db.HeldRecords(ctx, store.Few{p.ID})
	if len(held) > 0 {
		s.Unclear = &heldError{held[0]}
	}
	return s, err
}

// heldError says that a person gets nothing until a person decides whose record
// it is.
type heldError struct{ record store.HeldRecord }

func (e *heldError) Error() string { return e.record.Why() }

// holdRecords keeps everything from people whose record may be another
// person's.
func (e *Engine) holdRecords(ctx context.Context, w *world) error {
	held, err := e.DB.HeldRecords(ctx, nil)
	for _, h := range held {
		w.unclear[h.Person] = &heldError{h}
	}
	return err
}

// differenceError says why the access of a person is not changed: the fast
// evaluator and Casbin do not agree about it.
func differenceError(d store.EvaluatorDifference) error {
	return fmt.Errorf("the rules are evaluated in two ways that differ: %s", d.Detail)
}

// holdDifferent keeps the access of a person as it is while the fast evaluator
// and Casbin do not agree about it.
func (e *Engine) holdDifferent(ctx context.Context, w *world) error {
	different, err := e.DB.EvaluatorDifferences(ctx, e.Config.Rules.Digest, "")
	for _, d := range different {
		w.unclear[identity.PersonID(d.Person)] = differenceError(d)
	}
	return err
}

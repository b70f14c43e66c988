package reconcile

import (
	"context"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// mover is a person who works in another unit or job than the last run saw, with the
// access that no rule gives them any more.
type mover struct {
	person   identity.PersonID
	position string
	why      reason.Reason
	reviewer identity.PersonID
	items    []store.ReviewItem
}

// movers compares where people work with where the last run saw them. It compares states
// and no events, so that it misses no move, however late HR records it and however often
// a run was stopped.
func (e *Engine) movers(ctx context.Context, w *inputs, p *plan.Plan) ([]mover, error) {
	if !w.covers.showsAll() {
		return nil, nil
	}
	before, err := e.DB.PersonPositions(ctx)
	if err != nil {
		return nil, err
	}
	var all []mover
	for _, person := range w.people.All {
		main, ok := person.Main(w.people.Day, e.Config.Main)
		if !ok || !main.ActiveOn(w.people.Day) || main.OnLeave(w.people.Day) {
			continue // a person on leave has not moved
		}
		terms := main.On(w.people.Day)
		m := mover{person: person.ID, position: terms.Unit + "|" + terms.JobCode}
		was, known := before[person.ID]
		if known && was == m.position {
			continue
		}
		if known {
			m.why = reason.Of(reason.Moved{By: w.people.Day})
			if boss, ok := desired.Manager(person, w.people.Day, e.Config.Main, w.people.ByKey); ok && boss != person.ID {
				m.reviewer = boss
			}
			if m.items, err = e.unjustifiedAccess(ctx, w, p, person, m.why); err != nil {
				return nil, err
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// unjustifiedAccess lists what a mover keeps though no rule gives it and nothing ends
// it.
func (e *Engine) unjustifiedAccess(ctx context.Context, w *inputs, p *plan.Plan, person identity.Person, why reason.Reason) ([]store.ReviewItem, error) {
	grants, err := e.Config.Rules.Decide(person, w.people.Day, w.people.Facts[person.ID])
	if err != nil {
		return nil, nil //nolint:nilerr // nothing of theirs is changed, and it is a finding
	}
	intervals, err := e.DB.Intervals(ctx, store.IntervalQuery{Person: person.ID, Open: true})
	if err != nil {
		return nil, err
	}
	var items []store.ReviewItem
	for _, i := range intervals {
		given := slices.ContainsFunc(grants, func(g policy.Grant) bool {
			return string(g.Entitlement) == i.Entitlement && (len(g.Reasons) > 0 || g.Until != "")
		})
		ends := slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
			return s.Person == person.ID && string(s.Entitlement) == i.Entitlement && s.Op == connectors.RemoveMember
		})
		if i.Entitlement != audit.Account && !given && !ends {
			of, _ := e.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(i.Entitlement))
			items = append(items, store.ReviewItem{Kind: store.AccessItem, Person: person.ID, Entitlement: i.Entitlement, System: of.System, Why: why, Asked: reason.Of(reason.AskedNoRule{}),
				Evidence: store.ReviewEvidence{Since: store.Micros(i.Since.UnixMicro())}})
		}
	}
	return items, nil
}

// recordMovers notes where people work now, and asks a mover's new manager
// about what is left over.
func (e *Engine) recordMovers(ctx context.Context, tx *store.Tx, movers []mover) error {
	for _, m := range movers {
		if err := tx.SetPersonPosition(ctx, m.person, m.position); err != nil {
			return err
		}
		if len(m.items) == 0 {
			continue
		}
		c := store.Campaign{Scope: store.MoverScope, Of: string(m.person), Asks: store.AsksOwner, StartedBy: e.Actor}
		if m.reviewer != "" {
			c.Asks, c.Reviewer = store.AsksPerson, identity.PersonActor(m.reviewer)
		}
		for n := range m.items {
			m.items[n].Reviewer = c.Reviewer
		}
		campaign, err := tx.StartReview(ctx, c, e.Now(), m.items)
		if err != nil {
			return err
		}
		tx.Audit(audit.Record{At: e.Now(), Actor: e.Actor, Action: audit.ReviewStarted, Person: m.person,
			Reason: reason.Of(reason.MoverReview{Review: campaign, Count: len(m.items), Because: m.why})})
	}
	return nil
}

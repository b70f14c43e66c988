// Package governance is where people decide: reviews of who has what, and the
// release of what behov holds. What they say becomes a decision, and a
// decision is an input to policy.
//
// It must never write to a target, and never let anyone decide on their own
// access.
package governance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Governance records decisions.
type Governance struct {
	DB     *store.DB
	Config *config.Config
	Now    func() time.Time
}

// ActorOf is how a person stands in the audit trail.
func ActorOf(p identity.PersonID) string { return "person:" + string(p) }

// IsPerson says whether an actor is a person whom HR knows.
func IsPerson(actor string) bool { return strings.HasPrefix(actor, ActorOf("")) }

// StartReview begins a review of a system: one item for everybody who has one
// of its entitlements now, with the reasons as they are. It returns the
// campaign's number and how many items it has.
func (g *Governance) StartReview(ctx context.Context, system string, by identity.PersonID) (campaign int64, items []store.ReviewItem, err error) {
	if _, ok := g.Config.Rules.Catalogue.System(system); !ok {
		return 0, nil, fmt.Errorf("there is no system %q in the catalogue: there are %s", system, systems(g.Config.Rules))
	}
	if err := g.mayDecide(ctx, by); err != nil {
		return 0, nil, err
	}
	intervals, err := g.DB.Intervals(ctx, store.IntervalQuery{Open: true})
	if err != nil {
		return 0, nil, err
	}
	why := reasons{g: g, people: map[identity.PersonID][]policy.Grant{}}
	for _, i := range intervals {
		e, ok := g.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(i.Entitlement))
		if !ok || e.System != system {
			continue
		}
		text, err := why.of(ctx, identity.PersonID(i.Person), e.ID)
		if err != nil {
			return 0, nil, err
		}
		items = append(items, store.ReviewItem{Person: i.Person, Entitlement: i.Entitlement, Why: text})
	}
	if len(items) == 0 {
		return 0, nil, fmt.Errorf("nobody has anything in system %q, as far as the audit trail knows: is the first apply done?", system)
	}
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		campaign, err = tx.StartReview(ctx, system, ActorOf(by), "", now, items)
		tx.Audit(audit.Record{At: now, Actor: ActorOf(by), Action: audit.ReviewStarted, Reason: fmt.Sprintf("review %d of system %s with %d items", campaign, system, len(items))})
		return err
	})
	for n := range items {
		items[n].Campaign, items[n].Number = campaign, int64(n+1)
	}
	return campaign, items, err
}

func systems(r *policy.Rules) string {
	var names []string
	for _, s := range r.Catalogue.Systems {
		names = append(names, s.ID)
	}
	return strings.Join(names, ", ")
}

// reasons remembers what each person is granted.
type reasons struct {
	g      *Governance
	people map[identity.PersonID][]policy.Grant
}

func (r *reasons) of(ctx context.Context, id identity.PersonID, entitlement policy.EntitlementID) (string, error) {
	grants, ok := r.people[id]
	if !ok {
		p, err := r.g.DB.Person(ctx, id)
		if err != nil {
			return "", err
		}
		standing, err := r.g.standing(ctx, p)
		if err != nil {
			return "", err
		}
		if grants, err = r.g.Config.Rules.Decide(standing.Person, r.g.today(), standing.Facts); err != nil {
			return "", err
		}
		r.people[id] = grants
	}
	for _, grant := range grants {
		switch {
		case grant.Entitlement != entitlement:
		case len(grant.Reasons) > 0:
			return policy.Reasons(grant.Reasons), nil
		default:
			return grant.GateReason, nil
		}
	}
	return "no rule gives it: it was found in the target", nil
}

func (g *Governance) today() identity.Date { return identity.DateOf(g.Now(), g.Config.Zone) }

func (g *Governance) standing(ctx context.Context, p identity.Person) (reconcile.Standing, error) {
	return reconcile.StandingOf(ctx, g.DB, g.Config, p, g.today())
}

// mayDecide says whether the person works here: nobody decides after their last
// day, or before their first, or while they are suspended.
func (g *Governance) mayDecide(ctx context.Context, by identity.PersonID) error {
	p, err := g.DB.Person(ctx, by)
	if err != nil {
		return err
	}
	standing, err := g.standing(ctx, p)
	switch {
	case err != nil:
		return err
	case standing.Facts.Suspended != "":
		return errors.New("whoever decides must not be suspended")
	case !standing.Works():
		return errors.New("whoever decides must work here: the person named has no employment that runs")
	}
	return nil
}

// mayDecideOn is mayDecide for a decision about somebody: nobody decides about
// themselves. A maker who is not known as a person is the operator.
func (g *Governance) mayDecideOn(ctx context.Context, maker string, about identity.PersonID, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("a decision needs a reason: --reason \"…\"")
	}
	id, ok := strings.CutPrefix(maker, ActorOf(""))
	if !ok {
		return nil
	}
	if identity.PersonID(id) == about {
		return ErrOwnAccess
	}
	return g.mayDecide(ctx, identity.PersonID(id))
}

// ErrOwnAccess is returned to whoever decides on their own access.
var ErrOwnAccess = errors.New("nobody decides on their own access: ask somebody else to")

// DecideItem answers a review item, named "campaign-number", with keep or
// revoke. A later answer replaces an earlier one.
func (g *Governance) DecideItem(ctx context.Context, name, verdict string, by identity.PersonID, reason string) (store.Decision, error) {
	campaign, number, ok := strings.Cut(name, "-")
	c, err1 := strconv.ParseInt(campaign, 10, 64)
	n, err2 := strconv.ParseInt(number, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return store.Decision{}, fmt.Errorf("%q is no review item: they look like 1-12, see behov review list", name)
	}
	if verdict != store.Keep && verdict != store.Revoke {
		return store.Decision{}, fmt.Errorf("%q is no verdict: keep or revoke", verdict)
	}
	if strings.TrimSpace(reason) == "" {
		return store.Decision{}, errors.New("a decision needs a reason: --reason \"…\"")
	}
	if err := g.mayDecide(ctx, by); err != nil {
		return store.Decision{}, err
	}
	item, err := g.DB.ReviewItem(ctx, c, n)
	if err != nil {
		return store.Decision{}, err
	}
	if item.Person == string(by) {
		return store.Decision{}, ErrOwnAccess
	}
	var d store.Decision
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		d, err = tx.Decide(ctx, store.Decision{Kind: store.ReviewDecision, Verdict: verdict, Person: item.Person, Entitlement: item.Entitlement,
			Subject: item.Name(), Maker: ActorOf(by), Reason: reason}, now)
		if err != nil {
			return err
		}
		return tx.DecideItem(ctx, item, d.Seq)
	})
	return d, err
}

// DecideSteps says of failing steps, by their keys or how those begin, that they
// are to be tried again, or given up.
func (g *Governance) DecideSteps(ctx context.Context, keys []string, verdict, maker, reason string) ([]store.FailingStep, error) {
	if verdict == store.GiveUp && strings.TrimSpace(reason) == "" {
		return nil, errors.New("a decision needs a reason: --reason \"…\"")
	}
	by, isPerson := strings.CutPrefix(maker, ActorOf(""))
	if isPerson {
		if err := g.mayDecide(ctx, identity.PersonID(by)); err != nil {
			return nil, err
		}
	}
	var decided []store.FailingStep
	now := g.Now()
	err := g.DB.Write(ctx, func(tx *store.Tx) error {
		for _, key := range keys {
			f, err := tx.FailingStep(ctx, key)
			if err != nil {
				return err
			}
			if verdict == store.GiveUp && isPerson && f.Person == by {
				return ErrOwnAccess
			}
			next := time.Time{}
			if f.State = store.GivenUp; verdict == store.Retry {
				f.State, f.Tries, next = store.Trying, 0, now
			}
			if err := tx.PutFailingStep(ctx, f, next); err != nil {
				return err
			}
			decided = append(decided, f)
		}
		// Only then: a run has its steps first, too, and the trail's end last.
		for _, f := range decided {
			if _, err := tx.Decide(ctx, store.Decision{Kind: store.StepDecision, Verdict: verdict, Person: f.Person, Subject: f.Key, Maker: maker,
				Reason: cmp.Or(strings.TrimSpace(reason), "tried again")}, now); err != nil {
				return err
			}
		}
		return nil
	})
	return decided, err
}

// Pause stops changes to a target, or to all when it is store.EveryTarget; with
// Resume as verdict it lets them go on.
func (g *Governance) Pause(ctx context.Context, target, verdict, maker, reason string) (store.Decision, error) {
	var d store.Decision
	if strings.TrimSpace(reason) == "" {
		return d, errors.New("a decision needs a reason: --reason \"…\"")
	}
	if _, ok := g.Config.Target(target); !ok && target != store.EveryTarget {
		return d, fmt.Errorf("there is no target %q", target)
	}
	if by, isPerson := strings.CutPrefix(maker, ActorOf("")); isPerson {
		if err := g.mayDecide(ctx, identity.PersonID(by)); err != nil {
			return d, err
		}
	}
	pauses, err := g.DB.Pauses(ctx)
	if err != nil {
		return d, err
	}
	before, paused := pauses[target]
	switch {
	case !paused && verdict == store.Resume:
		return d, errors.New("that is not paused")
	case paused && before.Verdict == verdict && before.Reason == reason:
		return before, &AlreadyError{Decision: before}
	}
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		d, err = tx.Decide(ctx, store.Decision{Kind: store.PauseDecision, Verdict: verdict, Subject: target, Maker: maker, Reason: reason}, g.Now())
		return err
	})
	return d, err
}

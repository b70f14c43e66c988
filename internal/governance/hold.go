package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// Hold returns the hold whose digest begins so; it must be one.
func (g *Governance) Hold(ctx context.Context, digest string) (store.HoldState, error) {
	holds, err := g.DB.Holds(ctx)
	if err != nil {
		return store.HoldState{}, err
	}
	var match []store.HoldState
	for _, h := range holds {
		if strings.HasPrefix(h.Digest, digest) && digest != "" {
			match = append(match, h)
		}
	}
	switch len(match) {
	case 0:
		return store.HoldState{}, fmt.Errorf("nothing is held whose digest begins with %q: see behov hold list", digest)
	case 1:
	default:
		return store.HoldState{}, fmt.Errorf("%d holds begin with %q: give more of the digest", len(match), digest)
	}
	return match[0], nil
}

// HoldBody is Hold with what it would do.
func (g *Governance) HoldBody(ctx context.Context, digest string) (store.HoldState, error) {
	h, err := g.Hold(ctx, digest)
	if err == nil {
		h.Body, err = g.DB.HoldBody(ctx, h.Digest)
	}
	return h, err
}

// DecideHold releases or rejects the steps of a hold, of everyone in it or, of a
// hold of a plan, of the people that are named. The decision covers exactly
// those steps, and stays with them whatever else changes in later plans, until
// they are done, are not planned any more, or the hold expires.
func (g *Governance) DecideHold(ctx context.Context, digest, verdict string, people []identity.PersonID, maker, reason string) (store.Decision, error) {
	var d store.Decision
	if strings.TrimSpace(reason) == "" {
		return d, errors.New("a decision needs a reason: --reason \"…\"")
	}
	if id, ok := strings.CutPrefix(maker, ActorOf("")); ok {
		if err := g.mayDecide(ctx, identity.PersonID(id)); err != nil {
			return d, err
		}
	}
	hold, err := g.HoldBody(ctx, digest)
	if err != nil {
		return d, err
	}
	var steps []plan.Step
	switch {
	case hold.Kind == store.PlanHold:
		if err := json.Unmarshal([]byte(hold.Body), &steps); err != nil {
			return d, fmt.Errorf("hold %s: %w", hold.Digest, err)
		}
	case len(people) > 0:
		return d, fmt.Errorf("hold %s is of an import, which goes through as a whole or not at all", hold.Digest)
	}
	if !hold.Current() {
		return d, g.notCurrent(ctx, hold)
	}
	own, err := g.ownSteps(hold, steps, people, maker)
	if err != nil {
		return d, err
	}
	for _, p := range people {
		if !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Person == p }) {
			return d, fmt.Errorf("hold %s has no step of person %s: see behov hold show %s", hold.Digest, p, hold.Digest)
		}
	}
	about := people
	if len(about) == 0 {
		about = []identity.PersonID{""} // the hold as a whole
	}
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		for _, p := range about {
			if d, err = tx.Decide(ctx, store.Decision{Kind: store.HoldDecision, Verdict: verdict, Person: string(p), Subject: hold.Digest, Maker: maker, Reason: reason}, now); err != nil {
				return err
			}
			if err := tx.DecideSteps(ctx, decided(others(steps, own), p, hold.Digest, d), now); err != nil {
				return err
			}
		}
		if len(people) == 0 && own == "" || verdict != store.Release {
			return nil
		}
		// Few enough to be within a limit, the others must wait all the same.
		return tx.DeferSteps(ctx, decided(steps, "", hold.Digest, d), now)
	})
	return d, err
}

// ownSteps returns the maker when steps of a hold are about the maker: those stay
// held, for another person to decide on. A hold that is about nothing else, and
// an import as a whole, is for another person.
func (g *Governance) ownSteps(hold store.HoldState, steps []plan.Step, people []identity.PersonID, maker string) (own identity.PersonID, err error) {
	id, isPerson := strings.CutPrefix(maker, ActorOf(""))
	own = identity.PersonID(id)
	if !isPerson {
		return "", nil
	}
	about := map[identity.Kind][]identity.PersonID{}
	if hold.Kind != store.PlanHold {
		if err := json.Unmarshal([]byte(hold.Body), &about); err != nil {
			return "", fmt.Errorf("hold %s: %w", hold.Digest, err)
		}
		for _, ids := range about {
			if slices.Contains(ids, own) {
				return "", fmt.Errorf("the import is about your own employment, too: %w", ErrOwnAccess)
			}
		}
		return "", nil
	}
	mine := slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Person == own })
	switch {
	case slices.Contains(people, own), mine && len(others(steps, own)) == 0:
		return "", ErrOwnAccess
	case !mine:
		return "", nil
	}
	return own, nil
}

// others are the steps that are not about a person.
func others(steps []plan.Step, person identity.PersonID) []plan.Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool { return s.Person == person })
}

// notCurrent says which holds took the place of one that does not come up any
// more as it was.
func (g *Governance) notCurrent(ctx context.Context, hold store.HoldState) error {
	holds, err := g.DB.Holds(ctx)
	if err != nil {
		return err
	}
	var current []string
	for _, h := range holds {
		if h.Current() && h.Kind == hold.Kind && h.Subject == hold.Subject {
			current = append(current, h.Digest)
		}
	}
	if len(current) == 0 {
		return fmt.Errorf("hold %s does not come up any more, and %s has no other: nothing is left to decide", hold.Digest, hold.Subject)
	}
	return fmt.Errorf("hold %s does not come up any more as it was; now there is %s: see behov hold show %s", hold.Digest, strings.Join(current, ", "), current[0])
}

// decided are the steps of a person, or with the empty one of everyone, as
// decided on by a decision.
func decided(steps []plan.Step, person identity.PersonID, hold string, d store.Decision) []store.StepVerdict {
	var all []store.StepVerdict
	for _, s := range steps {
		if person == "" || s.Person == person {
			all = append(all, store.StepVerdict{Step: s.Digest(), Hold: hold, Target: s.Target, Person: s.Person, Verdict: d.Verdict, Decision: d.Seq})
		}
	}
	return all
}

// Enable releases that a person's accounts are enabled which were disabled in
// their targets by someone else than behov: in one target, or with "" in all.
// It enables nothing that the person does not need, and nothing of a person who
// is suspended.
func (g *Governance) Enable(ctx context.Context, p identity.Person, target, maker, reason string) (store.Decision, error) {
	if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
		return store.Decision{}, err
	}
	if _, configured := g.Config.Target(target); !configured && target != "" {
		return store.Decision{}, fmt.Errorf("there is no target %q", target)
	}
	restored, err := g.DB.RestoredAt(ctx)
	if err != nil {
		return store.Decision{}, err
	}
	var steps []plan.Step
	for _, t := range g.Config.Targets {
		if target != "" && t.Name != target {
			continue
		}
		for account, err := range g.DB.EachAccount(ctx, t.Name, store.Few{p.ID}) {
			if err != nil {
				return store.Decision{}, err
			}
			if !account.Disabled.IsZero() || !account.Closed.IsZero() && !account.Closed.After(restored) {
				steps = append(steps, plan.EnableStep(t.Name, p.ID, account.Native))
			}
		}
	}
	if len(steps) == 0 {
		return store.Decision{}, errors.New("no account of this person was found disabled by someone else than behov, so there is nothing to decide; behov plan looks again")
	}
	var d store.Decision
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if d, err = tx.Decide(ctx, store.Decision{Kind: store.EnableDecision, Verdict: store.Release, Person: string(p.ID), Subject: target, Maker: maker, Reason: reason}, now); err != nil {
			return err
		}
		return tx.DecideSteps(ctx, decided(steps, "", fmt.Sprintf("decision %d", d.Seq), d), now)
	})
	return d, err
}

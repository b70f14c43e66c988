package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/rights"
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
		if strings.HasPrefix(string(h.Digest), digest) && digest != "" {
			match = append(match, h)
		}
	}
	switch len(match) {
	case 0:
		return store.HoldState{}, noSuchHold(digest)
	case 1:
	default:
		return store.HoldState{}, holdAmbiguous(len(match), digest)
	}
	return match[0], nil
}

// HoldContent is a hold with what it would do.
type HoldContent struct {
	store.HoldState             // with its body
	Steps           []plan.Step // of a hold of a plan
}

// HoldContent returns the hold whose digest begins so, with what it would do.
func (g *Governance) HoldContent(ctx context.Context, digest string) (c HoldContent, err error) {
	if c.HoldState, err = g.Hold(ctx, digest); err != nil {
		return c, err
	}
	if c.Kind != store.PlanHold {
		c.Body, err = g.DB.HoldBody(ctx, c.Digest)
		return c, err
	}
	held, err := g.DB.HoldSteps(ctx, c.Digest)
	if err != nil {
		return c, err
	}
	c.Steps = make([]plan.Step, len(held))
	for n, s := range held {
		if err := json.Unmarshal([]byte(s.Body), &c.Steps[n]); err != nil {
			return c, fmt.Errorf("hold %s: %w", c.Digest, err)
		}
	}
	return c, nil
}

// HoldDecision is a decision on a hold, and what it covers.
type HoldDecision struct {
	store.Decision
	// Steps are those that it covers, of a hold of a plan.
	Steps []plan.Step `json:"-"`
	// Remaining counts steps that stay held for another person: they are about the maker,
	// or the maker caused them.
	Remaining int `json:"remaining,omitempty"`
}

// DecideHold releases or rejects what is held. Of a hold of a plan it covers the
// steps of everyone in it or of the people that are named, each step by itself: the
// decision stays with them whatever else changes in later plans, until they are done,
// are not planned any more, or the hold expires. Steps that are about the maker, or
// that a decision of the maker caused, stay held. What another person proposed is
// carried out when it is released.
func (g *Governance) DecideHold(ctx context.Context, digest string, verdict store.Verdict, people []identity.PersonID, by rights.Subject, reason string) (HoldDecision, error) {
	hold, err := g.HoldContent(ctx, digest)
	if err != nil {
		return HoldDecision{}, err
	}
	if len(people) > 0 && hold.Kind != store.PlanHold {
		return HoldDecision{}, holdWhole(hold.HoldState)
	}
	switch hold.Kind {
	case store.PlanHold:
		return g.decidePlan(ctx, hold, verdict, people, by, reason)
	case store.AccountBindHold, store.ErasureHold:
		return g.decideProposal(ctx, hold.HoldState, verdict, by, reason)
	}
	var about map[identity.Kind][]identity.PersonID
	if err := json.Unmarshal([]byte(hold.Body), &about); err != nil {
		return HoldDecision{}, fmt.Errorf("hold %s: %w", hold.Digest, err)
	}
	raisedBy, _ := hold.RaisedBy.Person()
	object := rights.Object{CausedBy: []identity.PersonID{raisedBy}}
	for _, ids := range about {
		if slices.Contains(ids, by.Person) { // of the others it asks no more
			object.About = []identity.PersonID{by.Person}
		}
	}
	d, err := g.authorize(ctx, by, rights.DecideImport, object, reason)
	if err != nil {
		return HoldDecision{}, err
	}
	if !hold.Current() {
		return HoldDecision{}, g.supersededError(ctx, hold.HoldState)
	}
	d.Kind, d.Verdict, d.Subject = store.HoldDecision, verdict, store.HoldSubject(hold.Digest)
	d, err = g.record(ctx, d, nil)
	return HoldDecision{Decision: d}, err
}

// decidePlan is DecideHold for a hold of a plan.
func (g *Governance) decidePlan(ctx context.Context, hold HoldContent, verdict store.Verdict, people []identity.PersonID, by rights.Subject, reason string) (HoldDecision, error) {
	all := hold.Steps
	caused, err := g.causedBy(ctx, by.Person)
	if err != nil {
		return HoldDecision{}, err
	}
	for _, p := range people {
		if !slices.ContainsFunc(all, func(s plan.Step) bool { return s.Person == p }) {
			return HoldDecision{}, notInHold(hold.Digest, p)
		}
	}
	out := HoldDecision{}
	var object rights.Object
	for _, s := range all {
		switch {
		case len(people) > 0 && !slices.Contains(people, s.Person):
		case s.Person == by.Person || caused(s):
			out.Remaining++
		default:
			out.Steps = append(out.Steps, s)
			if len(object.About) == 0 || object.About[len(object.About)-1] != s.Person {
				object.About = append(object.About, s.Person)
			}
		}
	}
	// Of what is left to another person rights says why, when nothing else is asked.
	if slices.Contains(people, by.Person) || len(out.Steps) == 0 && slices.ContainsFunc(all, func(s plan.Step) bool { return s.Person == by.Person }) {
		object.About = []identity.PersonID{by.Person}
	} else if len(out.Steps) == 0 {
		object.CausedBy = []identity.PersonID{by.Person}
	}
	d, err := g.authorize(ctx, by, rights.DecideHold, object, reason)
	if err != nil {
		return HoldDecision{}, err
	}
	if !hold.Current() {
		return HoldDecision{}, g.supersededError(ctx, hold.HoldState)
	}
	d.Kind, d.Verdict, d.Subject = store.HoldDecision, verdict, store.HoldSubject(hold.Digest)
	about := people
	if len(about) == 0 {
		about = []identity.PersonID{""} // the hold as a whole
	}
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		for _, p := range about {
			one := d
			one.Person = p
			if out.Decision, err = tx.Decide(ctx, one, now); err != nil {
				return err
			}
			if err := tx.DecideSteps(ctx, decided(out.Steps, p, hold.Digest, out.Decision), now); err != nil {
				return err
			}
		}
		if len(people) == 0 && out.Remaining == 0 || verdict != store.Release {
			return nil
		}
		// The others wait even when they are few enough for the limit.
		return tx.DeferSteps(ctx, decided(all, "", hold.Digest, out.Decision), now)
	})
	return out, err
}

// causedBy returns which steps a person caused: those about a person and entitlement
// on which the person's own decision is in force, the account's own steps where it
// revoked anything of it, and all about people that a file changed which the person
// imported within a hold's life.
func (g *Governance) causedBy(ctx context.Context, maker identity.PersonID) (func(plan.Step) bool, error) {
	decisions, err := g.DB.CurrentDecisionsBy(ctx, identity.PersonActor(maker))
	if err != nil {
		return nil, err
	}
	type about struct {
		person      identity.PersonID
		entitlement string
	}
	caused, account := map[about]bool{}, map[identity.PersonID]bool{}
	imported, err := g.DB.PeopleImportedBy(ctx, identity.PersonActor(maker), g.Now().Add(-g.Config.HoldsExpire))
	if err != nil {
		return nil, err
	}
	for _, p := range imported {
		caused[about{p, ""}] = true
	}
	for _, d := range decisions {
		switch d.Kind {
		case store.ReviewDecision:
			caused[about{d.Person, d.Entitlement}] = true
			account[d.Person] = account[d.Person] || d.Verdict == store.Revoke
		case store.RecordDecision, store.MainEmploymentDecision, store.ProtectionDecision, store.SuspensionDecision, store.BindDecision:
			caused[about{d.Person, ""}] = true
			if other, ok := d.OtherPerson(); ok { // splitting says apart, too
				caused[about{other, ""}] = true
			}
		}
	}
	return func(s plan.Step) bool {
		return caused[about{s.Person, ""}] || s.Entitlement != "" && caused[about{s.Person, string(s.Entitlement)}] || s.Entitlement == "" && account[s.Person]
	}, nil
}

// decideProposal lets another person carry out, or turn down, what one proposed.
func (g *Governance) decideProposal(ctx context.Context, hold store.HoldState, verdict store.Verdict, by rights.Subject, reason string) (HoldDecision, error) {
	var what proposed
	if err := json.Unmarshal([]byte(hold.Body), &what); err != nil {
		return HoldDecision{}, fmt.Errorf("hold %s: %w", hold.Digest, err)
	}
	action := rights.BindAccount
	if hold.Kind == store.ErasureHold {
		action = rights.Erase
	}
	object := rights.Object{About: []identity.PersonID{what.Person}}
	if proposer, _ := hold.RaisedBy.Person(); verdict == store.Release {
		object.CausedBy = []identity.PersonID{proposer}
	}
	d, err := g.authorize(ctx, by, action, object, reason)
	if err != nil {
		return HoldDecision{}, err
	}
	if verdict == store.Release { // what cannot be done stays proposed
		if err := g.checkFeasible(ctx, hold.Kind, what); err != nil {
			return HoldDecision{}, err
		}
	}
	release := d
	release.Kind, release.Verdict, release.Person, release.Subject = store.HoldDecision, verdict, what.Person, store.HoldSubject(hold.Digest)
	release, err = g.record(ctx, release, func(tx *store.Tx, _ store.Decision) error { return tx.EndHold(ctx, hold.Digest) })
	if err != nil || verdict != store.Release {
		return HoldDecision{Decision: release}, err
	}
	if hold.Kind == store.ErasureHold {
		d, err = g.erase(ctx, d, what.Person)
	} else {
		d, err = g.bind(ctx, d, what)
	}
	return HoldDecision{Decision: d}, err
}

// checkFeasible returns why what was proposed cannot be carried out now, or nil.
func (g *Governance) checkFeasible(ctx context.Context, kind store.HoldKind, what proposed) error {
	p, err := g.DB.Person(ctx, what.Person)
	switch {
	case err != nil:
		return err
	case kind == store.ErasureHold:
		return g.erasable(ctx, p)
	case kind == store.AccountBindHold && g.Targets == nil:
		return notConnected()
	case kind == store.AccountBindHold:
		_, err = g.Targets.CheckBind(ctx, p, what.Target, what.Account)
	}
	return err
}

// supersededError says which holds took the place of one that does not come up any
// more as it was.
func (g *Governance) supersededError(ctx context.Context, hold store.HoldState) error {
	holds, err := g.DB.Holds(ctx)
	if err != nil {
		return err
	}
	var current []string
	for _, h := range holds {
		if h.Current() && h.Kind == hold.Kind && h.Subject == hold.Subject {
			current = append(current, string(h.Digest))
		}
	}
	if len(current) == 0 {
		return holdGone(hold)
	}
	return holdReplaced(hold.Digest, current)
}

// decided are the steps of a person, or with the empty one of everyone, as
// decided on by a decision.
func decided(steps []plan.Step, person identity.PersonID, hold audit.HoldDigest, d store.Decision) []store.StepVerdict {
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
func (g *Governance) Enable(ctx context.Context, p identity.Person, target string, by rights.Subject, reason string) (store.Decision, error) {
	object := rights.Object{About: []identity.PersonID{p.ID}}
	caused, err := g.causedBy(ctx, by.Person)
	if err != nil {
		return store.Decision{}, err
	}
	if caused(plan.Step{Person: p.ID}) {
		object.CausedBy = []identity.PersonID{by.Person}
	}
	decision, err := g.authorize(ctx, by, rights.EnableAccount, object, reason)
	if err != nil {
		return store.Decision{}, err
	}
	if _, configured := g.Config.Target(target); !configured && target != "" {
		return store.Decision{}, noSuchTarget(target)
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
		for account, err := range g.DB.EachAccount(ctx, t.Name, store.Only(p.ID)) {
			if err != nil {
				return store.Decision{}, err
			}
			if !account.FoundDisabled.IsZero() || !account.DisabledByBehov.IsZero() && !account.DisabledByBehov.After(restored) {
				steps = append(steps, plan.EnableStep(t.Name, p.ID, account.Native))
			}
		}
	}
	if len(steps) == 0 {
		return store.Decision{}, nothingDisabled()
	}
	decision.Kind, decision.Verdict, decision.Person, decision.Subject = store.EnableDecision, store.Release, p.ID, store.TargetSubject(target)
	return g.record(ctx, decision, func(tx *store.Tx, d store.Decision) error {
		return tx.DecideSteps(ctx, decided(steps, "", audit.HoldDigest(fmt.Sprintf("decision %d", d.Seq)), d), g.Now())
	})
}

package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// world is everything a run is decided from, as read at its beginning.
type world struct {
	day            identity.Date
	only           identity.PersonID
	heads          store.Heads
	people         []identity.Person // sorted by ID
	facts          map[identity.PersonID]policy.Facts
	stages         map[identity.PersonID]identity.Stage
	unclear        map[identity.PersonID]error    // whose employments could not be worked out
	warnings       map[identity.PersonID][]string // what will end
	targets        []plan.Target                  // in the configuration's order
	open           map[string][]store.OpenStep
	fingerprintKey []byte
	accounts       map[identity.PersonID]map[string]plan.Account // filled in by decide
	freshNames     map[string]map[identity.PersonID]string       // by target, filled in by decide
	settled        map[string]int                                // by outcome, filled in by settle
	notes          []Undone                                      // on what was settled
}

// byKey says who is meant by what the sources call people.
func (w *world) byKey() map[identity.SourceKey]identity.PersonID {
	byKey := make(map[identity.SourceKey]identity.PersonID, len(w.people))
	for _, p := range w.people {
		for _, k := range p.Keys {
			byKey[k.SourceKey] = p.ID
		}
	}
	return byKey
}

func (e *Engine) read(ctx context.Context, o Options) (*world, error) {
	w := &world{day: o.AsOf, only: o.Person, facts: map[identity.PersonID]policy.Facts{}, stages: map[identity.PersonID]identity.Stage{},
		unclear: map[identity.PersonID]error{}, warnings: map[identity.PersonID][]string{}, open: map[string][]store.OpenStep{}}
	if w.day == "" {
		w.day = identity.DateOf(e.Now(), e.Config.Zone)
	}
	var err error
	// The heads first: what is recorded while we read makes the plan's basis
	// old, never new.
	if w.heads, err = e.DB.Heads(ctx); err != nil {
		return nil, err
	}
	if w.fingerprintKey, err = e.DB.FingerprintKey(); err != nil {
		return nil, err
	}
	for p, err := range e.DB.People(ctx, store.AnyPerson) {
		if err != nil {
			return nil, err
		}
		w.people = append(w.people, p)
		if len(w.people)%1000 == 0 {
			e.progress("read people", len(w.people), 0)
		}
	}
	if slices.ContainsFunc(e.Config.Targets, func(t config.Target) bool { return t.Reads("NationalID") }) {
		numbers, err := e.DB.NationalIDs(ctx)
		if err != nil {
			return nil, err
		}
		for i := range w.people {
			w.people[i].NationalID = numbers[w.people[i].ID]
		}
	}
	e.sponsors(w)
	if err := e.readTargets(ctx, w); err != nil {
		return nil, err
	}
	return w, e.readFacts(ctx, w)
}

// readTargets takes a snapshot of every target side by side. A target that
// cannot be read is planned without; the others go on.
func (e *Engine) readTargets(ctx context.Context, w *world) error {
	w.targets = make([]plan.Target, len(e.Config.Targets))
	var mu sync.Mutex
	done := 0
	g, gctx := errgroup.WithContext(ctx)
	for i, c := range e.Config.Targets {
		t := plan.Target{Name: c.Name, Limit: c.Limit, Changes: c.Changes, Ignore: c.Ignore, MFA: c.MFA, Given: map[plan.Access]string{}, References: map[string]bool{}}
		for _, name := range c.References() {
			t.References[name] = true
		}
		connector := e.Targets[c.Name]
		if connector == nil {
			return fmt.Errorf("target %s is not connected", c.Name)
		}
		can := connector.Capabilities()
		t.Adopts, t.Renames = can[connectors.Adopt].Can, can[connectors.Rename].Can
		t.Deletes = can[connectors.Delete].Can
		_, t.Sessions = connector.(connectors.SessionRevoker)
		g.Go(func() error {
			observed := plan.NewObserved()
			completeness, err := connector.Snapshot(gctx, observed)
			switch {
			case err != nil && ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				t.Unread = err.Error()
			default:
				observed.Done(completeness)
				t.Observed = observed
				if m, ok := connector.(connectors.Matcher); ok {
					t.Matching = m.Matching()
				}
			}
			w.targets[i] = t
			mu.Lock()
			defer mu.Unlock()
			done++
			e.progress("read targets", done, len(e.Config.Targets))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range w.targets {
		if err := e.readRecorded(ctx, w, &w.targets[i]); err != nil {
			return err
		}
	}
	return nil
}

// readRecorded reads what we know of a target ourselves.
func (e *Engine) readRecorded(ctx context.Context, w *world, t *plan.Target) error {
	bound, err := e.DB.Accounts(ctx, t.Name)
	if err != nil {
		return err
	}
	for person, native := range bound {
		t.Bound.Bind(identity.PersonID(person), native)
	}
	given, err := e.DB.GivenAccess(ctx, t.Name)
	if err != nil {
		return err
	}
	for key, reason := range given {
		t.Given[plan.Access{Person: identity.PersonID(key.Person), Entitlement: policy.EntitlementID(key.Entitlement)}] = reason
	}
	open, err := e.DB.OpenSteps(ctx, t.Name)
	if err != nil {
		return err
	}
	w.open[t.Name] = open
	for _, o := range open {
		var s plan.Step
		if err := json.Unmarshal([]byte(o.Body), &s); err != nil {
			return fmt.Errorf("open step %s: %w", o.ID, err)
		}
		// A step that was under way when a run was stopped may have been done;
		// what it gave is then ours and no drift.
		if s.Op == connectors.AddMember {
			t.Given[plan.Access{Person: s.Person, Entitlement: s.Entitlement}] = s.Reason
		}
	}
	return nil
}

// readFacts reads decisions, and who is enrolled for MFA.
func (e *Engine) readFacts(ctx context.Context, w *world) error {
	decisions, err := e.DB.ReviewDecisions(ctx, "")
	if err != nil {
		return err
	}
	for _, d := range decisions {
		id := identity.PersonID(d.Person)
		f := w.facts[id]
		if f.Verdicts == nil {
			f.Verdicts = map[policy.EntitlementID]policy.Verdict{}
		}
		f.Verdicts[policy.EntitlementID(d.Entitlement)] = VerdictOf(d)
		w.facts[id] = f
	}
	for _, kind := range []store.DecisionKind{store.SuspensionDecision, store.LegalHoldDecision} {
		decisions, err := e.DB.PersonDecisions(ctx, kind, "")
		if err != nil {
			return err
		}
		for _, d := range decisions {
			f := w.facts[identity.PersonID(d.Person)]
			Stand(&f, d)
			w.facts[identity.PersonID(d.Person)] = f
		}
	}
	return e.readMFA(ctx, w)
}

// Stand adds to the facts what a decision about a person as a whole says.
func Stand(f *policy.Facts, d store.Decision) {
	if d.Verdict == store.Lift {
		return
	}
	text := fmt.Sprintf("decision %d by %s: %s", d.Seq, d.Maker, d.Reason)
	switch d.Kind {
	case store.SuspensionDecision:
		f.Suspended = "suspended by " + text
	case store.LegalHoldDecision:
		f.LegalHold = text
	}
}

// VerdictOf says what a review decision means to policy.
func VerdictOf(d store.Decision) policy.Verdict {
	return policy.Verdict{Revoke: d.Verdict == store.Revoke, Text: fmt.Sprintf("decision %d by %s: %s", d.Seq, d.Maker, d.Reason)}
}

func (e *Engine) readMFA(ctx context.Context, w *world) error {
	for _, t := range w.targets {
		if !t.MFA || t.Observed == nil {
			continue
		}
		reader, ok := e.Targets[t.Name].(connectors.MFAReader)
		if !ok {
			return fmt.Errorf("target %s is to say who is enrolled for MFA, and its kind cannot: choose another under mfa.target", t.Name)
		}
		enrolled := map[string]bool{}
		completeness, err := reader.MFAEnrolled(ctx, func(accountID string) error {
			enrolled[accountID] = true
			return nil
		})
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		whole := err == nil && completeness.Complete && t.Observed.Completeness.Complete
		for _, p := range w.people {
			state := policy.MFA("")
			if whole {
				state = policy.NotEnrolled
			}
			if own, _ := t.Owned(p.ID); own != nil && enrolled[own.ID] {
				state = policy.Enrolled
			}
			f := w.facts[p.ID]
			f.MFA = state
			w.facts[p.ID] = f
		}
	}
	return nil
}

// decide works out what everyone needs, and what their accounts look like.
func (e *Engine) decide(ctx context.Context, w *world) ([]plan.Person, error) {
	people := make([]plan.Person, len(w.people))
	for i, p := range w.people {
		facts := w.facts[p.ID]
		stage := e.Config.Lifecycle.StageOf(p, w.day, facts.LegalHold != "")
		w.stages[p.ID] = stage
		desired := plan.Person{ID: p.ID, Suspended: facts.Suspended, Warnings: w.warnings[p.ID]}
		day := e.stand(&desired, stage, w.day)
		var err error
		desired.Grants, err = e.Config.Rules.Decide(p, day, facts)
		if err == nil {
			err = e.knownUnits(p, day)
		}
		if err == nil {
			err = w.unclear[p.ID]
		}
		if err != nil {
			desired.Undecided = err.Error()
		}
		people[i] = desired
	}
	return people, e.describe(ctx, w, people)
}

// stand says what a person's state means for their accounts, and returns the
// day whose needs count.
func (e *Engine) stand(p *plan.Person, s identity.Stage, day identity.Date) identity.Date {
	l := e.Config.Lifecycle
	switch s.State {
	case identity.Working:
		return day
	case identity.OnLeave:
		if l.Leave == identity.LeaveSuspends {
			p.Closed = s.Why
		}
		return day
	}
	p.NoNeed = s.Why
	p.KeepMemberships = s.Since != "" && s.Since.AddDays(l.KeepMemberships) > day
	switch s.State {
	case identity.PreHire, identity.Between:
		if s.Next.AddDays(-l.Prepare) <= day {
			p.Prepare = true
			return s.Next
		}
	case identity.Retained, identity.ToErase:
		p.Delete = s.Why
	}
	return day
}

// knownUnits says whether every unit that a person works in is in the tree. A
// unit that was closed or forgotten there must not take anyone's access.
func (e *Engine) knownUnits(p identity.Person, day identity.Date) error {
	if e.Config.Rules.Units.Len() == 0 {
		return nil
	}
	tree := e.Config.Rules.Units.On(day)
	for _, employment := range p.Active(day) {
		unit := tree.Current(employment.On(day).Unit)
		switch {
		case unit == "" || tree.Has(unit):
		case e.Config.Rules.Units.Has(unit):
			return fmt.Errorf("the unit %q of an employment is closed on %s: name its successor in the units file, or move the employment in HR", unit, day)
		default:
			return fmt.Errorf("the unit %q of an employment is not in the units file: add it there, or correct it in HR", unit)
		}
	}
	return nil
}

// Standing is StandingOf for today, with what the target says about the
// person's enrolment for MFA. A target that cannot say leaves that unknown.
func (e *Engine) Standing(ctx context.Context, p identity.Person) (Standing, error) {
	s, err := StandingOf(ctx, e.DB, e.Config, p, identity.DateOf(e.Now(), e.Config.Zone))
	if err != nil {
		return s, err
	}
	s.Facts.MFA, err = e.enrolment(ctx, p)
	return s, err
}

// enrolment says whether one person is enrolled for MFA.
func (e *Engine) enrolment(ctx context.Context, p identity.Person) (policy.MFA, error) {
	state := policy.MFA("")
	for _, t := range e.Config.Targets {
		reader, ok := e.Targets[t.Name].(connectors.MFAReader)
		if !t.MFA || !ok {
			continue
		}
		accounts, err := e.DB.Accounts(ctx, t.Name)
		if err != nil {
			return state, err
		}
		if single, ok := e.Targets[t.Name].(connectors.SingleMFAReader); ok && accounts[string(p.ID)] != "" {
			if yes, err := single.MFAEnrolledFor(ctx, connectors.AccountRef{ID: accounts[string(p.ID)], Anchor: string(p.ID)}); err == nil {
				state = policy.NotEnrolled
				if yes {
					state = policy.Enrolled
				}
			}
			continue
		}
		found := false
		completeness, err := reader.MFAEnrolled(ctx, func(accountID string) error {
			found = found || accountID == accounts[string(p.ID)]
			return nil
		})
		switch {
		case found:
			state = policy.Enrolled
		case err == nil && completeness.Complete:
			state = policy.NotEnrolled
		}
	}
	return state, nil
}

package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/connectors"
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
	targets        []plan.Target // in the configuration's order
	open           map[string][]store.OpenStep
	fingerprintKey []byte
	accounts       map[identity.PersonID]map[string]plan.Account // filled in by decide
	freshNames     map[string]map[identity.PersonID]string       // by target, filled in by decide
	settled        map[string]int                                // by outcome, filled in by settle
	notes          []Undone                                      // on what was settled
}

func (e *Engine) read(ctx context.Context, o Options) (*world, error) {
	w := &world{day: o.AsOf, only: o.Person, facts: map[identity.PersonID]policy.Facts{}, open: map[string][]store.OpenStep{}}
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
	return e.readMFA(ctx, w)
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
		desired := plan.Person{ID: p.ID, NoNeed: noNeed(p, w.day)}
		grants, err := e.Config.Rules.Decide(p, w.day, w.facts[p.ID])
		if err == nil {
			err = e.knownUnits(p, w.day)
		}
		if err != nil {
			desired.Undecided = err.Error()
		}
		desired.Grants = grants
		people[i] = desired
	}
	return people, e.describe(ctx, w, people)
}

// knownUnits says whether every unit that a person works in is in the tree. A
// unit that was renamed or forgotten there must not take anyone's access.
func (e *Engine) knownUnits(p identity.Person, day identity.Date) error {
	units := e.Config.Rules.Units
	if units.Len() == 0 {
		return nil
	}
	for _, employment := range p.Active(day) {
		if employment.Unit != "" && !units.Has(employment.Unit) {
			return fmt.Errorf("the unit %q of an employment is not in the units file: add it there, or correct it in HR", employment.Unit)
		}
	}
	return nil
}

// noNeed says why a person needs nothing on the day; empty when an employment
// runs.
func noNeed(p identity.Person, day identity.Date) string {
	if len(p.Active(day)) > 0 {
		return ""
	}
	last, ok := p.Main(day)
	switch {
	case !ok:
		return "no employment is known"
	case last.Withdrawn:
		return "no employment runs: HR no longer lists the last one"
	case last.Start > day:
		return fmt.Sprintf("no employment runs yet: the next one starts on %s", last.Start)
	}
	return fmt.Sprintf("no employment runs: the last one ended on %s", last.End)
}

// Facts returns what is decided about one person, and whether they are
// enrolled for MFA. A target that cannot say leaves that unknown.
func (e *Engine) Facts(ctx context.Context, p identity.Person) (policy.Facts, error) {
	decisions, err := e.DB.ReviewDecisions(ctx, string(p.ID))
	if err != nil {
		return policy.Facts{}, err
	}
	f := policy.Facts{Verdicts: map[policy.EntitlementID]policy.Verdict{}}
	for _, d := range decisions {
		f.Verdicts[policy.EntitlementID(d.Entitlement)] = VerdictOf(d)
	}
	for _, t := range e.Config.Targets {
		reader, ok := e.Targets[t.Name].(connectors.MFAReader)
		if !t.MFA || !ok {
			continue
		}
		accounts, err := e.DB.Accounts(ctx, t.Name)
		if err != nil {
			return f, err
		}
		if single, ok := e.Targets[t.Name].(connectors.SingleMFAReader); ok && accounts[string(p.ID)] != "" {
			if yes, err := single.MFAEnrolledFor(ctx, connectors.AccountRef{ID: accounts[string(p.ID)], Anchor: string(p.ID)}); err == nil {
				f.MFA = policy.NotEnrolled
				if yes {
					f.MFA = policy.Enrolled
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
			f.MFA = policy.Enrolled
		case err == nil && completeness.Complete:
			f.MFA = policy.NotEnrolled
		}
	}
	return f, nil
}

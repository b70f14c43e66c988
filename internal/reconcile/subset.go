package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// TargetResult is the result of a run for some people in one target.
type TargetResult struct {
	Target string
	Result *execute.Result // nil when it was not begun
	Err    error
}

// ReconcilePeopleStream brings the access of some people to the desired state, in the
// named targets or, with nil, in all, and returns the result of each target as soon as
// that target is done. It reads what is about them and the people they sponsor, and runs
// each target by itself. What only a look at everyone can decide it leaves to Run, and
// says so in the plan: what is over a limit, and whose an existing account is. groupSize
// is how many people the import that caused this changed; 0 means only these.
func (e *Engine) ReconcilePeopleStream(ctx context.Context, people []identity.PersonID, groupSize int, targets []string) (<-chan TargetResult, error) {
	sponsored, err := e.DB.SponsoredBy(ctx, people)
	if err != nil {
		return nil, err
	}
	in, err := e.newInputs(ctx, Scope{Targets: targets})
	if err != nil {
		return nil, err
	}
	in.groupSize = groupSize
	in.covers.people = store.Only(slices.Concat(people, sponsored)...)
	if err := e.readSubset(ctx, in); err != nil {
		return nil, err
	}
	if len(in.people.All)+len(in.nonHuman) == 0 {
		in.covers.targets = nil
	}
	done := make(chan TargetResult, len(in.covers.targets)) // buffered: a target does not wait for the reader
	var wg sync.WaitGroup
	for _, c := range in.covers.targets {
		wg.Go(func() {
			var result *execute.Result
			err := execute.Recover(execute.InEngine, func() (err error) { result, err = e.reconcileInTarget(ctx, in, c); return err })
			done <- TargetResult{Target: c.Name, Result: result, Err: err}
		})
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	return done, nil
}

// readSubset reads the people and what is decided about them.
func (e *Engine) readSubset(ctx context.Context, w *inputs) error {
	about := w.covers.people.IDs()
	people, err := e.DB.PeopleByID(ctx, about)
	if err != nil {
		return err
	}
	standings, err := PersonStatuses(ctx, e.DB, e.Config, people, w.people.Day)
	if err != nil {
		return err
	}
	var known []identity.PersonID
	for i, p := range people {
		standing := standings[i]
		if !standing.Undecided.IsZero() {
			w.people.Undecided[p.ID] = standing.Undecided
		}
		if slices.ContainsFunc(e.Config.Rules.Catalogue.Entitlements, func(of policy.Entitlement) bool { return of.NeedsMFA() != "" }) {
			if standing.Facts.MFA, standing.Facts.Method, err = e.mfaState(ctx, p); err != nil {
				return err
			}
		}
		known = append(known, p.ID)
		w.people.All = append(w.people.All, standing.Person)
		w.people.Facts[p.ID] = standing.Facts
		for _, k := range p.Keys {
			w.people.ByKey[k.SourceKey] = p.ID
		}
	}
	w.covers.people = store.Only(known...)
	if err := e.readNonHuman(ctx, w, about); err != nil {
		return err
	}
	var managers []identity.SourceKey
	for _, p := range w.people.All {
		for _, employment := range p.Employments {
			for _, terms := range employment.Terms {
				key := terms.Manager(employment.Key.Source)
				if _, known := w.people.ByKey[key]; !known && key.Key != "" {
					managers = append(managers, key)
				}
			}
		}
	}
	found, err := e.DB.PeopleByKeys(ctx, managers)
	if err != nil {
		return err
	}
	w.people.Managers = map[identity.PersonID]identity.Person{}
	for key, p := range found {
		w.people.ByKey[key], w.people.Managers[p.ID] = p.ID, p
	}
	return e.readNumbers(ctx, w)
}

// reconcileInTarget reads some people in one target and carries out what they need. It
// holds their locks from before it reads until it is done.
func (e *Engine) reconcileInTarget(ctx context.Context, in *inputs, c config.Target) (*execute.Result, error) {
	ctx, span := tracer.Start(ctx, "target.people", trace.WithAttributes(attribute.String("behov.target", c.Name), attribute.Int("behov.people", len(in.covers.people.IDs()))))
	defer span.End()
	lock, err := e.DB.Locks().Wait(ctx, execute.PersonLockWait, execute.PersonLocks(c.Name, in.covers.people.IDs())...)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	w, own := *in, *in.people
	w.people = &own // which the plan changes
	w.failing, w.orders = nil, nil
	w.covers.targets, w.lock, w.openCounts = []config.Target{c}, lock, map[string]int{}
	heads, err := e.DB.Sequences(ctx)
	if err != nil {
		return nil, err
	}
	w.resolvedUpTo = heads.Audit // no other run changes their accounts from here on
	if w.open, err = e.executor().OpenStepsOf(ctx, c.Name, w.covers.people); err != nil {
		return nil, err
	}
	if err := e.readTargets(ctx, &w); err != nil {
		return nil, err
	}
	return e.carryOut(ctx, &w)
}

// observe reads a target: all of it, or what concerns the people of the inputs.
func (e *Engine) observe(ctx context.Context, w *inputs, c config.Target, sink connectors.Sink) (connectors.Completeness, error) {
	connector := e.Targets[c.Name]
	reader, able := connector.(connectors.AccountReader)
	if w.covers.readsEveryone() || !able {
		return connector.Snapshot(ctx, sink)
	}
	bound, err := e.DB.Accounts(ctx, c.Name, w.concerned())
	if err != nil {
		return connectors.Completeness{}, err
	}
	var refs []connectors.AccountRef
	for _, person := range w.concerned().IDs() {
		refs = append(refs, connectors.AccountRef{ID: bound[person], Anchor: string(person)})
	}
	once := distinct{sink, map[string]bool{}}
	if names, values := e.claimedValues(w, c, bound); len(names)+len(values) > 0 {
		// Theirs may be one that was there.
		finder, able := connector.(connectors.AccountFinder)
		if !able {
			return connector.Snapshot(ctx, sink)
		}
		if found, err := finder.FindAccounts(ctx, names, values, once); err != nil || !found.Complete {
			return found, err
		}
	}
	var entitlements []string
	groups, err := e.DB.EntitlementGroups(ctx, c.Name)
	if err != nil {
		return connectors.Completeness{}, err
	}
	for _, of := range e.Config.Rules.Catalogue.Entitlements {
		if of.Target == c.Name {
			entitlements = append(append(entitlements, of.Native), groups[string(of.ID)]...)
		}
	}
	slices.Sort(entitlements)
	entitlements = slices.Compact(entitlements)
	return reader.ReadAccounts(ctx, refs, entitlements, once)
}

// claimedValues returns the values by which existing accounts are recognised, of the
// people who are not known to have one: login names, and values by attribute.
func (e *Engine) claimedValues(w *inputs, c config.Target, bound map[identity.PersonID]string) (names []string, values map[string][]string) {
	values = map[string][]string{}
	for _, p := range w.people.All {
		if bound[p.ID] != "" {
			continue
		}
		for _, claim := range w.people.Claims(c, p).Claims {
			switch {
			case claim.Value == "":
			case claim.Attribute == connectors.LoginName:
				names = append(names, claim.Value)
			default:
				values[claim.Attribute] = append(values[claim.Attribute], claim.Value)
			}
		}
	}
	return names, values
}

// distinct passes on every account once.
type distinct struct {
	connectors.Sink
	seen map[string]bool
}

// Account implements connectors.Sink.
func (d distinct) Account(a connectors.Account) error {
	if d.seen[a.ID] {
		return nil
	}
	d.seen[a.ID] = a.ID != ""
	return d.Sink.Account(a)
}

// concerned selects the people whom the inputs cover and those to whom their accounts
// may refer.
func (w *inputs) concerned() store.PersonSet {
	if w.covers.readsEveryone() {
		return w.covers.people
	}
	return store.Only(slices.Concat(w.covers.people.IDs(), slices.Collect(maps.Values(w.people.ByKey)))...)
}

// readBound reads which accounts in a target behov knows as the people's.
func (e *Engine) readBound(ctx context.Context, w *inputs, target string) (bound plan.Bindings, err error) {
	restored, err := e.DB.RestoredAt(ctx)
	if err != nil {
		return bound, err
	}
	id := w.sharedIDs()
	for a, err := range e.DB.EachAccount(ctx, target, w.concerned()) {
		if err != nil {
			return bound, err
		}
		person := id(a.Person)
		bound.Bind(person, a.Native)
		bound.SetRecord(person, e.knownAccount(a, restored))
	}
	return bound, nil
}

// readOwners reads, for some people, which of the accounts that were read belong to
// others.
func (e *Engine) readOwners(ctx context.Context, w *inputs, t *plan.Target) error {
	if w.covers.readsEveryone() || t.Observed == nil {
		return nil
	}
	var seen []string
	for a := range t.Observed.All() {
		seen = append(seen, a.ID)
	}
	owners, err := e.owners(ctx, t.Name, seen)
	if err != nil {
		return err
	}
	for person, native := range owners {
		if t.Bound.AccountOf(person) == "" {
			t.Bound.Bind(person, native)
		}
	}
	return nil
}

// readLimits reads what counts against the target's limits already.
func (e *Engine) readLimits(ctx context.Context, w *inputs, t *plan.Target) error {
	var err error
	if t.LimitUsage, err = e.DB.LimitUsage(ctx, t.Name, e.Now().Add(-execute.LimitWindow)); err != nil {
		return err
	}
	decisions, err := e.DB.StepDecisions(ctx, t.Name, w.covers.people, e.holdsExpired())
	if err != nil {
		return err
	}
	t.Decided = make(map[audit.StepDigest]plan.Decided, len(decisions))
	for _, d := range decisions {
		t.Decided[d.Step] = plan.Decided{Person: d.Person, Hold: d.Hold, Verdict: plan.Verdict(d.Verdict)}
	}
	states, err := e.DB.TargetStates(ctx)
	if err != nil {
		return err
	}
	last := states[t.Name]
	if t.Loading = !last.Loaded(); w.covers.readsEveryone() {
		return nil
	}
	if t.Held, err = e.DB.HeldSteps(ctx, t.Name, w.covers.people); err != nil {
		return err
	}
	if t.Population = last.Enabled; len(t.Held) > 0 {
		t.ChangedPeople, err = e.DB.PeopleChangedSince(ctx, w.covers.people, last.Events, last.Decisions)
	}
	return err
}

// owners returns the people whose accounts the given ones are; for many accounts, those of
// all accounts.
func (e *Engine) owners(ctx context.Context, target string, accounts []string) (map[identity.PersonID]string, error) {
	const many = 1000
	if len(accounts) > many {
		return e.DB.Accounts(ctx, target, store.Everyone())
	}
	return e.DB.AccountsByNativeID(ctx, target, accounts)
}

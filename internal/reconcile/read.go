package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// inputs is everything a run is decided from, as read at its beginning.
type inputs struct {
	preview      bool       // the day is not today
	saved        *plan.Plan // that is to come out again; nil for any
	covers       coverage
	groupSize    int // how many people the import that caused this changed
	began        time.Time
	sequences    store.Sequences
	waitingJobs  []int64 // that were there before it began
	people       *desired.People
	nonHuman     []NonHumanStatus   // of the register; those that are about the people
	targets      []plan.Target      // as configs
	open         *execute.OpenSteps // that stopped runs left
	lock         *lock.Lock         // of the people, when the inputs cover some
	resolvedUpTo int64              // the audit trail's end when those were resolved
	openCounts   map[string]int     // by target, how many steps are open
	failing      []store.FailingStep
	orders       []store.WorkOrder // that wait

	fingerprintKey []byte
	holds          []plan.Hold                                   // of the plan for everyone, set by plan
	names          map[string]map[identity.PersonID]desired.Name // by target, filled in by nameAccounts
	freshNames     map[string]map[identity.PersonID]string       // by target, filled in by nameAccounts
}

// accounts returns what people's accounts should look like.
func (w *inputs) accounts() *desired.Accounts {
	return &desired.Accounts{People: w.people, Targets: w.targets, Names: w.names}
}

// sharedIDs returns a function that returns a person's ID in the memory that it has
// already. It is fast for rows that are sorted by person: it tries the person of the row
// before, and the next one, before it searches.
func (w *inputs) sharedIDs() func(identity.PersonID) identity.PersonID {
	last := 0
	return func(id identity.PersonID) identity.PersonID {
		for i := last; i < min(last+2, len(w.people.All)); i++ {
			if w.people.All[i].ID == id {
				last = i
				return w.people.All[i].ID
			}
		}
		if i, found := w.people.Place(id); found {
			last = i
			return w.people.All[i].ID
		}
		return id
	}
}

// unlock gives back the locks of people whose open steps were to be resolved.
func (w *inputs) unlock() {
	if w != nil {
		w.open.Unlock()
	}
}

// newInputs is the beginning of all inputs. The sequence numbers come first: what is
// recorded while we read makes the plan's basis old, never new.
func (e *Engine) newInputs(ctx context.Context, o Scope) (*inputs, error) {
	today := identity.DateOf(e.Now(), e.Config.Zone)
	if o.AsOf != "" && o.AsOf < today {
		return nil, &reason.Refusal{Reason: reason.Of(reason.PreviewOfPast{Day: o.AsOf})}
	}
	w := &inputs{covers: coverage{people: store.Everyone(), person: o.Person}, began: e.Now(), preview: o.AsOf != "", saved: o.Saved, openCounts: map[string]int{}}
	w.people = desired.NewPeople(e.Config, cmp.Or(o.AsOf, today))
	for _, c := range e.Config.Targets {
		if o.Targets == nil || slices.Contains(o.Targets, c.Name) {
			w.covers.targets = append(w.covers.targets, c)
		}
	}
	w.covers.allTargets = len(w.covers.targets) == len(e.Config.Targets)
	if o.Targets != nil && len(w.covers.targets) < len(o.Targets) {
		return nil, fmt.Errorf("of the targets %v not all are configured", o.Targets)
	}
	var err error
	if w.sequences, err = e.DB.Sequences(ctx); err != nil {
		return nil, err
	}
	w.fingerprintKey, err = e.DB.FingerprintKey()
	return w, err
}

// read reads everything. To settle what stopped runs left open it locks the
// people whose that is, before it reads the targets; call unlock afterwards.
func (e *Engine) read(ctx context.Context, o Scope, settling bool) (*inputs, error) {
	// Before anything else: people about whom something is recorded after the inputs'
	// sequences are left to the job that came with the record.
	waiting, err := e.DB.Jobs().Waiting(ctx)
	if err != nil {
		return nil, err
	}
	w, err := e.newInputs(ctx, o)
	if err != nil {
		return nil, err
	}
	w.waitingJobs = waiting
	if settling {
		if err := e.DB.ExpireHolds(ctx, e.holdsExpired(), e.Actor, e.Now()); err != nil {
			return nil, err
		}
		if w.open, err = e.executor().LockOpenSteps(ctx, w.covers.targetNames(), w.covers.people); err != nil {
			return w, err
		}
	}
	// Targets are read while people are, and what is recorded of the targets.
	var telling sync.Mutex
	progress := func(stage string, done, total int) {
		telling.Lock()
		defer telling.Unlock()
		e.progress(stage, done, total)
	}
	var targets errgroup.Group
	targets.Go(func() error { return e.observeTargets(ctx, w, progress) })
	records, err := e.readPeopleAndRecords(ctx, w, progress)
	if err := errors.Join(err, targets.Wait()); err != nil {
		return w, err
	}
	for i := range w.targets {
		if err := e.readRecorded(ctx, w, &w.targets[i], records[i]); err != nil {
			return w, err
		}
	}
	return w, errors.Join(e.readFacts(ctx, w), e.readNonHuman(ctx, w, nil))
}

// readPeopleAndRecords reads all people, and what is recorded of each target.
func (e *Engine) readPeopleAndRecords(ctx context.Context, w *inputs, progress func(stage string, done, total int)) ([]targetRecord, error) {
	if err := e.readPeople(ctx, w, progress); err != nil {
		return nil, err
	}
	records := make([]targetRecord, len(w.covers.targets))
	for i, c := range w.covers.targets {
		var err error
		if records[i], err = e.readRecord(ctx, w, c.Name); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// readPeople reads all people.
func (e *Engine) readPeople(ctx context.Context, w *inputs, progress func(stage string, done, total int)) error {
	n, err := e.DB.CountPeople(ctx)
	if err != nil {
		return err
	}
	w.people.All = make([]identity.Person, 0, n)
	for p, err := range e.DB.People(ctx) {
		if err != nil {
			return err
		}
		w.people.All = append(w.people.All, p)
		for _, k := range p.Keys {
			w.people.ByKey[k.SourceKey] = p.ID
		}
		if len(w.people.All)%1000 == 0 {
			progress("read people", len(w.people.All), 0)
		}
	}
	return e.finishPeople(ctx, w)
}

// finishPeople reads the rest of what is known of people, and which of them cannot be
// decided.
func (e *Engine) finishPeople(ctx context.Context, w *inputs) error {
	if err := e.readNumbers(ctx, w); err != nil {
		return err
	}
	w.people.ApplySponsors()
	if err := e.holdEvaluatorDifferences(ctx, w); err != nil {
		return err
	}
	return e.holdRecords(ctx, w)
}

// readNumbers opens national identity numbers, when a target's mapping reads them.
func (e *Engine) readNumbers(ctx context.Context, w *inputs) error {
	if !slices.ContainsFunc(w.covers.targets, func(t config.Target) bool { return t.Reads("NationalID") }) {
		return nil
	}
	numbers, err := e.DB.NationalIDs(ctx, w.covers.people)
	if err != nil {
		return err
	}
	for i := range w.people.All {
		w.people.All[i].NationalID = numbers[w.people.All[i].ID]
	}
	return nil
}

// readTargets reads every target, and what we know of each ourselves.
func (e *Engine) readTargets(ctx context.Context, w *inputs) error {
	if err := e.observeTargets(ctx, w, e.progress); err != nil {
		return err
	}
	for i := range w.targets {
		record, err := e.readRecord(ctx, w, w.targets[i].Name)
		if err != nil {
			return err
		}
		if err := e.readRecorded(ctx, w, &w.targets[i], record); err != nil {
			return err
		}
	}
	return nil
}

// observeTargets takes a snapshot of every target side by side. A target that
// cannot be read is planned without; the others go on.
func (e *Engine) observeTargets(ctx context.Context, w *inputs, progress func(stage string, done, total int)) error {
	w.targets = make([]plan.Target, len(w.covers.targets))
	for _, c := range w.covers.targets {
		if e.Targets[c.Name] == nil {
			return fmt.Errorf("target %s is not connected", c.Name)
		}
	}
	var mu sync.Mutex
	done := 0
	g, gctx := errgroup.WithContext(ctx)
	for i, c := range w.covers.targets {
		t, connector := e.targetOf(c), e.Targets[c.Name]
		g.Go(func() error {
			observed := plan.NewObserved()
			var completeness connectors.Completeness
			err := execute.Recover(execute.InConnector, func() (err error) { completeness, err = e.observe(gctx, w, c, observed); return err })
			switch {
			case err != nil && ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				t.ReadError = err.Error()
			default:
				if m, ok := connector.(connectors.Matcher); ok {
					t.Matching = m.Matching()
				}
				observed.Names = t.Matching[connectors.EntitlementName]
				observed.Done(completeness)
				t.Observed = observed
			}
			w.targets[i] = t
			mu.Lock()
			defer mu.Unlock()
			done++
			progress("read targets", done, len(w.covers.targets))
			return nil
		})
	}
	return g.Wait()
}

// targetOf returns a target as it is configured and as its connector is, before it is read.
func (e *Engine) targetOf(c config.Target) plan.Target {
	t := plan.Target{Name: c.Name, Limits: c.Limits, Ignore: c.Ignore, MFA: c.MFA, Report: c.Report, UnrepairedDrift: map[plan.Access]bool{}, Uncertain: map[plan.Access]bool{}, References: map[string]bool{}}
	for _, name := range c.References() {
		t.References[name] = true
	}
	for _, claim := range c.Adopt {
		t.Claims = append(t.Claims, claim.Attribute)
	}
	connector := e.Targets[c.Name]
	if n, ok := connector.(connectors.Namer); ok {
		t.Naming = n.NamingAttributes()
	}
	can := connector.Capabilities()
	t.Adopts, t.Renames = can[connectors.Adopt].Can, can[connectors.Rename].Can
	t.Deletes = can[connectors.Delete].Can
	_, t.Sessions = connector.(connectors.SessionRevoker)
	if _, manages := connector.(connectors.GroupManager); !manages || !can[connectors.Groups].Can {
		t.NoGroups = cmp.Or(can[connectors.Groups].Note, "its connector cannot create groups")
	}
	return t
}

// targetRecord is what is recorded of a target: the accounts that are known there, the
// access that behov gave, and the steps that are open.
type targetRecord struct {
	bound plan.Bindings
	given plan.Given
	open  []plan.Step
	// groups are, by entitlement, the names in the target under which behov gave it.
	groups map[string][]string
	// managed are the groups that behov created there, by entitlement.
	managed map[policy.EntitlementID]plan.Group
}

// readRecord reads what is recorded of a target. What another process records after
// that belongs to a later step than the inputs know, and its person is left to that
// process.
func (e *Engine) readRecord(ctx context.Context, w *inputs, target string) (r targetRecord, err error) {
	// Open steps are read first: a step that ends meanwhile is in both.
	open, err := e.DB.OpenSteps(ctx, target, w.covers.people)
	if err != nil {
		return r, err
	}
	if r.bound, err = e.readBound(ctx, w, target); err != nil {
		return r, err
	}
	if r.groups, err = e.DB.EntitlementGroups(ctx, target); err != nil {
		return r, err
	}
	managed, err := e.DB.ManagedGroups(ctx, target)
	if err != nil {
		return r, err
	}
	r.managed = make(map[policy.EntitlementID]plan.Group, len(managed))
	for _, g := range managed {
		r.managed[policy.EntitlementID(g.Entitlement)] = plan.Group{Mark: g.Mark, ID: g.Native}
	}
	id := w.sharedIDs()
	for given, err := range e.DB.GivenAccess(ctx, target, w.covers.people) {
		if err != nil {
			return r, err
		}
		r.given.Add(plan.Access{Person: id(given.Person), Entitlement: policy.EntitlementID(given.Entitlement)}, given.Reason)
	}
	for _, o := range open {
		var s plan.Step
		if err := json.Unmarshal([]byte(o.Body), &s); err != nil {
			return r, fmt.Errorf("open step %s: %w", o.AttemptID, err)
		}
		r.open = append(r.open, s)
		if s.Op == connectors.AddMember {
			r.given.Add(plan.Access{Person: s.Person, Entitlement: s.Entitlement}, s.Reason)
		}
	}
	return r, nil
}

// readRecorded adds to a target what is recorded of it, and reads the rest.
func (e *Engine) readRecorded(ctx context.Context, w *inputs, t *plan.Target, r targetRecord) error {
	t.Bound, t.Given, w.openCounts[t.Name] = r.bound, r.given, len(r.open)
	t.FindGroups(r.managed)
	e.setFormerGroups(t, r.groups)
	for _, s := range r.open {
		// A step that was under way when a run was stopped may have been done;
		// what it gave is then ours and no drift.
		t.Uncertain[plan.Access{Person: s.Person, Entitlement: cmp.Or(s.Entitlement, plan.AccountAccess)}] = true
	}
	for _, read := range []func(context.Context, *inputs, *plan.Target) error{e.readOwners, e.locate, e.readProof, e.readLimits} {
		if err := read(ctx, w, t); err != nil {
			return err
		}
	}
	left, err := e.DB.UnrepairedDrift(ctx, t.Name, w.covers.people)
	if err != nil {
		return err
	}
	for _, k := range left {
		t.UnrepairedDrift[plan.Access{Person: k.Person, Entitlement: policy.EntitlementID(k.Entitlement)}] = true
	}
	if err := e.readPause(ctx, t); err != nil {
		return err
	}
	if err := e.readFailing(ctx, w, t); err != nil {
		return err
	}
	return e.readOrders(ctx, w, t)
}

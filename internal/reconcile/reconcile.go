// Package reconcile is the loop: it reads people, decisions and targets, decides what
// everyone needs, plans, guards, applies and records. Open this package first, at
// Engine.Run: with carryOut below it, it is the whole loop on one screen.
//
// It must never change a target before the step and its reason are committed, and never
// take anything away on the strength of an incomplete read.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Engine brings targets to the desired state.
type Engine struct {
	DB      *store.DB
	Config  *config.Config
	Targets map[string]connectors.Connector // by the configuration's names
	Now     func() time.Time
	Actor   identity.Actor
	// RetryAllSteps makes runs try failed steps that are not due yet: an operator waits
	// for the result.
	RetryAllSteps bool
	// LockWait is for how long a run waits for another one to be done.
	LockWait time.Duration
	// Passes gets the passes that runs issue to people who begin, where the configuration has
	// them issued.
	Passes PassSink
	// Progress, when set, is called with how far a stage has come, from several
	// goroutines, one at a time.
	Progress func(stage string, done, total int)
}

// Scope says what a run covers.
type Scope struct {
	// AsOf is the date of a preview; the zero date is today. Run refuses another date.
	AsOf identity.Date
	// Person, when set, is the one person whose part of the plan is carried out. The
	// limits are those of the whole plan.
	Person identity.PersonID
	// Targets names the targets that are read and written; nil is all.
	Targets []string
	// Saved, when set, is a plan that was made before. It is carried out when planning
	// again gives the same plan; otherwise Run returns a *StalePlanError.
	Saved *plan.Plan
}

// Run brings what the scope covers to the desired state, once: read, resolve, plan and
// guard, record, apply, finish.
func (e *Engine) Run(ctx context.Context, s Scope) (*execute.Result, error) {
	ctx, span := tracer.Start(ctx, "run", trace.WithAttributes(attribute.StringSlice("behov.targets", s.Targets)))
	defer span.End()
	if s.AsOf != "" {
		return nil, errors.New("a plan for another day than today can be looked at, and not carried out")
	}
	if s.Saved != nil {
		if err := s.Saved.Verify(); err != nil {
			return nil, err
		}
		s.Person = identity.PersonID(s.Saved.Basis.Person)
	}
	lock, err := e.lockTargets(ctx, s.Targets)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if s.Saved == nil { // a proof would make it another plan
		if err := e.proveTargets(ctx, s); err != nil {
			return nil, err
		}
	}
	in, err := e.read(ctx, s, true)
	defer in.unlock()
	if err != nil {
		return nil, err
	}
	return e.carryOut(ctx, in)
}

// carryOut takes what was read through the rest of a run. Open steps of stopped runs
// are resolved before anything is planned, and people whose time is over are erased
// last.
func (e *Engine) carryOut(ctx context.Context, in *inputs) (*execute.Result, error) {
	if err := e.checkRulesApproved(ctx); err != nil {
		return nil, err
	}
	resolved, err := e.executor().Resolve(ctx, in.open, in.targets, in.fingerprintKey)
	if err != nil {
		return nil, err
	}
	if err := e.resolveOrders(ctx, in); err != nil {
		return nil, err
	}
	in.resolvedUpTo = resolved.UpTo
	p, err := e.plan(ctx, in)
	if err != nil {
		return nil, err
	}
	if in.saved != nil && p.Digest != in.saved.Digest {
		return nil, &StalePlanError{Changes: differences(in.saved, p)}
	}
	if err := e.recordObservations(ctx, in, p); err != nil {
		return nil, err
	}
	result, err := e.executor().Apply(ctx, p, in.targets, e.basis(in))
	result.Resolved, result.Notes = resolved.Outcomes, append(resolved.Notes, result.Notes...)
	if err != nil {
		return result, err
	}
	return result, e.finish(ctx, in, result)
}

// executor returns what carries out steps for this engine.
func (e *Engine) executor() *execute.Executor {
	x := &execute.Executor{DB: e.DB, Targets: e.Targets, Now: e.Now, Actor: e.Actor, HandsOverPasswords: map[string]bool{}}
	for _, c := range e.Config.Targets {
		x.HandsOverPasswords[c.Name] = c.FirstPassword.Directory != "" || len(c.FirstPassword.Command) > 0
	}
	if e.Progress != nil {
		x.Progress = func(done, total int) { e.Progress("apply", done, total) }
	}
	return x
}

// basis returns what a plan from these inputs was made from.
func (e *Engine) basis(in *inputs) *execute.Basis {
	b := &execute.Basis{People: in.covers.people, Lock: in.lock, Sequences: in.sequences, ResolvedUpTo: in.resolvedUpTo, Open: in.open, FingerprintKey: in.fingerprintKey,
		Accounts: in.accounts(), Suspended: map[identity.PersonID]bool{}, Owners: map[identity.PersonID]identity.PersonID{}, Failing: map[audit.StepKey]bool{}, Purposes: map[policy.EntitlementID]string{}, Due: map[string]identity.Date{}}
	for _, c := range in.covers.targets {
		if manual, is := c.Manual(); is {
			b.Due[c.Name] = in.people.Day.AddDays(manual.Days)
		}
	}
	for _, of := range e.Config.Rules.Catalogue.Entitlements {
		if of.Group != nil {
			b.Purposes[of.ID] = of.Group.Purpose
		}
	}
	for person, facts := range in.people.Facts {
		if !facts.Suspended.IsZero() {
			b.Suspended[person] = true
		}
	}
	for _, s := range in.nonHuman {
		b.Owners[s.Account.ID] = s.Account.Owner
	}
	for _, f := range in.failing {
		b.Failing[f.Key] = true
	}
	return b
}

// finish records what a run over everyone saw of the targets, and erases people whose
// time is over.
func (e *Engine) finish(ctx context.Context, in *inputs, r *execute.Result) error {
	if !in.covers.readsEveryone() {
		return nil
	}
	return errors.Join(e.recordTargetStates(ctx, in, r), e.recordSignIns(ctx, in), e.issueFirstPasses(ctx, in), e.erase(ctx, in))
}

// RecordMoversAndErase records which people moved, asks about the access that they have
// left over, and erases people whose time is over. Both need a look at everyone in every
// target. It changes nothing in the targets, and takes as long as the slowest target.
func (e *Engine) RecordMoversAndErase(ctx context.Context) (*plan.Plan, error) {
	ctx, span := tracer.Start(ctx, "movers")
	defer span.End()
	lock, err := e.DB.Locks().Wait(ctx, e.LockWait, allTargetsLock)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	p, in, err := e.preview(ctx, Scope{})
	if err != nil {
		return nil, err
	}
	movers, err := e.movers(ctx, in, p)
	if err != nil {
		return nil, err
	}
	if err := e.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetTargetState(ctx, store.EveryTarget, reason.Reason{}, in.began, in.sequences); err != nil {
			return err
		}
		return e.recordMovers(ctx, tx, movers)
	}); err != nil {
		return nil, err
	}
	return p, e.erase(ctx, in)
}

// Plan returns what Run would do, and records its holds, so that a person can decide on
// them. It changes no access.
func (e *Engine) Plan(ctx context.Context, s Scope) (*plan.Plan, error) {
	p, v, err := e.Preview(ctx, s)
	if err != nil {
		return p, err
	}
	return p, e.RecordHolds(ctx, p, v)
}

// preview reads and plans. It writes nothing.
func (e *Engine) preview(ctx context.Context, s Scope) (*plan.Plan, *inputs, error) {
	in, err := e.read(ctx, s, false)
	if err != nil {
		return nil, nil, err
	}
	p, err := e.plan(ctx, in)
	return p, in, err
}

// holdsExpired returns the instant before which holds that were raised have expired.
func (e *Engine) holdsExpired() time.Time { return e.Now().Add(-e.Config.HoldsExpire) }

// RecordHolds records the holds of a preview for today, so that a person can decide on
// them, and supersedes those that no longer come up. Of a preview for another day it
// records nothing.
func (e *Engine) RecordHolds(ctx context.Context, p *plan.Plan, v *Values) error {
	in := v.inputs
	if in.preview || !in.covers.readsEveryone() {
		return nil
	}
	past, err := e.pastHolds(ctx, in, p)
	if err != nil || len(in.holds)+len(past) == 0 {
		return err
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		affected, err := e.affectedSincePlan(ctx, tx, in)
		if err == nil {
			err = e.recordAccountStates(ctx, tx, in, affected, e.Now())
		}
		if err != nil {
			return err
		}
		for _, digest := range past {
			if err := tx.SupersedeHold(ctx, digest, e.Now()); err != nil {
				return err
			}
		}
		return e.raiseHolds(ctx, tx, in)
	})
}

// StalePlanError is the error for a saved plan of which planning again gives another
// one. Changes says what differs, one phrase each.
type StalePlanError struct{ Changes []string }

func (e *StalePlanError) Error() string {
	return "the saved plan is out of date: " + strings.Join(e.Changes, "; ") + ". Make a new plan"
}

// differences says in words how two bases differ.
func differences(saved, now *plan.Plan) []string {
	var what []string
	a, b := saved.Basis, now.Basis
	if a.AsOf != b.AsOf {
		what = append(what, fmt.Sprintf("it was made for %s and today is %s", a.AsOf, b.AsOf))
	}
	if a.Rules != b.Rules {
		what = append(what, "the rules, the catalogue or the units changed")
	}
	if a.Events != b.Events {
		what = append(what, fmt.Sprintf("%d HR events were recorded", b.Events-a.Events))
	}
	if a.Decisions != b.Decisions {
		what = append(what, fmt.Sprintf("%d decisions were made", b.Decisions-a.Decisions))
	}
	both := map[string]string{}
	maps.Copy(both, a.Targets)
	maps.Copy(both, b.Targets)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if a.Targets[name] != b.Targets[name] {
			what = append(what, "target "+name+" changed")
		}
	}
	if len(what) == 0 {
		what = append(what, "MFA enrolment, a release, a limit or the attribute mapping changed")
	}
	return what
}

// plan decides what everyone needs and compares it with what is there.
func (e *Engine) plan(ctx context.Context, w *inputs) (*plan.Plan, error) {
	return e.planOf(ctx, w, func(people iter.Seq[plan.Person]) iter.Seq[plan.Person] { return people })
}

// planOf is plan that shows on the way what each person needs.
func (e *Engine) planOf(ctx context.Context, w *inputs, see func(iter.Seq[plan.Person]) iter.Seq[plan.Person]) (*plan.Plan, error) {
	for i := range w.targets {
		w.targets[i].NonHuman = planned(w.nonHuman, w.targets[i].Name, w.people.Day)
	}
	if err := e.nameAccounts(ctx, w); err != nil {
		return nil, err
	}
	removed, err := e.removed(ctx, w)
	if err != nil {
		return nil, err
	}
	p, err := plan.Build(plan.Input{
		Removed:        removed,
		Basis:          plan.Basis{AsOf: w.people.Day, Rules: e.Config.Rules.Digest, Events: w.sequences.Events, Decisions: w.sequences.Decisions, Subset: !w.covers.readsEveryone()},
		Catalogue:      &e.Config.Rules.Catalogue,
		People:         see(e.desiredPeople(ctx, w)),
		Count:          len(w.people.All),
		Targets:        w.targets,
		FingerprintKey: w.fingerprintKey,
		Only:           w.covers.person,
		Subset:         !w.covers.readsEveryone(),
		GroupSize:      w.groupSize,
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	if w.holds = p.Holds; w.covers.person != "" {
		return p.Only(w.covers.person)
	}
	if w.covers.readsEveryone() {
		return p, nil
	}
	// A plan for some people is of one target, and leaves deferred people out from here
	// on.
	for _, l := range p.Deferred {
		w.people.All = slices.DeleteFunc(slices.Clone(w.people.All), func(p identity.Person) bool { return p.ID == l.Person })
	}
	return p, nil
}

// removed returns the targets that are not configured any more, with how many accounts
// are known there; none for a plan for some people.
func (e *Engine) removed(ctx context.Context, w *inputs) (map[string]int, error) {
	if !w.covers.showsEveryone() {
		return nil, nil
	}
	left, err := UnconfiguredTargets(ctx, e.DB, e.Config)
	accounts := map[string]int{}
	for _, k := range left {
		if k.Accounts > 0 {
			accounts[k.Target] = k.Accounts
		}
	}
	return accounts, err
}

func (e *Engine) progress(stage string, done, total int) {
	if e.Progress != nil {
		e.Progress(stage, done, total)
	}
}

var tracer = otel.Tracer("github.com/behov/behov/internal/reconcile")

// Package reconcile is the loop: it reads people, decisions and targets,
// decides what everyone needs, plans, guards, applies and records. Open this
// package first; Engine.Run is the whole of behov on one screen.
//
// It must never touch a target before the step and its reason are committed,
// and never take anything away on the strength of an incomplete reading.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// Engine brings targets to the desired state.
type Engine struct {
	DB      *store.DB
	Config  *config.Config
	Targets map[string]connectors.Connector // by the configuration's names
	Now     func() time.Time
	Actor   string // as audit.Record.Actor
	// RetryAllSteps runs try what failed before also when it is not due: somebody waits.
	RetryAllSteps bool
	// LockWait is for how long a run waits for another one to be done.
	LockWait time.Duration
	// Progress, when set, is told how far a stage has come. It is called from
	// several goroutines, one at a time.
	Progress func(stage string, done, total int)
}

// Options narrow a run.
type Options struct {
	AsOf    identity.Date     // the zero date is today
	Person  identity.PersonID // nobody else's access is planned; empty for everyone
	Targets []string          // no other target is read or written; nil for all
}

// Run brings the targets to the desired state, once: read, decide, plan and
// guard, apply, record. What a stopped run left open is settled first, and
// people whose time is over are erased last.
func (e *Engine) Run(ctx context.Context, o Options) (*Result, error) {
	ctx, span := tracer.Start(ctx, "run", trace.WithAttributes(attribute.StringSlice("behov.targets", o.Targets)))
	defer span.End()
	lock, err := e.lockTargets(ctx, o.Targets)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if err := e.proveTargets(ctx, o); err != nil {
		return nil, err
	}
	world, err := e.read(ctx, o, true)
	defer world.unlock()
	if err != nil {
		return nil, err
	}
	if err := e.resolveOpenSteps(ctx, world); err != nil {
		return nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil {
		return nil, err
	}
	if err := e.recordObservations(ctx, world, p); err != nil {
		return nil, err
	}
	result, err := e.apply(ctx, world, p)
	if err != nil {
		return result, err
	}
	return result, errors.Join(e.recordTargetStates(ctx, world, result), e.erase(ctx, world))
}

// RecordMoversAndErase sees to what only a look at everybody in every target shows, and changes
// nothing in them: it notes who moved and asks about what they have left over,
// and erases people whose time is over. Nobody waits for it: it takes as long as
// the slowest target.
func (e *Engine) RecordMoversAndErase(ctx context.Context) (*plan.Plan, error) {
	ctx, span := tracer.Start(ctx, "tidy")
	defer span.End()
	lock, err := e.DB.LockWithin(ctx, e.LockWait, allTargetsLock)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	world, err := e.read(ctx, Options{}, false)
	if err != nil {
		return nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil {
		return nil, err
	}
	movers, err := e.movers(ctx, world, p)
	if err != nil {
		return nil, err
	}
	if err := e.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetTargetState(ctx, store.EveryTarget, "", world.began, world.sequences); err != nil {
			return err
		}
		return e.recordMovers(ctx, tx, movers)
	}); err != nil {
		return nil, err
	}
	return p, e.erase(ctx, world)
}

// Plan says what Run would do. It changes nobody's access; of a plan for today
// it notes the holds, so that somebody can decide on them.
func (e *Engine) Plan(ctx context.Context, o Options) (*plan.Plan, error) {
	p, _, err := e.preview(ctx, o)
	return p, err
}

func (e *Engine) preview(ctx context.Context, o Options) (*plan.Plan, *inputs, error) {
	world, err := e.read(ctx, o, false)
	if err != nil {
		return nil, nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil || o.AsOf != "" {
		return p, world, err
	}
	past, err := e.pastHolds(ctx, world, p)
	if err != nil || len(world.holds)+len(past) == 0 {
		return p, world, err
	}
	return p, world, e.DB.Write(ctx, func(tx *store.Tx) error {
		touched, err := e.affectedSincePlan(ctx, tx, world, p)
		if err == nil {
			err = e.recordAccountStates(ctx, tx, world, touched, e.Now())
		}
		if err != nil {
			return err
		}
		for _, digest := range past {
			if err := tx.SupersedeHold(ctx, digest, e.Now()); err != nil {
				return err
			}
		}
		return e.raiseHolds(ctx, tx, world)
	})
}

// StalePlanError is returned when the world no longer matches a saved plan's basis.
type StalePlanError struct{ Changes []string }

func (m *StalePlanError) Error() string {
	return "the world has moved since the plan was made: " + strings.Join(m.Changes, "; ") + ". Make a new plan"
}

// RunSaved applies a saved plan, if planning again gives the very same one.
// Otherwise it does nothing and returns a *Moved.
func (e *Engine) RunSaved(ctx context.Context, saved *plan.Plan) (*Result, error) {
	if err := saved.Verify(); err != nil {
		return nil, err
	}
	lock, err := e.lockTargets(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	world, err := e.read(ctx, Options{Person: identity.PersonID(saved.Basis.Person)}, true)
	defer world.unlock()
	if err != nil {
		return nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil {
		return nil, err
	}
	if p.Digest != saved.Digest {
		return nil, &StalePlanError{Changes: differences(saved, p)}
	}
	if err := e.resolveOpenSteps(ctx, world); err != nil {
		return nil, err
	}
	if err := e.recordObservations(ctx, world, p); err != nil {
		return nil, err
	}
	return e.apply(ctx, world, p)
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
	if err := e.nameAccounts(ctx, w); err != nil {
		return nil, err
	}
	removed, err := e.removed(ctx, w)
	if err != nil {
		return nil, err
	}
	p, err := plan.Build(plan.Input{
		Removed:        removed,
		Basis:          plan.Basis{AsOf: w.day, Rules: e.Config.Rules.Digest, Events: w.sequences.Events, Decisions: w.sequences.Decisions, Subset: !w.subset.IsEveryone()},
		Catalogue:      &e.Config.Rules.Catalogue,
		People:         e.desiredPeople(ctx, w),
		Count:          len(w.people),
		Targets:        w.targets,
		FingerprintKey: w.fingerprintKey,
		Only:           w.only,
		Subset:         !w.subset.IsEveryone(),
		GroupSize:      w.groupSize,
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	if w.holds = p.Holds; w.only != "" {
		return p.Only(w.only)
	}
	if w.subset.IsEveryone() {
		return p, nil
	}
	// A plan for few is of one target, and looks no further at whom it leaves to others.
	for _, l := range p.Deferred {
		w.people = slices.DeleteFunc(slices.Clone(w.people), func(p identity.Person) bool { return p.ID == l.Person })
	}
	return p, nil
}

// removed returns the targets that are not in the configuration, with how many
// accounts are known there; none to a plan for few.
func (e *Engine) removed(ctx context.Context, w *inputs) (map[string]int, error) {
	if !w.subset.IsEveryone() || w.only != "" {
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

// ErrSomeFailed is returned by Result.Err.
var ErrSomeFailed = errors.New("some steps were not done")

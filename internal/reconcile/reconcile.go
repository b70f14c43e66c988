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
	// Progress, when set, is told how far a stage has come. It is called from
	// several goroutines, one at a time.
	Progress func(stage string, done, total int)
}

// Options narrow a run.
type Options struct {
	AsOf   identity.Date     // the zero date is today
	Person identity.PersonID // nobody else's access is planned; empty for everyone
}

// Run brings the targets to the desired state, once: read, decide, plan and
// guard, apply, record. What a stopped run left open is settled first, and
// people whose time is over are erased last.
func (e *Engine) Run(ctx context.Context, o Options) (*Result, error) {
	unlock, err := e.DB.Lock(ctx, "apply")
	if err != nil {
		return nil, err
	}
	defer unlock()
	world, err := e.read(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := e.settle(ctx, world); err != nil {
		return nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil {
		return nil, err
	}
	if err := e.recordSeen(ctx, world, p); err != nil {
		return nil, err
	}
	result, err := e.apply(ctx, world, p)
	if err != nil {
		return result, err
	}
	return result, e.erase(ctx, world)
}

// Plan says what Run would do. It changes nobody's access; of a plan for today
// it notes the holds, so that somebody can decide on them.
func (e *Engine) Plan(ctx context.Context, o Options) (*plan.Plan, error) {
	p, _, err := e.preview(ctx, o)
	return p, err
}

func (e *Engine) preview(ctx context.Context, o Options) (*plan.Plan, *world, error) {
	world, err := e.read(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil || o.AsOf != "" || len(p.Holds) == 0 {
		return p, world, err
	}
	return p, world, e.DB.Write(ctx, func(tx *store.Tx) error { return e.raiseHolds(ctx, tx, p) })
}

// Moved is returned when the world no longer matches a saved plan's basis.
type Moved struct{ What []string }

func (m *Moved) Error() string {
	return "the world has moved since the plan was made: " + strings.Join(m.What, "; ") + ". Make a new plan"
}

// RunSaved applies a saved plan, if planning again gives the very same one.
// Otherwise it does nothing and returns a *Moved.
func (e *Engine) RunSaved(ctx context.Context, saved *plan.Plan) (*Result, error) {
	if err := saved.Verify(); err != nil {
		return nil, err
	}
	unlock, err := e.DB.Lock(ctx, "apply")
	if err != nil {
		return nil, err
	}
	defer unlock()
	world, err := e.read(ctx, Options{Person: identity.PersonID(saved.Basis.Person)})
	if err != nil {
		return nil, err
	}
	p, err := e.plan(ctx, world)
	if err != nil {
		return nil, err
	}
	if p.Digest != saved.Digest {
		return nil, &Moved{What: differences(saved, p)}
	}
	if err := e.settle(ctx, world); err != nil {
		return nil, err
	}
	if err := e.recordSeen(ctx, world, p); err != nil {
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
		what = append(what, "MFA enrolment, a limit or the attribute mapping changed")
	}
	return what
}

// plan decides what everyone needs and compares it with what is there.
func (e *Engine) plan(ctx context.Context, w *world) (*plan.Plan, error) {
	released, err := e.released(ctx)
	if err != nil {
		return nil, err
	}
	people, err := e.decide(ctx, w)
	if err != nil {
		return nil, err
	}
	p, err := plan.Build(plan.Input{
		Basis:          plan.Basis{AsOf: w.day, Rules: e.Config.Rules.Digest, Events: w.heads.Events, Decisions: w.heads.Decisions},
		Catalogue:      &e.Config.Rules.Catalogue,
		People:         people,
		Targets:        w.targets,
		FingerprintKey: w.fingerprintKey,
		Released:       released,
	})
	if err != nil || w.only == "" {
		return p, err
	}
	return p.Only(w.only)
}

func (e *Engine) released(ctx context.Context) (map[string]bool, error) {
	holds, err := e.DB.Holds(ctx)
	if err != nil {
		return nil, err
	}
	released := map[string]bool{}
	for _, h := range holds {
		released[h.Digest] = h.Decision != nil && h.Decision.Verdict == store.Release
	}
	return released, nil
}

func (e *Engine) progress(stage string, done, total int) {
	if e.Progress != nil {
		e.Progress(stage, done, total)
	}
}

// ErrSomeFailed is returned by Result.Err.
var ErrSomeFailed = errors.New("some steps were not done")

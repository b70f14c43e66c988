// Package preview makes plans and simulations that people look at, in the background, and
// says how far each is: for the API and the pages, which show the same ones.
//
// It must never carry a plan out.
package preview

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Plans are the plans of an installation that are being made, or were within the last hour.
type Plans struct {
	DB     *store.DB
	Engine *reconcile.Engine
	Now    func() time.Time
	Log    *slog.Logger

	mu      sync.Mutex
	working int
	// private is what is known of the last tasks and is personal, by task, and so in no
	// database: another replica answers without it.
	private map[string]private
	order   []string
}

// private is what of a task is personal: the names of a plan's accounts, and the people whom
// a simulation makes known.
type private struct {
	names     PlanNames
	newcomers []identity.Person
}

// PlanNames are the login names of the accounts in a plan, without those of people with
// protected identity.
type PlanNames struct {
	Steps    []StepAccount              `json:"steps"`
	Findings []reconcile.FindingAccount `json:"findings"`
}

// StepAccount is the account that a step is about.
type StepAccount struct {
	Step    audit.StepID `json:"step"`
	Account string       `json:"account"`
}

// mostPrivate is of how many tasks a process remembers what is personal.
const mostPrivate = 4

func (p *Plans) remember(id string, known private) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order = append(p.order, id); len(p.order) > mostPrivate {
		delete(p.private, p.order[0])
		p.order = p.order[1:]
	}
	if p.private == nil {
		p.private = map[string]private{}
	}
	p.private[id] = known
}

func (p *Plans) rememberedOf(id string) (private, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, remembered := p.private[id]
	return known, remembered
}

// NamesOf returns the names of the accounts in a plan.
func NamesOf(ctx context.Context, p *plan.Plan, v *reconcile.Values) PlanNames {
	n := PlanNames{Steps: []StepAccount{}, Findings: append([]reconcile.FindingAccount{}, v.FindingAccounts(ctx, p.Findings)...)}
	add := func(steps []plan.Step) {
		for _, s := range steps {
			if name := v.Account(s); name != "" {
				n.Steps = append(n.Steps, StepAccount{s.ID, name})
			}
		}
	}
	add(p.Steps)
	for _, h := range p.Holds {
		add(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		add(w.Steps)
	}
	return n
}

// mostAtOnce is how many plans a process makes at once: each holds everyone in memory.
const mostAtOnce = 2

func (p *Plans) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.working >= mostAtOnce {
		return false
	}
	p.working++
	return true
}

func (p *Plans) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.working--
}

// mostKept is how many grants, steps and findings of a simulation are kept: the counts have
// them all.
const mostKept = 10_000

const (
	// kept is for how long a plan is kept after it was made.
	kept = time.Hour
	// says is how often a plan says that it is being made, and lost after how long without
	// that it is lost: its process was killed.
	says = 2 * time.Second
	lost = 30 * time.Second
)

var (
	// ErrBusy is returned while other plans are being made.
	ErrBusy = errors.New("other plans are being made: try again when they are ready")
	// ErrNone is returned for a plan that is not there, or is another's.
	ErrNone = errors.New("there is no such plan, or it is another's")
)

// The kinds of tasks.
const (
	planTask       = "plan"
	simulationTask = "simulation"
)

// Start begins to make a plan for an owner, a person or a service account. word says why a
// plan could not be made.
func (p *Plans) Start(ctx context.Context, owner string, s reconcile.Scope, word func(error) string) (store.Task, error) {
	return p.start(ctx, owner, planTask, word, func(ctx context.Context, e *reconcile.Engine, id string) (any, error) {
		planned, values, err := e.Look(ctx, s)
		if err == nil {
			if err = e.RecordHolds(ctx, planned, values); err == nil {
				p.remember(id, private{names: NamesOf(ctx, planned, values)})
			}
		}
		return planned, err
	})
}

// Try begins a simulation, as Start. Files that are wrong are a *TrialError.
func (p *Plans) Try(ctx context.Context, owner string, t Trial, importer *hr.Importer, word func(error) string) (store.Task, error) {
	c, err := t.config(p.Engine.Config)
	if err != nil {
		return store.Task{}, err
	}
	return p.start(ctx, owner, simulationTask, word, func(ctx context.Context, e *reconcile.Engine, id string) (any, error) {
		out, err := t.simulate(ctx, e, importer, c)
		if err == nil {
			p.remember(id, private{newcomers: out.Newcomers[:min(len(out.Newcomers), mostKept)]})
			out.Keep(mostKept)
		}
		return out, err
	})
}

func (p *Plans) start(ctx context.Context, owner, kind string, word func(error) string, work func(context.Context, *reconcile.Engine, string) (any, error)) (store.Task, error) {
	if !p.begin() {
		return store.Task{}, ErrBusy
	}
	now := p.Now()
	t := store.Task{ID: uuid.Must(uuid.NewV7()).String(), Owner: owner, Kind: kind, State: store.TaskRunning, BeganUS: store.Micros(now.UnixMicro()), SeenUS: store.Micros(now.UnixMicro())}
	if err := p.DB.PutTask(ctx, t, now.Add(-kept)); err != nil {
		p.end()
		return t, err
	}
	go p.carryOut(context.WithoutCancel(ctx), t, word, work)
	return t, nil
}

// Find returns how far an owner's plan is, and the plan once it is made.
func (p *Plans) Find(ctx context.Context, owner, id string) (store.Task, *plan.Plan, *PlanNames, error) {
	var made plan.Plan
	t, err := p.find(ctx, owner, planTask, id, &made)
	if err != nil || t.State != store.TaskDone {
		return t, nil, nil, err
	}
	known, remembered := p.rememberedOf(id)
	if !remembered {
		return t, &made, nil, nil
	}
	return t, &made, &known.names, nil
}

// FindTrial returns how far an owner's simulation is, and what it says once it is made.
func (p *Plans) FindTrial(ctx context.Context, owner, id string) (store.Task, *Outcome, error) {
	var made Outcome
	t, err := p.find(ctx, owner, simulationTask, id, &made)
	if err != nil || t.State != store.TaskDone {
		return t, nil, err
	}
	known, _ := p.rememberedOf(id)
	made.Newcomers = known.newcomers
	return t, &made, nil
}

func (p *Plans) find(ctx context.Context, owner, kind, id string, made any) (store.Task, error) {
	t, known, err := p.DB.Task(ctx, id)
	if err != nil {
		return t, err
	}
	if !known || t.Owner != owner || t.Kind != kind {
		return t, ErrNone
	}
	if t = p.Alive(t); t.State == store.TaskDone {
		err = json.Unmarshal([]byte(t.Result), made)
	}
	return t, err
}

// Alive returns a task as failed when its process was killed.
func (p *Plans) Alive(t store.Task) store.Task {
	if t.EndedUS == 0 && p.Now().Sub(t.SeenUS.Time()) > lost {
		t.State, t.Fault = store.TaskFailed, "the process that made it was ended: make it again"
	}
	return t
}

// carryOut does what a task is for and keeps the result, and says on the way how far it is.
func (p *Plans) carryOut(ctx context.Context, t store.Task, word func(error) string, work func(context.Context, *reconcile.Engine, string) (any, error)) {
	put := func() {
		t.SeenUS = store.Micros(p.Now().UnixMicro())
		if err := p.DB.PutTask(ctx, t, p.Now().Add(-kept)); err != nil {
			p.Log.Error("a task could not be kept", "task", t.ID, "error", err)
		}
	}
	var mu sync.Mutex
	stage, done, total := "", 0, 0
	engine := *p.Engine
	engine.Progress = func(now string, n, of int) {
		mu.Lock()
		defer mu.Unlock()
		stage, done, total = now, n, of
	}
	ready := make(chan error, 1)
	var made any
	go func() {
		var err error
		made, err = work(ctx, &engine, t.ID)
		ready <- err
	}()
	tick := time.NewTicker(says)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			mu.Lock()
			t.Stage, t.Done, t.Total = stage, done, total
			mu.Unlock()
			put()
		case err := <-ready:
			t.State, t.EndedUS = store.TaskDone, store.Micros(p.Now().UnixMicro())
			if err == nil {
				var b []byte
				b, err = json.Marshal(made)
				t.Result = string(b)
			}
			if err != nil {
				p.Log.Warn("a task was not done", "task", t.ID, "kind", t.Kind, "error", err)
				t.State, t.Fault, t.Result = store.TaskFailed, word(err), ""
			}
			p.end() // before it says that it is ready: the next may be asked for at once
			put()
			return
		}
	}
}

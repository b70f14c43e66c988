// Package preview makes plans that people look at, in the background, and says how far each
// is: for the API and the pages, which show the same ones.
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
	// names are those of accounts in the last plans, by task. They are personal, and so in
	// no database: another replica answers with a plan without them.
	names map[string]PlanNames
	order []string
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

// mostNames is of how many plans a process remembers names.
const mostNames = 4

func (p *Plans) remember(id string, n PlanNames) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order = append(p.order, id); len(p.order) > mostNames {
		delete(p.names, p.order[0])
		p.order = p.order[1:]
	}
	if p.names == nil {
		p.names = map[string]PlanNames{}
	}
	p.names[id] = n
}

func (p *Plans) namesOf(id string) *PlanNames {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, known := p.names[id]; known {
		return &n
	}
	return nil
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

// Start begins to make a plan for an owner, a person or a service account. word says why a
// plan could not be made.
func (p *Plans) Start(ctx context.Context, owner string, s reconcile.Scope, word func(error) string) (store.Task, error) {
	if !p.begin() {
		return store.Task{}, ErrBusy
	}
	now := p.Now()
	t := store.Task{ID: uuid.Must(uuid.NewV7()).String(), Owner: owner, Kind: "plan", State: store.TaskRunning, BeganUS: store.Micros(now.UnixMicro()), SeenUS: store.Micros(now.UnixMicro())}
	if err := p.DB.PutTask(ctx, t, now.Add(-kept)); err != nil {
		p.end()
		return t, err
	}
	go p.make(context.WithoutCancel(ctx), t, s, word)
	return t, nil
}

// Find returns how far an owner's plan is, and the plan once it is made.
func (p *Plans) Find(ctx context.Context, owner, id string) (store.Task, *plan.Plan, *PlanNames, error) {
	t, known, err := p.DB.Task(ctx, id)
	if err != nil {
		return t, nil, nil, err
	}
	if !known || t.Owner != owner {
		return t, nil, nil, ErrNone
	}
	if t = p.Alive(t); t.State != store.TaskDone {
		return t, nil, nil, nil
	}
	var made plan.Plan
	if err := json.Unmarshal([]byte(t.Result), &made); err != nil {
		return t, nil, nil, err
	}
	return t, &made, p.namesOf(id), nil
}

// Alive returns a task as failed when its process was killed.
func (p *Plans) Alive(t store.Task) store.Task {
	if t.EndedUS == 0 && p.Now().Sub(t.SeenUS.Time()) > lost {
		t.State, t.Fault = store.TaskFailed, "the process that made it was ended: make it again"
	}
	return t
}

// make makes a plan and keeps it, and says on the way how far it is.
func (p *Plans) make(ctx context.Context, t store.Task, s reconcile.Scope, word func(error) string) {
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
	made := make(chan error, 1)
	var planned *plan.Plan
	go func() {
		var values *reconcile.Values
		var err error
		if planned, values, err = engine.Look(ctx, s); err == nil {
			if err = engine.RecordHolds(ctx, planned, values); err == nil {
				p.remember(t.ID, NamesOf(ctx, planned, values))
			}
		}
		made <- err
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
		case err := <-made:
			t.State, t.EndedUS = store.TaskDone, store.Micros(p.Now().UnixMicro())
			if err == nil {
				var b []byte
				b, err = json.Marshal(planned)
				t.Result = string(b)
			}
			if err != nil {
				p.Log.Warn("a plan could not be made", "task", t.ID, "error", err)
				t.State, t.Fault, t.Result = store.TaskFailed, word(err), ""
			}
			p.end() // before it says that it is ready: the next may be asked for at once
			put()
			return
		}
	}
}

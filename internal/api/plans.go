package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// tasks are those that this process works on.
type tasks struct {
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

func (t *tasks) remember(id string, n PlanNames) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.order = append(t.order, id); len(t.order) > mostNames {
		delete(t.names, t.order[0])
		t.order = t.order[1:]
	}
	t.names[id] = n
}

func (t *tasks) namesOf(id string) *PlanNames {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, known := t.names[id]; known {
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

// mostTasks is how many plans a process makes at once: each holds everyone in memory.
const mostTasks = 2

func newTasks() *tasks { return &tasks{names: map[string]PlanNames{}} }

func (t *tasks) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.working >= mostTasks {
		return false
	}
	t.working++
	return true
}

func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.working--
}

const (
	// taskKept is for how long a task is kept after it ended.
	taskKept = time.Hour
	// taskSays is how often a task says that it goes on, and taskLost after how long
	// without that it is lost: its process was killed.
	taskSays = 2 * time.Second
	taskLost = 30 * time.Second
)

// PlanTask is a plan that is being made, or was.
type PlanTask struct {
	ID    string          `json:"id"`
	State store.TaskState `json:"state" enum:"running,done,failed"`
	Stage string          `json:"stage,omitempty" doc:"What is done now."`
	Done  int             `json:"done"`
	Total int             `json:"total"`
	Began time.Time       `json:"began"`
	Ended *time.Time      `json:"ended,omitempty"`
	Fault string          `json:"fault,omitempty" doc:"Why it could not be made."`
	Plan  *access.Plan    `json:"plan,omitempty" doc:"The plan, once it is made."`
	Names *PlanNames      `json:"names,omitempty" doc:"The login names of the accounts in it, as far as this process knows them."`
}

type planStarted struct {
	Location string `header:"Location"`
	Body     PlanTask
}

func (a *api) plans() {
	route(a, SeesAll, op{id: "make-plan", method: http.MethodPost, path: "/plans", tag: "plans", status: http.StatusAccepted, summary: "Make a plan for everyone, or a person: what the next run would do, or one on a later day", description: "It takes a while: the answer says where to look for how far it is, and for the plan. What a plan for today holds can be decided on (list-holds)."},
		func(c *call, in *struct {
			Body struct {
				AsOf   string `json:"as_of,omitempty" doc:"A later day." format:"date"`
				Person string `json:"person,omitempty" doc:"Only this person." maxLength:"200"`
			}
		}) (*planStarted, error) {
			scope := reconcile.Scope{AsOf: identity.Date(in.Body.AsOf)}
			if in.Body.Person != "" {
				p, err := c.Find(in.Body.Person)
				if err != nil {
					return nil, err
				}
				scope.Person = p.ID
			}
			if !a.tasks.begin() {
				return nil, newProblem(http.StatusTooManyRequests, "busy", "other plans are being made: try again when they are ready")
			}
			now := c.Now()
			t := store.Task{ID: uuid.Must(uuid.NewV7()).String(), Owner: c.caller.Subject.ID(), Kind: "plan", State: store.TaskRunning, BeganUS: store.Micros(now.UnixMicro()), SeenUS: store.Micros(now.UnixMicro())}
			if err := a.DB.PutTask(c, t, now.Add(-taskKept)); err != nil {
				a.tasks.end()
				return nil, err
			}
			go a.makePlan(context.WithoutCancel(c.Context), t, scope)
			return &planStarted{Path + "/plans/" + t.ID, taskOf(t, now)}, nil
		})
	route(a, SeesAll, op{id: "get-plan", method: http.MethodGet, path: "/plans/{id}", tag: "plans", summary: "How far a plan is, and the plan"},
		func(c *call, in *struct {
			ID string `path:"id" format:"uuid"`
		}) (*answer[PlanTask], error) {
			t, known, err := a.DB.Task(c, in.ID)
			if err != nil {
				return nil, err
			}
			if !known || t.Owner != c.caller.Subject.ID() {
				return nil, newProblem(http.StatusNotFound, "not-found", "there is no such plan, or it is another's")
			}
			out := taskOf(t, c.Now())
			if t.State == store.TaskDone {
				var made plan.Plan
				if err := json.Unmarshal([]byte(t.Result), &made); err != nil {
					return nil, err
				}
				shown, err := c.Plan(&made)
				if err != nil {
					return nil, err
				}
				out.Plan, out.Names = &shown, a.tasks.namesOf(t.ID)
			}
			return one(out, nil)
		})
}

func taskOf(t store.Task, now time.Time) PlanTask {
	out := PlanTask{ID: t.ID, State: t.State, Stage: t.Stage, Done: t.Done, Total: t.Total, Began: t.BeganUS.Time(), Fault: t.Fault}
	if t.EndedUS != 0 {
		ended := t.EndedUS.Time()
		out.Ended = &ended
	} else if now.Sub(t.SeenUS.Time()) > taskLost {
		out.State, out.Fault = store.TaskFailed, "the process that made it was ended: make it again"
	}
	return out
}

// makePlan makes a plan and keeps it, and says on the way how far it is.
func (a *api) makePlan(ctx context.Context, t store.Task, s reconcile.Scope) {
	defer a.tasks.end()
	put := func() {
		t.SeenUS = store.Micros(a.Now().UnixMicro())
		if err := a.DB.PutTask(ctx, t, a.Now().Add(-taskKept)); err != nil {
			a.Log.Error("a task could not be kept", "task", t.ID, "error", err)
		}
	}
	var mu sync.Mutex
	stage, done, total := "", 0, 0
	engine := *a.Engine
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
				a.tasks.remember(t.ID, NamesOf(ctx, planned, values))
			}
		}
		made <- err
	}()
	tick := time.NewTicker(taskSays)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			mu.Lock()
			t.Stage, t.Done, t.Total = stage, done, total
			mu.Unlock()
			put()
		case err := <-made:
			t.State, t.EndedUS = store.TaskDone, store.Micros(a.Now().UnixMicro())
			if err == nil {
				var b []byte
				b, err = json.Marshal(planned)
				t.Result = string(b)
			}
			if err != nil {
				a.Log.Warn("a plan could not be made", "task", t.ID, "error", err)
				t.State, t.Fault, t.Result = store.TaskFailed, a.problem(ctx, err).Error(), ""
			}
			put()
			return
		}
	}
}

package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Task is work that takes a while: how far it is.
type Task struct {
	ID    string          `json:"id"`
	State store.TaskState `json:"state" enum:"running,done,failed"`
	Stage string          `json:"stage,omitempty" doc:"What is done now."`
	Done  int             `json:"done"`
	Total int             `json:"total"`
	Began time.Time       `json:"began"`
	Ended *time.Time      `json:"ended,omitempty"`
	Fault string          `json:"fault,omitempty" doc:"Why it could not be done."`
}

func doneOf(t store.Task) Task {
	out := Task{ID: t.ID, State: t.State, Stage: t.Stage, Done: t.Done, Total: t.Total, Began: t.BeganUS.Time(), Fault: t.Fault}
	if t.EndedUS != 0 {
		ended := t.EndedUS.Time()
		out.Ended = &ended
	}
	return out
}

// PlanTask is a plan that is being made, or was.
type PlanTask struct {
	Task
	Plan  *access.Plan       `json:"plan,omitempty" doc:"The plan, once it is made."`
	Names *preview.PlanNames `json:"names,omitempty" doc:"The login names of the accounts in it, as far as this process knows them."`
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
			t, err := a.Plans.Start(c, c.caller.Subject.ID(), scope, func(err error) string { return a.problem(context.WithoutCancel(c.Context), err).Error() })
			if errors.Is(err, preview.ErrBusy) {
				return nil, newProblem(http.StatusTooManyRequests, "busy", err.Error())
			}
			if err != nil {
				return nil, err
			}
			return &planStarted{Path + "/plans/" + t.ID, taskOf(t)}, nil
		})
	route(a, SeesAll, op{id: "get-plan", method: http.MethodGet, path: "/plans/{id}", tag: "plans", summary: "How far a plan is, and the plan"},
		func(c *call, in *struct {
			ID string `path:"id" format:"uuid"`
		}) (*answer[PlanTask], error) {
			t, made, names, err := a.Plans.Find(c, c.caller.Subject.ID(), in.ID)
			if errors.Is(err, preview.ErrNone) {
				return nil, newProblem(http.StatusNotFound, "not-found", err.Error())
			}
			if err != nil {
				return nil, err
			}
			out := taskOf(t)
			if made != nil {
				shown, err := c.Plan(made)
				if err != nil {
					return nil, err
				}
				out.Plan, out.Names = &shown, names
			}
			return one(out, nil)
		})
}

func taskOf(t store.Task) PlanTask { return PlanTask{Task: doneOf(t)} }

package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// What the command line needs of a server that its answers did not have.
func TestForTheCommandLine(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	why := map[string]any{"reason": "a test"}
	var here api.Installation
	h.good(h.get("stranger", "/installation")).into(t, &here)
	if here.TimeZone != "Europe/Stockholm" || here.First != "hr" || here.Version == "" || len(here.Paused) != 0 {
		t.Errorf("%+v", here)
	}
	// A pause that excepts leavers, and the same once more.
	var d access.Decision
	h.good(h.post("operator", "/targets/one/pause", map[string]any{"reason": "a test", "except_leavers": true})).into(t, &d)
	if d.Verdict != store.PauseExceptLeavers {
		t.Errorf("%+v", d)
	}
	var problem api.Problem
	r := h.post("operator", "/targets/one/pause", map[string]any{"reason": "a test", "except_leavers": true})
	r.into(t, &problem)
	if r.status != http.StatusConflict || problem.Decision == nil || problem.Decision.Seq != d.Seq {
		t.Errorf("%d %s", r.status, r.body)
	}
	h.good(h.get("stranger", "/installation")).into(t, &here)
	if len(here.Paused) != 1 || here.Paused[0].Seq != d.Seq {
		t.Errorf("%+v", here)
	}
	h.good(h.post("operator", "/targets/one/resume", why))
	h.good(h.post("operator", "/targets/all/pause", why))
	h.good(h.post("operator", "/targets/all/resume", why))
	// Steps of a target, and what is left to another person.
	h.failing(h.Person("staff").ID)
	h.failing(h.Person("operator").ID)
	var steps api.StepDecisions
	h.good(h.post("operator", "/steps/retry", map[string]any{"target": "all"})).into(t, &steps)
	if len(steps.Items) != 1 || steps.LeftToOthers != 1 {
		t.Errorf("%+v", steps)
	}
	for _, body := range []map[string]any{{}, {"keys": []string{"a"}, "target": "one"}} {
		if r := h.post("operator", "/steps/retry", body); r.status != http.StatusBadRequest {
			t.Errorf("%v: %d %s", body, r.status, r.body)
		}
	}
	if r := h.post("operator", "/steps/give-up", map[string]any{"reason": "r", "target": "one"}); r.status != http.StatusBadRequest {
		t.Errorf("giving up a target: %d %s", r.status, r.body)
	}
	// The commands to enter are for those who ask for them.
	plain := h.get("auditor", "/holds/abc")
	hinted := h.ask("auditor", http.MethodGet, api.Path+"/holds/abc", nil, "Prefer", "x, "+api.PreferHints)
	if strings.Contains(plain.body, "behov ") || !strings.Contains(hinted.body, "behov ") {
		t.Errorf("%s\n%s", plain.body, hinted.body)
	}
	// An answer after a decision is of after the decision: who is protected now has no name.
	if r := h.good(h.post("officer", "/people/staff/protection", why)); strings.Contains(r.body, "Anna") {
		t.Errorf("the name of a protected person: %s", r.body)
	}
	// What a decision's maker wrote is there, and what steps wrote stays sealed; of a masked
	// person nothing is.
	h.good(h.post("officer", "/people/manager/legal-hold", map[string]any{"reason": "an investigation"}))
	h.good(h.post("officer", "/people/"+string(h.Person("secret").ID)+"/legal-hold", map[string]any{"reason": "a secret one"}))
	r = h.good(h.get("auditor", "/records?limit=1000&stored=true"))
	var records api.List[access.Record]
	r.into(t, &records)
	wrote := 0
	for _, x := range records.Items {
		if x.Stored == nil || x.Stored.Index != x.Index || len(x.Stored.Hash) == 0 {
			t.Errorf("record %d is not as it is verified", x.Index)
		}
		if x.Wrote == "an investigation" {
			wrote++
		}
	}
	if wrote != 1 || strings.Contains(r.body, "a secret one") {
		t.Errorf("%d records: %s", wrote, r.body)
	}
}

// A plan of a person is made by the server, what it holds can be decided on, and the names of
// accounts are kept in no database.
func TestPlanOfAPerson(t *testing.T) {
	h := newHouse(t, map[string]string{"behov.yaml": "mfa: {}\n"})
	h.Apply()
	h.Import(office.Header + "newcomer,E9,Ny,Person,office,,,,2020-01-01,,no\n")
	if r := h.post("stranger", "/plans", map[string]any{"person": "newcomer"}); r.status != http.StatusForbidden {
		t.Errorf("a stranger: %d %s", r.status, r.body)
	}
	if r := h.post("auditor", "/plans", map[string]any{"person": "nobody"}); r.status != http.StatusNotFound {
		t.Errorf("nobody: %d %s", r.status, r.body)
	}
	var task api.PlanTask
	h.good(h.post("auditor", "/plans", map[string]any{"person": "newcomer"})).into(t, &task)
	for deadline := time.Now().Add(10 * time.Second); task.State == store.TaskRunning; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it takes too long")
		}
		h.good(h.get("auditor", "/plans/"+task.ID)).into(t, &task)
	}
	if task.Plan == nil || len(task.Plan.Steps) == 0 || task.Names == nil || len(task.Names.Steps) == 0 || task.Names.Steps[0].Account == "" {
		t.Fatalf("%+v", task)
	}
	for _, s := range task.Plan.Steps {
		if s.Person.ID != h.Person("newcomer").ID {
			t.Errorf("a step of %s", s.Person.ID)
		}
	}
	kept, known, err := h.DB.Task(t.Context(), task.ID)
	if err != nil || !known || strings.Contains(kept.Result, task.Names.Steps[0].Account) {
		t.Errorf("%v %t %s", err, known, kept.Result)
	}
}

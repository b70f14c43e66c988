package main

import (
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

// stepValuesJSON is what a step writes.
type stepValuesJSON struct {
	Step    audit.StepID            `json:"step"`
	Account string                  `json:"account,omitempty"`
	Changes []reconcile.ValueChange `json:"changes,omitempty"`
}

func valuesOf(p *plan.Plan, v *reconcile.Values) []stepValuesJSON {
	all := []stepValuesJSON{}
	eachStep(p, func(s plan.Step) { all = append(all, stepValuesJSON{s.ID, v.Account(s), v.Changes(s)}) })
	return all
}

// eachStep hands each step of a plan to f, also those that are held or wait.
func eachStep(p *plan.Plan, f func(plan.Step)) {
	all := func(steps []plan.Step) {
		for _, s := range steps {
			f(s)
		}
	}
	all(p.Steps)
	for _, h := range p.Holds {
		all(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		all(w.Steps)
	}
}

// changesOf returns what steps write, by step.
func changesOf(values []stepValuesJSON) map[audit.StepID][]reconcile.ValueChange {
	changes := make(map[audit.StepID][]reconcile.ValueChange, len(values))
	for _, v := range values {
		changes[v.Step] = v.Changes
	}
	return changes
}

// namesOf returns the names of the accounts that steps are about, by step.
func namesOf(p *plan.Plan, v *reconcile.Values, of map[identity.PersonID]bool) map[audit.StepID]string {
	names := map[audit.StepID]string{}
	eachStep(p, func(s plan.Step) {
		if of[s.Person] {
			names[s.ID] = v.Account(s)
		}
	})
	return names
}

// listedIn returns the people whose steps a plan has in words.
func listedIn(p access.Plan) map[identity.PersonID]bool {
	people := map[identity.PersonID]bool{}
	add := func(steps []access.Step) {
		for _, s := range steps {
			if s.Reason.Text != "" {
				people[s.Person.ID] = true
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
	return people
}

package main

import (
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// holdShowJSON is a hold with what it would do.
type holdShowJSON struct {
	access.Hold
	Would access.HoldContent `json:"would"`
}

// holdDecisionJSON is a decision on a hold.
type holdDecisionJSON struct {
	Decision access.Decision `json:"decision"`
	Hold     string          `json:"hold"`  // the digest
	Steps    int             `json:"steps"` // how many it covers, of a hold of a plan
	// Remaining counts steps that stay held for another person: they are about the maker,
	// or the maker caused them.
	Remaining int `json:"remaining"`
}

// proposalJSON is a decision that waits for another person, who releases the hold.
type proposalJSON struct {
	Decision access.Decision `json:"decision"`
	Hold     string          `json:"hold"` // the digest
}

// planJSON is a plan. Values and accounts are there with --values.
type planJSON struct {
	access.Plan
	Values   []stepValuesJSON           `json:"values,omitempty"`
	Accounts []reconcile.FindingAccount `json:"accounts,omitempty"` // that findings are about
}

// resultJSON is what a run did.
type resultJSON struct {
	Plan     access.Plan      `json:"plan"`
	Outcomes map[string]int   `json:"outcomes"` // steps by outcome
	NotDone  []stepResultJSON `json:"not_done"` // refused, failed or not tried
	Notes    []stepResultJSON `json:"notes"`    // done, and the target reported something
	Resolved map[string]int   `json:"resolved"` // steps of a stopped run whose end was found out, by outcome
	// Unavailable are targets that stopped answering, with why; the next run does their
	// steps.
	Unavailable map[string]string `json:"unavailable"`
}

// stepResultJSON is a step that was not done, or was done with a note.
type stepResultJSON struct {
	Step    access.Step   `json:"step"`
	Outcome string        `json:"outcome"`
	Detail  access.Reason `json:"detail"`
}

// suspendJSON is a suspension, or its end: then nothing is closed.
type suspendJSON struct {
	Decision access.Decision `json:"decision"`
	Closed   *resultJSON     `json:"closed,omitempty"` // accounts that behov knew
	Run      *resultJSON     `json:"run,omitempty"`    // what only a reading of the targets showed
}

// retireJSON is what a retirement ends: the decision, or without --yes what is kept of the
// target.
type retireJSON struct {
	Decision *access.Decision       `json:"decision,omitempty"`
	Kept     *store.TargetInventory `json:"kept,omitempty"`
}

// resultOf returns what a run did, with people and sentences; nil for none.
func resultOf(v *access.View, r *execute.Result) (*resultJSON, error) {
	if r == nil {
		return nil, nil
	}
	x := resultJSON{Outcomes: notNil(r.Outcomes), Resolved: notNil(r.Resolved), Unavailable: notNil(r.Unavailable)}
	if r.Plan != nil {
		p, err := v.Plan(r.Plan)
		if err != nil {
			return nil, err
		}
		x.Plan = p
	}
	steps := func(results []execute.StepResult) []stepResultJSON {
		all := []stepResultJSON{}
		for _, s := range results {
			all = append(all, stepResultJSON{v.Step(&s.Step), s.Outcome, v.Because(s.Detail)})
		}
		return all
	}
	x.NotDone, x.Notes = steps(r.NotDone), steps(r.Notes)
	return &x, nil
}

func notNil[T any](m map[string]T) map[string]T {
	if m == nil {
		return map[string]T{}
	}
	return m
}

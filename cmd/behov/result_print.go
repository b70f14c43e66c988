package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/plan"
)

func (a *app) printResult(r *execute.Result, n *access.View) {
	if total := sumCounts(r.Resolved); total > 0 {
		a.printf("Settled %s of a run that was stopped: %s.\n", count(total, "step", "steps"), outcomes(r.Resolved))
	}
	if sumCounts(r.Outcomes) == 0 {
		a.printf("%s.\n", nothingToDo(r.Plan))
	} else {
		a.printf("Plan %.12s applied: %s (%s).\n", r.Plan.Digest, cmp.Or(stepCounts(r.Done()), "nothing of it was done"), outcomes(r.Outcomes))
	}
	a.printSummary(summaryOf(r.Plan))
	for i, done := range r.Notes {
		if i == listed {
			a.printf("  … and %d more\n", len(r.Notes)-i)
			break
		}
		a.printf("  done, but: %s, %s: %s\n", concerned(n, done.Step), stepText(&done.Step), n.Text(done.Detail))
	}
	for i, u := range r.NotDone {
		if i == listed {
			a.printf("  … and %d more\n", len(r.NotDone)-i)
			break
		}
		a.printf("  %s: %s, %s: %s\n", u.Outcome, concerned(n, u.Step), stepText(&u.Step), n.Text(u.Detail))
	}
	for _, h := range r.Plan.Holds {
		a.printf("HELD in %s: %s.\n  behov hold release %s --reason \"…\" --by YOU\n", h.Target, n.Text(h.Why), h.Digest)
	}
	for _, w := range r.Plan.AwaitingCompleteRead {
		a.printf("WAITING in %s: %s.\n  %s.\n", w.Target, n.Text(w.Why), stepCounts(w.Steps))
	}
	for _, f := range r.Plan.Findings {
		switch f.Kind {
		case plan.Unreachable:
			a.printf("Target %s could not be read: %s\n", f.Target, n.Text(f.Reason))
		case plan.SignInPossible:
			a.printf("Target %s: %s\n", f.Target, n.Text(f.Reason))
		}
	}
}

// concerned names the person whom a step is about, or the target of one on a group.
func concerned(n *access.View, s plan.Step) string {
	if changesGroup(s.Op) {
		return s.Target
	}
	return n.Name(s.Person)
}

// nothingToDo says so, of the targets that could be read.
func nothingToDo(p *plan.Plan) string {
	var unread []string
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			unread = append(unread, f.Target)
		}
	}
	return nothingElse(unread)
}

func nothingElse(unread []string) string {
	if len(unread) == 0 {
		return "Nothing to do"
	}
	return "Nothing to do elsewhere; NOT READ, and so not planned: " + strings.Join(unread, ", ")
}

func sumCounts(m map[string]int) int {
	total := 0
	for _, n := range m {
		total += n
	}
	return total
}

func outcomes(m map[string]int) string {
	keys := sortedKeys(m)
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(m[b], m[a]) })
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%d %s", m[k], k)
	}
	return strings.Join(parts, ", ")
}

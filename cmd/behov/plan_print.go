package main

import (
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
)

// planPrinter prints a plan for people.
type planPrinter struct {
	*app
	accounts        []reconcile.FindingAccount // that the findings are about
	names           *access.View
	values          *reconcile.Values
	all, withValues bool
}

func (a *planPrinter) print(p *plan.Plan) {
	n, all := a.names, a.all
	a.printf("Plan %.12s for %s: ", p.Digest, p.Basis.AsOf)
	if len(p.Steps) == 0 {
		text := nothingToDo(p)
		a.printf("%s.\n", strings.ToLower(text[:1])+text[1:])
	} else {
		a.printf("%s for %s.\n", stepCounts(p.Steps), count(len(people(p.Steps)), "person", "people"))
	}
	a.printSummary(p)
	a.printSteps(p.Steps)
	for _, h := range p.Holds {
		a.printf("\nHELD in %s: %s.\n  %s. Look at them, and if they are right:\n  behov hold release %s --reason \"…\" --by YOU\n", h.Target, n.Text(h.Why), stepCounts(h.Steps), h.Digest)
		a.printSteps(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		a.printf("\nWAITING in %s: %s.\n  %s.\n", w.Target, n.Text(w.Why), stepCounts(w.Steps))
		a.printSteps(w.Steps)
	}
	if stuck := p.FailedSteps(); len(stuck) > 0 {
		a.printf("\nFAILED before, and not tried now: %s. Look at them with behov steps.\n", count(len(stuck), "step", "steps"))
		for i, s := range stuck {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(stuck)-i)
				break
			}
			a.printf("  %s: %s; %s\n", n.Name(s.Step.Person), stepText(s.Step), n.Text(s.Why))
		}
	}
	if len(p.GatedGrants) > 0 {
		a.printf("\nWaiting grants:\n")
		var ids []identity.PersonID
		for _, g := range p.GatedGrants[:displayCount(len(p.GatedGrants), all)] {
			ids = append(ids, g.Person)
		}
		n.Prepare(ids)
		for i, g := range p.GatedGrants {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(p.GatedGrants)-i)
				break
			}
			a.printf("  %s: %s waits, %s\n", n.Name(g.Person), g.Entitlement, n.Text(g.Reason))
		}
	}
	if len(p.Handovers) > 0 {
		a.printf("\nHanded over:\n")
		var ids []identity.PersonID
		var reasons []reason.Reason
		for _, h := range p.Handovers[:displayCount(len(p.Handovers), all)] {
			ids, reasons = append(ids, h.Person), append(reasons, h.Reason)
		}
		n.Prepare(ids, reasons...)
		for i, h := range p.Handovers {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(p.Handovers)-i)
				break
			}
			a.printf("  %s keeps %s until %s; %s\n", n.Name(h.Person), h.Entitlement, h.Until, n.Text(h.Reason))
		}
	}
	a.printFindings(p.Findings, n)
}

func (a *planPrinter) printSteps(steps []plan.Step) {
	n, all := a.names, a.all
	ids := people(steps)
	shown := ids[:displayCount(len(ids), all)]
	places := make(map[identity.PersonID][]int, len(shown)) // of their steps
	for _, id := range shown {
		places[id] = nil
	}
	var reasons []reason.Reason
	for i, s := range steps {
		if _, is := places[s.Person]; is {
			places[s.Person] = append(places[s.Person], i)
			reasons = append(reasons, s.Reason)
		}
	}
	n.Prepare(shown, reasons...)
	for _, id := range shown {
		a.printf("\n%s\n", n.Name(id))
		for _, place := range places[id] {
			s := steps[place]
			text := stepText(s)
			if name := a.values.Account(s); name != "" && s.Entitlement == "" {
				text = strings.Replace(text, " in "+s.Target, " "+name+" in "+s.Target, 1)
			}
			a.printf("  %s %s\n      %s\n", verbs[displayOp(s)].mark, text, n.Text(s.Reason))
			if a.withValues {
				for _, c := range a.values.Changes(s) {
					a.printf("      %s: %s → %s\n", c.Attribute, listOf(c.Before), listOf(c.After))
				}
			}
		}
	}
	if more := len(ids) - len(shown); more > 0 {
		a.printf("\n… and %s more (--all lists them)\n", count(more, "person", "people"))
	}
}

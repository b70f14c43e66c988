package main

import (
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

// planPrinter prints a plan for people.
type planPrinter struct {
	*app
	backend  *backend
	accounts []reconcile.FindingAccount // that the findings are about
	names    map[audit.StepID]string    // of the accounts that steps are about
	values   map[audit.StepID][]reconcile.ValueChange
	all      bool
}

func (a *planPrinter) print(p access.Plan) {
	n, all := a.backend, a.all
	a.printf("Plan %.12s for %s: ", p.Digest, p.Basis.AsOf)
	if len(p.Steps) == 0 && len(p.Groups) > 0 {
		a.printf("%s.\n", groupCounts(p.Groups))
	} else if len(p.Steps) == 0 {
		text := nothingElse(unread(p))
		a.printf("%s.\n", strings.ToLower(text[:1])+text[1:])
	} else {
		groups := ""
		if len(p.Groups) > 0 {
			groups = groupCounts(p.Groups) + "; "
		}
		a.printf("%s%s for %s.\n", groups, shownCounts(p.Steps), count(len(people(p.Steps)), "person", "people"))
	}
	a.printSummary(summaryOfShown(p))
	a.printGroups(p.Groups)
	a.printSteps(p.Steps)
	for _, h := range p.Holds {
		a.printf("\nHELD in %s: %s.\n  %s. Look at them, and if they are right:\n  behov hold release %s --reason \"…\" --by YOU\n", h.Target, h.Why.Text, shownCounts(h.Steps), h.Digest)
		a.printSteps(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		a.printf("\nWAITING in %s: %s.\n  %s.\n", w.Target, w.Why.Text, shownCounts(w.Steps))
		a.printSteps(w.Steps)
	}
	if stuck := p.FailedSteps(); len(stuck) > 0 {
		a.printf("\nFAILED before, and not tried now: %s. Look at them with behov steps.\n", count(len(stuck), "step", "steps"))
		for i, s := range stuck {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(stuck)-i)
				break
			}
			a.printf("  %s: %s; %s\n", n.name(s.Step.Person), stepText(s.Step.Step), s.Why.Text)
		}
	}
	if ordered := p.OrderedSteps(); len(ordered) > 0 {
		a.printf("\nORDERED: %s for people to make. Look at them with behov work-orders list.\n", count(len(ordered), "step waits", "steps wait"))
	}
	if len(p.GatedGrants) > 0 {
		a.printf("\nWaiting grants:\n")
		for i, g := range p.GatedGrants {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(p.GatedGrants)-i)
				break
			}
			a.printf("  %s: %s waits, %s\n", n.name(g.Person), g.Entitlement, g.Reason.Text)
		}
	}
	if len(p.Handovers) > 0 {
		a.printf("\nHanded over:\n")
		for i, h := range p.Handovers {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(p.Handovers)-i)
				break
			}
			a.printf("  %s keeps %s until %s; %s\n", n.name(h.Person), h.Entitlement, h.Until, h.Reason.Text)
		}
	}
	a.printFindings(p.Findings)
}

// printGroups prints the changes to groups themselves.
func (a *app) printGroups(groups []access.GroupStep) {
	if len(groups) == 0 {
		return
	}
	a.printf("\nGroups\n")
	for _, g := range groups {
		a.printf("  %s %q for %s in %s\n      %s\n", verbs[connectors.Op(g.Op)].mark, g.Native, g.Entitlement, g.Target, g.Reason.Text)
	}
}

// unread returns the targets that could not be read, and are not in a plan.
func unread(p access.Plan) []string {
	var targets []string
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			targets = append(targets, f.Target)
		}
	}
	return targets
}

func (a *planPrinter) printSteps(steps []access.Step) {
	concerned := people(steps)
	shown := concerned[:displayCount(len(concerned), a.all)]
	places := make(map[identity.PersonID][]int, len(shown)) // of their steps
	for _, who := range shown {
		places[who.ID] = nil
	}
	for i, s := range steps {
		if _, is := places[s.Person.ID]; is {
			places[s.Person.ID] = append(places[s.Person.ID], i)
		}
	}
	for _, who := range shown {
		a.printf("\n%s\n", a.backend.name(who))
		for _, place := range places[who.ID] {
			s := steps[place]
			text := stepText(s.Step)
			if name := a.names[s.ID]; name != "" && s.Entitlement == "" {
				text = strings.Replace(text, " in "+s.Target, " "+name+" in "+s.Target, 1)
			}
			a.printf("  %s %s\n      %s\n", verbs[displayOp(s.Step)].mark, text, s.Reason.Text)
			for _, c := range a.values[s.ID] {
				a.printf("      %s: %s → %s\n", c.Attribute, listOf(c.Before), listOf(c.After))
			}
		}
	}
	if more := len(concerned) - len(shown); more > 0 {
		a.printf("\n… and %s more (--all lists them)\n", count(more, "person", "people"))
	}
}

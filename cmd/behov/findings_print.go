package main

import (
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/plan"
)

// summary counts what a plan has besides its steps.
type summary struct{ adopted, held, failed, waiting, handovers, findings int }

func (a *app) printSummary(s summary) {
	var also []string
	for _, x := range []struct {
		n         int
		one, many string
	}{{s.adopted, "access was there already, and belongs to its rule from now on", "accesses were there already, and belong to their rules from now on"}, {s.held, "step is held", "steps are held"}, {s.failed, "step failed before", "steps failed before"}, {s.waiting, "grant waits", "grants wait"}, {s.handovers, "handover runs", "handovers run"}, {s.findings, "finding to look at", "findings to look at"}} {
		if x.n > 0 {
			also = append(also, count(x.n, x.one, x.many))
		}
	}
	if len(also) > 0 {
		a.printf("Also: %s.\n", strings.Join(also, ", "))
	}
}

func summaryOf(p *plan.Plan) summary {
	s := summary{adopted: len(p.Adopted), failed: len(p.FailedSteps()), waiting: len(p.GatedGrants), handovers: len(p.Handovers), findings: len(p.Findings)}
	for _, h := range p.Holds {
		s.held += len(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		s.held += len(w.Steps)
	}
	return s
}

func summaryOfShown(p access.Plan) summary {
	s := summary{adopted: len(p.Adopted), failed: len(p.FailedSteps()), waiting: len(p.GatedGrants), handovers: len(p.Handovers), findings: len(p.Findings)}
	for _, h := range p.Holds {
		s.held += len(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		s.held += len(w.Steps)
	}
	return s
}

func (a *planPrinter) printFindings(findings []access.Finding) {
	if len(findings) == 0 {
		return
	}
	all := a.all
	accounts := make(map[[2]string]string, len(a.accounts)) // as people see them, by target and ID
	for _, x := range a.accounts {
		if shown := x.Name; shown != "" {
			if x.Place != "" {
				shown += " in " + x.Place
			}
			accounts[[2]string{x.Target, x.AccountID}] = shown
		}
	}
	a.printf("\nFindings:\n")
	for i, f := range findings {
		if i == listed && !all {
			a.printf("  … and %d more (--all)\n", len(findings)-i)
			return
		}
		about := f.Target
		if f.Person != nil {
			about = strings.TrimPrefix(about+", "+a.backend.name(*f.Person), ", ")
		}
		if shown := accounts[[2]string{f.Target, f.AccountID}]; shown != "" {
			about += ", account " + shown
		} else if f.AccountID != "" && f.Person == nil {
			about += ", account " + f.AccountID
		}
		if f.Entitlement != "" {
			about += ", " + string(f.Entitlement)
		}
		a.printf("  %s (%s): %s\n", f.Kind, about, f.Reason.Text)
	}
}

package main

import (
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
)

func (a *app) printSummary(p *plan.Plan) {
	var also []string
	held := 0
	for _, h := range p.Holds {
		held += len(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		held += len(w.Steps)
	}
	for _, x := range []struct {
		n         int
		one, many string
	}{{len(p.Adopted), "access was there already, and belongs to its rule from now on", "accesses were there already, and belong to their rules from now on"}, {held, "step is held", "steps are held"}, {len(p.FailedSteps()), "step failed before", "steps failed before"}, {len(p.GatedGrants), "grant waits", "grants wait"}, {len(p.Handovers), "handover runs", "handovers run"}, {len(p.Findings), "finding to look at", "findings to look at"}} {
		if x.n > 0 {
			also = append(also, count(x.n, x.one, x.many))
		}
	}
	if len(also) > 0 {
		a.printf("Also: %s.\n", strings.Join(also, ", "))
	}
}

func (a *planPrinter) printFindings(findings []plan.Finding, n *access.View) {
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
	var ids []identity.PersonID
	var reasons []reason.Reason
	for _, f := range findings[:displayCount(len(findings), all)] {
		ids, reasons = append(ids, f.Person), append(reasons, f.Reason)
	}
	n.Prepare(ids, reasons...)
	for i, f := range findings {
		if i == listed && !all {
			a.printf("  … and %d more (--all)\n", len(findings)-i)
			return
		}
		about := f.Target
		if f.Person != "" {
			about = strings.TrimPrefix(about+", "+n.Name(f.Person), ", ")
		}
		if shown := accounts[[2]string{f.Target, f.AccountID}]; shown != "" {
			about += ", account " + shown
		} else if f.AccountID != "" && f.Person == "" {
			about += ", account " + f.AccountID
		}
		if f.Entitlement != "" {
			about += ", " + string(f.Entitlement)
		}
		a.printf("  %s (%s): %s\n", f.Kind, about, n.Text(f.Reason))
	}
}

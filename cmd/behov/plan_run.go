package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

// planHere plans with the targets of an installation on this machine.
func (a *app) planHere(ctx context.Context, i *installation, o reconcile.Scope, person, out string, all, values bool) error {
	if person != "" {
		p, err := i.db.FindPerson(ctx, person, i.config.First)
		if err != nil {
			return err
		}
		o.Person = p.ID
	}
	e, done, err := a.engine(ctx, i)
	if err != nil {
		return err
	}
	defer done()
	preview := e.Look
	if out != "" {
		preview = e.Preview
	}
	p, v, err := preview(ctx, o)
	if err != nil {
		return err
	}
	if err := e.RecordHolds(ctx, p, v); err != nil {
		return err
	}
	if out != "" {
		if err := savePlan(out, p); err != nil {
			return err
		}
	}
	shown, err := a.planShown(ctx, i, p, all)
	if err != nil {
		return err
	}
	x := planJSON{Plan: shown}
	if values {
		x.Values = valuesOf(p, v)
	}
	if a.json && values {
		x.Accounts = v.FindingAccounts(ctx, p.Findings)
	}
	if a.json {
		return errors.Join(a.printJSON(x), planStatus(shown))
	}
	printer := planPrinter{app: a, backend: a.localBackend(i, ""), names: namesOf(p, v, listedIn(shown)), values: changesOf(x.Values), all: all}
	printer.accounts = v.FindingAccounts(ctx, p.Findings[:displayCount(len(p.Findings), all)])
	printer.print(shown)
	if out != "" {
		on := ""
		if o.AsOf != "" {
			on = ", on " + string(o.AsOf) + " only"
		}
		a.printf("\nSaved as %s; behov apply %s carries out exactly this%s.\n", out, out, on)
	}
	return planStatus(shown)
}

// planShown returns a plan with the names and sentences that are printed.
func (a *app) planShown(ctx context.Context, i *installation, p *plan.Plan, all bool) (access.Plan, error) {
	if all || a.json {
		return a.view(ctx, i).Plan(p)
	}
	return a.view(ctx, i).PlanListed(p, listed)
}

// planThere has a server make a plan, and shows how far it is.
func (a *app) planThere(ctx context.Context, person, asOf string, all bool) error {
	d, err := a.serverBackend(ctx)
	if err != nil {
		return err
	}
	p := newProgress(a.stderr)
	made, err := d.operations.(*client.Client).Plan(ctx, person, asOf, p.show)
	p.done()
	switch {
	case err != nil:
		return a.withSignInHint(err)
	case a.json:
		return errors.Join(a.printJSON(planJSON{Plan: *made.Plan}), planStatus(*made.Plan))
	}
	printer := planPrinter{app: a, backend: d, names: map[audit.StepID]string{}, all: all}
	if made.Names != nil {
		printer.accounts = made.Names.Findings
		for _, s := range made.Names.Steps {
			printer.names[s.Step] = s.Account
		}
	}
	printer.print(*made.Plan)
	return planStatus(*made.Plan)
}

func planStatus(p access.Plan) error {
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			return fmt.Errorf("target %s could not be read, and is not in the plan: %s", f.Target, f.Reason.Text)
		}
	}
	switch p.Status() {
	case plan.Held:
		return exit(exitHeld)
	case plan.Changes:
		return exit(exitChanges)
	}
	return nil
}

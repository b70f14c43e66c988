package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/wording"
)

func (a *app) planCommand() *cobra.Command {
	var out, asOf, person string
	var all, values bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, and why",
		Long: `Read HR's facts, the decisions and every target, and show what would change and
why. Nothing is changed. Exit status: 0 nothing to do, 2 changes, 3 something
is held or failed for good, 1 error.`,
		Example: `  behov plan
  behov plan --as-of 2027-01-01     # what will change by then, as far as HR knows today
  behov plan --person 1004 --values
  behov plan -o monday.plan         # then, when it is right: behov apply monday.plan`,
		Args: cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			o := reconcile.Scope{}
			var err error
			if asOf != "" {
				if o.AsOf, err = identity.ParseDate(time.DateOnly, asOf); err != nil {
					return fmt.Errorf("--as-of %q: %w", asOf, err)
				}
			}
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
			switch {
			case a.json:
				err = a.printPlanJSON(ctx, i, p, v, values)
			default:
				printer := planPrinter{app: a, names: a.view(ctx, i), values: v, all: all, withValues: values}
				printer.accounts = v.FindingAccounts(ctx, p.Findings[:displayCount(len(p.Findings), all)])
				printer.print(p)
				if out != "" {
					on := ""
					if asOf != "" {
						on = ", on " + asOf + " only"
					}
					a.printf("\nSaved as %s; behov apply %s carries out exactly this%s.\n", out, out, on)
				}
			}
			return errors.Join(err, planStatus(p))
		}),
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "save the plan to a file, for behov apply FILE")
	cmd.Flags().StringVar(&asOf, "as-of", "", "preview a date (YYYY-MM-DD) instead of today")
	cmd.Flags().StringVar(&person, "person", "", "only this person: an HR person_id, login, e-mail address or ID")
	cmd.Flags().BoolVar(&all, "all", false, "list everyone, however many")
	cmd.Flags().BoolVar(&values, "values", false, "show old and new values: personal data, on your screen only")
	return cmd
}

func planStatus(p *plan.Plan) error {
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			return fmt.Errorf("target %s could not be read, and is not in the plan: %s", f.Target, printerFor(wording.Reader{}).Reason(f.Reason))
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

// printPlanJSON prints a plan, with values of people when they are asked for.
func (a *app) printPlanJSON(ctx context.Context, i *installation, p *plan.Plan, v *reconcile.Values, values bool) error {
	shown, err := a.view(ctx, i).Plan(p)
	if err != nil {
		return err
	}
	x := planJSON{Plan: shown}
	if values {
		x.Values, x.Accounts = valuesOf(p, v), v.FindingAccounts(ctx, p.Findings)
	}
	return a.printJSON(x)
}

// stepValuesJSON is what a step writes.
type stepValuesJSON struct {
	Step    audit.StepID            `json:"step"`
	Account string                  `json:"account,omitempty"`
	Changes []reconcile.ValueChange `json:"changes,omitempty"`
}

func valuesOf(p *plan.Plan, v *reconcile.Values) []stepValuesJSON {
	all := []stepValuesJSON{}
	add := func(steps []plan.Step) {
		for _, s := range steps {
			all = append(all, stepValuesJSON{s.ID, v.Account(s), v.Changes(s)})
		}
	}
	add(p.Steps)
	for _, h := range p.Holds {
		add(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		add(w.Steps)
	}
	return all
}

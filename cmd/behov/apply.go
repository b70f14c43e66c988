package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

func (a *app) applyCommand() *cobra.Command {
	var yes bool
	var person string
	cmd := &cobra.Command{
		Use:   "apply [FILE]",
		Short: "Carry out a saved plan, or plan and apply",
		Long: `Carry out a plan saved by behov plan -o, if the world still matches what it was
made from; otherwise say what moved. Without a file and with --yes, plan and
apply at once. What is held stays held. Exit status: 0 done, 3 done and
something is held or failed for good, 1 error or some steps were not done.`,
		Example: "  behov apply monday.plan\n  behov apply --yes\n  behov apply --yes --person 1004     # this person only, to begin with",
		Args:    cobra.MaximumNArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error {
			if person != "" && len(args) > 0 {
				return errors.New("a saved plan says itself whom it is about: leave --person out")
			}
			if len(args) == 0 && !yes {
				return errors.New("apply changes your targets: look at behov plan first, then give a saved plan's file, or --yes to plan and apply at once")
			}
			return nil
		},
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) (err error) {
			o := reconcile.Scope{}
			if person != "" {
				p, err := i.db.FindPerson(ctx, person, i.config.First)
				if err != nil {
					return err
				}
				o.Person = p.ID
			}
			var saved *plan.Plan
			if len(args) == 1 {
				if saved, err = loadPlan(args[0]); err != nil {
					return err
				}
			}
			e, done, err := a.engine(ctx, i)
			if err != nil {
				return err
			}
			defer done()
			o.Saved = saved
			r, err := e.Run(ctx, o)
			if err != nil && r == nil {
				return err
			}
			if a.json {
				shown, shownErr := resultOf(a.view(ctx, i), r)
				err = errors.Join(err, shownErr, a.printJSON(shown))
			} else {
				a.printResult(r, a.view(ctx, i))
			}
			if err := errors.Join(err, r.Err()); err != nil {
				return err
			}
			if r.Plan.Status() == plan.Held {
				return exit(exitHeld)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&person, "person", "", "with --yes, only this person: an HR person_id, login, e-mail address or ID")
	cmd.Flags().BoolVar(&yes, "yes", false, "plan and apply without a saved plan")
	return cmd
}

func (a *app) printResult(r *execute.Result, n *access.View) {
	if total := sumCounts(r.Resolved); total > 0 {
		a.printf("Settled %s of a run that was stopped: %s.\n", count(total, "step", "steps"), outcomes(r.Resolved))
	}
	if sumCounts(r.Outcomes) == 0 {
		a.printf("%s.\n", nothingToDo(r.Plan))
	} else {
		a.printf("Plan %.12s applied: %s (%s).\n", r.Plan.Digest, cmp.Or(stepCounts(r.Done()), "nothing of it was done"), outcomes(r.Outcomes))
	}
	a.printSummary(r.Plan)
	for i, done := range r.Notes {
		if i == listed {
			a.printf("  … and %d more\n", len(r.Notes)-i)
			break
		}
		a.printf("  done, but: %s, %s: %s\n", n.Name(done.Step.Person), stepText(done.Step), n.Text(done.Detail))
	}
	for i, u := range r.NotDone {
		if i == listed {
			a.printf("  … and %d more\n", len(r.NotDone)-i)
			break
		}
		a.printf("  %s: %s, %s: %s\n", u.Outcome, n.Name(u.Step.Person), stepText(u.Step), n.Text(u.Detail))
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

// nothingToDo says so, of the targets that could be read.
func nothingToDo(p *plan.Plan) string {
	var unread []string
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			unread = append(unread, f.Target)
		}
	}
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

package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

func (a *app) applyCommand() *cobra.Command {
	var yes bool
	var person string
	cmd := &cobra.Command{
		Use:   "apply [FILE]",
		Short: "Carry out a saved plan, or plan and apply",
		Long: `Carry out a plan saved by behov plan -o, if HR, the rules and the targets still
match what it was made from; otherwise say what changed. Without a file and with --yes, plan and
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

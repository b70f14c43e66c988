package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (a *app) twoPeopleCommand(use, short, long, example string, decide func(context.Context, *installation, identity.Person, identity.Person, rights.Subject, string) (store.Decision, error)) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n" + long, Example: example, Args: cobra.ExactArgs(2),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			other, err := i.db.FindPerson(ctx, args[1], i.config.First)
			if err != nil {
				return err
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := decide(ctx, i, p, other, subject, reason)
			return a.decided(ctx, i, d, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) mainCommand() *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use:   "main PERSON EMPLOYMENT",
		Short: "Say which employment gives a person's title, unit and manager (--lift leaves it to the rule)",
		Long: `Say which of a person's employments gives their title, unit and manager in the
targets, by HR's employment_id as behov people show lists it. It holds while that
employment runs, whatever main_employment in behov.yaml and HR's own mark say.
What the person may do does not change: every employment gives what it needs.`,
		Example: "  behov people main 1004 E7 --reason \"asked by the head of the library\" --by 1001\n  behov people main 1004 --lift --reason \"no longer\" --by 1001",
		Args:    cobra.RangeArgs(1, 2),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			if lift == (len(args) == 2) {
				return errors.New("name an employment, or --lift")
			}
			var chosen identity.EmploymentID
			if !lift {
				if chosen, err = a.view(ctx, i).FindEmployment(p, args[1]); err != nil {
					return err
				}
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := a.governance(i).SetMainEmployment(ctx, p, chosen, subject, reason)
			return a.decided(ctx, i, d, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "leave it to the rule again")
	return cmd
}

func (a *app) aboutPersonCommand(use, short, example string, decide func(context.Context, *installation, identity.Person, bool, rights.Subject, string) (store.Decision, error)) *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := decide(ctx, i, p, lift, subject, reason)
			return a.decided(ctx, i, d, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end it")
	return cmd
}

// decided prints a decision about a person.
func (a *app) decided(ctx context.Context, i *installation, d store.Decision, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(a.view(ctx, i).Decision(d))
	}
	a.printf("Decided: %s %s (decision %d, about %s); behov plan shows what follows.\n", d.Kind, d.Verdict, d.Seq, a.view(ctx, i).Name(d.Person))
	return nil
}
